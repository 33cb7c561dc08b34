//! One connection of a program to one of its sockets: decodes what it sends, and queues what it is
//! sent.

use super::{Channels, EVENT_QUEUE_MAX_BYTES, EventRefused};
use crate::descriptor::watch;
use further_link_protocol::channel::{MessageDecoder, ServerMessage, SocketKind};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, watch as watch_channel};

/// Bytes of one read: how much is decoded before other tasks have their turn.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Bytes that are still read when the program is over: what its sockets can hold, and more than one
/// message has. Somebody else who holds the connection could go on forever.
const DRAIN_MAX_BYTES: usize = 16 << 20;

/// Bytes of a message from which on it needs one of [`LARGE_MESSAGES_MAX`] permits.
const LARGE_MESSAGE_BYTES: usize = 64 * 1024;
/// Large messages of one program that are read at the same time, at most: it could begin one on
/// each of its connections, and fill the server's memory with that instead of its own.
pub(super) const LARGE_MESSAGES_MAX: usize = 4;
/// Decoded messages whose memory is kept between two reads.
const MESSAGES_MAX_CAPACITY: usize = 64;

/// A program's connection.
#[derive(Debug)]
pub(super) struct Connection {
    descriptor: AsyncFd<OwnedFd>,
    socket: SocketKind,
    /// It has asked for a key, so it is told of all.
    listens_to_keys: AtomicBool,
    /// Events that the socket has not taken yet.
    send_queue: Mutex<VecDeque<u8>>,
    wake: Notify,
}

impl Connection {
    pub(super) fn new(descriptor: OwnedFd, socket: SocketKind) -> io::Result<Self> {
        Ok(Self {
            descriptor: watch(descriptor)?,
            socket,
            listens_to_keys: AtomicBool::new(false),
            send_queue: Mutex::default(),
            wake: Notify::new(),
        })
    }

    /// Returns whether it speaks the messages of the channel socket, not the older package's.
    pub(super) fn is_channel_socket(&self) -> bool {
        self.socket == SocketKind::Channel
    }

    pub(super) fn listen_to_keys(&self) {
        self.listens_to_keys.store(true, Ordering::Relaxed);
    }

    pub(super) fn listens_to_keys(&self) -> bool {
        self.listens_to_keys.load(Ordering::Relaxed)
    }

    fn send_queue(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.send_queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message, or queues it. Whole or not at all.
    pub(super) fn send(&self, message: &[u8]) -> Result<(), EventRefused> {
        let mut queue = self.send_queue();
        let mut rest = message;
        if queue.is_empty() {
            // A key does not wait for another task.
            match self.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                // It is gone, which is found out where it is read.
                Err(_) => return Ok(()),
            }
        } else if queue.len() + rest.len() > EVENT_QUEUE_MAX_BYTES {
            return Err(EventRefused);
        }
        if !rest.is_empty() {
            queue.extend(rest);
            drop(queue);
            self.wake.notify_one();
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> nix::Result<usize> {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        send(self.descriptor.as_raw_fd(), bytes, flags)
    }

    /// Serves the connection until the program has closed it, or has ended and all was read.
    pub(super) async fn run(
        self: Arc<Self>,
        channels: Arc<Channels>,
        job_over: watch_channel::Receiver<bool>,
    ) {
        if self.is_channel_socket() {
            let mut hello = Vec::new();
            ServerMessage::Hello {
                version: &channels.version,
                features: channels.features,
            }
            .encode(&mut hello);
            let _ = self.send(&hello);
        }
        tokio::select! {
            () = self.read_all(&channels, job_over) => {}
            never = self.flush_queue() => match never {},
        }
        channels
            .state()
            .connections
            .retain(|connection| !Arc::ptr_eq(connection, &self));
    }

    async fn read_all(&self, channels: &Channels, mut job_over: watch_channel::Receiver<bool>) {
        let mut decoder = MessageDecoder::new(self.socket);
        let mut messages = Vec::new();
        let mut drained_bytes = 0;
        let mut permit = None;
        while drained_bytes < DRAIN_MAX_BYTES {
            // Allocated when there is something to read: most connections are idle.
            let mut buffer = Vec::new();
            let mut read = |descriptor: &OwnedFd| {
                buffer.resize(READ_BUFFER_BYTES, 0);
                Ok(nix::unistd::read(descriptor, &mut buffer)?)
            };
            let result = if *job_over.borrow() {
                read(self.descriptor.get_ref())
            } else {
                tokio::select! {
                    result = self.descriptor.async_io(Interest::READABLE, read) => result,
                    // Gone, or true: both mean the same.
                    _ = job_over.wait_for(|over| *over) => continue,
                }
            };
            let count = match result {
                Ok(0) => return,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Nothing more to read, if the program is over.
                Err(_) => return,
            };
            if *job_over.borrow() {
                drained_bytes += count;
            }
            decoder.decode(&buffer[..count], &mut |message| messages.push(message));
            drop(buffer);
            for message in messages.drain(..) {
                match message {
                    Ok(message) => channels.receive(message, self).await,
                    Err(refused) => self.report_refused(&refused.0),
                }
            }
            if messages.capacity() > MESSAGES_MAX_CAPACITY {
                messages = Vec::new();
            }
            if decoder.memory_bytes() <= LARGE_MESSAGE_BYTES {
                permit = None;
            } else if permit.is_none() {
                // The rest of it stays in the program until there is a permit.
                permit = channels.large_messages.acquire().await.ok();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Tells the program why a message of it was refused.
    fn report_refused(&self, text: &str) {
        tracing::debug!(socket = ?self.socket, text, "a program's message was refused");
        if self.is_channel_socket() {
            let mut message = Vec::new();
            ServerMessage::Error(text).encode(&mut message);
            // A program that sends nonsense and does not read misses this.
            let _ = self.send(&message);
        }
    }

    /// Writes the queue whenever the socket takes something.
    async fn flush_queue(&self) -> Infallible {
        loop {
            self.wake.notified().await;
            while !self.send_queue().is_empty() {
                let Ok(mut ready) = self.descriptor.writable().await else {
                    return std::future::pending().await;
                };
                let mut queue = self.send_queue();
                let (first, _) = queue.as_slices();
                match self.write(first) {
                    Ok(count) => {
                        queue.drain(..count);
                    }
                    Err(Errno::EAGAIN) => ready.clear_ready(),
                    Err(Errno::EINTR) => {}
                    Err(_) => queue.clear(),
                }
                if queue.is_empty() {
                    *queue = VecDeque::new();
                }
            }
        }
    }
}

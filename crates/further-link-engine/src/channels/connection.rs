//! One connection of a program to one of its sockets.

use super::{Channels, EVENTS_WAITING, EventRefused};
use crate::descriptor::watch;
use further_link_protocol::wire::channel::{Decoder, Socket, ToProgram};
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

/// Bytes of one read: what is decoded before it is the turn of others.
const READ: usize = 16 * 1024;
/// Bytes that are still read when the program is over: what its sockets can hold, and more than one message has.
/// Somebody else who holds the connection could go on for ever.
const LAST_BYTES: usize = 16 << 20;

/// Bytes of a message for which it needs a place among the [`LARGE_MESSAGES`].
const LARGE: usize = 64 * 1024;
/// Large messages of one program that are read at the same time, at the most: it could begin one on each of its
/// connections, and fill the server's memory with that instead of its own.
pub(super) const LARGE_MESSAGES: usize = 4;

/// A program's connection.
#[derive(Debug)]
pub(super) struct Connection {
    descriptor: AsyncFd<OwnedFd>,
    socket: Socket,
    /// It has asked for a key, so it is told of all.
    keys: AtomicBool,
    /// What the socket did not take yet.
    waiting: Mutex<VecDeque<u8>>,
    wake: Notify,
}

impl Connection {
    pub(super) fn new(descriptor: OwnedFd, socket: Socket) -> io::Result<Self> {
        Ok(Self {
            descriptor: watch(descriptor)?,
            socket,
            keys: AtomicBool::new(false),
            waiting: Mutex::default(),
            wake: Notify::new(),
        })
    }

    /// Whether it speaks the messages of the channel socket.
    pub(super) fn is_new(&self) -> bool {
        self.socket == Socket::Channel
    }

    pub(super) fn listen_to_keys(&self) {
        self.keys.store(true, Ordering::Relaxed);
    }

    pub(super) fn listens_to_keys(&self) -> bool {
        self.keys.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message, or puts it behind those that wait. Whole or not at all.
    pub(super) fn send(&self, message: &[u8]) -> Result<(), EventRefused> {
        let mut waiting = self.waiting();
        let mut rest = message;
        if waiting.is_empty() {
            // A key does not wait for another task.
            match self.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                // It is gone, which is found out where it is read.
                Err(_) => return Ok(()),
            }
        } else if waiting.len() + rest.len() > EVENTS_WAITING {
            return Err(EventRefused);
        }
        if !rest.is_empty() {
            waiting.extend(rest);
            drop(waiting);
            self.wake.notify_one();
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> nix::Result<usize> {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        send(self.descriptor.as_raw_fd(), bytes, flags)
    }

    /// Carries the connection until the program has closed it, or has ended and all was read.
    pub(super) async fn carry(
        self: Arc<Self>,
        channels: Arc<Channels>,
        over: watch_channel::Receiver<bool>,
    ) {
        if self.is_new() {
            let mut hello = Vec::new();
            ToProgram::Hello {
                version: &channels.version,
                features: channels.features,
            }
            .encode(&mut hello);
            let _ = self.send(&hello);
        }
        tokio::select! {
            () = self.read_all(&channels, over) => {}
            never = self.write_rest() => match never {},
        }
        channels
            .state()
            .connections
            .retain(|connection| !Arc::ptr_eq(connection, &self));
    }

    async fn read_all(&self, channels: &Channels, mut over: watch_channel::Receiver<bool>) {
        let mut decoder = Decoder::new(self.socket);
        let mut messages = Vec::new();
        let mut last_bytes = 0;
        let mut place = None;
        while last_bytes < LAST_BYTES {
            // Taken when there is something: most connections are idle.
            let mut buffer = Vec::new();
            let mut read = |descriptor: &OwnedFd| {
                buffer.resize(READ, 0);
                Ok(nix::unistd::read(descriptor, &mut buffer)?)
            };
            let result = if *over.borrow() {
                read(self.descriptor.get_ref())
            } else {
                tokio::select! {
                    result = self.descriptor.async_io(Interest::READABLE, read) => result,
                    // Gone, or true: both mean the same.
                    _ = over.wait_for(|over| *over) => continue,
                }
            };
            let count = match result {
                Ok(0) => return,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Dry, if the program is over.
                Err(_) => return,
            };
            if *over.borrow() {
                last_bytes += count;
            }
            decoder.decode(&buffer[..count], &mut |message| messages.push(message));
            drop(buffer);
            for message in messages.drain(..) {
                match message {
                    Ok(message) => channels.take(message, self).await,
                    Err(not_taken) => self.complain(&not_taken.0),
                }
            }
            if messages.capacity() > 64 {
                messages = Vec::new();
            }
            if decoder.held() <= LARGE {
                place = None;
            } else if place.is_none() {
                // The rest of it stays in the program until it is its turn.
                place = channels.large.acquire().await.ok();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Tells the program what is wrong with a message of it.
    fn complain(&self, text: &str) {
        tracing::debug!(socket = ?self.socket, text, "a program's message");
        if self.is_new() {
            let mut message = Vec::new();
            ToProgram::Error(text).encode(&mut message);
            // A program that sends nonsense and does not read misses this.
            let _ = self.send(&message);
        }
    }

    /// Writes what waits, when the socket takes it.
    async fn write_rest(&self) -> Infallible {
        loop {
            self.wake.notified().await;
            while !self.waiting().is_empty() {
                let Ok(mut ready) = self.descriptor.writable().await else {
                    return std::future::pending().await;
                };
                let mut waiting = self.waiting();
                let (first, _) = waiting.as_slices();
                match self.write(first) {
                    Ok(count) => {
                        waiting.drain(..count);
                    }
                    Err(Errno::EAGAIN) => ready.clear_ready(),
                    Err(Errno::EINTR) => {}
                    Err(_) => waiting.clear(),
                }
                if waiting.is_empty() {
                    *waiting = VecDeque::new();
                }
            }
        }
    }
}

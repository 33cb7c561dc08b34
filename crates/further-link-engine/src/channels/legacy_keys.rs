//! Key events for programs that carry the older package: they listen on sockets of their own, to
//! which only their user may connect (`docs/protocol.md` section 6, "The older dialect").

use super::{EVENT_QUEUE_MAX_BYTES, EventRefused};
use crate::descriptor::watch;
use further_link_protocol::KeyEvent;
use further_link_protocol::channel::encode_legacy_key_event;
use nix::sys::socket::{MsgFlags, send};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{fmt, io};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// How often listeners are searched for: a program says that it wants keys before it listens.
const CONNECT_ATTEMPTS: u32 = 20;
/// Pause between two attempts.
const CONNECT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// How long one attempt may take: the directory is the program's, which may have made it large, or
/// one that does not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of the shortest event: a key and an event without letters.
const EVENT_MIN_BYTES: usize = "  endkeyevent ".len();
/// Events that wait, at most; their bytes are bounded too.
const EVENT_QUEUE_MAX_COUNT: usize = EVENT_QUEUE_MAX_BYTES / EVENT_MIN_BYTES;

/// A future of [`ConnectLegacyListeners`].
pub(crate) type ConnectingListeners<'a> =
    Pin<Box<dyn Future<Output = io::Result<Vec<(u32, OwnedFd)>>> + Send + 'a>>;

/// Connects to a program's sockets with its user's rights: what channels need of the engine.
pub(crate) trait ConnectLegacyListeners: fmt::Debug + Send + Sync {
    /// Connects to the sockets in `dir`, the program's private directory, on which programs with
    /// the older package listen for keys, except those of the process groups `known`. Returns each
    /// connection with its process group.
    ///
    /// # Errors
    /// If the directory cannot be read, or the process that has the user's rights not be started.
    fn connect(&self, dir: String, known: Vec<u32>) -> ConnectingListeners<'_>;
}

/// Sends a job's programs key events.
#[derive(Debug)]
pub(super) struct LegacyKeys {
    listeners: Arc<dyn ConnectLegacyListeners>,
    /// The program's private directory, once it runs.
    dir: OnceLock<String>,
    /// There once was a program that listens, and so a task for it.
    sender: Mutex<Option<Sender>>,
    /// There may be a listener that the task is not connected to.
    has_new_listener: Arc<AtomicBool>,
}

/// The task that sends, and its queue.
#[derive(Debug)]
struct Sender {
    /// At most [`EVENT_QUEUE_MAX_BYTES`] of them.
    events: mpsc::Sender<Vec<u8>>,
    queued_bytes: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl LegacyKeys {
    pub(super) fn new(listeners: Arc<dyn ConnectLegacyListeners>) -> Self {
        Self {
            listeners,
            dir: OnceLock::new(),
            sender: Mutex::default(),
            has_new_listener: Arc::default(),
        }
    }

    pub(super) fn set_dir(&self, dir: String) {
        let _ = self.dir.set(dir);
    }

    fn sender(&self) -> MutexGuard<'_, Option<Sender>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a program has asked for a key; from then on there is a task that sends.
    pub(super) fn listen(&self) {
        self.has_new_listener.store(true, Ordering::Relaxed);
        self.sender().get_or_insert_with(|| {
            let (events, receiver) = mpsc::channel(EVENT_QUEUE_MAX_COUNT);
            let queued_bytes = Arc::new(AtomicUsize::new(0));
            let task = SendTask {
                listeners: Arc::clone(&self.listeners),
                dir: self.dir.get().cloned().unwrap_or_default(),
                has_new_listener: Arc::clone(&self.has_new_listener),
                queued_bytes: Arc::clone(&queued_bytes),
                connected: Vec::new(),
            };
            Sender {
                events,
                queued_bytes,
                task: tokio::spawn(task.run(receiver)).abort_handle(),
            }
        });
    }

    /// Queues an event for the programs that have asked, if there are any.
    ///
    /// # Errors
    /// [`EventRefused`] if the queue is full.
    pub(super) fn send(&self, event: &KeyEvent) -> Result<(), EventRefused> {
        let sender = self.sender();
        let Some(sender) = &*sender else {
            return Ok(());
        };
        let mut message = Vec::new();
        encode_legacy_key_event(event, &mut message);
        let bytes = message.len();
        if sender.queued_bytes.load(Ordering::Relaxed) + bytes > EVENT_QUEUE_MAX_BYTES {
            return Err(EventRefused);
        }
        // Before it is there to be taken: the task subtracts.
        sender.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        sender.events.try_send(message).map_err(|_| {
            // Full, or the task is gone with its runtime; there is no other cause.
            sender.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            EventRefused
        })
    }
}

impl Drop for LegacyKeys {
    /// Ends the task: nobody is left who could be told.
    fn drop(&mut self) {
        if let Some(sender) = self.sender().take() {
            sender.task.abort();
        }
    }
}

/// The task's side: programs that listen.
struct SendTask {
    listeners: Arc<dyn ConnectLegacyListeners>,
    dir: String,
    has_new_listener: Arc<AtomicBool>,
    queued_bytes: Arc<AtomicUsize>,
    /// By the process groups in the names of their sockets.
    connected: Vec<(u32, AsyncFd<OwnedFd>)>,
}

impl SendTask {
    /// Sends events in their order, until it is aborted.
    async fn run(mut self, mut events: mpsc::Receiver<Vec<u8>>) {
        while let Some(event) = events.recv().await {
            let is_new = self.has_new_listener.swap(false, Ordering::Relaxed);
            if is_new {
                self.find_listeners(CONNECT_ATTEMPTS).await;
            }
            let before = self.connected.len();
            self.send_from(0, &event).await;
            let left = self.connected.len();
            if left < before || left == 0 && !is_new {
                // One that has gone may be back soon, and is to miss nothing. Those that were told
                // are not told twice.
                let attempts = if left < before { CONNECT_ATTEMPTS } else { 1 };
                self.find_listeners(attempts).await;
                self.send_from(left, &event).await;
            }
            self.queued_bytes.fetch_sub(event.len(), Ordering::Relaxed);
        }
    }

    /// Sends an event to all from `first` on; those that do not take it are gone.
    async fn send_from(&mut self, first: usize, event: &[u8]) {
        for (group, listener) in self.connected.split_off(first) {
            if write_all(&listener, event).await.is_ok() {
                self.connected.push((group, listener));
            }
        }
    }

    /// Connects to listeners that it is not connected to yet. While there is none at all, it tries
    /// up to `attempts` times.
    async fn find_listeners(&mut self, attempts: u32) {
        for attempt in 1..=attempts {
            match tokio::time::timeout(CONNECT_TIMEOUT, self.connect()).await {
                Ok(Ok(())) if self.connected.is_empty() && attempt < attempts => {
                    tokio::time::sleep(CONNECT_RETRY_DELAY).await;
                }
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "programs that listen for keys cannot be found");
                    return;
                }
                Err(_) => return,
            }
        }
    }

    async fn connect(&mut self) -> io::Result<()> {
        let known = self.connected.iter().map(|(group, _)| *group).collect();
        let connections = self.listeners.connect(self.dir.clone(), known).await?;
        for (group, connection) in connections {
            if let Ok(connection) = watch(connection) {
                self.connected.push((group, connection));
            }
        }
        Ok(())
    }
}

async fn write_all(listener: &AsyncFd<OwnedFd>, mut message: &[u8]) -> io::Result<()> {
    while !message.is_empty() {
        let count = listener
            .async_io(Interest::WRITABLE, |descriptor| {
                let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
                Ok(send(descriptor.as_raw_fd(), message, flags)?)
            })
            .await?;
        message = &message[count..];
    }
    Ok(())
}

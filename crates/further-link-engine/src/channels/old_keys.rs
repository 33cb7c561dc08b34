//! Telling programs with the older package about keys: they listen on sockets of their own, to which only their
//! user may connect (`docs/protocol.md` section 6, "The older dialect").

use super::EventRefused;
use crate::account::Account;
use crate::descriptor::watch;
use crate::engine::Engine;
use crate::files::Task;
use further_link_protocol::KeyEvent;
use further_link_protocol::wire::channel::encode_old_key;
use nix::sys::socket::{MsgFlags, send};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// Events that wait, at the most.
const EVENTS: usize = 256;
/// A program says that it wants keys before it listens for them: how often it is looked for, and the pause.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Whose program it is, for connecting to it.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) engine: Engine,
    pub(crate) account: Account,
}

/// Key events for programs with the older package.
#[derive(Debug)]
pub(super) struct OldKeys {
    user: User,
    /// The program's private folder, once it runs.
    folder: OnceLock<String>,
    /// There is one, and so a task for it.
    events: Mutex<Option<mpsc::Sender<KeyEvent>>>,
    /// There may be one that the task is not connected to.
    news: Arc<AtomicBool>,
}

impl OldKeys {
    pub(super) fn new(user: User) -> Self {
        Self {
            user,
            folder: OnceLock::new(),
            events: Mutex::default(),
            news: Arc::default(),
        }
    }

    pub(super) fn set_folder(&self, folder: String) {
        let _ = self.folder.set(folder);
    }

    /// A program has asked for a key.
    pub(super) fn listen(&self) {
        self.news.store(true, Ordering::Relaxed);
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.is_none() {
            let (sender, receiver) = mpsc::channel(EVENTS);
            *events = Some(sender);
            let user = self.user.clone();
            let folder = self.folder.get().cloned().unwrap_or_default();
            let news = Arc::clone(&self.news);
            tokio::spawn(tell(user, folder, news, receiver));
        }
    }

    /// Tells the programs that have asked, if there are any.
    pub(super) fn send(&self, event: &KeyEvent) -> Result<(), EventRefused> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        match &*events {
            Some(events) => events.try_send(event.clone()).map_err(|_| EventRefused),
            None => Ok(()),
        }
    }
}

/// Hands events on in their order, until the job is gone.
async fn tell(
    user: User,
    folder: String,
    news: Arc<AtomicBool>,
    mut events: mpsc::Receiver<KeyEvent>,
) {
    let mut listeners = Vec::new();
    let mut message = Vec::new();
    while let Some(event) = events.recv().await {
        message.clear();
        encode_old_key(&event, &mut message);
        if news.swap(false, Ordering::Relaxed) || listeners.is_empty() {
            listeners = connect(&user, &folder).await;
        }
        let mut living = Vec::with_capacity(listeners.len());
        for listener in listeners {
            if write(&listener, &message).await.is_ok() {
                living.push(listener);
            }
        }
        listeners = living;
    }
}

async fn connect(user: &User, folder: &str) -> Vec<AsyncFd<OwnedFd>> {
    for _ in 0..LOOKS {
        let task = Task::Keys {
            folder: folder.to_owned(),
        };
        let connections = match user.engine.files(&user.account, &task).await {
            Ok(mut process) => process.receive::<usize>().await,
            Err(error) => Err(error),
        };
        match connections {
            Ok((1.., connections)) => return connections.into_iter().flat_map(watch).collect(),
            Ok(_) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::debug!(%error, "programs that listen for keys cannot be found");
                break;
            }
        }
    }
    Vec::new()
}

async fn write(listener: &AsyncFd<OwnedFd>, mut message: &[u8]) -> std::io::Result<()> {
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

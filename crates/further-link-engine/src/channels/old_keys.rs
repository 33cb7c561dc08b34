//! Telling programs with the older package about keys: they listen on sockets of their own, to which only their
//! user may connect (`docs/protocol.md` section 6, "The older dialect").

use super::{EVENTS_WAITING, EventRefused};
use crate::account::Account;
use crate::descriptor::watch;
use crate::engine::Engine;
use crate::files::{FilesError, Task};
use further_link_protocol::KeyEvent;
use further_link_protocol::wire::channel::encode_old_key;
use nix::sys::socket::{MsgFlags, send};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// A program says that it wants keys before it listens for them: how often it is looked for, and the pause.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);
/// How long one look may take: the folder is the program's, which may have made it a large one, or one that does
/// not answer.
const LOOK: Duration = Duration::from_secs(2);

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
    /// There is a program that listens, and so a task for it.
    telling: Mutex<Option<Telling>>,
    /// There may be one that the task is not connected to.
    news: Arc<AtomicBool>,
}

/// What a task is given.
#[derive(Debug)]
struct Telling {
    /// Messages, no more than [`EVENTS_WAITING`] bytes of them.
    messages: mpsc::UnboundedSender<Vec<u8>>,
    /// Their bytes.
    waiting: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl OldKeys {
    pub(super) fn new(user: User) -> Self {
        Self {
            user,
            folder: OnceLock::new(),
            telling: Mutex::default(),
            news: Arc::default(),
        }
    }

    pub(super) fn set_folder(&self, folder: String) {
        let _ = self.folder.set(folder);
    }

    fn telling(&self) -> MutexGuard<'_, Option<Telling>> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A program has asked for a key.
    pub(super) fn listen(&self) {
        self.news.store(true, Ordering::Relaxed);
        self.telling().get_or_insert_with(|| {
            let (messages, receiver) = mpsc::unbounded_channel();
            let waiting = Arc::new(AtomicUsize::new(0));
            let listeners = Listeners {
                user: self.user.clone(),
                folder: self.folder.get().cloned().unwrap_or_default(),
                news: Arc::clone(&self.news),
                waiting: Arc::clone(&waiting),
                connected: Vec::new(),
            };
            Telling {
                messages,
                waiting,
                task: tokio::spawn(listeners.tell(receiver)).abort_handle(),
            }
        });
    }

    /// Tells the programs that have asked, if there are any.
    pub(super) fn send(&self, event: &KeyEvent) -> Result<(), EventRefused> {
        let telling = self.telling();
        let Some(telling) = &*telling else {
            return Ok(());
        };
        let mut message = Vec::new();
        encode_old_key(event, &mut message);
        let waiting = telling.waiting.load(Ordering::Relaxed);
        if waiting + message.len() > EVENTS_WAITING {
            return Err(EventRefused);
        }
        telling.waiting.fetch_add(message.len(), Ordering::Relaxed);
        telling.messages.send(message).map_err(|_| EventRefused)
    }
}

impl Drop for OldKeys {
    /// Nobody is there any more who could be told.
    fn drop(&mut self) {
        if let Some(telling) = self.telling().take() {
            telling.task.abort();
        }
    }
}

/// The task's side: programs that listen.
struct Listeners {
    user: User,
    folder: String,
    news: Arc<AtomicBool>,
    waiting: Arc<AtomicUsize>,
    /// By the process groups in their names.
    connected: Vec<(u32, AsyncFd<OwnedFd>)>,
}

impl Listeners {
    /// Hands messages on in their order, until it is aborted.
    async fn tell(mut self, mut messages: mpsc::UnboundedReceiver<Vec<u8>>) {
        while let Some(message) = messages.recv().await {
            let asked = self.news.swap(false, Ordering::Relaxed);
            if asked {
                self.look(LOOKS).await;
            }
            let before = self.connected.len();
            self.hand_on(0, &message).await;
            let left = self.connected.len();
            if left < before || left == 0 && !asked {
                // One that has gone may be there again soon, and is to miss nothing. Those that were told are not
                // told twice.
                let looks = if left < before { LOOKS } else { 1 };
                self.look(looks).await;
                self.hand_on(left, &message).await;
            }
            self.waiting.fetch_sub(message.len(), Ordering::Relaxed);
        }
    }

    /// Gives a message to all from `first` on; those who do not take it are gone.
    async fn hand_on(&mut self, first: usize, message: &[u8]) {
        let told = self.connected.split_off(first);
        for (group, listener) in told {
            if write(&listener, message).await.is_ok() {
                self.connected.push((group, listener));
            }
        }
    }

    /// Connects to those that are not connected yet. If there is nobody at all, so many looks are taken.
    async fn look(&mut self, looks: u32) {
        for look in 1..=looks {
            match tokio::time::timeout(LOOK, self.connect()).await {
                Ok(Ok(())) if self.connected.is_empty() && look < looks => {
                    tokio::time::sleep(PAUSE).await;
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

    async fn connect(&mut self) -> Result<(), FilesError> {
        let task = Task::Keys {
            folder: self.folder.clone(),
            known: self.connected.iter().map(|(group, _)| *group).collect(),
        };
        let User { engine, account } = &self.user;
        let mut process = engine.files(account, &task).await?;
        let (groups, connections) = process.receive::<Vec<u32>>().await?;
        for (group, connection) in groups.into_iter().zip(connections) {
            if let Ok(connection) = watch(connection) {
                self.connected.push((group, connection));
            }
        }
        Ok(())
    }
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

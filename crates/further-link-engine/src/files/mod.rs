//! Files of users: uploaded projects, the file tree that clients see, and sockets that only their user
//! may connect to.
//!
//! Whatever touches them happens in a *files* process, which the spawner forks for one task and which has
//! become the user: it can reach nothing that the user could not reach anyhow. The server talks to it in packets, and
//! gets descriptors of files from it.
//!
//! `task` is what such a process can be asked for, `process` is its side, this file the server's.

pub(crate) mod beneath;
mod browse;
mod cache;
mod error;
mod keys;
mod parcel;
mod process;
mod project;
mod swap;
mod task;
#[cfg(test)]
mod tests;
mod tree;
mod upload;

pub use beneath::Name;
pub use browse::{
    Archive, Change, ChangeKind, Conditions, Entry, Folder, FolderState, Kind, OpenFile, Seen,
    Tree, Version, Versions, Watch, WriteOptions, Writing, Written,
};
pub use error::FilesError;
pub(crate) use process::run;
pub(crate) use task::{Answer, Task};
pub use upload::{FetchError, Project};

use crate::descriptor::watch;
use crate::spawner::packet::{self, Packet};
use nix::errno::Errno;
use nix::sys::socket::{Shutdown, shutdown};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How names begin of files and folders that are being made beside what they will replace. A process that makes one
/// holds a lock on it (`flock(2)`); one that nobody has locked was left by a process that was killed, and whoever finds it
/// removes it. Clients never see them, nor may they use such names.
pub(crate) const TEMPORARY: &str = ".flnew-";
/// *Files* processes at the same time, at the most; further tasks wait. Each has a few hundred KiB of its own.
pub(crate) const PROCESSES: usize = 16;
/// Those beside them that last as long as a client takes to send or to read: large files, archives.
/// Clients that are slow must not keep others from saving a line.
pub(crate) const TRANSFERS: usize = 16;
/// Those beside them that watch folders, for as long as a page is open.
pub(crate) const WATCHERS: usize = 32;

/// How long a process keeps its place when the server has let go of it. One that hangs (a network's file system that does
/// not answer) must not take it from all others for ever.
const LAST: Duration = Duration::from_secs(30);

/// The places for *files* processes, by how long those last.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) tasks: Arc<Semaphore>,
    pub(crate) transfers: Arc<Semaphore>,
    pub(crate) watchers: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            tasks: Arc::new(Semaphore::new(PROCESSES)),
            transfers: Arc::new(Semaphore::new(TRANSFERS)),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
        }
    }
}

/// The server's end of a *files* process. When it is dropped the process ends; what was not finished then
/// is undone.
#[derive(Debug)]
pub struct FilesProcess {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
    /// Given back when the process has ended; otherwise clients that leave could have any number of them.
    place: Option<OwnedSemaphorePermit>,
}

impl Drop for FilesProcess {
    fn drop(&mut self) {
        let socket = self.socket.get_ref();
        let _ = shutdown(socket.as_raw_fd(), Shutdown::Write);
        let Some(place) = self.place.take() else {
            return;
        };
        // Most have sent all that they had to say, and need a moment.
        if let (Ok(runtime), Ok(socket)) = (Handle::try_current(), socket.try_clone()) {
            runtime.spawn(async move {
                let _ = timeout(LAST, ended(socket)).await;
                drop(place);
            });
        }
    }
}

/// Waits until a process has ended that is no longer listened to.
async fn ended(socket: OwnedFd) -> io::Result<()> {
    let socket = watch(socket)?;
    let mut buffer = Vec::new();
    loop {
        let received = socket.async_io(Interest::READABLE, |socket| {
            match packet::receive::<()>(socket.as_fd(), &mut buffer) {
                // Whatever it says.
                Err(Errno::EBADMSG) => Ok(true),
                result => Ok(result?.is_some()),
            }
        });
        if !received.await? {
            return Ok(());
        }
    }
}

impl FilesProcess {
    pub(crate) fn new(socket: OwnedFd, place: OwnedSemaphorePermit) -> io::Result<Self> {
        Ok(Self {
            socket: watch(socket)?,
            buffer: Vec::new(),
            place: Some(place),
        })
    }

    /// Sends one message.
    pub(crate) async fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[OwnedFd],
    ) -> Result<(), FilesError> {
        let bytes = packet::encode(message).ok_or(FilesError::TooLong)?;
        self.socket
            .async_io(Interest::WRITABLE, |socket| {
                Ok(packet::send(socket.as_fd(), &bytes, descriptors)?)
            })
            .await
            .or_else(|error| match error.raw_os_error().map(Errno::from_raw) {
                // It has ended, and has said why: that is for who receives next.
                Some(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
                _ => Err(FilesError::Ended),
            })
    }

    /// Lets the process undo what is not finished, and waits until it has ended.
    pub(crate) async fn end(mut self) {
        let _ = shutdown(self.socket.get_ref().as_raw_fd(), Shutdown::Write);
        while !matches!(self.receive::<()>().await, Err(FilesError::Ended)) {}
    }

    /// Waits for what the process says next.
    pub(crate) async fn receive<T: DeserializeOwned>(
        &mut self,
    ) -> Result<(T, Vec<OwnedFd>), FilesError> {
        let buffer = &mut self.buffer;
        let received = self
            .socket
            .async_io(Interest::READABLE, |socket| {
                match packet::receive::<Answer<T>>(socket.as_fd(), buffer) {
                    // Said once, by one who has left something unread (`unix(7)`); what it has sent is there.
                    Err(Errno::ECONNRESET) => Ok(packet::receive(socket.as_fd(), buffer)?),
                    result => Ok(result?),
                }
            })
            .await;
        match received {
            Ok(Some(Packet {
                message: Ok(message),
                descriptors,
                incomplete: false,
            })) => Ok((message, descriptors)),
            Ok(Some(Packet {
                message: Err(error),
                ..
            })) => Err(error),
            Ok(None) | Err(_) => {
                self.place = None;
                Err(FilesError::Ended)
            }
            Ok(Some(_)) => Err(FilesError::Ended),
        }
    }
}

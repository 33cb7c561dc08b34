//! Workers: processes that the spawner forks for one request and that have become the user, so that
//! they reach nothing that the user could not reach anyhow. The server talks to them in packets,
//! and gets descriptors of files from them.
//!
//! `request` is the closed list of what they can be asked for, `link` and `run` are their side,
//! this file is the server's.

mod link;
mod request;
mod run;

pub(crate) use link::ServerLink;
pub(crate) use request::{Reply, Request};
pub(crate) use run::run;

use super::FilesError;
use crate::account::Account;
use crate::descriptor::watch;
use crate::spawner::Link;
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

/// Workers at the same time, at most; further requests wait. Each has a few hundred KiB of its own.
pub(crate) const WORKERS_MAX_COUNT: usize = 16;
/// Further workers that last as long as a client takes to send or to read: large files, archives.
/// Clients that are slow must not keep others from saving a line.
pub(crate) const TRANSFER_WORKERS_MAX_COUNT: usize = 16;
/// Further workers that watch directories, for as long as a page is open.
pub(crate) const WATCH_WORKERS_MAX_COUNT: usize = 32;

/// How long a worker keeps its permit when the server has let go of it. One that hangs (a network's
/// file system that does not answer) must not take it from all others forever.
pub(super) const EXIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts workers, within limits. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct FilesWorkers {
    spawner: Arc<Link>,
    requests: Arc<Semaphore>,
    /// Permits of [`TRANSFER_WORKERS_MAX_COUNT`].
    pub(crate) transfers: Arc<Semaphore>,
    /// Permits of [`WATCH_WORKERS_MAX_COUNT`].
    pub(crate) watches: Arc<Semaphore>,
}

impl FilesWorkers {
    /// Returns the workers of this spawner; none is started yet.
    pub(crate) fn new(spawner: Arc<Link>) -> Self {
        Self {
            spawner,
            requests: Arc::new(Semaphore::new(WORKERS_MAX_COUNT)),
            transfers: Arc::new(Semaphore::new(TRANSFER_WORKERS_MAX_COUNT)),
            watches: Arc::new(Semaphore::new(WATCH_WORKERS_MAX_COUNT)),
        }
    }

    /// Starts a worker that does `request` with the rights of `account`; waits for a permit.
    pub(crate) async fn start(
        &self,
        account: &Account,
        request: &Request,
    ) -> Result<FilesWorker, FilesError> {
        let permit = Arc::clone(&self.requests).acquire_owned().await;
        let permit = permit.map_err(|_| FilesError::Ended)?;
        self.start_with(permit, account, request).await
    }

    /// Starts a worker that holds `permit`, one of this struct's.
    pub(crate) async fn start_with(
        &self,
        permit: OwnedSemaphorePermit,
        account: &Account,
        request: &Request,
    ) -> Result<FilesWorker, FilesError> {
        let socket = self.spawner.files(account.name.clone())?;
        let worker = FilesWorker::new(socket, permit).map_err(link_broke)?;
        match worker.send(request, &[]).await {
            // Why it has ended already is what it says first.
            Ok(()) | Err(FilesError::Ended) => Ok(worker),
            Err(error) => Err(error),
        }
    }
}

/// The server's end of a worker. When it is dropped the worker ends, and undoes what is not
/// finished.
#[derive(Debug)]
pub(crate) struct FilesWorker {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
    /// Given back when the worker has ended; otherwise clients that leave could have any number of
    /// them.
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for FilesWorker {
    fn drop(&mut self) {
        let socket = self.socket.get_ref();
        let _ = shutdown(socket.as_raw_fd(), Shutdown::Write);
        let Some(permit) = self.permit.take() else {
            return;
        };
        // Most have sent everything, and need a moment.
        if let (Ok(runtime), Ok(socket)) = (Handle::try_current(), socket.try_clone()) {
            runtime.spawn(async move {
                let _ = timeout(EXIT_TIMEOUT, ended(socket)).await;
                drop(permit);
            });
        }
    }
}

/// Logs why a worker's link broke: the client is only told that it did.
pub(crate) fn link_broke(error: io::Error) -> FilesError {
    tracing::warn!(%error, "the link to a files worker broke");
    FilesError::Ended
}

/// Waits until a worker has ended that is no longer listened to.
async fn ended(socket: OwnedFd) -> io::Result<()> {
    let socket = watch(socket)?;
    let mut buffer = Vec::new();
    loop {
        let received = socket.async_io(Interest::READABLE, |socket| {
            match packet::receive::<()>(socket.as_fd(), &mut buffer) {
                // Whatever it sends.
                Err(Errno::EBADMSG) => Ok(true),
                result => Ok(result?.is_some()),
            }
        });
        if !received.await? {
            return Ok(());
        }
    }
}

impl FilesWorker {
    pub(crate) fn new(socket: OwnedFd, permit: OwnedSemaphorePermit) -> io::Result<Self> {
        Ok(Self {
            socket: watch(socket)?,
            buffer: Vec::new(),
            permit: Some(permit),
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
                _ => Err(link_broke(error)),
            })
    }

    /// Lets the worker undo what is not finished, and waits until it has ended.
    pub(crate) async fn end(mut self) {
        let _ = shutdown(self.socket.get_ref().as_raw_fd(), Shutdown::Write);
        while !matches!(self.receive::<()>().await, Err(FilesError::Ended)) {}
    }

    /// Waits for the next reply.
    pub(crate) async fn receive<T: DeserializeOwned>(
        &mut self,
    ) -> Result<(T, Vec<OwnedFd>), FilesError> {
        let buffer = &mut self.buffer;
        let received = self
            .socket
            .async_io(Interest::READABLE, |socket| {
                match packet::receive::<Reply<T>>(socket.as_fd(), buffer) {
                    // Reported once, if the worker left something unread (`unix(7)`); what it has
                    // sent is there.
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
                self.permit = None;
                Err(FilesError::Ended)
            }
            Ok(Some(_)) => Err(FilesError::Ended),
        }
    }
}

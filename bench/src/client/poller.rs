//! Waiting for many clients at once, with epoll.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::os::fd::AsFd;
use std::time::Duration;

/// Clients that are waited for, each known by a number.
pub(crate) struct Poller {
    epoll: Epoll,
    found: Vec<EpollEvent>,
}

impl Poller {
    /// One that waits for nothing yet.
    pub(crate) fn new() -> nix::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            found: vec![EpollEvent::empty(); 64],
        })
    }

    /// Waits for this one too.
    pub(crate) fn add(&self, source: impl AsFd, number: u64) -> nix::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number);
        self.epoll.add(source, event)
    }

    /// The numbers of those that have something to read, after at most `timeout` (in steps of
    /// 1 ms).
    pub(crate) fn wait(&mut self, timeout: Duration) -> nix::Result<Vec<u64>> {
        let timeout = EpollTimeout::try_from(timeout).unwrap_or(EpollTimeout::NONE);
        match self.epoll.wait(&mut self.found, timeout) {
            Ok(count) => Ok(self.found[..count].iter().map(EpollEvent::data).collect()),
            Err(nix::errno::Errno::EINTR) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

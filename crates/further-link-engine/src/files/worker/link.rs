//! The worker's end of its link to the server.

use super::request::Reply;
use crate::files::FilesError;
use crate::spawner::packet::{self, Packet};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// A worker's link to the server, in packets. When the server closes it the worker has to end too,
/// and to undo what is not finished.
pub(crate) struct ServerLink {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl ServerLink {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            buffer: Vec::new(),
        }
    }

    /// Waits for the next message. `None` if the server has closed.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> Option<(T, Vec<OwnedFd>)> {
        loop {
            match packet::receive::<T>(self.socket.as_fd(), &mut self.buffer) {
                Ok(Some(Packet {
                    message,
                    descriptors,
                    incomplete: false,
                })) => return Some((message, descriptors)),
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLIN)?,
                Ok(_) | Err(_) => return None,
            }
        }
    }

    /// Sends one message; waits while the server does not read. `None` if it has closed.
    pub(crate) fn send<T: Serialize>(
        &self,
        message: &Reply<T>,
        descriptors: &[OwnedFd],
    ) -> Option<()> {
        let bytes = match packet::encode(message) {
            Some(bytes) => bytes,
            None => packet::encode(&Reply::<T>::Err(FilesError::TooLong))?,
        };
        loop {
            match packet::send(self.socket.as_fd(), &bytes, descriptors) {
                Ok(()) => return Some(()),
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT)?,
                Err(_) => return None,
            }
        }
    }

    /// Returns whether the server has closed.
    pub(crate) fn is_closed(&self) -> bool {
        let hang_up = PollFlags::from_bits_retain(libc::POLLRDHUP);
        let mut socket = [PollFd::new(self.socket.as_fd(), hang_up)];
        matches!(poll(&mut socket, PollTimeout::ZERO), Ok(1..))
    }

    /// Returns the socket, for `poll(2)` together with others.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn wait(&self, what: PollFlags) -> Option<()> {
        let mut socket = [PollFd::new(self.socket.as_fd(), what)];
        match poll(&mut socket, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Some(()),
            Err(_) => None,
        }
    }
}

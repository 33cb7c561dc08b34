//! The *files* process itself: forked by the spawner, it has become the user, and does one task. It may
//! block: nobody else waits for it.

use super::task::{Answer, Task};
use super::{FilesError, browse, keys, project};
use crate::spawner::packet::{self, Packet};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// Talks with the server. When the server ends the conversation the process has to end too, and to undo
/// what is not finished.
pub(crate) struct Conversation {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Conversation {
    /// Waits for the next message. `None` if the server wants no more.
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

    /// Sends one message; waits while the server does not read. `None` if it wants no more.
    pub(crate) fn send<T: Serialize>(
        &self,
        message: &Answer<T>,
        descriptors: &[OwnedFd],
    ) -> Option<()> {
        let bytes = match packet::encode(message) {
            Some(bytes) => bytes,
            None => packet::encode(&Answer::<T>::Err(FilesError::TooLong))?,
        };
        loop {
            match packet::send(self.socket.as_fd(), &bytes, descriptors) {
                Ok(()) => return Some(()),
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT)?,
                Err(_) => return None,
            }
        }
    }

    /// Whether the server has gone, or wants no more.
    pub(crate) fn is_over(&self) -> bool {
        let wants_no_more = PollFlags::from_bits_retain(libc::POLLRDHUP);
        let mut socket = [PollFd::new(self.socket.as_fd(), wants_no_more)];
        matches!(poll(&mut socket, PollTimeout::ZERO), Ok(1..))
    }

    /// The socket, to be waited for beside others.
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

/// Does the task that comes through `socket`. Returns the process's exit status.
pub(crate) fn run(socket: OwnedFd) -> i32 {
    let mut conversation = Conversation {
        socket,
        buffer: Vec::new(),
    };
    let done = match conversation.receive::<Task>() {
        Some((Task::Keys { folder, known }, _)) => keys::answer(&conversation, &folder, &known),
        Some((
            Task::Upload {
                work_dir,
                projects_dir,
            },
            _,
        )) => project::upload(&mut conversation, &work_dir, &projects_dir),
        Some((Task::Browse { root, operation }, _)) => {
            browse::operate(&mut conversation, &root, operation)
        }
        None => None,
    };
    i32::from(done.is_none())
}

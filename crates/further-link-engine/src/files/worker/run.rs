//! The worker process itself: forked by the spawner, it has become the user, and does one request.
//! It may block: nobody else waits for it.

use super::link::ServerLink;
use super::request::Request;
use crate::files::{key_listeners, tree, upload};
use std::os::fd::OwnedFd;

/// Does the request that comes through `socket`. Returns the process's exit status.
pub(crate) fn run(socket: OwnedFd) -> i32 {
    let mut link = ServerLink::new(socket);
    let done = match link.receive::<Request>() {
        Some((Request::ConnectKeyListeners { dir, known }, _)) => {
            key_listeners::connect_all(&link, &dir, &known)
        }
        Some((
            Request::Upload {
                work_dir,
                projects_dir,
            },
            _,
        )) => upload::build(&mut link, &work_dir, &projects_dir),
        Some((Request::Tree { root, operation }, _)) => tree::operate(&mut link, &root, operation),
        None => None,
    };
    i32::from(done.is_none())
}

//! Connecting to programs that carry the older package: they listen for keys on sockets of their own
//! (`docs/protocol.md` section 6, "The older dialect").

use super::FilesError;
use super::process::Conversation;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, socket};
use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// How the name of such a socket ends, behind the process group.
const ENDING: &str = ".keyevent.sock";
/// Sockets that are connected to, at the most: as many descriptors as go with one packet.
const SOCKETS: usize = 8;

/// Connects to every such socket in `folder` and sends the connections.
pub(super) fn connect(conversation: &Conversation, folder: &str) -> Option<()> {
    match connections(folder) {
        Ok(connections) => {
            let count = connections.len();
            conversation.send(&Ok(count), &connections)
        }
        Err(error) => conversation.send::<usize>(&Err(FilesError::of(folder, error)), &[]),
    }
}

fn connections(folder: &str) -> nix::Result<Vec<OwnedFd>> {
    let fail = |error: std::io::Error| {
        nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
    };
    let opened = File::open(folder).map_err(fail)?;
    let mut connections = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)?.flatten() {
        let name = entry.file_name();
        let is_one = name
            .to_str()
            .and_then(|name| name.strip_suffix(ENDING))
            .is_some_and(|group| group.parse::<u32>().is_ok());
        if !is_one || connections.len() == SOCKETS {
            continue;
        }
        // By way of the folder's descriptor: an address holds 107 bytes (unix(7)), a path may be longer.
        let address = format!("/proc/self/fd/{}/{}", opened.as_raw_fd(), name.display());
        let socket = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )?;
        // One whose program has ended is still there, and refuses.
        if nix::sys::socket::connect(socket.as_raw_fd(), &UnixAddr::new(address.as_str())?).is_ok()
        {
            connections.push(socket);
        }
    }
    Ok(connections)
}

//! Connecting to programs that carry the older package: they listen for keys on sockets of their
//! own (`docs/protocol.md` section 6, "The older dialect").

use super::FilesError;
use super::worker::ServerLink;
use nix::dir::Dir;
use nix::fcntl::OFlag;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::Mode;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// How the name of such a socket ends, behind the process group.
const SOCKET_SUFFIX: &str = ".keyevent.sock";
/// Sockets that are connected to, at most: as many descriptors as go with one packet.
const LISTENERS_MAX_COUNT: usize = 8;

/// Connects to every such socket in `folder` but those of `known`; sends their process groups and
/// the connections.
pub(super) fn connect_all(link: &ServerLink, dir: &str, known: &[u32]) -> Option<()> {
    match connections(dir, known) {
        Ok(connections) => {
            let (groups, connections): (Vec<u32>, Vec<OwnedFd>) = connections.into_iter().unzip();
            link.send(&Ok(groups), &connections)
        }
        Err(errno) => {
            let error = FilesError::of(dir, errno);
            link.send::<Vec<u32>>(&Err(error), &[])
        }
    }
}

fn connections(dir: &str, known: &[u32]) -> nix::Result<Vec<(u32, OwnedFd)>> {
    // The program may have put something else in its place, on which an open would wait forever.
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut opened = Dir::open(dir, flags, Mode::empty())?;
    let number = opened.as_raw_fd();
    let mut connections = Vec::new();
    for entry in opened.iter().flatten() {
        let name = entry.file_name().to_string_lossy();
        let group = name
            .strip_suffix(SOCKET_SUFFIX)
            .and_then(|group| group.parse::<u32>().ok());
        let Some(group) = group.filter(|group| !known.contains(group)) else {
            continue;
        };
        if known.len() + connections.len() == LISTENERS_MAX_COUNT {
            break;
        }
        // By way of the folder's descriptor: an address holds 107 bytes (unix(7)), a path may be
        // longer.
        let address = format!("/proc/self/fd/{number}/{name}");
        let connection = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )?;
        // One whose program has ended is still there, and refuses.
        let address = UnixAddr::new(address.as_str())?;
        if connect(connection.as_raw_fd(), &address).is_ok() {
            connections.push((group, connection));
        }
    }
    Ok(connections)
}

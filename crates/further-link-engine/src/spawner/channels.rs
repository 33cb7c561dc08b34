//! The sockets of IO channels (`docs/protocol.md` section 6). The spawner makes them, the child gives them their
//! names as its user, and the server accepts on them: so they are there before the program's first instruction, and
//! the server needs no right to the folder that they are in.

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::unistd::getpid;
use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

/// The channel socket, and those of the older package for pictures and for keys.
pub(super) type Sockets = [OwnedFd; CHANNEL_SOCKETS];
/// How many there are. The server gets them behind the descriptors of the streams.
pub(crate) const CHANNEL_SOCKETS: usize = 3;

/// The name of the channel socket.
pub(crate) const CHANNEL: &str = "channel.sock";

/// Connections that wait to be accepted. The server does so at once.
const BACKLOG: i32 = 16;
/// Bytes of a path that an address holds (`unix(7)`, `sun_path` without its NUL).
const ADDRESS: usize = 107;

/// Sockets that have no names yet.
pub(super) fn sockets() -> nix::Result<Sockets> {
    let one = || {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        socket(AddressFamily::Unix, SockType::Stream, flags, None)
    };
    Ok([one()?, one()?, one()?])
}

/// Gives the sockets their names in `folder`. Called by the process that becomes the program, whose
/// process group is in the names that the older package looks for.
pub(super) fn name(sockets: &Sockets, folder: &str) -> nix::Result<()> {
    let group = getpid();
    let names = [
        CHANNEL.to_owned(),
        format!("{group}.video.sock"),
        format!("{group}.keylisten.sock"),
    ];
    // Where a path does not fit, by way of a descriptor.
    let mut opened = None;
    for (socket, name) in sockets.iter().zip(names) {
        let mut path = Path::new(folder).join(&name);
        if path.as_os_str().len() > ADDRESS {
            let fail = |error: std::io::Error| {
                nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
            };
            let folder = opened.insert(File::open(folder).map_err(fail)?);
            path = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()).into();
        }
        bind(socket.as_raw_fd(), &UnixAddr::new(&path)?)?;
        listen(socket, Backlog::new(BACKLOG)?)?;
    }
    Ok(())
}

//! The private folder of a program and the sockets of its IO channels (`docs/protocol.md` section 6).
//!
//! The spawner makes both, and the child gives the sockets their names as its user. So they are there before the
//! program's first instruction, and the server, which accepts on them, needs no right to the folder.

use super::identity::Identity;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, getpid, unlinkat};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

/// How many sockets there are. The server gets them behind the descriptors of the streams.
pub(crate) const CHANNEL_SOCKETS: usize = 3;
/// The name of the channel socket.
const CHANNEL: &str = "channel.sock";
/// Where folders are made: in memory, so that starting a program writes to no SD card.
const MEMORY: &str = "/dev/shm";
/// Everybody may make files there, and nobody touch those of others.
const OPEN_TO_ALL: libc::mode_t = 0o1777;
/// Connections that wait to be accepted. The server does so at once.
const BACKLOG: i32 = 16;
/// Bytes of a path that an address holds (`unix(7)`, `sun_path` without its NUL).
const ADDRESS: usize = 107;
/// Names that are tried before it is given up.
const TRIES: usize = 8;
/// Entries of a folder that the spawner removes itself, at the most.
const FEW: usize = 16;

/// Where the folders of programs are made.
#[derive(Debug)]
pub(super) struct Base {
    path: String,
    folder: OwnedFd,
}

impl Base {
    /// [`MEMORY`], or where that is missing `temp`.
    pub(super) fn find(temp: &Path) -> nix::Result<Self> {
        let opened = |path: &str| {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let folder = open(path, flags, Mode::empty())?;
            Ok(Self {
                path: path.to_owned(),
                folder,
            })
        };
        if let Ok(base) = opened(MEMORY)
            && fstat(&base.folder).is_ok_and(|found| found.st_mode & OPEN_TO_ALL == OPEN_TO_ALL)
        {
            return Ok(base);
        }
        opened(&temp.to_string_lossy())
    }
}

/// The private folder of one program.
#[derive(Debug)]
pub(super) struct Folder {
    path: String,
    name: String,
    descriptor: OwnedFd,
}

impl Folder {
    /// Makes one for `identity`.
    pub(super) fn make(base: &Base, identity: &Identity) -> nix::Result<Self> {
        identity.with_files_as_user(|| {
            for _ in 0..TRIES {
                let word = getrandom::u64().map_err(|_| Errno::EIO)?;
                let name = format!("further-link-{word:016x}");
                match mkdirat(&base.folder, name.as_str(), Mode::S_IRWXU) {
                    Err(Errno::EEXIST) => continue,
                    made => made?,
                }
                let flags =
                    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                return Ok(Self {
                    path: format!("{}/{name}", base.path),
                    descriptor: openat(&base.folder, name.as_str(), flags, Mode::empty())?,
                    name,
                });
            }
            Err(Errno::EEXIST)
        })
    }

    /// Its path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What a program finds of it in its environment.
    pub(super) fn variables(&self) -> [(String, String); 2] {
        [
            ("FURTHER_LINK_TEMP_DIR".to_owned(), self.path.clone()),
            (
                "FURTHER_LINK_CHANNEL".to_owned(),
                format!("{}/{CHANNEL}", self.path),
            ),
        ]
    }

    /// Gives the sockets their names. Called by the process that becomes the program, whose process group is
    /// in the names that the older package looks for.
    pub(super) fn name_sockets(&self, sockets: &[OwnedFd]) -> nix::Result<()> {
        let group = getpid();
        let names = [
            CHANNEL.to_owned(),
            format!("{group}.video.sock"),
            format!("{group}.keylisten.sock"),
        ];
        for (socket, name) in sockets.iter().zip(names) {
            let mut path = format!("{}/{name}", self.path);
            if path.len() > ADDRESS {
                path = format!("/proc/self/fd/{}/{name}", self.descriptor.as_raw_fd());
            }
            bind(socket.as_raw_fd(), &UnixAddr::new(path.as_str())?)?;
            listen(socket, Backlog::new(BACKLOG)?)?;
        }
        Ok(())
    }

    /// Removes it, if it holds little and nothing unusual; `false` if there is more to do. With the user's rights, and
    /// by its descriptor: whatever the program has put in its place is not touched.
    pub(super) fn remove(&self, base: &Base, identity: &Identity) -> bool {
        identity
            .with_files_as_user(|| {
                let mut folder =
                    Dir::from_fd(self.descriptor.try_clone().map_err(|_| Errno::EMFILE)?)?;
                for entry in folder.iter().take(FEW) {
                    let entry = entry?;
                    let name = entry.file_name();
                    if !matches!(name.to_bytes(), b"." | b"..") {
                        unlinkat(&self.descriptor, name, UnlinkatFlags::NoRemoveDir)?;
                    }
                }
                unlinkat(&base.folder, self.name.as_str(), UnlinkatFlags::RemoveDir)
            })
            .is_ok()
    }
}

/// Sockets that have no names yet.
pub(super) fn sockets() -> nix::Result<Vec<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    (0..CHANNEL_SOCKETS)
        .map(|_| socket(AddressFamily::Unix, SockType::Stream, flags, None))
        .collect()
}

//! The private folder of a program and the sockets of its IO channels (`docs/protocol.md` section
//! 6).
//!
//! The spawner makes both, and the child gives the sockets their names as its user. So they are
//! there before the program's first instruction, and the server, which accepts on them, needs no
//! right to the folder.

use super::credentials::{Identity, with_files_of};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, open, openat};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fstat, fstatat, mkdirat};
use nix::unistd::{Uid, UnlinkatFlags, getpid, unlinkat};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

/// How many sockets there are. The server gets them behind the descriptors of the streams.
pub(crate) const CHANNEL_SOCKETS: usize = 3;
/// The name of the channel socket.
const CHANNEL_SOCKET_NAME: &str = "channel.sock";
/// Where folders are made: in memory, so that starting a program writes to no SD card.
const MEMORY_DIR: &str = "/dev/shm";
/// Everybody may make files there, and nobody touch those of others.
const OPEN_TO_ALL: libc::mode_t = 0o1777;
/// Connections that wait to be accepted. The server does so at once, unless there are too many.
pub(crate) const CHANNEL_BACKLOG: i32 = 16;
/// Bytes of a path that an address holds (`unix(7)`, `sun_path` without its NUL).
const SOCKET_ADDRESS_MAX_BYTES: usize = 107;
/// Names that are tried before it is given up.
const NAME_ATTEMPTS: usize = 8;
/// How the names of folders begin.
const DIR_PREFIX: &str = "further-link-";
/// How folders are opened.
const OPEN_DIR_FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);
/// Entries of a folder that the spawner removes itself, at most.
const INLINE_REMOVE_MAX_ENTRIES: usize = 16;

/// Where the folders of programs are made.
#[derive(Debug)]
pub(super) struct Base {
    path: String,
    folder: OwnedFd,
}

impl Base {
    /// [`MEMORY_DIR`], or where that is missing `temp`.
    pub(super) fn find(temp: &Path) -> nix::Result<Self> {
        let opened = |path: &str| {
            let base = Self {
                path: path.to_owned(),
                // The configured one may be a link.
                folder: open(
                    path,
                    OPEN_DIR_FLAGS.difference(OFlag::O_NOFOLLOW),
                    Mode::empty(),
                )?,
            };
            base.sweep();
            nix::Result::Ok(base)
        };
        if let Ok(base) = opened(MEMORY_DIR)
            && fstat(&base.folder).is_ok_and(|found| found.st_mode & OPEN_TO_ALL == OPEN_TO_ALL)
        {
            return Ok(base);
        }
        opened(&temp.to_string_lossy())
    }
}

impl Base {
    /// Removes folders whose spawner was killed. Living ones hold locks on theirs.
    fn sweep(&self) {
        let Ok(mut base) = Dir::openat(&self.folder, ".", OPEN_DIR_FLAGS, Mode::empty()) else {
            return;
        };
        for entry in base.iter().flatten() {
            let name = entry.file_name();
            let word = name.to_bytes().strip_prefix(DIR_PREFIX.as_bytes());
            let is_ours = |word: &[u8]| word.len() == 16 && word.iter().all(u8::is_ascii_hexdigit);
            if !word.is_some_and(is_ours) {
                continue;
            }
            let Ok(found) = fstatat(&self.folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) else {
                continue;
            };
            let remove = || self.remove(name, &*lock(&self.folder, name)?);
            let own = Uid::effective();
            let removed = match own.is_root() {
                true => with_files_of(found.st_uid.into(), found.st_gid.into(), remove),
                false if found.st_uid == own.as_raw() => remove(),
                false => continue,
            };
            if removed.is_ok() {
                tracing::debug!(?name, "removed what a killed server has left");
            }
        }
    }

    /// Removes the folder `name`, if it holds little and no folders.
    fn remove(&self, name: &CStr, descriptor: &OwnedFd) -> nix::Result<()> {
        let mut folder = Dir::openat(descriptor, ".", OPEN_DIR_FLAGS, Mode::empty())?;
        for entry in folder.iter().take(INLINE_REMOVE_MAX_ENTRIES) {
            let entry = entry?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                unlinkat(descriptor, name, UnlinkatFlags::NoRemoveDir)?;
            }
        }
        unlinkat(&self.folder, name, UnlinkatFlags::RemoveDir)
    }
}

/// Opens a folder and locks it.
fn lock(base: &OwnedFd, name: &CStr) -> nix::Result<Flock<OwnedFd>> {
    let folder = openat(base, name, OPEN_DIR_FLAGS, Mode::empty())?;
    Flock::lock(folder, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)
}

/// The private folder of one program.
#[derive(Debug)]
pub(super) struct Folder {
    path: String,
    name: CString,
    /// Locked, so that it is known to be in use.
    descriptor: Flock<OwnedFd>,
}

impl Folder {
    /// Makes one for `identity`.
    pub(super) fn make(base: &Base, identity: &Identity) -> nix::Result<Self> {
        identity.with_files_as_user(|| {
            for _ in 0..NAME_ATTEMPTS {
                let word = getrandom::u64().map_err(|_| Errno::EIO)?;
                let name = format!("{DIR_PREFIX}{word:016x}");
                let path = format!("{}/{name}", base.path);
                let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
                match mkdirat(&base.folder, &*name, Mode::S_IRWXU) {
                    Err(Errno::EEXIST) => continue,
                    made => made?,
                }
                // Another server, which starts in this moment, may have taken it for one that was
                // left.
                match lock(&base.folder, &name) {
                    Ok(descriptor) if fstat(&*descriptor)?.st_nlink > 0 => {
                        return Ok(Self {
                            path,
                            name,
                            descriptor,
                        });
                    }
                    Ok(_) | Err(Errno::ENOENT | Errno::EAGAIN) => {}
                    Err(errno) => {
                        let _ = unlinkat(&base.folder, &*name, UnlinkatFlags::RemoveDir);
                        return Err(errno);
                    }
                }
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
                format!("{}/{CHANNEL_SOCKET_NAME}", self.path),
            ),
        ]
    }

    /// Gives the sockets their names. Called by the process that becomes the program, whose process
    /// group is in the names that the older package looks for.
    pub(super) fn name_sockets(&self, sockets: &[OwnedFd]) -> nix::Result<()> {
        let group = getpid();
        let names = [
            CHANNEL_SOCKET_NAME.to_owned(),
            format!("{group}.video.sock"),
            format!("{group}.keylisten.sock"),
        ];
        for (socket, name) in sockets.iter().zip(names) {
            let mut path = format!("{}/{name}", self.path);
            if path.len() > SOCKET_ADDRESS_MAX_BYTES {
                path = format!("/proc/self/fd/{}/{name}", self.descriptor.as_raw_fd());
            }
            bind(socket.as_raw_fd(), &UnixAddr::new(path.as_str())?)?;
            listen(socket, Backlog::new(CHANNEL_BACKLOG)?)?;
        }
        Ok(())
    }

    /// Removes it, if it holds little and nothing unusual; `false` if there is more to do. With the
    /// user's rights, and by its descriptor: whatever the program has put in its place is not
    /// touched.
    pub(super) fn remove(&self, base: &Base, identity: &Identity) -> bool {
        identity
            .with_files_as_user(|| base.remove(&self.name, &self.descriptor))
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

//! Where a file is: its folder, opened, and its name in there; what it is; and whose turn it is
//! there.

use super::version::Version;
use crate::files::FilesError;
use crate::files::beneath::{Name, Root};
use crate::files::reserved_names::{CACHE_DIR, SET_ASIDE_PREFIX, TEMPORARY_PREFIX};
use crate::files::worker::ServerLink;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlink};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use std::fs::{File, TryLockError};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

/// How names of ours begin among a user's files: what is being made, old projects while new ones
/// take their places, and the folder of what uploads share.
const RESERVED_PREFIXES: [&str; 3] = [TEMPORARY_PREFIX, SET_ASIDE_PREFIX, CACHE_DIR];
/// How long the lock of a folder is waited for. It is held for a few system calls; longer only by
/// somebody who means it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is tried.
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(2);

/// Returns whether a component of a path is a name of ours, which clients neither see nor use.
pub(super) fn is_reserved(component: &[u8]) -> bool {
    RESERVED_PREFIXES.into_iter().any(|begin| {
        // Some file systems (vfat) do not tell capitals from small letters.
        let start = component.get(..begin.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(begin.as_bytes()))
    })
}

/// What is of such a name is not there.
pub(super) fn seen(name: &Name) -> Result<(), FilesError> {
    match name.components().any(|part| is_reserved(part.as_bytes())) {
        true => Err(FilesError::NotFound(shown(name))),
        false => Ok(()),
    }
}

/// Nor can anything be made there.
pub(super) fn usable(name: &Name) -> Result<(), FilesError> {
    match name.components().any(|part| is_reserved(part.as_bytes())) {
        true => Err(FilesError::Forbidden {
            name: shown(name),
            why: "the server uses such names itself".to_owned(),
        }),
        false => Ok(()),
    }
}

/// Returns a name for people: the work folder itself has an empty one.
pub(super) fn shown(name: &Name) -> String {
    match name.as_str() {
        "" => "the work folder".to_owned(),
        name => name.to_owned(),
    }
}

/// What the system's word means for `name`.
pub(super) fn fail(name: &Name) -> impl Fn(Errno) -> FilesError + use<'_> {
    move |errno| FilesError::of(&shown(name), errno)
}

/// Returns the kind of thing that `stat` describes.
pub(super) fn format(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

pub(super) fn is_file(stat: &FileStat) -> bool {
    format(stat) == SFlag::S_IFREG
}

pub(super) fn is_folder(stat: &FileStat) -> bool {
    format(stat) == SFlag::S_IFDIR
}

pub(super) fn is_link(stat: &FileStat) -> bool {
    format(stat) == SFlag::S_IFLNK
}

/// Looks at what `name` is, without opening it: a FIFO would wake somebody, a device might do
/// something.
pub(super) fn look(root: &Root, name: &Name) -> Result<(OwnedFd, FileStat), FilesError> {
    seen(name)?;
    let found = root
        .open_at(name, OFlag::O_PATH, Mode::empty())
        .map_err(fail(name))?;
    let stat = fstat(&found).map_err(fail(name))?;
    match is_link(&stat) {
        // Only where the kernel does not follow links for us.
        true => Err(fail(name)(Errno::ELOOP)),
        false => Ok((found, stat)),
    }
}

/// Opens what was looked at: this and nothing that has come into its place.
pub(super) fn open_found(found: &OwnedFd, flags: OFlag) -> nix::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    nix::fcntl::open(
        path.as_str(),
        flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK,
        Mode::empty(),
    )
}

/// A name in an opened folder. There may be nothing of that name.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: OwnedFd,
    pub(super) last: String,
    /// From the root; for people.
    pub(super) name: Name,
}

impl Place {
    /// Returns the place that `name` says; a link in the last place is this place itself. `None`
    /// for the root.
    pub(super) fn of(root: &Root, name: &Name) -> Result<Option<Self>, FilesError> {
        let Some((around, last)) = name.split() else {
            return Ok(None);
        };
        let folder = root.open_folder(&around).map_err(fail(&around))?;
        Ok(Some(Self {
            folder,
            last: last.to_owned(),
            name: name.clone(),
        }))
    }

    /// Returns the place where writing to `name` writes: behind a link in the last place, if that
    /// is below the root.
    pub(super) fn for_writing(root: &Root, name: &Name) -> Result<Self, FilesError> {
        usable(name)?;
        let whole = || FilesError::IsFolder(shown(name));
        let place = Self::of(root, name)?.ok_or_else(whole)?;
        match place.stat()? {
            Some(stat) if is_link(&stat) => {
                let target = behind(root, name)?;
                usable(&target)?;
                let place = Self::of(root, &target)?.ok_or_else(whole)?;
                match place.stat()? {
                    // Somebody changes it right now.
                    Some(stat) if is_link(&stat) => Err(FilesError::Busy(shown(name))),
                    _ => Ok(place),
                }
            }
            _ => Ok(place),
        }
    }

    /// What is there, a link itself.
    pub(super) fn stat(&self) -> Result<Option<FileStat>, FilesError> {
        match fstatat(&self.folder, &*self.last, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.fail(errno)),
        }
    }

    /// Returns the version of the file that is there.
    pub(super) fn version(&self) -> Result<Option<Version>, FilesError> {
        Ok(self.stat()?.as_ref().map(Version::of))
    }

    pub(super) fn fail(&self, errno: Errno) -> FilesError {
        fail(&self.name)(errno)
    }
}

/// Where a link leads, as a name below the root without links in it.
fn behind(root: &Root, name: &Name) -> Result<Name, FilesError> {
    let target = match root.open_at(name, OFlag::O_PATH, Mode::empty()) {
        Err(Errno::ENOENT) => {
            return Err(FilesError::Forbidden {
                name: shown(name),
                why: "it is a link to nothing".to_owned(),
            });
        }
        result => result.map_err(fail(name))?,
    };
    let outside = || fail(name)(Errno::EXDEV);
    let path = |fd: i32| readlink(format!("/proc/self/fd/{fd}").as_str()).map_err(fail(name));
    let (whole, root) = (path(target.as_raw_fd())?, path(root.as_fd().as_raw_fd())?);
    let below = std::path::Path::new(&whole)
        .strip_prefix(&root)
        .ok()
        .and_then(|below| below.to_str())
        .ok_or_else(outside)?;
    // Opened below the root like any other name: what has changed meanwhile leads nowhere else.
    Name::new(below).map_err(|_| outside())
}

/// A folder's lock: whoever compares and then replaces in it holds it. Given back when dropped.
pub(super) struct Lock {
    _folder: Option<File>,
}

impl Lock {
    /// Waits for its turn in the folder of `place`; `None` if the server wants no more.
    pub(super) fn of(link: &ServerLink, place: &Place) -> Option<Result<Self, FilesError>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = match openat(&place.folder, ".", flags, Mode::empty()) {
            Ok(folder) => File::from(folder),
            // One that may be written to but not read cannot be locked by anybody of this account.
            Err(Errno::EACCES) => return Some(Ok(Self { _folder: None })),
            Err(errno) => return Some(Err(place.fail(errno))),
        };
        let end = Instant::now() + LOCK_TIMEOUT;
        loop {
            match folder.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if link.is_closed() => return None,
                Err(TryLockError::WouldBlock) if Instant::now() < end => {
                    std::thread::sleep(LOCK_RETRY_DELAY);
                }
                Err(TryLockError::WouldBlock) => {
                    return Some(Err(FilesError::Busy(shown(&place.name))));
                }
                // A file system without locks: there is nothing better than to go on.
                Err(TryLockError::Error(_)) => return Some(Ok(Self { _folder: None })),
            }
        }
        Some(Ok(Self {
            _folder: Some(folder),
        }))
    }
}

/// Removes what a process that was killed has left: a temporary file that nobody has locked.
pub(super) fn sweep(folder: impl AsFd, name: &std::ffi::CStr) {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let is_plain =
        fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok_and(|stat| is_file(&stat));
    if !is_plain {
        return;
    }
    if let Ok(file) = openat(&folder, name, flags, Mode::empty()).map(File::from)
        && file.try_lock().is_ok()
    {
        let _ = nix::unistd::unlinkat(&folder, name, nix::unistd::UnlinkatFlags::NoRemoveDir);
    }
}

//! Writing a file: beside the one that it replaces, and into its place when it is whole.
//!
//! The server gets the descriptor of the new file and fills it. What is there under the name is
//! compared and replaced while the folder's lock is held, so of two that have seen the same version
//! one is told so.

use super::entry::{Lock, Place, fail, is_file, is_folder, shown};
use super::version::{Conditional, Conditions, Version};
use crate::files::FilesError;
use crate::files::beneath::{Name, Root};
use crate::files::reserved_names::TEMPORARY_PREFIX;
use crate::files::worker::ServerLink;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, futimens};
use nix::sys::statvfs::fstatvfs;
use nix::sys::time::{TimeSpec, TimeValLike as _};
use nix::unistd::{AccessFlags, Gid, UnlinkatFlags, faccessat, fchown, fsync, linkat, unlinkat};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// How often a name is made up again because somebody has removed what was made under it.
const CREATE_ATTEMPTS: usize = 16;
/// The mode of a file that was not there.
const NEW_FILE_MODE: libc::mode_t = 0o644;

/// What is to be written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) name: Name,
    /// Make the folders around it that are missing.
    pub(crate) parents: bool,
    pub(crate) conditions: Conditions,
    /// When its content was last changed, in nanoseconds since 1970; now, if nobody says.
    pub(crate) modified_ns: Option<i64>,
    /// Bytes, if that is known.
    pub(crate) size: Option<u64>,
}

/// The first answer; with `Ready` comes the descriptor.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Begun {
    Ready,
    Refused { current: Option<Version> },
}

/// What the server says behind it. (One of these, for a packet without bytes would be the end.)
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Next {
    /// All is written.
    Finish,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Written {
    /// It is there.
    Done {
        /// There was none before.
        created: bool,
        /// What it is now.
        version: Version,
    },
    /// The conditions do not hold; nothing has changed.
    Refused {
        /// What is there, if anything is.
        current: Option<Version>,
    },
}

/// A file under a name of ours, locked. Removed when dropped, unless it has got its own name.
struct Temporary<'a> {
    folder: &'a OwnedFd,
    name: String,
    file: File,
}

impl<'a> Temporary<'a> {
    fn new(folder: &'a OwnedFd) -> nix::Result<Self> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        for _ in 0..CREATE_ATTEMPTS {
            let name = format!(
                "{TEMPORARY_PREFIX}{:016x}",
                getrandom::u64().map_err(|_| Errno::EIO)?
            );
            // Nobody else's until it is known whose its content may be.
            let mode = Mode::from_bits_truncate(0o600);
            let file = match openat(folder, &*name, flags, mode) {
                Ok(file) => File::from(file),
                Err(Errno::EEXIST) => continue,
                Err(errno) => return Err(errno),
            };
            // Without locks, nobody can tell that it is not left over; nor can anybody lock it to
            // remove it.
            let _ = file.lock();
            // Between the two calls it looked left over.
            if fstat(&file)?.st_nlink > 0 {
                return Ok(Self { folder, name, file });
            }
        }
        Err(Errno::EAGAIN)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        let _ = unlinkat(self.folder, &*self.name, UnlinkatFlags::NoRemoveDir);
    }
}

/// Writes what the server sends. Whatever goes wrong, what was there before stays.
pub(super) fn write(link: &mut ServerLink, root: &Root, request: &Request) -> Option<()> {
    let begin = || -> Result<Place, FilesError> {
        if request.parents
            && let Some((around, _)) = request.name.split()
        {
            super::entry::usable(&around)?;
            root.make_folder(&around).map_err(fail(&around))?;
        }
        Place::for_writing(root, &request.name)
    };
    let place = match begin() {
        Ok(place) => place,
        Err(error) => return link.send::<Begun>(&Err(error), &[]),
    };
    let begun = replaceable(&place, request).and_then(|found| match found {
        Conditional::Unmet(current) => Ok(Conditional::Unmet(current)),
        Conditional::Done(_) => enough_room(&place, request)
            .and_then(|()| Temporary::new(&place.folder).map_err(|errno| place.fail(errno)))
            .map(Conditional::Done),
    });
    let temporary = match begun {
        Err(error) => return link.send::<Begun>(&Err(error), &[]),
        Ok(Conditional::Unmet(current)) => {
            return link.send(&Ok(Begun::Refused { current }), &[]);
        }
        Ok(Conditional::Done(temporary)) => temporary,
    };
    match temporary.file.as_fd().try_clone_to_owned() {
        Ok(theirs) => link.send(&Ok(Begun::Ready), &[theirs])?,
        Err(_) => return link.send::<Begun>(&Err(FilesError::Ended), &[]),
    }
    let (Next::Finish, _) = link.receive()?;
    let written = complete(link, &place, temporary, request)?;
    link.send(&written, &[])
}

/// Returns what is there now and may be replaced.
fn replaceable(
    place: &Place,
    request: &Request,
) -> Result<Conditional<Option<FileStat>>, FilesError> {
    let found = place.stat()?;
    if let Some(found) = &found {
        if is_folder(found) {
            return Err(FilesError::IsFolder(shown(&place.name)));
        }
        if !is_file(found) {
            return Err(FilesError::Special(shown(&place.name)));
        }
    }
    let current = found.as_ref().map(Version::of);
    if !request.conditions.hold(current) {
        return Ok(Conditional::Unmet(current));
    }
    if found.is_some() {
        // It could be replaced all the same; but whoever has made it read-only means it.
        faccessat(
            &place.folder,
            &*place.last,
            AccessFlags::W_OK,
            AtFlags::empty(),
        )
        .map_err(|errno| place.fail(errno))?;
    }
    Ok(Conditional::Done(found))
}

/// Better said before somebody has sent it all.
fn enough_room(place: &Place, request: &Request) -> Result<(), FilesError> {
    let Some(size) = request.size else {
        return Ok(());
    };
    let space = fstatvfs(&place.folder).map_err(|errno| place.fail(errno))?;
    let free = space
        .blocks_available()
        .saturating_mul(space.fragment_size());
    match size <= free {
        true => Ok(()),
        false => Err(FilesError::NoSpace),
    }
}

/// Puts the new file into its place. `None` if the server wants no more.
fn complete(
    link: &ServerLink,
    place: &Place,
    temporary: Temporary<'_>,
    request: &Request,
) -> Option<Result<Written, FilesError>> {
    let prepared = prepare(place, &temporary, request);
    if let Err(errno) = prepared {
        return Some(Err(place.fail(errno)));
    }
    let lock = match Lock::of(link, place)? {
        Ok(lock) => lock,
        Err(error) => return Some(Err(error)),
    };
    let result = exchange(place, temporary, request);
    drop(lock);
    if matches!(result, Ok(Written::Done { .. })) {
        // Only now does it outlast a power cut for certain. Others need not wait for that.
        let _ = fsync(&place.folder);
    }
    Some(result)
}

/// All that takes time, while others may still use the folder.
fn prepare(place: &Place, temporary: &Temporary<'_>, request: &Request) -> nix::Result<()> {
    let file = temporary.file.as_fd();
    if let Ok(Some(found)) = place.stat() {
        // Where the account may give it to that group.
        let _ = fchown(file, None, Some(Gid::from_raw(found.st_gid)));
        fchmod(file, Mode::from_bits_truncate(found.st_mode & 0o777))?;
    } else {
        // Not where files have no modes of their own (vfat).
        let _ = fchmod(file, Mode::from_bits_truncate(NEW_FILE_MODE));
    }
    if let Some(modified) = request.modified_ns {
        futimens(file, &TimeSpec::UTIME_NOW, &TimeSpec::nanoseconds(modified))?;
    }
    fsync(file)
}

fn exchange(
    place: &Place,
    temporary: Temporary<'_>,
    request: &Request,
) -> Result<Written, FilesError> {
    let fail = |errno| place.fail(errno);
    let found = match replaceable(place, request)? {
        Conditional::Done(found) => found,
        Conditional::Unmet(current) => return Ok(Written::Refused { current }),
    };
    let (from, to) = (&*temporary.name, &*place.last);
    let folder = &place.folder;
    if found.is_some() {
        renameat(folder, from, folder, to).map_err(fail)?;
    } else {
        // Not even a program that knows no locks is overwritten by this. And whoever watches sees
        // that it is new.
        match linkat(folder, from, folder, to, AtFlags::empty()) {
            // A file system without links.
            Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS) => {
                renameat2(folder, from, folder, to, RenameFlags::RENAME_NOREPLACE)
                    .or_else(|errno| match errno {
                        Errno::EINVAL | Errno::ENOSYS => renameat(folder, from, folder, to),
                        errno => Err(errno),
                    })
                    .map_err(fail)?;
            }
            Err(Errno::EEXIST) => {
                let current = place.version()?;
                return match request.conditions.hold(current) {
                    true => Err(FilesError::Busy(shown(&place.name))),
                    false => Ok(Written::Refused { current }),
                };
            }
            result => result.map_err(fail)?,
        }
    }
    let file = temporary.file.try_clone();
    drop(temporary);
    let file = file.map_err(|_| FilesError::Ended)?;
    // After all of the above, which moves the time of its last change.
    let stat = fstat(&file).map_err(fail)?;
    Ok(Written::Done {
        created: found.is_none(),
        version: Version::of(&stat),
    })
}

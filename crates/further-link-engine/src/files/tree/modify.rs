//! Making folders, removing, moving.

use super::entry::{self, Lock, Place, fail, is_folder, shown};
use super::version::{Conditions, Version};
use super::write::Written;
use crate::files::FilesError;
use crate::files::beneath::{Name, Root};
use crate::files::worker::ServerLink;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat, futimens, mkdirat};
use nix::sys::time::{TimeSpec, TimeValLike as _};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// How deep folders may be in one another that are removed: each has its descriptor open meanwhile.
const REMOVE_MAX_DEPTH: usize = 512;

/// Answers with whether it was made: `false` if it was there.
pub(super) fn make_folder(
    link: &ServerLink,
    root: &Root,
    name: &Name,
    parents: bool,
    modified_ns: Option<i64>,
) -> Option<()> {
    let made = made_folder(root, name, parents, modified_ns);
    link.send(&made, &[])
}

fn made_folder(
    root: &Root,
    name: &Name,
    parents: bool,
    modified_ns: Option<i64>,
) -> Result<bool, FilesError> {
    entry::usable(name)?;
    let Some((around, _)) = name.split() else {
        return Ok(false);
    };
    if parents {
        root.make_folder(&around).map_err(fail(&around))?;
    }
    let Some(place) = Place::of(root, name)? else {
        return Ok(false);
    };
    match mkdirat(&place.folder, &*place.last, Mode::from_bits_truncate(0o755)) {
        Ok(()) => {}
        Err(Errno::EEXIST) => {
            return match root.open_folder(name) {
                Ok(_) => Ok(false),
                Err(Errno::ENOTDIR | Errno::ENOENT) => Err(FilesError::Exists(shown(name))),
                Err(errno) => Err(place.fail(errno)),
            };
        }
        Err(errno) => return Err(place.fail(errno)),
    }
    if let Some(modified) = modified_ns {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&place.folder, &*place.last, flags, Mode::empty())
            .and_then(|folder| {
                futimens(
                    folder,
                    &TimeSpec::UTIME_NOW,
                    &TimeSpec::nanoseconds(modified),
                )
            })
            .map_err(|errno| place.fail(errno))?;
    }
    Ok(true)
}

/// Removes a file, a link (not what it leads to), or a folder with all in it. `folder`: it has to
/// be one. Answers with `None`, or with what is there instead of what the conditions say.
pub(super) fn remove(
    link: &ServerLink,
    root: &Root,
    name: &Name,
    folder: bool,
    conditions: &Conditions,
) -> Option<()> {
    let removed = removed(link, root, name, folder, conditions)?;
    link.send(&removed, &[])
}

fn removed(
    link: &ServerLink,
    root: &Root,
    name: &Name,
    folder: bool,
    conditions: &Conditions,
) -> Option<Result<Option<Option<Version>>, FilesError>> {
    let find = || -> Result<Place, FilesError> {
        entry::usable(name)?;
        Place::of(root, name)?.ok_or_else(|| FilesError::Forbidden {
            name: "/".to_owned(),
            why: "the work folder itself stays where it is".to_owned(),
        })
    };
    let place = match find() {
        Ok(place) => place,
        Err(error) => return Some(Err(error)),
    };
    let lock = match Lock::of(link, &place)? {
        Ok(lock) => lock,
        Err(error) => return Some(Err(error)),
    };
    let result = remove_place(&place, folder, conditions);
    drop(lock);
    Some(result)
}

fn remove_place(
    place: &Place,
    folder: bool,
    conditions: &Conditions,
) -> Result<Option<Option<Version>>, FilesError> {
    let Some(stat) = place.stat()? else {
        return Err(place.fail(Errno::ENOENT));
    };
    if folder && !is_folder(&stat) {
        return Err(FilesError::NotFolder(shown(&place.name)));
    }
    if is_folder(&stat) {
        let last = CString::new(&*place.last).map_err(|_| place.fail(Errno::EINVAL))?;
        remove_folder(&place.folder, &last, &place.name, 0)?;
        return Ok(None);
    }
    let current = Some(Version::of(&stat));
    if !conditions.hold(current) {
        return Ok(Some(current));
    }
    unlinkat(&place.folder, &*place.last, UnlinkatFlags::NoRemoveDir)
        .map_err(|errno| place.fail(errno))?;
    Ok(None)
}

/// Removes a folder: by descriptors, from each to those in it, so that no link is followed whoever
/// changes it meanwhile.
fn remove_folder(
    around: impl AsFd,
    last: &CString,
    name: &Name,
    depth: usize,
) -> Result<(), FilesError> {
    if depth == REMOVE_MAX_DEPTH {
        return Err(FilesError::TooMuch(format!(
            "{} is too deep a folder",
            shown(name)
        )));
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let folder = openat(&around, &**last, flags, Mode::empty()).map_err(fail(name))?;
    for (child, stat) in children(&folder).map_err(fail(name))? {
        let inner = name.join(&child.to_string_lossy());
        if is_folder(&stat) {
            remove_folder(&folder, &child, &inner, depth + 1)?;
            continue;
        }
        match unlinkat(&folder, &*child, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(fail(&inner)(errno)),
        }
    }
    unlinkat(&around, &**last, UnlinkatFlags::RemoveDir).map_err(fail(name))
}

/// What is in a folder, in the order of names.
pub(super) fn children(folder: &OwnedFd) -> nix::Result<Vec<(CString, FileStat)>> {
    let mut found = Vec::new();
    let own = openat(
        folder,
        ".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    for entry in Dir::from_fd(own)?.iter() {
        let name = entry?.file_name().to_owned();
        if matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        match fstatat(folder, &*name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => found.push((name, stat)),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

/// Moves a file, a link or a folder. Answers with [`Written`]: `Refused` if there is something
/// already.
pub(super) fn rename(
    link: &ServerLink,
    root: &Root,
    from: &Name,
    to: &Name,
    overwrite: bool,
) -> Option<()> {
    let moved = moved(link, root, from, to, overwrite)?;
    link.send(&moved, &[])
}

fn moved(
    link: &ServerLink,
    root: &Root,
    from: &Name,
    to: &Name,
    overwrite: bool,
) -> Option<Result<Written, FilesError>> {
    let find = |name: &Name| -> Result<Place, FilesError> {
        entry::usable(name)?;
        Place::of(root, name)?.ok_or_else(|| FilesError::Forbidden {
            name: "/".to_owned(),
            why: "the work folder itself stays where it is".to_owned(),
        })
    };
    let both = find(from).and_then(|from| Ok((from, find(to)?)));
    let (source, target) = match both {
        Ok(both) => both,
        Err(error) => return Some(Err(error)),
    };
    // Always in the same order, so that two who move in opposite directions do not wait for each
    // other; and one folder once.
    let id = |place: &Place| {
        fstat(&place.folder)
            .map(|stat| (stat.st_dev, stat.st_ino))
            .map_err(|errno| place.fail(errno))
    };
    let ids = id(&source).and_then(|one| Ok((one, id(&target)?)));
    let order = match ids {
        Ok((one, other)) if one == other => vec![&source],
        Ok((one, other)) if one < other => vec![&source, &target],
        Ok(_) => vec![&target, &source],
        Err(error) => return Some(Err(error)),
    };
    let mut locks = Vec::new();
    for place in order {
        match Lock::of(link, place)? {
            Ok(lock) => locks.push(lock),
            Err(error) => return Some(Err(error)),
        }
    }
    let result = move_place(&source, &target, overwrite);
    drop(locks);
    Some(result)
}

fn move_place(source: &Place, target: &Place, overwrite: bool) -> Result<Written, FilesError> {
    let Some(stat) = source.stat()? else {
        return Err(source.fail(Errno::ENOENT));
    };
    if target
        .name
        .as_str()
        .strip_prefix(source.name.as_str())
        .is_some_and(|rest| rest.starts_with('/'))
    {
        return Err(FilesError::IntoItself(shown(&source.name)));
    }
    let existing = target.stat()?;
    if let Some(existing) = &existing {
        if !overwrite {
            return Ok(Written::Refused {
                current: Some(Version::of(existing)),
            });
        }
        // A folder is never replaced: what is in it would be gone.
        if is_folder(existing) {
            return Err(FilesError::IsFolder(shown(&target.name)));
        }
        if is_folder(&stat) {
            return Err(FilesError::NotFolder(shown(&target.name)));
        }
    }
    let (from, to) = (&*source.last, &*target.last);
    let plain = || renameat(&source.folder, from, &target.folder, to);
    let renamed = match existing {
        Some(_) => plain(),
        // Programs know nothing of our locks.
        None => renameat2(
            &source.folder,
            from,
            &target.folder,
            to,
            RenameFlags::RENAME_NOREPLACE,
        )
        .or_else(|errno| match errno {
            Errno::EINVAL | Errno::ENOSYS => plain(),
            errno => Err(errno),
        }),
    };
    match renamed {
        Ok(()) => {}
        Err(Errno::EXDEV) => return Err(FilesError::OtherDevice(shown(&target.name))),
        Err(Errno::EINVAL) => return Err(FilesError::IntoItself(shown(&source.name))),
        Err(Errno::EEXIST) => {
            return Ok(Written::Refused {
                current: target.version()?,
            });
        }
        Err(errno) => return Err(source.fail(errno)),
    }
    let moved = target.stat()?.unwrap_or(stat);
    Ok(Written::Done {
        created: existing.is_none(),
        version: Version::of(&moved),
    })
}

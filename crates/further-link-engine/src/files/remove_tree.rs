//! Removing a tree of files, whatever it holds and whoever changes it meanwhile: no link is
//! followed, no other file system is entered, and folders that their owner may not write to are
//! made writable first.

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, renameat};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

/// Folders inside of folders that are gone into, each with a descriptor and a piece of the stack.
/// What is deeper is moved up first.
const RECURSION_MAX_DEPTH: usize = 64;
/// How often a folder is emptied that somebody else fills.
const EMPTY_ATTEMPTS: usize = 8;

/// Removes a file, a link, or a folder with all in it; that it is not there is fine. Goes on after
/// an error, so that as much as possible is gone.
///
/// # Errors
/// Returns the first reason why something stays.
pub(super) fn remove(folder: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        // EPERM is what POSIX says of folders.
        Err(Errno::EISDIR | Errno::EPERM) => {}
        Err(errno) => return Err(errno),
    }
    let opened = match open_folder(folder, name) {
        Err(Errno::ENOENT) => return Ok(()),
        // A file after all, which may not be removed.
        Err(Errno::ENOTDIR | Errno::ELOOP) => return Err(Errno::EPERM),
        result => result?,
    };
    let mut tries = 0;
    loop {
        let emptied = empty(opened.as_fd(), opened.as_fd(), 0);
        tries += 1;
        match unlinkat(folder, name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            // A program has put something there meanwhile.
            Err(Errno::ENOTEMPTY) if emptied.is_ok() && tries < EMPTY_ATTEMPTS => {}
            // Why something stays in it says more than that it is not empty.
            Err(errno) => return Err(emptied.err().unwrap_or(errno)),
        }
    }
}

/// Removes everything in `folder`. `top` is where what is too deep is moved to.
fn empty(top: BorrowedFd<'_>, folder: BorrowedFd<'_>, depth: usize) -> nix::Result<()> {
    loop {
        let mut removed = 0;
        let mut failed = Ok(());
        for name in names(folder)? {
            let result = match depth < RECURSION_MAX_DEPTH {
                true => remove_inside(top, folder, &name, depth),
                false => remove_deep(top, folder, &name),
            };
            match result {
                Ok(()) => removed += 1,
                Err(errno) => failed = failed.and(Err(errno)),
            }
        }
        // Again: something may have been moved up, or made meanwhile.
        if removed == 0 {
            return failed;
        }
    }
}

fn remove_inside(
    top: BorrowedFd<'_>,
    folder: BorrowedFd<'_>,
    name: &CStr,
    depth: usize,
) -> nix::Result<()> {
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR | Errno::EPERM) => {}
        result => return result,
    }
    let opened = open_folder(folder, name)?;
    let emptied = empty(top, opened.as_fd(), depth + 1);
    unlinkat(folder, name, UnlinkatFlags::RemoveDir).map_err(|errno| emptied.err().unwrap_or(errno))
}

/// Removes what is no folder; a folder is moved to the top.
fn remove_deep(top: BorrowedFd<'_>, folder: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR | Errno::EPERM) => {}
        result => return result,
    }
    // Made writable: that is needed for moving it.
    open_folder(folder, name)?;
    renameat(
        folder,
        name,
        top,
        super::reserved_names::temporary_name().as_str(),
    )
}

/// Returns the names in a folder.
pub(super) fn names(folder: BorrowedFd<'_>) -> nix::Result<Vec<CString>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut names = Vec::new();
    for entry in Dir::from_fd(openat(folder, ".", flags, Mode::empty())?)?.iter() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// Opens a folder to remove what is in it. `EBUSY` if something else is mounted there.
fn open_folder(folder: BorrowedFd<'_>, name: &CStr) -> nix::Result<OwnedFd> {
    let opened = match open_here(folder, name, OFlag::O_RDONLY) {
        Err(Errno::EACCES) => {
            // chmod(2) by name would follow a link that somebody puts there meanwhile.
            let found = open_here(folder, name, OFlag::O_PATH)?;
            let path = format!("/proc/self/fd/{}", found.as_raw_fd());
            let writable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            std::fs::set_permissions(path, writable).map_err(|_| Errno::EACCES)?;
            open_here(folder, name, OFlag::O_RDONLY)?
        }
        result => result?,
    };
    let found = fstat(&opened)?;
    if found.st_dev != fstat(folder)?.st_dev {
        return Err(Errno::EBUSY);
    }
    if found.st_mode & 0o700 != 0o700 {
        // Somebody else's stays as it is.
        let _ = fchmod(&opened, Mode::S_IRWXU);
    }
    Ok(opened)
}

fn open_here(folder: BorrowedFd<'_>, name: &CStr, access: OFlag) -> nix::Result<OwnedFd> {
    let flags = access | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_NO_XDEV);
    match openat2(folder, name, how) {
        Err(Errno::EXDEV) => Err(Errno::EBUSY),
        // An old kernel, or a filter of system calls; then a bind mount of the same file system is
        // not seen.
        Err(Errno::ENOSYS | Errno::EPERM) => openat(folder, name, flags, Mode::empty()),
        result => result,
    }
}

/// Returns whether there is anything of that name.
pub(super) fn exists(folder: BorrowedFd<'_>, name: &str) -> bool {
    fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
}

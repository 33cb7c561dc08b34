//! Atomic replacement of a directory: the new one is built next to the old one, and a single rename
//! swaps them (`renameat2(2)`, `RENAME_EXCHANGE`). A reader sees one or the other, also after a
//! power cut.
//!
//! File systems without that rename (NFS, some FUSE) need three renames. In between, the old
//! directory is set aside under a name that derives from its own, and the next build restores it if
//! the replacement stopped there.

use super::beneath::Root;
use super::reserved_names::{SET_ASIDE_PREFIX, TEMPORARY_PREFIX, hexadecimal, temporary_name};
use super::{FilesError, Name, remove_tree};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{Uid, UnlinkatFlags, fsync, unlinkat};
use std::ffi::CString;
use std::fs::{File, TryLockError};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often something is tried again because somebody else was quicker.
const RENAME_ATTEMPTS: usize = 64;
/// Age of a link that looks temporary at which it is taken for forgotten: links cannot be locked.
const STALE_LINK_AGE: Duration = Duration::from_secs(60);

/// Returns whether a component of a name is one that only the server uses.
pub(super) fn is_reserved(component: &str) -> bool {
    component.starts_with(TEMPORARY_PREFIX) || component.starts_with(SET_ASIDE_PREFIX)
}

/// A folder that is being built beside the one that it will replace. Dropped before the swap, it is
/// removed.
pub(super) struct Staging {
    /// What the name counts from.
    base: Root,
    /// The folder that both are in.
    around: OwnedFd,
    /// Folders around it that were made for it, innermost first.
    made: Vec<Name>,
    name: Name,
    /// The last component of `name`.
    last: String,
    temporary: String,
    /// The new folder; locked for as long as this is open.
    tree: Root,
    /// The old folder; open so that it is locked.
    former: Option<File>,
    state: State,
    /// Whether the flags of `renameat2(2)` are tried.
    newer: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Building,
    /// There was none before.
    New,
    /// The old one has the temporary name now.
    Exchanged,
}

impl Staging {
    /// Begins to build `name` below `base`.
    pub(super) fn new(base: Root, name: &Name) -> Result<Self, FilesError> {
        let fail = |errno| FilesError::of(name.as_str(), errno);
        let Some((outer, last)) = name.split() else {
            return Err(fail(Errno::EINVAL));
        };
        let mut made = Vec::new();
        let around = make_around(&base, &outer, &mut made).map_err(fail)?;
        remove_stale(around.as_fd());
        recover(around.as_fd(), last).map_err(fail)?;
        let begun = begin(&base, &outer, around.as_fd()).map_err(fail);
        let (temporary, tree) = begun.inspect_err(|_| remove_made(&base, &made))?;
        Ok(Self {
            base,
            around,
            made,
            name: name.clone(),
            last: last.to_owned(),
            temporary,
            tree,
            former: None,
            state: State::Building,
            newer: true,
        })
    }

    /// Returns the new folder.
    pub(super) fn tree(&self) -> &Root {
        &self.tree
    }

    /// As on a file system that cannot exchange.
    #[cfg(test)]
    pub(super) fn without_exchange(mut self) -> Self {
        self.newer = false;
        self
    }

    /// Puts the new folder in the place of the old one.
    pub(super) fn swap(&mut self) -> Result<(), FilesError> {
        let fail = |errno| FilesError::of(self.name.as_str(), errno);
        // It was nobody's but the account's so far.
        fchmod(&self.tree, Mode::from_bits_truncate(0o755)).map_err(fail)?;
        fsync(&self.tree).or_else(unsupported).map_err(fail)?;
        if !is_same(&self.tree, self.around.as_fd(), &self.temporary) {
            return Err(FilesError::Changed(self.name.as_str().to_owned()));
        }
        // Nobody is to take it for forgotten while it has the temporary name: we may have to put it
        // back.
        self.former = lock(self.around.as_fd(), &self.last);
        self.state = self.rename().map_err(fail)?;
        self.sync_around().map_err(fail)
    }

    fn rename(&self) -> nix::Result<State> {
        for _ in 0..RENAME_ATTEMPTS {
            match self.exchange() {
                Ok(()) => return Ok(State::Exchanged),
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
            match self.rename_to_nothing() {
                Ok(()) => return Ok(State::New),
                // Somebody else was quicker.
                Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::EBUSY)
    }

    /// Exchanges what has the name and what has the temporary name. `ENOENT` if one of them is
    /// missing.
    fn exchange(&self) -> nix::Result<()> {
        let (around, new, old) = (&self.around, &*self.temporary, &*self.last);
        match self.rename_with(RenameFlags::RENAME_EXCHANGE) {
            Err(Errno::EINVAL | Errno::ENOSYS) => {}
            result => return result,
        }
        // Between the first and the second rename there is nothing of that name.
        let aside = set_aside(old);
        renameat(around, old, around, &*aside)?;
        if let Err(errno) = renameat(around, new, around, old) {
            let _ = renameat(around, &*aside, around, old);
            return Err(errno);
        }
        // If this fails, whoever comes next removes it.
        let _ = renameat(around, &*aside, around, new);
        Ok(())
    }

    fn rename_to_nothing(&self) -> nix::Result<()> {
        match self.rename_with(RenameFlags::RENAME_NOREPLACE) {
            Err(Errno::EINVAL | Errno::ENOSYS) => {
                renameat(&self.around, &*self.temporary, &self.around, &*self.last)
            }
            result => result,
        }
    }

    fn rename_with(&self, flags: RenameFlags) -> nix::Result<()> {
        match self.newer {
            true => renameat2(
                &self.around,
                &*self.temporary,
                &self.around,
                &*self.last,
                flags,
            ),
            false => Err(Errno::EINVAL),
        }
    }

    /// Puts the old folder back in its place.
    pub(super) fn swap_back(&mut self) {
        let done = match self.state {
            State::Building => Ok(()),
            State::Exchanged => self.exchange(),
            State::New => renameat(&self.around, &*self.last, &self.around, &*self.temporary),
        };
        if done.is_ok() {
            self.state = State::Building;
            let _ = self.sync_around();
        }
    }

    /// Removes the old folder. Returns what could not be removed, and why.
    pub(super) fn finish(mut self) -> Option<(String, Errno)> {
        if self.state != State::Exchanged {
            return None;
        }
        self.former = None;
        // It has its name, and whoever writes in it locks it: they need not wait for the old one to
        // be gone.
        unlock(self.tree.as_fd());
        let removed = remove_tree::remove(self.around.as_fd(), &c_name(&self.temporary));
        removed.err().map(|errno| (self.temporary.clone(), errno))
    }

    /// Has the disk know of the swap, and of the folders that were made around it.
    fn sync_around(&self) -> nix::Result<()> {
        fsync(&self.around).or_else(unsupported)?;
        for folder in &self.made {
            let (around, _) = folder.split().ok_or(Errno::EINVAL)?;
            fsync(self.base.open_folder(&around)?).or_else(unsupported)?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.state == State::Building {
            let _ = remove_tree::remove(self.around.as_fd(), &c_name(&self.temporary));
            remove_made(&self.base, &self.made);
        }
    }
}

/// Opens the folder `outer`, and notes those that it had to make.
fn make_around(base: &Root, outer: &Name, made: &mut Vec<Name>) -> nix::Result<OwnedFd> {
    let mut missing = outer.clone();
    while let Err(Errno::ENOENT) = base.open_folder(&missing) {
        let Some((next, _)) = missing.split() else {
            break;
        };
        made.push(std::mem::replace(&mut missing, next));
    }
    base.make_folder(outer)
        .inspect_err(|_| remove_made(base, made))
}

/// Removes folders that were made, unless somebody has put something into them meanwhile.
fn remove_made(base: &Root, made: &[Name]) {
    for folder in made {
        if let Some((around, last)) = folder.split()
            && let Ok(around) = base.open_folder(&around)
        {
            let _ = unlinkat(&around, last, UnlinkatFlags::RemoveDir);
        }
    }
}

/// Makes a new folder and locks it.
fn begin(base: &Root, outer: &Name, around: BorrowedFd<'_>) -> nix::Result<(String, Root)> {
    for _ in 0..RENAME_ATTEMPTS {
        let temporary = temporary_name();
        match mkdirat(around, &*temporary, Mode::S_IRWXU) {
            Err(Errno::EEXIST) => continue,
            result => result?,
        }
        let opened = base.below_itself(&outer.join(&temporary));
        match opened {
            // Where the file system knows no locks, nobody takes it for forgotten either.
            Ok(tree)
                if try_lock(tree.as_fd(), false) != Err(Errno::EWOULDBLOCK)
                    && is_same(&tree, around, &temporary) =>
            {
                return Ok((temporary, tree));
            }
            // Taken for forgotten before it was locked.
            Ok(_) | Err(Errno::ENOENT) => {}
            Err(errno) => {
                let _ = unlinkat(around, &*temporary, UnlinkatFlags::RemoveDir);
                return Err(errno);
            }
        }
    }
    Err(Errno::EBUSY)
}

/// Removes what processes that were killed have left in a folder. Best effort: it is in nobody's
/// way.
pub(super) fn remove_stale(folder: BorrowedFd<'_>) {
    let names = remove_tree::names(folder).unwrap_or_default();
    let temporary = |name: &&CString| name.to_bytes().starts_with(TEMPORARY_PREFIX.as_bytes());
    for name in names.iter().filter(temporary) {
        let Ok(found) = fstatat(folder, &**name, AtFlags::AT_SYMLINK_NOFOLLOW) else {
            continue;
        };
        // In a folder that several accounts share, each sees to its own.
        if found.st_uid != Uid::effective().as_raw() {
            continue;
        }
        let kind = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits());
        let locked = match kind {
            SFlag::S_IFLNK => (age(&found) >= STALE_LINK_AGE).then_some(None),
            _ => {
                let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
                match openat(folder, &**name, flags | OFlag::O_CLOEXEC, Mode::empty()) {
                    Ok(opened) => try_lock(opened.as_fd(), true)
                        .is_ok()
                        .then_some(Some(opened)),
                    // Nobody has opened, and so locked, what cannot be opened.
                    Err(_) => Some(None),
                }
            }
        };
        if locked.is_some() {
            let _ = remove_tree::remove(folder, name);
        }
    }
}

/// Puts back, or removes, what was set aside by a process that was killed.
fn recover(folder: BorrowedFd<'_>, last: &str) -> nix::Result<()> {
    let aside = set_aside(last);
    if !remove_tree::exists(folder, &aside) {
        return Ok(());
    }
    match remove_tree::exists(folder, last) {
        true => remove_tree::remove(folder, &c_name(&aside)),
        false => renameat(folder, &*aside, folder, last),
    }
}

/// Returns the name under which the old `last` is set aside. A digest: with more in front, a name
/// may be too long.
pub(super) fn set_aside(last: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, last.as_bytes());
    let digits = hexadecimal(&digest.as_ref()[..16]);
    format!("{SET_ASIDE_PREFIX}{digits}")
}

/// Locks the old folder or file, if that can be done without waiting.
fn lock(folder: BorrowedFd<'_>, name: &str) -> Option<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let opened = openat(folder, name, flags, Mode::empty()).ok()?;
    try_lock(opened.as_fd(), false).ok()?;
    Some(opened.into())
}

/// Locks what is open until it is closed, alone or together with others. Does not wait
/// (`flock(2)`).
pub(super) fn try_lock(opened: BorrowedFd<'_>, alone: bool) -> nix::Result<()> {
    // The lock is that of the opened file, and so stays when this further descriptor of it is
    // closed.
    let file = opened.try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
    let file = File::from(file);
    let locked = match alone {
        true => file.try_lock(),
        false => file.try_lock_shared(),
    };
    locked.map_err(|error| match error {
        TryLockError::WouldBlock => Errno::EWOULDBLOCK,
        TryLockError::Error(error) => Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)),
    })
}

/// Gives the lock of what is open back.
fn unlock(opened: BorrowedFd<'_>) {
    if let Ok(file) = opened.try_clone_to_owned() {
        let _ = File::from(file).unlock();
    }
}

/// Returns whether what is open is still what has that name.
fn is_same(opened: &impl std::os::fd::AsFd, folder: BorrowedFd<'_>, name: &str) -> bool {
    let named = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    match (fstat(opened), named) {
        (Ok(opened), Ok(named)) => (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino),
        _ => false,
    }
}

fn age(found: &FileStat) -> Duration {
    let changed = UNIX_EPOCH + Duration::from_secs(found.st_ctime.try_into().unwrap_or(0));
    SystemTime::now()
        .duration_since(changed)
        .unwrap_or_default()
}

/// Some file systems cannot be told to write a folder now.
pub(super) fn unsupported(errno: Errno) -> nix::Result<()> {
    match errno {
        Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP => Ok(()),
        errno => Err(errno),
    }
}

fn c_name(name: &str) -> CString {
    // Names that were checked hold no NUL.
    CString::new(name).unwrap_or_default()
}

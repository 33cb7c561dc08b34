//! Telling what changes below a folder, whoever changes it.
//!
//! `inotify(7)` watches single folders, so each has its watch. What it tells is gathered for
//! [`DEBOUNCE_DELAY`] and then told as what has come of it. Where events may have been missed (in a
//! folder that was made a moment ago) the folder is looked at.

use super::change_set::Changes;
use super::change_set::{Change, ChangeKind};
use super::entry::{self, fail, is_folder, is_reserved};
use super::modify::children;
use crate::files::FilesError;
use crate::files::beneath::{Name, Root};
use crate::files::worker::ServerLink;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use nix::sys::stat::{FileStat, Mode, fstat};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant};

/// Folders that are watched, at most. Linux permits an account 8,192 or more altogether, of about
/// 1 kB each in the kernel.
const WATCHED_DIRS_MAX_COUNT: usize = 4096;
/// How long changes are gathered: an editor that saves makes five of them, and a page need not know
/// more often.
const DEBOUNCE_DELAY: Duration = Duration::from_millis(50);
/// Reads of what the kernel has gathered, each of up to 4 KiB, before some of it is told.
const READS_PER_FLUSH: usize = 1024;
/// How often it is checked whether the folder is still there: the kernel does not tell while
/// somebody has it open, or when one around it has moved. In milliseconds.
const DIR_CHECK_INTERVAL_MS: u16 = 2000;
/// Bytes of names after which a packet is sent.
const PACKET_NAMES_BYTES: usize = 32 * 1024;

/// What is told, in this order: `Watching` first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// From now on, nothing is missed.
    Watching,
    /// This has happened.
    Changes(Vec<Change>),
    /// More has happened than can be told.
    Lost,
    /// Only so many folders are watched; there are more.
    TooMany(usize),
    /// The folder itself is gone, or somewhere else. Nothing comes behind this.
    Gone,
}

/// Watches the folder `name` until the server wants no more.
pub(super) fn watch(link: &ServerLink, root: &Root, name: &Name) -> Option<()> {
    let mut watcher = match Watcher::new(root, name) {
        Ok(watcher) => watcher,
        Err(error) => return link.send::<Seen>(&Err(error), &[]),
    };
    link.send(&Ok(Seen::Watching), &[])?;
    loop {
        watcher.tell_of_limit(link)?;
        let mut both = [
            PollFd::new(watcher.inotify.as_fd(), PollFlags::POLLIN),
            PollFd::new(link.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut both, PollTimeout::from(DIR_CHECK_INTERVAL_MS)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
        // The server says nothing more, so this is its end.
        if both[1].any() == Some(true) {
            return None;
        }
        if both[0].any() == Some(true) {
            wait_for_end(link, DEBOUNCE_DELAY)?;
            watcher.read();
            watcher.tell(link)?;
        }
        if watcher.is_gone(root) {
            return link.send(&Ok(Seen::Gone), &[]);
        }
    }
}

/// Waits for so long; `None` if the server wants no more.
fn wait_for_end(link: &ServerLink, time: Duration) -> Option<()> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Some(());
        }
        let mut socket = [PollFd::new(link.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match poll(&mut socket, timeout) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) | Err(_) => return None,
        }
    }
}

struct Watcher {
    inotify: Inotify,
    /// The folder that is watched.
    root: Root,
    /// How the client calls it.
    name: Name,
    /// Below it, what is watched. Itself is the empty name.
    folders: HashMap<WatchDescriptor, Name>,
    /// Itself.
    top: Option<WatchDescriptor>,
    changes: Changes,
    /// There are more folders than may be watched, and the client does not know yet.
    limit: bool,
    /// The same, and the client knows.
    limit_told: bool,
    lost: bool,
    gone: bool,
}

impl Watcher {
    fn new(root: &Root, name: &Name) -> Result<Self, FilesError> {
        entry::seen(name)?;
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let mut watcher = Self {
            inotify: Inotify::init(flags).map_err(|errno| match errno {
                Errno::EMFILE => FilesError::TooMany,
                errno => FilesError::of("watching", errno),
            })?,
            root: root.below(name).map_err(fail(name))?,
            name: name.clone(),
            folders: HashMap::new(),
            top: None,
            changes: Changes::default(),
            limit: false,
            limit_told: false,
            lost: false,
            gone: false,
        };
        watcher.add(Name::or_root("")?, false);
        match watcher.top {
            Some(_) => Ok(watcher),
            None if watcher.limit => Err(FilesError::TooMany),
            None => Err(fail(name)(Errno::EACCES)),
        }
    }

    /// Watches a folder and those in it, those further up first. `report`: what is in them has come
    /// with them.
    fn add(&mut self, folder: Name, report: bool) {
        let mut waiting = VecDeque::from([folder]);
        while let Some(folder) = waiting.pop_front() {
            if self.folders.len() >= WATCHED_DIRS_MAX_COUNT {
                self.limit = true;
                return;
            }
            // What is gone by now, or may not be read, has nothing to tell.
            let Ok(opened) = self.watch_one(&folder) else {
                continue;
            };
            for (child, stat) in children(&opened).unwrap_or_default() {
                let Some(path) = below(&folder, child.as_bytes()) else {
                    continue;
                };
                if report {
                    self.changes
                        .note(path.clone(), ChangeKind::Created, is_folder(&stat));
                }
                if is_folder(&stat) {
                    waiting.push_back(path);
                }
            }
        }
    }

    fn watch_one(&mut self, folder: &Name) -> nix::Result<std::os::fd::OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let opened = self.root.open_at(folder, flags, Mode::empty())?;
        let mut wanted = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_ONLYDIR;
        let is_top = folder.as_str().is_empty();
        if is_top {
            wanted |= AddWatchFlags::IN_MOVE_SELF;
        }
        // The folder that was opened, whatever has its name by now.
        let path = format!("/proc/self/fd/{}", opened.as_raw_fd());
        let watch = self.inotify.add_watch(path.as_str(), wanted);
        if let Err(Errno::ENOSPC | Errno::ENOMEM) = watch {
            self.limit = true;
        }
        let watch = watch?;
        self.folders.insert(watch, folder.clone());
        if is_top {
            self.top = Some(watch);
        }
        Ok(opened)
    }

    /// Takes what has happened.
    fn read(&mut self) {
        for _ in 0..READS_PER_FLUSH {
            match self.inotify.read_events() {
                Ok(events) => events.into_iter().for_each(|event| self.take(event)),
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        for (path, is_folder) in self.changes.left_over_moves() {
            self.left(path, is_folder);
        }
    }

    /// What was at `path` has gone out of sight.
    fn left(&mut self, path: Name, was_folder: bool) {
        if was_folder {
            self.forget(&path);
        }
        let now = self
            .root
            .open_at(&path, OFlag::O_PATH | OFlag::O_NOFOLLOW, Mode::empty())
            .and_then(fstat);
        match now {
            // Another has taken its place, as when a project is uploaded.
            Ok(now) => {
                self.changes
                    .note(path.clone(), ChangeKind::Changed, is_folder(&now));
                if is_folder(&now) {
                    self.add(path, true);
                }
            }
            Err(_) => self.changes.note(path, ChangeKind::Deleted, was_folder),
        }
    }

    fn take(&mut self, event: InotifyEvent) {
        let is = |flags| event.mask.intersects(flags);
        if is(AddWatchFlags::IN_Q_OVERFLOW) {
            return self.look_again();
        }
        if is(AddWatchFlags::IN_IGNORED) {
            self.folders.remove(&event.wd);
            return;
        }
        let ends = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_UNMOUNT;
        if is(ends) {
            self.gone |= Some(event.wd) == self.top;
            return;
        }
        let (Some(folder), Some(name)) = (self.folders.get(&event.wd), &event.name) else {
            return;
        };
        let is_folder = is(AddWatchFlags::IN_ISDIR);
        let Some(path) = below(folder, name.as_encoded_bytes()) else {
            // What comes from a name of ours is not new, but changed.
            if is(AddWatchFlags::IN_MOVED_FROM) {
                self.changes.hidden(event.cookie);
            }
            return;
        };
        if is(AddWatchFlags::IN_MOVED_FROM) {
            self.changes.moved_from(event.cookie, path, is_folder);
        } else if is(AddWatchFlags::IN_MOVED_TO) {
            let from = self.changes.moved_to(event.cookie, path.clone(), is_folder);
            match from {
                Some(from) if is_folder => self.follow(&from, path),
                None if is_folder => self.add(path, true),
                _ => {}
            }
        } else if is(AddWatchFlags::IN_CREATE) {
            self.changes
                .note(path.clone(), ChangeKind::Created, is_folder);
            if is_folder {
                self.add(path, true);
            }
        } else if is(AddWatchFlags::IN_DELETE) {
            self.changes.note(path, ChangeKind::Deleted, is_folder);
        } else {
            self.changes.note(path, ChangeKind::Changed, is_folder);
        }
    }

    /// A watch goes on when its folder moves, and what it tells from then on is below the new path.
    fn follow(&mut self, from: &Name, to: Name) {
        if self.folders.values().any(|folder| *folder == to) {
            // Two have taken each other's places. By path, their watches cannot be told apart.
            self.look_again();
            return;
        }
        let mut found = false;
        for folder in self.folders.values_mut() {
            if let Some(rest) = rest_below(folder, from) {
                found |= rest.is_empty();
                let path = rest.split('/').filter(|part| !part.is_empty());
                *folder = path.fold(to.clone(), |path, part| path.join(part));
            }
        }
        if !found {
            self.add(to, false);
        }
    }

    /// After something was missed: the client has to list again, and folders may have been made
    /// unseen.
    fn look_again(&mut self) {
        self.lost = true;
        if let Ok(top) = Name::or_root("") {
            self.add(top, false);
        }
    }

    /// Watches a folder no longer.
    fn forget(&mut self, path: &Name) {
        let inotify = &self.inotify;
        self.folders.retain(|watch, folder| {
            let below = rest_below(folder, path).is_some();
            if below {
                let _ = inotify.rm_watch(*watch);
            }
            !below
        });
    }

    fn tell_of_limit(&mut self, link: &ServerLink) -> Option<()> {
        if self.limit && !self.limit_told {
            self.limit_told = true;
            link.send(&Ok(Seen::TooMany(self.folders.len())), &[])?;
        }
        Some(())
    }

    /// Sends what was gathered.
    fn tell(&mut self, link: &ServerLink) -> Option<()> {
        let changes = self.changes.take(&self.root, &self.name);
        if std::mem::take(&mut self.lost) || changes.is_none() {
            link.send(&Ok(Seen::Lost), &[])?;
            return Some(());
        }
        let mut packet = Vec::new();
        let mut bytes = 0;
        for change in changes.unwrap_or_default() {
            bytes += change.path.len() + change.from.as_ref().map_or(0, String::len);
            packet.push(change);
            if bytes > PACKET_NAMES_BYTES {
                link.send(&Ok(Seen::Changes(std::mem::take(&mut packet))), &[])?;
                bytes = 0;
            }
        }
        if !packet.is_empty() {
            link.send(&Ok(Seen::Changes(packet)), &[])?;
        }
        Some(())
    }

    /// Returns whether the folder is no longer where it was.
    fn is_gone(&self, root: &Root) -> bool {
        let id = |stat: nix::Result<FileStat>| stat.map(|stat| (stat.st_dev, stat.st_ino));
        let now = root
            .open_at(&self.name, OFlag::O_PATH, Mode::empty())
            .and_then(|found| id(fstat(found)));
        self.gone || now != id(fstat(&self.root)) || now.is_err()
    }
}

/// Returns the name of something in a folder, if clients may see it.
fn below(folder: &Name, last: &[u8]) -> Option<Name> {
    if is_reserved(last) {
        return None;
    }
    str::from_utf8(last).ok().map(|last| folder.join(last))
}

/// What of `path` is behind `folder`: nothing if it is this folder; `None` if it is not below it.
fn rest_below<'a>(path: &'a Name, folder: &Name) -> Option<&'a str> {
    let rest = path.as_str().strip_prefix(folder.as_str())?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

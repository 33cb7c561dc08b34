//! What has come of many small changes.

use super::entry::is_file;
use super::version::Version;
use crate::files::beneath::{Name, Root};
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Paths that are gathered, at most; more is "lost", for a client then lists again anyway.
const CHANGED_PATHS_MAX_COUNT: usize = 4096;

/// What has happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// It is there, and was not.
    Created,
    /// It is another than before; of a folder, what is in it may be too. Where something was moved
    /// to from outside, or over something, it may be new.
    Changed,
    /// It is no longer there.
    Deleted,
    /// It was elsewhere.
    Moved,
}

/// A change, with paths as the client writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What has changed.
    pub path: String,
    /// How.
    pub kind: ChangeKind,
    /// Where it was, if it has moved.
    pub from: Option<String>,
    /// It is, or was, a folder.
    pub folder: bool,
    /// Of a file that is there.
    pub version: Option<Version>,
}

#[derive(Clone, Debug)]
struct Noted {
    path: Name,
    kind: ChangeKind,
    from: Option<Name>,
    folder: bool,
}

/// Where something went away from.
#[derive(Clone, Debug)]
enum Source {
    Seen(Name, bool),
    /// A name of ours.
    Hidden,
}

/// Changes that were not told yet, one for each path.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// In the order in which they came. `None`: nothing has come of it.
    noted: Vec<Option<Noted>>,
    by_path: HashMap<Name, usize>,
    /// By the number that the kernel gives both halves.
    moves: HashMap<u32, Source>,
    /// There were too many.
    lost: bool,
}

impl Changes {
    pub(super) fn note(&mut self, path: Name, kind: ChangeKind, folder: bool) {
        self.put(path, kind, None, folder);
    }

    fn put(&mut self, path: Name, kind: ChangeKind, from: Option<Name>, folder: bool) {
        use ChangeKind::{Changed, Created, Deleted, Moved};
        let before = self.by_path.get(&path).copied();
        let Some(place) = before.and_then(|index| self.noted[index].as_mut()) else {
            if self.noted.len() == CHANGED_PATHS_MAX_COUNT {
                self.lost = true;
                return;
            }
            self.by_path.insert(path.clone(), self.noted.len());
            self.noted.push(Some(Noted {
                path,
                kind,
                from,
                folder,
            }));
            return;
        };
        let merged = match (place.kind, kind) {
            (Created, Changed | Created) => Some(Created),
            (Created, Deleted) => None,
            (Deleted, Created) => Some(Changed),
            (Moved, Changed) => Some(Moved),
            (_, kind) => Some(kind),
        };
        let moved_away = match (place.kind, merged) {
            (Moved, Some(Moved)) if from.is_none() => None,
            (Moved, _) => place.from.take(),
            _ => None,
        };
        match merged {
            None => {
                self.by_path.remove(&path);
                if let Some(index) = before {
                    self.noted[index] = None;
                }
            }
            Some(kind) => {
                place.kind = kind;
                place.folder = folder;
                if kind == Moved && from.is_some() || kind != Moved {
                    place.from = from;
                }
            }
        }
        // Where it had come from, there is nothing now.
        if let Some(from) = moved_away {
            self.put(from, Deleted, None, folder);
        }
    }

    /// The first half of a move.
    pub(super) fn moved_from(&mut self, cookie: u32, path: Name, folder: bool) {
        self.moves.insert(cookie, Source::Seen(path, folder));
    }

    /// The first half of a move from a name that clients do not see.
    pub(super) fn hidden(&mut self, cookie: u32) {
        self.moves.insert(cookie, Source::Hidden);
    }

    /// Returns the second half. Where it came from, if that was seen.
    pub(super) fn moved_to(&mut self, cookie: u32, path: Name, folder: bool) -> Option<Name> {
        match self.moves.remove(&cookie) {
            Some(Source::Seen(from, _)) => {
                self.moved(from.clone(), path, folder);
                Some(from)
            }
            Some(Source::Hidden) | None => {
                self.note(path, ChangeKind::Changed, folder);
                None
            }
        }
    }

    fn moved(&mut self, from: Name, path: Name, folder: bool) {
        let index = self.by_path.get(&from).copied();
        let before = index.and_then(|index| self.noted[index].clone());
        let forget = |changes: &mut Self| {
            changes.by_path.remove(&from);
            if let Some(index) = index {
                changes.noted[index] = None;
            }
        };
        match before {
            // The client has never heard of it: a file that is written beside the one that it is to
            // replace.
            Some(Noted {
                kind: ChangeKind::Created,
                ..
            }) => {
                forget(self);
                let kind = match folder {
                    true => ChangeKind::Created,
                    false => ChangeKind::Changed,
                };
                self.note(path, kind, folder);
            }
            // It only passed through there.
            Some(Noted {
                kind: ChangeKind::Moved,
                from: Some(first),
                ..
            }) => {
                forget(self);
                self.put(path, ChangeKind::Moved, Some(first), folder);
            }
            _ => {
                forget(self);
                self.put(path, ChangeKind::Moved, Some(from), folder);
            }
        }
    }

    /// What has gone away and come nowhere else that is watched.
    pub(super) fn left_over_moves(&mut self) -> Vec<(Name, bool)> {
        self.moves
            .drain()
            .filter_map(|(_, source)| match source {
                Source::Seen(path, folder) => Some((path, folder)),
                Source::Hidden => None,
            })
            .collect()
    }

    /// All that was gathered, with what the files are now. `around` is how the client calls `root`.
    /// `None` if it was too much.
    pub(super) fn take(&mut self, root: &Root, around: &Name) -> Option<Vec<Change>> {
        let Self { noted, lost, .. } = std::mem::take(self);
        if lost {
            return None;
        }
        let whole = |path: &Name| match path.as_str() {
            "" => around.as_str().to_owned(),
            path => around.join(path).as_str().to_owned(),
        };
        let change = |noted: Noted| Change {
            path: whole(&noted.path),
            kind: noted.kind,
            from: noted.from.as_ref().map(whole),
            folder: noted.folder,
            version: version(root, &noted),
        };
        Some(noted.into_iter().flatten().map(change).collect())
    }
}

fn version(root: &Root, noted: &Noted) -> Option<Version> {
    if noted.folder || noted.kind == ChangeKind::Deleted {
        return None;
    }
    let found = root
        .open_at(&noted.path, OFlag::O_PATH, Mode::empty())
        .ok()?;
    let stat = fstat(&found).ok()?;
    is_file(&stat).then(|| Version::of(&stat))
}

#[cfg(test)]
mod tests {
    use super::ChangeKind::{Changed, Created, Deleted, Moved};
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn told(changes: &mut Changes) -> Vec<(String, ChangeKind, Option<String>)> {
        let root = Root::open(std::path::Path::new("/")).unwrap();
        let around = Name::or_root("").unwrap();
        let changes = changes.take(&root, &around).unwrap();
        let plain = |change: Change| (change.path, change.kind, change.from);
        changes.into_iter().map(plain).collect()
    }

    #[test]
    fn changes_of_one_path_are_one() {
        for (kinds, expected) in [
            (&[Created, Changed, Changed][..], Some(Created)),
            (&[Created, Deleted], None),
            (&[Created, Deleted, Created], Some(Created)),
            (&[Deleted, Created], Some(Changed)),
            (&[Changed, Changed], Some(Changed)),
            (&[Changed, Deleted], Some(Deleted)),
            (&[Deleted, Created, Deleted], Some(Deleted)),
        ] {
            let mut changes = Changes::default();
            for kind in kinds {
                changes.note(name("a"), *kind, false);
            }
            let expected: Vec<_> = expected
                .map(|kind| ("a".to_owned(), kind, None))
                .into_iter()
                .collect();
            assert_eq!(told(&mut changes), expected, "{kinds:?}");
        }
    }

    #[test]
    fn moves_are_followed() {
        let moved = |changes: &mut Changes, from: &str, to: &str| {
            changes.moved_from(7, name(from), false);
            assert_eq!(changes.moved_to(7, name(to), false), Some(name(from)));
        };
        let one =
            |path: &str, kind, from: Option<&str>| (path.to_owned(), kind, from.map(str::to_owned));
        let mut changes = Changes::default();
        moved(&mut changes, "a", "b");
        assert_eq!(told(&mut changes), [one("b", Moved, Some("a"))]);
        moved(&mut changes, "a", "b");
        moved(&mut changes, "b", "c");
        assert_eq!(told(&mut changes), [one("c", Moved, Some("a"))]);
        moved(&mut changes, "a", "b");
        changes.note(name("b"), Changed, false);
        assert_eq!(told(&mut changes), [one("b", Moved, Some("a"))]);
        moved(&mut changes, "a", "b");
        changes.note(name("b"), Deleted, false);
        let gone = [one("b", Deleted, None), one("a", Deleted, None)];
        assert_eq!(told(&mut changes), gone);
        // As editors save.
        changes.note(name("a.tmp"), Created, false);
        moved(&mut changes, "a.tmp", "a");
        assert_eq!(told(&mut changes), [one("a", Changed, None)]);
        // As we do.
        changes.hidden(8);
        assert_eq!(changes.moved_to(8, name("a"), false), None);
        assert_eq!(told(&mut changes), [one("a", Changed, None)]);
        // Out of sight.
        changes.moved_from(9, name("a"), true);
        assert_eq!(changes.left_over_moves(), [(name("a"), true)]);
    }

    #[test]
    fn too_many_are_lost() {
        let mut changes = Changes::default();
        for number in 0..=CHANGED_PATHS_MAX_COUNT {
            changes.note(name(&number.to_string()), Created, false);
        }
        let root = Root::open(std::path::Path::new("/")).unwrap();
        let around = Name::or_root("").unwrap();
        assert_eq!(changes.take(&root, &around), None);
        assert_eq!(told(&mut changes), []);
    }
}

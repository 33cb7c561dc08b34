//! Which content of a file is meant: versions, and conditions on them.

use nix::sys::stat::FileStat;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What tells one content of a file from another without reading it. Whatever writes to a file
/// moves the time of its last change (`ctime`), which no program can set; replacing it gives it
/// another inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    inode: u64,
    size: u64,
    modified: i64,
    changed: i64,
}

impl Version {
    pub(crate) fn of(stat: &FileStat) -> Self {
        Self {
            inode: stat.st_ino,
            size: stat.st_size as u64,
            modified: modified(stat),
            changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// When the content was last written, in nanoseconds since 1970.
pub(crate) fn modified(stat: &FileStat) -> i64 {
    nanoseconds(stat.st_mtime, stat.st_mtime_nsec)
}

/// Years that do not fit (after 2262) become the last that does.
fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            inode,
            size,
            modified,
            changed,
        } = self;
        write!(f, "{inode:x}-{size:x}-{modified:x}-{changed:x}")
    }
}

/// A text that is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no version of a file")]
pub struct NoVersion;

impl FromStr for Version {
    type Err = NoVersion;

    /// Reads exactly what `Display` writes.
    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let mut parts = text.split('-').map(|part| u64::from_str_radix(part, 16));
        let mut next = || parts.next().and_then(Result::ok).ok_or(NoVersion);
        let version = Self {
            inode: next()?,
            size: next()?,
            modified: next()? as i64,
            changed: next()? as i64,
        };
        match version.to_string() == text {
            true => Ok(version),
            false => Err(NoVersion),
        }
    }
}

/// Some of a file's versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versions {
    /// Whatever is there.
    Any,
    /// One of these.
    These(Vec<Version>),
}

impl Versions {
    /// Returns whether `current` is among them; a file that is not there never is.
    pub fn include(&self, current: Option<Version>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::These(versions), Some(current)) => versions.contains(&current),
        }
    }
}

/// What has to hold for a file before it is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// It is one of these.
    pub is: Option<Versions>,
    /// It is none of these.
    pub is_not: Option<Versions>,
}

impl Conditions {
    /// Returns whether they hold for what is there now.
    pub fn hold(&self, current: Option<Version>) -> bool {
        self.is.as_ref().is_none_or(|is| is.include(current))
            && !self.is_not.as_ref().is_some_and(|not| not.include(current))
    }
}

/// What came of a change that was asked for under [`Conditions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conditional<T> {
    /// They hold: it was done.
    Done(T),
    /// They do not hold for what is there, of this version; nothing was changed (`412 Precondition
    /// Failed`, RFC 9110 section 13.1).
    Unmet(Option<Version>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(size: u64) -> Version {
        Version {
            inode: 7,
            size,
            modified: -1,
            changed: 1_700_000_000_000_000_000,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = version(255).to_string();
        assert_eq!(text, "7-ff-ffffffffffffffff-17979cfe362a0000");
        assert_eq!(text.parse(), Ok(version(255)));
        for wrong in [
            "",
            "7",
            "7-ff-0",
            "7-ff-0-0-0",
            "+7-ff-0-0",
            "07-ff-0-0",
            "7-FF-0-0",
            "x-0-0-0",
        ] {
            assert_eq!(wrong.parse::<Version>(), Err(NoVersion), "{wrong}");
        }
    }

    #[test]
    fn conditions_hold_or_do_not() {
        let (one, two) = (version(1), version(2));
        let these = |versions: &[Version]| Some(Versions::These(versions.to_vec()));
        let any = Some(Versions::Any);
        for (is, is_not, current, holds) in [
            (None, None, None, true),
            (None, None, Some(one), true),
            (these(&[one]), None, Some(one), true),
            (these(&[two, one]), None, Some(one), true),
            (these(&[two]), None, Some(one), false),
            (these(&[]), None, Some(one), false),
            (these(&[one]), None, None, false),
            (any.clone(), None, Some(one), true),
            (any.clone(), None, None, false),
            (None, any.clone(), None, true),
            (None, any.clone(), Some(one), false),
            (None, these(&[one]), Some(one), false),
            (None, these(&[two]), Some(one), true),
            (these(&[one]), these(&[one]), Some(one), false),
        ] {
            let conditions = Conditions { is, is_not };
            assert_eq!(
                conditions.hold(current),
                holds,
                "{conditions:?} {current:?}"
            );
        }
    }
}

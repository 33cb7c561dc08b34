//! Opening files below a folder, and nowhere else, whatever the names are and whoever changes the
//! folder meanwhile.
//!
//! `openat2(2)` with `RESOLVE_BENEATH` has the kernel see to it. Where it is missing (before Linux
//! 5.6, or behind a filter of system calls) each component is opened by itself and no link is
//! followed.

use super::FilesError;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, fstatat, mkdirat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Bytes of one component of a path, at most (`NAME_MAX`).
const COMPONENT_MAX_BYTES: usize = 255;
/// Bytes of a whole path, at most (`PATH_MAX`, with its NUL).
const PATH_MAX_BYTES: usize = 4095;
/// Components of a path, at most: what is removed or copied is gone through by recursion.
const PATH_MAX_COMPONENTS: usize = 128;
/// How often a path is resolved again because somebody has moved folders meanwhile (`openat2(2)`,
/// EAGAIN).
const RESOLVE_ATTEMPTS: usize = 64;

/// A path below a folder, as a client wrote it and as it is used: components without `.`, `..`,
/// empty ones or NUL.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Name(String);

impl Name {
    /// Checks a name. `.` and empty components say nothing and are left out; a slash at the end
    /// too.
    ///
    /// # Errors
    /// If it leads out of the folder (`..`, absolute), names nothing, or is longer than any path
    /// can be.
    pub fn new(text: &str) -> Result<Self, FilesError> {
        let name = Self::or_root(text)?;
        match name.0.is_empty() {
            false => Ok(name),
            true => Err(forbidden(text, "it names no file")),
        }
    }

    /// Checks a path like [`Self::new`], but the folder itself has a name too: the empty one.
    ///
    /// # Errors
    /// As for [`Name::new`].
    pub fn or_root(text: &str) -> Result<Self, FilesError> {
        let refuse = |why| Err(forbidden(text, why));
        if text.contains('\0') {
            return refuse("it holds a NUL character");
        }
        if text.starts_with('/') {
            return refuse("it is an absolute path");
        }
        let components: Vec<&str> = text
            .split('/')
            .filter(|component| !matches!(*component, "" | "."))
            .collect();
        if components.contains(&"..") {
            return refuse("it leads out of the folder");
        }
        if text.len() > PATH_MAX_BYTES
            || components.len() > PATH_MAX_COMPONENTS
            || components
                .iter()
                .any(|component| component.len() > COMPONENT_MAX_BYTES)
        {
            return refuse("it is too long");
        }
        Ok(Self(components.join("/")))
    }

    /// Returns the path, relative, without a slash at its end; empty for the folder itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// Returns the folder it is in and its last component; `None` for the root itself.
    pub fn split(&self) -> Option<(Name, &str)> {
        match self.0.rsplit_once('/') {
            Some((folder, last)) => Some((Name(folder.to_owned()), last)),
            None if self.0.is_empty() => None,
            None => Some((Name(String::new()), &self.0)),
        }
    }

    /// Returns the name of something in the folder that this is; `component` is one that a folder
    /// has.
    pub(crate) fn join(&self, component: &str) -> Name {
        match self.0.is_empty() {
            true => Name(component.to_owned()),
            false => Name(format!("{}/{component}", self.0)),
        }
    }
}

pub(super) fn forbidden(name: &str, why: &str) -> FilesError {
    // As much as helps to find it.
    FilesError::Forbidden {
        name: name.chars().take(100).collect(),
        why: why.to_owned(),
    }
}

/// A folder below which files are opened.
#[derive(Debug)]
pub(crate) struct Root {
    folder: OwnedFd,
    kernel: bool,
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

impl Root {
    /// Opens a folder that the configuration names, following links; makes it if it is missing.
    pub(crate) fn open(path: &Path) -> nix::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = match open(path, flags, Mode::empty()) {
            Err(Errno::ENOENT) => {
                std::fs::create_dir_all(path)
                    .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
                open(path, flags, Mode::empty())?
            }
            result => result?,
        };
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_BENEATH);
        let kernel = openat2(&folder, ".", how).is_ok();
        Ok(Self { folder, kernel })
    }

    /// As on a kernel without `openat2(2)`.
    #[cfg(test)]
    pub(crate) fn without_kernel(mut self) -> Self {
        self.kernel = false;
        self
    }

    /// Returns a folder below this one as a root of its own; a link is not followed in the last
    /// place.
    pub(crate) fn below_itself(&self, name: &Name) -> nix::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        Ok(Self {
            folder: self.open_at(name, flags, Mode::empty())?,
            kernel: self.kernel,
        })
    }

    /// Returns a folder below this one as a root of its own; links that stay below are followed.
    pub(crate) fn below(&self, name: &Name) -> nix::Result<Self> {
        Ok(Self {
            folder: self.open_folder(name)?,
            kernel: self.kernel,
        })
    }

    /// Opens what `name` is. Links are followed only where they stay below the root, and never in
    /// the last place if `flags` has `O_NOFOLLOW` (without the kernel's help: nowhere). A path that
    /// leads out is `EXDEV` or `ELOOP`.
    pub(crate) fn open_at(&self, name: &Name, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        // What is only looked at (`O_PATH`) is not opened, and openat2(2) refuses what says how.
        let flags = match flags.contains(OFlag::O_PATH) {
            true => flags | OFlag::O_CLOEXEC,
            false => flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY,
        };
        if self.kernel {
            let path = match name.as_str() {
                "" => ".",
                path => path,
            };
            let creates = flags.contains(OFlag::O_CREAT) || flags.contains(OFlag::O_TMPFILE);
            let how = OpenHow::new()
                .flags(flags)
                // Refused by the kernel where nothing is made.
                .mode(if creates { mode } else { Mode::empty() })
                .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
            for _ in 1..RESOLVE_ATTEMPTS {
                match openat2(&self.folder, path, how) {
                    Err(Errno::EAGAIN | Errno::EINTR) => {}
                    result => return result,
                }
            }
            return openat2(&self.folder, path, how);
        }
        let Some((folder, last)) = name.split() else {
            return openat(&self.folder, ".", flags, mode);
        };
        let folder = self.walk(&folder)?;
        match openat(&folder, last, flags | OFlag::O_NOFOLLOW, mode) {
            Err(Errno::ENOTDIR) if is_link(&folder, last) => Err(Errno::ELOOP),
            result => result,
        }
    }

    /// Opens a folder for use with the calls that end in `at`.
    pub(crate) fn open_folder(&self, name: &Name) -> nix::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        self.open_at(name, flags, Mode::empty())
    }

    /// Opens a folder, and makes it and those around it where they are missing.
    pub(crate) fn make_folder(&self, name: &Name) -> nix::Result<OwnedFd> {
        match self.open_folder(name) {
            Err(Errno::ENOENT) => {}
            result => return result,
        }
        let Some((around, last)) = name.split() else {
            return Err(Errno::ENOENT);
        };
        let around = self.make_folder(&around)?;
        match mkdirat(&around, last, Mode::from_bits_truncate(0o755)) {
            // Somebody else was quicker.
            Ok(()) | Err(Errno::EEXIST) => self.open_folder(name),
            Err(errno) => Err(errno),
        }
    }

    fn walk(&self, name: &Name) -> nix::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut folder = openat(&self.folder, ".", flags, Mode::empty())?;
        for component in name.components() {
            folder = match openat(&folder, component, flags, Mode::empty()) {
                // What open(2) says of a link too, if a folder is wanted.
                Err(Errno::ENOTDIR) if is_link(&folder, component) => return Err(Errno::ELOOP),
                result => result?,
            };
        }
        Ok(folder)
    }
}

fn is_link(folder: &OwnedFd, name: &str) -> bool {
    let found = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| found.st_mode & libc::S_IFMT == libc::S_IFLNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_plain() {
        for (text, plain) in [
            ("main.py", "main.py"),
            ("./images//cat.jpg", "images/cat.jpg"),
            ("a/./b/", "a/b"),
            ("...", "..."),
            ("a\\..\\b", "a\\..\\b"),
        ] {
            assert_eq!(Name::new(text).unwrap().as_str(), plain);
        }
        assert_eq!(Name::or_root("./").unwrap().as_str(), "");
    }

    #[test]
    fn names_that_lead_out_or_nowhere_are_refused() {
        let long = "x".repeat(256);
        let deep = "x/".repeat(129);
        for text in [
            "", ".", "./", "..", "a/../b", "../a", "/a", "a\0b", &long, &deep,
        ] {
            assert!(
                matches!(Name::new(text), Err(FilesError::Forbidden { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn name_is_split_and_joined() {
        let name = Name::new("a/b/c").unwrap();
        let (folder, last) = name.split().unwrap();
        assert_eq!((folder.as_str(), last), ("a/b", "c"));
        assert_eq!(folder.join(last), name);
        let (folder, last) = Name::new("c")
            .unwrap()
            .split()
            .map(|(folder, last)| (folder, last.to_owned()))
            .unwrap();
        assert_eq!((folder.as_str(), &*last), ("", "c"));
        assert_eq!(folder.join("c").as_str(), "c");
        assert!(Name::or_root("").unwrap().split().is_none());
    }
}

//! A folder as an archive: written into a pipe, from which the server reads as quickly as the
//! client does.

use super::entry::{self, fail, is_file, is_folder, is_link, is_reserved, open_found};
use super::modify::children;
use super::zip::{Archive, EntryInfo};
use crate::files::FilesError;
use crate::files::beneath::{Name, Root};
use crate::files::worker::ServerLink;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, OFlag, fcntl, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{AccessFlags, faccessat};
use serde::{Deserialize, Serialize};
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::OwnedFd;

/// Files and folders in an archive, at most: of each, a line is kept for the list at the end.
const ARCHIVE_MAX_ENTRIES: usize = 200_000;
/// Bytes of the names in that list, at most.
const ARCHIVE_NAMES_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of a name in the archive, at most: its length has 16 bits, and a folder's ends with a
/// slash.
const ARCHIVE_PATH_MAX_BYTES: usize = u16::MAX as usize - 1;
/// After so many files it is checked whether anybody still waits.
const ENTRIES_PER_CLOSED_CHECK: usize = 256;
/// How deep folders may be in one another.
const ARCHIVE_MAX_DEPTH: usize = 256;

/// What is sent with the pipe, and again when all has been written to it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Archived {
    Begun,
    Whole,
}

/// Sends a pipe's end and writes the archive of folder `name` to the other. `top`: the folder's
/// name in the archive.
pub(super) fn archive(link: &ServerLink, root: &Root, name: &Name, top: &str) -> Option<()> {
    let begin = || -> Result<_, FilesError> {
        entry::seen(name)?;
        let folder = root.open_folder(name).map_err(fail(name))?;
        // Later, nothing could be said any more: so first a look at all of it.
        let mut look: Walk<'_, std::io::Sink> = Walk {
            link,
            name: name.clone(),
            zip: None,
            files: 0,
            names: 0,
        };
        look.folder(&folder, top, 0)?;
        let (reader, writer) = std::io::pipe().map_err(|_| FilesError::Ended)?;
        let reader = OwnedFd::from(reader);
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(fail(name))?;
        Ok((folder, reader, writer))
    };
    let (folder, reader, writer) = match begin() {
        Ok(begun) => begun,
        Err(error) => return link.send::<Archived>(&Err(error), &[]),
    };
    link.send(&Ok(Archived::Begun), &[reader])?;
    let mut walk = Walk {
        link,
        name: name.clone(),
        zip: Some(Archive::new(writer)),
        files: 0,
        names: 0,
    };
    let done = walk.folder(&folder, top, 0).and_then(|()| match walk.zip {
        Some(zip) => zip.finish().map_err(broken),
        None => Err(FilesError::Ended),
    });
    link.send(&done.map(|()| Archived::Whole), &[])
}

fn broken(error: std::io::Error) -> FilesError {
    FilesError::System {
        what: "Writing the archive".to_owned(),
        reason: error.to_string(),
    }
}

/// Goes through a folder, by descriptors: no link is followed, whoever changes it meanwhile.
struct Walk<'a, W: std::io::Write> {
    link: &'a ServerLink,
    /// The folder that is archived.
    name: Name,
    /// `None`: only look whether all can be read.
    zip: Option<Archive<W>>,
    files: usize,
    names: usize,
}

impl<W: std::io::Write> Walk<'_, W> {
    /// `path`: in the archive, without a slash at its end.
    fn folder(&mut self, folder: &OwnedFd, path: &str, depth: usize) -> Result<(), FilesError> {
        let fail = |errno| FilesError::of(path, errno);
        let stat = fstat(folder).map_err(fail)?;
        self.count(path)?;
        if depth == ARCHIVE_MAX_DEPTH {
            return Err(FilesError::TooMuch(format!("{path} is too deep a folder")));
        }
        if let Some(zip) = &mut self.zip {
            let name = format!("{path}/");
            zip.add_directory(info(&name, &stat)).map_err(broken)?;
        }
        for (child, stat) in children(folder).map_err(fail)? {
            if is_reserved(child.as_bytes()) {
                continue;
            }
            let path = format!("{path}/{}", child.to_string_lossy());
            match self.child(folder, &child, &path, &stat, depth) {
                // It was removed meanwhile.
                Err(FilesError::NotFound(_)) => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn child(
        &mut self,
        folder: &OwnedFd,
        name: &CStr,
        path: &str,
        stat: &FileStat,
        depth: usize,
    ) -> Result<(), FilesError> {
        let fail = |errno| FilesError::of(path, errno);
        if is_folder(stat) {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let inner = openat(folder, name, flags, Mode::empty()).map_err(fail)?;
            return self.folder(&inner, path, depth + 1);
        }
        if is_link(stat) {
            self.count(path)?;
            let target = readlinkat(folder, name).map_err(fail)?;
            return match &mut self.zip {
                Some(zip) => zip
                    .add_link(info(path, stat), &target.to_string_lossy())
                    .map_err(broken),
                None => Ok(()),
            };
        }
        if !is_file(stat) {
            return Ok(());
        }
        self.count(path)?;
        let Some(zip) = &mut self.zip else {
            return faccessat(folder, name, AccessFlags::R_OK, AtFlags::empty()).map_err(fail);
        };
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let found = openat(folder, name, flags, Mode::empty()).map_err(fail)?;
        if !fstat(&found).is_ok_and(|stat| is_file(&stat)) {
            return Err(fail(Errno::ENOENT));
        }
        let mut file = File::from(open_found(&found, OFlag::O_RDONLY).map_err(fail)?);
        let stat = fstat(&file).map_err(fail)?;
        zip.add_file(info(path, &stat), stat.st_size as u64, &mut file)
            .map_err(broken)
    }

    fn count(&mut self, path: &str) -> Result<(), FilesError> {
        self.files += 1;
        self.names += path.len();
        if self.files.is_multiple_of(ENTRIES_PER_CLOSED_CHECK) && self.link.is_closed() {
            return Err(FilesError::Ended);
        }
        if path.len() > ARCHIVE_PATH_MAX_BYTES {
            return Err(FilesError::TooMuch(format!(
                "{} holds files in too deep folders for an archive",
                entry::shown(&self.name)
            )));
        }
        match self.files > ARCHIVE_MAX_ENTRIES || self.names > ARCHIVE_NAMES_MAX_BYTES {
            true => Err(FilesError::TooMuch(format!(
                "{} holds too many files for an archive",
                entry::shown(&self.name)
            ))),
            false => Ok(()),
        }
    }
}

fn info<'a>(name: &'a str, stat: &FileStat) -> EntryInfo<'a> {
    EntryInfo {
        name,
        mode: stat.st_mode,
        modified: stat.st_mtime,
    }
}

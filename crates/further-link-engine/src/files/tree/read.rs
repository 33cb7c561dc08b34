//! Opening a file to be read.

use super::entry::{fail, is_file, is_folder, look, open_found, shown};
use super::version::{Version, modified};
use crate::files::FilesError;
use crate::files::beneath::{Name, Root};
use crate::files::worker::ServerLink;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;

/// A file that was opened; its descriptor comes with it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Opened {
    pub(super) size: u64,
    pub(super) modified_ns: i64,
    pub(super) version: Version,
}

/// Opens the file `name` and sends its descriptor.
pub(super) fn open(link: &ServerLink, root: &Root, name: &Name) -> Option<()> {
    match opened(root, name) {
        Ok((opened, descriptor)) => link.send(&Ok(opened), &[descriptor]),
        Err(error) => link.send::<Opened>(&Err(error), &[]),
    }
}

fn opened(root: &Root, name: &Name) -> Result<(Opened, OwnedFd), FilesError> {
    let (found, stat) = look(root, name)?;
    if is_folder(&stat) {
        return Err(FilesError::IsFolder(shown(name)));
    }
    if !is_file(&stat) {
        return Err(FilesError::Special(shown(name)));
    }
    let file = open_found(&found, OFlag::O_RDONLY).map_err(fail(name))?;
    let stat = fstat(&file).map_err(fail(name))?;
    let opened = Opened {
        size: stat.st_size as u64,
        modified_ns: modified(&stat),
        version: Version::of(&stat),
    };
    Ok((opened, file))
}

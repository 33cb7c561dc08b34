//! What is in a folder.

use super::entry::{self, fail, is_file, is_folder, is_link, is_reserved};
use super::version::{Version, modified};
use crate::files::FilesError;
use crate::files::beneath::{Name, Root};
use crate::files::worker::ServerLink;
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{AccessFlags, faccessat};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// Entries of a folder that are listed, at most. A page with more is of no use to anybody.
const LIST_MAX_ENTRIES: usize = 20_000;
/// Bytes of names and of where links lead that are listed, as JSON, at most. Both are chosen by
/// whoever made the files, and the server keeps the list in memory until the client has read it.
const LIST_TEXT_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of names after which a packet is sent; with the longest name and link it is far below the
/// largest packet.
const PACKET_NAMES_BYTES: usize = 32 * 1024;
/// Entries after which one is sent.
const PACKET_MAX_ENTRIES: usize = 512;

/// What something in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A device, a FIFO, a socket: it cannot be read.
    Special,
    /// A link that leads to nothing, or out of the work folder.
    Astray,
}

/// Something in a folder. Of a link, it is about what the link leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the folder.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes; 0 for what is no file.
    pub size: u64,
    /// When its content was last changed, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Of a file.
    pub version: Option<Version>,
    /// What the link says, if it is one.
    pub link: Option<String>,
}

/// The folder itself, and the file system that it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderState {
    /// Blocks that this account may still use.
    pub free: u64,
    /// Blocks altogether.
    pub total: u64,
    /// Bytes of a block.
    pub block_size: u64,
    /// Whether this account may make something here.
    pub writable: bool,
    /// There is more in the folder than is listed.
    pub truncated: bool,
}

/// A packet of a list.
#[derive(Serialize, Deserialize)]
pub(super) enum Listed {
    Some(Vec<Entry>),
    End(FolderState),
}

/// Sends what is in the folder `name`, in the order of names.
pub(super) fn list(link: &ServerLink, root: &Root, name: &Name) -> Option<()> {
    let (entries, state) = match collect(root, name) {
        Ok(collected) => collected,
        Err(error) => return link.send::<Listed>(&Err(error), &[]),
    };
    let mut packet = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        bytes += text(&entry);
        packet.push(entry);
        if bytes > PACKET_NAMES_BYTES || packet.len() == PACKET_MAX_ENTRIES {
            link.send(&Ok(Listed::Some(std::mem::take(&mut packet))), &[])?;
            bytes = 0;
        }
    }
    link.send(&Ok(Listed::Some(packet)), &[])?;
    link.send(&Ok(Listed::End(state)), &[])
}

fn text(entry: &Entry) -> usize {
    entry.name.len() + entry.link.as_ref().map_or(0, String::len)
}

/// Bytes that a text takes in JSON, which writes a control character as `\u0001`.
fn as_json(text: &str) -> usize {
    let length = |byte| match byte {
        0..=0x1f => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

fn collect(root: &Root, name: &Name) -> Result<(Vec<Entry>, FolderState), FilesError> {
    entry::seen(name)?;
    let folder = root.open_folder(name).map_err(fail(name))?;
    let space = fstatvfs(&folder).map_err(fail(name))?;
    let may = AccessFlags::W_OK | AccessFlags::X_OK;
    let mut state = FolderState {
        free: space.blocks_available(),
        total: space.blocks(),
        block_size: space.fragment_size(),
        writable: faccessat(&folder, ".", may, AtFlags::empty()).is_ok(),
        truncated: false,
    };
    let (names, truncated) = names_in(folder).map_err(fail(name))?;
    state.truncated = truncated;
    let folder = root.open_folder(name).map_err(fail(name))?;
    let mut entries = Vec::with_capacity(names.len());
    let mut bytes = 0;
    for last in names {
        if last
            .as_bytes()
            .starts_with(crate::files::reserved_names::TEMPORARY_PREFIX.as_bytes())
        {
            entry::sweep(&folder, &last);
        }
        if is_reserved(last.as_bytes()) {
            continue;
        }
        // What no address can name is of no use to a client.
        let Ok(text_of) = last.to_str() else { continue };
        // It may be gone by now.
        let Some(entry) = entry(root, &folder, name, text_of) else {
            continue;
        };
        bytes += as_json(&entry.name) + entry.link.as_deref().map_or(0, as_json);
        if bytes > LIST_TEXT_MAX_BYTES {
            state.truncated = true;
            break;
        }
        entries.push(entry);
    }
    Ok((entries, state))
}

/// Returns the names in a folder, sorted; not all if there are too many.
fn names_in(folder: OwnedFd) -> nix::Result<(Vec<CString>, bool)> {
    let mut folder = Dir::from_fd(folder)?;
    let mut names = Vec::new();
    let mut truncated = false;
    for entry in folder.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if names.len() == LIST_MAX_ENTRIES {
            truncated = true;
            break;
        }
        names.push(name.to_owned());
    }
    names.sort_unstable();
    Ok((names, truncated))
}

fn entry(root: &Root, folder: &OwnedFd, around: &Name, last: &str) -> Option<Entry> {
    let stat = fstatat(folder, last, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    if !is_link(&stat) {
        return Some(described(last, &stat, None));
    }
    let link = readlinkat(folder, last).ok()?;
    let link = Some(link.to_string_lossy().into_owned());
    let target = root
        .open_at(&around.join(last), OFlag::O_PATH, Mode::empty())
        .and_then(fstat);
    Some(match target {
        Ok(target) if !is_link(&target) => described(last, &target, link),
        _ => Entry {
            kind: Kind::Astray,
            size: 0,
            version: None,
            ..described(last, &stat, link)
        },
    })
}

fn described(name: &str, stat: &FileStat, link: Option<String>) -> Entry {
    let kind = match (is_file(stat), is_folder(stat)) {
        (true, _) => Kind::File,
        (_, true) => Kind::Folder,
        _ => Kind::Special,
    };
    let is_file = kind == Kind::File;
    Entry {
        name: name.to_owned(),
        kind,
        size: if is_file { stat.st_size as u64 } else { 0 },
        modified_ns: modified(stat),
        version: is_file.then(|| Version::of(stat)),
        link,
    }
}

#[cfg(test)]
mod tests {
    use super::as_json;

    #[test]
    fn text_counts_as_it_is_sent() {
        let text = "a\u{1}\"\\é";
        assert_eq!(as_json(text), 1 + 6 + 2 + 2 + 2);
    }
}

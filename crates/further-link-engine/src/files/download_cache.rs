//! The cache of files that were fetched from addresses: `WORK_DIR/.flcache/bucketName/fileName`.
//!
//! The names come from whoever uploads, and programs of the account can write there. So a file
//! counts only if a record beside it (`.flcache/.index`) says that it came from the same address,
//! and if it is still what came from there: no project gets what another one, or a program, has put
//! under the same name.
//!
//! All of it may be removed at any time, and nothing fails because it cannot be written.

use super::beneath::Root;
use super::reserved_names::{CACHE_DIR, hexadecimal, temporary_name};
use super::{Name, replace};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Uid, UnlinkatFlags, unlinkat};
use ring::digest::{Context, SHA256};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

/// The folder of the records, in that of the cache.
pub(super) const INDEX_DIR: &str = ".index";
/// The first line of a record.
const RECORD_HEADER: &str = "further-link cache 1";
/// Bytes of a record, at most. An address has less.
const RECORD_MAX_BYTES: u64 = 64 * 1024;
/// Bytes that are read at once.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// What a file has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    sha256: String,
    size: u64,
}

impl Digest {
    /// Reads the whole file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let mut context = Context::new(&SHA256);
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let mut size = 0;
        loop {
            match file.read_at(&mut buffer, size)? {
                0 => break,
                count => {
                    context.update(&buffer[..count]);
                    size += count as u64;
                }
            }
        }
        Ok(Self {
            sha256: hexadecimal(context.finish().as_ref()),
            size,
        })
    }
}

/// See the module's text.
pub(super) struct Cache {
    root: Root,
    index: OwnedFd,
}

impl Cache {
    /// Opens the cache of a work folder, if there is one. A link in its place is none: it may lead
    /// into a project.
    pub(super) fn open(work: &Root) -> Option<Self> {
        let root = work.below_itself(&Name::new(CACHE_DIR).ok()?).ok()?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let index = root
            .open_at(&Name::new(INDEX_DIR).ok()?, flags, Mode::empty())
            .ok()?;
        Some(Self { root, index })
    }

    /// Returns the same, but makes it if there is none.
    pub(super) fn make(work: &Root) -> Option<Self> {
        let mode = Mode::from_bits_truncate(0o755);
        // What is there already, and is no folder, is found when it is opened.
        let _ = mkdirat(work, CACHE_DIR, mode);
        let root = work.below_itself(&Name::new(CACHE_DIR).ok()?).ok()?;
        let _ = mkdirat(&root, INDEX_DIR, mode);
        Self::open(work)
    }

    /// Copies the file at `place` to `to`, if it came from `source` and is still what it was.
    pub(super) fn find(&self, place: &Name, source: &str, to: &File) -> Option<Digest> {
        let known = self.record(place, source)?;
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let from = File::from(self.root.open_at(place, flags, Mode::empty()).ok()?);
        let found = from.metadata().ok()?;
        let plausible = found.is_file()
            && found.uid() == Uid::effective().as_raw()
            && found.size() == known.size;
        if !plausible || copy(&from, to).is_err() {
            return None;
        }
        // Of the copy: the file could be changed after it was looked at.
        (Digest::of(to).ok()? == known).then_some(known)
    }

    /// Keeps a file that came from `source`.
    pub(super) fn keep(
        &self,
        place: &Name,
        source: &str,
        from: &File,
        digest: &Digest,
    ) -> io::Result<()> {
        let Some((folder, last)) = place.split() else {
            return Err(Errno::EINVAL.into());
        };
        let folder = self.root.make_folder(&folder)?;
        // The file first. Until the record fits, it counts for nothing.
        self.write(&folder, last, |to| copy(from, to))?;
        let Digest { sha256, size } = digest;
        let record = format!("{RECORD_HEADER}\n{sha256}\n{size}\n{source}\n");
        self.write(&self.index, &key(place), |mut to| {
            to.write_all(record.as_bytes())
        })
    }

    /// Makes a file, or replaces it at once.
    fn write(
        &self,
        folder: &OwnedFd,
        name: &str,
        fill: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        let temporary = temporary_name();
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(0o644);
        let file = File::from(openat(&self.index, &*temporary, flags, mode)?);
        // One that is taken for forgotten before that is missed by the rename.
        let _ = replace::try_lock(file.as_fd(), false);
        let done = fill(&file).and_then(|()| Ok(renameat(&self.index, &*temporary, folder, name)?));
        if done.is_err() {
            let _ = unlinkat(&self.index, &*temporary, UnlinkatFlags::NoRemoveDir);
        }
        done
    }

    /// Removes what processes that were killed have left.
    pub(super) fn remove_stale(&self) {
        replace::remove_stale(self.index.as_fd());
    }

    /// What is known of the file at `place`, if it came from `source`.
    fn record(&self, place: &Name, source: &str) -> Option<Digest> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let record = File::from(openat(&self.index, &*key(place), flags, Mode::empty()).ok()?);
        let found = record.metadata().ok()?;
        if !found.is_file() || found.uid() != Uid::effective().as_raw() {
            return None;
        }
        let mut text = String::new();
        record
            .take(RECORD_MAX_BYTES)
            .read_to_string(&mut text)
            .ok()?;
        let mut lines = text.lines();
        if lines.next()? != RECORD_HEADER {
            return None;
        }
        let (sha256, size) = (lines.next()?.to_owned(), lines.next()?.parse().ok()?);
        (lines.next()? == source).then_some(Digest { sha256, size })
    }
}

/// Copies a whole file. Where the file system can, both share their blocks (`copy_file_range(2)`).
pub(super) fn copy(mut from: &File, mut to: &File) -> io::Result<()> {
    from.rewind()?;
    to.rewind()?;
    to.set_len(0)?;
    io::copy(&mut from, &mut to).map(drop)
}

/// Returns the name of the record for the file at `place`.
fn key(place: &Name) -> String {
    hexadecimal(ring::digest::digest(&SHA256, place.as_str().as_bytes()).as_ref())
}

/// What of an address says which file it is: without what only permits to get it, which is another
/// at each upload.
pub(super) fn source_of(url: &str) -> String {
    let (url, _fragment) = url.split_once('#').unwrap_or((url, ""));
    let Some((path, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_lowercase();
    let has = |wanted: &str| query.split('&').any(|pair| name(pair) == wanted);
    // Short names mean something else where there is no signature.
    let (signed, shared) = (has("signature"), has("sig"));
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let name = name(pair);
            let permits = name.starts_with("x-amz-")
                || name.starts_with("x-goog-")
                || (signed && SIGNATURE_PARAMETERS.contains(&&*name))
                || (shared && AZURE_SIGNATURE_PARAMETERS.contains(&&*name));
            !permits
        })
        .collect();
    match kept.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", kept.join("&")),
    }
}

/// Beside `Signature`: Amazon S3 (version 2), CloudFront and Google Cloud Storage.
const SIGNATURE_PARAMETERS: [&str; 6] = [
    "awsaccesskeyid",
    "expires",
    "googleaccessid",
    "key-pair-id",
    "policy",
    "signature",
];
/// Beside `sig`: shared access signatures of Azure.
const AZURE_SIGNATURE_PARAMETERS: [&str; 17] = [
    "se", "si", "sig", "sip", "ske", "skoid", "sks", "skt", "sktid", "skv", "sp", "spr", "sr",
    "srt", "ss", "st", "sv",
];

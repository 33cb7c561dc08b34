//! The *files* process's side of an upload: builds the new folder beside the old one, asks the
//! server for what is not in the cache, and puts all in place at once.
//!
//! As long as the server has not said [`Ask::Commit`], nothing is changed that a client sees, and
//! if it goes away nothing is left. The names were checked by `upload`; here the kernel sees to it
//! that they lead nowhere else.

use super::messages::{Ask, Content, Entry, Manifest, Parcel, Step};
use crate::files::beneath::Root;
use crate::files::download_cache::{Cache, Digest, copy};
use crate::files::replace::{Staging, unsupported};
use crate::files::worker::ServerLink;
use crate::files::{FilesError, Name};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, fsync, syncfs, unlinkat};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Files and folders up to which each is written to the disk by itself. With more, one call for the
/// whole file system is quicker, though it also writes what others have changed.
const SYNC_EACH_MAX_FILES: usize = 16;

/// Why it does not go on.
enum Stop {
    /// The server has gone, or wants it no more.
    Gone,
    Failed(FilesError),
}

impl From<FilesError> for Stop {
    fn from(error: FilesError) -> Self {
        Self::Failed(error)
    }
}

/// Does an upload. `None` if the server did not wait for its end.
pub(crate) fn build(link: &mut ServerLink, work_dir: &Path, projects_dir: &Path) -> Option<()> {
    // What was built is removed before anybody is told that it failed.
    match carry_out(link, work_dir, projects_dir) {
        Ok(swapped) => {
            let told = link.send(&Ok(Step::Done), &[]);
            let left: Vec<String> = swapped
                .into_iter()
                .filter_map(Staging::finish)
                .map(|(name, errno)| format!("{name} ({})", errno.desc()))
                .collect();
            let left = (!left.is_empty()).then(|| left.join(", "));
            told.and(link.send(&Ok(Step::Over(left)), &[]))
        }
        Err(Stop::Failed(error)) => link.send::<Step>(&Err(error), &[]),
        Err(Stop::Gone) => None,
    }
}

fn carry_out(
    link: &mut ServerLink,
    work_dir: &Path,
    projects_dir: &Path,
) -> Result<Vec<Staging>, Stop> {
    let (parcel, descriptors) = link.receive::<Parcel>().ok_or(Stop::Gone)?;
    let mut texts = File::from(descriptors.into_iter().next().ok_or(Stop::Gone)?);
    let manifest = read_manifest(&mut texts, parcel.manifest).ok_or(Stop::Gone)?;

    let work = open_base(work_dir)?;
    let project = Staging::new(open_base(work_dir)?, &manifest.name)?;
    let copy = match &manifest.copy {
        Some(name) => Some(Staging::new(open_base(projects_dir)?, name)?),
        None => None,
    };
    let mut builder = Builder {
        link,
        manifest: &manifest,
        cache: Cache::open(&work),
        tree: project.tree(),
        built: Vec::new(),
        had: vec![None; manifest.sources.len()],
        uncached: Vec::new(),
    };
    if let Some(cache) = &builder.cache {
        cache.remove_stale();
    }
    builder.write_texts(&mut texts)?;
    drop(texts);
    builder.look_into_cache()?;
    builder.fetch()?;
    builder.repeat_sources()?;
    if let Some(copy) = &copy {
        builder.copy_all(copy.tree())?;
    }
    builder.sync(copy.as_ref().map(Staging::tree))?;
    builder.check_server()?;
    let Builder {
        link: _,
        had,
        uncached,
        ..
    } = builder;
    let kept = Kept { had, uncached };
    // From here on the server is not asked any more: it is quick, and either all or nothing.
    let mut swapped = vec![project];
    swapped.extend(copy);
    for index in 0..swapped.len() {
        if let Err(error) = swapped[index].swap() {
            for done in &mut swapped[..=index] {
                done.swap_back();
            }
            return Err(error.into());
        }
    }
    kept.keep(&work, &manifest, swapped[0].tree());
    Ok(swapped)
}

fn open_base(path: &Path) -> Result<Root, FilesError> {
    Root::open(path).map_err(|errno| FilesError::of(&path.to_string_lossy(), errno))
}

fn read_manifest(texts: &mut File, length: u64) -> Option<Manifest> {
    let mut bytes = Vec::new();
    texts.take(length).read_to_end(&mut bytes).ok()?;
    postcard::from_bytes(&bytes).ok()
}

/// A source whose file is in the new folder.
#[derive(Clone)]
struct Had {
    name: Name,
    digest: Digest,
}

struct Builder<'a> {
    link: &'a mut ServerLink,
    manifest: &'a Manifest,
    cache: Option<Cache>,
    tree: &'a Root,
    /// What is in the new folder.
    built: Vec<Name>,
    /// For each source.
    had: Vec<Option<Had>>,
    /// Entries that the cache does not have.
    uncached: Vec<usize>,
}

impl Builder<'_> {
    /// Is asked again and again: what nobody waits for is not to be finished.
    fn check_server(&self) -> Result<(), Stop> {
        match self.link.is_closed() {
            true => Err(Stop::Gone),
            false => Ok(()),
        }
    }

    fn write_texts(&mut self, texts: &mut File) -> Result<(), Stop> {
        for entry in &self.manifest.files {
            let Content::Text(length) = entry.content else {
                continue;
            };
            self.check_server()?;
            let mut file = self.create(&entry.name)?;
            io::copy(&mut (&mut *texts).take(length), &mut file)
                .map_err(|error| failed(&entry.name, &error))?;
            self.built.push(entry.name.clone());
        }
        Ok(())
    }

    fn look_into_cache(&mut self) -> Result<(), Stop> {
        for (index, entry) in self.manifest.files.iter().enumerate() {
            let Content::Url { source, place } = &entry.content else {
                continue;
            };
            if self.had[*source].is_none()
                && let Some(cache) = &self.cache
            {
                self.check_server()?;
                let file = self.create(&entry.name)?;
                if let Some(digest) = cache.find(place, &self.manifest.sources[*source], &file) {
                    self.has(*source, &entry.name, digest);
                    continue;
                }
                self.remove(&entry.name);
            }
            self.uncached.push(index);
        }
        Ok(())
    }

    /// Has the server download what is missing.
    fn fetch(&mut self) -> Result<(), Stop> {
        let missing = self.had.iter().enumerate();
        let missing = missing.filter(|(_, had)| had.is_none());
        self.send(Step::Missing(missing.map(|(source, _)| source).collect()))?;
        let mut open: HashMap<usize, (Name, File)> = HashMap::new();
        loop {
            let (ask, _) = self.link.receive::<Ask>().ok_or(Stop::Gone)?;
            match ask {
                Ask::File(source) => {
                    let name = self.first_of(source).ok_or(Stop::Gone)?;
                    let file = self.create(&name)?;
                    let theirs = file.try_clone().map_err(|error| failed(&name, &error))?;
                    open.insert(source, (name, file));
                    self.link
                        .send(&Ok(Step::File), &[theirs.into()])
                        .ok_or(Stop::Gone)?;
                }
                Ask::Fetched(source) => {
                    let (name, file) = open.remove(&source).ok_or(Stop::Gone)?;
                    let digest = Digest::of(&file).map_err(|error| failed(&name, &error))?;
                    self.has(source, &name, digest);
                    self.send(Step::Noted)?;
                }
                Ask::Skip => {
                    for (name, _) in open.values() {
                        self.remove(name);
                    }
                    self.send(Step::Noted)?;
                }
                Ask::Commit => return Ok(()),
            }
        }
    }

    /// Files of which there are several from the same source.
    fn repeat_sources(&mut self) -> Result<(), Stop> {
        for entry in &self.manifest.files {
            let Content::Url { source, .. } = entry.content else {
                continue;
            };
            let Some(had) = self.had[source].clone() else {
                continue;
            };
            if had.name != entry.name {
                self.check_server()?;
                copy_file(self.tree, &had.name, self.tree, &entry.name)?;
                self.built.push(entry.name.clone());
            }
        }
        Ok(())
    }

    fn copy_all(&self, to: &Root) -> Result<(), Stop> {
        for name in &self.built {
            self.check_server()?;
            copy_file(self.tree, name, to, name)?;
        }
        Ok(())
    }

    /// Has the disk know of everything that was built.
    fn sync(&self, copy: Option<&Root>) -> Result<(), Stop> {
        let mut folders = BTreeSet::new();
        for name in &self.built {
            let mut inner = name.clone();
            while let Some((folder, _)) = inner.split() {
                inner = folder.clone();
                folders.insert(folder);
            }
        }
        let few = self.built.len() + folders.len() <= SYNC_EACH_MAX_FILES;
        let fail = |errno| FilesError::of(self.manifest.name.as_str(), errno);
        for tree in [Some(self.tree), copy].into_iter().flatten() {
            if !few {
                syncfs(tree).map_err(fail)?;
                continue;
            }
            for name in self.built.iter().chain(&folders) {
                self.check_server()?;
                let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
                tree.open_at(name, flags, Mode::empty())
                    .and_then(|opened| fsync(opened).or_else(unsupported))
                    .map_err(fail)?;
            }
        }
        Ok(())
    }

    fn send(&self, step: Step) -> Result<(), Stop> {
        self.link.send(&Ok(step), &[]).ok_or(Stop::Gone)
    }

    fn has(&mut self, source: usize, name: &Name, digest: Digest) {
        let name = name.clone();
        self.built.push(name.clone());
        self.had[source] = Some(Had { name, digest });
    }

    /// Returns the file that a source is downloaded into, if it is missing.
    fn first_of(&self, source: usize) -> Option<Name> {
        if self.had.get(source)?.is_some() {
            return None;
        }
        let is_it = |entry: &&Entry| matches!(entry.content, Content::Url { source: of, .. } if of == source);
        let entry = self.manifest.files.iter().find(is_it)?;
        Some(entry.name.clone())
    }

    fn create(&self, name: &Name) -> Result<File, FilesError> {
        create(self.tree, name)
    }

    /// Removes a file that is not to be in the new folder, and folders that were made for it.
    fn remove(&self, name: &Name) {
        let mut flag = UnlinkatFlags::NoRemoveDir;
        let mut name = name.clone();
        while let Some((folder, last)) = name.split()
            && let Ok(opened) = self.tree.open_folder(&folder)
            && unlinkat(&opened, last, flag).is_ok()
        {
            flag = UnlinkatFlags::RemoveDir;
            name = folder;
        }
    }
}

/// What the cache gets from an upload.
struct Kept {
    had: Vec<Option<Had>>,
    uncached: Vec<usize>,
}

impl Kept {
    /// Best effort: the upload does not fail for it.
    fn keep(self, work: &Root, manifest: &Manifest, tree: &Root) {
        if self.uncached.is_empty() {
            return;
        }
        let Some(cache) = Cache::make(work) else {
            return;
        };
        for index in self.uncached {
            if let Content::Url { source, place } = &manifest.files[index].content
                && let Some(had) = &self.had[*source]
                && let Ok(from) = open(tree, &had.name)
            {
                let _ = cache.keep(place, &manifest.sources[*source], &from, &had.digest);
            }
        }
    }
}

/// Makes a file, and the folders around it.
fn create(tree: &Root, name: &Name) -> Result<File, FilesError> {
    let fail = |errno| FilesError::of(name.as_str(), errno);
    if let Some((folder, _)) = name.split() {
        tree.make_folder(&folder).map_err(fail)?;
    }
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let opened = tree.open_at(name, flags, Mode::from_bits_truncate(0o644));
    Ok(opened.map_err(fail)?.into())
}

/// Opens a file that was built. A program that sees the folder may have put something else there.
fn open(tree: &Root, name: &Name) -> Result<File, FilesError> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened: OwnedFd = tree
        .open_at(name, flags, Mode::empty())
        .map_err(|errno| FilesError::of(name.as_str(), errno))?;
    let file = File::from(opened);
    match file.metadata().is_ok_and(|found| found.is_file()) {
        true => Ok(file),
        false => Err(FilesError::Changed(name.as_str().to_owned())),
    }
}

fn copy_file(from: &Root, name: &Name, to: &Root, new: &Name) -> Result<(), FilesError> {
    copy(&open(from, name)?, &create(to, new)?).map_err(|error| failed(new, &error))
}

fn failed(name: &Name, error: &io::Error) -> FilesError {
    let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    FilesError::of(name.as_str(), errno)
}

//! What the parts of this folder do, without a spawner: the process's side runs in a thread.

mod attacks;
mod caching;
mod replacing;
mod uploading;

use super::beneath::Root;
use super::tree::Operation;
use super::worker::{EXIT_TIMEOUT, FilesWorker};
use super::{Name, Request, run};
use crate::spawner::packet;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A folder that is removed with all in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("further-link-files-{:016x}", getrandom::u64().unwrap());
        // Many small files: where nothing is written to a disk, if there is such a place.
        let memory = PathBuf::from("/dev/shm");
        let around = Some(memory).filter(|memory| memory.is_dir());
        let path = around.unwrap_or_else(std::env::temp_dir).join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn root(&self) -> Root {
        Root::open(&self.0).unwrap()
    }

    /// With the kernel's help, and without.
    fn roots(&self) -> [Root; 2] {
        [self.root(), self.root().without_kernel()]
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }

    /// A file with all folders that it needs.
    fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, below: &str) -> Option<String> {
        std::fs::read_to_string(self.path(below)).ok()
    }

    /// All paths below `folder`, in order; folders end with a slash, links with where they lead.
    fn tree(&self, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.path(folder), "", &mut found);
        found.sort();
        found
    }
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(&entry.path(), &format!("{name}/"), found);
            found.push(format!("{name}/"));
        } else if kind.is_symlink() {
            let target = std::fs::read_link(entry.path()).unwrap();
            found.push(format!("{name} -> {}", target.display()));
        } else {
            found.push(name);
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let around = std::fs::File::open(self.0.parent().unwrap()).unwrap();
        let last = self.0.file_name().unwrap().to_str().unwrap();
        let name = std::ffi::CString::new(last).unwrap();
        let _ = super::remove_tree::remove(std::os::fd::AsFd::as_fd(&around), &name);
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A worker that is a thread, and its end.
async fn start(request: &Request) -> (FilesWorker, std::thread::JoinHandle<i32>) {
    let (ours, theirs) = packet::pair().unwrap();
    let thread = std::thread::spawn(move || run(theirs));
    let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    let worker = FilesWorker::new(ours, place).unwrap();
    worker.send(request, &[]).await.unwrap();
    (worker, thread)
}

#[tokio::test]
async fn worker_keeps_its_permit_until_it_has_ended() {
    let places = Arc::new(Semaphore::new(1));
    let (ours, theirs) = packet::pair().unwrap();
    let place = Arc::clone(&places).acquire_owned().await.unwrap();
    drop(FilesWorker::new(ours, place).unwrap());
    // It is told that it is not wanted any more.
    let told = packet::receive::<()>(theirs.as_fd(), &mut Vec::new());
    assert!(matches!(told, Ok(None)));
    for _ in 0..100 {
        // What it still says is heard by nobody.
        packet::send(theirs.as_fd(), &[1; 1000], &[]).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(places.available_permits(), 0);
    }
    drop(theirs);
    let place = tokio::time::timeout(EXIT_TIMEOUT / 2, places.acquire_owned()).await;
    drop(place.unwrap().unwrap());
}

#[tokio::test]
async fn archive_refuses_paths_that_are_too_long() {
    // With the longest names, the last path is a little longer than an archive can say.
    let folder = Folder::new();
    let long = "x".repeat(255);
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let mut inner = open(&folder.0, flags, Mode::empty()).unwrap();
    for _ in 0..255 {
        mkdirat(&inner, &*long, Mode::S_IRWXU).unwrap();
        inner = openat(&inner, &*long, flags, Mode::empty()).unwrap();
    }
    openat(&inner, &*long, OFlag::O_CREAT, Mode::S_IRWXU).unwrap();
    for (below, refused) in [(String::new(), true), (format!("{long}/{long}"), false)] {
        let request = Request::Tree {
            root: folder.0.to_str().unwrap().to_owned(),
            operation: Operation::Archive {
                name: Name::or_root(&below).unwrap(),
                top: "t".to_owned(),
            },
        };
        let (mut process, thread) = start(&request).await;
        let answer = process.receive::<u8>().await;
        assert_eq!(answer.is_err(), refused, "{answer:?}");
        drop((answer, process));
        thread.join().unwrap();
    }
}

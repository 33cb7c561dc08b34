//! What the parts of this folder do, without a spawner: the process's side runs in a thread.

mod attacks;
mod caching;
mod replacing;
mod uploading;

use super::beneath::Root;
use super::{FilesProcess, Name, Task, process};
use crate::spawner::packet;
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
        let _ = super::tree::remove(std::os::fd::AsFd::as_fd(&around), &name);
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A *files* process that is a thread, and its end.
async fn start(task: &Task) -> (FilesProcess, std::thread::JoinHandle<i32>) {
    let (ours, theirs) = packet::pair().unwrap();
    let thread = std::thread::spawn(move || process::run(theirs));
    let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    let process = FilesProcess::new(ours, place).unwrap();
    process.send(task, &[]).await.unwrap();
    (process, thread)
}

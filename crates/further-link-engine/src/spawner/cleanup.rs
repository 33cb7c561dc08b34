//! Removing what was made for a job, once it is over: in a process that is the job's user, so that
//! nothing can be reached that the user could not remove anyhow, and the spawner waits for no disk.

use super::child;
use super::credentials::Identity;
use nix::errno::Errno;
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What was made for a job and has to go.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// The folder of the code file; known once the child has made it.
    pub(super) code_folder: Option<OwnedFd>,
    /// The name of the code file.
    pub(super) code_name: Option<String>,
    /// The folder in which code or what was compiled of it lies.
    pub(super) temp_folder: Option<String>,
    /// The program's private folder, if it has left more in it than the spawner removes itself.
    pub(super) private_folder: Option<String>,
}

impl Leftovers {
    /// Returns whether there is nothing to remove.
    pub(super) fn is_empty(&self) -> bool {
        self.temp_folder.is_none()
            && self.private_folder.is_none()
            && (self.code_folder.is_none() || self.code_name.is_none())
    }

    /// Starts a process that removes them; its status is not 0 if something stays behind.
    pub(super) fn remove(&self, identity: &Identity) -> nix::Result<Pid> {
        match child::fork(None)? {
            Some(pid) => Ok(pid),
            None => child::contained(|| {
                // What else the spawner has open would be held open by us.
                let Ok(folder) = child::close_all_but(self.code_folder.as_ref()) else {
                    return 1;
                };
                if identity.become_user().is_err() {
                    return 1;
                }
                child::die_with_parent();
                i32::from(!self.remove_all(folder.as_ref()))
            }),
        }
    }

    fn remove_all(&self, code_folder: Option<&OwnedFd>) -> bool {
        let code = match (code_folder, &self.code_name) {
            (Some(folder), Some(name)) => {
                match unlinkat(folder, name.as_str(), UnlinkatFlags::NoRemoveDir) {
                    // The program may have removed it itself.
                    Ok(()) | Err(Errno::ENOENT) => true,
                    Err(_) => false,
                }
            }
            _ => true,
        };
        let folders = [&self.temp_folder, &self.private_folder];
        let left = folders
            .into_iter()
            .flatten()
            .filter(|folder| remove_tree(Path::new(folder)).is_err());
        code && left.count() == 0
    }
}

/// Removes a folder and all in it, also where the program took the right to do so away.
fn remove_tree(folder: &Path) -> io::Result<()> {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::remove_dir_all(folder) {
        Err(error) if !missing(&error) => {}
        _ => return Ok(()),
    }
    // The program may have put something else in its place.
    if !fs::symlink_metadata(folder)?.is_dir() {
        return fs::remove_file(folder);
    }
    make_writable(folder);
    fs::remove_dir_all(folder)
}

fn make_writable(folder: &Path) {
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // The type of the entry itself: a link is not followed.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

//! Removing what was made for a job, once it is over.

use super::child;
use super::identity::Identity;
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};
use std::os::fd::OwnedFd;

/// Removes the code file. Done with the spawner's rights: `folder` was opened by the user, who made
/// the file `name` in it, and `unlinkat` follows no link.
pub(super) fn remove_code(folder: &OwnedFd, name: &str) {
    let _ = unlinkat(folder, name, UnlinkatFlags::NoRemoveDir);
}

/// Removes a private folder and all in it, in a process that is the user: whatever the program has put
/// there, nothing can be reached that the user could not remove anyhow.
pub(super) fn remove_folder(path: &str, identity: &Identity) -> nix::Result<Pid> {
    match child::fork(None)? {
        Some(pid) => Ok(pid),
        None => child::contained(|| match identity.become_user() {
            Ok(()) => {
                child::die_with_parent();
                i32::from(std::fs::remove_dir_all(path).is_err())
            }
            Err(_) => 1,
        }),
    }
}

//! Accounts of this device that tests make and remove. That needs root.

use super::{unique, wait_for};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

/// An account of this device, with a home, a shell and two further groups. Removed on drop, so it
/// has to be made before the server that uses it.
pub struct TestAccount {
    pub name: String,
    pub user: nix::unistd::User,
}

impl TestAccount {
    pub fn create() -> Self {
        let name = unique("flt");
        let mut error = String::new();
        // The files of accounts are locked while somebody else changes them.
        wait_for("an account is made", || {
            let made = Command::new("useradd")
                .args(["-m", "-s", "/bin/sh", "-G", "video,audio", &name])
                .output()
                .unwrap();
            error = String::from_utf8_lossy(&made.stderr).into_owned();
            assert!(made.status.success() || error.contains("lock"), "{error}");
            made.status.success()
        });
        let user = nix::unistd::User::from_name(&name).unwrap().unwrap();
        Self { name, user }
    }

    pub fn owns(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|found| found.uid() == self.user.uid.as_raw())
    }
}

impl Drop for TestAccount {
    fn drop(&mut self) {
        for _ in 0..200 {
            let removed = Command::new("userdel")
                .args(["-f", "-r", &self.name])
                .output();
            let gone = matches!(nix::unistd::User::from_name(&self.name), Ok(None));
            if gone || removed.is_err() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        eprintln!("account {} could not be removed", self.name);
    }
}

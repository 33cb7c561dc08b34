//! The folder of a run: the programs that servers are asked to run, and what servers write. Removed
//! at the end.

use crate::pattern::LINE;
use anyhow::Context as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Folders to be removed if this program is interrupted.
static SCRATCH_DIRS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Removes the folders of this run.
pub(crate) fn remove_all() {
    if let Ok(mut folders) = SCRATCH_DIRS.lock() {
        for folder in folders.drain(..) {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    /// `PATH` of all servers.
    pub(crate) search_path: String,
    /// Lines that the script `emit-pty` writes.
    pub(crate) pty_lines: u64,
    /// Lines that the script `emit-pipe` writes.
    pub(crate) pipe_lines: u64,
    /// What the script `listing` writes.
    pub(crate) listing: Vec<u8>,
}

/// Pictures that the script `camera` shows, 30 in a second.
pub(crate) const PICTURES: u32 = 300;

/// Bytes of the listing.
const LISTING_BYTES: usize = 1 << 20;

impl Scratch {
    /// Makes the folder and its programs, which write as many bytes as asked for.
    pub(crate) fn make(pty_bytes: u64, pipe_bytes: u64) -> anyhow::Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("further-link-bench-{}", std::process::id()));
        // Programs may run as another account than this one.
        fs::create_dir_all(folder.join("scripts"))?;
        fs::create_dir_all(folder.join("home"))?;
        if let Ok(mut folders) = SCRATCH_DIRS.lock() {
            folders.push(folder.clone());
        }
        let mut listing = Command::new("ls")
            .args(["-lR", "/usr/share"])
            .env("LC_ALL", "C")
            .output()?
            .stdout;
        listing.truncate(LISTING_BYTES);
        fs::write(folder.join("listing.txt"), &listing)?;
        // The interpreter itself, not a program that looks for it first.
        let python = Command::new("python3")
            .args(["-c", "import sys; print(sys.prefix)"])
            .output()
            .ok()
            .and_then(|output| String::from_utf8(output.stdout).ok())
            .map(|prefix| format!("{}/bin:", prefix.trim()))
            .unwrap_or_default();
        let scratch = Self {
            folder,
            search_path: format!(
                "{python}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            ),
            pty_lines: pty_bytes / LINE as u64,
            pipe_lines: pipe_bytes / LINE as u64,
            listing,
        };
        scratch.write_scripts()?;
        Ok(scratch)
    }

    fn write_scripts(&self) -> anyhow::Result<()> {
        let bench = std::env::current_exe()?;
        let bench = bench.to_str().context("a path that is no text")?;
        let folder = self.folder.display();
        let scripts = [
            // Without the terminal's own echo and editing, the program that answers is the same
            // through a terminal and through pipes.
            (
                "cat",
                "if [ -t 0 ]; then stty raw -echo; fi\nprintf '<<ready>>'\nexec cat".to_owned(),
            ),
            (
                "emit-pty",
                format!("exec '{bench}' emit {}", self.pty_lines),
            ),
            (
                "emit-pty-raw",
                format!("stty -opost\nexec '{bench}' emit {}", self.pty_lines),
            ),
            (
                "emit-pipe",
                format!("exec '{bench}' emit {}", self.pipe_lines),
            ),
            ("flood", format!("exec '{bench}' emit {}", u32::MAX)),
            (
                "listing",
                format!(
                    "stty -opost\nprintf '<<begin>>'\ncat '{folder}/listing.txt'\nprintf '<<end>>'"
                ),
            ),
            (
                "camera",
                format!("exec '{bench}' camera --rate 30 --pictures {PICTURES} --keys"),
            ),
            ("true", "exit 0".to_owned()),
            ("wait", "exec sleep 1000".to_owned()),
            ("hi", format!("exec python3 -u '{folder}/hi.py'")),
        ];
        fs::write(self.folder.join("hi.py"), HI)?;
        for (name, body) in scripts {
            let path = self.script(name);
            fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
            fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    /// A file or folder in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder with the scripts.
    pub(crate) fn scripts(&self) -> PathBuf {
        self.folder.join("scripts")
    }

    /// A script.
    pub(crate) fn script(&self, name: &str) -> PathBuf {
        self.scripts().join(name)
    }

    /// What is typed into a shell to run a script.
    pub(crate) fn typed(&self, name: &str) -> String {
        format!("{}\n", self.script(name).display())
    }

    /// A command with the environment of all servers, its output in a file.
    pub(crate) fn command(&self, program: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(program);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log.txt"))?;
        command
            .env_clear()
            .env("PATH", &self.search_path)
            .env("HOME", self.path("home"))
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .current_dir("/")
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }
}

/// The smallest program.
pub(crate) const HI: &str = "print('hi')\n";

impl Drop for Scratch {
    fn drop(&mut self) {
        remove_all();
    }
}

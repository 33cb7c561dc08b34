//! Processes: starting servers, ending every one of them, and what the kernel tells of their CPU
//! time and memory.

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// Given to a process to end by itself.
const STOP_GRACE: Duration = Duration::from_secs(8);

/// What has to be ended when this program is interrupted.
static STARTED_PIDS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A process that ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Option<Child>,
    pid: Pid,
    /// Ended at once: a program that does not have to clean up, and may ignore SIGTERM.
    abrupt: bool,
}

impl Process {
    /// Starts a server, in a process group of its own: a Ctrl-C on the bench's terminal is not for
    /// it.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        command.process_group(0);
        Self::start_program(command, false)
    }

    /// Starts a program that is driven without a server. It is ended abruptly.
    pub(crate) fn start_bare(command: &mut Command) -> anyhow::Result<Self> {
        Self::start_program(command, true)
    }

    fn start_program(command: &mut Command, abrupt: bool) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        if let Ok(mut started) = STARTED_PIDS.lock() {
            started.push(pid);
        }
        Ok(Self {
            child: Some(child),
            pid,
            abrupt,
        })
    }

    /// The process.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for the end of a program that ends by itself.
    pub(crate) fn wait(mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.wait()?;
            self.forget();
        }
        Ok(())
    }

    /// Its status, if it has ended. Asks it for nothing.
    pub(crate) fn status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        let status = child.try_wait()?;
        if status.is_some() {
            self.child = None;
            self.forget();
        }
        Ok(status)
    }

    fn forget(&self) {
        if let Ok(mut started) = STARTED_PIDS.lock() {
            started.retain(|pid| *pid != self.pid);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let first = if self.abrupt {
            Signal::SIGKILL
        } else {
            Signal::SIGTERM
        };
        let _ = kill(self.pid, first);
        let (done, ended) = mpsc::channel();
        thread::spawn(move || {
            let _ = child.wait();
            let _ = done.send(());
        });
        if ended.recv_timeout(STOP_GRACE).is_err() {
            eprintln!("process {} does not end; killing it", self.pid);
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = ended.recv_timeout(STOP_GRACE);
        }
        self.forget();
    }
}

/// Has SIGINT and SIGTERM end what was started, then this program. (Blocking the signals and
/// waiting for them would be less, but every server would inherit that they are blocked.)
pub(crate) fn end_all_on_signals() -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            if let Ok(started) = STARTED_PIDS.lock() {
                for pid in started.iter() {
                    let _ = kill(*pid, Signal::SIGTERM);
                }
            }
            crate::scratch::remove_all();
            std::process::exit(130);
        }
    });
    Ok(())
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// CPU time of a process with all its threads, without its children, in seconds.
pub(crate) fn cpu_seconds(pid: Pid) -> anyhow::Result<f64> {
    let time = clock_gettime(clock_getcpuclockid(pid)?)?;
    Ok(Duration::from(time).as_secs_f64())
}

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Its pages, each divided by the number of processes that share it.
    pub(crate) pss: f64,
    /// Its pages, shared ones in full.
    pub(crate) rss: f64,
}

/// Memory of a process.
pub(crate) fn memory(pid: Pid) -> anyhow::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .with_context(|| format!("the memory of process {pid}"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    Ok(Memory {
        pss: field("Pss:").context("no Pss")?,
        rss: field("Rss:").context("no Rss")?,
    })
}

/// The processes that run the same program as `root` and descend from it, with the depth of each
/// below it; `root` is the first.
pub(crate) fn family(root: Pid) -> Vec<(Pid, usize)> {
    let program = |pid: Pid| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let own = program(root);
    let parents: Vec<(Pid, Pid)> = all_processes();
    let mut found = vec![(root, 0)];
    let mut next = 0;
    while let Some(&(parent, depth)) = found.get(next) {
        for (child, of) in &parents {
            if *of == parent && program(*child) == own {
                found.push((*child, depth + 1));
            }
        }
        next += 1;
    }
    found
}

/// Processes whose ancestor is `root`.
pub(crate) fn descendants(root: Pid) -> usize {
    let parents = all_processes();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.len() - 1
}

/// All processes and their parents.
pub(crate) fn all_processes() -> Vec<(Pid, Pid)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name in brackets may have spaces.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((Pid::from_raw(pid), Pid::from_raw(parent)))
        })
        .collect()
}

/// Descriptors that a process has open.
pub(crate) fn open_descriptors(pid: Pid) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

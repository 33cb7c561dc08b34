//! What the spawner knows of one job.

use super::channels::Folder;
use super::cleanup::Leftovers;
use super::containment::Containment;
use super::credentials::Identity;
use crate::error::StartError;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Leader,
    Supervisor,
    Cleaner,
}

pub(super) struct Job {
    pub(super) containment: Containment,
    /// The program, until it is reaped.
    pub(super) leader: Option<Pid>,
    pub(super) identity: Identity,
    /// Where the child tells its progress, until it is the program.
    pub(super) status: Option<OwnedFd>,
    /// The private folder.
    pub(super) folder: Option<Folder>,
    /// The server's ends of the program's streams, until it runs.
    pub(super) descriptors: Vec<OwnedFd>,
    pub(super) failure: Option<StartError>,
    pub(super) exit_code: Option<i32>,
    pub(super) leftovers: Leftovers,
    pub(super) hangup: bool,
    pub(super) stopping: Stopping,
    /// SIGTERM came before the supervisor had forked the program, so that it reached nobody. The
    /// program's grace, which begins when it does.
    pub(super) unheard: Option<Duration>,
    /// Who was sent SIGTERM.
    pub(super) told: Vec<Pid>,
}

/// How far the end of a job has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stopping {
    /// Nobody has asked for it.
    No,
    /// SIGTERM was sent.
    Asked {
        kill_at: Instant,
        look_at: Option<Instant>,
    },
    /// SIGKILL was sent.
    Killed { again_at: Instant, pause: Duration },
    /// All processes are gone; what was made for them is being removed.
    Cleaning {
        cleaner: Option<Pid>,
        until: Instant,
    },
}

/// Asks a process to end. A stopped one does not act on SIGTERM before it goes on.
pub(super) fn terminate(pid: Pid) {
    let _ = kill(pid, Signal::SIGTERM);
    let _ = kill(pid, Signal::SIGCONT);
}

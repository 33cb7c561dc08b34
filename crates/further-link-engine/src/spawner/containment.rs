//! What holds a program and everything that it starts, so that all of it can be ended: a cgroup
//! where the machine offers version 2 of them (`cgroups(7)`), else a supervisor process that adopts
//! every orphan of the program (`PR_SET_CHILD_SUBREAPER`, `prctl(2)`). Neither a new session nor a
//! double fork leads out of either.

use super::child::{self, Plan, Supervised};
use super::packet;
use super::request::JobId;
use crate::error::StartError;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The cgroups of one spawner begin with this, then comes its process id.
const CGROUP_PREFIX: &str = "further-link.";
/// How often the cgroup of a spawner that was killed is tried to be removed at the start of the
/// next.
const SWEEP_ATTEMPTS: usize = 50;
/// Pause between two tries.
const SWEEP_RETRY_DELAY: Duration = Duration::from_millis(10);
/// Milliseconds between two rounds of SIGKILL by a supervisor without a spawner.
const KILL_RETRY_DELAY_MS: u8 = 10;
/// How deep a chain of strays is followed at once; a deeper one is ended with the next supervisor.
const STRAY_CHAIN_MAX_DEPTH: usize = 100;

/// The cgroup below which this spawner's jobs have theirs. Removed on drop.
#[derive(Debug)]
pub(super) struct CgroupBase {
    path: PathBuf,
    /// Held for as long as we live: by that, others know that it is in use. Process ids would not
    /// do: another may be in a namespace of its own, and ids are used again.
    lock: RefCell<Flock<File>>,
}

impl CgroupBase {
    /// Makes one below the cgroup of this process, or says why that cannot be. Also ends what a
    /// spawner that was killed has left behind.
    pub(super) fn create() -> io::Result<Self> {
        let own = own_cgroup()?;
        sweep(&own);
        let path = own.join(format!("{CGROUP_PREFIX}{}", std::process::id()));
        let base = Self {
            lock: RefCell::new(claim(&path)?),
            path,
        };
        // The kernel may have cgroups but not the file that ends one (before 5.14).
        if !base.path.join("cgroup.kill").exists() {
            return Err(io::Error::other("the kernel has no cgroup.kill"));
        }
        base.try_out()?;
        Ok(base)
    }

    /// Starts a process in a cgroup: one that may be made may still not be entered. Whether there
    /// are cgroups is decided once, here; later errors are errors.
    fn try_out(&self) -> io::Result<()> {
        let cgroup = self.job(JobId(0))?;
        match child::fork(Some(cgroup.directory.as_fd()))? {
            Some(pid) => {
                nix::sys::wait::waitpid(pid, None)?;
                // The kernel takes a moment to notice; until then the trial's cgroup cannot be
                // removed.
                for _ in 0..SWEEP_ATTEMPTS {
                    if !cgroup.is_populated() {
                        break;
                    }
                    std::thread::sleep(SWEEP_RETRY_DELAY);
                }
                Ok(())
            }
            None => child::exit(0),
        }
    }

    fn job(&self, job: JobId) -> io::Result<Cgroup> {
        let path = self.path.join(format!("job-{}", job.0));
        match std::fs::create_dir(&path) {
            // Somebody has removed our own: the administrator, or who manages the cgroup above.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *self.lock.borrow_mut() = claim(&self.path)?;
                std::fs::create_dir(&path)?;
            }
            result => result?,
        }
        let cgroup = File::open(&path).and_then(|directory| {
            Ok(Cgroup {
                events: File::open(path.join("cgroup.events"))?,
                directory: directory.into(),
                path: path.clone(),
            })
        });
        if cgroup.is_err() {
            let _ = std::fs::remove_dir(&path);
        }
        cgroup
    }
}

impl Drop for CgroupBase {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Returns a cgroup and all below it, the innermost first: a program with the right to may make
/// some in its own.
fn tree(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    let mut next = 0;
    while let Some(parent) = found.get(next).cloned() {
        next += 1;
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.push(entry.path());
            }
        }
    }
    found.reverse();
    found
}

/// Removes a cgroup in which nothing lives, and all below it.
fn remove(path: &Path) {
    for cgroup in tree(path) {
        let _ = std::fs::remove_dir(cgroup);
    }
}

/// Returns the folder of the cgroup (version 2) that this process is in.
fn own_cgroup() -> io::Result<PathBuf> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no cgroup version 2 is mounted");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let mount = mounts
        .lines()
        .find_map(|line| {
            // proc_pid_mountinfo(5): fields, "-", then the type; the fifth field is where.
            let (fields, rest) = line.split_once(" - ")?;
            (rest.split(' ').next() == Some("cgroup2"))
                .then(|| fields.split(' ').nth(4))
                .flatten()
        })
        .ok_or_else(missing)?;
    let own = std::fs::read_to_string("/proc/self/cgroup")?;
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .ok_or_else(missing)?;
    Ok(Path::new(mount).join(own))
}

/// Locks a spawner's cgroup, unless a living one has. Programs do not hold it: exec closes it.
fn lock(path: &Path) -> Option<Flock<File>> {
    Flock::lock(File::open(path).ok()?, FlockArg::LockExclusiveNonblock).ok()
}

/// Makes a spawner's cgroup and locks it.
fn claim(path: &Path) -> io::Result<Flock<File>> {
    for _ in 0..SWEEP_ATTEMPTS {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // In between, another spawner may have taken it for one of the dead; then it removes it.
        if let Some(lock) = lock(path)
            && let (Ok(locked), Ok(there)) = (lock.metadata(), std::fs::metadata(path))
            && locked.ino() == there.ino()
        {
            return Ok(lock);
        }
        std::thread::sleep(SWEEP_RETRY_DELAY);
    }
    Err(io::Error::other("another spawner holds the cgroup"))
}

/// Ends and removes the cgroups of spawners that are no more.
fn sweep(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let base = entry.path();
        if !name.to_string_lossy().starts_with(CGROUP_PREFIX) {
            continue;
        }
        // Held until it is removed: otherwise somebody who has just made it, and locks it now,
        // would believe that it is theirs.
        let Some(_lock) = lock(&base) else {
            continue;
        };
        let _ = std::fs::write(base.join("cgroup.kill"), "1");
        // What was killed is gone a moment later, and only an empty cgroup can be removed.
        for _ in 0..SWEEP_ATTEMPTS {
            remove(&base);
            if !base.exists() {
                break;
            }
            std::thread::sleep(SWEEP_RETRY_DELAY);
        }
    }
}

/// The cgroup of one job. Removed on drop.
#[derive(Debug)]
pub(super) struct Cgroup {
    path: PathBuf,
    directory: OwnedFd,
    events: File,
}

impl Cgroup {
    fn is_populated(&self) -> bool {
        let mut text = [0; 256];
        match self.events.read_at(&mut text, 0) {
            Ok(length) => text[..length]
                .split(|byte| *byte == b'\n')
                .any(|line| line == b"populated 1"),
            Err(_) => false,
        }
    }

    fn processes(&self) -> Vec<Pid> {
        tree(&self.path)
            .iter()
            .filter_map(|cgroup| std::fs::read_to_string(cgroup.join("cgroup.procs")).ok())
            .flat_map(|list| {
                // A process that this namespace cannot see is listed as 0, which kill(2) would take
                // for us.
                let pids = list.lines().filter_map(|line| line.parse().ok());
                pids.filter(|pid| *pid > 0)
                    .map(Pid::from_raw)
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) enum Containment {
    Cgroup(Cgroup),
    Supervisor {
        /// Reaped by the spawner when nothing of the job is left.
        pid: Pid,
        /// [`Supervised`] comes here.
        control: OwnedFd,
        gone: bool,
    },
}

/// A program that was just forked off.
pub(super) struct Forked {
    pub(super) containment: Containment,
    /// Its process id; from a supervisor it comes later.
    pub(super) leader: Option<Pid>,
}

impl Containment {
    /// Forks the program off into a cgroup of its own.
    pub(super) fn in_cgroup(base: &CgroupBase, job: JobId, plan: &Plan<'_>) -> nix::Result<Forked> {
        let cgroup = base
            .job(job)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        match child::fork(Some(cgroup.directory.as_fd()))? {
            Some(leader) => Ok(Forked {
                containment: Self::Cgroup(cgroup),
                leader: Some(leader),
            }),
            None => child::contained(|| child::execute(plan)),
        }
    }

    /// Forks the program off below a supervisor.
    pub(super) fn under_supervisor(plan: &Plan<'_>) -> nix::Result<Forked> {
        let (control, theirs) = packet::pair()?;
        match child::fork(None)? {
            Some(pid) => Ok(Forked {
                containment: Self::Supervisor {
                    pid,
                    control,
                    gone: false,
                },
                leader: None,
            }),
            None => child::contained(|| supervise(plan, theirs.as_fd())),
        }
    }

    /// Returns a descriptor that has news about this containment, and whether they are urgent data
    /// (`EPOLLPRI`) rather than packets.
    pub(super) fn news(&self) -> (BorrowedFd<'_>, bool) {
        match self {
            Self::Cgroup(cgroup) => (cgroup.events.as_fd(), true),
            Self::Supervisor { control, .. } => (control.as_fd(), false),
        }
    }

    /// To be called for news of a cgroup: until its file is read, the same news would wake us
    /// forever.
    pub(super) fn heard(&self) {
        if let Self::Cgroup(cgroup) = self {
            let _ = cgroup.is_populated();
        }
    }

    /// All processes in it that still live, the program first if it does.
    pub(super) fn processes(&self) -> Vec<Pid> {
        match self {
            Self::Cgroup(cgroup) => cgroup.processes(),
            Self::Supervisor { pid, .. } => descendants(*pid),
        }
    }

    /// Nothing lives in it any more.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Cgroup(cgroup) => !cgroup.is_populated(),
            Self::Supervisor { gone, .. } => *gone,
        }
    }

    /// SIGKILL to everything in it. With a supervisor, a process that is being forked right now can
    /// be missed, so this is repeated until it is empty.
    pub(super) fn kill(&self) {
        match self {
            Self::Cgroup(cgroup) => {
                let _ = std::fs::write(cgroup.path.join("cgroup.kill"), "1");
            }
            Self::Supervisor { pid, .. } => {
                for pid in self.processes() {
                    let _ = kill(pid, Signal::SIGKILL);
                }
                // Where program and supervisor are the same user, the one can have stopped the
                // other.
                let _ = kill(*pid, Signal::SIGCONT);
            }
        }
    }
}

/// Returns the life of a supervisor: it starts the program, adopts and reaps what the program
/// leaves behind, and ends when there is nothing left; when the spawner is gone it sees to that. It
/// keeps the spawner's rights, so that no program of another user can end it.
fn supervise(plan: &Plan<'_>, control: BorrowedFd<'_>) -> i32 {
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let leader = match child::fork(None) {
        Ok(Some(leader)) => leader,
        Ok(None) => child::contained(|| child::execute(plan)),
        Err(errno) => {
            child::report_failure(plan, StartError::system("Starting a process", errno));
            return 126;
        }
    };
    // The program's streams must end with the program, so nobody else may hold them; nor anything
    // else of the spawner's.
    let Ok(Some(control)) = child::close_all_but(Some(&control)) else {
        return 126;
    };
    let tell = |message: Supervised| {
        if let Some(bytes) = packet::encode(&message) {
            let _ = packet::send(control.as_fd(), &bytes, &[]);
        }
    };
    tell(Supervised::Leader(leader.as_raw()));
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    // SIGCHLD is blocked since before the spawner forked us.
    let Ok(ended) = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK) else {
        return 126;
    };
    let mut spawner_gone = false;
    loop {
        while let Ok(Some(_)) = ended.read_signal() {}
        loop {
            match reap(false) {
                Ok(Some((pid, Some(code)))) if pid == leader => tell(Supervised::Exited(code)),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return 0,
            }
        }
        if spawner_gone {
            for pid in descendants(Pid::this()) {
                let _ = kill(pid, Signal::SIGKILL);
            }
            let _ = poll(
                &mut [PollFd::new(ended.as_fd(), PollFlags::POLLIN)],
                KILL_RETRY_DELAY_MS,
            );
        } else {
            let mut news = [
                PollFd::new(ended.as_fd(), PollFlags::POLLIN),
                // Nothing is ever sent to us; what comes is the end.
                PollFd::new(control.as_fd(), PollFlags::POLLIN),
            ];
            let _ = poll(&mut news, PollTimeout::NONE);
            spawner_gone = news[1].any() == Some(true);
        }
    }
}

/// Takes notice of a child that has ended: its id, and its exit status or the negative number of
/// its signal (`None` if it has only stopped). `Ok(None)` if none has and `wait` is not set.
///
/// Not `nix`' `waitpid`: that fails for a child that a real-time signal ended.
pub(super) fn reap(wait: bool) -> nix::Result<Option<(Pid, Option<i32>)>> {
    let mut status = 0;
    let options = if wait { 0 } else { libc::WNOHANG };
    // SAFETY: `status` is written to and lives long enough.
    #[allow(unsafe_code)]
    let pid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, options) })?;
    let code = if libc::WIFEXITED(status) {
        Some(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Some(-libc::WTERMSIG(status))
    } else {
        None
    };
    Ok((pid > 0).then(|| (Pid::from_raw(pid), code)))
}

/// Ends all processes below this one that are not below one of `known`: what a supervisor held that
/// was killed itself (by its own program, where both are the same user) and was handed to us.
pub(super) fn kill_strays(known: impl Fn(Pid) -> bool) {
    let own = Pid::this();
    // Each round hands us the children of those that it killed.
    for _ in 0..STRAY_CHAIN_MAX_DEPTH {
        let parents = parents();
        let strays: Vec<Pid> = parents
            .iter()
            .filter(|(pid, parent)| *parent == own && !known(*pid))
            .map(|(pid, _)| *pid)
            .collect();
        if strays.is_empty() {
            return;
        }
        for stray in strays {
            for pid in below(stray, &parents) {
                let _ = kill(pid, Signal::SIGKILL);
            }
            let _ = kill(stray, Signal::SIGKILL);
        }
    }
}

/// All processes below `root`, parents before children.
fn descendants(root: Pid) -> Vec<Pid> {
    below(root, &parents())
}

fn below(root: Pid, parents: &[(Pid, Pid)]) -> Vec<Pid> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let children = parents.iter().filter(|(_, of)| *of == parent);
        found.extend(children.map(|(pid, _)| *pid));
    }
    found.remove(0);
    found
}

/// Every living process with its parent.
fn parents() -> Vec<(Pid, Pid)> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((Pid::from_raw(pid), Pid::from_raw(parent_of(pid)?)))
        })
        .collect()
}

/// Returns the parent's id from `proc_pid_stat(5)`; dead processes that are not yet reaped have
/// none.
pub(super) fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; behind its last one come state and parent.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.next()?.parse().ok(),
    }
}

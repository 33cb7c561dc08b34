//! How jobs end: SIGTERM, the grace, SIGKILL, and removing what was made for them; the deadlines of
//! all that.

use super::containment::{Containment, parent_of};
use super::event_loop::Spawner;
use super::job::{Job, Role, Stopping, terminate};
use super::request::{JobId, Reply};
use nix::sys::epoll::EpollTimeout;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// How long removing a job's files may take; then they stay behind.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a shell that is being stopped is looked at, for whether it is the last of its job.
const HANGUP_CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// First pause between two rounds of SIGKILL; doubled up to [`KILL_RETRY_MAX_DELAY`].
const KILL_RETRY_DELAY: Duration = Duration::from_millis(10);
/// Longest pause between two rounds of SIGKILL (for processes that hang in the kernel).
const KILL_RETRY_MAX_DELAY: Duration = Duration::from_secs(1);

impl Job {
    /// SIGKILL, now and until nothing is left.
    pub(super) fn kill(&mut self) {
        self.containment.kill();
        self.stopping = Stopping::Killed {
            again_at: Instant::now() + KILL_RETRY_DELAY,
            pause: KILL_RETRY_DELAY,
        };
    }
}

impl Spawner {
    /// The program is over; now everything that it left behind has to be.
    pub(super) fn leader_exited(&mut self, id: JobId, code: i32) {
        // Why it failed, or that it had started, may not have been read yet.
        self.progress(id);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.leader = None;
            job.exit_code = Some(code);
            if !job.containment.is_empty() {
                self.stop(id, self.settings.grace);
            }
        }
    }

    /// Starts cleaning up once program and all others are gone.
    pub(super) fn end_if_over(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.exit_code.is_none()
            || !job.containment.is_empty()
            || matches!(job.stopping, Stopping::Cleaning { .. })
        {
            return;
        }
        if let Some(folder) = job.folder.take()
            && !folder.remove(&self.folders, &job.identity)
        {
            job.leftovers.private_folder = Some(folder.path().to_owned());
        }
        let mut cleaner = None;
        if !job.leftovers.is_empty() {
            match job.leftovers.remove(&job.identity) {
                Ok(pid) => cleaner = Some(pid),
                Err(error) => tracing::error!(%error, left = ?job.leftovers, "files stay behind"),
            }
        }
        let until = Instant::now() + CLEANUP_TIMEOUT;
        job.stopping = Stopping::Cleaning { cleaner, until };
        match cleaner {
            Some(pid) => {
                self.pids.insert(pid, (id, Role::Cleaner));
            }
            None => self.finish(id),
        }
    }

    pub(super) fn finish(&mut self, id: JobId) {
        let Some(job) = self.jobs.remove(&id) else {
            return;
        };
        // Closing a file does not end its watch while a process that was forked meanwhile has a
        // copy.
        let _ = self.epoll.delete(job.containment.news().0);
        let reply = match (job.failure, job.exit_code) {
            (Some(error), _) => Reply::Failed { job: id, error },
            (None, code) => Reply::Exited {
                job: id,
                exit_code: code.unwrap_or(-libc::SIGKILL),
            },
        };
        drop(job.containment);
        self.reply(&reply, Vec::new());
    }

    /// SIGTERM to everything in the job, SIGKILL after `grace`. Asked again, only the time can
    /// become shorter.
    pub(super) fn stop(&mut self, id: JobId, grace: Duration) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let now = Instant::now();
        match &mut job.stopping {
            Stopping::No => {
                let processes = job.containment.processes();
                job.unheard = (processes.is_empty() && job.leader.is_none()).then_some(grace);
                processes.iter().copied().for_each(terminate);
                job.told = processes;
                job.stopping = Stopping::Asked {
                    kill_at: now + grace,
                    // Not at once: a shell that heeds SIGTERM is to end by that.
                    look_at: job.hangup.then_some(now + HANGUP_CHECK_INTERVAL),
                };
            }
            Stopping::Asked { kill_at, .. } => {
                *kill_at = (*kill_at).min(now + grace);
                job.unheard = job.unheard.map(|unheard| unheard.min(grace));
            }
            Stopping::Killed { .. } | Stopping::Cleaning { .. } => {}
        }
    }

    pub(super) fn next_deadline(&self) -> EpollTimeout {
        let next = self.jobs.values().filter_map(|job| match job.stopping {
            Stopping::Asked { kill_at, look_at } => {
                Some(look_at.map_or(kill_at, |at| at.min(kill_at)))
            }
            Stopping::Killed { again_at, .. } => Some(again_at),
            Stopping::Cleaning { until, .. } => Some(until),
            Stopping::No => None,
        });
        match next.min() {
            None => EpollTimeout::NONE,
            Some(at) => {
                // Rounded up, or the last millisecond would be spent spinning.
                let left = at.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
                EpollTimeout::try_from(left).unwrap_or(EpollTimeout::ZERO)
            }
        }
    }

    pub(super) fn keep_deadlines(&mut self) {
        let now = Instant::now();
        let (mut killed, mut late) = (Vec::new(), Vec::new());
        for (id, job) in &mut self.jobs {
            match &mut job.stopping {
                Stopping::Asked { kill_at, .. } if *kill_at <= now => job.kill(),
                Stopping::Asked { look_at, .. } => {
                    if look_at.is_some_and(|at| at <= now) {
                        *look_at = look_again(&job.containment, job.leader, &mut job.told);
                    }
                }
                Stopping::Killed { again_at, pause } if *again_at <= now => {
                    job.containment.kill();
                    *pause = (*pause * 2).min(KILL_RETRY_MAX_DELAY);
                    *again_at = now + *pause;
                    killed.push(*id);
                }
                Stopping::Cleaning {
                    cleaner: Some(pid),
                    until,
                } if *until <= now => {
                    // It may hang in the kernel and not even die; the job is not to hang with it.
                    let _ = kill(*pid, Signal::SIGKILL);
                    tracing::warn!(left = ?job.leftovers, "files of a program stay behind");
                    late.push((*id, *pid));
                }
                Stopping::No | Stopping::Killed { .. } | Stopping::Cleaning { .. } => {}
            }
        }
        // Not only when there are news: those of a program that cannot be watched do not come.
        for id in killed {
            self.end_if_over(id);
        }
        for (id, cleaner) in late {
            self.pids.remove(&cleaner);
            self.finish(id);
        }
    }
}

/// Hangs up on a shell that is the last of its job (interactive shells ignore SIGTERM). Not before:
/// it would hand the hangup on to programs that are still cleaning up. Until then it goes on with
/// what was typed ahead, or with the next turn of a loop: what it has started since is sent SIGTERM
/// too, but not what other programs start, perhaps to clean up. Returns when to look again.
fn look_again(
    containment: &Containment,
    leader: Option<Pid>,
    told: &mut Vec<Pid>,
) -> Option<Instant> {
    let leader = leader?;
    let processes = containment.processes();
    if processes == [leader] {
        let _ = kill(leader, Signal::SIGHUP);
        return None;
    }
    for pid in processes {
        if !told.contains(&pid) && parent_of(pid.as_raw()) == Some(leader.as_raw()) {
            terminate(pid);
            told.push(pid);
        }
    }
    Some(Instant::now() + HANGUP_CHECK_INTERVAL)
}

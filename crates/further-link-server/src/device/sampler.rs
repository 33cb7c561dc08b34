//! Samples how the device is. One task samples for all who watch, while somebody does; nothing is
//! read otherwise.

use super::system_files::{CpuTicks, SystemFiles};
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Between two samples, and how old an answer may be: often enough for a needle, and next to
/// nothing for a small board.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(2);
/// Between the first two: the load is that of a time, and nobody should wait long for the first.
const FIRST_SAMPLE_INTERVAL: Duration = Duration::from_millis(200);
/// Until when the load since an earlier sample still says something.
const LOAD_MAX_AGE: Duration = Duration::from_secs(10);
/// Those who watch or wait at the same time. Each keeps a connection and some hundred bytes.
const MAX_WATCHERS: usize = 64;

/// What is known elsewhere in the server.
pub(super) struct ServerInfo {
    pub(super) version: String,
    pub(super) programs: usize,
    pub(super) work: Option<PathBuf>,
}

/// How the device was at a time.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// One line.
    pub(super) json: Arc<str>,
    /// The load is among it, if it can be had at all.
    pub(super) is_complete: bool,
}

/// The last sample.
#[derive(Debug)]
struct Last {
    at: Instant,
    ticks: Option<CpuTicks>,
    sample: Sample,
}

/// The device, for those who ask about it.
#[derive(Debug)]
pub(crate) struct Device {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    running: Mutex<Weak<Running>>,
}

#[derive(Debug)]
struct Shared {
    files: SystemFiles,
    /// Held by who reads, to the end of it: a disk that does not answer keeps one thread, not one
    /// for each who asks.
    turn: Arc<Semaphore>,
    last: Mutex<Option<Last>>,
}

/// The task that samples, for as long as somebody has this.
#[derive(Debug)]
struct Running {
    samples: watch::Receiver<Option<Sample>>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Somebody who watches.
pub(super) struct Watcher {
    pub(super) samples: watch::Receiver<Option<Sample>>,
    _running: Arc<Running>,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// Returns the next sample, or the newest if there have been several.
    pub(super) async fn next(&mut self) -> Option<Sample> {
        loop {
            self.samples.changed().await.ok()?;
            let sample = self.samples.borrow_and_update().clone();
            if sample.is_some() {
                return sample;
            }
        }
    }
}

impl Device {
    /// `root`: where `proc`, `sys` and `etc` are.
    pub(crate) fn new(root: &str) -> Self {
        Self {
            shared: Arc::new(Shared {
                files: SystemFiles::new(root),
                turn: Arc::new(Semaphore::new(1)),
                last: Mutex::new(None),
            }),
            places: Arc::new(Semaphore::new(MAX_WATCHERS)),
            running: Mutex::new(Weak::new()),
        }
    }

    /// Begins to watch. None if too many do.
    pub(super) fn watch(
        &self,
        server_info: impl Fn() -> ServerInfo + Send + 'static,
    ) -> Option<Watcher> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut weak = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = weak.upgrade().unwrap_or_else(|| {
            let (sender, samples) = watch::channel(None);
            let task = tokio::spawn(sample_on(Arc::clone(&self.shared), server_info, sender));
            let task = task.abort_handle();
            Arc::new(Running { samples, task })
        });
        *weak = Arc::downgrade(&running);
        let mut samples = running.samples.clone();
        // What is there already is news to who comes now.
        samples.mark_changed();
        Some(Watcher {
            samples,
            _running: running,
            _place: place,
        })
    }
}

/// Samples again and again, until the task is ended.
async fn sample_on(
    shared: Arc<Shared>,
    server_info: impl Fn() -> ServerInfo,
    sender: watch::Sender<Option<Sample>>,
) {
    let mut sample = match shared.recent() {
        Some(sample) => sample,
        None => shared.sample(server_info()).await,
    };
    loop {
        let wait = match sample.is_complete {
            true => SAMPLE_INTERVAL,
            false => FIRST_SAMPLE_INTERVAL,
        };
        sender.send_replace(Some(sample));
        tokio::time::sleep(wait).await;
        sample = shared.sample(server_info()).await;
    }
}

impl Shared {
    fn last(&self) -> std::sync::MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a sample that is good enough for somebody new.
    fn recent(&self) -> Option<Sample> {
        let last = self.last();
        let last = last.as_ref()?;
        (last.sample.is_complete && last.at.elapsed() < SAMPLE_INTERVAL)
            .then(|| last.sample.clone())
    }

    async fn sample(&self, server_info: ServerInfo) -> Sample {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let files = self.files.clone();
        let work = server_info.work;
        let reading = tokio::task::spawn_blocking(move || {
            let read = (files.cpu_ticks(), files.rest(work.as_deref()));
            drop(turn);
            read
        });
        // It cannot fail but by the runtime's end.
        let (ticks, mut value) = reading.await.unwrap_or_default();
        let mut last = self.last();
        let before = last
            .take()
            .filter(|last| last.at.elapsed() < LOAD_MAX_AGE)
            .and_then(|last| last.ticks);
        value["cpu"] = match &ticks {
            Some(ticks) => ticks.load(before.as_ref()),
            None => {
                let count = std::thread::available_parallelism().map_or(1, usize::from);
                json!({ "count": count, "load": null, "cores": [] })
            }
        };
        value["name"] = nix::unistd::gethostname()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
            .into();
        value["architecture"] = nix::sys::utsname::uname()
            .map(|system| system.machine().to_string_lossy().into_owned())
            .unwrap_or_default()
            .into();
        value["version"] = server_info.version.into();
        value["programs"] = server_info.programs.into();
        let sample = Sample {
            // Line ends within strings are escaped, so this is one line.
            json: value.to_string().into(),
            is_complete: ticks.is_none() || before.is_some(),
        };
        *last = Some(Last {
            at: Instant::now(),
            ticks,
            sample: sample.clone(),
        });
        sample
    }
}

#[cfg(test)]
mod tests;

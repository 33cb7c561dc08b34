//! The heartbeat: pings to a quiet client, and its last sign of life (keepalive).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest interval between two checks of a quiet client.
const CHECK_MIN_INTERVAL: Duration = Duration::from_millis(100);

/// When the client was last heard of. A sign of life is a frame from it, or that it took bytes for
/// which there had been no room.
pub(super) struct Heartbeat(Mutex<Instant>);

impl Heartbeat {
    /// Starts with a client that is alive now.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Notes a sign of life.
    pub(super) fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn quiet_for(&self) -> Duration {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.elapsed()
    }

    /// Calls `ping` when the client has been quiet for a third of `timeout`, and again at each
    /// third; completes when it has been quiet for all of it.
    pub(super) async fn timed_out(&self, timeout: Duration, ping: impl Fn()) {
        let interval = (timeout / 3).max(CHECK_MIN_INTERVAL);
        loop {
            tokio::time::sleep(interval).await;
            let quiet = self.quiet_for();
            if quiet >= timeout {
                return;
            }
            if quiet >= interval {
                ping();
            }
        }
    }
}

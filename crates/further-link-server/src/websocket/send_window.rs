//! Flow control: how many bytes may be in flight to a client. A socket takes megabytes, and the
//! machines between hold more; all of that is ahead of the answer to Ctrl-C (bufferbloat). So a
//! sender counts what was sent and what is known to have arrived, and sends no more beyond that
//! than the client takes in a short time: a congestion window that is controlled by delay, as in
//! TCP Vegas or LEDBAT (RFC 6817).
//!
//! The limits are given where windows are made: `websocket/connection.rs` and `session/output`.
//! This is pure bookkeeping: it neither sends nor waits, and is told the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Marks that wait for an acknowledgement, at most; more say nothing new.
const MARKS_MAX_COUNT: usize = 8;
/// Marks that take too long in the smallest window before a larger one is probed: seconds of a slow
/// client.
const LATE_MARKS_BEFORE_PROBE: u16 = 250;
/// Marks that a probe takes.
const PROBE_MARKS: u16 = 8;

/// What a window starts with and stays between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendWindowLimits {
    /// Smallest window, in bytes.
    pub(crate) min_bytes: usize,
    /// SendWindow before anything is known about the client, in bytes.
    pub(crate) initial_bytes: usize,
    /// Largest window, in bytes.
    pub(crate) max_bytes: usize,
    /// Bytes that the client need not acknowledge until there are more.
    pub(crate) ack_interval_bytes: usize,
    /// Queueing delay that is accepted: time that bytes may be in flight beyond the round trip
    /// itself and half of that. Above it the window shrinks; below a quarter of it, it grows.
    pub(crate) queueing_delay: Duration,
}

/// A send window: bytes in flight are those sent and not known to have arrived.
#[derive(Debug)]
pub(crate) struct SendWindow {
    size: usize,
    limits: SendWindowLimits,
    unlimited: bool,
    sent: u64,
    acknowledged: u64,
    /// When some of the bytes in flight were sent, oldest first.
    marks: VecDeque<Mark>,
    /// The shortest time that a mark has taken: the round trip without queueing.
    min_rtt: Duration,
    /// Probes for a longer round trip while the window is at its minimum and still too large.
    rtt_probe: RttProbe,
    /// Sending has waited for this window since it was resized.
    is_limiting: bool,
    /// Offset from which on marks show what the present size does.
    resized_at: u64,
}

/// Tells a longer round trip from a slow client, see [`SendWindow::probed`].
#[derive(Debug)]
struct RttProbe {
    /// Marks so far.
    count: u16,
    /// The shortest time that one of them has taken.
    min_rtt: Duration,
    /// A larger window is being probed.
    is_probing: bool,
    /// The shortest time before the probe.
    previous_min_rtt: Duration,
}

impl Default for RttProbe {
    fn default() -> Self {
        Self {
            count: 0,
            min_rtt: Duration::MAX,
            is_probing: false,
            previous_min_rtt: Duration::ZERO,
        }
    }
}

/// When the byte before `offset` was sent.
#[derive(Clone, Copy, Debug)]
struct Mark {
    offset: u64,
    at: Instant,
}

impl SendWindow {
    /// Returns a window of the initial size.
    pub(crate) fn new(limits: SendWindowLimits) -> Self {
        Self {
            size: limits.initial_bytes,
            limits,
            unlimited: false,
            sent: 0,
            acknowledged: 0,
            marks: VecDeque::new(),
            min_rtt: Duration::MAX,
            rtt_probe: RttProbe::default(),
            is_limiting: false,
            resized_at: 0,
        }
    }

    /// Returns the bytes that may be in flight.
    pub(crate) fn size(&self) -> usize {
        if self.unlimited {
            usize::MAX
        } else {
            self.size
        }
    }

    /// Returns the bytes that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the bytes in flight.
    pub(crate) fn in_flight(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// Returns the bytes that may be sent now; 0 if that is so few that waiting for more is better
    /// than a small frame (silly window, RFC 1122 section 4.2.3.4).
    pub(crate) fn available(&mut self) -> usize {
        if self.unlimited {
            return usize::MAX;
        }
        let available = (self.size as u64).saturating_sub(self.in_flight()) as usize;
        let available = if available < self.size / 8 {
            0
        } else {
            available
        };
        self.is_limiting |= available == 0;
        available
    }

    /// Counts `count` bytes as sent.
    pub(crate) fn add(&mut self, count: usize) {
        self.sent += count as u64;
    }

    /// Skips `count` bytes: the next offset is that much higher.
    pub(crate) fn skip(&mut self, count: u64) {
        self.sent += count;
        self.acknowledged += count;
    }

    /// Notes that everything so far was sent `at` this time, to measure when it is acknowledged.
    pub(crate) fn mark(&mut self, at: Instant) {
        if self.marks.len() < MARKS_MAX_COUNT && self.expects_ack() {
            self.marks.push_back(Mark {
                offset: self.sent,
                at,
            });
        }
    }

    /// Returns whether so much is in flight that the client will acknowledge it.
    fn expects_ack(&self) -> bool {
        self.in_flight() >= self.limits.ack_interval_bytes as u64
    }

    /// Takes the client's acknowledgement of everything before `offset`, and adapts the window.
    /// Returns `false` if so much was never sent.
    pub(crate) fn acknowledge(&mut self, offset: u64, now: Instant) -> bool {
        if offset > self.sent {
            return false;
        }
        self.acknowledged = self.acknowledged.max(offset);
        let mut latest = None;
        while let Some(mark) = self.marks.front().filter(|mark| mark.offset <= offset) {
            latest = Some(*mark);
            self.marks.pop_front();
        }
        if !self.expects_ack() {
            // The acknowledgements that they wait for may come much later.
            self.marks.clear();
        }
        if let Some(mark) = latest {
            self.adapt(mark, now.saturating_duration_since(mark.at));
        }
        true
    }

    fn adapt(&mut self, mark: Mark, taken: Duration) {
        self.min_rtt = self.min_rtt.min(taken);
        if self.unlimited || mark.offset < self.resized_at {
            return;
        }
        if self.rtt_probe.is_probing {
            self.probed(taken);
            return;
        }
        let queued = taken - self.min_rtt;
        let allowed = self.limits.queueing_delay + self.min_rtt / 2;
        if queued > allowed && self.size > self.limits.min_bytes {
            // By half at most: one hiccup does not make a slow client.
            let part = (allowed.as_secs_f64() / queued.as_secs_f64()).max(0.5);
            self.resize((self.size as f64 * part) as usize);
        } else if queued > allowed {
            self.rtt_probe.count += 1;
            self.rtt_probe.min_rtt = self.rtt_probe.min_rtt.min(taken);
            if self.rtt_probe.count >= LATE_MARKS_BEFORE_PROBE {
                self.rtt_probe = RttProbe {
                    is_probing: true,
                    previous_min_rtt: self.rtt_probe.min_rtt,
                    ..RttProbe::default()
                };
                self.resize(self.size * 2);
            }
        } else {
            self.rtt_probe = RttProbe::default();
            if queued < allowed / 4 && self.is_limiting {
                self.resize(self.size * 2);
            }
        }
    }

    /// Evaluates a window of twice the minimum: if bytes take twice as long, the client is slow. If
    /// not, the round trip has become longer.
    fn probed(&mut self, taken: Duration) {
        self.rtt_probe.count += 1;
        self.rtt_probe.min_rtt = self.rtt_probe.min_rtt.min(taken);
        if self.rtt_probe.count < PROBE_MARKS {
            return;
        }
        if self.rtt_probe.min_rtt < self.rtt_probe.previous_min_rtt.mul_f64(1.5) {
            self.min_rtt = self.rtt_probe.min_rtt;
        } else {
            self.resize(self.limits.min_bytes);
        }
        self.rtt_probe = RttProbe::default();
    }

    fn resize(&mut self, size: usize) {
        let size = size.clamp(self.limits.min_bytes, self.limits.max_bytes);
        // A larger window shows its effect when it is full.
        self.resized_at = self.sent + size.saturating_sub(self.size) as u64;
        self.size = size;
        self.is_limiting = false;
    }

    /// Returns whether there is no limit.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.unlimited
    }

    /// Lifts the limit: this client does not acknowledge.
    pub(crate) fn lift(&mut self) {
        self.unlimited = true;
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIB_BYTES: usize = 1024;

    /// Sends as fast as the window allows to a consumer of `rate` bytes per second at a distance of
    /// `delay`. Returns how long the last bytes took and how many bytes arrived.
    fn simulate(
        window: &mut SendWindow,
        rate: f64,
        delay: Duration,
        turns: usize,
    ) -> (Duration, u64) {
        let start = Instant::now();
        let mut now = start;
        // When the consumer is done with what it has.
        let mut done = start;
        let mut in_flight: VecDeque<(u64, Instant)> = VecDeque::new();
        let mut last = Duration::ZERO;
        for _ in 0..turns {
            while window.available() > 0 {
                let count = window.available().min(8 * KIB_BYTES);
                window.add(count);
                window.mark(now);
                done = done.max(now + delay) + Duration::from_secs_f64(count as f64 / rate);
                last = done - now;
                in_flight.push_back((window.sent(), done));
            }
            let (offset, at) = in_flight.pop_front().unwrap();
            now = at;
            assert!(window.acknowledge(offset, now));
        }
        (last, window.acknowledged)
    }

    fn window() -> SendWindow {
        SendWindow::new(SendWindowLimits {
            min_bytes: 32 * KIB_BYTES,
            initial_bytes: 128 * KIB_BYTES,
            max_bytes: 4096 * KIB_BYTES,
            ack_interval_bytes: 0,
            queueing_delay: Duration::from_millis(2),
        })
    }

    const LOCAL_RTT: Duration = Duration::from_micros(100);

    #[test]
    fn slow_consumer_shrinks_window() {
        let mut window = window();
        window.min_rtt = LOCAL_RTT;
        let (last, _) = simulate(&mut window, 1e6, LOCAL_RTT, 500);
        // It probes for more now and then.
        assert!(last < Duration::from_millis(80), "{last:?}");
        assert!(window.size() <= 80 * KIB_BYTES, "{}", window.size());
    }

    #[test]
    fn quick_consumer_grows_window_within_queueing_delay() {
        let mut window = window();
        window.min_rtt = LOCAL_RTT;
        let (last, _) = simulate(&mut window, 100e6, LOCAL_RTT, 5000);
        assert!(last < Duration::from_millis(3), "{last:?}");
        let (_, arrived) = simulate(&mut window, 1e9, LOCAL_RTT, 5000);
        assert!(window.size() >= 256 * KIB_BYTES, "{}", window.size());
        assert_eq!(arrived % (KIB_BYTES as u64), 0);
    }

    #[test]
    fn long_round_trip_alone_does_not_shrink_window() {
        let mut window = window();
        let delay = Duration::from_millis(100);
        window.min_rtt = delay;
        simulate(&mut window, 50e6, delay, 5000);
        // 50 MB/s × 0.1 s are 5 MB; the window is what it can be.
        assert_eq!(window.size(), 4096 * KIB_BYTES);
    }

    #[test]
    fn growing_round_trip_is_told_from_slow_consumer() {
        let mut window = window();
        window.min_rtt = LOCAL_RTT;
        let delay = Duration::from_millis(60);
        simulate(&mut window, 20e6, delay, 5000);
        // 20 MB/s × 60 ms are 1.2 MB.
        assert!(window.size() >= 1024 * KIB_BYTES, "{}", window.size());
    }

    #[test]
    fn window_recovers_when_consumer_becomes_quick() {
        let mut window = window();
        window.min_rtt = LOCAL_RTT;
        simulate(&mut window, 0.2e6, LOCAL_RTT, 500);
        assert!(window.size() <= 80 * KIB_BYTES, "{}", window.size());
        simulate(&mut window, 1e9, LOCAL_RTT, 5000);
        assert!(window.size() >= 256 * KIB_BYTES, "{}", window.size());
    }

    proptest! {
        /// Whatever is acknowledged and in whatever order: what is available is never more than the
        /// window lacks.
        #[test]
        fn window_stays_within_limits_whatever_client_acknowledges(
            steps in proptest::collection::vec((0..3u8, any::<u64>(), 0..400u64), 1..300)
        ) {
            let limits = SendWindowLimits { min_bytes: 32 * KIB_BYTES, initial_bytes: 64 * KIB_BYTES, max_bytes: 256 * KIB_BYTES, ack_interval_bytes: 16 * KIB_BYTES, queueing_delay: LOCAL_RTT };
            let mut window = SendWindow::new(limits);
            let mut now = Instant::now();
            for (kind, value, milliseconds) in steps {
                now += Duration::from_millis(milliseconds);
                match kind {
                    0 => {
                        let count = (value as usize % (16 * KIB_BYTES)).min(window.available());
                        window.add(count);
                    }
                    1 => window.mark(now),
                    _ => {
                        let offset = value % (window.sent() * 2 + 1);
                        prop_assert_eq!(window.acknowledge(offset, now), offset <= window.sent());
                    }
                }
                prop_assert!((32 * KIB_BYTES..=256 * KIB_BYTES).contains(&window.size()));
                prop_assert!(window.in_flight() <= 256 * KIB_BYTES as u64);
                prop_assert!(window.marks.len() <= MARKS_MAX_COUNT);
                let available = window.available() as u64;
                prop_assert!(available == 0 || available + window.in_flight() == window.size() as u64);
            }
        }
    }
}

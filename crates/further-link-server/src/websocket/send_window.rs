//! How much may be on its way to a client. A socket takes megabytes, and the machines between hold more;
//! what is in them is in front of the answer to Ctrl-C. So a sender keeps account of what was sent and of
//! what is known to have arrived, and sends no more beyond that than is taken in a short time.
//!
//! How much that is, is said where the windows are made: in `connection.rs` and `output.rs`. Here is
//! pure bookkeeping: it neither sends nor waits, and is told the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Marks that wait for an answer, at the most; more say nothing new.
const MARKS: usize = 8;
/// Marks that take too long in the smallest window, before a larger one is tried: seconds of a slow client.
const LATE: u16 = 250;
/// Marks for which it is tried.
const TRIALS: u16 = 8;

/// Between what a window stays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes.
    pub(crate) least: usize,
    /// Bytes, before anything is known about the client.
    pub(crate) first: usize,
    /// Bytes.
    pub(crate) most: usize,
    /// Bytes of which the client need not say that they have arrived, until there are more.
    pub(crate) untold: usize,
    /// Time that bytes may wait on their way, beyond what the way itself takes and half of that. Above it
    /// the window becomes smaller; below a quarter of it, larger.
    pub(crate) slack: Duration,
}

/// What may be on its way: bytes that were sent and are not known to have arrived.
#[derive(Debug)]
pub(crate) struct Window {
    size: usize,
    bounds: Bounds,
    unlimited: bool,
    sent: u64,
    arrived: u64,
    /// When some of the bytes on their way were sent, oldest first.
    marks: VecDeque<Mark>,
    /// The shortest time that a mark has taken: what the way itself takes.
    quickest: Duration,
    /// What marks say while the window is as small as it may be and that is still too much.
    late: Late,
    /// Sending has waited for this window since its size was changed.
    limiting: bool,
    /// Offset from which on marks show what the present size does.
    changed_at: u64,
}

/// See [`Window::late`].
#[derive(Debug)]
struct Late {
    /// Marks so far.
    count: u16,
    /// The shortest time that one of them has taken.
    least: Duration,
    /// A larger window is being tried.
    trying: bool,
    /// What the shortest time was before.
    before: Duration,
}

impl Default for Late {
    fn default() -> Self {
        Self {
            count: 0,
            least: Duration::MAX,
            trying: false,
            before: Duration::ZERO,
        }
    }
}

/// When the byte before `offset` was sent.
#[derive(Clone, Copy, Debug)]
struct Mark {
    offset: u64,
    at: Instant,
}

impl Window {
    /// A window that is as large as the client's speed allows.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            size: bounds.first,
            bounds,
            unlimited: false,
            sent: 0,
            arrived: 0,
            marks: VecDeque::new(),
            quickest: Duration::MAX,
            late: Late::default(),
            limiting: false,
            changed_at: 0,
        }
    }

    /// Bytes that may be on their way.
    pub(crate) fn size(&self) -> usize {
        if self.unlimited {
            usize::MAX
        } else {
            self.size
        }
    }

    /// Bytes that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes on their way.
    pub(crate) fn outstanding(&self) -> u64 {
        self.sent - self.arrived
    }

    /// Bytes that may be sent now. None if it is so few that waiting for more is better than a small
    /// frame.
    pub(crate) fn room(&mut self) -> usize {
        if self.unlimited {
            return usize::MAX;
        }
        let room = (self.size as u64).saturating_sub(self.outstanding()) as usize;
        let room = if room < self.size / 8 { 0 } else { room };
        self.limiting |= room == 0;
        room
    }

    /// `count` bytes were sent.
    pub(crate) fn add(&mut self, count: usize) {
        self.sent += count as u64;
    }

    /// `count` bytes were left out: the next offset is that much further.
    pub(crate) fn skip(&mut self, count: u64) {
        self.sent += count;
        self.arrived += count;
    }

    /// Everything so far was sent now; the client says at once when it has arrived, if it has to.
    pub(crate) fn mark(&mut self, at: Instant) {
        if self.marks.len() < MARKS && self.must_tell() {
            self.marks.push_back(Mark {
                offset: self.sent,
                at,
            });
        }
    }

    /// Whether there is so much on its way that the client will say when it has arrived.
    fn must_tell(&self) -> bool {
        self.outstanding() >= self.bounds.untold as u64
    }

    /// The client says that everything before `offset` has arrived. `false` if so much was never sent.
    pub(crate) fn arrived(&mut self, offset: u64, now: Instant) -> bool {
        if offset > self.sent {
            return false;
        }
        self.arrived = self.arrived.max(offset);
        let mut latest = None;
        while let Some(mark) = self.marks.front().filter(|mark| mark.offset <= offset) {
            latest = Some(*mark);
            self.marks.pop_front();
        }
        if !self.must_tell() {
            // What they would wait for may come much later.
            self.marks.clear();
        }
        if let Some(mark) = latest {
            self.adapt(mark, now.saturating_duration_since(mark.at));
        }
        true
    }

    fn adapt(&mut self, mark: Mark, taken: Duration) {
        self.quickest = self.quickest.min(taken);
        if self.unlimited || mark.offset < self.changed_at {
            return;
        }
        if self.late.trying {
            self.tried(taken);
            return;
        }
        let queued = taken - self.quickest;
        let allowed = self.bounds.slack + self.quickest / 2;
        if queued > allowed && self.size > self.bounds.least {
            // Not by more than half at once: one hiccup is no slow client.
            let part = (allowed.as_secs_f64() / queued.as_secs_f64()).max(0.5);
            self.resize((self.size as f64 * part) as usize);
        } else if queued > allowed {
            self.late.count += 1;
            self.late.least = self.late.least.min(taken);
            if self.late.count >= LATE {
                self.late = Late {
                    trying: true,
                    before: self.late.least,
                    ..Late::default()
                };
                self.resize(self.size * 2);
            }
        } else {
            self.late = Late::default();
            if queued < allowed / 4 && self.limiting {
                self.resize(self.size * 2);
            }
        }
    }

    /// A window of twice the least: does a byte take twice as long? Then the client is slow. If not, it is
    /// the way that takes so long, and is longer than it was.
    fn tried(&mut self, taken: Duration) {
        self.late.count += 1;
        self.late.least = self.late.least.min(taken);
        if self.late.count < TRIALS {
            return;
        }
        if self.late.least < self.late.before.mul_f64(1.5) {
            self.quickest = self.late.least;
        } else {
            self.resize(self.bounds.least);
        }
        self.late = Late::default();
    }

    fn resize(&mut self, size: usize) {
        let size = size.clamp(self.bounds.least, self.bounds.most);
        // A larger window shows what it does when it is full.
        self.changed_at = self.sent + size.saturating_sub(self.size) as u64;
        self.size = size;
        self.limiting = false;
    }

    /// Whether there are no limits.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.unlimited
    }

    /// Forgets all limits: this client does not say what has arrived, or says it otherwise.
    pub(crate) fn give_up(&mut self) {
        self.unlimited = true;
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIB: usize = 1024;

    /// Sends as fast as the window allows to somebody who takes `rate` bytes per second behind a way of
    /// `delay`, and returns how long the last bytes took and how many bytes arrived.
    fn simulate(window: &mut Window, rate: f64, delay: Duration, turns: usize) -> (Duration, u64) {
        let start = Instant::now();
        let mut now = start;
        // When the consumer is done with what it has.
        let mut done = start;
        let mut on_the_way: VecDeque<(u64, Instant)> = VecDeque::new();
        let mut last = Duration::ZERO;
        for _ in 0..turns {
            while window.room() > 0 {
                let count = window.room().min(8 * KIB);
                window.add(count);
                window.mark(now);
                done = done.max(now + delay) + Duration::from_secs_f64(count as f64 / rate);
                last = done - now;
                on_the_way.push_back((window.sent(), done));
            }
            let (offset, at) = on_the_way.pop_front().unwrap();
            now = at;
            assert!(window.arrived(offset, now));
        }
        (last, window.arrived)
    }

    fn window() -> Window {
        Window::new(Bounds {
            least: 32 * KIB,
            first: 128 * KIB,
            most: 4096 * KIB,
            untold: 0,
            slack: Duration::from_millis(2),
        })
    }

    const NEAR: Duration = Duration::from_micros(100);

    #[test]
    fn a_slow_consumer_gets_little_in_advance() {
        let mut window = window();
        window.quickest = NEAR;
        let (last, _) = simulate(&mut window, 1e6, NEAR, 500);
        // More is tried now and then.
        assert!(last < Duration::from_millis(80), "{last:?}");
        assert!(window.size() <= 80 * KIB, "{}", window.size());
    }

    #[test]
    fn a_quick_consumer_gets_what_it_takes_in_the_slack() {
        let mut window = window();
        window.quickest = NEAR;
        let (last, _) = simulate(&mut window, 100e6, NEAR, 5000);
        assert!(last < Duration::from_millis(3), "{last:?}");
        let (_, arrived) = simulate(&mut window, 1e9, NEAR, 5000);
        assert!(window.size() >= 256 * KIB, "{}", window.size());
        assert_eq!(arrived % (KIB as u64), 0);
    }

    #[test]
    fn a_long_way_alone_does_not_make_a_consumer_slow() {
        let mut window = window();
        let delay = Duration::from_millis(100);
        window.quickest = delay;
        simulate(&mut window, 50e6, delay, 5000);
        // 50 MB/s × 0.1 s are 5 MB; the window is what it can be.
        assert_eq!(window.size(), 4096 * KIB);
    }

    #[test]
    fn a_way_that_becomes_longer_is_no_slow_consumer() {
        let mut window = window();
        window.quickest = NEAR;
        let delay = Duration::from_millis(60);
        simulate(&mut window, 20e6, delay, 5000);
        // 20 MB/s × 60 ms are 1.2 MB.
        assert!(window.size() >= 1024 * KIB, "{}", window.size());
    }

    #[test]
    fn a_consumer_that_becomes_quick_again_is_found_out() {
        let mut window = window();
        window.quickest = NEAR;
        simulate(&mut window, 0.2e6, NEAR, 500);
        assert!(window.size() <= 80 * KIB, "{}", window.size());
        simulate(&mut window, 1e9, NEAR, 5000);
        assert!(window.size() >= 256 * KIB, "{}", window.size());
    }

    proptest! {
        /// Whatever is said and in whatever order: the window stays between its bounds, and room is
        /// never more than is missing to its size.
        #[test]
        fn nothing_a_client_says_breaks_the_bounds(
            steps in proptest::collection::vec((0..3u8, any::<u64>(), 0..400u64), 1..300)
        ) {
            let bounds = Bounds { least: 32 * KIB, first: 64 * KIB, most: 256 * KIB, untold: 16 * KIB, slack: NEAR };
            let mut window = Window::new(bounds);
            let mut now = Instant::now();
            for (kind, value, milliseconds) in steps {
                now += Duration::from_millis(milliseconds);
                match kind {
                    0 => {
                        let count = (value as usize % (16 * KIB)).min(window.room());
                        window.add(count);
                    }
                    1 => window.mark(now),
                    _ => {
                        let offset = value % (window.sent() * 2 + 1);
                        prop_assert_eq!(window.arrived(offset, now), offset <= window.sent());
                    }
                }
                prop_assert!((32 * KIB..=256 * KIB).contains(&window.size()));
                prop_assert!(window.outstanding() <= 256 * KIB as u64);
                prop_assert!(window.marks.len() <= MARKS);
                let room = window.room() as u64;
                prop_assert!(room == 0 || room + window.outstanding() == window.size() as u64);
            }
        }
    }
}

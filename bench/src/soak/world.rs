//! What all sessions of a soak share: where the server is, what was counted, what went wrong.

use super::random::Random;
use super::tasks;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a well-behaved session waits for anything. Long: others may use the machine too.
pub(super) const SESSION_TIMEOUT: Duration = Duration::from_secs(45);
/// Programs that are stopped have as long to end by themselves (`run.stop_grace`). More than by
/// default: on a machine that is busy with 200 sessions and other things, a program may not have
/// run at all after 2 s.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(4);
/// Clients without a sign of life are given up after this (`limits.pong_timeout`).
pub(super) const PONG_TIMEOUT: Duration = Duration::from_secs(8);
/// Errors that are kept; a server that is broken makes thousands of the same.
const ERRORS_KEPT_MAX: usize = 40;

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    /// Sessions begun, by kind.
    pub(super) kinds: BTreeMap<&'static str, u64>,
    /// Programs whose start was asked for.
    pub(super) starts: u64,
    /// Programs whose end was told.
    pub(super) ends: u64,
    /// Bytes of output that were checked.
    pub(super) output: u64,
    /// Bytes of input that were sent.
    pub(super) input: u64,
    /// Connections opened.
    pub(super) connections: u64,
}

/// Shared by all sessions.
#[derive(Debug)]
pub(super) struct World {
    /// Where the server listens.
    pub(super) port: u16,
    /// Of all random numbers.
    pub(super) seed: u64,
    /// This program, which writes the pattern.
    pub(super) bench: PathBuf,
    /// Sessions shall come to their end.
    pub(super) ending: Cell<bool>,
    /// What was counted.
    pub(super) totals: RefCell<Totals>,
    /// What went wrong: the first ones in words.
    errors: RefCell<Vec<String>>,
    error_count: Cell<u64>,
    visits: Cell<u64>,
    /// The kinds of the sessions that go on, by visit.
    pub(super) going_on: RefCell<BTreeMap<u64, &'static str>>,
}

impl World {
    pub(super) fn new(port: u16, seed: u64, bench: PathBuf) -> Self {
        Self {
            port,
            seed,
            bench,
            ending: Cell::new(false),
            totals: RefCell::default(),
            errors: RefCell::default(),
            error_count: Cell::new(0),
            visits: Cell::new(0),
            going_on: RefCell::default(),
        }
    }

    /// Notes an error and says it at once: a soak is long.
    pub(super) fn wrong(&self, text: String) {
        self.error_count.set(self.error_count.get() + 1);
        let mut errors = self.errors.borrow_mut();
        if errors.len() < ERRORS_KEPT_MAX {
            eprintln!("WRONG: {text}");
            errors.push(text);
        }
    }

    /// How many errors there were.
    pub(super) fn error_count(&self) -> u64 {
        self.error_count.get()
    }

    /// Changes what is counted.
    pub(super) fn count(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.totals.borrow_mut());
    }

    /// The next visit.
    pub(super) fn next_visit(self: &Rc<Self>) -> Visit {
        let number = self.visits.get() + 1;
        self.visits.set(number);
        Visit {
            world: Rc::clone(self),
            number,
            random: Random::of_visit(self.seed, number),
            log: Vec::new(),
        }
    }

    /// Programs are found by this variable in their environment.
    pub(super) fn marker() -> String {
        format!("FURTHER_LINK_SOAK=soak-{}", std::process::id())
    }
}

/// One session from its begin to its end.
pub(super) struct Visit {
    /// Shared by all.
    pub(super) world: Rc<World>,
    /// Its number.
    pub(super) number: u64,
    /// Its random numbers.
    pub(super) random: Random,
    /// What is said beside an error: how it connected, what it did.
    pub(super) log: Vec<String>,
}

impl Visit {
    /// Waits between `low` and `high` milliseconds, less if sessions shall come to their end.
    pub(super) async fn pause(&mut self, low: u64, high: u64) {
        let time = Duration::from_millis(self.random.between(low, high));
        let end = Instant::now() + time;
        // In pieces, as nothing wakes it when sessions shall end.
        while !self.world.ending.get() && Instant::now() < end {
            tasks::until(end.min(Instant::now() + Duration::from_millis(250))).await;
        }
    }

    /// Notes what it does.
    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.log.push(what.into());
    }
}

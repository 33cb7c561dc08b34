//! `further-link-bench soak`: hundreds of mixed sessions for some minutes, well-behaved ones and
//! others; at the end the server has no descriptor, process, file or memory more than before, and
//! nothing went wrong.
//!
//! The sessions of a warm-up are of the same kinds. What the server has after it, with all of them
//! closed, is compared with what it has at the end.

mod census;
mod connect;
mod kinds;
mod random;
mod server;
mod session;
mod tasks;
mod wire;
mod world;

use crate::scratch::Scratch;
use anyhow::{Context as _, bail};
use census::{Census, Rule};
use clap::Args;
use kinds::KINDS;
use server::Server;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tasks::Tasks;
use world::World;

/// Of the whole time, the warm-up has one part in so many,
const WARM_UP: u32 = 6;
/// but as long as this, for memory to reach what it will be, if that is not more than half of all.
const LEAST_WARM_UP: Duration = Duration::from_secs(20);
/// Between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
/// For sessions to come to their end: the slowest waits until the server gives it up.
const LAST_SESSIONS: Duration = Duration::from_secs(60);
/// For what is on its way out when all sessions are closed.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks at the memory.
const MEMORY_SAMPLE_INTERVAL: Duration = Duration::from_millis(500);
/// Between two looks at what is on its way out.
const SETTLE_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How to soak.
#[derive(Args)]
pub(crate) struct Options {
    /// How long sessions come and go, the warm-up included
    #[arg(long, default_value_t = 600, value_name = "N", value_parser = clap::value_parser!(u64).range(6..))]
    seconds: u64,
    /// Sessions at the same time
    #[arg(long, default_value_t = 200, value_name = "N")]
    sessions: usize,
    /// Of the random numbers, to have the same sessions again
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only sessions of these kinds
    #[arg(long, value_delimiter = ',', value_name = "KIND,…")]
    kinds: Vec<String>,
    /// The further-link to soak
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// A setting of the server
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Soaks; the status says whether all was well.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let kinds: Vec<(&'static str, u64)> = KINDS
        .into_iter()
        .filter(|(name, _)| options.kinds.is_empty() || options.kinds.iter().any(|k| k == name))
        .collect();
    if let Some(kind) = options
        .kinds
        .iter()
        .find(|kind| !KINDS.iter().any(|(k, _)| k == kind))
    {
        let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        bail!("there is no kind {kind}; there are: {}", names.join(", "));
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Who asks twice does not want to wait.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupted))?;
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let seed = options.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |now| now.as_millis() as u64 % 1_000_000)
    });
    let binary = match &options.binary {
        Some(binary) => binary
            .canonicalize()
            .with_context(|| format!("{}", binary.display()))?,
        None => std::env::current_exe()?.with_file_name("further-link"),
    };
    let scratch = Scratch::make(0, 0)?;
    let server = Server::start(&binary, &scratch, &options.set)?;
    let port = server.places.port;
    eprintln!(
        "soaking {} on port {port}: {} sessions for {} s, seed {seed}",
        binary.display(),
        options.sessions,
        options.seconds
    );
    let soak = Soak {
        world: Rc::new(World::new(port, seed, std::env::current_exe()?)),
        server,
        sessions: options.sessions,
        kinds: Rc::new(kinds),
        interrupted,
    };
    soak.run(Duration::from_secs(options.seconds))
}

/// A soak that goes on.
struct Soak {
    world: Rc<World>,
    server: Server,
    sessions: usize,
    kinds: Rc<Vec<(&'static str, u64)>>,
    interrupted: Arc<AtomicBool>,
}

impl Soak {
    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn run(self, time: Duration) -> anyhow::Result<ExitCode> {
        match self.measure(time) {
            Ok(wrong) => self.judge(wrong),
            // The server does not answer any more: the log may say why.
            Err(error) => {
                eprintln!("WRONG: {error:#}");
                self.judge(vec!["the soak could not go on".to_owned()])
            }
        }
    }

    /// Both parts; what they leave.
    fn measure(&self, time: Duration) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        self.one_program()?;
        let fresh = self.settled(None)?.0;
        let warm_up = (time / WARM_UP).max(LEAST_WARM_UP).min(time / 2);
        let highest = self.phase("warm-up", warm_up)?;
        // Memory and folders of a warm server are not those of a fresh one; descriptors are.
        let (begin, excess) = self.settled(Some(&fresh.only(Rule::Own)))?;
        wrong.extend(
            excess
                .into_iter()
                .map(|text| format!("left by the warm-up: {text}")),
        );
        self.phase("soak", time - warm_up)?;
        let mut base = begin.clone();
        base.raise(&highest);
        let (end, excess) = self.settled(Some(&base))?;
        wrong.extend(
            excess
                .into_iter()
                .map(|text| format!("left at the end: {text}")),
        );
        eprintln!(
            "\n{}",
            table(&[
                ("fresh", &fresh),
                ("warm", &highest),
                ("begin", &begin),
                ("end", &end)
            ])
        );
        let totals = self.world.totals.borrow().clone();
        let kinds: Vec<String> = totals
            .kinds
            .iter()
            .map(|(kind, n)| format!("{kind} {n}"))
            .collect();
        eprintln!("sessions: {}\n", kinds.join(", "));
        if totals.ends == 0 && self.kinds.len() == KINDS.len() {
            wrong.push("no program has come to its end".to_owned());
        }
        Ok(wrong)
    }

    /// Ends the server, and says whether all was well.
    fn judge(self, mut wrong: Vec<String>) -> anyhow::Result<ExitCode> {
        let errors = self.world.error_count();
        if errors > 0 {
            wrong.push(format!(
                "{errors} sessions went wrong; the first are told above"
            ));
        }
        let (lines, warnings) = self.server.log_lines();
        eprintln!("the log has {lines} lines, {warnings} of them warnings");
        wrong.extend(self.server.complaints());
        let is_interrupted = self.is_interrupted();
        wrong.extend(self.server.end()?);
        if is_interrupted {
            eprintln!("interrupted");
            return Ok(ExitCode::from(130));
        }
        for text in &wrong {
            eprintln!("WRONG: {text}");
        }
        if wrong.is_empty() {
            eprintln!("nothing is left, and nothing went wrong");
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("the same sessions again: --seed {}", self.world.seed);
        Ok(ExitCode::FAILURE)
    }

    /// Has a first program, by which the server is seen to have made all that it makes at its
    /// start.
    fn one_program(&self) -> anyhow::Result<()> {
        let mut tasks = Tasks::new()?;
        let world = Rc::clone(&self.world);
        tasks.add(async move {
            let mut visit = world.next_visit();
            if let Err(error) = kinds::visit("lines", &mut visit).await {
                world.wrong(format!("the first program: {error:#}"));
            }
        });
        while tasks.len() > 0 && !self.is_interrupted() {
            tasks.turn()?;
        }
        Ok(())
    }

    /// Sessions come and go for a time, then all come to their end. Gives the highest figures of
    /// memory.
    fn phase(&self, name: &str, time: Duration) -> anyhow::Result<Census> {
        let mut tasks = Tasks::new()?;
        let mut highest = Census::memory(&self.server.places)?;
        let mut look_at = Instant::now();
        self.world.ending.set(false);
        for _ in 0..self.sessions {
            tasks.add(slot(Rc::clone(&self.world), Rc::clone(&self.kinds)));
        }
        let begin = Instant::now();
        let mut told = begin;
        let mut before = self.world.totals.borrow().clone();
        while tasks.len() > 0 {
            tasks.turn()?;
            let now = Instant::now();
            if self.is_interrupted() {
                tasks.clear();
                return Ok(highest);
            }
            if now > look_at {
                highest.raise(&Census::memory(&self.server.places)?);
                look_at = now + MEMORY_SAMPLE_INTERVAL;
            }
            if now - begin > time {
                self.world.ending.set(true);
            }
            if now - begin > time + LAST_SESSIONS {
                let going_on = self.world.going_on.borrow();
                let names: Vec<String> = going_on
                    .iter()
                    .map(|(visit, kind)| format!("{kind} (visit {visit})"))
                    .collect();
                self.world
                    .wrong(format!("these sessions do not end: {}", names.join(", ")));
                break;
            }
            if now - told >= PROGRESS_INTERVAL || tasks.len() == 0 {
                let totals = self.world.totals.borrow().clone();
                let memory = Census::memory(&self.server.places)?;
                let resident = ["serve", "spawner"]
                    .map(|part| memory.value(&format!("{part}: RSS, KiB")).unwrap_or(0))
                    .map(|value| value.to_string());
                let seconds = (now - told).as_secs_f64().max(0.001);
                let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
                let sum = |totals: &world::Totals| totals.kinds.values().sum::<u64>();
                eprintln!(
                    "{name} {:>4.0} s: {} sessions open, {} begun ({:.0}/s), {} starts, {} ends ({:.0}/s), \
                     {} MB out ({:.1}/s), {} MB in, {} KiB resident, {} wrong",
                    (now - begin).as_secs_f64(),
                    tasks.len(),
                    sum(&totals),
                    rate(sum(&totals), sum(&before)),
                    totals.starts,
                    totals.ends,
                    rate(totals.ends, before.ends),
                    totals.output / 1_000_000,
                    rate(totals.output, before.output) / 1e6,
                    totals.input / 1_000_000,
                    resident.join(" + "),
                    self.world.error_count()
                );
                told = now;
                before = totals;
            }
        }
        tasks.clear();
        Ok(highest)
    }

    /// What the server has when nothing runs any more: waits until nothing is more than `before`,
    /// and what has to be gone is gone. Else the second value says what is not.
    fn settled(&self, before: Option<&Census>) -> anyhow::Result<(Census, Vec<String>)> {
        let end = Instant::now() + SETTLE_TIMEOUT;
        loop {
            let census = Census::take(&self.server.places)?;
            let excess = census.excess(before);
            if excess.is_empty() || Instant::now() > end || self.is_interrupted() {
                return Ok((census, excess));
            }
            std::thread::sleep(SETTLE_POLL_INTERVAL);
        }
    }
}

/// One session after the other.
async fn slot(world: Rc<World>, kinds: Rc<Vec<(&'static str, u64)>>) {
    while !world.ending.get() {
        let mut visit = world.next_visit();
        let mut choice = visit
            .random
            .between(1, kinds.iter().map(|(_, weight)| weight).sum());
        let mut kind = kinds[0].0;
        for (name, weight) in kinds.iter() {
            kind = name;
            if choice <= *weight {
                break;
            }
            choice -= weight;
        }
        visit.pause(0, 1000).await;
        if world.ending.get() {
            return;
        }
        world.count(|totals| *totals.kinds.entry(kind).or_default() += 1);
        world.going_on.borrow_mut().insert(visit.number, kind);
        let result = kinds::visit(kind, &mut visit).await;
        world.going_on.borrow_mut().remove(&visit.number);
        if let Err(error) = result {
            world.wrong(format!(
                "visit {} ({kind}): {error:#} [{}]",
                visit.number,
                visit.log.join("; ")
            ));
        }
    }
}

/// The figures side by side.
fn table(columns: &[(&str, &Census)]) -> String {
    let mut text = format!("{:<32}", "");
    for (name, _) in columns {
        text.push_str(&format!("{name:>10}"));
    }
    let Some((_, last)) = columns.last() else {
        return text;
    };
    for figure in &last.0 {
        text.push_str(&format!("\n{:<32}", figure.name));
        for (_, census) in columns {
            let value = census.value(&figure.name);
            let value = value.map_or_else(String::new, |value| value.to_string());
            text.push_str(&format!("{value:>10}"));
        }
    }
    text
}

//! What is measured, a row for each question, and how the rows are gone through.

pub(crate) mod echo;
pub(crate) mod interrupt;
pub(crate) mod jobs;
pub(crate) mod memory;
pub(crate) mod start;
pub(crate) mod throughput;
pub(crate) mod video;
pub(crate) mod wire;

use crate::client::{Client, Program};
use crate::pattern::WrongBytes;
use crate::scratch::Scratch;
use crate::servers::{Ability, Running, Server};
use crate::stats::median;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Figures of one round, by the key of their column.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// One figure of a row.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its key in `results.json`.
    pub(crate) key: &'static str,
    /// Its name for people, with the unit.
    pub(crate) label: &'static str,
    /// Digits after the point.
    pub(crate) digits: usize,
}

/// A column.
pub(crate) const fn column(key: &'static str, label: &'static str, digits: usize) -> Column {
    Column { key, label, digits }
}

/// What servers are measured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launch {
    /// One that runs for all rounds of the row.
    Shared,
    /// A new one for each round.
    Fresh,
    /// The row starts it.
    ByRow,
}

/// A question.
pub(crate) struct Row {
    /// What `--rows` calls it.
    pub(crate) id: &'static str,
    /// What it is about.
    pub(crate) title: &'static str,
    /// How it is measured, a sentence or two.
    pub(crate) how: &'static str,
    /// Servers need one of these to take part.
    pub(crate) needs: &'static [Ability],
    /// And all of these.
    pub(crate) also: &'static [Ability],
    /// Its figures; the first is the one that is compared.
    pub(crate) columns: &'static [Column],
    /// See there.
    pub(crate) launch: Launch,
    /// Rounds in a full run, as what takes long or is steady needs fewer.
    pub(crate) rounds: usize,
    /// Measures one server once.
    pub(crate) measure: fn(&Target<'_>) -> anyhow::Result<Figures>,
}

/// One server in one round.
pub(crate) struct Target<'a> {
    /// The server.
    pub(crate) server: &'a dyn Server,
    /// It runs, unless the row starts it.
    pub(crate) running: Option<&'a dyn Running>,
    /// The folder of the run.
    pub(crate) scratch: &'a Scratch,
    /// Less of everything.
    pub(crate) quick: bool,
}

/// All rows, in the order of the report.
pub(crate) fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(echo::rows());
    rows.extend(throughput::rows());
    rows.extend(video::rows());
    rows.extend(interrupt::rows());
    rows.extend(start::rows());
    rows.extend(memory::rows());
    rows.extend(wire::rows());
    rows.extend(jobs::rows());
    rows
}

/// What one server came to in one row.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The figures of each round, by key.
    pub(crate) rounds: BTreeMap<&'static str, Vec<f64>>,
    /// What went wrong, one for each round.
    pub(crate) failures: Vec<String>,
    /// A byte was wrong or lost.
    pub(crate) wrong: bool,
}

impl Outcome {
    /// The median of the rounds.
    pub(crate) fn median(&self, key: &str) -> Option<f64> {
        let values = self.rounds.get(key)?;
        (!values.is_empty()).then(|| median(values))
    }
}

/// Goes through a row: all servers in each round, so that what else the machine does hits all
/// alike.
pub(crate) fn run(
    row: &Row,
    servers: &[&dyn Server],
    scratch: &Scratch,
    rounds: usize,
    quick: bool,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = servers.iter().map(|_| Outcome::default()).collect();
    let mut shared: Vec<Option<Box<dyn Running>>> = Vec::new();
    for (server, outcome) in servers.iter().zip(&mut outcomes) {
        shared.push(match row.launch {
            Launch::Shared => match server.launch(scratch) {
                Ok(running) => Some(running),
                Err(error) => {
                    outcome.failures.push(format!("{error:#}"));
                    None
                }
            },
            Launch::Fresh | Launch::ByRow => None,
        });
    }
    for round in 0..rounds {
        for ((server, outcome), shared) in servers.iter().zip(&mut outcomes).zip(&shared) {
            // What fails once fails again, and costs its whole deadline each time.
            if !outcome.failures.is_empty() {
                continue;
            }
            progress(&format!(
                "{}: round {} of {rounds}, {}",
                row.id,
                round + 1,
                server.name()
            ));
            let result = (|| {
                let fresh = match row.launch {
                    Launch::Fresh => Some(server.launch(scratch)?),
                    Launch::Shared | Launch::ByRow => None,
                };
                (row.measure)(&Target {
                    server: *server,
                    running: fresh.as_deref().or(shared.as_deref()),
                    scratch,
                    quick,
                })
            })();
            match result {
                Ok(figures) => {
                    for (key, value) in figures {
                        outcome.rounds.entry(key).or_default().push(value);
                    }
                }
                Err(error) => {
                    outcome.wrong |= error.is::<WrongBytes>();
                    outcome.failures.push(format!("{error:#}"));
                }
            }
        }
    }
    progress("");
    outcomes
}

/// Shows what is going on, on a line that is written over; nothing where nobody watches.
fn progress(text: &str) {
    let mut error = std::io::stderr();
    if error.is_terminal() {
        let _ = write!(error, "\r\x1b[K{text}");
        let _ = error.flush();
    }
}

/// The longest that anything may take that is waited for.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

/// From now on.
pub(crate) fn deadline() -> Instant {
    Instant::now() + REPLY_TIMEOUT
}

/// How the prompt of the shell ends, for root and for others.
pub(crate) const SHELL_PROMPTS: [&[u8]; 2] = [b"# ", b"$ "];

impl Target<'_> {
    /// The server that runs.
    pub(crate) fn running(&self) -> anyhow::Result<&dyn Running> {
        self.running
            .ok_or_else(|| anyhow::anyhow!("this row starts its servers by itself"))
    }

    /// Whether the server can do this.
    pub(crate) fn can(&self, ability: Ability) -> bool {
        self.server.abilities().contains(&ability)
    }

    /// `full`, or in a quick run `quick`.
    pub(crate) fn amount(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// A shell that waits at its prompt.
    pub(crate) fn shell(&self) -> anyhow::Result<Client> {
        let mut client = self.running()?.open(&Program::Shell, false)?;
        client.output_until(&SHELL_PROMPTS, deadline())?;
        Ok(client)
    }

    /// Many shells that wait at their prompts. They are begun together: some servers take a tenth
    /// of a second for each.
    pub(crate) fn shells(&self, count: usize) -> anyhow::Result<Vec<Client>> {
        let mut clients = Vec::with_capacity(count);
        for number in 0..count {
            let client = self.running()?.open(&Program::Shell, false);
            clients.push(client.with_context(|| format!("session {number}"))?);
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let seen = client.output_until(&SHELL_PROMPTS, deadline());
            seen.with_context(|| format!("session {number}"))?;
        }
        Ok(clients)
    }

    /// Many that send back each byte.
    pub(crate) fn echoes(&self, count: usize) -> anyhow::Result<Vec<Client>> {
        if !self.can(Ability::Terminal) {
            return (0..count).map(|_| self.echo()).collect();
        }
        let mut clients = self.shells(count)?;
        for client in &mut clients {
            client.send(format!("exec {}", self.scratch.typed("cat")).as_bytes())?;
        }
        for client in &mut clients {
            client.output_until(&[b"<<ready>>"], deadline())?;
        }
        Ok(clients)
    }

    /// A program of the scratch folder, through a terminal if the server has one, else through
    /// pipes. Nothing of its output was read yet.
    pub(crate) fn script(&self, name: &str) -> anyhow::Result<Client> {
        if self.can(Ability::Terminal) {
            let mut client = self.shell()?;
            // In place of the shell, so that nothing but the program is between the server and it.
            client.send(format!("exec {}", self.scratch.typed(name)).as_bytes())?;
            return Ok(client);
        }
        self.piped(name)
    }

    /// A program of the scratch folder through pipes.
    pub(crate) fn piped(&self, name: &str) -> anyhow::Result<Client> {
        let program = Program::Script(self.scratch.script(name));
        self.running()?.open(&program, false)
    }

    /// Something that sends back each byte.
    pub(crate) fn echo(&self) -> anyhow::Result<Client> {
        if !self.can(Ability::Terminal) && !self.can(Ability::Pipes) {
            return self.running()?.open(&Program::Shell, false);
        }
        let mut client = self.script("cat")?;
        client.output_until(&[b"<<ready>>"], deadline())?;
        Ok(client)
    }
}

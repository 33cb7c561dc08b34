//! `further-link-bench`: measures further-link, other servers, and what the machine can do without
//! any, all driven by the same thin client over real sockets; and soaks further-link (`soak`). See
//! `bench/README.md`.

mod camera;
mod client;
mod machine;
mod pattern;
mod process;
mod program;
mod report;
mod rows;
mod scratch;
mod servers;
mod soak;
mod stats;
mod targets;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use report::{Measured, Report};
use scratch::Scratch;
use servers::{Ability, Server};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Bytes through a terminal and through pipes, in a full and in a quick run.
const PTY_BYTES: [u64; 2] = [50_000_000, 20_000_000];
const PIPE_BYTES: [u64; 2] = [500_000_000, 100_000_000];
/// Rounds of a quick run.
const QUICK_ROUNDS: usize = 2;

/// Measure Further Link against other servers and against what this machine can do.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Only these rows (see --list)
    #[arg(long, value_delimiter = ',', value_name = "ROW,…")]
    rows: Vec<String>,
    /// Only these servers (see --list)
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    servers: Vec<String>,
    /// As many rounds of each row, instead of what the row is worth
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Less of everything: a look of a minute or two
    #[arg(long)]
    quick: bool,
    /// The further-link to measure
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Folder for RESULTS.md and results.json
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Name the rows and the servers, and measure nothing
    #[arg(long)]
    list: bool,
}

/// What the bench is to itself.
#[derive(Subcommand)]
enum Part {
    /// Write lines of the pattern
    #[command(hide = true)]
    Emit {
        /// How many
        lines: u64,
    },
    /// Show pictures and widgets, and say keys
    #[command(hide = true)]
    Camera(camera::Options),
    /// Have 200 mixed sessions for ten minutes, and see that nothing is left of them
    Soak(soak::Options),
    /// Echo WebSocket messages
    #[command(hide = true)]
    EchoServer {
        /// Where
        port: u16,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse() {
        Arguments {
            part: Some(Part::Emit { lines }),
            ..
        } => program::emit(lines).map(|()| ExitCode::SUCCESS),
        Arguments {
            part: Some(Part::Camera(options)),
            ..
        } => camera::run(&options).map(|()| ExitCode::SUCCESS),
        Arguments {
            part: Some(Part::EchoServer { port }),
            ..
        } => program::echo_server(port).map(|()| ExitCode::SUCCESS),
        Arguments {
            part: Some(Part::Soak(options)),
            ..
        } => soak::run(&options),
        arguments => measure(&arguments).map(status),
    };
    match result {
        Ok(status) => status,
        Err(error) => {
            eprintln!("further-link-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn status(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The whole bench; false if a byte was wrong or lost.
fn measure(arguments: &Arguments) -> anyhow::Result<bool> {
    let rows = rows::all();
    if arguments.list {
        for row in &rows {
            eprintln!("{:<16}{}", row.id, row.title);
        }
        eprintln!("servers: {}", servers::NAMES.join(", "));
        return Ok(true);
    }
    if let Some(name) = arguments
        .rows
        .iter()
        .find(|name| !rows.iter().any(|row| row.id == **name))
    {
        bail!("there is no row {name}; --list names them");
    }
    if let Some(name) = arguments
        .servers
        .iter()
        .find(|name| !servers::NAMES.contains(&name.as_str()))
    {
        bail!("there is no server {name}; --list names them");
    }
    process::end_all_on_signals()?;
    let binary = match &arguments.binary {
        Some(binary) => binary
            .canonicalize()
            .with_context(|| format!("{}", binary.display()))?,
        // Both are built into the same folder.
        None => std::env::current_exe()?.with_file_name("further-link"),
    };
    let quick = usize::from(arguments.quick);
    let scratch = Scratch::make(PTY_BYTES[quick], PIPE_BYTES[quick])?;
    let (servers, missing) = servers::all(&binary, &arguments.servers, &scratch);
    for reason in &missing {
        eprintln!("left out: {reason}");
    }
    let machine = machine::Machine::look();
    let begin = Instant::now();
    let mut measured = Vec::new();
    for row in rows {
        if !arguments.rows.is_empty() && !arguments.rows.iter().any(|name| name == row.id) {
            continue;
        }
        let part: Vec<&dyn Server> = servers
            .iter()
            .map(|server| &**server)
            .filter(|server| {
                let has = |ability: &Ability| server.abilities().contains(ability);
                row.needs.iter().any(has) && row.also.iter().all(has)
            })
            .collect();
        let rounds = arguments.rounds.unwrap_or(if arguments.quick {
            row.rounds.min(QUICK_ROUNDS)
        } else {
            row.rounds
        });
        let started = Instant::now();
        let outcomes = rows::run(&row, &part, &scratch, rounds, arguments.quick);
        let seconds = started.elapsed().as_secs_f64();
        let names = part.iter().map(|server| server.name()).collect();
        let measurement = Measured {
            row,
            rounds,
            seconds,
            servers: names,
            outcomes,
        };
        eprintln!("{}", report::section(&measurement));
        measured.push(measurement);
    }
    let report = Report {
        machine,
        versions: servers
            .iter()
            .map(|server| (server.name(), server.version()))
            .collect(),
        missing,
        quick: arguments.quick,
        whole: arguments.rows.is_empty() && arguments.servers.is_empty(),
        seconds: begin.elapsed().as_secs_f64(),
        measured,
    };
    let folder = arguments
        .output
        .clone()
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf());
    // A look at a few rows, or a quick one, does not replace the last whole run.
    if arguments.output.is_some() || (report.whole && !report.quick) {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("RESULTS.md"), report.markdown())?;
        let json = serde_json::to_string_pretty(&report.json())?;
        std::fs::write(folder.join("results.json"), json + "\n")?;
        eprintln!("written: {}", folder.join("RESULTS.md").display());
    }
    eprintln!("{}", report.targets());
    let wrong = report.wrong();
    for text in &wrong {
        eprintln!("BYTES WRONG OR LOST: {text}");
    }
    Ok(wrong.is_empty())
}

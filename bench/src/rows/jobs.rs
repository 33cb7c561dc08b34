//! Programs that come and go: one after the other, and many at once.

use super::{Figures, Launch, Row, Target, column, deadline};
use crate::client::{Event, Program};
use crate::process::{descendants, open_descriptors};
use crate::servers::{Ability, Running};
use anyhow::bail;
use std::time::Instant;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            id: "jobs",
            title: "1,000 programs, one after the other",
            how: "A shell script that exits, through pipes, from asking for it to knowing its end: on one connection where that is possible, else on one for each. Left over: processes and descriptors of the server that were not there before.",
            needs: &[Ability::Pipes],
            also: &[],
            columns: const { &[column("ms", "ms each", 2), column("left", "left over", 0)] },
            launch: Launch::Fresh,
            rounds: 2,
            measure: sequence,
        },
        Row {
            id: "start-rate",
            title: "Starts at once",
            how: "200 programs that wait are asked for at once, each on its own connection; until the last one runs. Then all connections are closed; until the last process is gone. (further-link allows 256 programs, 64 for one client; the limits are raised for the bench.)",
            needs: &[Ability::Pipes],
            also: &[Ability::OwnProcess],
            columns: const {
                &[
                    column("rate", "starts/s", 0),
                    column("gone", "until all are gone, ms", 0),
                ]
            },
            launch: Launch::Fresh,
            rounds: 3,
            measure: at_once,
        },
    ]
}

/// Processes below a server's, and descriptors in them.
fn belongings(running: &dyn Running) -> (usize, usize) {
    let processes = running.processes();
    let below = processes.first().map_or(0, |(_, pid)| descendants(*pid));
    let descriptors = processes
        .iter()
        .map(|(_, pid)| open_descriptors(*pid))
        .sum();
    (below, descriptors)
}

fn sequence(target: &Target<'_>) -> anyhow::Result<Figures> {
    let running = target.running()?;
    let count = target.amount(1000, 200);
    let program = Program::Script(target.scratch.script("true"));
    let one_connection = target.can(Ability::Jobs);
    // The first one may build what stays.
    let mut client = running.open(&program, false)?;
    ended(&mut client)?;
    let before = belongings(running);
    let begin = Instant::now();
    for _ in 0..count {
        if one_connection {
            client.start(&program)?;
        } else {
            client = running.open(&program, false)?;
        }
        ended(&mut client)?;
        if let Some(process) = client.program() {
            process.wait()?;
        }
    }
    let elapsed = begin.elapsed().as_secs_f64() * 1e3;
    let mut figures = vec![("ms", elapsed / count as f64)];
    if target.can(Ability::OwnProcess) {
        if !one_connection {
            drop(client);
        }
        // What is on its way out gets a moment.
        let end = Instant::now() + std::time::Duration::from_secs(2);
        let left = loop {
            let after = belongings(running);
            let left = after.0.saturating_sub(before.0) + after.1.saturating_sub(before.1);
            if left == 0 || Instant::now() > end {
                break left;
            }
            std::thread::yield_now();
        };
        figures.push(("left", left as f64));
    }
    Ok(figures)
}

fn ended(client: &mut crate::client::Client) -> anyhow::Result<()> {
    loop {
        match client.wait(deadline())? {
            Event::Stopped(_) | Event::Closed => return Ok(()),
            Event::Started | Event::KeyListen | Event::Picture(..) => {}
            Event::Output(bytes) => bail!("the program said {bytes:?}"),
            Event::Refused(reason) => bail!("refused: {reason}"),
        }
    }
}

fn at_once(target: &Target<'_>) -> anyhow::Result<Figures> {
    let running = target.running()?;
    let count = target.amount(200, 50);
    let before = belongings(running).0;
    let program = Program::Script(target.scratch.script("cat"));
    let begin = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(running.open(&program, false)?);
    }
    for client in &mut clients {
        client.output_until(&[b"<<ready>>"], deadline())?;
    }
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    drop(clients);
    while belongings(running).0 > before {
        if begin.elapsed() > super::REPLY_TIMEOUT {
            bail!("{} processes are left", belongings(running).0 - before);
        }
        std::thread::yield_now();
    }
    let gone = begin.elapsed().as_secs_f64() * 1e3;
    Ok(vec![("rate", rate), ("gone", gone)])
}

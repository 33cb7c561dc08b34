//! Much output: through a terminal, and through pipes.

use super::{Column, Figures, Launch, Row, Target, column};
use crate::client::{Client, Event};
use crate::pattern::{BEGIN, Follower, WrongBytes};
use crate::servers::{Ability, server_cpu};
use anyhow::bail;
use std::time::{Duration, Instant};

const COLUMNS: &[Column] = &[
    column("rate", "MB/s", 0),
    column("cpu", "server CPU s", 2),
    column("cpu_gb", "CPU s for a GB", 2),
];

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            id: "pty",
            title: "50 MB through a terminal",
            how: "Lines of 80 bytes, on a terminal as programs find it (`\\n` becomes `\\r\\n`), from the first byte to the last. MB are those that arrive.",
            needs: &[Ability::Terminal],
            also: &[],
            columns: COLUMNS,
            launch: Launch::Shared,
            rounds: 5,
            measure: |target| through_terminal(target, "emit-pty", true),
        },
        Row {
            id: "pty-raw",
            title: "50 MB through a raw terminal",
            how: "The same with `stty -opost`, as full-screen programs set it: the kernel does less, so what the server does weighs more.",
            needs: &[Ability::Terminal],
            also: &[],
            columns: COLUMNS,
            launch: Launch::Shared,
            rounds: 5,
            measure: |target| through_terminal(target, "emit-pty-raw", false),
        },
        Row {
            id: "pipe",
            title: "500 MB through pipes",
            how: "The same lines without a terminal.",
            needs: &[Ability::Pipes],
            also: &[],
            columns: COLUMNS,
            launch: Launch::Shared,
            rounds: 3,
            measure: through_pipes,
        },
    ]
}

fn through_terminal(
    target: &Target<'_>,
    script: &str,
    carriage_returns: bool,
) -> anyhow::Result<Figures> {
    // Not in place of the shell: ttyd cuts off what it has not sent yet when that ends.
    let mut client = target.shell()?;
    client.send(target.scratch.typed(script).as_bytes())?;
    let follower = Follower::new(target.scratch.pty_lines, carriage_returns);
    measure(target, client, follower)
}

fn through_pipes(target: &Target<'_>) -> anyhow::Result<Figures> {
    let client = target.piped("emit-pipe")?;
    let follower = Follower::new(target.scratch.pipe_lines, false);
    measure(target, client, follower)
}

fn measure(
    target: &Target<'_>,
    mut client: Client,
    mut follower: Follower,
) -> anyhow::Result<Figures> {
    let running = target.running()?;
    let before = server_cpu(running)?;
    let mut begin = Instant::now();
    // As long as bytes come it goes on.
    loop {
        let bytes = match client.wait(Instant::now() + Duration::from_secs(10))? {
            Event::Output(bytes) => bytes,
            Event::Started | Event::KeyListen | Event::Picture(..) => continue,
            Event::Stopped(_) | Event::Closed => {
                let text = format!("the output ended after {} bytes", follower.checked());
                return Err(WrongBytes(text).into());
            }
            Event::Refused(reason) => bail!("refused: {reason}"),
        };
        let begun = follower.begun();
        if follower.take(&bytes)? {
            break;
        }
        if !begun && follower.begun() {
            begin = Instant::now();
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let bytes = (follower.checked() + BEGIN.len() as u64) as f64;
    let mut figures = vec![("rate", bytes / 1e6 / seconds)];
    if target.can(Ability::OwnProcess) {
        let cpu = server_cpu(running)? - before;
        figures.push(("cpu", cpu));
        figures.push(("cpu_gb", cpu / (bytes / 1e9)));
    }
    Ok(figures)
}

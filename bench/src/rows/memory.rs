//! Memory of the server's processes: idle, for each idle session, and for one whose client has
//! stopped reading.

use super::{Figures, Launch, Row, Target, column, deadline};
use crate::pattern::BEGIN;
use crate::process::Memory;
use crate::servers::{Ability, server_memory};
use std::thread;
use std::time::{Duration, Instant};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            id: "memory",
            title: "Memory, idle and for each idle session",
            how: "A server that has answered one request; then with 100 shells at their prompts, each on a connection of its own (50 in a quick run). The server's own processes, not the shells. PSS divides a page by the number of processes that share it, so it can be summed; the sum of RSS counts shared pages several times. Supervisors: a process for each program, which further-link has where there is no cgroup v2; they are counted apart.",
            needs: &[Ability::Terminal],
            also: &[Ability::OwnProcess],
            columns: const {
                &[
                    column("idle_pss", "idle, MiB PSS", 2),
                    column("each_pss", "each session, KiB PSS", 1),
                    column("idle_rss", "idle, MiB RSS", 2),
                    column("idle_serve", "of it serve, MiB PSS", 2),
                    column("idle_spawner", "of it spawner, MiB PSS", 2),
                    column("each_rss", "each session, KiB RSS", 1),
                    column("each_supervisor", "supervisor of each, KiB PSS", 1),
                ]
            },
            launch: Launch::Fresh,
            rounds: 3,
            measure: idle,
        },
        Row {
            id: "stopped-reader",
            title: "Memory for a reader that has stopped",
            how: "How much more memory the server has 5 s after the client of a flood has stopped reading (2 s in a quick run), at the most.",
            needs: &[Ability::Terminal],
            also: &[Ability::OwnProcess],
            columns: const { &[column("more", "KiB PSS more", 0)] },
            launch: Launch::Fresh,
            rounds: 3,
            measure: stopped_reader,
        },
    ]
}

/// The server's own memory, and that of its supervisors.
fn split(target: &Target<'_>) -> anyhow::Result<(Memory, Memory)> {
    let (mut own, mut supervisors) = (Memory::default(), Memory::default());
    for (part, memory) in server_memory(target.running()?)? {
        let sum = if part == "supervisors" {
            &mut supervisors
        } else {
            &mut own
        };
        sum.pss += memory.pss;
        sum.rss += memory.rss;
    }
    Ok((own, supervisors))
}

fn idle(target: &Target<'_>) -> anyhow::Result<Figures> {
    let (before, _) = split(target)?;
    let parts = server_memory(target.running()?)?;
    let count = target.amount(100, 50);
    let clients = target.shells(count)?;
    let (after, supervisors) = split(target)?;
    drop(clients);
    let each = |after: f64, before: f64| (after - before) / count as f64;
    let mut figures = vec![
        ("idle_pss", before.pss / 1024.0),
        ("idle_rss", before.rss / 1024.0),
        ("each_pss", each(after.pss, before.pss)),
        ("each_rss", each(after.rss, before.rss)),
    ];
    for (part, memory) in parts {
        match part {
            "serve" => figures.push(("idle_serve", memory.pss / 1024.0)),
            "spawner" => figures.push(("idle_spawner", memory.pss / 1024.0)),
            _ => {}
        }
    }
    if supervisors.pss > 0.0 {
        figures.push(("each_supervisor", supervisors.pss / count as f64));
    }
    Ok(figures)
}

fn stopped_reader(target: &Target<'_>) -> anyhow::Result<Figures> {
    let mut client = target.shell()?;
    let (before, _) = split(target)?;
    client.send(target.scratch.typed("flood").as_bytes())?;
    client.output_with(BEGIN, deadline())?;
    let end = Instant::now() + Duration::from_secs(target.amount(5, 2) as u64);
    let mut most = before.pss;
    while Instant::now() < end {
        // Between two looks.
        thread::sleep(Duration::from_millis(250));
        most = most.max(split(target)?.0.pss);
    }
    Ok(vec![("more", most - before.pss)])
}

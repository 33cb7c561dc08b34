//! A person at a shell.

use super::super::connect::Manner;
use super::super::session::{PROCESS_NAME, Session};
use super::super::world::Visit;
use super::leave;
use anyhow::ensure;
use serde_json::json;

/// What the shell shows when it waits (see the server's settings).
pub(in crate::soak) const PROMPT: &str = "soak> ";

/// Types, resizes, interrupts; in the end leaves the shell, stops it, or just goes.
pub(super) async fn person(visit: &mut Visit) -> anyhow::Result<()> {
    let mut manner = Manner::any(visit);
    manner.pty = true;
    let mut session = Session::open(visit, manner).await?;
    session.start(PROCESS_NAME, &json!({"runner": "shell"}))?;
    session.started().await?;
    session.resize(PROCESS_NAME, 24, 100)?;
    session.output_with(PROMPT).await?;
    let deeds = visit.random.between(3, 25);
    for _ in 0..deeds {
        visit.pause(50, 1500).await;
        if visit.world.ending.get() {
            break;
        }
        match visit.random.between(0, 9) {
            0..=4 => {
                let number = visit.random.between(1000, 999_999);
                write(visit, &mut session, &format!("echo $(({number}*7))x")).await?;
                session.output_with(&format!("{}x\r\n", number * 7)).await?;
                session.output_with(PROMPT).await?;
            }
            5 | 6 => {
                let (rows, columns) = (visit.random.between(5, 60), visit.random.between(80, 250));
                visit.note(format!("size {rows} {columns}"));
                session.resize(PROCESS_NAME, rows, columns)?;
                write(visit, &mut session, "stty size").await?;
                session
                    .output_with(&format!("{rows} {columns}\r\n"))
                    .await?;
                session.output_with(PROMPT).await?;
            }
            7 => {
                // It says when it runs: what is typed while the shell still has the terminal is
                // its.
                write(visit, &mut session, "echo up; cat").await?;
                session.output_with("up\r\n").await?;
                session.input(PROCESS_NAME, b"xyz\r")?;
                session.output_with("xyz\r\nxyz\r\n").await?;
                session.input(PROCESS_NAME, b"\x03")?;
                session.output_with(PROMPT).await?;
            }
            8 => {
                write(visit, &mut session, "yes").await?;
                session.output_with("y\r\ny\r\ny\r\n").await?;
                session.input(PROCESS_NAME, b"\x03")?;
                session.output_with(PROMPT).await?;
            }
            _ => session.ping().await?,
        }
    }
    match visit.random.between(0, 3) {
        0 => {
            visit.note("exit");
            write(visit, &mut session, "exit 7").await?;
            let end = session.finished().await?;
            ensure!(end.status == 7, "exit 7 gave {}", end.status);
        }
        1 => {
            visit.note("stop");
            session.stop(PROCESS_NAME)?;
            let end = session.finished().await?;
            // Ended by SIGHUP, which is what an interactive shell does not ignore.
            ensure!(end.status == -1, "the shell's end was {}", end.status);
        }
        _ => {}
    }
    leave(visit, session).await
}

/// Types a line, key by key or all at once.
async fn write(visit: &mut Visit, session: &mut Session, line: &str) -> anyhow::Result<()> {
    visit.note(line);
    if visit.random.once_in(2) {
        for key in line.as_bytes() {
            session.input(PROCESS_NAME, &[*key])?;
            visit.pause(5, 60).await;
        }
        session.input(PROCESS_NAME, b"\r")
    } else {
        session.input(PROCESS_NAME, format!("{line}\r").as_bytes())
    }
}

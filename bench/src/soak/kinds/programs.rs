//! Programs that come and go: their text, their status, and what they leave behind.

use super::super::census::Being;
use super::super::connect::{Manner, Speech};
use super::super::session::{PROCESS_NAME, Session, Told};
use super::super::world::{SESSION_TIMEOUT, STOP_GRACE, Visit};
use super::{leave, refusal, same, shown};
use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A status that a program asks for.
fn any_status(visit: &mut Visit) -> u64 {
    visit.random.between(0, 255)
}

/// Nothing happens, perhaps beside a program that says nothing.
pub(super) async fn quiet(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    if visit.random.once_in(2) {
        session.start_script(PROCESS_NAME, "exec sleep 1000")?;
        session.started().await?;
    }
    for _ in 0..visit.random.between(1, 6) {
        if visit.world.ending.get() {
            break;
        }
        let time = Duration::from_millis(visit.random.between(200, 4000));
        session.quiet(Instant::now() + time).await?;
        session.ping().await?;
    }
    leave(visit, session).await
}

/// Short programs, one after the other.
pub(super) async fn short(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    for turn in 0..visit.random.between(1, 12) {
        let status = any_status(visit);
        let number = visit.random.next();
        let folder = visit.random.once_in(3);
        let mut data = json!({
            "runner": "exec",
            "code": format!(
                "#!/bin/sh\nprintf 'Grüße {number} €\\n'\nprintf 'wrong {turn}\\n' >&2\nexit {status}\n"
            ),
        });
        if folder {
            data["path"] = Value::from("project");
        }
        session.start(PROCESS_NAME, &data)?;
        session.started().await?;
        let end = session.finished().await?;
        let (out, err) = (format!("Grüße {number} €\n"), format!("wrong {turn}\n"));
        if manner.pty {
            same("output", &end.out, &shown(&(out + &err), true))?;
        } else {
            same("output", &end.out, out.as_bytes())?;
            same("errors", &end.err, err.as_bytes())?;
        }
        ensure!(
            end.status == status as i64,
            "exit {status} gave {}",
            end.status
        );
        visit.pause(0, 300).await;
        if visit.world.ending.get() {
            break;
        }
    }
    leave(visit, session).await
}

/// Several programs on one connection at once.
pub(super) async fn many(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    let mut expected = BTreeMap::new();
    let count = visit.random.between(2, 12);
    for number in 0..count {
        let name = format!("program {number}");
        let status = any_status(visit);
        let waits = visit.random.once_in(4);
        let script = if waits {
            format!("echo I am {number}; exec sleep 1000")
        } else {
            format!("echo I am {number}; sleep 0.{}; exit {status}", number % 3)
        };
        session.start_script(&name, &script)?;
        let status = if waits { -15 } else { status as i64 };
        expected.insert(name, (number, waits, status, Vec::new()));
    }
    while !expected.is_empty() {
        let (name, told) = session.next(Instant::now() + SESSION_TIMEOUT).await?;
        let program = expected.get_mut(&name);
        let (number, waits, status, seen) = program.with_context(|| format!("{name}: {told:?}"))?;
        match told {
            Told::Started => {}
            Told::Output(false, bytes) => {
                seen.extend_from_slice(&bytes);
                if *waits && seen.ends_with(b"\n") {
                    session.stop(&name)?;
                }
            }
            Told::Stopped(found) => {
                ensure!(found == *status, "{name} gave {found}, not {status}");
                same(&name, seen, &shown(&format!("I am {number}\n"), manner.pty))?;
                expected.remove(&name);
            }
            told => bail!("{name}: {told:?}"),
        }
    }
    leave(visit, session).await
}

/// 2,000 lines.
pub(super) async fn lines(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    let first = visit.random.between(1, 1_000_000);
    session.start_script(
        PROCESS_NAME,
        &format!("exec seq -f '%.0f €' {first} {}", first + 1999),
    )?;
    session.started().await?;
    let end = session.finished().await?;
    let text: String = (first..first + 2000)
        .map(|line| format!("{line} €\n"))
        .collect();
    same("2,000 lines", &end.out, &shown(&text, manner.pty))?;
    ensure!(end.status == 0, "seq gave {}", end.status);
    leave(visit, session).await
}

/// A start, and the stop right behind it.
pub(super) async fn stop_at_once(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    for _ in 0..visit.random.between(1, 8) {
        session.start_script(PROCESS_NAME, "exec sleep 1000")?;
        session.stop(PROCESS_NAME)?;
        let asked = Instant::now();
        session.started().await?;
        let started = asked.elapsed();
        let end = session.finished().await?;
        ensure!(
            end.status == -15,
            "a stop at once gave {} after {:?}, started after {started:?}",
            end.status,
            asked.elapsed()
        );
        visit.pause(0, 100).await;
    }
    leave(visit, session).await
}

/// A start, and the client is gone.
pub(super) async fn leave_at_once(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    for name in ["a", "b", "c"] {
        session.start_script(name, "sleep 1000 & exec sleep 1000")?;
    }
    if visit.random.once_in(2) {
        session.next(Instant::now() + SESSION_TIMEOUT).await?;
    }
    leave(visit, session).await
}

/// A program that cleans up when it is stopped, with its words and its status.
pub(super) async fn polite(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    let status = any_status(visit);
    // In a loop, for what it waits for is ended too, and perhaps earlier.
    session.start_script(
        PROCESS_NAME,
        &format!(
            "trap 'echo bye; exit {status}' TERM\necho up\nwhile :; do sleep 1000 & wait; done"
        ),
    )?;
    session.started().await?;
    session.output_with("up").await?;
    visit.pause(0, 2000).await;
    session.stop(PROCESS_NAME)?;
    let end = session.finished().await?;
    let said = String::from_utf8_lossy(&end.out).replace('\r', "");
    ensure!(said.trim() == "bye", "it said {said:?}");
    ensure!(
        end.status == status as i64,
        "exit {status} gave {}",
        end.status
    );
    leave(visit, session).await
}

/// A program that ignores what it is asked for.
pub(super) async fn deaf(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    session.start_script(
        PROCESS_NAME,
        "trap '' TERM HUP INT\necho up\nexec sleep 1000",
    )?;
    session.started().await?;
    session.output_with("up").await?;
    visit.pause(0, 1000).await;
    if visit.random.once_in(3) {
        return leave(visit, session).await;
    }
    let asked = Instant::now();
    session.stop(PROCESS_NAME)?;
    let end = session.finished().await?;
    ensure!(end.status == -9, "a deaf program gave {}", end.status);
    let taken = asked.elapsed();
    ensure!(
        taken > STOP_GRACE.mul_f32(0.9),
        "it had only {taken:?} to end"
    );
    leave(visit, session).await
}

/// A program that leaves others behind: in its session, in one of their own, orphans, deaf ones.
pub(super) async fn daemons(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    let status = any_status(visit);
    let deaf = if visit.random.once_in(3) {
        "trap '' TERM HUP"
    } else {
        ":"
    };
    session.start_script(
        PROCESS_NAME,
        &format!(
            "{deaf}\nsetsid sleep 1000 & echo $!\nsleep 1000 & echo $!\n\
             sh -c 'sleep 1000 & echo $!'\n(setsid sh -c 'sleep 1000 & echo $!')\nexit {status}"
        ),
    )?;
    session.started().await?;
    let end = session.finished().await?;
    ensure!(
        end.status == status as i64,
        "exit {status} gave {}",
        end.status
    );
    let said = String::from_utf8_lossy(&end.out).replace('\r', "");
    let pids: Vec<i32> = said.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(pids.len() == 4, "it said {said:?}");
    for pid in pids {
        ensure!(
            !Being::of(pid).is_some_and(|being| being.is_marked()),
            "process {pid} lives on after the end of its program was told"
        );
    }
    leave(visit, session).await
}

/// Python, as learners use it.
pub(super) async fn python(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    let code = "name = input('Who? ')\nprint('Hello,', name)\nraise SystemExit(len(name))";
    session.start(PROCESS_NAME, &json!({"runner": "python3", "code": code}))?;
    session.started().await?;
    session.output_with("Who? ").await?;
    session.input(PROCESS_NAME, b"Ann\n")?;
    let end = session.finished().await?;
    let echo = if manner.pty { "Ann\n" } else { "" };
    same(
        "output",
        &end.out,
        &shown(&format!("{echo}Hello, Ann\n"), manner.pty),
    )?;
    ensure!(end.status == 3, "exit 3 gave {}", end.status);
    leave(visit, session).await
}

/// The route with one Python program.
pub(super) async fn run_py(visit: &mut Visit) -> anyhow::Result<()> {
    let mut manner = Manner::of(Speech::Py);
    manner.pty = visit.random.once_in(2);
    manner.deflate = visit.random.once_in(4);
    script(visit, manner).await
}

/// The first generation.
pub(super) async fn exec(visit: &mut Visit) -> anyhow::Result<()> {
    script(visit, Manner::of(Speech::Exec)).await
}

async fn script(visit: &mut Visit, manner: Manner) -> anyhow::Result<()> {
    let mut session = Session::open(visit, manner).await?;
    session.say(&json!({"type": "ping"}))?;
    match session.hear().await? {
        Told::Pong if manner.speech == Speech::Py => {}
        Told::Error(message, _) if message == "Bad message" && manner.speech == Speech::Exec => {}
        told => bail!("to a ping came {told:?}"),
    }
    for _ in 0..visit.random.between(1, 3) {
        let status = any_status(visit);
        let source = format!("print('hi', {status})\nraise SystemExit({status})");
        session.start(PROCESS_NAME, &json!({"sourceScript": source}))?;
        session.started().await?;
        let end = session.finished().await?;
        same(
            "output",
            &end.out,
            &shown(&format!("hi {status}\n"), manner.pty),
        )?;
        ensure!(
            end.status == status as i64,
            "exit {status} gave {}",
            end.status
        );
    }
    session.stop(PROCESS_NAME)?;
    refusal(&mut session, "").await?;
    session.start(
        PROCESS_NAME,
        &json!({"sourceScript": "import time\nprint('up')\ntime.sleep(1000)"}),
    )?;
    session.started().await?;
    session.output_with("up").await?;
    if visit.random.once_in(2) {
        session.stop(PROCESS_NAME)?;
        let end = session.finished().await?;
        ensure!(end.status == -15, "a stop gave {}", end.status);
    }
    leave(visit, session).await
}

/// A line in, an answer out.
pub(super) async fn ws(visit: &mut Visit) -> anyhow::Result<()> {
    let python = visit.random.once_in(3);
    let mode = if python { "?mode=python" } else { "" };
    let mut manner = Manner::of(Speech::Lines(mode));
    manner.deflate = visit.random.once_in(4);
    let mut session = Session::open(visit, manner).await?;
    for _ in 0..visit.random.between(1, 8) {
        let number = visit.random.between(1, 1_000_000);
        let (line, answer) = match (python, visit.random.between(0, 2)) {
            (true, 0) => (format!("x = {number}"), String::new()),
            (true, _) => (format!("print({number} * 7)"), format!("{}\n", number * 7)),
            (false, 0) => (
                "sh -c 'sleep 1000 & exit 3'".to_owned(),
                "error: sh ended with status 3 and no output".to_owned(),
            ),
            (false, _) => (format!("echo {number} €"), format!("{number} €\n")),
        };
        session.say_text(&line)?;
        match session.hear().await? {
            Told::Answer(found) => same(&line, &found, answer.as_bytes())?,
            told => bail!("to {line} came {told:?}"),
        }
        visit.pause(0, 500).await;
    }
    if visit.random.once_in(2) {
        // Nothing is left of what still runs when the client goes.
        session.say_text(if python {
            "while True: pass"
        } else {
            "sleep 1000"
        })?;
        visit.pause(0, 300).await;
    }
    leave(visit, session).await
}

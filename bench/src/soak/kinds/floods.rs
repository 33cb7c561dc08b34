//! Much output and much input: read at once, slowly, or not at all; every byte is checked.

use super::super::connect::{Manner, Speech};
use super::super::session::{PROCESS_NAME, Session, Told};
use super::super::world::{SESSION_TIMEOUT, Visit};
use super::{being, gone, leave, refusal};
use crate::pattern::{Block, Checker, Follower, LINE};
use anyhow::{bail, ensure};
use std::time::{Duration, Instant};

/// A slow reader takes so many bytes of its socket in so long.
const SLOW_READ_BYTES_AND_PAUSE: (usize, Duration) = (4000, Duration::from_millis(20));
/// Input on its way at the most.
const INPUT_AHEAD_MAX_BYTES: u64 = 256 * 1024;
/// Lines of a program that writes until it is stopped.
const ENDLESS_FLOOD_LINES: u64 = u32::MAX as u64;

fn emit(visit: &Visit, lines: u64) -> String {
    format!("exec '{}' emit {lines}", visit.world.bench.display())
}

/// All of a program's output, read at once or slowly.
pub(super) async fn whole(visit: &mut Visit, slowly: bool) -> anyhow::Result<()> {
    let mut manner = Manner::any(visit);
    manner.pace = slowly.then_some(SLOW_READ_BYTES_AND_PAUSE);
    let lines = if slowly {
        visit.random.between(3_000, 15_000)
    } else {
        visit.random.between(1, 60_000)
    };
    visit.note(format!("{lines} lines"));
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, &emit(visit, lines))?;
    session.started().await?;
    let mut follower = Follower::new(lines, manner.pty);
    let mut ended = false;
    loop {
        match session.hear().await? {
            Told::Output(false, bytes) => ended = follower.take(&bytes)?,
            Told::Stopped(status) => {
                ensure!(
                    ended,
                    "the end came after {} bytes of lines",
                    follower.checked()
                );
                ensure!(status == 0, "the flood's end was {status}");
                return leave(visit, session).await;
            }
            told => bail!("in a flood came {told:?}"),
        }
        // It need not be read to its end when everything ends.
        if slowly && visit.world.ending.get() {
            return leave(visit, session).await;
        }
    }
}

/// A flood that is stopped: what comes until its end is told has no gap.
pub(super) async fn stopped(visit: &mut Visit) -> anyhow::Result<()> {
    let mut manner = Manner::any(visit);
    manner.pace = visit.random.once_in(3).then_some(SLOW_READ_BYTES_AND_PAUSE);
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, &emit(visit, ENDLESS_FLOOD_LINES))?;
    session.started().await?;
    let mut follower = Follower::new(ENDLESS_FLOOD_LINES, manner.pty);
    let enough = if manner.pace.is_some() {
        visit.random.between(1, 500_000)
    } else {
        visit.random.between(1, 4_000_000)
    };
    while follower.checked() < enough {
        let bytes = session.output().await?;
        follower.take(&bytes)?;
    }
    session.stop(PROCESS_NAME)?;
    loop {
        match session.hear().await? {
            Told::Output(false, bytes) => {
                follower.take(&bytes)?;
            }
            Told::Stopped(status) => {
                ensure!(status == -15, "a stopped flood gave {status}");
                return leave(visit, session).await;
            }
            told => bail!("in a stopped flood came {told:?}"),
        }
    }
}

/// A client that reads some of a flood, and then never again.
pub(super) async fn dead_reader(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    session.start_script(
        PROCESS_NAME,
        &format!("echo pid $$\n{}", emit(visit, ENDLESS_FLOOD_LINES)),
    )?;
    let being = being(&mut session).await?;
    let mut follower = Follower::new(ENDLESS_FLOOD_LINES, manner.pty);
    let enough = visit.random.between(1, 300_000);
    while follower.checked() < enough {
        let bytes = session.output().await?;
        follower.take(&bytes)?;
    }
    match visit.random.between(0, 3) {
        0 => {
            visit.note("reset");
            visit.pause(200, 6000).await;
            session.reset_at_end()?;
        }
        1 => {
            visit.note("closed");
            visit.pause(200, 6000).await;
        }
        2 => {
            visit.note("half-closed");
            visit.pause(200, 3000).await;
            session.half_close()?;
            gone(&being).await?;
        }
        _ => {
            visit.note("given up by the server");
            gone(&being).await?;
        }
    }
    drop(session);
    gone(&being).await
}

/// What comes in goes out again, unchanged.
pub(super) async fn echo(visit: &mut Visit) -> anyhow::Result<()> {
    let mut manner = Manner::any(visit);
    manner.pty = false;
    let stream = manner.speech == Speech::Stream;
    let blocks = visit.random.between(1, 12);
    visit.note(format!("{blocks} blocks"));
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, "exec cat")?;
    session.started().await?;
    let mut block = Block::first(false);
    let mut checker = Checker::new(false);
    let mut sent: u64 = 0;
    for _ in 0..blocks {
        let lines = visit.random.between(1, 200) as usize;
        for piece in block.bytes().chunks(lines * LINE) {
            while sent - checker.checked() + piece.len() as u64 > INPUT_AHEAD_MAX_BYTES {
                checker.take(&session.output().await?)?;
            }
            session.input(PROCESS_NAME, piece)?;
            sent += piece.len() as u64;
        }
        block.advance();
    }
    if stream && visit.random.once_in(2) {
        session.end_input(PROCESS_NAME)?;
    }
    while checker.checked() < sent {
        checker.take(&session.output().await?)?;
    }
    session.stop(PROCESS_NAME)?;
    loop {
        match session.hear().await {
            Ok(Told::Taken) => {}
            // The program may have ended by itself before it was stopped.
            Ok(Told::Stopped(0)) if stream => break,
            Ok(Told::Stopped(-15)) => break,
            Ok(Told::Error(message, _)) if stream && message == "Bad message" => break,
            told => bail!("at the end of an echo came {told:?}"),
        }
    }
    leave(visit, session).await
}

/// More input than a program takes that does not read.
pub(super) async fn input(visit: &mut Visit) -> anyhow::Result<()> {
    let mut manner = Manner::any(visit);
    manner.pty = false;
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, "exec sleep 1000")?;
    session.started().await?;
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..24 {
        session.input(PROCESS_NAME, &piece)?;
    }
    // Its answer comes behind those to the input.
    session.say(&serde_json::json!({"type": "ping"}))?;
    let mut refused = 0;
    loop {
        match session.hear().await? {
            Told::Error(message, detail)
                if message == "Bad message"
                    && (detail.starts_with("This input was not taken")
                        || detail.starts_with("The input is at offset")) =>
            {
                refused += 1;
            }
            Told::Taken => {}
            Told::Pong => break,
            told => bail!("to a flood of input came {told:?}"),
        }
    }
    // 1 MiB is taken, and what fits into the pipe.
    ensure!(
        (4..=8).contains(&refused),
        "{refused} of 24 pieces were refused"
    );
    if visit.random.once_in(2) {
        visit.pause(0, 3000).await;
        session.stop(PROCESS_NAME)?;
        let end = session.finished().await?;
        ensure!(end.status == -15, "a stop gave {}", end.status);
    }
    leave(visit, session).await
}

/// Frames that are not true are refused, and change nothing.
pub(super) async fn forger(visit: &mut Visit) -> anyhow::Result<()> {
    let mut manner = Manner::of(Speech::Stream);
    manner.deflate = visit.random.once_in(4);
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, "exec cat")?;
    session.started().await?;
    for _ in 0..visit.random.between(1, 20) {
        let beyond = visit.random.next() >> visit.random.between(1, 62);
        if visit.random.once_in(2) {
            session.forge(PROCESS_NAME, true, beyond + 1)?;
            refusal(
                &mut session,
                "There are no bytes of output up to this offset.",
            )
            .await?;
        } else {
            session.forge(PROCESS_NAME, false, beyond + 1)?;
            refusal(&mut session, "The input is at offset").await?;
        }
        session.input(PROCESS_NAME, b"true\n")?;
        let mut seen = Vec::new();
        while seen.len() < 5 {
            seen.extend_from_slice(&session.output().await?);
        }
        ensure!(seen == b"true\n", "after a forged frame came {seen:?}");
    }
    session.end_input(PROCESS_NAME)?;
    let deadline = Instant::now() + SESSION_TIMEOUT;
    let end = session.finished().await?;
    ensure!(
        Instant::now() < deadline && end.status == 0,
        "cat gave {}",
        end.status
    );
    leave(visit, session).await
}

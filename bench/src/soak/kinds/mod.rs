//! The kinds of sessions, and how often each comes.

mod channels;
mod floods;
mod http;
mod person;
mod programs;
mod rude;

pub(super) use person::PROMPT;

use super::census::Being;
use super::session::{Session, Told};
use super::tasks;
use super::world::{SESSION_TIMEOUT, Visit};
use anyhow::{Context as _, bail, ensure};
use std::time::{Duration, Instant};

/// The kinds with their weights. How many there are at a time also depends on how long each lasts:
/// most of 200 sessions are people at shells, quiet ones, and readers that are slow or dead.
pub(super) const KINDS: [(&str, u64); 30] = [
    ("person", 14),
    ("quiet", 5),
    ("short", 16),
    ("many", 4),
    ("lines", 5),
    ("stop-at-once", 5),
    ("leave-at-once", 5),
    ("polite", 4),
    ("deaf", 3),
    ("daemons", 5),
    ("python", 2),
    ("run-py", 2),
    ("exec", 2),
    ("ws", 4),
    ("flood", 5),
    ("flood-slow", 5),
    ("flood-stop", 4),
    ("dead-reader", 7),
    ("echo", 5),
    ("input-flood", 3),
    ("forger", 3),
    ("video", 3),
    ("video-slow", 3),
    ("video-left", 3),
    ("keys", 3),
    ("widgets", 3),
    ("half-closed", 4),
    ("cut", 5),
    ("garbage", 5),
    ("http", 8),
];

/// One session of a kind.
pub(super) async fn visit(kind: &str, visit: &mut Visit) -> anyhow::Result<()> {
    match kind {
        "person" => person::person(visit).await,
        "quiet" => programs::quiet(visit).await,
        "short" => programs::short(visit).await,
        "many" => programs::many(visit).await,
        "lines" => programs::lines(visit).await,
        "stop-at-once" => programs::stop_at_once(visit).await,
        "leave-at-once" => programs::leave_at_once(visit).await,
        "polite" => programs::polite(visit).await,
        "deaf" => programs::deaf(visit).await,
        "daemons" => programs::daemons(visit).await,
        "python" => programs::python(visit).await,
        "run-py" => programs::run_py(visit).await,
        "exec" => programs::exec(visit).await,
        "ws" => programs::ws(visit).await,
        "flood" => floods::whole(visit, false).await,
        "flood-slow" => floods::whole(visit, true).await,
        "flood-stop" => floods::stopped(visit).await,
        "dead-reader" => floods::dead_reader(visit).await,
        "echo" => floods::echo(visit).await,
        "input-flood" => floods::input(visit).await,
        "forger" => floods::forger(visit).await,
        "video" => channels::video(visit).await,
        "video-slow" => channels::video_slow(visit).await,
        "video-left" => channels::video_left(visit).await,
        "keys" => channels::keys(visit).await,
        "widgets" => channels::widgets(visit).await,
        "half-closed" => rude::half_closed(visit).await,
        "cut" => rude::cut(visit).await,
        "garbage" => rude::garbage(visit).await,
        "http" => http::http(visit).await,
        _ => bail!("there is no kind {kind}"),
    }
}

/// Ends a session in one of the ways in which a client may.
async fn leave(visit: &mut Visit, mut session: Session) -> anyhow::Result<()> {
    match visit.random.between(0, 3) {
        0 => session.reset_at_end(),
        1 => {
            session.say_close()?;
            session.end().await.context("after the client's close")?;
            let code = session.close_code();
            ensure!(code == Some(1005), "a close was answered with {code:?}");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What a program's text looks like to this client.
fn shown(text: &str, pty: bool) -> Vec<u8> {
    if pty {
        text.replace('\n', "\r\n").into_bytes()
    } else {
        text.as_bytes().to_owned()
    }
}

/// Whether two texts are the same, and if not, where.
fn same(what: &str, found: &[u8], expected: &[u8]) -> anyhow::Result<()> {
    if found == expected {
        return Ok(());
    }
    let at = found
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count();
    let piece =
        |bytes: &[u8]| String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 60)]).into_owned();
    bail!(
        "{what}: at byte {at} of {} came {:?}, not {:?} of {}",
        found.len(),
        piece(found),
        piece(expected),
        expected.len()
    )
}

/// Reads the program's process, which it says first, with `pid N`.
async fn being(session: &mut Session) -> anyhow::Result<Being> {
    session.started().await?;
    pid(&session.output_with("\n").await?)
}

/// The process that a program has said.
fn pid(said: &[u8]) -> anyhow::Result<Being> {
    let line = String::from_utf8_lossy(said);
    let pid = line
        .trim()
        .strip_prefix("pid ")
        .context("no pid")?
        .parse()?;
    Being::of(pid).with_context(|| format!("process {pid} is not there"))
}

/// Waits until a process is gone.
async fn gone(being: &Being) -> anyhow::Result<()> {
    let end = Instant::now() + SESSION_TIMEOUT;
    while being.lives() {
        ensure!(Instant::now() < end, "process {} does not end", being.pid);
        // Between two looks: it is nobody's child here.
        tasks::until(Instant::now() + Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The next thing is an error with this at the begin of its detail.
async fn refusal(session: &mut Session, detail: &str) -> anyhow::Result<()> {
    match session.hear().await? {
        Told::Error(message, found) if message == "Bad message" && found.starts_with(detail) => {
            Ok(())
        }
        told => bail!("not refused with {detail:?}, but {told:?}"),
    }
}

//! Programs that use channels: video, keys and widgets, in both dialects of programs; what comes is
//! checked to the byte, and what may not be lost is not.

use super::super::connect::Manner;
use super::super::session::{PROCESS_NAME, Session, Told};
use super::super::world::Visit;
use super::{gone, leave};
use crate::camera::{LAST_KEY, widget};
use anyhow::{bail, ensure};
use std::time::Duration;

/// Pictures that the server holds at the least, before it drops one.
const VIDEO_FRAMES_AHEAD_MAX: u64 = 4;
/// A slow reader takes so many bytes of its socket in so long.
const SLOW_READ_BYTES_AND_PAUSE: (usize, Duration) = (8000, Duration::from_millis(20));

/// A program's line of the camera, in one of the dialects.
fn camera(visit: &mut Visit, arguments: &str) -> String {
    let older = if visit.random.once_in(2) {
        " --older"
    } else {
        ""
    };
    visit.note(format!("camera {arguments}{older}"));
    format!(
        "exec '{}' camera {arguments}{older}",
        visit.world.bench.display()
    )
}

/// Pictures that are waited for: none is lost. Keys go there and back meanwhile.
pub(super) async fn video(visit: &mut Visit) -> anyhow::Result<()> {
    let mut manner = Manner::any(visit);
    // Its input is not a terminal's.
    manner.pty = false;
    let count = visit.random.between(1, 60);
    let line = camera(
        visit,
        &format!("--pictures {count} --ahead {VIDEO_FRAMES_AHEAD_MAX} --keys"),
    );
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, &line)?;
    session.started().await?;
    let (mut shown, mut pressed, mut listens) = (0, 0, false);
    let mut said = Vec::new();
    loop {
        match session.hear().await? {
            Told::KeyListen(key) => {
                ensure!(key == "ArrowUp", "another key: {key}");
                listens = true;
                // There may be no picture any more that would do so.
                if shown == count {
                    session.key(PROCESS_NAME, LAST_KEY)?;
                }
            }
            Told::Picture(number) => {
                ensure!(
                    u64::from(number) == shown,
                    "picture {number} instead of {shown}"
                );
                shown += 1;
                session.input(PROCESS_NAME, b".")?;
                if listens {
                    session.key(PROCESS_NAME, &format!("k{pressed}"))?;
                    pressed += 1;
                }
                if listens && shown == count {
                    session.key(PROCESS_NAME, LAST_KEY)?;
                }
            }
            Told::Output(false, bytes) => said.extend_from_slice(&bytes),
            Told::Taken => {}
            Told::Stopped(status) => {
                ensure!(status == 0, "the camera's end was {status}");
                break;
            }
            told => bail!("beside video came {told:?}"),
        }
    }
    ensure!(shown == count, "{shown} of {count} pictures");
    let mut keys: String = (0..pressed).map(|key| format!("k{key}\n")).collect();
    keys.push_str(&format!("{LAST_KEY}\n"));
    super::same("keys", &said, keys.as_bytes())?;
    leave(visit, session).await
}

/// Pictures that come quicker than they are read: some are lost, the last one never, and nobody
/// waits.
pub(super) async fn video_slow(visit: &mut Visit) -> anyhow::Result<()> {
    let mut manner = Manner::any(visit);
    manner.pace = Some(SLOW_READ_BYTES_AND_PAUSE);
    let count = visit.random.between(20, 200);
    let line = camera(visit, &format!("--pictures {count}"));
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, &line)?;
    session.started().await?;
    let mut last = None;
    loop {
        match session.hear().await? {
            Told::Picture(number) => last = Some(u64::from(number)),
            Told::Stopped(status) => {
                ensure!(status == 0, "the camera's end was {status}");
                break;
            }
            told => bail!("beside video came {told:?}"),
        }
    }
    ensure!(
        last == Some(count - 1),
        "the last of {count} pictures was {last:?}"
    );
    leave(visit, session).await
}

/// Pictures without end, for a client that stops the program, or reads no more, or goes.
pub(super) async fn video_left(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let rate = visit.random.between(0, 60);
    let line = camera(visit, &format!("--pictures 4000000 --rate {rate} --keys"));
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, &format!("echo pid $$\n{line}"))?;
    session.started().await?;
    let (mut seen, mut said) = (0, Vec::new());
    let enough = visit.random.between(1, 30);
    while seen < enough || !said.ends_with(b"\n") {
        match session.hear().await? {
            Told::Picture(_) => seen += 1,
            Told::Output(false, bytes) => said.extend_from_slice(&bytes),
            Told::KeyListen(_) => {}
            told => bail!("beside video came {told:?}"),
        }
    }
    let being = super::pid(&said)?;
    if visit.random.once_in(2) {
        session.stop(PROCESS_NAME)?;
        loop {
            match session.hear().await? {
                Told::Picture(_) | Told::KeyListen(_) => {}
                Told::Stopped(status) => {
                    ensure!(status == -15, "a stopped camera gave {status}");
                    break;
                }
                told => bail!("beside video came {told:?}"),
            }
        }
        ensure!(!being.lives(), "a stopped camera lives");
        return leave(visit, session).await;
    }
    // It reads nothing more, presses keys that nobody will see the end of, and goes.
    for key in 0..visit.random.between(0, 500) {
        session.key(PROCESS_NAME, &format!("k{key}"))?;
    }
    visit.pause(0, 3000).await;
    if visit.random.once_in(2) {
        session.reset_at_end()?;
    }
    drop(session);
    gone(&being).await
}

/// Many keys at once: all are told, in their order.
pub(super) async fn keys(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let line = camera(visit, "--keys");
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, &line)?;
    session.started().await?;
    match session.hear().await? {
        Told::KeyListen(key) if key == "ArrowUp" => {}
        told => bail!("no key was asked for, but {told:?}"),
    }
    // What waits has a bound, of 64 KiB, if the program does not come to read.
    let count = visit.random.between(1, 1000);
    let mut keys = String::new();
    for key in 0..count {
        session.key(PROCESS_NAME, &format!("k{key}"))?;
        keys.push_str(&format!("k{key}\n"));
    }
    session.key(PROCESS_NAME, LAST_KEY)?;
    keys.push_str(&format!("{LAST_KEY}\n"));
    let end = session.finished().await?;
    ensure!(end.status == 0, "the keys' end was {}", end.status);
    super::same("keys", &end.out, &super::shown(&keys, manner.pty))?;
    leave(visit, session).await
}

/// Widgets, read at once or slowly: all come, in their order; or none, for those who do not know
/// them.
pub(super) async fn widgets(visit: &mut Visit) -> anyhow::Result<()> {
    let mut manner = Manner::any(visit);
    manner.widgets = !visit.random.once_in(4);
    manner.pace = visit.random.once_in(3).then_some(SLOW_READ_BYTES_AND_PAUSE);
    let count = visit
        .random
        .between(1, if manner.pace.is_some() { 500 } else { 3000 });
    visit.note(format!("{count} widgets"));
    let line = format!(
        "exec '{}' camera --widgets {count}",
        visit.world.bench.display()
    );
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, &line)?;
    session.started().await?;
    let mut seen = 0;
    loop {
        match session.hear().await? {
            Told::Widget(json) => {
                super::same("a widget", json.as_bytes(), widget(seen).as_bytes())?;
                seen += 1;
            }
            Told::Stopped(status) => {
                ensure!(status == 0, "the widgets' end was {status}");
                break;
            }
            told => bail!("beside widgets came {told:?}"),
        }
    }
    let wanted = if manner.widgets { count } else { 0 };
    ensure!(seen == wanted, "{seen} of {wanted} widgets");
    leave(visit, session).await
}

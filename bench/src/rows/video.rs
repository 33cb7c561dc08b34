//! Pictures of a program, and keys that it says, side by side; with and without a flood of another
//! program.

use super::{Figures, Launch, Row, Target, column};
use crate::camera::{LAST_KEY, check};
use crate::client::poller::Poller;
use crate::client::{Event, READ_BUFFER_BYTES};
use crate::pattern::WrongBytes;
use crate::scratch::PICTURES;
use crate::servers::Ability;
use crate::stats::percentile;
use anyhow::{Context as _, bail, ensure};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two keys. No multiple of that between two pictures.
const KEY_INTERVAL: Duration = Duration::from_millis(47);

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let row = |id, title, how, measure| Row {
        id,
        title,
        how,
        needs: &[Ability::Channels],
        also: &[],
        columns: const {
            &[
                column("rate", "pictures a second", 2),
                column("p50", "key p50 ms", 3),
                column("p99", "key p99 ms", 2),
                column("lost", "pictures lost", 0),
            ]
        },
        launch: Launch::Shared,
        rounds: 3,
        measure,
    };
    vec![
        row(
            "video",
            "Video and keys",
            "A program shows 30 pictures of 30 to 60 KB a second for 10 s, and says each key that it is told of, one each 47 ms. How many pictures arrive, every byte checked, and how long a key takes to the program and back.",
            quiet,
        ),
        row(
            "video-flood",
            "Video and keys beside a flood",
            "The same, while another session on the same server floods, and its client reads and checks as fast as it can.",
            beside_flood,
        ),
    ]
}

fn beside_flood(target: &Target<'_>) -> anyhow::Result<Figures> {
    let (flows, enough) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let result = super::echo::flood(target, &flows, &enough);
            // Whatever has become of it, nobody has to wait for it any more.
            flows.store(true, Ordering::Relaxed);
            result
        });
        while !flows.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let figures = quiet(target);
        enough.store(true, Ordering::Relaxed);
        flood
            .join()
            .map_err(|_| anyhow::anyhow!("the flood's reader failed"))?
            .context("the flood")?;
        figures
    })
}

fn quiet(target: &Target<'_>) -> anyhow::Result<Figures> {
    let mut client = target.piped("camera")?;
    let mut poller = Poller::new()?;
    poller.add(&client, 0)?;
    let mut keys = Vec::new();
    let mut ways = Vec::new();
    let (mut text, mut arrived, mut last) = (Vec::new(), 0_u32, None);
    let mut due = None;
    let end = Instant::now() + super::REPLY_TIMEOUT * 2;
    loop {
        let now = Instant::now();
        if now > end {
            bail!(
                "{arrived} pictures came, and {} of {} keys",
                ways.len(),
                keys.len()
            );
        }
        if let Some(at) = due
            && at <= now
        {
            client.key(&keys.len().to_string())?;
            keys.push(Instant::now());
            due = Some(at + KEY_INTERVAL);
        }
        poller.wait(Duration::from_millis(1))?;
        client.receive(READ_BUFFER_BYTES)?;
        while let Some(event) = client.next_event() {
            match event {
                Event::Started => {}
                Event::KeyListen => due = Some(Instant::now()),
                Event::Picture(offset, bytes) => {
                    let number = check(&bytes).map_err(|error| WrongBytes(error.to_string()))?;
                    if last >= Some(number)
                        || offset.is_some_and(|offset| offset != u64::from(number))
                    {
                        let text = format!("picture {number} came as {offset:?} after {last:?}");
                        return Err(WrongBytes(text).into());
                    }
                    arrived += 1;
                    last = Some(number);
                    if number + 1 == PICTURES {
                        due = None;
                        client.key(LAST_KEY)?;
                    }
                }
                Event::Output(bytes) => {
                    text.extend_from_slice(&bytes);
                    while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                        let key = String::from_utf8(text.drain(..=end).collect())?;
                        let key = key.trim_end();
                        if key == LAST_KEY {
                            continue;
                        }
                        if key != ways.len().to_string() {
                            let text = format!("key {key} came instead of {}", ways.len());
                            return Err(WrongBytes(text).into());
                        }
                        ways.push(keys[ways.len()].elapsed().as_secs_f64() * 1e3);
                    }
                }
                Event::Stopped(status) => {
                    ensure!(status == Some(0), "the camera's end was {status:?}");
                    ensure!(
                        ways.len() == keys.len(),
                        "{} of {} keys came",
                        ways.len(),
                        keys.len()
                    );
                    let arrived = f64::from(arrived);
                    return Ok(vec![
                        ("rate", 30.0 * arrived / f64::from(PICTURES)),
                        ("p50", percentile(&ways, 50.0)),
                        ("p99", percentile(&ways, 99.0)),
                        ("lost", f64::from(PICTURES) - arrived),
                    ]);
                }
                Event::Refused(reason) => bail!("refused: {reason}"),
                Event::Closed => bail!("the server closed the connection"),
            }
        }
    }
}

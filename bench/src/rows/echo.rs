//! Keys that come back: one session, one beside a flood, and two hundred.

use super::{Column, Figures, Launch, Row, Target, column, deadline};
use crate::client::poller::Poller;
use crate::client::{Client, Event, READ_BUFFER_BYTES};
use crate::pattern::{Follower, WrongBytes};
use crate::servers::{Ability, server_cpu};
use crate::stats::percentile;
use anyhow::{Context as _, bail};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const COLUMNS: &[Column] = &[column("p50", "p50 ms", 3), column("p99", "p99 ms", 2)];

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            id: "echo",
            title: "Echo of a key",
            how: "2,000 keys, one after the other, to a `cat` on a raw terminal (websocketd: on pipes), each waited for.",
            needs: &[Ability::Echo],
            also: &[],
            columns: COLUMNS,
            launch: Launch::Shared,
            rounds: 5,
            measure: quiet,
        },
        Row {
            id: "echo-flood",
            title: "Echo beside a flood",
            how: "The same, while another session on the same server floods, and its client reads and checks as fast as it can. There are as many busy processes as there are cores, or more.",
            needs: &[Ability::Terminal, Ability::Pipes],
            also: &[],
            columns: const {
                &[
                    column("p50", "p50 ms", 3),
                    column("p99", "p99 ms", 2),
                    column("flood", "flood meanwhile, MB/s", 0),
                ]
            },
            launch: Launch::Shared,
            rounds: 5,
            measure: beside_flood,
        },
        Row {
            id: "sessions",
            title: "200 sessions typing 10 keys a second",
            how: "Each with its own connection and `cat`, for 5 s, their keys spread evenly over time.",
            needs: &[Ability::Terminal, Ability::Echo],
            also: &[],
            columns: const {
                &[
                    column("p50", "p50 ms", 3),
                    column("p99", "p99 ms", 2),
                    column("cpu", "server CPU s", 2),
                ]
            },
            launch: Launch::Fresh,
            rounds: 3,
            measure: many,
        },
    ]
}

fn letter(number: usize) -> u8 {
    b'a' + (number % 26) as u8
}

/// Milliseconds until each of `count` keys came back.
fn keys(client: &mut Client, count: usize) -> anyhow::Result<Vec<f64>> {
    let mut samples = Vec::with_capacity(count);
    for number in 0..count {
        let key = letter(number);
        let sent = Instant::now();
        client.send(&[key])?;
        let back = client.output(sent + super::REPLY_TIMEOUT)?;
        samples.push(sent.elapsed().as_secs_f64() * 1e3);
        if back[..] != [key] {
            return Err(WrongBytes(format!("the key {key:?} came back as {back:?}")).into());
        }
    }
    Ok(samples)
}

fn figures(samples: &[f64]) -> Figures {
    vec![
        ("p50", percentile(samples, 50.0)),
        ("p99", percentile(samples, 99.0)),
    ]
}

fn quiet(target: &Target<'_>) -> anyhow::Result<Figures> {
    let mut client = target.echo()?;
    Ok(figures(&keys(&mut client, target.amount(2000, 500))?))
}

fn beside_flood(target: &Target<'_>) -> anyhow::Result<Figures> {
    let mut client = target.echo()?;
    let (flows, enough) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let result = flood(target, &flows, &enough);
            // Whatever has become of it, nobody has to wait for it any more.
            flows.store(true, Ordering::Relaxed);
            result
        });
        while !flows.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let samples = keys(&mut client, target.amount(2000, 500));
        enough.store(true, Ordering::Relaxed);
        let flood = flood
            .join()
            .map_err(|_| anyhow::anyhow!("the flood's reader failed"))?
            .context("the flood")?;
        let mut figures = figures(&samples?);
        figures.push(("flood", flood));
        Ok(figures)
    })
}

/// Reads a flood until it is enough, MB/s.
pub(super) fn flood(
    target: &Target<'_>,
    flows: &AtomicBool,
    enough: &AtomicBool,
) -> anyhow::Result<f64> {
    let mut client = target.script("flood")?;
    let mut follower = Follower::new(u64::from(u32::MAX), target.can(Ability::Terminal));
    let begin = Instant::now();
    while !enough.load(Ordering::Relaxed) {
        let bytes = client.output(deadline())?;
        if follower.take(&bytes)? {
            bail!("it is over");
        }
        if follower.checked() > 1_000_000 {
            flows.store(true, Ordering::Relaxed);
        }
    }
    Ok(follower.checked() as f64 / 1e6 / begin.elapsed().as_secs_f64())
}

/// One of many typists.
struct Typist {
    client: Client,
    /// Keys that have not come back, and when they were sent.
    waiting: VecDeque<(u8, Instant)>,
    sent: usize,
}

fn many(target: &Target<'_>) -> anyhow::Result<Figures> {
    let count = target.amount(200, 50);
    let interval = Duration::from_millis(100);
    let keys_each = target.amount(50, 20);
    let mut typists = Vec::with_capacity(count);
    let mut poller = Poller::new()?;
    for (number, client) in target.echoes(count)?.into_iter().enumerate() {
        poller.add(&client, number as u64)?;
        typists.push(Typist {
            client,
            waiting: VecDeque::new(),
            sent: 0,
        });
    }
    let before = target.running().and_then(server_cpu)?;
    let begin = Instant::now();
    let mut samples = Vec::with_capacity(count * keys_each);
    // The key number k is of typist k modulo their count.
    let step = interval / u32::try_from(count)?;
    let mut next = 0;
    let end = begin + interval * u32::try_from(keys_each)? + super::REPLY_TIMEOUT;
    while samples.len() < count * keys_each {
        let now = Instant::now();
        if now > end {
            bail!("{} of {} keys came back", samples.len(), count * keys_each);
        }
        while next < count * keys_each && begin + step * u32::try_from(next)? <= now {
            let typist = &mut typists[next % count];
            let key = letter(typist.sent);
            typist.sent += 1;
            typist.waiting.push_back((key, Instant::now()));
            typist.client.send(&[key])?;
            next += 1;
        }
        for number in poller.wait(Duration::from_millis(1))? {
            let typist = &mut typists[usize::try_from(number)?];
            typist.client.receive(READ_BUFFER_BYTES)?;
            while let Some(event) = typist.client.next_event() {
                let bytes = match event {
                    Event::Output(bytes) => bytes,
                    other => bail!("instead of a key came {other:?}"),
                };
                for byte in bytes {
                    match typist.waiting.pop_front() {
                        Some((key, sent)) if key == byte => {
                            samples.push(sent.elapsed().as_secs_f64() * 1e3);
                        }
                        other => {
                            let text = format!("{byte:?} came back where {other:?} was due");
                            return Err(WrongBytes(text).into());
                        }
                    }
                }
            }
        }
    }
    let mut figures = figures(&samples);
    if target.can(Ability::OwnProcess) {
        figures.push(("cpu", target.running().and_then(server_cpu)? - before));
    }
    Ok(figures)
}

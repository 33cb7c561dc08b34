//! Beginnings: a shell, a server, Python.

use super::{Figures, Launch, Row, Target, column, deadline};
use crate::client::{Event, Program};
use crate::pattern::WrongBytes;
use crate::scratch::HI;
use crate::servers::{Ability, START_TIMEOUT, wait_for_answer};
use crate::stats::median;
use anyhow::{Context as _, bail};
use std::time::Instant;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            id: "new-shell",
            title: "New shell",
            how: "From connecting to the first byte of `bash --norc`; the median of 30, one after the other.",
            needs: &[Ability::Terminal],
            also: &[],
            columns: const { &[column("ms", "ms", 2)] },
            launch: Launch::Shared,
            rounds: 5,
            measure: new_shell,
        },
        Row {
            id: "start",
            title: "Start of the server",
            how: "From starting the process to the first 200 for `GET /`, with the defaults but for the port; the median of 7. “Kept”: with the state of an earlier start. With TLS, it is still asked without it, as this device may.",
            needs: &[Ability::OwnProcess],
            also: &[Ability::Terminal],
            columns: const {
                &[
                    column("fresh", "first start without TLS, ms", 1),
                    column("kept", "kept, without TLS, ms", 1),
                    column("tls_fresh", "first start with TLS, ms", 1),
                    column("tls_kept", "kept, with TLS, ms", 1),
                ]
            },
            launch: Launch::ByRow,
            rounds: 3,
            measure: start,
        },
        Row {
            id: "python",
            title: "`print('hi')` with Python",
            how: "`python3 -u` with a file, through pipes: until the text is there, and until the client knows that the program is over; medians of 15.",
            needs: &[Ability::Python],
            also: &[],
            columns: const {
                &[
                    column("output", "to the output, ms", 2),
                    column("end", "to the end, ms", 2),
                ]
            },
            launch: Launch::Shared,
            rounds: 3,
            measure: python,
        },
    ]
}

fn new_shell(target: &Target<'_>) -> anyhow::Result<Figures> {
    let mut samples = Vec::new();
    for _ in 0..target.amount(30, 10) {
        let begin = Instant::now();
        let mut client = target.running()?.open(&Program::Shell, false)?;
        client.output(deadline())?;
        samples.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(vec![("ms", median(&samples))])
}

fn start(target: &Target<'_>) -> anyhow::Result<Figures> {
    let state = target.scratch.path("plain-state");
    let once = |fresh: bool, tls: bool| -> anyhow::Result<f64> {
        if fresh {
            let _ = std::fs::remove_dir_all(&state);
        }
        let begin = Instant::now();
        let running = target.server.launch_plain(target.scratch, &state, tls)?;
        let port = running.port().context("it has no port")?;
        let status = wait_for_answer(port, begin + START_TIMEOUT)?;
        if status != 200 {
            bail!("the first answer is {status}");
        }
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    };
    let several = |fresh: bool, tls: bool| -> anyhow::Result<f64> {
        let mut samples = Vec::new();
        for _ in 0..target.amount(7, 3) {
            samples.push(once(fresh, tls)?);
        }
        Ok(median(&samples))
    };
    let mut figures = vec![
        ("fresh", several(true, false)?),
        ("kept", several(false, false)?),
    ];
    // With TLS for the clients that come from elsewhere; this device is answered without.
    if once(true, true).is_ok() {
        figures.push(("tls_fresh", several(true, true)?));
        figures.push(("tls_kept", several(false, true)?));
    }
    Ok(figures)
}

fn python(target: &Target<'_>) -> anyhow::Result<Figures> {
    let (mut outputs, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..target.amount(15, 5) {
        let begin = Instant::now();
        let mut client = target
            .running()?
            .open(&Program::Python(HI.to_owned()), false)?;
        let mut seen = Vec::new();
        loop {
            match client.wait(deadline())? {
                Event::Output(bytes) => {
                    if seen.is_empty() {
                        outputs.push(begin.elapsed().as_secs_f64() * 1e3);
                    }
                    seen.extend_from_slice(&bytes);
                }
                Event::Stopped(_) | Event::Closed => break,
                Event::Started | Event::KeyListen | Event::Picture(..) => {}
                Event::Refused(reason) => bail!("refused: {reason}"),
            }
        }
        if let Some(process) = client.program() {
            process.wait()?;
        }
        ends.push(begin.elapsed().as_secs_f64() * 1e3);
        if seen != b"hi\n" {
            let text = String::from_utf8_lossy(&seen);
            return Err(WrongBytes(format!("instead of \"hi\" came {text:?}")).into());
        }
    }
    Ok(vec![("output", median(&outputs)), ("end", median(&ends))])
}

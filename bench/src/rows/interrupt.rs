//! Ctrl-C while a program floods its terminal: for a client that reads as fast as it can, and for
//! one that reads 1 MB/s.

use super::{Figures, Launch, Row, SHELL_PROMPTS, Target, column};
use crate::client::{Client, Event, READ_BUFFER_BYTES};
use crate::pattern::{WrongBytes, find};
use crate::servers::Ability;
use anyhow::bail;
use std::thread;
use std::time::{Duration, Instant};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            id: "ctrl-c",
            title: "Ctrl-C during `yes`",
            how: "From sending Ctrl-C until the shell's next prompt is there, after 4 MB of output; all output before the `^C` is checked. The kernel itself throws away what is in the terminal at that moment.",
            needs: &[Ability::Terminal],
            also: &[],
            columns: const { &[column("ms", "ms", 2)] },
            launch: Launch::Shared,
            rounds: 7,
            measure: |target| interrupt(target, None),
        },
        Row {
            id: "ctrl-c-slow",
            title: "Ctrl-C during `yes`, the client reads 1 MB/s",
            how: "The client takes 10 kB from its socket each 10 ms (and acknowledges them, where there are acknowledgements), for 2 s before Ctrl-C and after it. Bytes in flight: what it still had to read after it.",
            needs: &[Ability::Terminal],
            also: &[Ability::OwnProcess],
            columns: const { &[column("ms", "ms", 0), column("flight", "kB in flight", 0)] },
            launch: Launch::Shared,
            rounds: 3,
            measure: |target| interrupt(target, Some(target.amount(2000, 1000))),
        },
    ]
}

/// What a slow client reads in a [`SLOW_READ_INTERVAL`].
const SLOW_READ_CHUNK_BYTES: usize = 10_000;
/// How often a slow client reads.
const SLOW_READ_INTERVAL: Duration = Duration::from_millis(10);
/// After that it is called never.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(15);
/// What has to come before a fast client presses Ctrl-C.
const OUTPUT_BEFORE_INTERRUPT_BYTES: usize = 4_000_000;

/// Reads, at once or a piece each tick; 0 if nothing came in this time.
struct Reader {
    next: Option<Instant>,
}

impl Reader {
    fn read(&mut self, client: &mut Client, deadline: Instant) -> anyhow::Result<()> {
        let Some(next) = &mut self.next else {
            if client.receive(READ_BUFFER_BYTES)? == 0 {
                client.wait_readable(deadline)?;
            }
            return Ok(());
        };
        if Instant::now() > deadline {
            bail!("nothing came in time");
        }
        // This is what makes it slow.
        thread::sleep(next.saturating_duration_since(Instant::now()));
        *next = (*next + SLOW_READ_INTERVAL).max(Instant::now());
        client.receive(SLOW_READ_CHUNK_BYTES)?;
        Ok(())
    }
}

fn interrupt(target: &Target<'_>, slow_for: Option<usize>) -> anyhow::Result<Figures> {
    let mut client = target.shell()?;
    client.send(b"yes\n")?;
    let begin = Instant::now();
    let mut reader = Reader {
        next: slow_for.map(|_| begin),
    };
    let mut seen = Vec::new();
    let drain = |client: &mut Client, seen: &mut Vec<u8>| -> anyhow::Result<()> {
        while let Some(event) = client.next_event() {
            match event {
                Event::Output(bytes) => seen.extend_from_slice(&bytes),
                other => bail!("instead of output came {other:?}"),
            }
        }
        Ok(())
    };
    loop {
        let enough = match slow_for {
            Some(milliseconds) => begin.elapsed().as_millis() >= milliseconds as u128,
            None => seen.len() >= OUTPUT_BEFORE_INTERRUPT_BYTES,
        };
        if enough {
            break;
        }
        reader.read(&mut client, begin + super::REPLY_TIMEOUT)?;
        drain(&mut client, &mut seen)?;
    }
    let before = seen.len();
    let sent = Instant::now();
    client.send(&[3])?;
    let mut from = before;
    loop {
        reader
            .read(&mut client, sent + INTERRUPT_TIMEOUT)
            .map_err(|error| error.context("the prompt came never"))?;
        drain(&mut client, &mut seen)?;
        // The prompt may have come in two pieces.
        let tail = &seen[from.saturating_sub(8)..];
        if SHELL_PROMPTS
            .iter()
            .any(|prompt| find(tail, prompt).is_some())
        {
            break;
        }
        from = seen.len();
    }
    let elapsed = sent.elapsed().as_secs_f64() * 1e3;
    check(&seen)?;
    Ok(vec![
        ("ms", elapsed),
        ("flight", (seen.len() - before) as f64 / 1e3),
    ])
}

/// The shell's echo of the command, then `y` and an end of line again and again, up to the `^C`;
/// after it what the kernel has left, and the prompt.
fn check(seen: &[u8]) -> Result<(), WrongBytes> {
    let wrong = |at: usize| {
        let text = String::from_utf8_lossy(&seen[at..seen.len().min(at + 20)]);
        Err(WrongBytes(format!("byte {at} of {}: {text:?}", seen.len())))
    };
    let Some(begin) = find(seen, b"y\r\ny\r\n") else {
        return wrong(0);
    };
    let mut at = begin;
    while seen[at..].starts_with(b"y\r\n") {
        at += 3;
    }
    // Here the terminal was emptied, in the middle of a line perhaps.
    let Some(mark) = find(&seen[at..seen.len().min(at + 3)], b"^") else {
        return wrong(at);
    };
    at += mark;
    if !seen[at..].starts_with(b"^C") {
        return wrong(at);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_bytes_before_the_mark_are_found() {
        assert!(check(b"yes\r\ny\r\ny\r\ny\r\n^C\r\n# ").is_ok());
        assert!(check(b"yes\r\ny\r\ny\r\ny^Cy\r\n\r\n# ").is_ok());
        assert!(check(b"yes\r\ny\r\ny\r\n\r\ny\r\n^C\r\n# ").is_err());
        assert!(check(b"yes\r\ny\r\ny\r\nyy\r\n^C\r\n# ").is_err());
        assert!(check(b"yes\r\ny\r\ny\r\n# ").is_err());
    }
}

//! Bytes on the wire, with and without compression.

use super::{Figures, Launch, Row, SHELL_PROMPTS, Target, column, deadline};
use crate::client::Program;
use crate::pattern::{BEGIN, END, WrongBytes, find};
use crate::servers::Ability;

/// The row.
pub(super) fn rows() -> Vec<Row> {
    vec![Row {
        id: "deflate",
        title: "1 MiB of `ls -lR` on the wire",
        how: "Bytes that come through the socket, with all framing: when the client offers permessage-deflate as browsers do, and when it does not. “Compressed”: 1 if the server agreed.",
        needs: &[Ability::Deflate],
        also: &[Ability::Terminal],
        columns: const {
            &[
                column("offered", "offered, kB", 0),
                column("plain", "not offered, kB", 0),
                column("compressed", "compressed", 0),
            ]
        },
        launch: Launch::Shared,
        rounds: 3,
        measure,
    }]
}

fn measure(target: &Target<'_>) -> anyhow::Result<Figures> {
    let (offered, compressed) = once(target, true)?;
    let (plain, _) = once(target, false)?;
    Ok(vec![
        ("offered", offered),
        ("plain", plain),
        ("compressed", f64::from(u8::from(compressed))),
    ])
}

fn once(target: &Target<'_>, deflate: bool) -> anyhow::Result<(f64, bool)> {
    let mut client = target.running()?.open(&Program::Shell, deflate)?;
    client.output_until(&SHELL_PROMPTS, deadline())?;
    let before = client.wire_bytes();
    client.send(target.scratch.typed("listing").as_bytes())?;
    // The prompt may come in one piece with the end.
    let seen = client.output_with(END, deadline())?;
    let after = client.wire_bytes();
    let begin = find(&seen, BEGIN).map_or(0, |at| at + BEGIN.len());
    let end = find(&seen[begin..], END).map_or(seen.len(), |at| begin + at);
    if seen[begin..end] != target.scratch.listing[..] {
        return Err(WrongBytes("the listing is another one".to_owned()).into());
    }
    Ok(((after - before) as f64 / 1e3, client.is_compressed()))
}

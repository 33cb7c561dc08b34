//! The log: lines on standard error, as text for people or as JSON for machines.

use std::io::{self, IsTerminal, Write};

use anyhow::{Result, anyhow};
use serde::Deserialize;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Text; without the time where the journal adds its own.
    Auto,
    /// Text, a line for each entry.
    Text,
    /// A JSON object for each entry, each on a line.
    Json,
}

/// Starts the log; once for each process, before anything is logged.
pub(crate) fn init(level: &str, format: LogFormat) -> Result<()> {
    let filter = filter(level).map_err(|problem| anyhow!("log.level: {problem}"))?;
    let layer = tracing_subscriber::fmt::layer()
        // Where standard error is gone, nobody can be told that it is.
        .log_internal_errors(false)
        .with_writer(|| OneLine(io::stderr()));
    let on_terminal = io::stderr().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    let text = layer.with_ansi(on_terminal && !no_color);
    let layer = match format {
        LogFormat::Json => text.with_ansi(false).json().flatten_event(true).boxed(),
        LogFormat::Auto if goes_to_journal() => text.without_time().boxed(),
        LogFormat::Auto | LogFormat::Text => text.boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
    started.map_err(|error| anyhow!("cannot start the log: {error}"))
}

/// Tells a person something outside of the log, on standard error, in one write: the spawner logs to the same
/// file, and what is written piece by piece would have its lines in the middle.
pub(crate) fn say(text: &str) {
    // Where standard error is gone, nobody can be told.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// What of the log is let through: a plain level is meant for this program, and its libraries only
/// warn.
pub(crate) fn filter(level: &str) -> Result<Targets, String> {
    let plain = ["off", "error", "warn", "info", "debug", "trace"];
    if let Some(level) = plain
        .into_iter()
        .find(|known| level.eq_ignore_ascii_case(known))
    {
        let libraries = if matches!(level, "off" | "error") {
            level
        } else {
            "warn"
        };
        // A target stands for all that begin alike, so this is for the library crates of the
        // project too.
        return parse(&format!("{libraries},further_link={level}"));
    }
    // A directive may be a bare target too; but then a mistyped level would pass for one, and
    // nothing would be logged.
    let is_directive = |part: &str| {
        part.contains('=') || plain.iter().any(|known| part.eq_ignore_ascii_case(known))
    };
    if level.split(',').map(str::trim).all(is_directive) {
        return parse(level);
    }
    Err(format!("neither a level nor filter directives: {level:?}"))
}

fn parse(directives: &str) -> Result<Targets, String> {
    directives
        .parse()
        .map_err(|error: tracing_subscriber::filter::ParseError| error.to_string())
}

/// Whether standard error is the journal of systemd. `JOURNAL_STREAM` alone does not say so: it is
/// inherited by programs whose standard error was sent elsewhere.
fn goes_to_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    nix::sys::stat::fstat(io::stderr())
        .is_ok_and(|file| stream == format!("{}:{}", file.st_dev, file.st_ino))
}

/// Keeps an entry on one line: what a client sent may stand in it, and must not look like further
/// entries. The subscriber hands over each entry in one piece, with a line break at its end.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let (text, end) = match entry.strip_suffix(b"\n") {
            Some(text) => (text, &b"\n"[..]),
            None => (entry, &b""[..]),
        };
        let mut line = Vec::with_capacity(entry.len());
        let parts = text.split(|byte| matches!(byte, b'\n' | b'\r'));
        for (index, part) in parts.enumerate() {
            if index > 0 {
                line.extend_from_slice(b"\\n");
            }
            line.extend_from_slice(part);
        }
        line.extend_from_slice(end);
        self.0.write_all(&line)?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{OneLine, filter};

    #[test]
    fn an_entry_stays_on_one_line() {
        let mut out = OneLine(Vec::new());
        out.write_all(b"one\ntwo\r\nthree\n").unwrap();
        out.write_all(b"four\n").unwrap();
        assert_eq!(out.0, b"one\\ntwo\\n\\nthree\nfour\n");
    }

    #[test]
    fn a_level_is_for_this_program_and_libraries_warn() {
        for (level, expected) in [
            ("debug", "further_link=debug,warn"),
            ("ERROR", "further_link=error,error"),
        ] {
            assert_eq!(filter(level).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn directives_are_taken_as_they_are() {
        assert_eq!(
            filter("warn,hyper=trace").unwrap().to_string(),
            "hyper=trace,warn"
        );
    }

    #[test]
    fn a_mistyped_level_is_no_target() {
        for wrong in ["debgu", "", "warn,debgu", "further_link=loud"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}

//! The log: lines on standard error, as text for people or as JSON for machines.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use tracing_subscriber::filter::{ParseError, Targets};
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

/// Starts the log; once per process, before anything is logged.
pub(crate) fn init(level: &str, format: LogFormat) -> Result<()> {
    let filter = filter(level).context("log.level")?;
    let layer = tracing_subscriber::fmt::layer()
        // Without standard error, nobody can be told that it is gone.
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
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
        .context("cannot start the log")
}

/// Prints a text for people to standard error, outside of the log, in one write: the spawner logs
/// to the same file, and its lines would come in between.
pub(crate) fn print_to_stderr(text: &str) {
    // Without standard error, nobody can be told.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Why `log.level` is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidLevel {
    #[error("neither a level nor filter directives: {0:?}")]
    Unknown(String),
    #[error(transparent)]
    Directives(#[from] ParseError),
}

/// Returns what is logged at `level`, a level or filter directives. A plain level is meant for this
/// program; its libraries only warn.
pub(crate) fn filter(level: &str) -> Result<Targets, InvalidLevel> {
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
        return Ok(format!("{libraries},further_link={level}").parse()?);
    }
    // A directive may be a bare target too; but then a mistyped level would pass for one, and
    // nothing would be logged.
    let is_directive = |part: &str| {
        part.contains('=') || plain.iter().any(|known| part.eq_ignore_ascii_case(known))
    };
    if level.split(',').map(str::trim).all(is_directive) {
        return Ok(level.parse()?);
    }
    Err(InvalidLevel::Unknown(level.to_owned()))
}

/// Returns whether standard error is systemd's journal (`$JOURNAL_STREAM`, systemd.exec(5)). The
/// variable alone does not say so: programs inherit it whose standard error goes elsewhere.
fn goes_to_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    nix::sys::stat::fstat(io::stderr())
        .is_ok_and(|file| stream == format!("{}:{}", file.st_dev, file.st_ino))
}

/// Keeps an entry on one line (against log injection): it may contain what a client sent, which
/// must not look like further entries. The subscriber writes each entry at once, with a line break
/// at its end.
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
    fn entry_stays_on_one_line() {
        let mut out = OneLine(Vec::new());
        out.write_all(b"one\ntwo\r\nthree\n").unwrap();
        out.write_all(b"four\n").unwrap();
        assert_eq!(out.0, b"one\\ntwo\\n\\nthree\nfour\n");
    }

    #[test]
    fn plain_level_applies_to_own_crates_only() {
        for (level, expected) in [
            ("debug", "further_link=debug,warn"),
            ("ERROR", "further_link=error,error"),
        ] {
            assert_eq!(filter(level).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn directives_are_kept_unchanged() {
        assert_eq!(
            filter("warn,hyper=trace").unwrap().to_string(),
            "hyper=trace,warn"
        );
    }

    #[test]
    fn mistyped_level_is_refused() {
        for wrong in ["debgu", "", "warn,debgu", "further_link=loud"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}

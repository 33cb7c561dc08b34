//! The terminal server's two dialects (`docs/protocol.md` section 7): one shell for each session,
//! keys and sizes to it, text from it.
//!
//! Sizes come in two orders: lines first in messages and queries, columns first in the list of
//! sessions and on the command line.

use super::ParseError;
use super::json::{self, Fields};
use crate::TerminalSize;
use serde::Serialize;

/// Lines or columns of a terminal, at most: four digits, some five times what a wide screen shows.
/// Programs take memory for every cell.
const MAX_CELLS: u16 = 9999;
/// Bytes of the text of a size, at most.
const SIZE_MAX_BYTES: usize = "9999x9999".len();

/// A message of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminalInput {
    /// What was typed; may be empty.
    pub keys: String,
    /// The size that the terminal now has.
    pub size: Option<TerminalSize>,
}

/// Which number of a size comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeOrder {
    /// `40x120`, in messages and queries.
    LinesFirst,
    /// `120x40`, in the list of sessions and on the command line.
    ColumnsFirst,
}

/// One line of the list of sessions.
#[derive(Clone, Copy, Debug)]
pub struct ListedSession<'a> {
    /// Its id.
    pub id: &'a str,
    /// It lasts as long as its connection, and not until nobody has visited it for a while.
    pub persistent: bool,
    /// Its size, once a client has said one.
    pub size: Option<TerminalSize>,
    /// When it was last visited: seconds since 1970 on a clock that shows the device's own time.
    pub visited: i64,
    /// Seconds since then.
    pub idle: u64,
}

/// Reads a message: an object with `text` or `size` or both, or else plain text, which is keys as
/// it is.
///
/// # Errors
/// Returns a sentence about what is wrong: it is no UTF-8, `text` is no string, or `size` is no
/// size. Nothing of such a message counts.
pub fn read_terminal_input(message: &[u8]) -> Result<TerminalInput, ParseError> {
    let text =
        str::from_utf8(message).map_err(|_| ParseError::new("The message is not UTF-8 text."))?;
    let plain = || {
        Ok(TerminalInput {
            keys: text.to_owned(),
            size: None,
        })
    };
    // What people type is seldom JSON, and to find that out takes longer than to look at its first
    // letter.
    if !text.trim_ascii_start().starts_with('{') {
        return plain();
    }
    let Ok(fields) = Fields::parse(text, ["text", "size"]) else {
        return plain();
    };
    let (has_text, has_size) = (fields.has("text"), fields.has("size"));
    if !has_text && !has_size {
        return plain();
    }
    let keys = match fields.text("text") {
        Some(keys) => keys,
        None if !has_text => String::new(),
        None => return Err(ParseError::new("text has to be a string.")),
    };
    let size = match has_size {
        true => {
            let size = fields.text("size").unwrap_or_default();
            Some(read_terminal_size(&size, SizeOrder::LinesFirst).ok_or_else(invalid_size)?)
        }
        false => None,
    };
    Ok(TerminalInput { keys, size })
}

/// Returns the error for a size that is invalid.
pub fn invalid_size() -> ParseError {
    ParseError::new(format!(
        "size has to be LINESxCOLUMNS, as in 40x120, each from 1 to {MAX_CELLS}."
    ))
}

/// Reads a size. `None` if it is none, or lines or columns are none or more than 9999.
pub fn read_terminal_size(text: &str, order: SizeOrder) -> Option<TerminalSize> {
    if text.len() > SIZE_MAX_BYTES {
        return None;
    }
    let cells = |digits: &str| {
        let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        let cells: u16 = digits.parse().ok().filter(|_| only_digits)?;
        (1..=MAX_CELLS).contains(&cells).then_some(cells)
    };
    let (first, second) = text.split_once(['x', 'X'])?;
    let (first, second) = (cells(first)?, cells(second)?);
    Some(match order {
        SizeOrder::LinesFirst => TerminalSize {
            rows: first,
            columns: second,
        },
        SizeOrder::ColumnsFirst => TerminalSize {
            rows: second,
            columns: first,
        },
    })
}

/// Appends `{"text": …}`, and that the shell has ended if it has: an addition, which older clients
/// pass over.
pub fn write_terminal_output(text: &str, ended: bool, out: &mut Vec<u8>) {
    json::write(out, &TerminalOutput { text, ended });
}

/// Appends the list of sessions.
pub fn write_sessions<'a>(
    sessions: impl IntoIterator<Item = ListedSession<'a>>,
    out: &mut Vec<u8>,
) {
    let rows: Vec<_> = sessions.into_iter().map(SessionRow::new).collect();
    json::write(out, &rows);
}

/// Output as a client reads it.
#[derive(Serialize)]
struct TerminalOutput<'a> {
    text: &'a str,
    /// The shell has ended: an addition, which older clients ignore.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

/// A row of the list of sessions as a client reads it.
#[derive(Serialize)]
struct SessionRow<'a> {
    sid: &'a str,
    ty: bool,
    /// Columns first, or `-`.
    sz: String,
    dt: String,
    tm: u64,
}

impl<'a> SessionRow<'a> {
    fn new(session: ListedSession<'a>) -> Self {
        Self {
            sid: session.id,
            ty: session.persistent,
            sz: session.size.map_or("-".to_owned(), |size| {
                format!("{}x{}", size.columns, size.rows)
            }),
            dt: date(session.visited),
            tm: session.idle,
        }
    }
}

/// Seconds of a day.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// `YYYY/MM/DD HH:MM:SS` of the Gregorian calendar.
fn date(seconds: i64) -> String {
    let (days, second) = (
        seconds.div_euclid(DAY_SECONDS),
        seconds.rem_euclid(DAY_SECONDS),
    );
    // Years from the first of March, so that a leap day is the last of its year; in groups of 400,
    // which are all equally long. 719,468 days lie between the first of March of the year 0
    // and 1970.
    let days = days + 719_468;
    let (group, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = group * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}")
}

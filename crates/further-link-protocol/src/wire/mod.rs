//! The dialects. Each has one file; the constants here are what deployed clients compare.

pub(crate) mod base64;
pub(crate) mod json;
mod message;
mod run;
mod run_py;
pub mod stream;
mod terminal;
mod upload;

use crate::{Command, Event, ProcessName};
use std::fmt;

pub use run::Run;
pub use run_py::{Exec, RunPy};
pub use terminal::{
    ListedSession, SizeOrder, TerminalInput, invalid_size, read_terminal_input, read_terminal_size,
    write_sessions, write_terminal_output,
};
pub use upload::read_upload;

/// `error` for whatever a client sent that is malformed or out of order.
pub const BAD_MESSAGE: &str = "Bad message";
/// `error` for an upload that failed.
pub const BAD_UPLOAD: &str = "Bad upload";
/// `error` for a failure of the server.
pub const MESSAGE_EXCEPTION: &str = "Message Exception";

/// Why text of a client could not be understood: a sentence, or the part of one, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError(String);

impl ParseError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

/// A message that could not be understood. The client is sent [`BAD_MESSAGE`] with this detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The process that the message named, if one could be read.
    pub process: Option<ProcessName>,
    /// What is wrong with it.
    pub detail: ParseError,
}

/// One way of writing [`Command`]s and [`Event`]s as messages.
pub trait Dialect: Send + Sync {
    /// Reads one message of a client. `message` is the whole of a text frame, or of a binary frame
    /// that holds text.
    ///
    /// # Errors
    /// Returns a [`Rejection`] if it is not UTF-8, not JSON, or not a message of this dialect.
    /// Whether the process is known or already in use is not checked here.
    fn decode(&self, message: &[u8]) -> Result<Command, Rejection>;

    /// Appends the message for `event` to `out`: the payload of one text frame. A dialect that has
    /// no message for an event appends nothing.
    fn encode(&self, process: Option<&ProcessName>, event: &Event<'_>, out: &mut Vec<u8>);
}

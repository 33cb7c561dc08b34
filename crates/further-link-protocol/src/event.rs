//! What the engine tells a client.

use crate::{ChannelMessage, Features};

/// Which of a program's outputs bytes come from. With a terminal everything is [`Stream::Stdout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One message to a client. `Started` comes before anything else of a process, `Stopped` after
/// everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The answer to `Ping`.
    Pong,
    /// The program runs.
    Started {
        /// What it is called in binary frames ([`crate::wire::stream`]): never used twice for a
        /// client.
        number: u32,
    },
    /// The program has written this.
    Output {
        /// Where to.
        stream: Stream,
        /// What, with bytes that are no UTF-8 replaced by U+FFFD.
        text: &'a str,
    },
    /// The program is over, and so is everything that it had started.
    Stopped {
        /// Its exit status, or the negative number of the signal that ended it.
        exit_code: i32,
        /// Bytes that it has output in all.
        output: u64,
    },
    /// Something could not be done.
    Error {
        /// What clients compare or show: one of the constants in [`crate::wire`], or a sentence.
        message: &'a str,
        /// A sentence for a person, where `message` is one of the constants.
        detail: Option<&'a str>,
    },
    /// A message of the program on an IO channel.
    Channel(&'a ChannelMessage),
    /// The answer to [`crate::Command::Hello`].
    Hello {
        /// The server's version.
        version: &'a str,
        /// What this client is shown from now on.
        features: Features,
    },
    /// A window has appeared on the program's own display.
    Novnc {
        /// The port of the page that shows it.
        port: u16,
        /// The path of that page, beginning with `/`.
        path: &'a str,
    },
    /// An upload has succeeded (`/run-py` only).
    Uploaded,
}

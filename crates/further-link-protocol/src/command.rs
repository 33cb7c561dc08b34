//! What a client asks for, checked and typed.

use crate::{ChannelEvent, Features};
use std::fmt;

/// The name that a client chose for one of its processes (`process` on the wire). It is free again
/// once `stopped` was sent.
///
/// Dialects that know one process for each socket use [`ProcessName::ONLY`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProcessName(std::borrow::Cow<'static, str>);

impl ProcessName {
    /// The process of a dialect that has one for each socket.
    pub const ONLY: ProcessName = ProcessName(std::borrow::Cow::Borrowed(""));

    /// Takes a name as the client wrote it.
    pub fn new(name: String) -> Self {
        Self(std::borrow::Cow::Owned(name))
    }

    /// Returns the name as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One request of a client. `docs/protocol.md` section 2 lists what each does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Answered with `Pong` at once.
    Ping,
    /// Starts a program.
    Start {
        /// Its name from now on.
        process: ProcessName,
        /// What to start.
        request: StartRequest,
    },
    /// Bytes for the program's input.
    Stdin {
        /// The program meant.
        process: ProcessName,
        /// The text that was typed.
        input: String,
    },
    /// The window of the program's terminal has changed.
    Resize {
        /// The program meant.
        process: ProcessName,
        /// Its new size.
        size: TerminalSize,
    },
    /// Something for the program on an IO channel.
    Channel {
        /// The program meant.
        process: ProcessName,
        /// A key, or what was done with something that the program shows.
        event: ChannelEvent,
    },
    /// The client says which additions it knows (`docs/protocol.md` section 11).
    Hello {
        /// Those of them that this server knows.
        features: Features,
    },
    /// SIGTERM, and after the grace time SIGKILL.
    Stop {
        /// The program meant.
        process: ProcessName,
    },
    /// A project to be written to the work directory; JSON, unchecked (`/run-py` only).
    Upload {
        /// The upload object of `docs/protocol.md` section 5, as JSON text.
        project: String,
        /// Whose it is to be, if not that of the connection's programs.
        user: Option<String>,
    },
}

/// What to start: a row of the runner table, and the program for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartRequest {
    /// The runner's name: `python3`, `shell`, `exec` or a configured one.
    pub runner: String,
    /// The program's text. With it, `path` is the folder in which it is to run.
    pub code: Option<String>,
    /// The file to run, or with `code` the folder.
    pub path: Option<String>,
    /// What the program finds behind its own name. Of a client's, no more than one over
    /// [`StartRequest::MAX_ARGUMENTS`].
    pub arguments: Vec<String>,
    /// Whether it gets a terminal; `None` leaves it to what the connection says.
    pub terminal: Option<bool>,
    /// The terminal's first size.
    pub size: Option<TerminalSize>,
    /// A display of its own, if the client asked for one.
    pub display: Option<DisplayRequest>,
}

impl StartRequest {
    /// How many arguments a program is started with at most: far more than anybody types.
    pub const MAX_ARGUMENTS: usize = 1024;
}

/// Size that a client wants for the program's own X display, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisplayRequest {
    /// Width; `None` leaves it to the server.
    pub width: Option<u16>,
    /// Height; `None` leaves it to the server.
    pub height: Option<u16>,
}

/// Size of a terminal in character cells. Zero is allowed and means "unknown" to programs
/// (`ioctl_tty(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

impl TerminalSize {
    /// What a terminal has until the first `resize` (`docs/protocol.md` section 2).
    pub const INITIAL: TerminalSize = TerminalSize {
        rows: 4,
        columns: 60,
    };
}

//! Settings of the terminal server.

use further_link_protocol::TerminalSize;
use std::path::PathBuf;
use std::time::Duration;

/// What is particular to the terminal server.
#[derive(Clone, Debug)]
pub struct TerminalSettings {
    /// What terminals have until their page says how large they are.
    pub initial_size: TerminalSize,
    /// The directory with the page, absolute; `None` is our own page.
    pub document_root: Option<PathBuf>,
    /// Where files go that pages send, absolute; `None` is `uploads` in the work directory.
    pub upload_folder: Option<PathBuf>,
    /// A new terminal begins with a line that says what it is.
    pub welcome: bool,
    /// How long a session over HTTP may be without a visit.
    pub idle: Duration,
    /// Whoever knows it sees all sessions and may end them.
    pub token: Option<String>,
    /// Sessions at the same time, at most.
    pub max_sessions: usize,
    /// Sessions of one client at the same time, at most.
    pub max_sessions_per_client: usize,
    /// How many seconds the device's own time is ahead of UTC, at a time in seconds since 1970.
    pub clock: fn(i64) -> i64,
}

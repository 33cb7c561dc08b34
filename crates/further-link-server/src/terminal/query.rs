//! Query strings of the terminal's dialects (`docs/protocol.md` section 7).

use super::sessions::SessionId;
use crate::http::error::HttpError;
use crate::http::query::QueryString;
use further_link_protocol::TerminalSize;
use further_link_protocol::wire::{SizeOrder, invalid_size, read_terminal_size};
use http::StatusCode;
use std::time::Duration;

/// How long a request for output may wait for some (long polling), at most: not so long that
/// something on the way closes the connection (60 s with many proxies).
const LONG_POLL_MAX_WAIT: Duration = Duration::from_secs(30);

/// What a request asks for.
#[derive(Default)]
pub(super) struct TerminalQuery {
    pub(super) session: Option<String>,
    pub(super) size: Option<TerminalSize>,
    /// Output is wanted.
    pub(super) console: bool,
    /// How long to wait for output.
    pub(super) wait: Duration,
    /// The list of sessions is wanted.
    pub(super) sessions: bool,
    /// The session that is to be ended.
    pub(super) kill: Option<String>,
}

impl TerminalQuery {
    /// Parses a query string.
    ///
    /// # Errors
    /// If the size or the time to wait is invalid.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, HttpError> {
        let refuse = |detail: String| HttpError::new(StatusCode::BAD_REQUEST, detail);
        let query = QueryString::parse(query);
        let size = query.get("size").map(|size| {
            let size = read_terminal_size(size, SizeOrder::LinesFirst);
            size.ok_or_else(|| refuse(invalid_size().to_string()))
        });
        let wait = query.get("wait").map(|wait| {
            let digits = wait.len() <= 9 && wait.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = wait.parse().ok().filter(|_| digits);
            seconds.ok_or_else(|| refuse("wait has to be a number of seconds.".to_owned()))
        });
        let wait = Duration::from_secs(wait.transpose()?.unwrap_or(0));
        Ok(Self {
            session: query.get("session").map(str::to_owned),
            size: size.transpose()?,
            console: query.contains("console"),
            wait: wait.min(LONG_POLL_MAX_WAIT),
            sessions: query.contains("sessions"),
            kill: query.get("kill").map(str::to_owned),
        })
    }

    /// Returns whether a request asks for nothing but the page.
    pub(super) fn is_empty(&self) -> bool {
        self.size.is_none() && !self.console && !self.sessions && self.kill.is_none()
    }

    /// Returns the id of the session; that of clients without one if there is none.
    ///
    /// # Errors
    /// If the id is invalid.
    pub(super) fn session_id(&self) -> Result<SessionId, HttpError> {
        self.session
            .as_deref()
            .map_or_else(|| Ok(SessionId::unnamed()), SessionId::new)
    }
}

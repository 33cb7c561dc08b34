//! State that all requests to the terminal server share, and starting a shell.

use super::sessions::Sessions;
use super::settings::TerminalSettings;
use crate::app::SharedApp;
use crate::http::error::HttpError;
use crate::http::request_body::Bodies;
use further_link_engine::{Account, Job, StartError};
use further_link_protocol::{Features, StartRequest, TerminalSize};
use http::StatusCode;
use std::sync::Arc;

const SHELL_RUNNER_NAME: &str = "shell";

/// What every request can reach.
pub(super) struct Shared {
    pub(super) app: SharedApp,
    pub(super) settings: TerminalSettings,
    pub(super) sessions: Sessions,
    pub(super) bodies: Bodies,
    pub(super) hostname: String,
}

impl Shared {
    /// Returns the account whose shells and files these are.
    pub(super) async fn account(&self) -> Result<Account, StartError> {
        Ok(self.app.engine.account(None).await?)
    }

    /// Returns the first line of a new terminal.
    pub(super) fn welcome(&self, user: &str) -> String {
        match self.settings.welcome {
            false => String::new(),
            true => format!(
                "Further Link {}: a shell of {user} on {}.\r\n",
                self.app.settings.version,
                match self.hostname.as_str() {
                    "" => "this device",
                    name => name,
                },
            ),
        }
    }
}

/// Starts a shell.
pub(super) fn start_shell(
    shared: &Shared,
    account: &Account,
    size: TerminalSize,
) -> Result<Arc<Job>, StartError> {
    let engine = &shared.app.engine;
    let runner = engine.runners().get(SHELL_RUNNER_NAME);
    let runner = runner.ok_or_else(|| StartError::NotInstalled(SHELL_RUNNER_NAME.to_owned()))?;
    let request = StartRequest {
        runner: SHELL_RUNNER_NAME.to_owned(),
        ..StartRequest::default()
    };
    engine.start(runner, &request, account, Some(size), Features::default())
}

/// Returns a shell that cannot be had, as an answer.
pub(super) fn start_error(error: &StartError) -> HttpError {
    let status = match error {
        StartError::TooManyJobs(_) | StartError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    HttpError::new(status, error.to_string())
}

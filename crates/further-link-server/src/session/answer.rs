//! Answers: what a client is sent besides the output of its programs.

use crate::app::SharedApp;
use crate::websocket::frames::Frames;
use further_link_engine::StartError;
use further_link_protocol::wire::{self, Dialect};
use further_link_protocol::{Event, Features, ProcessName};

/// A message of the control lane.
pub(super) enum Answer {
    Pong,
    Uploaded,
    Hello(Features),
    Error {
        process: Option<ProcessName>,
        message: String,
        detail: Option<String>,
    },
}

impl Answer {
    /// Appends its frame.
    pub(super) fn encode(&self, app: &SharedApp, dialect: &dyn Dialect, out: &mut Frames) {
        match self {
            Self::Pong => out.text(|out| dialect.encode(None, &Event::Pong, out)),
            Self::Uploaded => out.text(|out| dialect.encode(None, &Event::Uploaded, out)),
            Self::Hello(features) => {
                let event = Event::Hello {
                    version: &app.settings.version,
                    features: *features,
                };
                out.text(|out| dialect.encode(None, &event, out));
            }
            Self::Error {
                process,
                message,
                detail,
            } => {
                let event = Event::Error {
                    message,
                    detail: detail.as_deref(),
                };
                out.text(|out| dialect.encode(process.as_ref(), &event, out));
            }
        }
    }
}

pub(super) fn bad_message(process: Option<ProcessName>, detail: String) -> Answer {
    Answer::Error {
        process,
        message: wire::BAD_MESSAGE.to_owned(),
        detail: Some(detail),
    }
}

pub(super) fn bad_upload(detail: String) -> Answer {
    Answer::Error {
        process: None,
        message: wire::BAD_UPLOAD.to_owned(),
        detail: Some(detail),
    }
}

pub(super) fn no_such_process(process: ProcessName) -> Answer {
    bad_message(
        Some(process),
        "No program is running under this name.".to_owned(),
    )
}

/// Returns the answer to a start that failed: why, or that it is the server's fault and why.
pub(super) fn start_error(process: ProcessName, error: &StartError) -> Answer {
    tracing::info!(%error, "a program was not started");
    if error.is_internal() {
        return Answer::Error {
            process: Some(process),
            message: wire::MESSAGE_EXCEPTION.to_owned(),
            detail: Some(error.to_string()),
        };
    }
    failed_start(process, error.to_string())
}

pub(super) fn failed_start(process: ProcessName, message: String) -> Answer {
    Answer::Error {
        process: Some(process),
        message,
        detail: None,
    }
}

//! Errors of the file API, with their status.

use crate::http::error::HttpError;
use axum::response::{IntoResponse, Response};
use further_link_engine::{AccountError, FilesError, Name, StartError, Version};
use http::{HeaderValue, StatusCode, header};
use tokio::task::JoinError;

/// Seconds after which a client may try again what was too much at once.
const RETRY_AFTER: &str = "2";

/// An error response, and the version that a condition was not true of.
#[derive(Debug)]
pub(crate) struct FsError {
    error: Box<HttpError>,
    current: Option<Version>,
    /// Bytes of a file that a range lies outside of.
    size: Option<u64>,
}

impl FsError {
    /// Returns the error for a request that cannot be understood.
    pub(super) fn bad(detail: &str) -> Self {
        HttpError::new(StatusCode::BAD_REQUEST, detail).into()
    }

    /// Returns the error for a precondition that failed; `current` is the version that the file
    /// has.
    pub(super) fn condition(name: &Name, current: Option<Version>) -> Self {
        let name = name.as_str().to_owned();
        let error = match current {
            Some(_) => FilesError::Changed(name),
            None => FilesError::NotFound(name),
        };
        Self {
            error: Box::new(HttpError::new(
                StatusCode::PRECONDITION_FAILED,
                error.to_string(),
            )),
            current,
            size: None,
        }
    }

    /// Returns the error for a range outside of the file.
    pub(super) fn range(size: u64) -> Self {
        Self {
            error: Box::new(HttpError::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("The file has {size} bytes."),
            )),
            current: None,
            size: Some(size),
        }
    }
}

impl From<HttpError> for FsError {
    fn from(error: HttpError) -> Self {
        Self {
            error: Box::new(error),
            current: None,
            size: None,
        }
    }
}

impl From<FilesError> for FsError {
    fn from(error: FilesError) -> Self {
        let status = status(&error);
        match status {
            // The server's or the device's own trouble.
            StatusCode::INTERNAL_SERVER_ERROR => tracing::warn!(%error, "a task with files failed"),
            _ => tracing::debug!(%error, "a task with files was refused"),
        }
        let error = HttpError::new(status, error.to_string());
        match status {
            StatusCode::SERVICE_UNAVAILABLE => error.with_header(header::RETRY_AFTER, RETRY_AFTER),
            _ => error,
        }
        .into()
    }
}

impl IntoResponse for FsError {
    fn into_response(self) -> Response {
        let mut response = self.error.into_response();
        let headers = response.headers_mut();
        if let Some(current) = self.current {
            headers.insert(header::ETAG, super::conditions::etag(current));
        }
        if let Some(size) = self.size
            && let Ok(range) = HeaderValue::try_from(format!("bytes */{size}"))
        {
            headers.insert(header::CONTENT_RANGE, range);
        }
        response
    }
}

/// Returns the error for an account that cannot be used.
pub(super) fn account_error(error: &AccountError) -> FsError {
    let text = error.to_string();
    let mut letters = text.chars();
    let sentence = letters.next().map_or(String::new(), |first| {
        format!("{}{}.", first.to_uppercase(), letters.as_str())
    });
    let status = match error {
        AccountError::Unknown(_) => StatusCode::FORBIDDEN,
        AccountError::Lookup { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    HttpError::new(status, sentence).into()
}

/// Returns the status for each error. A new kind of error has to be added here.
fn status(error: &FilesError) -> StatusCode {
    match error {
        FilesError::Account(error) => match error {
            StartError::NoSuchUser(_)
            | StartError::UserNotPermitted(_)
            | StartError::OnlyServerUser { .. } => StatusCode::FORBIDDEN,
            StartError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        FilesError::Forbidden { .. } | FilesError::NoPermission(_) | FilesError::Special(_) => {
            StatusCode::FORBIDDEN
        }
        FilesError::NotFound(_) => StatusCode::NOT_FOUND,
        FilesError::Exists(_)
        | FilesError::IsFolder(_)
        | FilesError::NotFolder(_)
        | FilesError::IntoItself(_)
        | FilesError::OtherDevice(_)
        | FilesError::Busy(_) => StatusCode::CONFLICT,
        FilesError::Changed(_) => StatusCode::PRECONDITION_FAILED,
        FilesError::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        FilesError::TooMuch(_) => StatusCode::PAYLOAD_TOO_LARGE,
        FilesError::TooLong => StatusCode::BAD_REQUEST,
        FilesError::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        FilesError::Download(_) => StatusCode::BAD_GATEWAY,
        FilesError::Ended | FilesError::System { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Returns the error for a task on the blocking pool that has not ended properly; the log has its
/// cause.
pub(crate) fn task_error(error: &JoinError) -> FilesError {
    tracing::error!(%error, "a task on the blocking pool failed");
    FilesError::Ended
}

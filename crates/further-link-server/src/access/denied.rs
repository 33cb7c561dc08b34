//! Why a request was denied.

use crate::http::error::HttpError;
use http::StatusCode;

/// Characters of a host or origin that are shown to the client and written to the log.
const SHOWN_MAX_CHARACTERS: usize = 100;

/// Why a request was denied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AccessDenied {
    /// There is no `Host`, or more than one.
    MissingHost,
    /// `Host` is no name of this device.
    UnknownHost(String),
    /// `Origin` is neither this server nor a configured site.
    ForeignOrigin(String),
}

impl AccessDenied {
    pub(super) fn unknown_host(host: &str) -> Self {
        Self::UnknownHost(printable(host))
    }

    pub(super) fn foreign_origin(origin: &str) -> Self {
        Self::ForeignOrigin(printable(origin))
    }

    /// Returns the value of the metric's label `reason`.
    pub(crate) fn metric_reason(&self) -> &'static str {
        match self {
            Self::MissingHost | Self::UnknownHost(_) => "host",
            Self::ForeignOrigin(_) => "origin",
        }
    }
}

impl From<AccessDenied> for HttpError {
    fn from(denied: AccessDenied) -> Self {
        match denied {
            AccessDenied::MissingHost => Self::new(
                StatusCode::BAD_REQUEST,
                "The request does not say for which host it is.",
            ),
            AccessDenied::UnknownHost(host) => Self::new(
                StatusCode::FORBIDDEN,
                format!(
                    "\"{host}\" is not known as a name of this device. If it is one, add it to \
                     server.hosts in the configuration."
                ),
            ),
            AccessDenied::ForeignOrigin(origin) => Self::new(
                StatusCode::FORBIDDEN,
                format!(
                    "Pages of \"{origin}\" may not use this server. If they should, add it to \
                     server.origins in the configuration."
                ),
            ),
        }
    }
}

/// Returns what a stranger sent, short and without control characters.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(SHOWN_MAX_CHARACTERS)
        .collect()
}

//! Error responses: plain text, the first line as old clients know it, a second for people.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

/// An error response: `404: Not Found`, then a sentence.
#[derive(Debug)]
pub(crate) struct HttpError {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, &'static str)>,
}

impl HttpError {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            header: None,
        }
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let reason = self.status.canonical_reason().unwrap_or("Error");
        let mut body = format!("{}: {reason}\n", self.status.as_u16());
        if !self.detail.is_empty() {
            body.push_str(&self.detail);
            body.push('\n');
        }
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

//! `PUT` of a file.

use super::error::{FsError, task_error};
use super::request::FsRequest;
use super::{X_TIMESTAMP, conditions};
use crate::http::body_data::next_data;
use crate::http::error::HttpError;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{Conditional, FilesError, WriteOptions, Written};
use http::{HeaderMap, StatusCode, header};
use hyper::body::Body as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Bytes that are written at once. One such chunk is written while the next one comes, so an upload
/// takes twice as much. A file that is not larger is waited for before anything is done: it is
/// written as quickly as the disk allows then, however slow the client is.
const CHUNK_BYTES: usize = 128 * 1024;
/// The latest time that a file can get, in milliseconds since 1970, and as much before: in 2262.
/// Some seconds beyond it, 64 bits do not hold the nanoseconds any more.
const TIMESTAMP_MAX_MILLIS: u64 = 9_223_372_000_000;
/// How long a client may send nothing of a file.
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client that was refused is still listened to. If the connection ended with something
/// unread, it would not get to see why.
const REFUSED_LINGER: Duration = Duration::from_secs(5);

/// Writes the body to the file that is requested.
pub(super) async fn receive(request: FsRequest, body: Body) -> Result<Response, FsError> {
    let max_bytes = request.app.settings.limits.file_bytes;
    let mut body = RequestBody {
        body,
        max_bytes,
        received_bytes: 0,
    };
    // A client that waits for `100 Continue` has sent nothing that would have to be read.
    let expects_continue = request.headers.contains_key(header::EXPECT);
    match write(&request, &mut body, expects_continue).await {
        Err(error) if !expects_continue => {
            tokio::spawn(body.drain());
            Err(error)
        }
        result => result,
    }
}

async fn write(
    request: &FsRequest,
    body: &mut RequestBody,
    expects_continue: bool,
) -> Result<Response, FsError> {
    if request.headers.contains_key(header::CONTENT_RANGE) {
        // As the whole file, it would be all that is left of it (RFC 9110 section 14.5).
        return Err(FsError::bad(
            "A file is written as a whole, so Content-Range is not taken.",
        ));
    }
    let size = body.body.size_hint().exact();
    if size.is_some_and(|size| size > body.max_bytes) {
        return Err(body.too_large());
    }
    let short = size.is_some_and(|size| size <= CHUNK_BYTES as u64) && !expects_continue;
    let mut chunk = Vec::new();
    if short {
        body.fill(&mut chunk).await?;
    }
    let options = WriteOptions {
        parents: request.options.parents,
        conditions: conditions::for_change(&request.headers),
        modified_ns: timestamp(&request.headers)?,
        size,
        short,
    };
    let name = request.path.name.clone();
    let (writing, file) = match request.tree.write(name, options).await? {
        Conditional::Done(begun) => begun,
        Conditional::Unmet(current) => return Err(FsError::condition(&request.path.name, current)),
    };
    write_all(body, chunk, file).await?;
    match writing.finish().await? {
        Written::Done { created, version } => {
            let status = match created {
                true => StatusCode::CREATED,
                false => StatusCode::NO_CONTENT,
            };
            Ok((status, [(header::ETAG, conditions::etag(version))]).into_response())
        }
        Written::Refused { current } => Err(FsError::condition(&request.path.name, current)),
    }
}

/// Writes the body, one chunk while the next one arrives.
async fn write_all(
    body: &mut RequestBody,
    mut chunk: Vec<u8>,
    mut file: File,
) -> Result<(), FsError> {
    let mut spare = Vec::new();
    loop {
        let more = async {
            let mut next = std::mem::take(&mut spare);
            next.clear();
            body.fill(&mut next).await.map(|()| next)
        };
        if chunk.is_empty() {
            chunk = more.await?;
            if chunk.is_empty() {
                return Ok(());
            }
            continue;
        }
        let writing = tokio::task::spawn_blocking(move || {
            let result = file.write_all(&chunk);
            (file, chunk, result)
        });
        let next = more.await;
        let (returned, written, result) = writing
            .await
            .map_err(|error| FsError::from(task_error(&error)))?;
        result.map_err(|error| write_error(&error))?;
        (file, spare, chunk) = (returned, written, next?);
        if chunk.is_empty() {
            return Ok(());
        }
    }
}

fn write_error(error: &io::Error) -> FsError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FilesError::NoSpace,
        io::ErrorKind::FileTooLarge => FilesError::TooMuch("the file".to_owned()),
        _ => FilesError::System {
            what: "Writing".to_owned(),
            reason: error.to_string(),
        },
    }
    .into()
}

/// The body of a request, with its limit.
struct RequestBody {
    body: Body,
    /// Bytes that are accepted, at most.
    max_bytes: u64,
    /// Bytes that have arrived.
    received_bytes: u64,
}

impl RequestBody {
    /// Appends data until that is a whole chunk, or the body ends.
    async fn fill(&mut self, chunk: &mut Vec<u8>) -> Result<(), FsError> {
        while chunk.len() < CHUNK_BYTES {
            match timeout(BODY_IDLE_TIMEOUT, next_data(&mut self.body)).await {
                Ok(Some(Ok(bytes))) => {
                    self.received_bytes += bytes.len() as u64;
                    if self.received_bytes > self.max_bytes {
                        return Err(self.too_large());
                    }
                    chunk.extend_from_slice(&bytes);
                }
                Ok(Some(Err(error))) => {
                    tracing::debug!(%error, "an upload of a file broke off");
                    return Err(FsError::bad("The file did not come to its end."));
                }
                Ok(None) => return Ok(()),
                Err(_) => {
                    let detail = "Nothing more came of the file.";
                    return Err(HttpError::new(StatusCode::REQUEST_TIMEOUT, detail).into());
                }
            }
        }
        Ok(())
    }

    fn too_large(&self) -> FsError {
        let detail = format!("A file may have at most {} bytes.", self.max_bytes);
        HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into()
    }

    /// Reads and discards the rest, for up to [`REFUSED_LINGER`].
    async fn drain(mut self) {
        let end = Instant::now() + REFUSED_LINGER;
        while let Ok(Some(Ok(_))) = tokio::time::timeout_at(end, next_data(&mut self.body)).await {}
    }
}

/// Returns `X-Timestamp`, in nanoseconds.
pub(super) fn timestamp(headers: &HeaderMap) -> Result<Option<i64>, FsError> {
    let Some(value) = headers.get(X_TIMESTAMP) else {
        return Ok(None);
    };
    let value = value
        .to_str()
        .ok()
        .and_then(|text| text.parse::<i64>().ok());
    value
        .filter(|milliseconds| milliseconds.unsigned_abs() <= TIMESTAMP_MAX_MILLIS)
        .and_then(|milliseconds| milliseconds.checked_mul(1_000_000))
        .map(Some)
        .ok_or_else(|| FsError::bad("X-Timestamp is a number of milliseconds since 1970."))
}

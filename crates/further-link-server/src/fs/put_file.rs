//! Receiving a file.

use super::error::FsError;
use super::request::FsRequest;
use super::{X_TIMESTAMP, conditions};
use crate::http::body_data::next_data;
use crate::http::error::HttpError;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{FilesError, WriteOptions, Written};
use http::{HeaderMap, StatusCode, header};
use hyper::body::Body as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Bytes that are written at once. One such piece is written while the next one comes, so an upload takes twice as
/// much. A file that is not larger is waited for before anything is done: it is written as quickly as the disk
/// allows then, however slow the client is.
const CHUNK_BYTES: usize = 128 * 1024;
/// The latest time that a file can get, in milliseconds since 1970, and as much before: in 2262. Some seconds beyond it,
/// 64 bits do not hold the nanoseconds any more.
const TIMESTAMP_MAX_MILLIS: u64 = 9_223_372_000_000;
/// How long a client may send nothing of a file.
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client that was refused is still listened to. If the connection ended with something unread, it would not
/// get to see why.
const REFUSED_LINGER: Duration = Duration::from_secs(5);

/// Writes the body to the file that is requested.
pub(super) async fn receive(request: FsRequest, body: Body) -> Result<Response, FsError> {
    let most = request.app.settings.limits.file_bytes;
    let mut body = Incoming {
        body,
        most,
        taken: 0,
    };
    // Who waits to be told to go on has not sent anything that would have to be read.
    let waits = request.headers.contains_key(header::EXPECT);
    match write(&request, &mut body, waits).await {
        Err(error) if !waits => {
            tokio::spawn(body.drain());
            Err(error)
        }
        result => result,
    }
}

async fn write(request: &FsRequest, body: &mut Incoming, waits: bool) -> Result<Response, FsError> {
    if request.headers.contains_key(header::CONTENT_RANGE) {
        // As the whole file, it would be all that is left of it (RFC 9110 section 14.5).
        return Err(FsError::bad(
            "A file is written as a whole, so Content-Range is not taken.",
        ));
    }
    let size = body.body.size_hint().exact();
    if size.is_some_and(|size| size > body.most) {
        return Err(body.too_large());
    }
    let short = size.is_some_and(|size| size <= CHUNK_BYTES as u64) && !waits;
    let mut piece = Vec::new();
    if short {
        body.fill(&mut piece).await?;
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
        Ok(begun) => begun,
        Err(current) => return Err(FsError::condition(&request.path.name, current)),
    };
    pour(body, piece, file).await?;
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

/// Writes all that comes, one piece while the next one comes.
async fn pour(body: &mut Incoming, mut piece: Vec<u8>, mut file: File) -> Result<(), FsError> {
    let mut spare = Vec::new();
    loop {
        let more = async {
            let mut next = std::mem::take(&mut spare);
            next.clear();
            body.fill(&mut next).await.map(|()| next)
        };
        if piece.is_empty() {
            piece = more.await?;
            if piece.is_empty() {
                return Ok(());
            }
            continue;
        }
        let writing = tokio::task::spawn_blocking(move || {
            let result = file.write_all(&piece);
            (file, piece, result)
        });
        let next = more.await;
        let (returned, written, result) = writing
            .await
            .map_err(|_| FsError::from(FilesError::Ended))?;
        result.map_err(|error| written_badly(&error))?;
        (file, spare, piece) = (returned, written, next?);
        if piece.is_empty() {
            return Ok(());
        }
    }
}

fn written_badly(error: &io::Error) -> FsError {
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

/// What a client sends.
struct Incoming {
    body: Body,
    /// Bytes that are taken, at the most.
    most: u64,
    /// Bytes that have come.
    taken: u64,
}

impl Incoming {
    /// Appends what comes until that is a whole piece or the end.
    async fn fill(&mut self, piece: &mut Vec<u8>) -> Result<(), FsError> {
        while piece.len() < CHUNK_BYTES {
            match timeout(BODY_IDLE_TIMEOUT, next_data(&mut self.body)).await {
                Ok(Some(Ok(bytes))) => {
                    self.taken += bytes.len() as u64;
                    if self.taken > self.most {
                        return Err(self.too_large());
                    }
                    piece.extend_from_slice(&bytes);
                }
                Ok(Some(Err(_))) => {
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
        let detail = format!("A file may have at most {} bytes.", self.most);
        HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into()
    }

    /// Reads on for a while, for nothing.
    async fn drain(mut self) {
        let end = Instant::now() + REFUSED_LINGER;
        while let Ok(Some(Ok(_))) = tokio::time::timeout_at(end, next_data(&mut self.body)).await {}
    }
}

/// `X-Timestamp`, in nanoseconds.
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

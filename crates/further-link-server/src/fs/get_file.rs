//! `GET` and `HEAD` of a file, whole or a range.

use super::conditions::{Wanted, etag, last_modified, wanted};
use super::error::FsError;
use super::request::FsRequest;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use further_link_engine::OpenFile;
use http::{HeaderValue, StatusCode, header};
use hyper::body::{Frame, SizeHint};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;

/// Bytes that are read at once. One such chunk is on its way to the client and one is read in
/// advance, so a download takes twice as much.
const CHUNK_BYTES: usize = 128 * 1024;

/// Returns the response to a request for a file.
pub(super) fn response(file: OpenFile, request: &FsRequest) -> Result<Response, FsError> {
    let OpenFile {
        file,
        size,
        modified_ns,
        version,
    } = file;
    let wanted = match wanted(&request.headers, version, modified_ns, size) {
        // Only GET knows ranges (RFC 9110 section 14.2).
        Wanted::Part(..) | Wanted::NoSuchRange if request.is_head => Wanted::Whole,
        wanted => wanted,
    };
    let (status, first, end) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part(first, end) => (StatusCode::PARTIAL_CONTENT, first, end),
        Wanted::NotModified => (StatusCode::NOT_MODIFIED, 0, 0),
        Wanted::Changed => return Err(FsError::condition(&request.path.name, Some(version))),
        Wanted::NoSuchRange => return Err(FsError::range(size)),
    };
    let body = match request.is_head || first == end {
        true => Body::empty(),
        false => Body::new(FileBody::new(file, first, end)),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag(version));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(date) = last_modified(modified_ns) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    if status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - first));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type(request.path.name.as_str())),
    );
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = HeaderValue::try_from(format!("bytes {first}-{}/{size}", end - 1))
    {
        headers.insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// Returns the media type of a file, by its extension.
fn content_type(name: &str) -> &'static str {
    let last = name.rsplit('/').next().unwrap_or_default();
    let extension = last.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "ipynb" => "application/json",
        "csv" => "text/csv; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "xml" => "text/xml; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "bmp" => "image/bmp",
        "ico" => "image/x-icon",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" | "oga" => "audio/ogg",
        "flac" => "audio/flac",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        "bin" | "o" | "so" | "a" | "pyc" | "class" | "exe" | "img" | "iso" | "xz" | "zst"
        | "bz2" | "tar" | "7z" | "db" | "sqlite" | "npy" | "npz" | "pkl" | "h5" | "tflite"
        | "onnx" | "uf2" | "hex" | "elf" => "application/octet-stream",
        // Programs, settings, notes, and files without an ending: what people keep here is text.
        _ => "text/plain; charset=utf-8",
    }
}

/// A range of a file, read in chunks on the blocking pool.
struct FileBody {
    file: Arc<File>,
    /// Where the next chunk begins.
    next: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// Bytes that are not handed on yet.
    left: u64,
}

impl FileBody {
    fn new(file: File, first: u64, end: u64) -> Self {
        let mut body = Self {
            file: Arc::new(file),
            next: first,
            end,
            reading: None,
            left: end - first,
        };
        body.read_on();
        body
    }

    fn read_on(&mut self) {
        let length = (self.end - self.next).min(CHUNK_BYTES as u64);
        if length == 0 {
            return;
        }
        let (file, offset) = (Arc::clone(&self.file), self.next);
        self.next += length;
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; length as usize];
            // A file that has become shorter ends here, and with it the connection: what was
            // announced is not there.
            file.read_exact_at(&mut chunk, offset)?;
            Ok(chunk.into())
        }));
    }
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let chunk = ready!(Pin::new(reading).poll(context)).map_err(io::Error::other);
        self.reading = None;
        let chunk = match chunk.flatten() {
            Ok(chunk) => chunk,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        self.left -= chunk.len() as u64;
        self.read_on();
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

//! Reading the body of a request whole: only as much as is permitted, from clients that keep sending, and
//! so that all bodies together take no more memory than a few of the largest.

use crate::error::HttpError;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use http::{StatusCode, header};
use hyper::body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many bodies of the largest size may be held at the same time; of smaller ones, more.
const LARGEST: usize = 4;
/// Bytes that one permit stands for.
const UNIT: usize = 1024;
/// How long a body waits for memory.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may send nothing.
const SILENCE: Duration = Duration::from_secs(10);
/// How long all of a body may take: 32 MiB at 1 Mbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the rest of a body that is too large is read, so that its client gets to read why: a
/// connection that is closed with something unread in it takes its answer back.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Memory for bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// Bytes of one body, at the most.
    max: usize,
    memory: Arc<Semaphore>,
}

/// A whole body. Its memory counts until this is dropped.
#[derive(Debug)]
pub(crate) struct WholeBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) memory: OwnedSemaphorePermit,
}

impl Bodies {
    /// For bodies of up to `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            memory: Arc::new(Semaphore::new(LARGEST * max.div_ceil(UNIT))),
        }
    }

    /// Reads all of a request's body.
    pub(crate) async fn read(&self, request: Request) -> Result<WholeBody, HttpError> {
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced
            .and_then(|length| length.to_str().ok()?.parse().ok())
            // Sent in chunks, nobody knows.
            .unwrap_or(self.max);
        // One who asks first has not sent anything yet.
        let asks = request.headers().contains_key(header::EXPECT);
        let mut body = request.into_body();
        if announced > self.max {
            if !asks {
                discard(&mut body).await;
            }
            return Err(self.too_large());
        }
        let units = u32::try_from(announced.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.memory).acquire_many_owned(units);
        let Ok(Ok(memory)) = timeout(MEMORY_TIMEOUT, memory).await else {
            return Err(busy());
        };
        match timeout(BODY_TIMEOUT, self.collect(&mut body)).await {
            Ok(Ok(bytes)) => Ok(WholeBody { bytes, memory }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(too_slow()),
        }
    }

    async fn collect(&self, body: &mut Body) -> Result<Vec<u8>, HttpError> {
        let mut bytes = Vec::new();
        loop {
            match timeout(SILENCE, next(body)).await {
                Err(_) => return Err(too_slow()),
                Ok(None) => return Ok(bytes),
                Ok(Some(Err(error))) => {
                    let detail = format!("The request's body cannot be read: {error}.");
                    return Err(HttpError::new(StatusCode::BAD_REQUEST, detail));
                }
                Ok(Some(Ok(data))) if data.len() > self.max - bytes.len() => {
                    discard(body).await;
                    return Err(self.too_large());
                }
                Ok(Some(Ok(data))) => bytes.extend_from_slice(&data),
            }
        }
    }

    fn too_large(&self) -> HttpError {
        let detail = format!(
            "An upload may have {} bytes (limits.upload_bytes in the configuration).",
            self.max
        );
        HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            .with_header(header::CONNECTION, "close")
    }
}

/// For a request that would have to wait longer than its client does.
pub(crate) fn busy() -> HttpError {
    let detail = "Too many uploads are on their way. Try again in a moment.";
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_header(header::RETRY_AFTER, "5")
}

fn too_slow() -> HttpError {
    let detail = "The request's body did not come in time.";
    HttpError::new(StatusCode::REQUEST_TIMEOUT, detail).with_header(header::CONNECTION, "close")
}

/// The next piece of a body; trailers are left out.
async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

async fn discard(body: &mut Body) {
    let rest = async { while let Some(Ok(_)) = next(body).await {} };
    let _ = timeout(DISCARD_TIMEOUT, rest).await;
}

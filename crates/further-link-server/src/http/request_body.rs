//! Reading the body of a request whole: only as much as is permitted, from clients that keep
//! sending, and so that all bodies together take no more memory than a few of the largest.

use super::body_data::next_data;
use crate::http::error::HttpError;
use axum::body::Body;
use axum::extract::Request;
use http::{StatusCode, header};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many uploads of the largest size may be held at the same time; of smaller ones, more.
const LARGEST_BODIES_MAX_COUNT: usize = 4;
/// Bytes that one permit stands for.
const PERMIT_BYTES: usize = 1024;
/// Bytes of a body that does not wait for memory: a few keys are not to stand behind large bodies
/// that come slowly. One for each connection is 2 MiB.
const SMALL_BODY_MAX_BYTES: usize = 4 * 1024;
/// How long a body waits for memory.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may send nothing (idle timeout).
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long all of a body may take: 32 MiB at 1 Mbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the rest of a body that is too large is read, so that its client gets to read why: a
/// connection that is closed with something unread in it takes its answer back.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Memory for bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// Bytes of one body, at most.
    max_bytes: usize,
    /// What to say about a larger one.
    too_large: String,
    memory: Arc<Semaphore>,
}

/// A whole body. Its memory counts until this is dropped.
#[derive(Debug)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) memory: OwnedSemaphorePermit,
}

impl Bodies {
    /// Returns a reader for uploads of up to `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        let too_large =
            format!("An upload may have {max} bytes (limits.upload_bytes in the configuration).");
        Self::with_message(max, LARGEST_BODIES_MAX_COUNT, too_large)
    }

    /// Returns a reader for bodies of up to `max` bytes, of which `largest` may be held at the same
    /// time. `too_large` is the error message for larger ones.
    pub(crate) fn with_message(max: usize, largest: usize, too_large: String) -> Self {
        Self {
            max_bytes: max,
            too_large,
            memory: Arc::new(Semaphore::new(largest * max.div_ceil(PERMIT_BYTES))),
        }
    }

    /// Reads a request's whole body.
    ///
    /// # Errors
    /// If it is too large, comes too slowly, or there is no memory for it in time.
    pub(crate) async fn read(&self, request: Request) -> Result<ReadBody, HttpError> {
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced
            .and_then(|length| length.to_str().ok()?.parse().ok())
            // Sent in chunks, nobody knows.
            .unwrap_or(self.max_bytes);
        // A client that waits for `100 Continue` has sent nothing yet.
        let expects_continue = request.headers().contains_key(header::EXPECT);
        let mut body = request.into_body();
        if announced > self.max_bytes {
            if !expects_continue {
                discard(&mut body).await;
            }
            return Err(self.too_large());
        }
        let units = match announced {
            ..=SMALL_BODY_MAX_BYTES => 0,
            large => u32::try_from(large.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX),
        };
        let memory = Arc::clone(&self.memory).acquire_many_owned(units);
        let Ok(Ok(memory)) = timeout(MEMORY_TIMEOUT, memory).await else {
            return Err(busy());
        };
        match timeout(BODY_TIMEOUT, self.collect(&mut body)).await {
            Ok(Ok(bytes)) => Ok(ReadBody { bytes, memory }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(too_slow()),
        }
    }

    async fn collect(&self, body: &mut Body) -> Result<Vec<u8>, HttpError> {
        let mut bytes = Vec::new();
        loop {
            match timeout(BODY_IDLE_TIMEOUT, next_data(body)).await {
                Err(_) => return Err(too_slow()),
                Ok(None) => return Ok(bytes),
                Ok(Some(Err(error))) => {
                    let detail = format!("The request's body cannot be read: {error}.");
                    return Err(HttpError::new(StatusCode::BAD_REQUEST, detail));
                }
                Ok(Some(Ok(data))) if data.len() > self.max_bytes - bytes.len() => {
                    discard(body).await;
                    return Err(self.too_large());
                }
                Ok(Some(Ok(data))) => bytes.extend_from_slice(&data),
            }
        }
    }

    fn too_large(&self) -> HttpError {
        HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, &*self.too_large)
            .with_header(header::CONNECTION, "close")
    }
}

/// Returns the error for a request that would have to wait longer than its client does.
pub(crate) fn busy() -> HttpError {
    let detail = "Too many uploads are on their way. Try again in a moment.";
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_header(header::RETRY_AFTER, "5")
}

fn too_slow() -> HttpError {
    let detail = "The request's body did not come in time.";
    HttpError::new(StatusCode::REQUEST_TIMEOUT, detail).with_header(header::CONNECTION, "close")
}

/// Reads and discards the rest of a body, for up to [`DISCARD_TIMEOUT`].
pub(crate) async fn discard(body: &mut Body) {
    let rest = async { while let Some(Ok(_)) = next_data(body).await {} };
    let _ = timeout(DISCARD_TIMEOUT, rest).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;
    use axum::response::IntoResponse as _;
    use hyper::body::Frame;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::time::{Instant, Sleep};

    /// Sends its chunks, each after a pause, and then stays silent or ends.
    struct Slow {
        chunks: VecDeque<&'static [u8]>,
        pause: Duration,
        ends: bool,
        next: Pin<Box<Sleep>>,
    }

    impl hyper::body::Body for Slow {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.next.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let after = Instant::now() + self.pause;
            self.next.as_mut().reset(after);
            match self.chunks.pop_front() {
                Some(chunk) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(chunk))))),
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    fn slow(chunks: &[&'static [u8]], pause: Duration, ends: bool) -> Request {
        Request::new(Body::new(Slow {
            chunks: chunks.iter().copied().collect(),
            pause,
            ends,
            next: Box::pin(tokio::time::sleep(pause)),
        }))
    }

    /// Its status and how long that took, or the body.
    async fn read(bodies: &Bodies, request: Request) -> Result<Vec<u8>, (u16, u64)> {
        let begun = Instant::now();
        match bodies.read(request).await {
            Ok(body) => Ok(body.bytes),
            Err(error) => Err((
                error.into_response().status().as_u16(),
                begun.elapsed().as_secs(),
            )),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_body_is_read_and_stalled_body_times_out() {
        let bodies = Bodies::new(5_000);
        let second = Duration::from_secs(1);
        let whole = slow(&[&b"so"[..], b"", b" slow"], 9 * second, true);
        assert_eq!(read(&bodies, whole).await, Ok(b"so slow".to_vec()));
        let silent = slow(&[b"so"], second, false);
        assert_eq!(read(&bodies, silent).await, Err((408, 11)));
        // A byte now and then does not count as sending.
        let drip = slow(&[&b"x"[..]; 1_000], 9 * second, true);
        assert_eq!(read(&bodies, drip).await, Err((408, 300)));
        let large = slow(&[&[0; 3_000], &[0; 2_001]], second, false);
        assert_eq!(read(&bodies, large).await, Err((413, 7)));
        // All memory was given back.
        assert_eq!(bodies.memory.available_permits(), 4 * 5);
    }

    #[tokio::test(start_paused = true)]
    async fn body_waits_for_memory_and_small_body_does_not() {
        let bodies = Bodies::new(10 * 1024);
        let sized = |size: usize| {
            let request = Request::builder().header(header::CONTENT_LENGTH, size);
            request.body(Body::from(vec![0; size])).unwrap()
        };
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(bodies.read(sized(10 * 1024)).await.unwrap());
        }
        held.push(bodies.read(sized(8 * 1024)).await.unwrap());
        let most = read(&bodies, sized(SMALL_BODY_MAX_BYTES + 1)).await;
        assert_eq!(most, Err((503, 30)));
        // A few keys go in between.
        let begun = Instant::now();
        assert_eq!(
            read(&bodies, sized(SMALL_BODY_MAX_BYTES)).await,
            Ok(vec![0; SMALL_BODY_MAX_BYTES])
        );
        assert_eq!(begun.elapsed(), Duration::ZERO);
        held.pop();
        let most = read(&bodies, sized(SMALL_BODY_MAX_BYTES + 1)).await;
        assert_eq!(most, Ok(vec![0; SMALL_BODY_MAX_BYTES + 1]));
        held.push(bodies.read(sized(8 * 1024)).await.unwrap());
        // One that comes in chunks may become as large as any.
        let chunked = slow(&[b"x"], Duration::ZERO, true);
        assert_eq!(read(&bodies, chunked).await, Err((503, 30)));
        held.clear();
        let chunked = slow(&[b"x"], Duration::ZERO, true);
        assert_eq!(read(&bodies, chunked).await, Ok(b"x".to_vec()));
    }
}

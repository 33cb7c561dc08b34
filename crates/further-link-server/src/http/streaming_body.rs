//! Response bodies whose bytes come from a task, one chunk ahead of the client.

use axum::body::Body;
use bytes::Bytes;
use hyper::body::Frame;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Pieces between the task and the client.
const QUEUED_CHUNKS: usize = 1;

/// The sending half, for the task. Sending fails once the client is gone.
pub(crate) type Sender = mpsc::Sender<io::Result<Bytes>>;

/// Returns a body and its sending half. An error aborts the connection, so that the client does not
/// take what it has for the whole.
pub(crate) fn body() -> (Sender, Body) {
    let (sender, receiver) = mpsc::channel(QUEUED_CHUNKS);
    (sender, Body::new(StreamBody(receiver)))
}

struct StreamBody(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(context)
            .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

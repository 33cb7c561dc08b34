//! Bodies whose bytes come from a task, one piece ahead of what the client reads.

use axum::body::Body;
use bytes::Bytes;
use hyper::body::Frame;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Pieces between the task and the client.
const QUEUED_CHUNKS: usize = 1;

/// What a task writes to. Once the client is gone, writing fails.
pub(crate) type Sender = mpsc::Sender<io::Result<Bytes>>;

/// A body, and what fills it. An error breaks the connection off, so that the client does not take what it has for the whole.
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
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

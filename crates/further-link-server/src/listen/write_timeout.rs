//! The write timeout: gives up a client that does not read what it asked for (slow read attack).

use super::peer::Peer;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long a client may read no byte of an HTTP response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A stream whose writes fail with `TimedOut` when none has made progress for [`WRITE_TIMEOUT`].
/// Not after an upgrade: WebSocket clients have a heartbeat.
#[derive(Debug)]
pub(crate) struct WriteTimeout<S> {
    stream: S,
    peer: Arc<Peer>,
    /// Runs since a write had to wait.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> WriteTimeout<S> {
    pub(crate) fn new(stream: S, peer: Arc<Peer>) -> Self {
        Self {
            stream,
            peer,
            deadline: None,
        }
    }

    /// Returns what `poll` does, unless it has been pending for too long.
    fn poll_with_timeout<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let result = poll(Pin::new(&mut self.stream), context);
        if result.is_ready() || self.peer.is_upgraded() {
            self.deadline = None;
            return result;
        }
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_TIMEOUT)));
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with_timeout(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with_timeout(context, |stream, context| {
            stream.poll_write_vectored(context, slices)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with_timeout(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with_timeout(context, |stream, context| stream.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    async fn write_to_stalled_client(peer: Arc<Peer>) -> io::Result<()> {
        // The other end is there, and reads nothing.
        let (stream, _other) = tokio::io::duplex(16);
        let mut stream = WriteTimeout::new(stream, peer);
        stream.write_all(&[0; 64]).await
    }

    #[tokio::test(start_paused = true)]
    async fn write_to_stalled_client_times_out() {
        let error = write_to_stalled_client(Arc::new(Peer::for_test()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn write_after_upgrade_never_times_out() {
        let peer = Arc::new(Peer::for_test());
        peer.upgrade();
        let waited = tokio::time::timeout(100 * WRITE_TIMEOUT, write_to_stalled_client(peer)).await;
        assert!(waited.is_err());
    }
}

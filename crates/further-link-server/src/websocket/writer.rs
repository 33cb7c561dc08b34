//! Writing: bytes of frames to the socket.

use super::deflate::{Agreement, Compressor};
use super::frames::Frames;
use super::socket::Socket;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncWrite as _, WriteHalf};

/// The writing half of a connection.
pub(crate) struct Writer {
    socket: WriteHalf<Socket>,
    compression: Option<Agreement>,
}

impl Writer {
    /// Returns the half for `socket`.
    pub(super) fn new(socket: WriteHalf<Socket>, compression: Option<Agreement>) -> Self {
        Self {
            socket,
            compression,
        }
    }

    /// Returns an empty frame buffer that compresses as was negotiated. The client sees one
    /// sequence of frames, so there is to be one of these for each connection.
    pub(super) fn frames(&self) -> Frames {
        Frames::new(self.compression.as_ref().map(Compressor::new))
    }

    /// Writes some of `bytes`. Calls `waited` if the client had to take older bytes first, which
    /// shows that it is alive. Cancel safe: what was not counted was not written.
    pub(super) async fn write(&mut self, bytes: &[u8], waited: impl Fn()) -> io::Result<usize> {
        let socket = &mut self.socket;
        let count = poll_noting_wait(waited, |context| {
            Pin::new(&mut *socket).poll_write(context, bytes)
        })
        .await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(count)
    }

    /// Flushes what was written (TLS keeps records). `waited` as for [`Self::write`].
    pub(super) async fn flush(&mut self, waited: impl Fn()) -> io::Result<()> {
        let socket = &mut self.socket;
        poll_noting_wait(waited, |context| Pin::new(&mut *socket).poll_flush(context)).await
    }

    /// Shuts down the sending direction.
    pub(super) async fn shut_down(&mut self) -> io::Result<()> {
        let socket = &mut self.socket;
        poll_fn(|context| Pin::new(&mut *socket).poll_shutdown(context)).await
    }
}

/// Completes with what `poll` returns. Calls `waited` if that was not at once.
async fn poll_noting_wait<T>(
    waited: impl Fn(),
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> T {
    let mut blocked = false;
    poll_fn(|context| {
        let poll = poll(context);
        match &poll {
            Poll::Pending => blocked = true,
            Poll::Ready(_) if blocked => waited(),
            Poll::Ready(_) => {}
        }
        poll
    })
    .await
}

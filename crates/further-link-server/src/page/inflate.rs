//! A file made from its compressed form, for clients that take none: in chunks, so that many of
//! them that read slowly need little memory, and one that reads quickly does not keep the others
//! waiting.

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use zlib_rs::{Inflate, InflateFlush, Status};

/// Bytes of a chunk. The HTTP library gathers some of them for a client that is slow; with what
/// inflating remembers that was 100 KiB.
const CHUNK_BYTES: usize = 16 * 1024;
/// The shortest head of the gzip format (RFC 1952), which `build/embed.rs` has seen to, and its
/// end: a check and a length.
const GZIP_HEADER_MIN_BYTES: usize = 10;
const GZIP_TRAILER_BYTES: usize = 8;
/// Base two logarithm of the furthest that the format refers back to.
const WINDOW_BITS: u8 = 15;

/// Returns a body of `length` bytes from what `gzip` holds.
pub(super) fn body(gzip: &'static [u8], length: usize) -> Body {
    let end = gzip.len().saturating_sub(GZIP_TRAILER_BYTES);
    Body::new(Inflated {
        rest: gzip.get(GZIP_HEADER_MIN_BYTES..end).unwrap_or_default(),
        inflate: Inflate::new(false, WINDOW_BITS),
        left: length,
    })
}

struct Inflated {
    rest: &'static [u8],
    inflate: Inflate,
    left: usize,
}

impl Inflated {
    fn next(&mut self) -> io::Result<Bytes> {
        let mut chunk = vec![0; CHUNK_BYTES.min(self.left)];
        let mut filled = 0;
        while filled < chunk.len() {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(self.rest, &mut chunk[filled..], InflateFlush::NoFlush)
                .map_err(|error| io::Error::other(error.as_str()))?;
            let read = (self.inflate.total_in() - read) as usize;
            let written = (self.inflate.total_out() - written) as usize;
            self.rest = self.rest.get(read..).unwrap_or_default();
            filled += written;
            if filled < chunk.len() && (status == Status::StreamEnd || read + written == 0) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.left -= filled;
        Ok(chunk.into())
    }
}

impl hyper::body::Body for Inflated {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let chunk = self.next();
        if chunk.is_err() {
            self.left = 0;
        }
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

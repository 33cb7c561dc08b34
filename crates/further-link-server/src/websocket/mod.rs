//! The WebSocket transport (RFC 6455). `handshake` upgrades a request, `reader` and `writer` are
//! the two halves of the socket, `frames` encodes, `deflate` compresses; `connection` is what they
//! make together: heartbeat, flow control ([`send_window`]), close.
//!
//! The library does the protocol on bytes in memory; sockets, waiting and buffers are ours, so that
//! reading never waits for writing and a byte is encoded straight into the buffer that is sent.
//! Only this directory knows the library. It knows no dialect and no job: what is spoken on a
//! connection is a [`connection::Handler`].

pub(crate) mod connection;
pub(crate) mod deflate;
pub(crate) mod frames;
mod handshake;
mod heartbeat;
pub(crate) mod outbox;
mod reader;
pub(crate) mod send_window;
mod socket;
mod writer;

pub(crate) use handshake::{accept, is_upgrade, offers};
pub(crate) use reader::{Reader, Received};
pub(crate) use writer::Writer;

use deflate::Agreement;
use hyper::upgrade::Upgraded;
use socket::Socket;

/// Splits an upgraded connection. Messages may have `message_max_bytes`.
pub(crate) fn split(
    upgraded: Upgraded,
    message_max_bytes: usize,
    compression: Option<Agreement>,
) -> (Reader, Writer) {
    let (read, write) = tokio::io::split(Socket::new(upgraded));
    let reader = Reader::new(read, message_max_bytes, compression.is_some());
    (reader, Writer::new(write, compression))
}

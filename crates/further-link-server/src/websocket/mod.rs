//! The WebSocket transport (RFC 6455): the handshake, reading messages, and writing bytes.
//!
//! The library does the protocol on bytes in memory; sockets, waiting and buffers are ours, so that
//! reading never waits for writing and a byte is encoded straight into the buffer that is sent. Nothing
//! outside of this file knows the library.

pub(crate) mod connection;
pub(crate) mod deflate;
pub(crate) mod frames;
pub(crate) mod send_window;

use self::deflate::{Agreement, Compressor, Messages};
use self::frames::Frames;
use crate::http::error::HttpError;
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sockudo_ws::handshake::generate_accept_key;
use sockudo_ws::protocol::{Protocol, Role};
use sockudo_ws::{Error, Message};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf, ReadHalf, WriteHalf};

/// Bytes that are read at once. Keys are far smaller; larger messages take several reads.
const READ_SIZE: usize = 16 * 1024;

/// Bytes that take as long as a message without any.
const MESSAGE_WEIGHT: usize = 128;

/// RFC 6455 section 7.4.1: what the connection was for is done.
pub(crate) const NORMAL: u16 = 1000;
/// RFC 6455 section 7.4.1: the endpoint is going away.
pub(crate) const GOING_AWAY: u16 = 1001;
/// RFC 6455 section 7.4.1.
const PROTOCOL_ERROR: u16 = 1002;
/// RFC 6455 section 7.4.1: a text message that is no UTF-8.
const INVALID_PAYLOAD: u16 = 1007;
/// RFC 6455 section 7.4.1: the message is larger than permitted.
const TOO_BIG: u16 = 1009;
/// RFC 6455 section 7.4.1: a policy was violated; here, that a client gives a sign of life.
pub(crate) const NO_ANSWER: u16 = 1008;

/// IANA's registry of close codes: the server cannot serve this client now.
pub(crate) const TRY_AGAIN: u16 = 1013;

type Socket = TokioIo<Upgraded>;

/// Whether one of a header's values, of which there may be many behind commas, is `wanted`.
fn lists(
    headers: &HeaderMap,
    name: HeaderName,
    wanted: &str,
    same: fn(&str, &str) -> bool,
) -> bool {
    headers.get_all(name).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.split(',').any(|token| same(token.trim(), wanted)))
    })
}

/// Whether the client offers `subprotocol` (RFC 6455 section 4.1; the case of letters counts).
pub(crate) fn offers(headers: &HeaderMap, subprotocol: &str) -> bool {
    lists(
        headers,
        header::SEC_WEBSOCKET_PROTOCOL,
        subprotocol,
        |token, wanted| token == wanted,
    )
}

/// Checks an upgrade request and answers it, with the subprotocol that was chosen and the compression that
/// was agreed upon. The caller spawns what follows with the request's `OnUpgrade`.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn accept(
    headers: &HeaderMap,
    subprotocol: Option<&'static str>,
    compression: Option<&Agreement>,
) -> Result<Response, HttpError> {
    let is = |name, wanted: &str| lists(headers, name, wanted, str::eq_ignore_ascii_case);
    if !is(header::UPGRADE, "websocket") || !is(header::CONNECTION, "upgrade") {
        let error = HttpError::new(
            StatusCode::UPGRADE_REQUIRED,
            "This address is for WebSocket clients.",
        );
        return Err(error.with_header(header::UPGRADE, "websocket"));
    }
    if !is(header::SEC_WEBSOCKET_VERSION, "13") {
        let error = HttpError::new(
            StatusCode::UPGRADE_REQUIRED,
            "Only version 13 of the WebSocket protocol is spoken here.",
        );
        return Err(error.with_header(header::SEC_WEBSOCKET_VERSION, "13"));
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .and_then(|key| key.to_str().ok())
        .filter(|key| is_key(key))
        .ok_or_else(|| {
            HttpError::new(
                StatusCode::BAD_REQUEST,
                "The WebSocket handshake has no valid Sec-WebSocket-Key.",
            )
        })?;
    let answer = HeaderValue::try_from(generate_accept_key(key))
        .map_err(|_| HttpError::new(StatusCode::BAD_REQUEST, ""))?;
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, answer);
    if let Some(subprotocol) = subprotocol {
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(subprotocol),
        );
    }
    if let Some(agreement) = compression {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, agreement.answer());
    }
    Ok(response)
}

/// Whether this is the base64 form of 16 bytes (RFC 6455 section 4.2.1).
fn is_key(key: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.len() == 24
        && key
            .strip_suffix("==")
            .is_some_and(|digits| digits.bytes().all(digit))
}

/// Whether a request is one for an upgrade to WebSocket, proper or not.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    lists(
        headers,
        header::UPGRADE,
        "websocket",
        str::eq_ignore_ascii_case,
    )
}

/// Splits an upgraded connection. Messages may have `max_message` bytes.
pub(crate) fn split(
    upgraded: Upgraded,
    max_message: usize,
    compression: Option<Agreement>,
) -> (Reader, Writer) {
    let (read, write) = tokio::io::split(TokioIo::new(upgraded));
    let reader = Reader {
        socket: read,
        buffer: BytesMut::new(),
        parser: match compression {
            Some(_) => Parser::Deflate(Messages::new(max_message)),
            None => Parser::Plain {
                protocol: Protocol::new(Role::Server, max_message, max_message),
                ready: Vec::new(),
                messages: VecDeque::new(),
                failed: None,
            },
        },
    };
    let writer = Writer {
        socket: write,
        compression,
    };
    (reader, writer)
}

/// A message of a peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// It is UTF-8.
    Text(Bytes),
    Binary(Bytes),
}

impl Received {
    /// What it takes to deal with it, in bytes: also a small message takes some time.
    pub(crate) fn weight(&self) -> usize {
        let (Self::Text(bytes) | Self::Binary(bytes)) = self;
        MESSAGE_WEIGHT + bytes.len()
    }
}

/// What a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Message(Received),
    /// To be answered with a pong of the same payload.
    Ping(Bytes),
    Pong(Bytes),
    /// The peer is done; to be answered with this close code (`None`: without one).
    Close(Option<u16>),
}

/// Why no more can be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The connection is gone; there is nobody to tell.
    Lost,
    /// The peer broke the protocol; it is told with this code and reason.
    Broken(u16, &'static str),
}

/// The reading half.
pub(crate) struct Reader {
    socket: ReadHalf<Socket>,
    /// What was read and not yet understood.
    buffer: BytesMut,
    parser: Parser,
}

/// What makes messages of bytes.
enum Parser {
    /// All that there are at once: they are no larger than their bytes.
    Plain {
        protocol: Protocol,
        ready: Vec<Message>,
        messages: VecDeque<Message>,
        /// Came behind `messages`.
        failed: Option<Ending>,
    },
    /// Some messages may be compressed: one after the other.
    Deflate(Messages),
}

impl Parser {
    /// The next message in `buffer`, if it is complete.
    fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, Ending> {
        match self {
            Self::Plain {
                protocol,
                ready,
                messages,
                failed,
            } => {
                if messages.is_empty() && failed.is_none() && !buffer.is_empty() {
                    *failed = protocol
                        .process_into(buffer, ready)
                        .err()
                        .map(|error| ending(&error));
                    messages.extend(ready.drain(..));
                }
                match messages.pop_front() {
                    Some(message) => Ok(Some(message)),
                    None => failed.take().map_or(Ok(None), Err),
                }
            }
            Self::Deflate(messages) => messages.next(buffer).map_err(|error| ending(&error)),
        }
    }
}

impl Reader {
    /// The next message. Safe to be cancelled.
    pub(crate) async fn next(&mut self) -> Result<Incoming, Ending> {
        loop {
            if let Some(message) = self.parser.next(&mut self.buffer)? {
                return Ok(match message {
                    Message::Text(bytes) => Incoming::Message(Received::Text(bytes)),
                    Message::Binary(bytes) => Incoming::Message(Received::Binary(bytes)),
                    Message::Ping(bytes) => Incoming::Ping(bytes),
                    Message::Pong(bytes) => Incoming::Pong(bytes),
                    Message::Close(reason) => Incoming::Close(reason.map(|reason| reason.code)),
                });
            }
            if self.buffer.is_empty() {
                // What a large message has needed is not kept for the next key.
                self.buffer = BytesMut::new();
            }
            match self.read().await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(Ending::Lost),
            }
        }
    }
}

impl Reader {
    /// Reads some more into the buffer. While there is nothing to read this takes no memory: most
    /// connections wait for a person.
    async fn read(&mut self) -> io::Result<usize> {
        poll_fn(|context| {
            let mut space = [MaybeUninit::uninit(); READ_SIZE];
            let mut space = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut space))?;
            self.buffer.extend_from_slice(space.filled());
            Poll::Ready(Ok(space.filled().len()))
        })
        .await
    }

    /// Reads on until the peer has closed, and forgets it. A socket that is closed with something
    /// unread in it takes back what was sent last, here the close frame (RFC 1122 section 4.2.2.13).
    pub(crate) async fn discard(&mut self) {
        let mut buffer = vec![0; READ_SIZE];
        while let Ok(1..) = self.socket.read(&mut buffer).await {}
    }
}

fn ending(error: &Error) -> Ending {
    match error {
        Error::MessageTooLarge | Error::FrameTooLarge => {
            Ending::Broken(TOO_BIG, "the message is too large")
        }
        Error::InvalidUtf8 => Ending::Broken(INVALID_PAYLOAD, "text has to be UTF-8"),
        Error::Compression(_) => {
            Ending::Broken(INVALID_PAYLOAD, "the message is not compressed as it says")
        }
        Error::Io(_) | Error::ConnectionClosed | Error::ConnectionReset => Ending::Lost,
        _ => Ending::Broken(PROTOCOL_ERROR, "not the WebSocket protocol"),
    }
}

/// The writing half.
pub(crate) struct Writer {
    socket: WriteHalf<Socket>,
    compression: Option<Agreement>,
}

impl Writer {
    /// Nothing yet; compresses as was agreed upon. The client reads one order of frames, so there is to be
    /// one of these for each connection.
    pub(crate) fn frames(&self) -> Frames {
        Frames::new(self.compression.as_ref().map(Compressor::new))
    }

    /// Writes some of `bytes`. `waited` is called when the peer had to take older bytes first, which
    /// shows that it lives. Safe to be cancelled: what was not counted was not written.
    pub(crate) async fn write(&mut self, bytes: &[u8], waited: impl Fn()) -> io::Result<usize> {
        let socket = &mut self.socket;
        let count = told(waited, |context| {
            Pin::new(&mut *socket).poll_write(context, bytes)
        })
        .await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(count)
    }

    /// Has everything that was written leave (TLS keeps records). `waited` as for [`Self::write`].
    pub(crate) async fn flush(&mut self, waited: impl Fn()) -> io::Result<()> {
        let socket = &mut self.socket;
        told(waited, |context| Pin::new(&mut *socket).poll_flush(context)).await
    }

    /// Ends the sending direction.
    pub(crate) async fn shut_down(&mut self) -> io::Result<()> {
        let socket = &mut self.socket;
        poll_fn(|context| Pin::new(&mut *socket).poll_shutdown(context)).await
    }
}

/// What `poll` comes to. `waited` is called if it did not at once.
async fn told<T>(waited: impl Fn(), mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
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

//! Reading: bytes of the socket into messages.

use super::deflate::Inflater;
use super::socket::Socket;
use bytes::{Bytes, BytesMut};
use further_link_protocol::CloseCode;
use sockudo_ws::protocol::{Protocol, Role};
use sockudo_ws::{Error, Message};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, ReadBuf, ReadHalf};

/// Bytes that are read at once. Keys are far smaller; larger messages take several reads.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// Bytes that take as long to handle as a message without any.
const MESSAGE_OVERHEAD_BYTES: usize = 128;

/// A message of the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// It is UTF-8.
    Text(Bytes),
    Binary(Bytes),
}

impl Received {
    /// Returns what it costs to handle it, in bytes: even a small message takes some time.
    pub(crate) fn cost_bytes(&self) -> usize {
        let (Self::Text(bytes) | Self::Binary(bytes)) = self;
        MESSAGE_OVERHEAD_BYTES + bytes.len()
    }
}

/// What the client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Message(Received),
    /// To be answered with a pong of the same payload.
    Ping(Bytes),
    Pong(Bytes),
    /// The client closes; to be answered with this close code (`None`: without one).
    Close(Option<u16>),
}

/// Why no more can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    /// The connection is gone; there is nobody to tell.
    Disconnected,
    /// The peer broke the protocol; the connection is closed with this code and reason.
    Invalid(CloseCode, &'static str),
}

/// The reading half of a connection.
pub(crate) struct Reader {
    socket: ReadHalf<Socket>,
    /// What was read and not yet parsed.
    buffer: BytesMut,
    parser: Parser,
}

/// Parses bytes into messages.
enum Parser {
    /// Parses all there are at once: they are no larger than their bytes.
    Plain {
        protocol: Protocol,
        ready: Vec<Message>,
        messages: VecDeque<Message>,
        /// Came after `messages`.
        failed: Option<ReadError>,
    },
    /// Some messages may be compressed: parses one after the other.
    Deflate(Inflater),
}

impl Parser {
    /// Returns the next message in `buffer`, if it is complete.
    fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, ReadError> {
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
                        .map(|error| read_error(&error));
                    messages.extend(ready.drain(..));
                }
                match messages.pop_front() {
                    Some(message) => Ok(Some(message)),
                    None => failed.take().map_or(Ok(None), Err),
                }
            }
            Self::Deflate(messages) => messages.next(buffer).map_err(|error| read_error(&error)),
        }
    }
}

impl Reader {
    /// Returns the half for `socket`. Messages may have `message_max_bytes`.
    pub(super) fn new(
        socket: ReadHalf<Socket>,
        message_max_bytes: usize,
        is_compressed: bool,
    ) -> Self {
        let parser = match is_compressed {
            true => Parser::Deflate(Inflater::new(message_max_bytes)),
            false => Parser::Plain {
                protocol: Protocol::new(Role::Server, message_max_bytes, message_max_bytes),
                ready: Vec::new(),
                messages: VecDeque::new(),
                failed: None,
            },
        };
        Self {
            socket,
            buffer: BytesMut::new(),
            parser,
        }
    }

    /// Returns the next message. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Incoming, ReadError> {
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
                // The memory of a large message is not kept for the next key.
                self.buffer = BytesMut::new();
            }
            match self.read().await {
                Ok(1..) => {}
                Ok(0) => return Err(ReadError::Disconnected),
                Err(error) => {
                    tracing::debug!(%error, "a WebSocket cannot be read");
                    return Err(ReadError::Disconnected);
                }
            }
        }
    }

    /// Reads some more into the buffer. While there is nothing to read this takes no memory: most
    /// connections wait for a person.
    async fn read(&mut self) -> io::Result<usize> {
        poll_fn(|context| {
            let mut space = [MaybeUninit::uninit(); READ_BUFFER_BYTES];
            let mut space = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut space))?;
            self.buffer.extend_from_slice(space.filled());
            Poll::Ready(Ok(space.filled().len()))
        })
        .await
    }

    /// Reads and discards until the client has closed. A socket that is closed with something
    /// unread takes back what was sent last, here the close frame (RFC 1122 section 4.2.2.13).
    pub(super) async fn discard(&mut self) {
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        while let Ok(1..) = self.socket.read(&mut buffer).await {}
    }
}

fn read_error(error: &Error) -> ReadError {
    match error {
        Error::MessageTooLarge | Error::FrameTooLarge => {
            ReadError::Invalid(CloseCode::MessageTooBig, "the message is too large")
        }
        Error::InvalidUtf8 => ReadError::Invalid(CloseCode::InvalidPayload, "text has to be UTF-8"),
        Error::Compression(_) => ReadError::Invalid(
            CloseCode::InvalidPayload,
            "the message is not compressed as it says",
        ),
        Error::Io(_) | Error::ConnectionClosed | Error::ConnectionReset => ReadError::Disconnected,
        _ => ReadError::Invalid(CloseCode::ProtocolError, "not the WebSocket protocol"),
    }
}

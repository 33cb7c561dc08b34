//! What carries a client's bytes: a WebSocket, or descriptors of a program that is driven without a
//! server. Non-blocking; counts the bytes on the wire.

use super::READ_BUFFER_BYTES;
use anyhow::{Context as _, bail};
use bytes::{Buf as _, Bytes, BytesMut};
use sockudo_ws::Message;
use sockudo_ws::deflate::DeflateConfig;
use sockudo_ws::protocol::{CompressedProtocol, Protocol, Role};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Bytes of a message at the most.
const MAX_MESSAGE: usize = 64 << 20;
/// Stands for the code of a server that has closed without one (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;
/// For the handshake alone; everything after it has a deadline of its caller's.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What waits to be sent.
pub(crate) struct Frames {
    out: BytesMut,
    encoder: Option<Protocol>,
}

impl Frames {
    /// Nothing, for a WebSocket or for bare bytes.
    pub(crate) fn new(websocket: bool) -> Self {
        Self {
            out: BytesMut::new(),
            encoder: websocket.then(|| Protocol::new(Role::Client, MAX_MESSAGE, MAX_MESSAGE)),
        }
    }

    /// Adds bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Adds a text frame.
    pub(crate) fn text(&mut self, text: impl Into<String>) {
        self.message(&Message::text(text.into()));
    }

    /// Adds a binary frame.
    pub(crate) fn binary(&mut self, bytes: impl Into<Bytes>) {
        self.message(&Message::Binary(bytes.into()));
    }

    /// Adds the frame that ends the conversation.
    pub(crate) fn close(&mut self) {
        self.message(&Message::Close(None));
    }

    fn message(&mut self, message: &Message) {
        if let Some(encoder) = &mut self.encoder {
            // Fails for compressed messages only, and none is compressed: keys are too short for
            // it.
            let _ = encoder.encode_message(message, &mut self.out);
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }
}

enum Decoder {
    Plain(Box<Protocol>),
    Deflate(Box<CompressedProtocol>),
}

/// The carrier.
pub(crate) enum Link {
    /// A WebSocket.
    WebSocket(Box<WebSocket>),
    /// A program's own descriptors.
    Bare {
        /// Its input, unless that is the same descriptor.
        input: Option<File>,
        /// Its output.
        output: File,
        /// Bytes read.
        received: u64,
    },
}

/// A WebSocket after its handshake.
pub(crate) struct WebSocket {
    stream: TcpStream,
    decoder: Decoder,
    buffer: BytesMut,
    ready: Vec<Message>,
    /// The buffer has bytes that came with the handshake.
    early: bool,
    received: u64,
    close_code: Option<u16>,
}

/// What a client asks for in its handshake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handshake {
    /// Path and query.
    pub(crate) path: String,
    /// `Sec-WebSocket-Protocol`.
    pub(crate) subprotocol: Option<&'static str>,
    /// Offers permessage-deflate.
    pub(crate) deflate: bool,
}

impl Handshake {
    /// What is sent first.
    pub(crate) fn request(&self, port: u16) -> String {
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ZnVydGhlci1saW5rLmJlbg==\r\n",
            self.path
        );
        if let Some(name) = self.subprotocol {
            request.push_str(&format!("Sec-WebSocket-Protocol: {name}\r\n"));
        }
        if self.deflate {
            // As browsers offer it.
            request.push_str(
                "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
            );
        }
        request.push_str("\r\n");
        request
    }
}

impl Link {
    /// Opens a WebSocket to a port of this machine.
    pub(crate) fn connect(port: u16, handshake: &Handshake) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
        stream.write_all(handshake.request(port).as_bytes())?;
        let mut buffer = BytesMut::new();
        let head = loop {
            if let Some(end) = crate::pattern::find(&buffer, b"\r\n\r\n") {
                break buffer.split_to(end + 4);
            }
            let mut piece = [0; 4096];
            let count = stream
                .read(&mut piece)
                .context("waiting for the handshake")?;
            if count == 0 {
                bail!("the server closed the connection in the handshake");
            }
            buffer.extend_from_slice(&piece[..count]);
        };
        stream.set_read_timeout(None)?;
        Self::upgraded(stream, &head, buffer, handshake)
    }

    /// A WebSocket whose handshake was answered with `head`; `buffer` is what came after it.
    pub(crate) fn upgraded(
        stream: TcpStream,
        head: &[u8],
        buffer: BytesMut,
        handshake: &Handshake,
    ) -> anyhow::Result<Self> {
        let head = String::from_utf8_lossy(head).into_owned();
        if !head.starts_with("HTTP/1.1 101") {
            bail!("the server refused the handshake: {head}");
        }
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        if let Some(name) = handshake.subprotocol
            && header("Sec-WebSocket-Protocol") != Some(name)
        {
            bail!("the server does not speak {name}");
        }
        let decoder = match header("Sec-WebSocket-Extensions") {
            Some(answer) => {
                let words: Vec<(&str, Option<&str>)> = answer
                    .split(';')
                    .skip(1)
                    .map(|word| match word.trim().split_once('=') {
                        Some((key, value)) => (key, Some(value.trim_matches('"'))),
                        None => (word.trim(), None),
                    })
                    .collect();
                let config = DeflateConfig::from_params(&words)?;
                let protocol = CompressedProtocol::client(MAX_MESSAGE, MAX_MESSAGE, config);
                Decoder::Deflate(Box::new(protocol))
            }
            None => {
                let protocol = Protocol::new(Role::Client, MAX_MESSAGE, MAX_MESSAGE);
                Decoder::Plain(Box::new(protocol))
            }
        };
        stream.set_nonblocking(true)?;
        let received = buffer.len() as u64;
        Ok(Self::WebSocket(Box::new(WebSocket {
            stream,
            decoder,
            buffer,
            ready: Vec::new(),
            early: received > 0,
            received,
            close_code: None,
        })))
    }

    /// The descriptors of a program that is driven without a server; both have to be non-blocking.
    pub(crate) fn bare(input: Option<OwnedFd>, output: OwnedFd) -> Self {
        Self::Bare {
            input: input.map(File::from),
            output: File::from(output),
            received: 0,
        }
    }

    /// Whether frames are needed.
    pub(crate) fn is_websocket(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }

    /// Whether the server agreed to compress.
    pub(crate) fn is_compressed(&self) -> bool {
        matches!(self, Self::WebSocket(socket) if matches!(socket.decoder, Decoder::Deflate(_)))
    }

    /// Bytes read so far.
    pub(crate) fn received(&self) -> u64 {
        match self {
            Self::WebSocket(socket) => socket.received,
            Self::Bare { received, .. } => *received,
        }
    }

    /// With which code the server has closed, if it has.
    pub(crate) fn close_code(&self) -> Option<u16> {
        match self {
            Self::WebSocket(socket) => socket.close_code,
            Self::Bare { .. } => None,
        }
    }

    /// Has the end of the connection be a reset, and what was not sent be dropped.
    pub(crate) fn reset_at_end(&self) -> io::Result<()> {
        match self {
            Self::WebSocket(socket) => {
                socket2::SockRef::from(&socket.stream).set_linger(Some(Duration::ZERO))
            }
            Self::Bare { .. } => Ok(()),
        }
    }

    /// Ends the sending direction.
    pub(crate) fn half_close(&self) -> io::Result<()> {
        match self {
            Self::WebSocket(socket) => socket.stream.shutdown(Shutdown::Write),
            Self::Bare { .. } => Ok(()),
        }
    }

    /// Writes what is taken at once; true when nothing is left.
    pub(crate) fn write(&mut self, frames: &mut Frames) -> io::Result<bool> {
        while !frames.out.is_empty() {
            let result = match self {
                Self::WebSocket(socket) => socket.stream.write(&frames.out),
                Self::Bare { input, output, .. } => {
                    input.as_mut().unwrap_or(output).write(&frames.out)
                }
            };
            match result {
                Ok(count) => frames.out.advance(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads once, at most `limit` bytes, and hands on what is whole. `None`: there was nothing to
    /// read. `Some(0)`: there will be no more.
    pub(crate) fn read(
        &mut self,
        limit: usize,
        frames: &mut Frames,
        mut take: impl FnMut(Message, &mut Frames) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<usize>> {
        let (count, socket) = match self {
            Self::Bare {
                output, received, ..
            } => {
                let mut bytes = BytesMut::new();
                let Some(count) = read_into(output, &mut bytes, limit)? else {
                    return Ok(None);
                };
                *received += count as u64;
                if count > 0 {
                    take(Message::Binary(bytes.freeze()), frames)?;
                }
                return Ok(Some(count));
            }
            Self::WebSocket(socket) => {
                // What came with the answer to the handshake is there before anything else.
                if socket.early {
                    socket.early = false;
                    (Some(socket.buffer.len()), socket)
                } else {
                    let count = read_into(&mut socket.stream, &mut socket.buffer, limit)?;
                    socket.received += count.unwrap_or(0) as u64;
                    (count, socket)
                }
            }
        };
        let Some(count) = count else { return Ok(None) };
        match &mut socket.decoder {
            Decoder::Plain(protocol) => {
                protocol.process_into(&mut socket.buffer, &mut socket.ready)?;
            }
            Decoder::Deflate(protocol) => {
                protocol.process_into(&mut socket.buffer, &mut socket.ready)?;
            }
        }
        for message in socket.ready.drain(..) {
            match message {
                Message::Ping(payload) => frames.message(&Message::Pong(payload)),
                Message::Pong(_) => {}
                Message::Close(reason) => {
                    socket.close_code = Some(reason.map_or(NO_CODE, |reason| reason.code));
                }
                message => take(message, frames)?,
            }
        }
        Ok(Some(count))
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::WebSocket(socket) => socket.stream.as_fd(),
            Self::Bare { output, .. } => output.as_fd(),
        }
    }
}

thread_local! {
    /// Where bytes are read to: clients have no buffers while nothing waits in them, and no memory
    /// has to be cleared for a key.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER_BYTES]);
}

/// Reads once, at most `limit` bytes, to the end of `buffer`.
fn read_into(
    source: &mut impl Read,
    buffer: &mut BytesMut,
    limit: usize,
) -> io::Result<Option<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let limit = limit.min(scratch.len());
        match source.read(&mut scratch[..limit]) {
            Ok(count) => {
                buffer.extend_from_slice(&scratch[..count]);
                Ok(Some(count))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(None)
            }
            // A terminal says so when nobody has its other side open any more; a peer that is gone
            // has no more to say either.
            Err(error)
                if error.raw_os_error() == Some(libc::EIO)
                    || error.kind() == ErrorKind::ConnectionReset =>
            {
                Ok(Some(0))
            }
            Err(error) => Err(error),
        }
    })
}

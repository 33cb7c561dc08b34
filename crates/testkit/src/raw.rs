//! Clients made by hand, for what no proper library would send: bytes on a TCP connection, HTTP
//! heads, and single WebSocket frames.

use super::{Answer, DEADLINE, TestServer};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Header lines of a proper upgrade, without `Host`.
pub const UPGRADE: &str = "Connection: Upgrade\nUpgrade: websocket\n\
    Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Sends a head (everything before the empty line) and reads one answer; the connection stays open.
pub fn exchange(stream: &mut (impl Read + Write), head: &str) -> Answer {
    let head = head.replace('\n', "\r\n");
    write!(stream, "{head}\r\n\r\n").unwrap();
    read_answer(stream)
}

/// Reads one answer, as long as its head says it is.
pub fn read_answer(stream: &mut impl Read) -> Answer {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        let seen = String::from_utf8_lossy(&bytes).into_owned();
        let count = stream.read(&mut byte).unwrap_or_else(|error| {
            panic!("{error} after {seen:?}");
        });
        assert_eq!(count, 1, "the connection ended after {seen:?}");
        bytes.push(byte[0]);
    }
    let mut answer = Answer::read(&bytes[..]);
    let length = answer.header("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    let head_only = answer.status == 101;
    let mut body = vec![0; if head_only { 0 } else { length }];
    stream.read_exact(&mut body).unwrap();
    answer.body = String::from_utf8(body).unwrap();
    answer
}

/// Everything until the other side ends the connection; a reset is an end too.
pub fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&bytes)),
    }
    bytes
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap()
    }

    /// Returns the code of a close frame.
    pub fn close_code(&self) -> u16 {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }
}

/// A WebSocket client that sends what it is told to, and reads only when it is told to.
pub struct RawClient {
    pub stream: TcpStream,
}

impl RawClient {
    pub fn connect(server: &TestServer, path: &str) -> Self {
        let mut stream = server.tcp();
        let head = format!(
            "GET {path} HTTP/1.1\nHost: 127.0.0.1:{}\n{UPGRADE}",
            server.port
        );
        let answer = exchange(&mut stream, &head);
        assert_eq!(answer.status, 101, "{answer:?}");
        Self { stream }
    }

    /// Has the kernel keep little for this client, so that the server soon notices that it does not
    /// read.
    pub fn with_small_buffer(self) -> Self {
        use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
        setsockopt(&self.stream, RcvBuf, &(64 * 1024)).unwrap();
        self
    }

    pub fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.stream
            .write_all(&frame(true, opcode, payload))
            .unwrap();
    }

    /// A frame that is not the last of its message.
    pub fn send_part(&mut self, opcode: u8, payload: &[u8]) {
        self.stream
            .write_all(&frame(false, opcode, payload))
            .unwrap();
    }

    pub fn send_json(&mut self, message: &serde_json::Value) {
        self.send(TEXT, message.to_string().as_bytes());
    }

    /// Starts `code` with `runner` as process `name`.
    pub fn start(&mut self, name: &str, runner: &str, code: &str) {
        let data = serde_json::json!({"runner": runner, "code": code});
        self.send_json(&serde_json::json!({"type": "start", "process": name, "data": data}));
    }

    /// Returns the next frame, `None` if the connection ended.
    pub fn frame(&mut self) -> Option<Frame> {
        let mut start = [0; 2];
        if let Err(error) = self.stream.read_exact(&mut start) {
            use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
            assert!(
                matches!(error.kind(), UnexpectedEof | ConnectionReset),
                "{error}"
            );
            return None;
        }
        assert_eq!(
            start[0] & 0xf0,
            0x80,
            "the server sends whole messages without extensions"
        );
        let length = match start[1] {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length).unwrap();
                u16::from_be_bytes(length).into()
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length).unwrap();
                u64::from_be_bytes(length)
            }
            length => length.into(),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        Some(Frame {
            opcode: start[0] & 0xf,
            payload,
        })
    }

    /// Returns the next message, read as JSON. Pings stay unanswered.
    pub fn recv(&mut self) -> serde_json::Value {
        let end = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < end, "nothing but pings came");
            let frame = self.frame().expect("the connection ended");
            match frame.opcode {
                TEXT => return frame.json(),
                PING | PONG => {}
                _ => panic!("unexpected {frame:?}"),
            }
        }
    }

    /// Reads until a message of this type comes.
    pub fn until(&mut self, kind: &str) -> serde_json::Value {
        let end = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < end, "no {kind} came");
            let message = self.recv();
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Reads on to the close frame, and then to the end.
    pub fn closed(&mut self) -> u16 {
        let end = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < end, "the server does not close");
            let frame = self
                .frame()
                .expect("the connection ended without a close frame");
            if frame.opcode == CLOSE {
                let code = frame.close_code();
                assert_eq!(self.frame(), None, "something came behind the close frame");
                return code;
            }
        }
    }

    /// Sends the same bytes again and again until `most` of them are sent or, for `pause`, the
    /// server takes no more.
    pub fn pour(&mut self, bytes: &[u8], most: usize, pause: Duration) -> usize {
        self.stream.set_write_timeout(Some(pause)).unwrap();
        let mut sent = 0;
        while sent < most {
            match self.stream.write(&bytes[sent % bytes.len()..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error} after {sent} bytes"),
            }
        }
        self.stream.set_write_timeout(Some(DEADLINE)).unwrap();
        sent
    }
}

/// Returns the bytes of a client's frame.
pub fn frame(last: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::from(last) << 7 | opcode];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    bytes.extend_from_slice(&mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

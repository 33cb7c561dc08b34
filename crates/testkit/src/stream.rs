//! A client that keeps account of what its programs output and read, in both dialects of `/run`,
//! and holds every frame against the rules of `docs/protocol.md` section 10. Its frames are written
//! out here from the specification, not with the server's code, so that a mistake in that is seen.
//!
//! It reads only when it is told to, and answers pings when it reads them.

use crate::raw::{BINARY, CLOSE, PING, PONG, RawClient, TEXT, UPGRADE, exchange};
use crate::{Answer, DEADLINE, TestServer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Instant;

pub const KIB: u64 = 1024;
/// The most that a server may send beyond the last acknowledgement.
pub const WINDOW: u64 = 256 * KIB;
/// Bytes of output that may be there before the first acknowledgement.
pub const FIRST_WINDOW: u64 = 64 * KIB;
/// The most that a client may send beyond the server's last acknowledgement.
pub const INPUT_WINDOW: u64 = 1024 * KIB;
/// The most of a program's bytes in one frame.
pub const FRAME: usize = 16_384;

/// Kind, channel, stream and the byte behind them.
pub const INPUT: [u8; 4] = [0, 0, 0, 0];
pub const INPUT_ACK: [u8; 4] = [1, 0, 0, 0];
pub const INPUT_END: [u8; 4] = [2, 0, 0, 0];
pub const STDOUT: [u8; 4] = [0, 1, 1, 0];
pub const STDERR: [u8; 4] = [0, 1, 2, 0];
pub const OUTPUT_ACK: [u8; 4] = [1, 1, 0, 0];
pub const VIDEO: [u8; 4] = [0, 2, 0, 0];

/// What a client knows of one of its programs.
#[derive(Debug, Default)]
pub struct Program {
    /// 0 in plain JSON.
    pub number: u32,
    /// The bytes; in plain JSON those of the text.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Bytes of both, and how many of them were acknowledged.
    pub output: u64,
    pub acknowledged: u64,
    /// Bytes of input that were sent, and how many of them the server has acknowledged.
    pub input: u64,
    pub input_acknowledged: u64,
    /// Pictures that came and were not taken out yet, with how many the program had shown before;
    /// in plain JSON with how many came before.
    pub pictures: Vec<(u64, Vec<u8>)>,
    /// Pictures that came, and the least number that the next one may have.
    pub pictures_seen: u64,
    pub next_picture: u64,
    pub exit_code: Option<i64>,
}

/// What came.
#[derive(Debug)]
pub enum Event {
    /// Bytes of this program.
    Output(String),
    /// This program has taken input.
    InputAck,
    /// This program has shown a picture.
    Picture,
    /// A text message; none of output, no picture.
    Text(Value),
}

impl Program {
    fn picture(&mut self, number: u64, jpeg: Vec<u8>) {
        assert_eq!(self.exit_code, None, "a picture behind the end");
        assert!(number >= self.next_picture, "picture {number} is late");
        self.next_picture = number + 1;
        self.pictures_seen += 1;
        self.pictures.push((number, jpeg));
    }
}

/// Returns the bytes that base64 stands for; there has to be nothing else in it.
pub fn base64(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 4, 0, "{} characters", text.len());
    let value = |character: u8| match character {
        b'A'..=b'Z' => u32::from(character - b'A'),
        b'a'..=b'z' => u32::from(character - b'a') + 26,
        b'0'..=b'9' => u32::from(character - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("{character:?} in base64"),
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let all = four
            .iter()
            .fold(0, |all, character| all << 6 | value(*character));
        let all = all << (6 * (4 - four.len()));
        bytes.extend_from_slice(&all.to_be_bytes()[1..four.len()]);
    }
    bytes
}

/// What a ping with this payload is answered with, if it is.
pub type Pong = fn(&[u8]) -> Option<Vec<u8>>;

/// See the module's text.
pub struct StreamClient {
    pub raw: RawClient,
    pub binary: bool,
    /// Programs by name; one that was started again is a new one.
    pub programs: BTreeMap<String, Program>,
    /// Bytes of output after which an acknowledgement is sent while more output is at hand, at most
    /// 64 KiB; when none is, those that are due are sent. `None`: none is sent by itself.
    pub ack_every: Option<u64>,
    pub pong: Pong,
    /// The largest number so far.
    last_number: u32,
}

/// Returns a handshake with further header lines; the connection stays open in the client.
pub fn handshake(server: &TestServer, path: &str, headers: &str) -> (RawClient, Answer) {
    let mut stream = server.tcp();
    let host = format!("127.0.0.1:{}", server.port);
    let head = format!("GET {path} HTTP/1.1\nHost: {host}\n{UPGRADE}{headers}");
    let answer = exchange(&mut stream, &head);
    assert_eq!(answer.status, 101, "{answer:?}");
    (RawClient { stream }, answer)
}

/// Returns the bytes of a frame of the binary stream.
pub fn frame(code: [u8; 4], number: u32, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut frame = code.to_vec();
    frame.extend_from_slice(&number.to_be_bytes());
    frame.extend_from_slice(&offset.to_be_bytes());
    frame.extend_from_slice(bytes);
    frame
}

impl StreamClient {
    /// Returns a client of `further-link.3`.
    pub fn binary(server: &TestServer, path: &str) -> Self {
        let offer = "\nSec-WebSocket-Protocol: further-link.3";
        let (raw, answer) = handshake(server, path, offer);
        let chosen = answer.header("sec-websocket-protocol");
        assert_eq!(chosen, Some("further-link.3"), "{answer:?}");
        Self::new(raw, true)
    }

    /// Returns a client of plain `/run`.
    pub fn json(server: &TestServer, path: &str) -> Self {
        let (raw, answer) = handshake(server, path, "");
        assert_eq!(answer.header("sec-websocket-protocol"), None, "{answer:?}");
        Self::new(raw, false)
    }

    fn new(raw: RawClient, binary: bool) -> Self {
        // As browsers do.
        raw.stream.set_nodelay(true).unwrap();
        Self {
            raw,
            binary,
            programs: BTreeMap::new(),
            ack_every: Some(16 * KIB),
            pong: |payload| Some(payload.to_vec()),
            last_number: 0,
        }
    }

    /// Sends a message with a mask of zeros: megabytes are sent here, and masking is others'
    /// subject.
    pub fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut bytes = vec![0x80 | opcode];
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
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(payload);
        self.raw.stream.write_all(&bytes).unwrap();
    }

    pub fn send_json(&mut self, message: &Value) {
        self.send(TEXT, message.to_string().as_bytes());
    }

    pub fn program(&self, name: &str) -> &Program {
        &self.programs[name]
    }

    pub fn program_mut(&mut self, name: &str) -> &mut Program {
        self.programs.get_mut(name).expect("it was started")
    }

    /// Starts a program and reads on until it is told to run; returns its number.
    pub fn start(&mut self, name: &str, runner: &str, code: &str) -> u32 {
        let data = json!({"runner": runner, "code": code});
        self.send_json(&json!({"type": "start", "process": name, "data": data}));
        let started = self.text();
        assert_eq!(started["type"], "started", "{started}");
        assert_eq!(started["process"], name, "{started}");
        self.program(name).number
    }

    pub fn stop(&mut self, name: &str) {
        self.send_json(&json!({"type": "stop", "process": name}));
    }

    /// Sends input behind what was sent before, in a binary frame or as text.
    pub fn input(&mut self, name: &str, bytes: &[u8]) {
        let (number, offset) = {
            let program = self.program_mut(name);
            program.input += bytes.len() as u64;
            (program.number, program.input - bytes.len() as u64)
        };
        if self.binary {
            self.send(BINARY, &frame(INPUT, number, offset, bytes));
        } else {
            let input = std::str::from_utf8(bytes).unwrap();
            self.send_json(&json!({"type": "stdin", "process": name, "data": {"input": input}}));
        }
    }

    /// Says that the input has ended here.
    pub fn end(&mut self, name: &str) {
        let program = self.program(name);
        let end = frame(INPUT_END, program.number, program.input, &[]);
        self.send(BINARY, &end);
    }

    /// Acknowledges all that came.
    pub fn ack(&mut self, name: &str) {
        let program = self.program_mut(name);
        program.acknowledged = program.output;
        let ack = frame(OUTPUT_ACK, program.number, program.output, &[]);
        self.send(BINARY, &ack);
    }

    /// Before a wait: the server may have no room for more than it has sent.
    fn ack_what_is_due(&mut self) {
        if !self.binary || self.ack_every.is_none() || self.has_more() {
            return;
        }
        let is_due = |program: &Program| {
            program.exit_code.is_none() && program.output - program.acknowledged >= 16 * KIB
        };
        let due = self.programs.iter().filter(|(_, program)| is_due(program));
        let names: Vec<_> = due.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.ack(&name);
        }
    }

    /// Returns whether something can be read at once.
    fn has_more(&self) -> bool {
        self.raw.stream.set_nonblocking(true).unwrap();
        let more = self.raw.stream.peek(&mut [0]).is_ok();
        self.raw.stream.set_nonblocking(false).unwrap();
        more
    }

    /// Sends an acknowledgement that this client's account knows nothing of.
    pub fn ack_at(&mut self, name: &str, offset: u64) {
        let ack = frame(OUTPUT_ACK, self.program(name).number, offset, &[]);
        self.send(BINARY, &ack);
    }

    /// Returns the next message, whatever it is.
    #[expect(clippy::should_implement_trait)] // It never ends, and panics where an iterator would.
    pub fn next(&mut self) -> Event {
        let end = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < end, "nothing but pings came");
            self.ack_what_is_due();
            let frame = self.raw.frame().expect("the connection ended");
            match frame.opcode {
                PING => {
                    if let Some(payload) = (self.pong)(&frame.payload) {
                        self.send(PONG, &payload);
                    }
                }
                TEXT => return self.text_came(frame.json()),
                BINARY => {
                    assert!(self.binary, "{frame:?}");
                    return self.binary_came(&frame.payload);
                }
                CLOSE => panic!("the server closes with {}", frame.close_code()),
                _ => panic!("unexpected {frame:?}"),
            }
        }
    }

    fn text_came(&mut self, message: Value) -> Event {
        let name = message["process"].as_str().unwrap_or_default().to_owned();
        let kind = message["type"].as_str().unwrap().to_owned();
        let data = &message["data"];
        match kind.as_str() {
            "started" => {
                let number = if self.binary {
                    assert_eq!(data.as_object().unwrap().len(), 1, "{message}");
                    u32::try_from(data["number"].as_u64().unwrap()).unwrap()
                } else {
                    assert!(data.is_null(), "{message}");
                    0
                };
                if self.binary {
                    assert!(number > self.last_number, "a number is used again");
                    self.last_number = number;
                }
                let program = Program {
                    number,
                    ..Program::default()
                };
                self.programs.insert(name, program);
            }
            "stdout" | "stderr" => {
                assert!(!self.binary, "output as text: {message}");
                let text = data["output"].as_str().unwrap().as_bytes();
                let program = self.program_mut(&name);
                assert_eq!(program.exit_code, None, "output behind the end");
                program.output += text.len() as u64;
                let whole = match kind.as_str() {
                    "stdout" => &mut program.stdout,
                    _ => &mut program.stderr,
                };
                whole.extend_from_slice(text);
                return Event::Output(name);
            }
            "video" => {
                assert!(!self.binary, "a picture as text: {message}");
                assert_eq!(data.as_object().unwrap().len(), 1, "{message}");
                let jpeg = base64(data["output"].as_str().unwrap());
                let program = self.program_mut(&name);
                program.picture(program.pictures_seen, jpeg);
                return Event::Picture;
            }
            "stopped" => {
                let binary = self.binary;
                let program = self.program_mut(&name);
                assert_eq!(program.exit_code, None, "it was over");
                program.exit_code = Some(data["exitCode"].as_i64().unwrap());
                if binary {
                    assert_eq!(data["output"].as_u64(), Some(program.output), "{message}");
                    assert_eq!(data.as_object().unwrap().len(), 2, "{message}");
                } else {
                    assert_eq!(data.as_object().unwrap().len(), 1, "{message}");
                }
            }
            _ => {}
        }
        Event::Text(message)
    }

    fn binary_came(&mut self, payload: &[u8]) -> Event {
        assert!(payload.len() >= 16, "{payload:?}");
        let (head, bytes) = payload.split_at(16);
        let number = u32::from_be_bytes(head[4..8].try_into().unwrap());
        let offset = u64::from_be_bytes(head[8..].try_into().unwrap());
        let ack_every = self.ack_every;
        let found = self
            .programs
            .iter_mut()
            .find(|(_, program)| program.number == number);
        let (name, program) = found.unwrap_or_else(|| panic!("no program has number {number}"));
        let name = name.clone();
        assert_eq!(program.exit_code, None, "a frame of {name} behind its end");
        let code: [u8; 4] = head[..4].try_into().unwrap();
        match code {
            STDOUT | STDERR => {
                assert_eq!(offset, program.output, "frames of {name} are contiguous");
                assert!((1..=FRAME).contains(&bytes.len()), "{} bytes", bytes.len());
                let whole = match code {
                    STDOUT => &mut program.stdout,
                    _ => &mut program.stderr,
                };
                whole.extend_from_slice(bytes);
                program.output += bytes.len() as u64;
                let ahead = program.output - program.acknowledged;
                assert!(ahead <= WINDOW, "{ahead} bytes are not acknowledged");
                if ack_every.is_some_and(|every| ahead >= every) {
                    self.ack(&name);
                }
                Event::Output(name)
            }
            INPUT_ACK => {
                assert!(bytes.is_empty(), "{bytes:?}");
                assert!(offset > program.input_acknowledged, "an ack says less");
                assert!(offset <= program.input, "an ack of what was never sent");
                program.input_acknowledged = offset;
                Event::InputAck
            }
            VIDEO => {
                program.picture(offset, bytes.to_vec());
                Event::Picture
            }
            _ => panic!("a frame of kind {code:?}"),
        }
    }

    /// Returns the next text; what comes before it is taken down.
    pub fn text(&mut self) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < end, "no text came");
            if let Event::Text(message) = self.next() {
                return message;
            }
        }
    }

    /// The next text has to be exactly this error.
    pub fn expect_error(&mut self, process: &Value, detail: &str) {
        let data = json!({"message": "Bad message", "detail": detail});
        let expected = json!({"type": "error", "data": data, "client": "", "process": process});
        assert_eq!(self.text(), expected);
    }

    /// A ping is answered, and until then no other text comes: the server has dealt with all that
    /// was sent, and found no fault with it.
    pub fn answers(&mut self) {
        self.send_json(&json!({"type": "ping"}));
        let pong = self.text();
        assert_eq!(pong["type"], "pong", "{pong}");
    }

    /// Reads until `condition` holds.
    pub fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !condition(self) {
            assert!(Instant::now() < end, "read in vain: {what}");
            if let Event::Text(message) = self.next() {
                assert_eq!(message["type"], "stopped", "{message}");
            }
        }
    }

    /// Reads until a program is over, and returns what is known of it.
    pub fn finish(&mut self, name: &str) -> &Program {
        self.until("the program ends", |client| {
            client.program(name).exit_code.is_some()
        });
        self.program(name)
    }

    /// Reads until a program has output what a client without acknowledgements is sent, and makes
    /// sure that it is not sent more.
    pub fn fill_window(&mut self, name: &str) {
        // Less than an eighth of the window is kept back, as it makes small frames.
        self.until("the window is full", |client| {
            let program = client.program(name);
            program.output - program.acknowledged > FIRST_WINDOW * 7 / 8
        });
        self.answers();
    }
}

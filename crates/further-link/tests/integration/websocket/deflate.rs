//! Compressed messages (RFC 7692): who gets them, that they hold what was sent, and that nobody can
//! make the server take memory or time with them.

use further_link_testkit::raw::{
    BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, UPGRADE, exchange, frame,
};
use further_link_testkit::{DEADLINE, TestServer, is_root};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

const ALWAYS: [&str; 2] = ["--set", "server.compression=always"];
/// What browsers offer.
const OFFER: &str = "permessage-deflate; client_max_window_bits";
/// The first byte of a compressed message's first frame has this bit.
const RSV1: u8 = 0x40;
/// What a sender leaves out at the end (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Compressors at a time, in the whole server.
const COMPRESSORS: usize = 32;
const MIB: usize = 1024 * 1024;

/// A client that can read compressed messages.
struct Client {
    stream: TcpStream,
    inflate: Inflate,
    /// Messages may refer to those before.
    takeover: bool,
    /// Bytes that came, with frame heads.
    wire: usize,
    /// Bytes of the messages in them.
    plain: usize,
    /// Lengths of the messages that came as they are, and of those that were compressed.
    as_they_are: Vec<usize>,
    compressed: Vec<usize>,
}

/// A message or control frame.
#[derive(Debug)]
struct Message {
    opcode: u8,
    compressed: bool,
    payload: Vec<u8>,
}

impl Client {
    fn connect(server: &TestServer, path: &str, headers: &str) -> (Self, Option<String>) {
        let mut stream = server.tcp();
        let host = format!("127.0.0.1:{}", server.port);
        let head = format!("GET {path} HTTP/1.1\nHost: {host}\n{UPGRADE}{headers}");
        let answer = exchange(&mut stream, &head);
        assert_eq!(answer.status, 101, "{answer:?}");
        let agreed = answer.header("sec-websocket-extensions").map(str::to_owned);
        let text = agreed.clone().unwrap_or_default();
        let bits = text
            .split_once("server_max_window_bits=")
            .map_or(15, |(_, bits)| {
                bits[..bits.len().min(2)]
                    .trim_end_matches(';')
                    .parse()
                    .unwrap()
            });
        let client = Self {
            stream,
            inflate: Inflate::new(false, bits),
            takeover: !text.contains("server_no_context_takeover"),
            wire: 0,
            plain: 0,
            as_they_are: Vec::new(),
            compressed: Vec::new(),
        };
        (client, agreed)
    }

    fn offering(server: &TestServer, path: &str, offer: &str) -> Self {
        let headers = format!("\nSec-WebSocket-Extensions: {offer}");
        let (client, agreed) = Self::connect(server, path, &headers);
        assert!(agreed.is_some(), "{offer} was not accepted");
        client
    }

    fn send(&mut self, first: u8, payload: &[u8]) {
        let last = first & 0x80 != 0;
        let bytes = frame(last, first & 0x7f, payload);
        self.stream.write_all(&bytes).unwrap();
    }

    fn send_json(&mut self, message: &Value) {
        self.send(0x80 | TEXT, message.to_string().as_bytes());
    }

    fn start(&mut self, runner: &str, code: &str) {
        let data = json!({"runner": runner, "code": code});
        self.send_json(&json!({"type": "start", "process": "1", "data": data}));
    }

    /// The next message or control frame; `None` if the connection ended.
    fn next(&mut self) -> Option<Message> {
        let mut start = [0; 2];
        if self.stream.read_exact(&mut start).is_err() {
            return None;
        }
        assert_eq!(start[0] & 0xb0, 0x80, "a whole message, no bit but RSV1");
        let (length, head) = match start[1] {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length).unwrap();
                (u16::from_be_bytes(length).into(), 4)
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length).unwrap();
                (u64::from_be_bytes(length) as usize, 10)
            }
            length => (length.into(), 2),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).unwrap();
        self.wire += head + length;
        let (opcode, compressed) = (start[0] & 0xf, start[0] & RSV1 != 0);
        if compressed {
            assert!(opcode < CLOSE, "a control frame is compressed");
            payload = self.inflate(payload);
            self.compressed.push(payload.len());
        } else if opcode < CLOSE {
            self.as_they_are.push(payload.len());
        }
        self.plain += payload.len();
        Some(Message {
            opcode,
            compressed,
            payload,
        })
    }

    fn inflate(&mut self, mut input: Vec<u8>) -> Vec<u8> {
        if !self.takeover {
            self.inflate.reset(false);
        }
        input.extend_from_slice(&TAIL);
        let mut output = vec![0; MIB];
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let flush = InflateFlush::SyncFlush;
        self.inflate.decompress(&input, &mut output, flush).unwrap();
        let taken = self.inflate.total_in() - before.0;
        assert_eq!(taken as usize, input.len(), "more than a message has");
        output.truncate((self.inflate.total_out() - before.1) as usize);
        output
    }

    /// The next message; pings are answered.
    fn message(&mut self) -> Message {
        let end = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < end, "nothing but pings came");
            let message = self.next().expect("the connection ended");
            match message.opcode {
                PING => self.send(0x80 | PONG, &message.payload),
                PONG => {}
                _ => return message,
            }
        }
    }

    fn json(&mut self) -> Value {
        let message = self.message();
        assert_eq!(message.opcode, TEXT, "{message:?}");
        serde_json::from_slice(&message.payload).unwrap()
    }

    /// All output up to the program's end, in either dialect.
    fn output(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        let mut acknowledged = 0;
        loop {
            let message = self.message();
            if message.opcode == BINARY {
                let (head, bytes) = message.payload.split_at(16);
                assert_eq!(head[..4], [0, 1, 1, 0]);
                assert_eq!(head[8..], (output.len() as u64).to_be_bytes());
                output.extend_from_slice(bytes);
                if output.len() - acknowledged >= 16 * 1024 {
                    acknowledged = output.len();
                    let ack = [
                        &[1, 1, 0, 0],
                        &head[4..8],
                        &(acknowledged as u64).to_be_bytes(),
                    ];
                    self.send(0x80 | BINARY, &ack.concat());
                }
                continue;
            }
            let message: Value = serde_json::from_slice(&message.payload).unwrap();
            match message["type"].as_str().unwrap() {
                "started" => {}
                "stdout" => {
                    let text = message["data"]["output"].as_str().unwrap();
                    output.extend_from_slice(text.as_bytes());
                }
                "stopped" => return output,
                _ => panic!("{message}"),
            }
        }
    }

    /// Reads on to the close frame; its code.
    fn closed(&mut self) -> u16 {
        loop {
            let message = self.message();
            if message.opcode == CLOSE {
                return u16::from_be_bytes([message.payload[0], message.payload[1]]);
            }
        }
    }
}

/// A message as a client sends it that compresses it.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut deflate = Deflate::new(6, false, 15);
    let mut output = vec![0; message.len() + 1024];
    let flush = DeflateFlush::SyncFlush;
    deflate.compress(message, &mut output, flush).unwrap();
    output.truncate(deflate.total_out() as usize);
    assert_eq!(output.split_off(output.len() - 4), TAIL);
    output
}

/// The most memory that the server had so far, in bytes.
fn most_memory(server: &TestServer) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = most.unwrap().trim().strip_suffix(" kB").unwrap();
    kilobytes.parse::<usize>().unwrap() * 1024
}

fn agreed(server: &TestServer, offers: &str) -> Option<String> {
    let (_, agreed) = Client::connect(server, "/run", offers);
    agreed
}

#[test]
fn offers_and_answers() {
    let server = TestServer::start(&ALWAYS);
    const PLAIN: &str = "permessage-deflate; client_no_context_takeover";
    for (offers, wanted) in [
        ("", None),
        (
            "\nSec-WebSocket-Extensions: permessage-deflate",
            Some(PLAIN.to_owned()),
        ),
        (
            "\nsec-websocket-extensions: permessage-deflate; client_max_window_bits",
            Some(PLAIN.to_owned()),
        ),
        (
            "\nSec-WebSocket-Extensions: foo, bar; a=1\nSec-WebSocket-Extensions: permessage-deflate",
            Some(PLAIN.to_owned()),
        ),
        (
            "\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, permessage-deflate",
            Some(format!("{PLAIN}; server_max_window_bits=10")),
        ),
        (
            "\nSec-WebSocket-Extensions: permessage-deflate; no_such_thing, permessage-deflate; server_no_context_takeover",
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
                    .to_owned(),
            ),
        ),
        (
            "\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8",
            None,
        ),
        (
            "\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=0",
            None,
        ),
        (
            "\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits",
            None,
        ),
        ("\nSec-WebSocket-Extensions: permessage-deflate=1", None),
        ("\nSec-WebSocket-Extensions: ,;=\"", None),
        (
            "\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"10",
            None,
        ),
        ("\nSec-WebSocket-Extensions: x-webkit-deflate-frame", None),
    ] {
        let (mut client, answer) = Client::connect(&server, "/run", offers);
        assert_eq!(answer, wanted, "{offers}");
        // With and without, the connection works.
        client.send_json(&json!({"type": "ping"}));
        assert_eq!(client.json()["type"], "pong");
    }
}

#[test]
fn clients_on_this_device_get_none_by_default() {
    let offer = format!("\nSec-WebSocket-Extensions: {OFFER}");
    for arguments in [&[][..], &["--set", "server.compression=never"]] {
        let server = TestServer::start(arguments);
        assert_eq!(agreed(&server, &offer), None, "{arguments:?}");
    }
}

/// A million bytes as `ls -l` puts them out.
const LISTING: &str = "import sys
sys.stdout.write(''.join(
    f'-rw-r--r-- 1 root root {n * 7919 % 99991:6} Jan {n % 28 + 1:2} 12:{n % 60:02} file-{n * n % 9973:04}.{n % 7}\\n'
    for n in range(16000)))
";

fn listing() -> Vec<u8> {
    let line = |n: u64| {
        format!(
            "-rw-r--r-- 1 root root {:6} Jan {:2} 12:{:02} file-{:04}.{}\n",
            n * 7919 % 99991,
            n % 28 + 1,
            n % 60,
            n * n % 9973,
            n % 7
        )
    };
    (0..16_000).flat_map(|n| line(n).into_bytes()).collect()
}

#[test]
fn output_is_small_on_the_wire_and_complete() {
    let server = TestServer::start(&ALWAYS);
    for offer in [
        OFFER,
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=9",
    ] {
        for (path, subprotocol) in [
            ("/run", ""),
            ("/run-py", ""),
            ("/run", "\nSec-WebSocket-Protocol: further-link.3"),
        ] {
            let headers = format!("\nSec-WebSocket-Extensions: {offer}{subprotocol}");
            let (mut client, _) = Client::connect(&server, path, &headers);
            match path {
                "/run-py" => {
                    client.send_json(&json!({"type": "start", "data": {"sourceScript": LISTING}}));
                }
                _ => client.start("python3", LISTING),
            }
            assert!(client.output() == listing(), "{offer}{subprotocol}");
            let (wire, plain) = (client.wire, client.plain);
            assert!(
                plain > 800_000 && wire < plain / 3,
                "{wire} of {plain} bytes: {offer}"
            );
        }
    }
}

#[test]
fn small_messages_stay_as_they_are() {
    let server = TestServer::start(&ALWAYS);
    let mut client = Client::offering(&server, "/run", OFFER);
    client.send_json(&json!({"type": "ping"}));
    assert!(!client.message().compressed);
    client.start(
        "python3",
        "print('x' * 20); print(input()); print('y' * 2000)",
    );
    client.send_json(&json!({"type": "stdin", "process": "1", "data": {"input": "z\n"}}));
    let wanted = format!("{}\nz\n{}\n", "x".repeat(20), "y".repeat(2000));
    assert_eq!(client.output(), wanted.as_bytes());
    assert!(client.as_they_are.iter().all(|length| *length < 128));
    assert!(client.compressed.iter().all(|length| *length >= 128));
    assert_eq!(client.compressed.len(), 1, "{:?}", client.compressed);
}

#[test]
fn what_cannot_be_compressed_goes_as_it_is() {
    let server = TestServer::start(&ALWAYS);
    let headers =
        format!("\nSec-WebSocket-Extensions: {OFFER}\nSec-WebSocket-Protocol: further-link.3");
    let (mut client, _) = Client::connect(&server, "/run", &headers);
    let code = "import random, sys; random.seed(1)
sys.stdout.write('a' * 4000); sys.stdout.flush(); input()
sys.stdout.buffer.write(random.randbytes(300000)); sys.stdout.flush(); input()
for _ in range(100): sys.stdout.write('b' * 4000)";
    client.start("python3", code);
    let input = |client: &mut Client, offset: u64| {
        let head = [
            &[0, 0, 0, 0],
            &1_u32.to_be_bytes()[..],
            &offset.to_be_bytes(),
            b"\n",
        ];
        client.send(0x80 | BINARY, &head.concat());
    };
    assert_eq!(client.json()["type"], "started");
    input(&mut client, 0);
    input(&mut client, 1);
    let output = client.output();
    assert_eq!(output.len(), 4000 + 300_000 + 400_000);
    assert!(output[..4000].iter().all(|byte| *byte == b'a'));
    assert!(output[304_000..].iter().all(|byte| *byte == b'b'));
    let (wire, as_they_are) = (client.wire, client.as_they_are.iter().sum::<usize>());
    assert!(as_they_are > 250_000, "{as_they_are}");
    assert!(wire < 700_000, "it never compressed again: {wire}");
}

#[test]
fn compressed_messages_of_a_client_are_read() {
    let server = TestServer::start(&ALWAYS);
    let mut client = Client::offering(&server, "/run", OFFER);
    client.start(
        "python3",
        "import sys\nfor _ in range(3): sys.stdout.write(f'{len(input())} ')",
    );
    assert_eq!(client.json()["type"], "started");
    let stdin = |length: usize| {
        let input = format!("{}\n", "ä".repeat(length));
        let message = json!({"type": "stdin", "process": "1", "data": {"input": input}});
        deflated(message.to_string().as_bytes())
    };
    client.send(0x80 | RSV1 | TEXT, &stdin(3));
    assert_eq!(client.json()["data"]["output"], "3 ");

    // In frames of one byte, with a ping in the middle, which is answered before the end.
    let message = stdin(5000);
    let (last, others) = message.split_last().unwrap();
    for (number, byte) in others.iter().enumerate() {
        let first = if number == 0 {
            RSV1 | TEXT
        } else {
            CONTINUATION
        };
        client.send(first, &[*byte]);
    }
    client.send(0x80 | PING, b"still there?");
    loop {
        let message = client.next().unwrap();
        match message.opcode {
            PONG => break assert_eq!(message.payload, b"still there?"),
            PING => client.send(0x80 | PONG, &message.payload),
            _ => panic!("{message:?}"),
        }
    }
    client.send(0x80 | CONTINUATION, &[*last]);
    assert_eq!(client.json()["data"]["output"], "5000 ");

    // Not everything has to be compressed, and a binary frame may be too.
    client.send_json(&json!({"type": "ping"}));
    assert_eq!(client.json()["type"], "pong");
    client.send(0x80 | RSV1 | BINARY, &stdin(100_000));
    assert_eq!(client.output(), b"100000 ");
}

#[test]
fn message_that_becomes_large_is_refused_before_it_is() {
    let server = TestServer::start(&[
        "--set",
        "server.compression=always",
        "--set",
        "limits.message_bytes=1048576",
    ]);
    let mut client = Client::offering(&server, "/run", OFFER);
    client.send_json(&json!({"type": "ping"}));
    assert_eq!(client.json()["type"], "pong");
    let before = most_memory(&server);
    // 128 MiB of zeros: each part ends with an empty block, as the tail has it.
    let part = [&deflated(&vec![0; MIB])[..], &TAIL].concat();
    let bomb = part.repeat(128);
    assert!(bomb.len() < MIB / 4);
    client.send(0x80 | RSV1 | TEXT, &bomb);
    assert_eq!(client.closed(), 1009);
    assert!(most_memory(&server) < before + 8 * MIB);

    // One byte more than permitted, and exactly as many.
    for (length, code) in [(MIB + 1, 1009), (MIB, 1001)] {
        let mut client = Client::offering(&server, "/run", OFFER);
        client.send(0x80 | RSV1 | TEXT, &deflated(&vec![b' '; length]));
        if code == 1009 {
            assert_eq!(client.closed(), code);
        } else {
            assert_eq!(client.json()["type"], "error");
        }
    }
}

#[test]
fn many_messages_that_become_large_are_read_one_by_one() {
    let server = TestServer::start(&[
        "--set",
        "server.compression=always",
        "--set",
        "limits.message_bytes=1048576",
    ]);
    let mut client = Client::offering(&server, "/run", OFFER);
    client.send_json(&json!({"type": "ping"}));
    assert_eq!(client.json()["type"], "pong");
    let before = most_memory(&server);
    let message = frame(true, RSV1 | TEXT, &deflated(&vec![b' '; MIB]));
    client.stream.write_all(&message.repeat(64)).unwrap();
    for _ in 0..64 {
        assert_eq!(client.json()["type"], "error");
    }
    assert!(most_memory(&server) < before + 8 * MIB);
}

#[test]
fn what_is_wrong_closes() {
    let server = TestServer::start(&ALWAYS);
    let ping = json!({"type": "ping"}).to_string();
    let hello = deflated(ping.as_bytes());
    let frames: [(&str, u16, Vec<u8>); 7] = [
        ("garbage", 1007, frame(true, RSV1 | TEXT, &[0xff; 40])),
        (
            "no UTF-8",
            1007,
            frame(true, RSV1 | TEXT, &deflated(b"\xff\xfe")),
        ),
        ("a marked ping", 1002, frame(true, RSV1 | PING, b"")),
        (
            "a marked continuation",
            1002,
            [frame(false, RSV1 | TEXT, &hello), frame(true, RSV1, b"")].concat(),
        ),
        ("RSV2", 1002, frame(true, 0x20 | TEXT, ping.as_bytes())),
        ("RSV3", 1002, frame(true, RSV1 | 0x10 | TEXT, &hello)),
        (
            "a message within another",
            1002,
            [frame(false, RSV1 | TEXT, &hello), frame(true, TEXT, b"{}")].concat(),
        ),
    ];
    for (what, code, bytes) in frames {
        let mut client = Client::offering(&server, "/run", OFFER);
        client.stream.write_all(&bytes).unwrap();
        assert_eq!(client.closed(), code, "{what}");
    }
    // Not agreed upon.
    let (mut client, agreed) = Client::connect(&server, "/run", "");
    assert_eq!(agreed, None);
    client.send(0x80 | RSV1 | TEXT, &hello);
    assert_eq!(client.closed(), 1002);
    // A close frame is answered as ever.
    for (payload, code) in [
        (&[0x03, 0xe8, b'b', b'y', b'e'][..], 1000),
        (&[0x03, 0xed], 1002),
    ] {
        let mut client = Client::offering(&server, "/run", OFFER);
        client.send(0x80 | CLOSE, payload);
        assert_eq!(client.closed(), code);
    }
}

/// Puts out something worth compressing again and again: a compressor stays in use.
const BUSY: &str =
    "import time\nwhile True:\n    print('again ' * 40, end='', flush=True); time.sleep(0.3)";

/// Reads some output of such a program; whether it was compressed.
fn gets_compressed(client: &mut Client) -> bool {
    let message = client.message();
    let json: Value = serde_json::from_slice(&message.payload).unwrap();
    let text = json["data"]["output"].as_str().unwrap();
    assert_eq!(text.replace("again ", ""), "", "{json}");
    message.compressed
}

/// Clients that each run this program.
fn clients_of(server: &TestServer, count: usize, code: &str) -> Vec<Client> {
    let mut clients: Vec<_> = (0..count)
        .map(|_| Client::offering(server, "/run", OFFER))
        .collect();
    for client in &mut clients {
        client.start("python3", code);
        assert_eq!(client.json()["type"], "started");
    }
    clients
}

fn until_compressed(clients: &mut [Client]) {
    let end = Instant::now() + DEADLINE;
    while !clients.iter_mut().any(gets_compressed) {
        assert!(Instant::now() < end, "nobody gets the free compressor");
    }
}

#[test]
fn without_a_free_compressor_messages_go_as_they_are() {
    let server = TestServer::start(&ALWAYS);
    let mut clients = clients_of(&server, COMPRESSORS + 4, BUSY);
    // What is read now may be older than the last client.
    for client in &mut clients {
        for _ in 0..2 {
            gets_compressed(client);
        }
    }
    let (mut lucky, mut others) = (Vec::new(), Vec::new());
    for mut client in clients {
        match gets_compressed(&mut client) {
            true => lucky.push(client),
            false => others.push(client),
        }
    }
    assert_eq!((lucky.len(), others.len()), (COMPRESSORS, 4));
    // One that leaves makes room for another.
    lucky.pop();
    until_compressed(&mut others);
}

#[test]
fn compressor_that_is_not_used_is_given_to_another() {
    let server = TestServer::start(&ALWAYS);
    let once = "print('again ' * 40, end='', flush=True); input()";
    let mut resting = clients_of(&server, COMPRESSORS, once);
    assert!(resting.iter_mut().all(gets_compressed));
    until_compressed(&mut clients_of(&server, 1, BUSY));
    // Who has lost it gets another.
    for client in &mut resting[..2] {
        client.send_json(&json!({"type": "stdin", "process": "1", "data": {"input": "\n"}}));
        assert_eq!(client.json()["type"], "stopped");
        client.start("python3", once);
        assert_eq!(client.json()["type"], "started");
        assert!(gets_compressed(client));
    }
}

#[test]
fn clients_on_other_devices_get_them_by_default() {
    let has = |program: &str| Command::new(program).arg("-V").output().is_ok();
    if !is_root() || !["ip", "unshare", "nsenter"].into_iter().all(has) {
        eprintln!("not run: this needs root, ip, unshare and nsenter");
        return;
    }
    // A network with two more addresses; with the second as its own, a client seems to be
    // elsewhere.
    let enter = "ip link set lo up && ip address add 10.99.0.1/32 dev lo \
        && ip address add 10.99.0.2/32 dev lo && exec \"$0\" \"$@\"";
    let possible = Command::new("unshare")
        .args(["--net", "sh", "-c", enter, "true"])
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("not run: no network can be made here");
        return;
    }
    let arguments = ["--auth", "none", "--no-tls", "--bind", "0.0.0.0"];
    let server = TestServer::start_with(&arguments, |command| {
        further_link_testkit::wrap(command, &["unshare", "--net", "sh", "-c", enter]);
    });
    let talk = "import socket, sys
own, to, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
stream = socket.create_connection((to, port), 20, (own, 0))
stream.sendall(sys.stdin.buffer.read())
answer = b''
while b'\\r\\n\\r\\n' not in answer:
    answer += stream.recv(1)
sys.stdout.buffer.write(answer)";
    for (own, to, wanted) in [
        ("127.0.0.1", "127.0.0.1", None),
        ("10.99.0.1", "10.99.0.1", None),
        (
            "10.99.0.2",
            "10.99.0.1",
            Some("permessage-deflate; client_no_context_takeover"),
        ),
    ] {
        let mut client = Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", server.pid()))
            .args(["python3", "-c", talk, own, to, &server.port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let head = format!(
            "GET /run HTTP/1.1\nHost: {to}\n{UPGRADE}\nSec-WebSocket-Extensions: {OFFER}\n\n"
        );
        let mut input = client.stdin.take().unwrap();
        input
            .write_all(head.replace('\n', "\r\n").as_bytes())
            .unwrap();
        drop(input);
        let output = client.wait_with_output().unwrap();
        let answer = further_link_testkit::Answer::read(&output.stdout[..]);
        assert_eq!(answer.status, 101, "{answer:?}");
        assert_eq!(answer.header("sec-websocket-extensions"), wanted, "{own}");
    }
}

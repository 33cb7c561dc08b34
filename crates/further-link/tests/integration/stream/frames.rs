//! The binary stream `further-link.3` (`docs/protocol.md` section 10): what is said, byte by byte,
//! and what is said about mistakes. `flow_control.rs` has how much may be on its way.

use further_link_testkit::raw::{BINARY, CONTINUATION, Frame, PING, PONG, RawClient, TEXT};
use further_link_testkit::stream::{
    INPUT, INPUT_ACK, INPUT_END, KIB, OUTPUT_ACK, STDERR, STDOUT, StreamClient, frame, handshake,
};
use further_link_testkit::{TestServer, processes_with, unique, wait_for};
use serde_json::{Value, json};
use std::io::Write as _;

/// Says `go` when its input is as the program wants it, then does `then` with `data`, the next
/// `count` bytes of input.
fn raw_terminal(then: &str) -> String {
    format!(
        "import os, sys, tty\ntty.setraw(0)\nos.write(1, b'go')\n\
         def read(count):\n  data = b''\n  while len(data) < count:\n    data += os.read(0, count - len(data))\n  return data\n{then}"
    )
}

fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

/// The next frame that is no ping; pings may be anywhere.
fn message(client: &mut RawClient) -> Frame {
    loop {
        let frame = client.frame().unwrap();
        if frame.opcode != PING {
            return frame;
        }
        client.send(PONG, &frame.payload);
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn specifications_example_to_the_byte() {
    const HEAD: &str = "00010100 00000001 00000000000000";
    let server = TestServer::start(&[]);
    // Python writes what `print` is given in pieces, so its output may come in several frames; in
    // the second form it is one.
    for code in [
        "print('Hello,', input())",
        "import sys; sys.stdout.write('Hello, ' + input() + '\\\\n')",
    ] {
        let offer = "\nSec-WebSocket-Protocol: further-link.3";
        let (mut client, answer) = handshake(&server, "/run", offer);
        let chosen = answer.header("sec-websocket-protocol");
        assert_eq!(chosen, Some("further-link.3"));
        let start = format!(
            r#"{{"type": "start", "process": "p", "data": {{"runner": "python3", "code": "{code}"}}}}"#
        );
        client.send(TEXT, start.as_bytes());
        let started = message(&mut client);
        assert_eq!(started.opcode, TEXT);
        assert_eq!(
            started.text(),
            r#"{"type":"started","data":{"number":1},"client":"","process":"p"}"#
        );
        client.send(BINARY, &hex("00000000 00000001 0000000000000000 416e6e0a"));
        let mut output = Vec::new();
        while output.len() < 11 {
            let frame = message(&mut client);
            assert_eq!(frame.opcode, BINARY);
            assert_eq!(frame.payload[..15], hex(HEAD));
            assert_eq!(usize::from(frame.payload[15]), output.len());
            assert!(code.starts_with("print") || frame.payload.len() == 16 + 11);
            output.extend_from_slice(&frame.payload[16..]);
        }
        assert_eq!(output, hex("48656c6c6f2c20416e6e0a"));
        let stopped = message(&mut client);
        assert_eq!(stopped.opcode, TEXT);
        assert_eq!(
            stopped.text(),
            r#"{"type":"stopped","data":{"exitCode":0,"output":11},"client":"","process":"p"}"#
        );
    }
}

#[test]
fn it_is_spoken_where_it_is_offered() {
    const OFFER: &str = "\nSec-WebSocket-Protocol: ";
    let server = TestServer::start(&[]);
    let start = |code: &str| json!({"type": "start", "process": "p", "data": {"runner": "exec", "code": code}});
    let code = "#!/bin/sh\nprintf %s out";
    for offer in [
        format!("{OFFER}further-link.3"),
        format!("{OFFER}other, further-link.3"),
        format!("{OFFER}further-link.3,other"),
        format!("{OFFER}a ,\tfurther-link.3 , b"),
        format!("{OFFER}other{OFFER}further-link.3"),
        format!("{OFFER}further-link.3{OFFER}other"),
        "\nsec-websocket-protocol: further-link.3".to_owned(),
    ] {
        let (mut client, answer) = handshake(&server, "/run?client=me", &offer);
        let chosen = answer.header("sec-websocket-protocol");
        assert_eq!(chosen, Some("further-link.3"), "{offer:?}: {answer:?}");
        let lines = answer.head.to_ascii_lowercase();
        assert_eq!(lines.matches("sec-websocket-protocol").count(), 1);
        client.send_json(&start(code));
        let started = client.recv();
        assert_eq!(started["data"], json!({"number": 1}), "{offer:?}");
        assert_eq!(started["client"], "me");
        let output = message(&mut client);
        assert_eq!(output.opcode, BINARY, "{offer:?}");
        assert_eq!(output.payload, frame(STDOUT, 1, 0, b"out"));
    }
    for offer in [
        String::new(),
        format!("{OFFER}Further-Link.3"),
        format!("{OFFER}FURTHER-LINK.3"),
        format!("{OFFER}further-link.2, further-link.4"),
        format!("{OFFER}further-link.30"),
        format!("{OFFER}xfurther-link.3"),
        format!("{OFFER}further-link"),
        format!("{OFFER}further-link.3 x"),
        format!("{OFFER}\"further-link.3\""),
        OFFER.to_owned(),
        format!("{OFFER}, ,"),
        "\nSec-WebSocket-Extensions: further-link.3".to_owned(),
    ] {
        let (mut client, answer) = handshake(&server, "/run", &offer);
        let chosen = answer.header("sec-websocket-protocol");
        assert_eq!(chosen, None, "{offer:?}");
        client.send_json(&start(code));
        assert!(client.recv()["data"].is_null(), "{offer:?}");
        let output = client.recv();
        assert_eq!(output["data"], json!({"output": "out"}), "{offer:?}");
        assert_eq!(client.recv()["data"], json!({"exitCode": 0}), "{offer:?}");
    }
    // Other addresses do not know it.
    let offer = format!("{OFFER}further-link.3");
    for path in ["/run-py", "/exec", "/ws"] {
        let (mut client, answer) = handshake(&server, path, &offer);
        let chosen = answer.header("sec-websocket-protocol");
        assert_eq!(chosen, None, "{path}");
        if path == "/ws" {
            continue;
        }
        let code = "print('out', end='')";
        client.send_json(&json!({"type": "start", "data": {"sourceScript": code}}));
        assert!(client.recv()["data"].is_null(), "{path}");
        let output = client.recv();
        assert_eq!(output["data"], json!({"output": "out"}), "{path}");
        assert_eq!(client.recv()["data"], json!({"exitCode": 0}), "{path}");
    }
}

#[test]
fn every_byte_of_output_arrives() {
    let server = TestServer::start(&[]);
    let put = "os.write(1, bytes(range(256)) * 9)\nos.write(2, bytes(range(255, -1, -1)) * 9)";
    let backwards: Vec<u8> = (0..=255).rev().collect();

    let mut client = StreamClient::binary(&server, "/run");
    client.start("p", "python3", &format!("import os\n{put}"));
    let program = client.finish("p");
    assert_eq!(program.stdout, all_bytes().repeat(9));
    assert_eq!(program.stderr, backwards.repeat(9));

    let mut client = StreamClient::binary(&server, "/run?pty=1");
    client.start("p", "python3", &raw_terminal(put));
    let program = client.finish("p");
    let expected = [&b"go"[..], &all_bytes().repeat(9), &backwards.repeat(9)].concat();
    assert_eq!(program.stdout, expected);
    assert_eq!(program.stderr, b"");
}

#[test]
fn every_byte_of_input_arrives() {
    let server = TestServer::start(&[]);
    let tricky = [
        &all_bytes()[..],
        b"\0\0\xff\xfe\xc3",
        b"\xed\xa0\x80\x04\x03\r\n",
    ]
    .concat();
    let count = 3 * tricky.len();
    for (path, code) in [
        (
            "/run",
            "import os, sys\nos.write(1, b'go' + sys.stdin.buffer.read())".to_owned(),
        ),
        (
            "/run?pty=1",
            raw_terminal(&format!("os.write(1, read({count}))")),
        ),
    ] {
        let mut client = StreamClient::binary(&server, path);
        client.start("p", "python3", &code);
        if path != "/run" {
            client.until("it is raw", |client| client.program("p").stdout == b"go");
        }
        // Whole, in single bytes, and as one message in several frames of the WebSocket protocol.
        client.input("p", &tricky);
        for byte in &tricky {
            client.input("p", &[*byte]);
        }
        let whole = frame(INPUT, 1, 2 * tricky.len() as u64, &tricky);
        client.raw.send_part(BINARY, &whole[..7]);
        client.raw.send_part(CONTINUATION, &whole[7..90]);
        client.raw.send(CONTINUATION, &whole[90..]);
        if path == "/run" {
            client.send(BINARY, &frame(INPUT_END, 1, count as u64, &[]));
        }
        let program = client.finish("p");
        let expected = [b"go", &tricky.repeat(3)[..]].concat();
        assert_eq!(program.stdout, expected, "{path}");
    }
}

#[test]
fn both_outputs_are_counted_together() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    // Each piece is read before the next is written, so the order of the frames is known.
    let code = "import os, sys\nfor n in range(6):\n  \
                os.write(1 + n % 2, b'%d' % n * (n + 1))\n  sys.stdin.buffer.read(1)";
    client.start("p", "python3", code);
    let mut offset = 0;
    for n in 0..6 {
        let output = message(&mut client.raw);
        assert_eq!(output.opcode, BINARY);
        let stream = [STDOUT, STDERR][n as usize % 2];
        let bytes = n.to_string().repeat(n as usize + 1).into_bytes();
        assert_eq!(output.payload, frame(stream, 1, offset, &bytes));
        offset += bytes.len() as u64;
        client.send(BINARY, &frame(INPUT, 1, n, b"x"));
    }
    let stopped = client.raw.recv();
    assert_eq!(stopped["data"], json!({"exitCode": 0, "output": offset}));

    // And where they are written at once, nothing is lost and the account is right.
    let mut client = StreamClient::binary(&server, "/run");
    let code = "import os\nfor n in range(3000):\n  os.write(1, b'%d ' % n)\n  os.write(2, b'-%d ' % n)\n\
                os.write(1, b'x' * 100000)\nos.write(2, b'y' * 100000)";
    client.start("p", "python3", code);
    let program = client.finish("p");
    let numbers = |sign: &str| -> String { (0..3000).map(|n| format!("{sign}{n} ")).collect() };
    let expected = numbers("") + &"x".repeat(100_000);
    assert!(program.stdout == expected.as_bytes(), "stdout");
    let expected = numbers("-") + &"y".repeat(100_000);
    assert!(program.stderr == expected.as_bytes(), "stderr");
    assert_eq!(
        program.output,
        (program.stdout.len() + program.stderr.len()) as u64
    );
}

#[test]
fn input_has_offsets_and_an_end() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    let number = client.start(
        "p",
        "python3",
        "import os, sys\nos.write(1, sys.stdin.buffer.read())",
    );
    let p = json!("p");
    client.send(BINARY, &frame(INPUT, number, 7, b"never"));
    client.expect_error(&p, "The input is at offset 0, not 7.");
    client.send(BINARY, &frame(INPUT, number, u64::MAX, b"never"));
    client.expect_error(&p, &format!("The input is at offset 0, not {}.", u64::MAX));
    client.send(BINARY, &frame(INPUT, number, 0, b"a\0b"));
    client.send(BINARY, &frame(INPUT, number, 3, b""));
    for offset in [0, 2, 4] {
        client.send(BINARY, &frame(INPUT, number, offset, b"never"));
        client.expect_error(&p, &format!("The input is at offset 3, not {offset}."));
    }
    // Text counts with its bytes of UTF-8.
    let stdin = |input: &str| json!({"type": "stdin", "process": "p", "data": {"input": input}});
    client.send_json(&stdin("ü€"));
    client.send(BINARY, &frame(INPUT, number, 5, b"never"));
    client.expect_error(&p, "The input is at offset 8, not 5.");
    client.send(BINARY, &frame(INPUT, number, 8, b"\xff"));
    client.send_json(&stdin("z"));
    // An end elsewhere is none.
    for offset in [0, 9, 11] {
        client.send(BINARY, &frame(INPUT_END, number, offset, &[]));
        client.expect_error(&p, &format!("The input is at offset 10, not {offset}."));
    }
    client.send(BINARY, &frame(INPUT, number, 10, b"!"));
    client.answers();
    assert_eq!(client.program("p").exit_code, None);
    client.send(BINARY, &frame(INPUT_END, number, 11, &[]));
    let program = client.finish("p");
    assert_eq!(program.stdout, b"a\0b\xc3\xbc\xe2\x82\xac\xffz!");
    assert_eq!(program.exit_code, Some(0));
}

#[test]
fn behind_the_end_there_is_no_input() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    let code = "import signal, sys\nprint(sys.stdin.read(), flush=True)\nsignal.pause()";
    let number = client.start("p", "python3", code);
    let p = json!("p");
    let ended = |client: &mut StreamClient| {
        client.send(BINARY, &frame(INPUT, number, 3, b"more"));
        client.expect_error(&p, "The input has ended.");
        client.send_json(&json!({"type": "stdin", "process": "p", "data": {"input": "more"}}));
        client.expect_error(&p, "The input has ended.");
    };
    client.send(BINARY, &frame(INPUT, number, 0, b"abc"));
    client.send(BINARY, &frame(INPUT_END, number, 3, &[]));
    ended(&mut client);
    client.until("it reads the end", |client| {
        client.program("p").stdout == b"abc\n"
    });
    ended(&mut client);
    client.stop("p");
    assert_eq!(client.finish("p").exit_code, Some(-15));

    // No input at all has an end too, and one at once. `cat` alone knows nothing of what came
    // before.
    client.start("empty", "exec", "#!/bin/sh\nexec cat");
    client.end("empty");
    assert_eq!(client.finish("empty").exit_code, Some(0));

    // A terminal's has none.
    let mut client = StreamClient::binary(&server, "/run?pty=1");
    let number = client.start("p", "exec", "#!/bin/sh\nstty -echo\necho go\nexec cat");
    client.until("it has begun", |client| {
        client.program("p").stdout == b"go\r\n"
    });
    client.send(BINARY, &frame(INPUT_END, number, 0, &[]));
    client.expect_error(&p, "A terminal's input has no end; send Ctrl-D (byte 4).");
    client.input("p", b"abc\n\x04");
    assert_eq!(client.finish("p").stdout, b"go\r\nabc\r\n");
}

#[test]
fn frames_that_are_none_are_told() {
    const SHORT: &str = "a binary frame has a head of 16 bytes";
    const SURPLUS: &str = "an ack or end carries no bytes";
    const UNKNOWN: &str = "this kind of binary frame is not known";
    const NEVER: &str = "There was never a program with this number.";
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    let code = "import os, sys\nos.write(1, sys.stdin.buffer.read())";
    let number = client.start("p", "python3", code);
    let nobody = Value::Null;
    let good = frame(INPUT, number, 0, b"x");
    for length in 0..16 {
        client.send(BINARY, &good[..length]);
        client.expect_error(&nobody, SHORT);
    }
    for code in [INPUT_END, OUTPUT_ACK] {
        client.send(BINARY, &frame(code, number, 0, b"x"));
        client.expect_error(&nobody, SURPLUS);
    }
    for place in 0..4 {
        for value in [1, 2, 3, 4, 0x7f, 0x80, 0xff] {
            let mut code = INPUT;
            code[place] = value;
            if code != INPUT_END {
                client.send(BINARY, &frame(code, number, 0, b""));
                client.expect_error(&nobody, UNKNOWN);
            }
        }
    }
    for code in [
        STDOUT,
        STDERR,
        INPUT_ACK,
        [1, 1, 1, 0],
        [1, 1, 0, 1],
        [2, 1, 0, 0],
        [2, 0, 1, 0],
        [3, 1, 0, 0],
    ] {
        client.send(BINARY, &frame(code, number, 0, b""));
        client.expect_error(&nobody, UNKNOWN);
    }
    for code in [INPUT, INPUT_END, OUTPUT_ACK] {
        // The last is 1 in the other order of bytes.
        for never in [0, number + 1, u32::MAX, 1 << 24] {
            client.send(BINARY, &frame(code, never, 0, b""));
            client.expect_error(&nobody, NEVER);
        }
    }
    // JSON in a binary frame is a bad frame here, and nothing else.
    client.send(BINARY, br#"{"type":"ping"}"#);
    client.expect_error(&nobody, SHORT);
    client.send(BINARY, br#"{"type":"stop","process":"p"}"#);
    client.expect_error(&nobody, UNKNOWN);
    // None of all this did anything.
    client.send(BINARY, &good);
    client.send(BINARY, &frame(INPUT_END, number, 1, b""));
    let program = client.finish("p");
    assert_eq!(
        (&program.stdout[..], program.exit_code),
        (&b"x"[..], Some(0))
    );

    // In plain JSON, a binary frame is the text that it holds, as it ever was.
    let mut client = StreamClient::json(&server, "/run");
    client.send(BINARY, br#"{"type":"ping"}"#);
    assert_eq!(client.text()["type"], "pong");
    client.send(BINARY, &frame(INPUT, 1, 0, b"\xff"));
    client.expect_error(&nobody, "the message is not UTF-8 text");
}

#[test]
fn what_comes_for_a_program_that_is_over_is_ignored() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    let number = client.start("p", "exec", "#!/bin/sh\necho out");
    client.finish("p");
    for offset in [0, 4, 5, u64::MAX] {
        client.send(BINARY, &frame(OUTPUT_ACK, number, offset, &[]));
        client.send(BINARY, &frame(INPUT, number, offset, b"late"));
        client.send(BINARY, &frame(INPUT_END, number, offset, &[]));
    }
    client.answers();
    // By name it is not there, as in plain JSON.
    client.send_json(&json!({"type": "stdin", "process": "p", "data": {"input": "late"}}));
    client.expect_error(&json!("p"), "No program is running under this name.");
    // A new one of the same name does not get what was meant for the old one.
    let next = client.start("p", "exec", "#!/bin/sh\nexec cat");
    client.send(BINARY, &frame(INPUT, number, 0, b"old"));
    client.send(BINARY, &frame(OUTPUT_ACK, number, 9, &[]));
    client.send(BINARY, &frame(INPUT_END, number, 0, &[]));
    client.send(BINARY, &frame(INPUT, next, 0, b"new"));
    client.send(BINARY, &frame(INPUT_END, next, 3, &[]));
    assert_eq!(client.finish("p").stdout, b"new");
}

#[test]
fn numbers_tell_programs_apart_and_are_never_used_again() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    // The client checks that each number is larger than all before.
    assert_eq!(client.start("a", "exec", "#!/bin/sh\nexit 3"), 1);
    assert_eq!(client.finish("a").exit_code, Some(3));
    let failing = json!({"runner": "exec", "path": "/nosuch"});
    client.send_json(&json!({"type": "start", "process": "a", "data": failing}));
    let error = client.text();
    assert_eq!(error["type"], "error", "{error}");
    let code =
        "import os, sys\nwhile line := sys.stdin.buffer.readline():\n  os.write(1, line * 300)";
    for name in ["a", "b"] {
        client.start(name, "python3", code);
    }
    for n in 0..50 {
        for name in ["a", "b"] {
            client.input(name, format!("{name} {n}\n").as_bytes());
        }
    }
    for name in ["b", "a"] {
        client.end(name);
    }
    for name in ["a", "b"] {
        let program = client.finish(name);
        let lines = (0..50).map(|n| format!("{name} {n}\n").repeat(300));
        let expected = lines.collect::<String>().into_bytes();
        assert!(program.stdout == expected, "{name}");
        assert_eq!(program.exit_code, Some(0));
    }
    // Each connection counts by itself.
    let mut other = StreamClient::binary(&server, "/run");
    assert_eq!(other.start("x", "exec", "#!/bin/sh\n:"), 1);
}

#[test]
fn stop_in_a_flood_ends_behind_its_last_byte() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    let code = "import os\nblock = bytes(range(256)) * 256\nwhile True: os.write(1, block)";
    client.start("p", "python3", code);
    client.until("it floods", |client| {
        client.program("p").output > 1024 * KIB
    });
    client.stop("p");
    let program = client.finish("p");
    assert_eq!(program.exit_code, Some(-15));
    let right = |(index, byte): (usize, &u8)| *byte == index as u8;
    assert!(program.stdout.iter().enumerate().all(right));
    assert_eq!(program.stderr, b"");
    client.answers();

    // Whoever acknowledges nothing is told the end only behind the last byte, too.
    client.ack_every = None;
    let mark = unique("stop-in-flood");
    let code = format!("{code} # {mark}");
    let script = format!("#!/bin/sh\nexec python3 -c '{code}'");
    client.start("q", "exec", &script);
    client.fill_window("q");
    client.stop("q");
    wait_for("the program is gone", || processes_with(&mark).is_empty());
    client.answers();
    assert_eq!(client.program("q").exit_code, None);
    client.ack_every = Some(16 * KIB);
    client.ack("q");
    let program = client.finish("q");
    assert_eq!(program.exit_code, Some(-15));
    assert!(program.stdout.iter().enumerate().all(right));
    client.answers();
}

#[test]
fn programs_end_with_their_connection() {
    let server = TestServer::start(&[]);
    let mark = unique("closing");
    let script = format!("#!/bin/sh\nexec python3 -c 'while True: print(\"{mark}\")'");
    for manners in [true, false] {
        let mut client = StreamClient::binary(&server, "/run");
        client.ack_every = None;
        client.start("p", "exec", &script);
        client.fill_window("p");
        assert!(!processes_with(&mark).is_empty());
        if manners {
            client.send(further_link_testkit::raw::CLOSE, &1000u16.to_be_bytes());
            client.raw.stream.flush().unwrap();
            assert_eq!(client.raw.closed(), 1000);
        }
        drop(client);
        wait_for("the program is gone", || processes_with(&mark).is_empty());
    }
}

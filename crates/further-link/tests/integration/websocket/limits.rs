//! What clients get that want too much, say it wrongly, do not read, or are dead; and that nobody
//! else notices.

use further_link_testkit::raw::{
    BINARY, CLOSE, CONTINUATION, PING, PONG, RawClient, TEXT, exchange, frame,
};
use further_link_testkit::{DEADLINE, TempDir, TestServer, processes_with, unique, wait_for};
use futures_util::StreamExt as _;
use serde_json::json;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// What a client that does not read may cost the server: the log of its program, what is on its
/// way, and what the allocator keeps.
const MEMORY: usize = 8 * 1024 * 1024;

/// Memory of a process that is in use, in bytes.
fn memory(server: &TestServer) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim()
        .strip_suffix(" kB")
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

fn assert_memory(server: &TestServer, before: usize) {
    let now = memory(server);
    assert!(now < before + MEMORY, "{before} bytes have become {now}");
}

/// A `ping` that is exactly so long.
fn ping_of(length: usize) -> Vec<u8> {
    let short = json!({"type": "ping", "filler": ""}).to_string();
    let filler = "x".repeat(length - short.len());
    let message = json!({"type": "ping", "filler": filler})
        .to_string()
        .into_bytes();
    assert_eq!(message.len(), length);
    message
}

/// Waits until `file` has not changed for a while, and returns what it holds.
fn settled(file: &std::path::Path) -> String {
    let read = || std::fs::read_to_string(file).unwrap_or_default();
    let (mut last, mut since) = (String::new(), Instant::now());
    let end = Instant::now() + DEADLINE;
    loop {
        let now = read();
        if now != last {
            (last, since) = (now, Instant::now());
        } else if !last.is_empty() && since.elapsed() > Duration::from_millis(700) {
            return last;
        }
        assert!(Instant::now() < end, "it goes on and on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn message_may_be_as_long_as_the_limit() {
    const LIMIT: usize = 4096;
    let server = TestServer::start(&["--set", "limits.message_bytes=4096"]);
    let message = ping_of(LIMIT);
    let longer = ping_of(LIMIT + 1);
    let pieces = |client: &mut RawClient, message: &[u8], size: usize| {
        let mut parts = message.chunks(size).peekable();
        let mut opcode = TEXT;
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            // The client may already be turned away.
            let _ = client.stream.write_all(&frame(last, opcode, part));
            opcode = CONTINUATION;
        }
    };
    let mut client = RawClient::connect(&server, "/run");
    for opcode in [TEXT, BINARY] {
        client.send(opcode, &message);
        assert_eq!(client.recv()["type"], "pong");
    }
    for size in [1000, 64, LIMIT - 1] {
        pieces(&mut client, &message, size);
        assert_eq!(client.recv()["type"], "pong", "in pieces of {size}");
    }
    // A control frame may come between the pieces.
    client.send_part(TEXT, &message[..100]);
    client.send(PING, b"between");
    client.send(CONTINUATION, &message[100..]);
    let first = client.frame().unwrap();
    assert_eq!(
        (first.opcode, first.payload.as_slice()),
        (PONG, &b"between"[..])
    );
    assert_eq!(client.recv()["type"], "pong");

    client.send(TEXT, &longer);
    assert_eq!(client.closed(), 1009);
    for size in [1000, 1, LIMIT] {
        let mut client = RawClient::connect(&server, "/run");
        pieces(&mut client, &longer, size);
        assert_eq!(client.closed(), 1009, "in pieces of {size}");
    }
    // The announcement is enough; nothing of it has to come.
    for length in [1u64 << 20, 1 << 40, u64::MAX >> 1] {
        let mut client = RawClient::connect(&server, "/run");
        let head = [&[0x81, 0xff][..], &length.to_be_bytes(), &[1, 2, 3, 4]].concat();
        client.stream.write_all(&head).unwrap();
        assert_eq!(client.closed(), 1009, "{length}");
    }
    assert_eq!(server.get("/status").body, "OK");
}

#[test]
fn who_breaks_the_protocol_is_told_so() {
    let server = TestServer::start(&[]);
    let mask = [1, 2, 3, 4];
    let invalid_text = ["é\u{fffd}".as_bytes(), &[0xff]].concat();
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        (
            "text that is no UTF-8",
            frame(true, TEXT, &invalid_text),
            1007,
        ),
        ("a surrogate", frame(true, TEXT, &[0xed, 0xa0, 0x80]), 1007),
        (
            "half a character at the end",
            frame(true, TEXT, &[b'"', 0xc3]),
            1007,
        ),
        (
            "no UTF-8 over two frames",
            [frame(false, TEXT, &[0xc3]), frame(true, CONTINUATION, b"(")].concat(),
            1007,
        ),
        (
            "an unmasked frame",
            [&[0x81, 15][..], br#"{"type":"ping"}"#].concat(),
            1002,
        ),
        ("an unmasked ping", vec![0x89, 0], 1002),
        ("a reserved bit", [&[0xc1, 0x80][..], &mask].concat(), 1002),
        ("an unknown opcode", frame(true, 3, b""), 1002),
        ("an unknown control opcode", frame(true, 11, b""), 1002),
        ("a ping in pieces", frame(false, PING, b""), 1002),
        ("a ping of 126 bytes", frame(true, PING, &[b'x'; 126]), 1002),
        (
            "a continuation of nothing",
            frame(true, CONTINUATION, b"x"),
            1002,
        ),
        (
            "a message in a message",
            [frame(false, TEXT, b"x"), frame(true, TEXT, b"x")].concat(),
            1002,
        ),
        ("a close frame of one byte", frame(true, CLOSE, &[3]), 1002),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), 1002),
    ];
    for (what, bytes, code) in cases {
        for path in ["/run", "/ws"] {
            let mut client = RawClient::connect(&server, path);
            client.stream.write_all(&bytes).unwrap();
            assert_eq!(client.closed(), code, "{what} on {path}");
        }
    }
    // A proper end is answered with the same code.
    for code in [1000u16, 1001, 3000, 4999] {
        let mut client = RawClient::connect(&server, "/run");
        client.send(CLOSE, &code.to_be_bytes());
        assert_eq!(client.closed(), code);
    }
}

#[tokio::test]
async fn programs_for_each_client() {
    let server = TestServer::start(&["--set", "limits.jobs_per_client=2"]);
    let mut client = server.connect("/run").await;
    let mut other = server.connect("/run").await;
    for name in ["1", "2"] {
        client.start(name, "python3", "input()").await;
        client.expect("started").await;
    }
    client.start("3", "python3", "print('hi')").await;
    let error = client.expect("error").await;
    assert_eq!(error["process"], "3");
    assert!(
        error["data"]["message"]
            .as_str()
            .unwrap()
            .contains(" 2 programs"),
        "{error}"
    );
    // Others have their own two.
    other.start("1", "python3", "print('hi')").await;
    assert_eq!(other.finish().await.stdout, "hi\n");
    client.stdin("2", "\n").await;
    client.finish().await;
    client.start("3", "python3", "print('hi')").await;
    assert_eq!(client.finish().await.stdout, "hi\n");
}

#[tokio::test]
async fn programs_in_all() {
    let server = TestServer::start(&["--set", "limits.jobs=2"]);
    let mut first = server.connect("/run").await;
    let mut second = server.connect("/run-py").await;
    let mut line = server.connect("/ws").await;
    first.start("1", "python3", "input()").await;
    first.expect("started").await;
    second
        .send(json!({"type": "start", "data": {"sourceScript": "input()"}}))
        .await;
    second.expect("started").await;
    first.start("2", "python3", "print('hi')").await;
    let error = first.expect("error").await;
    assert!(
        error["data"]["message"]
            .as_str()
            .unwrap()
            .contains(" 2 programs"),
        "{error}"
    );
    line.send_text("echo hi").await;
    let error = line.text().await;
    assert!(
        error.starts_with("error: ") && error.contains(" 2 programs"),
        "{error}"
    );
    second.send(json!({"type": "stop"})).await;
    second.until("stopped").await;
    first.start("2", "python3", "print('hi')").await;
    assert_eq!(first.finish().await.stdout, "hi\n");
    line.send_text("echo hi").await;
    assert_eq!(line.text().await, "hi\n");
}

#[test]
fn connections_at_the_same_time() {
    let server = TestServer::start(&["--set", "limits.connections=3"]);
    let head = "GET /status HTTP/1.1\nHost: localhost";
    let first = RawClient::connect(&server, "/run");
    let _second = RawClient::connect(&server, "/ws");
    let mut third = server.tcp();
    assert_eq!(exchange(&mut third, head).body, "OK");
    for _ in 0..50 {
        let refused = exchange(&mut server.tcp(), head);
        assert_eq!(refused.status, 503);
        assert!(
            refused.body.starts_with("503: Service Unavailable\n"),
            "{refused:?}"
        );
        assert!(refused.header("retry-after").is_some());
        assert_eq!(
            refused.header("access-control-allow-private-network"),
            Some("true")
        );
    }
    // The ones that are in stay in.
    let metrics = exchange(&mut third, "GET /metrics HTTP/1.1\nHost: localhost").body;
    assert!(
        metrics.contains("refusals_total{reason=\"connections\"} 50\n"),
        "{metrics}"
    );
    drop(first);
    wait_for("a place is free", || {
        exchange(&mut server.tcp(), head).status == 200
    });
}

/// Puts out numbered lines of 64 bytes, about 24 MB in all, and notes in a file how far it is.
fn flood(lines: usize, progress: &std::path::Path) -> String {
    format!(
        "import os\nfor i in range(0, {lines}, 1000):\n    \
         os.write(1, b''.join(b'%063d\\n' % n for n in range(i, i + 1000)))\n    \
         open({progress:?}, 'w').write(str(i))\n"
    )
}

#[test]
fn client_that_does_not_read_holds_only_its_own_program_up() {
    const LINES: usize = 400_000;
    let folder = TempDir::create();
    let progress = folder.path().join("progress");
    let server = TestServer::start(&[]);
    let mut other = RawClient::connect(&server, "/run");
    other.start("0", "python3", "print('warm')");
    other.until("stopped");
    let before = memory(&server);

    let mut client = RawClient::connect(&server, "/run").with_small_buffer();
    client.start("1", "python3", &flood(LINES, &progress));
    let stuck: usize = settled(&progress).parse().unwrap();
    assert!(stuck < LINES - 1000, "the program was not held up");
    assert_memory(&server, before);

    other.start("1", "python3", "print(input(), end='')");
    assert_eq!(other.recv()["type"], "started");
    other.send_json(&json!({"type": "stdin", "process": "1", "data": {"input": "quick\n"}}));
    assert_eq!(other.recv()["data"]["output"], "quick");
    other.until("stopped");

    let mut text = Vec::new();
    assert_eq!(client.recv()["type"], "started");
    loop {
        let message = client.recv();
        match message["type"].as_str().unwrap() {
            "stdout" => {
                text.extend_from_slice(message["data"]["output"].as_str().unwrap().as_bytes())
            }
            "stopped" => break assert_eq!(message["data"]["exitCode"], 0),
            _ => panic!("{message}"),
        }
    }
    assert_eq!(text.len(), LINES * 64);
    for (number, line) in text.chunks(64).enumerate() {
        assert_eq!(line, format!("{number:063}\n").as_bytes());
    }
    assert_memory(&server, before);
}

#[test]
fn flood_does_not_delay_ping_and_stop() {
    /// What the kernel's buffers may hold on the way to the client.
    const ON_THE_WAY: usize = 2 * 1024 * 1024;
    let folder = TempDir::create();
    let progress = folder.path().join("progress");
    let server = TestServer::start(&[]);
    let mut client = RawClient::connect(&server, "/run").with_small_buffer();
    client.start("1", "python3", &flood(1_000_000_000, &progress));
    settled(&progress);
    let read_to = |client: &mut RawClient, kind: &str| {
        let mut bytes = 0;
        loop {
            let message = client.recv();
            if message["type"] == kind {
                return bytes;
            }
            bytes += message.to_string().len();
            assert!(bytes < ON_THE_WAY, "{kind} has to come at last");
        }
    };
    for _ in 0..2 {
        client.send_json(&json!({"type": "ping"}));
        read_to(&mut client, "pong");
    }
    client.send_json(&json!({"type": "stop", "process": "1"}));
    read_to(&mut client, "stopped");
    client.send_json(&json!({"type": "ping"}));
    assert_eq!(client.recv()["type"], "pong");
}

const SLEEP: &str = "import time\nwhile True: time.sleep(100)";

#[tokio::test(flavor = "multi_thread")]
async fn dead_are_given_up_and_the_living_are_not() {
    let server = TestServer::start(&["--set", "limits.pong_timeout=1"]);
    let word = unique("dead");
    let folder = TempDir::create();

    let dead = RawClient::connect(&server, "/run");
    let dead_line = RawClient::connect(&server, "/ws");
    let slow = RawClient::connect(&server, "/run").with_small_buffer();
    let mut answering = server.connect("/run").await;
    let mut line = server.connect("/ws").await;
    let (mut dead, mut dead_line, mut slow) = (dead, dead_line, slow);
    let word_of_dead = word.clone();
    let dead = tokio::task::spawn_blocking(move || {
        // The name of its folder is in its arguments.
        let data = json!({"runner": "python3", "code": SLEEP, "path": word_of_dead});
        dead.send_json(&json!({"type": "start", "process": "1", "data": data}));
        dead.until("started");
        // A process that is just executing something (and `python3` may be a script that does)
        // shows no arguments for a moment.
        wait_for("its program is seen", || {
            !processes_with(&word_of_dead).is_empty()
        });
        assert_eq!(dead.closed(), 1008);
    });
    let dead_line = tokio::task::spawn_blocking(move || assert_eq!(dead_line.closed(), 1008));
    let code = flood(1_000_000_000, &folder.path().join("progress"));
    let slow = tokio::task::spawn_blocking(move || {
        // Never says anything, but takes a little all the time, for three times the limit.
        slow.start("1", "python3", &code);
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
            slow.recv();
        }
        slow.send_json(&json!({"type": "ping"}));
        slow.until("pong");
    });
    // Answers pings and does nothing else, for three times the limit.
    let quiet = tokio::time::timeout(Duration::from_secs(3), async {
        loop {
            let message = tokio::select! {
                message = answering.socket.next() => message.unwrap().unwrap(),
                message = line.socket.next() => message.unwrap().unwrap(),
            };
            assert!(message.is_ping(), "{message:?}");
        }
    });
    assert!(quiet.await.is_err());
    answering.send(json!({"type": "ping"})).await;
    answering.expect("pong").await;
    line.send_text("echo hi").await;
    assert_eq!(line.text().await, "hi\n");

    dead.await.unwrap();
    dead_line.await.unwrap();
    wait_for("the dead client's program is gone", || {
        processes_with(&word).is_empty()
    });
    slow.await.unwrap();
}

#[test]
fn input_for_a_program_that_does_not_read_is_bounded() {
    let server = TestServer::start(&[]);
    for path in ["/run", "/run?pty=1"] {
        let mut client = RawClient::connect(&server, path);
        client.start("1", "python3", "import time, tty\nimport sys\nif sys.stdin.isatty(): tty.setraw(0)\nsys.stdout.write('up')\nsys.stdout.flush()\nwhile True: time.sleep(100)");
        client.until("stdout");
        let before = memory(&server);
        let piece = json!({"type": "stdin", "process": "1", "data": {"input": "x".repeat(60_000)}});
        let mut taken = 0;
        let refused = loop {
            client.send_json(&piece);
            client.send_json(&json!({"type": "ping"}));
            let answer = client.recv();
            if answer["type"] == "error" {
                assert_eq!(client.recv()["type"], "pong");
                break answer;
            }
            assert_eq!(answer["type"], "pong");
            taken += 60_000;
            assert!(taken < 2 << 20, "input without end is taken");
        };
        assert_eq!(refused["data"]["message"], "Bad message");
        assert!(
            refused["data"]["detail"]
                .as_str()
                .unwrap()
                .contains("still wait for the program"),
            "{refused}"
        );
        assert!(taken > 512 << 10, "a little has to be taken: {taken}");
        assert_memory(&server, before);
        // Others of the same client are not concerned, and stopping works.
        client.start("2", "python3", "print(input())");
        client.until("started");
        client.send_json(&json!({"type": "stdin", "process": "2", "data": {"input": "hi\n"}}));
        client.until("stopped");
        client.send_json(&json!({"type": "stop", "process": "1"}));
        assert_eq!(client.until("stopped")["data"]["exitCode"], -15, "{path}");
    }
}

#[test]
fn answers_for_a_client_that_does_not_read_are_bounded() {
    const MOST: usize = 32 * 1024 * 1024;
    let server = TestServer::start(&[]);
    server.get("/status");
    let before = memory(&server);
    let ping = frame(true, TEXT, br#"{"type":"ping"}"#);
    let bad = frame(true, TEXT, b"?");
    let frames = [ping, bad, frame(true, PING, &[b'p'; 100])];
    for (frame, path) in frames
        .into_iter()
        .flat_map(|frame| [(frame.clone(), "/run"), (frame, "/ws")])
    {
        let mut client = RawClient::connect(&server, path).with_small_buffer();
        client.pour(&frame, MOST / 8, Duration::from_millis(300));
        assert_memory(&server, before);
        assert_eq!(server.get("/status").body, "OK");
    }
}

/// Time that a process has had of the processor, in ticks of 10 ms.
fn processor_time(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn waiting_costs_no_time() {
    for cgroup in ["auto", "off"] {
        let server = TestServer::start(&["--set", &format!("run.cgroup={cgroup}")]);
        let mut pipes = RawClient::connect(&server, "/run");
        let mut terminal = RawClient::connect(&server, "/run?pty=1");
        for client in [&mut pipes, &mut terminal] {
            client.start("1", "python3", "print('up')\ninput()");
            client.until("stdout");
            client.start(
                "2",
                "exec",
                "#!/bin/sh\nexec 0<&- 1>&- 2>&-; exec sleep 1000",
            );
            client.until("started");
        }
        let processes = [server.pid(), server.spawner_pid()];
        let before = processes.map(processor_time);
        std::thread::sleep(Duration::from_secs(1));
        let after = processes.map(processor_time);
        for (before, after) in before.into_iter().zip(after) {
            assert!(
                after - before < 20,
                "{cgroup}: {} ticks in a second",
                after - before
            );
        }
    }
}

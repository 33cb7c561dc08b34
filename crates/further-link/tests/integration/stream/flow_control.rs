//! How much may be on its way: acknowledgements of the binary stream (`docs/protocol.md` section
//! 10), pings among the output of every `/run` client, and what becomes of those who do not answer.

use further_link_testkit::raw::{BINARY, PING, PONG, TEXT};
use further_link_testkit::stream::{INPUT, INPUT_WINDOW, KIB, Pong, StreamClient, WINDOW, frame};
use further_link_testkit::{DEADLINE, TestServer, wait_for};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// A block of a mebibyte in which no two kibibytes are alike, for Python and for us.
const BLOCK: &str = "block = b''.join(b'%8d' % n for n in range(1 << 17))";

fn block() -> Vec<u8> {
    let numbers = (0..1 << 17).map(|n| format!("{n:8}"));
    numbers.collect::<String>().into_bytes()
}

/// Whether `output` is the block again and again, `length` bytes of it.
fn assert_blocks(output: &[u8], length: usize) {
    let block = block();
    assert_eq!(output.len(), length);
    for (index, piece) in output.chunks(block.len()).enumerate() {
        assert!(piece == &block[..piece.len()], "block {index} is another");
    }
}

/// Writes the block `count` times, in pieces of `piece` bytes, and puts down in `progress` how many
/// bytes the kernel has taken.
fn recorded(progress: &Path, count: usize, piece: usize) -> String {
    format!(
        "import mmap, os, struct\n{BLOCK}\nfile = open('{0}', 'wb+')\nfile.truncate(8)\n\
         seen = mmap.mmap(file.fileno(), 8)\nwritten = 0\nfor _ in range({count}):\n  \
         for start in range(0, len(block), {piece}):\n    \
         written += os.write(1, block[start:start + {piece}])\n    seen[:] = struct.pack('<Q', written)",
        progress.display()
    )
}

fn progress_in(file: &Path) -> u64 {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

#[test]
fn fifty_megabytes_are_exact() {
    const BLOCKS: usize = 50;
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    let code = format!("import os\n{BLOCK}\nfor _ in range({BLOCKS}): os.write(1, block)");
    client.start("p", "python3", &code);
    let program = client.finish("p");
    assert_eq!((program.exit_code, program.stderr.len()), (Some(0), 0));
    assert_blocks(&program.stdout, BLOCKS << 20);
}

/// A client that leaves its socket as it is, with Nagle's algorithm (RFC 896): a small message
/// waits until the one before it has been confirmed, which the other side's kernel does 40 ms later
/// if it has nothing to send. That is no slow client.
#[test]
fn nagles_algorithm_does_not_make_a_client_slow() {
    const BLOCKS: usize = 50;
    let server = TestServer::start(&[]);
    let code = format!("import os\n{BLOCK}\nfor _ in range({BLOCKS}): os.write(1, block)");
    let run = |nodelay: bool| {
        let mut client = StreamClient::binary(&server, "/run");
        client.raw.stream.set_nodelay(nodelay).unwrap();
        let began = Instant::now();
        client.start("p", "python3", &code);
        assert_eq!(client.finish("p").output, (BLOCKS as u64) << 20);
        began.elapsed()
    };
    let without = run(true);
    let with = run(false);
    assert!(
        with < without * 5 + Duration::from_secs(2),
        "{with:?} instead of {without:?}"
    );
}

#[test]
fn without_acknowledgements_a_window_is_sent_and_no_more() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    client.ack_every = None;
    let code = format!("import os\n{BLOCK}\nfor _ in range(3): os.write(1, block)");
    client.start("p", "python3", &code);
    client.fill_window("p");
    // Others go on. The client itself makes sure that no frame goes beyond the window.
    for name in ["a", "b"] {
        client.start(name, "exec", "#!/bin/sh\nhead -c 50000 /dev/zero");
        assert_eq!(client.finish(name).stdout, vec![0; 50_000]);
    }
    client.start("c", "exec", "#!/bin/sh\nexec cat");
    client.input("c", b"typed\n");
    client.until("it is echoed", |client| client.program("c").output == 6);
    client.stop("c");
    assert_eq!(client.finish("c").exit_code, Some(-15));
    let sent = client.program("p").output;

    // More than there was is a mistake, and means nothing.
    for beyond in [sent + 1, sent + WINDOW, u64::MAX] {
        client.ack_at("p", beyond);
        let detail = "There are no bytes of output up to this offset.";
        client.expect_error(&json!("p"), detail);
    }
    client.answers();
    assert_eq!(client.program("p").output, sent);

    // These say nothing new, or little: no more than a window beyond them.
    for offset in [sent / 2, 0, sent / 4, sent / 2] {
        client.ack_at("p", offset);
    }
    client.program_mut("p").acknowledged = sent / 2;
    client.answers();
    // All of it consumed, but late: less may be sent now, down to 32 KiB (in whole frames, of which
    // a small one may be held back).
    client.ack_at("p", sent);
    client.program_mut("p").acknowledged = sent;
    client.until("it goes on", |client| {
        client.program("p").output >= sent + 24 * KIB
    });
    client.start("d", "exec", "#!/bin/sh\nhead -c 50000 /dev/zero");
    client.finish("d");
    client.ack_every = Some(16 * KIB);
    client.ack("p");
    client.ack_at("p", sent / 2);
    let program = client.finish("p");
    assert_eq!(program.exit_code, Some(0));
    assert_blocks(&program.stdout, 3 << 20);
}

#[test]
fn small_output_needs_no_acknowledgement() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    client.ack_every = None;
    let code = "import os, sys\nwhile line := sys.stdin.buffer.readline(): os.write(1, line)";
    client.start("p", "python3", code);
    let mut typed = 0;
    while typed < 16_000 {
        let line = format!("{typed:099}\n");
        client.input("p", line.as_bytes());
        typed += line.len() as u64;
        client.until("its echo", |client| client.program("p").output == typed);
    }
    // At the latest after 64 KiB, where so much is at hand.
    client.ack_every = Some(64 * KIB);
    client.end("p");
    client.finish("p");
    let code = format!("import os\n{BLOCK}\nfor _ in range(3): os.write(1, block)");
    client.start("p", "python3", &code);
    assert_blocks(&client.finish("p").stdout, 3 << 20);
}

/// A client that takes a while for each byte, as a page does that draws them.
#[tokio::test]
async fn slow_consumer_gets_little_in_advance() {
    const RATE: f64 = 1e6;
    let server = TestServer::start(&[]);
    let url = format!("ws://127.0.0.1:{}/run", server.port);
    let mut request = url.into_client_request().unwrap();
    let name = "further-link.3".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", name);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let code = format!("import os\n{BLOCK}\nwhile True: os.write(1, block)");
    let data = json!({"runner": "python3", "code": code});
    let start = json!({"type": "start", "process": "p", "data": data});
    socket.send(Message::text(start.to_string())).await.unwrap();

    let mut waiting: VecDeque<usize> = VecDeque::new();
    let (mut received, mut consumed, mut acknowledged) = (0, 0, 0);
    let mut done = tokio::time::Instant::now();
    let mut unacknowledged = Vec::new();
    while consumed < 1_500_000 {
        tokio::select! {
            () = tokio::time::sleep_until(done), if !waiting.is_empty() => {
                consumed += waiting.pop_front().unwrap();
                // Its pace is held on the whole, as long as there is something to consume.
                let next = waiting.front().copied().unwrap_or_default();
                done += Duration::from_secs_f64(next as f64 / RATE);
                if consumed - acknowledged >= 16_384 {
                    unacknowledged.push(received - acknowledged);
                    acknowledged = consumed;
                    let ack = frame([1, 1, 0, 0], 1, consumed as u64, &[]);
                    socket.send(Message::binary(ack)).await.unwrap();
                }
            }
            message = socket.next() => {
                if let Message::Binary(frame) = message.unwrap().unwrap() {
                    if waiting.is_empty() {
                        let taken = Duration::from_secs_f64((frame.len() - 16) as f64 / RATE);
                        done = tokio::time::Instant::now() + taken;
                    }
                    waiting.push_back(frame.len() - 16);
                    received += frame.len() - 16;
                }
            }
        }
    }
    // Of the time after the first half megabyte, by when the server knows the pace.
    let mut later = unacknowledged.split_off(unacknowledged.len() / 3);
    later.sort_unstable();
    let usual = later[later.len() / 2];
    assert!(usual <= 128 * 1024, "{usual} bytes wait to be consumed");
}

/// A client of plain JSON that reads slowly: what its program has written is soon seen.
#[test]
fn slow_reader_of_json_is_soon_up_to_date() {
    const RATE: f64 = 1e6;
    const BLOCKS: usize = 3;
    let server = TestServer::start(&[]);
    let file = server.folder.path().join("progress");
    let mut client = StreamClient::json(&server, "/run");
    client.start("p", "python3", &recorded(&file, BLOCKS, 2048));
    let began = Instant::now();
    let mut ahead = Vec::new();
    while client.program("p").output < 2_000_000 {
        client.next();
        let output = client.program("p").output;
        let due = began + Duration::from_secs_f64(output as f64 / RATE);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if output > 1_000_000 {
            ahead.push(progress_in(&file).saturating_sub(output));
        }
    }
    ahead.sort_unstable();
    let usual = ahead[ahead.len() / 2];
    // The pipe of 64 KiB, and 50 ms of its pace or a little more; 256 KiB with the window that is
    // for quick ones.
    assert!(usual < 210_000, "{usual} bytes are between");
    // And then as fast as it can: all is there.
    let program = client.finish("p");
    assert_eq!(program.exit_code, Some(0));
    assert_blocks(&program.stdout, BLOCKS << 20);
}

/// Reads nothing at all: what is on its way is bounded, not only by what sockets can hold.
#[test]
fn client_that_does_not_read_is_not_sent_megabytes() {
    let server = TestServer::start(&[]);
    let file = server.folder.path().join("progress");
    let mut client = StreamClient::json(&server, "/run");
    // An answer first, so that the server knows that this client gives some.
    let code = format!(
        "import os\nos.write(1, b'x' * 2000)\ninput()\n{}",
        recorded(&file, 16, 2048)
    );
    client.start("p", "python3", &code);
    client.until("it has begun", |client| client.program("p").output == 2000);
    client.answers();
    client.input("p", b"\n");
    // Wherever it comes to rest: the first window, half of that read in advance, and the pipe. The
    // sockets alone would take more.
    let (mut last, mut since) = (0, Instant::now());
    wait_for("the program waits", || {
        let now = progress_in(&file);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        assert!(now < 220_000, "{now} bytes were written to nobody");
        now > 0 && since.elapsed() > Duration::from_millis(300)
    });
    client.until("all is there", |client| {
        client.program("p").exit_code.is_some()
    });
    assert_blocks(&client.program("p").stdout[2000..], 16 << 20);
}

#[test]
fn who_never_answers_pings_gets_everything_all_the_same() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::json(&server, "/run");
    client.pong = |_| None;
    let code = format!("import os\n{BLOCK}\nfor _ in range(4): os.write(1, block)");
    client.start("p", "python3", &code);
    let began = Instant::now();
    assert_blocks(&client.finish("p").stdout, 4 << 20);
    // Two seconds once, not for each window; here with time for the rest.
    assert!(began.elapsed() < Duration::from_secs(10));
    let began = Instant::now();
    client.start("p", "python3", &code);
    assert_blocks(&client.finish("p").stdout, 4 << 20);
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// The same, but it says something now and then, as people do who wait.
#[test]
fn who_never_answers_pings_but_talks_gets_everything_all_the_same() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::json(&server, "/run");
    client.pong = |_| None;
    let code = format!("import os\n{BLOCK}\nfor _ in range(2): os.write(1, block)");
    client.start("p", "python3", &code);
    let end = Instant::now() + DEADLINE / 2;
    let mut talking = client.raw.stream.try_clone().unwrap();
    let (over, stop) = std::sync::mpsc::channel::<()>();
    let talker = std::thread::spawn(move || {
        use std::io::Write as _;
        let ping = further_link_testkit::raw::frame(true, TEXT, br#"{"type":"ping"}"#);
        let pause = Duration::from_millis(500);
        while stop.recv_timeout(pause) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            talking.write_all(&ping).unwrap();
        }
    });
    while client.program("p").exit_code.is_none() && Instant::now() < end {
        client.next();
    }
    drop(over);
    talker.join().unwrap();
    assert_blocks(&client.program("p").stdout, 2 << 20);
}

/// RFC 6455 section 5.5.3: of several pings, a client may answer only the last. One that was busy
/// for a while finds one that asked how it is behind one that asked what it has.
#[test]
fn who_answers_only_the_last_of_several_pings_goes_on() {
    let server = TestServer::start(&["--set", "limits.pong_timeout=3"]);
    let mut client = StreamClient::json(&server, "/run");
    let code = format!(
        "import os\nos.write(1, b'x' * 2000)\ninput()\n{BLOCK}\nfor _ in range(2): os.write(1, block)"
    );
    client.start("p", "python3", &code);
    client.until("it has begun", |client| client.program("p").output == 2000);
    client.answers();
    client.input("p", b"\n");
    // Busy until it is asked how it is: that is a ping with no output between it and the one
    // before.
    let end = Instant::now() + DEADLINE / 2;
    let mut after_ping = false;
    let last = loop {
        assert!(Instant::now() < end, "it is never asked");
        let frame = client.raw.frame().unwrap();
        if after_ping && frame.opcode == PING {
            break frame.payload;
        }
        after_ping = frame.opcode == PING;
    };
    client.send(PONG, &last);
    // From here on it answers each one.
    loop {
        assert!(Instant::now() < end, "the output does not go on");
        let frame = client.raw.frame().unwrap();
        match frame.opcode {
            PING => client.send(PONG, &frame.payload),
            _ if frame.json()["type"] == "stopped" => break,
            _ => {}
        }
    }
}

#[test]
fn forged_answers_harm_nobody() {
    let server = TestServer::start(&[]);
    let code = format!("import os\n{BLOCK}\nfor _ in range(3): os.write(1, block)");
    let forgeries: [&[u8]; 8] = [
        b"",
        b"x",
        &[0; 7],
        &[0; 8],
        &[0; 9],
        &[0xff; 8],
        &[0, 0, 0, 0, 0, 0xff, 0xff, 0xff],
        &[0xff; 125],
    ];
    // Beside the true answers they mean nothing.
    for binary in [false, true] {
        let mut client = match binary {
            true => StreamClient::binary(&server, "/run"),
            false => StreamClient::json(&server, "/run"),
        };
        for forgery in forgeries {
            client.send(PONG, forgery);
        }
        client.start("p", "python3", &code);
        while client.program("p").exit_code.is_none() {
            client.next();
            for forgery in forgeries {
                client.send(PONG, forgery);
            }
        }
        assert_blocks(&client.program("p").stdout, 3 << 20);
    }
    // Instead of them they are no answers: too much, too little, another length.
    let liars: [Pong; 3] = [
        |_| Some(vec![0xff; 8]),
        |payload| Some([payload, b"!"].concat()),
        |_| Some(Vec::new()),
    ];
    let threads = liars.map(|liar| {
        let mut client = StreamClient::json(&server, "/run");
        client.pong = liar;
        let code = code.clone();
        std::thread::spawn(move || {
            client.start("p", "python3", &code);
            assert_blocks(&client.finish("p").stdout, 3 << 20);
        })
    });
    // One that says that nothing ever came is believed, and waits. Nobody else does.
    let mut liar = StreamClient::json(&server, "/run");
    liar.pong = |_| Some(vec![0; 8]);
    liar.start("p", "python3", &code);
    liar.until("some came", |client| client.program("p").output > 16 * KIB);
    let mut honest = StreamClient::json(&server, "/run");
    honest.start("p", "python3", &code);
    assert_blocks(&honest.finish("p").stdout, 3 << 20);
    liar.answers();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(server.get("/status").body, "OK");
}

#[test]
fn too_much_input_is_refused() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    let file = server.folder.path().join("go");
    let code = format!(
        "import os, sys, time\nwhile not os.path.exists('{}'): time.sleep(0.01)\n\
         os.write(1, sys.stdin.buffer.read())",
        file.display()
    );
    let number = client.start("p", "python3", &code);
    let data = block();
    for piece in data.chunks(100_000) {
        client.input("p", piece);
    }
    // The kernel takes 64 KiB; as much more may be sent.
    client.until("the pipe is full", |client| {
        client.program("p").input_acknowledged == 64 * KIB
    });
    client.input("p", &data[..64 << 10]);
    client.answers();
    let sent = client.program("p").input;
    assert_eq!(sent, INPUT_WINDOW + 64 * KIB);
    let detail = "This input was not taken: 1048576 bytes of earlier input still wait for the \
                  program to read them.";
    for refused in [&b"x"[..], &data] {
        client.send(BINARY, &frame(INPUT, number, sent, refused));
        client.expect_error(&json!("p"), detail);
    }
    let stdin = json!({"type": "stdin", "process": "p", "data": {"input": "x"}});
    client.send_json(&stdin);
    client.expect_error(&json!("p"), detail);
    // A wrong offset is told first, and nothing is no input.
    client.send(BINARY, &frame(INPUT, number, sent + 1, b"x"));
    let offset = format!("The input is at offset {sent}, not {}.", sent + 1);
    client.expect_error(&json!("p"), &offset);

    // Nothing of it was taken: the next byte has the same offset.
    std::fs::write(&file, "").unwrap();
    client.until("it reads", |client| {
        client.program("p").input_acknowledged == sent
    });
    client.input("p", b"end");
    client.end("p");
    let program = client.finish("p");
    let expected = [&data[..], &data[..64 << 10], b"end"].concat();
    assert!(program.stdout == expected, "what was taken is what is read");
}

#[test]
fn input_is_acknowledged_at_each_64_kib() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    client.start("p", "exec", "#!/bin/sh\nexec cat >/dev/null");
    let piece = vec![b'x'; 64 << 10];
    let taken = |client: &mut StreamClient| {
        let sent = client.program("p").input;
        client.until("it is acknowledged", |client| {
            client.program("p").input_acknowledged == sent
        });
    };
    for _ in 0..8 {
        client.input("p", &piece);
        taken(&mut client);
    }
    client.input("p", &piece[1..]);
    client.input("p", b"x");
    taken(&mut client);
    for byte in &piece[..100] {
        client.input("p", &[*byte]);
    }
    client.input("p", &piece[100..]);
    taken(&mut client);
    // From wherever the last one was, 64 KiB further there is one.
    for _ in 0..8 {
        client.input("p", &piece[..50_000]);
        client.input("p", &piece[..50_000]);
        let before = client.program("p").input_acknowledged;
        client.until("one comes", |client| {
            client.program("p").input_acknowledged > before
        });
        let last = client.program("p").input_acknowledged;
        let missing = (last + 64 * KIB).saturating_sub(client.program("p").input) as usize;
        client.input("p", &piece[..missing]);
        client.until("another comes", |client| {
            client.program("p").input_acknowledged > last
        });
    }
    client.end("p");
    assert_eq!(client.finish("p").exit_code, Some(0));

    // Who does not want it has taken it.
    client.start("p", "exec", "#!/bin/sh\nexec sleep 100 <&-");
    for _ in 0..40 {
        client.input("p", &piece);
        taken(&mut client);
    }
    client.stop("p");
    client.finish("p");
}

#[test]
fn twenty_megabytes_go_in_and_come_out() {
    const BLOCKS: u64 = 20;
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    client.start("p", "exec", "#!/bin/sh\nexec cat");
    let block = block();
    let pieces = (0..BLOCKS).flat_map(|_| block.chunks(50_000));
    for piece in pieces {
        client.until("there is room", |client| {
            let program = client.program("p");
            program.input + piece.len() as u64 - program.input_acknowledged <= INPUT_WINDOW
        });
        client.input("p", piece);
    }
    client.end("p");
    assert_eq!(client.program("p").input, BLOCKS << 20);
    let program = client.finish("p");
    assert_eq!(program.exit_code, Some(0));
    assert_blocks(&program.stdout, (BLOCKS << 20) as usize);
}

/// What waits for a program that does not read takes no more memory than its bytes, whatever came
/// around them.
#[test]
fn waiting_input_keeps_nothing_else_in_memory() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    let number = client.start("p", "exec", "#!/bin/sh\nexec sleep 1000");
    // The pipe is full, so all that follows waits.
    client.input("p", &vec![b'x'; 100_000]);
    let large = frame(INPUT, number, u64::MAX, &vec![b'y'; 8 << 20]);
    client.send(BINARY, &large);
    client.text();
    let before = memory(&server);
    for _ in 0..10 {
        // Refused, as it is at another offset; but it was read together with the byte behind it.
        client.send(BINARY, &large);
        client.input("p", b"z");
        client.text();
    }
    client.answers();
    let now = memory(&server);
    assert!(
        now < before + (16 << 20),
        "{before} bytes have become {now}"
    );
}

/// Memory of a process that is in use, in bytes.
fn memory(server: &TestServer) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/statm", server.pid())).unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// A flood on standard output, of which a slow client sees only a part, does not hide what is said
/// on standard error.
#[test]
fn both_outputs_have_their_turn() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::binary(&server, "/run");
    client.ack_every = None;
    let script = "#!/bin/sh\nyes & while sleep 0.01; do echo here >&2; done";
    client.start("p", "exec", script);
    let end = Instant::now() + Duration::from_secs(10);
    while client.program("p").stderr.len() < 100 {
        assert!(Instant::now() < end, "standard error is not heard");
        // Slowly, so that the pipe of the flood is never empty.
        let due = client.program("p").acknowledged + 16 * KIB;
        client.until("more comes", |client| client.program("p").output >= due);
        std::thread::sleep(Duration::from_millis(20));
        client.program_mut("p").acknowledged = due;
        client.ack_at("p", due);
    }
}

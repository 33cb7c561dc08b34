//! What goes through a program: every byte, in order, exactly once, and text whole.

use further_link_testkit::TestServer;
use serde_json::json;

#[tokio::test]
async fn eight_mebibytes_of_input_arrive() {
    const SIZE: usize = 8 << 20;
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let input: String = (0..SIZE)
        .map(|index| (b'a' + (index % 23) as u8) as char)
        .collect();
    let expected = {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let mut sum = Command::new("sha256sum")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        sum.stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        String::from_utf8(sum.wait_with_output().unwrap().stdout).unwrap()
    };
    let code = format!("#!/bin/sh\nhead -c {SIZE} | cat | sha256sum");
    // One large message; then pieces, each sent when the program has read the one before.
    client.start("whole", "exec", &code).await;
    client.stdin("whole", &input).await;
    assert_eq!(client.finish().await.stdout, expected);

    const PIECE: usize = 1 << 19;
    let code = format!(
        "import hashlib, sys\nsum = hashlib.sha256()\nfor _ in range({}):\n  \
         sum.update(sys.stdin.buffer.read({PIECE})); print('.', flush=True)\n\
         print(sum.hexdigest() + '  -')",
        SIZE / PIECE
    );
    client.start("pieces", "python3", &code).await;
    for piece in input.as_bytes().chunks(PIECE) {
        client
            .stdin("pieces", std::str::from_utf8(piece).unwrap())
            .await;
        client.read_until(".\n").await;
    }
    assert!(expected.ends_with(&client.finish().await.stdout));
}

#[tokio::test]
async fn thirty_megabytes_of_output_come_as_they_are() {
    const LINES: usize = 1_500_000;
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = format!(
        "import sys\nfor i in range(0, {LINES}, 1000):\n  \
         sys.stdout.write(''.join('%07d zwölf \"\\\\\\n' % n for n in range(i, i + 1000)))"
    );
    client.start("flood", "python3", &code).await;
    let finished = client.finish().await;
    assert_eq!((finished.stderr.as_str(), finished.exit_code), ("", 0));
    assert!(finished.stdout.len() > 25_000_000);
    let mut lines = finished.stdout.split('\n');
    for number in 0..LINES {
        assert_eq!(lines.next().unwrap(), format!("{number:07} zwölf \"\\"));
    }
    assert_eq!((lines.next(), lines.next()), (Some(""), None));
}

#[tokio::test]
async fn floods_of_several_programs_do_not_mix_and_delay_no_answer() {
    const LINES: usize = 60_000;
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = format!(
        "import sys\nname = input()\nfor i in range({LINES}): sys.stdout.write(name + ' %d\\n' % i)"
    );
    let names = ["a", "b", "c"];
    for name in names {
        client.start(name, "python3", &code).await;
        client.stdin(name, &format!("{name}\n")).await;
    }
    let mut texts = [const { String::new() }; 3];
    let mut over = 0;
    let (mut asked, mut answered) = (0, 0);
    while over < 3 {
        let message = client.recv().await;
        let index = || {
            names
                .iter()
                .position(|name| message["process"] == *name)
                .unwrap()
        };
        match message["type"].as_str().unwrap() {
            "stdout" => {
                texts[index()].push_str(message["data"]["output"].as_str().unwrap());
                if asked == answered {
                    asked += 1;
                    client.send(json!({"type": "ping"})).await;
                }
            }
            "pong" => answered += 1,
            "stopped" => over += 1,
            "started" => {}
            _ => panic!("{message}"),
        }
    }
    assert!(
        answered > 2,
        "pongs come between the floods, not after them: {answered}"
    );
    for (name, text) in names.iter().zip(&texts) {
        let expected: String = (0..LINES)
            .map(|index| format!("{name} {index}\n"))
            .collect();
        assert!(
            *text == expected,
            "{name}: {} of {} bytes",
            text.len(),
            expected.len()
        );
    }
}

#[tokio::test]
async fn output_and_errors_are_kept_apart() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = "import sys\nfor i in range(20000):\n  print(i)\n  print(-i, file=sys.stderr)";
    let finished = client.run(json!({"runner": "python3", "code": code})).await;
    let expected = |sign: &str| -> String {
        (0..20_000)
            .map(|i| {
                if i == 0 {
                    "0\n".to_owned()
                } else {
                    format!("{sign}{i}\n")
                }
            })
            .collect()
    };
    assert!(finished.stdout == expected(""), "stdout");
    assert!(finished.stderr == expected("-"), "stderr");
}

#[tokio::test]
async fn characters_that_come_byte_by_byte_are_sent_whole() {
    let server = TestServer::start(&[]);
    let text = "aé€😀ü\u{10ffff}z";
    // The next byte is only written when the one before was read: the client answers each with
    // input.
    let code = format!(
        "import os\nfor byte in '{text}'.encode():\n  os.write(1, bytes([byte])); os.write(2, bytes([byte]))\n"
    );
    for query in ["", "?pty=1"] {
        let mut client = server.connect(&format!("/run{query}")).await;
        client.start("1", "python3", &code).await;
        let mut outputs = [String::new(), String::new()];
        loop {
            let message = client.recv().await;
            let output = message["data"]["output"].as_str().unwrap_or_default();
            assert!(
                !output.contains('\u{fffd}') || query == "?pty=1",
                "{message}"
            );
            match message["type"].as_str().unwrap() {
                "stdout" => outputs[0].push_str(output),
                "stderr" => outputs[1].push_str(output),
                "started" => {}
                _ => break,
            }
        }
        if query.is_empty() {
            assert_eq!(outputs, [text, text]);
        } else {
            // One stream: the bytes of both lie between each other, so only the ASCII ones survive.
            assert_eq!(outputs[1], "");
            assert!(
                outputs[0].starts_with("aa") && outputs[0].ends_with("zz"),
                "{outputs:?}"
            );
        }
    }
}

#[tokio::test]
async fn half_a_character_waits_for_the_rest_while_others_pass() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = "import os\nos.write(1, b'x\\xe2\\x82'); input()\nos.write(2, b'\\xc3'); input()\n\
                os.write(1, b'\\xac!'); input()\nos.write(2, b'\\xbc')";
    client.start("1", "python3", code).await;
    assert_eq!(client.read_until("x").await, "x");
    client.stdin("1", "\n\n").await;
    let message = client.expect("stdout").await;
    assert_eq!(message["data"]["output"], "€!");
    client.stdin("1", "\n").await;
    let message = client.expect("stderr").await;
    assert_eq!(message["data"]["output"], "ü");
    client.expect("stopped").await;
}

#[tokio::test]
async fn half_a_character_that_stays_one_keeps_its_place() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    // The other stream tells that the half was read.
    let code = "import os\nos.write(1, b'\\xe2\\x82'); os.write(2, b'!'); input()\n\
                os.write(1, b'whole')";
    client.start("1", "python3", code).await;
    client.read_until("!").await;
    client.stdin("1", "\n").await;
    assert_eq!(client.finish().await.stdout, "\u{fffd}whole");
}

#[tokio::test]
async fn what_is_no_utf8_becomes_the_replacement_character() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    for (bytes, expected) in [
        ("a\\xffb", "a\u{fffd}b"),
        ("\\xc3(", "\u{fffd}("),
        ("\\xed\\xa0\\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        ("\\xf0\\x9f\\x98x", "\u{fffd}x"),
        ("\\xc0\\x80", "\u{fffd}\u{fffd}"),
        // Cut off by the end of the program.
        ("end \\xf0\\x9f\\x98", "end \u{fffd}"),
        ("\\x00\\x1b[31m\\x7f\\u2028", "\0\u{1b}[31m\u{7f}\\u2028"),
    ] {
        for (stream, single) in [(1, false), (2, false), (1, true)] {
            let write = if single {
                format!("for byte in b'{bytes}': os.write({stream}, bytes([byte]))")
            } else {
                format!("os.write({stream}, b'{bytes}')")
            };
            let code = format!("import os\n{write}");
            let finished = client.run(json!({"runner": "python3", "code": code})).await;
            let text = if stream == 1 {
                finished.stdout
            } else {
                finished.stderr
            };
            assert_eq!(text, expected, "{bytes}");
        }
    }
}

#[tokio::test]
async fn all_output_comes_before_stopped() {
    let server = TestServer::start(&[]);
    for query in ["", "?pty=1"] {
        let mut client = server.connect(&format!("/run{query}")).await;
        for _ in 0..10 {
            let code = "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x; printf end; kill -9 $$";
            let finished = client.run(json!({"runner": "exec", "code": code})).await;
            assert_eq!(finished.stdout.len(), 100_003);
            assert!(finished.stdout.ends_with("end"));
            assert_eq!(finished.exit_code, -9);
            client.answers().await;
        }
    }
}

#[tokio::test]
async fn program_may_close_its_streams_and_go_on() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let marker = server.folder.path().join("marker");
    let code = format!(
        "import os, time\nprint('last', flush=True)\nfor n in range(3): os.close(n)\n\
         while not os.path.exists({marker:?}): time.sleep(0.01)\nos._exit(6)"
    );
    client.start("1", "python3", &code).await;
    client.read_until("last\n").await;
    // Typed into the void.
    client.stdin("1", &"x".repeat(200_000)).await;
    client.answers().await;
    std::fs::write(&marker, "").unwrap();
    assert_eq!(client.expect("stopped").await["data"]["exitCode"], 6);
}

/// Of what a program writes to its two streams shortly after each other, the first comes first.
#[tokio::test]
async fn error_comes_behind_the_lines_before_it() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    // In one go, or else the server has read the line before the error is there.
    let code = "import os, time\nfor number in range(300):\n os.write(1, b'wait\\n')\n \
                time.sleep(0.002)\n os.write(1, b'line\\n'); os.write(2, b'error\\n')\n";
    client.start("pairs", "python3", code).await;
    client.expect("started").await;
    let (mut lines, mut errors) = (0, 0);
    while errors < 300 {
        let message = client.recv().await;
        let output = message["data"]["output"].as_str().unwrap();
        lines += output.matches("line").count();
        errors += output.matches("error").count();
        assert!(
            lines >= errors,
            "error {errors} came before its line: {message}"
        );
    }
}

/// The same of more output than a pipe holds: none of it comes behind the error, however far the
/// server is with reading.
#[tokio::test]
async fn error_comes_behind_much_output_before_it() {
    const LENGTH: usize = 100_000;
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = format!("import os\nos.write(1, b'x' * {LENGTH})\nos.write(2, b'error')\n");
    for name in 0..20 {
        client.start(&name.to_string(), "python3", &code).await;
        client.expect("started").await;
        let mut length = 0;
        loop {
            let message = client.recv().await;
            let output = message["data"]["output"].as_str().unwrap_or_default();
            match message["type"].as_str().unwrap() {
                "stdout" => length += output.len(),
                "stderr" => assert_eq!((length, output), (LENGTH, "error")),
                "stopped" => break,
                other => panic!("{other}"),
            }
        }
    }
}

//! `/run` with the real server: every message of `docs/protocol.md` section 2 both ways, and what
//! is answered to those that are none.

use further_link_testkit::{Client, TestServer, wait_for, write_file};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use futures_util::SinkExt as _;

#[tokio::test]
async fn python_prints_reads_and_exits() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?client=me").await;
    client
        .start("1", "python3", "print('hi'); print(input()); exit(3)")
        .await;
    let started = client.expect("started").await;
    assert_eq!(
        started,
        json!({"type": "started", "data": null, "client": "me", "process": "1"})
    );
    client.stdin("1", "there\n").await;
    let finished = client.finish().await;
    assert_eq!(
        (finished.stdout.as_str(), finished.exit_code),
        ("hi\nthere\n", 3)
    );
}

#[tokio::test]
async fn each_message_has_four_keys_in_their_order() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?client=me").await;
    client.send_text(r#"{"type":"ping"}"#).await;
    assert_eq!(
        client.text().await,
        r#"{"type":"pong","data":null,"client":"me","process":null}"#
    );
    let code = "import sys; input(); sys.stdout.write('o\\t\\\"\\u00fc\\x00'); sys.stdout.flush(); \
                input(); sys.stderr.write('e'); input(); exit(3)";
    client.start("1", "python3", code).await;
    assert_eq!(
        client.text().await,
        r#"{"type":"started","data":null,"client":"me","process":"1"}"#
    );
    client.stdin("1", "\n").await;
    let wanted = "{\"type\":\"stdout\",\"data\":{\"output\":\"o\\t\\\"\u{fc}\\u0000\"},\
                  \"client\":\"me\",\"process\":\"1\"}";
    assert_eq!(client.text().await, wanted);
    client.stdin("1", "\n").await;
    assert_eq!(
        client.text().await,
        r#"{"type":"stderr","data":{"output":"e"},"client":"me","process":"1"}"#
    );
    client.stdin("1", "\n").await;
    assert_eq!(
        client.text().await,
        r#"{"type":"stopped","data":{"exitCode":3},"client":"me","process":"1"}"#
    );
    client.stop("1").await;
    assert_eq!(
        client.text().await,
        r#"{"type":"error","data":{"message":"Bad message","detail":"No program is running under this name."},"client":"me","process":"1"}"#
    );
    client.send_text("no").await;
    let text = client.text().await;
    assert!(
        text.starts_with(r#"{"type":"error","data":{"message":"Bad message","detail":""#),
        "{text}"
    );
    assert!(
        text.ends_with(r#""},"client":"me","process":null}"#),
        "{text}"
    );
    client.start_data("1", json!({"runner": "python3"})).await;
    assert_eq!(
        client.text().await,
        r#"{"type":"error","data":{"message":"There is nothing to run: send code, or the path of a file."},"client":"me","process":"1"}"#
    );
}

#[tokio::test]
async fn client_id_is_echoed_as_it_is() {
    let server = TestServer::start(&[]);
    for (query, expected) in [
        ("", ""),
        ("?client=", ""),
        ("?client=a%22b%5C%20%C3%BC+c", "a\"b\\ \u{fc} c"),
        ("?pty=0&client=one&client=two", "one"),
    ] {
        let mut client = server.connect(&format!("/run{query}")).await;
        client
            .send(json!({"type": "ping", "client": "another"}))
            .await;
        let pong = client.expect("pong").await;
        assert_eq!(pong["client"], expected);
        client.start("1", "python3", "").await;
        assert_eq!(client.expect("started").await["client"], expected);
        assert_eq!(client.expect("stopped").await["client"], expected);
    }
}

#[tokio::test]
async fn binary_frame_is_the_text_that_it_holds() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    for text in [
        r#"{"type": "start", "process": "b", "data": {"runner": "python3", "code": "print(input())"}}"#,
        r#"{"type": "stdin", "process": "b", "data": {"input": "ü€\n"}}"#,
    ] {
        let message = Message::binary(text.as_bytes().to_vec());
        client.socket.send(message).await.unwrap();
    }
    client.expect("started").await;
    assert_eq!(client.finish().await.stdout, "ü€\n");
    client
        .socket
        .send(Message::binary(b"{\"type\": \"\xff\"}".to_vec()))
        .await
        .unwrap();
    is_bad_message(&client.recv().await, Value::Null);
    client.answers().await;
}

#[tokio::test]
async fn what_may_be_missing_or_mistyped_is_forgiven() {
    let server = TestServer::start(&[]);
    let file = server.work_dir().join("file.py");
    write_file(&file, "print('the file')");
    let mut client = server.connect("/run").await;
    client
        .send(json!({"type": "ping", "data": 7, "client": {}, "process": [], "further": [1, {}]}))
        .await;
    client.expect("pong").await;
    // A wrong type counts as missing: this has no code.
    let data = json!({"runner": "python3", "code": 5, "path": "file.py", "novncOptions": "yes",
                      "directoryName": "elsewhere", "further": null});
    assert_eq!(client.run(data).await.stdout, "the file\n");
    assert!(!server.work_dir().join("elsewhere").exists());
    let data = json!({"runner": "python3", "code": "print('the code')", "path": null,
                      "novncOptions": {"enabled": false, "width": 1, "height": 1}});
    assert_eq!(client.run(data).await.stdout, "the code\n");
    // Of a key that comes twice, the last one counts.
    client
        .send_text(r#"{"type": "pong", "type": "ping"}"#)
        .await;
    client.expect("pong").await;
}

fn is_bad_message(message: &Value, process: Value) {
    assert_eq!(message["type"], "error", "{message}");
    assert_eq!(message["data"]["message"], "Bad message", "{message}");
    assert_eq!(message["process"], process, "{message}");
    let detail = message["data"]["detail"].as_str().unwrap_or_default();
    assert!(detail.len() > 8, "a detail for a person: {message}");
}

#[tokio::test]
async fn whatever_is_malformed_or_out_of_order_is_a_bad_message() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    client.start("busy", "python3", "print(input())").await;
    client.expect("started").await;
    let none = Value::Null;
    for (text, process) in [
        ("", none.clone()),
        ("hello", none.clone()),
        ("{", none.clone()),
        ("[]", none.clone()),
        ("\"ping\"", none.clone()),
        ("5", none.clone()),
        ("null", none.clone()),
        ("{\"type\":\"ping\"} {}", none.clone()),
        ("{\"type\":\"\u{0}\"}", none.clone()),
        ("{}", none.clone()),
        (r#"{"type":5}"#, none.clone()),
        (r#"{"type":"fly"}"#, none.clone()),
        (r#"{"type":"fly","process":"p"}"#, json!("p")),
        (r#"{"type":"Ping"}"#, none.clone()),
        (r#"{"type":"upload","data":{"directory":{}}}"#, none.clone()),
        // No process.
        (
            r#"{"type":"start","data":{"runner":"python3","code":""}}"#,
            none.clone(),
        ),
        (
            r#"{"type":"start","process":1,"data":{"runner":"python3","code":""}}"#,
            none.clone(),
        ),
        (r#"{"type":"stdin","data":{"input":""}}"#, none.clone()),
        (r#"{"type":"stop"}"#, none.clone()),
        (
            r#"{"type":"resize","data":{"rows":1,"cols":1}}"#,
            none.clone(),
        ),
        (
            r#"{"type":"keyevent","data":{"key":"a","event":"keydown"}}"#,
            none.clone(),
        ),
        // Fields that are missing or of another type.
        (r#"{"type":"start","process":"p"}"#, json!("p")),
        (r#"{"type":"start","process":"p","data":null}"#, json!("p")),
        (
            r#"{"type":"start","process":"p","data":"python3"}"#,
            json!("p"),
        ),
        (
            r#"{"type":"start","process":"p","data":{"code":""}}"#,
            json!("p"),
        ),
        (
            r#"{"type":"start","process":"p","data":{"runner":3,"code":""}}"#,
            json!("p"),
        ),
        (r#"{"type":"stdin","process":"busy"}"#, json!("busy")),
        (
            r#"{"type":"stdin","process":"busy","data":{"input":1}}"#,
            json!("busy"),
        ),
        (r#"{"type":"resize","process":"busy"}"#, json!("busy")),
        (
            r#"{"type":"keyevent","process":"busy","data":{"key":"a"}}"#,
            json!("busy"),
        ),
        (
            r#"{"type":"keyevent","process":"busy","data":{"event":"keyup"}}"#,
            json!("busy"),
        ),
        // Unknown runner, an id in use, no such process, no pty.
        (
            r#"{"type":"start","process":"p","data":{"runner":"cobol","code":""}}"#,
            json!("p"),
        ),
        (
            r#"{"type":"start","process":"p","data":{"runner":"","code":""}}"#,
            json!("p"),
        ),
        (
            r#"{"type":"start","process":"busy","data":{"runner":"python3","code":""}}"#,
            json!("busy"),
        ),
        (
            r#"{"type":"stdin","process":"p","data":{"input":"x"}}"#,
            json!("p"),
        ),
        (r#"{"type":"stop","process":"p"}"#, json!("p")),
        (
            r#"{"type":"resize","process":"p","data":{"rows":1,"cols":1}}"#,
            json!("p"),
        ),
        (
            r#"{"type":"keyevent","process":"p","data":{"key":"a","event":"keyup"}}"#,
            json!("p"),
        ),
        (
            r#"{"type":"resize","process":"busy","data":{"rows":1,"cols":1}}"#,
            json!("busy"),
        ),
    ] {
        client.send_text(text).await;
        let answer = client.recv().await;
        eprintln!("{text} is answered {answer}");
        is_bad_message(&answer, process);
        client.answers().await;
    }
    // Nothing of that has touched the program.
    client.stdin("busy", "still here\n").await;
    assert_eq!(client.finish().await.stdout, "still here\n");
}

#[tokio::test]
async fn sizes_that_are_no_sizes_are_bad_messages() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?pty=1").await;
    client.start("t", "python3", "input()").await;
    client.expect("started").await;
    for size in [
        json!({}),
        json!({"rows": 24}),
        json!({"cols": 80}),
        json!({"rows": "24", "cols": 80}),
        json!({"rows": 24, "cols": 80.5}),
        json!({"rows": -1, "cols": 80}),
        json!({"rows": 24, "cols": 65536}),
        json!({"rows": true, "cols": 80}),
    ] {
        client
            .send(json!({"type": "resize", "process": "t", "data": size}))
            .await;
        is_bad_message(&client.recv().await, json!("t"));
    }
    client
        .send(json!({"type": "resize", "process": "t", "data": {"rows": 0, "cols": 65535}}))
        .await;
    client.answers().await;
}

#[tokio::test]
async fn stop_ends_a_program_and_its_name_is_free_again() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    for _ in 0..3 {
        client
            .start(
                "again",
                "python3",
                "import signal; print('up'); signal.pause()",
            )
            .await;
        client.expect("started").await;
        client.read_until("up\n").await;
        client.stop("again").await;
        // A second wish changes nothing, and comes too late or not.
        client.stop("again").await;
        let stopped = client.until("stopped").await;
        assert_eq!(stopped["data"], json!({"exitCode": -15}));
        assert_eq!(stopped["process"], "again");
        client.send(json!({"type": "ping"})).await;
        loop {
            let message = client.recv().await;
            if message["type"] == "pong" {
                break;
            }
            is_bad_message(&message, json!("again"));
        }
    }
    client.stdin("again", "nobody there").await;
    is_bad_message(&client.recv().await, json!("again"));
}

#[tokio::test]
async fn many_programs_run_at_once_on_a_socket() {
    const COUNT: usize = 24;
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = "#!/bin/sh\nread word\necho $word\necho $word >&2\nread word\nexit $word\n";
    for index in 0..COUNT {
        client.start(&format!("p{index}"), "exec", code).await;
    }
    for index in (0..COUNT).rev() {
        client
            .stdin(&format!("p{index}"), &format!("word{index}\n"))
            .await;
    }
    let mut seen = vec![String::new(); COUNT];
    let mut over = 0;
    while over < COUNT {
        let message = client.recv().await;
        let process = message["process"].as_str().unwrap();
        let index: usize = process[1..].parse().unwrap();
        let told = &mut seen[index];
        let output = message["data"]["output"].as_str().unwrap_or_default();
        match message["type"].as_str().unwrap() {
            "started" => told.push_str("started "),
            "stdout" => told.push_str(output),
            "stderr" => {
                told.push_str(&output.to_uppercase());
                client.stdin(process, &format!("{index}\n")).await;
            }
            "stopped" => {
                told.push_str(&format!("stopped {}", message["data"]["exitCode"]));
                over += 1;
            }
            _ => panic!("{message}"),
        }
    }
    for (index, told) in seen.iter().enumerate() {
        // The two outputs are two pipes, so only each of them has an order.
        let (out, error) = (format!("word{index}\n"), format!("WORD{index}\n"));
        let one = format!("started {out}{error}stopped {index}");
        let other = format!("started {error}{out}stopped {index}");
        assert!(*told == one || *told == other, "{told:?}");
    }
    client.answers().await;
}

#[tokio::test]
async fn two_sockets_have_names_of_their_own() {
    let server = TestServer::start(&[]);
    let mut one = server.connect("/run?client=one").await;
    let mut two = server.connect("/run?client=two").await;
    for client in [&mut one, &mut two] {
        client.start("same", "python3", "print(input())").await;
        client.expect("started").await;
    }
    one.stdin("same", "for one\n").await;
    assert_eq!(one.finish().await.stdout, "for one\n");
    one.stop("same").await;
    is_bad_message(&one.recv().await, json!("same"));
    two.stdin("same", "for two\n").await;
    assert_eq!(two.finish().await.stdout, "for two\n");
}

#[tokio::test]
async fn input_before_started_is_delivered() {
    let server = TestServer::start(&[]);
    for query in ["", "?pty=1"] {
        let mut client = server.connect(&format!("/run{query}")).await;
        client
            .start("1", "python3", "for _ in range(3): print('got', input())")
            .await;
        for word in ["one", "two", "three"] {
            client.stdin("1", &format!("{word}\n")).await;
        }
        let stdout = client.finish().await.stdout;
        for word in ["got one", "got two", "got three"] {
            assert!(stdout.contains(word), "{stdout:?}");
        }
    }
}

#[tokio::test]
async fn stop_before_started_ends_the_program_too() {
    for mode in ["auto", "off"] {
        let server = TestServer::start(&["--set", &format!("run.cgroup={mode}")]);
        let mut client = server.connect("/run").await;
        for _ in 0..10 {
            client
                .start("1", "exec", "#!/bin/sh\nexec sleep 1000")
                .await;
            client.stop("1").await;
            let data = json!({"runner": "shell"});
            client.start_data("2", data).await;
            client.stop("2").await;
            let mut over = 0;
            while over < 2 {
                let message = client.recv().await;
                match message["type"].as_str().unwrap() {
                    "started" => {}
                    "stopped" => {
                        assert_eq!(message["data"]["exitCode"], -15, "{message}");
                        over += 1;
                    }
                    _ => panic!("{message}"),
                }
            }
        }
        drop(client);
        assert_eq!(
            further_link_testkit::children_of(server.spawner_pid()),
            [0; 0]
        );
    }
}

#[tokio::test]
async fn program_that_does_not_read_holds_nothing_up() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    client
        .start(
            "deaf",
            "python3",
            "import signal; print('up'); signal.pause()",
        )
        .await;
    client.read_until("up\n").await;
    let input = "x".repeat(300_000);
    for _ in 0..3 {
        client.stdin("deaf", &input).await;
    }
    client.answers().await;
    // What would be too much is refused, and the client is told which program it is about.
    for _ in 0..3 {
        client.stdin("deaf", &input).await;
    }
    is_bad_message(&client.recv().await, json!("deaf"));
    client.send(json!({"type": "ping"})).await;
    client.until("pong").await;
    client.start("other", "python3", "print(input())").await;
    client.stdin("other", "hello\n").await;
    assert_eq!(client.finish().await.stdout, "hello\n");
    client.stop("deaf").await;
    assert_eq!(client.expect("stopped").await["data"]["exitCode"], -15);
}

#[tokio::test]
async fn keys_for_a_running_program_are_taken() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    client.start("1", "python3", "input()").await;
    client.expect("started").await;
    let data = json!({"key": " ", "event": "keydown"});
    client
        .send(json!({"type": "keyevent", "process": "1", "data": data}))
        .await;
    client.answers().await;
}

#[tokio::test]
async fn pty_option_is_1_or_true_in_any_case() {
    let server = TestServer::start(&[]);
    for (value, terminal) in [
        ("1", true),
        ("true", true),
        ("TRUE", true),
        ("0", false),
        ("", false),
        ("yes", false),
    ] {
        let mut client = server.connect(&format!("/run?pty={value}")).await;
        let data = json!({"runner": "python3", "code": "import os; print(os.isatty(0))"});
        let expected = if terminal { "True" } else { "False" };
        assert_eq!(
            client.run(data).await.stdout.trim(),
            expected,
            "pty={value}"
        );
    }
}

#[tokio::test]
async fn unknown_user_is_told_at_each_start() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?user=no-such-user-here").await;
    client.answers().await;
    let data = json!({"runner": "python3", "code": ""});
    let message = client.refused(data).await;
    assert_eq!(
        message,
        "There is no user no-such-user-here on this device."
    );
}

/// Only what was sent before the end counts: a client that sends and leaves has its programs
/// stopped.
#[tokio::test]
async fn client_that_leaves_at_once_leaves_nothing_behind() {
    let server = TestServer::start(&[]);
    let word = further_link_testkit::unique("leaver");
    for _ in 0..5 {
        let mut client: Client = server.connect("/run").await;
        for index in 0..4 {
            let code = format!("#!/bin/sh\n# {word}\nsleep 1000 & sleep 1000");
            client.start(&index.to_string(), "exec", &code).await;
        }
        drop(client);
    }
    let spawner = server.spawner_pid();
    wait_for("all programs are gone", || {
        further_link_testkit::children_of(spawner).is_empty()
    });
    wait_for("all code is gone", || {
        further_link_testkit::names_in(&server.temp_dir()).is_empty()
    });
}

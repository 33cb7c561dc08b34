//! `/run-py` with the real server: the generation of one Python process for each socket
//! (`docs/protocol.md` section 3).

use further_link_testkit::{Client, TestServer, names_in, write_file};
use serde_json::{Value, json};
use std::path::Path;

async fn start(client: &mut Client, data: Value) {
    client.send(json!({"type": "start", "data": data})).await;
}

async fn input(client: &mut Client, text: &str) {
    client
        .send(json!({"type": "stdin", "data": {"input": text}}))
        .await;
}

async fn run(client: &mut Client, data: Value) -> further_link_testkit::Finished {
    start(client, data).await;
    client.expect("started").await;
    client.finish().await
}

fn is_error(answer: &Value, message: &str) {
    assert_eq!(answer["type"], "error", "{answer}");
    assert_eq!(answer["data"]["message"], message, "{answer}");
    assert!(answer["data"]["detail"].is_string(), "{answer}");
    assert_eq!(answer.as_object().unwrap().len(), 2, "{answer}");
}

#[tokio::test]
async fn each_message_has_two_keys() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run-py?client=me").await;
    client.send_text(r#"{"type":"ping"}"#).await;
    assert_eq!(client.text().await, r#"{"type":"pong","data":null}"#);
    let code = "from sys import *; stdout.write('hi\\n'); input(); stderr.write('no\\n'); input(); \
                exit(3)";
    start(&mut client, json!({"sourceScript": code})).await;
    assert_eq!(client.text().await, r#"{"type":"started","data":null}"#);
    assert_eq!(
        client.text().await,
        r#"{"type":"stdout","data":{"output":"hi\n"}}"#
    );
    input(&mut client, "\n").await;
    assert_eq!(
        client.text().await,
        r#"{"type":"stderr","data":{"output":"no\n"}}"#
    );
    input(&mut client, "\n").await;
    assert_eq!(
        client.text().await,
        r#"{"type":"stopped","data":{"exitCode":3}}"#
    );
    client.send_text("{").await;
    let text = client.text().await;
    assert!(
        text.starts_with(r#"{"type":"error","data":{"message":"Bad message","detail":""#),
        "{text}"
    );
    assert!(text.ends_with(r#""}}"#), "{text}");
}

#[tokio::test]
async fn script_runs_in_the_temp_folder_or_the_one_that_is_named() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run-py").await;
    let code = "import os; print(os.getcwd())";
    for (data, folder) in [
        (json!({"sourceScript": code}), server.temp_dir()),
        (json!({"souceScript": code}), server.temp_dir()),
        (
            json!({"sourceScript": code, "directoryName": ""}),
            server.temp_dir(),
        ),
        (
            json!({"sourceScript": code, "directoryName": "new"}),
            server.work_dir().join("new"),
        ),
        (
            json!({"sourceScript": code, "sourcePath": "no.py"}),
            server.temp_dir(),
        ),
    ] {
        let finished = run(&mut client, data).await;
        assert_eq!(Path::new(finished.stdout.trim_end()), folder);
        assert_eq!(names_in(&folder), [""; 0]);
    }
    let finished = run(&mut client, json!({"sourceScript": ""})).await;
    assert_eq!(finished, further_link_testkit::Finished::default());
}

#[tokio::test]
async fn files_run_where_they_are() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run-py").await;
    let file = server.work_dir().join("project/main.py");
    write_file(&file, "import os; print(os.getcwd())");
    for path in ["project/main.py", file.to_str().unwrap()] {
        let finished = run(&mut client, json!({"sourcePath": path})).await;
        assert_eq!(
            Path::new(finished.stdout.trim_end()),
            file.parent().unwrap()
        );
    }
    start(&mut client, json!({"sourcePath": "project/none.py"})).await;
    let missing = server.work_dir().join("project/none.py");
    let expected = json!({"message": format!("There is no file {}.", missing.display())});
    assert_eq!(client.expect("error").await["data"], expected);
    client.answers().await;
}

#[tokio::test]
async fn one_at_a_time_and_another_afterwards() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run-py").await;
    for _ in 0..3 {
        start(
            &mut client,
            json!({"sourceScript": "print('up'); print(input())"}),
        )
        .await;
        client.read_until("up\n").await;
        start(&mut client, json!({"sourceScript": ""})).await;
        is_error(&client.recv().await, "Bad message");
        input(&mut client, "it\n").await;
        assert_eq!(client.finish().await.stdout, "it\n");
    }
    let forever = json!({"sourceScript": "import signal; print('up'); signal.pause()"});
    start(&mut client, forever).await;
    client.read_until("up\n").await;
    client.send(json!({"type": "stop"})).await;
    assert_eq!(client.expect("stopped").await["data"]["exitCode"], -15);
    assert_eq!(
        run(&mut client, json!({"sourceScript": "print(1)"}))
            .await
            .stdout,
        "1\n"
    );
}

#[tokio::test]
async fn input_that_was_not_read_is_not_handed_to_the_next() {
    let server = TestServer::start(&[]);
    for query in ["", "?pty=1"] {
        let mut client = server.connect(&format!("/run-py{query}")).await;
        let deaf = "import signal; print('up'); signal.pause()";
        start(&mut client, json!({"sourceScript": deaf})).await;
        client.read_until("up").await;
        input(&mut client, "left over\n").await;
        input(&mut client, &"more\n".repeat(50_000)).await;
        client.send(json!({"type": "stop"})).await;
        client.until("stopped").await;
        start(
            &mut client,
            json!({"sourceScript": "print('got', input())"}),
        )
        .await;
        input(&mut client, "fresh\n").await;
        let stdout = client.finish().await.stdout;
        assert!(stdout.contains("got fresh"), "{stdout:?}");
    }
}

#[tokio::test]
async fn whatever_is_malformed_or_out_of_order_is_a_bad_message() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run-py").await;
    for text in [
        "",
        "no",
        "[]",
        "{}",
        r#"{"type":1}"#,
        r#"{"type":"fly"}"#,
        r#"{"type":"resize","data":{"rows":1,"cols":1}}"#,
        r#"{"type":"start"}"#,
        r#"{"type":"start","data":{}}"#,
        r#"{"type":"start","data":{"sourceScript":5}}"#,
        r#"{"type":"start","data":{"sourcePath":""}}"#,
        r#"{"type":"start","data":{"directoryName":"d"}}"#,
        r#"{"type":"stop"}"#,
        r#"{"type":"stdin","data":{"input":"x"}}"#,
        r#"{"type":"stdin","data":{}}"#,
        r#"{"type":"keyevent","data":{"key":"a","event":"keydown"}}"#,
        r#"{"type":"keyevent","data":{"key":"a"}}"#,
        r#"{"type":"upload"}"#,
        r#"{"type":"upload","data":{"directory":"d"}}"#,
    ] {
        client.send_text(text).await;
        let answer = client.recv().await;
        eprintln!("{text} is answered {answer}");
        is_error(&answer, "Bad message");
        client.answers().await;
    }
}

#[tokio::test]
async fn uploaded_project_is_run_while_another_program_goes_on() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run-py").await;
    let upload = |text: &str| {
        let files = json!({"main.py": {"type": "text", "content": {"text": text}}});
        json!({"type": "upload", "data": {"directory": {"name": "p", "files": files}}})
    };
    client
        .send(json!({"type": "start", "data": {"sourceScript": "print(input())"}}))
        .await;
    client.expect("started").await;
    client.send(upload("print('uploaded')")).await;
    assert_eq!(
        client.recv().await,
        json!({"type": "uploaded", "data": null})
    );
    client
        .send(json!({"type": "stdin", "data": {"input": "still here\n"}}))
        .await;
    assert_eq!(client.finish().await.stdout, "still here\n");
    let finished = run(&mut client, json!({"sourcePath": "p/main.py"})).await;
    assert_eq!(finished.stdout, "uploaded\n");
}

#[tokio::test]
async fn upload_that_fails_says_why() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run-py").await;
    let good = json!({"name": "p", "files": {}});
    for (data, why) in [
        (
            json!({"directory": {"name": "../p", "files": {}}}),
            "\"../p\" is not allowed",
        ),
        (json!({"directory": {"name": "p"}}), "files"),
        (
            json!({"directory": good, "user": "nobody-here"}),
            "no user nobody-here",
        ),
    ] {
        client.send(json!({"type": "upload", "data": data})).await;
        let error = client.recv().await;
        assert_eq!(error["data"]["message"], "Bad upload", "{error}");
        let detail = error["data"]["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{detail}");
    }
    client.answers().await;
    assert_eq!(further_link_testkit::names_in(&server.work_dir()), [""; 0]);
}

#[tokio::test]
async fn options_of_the_query_are_those_of_run() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run-py?pty=true").await;
    let code = "import sys; print(sys.stdin.isatty()); print('e', file=sys.stderr)";
    let finished = run(&mut client, json!({"sourceScript": code})).await;
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str()),
        ("True\r\ne\r\n", "")
    );
    let mut client = server.connect("/run-py?user=no-such-user-here").await;
    start(&mut client, json!({"sourceScript": ""})).await;
    let expected = json!({"message": "There is no user no-such-user-here on this device."});
    assert_eq!(client.expect("error").await["data"], expected);
    client.answers().await;
}

#[tokio::test]
async fn keys_for_the_running_program_are_taken() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run-py").await;
    start(&mut client, json!({"sourceScript": "input()"})).await;
    client.expect("started").await;
    client
        .send(json!({"type": "keyevent", "data": {"key": "a", "event": "keyup"}}))
        .await;
    client.answers().await;
}

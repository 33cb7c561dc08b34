//! `/exec` with the real server: the first generation (`docs/protocol.md` section 4).

use further_link_testkit::{Client, TestServer, names_in, write_file};
use serde_json::{Value, json};

async fn start(client: &mut Client, data: Value) {
    client.send(json!({"type": "start", "data": data})).await;
}

async fn is_bad_message(client: &mut Client) {
    let answer = client.recv().await;
    assert_eq!(answer["type"], "error", "{answer}");
    assert_eq!(answer["data"]["message"], "Bad message", "{answer}");
    assert!(answer["data"]["detail"].is_string(), "{answer}");
}

#[tokio::test]
async fn script_runs_and_is_talked_to() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/exec").await;
    for key in ["sourceScript", "souceScript"] {
        let code = "from sys import *; stdout.write(input() + '\\n'); input(); stderr.write('e\\n'); input(); exit(2)";
        start(&mut client, json!({key: code})).await;
        assert_eq!(client.text().await, r#"{"type":"started","data":null}"#);
        client
            .send_text(r#"{"type":"stdin","data":{"input":"ü\n"}}"#)
            .await;
        assert_eq!(
            client.text().await,
            "{\"type\":\"stdout\",\"data\":{\"output\":\"ü\\n\"}}"
        );
        client
            .send_text(r#"{"type":"stdin","data":{"input":"\n"}}"#)
            .await;
        assert_eq!(
            client.text().await,
            r#"{"type":"stderr","data":{"output":"e\n"}}"#
        );
        client
            .send_text(r#"{"type":"stdin","data":{"input":"\n"}}"#)
            .await;
        assert_eq!(
            client.text().await,
            r#"{"type":"stopped","data":{"exitCode":2}}"#
        );
        assert_eq!(names_in(&server.temp_dir()), [""; 0]);
    }
}

#[tokio::test]
async fn file_of_the_work_dir_runs() {
    let server = TestServer::start(&[]);
    write_file(
        &server.work_dir().join("p/main.py"),
        "import os; print(os.getcwd())",
    );
    let mut client = server.connect("/exec").await;
    start(&mut client, json!({"sourcePath": "p/main.py"})).await;
    let finished = client.finish().await;
    assert_eq!(
        finished.stdout.trim_end(),
        server.work_dir().join("p").to_str().unwrap()
    );
    start(&mut client, json!({"sourcePath": "p"})).await;
    let sentence = format!(
        "{} is a folder, not a file to run.",
        server.work_dir().join("p").display()
    );
    assert_eq!(
        client.expect("error").await["data"],
        json!({"message": sentence})
    );
}

#[tokio::test]
async fn stop_ends_it_and_another_can_start() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/exec").await;
    for _ in 0..2 {
        let code = "import signal; print('up'); signal.pause()";
        start(&mut client, json!({"sourceScript": code})).await;
        client.read_until("up\n").await;
        start(&mut client, json!({"sourceScript": code})).await;
        is_bad_message(&mut client).await;
        client.send_text(r#"{"type":"stop"}"#).await;
        assert_eq!(
            client.text().await,
            r#"{"type":"stopped","data":{"exitCode":-15}}"#
        );
    }
}

#[tokio::test]
async fn it_knows_no_more_than_start_stop_and_stdin() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/exec").await;
    for text in [
        "",
        "{}",
        r#"{"type":"ping"}"#,
        r#"{"type":"upload","data":{"directory":{}}}"#,
        r#"{"type":"keyevent","data":{"key":"a","event":"keyup"}}"#,
        r#"{"type":"start","data":{}}"#,
        r#"{"type":"stop"}"#,
        r#"{"type":"stdin","data":{"input":""}}"#,
    ] {
        client.send_text(text).await;
        is_bad_message(&mut client).await;
    }
}

#[tokio::test]
async fn it_takes_no_options() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/exec?pty=1&user=no-such-user-here").await;
    start(
        &mut client,
        json!({"sourceScript": "import sys; print(sys.stdin.isatty())"}),
    )
    .await;
    assert_eq!(client.finish().await.stdout, "False\n");
}

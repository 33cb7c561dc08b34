//! IO channels through the real server: what programs say through their sockets, and what they are
//! told (`docs/protocol.md` sections 6 and 11). The programs speak the protocol by hand
//! (`tests/programs/channel.py`).

use further_link_testkit::{Client, TestServer};
use serde_json::{Value, json};

/// Python that has `Channel` and `OldChannel`.
fn program(code: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/programs");
    format!("import sys, os, time; sys.path.insert(0, {folder:?})\nfrom channel import *\n{code}")
}

async fn start(client: &mut Client, code: &str) {
    client.start("p", "python3", &program(code)).await;
    client.expect("started").await;
}

#[tokio::test]
async fn program_asks_for_keys_and_is_told_of_them() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = "c = Channel(); say(c.receive()); input(); c.send(KEYLISTEN, ' '); c.send(KEYLISTEN, 'ArrowUp')\n\
                for _ in range(2): say(*c.receive())";
    start(&mut client, code).await;
    let hello = client.expect("stdout").await;
    assert!(
        hello["data"]["output"]
            .as_str()
            .unwrap()
            .starts_with("(65, '{"),
        "{hello}"
    );
    client.stdin("p", "\n").await;
    for key in [" ", "ArrowUp"] {
        assert_eq!(
            client.expect("keylisten").await["data"],
            json!({"output": key, "key": key})
        );
    }
    for event in ["keydown", "keyup"] {
        let data = json!({"key": " ", "event": event});
        client
            .send(json!({"type": "keyevent", "process": "p", "data": data}))
            .await;
    }
    let finished = client.finish().await;
    let told = finished.stdout;
    assert_eq!(
        told,
        "66 {\"event\":\"keydown\",\"key\":\" \"}\n66 {\"event\":\"keyup\",\"key\":\" \"}\n"
    );
}

#[tokio::test]
async fn program_with_the_older_package_asks_for_keys_and_is_told_of_them() {
    for path in ["/run", "/run?pty=1"] {
        let server = TestServer::start(&[]);
        let mut client = server.connect(path).await;
        let code = "k = OldChannel('keylisten'); k.send(b' '); l = OldChannel.listen()\n\
                    c, _ = l.accept(); got = b''\n\
                    while got.count(b'end') < 2: got += c.recv(100)\n\
                    say(got)";
        start(&mut client, code).await;
        let listen = client.expect("keylisten").await;
        assert_eq!(listen["data"], json!({"output": " ", "key": " "}));
        for event in ["keydown", "keyup"] {
            let data = json!({"key": " ", "event": event});
            client
                .send(json!({"type": "keyevent", "process": "p", "data": data}))
                .await;
        }
        let finished = client.finish().await;
        assert_eq!(
            finished.stdout.trim(),
            "b'  keydown endkeyevent   keyup endkeyevent '"
        );
    }
}

#[tokio::test]
async fn pictures_arrive_in_both_dialects_of_the_program() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = "import base64\n\
                Channel().send(VIDEO, b'\\xff\\xd8new')\n\
                input()\n\
                OldChannel('video').send(base64.b64encode(b'\\xff\\xd8old'))";
    start(&mut client, code).await;
    assert_eq!(
        client.expect("video").await["data"],
        json!({"output": "/9huZXc="})
    );
    client.stdin("p", "\n").await;
    assert_eq!(
        client.expect("video").await["data"],
        json!({"output": "/9hvbGQ="})
    );
    assert_eq!(client.finish().await.exit_code, 0);
}

const FIGURE: &str =
    r#"{"id": "1-1", "figure": 1, "title": "T", "format": "png", "width": 2, "height": 3}"#;

#[tokio::test]
async fn figures_plots_and_widgets_are_for_those_who_ask() {
    let server = TestServer::start(&[]);
    let code = format!(
        "c = Channel(); say(c.receive()[1]); c.send(FIGURE, {:?} + '\\n' + 'PNG')\n\
         c.send(PLOT, '{{\"name\": \"t\", \"series\": []}}'); c.send(WIDGET, '{{\"id\": \"w\", \"kind\": \"button\"}}')",
        FIGURE
    );
    let all = json!(["figure", "plot", "widget"]);
    for (path, hello) in [
        ("/run", None),
        ("/run?features=figure,plot,widget", None),
        ("/run?features=nothing", Some(all.clone())),
        ("/run?features=figure,plot,widget", Some(json!([]))),
    ] {
        let mut client = server.connect(path).await;
        let mut asked = path.contains("figure");
        if let Some(features) = &hello {
            client
                .send(json!({"type": "hello", "data": {"features": features}}))
                .await;
            let answer = client.expect("hello").await;
            assert_eq!(answer["data"]["features"], *features);
            asked = *features == all;
        }
        client.start("p", "python3", &program(&code)).await;
        client.expect("started").await;
        let mut said = Vec::new();
        loop {
            let message = client.recv().await;
            if message["type"] == "stopped" {
                break;
            }
            if message["type"] == "stdout" {
                let hello: Value =
                    serde_json::from_str(message["data"]["output"].as_str().unwrap()).unwrap();
                assert_eq!(
                    hello["features"],
                    if asked { all.clone() } else { json!([]) }
                );
            } else {
                said.push(message["type"].as_str().unwrap().to_owned());
                if message["type"] == "figure" {
                    let figure = json!({"id": "1-1", "figure": 1, "title": "T", "format": "png",
                        "width": 2, "height": 3, "closed": false, "image": "UE5H"});
                    assert_eq!(message["data"], figure);
                }
            }
        }
        let wanted: &[&str] = if asked {
            &["figure", "plot", "widget"]
        } else {
            &[]
        };
        assert_eq!(said, wanted, "{path} {hello:?}");
    }
}

#[tokio::test]
async fn sounds_are_played_by_clients_that_asked_for_them() {
    let server = TestServer::start(&[]);
    let melody = include_str!("../../../../../examples/melody.py");
    let code = format!("{melody}\nplay(440, duration=0.25, volume=0.5)");
    for path in ["/run?features=sound", "/run?features=figure,plot,widget"] {
        let mut client = server.connect(path).await;
        client.start("p", "python3", &code).await;
        client.expect("started").await;
        let mut sounds = Vec::new();
        loop {
            let message = client.recv().await;
            match message["type"].as_str() {
                Some("sound") => sounds.push(message["data"].clone()),
                Some("stopped") => break,
                _ => {}
            }
        }
        if path == "/run?features=sound" {
            assert_eq!(sounds.len(), 17);
            assert_eq!(
                sounds[16],
                json!({"volume": 0.5, "frequency": 440.0, "duration": 0.25, "audio": null})
            );
        } else {
            assert_eq!(sounds, Vec::<Value>::new());
        }
    }
}

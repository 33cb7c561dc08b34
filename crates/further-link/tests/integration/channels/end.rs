//! Which programs have channels, whose they are, and their end: `stopped` comes behind everything,
//! and nothing is left (`docs/protocol.md` sections 2, 3, 4, 6 and 11).

use further_link_testkit::channels::{descriptors, key_event, program};
use further_link_testkit::{Client, TestServer, names_in, wait_for};
use serde_json::{Value, json};
use std::path::Path;

const ALL: &str = "/run?features=figure,plot,widget";
/// Both ways in which a program is held together with what it starts.
const MODES: [&str; 2] = ["run.cgroup=auto", "run.cgroup=off"];

async fn start(client: &mut Client, name: &str, code: &str) {
    client.start(name, "python3", &program(code)).await;
    assert_eq!(client.expect("started").await["process"], name);
}

/// Types of what comes up to the end of `p`, and its exit status.
async fn types(client: &mut Client) -> (Vec<String>, i64) {
    let mut types = Vec::new();
    loop {
        let message = client.recv().await;
        assert_eq!(message["process"], "p", "{message}");
        let kind = message["type"].as_str().unwrap().to_owned();
        if kind == "stopped" {
            return (types, message["data"]["exitCode"].as_i64().unwrap());
        }
        types.push(kind);
    }
}

/// What a program says in its last moment is heard, whichever way it ends and on whichever socket.
#[tokio::test]
async fn stopped_comes_behind_everything() {
    // The last one is another process, which the end of the job kills.
    let ends = [
        ("os._exit(0)", 0),
        ("os.kill(os.getpid(), 9)", -9),
        ("os.kill(os.getpid(), 15)", -15),
        ("os.abort()", -6),
        ("os.fork() or time.sleep(100)", 0),
    ];
    let code = "c = Channel(); v, k = OldChannel('video'), OldChannel('keylisten')\n\
        for n in range(20): c.send(WIDGET, {'id': 'w%d' % n, 'kind': 'button'})\n\
        head = '{\"id\": \"f\", \"figure\": 1, \"title\": \"t\", \"format\": \"png\", \"width\": 1, \"height\": 1}\\n'\n\
        c.send(FIGURE, head.encode() + bytes(100_000)); c.send(PLOT, {'name': 'x', 'series': []})\n\
        c.send(VIDEO, jpeg(1)); k.send(b'a'); v.send(b'AAAA')\n\
        late = Channel(); late.send(KEYLISTEN, 'late')\n";
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let mut client = server.connect(ALL).await;
        for (end, status) in ends {
            for _ in 0..5 {
                start(&mut client, "p", &format!("{code}{end}")).await;
                let (mut types, exit_code) = types(&mut client).await;
                assert_eq!(exit_code, status, "{mode} {end}");
                types.sort();
                let mut expected =
                    vec!["figure", "keylisten", "keylisten", "plot", "video", "video"];
                expected.extend(["widget"; 20]);
                assert_eq!(types, expected, "{mode} {end}");
            }
        }
        client.answers().await;
    }
}

/// A client that reads late finds all that had waited, also of a program that was killed while it
/// was held up.
#[tokio::test]
async fn what_waits_at_the_end_is_not_lost() {
    let server = TestServer::start(&[]);
    let mut client = server.connect(ALL).await;
    // More than the server takes in advance, in what a socket holds: it ends and the rest is still
    // there.
    let code = "c = Channel()\n\
        for n in range(3000): c.send(WIDGET, {'id': 'w%d' % n, 'kind': 'x' * 20})\n\
        os.kill(os.getpid(), 9)";
    start(&mut client, "p", code).await;
    for number in 0..3000 {
        let widget = client.expect("widget").await;
        assert_eq!(widget["data"]["id"], format!("w{number}"));
    }
    assert_eq!(client.expect("stopped").await["data"]["exitCode"], -9);
}

#[tokio::test]
async fn events_are_for_programs_that_run() {
    let server = TestServer::start(&[]);
    let mut client = server.connect(ALL).await;
    let events = |process: &str| {
        [
            key_event(process, "a", "keydown"),
            json!({"type": "figureevent", "process": process, "data": {"id": "f", "event": "close"}}),
            json!({"type": "widgetevent", "process": process, "data": {"id": "w", "event": "press"}}),
        ]
    };
    for event in events("nobody") {
        client.send(event).await;
        let error = client.expect("error").await;
        assert_eq!(error["process"], "nobody");
        let detail = "No program is running under this name.";
        assert_eq!(
            error["data"],
            json!({"message": "Bad message", "detail": detail})
        );
    }
    for (kind, data) in [
        ("keyevent", json!({"key": "a"})),
        ("keyevent", json!({"key": 1, "event": "keydown"})),
        ("figureevent", json!({"event": "close"})),
        ("widgetevent", json!({"id": "w"})),
        (
            "widgetevent",
            json!({"id": "w", "event": "change", "value": "x".repeat(16 * 1024)}),
        ),
    ] {
        start(&mut client, "p", "Channel().receive(); input()").await;
        client
            .send(json!({"type": kind, "process": "p", "data": data}))
            .await;
        let error = client.expect("error").await;
        assert_eq!(error["data"]["message"], "Bad message", "{error}");
        client.stdin("p", "\n").await;
        client.expect("stopped").await;
    }
    // One that has no connection, or listens to nothing, is not told, and nobody is told that it
    // was not.
    start(
        &mut client,
        "p",
        "c = Channel(); c.receive(); say('up'); say(*c.receive())",
    )
    .await;
    client.expect("stdout").await;
    for event in events("p").into_iter().take(2) {
        client.send(event).await;
    }
    let said = client.expect("stdout").await;
    assert_eq!(
        said["data"]["output"],
        "67 {\"event\":\"close\",\"id\":\"f\"}\n"
    );
    client.expect("stopped").await;
    for event in events("p") {
        client.send(event).await;
        client.expect("error").await;
    }
}

#[tokio::test]
async fn two_programs_keep_apart() {
    let server = TestServer::start(&[]);
    let mut client = server.connect(ALL).await;
    for name in ["a", "b"] {
        let code = format!(
            "c = Channel(); c.send(KEYLISTEN, '{name}'); OldChannel('keylisten').send(b'old {name}')\n\
             l = OldChannel.listen(); o, _ = l.accept()\n\
             c.receive(); say('{name}', c.receive()[1], o.recv(100)); c.send(VIDEO, b'{name}{name}{name}')"
        );
        start(&mut client, name, &code).await;
        for _ in 0..2 {
            let listen = client.expect("keylisten").await;
            assert_eq!(listen["process"], name);
            assert!(listen["data"]["key"].as_str().unwrap().ends_with(name));
        }
    }
    for (name, video) in [("b", "YmJi"), ("a", "YWFh")] {
        let key = format!("for {name}");
        client.send(key_event(name, &key, "keydown")).await;
        let mut seen = 0;
        while seen < 3 {
            let message = client.recv().await;
            assert_eq!(message["process"], name, "{message}");
            match message["type"].as_str().unwrap() {
                "stdout" => {
                    let event = json!({"event": "keydown", "key": key});
                    let expected = format!("{name} {event} b'{key} keydown endkeyevent '\n");
                    assert_eq!(message["data"]["output"], expected);
                }
                "video" => assert_eq!(message["data"]["output"], video),
                _ => assert_eq!(message["type"], "stopped"),
            }
            seen += 1;
        }
    }
}

#[tokio::test]
async fn hello_may_come_again_and_turn_things_off() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = "c = Channel(); say(c.receive()[1])\n\
        for kind in PLOT, WIDGET: c.send(kind, {'id': 'x', 'name': 'x', 'series': []})\n\
        input()\n\
        for kind in PLOT, WIDGET: c.send(kind, {'id': 'x', 'name': 'x', 'series': []})\n\
        c.send(KEYLISTEN, 'end')";
    let hello = async |client: &mut Client, features: Value| {
        client
            .send(json!({"type": "hello", "data": {"features": features}}))
            .await;
        client.expect("hello").await["data"]["features"].clone()
    };
    // Twice, with what nobody knows, twice the same and in another order: what is on is said.
    let odd = json!(["widget", "plot", "nothing", "widget", 1, null]);
    for _ in 0..2 {
        assert_eq!(
            hello(&mut client, odd.clone()).await,
            json!(["plot", "widget"])
        );
    }
    start(&mut client, "p", code).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(client.recv().await["type"].as_str().unwrap().to_owned());
    }
    seen.sort();
    assert_eq!(seen, ["plot", "stdout", "widget"]);
    // From now on the client is told nothing of that, whatever the program believes.
    assert_eq!(hello(&mut client, json!([])).await, json!([]));
    client.stdin("p", "\n").await;
    client.expect("keylisten").await;
    client.expect("stopped").await;
    assert_eq!(hello(&mut client, Value::Null).await, json!([]));
}

/// The routes that know one program each.
#[tokio::test]
async fn other_routes_have_what_they_knew() {
    let server = TestServer::start(&[]);
    let code = program(
        "c = Channel(); say(json.loads(c.receive()[1])['features'], 'MPLBACKEND' in os.environ)\n\
         c.send(PLOT, {'name': 'x', 'series': []}); c.send(WIDGET, {'id': 'x'})\n\
         c.send(VIDEO, b'new'); c.send(KEYLISTEN, 'a'); say(c.receive()[1])",
    );
    let mut client = server.connect("/run-py?features=figure,plot,widget").await;
    client
        .send(json!({"type": "start", "data": {"sourceScript": code}}))
        .await;
    let mut said = Vec::new();
    loop {
        let message = client.recv().await;
        assert_eq!(message.as_object().unwrap().len(), 2, "{message}");
        let kind = message["type"].as_str().unwrap();
        if kind == "keylisten" {
            client
                .send(json!({"type": "keyevent", "data": {"key": "a", "event": "keyup"}}))
                .await;
        }
        if kind == "stopped" {
            break;
        }
        said.push(format!("{kind} {}", message["data"]["output"]));
    }
    said.sort();
    let expected = [
        "keylisten \"a\"",
        "started null",
        "stdout \"[] False\\n\"",
        "stdout \"{\\\"event\\\":\\\"keyup\\\",\\\"key\\\":\\\"a\\\"}\\n\"",
        "video \"bmV3\"",
    ];
    assert_eq!(said, expected);

    // The first generation never heard of any of this. Its programs have channels, and nobody looks
    // at them.
    let mut client = server.connect("/exec?features=figure,plot,widget").await;
    let code = program(
        "c = Channel(); c.send(KEYLISTEN, 'a'); pictures(c, 20, 0); c.send(PLOT, {'name': 'x', 'series': []})\n\
         for n in range(200): c.send(KEYLISTEN, 'a')\n\
         say('done')",
    );
    client
        .send(json!({"type": "start", "data": {"sourceScript": code}}))
        .await;
    client.expect("started").await;
    assert_eq!(client.finish().await.stdout, "done\n");
}

/// Names in a folder that are of this server's programs.
fn ours(folder: &Path, marks: &[String]) -> Vec<String> {
    let names = names_in(folder).into_iter();
    names.filter(|name| marks.contains(name)).collect()
}

/// Two hundred programs with channels, of which nothing may be left.
#[tokio::test]
async fn nothing_is_left_of_two_hundred_programs() {
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let mut client = server.connect(ALL).await;
        let mut marks = Vec::new();
        let count = || [server.pid(), server.spawner_pid()].map(descriptors);
        let mut before = [0; 2];
        for round in 0..21 {
            // Shells, for they start quickly; and one of Python, which says something.
            for number in 0..9 {
                let code = "#!/bin/sh\necho ${FURTHER_LINK_TEMP_DIR##*/}; touch $FURTHER_LINK_TEMP_DIR/x; exec sleep 100";
                client.start(&number.to_string(), "exec", code).await;
            }
            let code = "say(os.path.basename(os.environ['FURTHER_LINK_TEMP_DIR'])); c = Channel()\n\
                c.send(VIDEO, jpeg(1)); OldChannel('keylisten').send(b'a'); c.send(KEYLISTEN, 'a'); time.sleep(100)";
            client.start("9", "python3", &program(code)).await;
            let (mut said, mut listening, mut stopped) = (0, 0, 0);
            while stopped < 10 {
                let message = client.recv().await;
                match message["type"].as_str().unwrap() {
                    "stdout" => {
                        marks.push(
                            message["data"]["output"]
                                .as_str()
                                .unwrap()
                                .trim()
                                .to_owned(),
                        );
                        said += 1;
                    }
                    "keylisten" => listening += 1,
                    "stopped" => stopped += 1,
                    "started" | "video" => {}
                    _ => panic!("{message}"),
                }
                if said == 10 && listening == 2 {
                    said = 0;
                    client.send(key_event("9", "a", "keydown")).await;
                    for number in 0..10 {
                        client.stop(&number.to_string()).await;
                    }
                }
            }
            if round == 0 {
                wait_for("it is quiet", || {
                    let now = count();
                    std::mem::replace(&mut before, now) == now
                });
            }
        }
        assert_eq!(marks.len(), 210);
        assert!(
            marks.iter().all(|mark| mark.starts_with("further-link-")),
            "{marks:?}"
        );
        let mut now = [0; 2];
        wait_for("descriptors are as before", || {
            now = count();
            now[0] <= before[0] && now[1] <= before[1]
        });
        for folder in [Path::new("/dev/shm"), &server.temp_dir(), Path::new("/tmp")] {
            assert_eq!(ours(folder, &marks), [""; 0], "{mode}");
        }
    }
}

/// The server's end, ordered and not, while programs speak.
#[tokio::test]
async fn nothing_is_left_of_a_server_that_ends() {
    for signal in ["TERM", "KILL"] {
        let mut server = TestServer::start(&[]);
        let mut client = server.connect(ALL).await;
        let code = "say(os.environ['FURTHER_LINK_TEMP_DIR']); d = Channel()\n\
            def flood():\n\
            \x20   while True: d.send(WIDGET, {'id': 'w', 'kind': 'button', 'label': 'x' * 1000})\n\
            threading.Thread(target=flood, daemon=True).start()\n\
            c = Channel(); pictures(c, 1 << 30, 0)";
        start(&mut client, "p", code).await;
        let mut folder = None;
        while folder.is_none() {
            let message = client.recv().await;
            folder = message["data"]["output"]
                .as_str()
                .filter(|_| message["type"] == "stdout")
                .map(|text| text.trim().to_owned());
        }
        let folder = folder.unwrap();
        assert!(Path::new(&folder).is_dir());
        // The client reads nothing any more.
        server.signal(signal);
        server.wait();
        wait_for("the folder is gone", || !Path::new(&folder).exists());
    }
}

//! What programs get that say too much through their channels, on too many connections, or do not
//! listen, and clients that do not read what they say (`docs/protocol.md` section 6).

use further_link_testkit::channels::{descriptors, key_event, memory, processor_time, program};
use further_link_testkit::raw::RawClient;
use further_link_testkit::stream::{Event, StreamClient};
use further_link_testkit::{Client, TempDir, TestServer, processes_with, unique, wait_for};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const ALL: &str = "/run?features=figure,plot,widget";

/// Waits until a program says nothing more in its file, as it is held up.
fn held_up(file: &Path) {
    let said = || std::fs::read_to_string(file).unwrap_or_default();
    wait_for("the program is held up", || {
        let then = said();
        std::thread::sleep(Duration::from_millis(300));
        !then.is_empty() && then == said()
    });
}

async fn start(client: &mut Client, code: &str) {
    client.start("p", "python3", &program(code)).await;
    client.expect("started").await;
}

#[tokio::test]
async fn connection_33_waits_for_one_to_leave() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = "import select\n\
        all = [Channel() for _ in range(32)]\n\
        for c in all: c.receive()\n\
        late = Channel(); late.send(KEYLISTEN, 'late')\n\
        say('answered' if select.select([late.socket], [], [], 0.3)[0] else 'waits')\n\
        all.pop().socket.close(); say(late.receive()[0])";
    start(&mut client, code).await;
    assert_eq!(client.expect("stdout").await["data"]["output"], "waits\n");
    let mut both =
        [client.recv().await, client.recv().await].map(|message| message["type"].to_string());
    both.sort();
    assert_eq!(both, ["\"keylisten\"", "\"stdout\""]);
    client.expect("stopped").await;
}

/// When a program ends while all of its connections are held up, those that wait behind them are
/// heard too.
#[test]
fn connections_that_wait_at_the_end_are_heard() {
    let server = TestServer::start(&[]);
    let word = unique("late");
    let mut client = StreamClient::json(&server, ALL);
    client.raw = client.raw.with_small_buffer();
    // More than the client is sent and the server holds, on each; and less than the sockets do.
    let code = format!(
        "'{word}'; all = [Channel() for _ in range(32)]\n\
         for c in all: c.receive()\n\
         for n in range(3):\n\
         \x20   for c in all: c.send(WIDGET, {{'id': 'w', 'kind': 'x' * 60000}})\n\
         for n in range(3): Channel().send(KEYLISTEN, 'late %d' % n)\n\
         OldChannel('keylisten').send(b'late old')"
    );
    client.start("p", "python3", &program(&code));
    wait_for("the program has ended", || processes_with(&word).is_empty());
    let (mut widgets, mut keys) = (0, Vec::new());
    while client.program("p").exit_code.is_none() {
        let Event::Text(message) = client.next() else {
            continue;
        };
        match message["type"].as_str().unwrap() {
            "widget" => widgets += 1,
            "keylisten" => keys.push(message["data"]["key"].as_str().unwrap().to_owned()),
            _ => assert_eq!(message["type"], "stopped"),
        }
    }
    keys.sort();
    assert_eq!(keys, ["late 0", "late 1", "late 2", "late old"]);
    assert_eq!(widgets, 96);
}

/// Each kind with one byte too many, nonsense of each, and what nobody knows; then each as large as
/// it may be.
#[tokio::test]
async fn what_is_wrong_is_said_and_the_connection_goes_on() {
    let server = TestServer::start(&[]);
    let mut client = server.connect(ALL).await;
    let code = r#"c = Channel(); c.receive()
def wrong(kind, payload, why):
    c.send(kind, payload)
    kind, text = c.receive()
    assert kind == ERROR and why in text and '\n' not in text, (kind, text)
for kind, most in {KEYLISTEN: 256, VIDEO: 8 << 20, FIGURE: 8 << 20, PLOT: 1 << 20, WIDGET: 64 << 10, HELLO: 1024}.items():
    wrong(kind, b'x' * (most + 1), 'A message of %d bytes was not taken: %d are the most.' % (most + 1, most))
wrong(KEYLISTEN, b'', 'A key was not taken')
wrong(KEYLISTEN, b'\xff', 'A key was not taken')
wrong(FIGURE, b'{}\nPNG', 'A figure was not taken')
wrong(FIGURE, b'PNG', 'A figure was not taken')
wrong(PLOT, b'[]', 'A plot was not taken')
wrong(PLOT, b'{"name": 1}', 'A plot was not taken')
wrong(PLOT, b'{"name": "x",\n"series": []}', 'A plot was not taken')
wrong(WIDGET, b'{"id": "w"', 'A widget was not taken')
wrong(WIDGET, b'\xff', 'A widget was not taken')
for kind in (0, 7, 64, 65, 66, 69, 255): c.send(kind, b'nobody knows this')
c.send(77, b'x' * (9 << 20))
head = '{"id": "f", "figure": 1, "title": "t", "format": "png", "width": 1, "height": 1}\n'
c.send(FIGURE, head.encode() + b'F' * ((8 << 20) - len(head)))
c.send(PLOT, '{"name": "p", "series": "' + 'x' * ((1 << 20) - 27) + '"}')
c.send(WIDGET, '{"id": "w", "kind": "' + 'x' * ((64 << 10) - 23) + '"}')
c.send(VIDEO, b'V' * (8 << 20))
c.send(KEYLISTEN, 'k' * 256)"#;
    start(&mut client, code).await;
    let mut seen = Vec::new();
    loop {
        let message = client.recv().await;
        let data = &message["data"];
        let length = |key: &str| data[key].as_str().unwrap().len();
        let (kind, length) = match message["type"].as_str().unwrap() {
            "figure" => ("figure", length("image")),
            "plot" => ("plot", length("series")),
            "widget" => ("widget", length("kind")),
            "video" => ("video", length("output")),
            "keylisten" => ("keylisten", length("key")),
            "stopped" => {
                assert_eq!(data["exitCode"], 0);
                break;
            }
            _ => panic!("{message}"),
        };
        seen.push((kind, length));
    }
    seen.sort();
    let base64 = |length: usize| length.div_ceil(3) * 4;
    let expected = [
        ("figure", base64((8 << 20) - 81)),
        ("keylisten", 256),
        ("plot", (1 << 20) - 27),
        ("video", base64(8 << 20)),
        ("widget", (64 << 10) - 23),
    ];
    assert_eq!(seen, expected);
}

/// What a client must not miss waits with the program, and nothing else does.
#[test]
fn flood_of_widgets_waits_for_a_slow_client_and_commands_do_not() {
    for binary in [false, true] {
        let server = TestServer::start(&[]);
        let word = unique("widgets");
        let file = server.folder.path().join("said");
        let mut client = match binary {
            true => StreamClient::binary(&server, ALL),
            false => StreamClient::json(&server, ALL),
        };
        client.raw = client.raw.with_small_buffer();
        let before = memory(&server);
        let code = format!(
            "'{word}'\nout = open({file:?}, 'a', 1)\n\
             def flood():\n\
             \x20   for n in range(20000):\n\
             \x20       c.send(WIDGET, {{'id': 'w%d' % n, 'kind': 'button', 'label': 'x' * 1000}})\n\
             \x20       if n % 100 == 0: print('sent', n, file=out)\n\
             c = Channel(); c.send(KEYLISTEN, 'a')\n\
             threading.Thread(target=flood, daemon=True).start()\n\
             while True:\n    kind, text = c.receive()\n    if kind == KEYEVENT: print(text, file=out)",
        );
        client.start("p", "python3", &program(&code));
        held_up(&file);
        let said = || std::fs::read_to_string(&file).unwrap_or_default();
        assert!(!said().contains("sent 19900"), "20 MB have gone somewhere");
        let now = memory(&server);
        assert!(
            now < before + 12 * 1024 * 1024,
            "{before} bytes have become {now}"
        );
        // It is told of keys meanwhile, and stopped.
        for key in ["one", "two"] {
            client.send_json(&key_event("p", key, "keydown"));
            wait_for("the key is heard", || {
                said().contains(&format!("\"{key}\""))
            });
        }
        client.send_json(&json!({"type": "ping"}));
        client.stop("p");
        wait_for("it is stopped", || processes_with(&word).is_empty());
        let (mut widgets, mut answered) = (0, false);
        while client.program("p").exit_code.is_none() {
            let Event::Text(message) = client.next() else {
                continue;
            };
            match message["type"].as_str().unwrap() {
                "widget" => {
                    assert_eq!(
                        message["data"]["id"],
                        format!("w{widgets}"),
                        "all, in order"
                    );
                    widgets += 1;
                }
                "pong" => answered = true,
                "keylisten" | "stopped" => {}
                _ => panic!("{message}"),
            }
        }
        // All that it had said that it had sent.
        let sent = said()
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("sent ")?.parse::<u64>().ok());
        assert!(
            answered && widgets > sent.unwrap(),
            "{widgets} of {sent:?} widgets"
        );
    }
}

/// Widgets, pictures and output of one program have their turns, also if there is always more of
/// each and the client takes only a little.
#[test]
fn no_channel_hides_another() {
    for binary in [false, true] {
        let server = TestServer::start(&[]);
        let mut client = match binary {
            true => StreamClient::binary(&server, ALL),
            false => StreamClient::json(&server, ALL),
        };
        client.raw = client.raw.with_small_buffer();
        let code = "def flood():\n\
            \x20   d = Channel()\n\
            \x20   while True: d.send(WIDGET, {'id': 'w', 'kind': 'button', 'label': 'x' * 60000})\n\
            def video():\n\
            \x20   d = Channel(); pictures(d, 1 << 30, 100)\n\
            for each in flood, video: threading.Thread(target=each, daemon=True).start()\n\
            while True: os.write(1, b'o' * 4096)";
        client.start("p", "python3", &program(code));
        let mut widgets = 0;
        // Slowly, so that there is room for a little of one of them at a time.
        while widgets < 150 {
            if let Event::Text(message) = client.next() {
                assert_eq!(message["type"], "widget", "{message}");
                widgets += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            client.program_mut("p").pictures.clear();
        }
        let program = client.program("p");
        assert!(
            program.pictures_seen > 30 && program.output > 30 * 4096,
            "binary {binary}: {} pictures, {} bytes",
            program.pictures_seen,
            program.output
        );
    }
}

/// What was taken is not lost: the program reads it later.
#[tokio::test]
async fn events_that_wait_are_all_told() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    for (wait, read) in [
        (
            "c = Channel(); c.send(KEYLISTEN, 'a')",
            "while n < count:\n\
             \x20   kind, text = c.receive()\n\
             \x20   if kind == KEYEVENT: assert json.loads(text)['key'] == 'k%d' % n + 'x' * 500, text; n += 1",
        ),
        (
            "l = OldChannel.listen(); OldChannel('keylisten').send(b'a'); text = b''",
            "c, _ = l.accept()\n\
             while n < count:\n\
             \x20   text += c.recv(4096)\n\
             \x20   *whole, text = text.split(b' endkeyevent ')\n\
             \x20   for part in whole: assert part.decode() == 'k%d' % n + 'x' * 500 + ' keyup', part; n += 1",
        ),
    ] {
        start(
            &mut client,
            &format!("{wait}; n = 0; count = int(input())\n{read}\nsay('all')"),
        )
        .await;
        client.expect("keylisten").await;
        let mut taken = 0;
        loop {
            let key = format!("k{taken}{}", "x".repeat(500));
            client.send(key_event("p", &key, "keyup")).await;
            client.send(json!({"type": "ping"})).await;
            let answer = client.recv().await;
            if answer["type"] == "error" {
                client.expect("pong").await;
                break;
            }
            taken += 1;
        }
        client.stdin("p", &format!("{taken}\n")).await;
        let finished = client.finish().await;
        assert_eq!(
            (finished.stdout.as_str(), finished.stderr.as_str()),
            ("all\n", "")
        );
    }
}

/// A key as large as a message may be is no key; it is not kept for anybody.
#[tokio::test]
async fn huge_keys_are_refused() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    start(
        &mut client,
        "c = Channel(); c.send(KEYLISTEN, 'a'); time.sleep(1000)",
    )
    .await;
    client.expect("keylisten").await;
    for (key, event) in [(16 * 1024, 1), (1, 16 * 1024), (15 << 20, 1)] {
        client
            .send(key_event("p", &"k".repeat(key), &"e".repeat(event)))
            .await;
        let error = client.expect("error").await;
        assert_eq!(error["process"], "p");
        assert_eq!(error["data"]["message"], "Bad message");
    }
    client
        .send(key_event("p", &"k".repeat(16 * 1024 - 1), "e"))
        .await;
    client.answers().await;
}

/// Messages that are begun and not finished cost a program's own memory, not the server's.
#[test]
fn unfinished_messages_do_not_fill_the_server() {
    let server = TestServer::start(&[]);
    let mut client = StreamClient::json(&server, "/run");
    let before = memory(&server);
    let code = "import struct\n\
        all = [Channel() for _ in range(28)]; old = [OldChannel('video') for _ in range(4)]\n\
        def fill(s, data):\n\
        \x20   try: s.sendall(data)\n\
        \x20   except TimeoutError: pass\n\
        for c in all + old: c.socket.settimeout(3)\n\
        t = [threading.Thread(target=fill, args=(c.socket, struct.pack('>IB', 8 << 20, VIDEO) + bytes((8 << 20) - 1))) for c in all]\n\
        t += [threading.Thread(target=fill, args=(c.socket, b'A' * (12 << 20))) for c in old]\n\
        for each in t: each.start()\n\
        for each in t: each.join()\n\
        say('filled'); input()\n\
        for c in all + old: c.socket.close()\n\
        c = Channel(); c.send(VIDEO, jpeg(7, 8_000_000))";
    client.start("p", "python3", &program(code));
    client.until("all is filled", |client| {
        client.program("p").stdout == b"filled\n"
    });
    let now = memory(&server);
    assert!(
        now < before + 80 * 1024 * 1024,
        "{before} bytes have become {now}"
    );
    // And those that come to their end make room.
    client.input("p", b"\n");
    while client.program("p").exit_code.is_none() {
        client.next();
    }
    let pictures = &client.program("p").pictures;
    assert_eq!(pictures.len(), 1);
    assert_eq!(further_link_testkit::channels::number_of(&pictures[0].1), 7);
}

/// Without a free descriptor connections wait, which costs no time, and come in when there is one.
#[test]
fn without_descriptors_connections_wait() {
    // Fewer than the connections and what the server has itself, and enough for Python.
    const DESCRIPTORS: usize = 44;
    let folder = TempDir::create();
    let release = folder.path().join("release");
    let server = TestServer::start_with(&["--set", "tls.enabled=false"], |command| {
        let limit = format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}");
        further_link_testkit::wrap(command, &["prlimit", &limit]);
    });
    let mut client = StreamClient::json(&server, "/run");
    let code = format!(
        "all = [Channel() for _ in range(30)]; say('connected')\n\
         while not os.path.exists({release:?}): time.sleep(0.01)\n\
         for c in all[:20]: c.receive(); c.socket.close()\n\
         for c in all[20:]: c.receive()\n\
         say('all answered')"
    );
    client.start("p", "python3", &program(&code));
    client.until("it has connected", |client| {
        client.program("p").stdout.ends_with(b"connected\n")
    });
    let mut taken = 0;
    wait_for("all descriptors are taken", || {
        let before = std::mem::replace(&mut taken, descriptors(server.pid()));
        taken == before && taken >= DESCRIPTORS - 1
    });
    let time = processor_time(&server);
    std::thread::sleep(Duration::from_secs(1));
    let took = processor_time(&server) - time;
    assert!(took < 10, "waiting for a second has taken {took} ticks");
    std::fs::write(&release, "").unwrap();
    client.finish("p");
    assert_eq!(client.program("p").stdout, b"connected\nall answered\n");
}

/// A client that is gone keeps nothing of its programs alive, whatever they were saying.
#[test]
fn client_that_leaves_frees_a_program_that_is_held_up() {
    let server = TestServer::start(&[]);
    let word = unique("left");
    let file = server.folder.path().join("said");
    let mut client = RawClient::connect(&server, ALL).with_small_buffer();
    let before = descriptors(server.pid());
    let code = format!(
        "'{word}'\nc = Channel(); out = open({file:?}, 'a', 1)\n\
         while True: c.send(WIDGET, {{'id': 'w', 'kind': 'button', 'label': 'x' * 60000}}); print('sent', file=out)"
    );
    client.start("p", "python3", &program(&code));
    held_up(&file);
    drop(client);
    wait_for("the program is gone", || processes_with(&word).is_empty());
    wait_for("its connections are gone", || {
        descriptors(server.pid()) < before
    });
}

//! Pictures on their way to clients that read quickly, slowly and not at all, beside floods and
//! keys (`docs/protocol.md` sections 6 and 10).

use further_link_testkit::channels::{key_event, memory, number_of, program};
use further_link_testkit::stream::{Event, StreamClient};
use further_link_testkit::{DEADLINE, TestServer, processes_with, unique, wait_for};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Pictures of the longest test, and how many come in a second.
const PICTURES: u64 = 900;
const RATE: u64 = 30;
/// Pictures that wait, at most, before one is dropped.
const AHEAD: u64 = 4;
/// Time between two keys.
const KEY: Duration = Duration::from_millis(50);
/// What pictures may cost the server: those that wait, what is on its way, and what the allocator
/// keeps.
const MEMORY: usize = 8 * 1024 * 1024;

fn connect(server: &TestServer, binary: bool) -> StreamClient {
    match binary {
        true => StreamClient::binary(server, "/run"),
        false => StreamClient::json(server, "/run"),
    }
}

/// Takes the pictures that have come, and returns the numbers that are in them; they are held
/// against those of the frames.
fn numbers(client: &mut StreamClient, name: &str) -> Vec<u64> {
    let binary = client.binary;
    let pictures = std::mem::take(&mut client.program_mut(name).pictures);
    let checked = pictures.iter().map(|(number, picture)| {
        let shown = number_of(picture);
        assert!(
            !binary || shown == *number,
            "{shown} is said to be {number}"
        );
        shown
    });
    checked.collect()
}

/// Keys that were sent, and which of them came back.
#[derive(Default)]
struct Keys {
    sent: Vec<Instant>,
    ways: Vec<Duration>,
    seen: usize,
}

impl Keys {
    fn send(&mut self, client: &mut StreamClient) {
        let key = format!("k{}", self.sent.len());
        self.sent.push(Instant::now());
        client.send_json(&key_event("p", &key, "keydown"));
    }

    /// Looks at what the program has said since.
    fn look(&mut self, client: &StreamClient) {
        let text = &client.program("p").stdout[self.seen..];
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        for line in text[..whole.map_or(0, |end| end + 1)].split_inclusive(|byte| *byte == b'\n') {
            self.seen += line.len();
            let key = format!("key k{}\n", self.ways.len());
            assert_eq!(String::from_utf8_lossy(line), key, "keys are in order");
            self.ways.push(self.sent[self.ways.len()].elapsed());
        }
    }

    /// At the front the median, behind it what one of a hundred is above.
    fn ways(&mut self) -> [Duration; 2] {
        self.ways.sort();
        [50, 99].map(|part| self.ways[self.ways.len() * part / 100])
    }
}

/// What people do with it: video and keys, beside a program that outputs as much as it can.
/// Pictures come at their rate, unless this test does not get to run: the program is never more
/// ahead of it than the server has to hold.
fn video_keys_and_a_flood(binary: bool) {
    let server = TestServer::start(&[]);
    let mut client = connect(&server, binary);
    client.start("flood", "exec", "#!/bin/sh\nexec yes flood");
    let code = format!(
        "c = Channel(); t = echo_keys(c); pictures(c, {PICTURES}, {RATE}, ahead={AHEAD}); t.join()"
    );
    client.start("p", "python3", &program(&code));
    let (mut keys, mut shown, mut flood) = (Keys::default(), Vec::new(), 0);
    let (mut next, mut listens) = (Instant::now(), false);
    let end = next + Duration::from_secs(PICTURES / RATE) + 3 * DEADLINE;
    while shown.len() < PICTURES as usize || keys.ways.len() < keys.sent.len() {
        let now = Instant::now();
        assert!(
            now < end,
            "{} pictures, {} of {} keys",
            shown.len(),
            keys.ways.len(),
            keys.sent.len()
        );
        // The flood sees to it that there is always something to read.
        if listens && next < now && shown.len() < PICTURES as usize {
            keys.send(&mut client);
            next += KEY;
        }
        match client.next() {
            Event::Picture => {
                shown.extend(numbers(&mut client, "p"));
                client.input("p", b".");
            }
            Event::Output(name) if name == "p" => keys.look(&client),
            Event::Output(_) => {
                let text = &mut client.program_mut("flood").stdout;
                flood += text.len();
                text.clear();
            }
            Event::Text(message) => {
                assert_eq!(message["type"], "keylisten", "{message}");
                (listens, next) = (true, Instant::now());
            }
            Event::InputAck => {}
        }
    }
    assert_eq!(shown, (0..PICTURES).collect::<Vec<_>>());
    let [p50, p99] = keys.ways();
    eprintln!(
        "a key's way, binary {binary}: p50 {p50:?}, p99 {p99:?} of {}, beside {} MB of flood",
        keys.ways.len(),
        flood / 1_000_000
    );
    client.stop("flood");
    client.send_json(&key_event("p", "last", "keydown"));
    while client.program("p").exit_code.is_none() || client.program("flood").exit_code.is_none() {
        client.next();
    }
    assert_eq!(client.program("p").exit_code, Some(0));
}

#[test]
fn all_pictures_and_keys_arrive_beside_a_flood() {
    video_keys_and_a_flood(false);
}

#[test]
fn all_pictures_and_keys_arrive_beside_a_flood_in_the_binary_stream() {
    video_keys_and_a_flood(true);
}

/// Has a client see the first pictures of a program, and read nothing more.
fn watch_and_stop_reading(server: &TestServer, binary: bool, code: &str) -> StreamClient {
    let mut client = connect(server, binary);
    client.raw = client.raw.with_small_buffer();
    client.start("p", "python3", &program(code));
    // It answers pings while it does, so the server knows that it can.
    while client.program("p").pictures_seen < 3 {
        client.next();
    }
    client
}

fn says(file: &Path, wanted: &str) {
    wait_for(&format!("the program says {wanted:?}"), || {
        std::fs::read_to_string(file).is_ok_and(|text| text.contains(wanted))
    });
}

#[test]
fn who_reads_nothing_holds_no_program_up_and_gets_the_last_pictures() {
    for binary in [false, true] {
        let server = TestServer::start(&[]);
        let file = server.folder.path().join("said");
        let word = unique("pictures");
        let code = format!(
            "c = Channel(); c.send(KEYLISTEN, 'a'); out = open({file:?}, 'a', 1)\n\
             pictures(c, 3); print('{word}', file=out)\n\
             for n in range(3, 2003): c.send(VIDEO, jpeg(n))\n\
             print('shown', file=out)\n\
             while True:\n    kind, text = c.receive()\n    if kind == KEYEVENT: print(text, file=out)"
        );
        let mut client = watch_and_stop_reading(&server, binary, &code);
        let before = memory(&server);
        says(&file, "shown");
        let now = memory(&server);
        assert!(now < before + MEMORY, "{before} bytes have become {now}");
        // It obeys all the same.
        for key in ["ArrowUp", " "] {
            client.send_json(&key_event("p", key, "keydown"));
            says(&file, &format!("\"{key}\""));
        }
        client.send_json(&json!({"type": "ping"}));
        client.stop("p");
        wait_for("the program is stopped", || {
            processes_with(&word).is_empty()
        });
        // The answer is behind what was on its way, and that is not much: not all that waits.
        let mut answered = false;
        while client.program("p").exit_code.is_none() {
            match client.next() {
                Event::Text(message) if message["type"] == "pong" => answered = true,
                Event::Picture => {
                    let seen = client.program("p").pictures_seen;
                    assert!(answered || seen < 100, "{seen} pictures and no answer");
                }
                _ => {}
            }
        }
        assert!(answered);
        let shown = numbers(&mut client, "p");
        assert!(shown.is_sorted(), "{shown:?}");
        assert!(shown.starts_with(&[0, 1, 2]), "{shown:?}");
        assert!(shown.ends_with(&[1999, 2000, 2001, 2002]), "{shown:?}");
        assert!(
            shown.len() < 200,
            "{} pictures were on their way",
            shown.len()
        );
        client.answers();
    }
}

#[test]
fn who_reads_slowly_misses_pictures_and_does_not_slow_the_program_down() {
    for binary in [false, true] {
        let server = TestServer::start(&[]);
        let mut client = connect(&server, binary);
        client.raw = client.raw.with_small_buffer();
        let code = "say(pictures(Channel(), 90, 30))";
        client.start("p", "python3", &program(code));
        while client.program("p").exit_code.is_none() {
            // This is the slowness; each picture is some 45 KB.
            std::thread::sleep(Duration::from_millis(60));
            client.next();
        }
        let took = String::from_utf8_lossy(&client.program("p").stdout).into_owned();
        let took: f64 = took.trim().parse().unwrap();
        // Three seconds, and what a busy machine adds.
        assert!(took < 6.0, "90 pictures took the program {took} s");
        let shown = numbers(&mut client, "p");
        assert!(shown.is_sorted() && shown.len() < 90, "{shown:?}");
        assert_eq!(shown.last(), Some(&89), "the last one arrives");
    }
}

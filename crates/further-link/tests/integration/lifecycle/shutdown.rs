//! How the server begins and ends: what its clients, its programs, systemd and the person who
//! started it notice.

use further_link_testkit::raw::{RawClient, exchange};
use further_link_testkit::{
    DEADLINE, TempDir, TestServer, command_line, is_alive, processes, processes_with, refusal,
    unique,
};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Cgroups of that spawner, anywhere.
fn cgroups_of(spawner: i32) -> Vec<String> {
    let find = Command::new("find")
        .args([
            "/sys/fs/cgroup",
            "-name",
            &format!("further-link.{spawner}"),
        ])
        .output()
        .unwrap();
    String::from_utf8(find.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Everything that descends from that process.
fn descendants(of: i32) -> Vec<i32> {
    let all = processes();
    let mut found = vec![of];
    let mut next = 0;
    while next < found.len() {
        let children = all.iter().filter(|(_, parent)| *parent == found[next]);
        found.extend(children.map(|(pid, _)| *pid).collect::<Vec<_>>());
        next += 1;
    }
    found.split_off(1)
}

fn assert_all_gone(processes: &[i32]) {
    for pid in processes {
        assert!(!is_alive(*pid), "{}", command_line(*pid));
    }
}

/// A program that needs a moment to clean up when it is to end, and leaves marks beside `stem`.
fn careful_program(stem: &Path) -> String {
    format!(
        r#"
import signal, sys, time
def end(*_):
    open({stem:?} + '.term', 'w').close()
    time.sleep(0.3)
    open({stem:?} + '.done', 'w').close()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print('ready')
while True: time.sleep(100)
"#
    )
}

#[tokio::test]
async fn ordered_end() {
    for signal in ["TERM", "INT"] {
        let word = unique("end");
        let marks = TempDir::create();
        let mut server = TestServer::start(&[]);
        let spawner = server.spawner_pid();
        let mut client = server.connect("/run").await;
        let mut line = server.connect("/ws").await;
        let mut idle = server.connect("/run?pty=1").await;
        let stems = [marks.path().join("one"), marks.path().join("two")];
        for (name, stem) in ["1", "2"].into_iter().zip(&stems) {
            client.start(name, "python3", &careful_program(stem)).await;
            client.read_until("ready").await;
        }
        line.send_text(&format!("sh -c 'sleep 1000 # {word}'"))
            .await;
        idle.start(
            "1",
            "exec",
            &format!(
                "#!/bin/sh\n(setsid sh -c 'sleep 1000; :' {word} &)\necho ready; sleep 1000\n"
            ),
        )
        .await;
        idle.read_until("ready").await;
        further_link_testkit::wait_for("the line's command runs", || {
            processes_with(&word).len() >= 2
        });
        let programs = descendants(spawner);
        // Two of Python, the line's, and a shell with two more; some with a supervisor.
        assert!(programs.len() >= 6, "{programs:?}");

        server.signal(signal);
        for socket in [&mut client, &mut line, &mut idle] {
            let frame = socket.closed().await.unwrap();
            assert_eq!(u16::from(frame.code), 1001, "{signal}");
        }
        drop((client, line, idle));
        assert_eq!(server.wait().code(), Some(0), "{signal}: {}", server.log());
        for stem in stems {
            assert!(
                stem.with_extension("term").exists(),
                "{signal}: no program is just killed"
            );
            assert!(
                stem.with_extension("done").exists(),
                "{signal}: it had time to clean up"
            );
        }
        assert_all_gone(&programs);
        assert_eq!(processes_with(&word), [0; 0], "{signal}");
        assert!(!is_alive(spawner));
        assert_eq!(cgroups_of(spawner), [""; 0]);
        let left: Vec<_> = std::fs::read_dir(server.temp_dir())
            .unwrap()
            .flatten()
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn program_that_does_not_listen_is_killed_after_the_grace() {
    let mut server = TestServer::start(&["--stop-grace", "0.2"]);
    let mut client = RawClient::connect(&server, "/run");
    let code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up')\nwhile True: time.sleep(100)";
    client.start("1", "python3", code);
    client.until("stdout");
    let programs = descendants(server.spawner_pid());
    assert!(!programs.is_empty());
    server.signal("TERM");
    assert_eq!(client.closed(), 1001);
    drop(client);
    assert_eq!(server.wait().code(), Some(0));
    assert_all_gone(&programs);
}

#[test]
fn nobody_who_is_silent_delays_the_end() {
    /// What is promised: the grace time of programs (2 s) and 8 s more. One that says nothing
    /// should not even take that.
    const PROMISED: Duration = Duration::from_secs(8);
    let mut server = TestServer::start(&[]);
    let mut deaf = RawClient::connect(&server, "/run").with_small_buffer();
    deaf.start("1", "python3", "while True: print('x' * 1000)");
    deaf.until("stdout");
    let programs = descendants(server.spawner_pid());
    assert!(!programs.is_empty());
    let _idle_socket = RawClient::connect(&server, "/ws");
    let _silent = server.tcp();
    let mut half_head = server.tcp();
    half_head
        .write_all(b"GET /status HTTP/1.1\r\nHost: loc")
        .unwrap();
    let mut half_hello = server.tcp();
    half_hello.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).unwrap();
    let mut half_body = server.tcp();
    half_body
        .write_all(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
        .unwrap();
    let mut half_frame = RawClient::connect(&server, "/run");
    half_frame.stream.write_all(&[0x81, 0xfe]).unwrap();
    let mut kept_alive = server.tcp();
    assert_eq!(
        exchange(&mut kept_alive, "GET /status HTTP/1.1\nHost: localhost").body,
        "OK"
    );

    let asked = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert!(
        asked.elapsed() < PROMISED,
        "{:?}: {}",
        asked.elapsed(),
        server.log()
    );
    assert!(
        !server.log().contains("would not end in time"),
        "{}",
        server.log()
    );
    assert_all_gone(&programs);
}

#[test]
fn systemd_is_told() {
    let folder = TempDir::create();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    // As systemd's own: whoever runs the service may write to it.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut server = TestServer::start_with(&[], |command| {
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "200000");
    });
    let next = || {
        let mut buffer = [0; 4096];
        let count = socket.recv(&mut buffer).expect("a notification comes");
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    let has = |text: &str, word: &str| text.lines().any(|line| line == word);
    let first = next();
    assert!(has(&first, "READY=1"), "{first:?}");
    for _ in 0..4 {
        let alive = next();
        assert!(has(&alive, "WATCHDOG=1"), "{alive:?}");
    }
    server.signal("TERM");
    loop {
        let text = next();
        if has(&text, "STOPPING=1") {
            break;
        }
        assert!(has(&text, "WATCHDOG=1"), "{text:?}");
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[tokio::test]
async fn programs_do_not_learn_of_systemd() {
    let folder = TempDir::create();
    let path = folder.path().join("notify");
    let _socket = UnixDatagram::bind(&path).unwrap();
    let server = TestServer::start_with(&[], |command| {
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "60000000");
    });
    let mut client = server.connect("/run").await;
    client
        .start(
            "1",
            "python3",
            "import os; print([n for n in os.environ if 'NOTIFY' in n or 'WATCHDOG' in n])",
        )
        .await;
    assert_eq!(client.finish().await.stdout, "[]\n");
}

#[test]
fn port_in_use_is_named() {
    let server = TestServer::start(&[]);
    let port = server.port.to_string();
    let text = refusal(&["--port", &port]);
    assert!(
        text.contains(&format!("port {port} on 127.0.0.1 cannot be opened")),
        "{text}"
    );
    assert!(text.contains("in use"), "{text}");
    assert_eq!(server.get("/status").body, "OK");
    let text = refusal(&["--port", "0", "--bind", "203.0.113.1", "--auth", "none"]);
    assert!(text.contains("203.0.113.1"), "{text}");
}

#[test]
fn strangers_are_not_let_in_by_accident() {
    for address in ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"] {
        let text = refusal(&["--port", "0", "--bind", address]);
        assert!(
            text.contains("--auth none") && text.contains("127.0.0.1"),
            "{text}"
        );
    }
    let text = refusal(&["--port", "0", "--bind", "127.0.0.1", "--bind", "0.0.0.0"]);
    assert!(text.contains("0.0.0.0"), "{text}");
    let server = TestServer::start(&["--bind", "0.0.0.0", "--auth", "none"]);
    assert_eq!(server.get("/status").body, "OK");
    assert!(
        server.log().contains("may run programs on this device"),
        "{}",
        server.log()
    );
    for loopback in ["localhost", "127.0.0.2", "::1"] {
        if loopback != "127.0.0.2" && std::net::TcpListener::bind("[::1]:0").is_err() {
            eprintln!("not tried: this machine has no IPv6");
            continue;
        }
        TestServer::start(&["--bind", loopback]);
    }
}

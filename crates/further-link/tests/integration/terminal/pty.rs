//! Programs on a terminal (`pty=1`).

use further_link_testkit::{Client, TestServer};
use serde_json::json;

/// Both ways in which a program is held together with what it starts.
const MODES: [&str; 2] = ["run.cgroup=auto", "run.cgroup=off"];

async fn resize(client: &mut Client, name: &str, rows: u16, columns: u16) {
    let data = json!({"rows": rows, "cols": columns});
    client
        .send(json!({"type": "resize", "process": name, "data": data}))
        .await;
}

#[tokio::test]
async fn each_runner_gets_a_controlling_terminal() {
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let mut client = server.connect("/run?pty=1").await;
        let ask = "tty; stty size; stty size </dev/tty; stat -c '%u %a' $(tty)";
        let mine = nix::unistd::Uid::effective();
        let check = |text: &str| {
            let lines: Vec<_> = text
                .split("\r\n")
                .filter(|line| !line.contains("pts"))
                .collect();
            assert!(text.contains("/dev/pts/"), "{mode}: {text:?}");
            assert_eq!(
                lines,
                ["4 60", "4 60", &format!("{mine} 620"), ""],
                "{mode}: {text:?}"
            );
        };
        let sh = client
            .run(json!({"runner": "exec", "code": format!("#!/bin/sh\n{ask}")}))
            .await;
        let pts = sh.stdout.split_once("/dev/pts/").unwrap().1;
        check(&sh.stdout);
        assert!(pts.starts_with(|first: char| first.is_ascii_digit()));
        let code = format!("import os; os.system(\"{ask}\")");
        check(
            &client
                .run(json!({"runner": "python3", "code": code}))
                .await
                .stdout,
        );
        client.start_data("shell", json!({"runner": "shell"})).await;
        client
            .stdin("shell", "stty size | tr ' ' x; exit 3\n")
            .await;
        let shell = client.finish().await;
        assert!(shell.stdout.contains("4x60"), "{shell:?}");
        assert_eq!(shell.exit_code, 3);
    }
}

#[tokio::test]
async fn everything_comes_as_stdout() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?pty=1").await;
    let code =
        "import sys\nfor n in range(5):\n  print('out', n)\n  print('err', n, file=sys.stderr)";
    let finished = client.run(json!({"runner": "python3", "code": code})).await;
    let expected: String = (0..5).map(|n| format!("out {n}\r\nerr {n}\r\n")).collect();
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str()),
        (expected.as_str(), "")
    );
}

#[tokio::test]
async fn new_size_is_told_to_the_program() {
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let mut client = server.connect("/run?pty=1").await;
        let code = "import os, signal\n\
                    signal.signal(signal.SIGWINCH, lambda *_: print(*os.get_terminal_size()))\n\
                    print('up')\nwhile True: signal.pause()";
        client.start("t", "python3", code).await;
        client.read_until("up\r\n").await;
        for (rows, columns) in [(30, 100), (1, 1), (65535, 65535), (4, 60)] {
            resize(&mut client, "t", rows, columns).await;
            client.read_until(&format!("{columns} {rows}\r\n")).await;
        }
    }
}

#[tokio::test]
async fn size_before_started_is_kept() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?pty=1").await;
    let code = "import os, time\nwhile tuple(os.get_terminal_size()) != (100, 30): time.sleep(0.01)\n\
                print('as wished')";
    client.start("t", "python3", code).await;
    resize(&mut client, "t", 10, 10).await;
    resize(&mut client, "t", 30, 100).await;
    assert_eq!(client.finish().await.stdout, "as wished\r\n");
}

#[tokio::test]
async fn what_is_typed_is_echoed_unless_the_program_says_otherwise() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?pty=1").await;
    let code = "import getpass\nprint('got', input('name: '))\n\
                print('secret', len(getpass.getpass('word: ')))";
    client.start("1", "python3", code).await;
    client.read_until("name: ").await;
    client.stdin("1", "ann\n").await;
    let text = client.read_until("word: ").await;
    assert_eq!(text, "ann\r\ngot ann\r\nword: ");
    client.stdin("1", "12345\n").await;
    assert_eq!(client.finish().await.stdout, "\r\nsecret 5\r\n");
}

#[tokio::test]
async fn lines_are_edited_by_whole_characters() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?pty=1").await;
    client
        .start("1", "python3", "print('up'); print('got', ascii(input()))")
        .await;
    client.read_until("up\r\n").await;
    client.stdin("1", "a€ü\u{7f}\u{7f}\n").await;
    let stdout = client.finish().await.stdout;
    assert!(stdout.ends_with("got 'a'\r\n"), "{stdout:?}");
}

#[tokio::test]
async fn ctrl_c_interrupts_python() {
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let mut client = server.connect("/run?pty=1").await;
        let wait = "import signal\ntry:\n  print('up')\n  while True: signal.pause()\n\
                    except KeyboardInterrupt: print('caught')";
        client.start("1", "python3", wait).await;
        client.read_until("up\r\n").await;
        client.stdin("1", "\u{3}").await;
        let finished = client.finish().await;
        assert!(
            finished.stdout.ends_with("caught\r\n"),
            "{mode}: {finished:?}"
        );
        assert_eq!(finished.exit_code, 0);

        client
            .start("2", "python3", "print('up')\nwhile True: pass")
            .await;
        client.read_until("up\r\n").await;
        client.stdin("2", "\u{3}").await;
        let finished = client.finish().await;
        assert!(
            finished.stdout.contains("KeyboardInterrupt"),
            "{mode}: {finished:?}"
        );
        assert_eq!(finished.exit_code, -2);
        // And the key for SIGQUIT.
        client
            .start(
                "3",
                "exec",
                "#!/bin/sh\nulimit -c 0; echo up; exec sleep 1000",
            )
            .await;
        client.read_until("up\r\n").await;
        client.stdin("3", "\u{1c}").await;
        assert_eq!(client.finish().await.exit_code, -3);
    }
}

#[tokio::test]
async fn ctrl_d_ends_the_input() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?pty=1").await;
    client
        .start(
            "1",
            "python3",
            "import sys; print('up'); print(len(sys.stdin.read()))",
        )
        .await;
    client.read_until("up\r\n").await;
    client.stdin("1", "four\n\u{4}").await;
    assert!(client.finish().await.stdout.ends_with("\r\n5\r\n"));
}

#[tokio::test]
async fn shell_has_job_control() {
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let mut client = server.connect("/run?pty=1").await;
        client.start_data("sh", json!({"runner": "shell"})).await;
        resize(&mut client, "sh", 24, 200).await;
        // Quotation marks keep the echo of what is typed apart from what it does.
        client
            .stdin(
                "sh",
                "sh -c 'echo be\"\"gun; read word; echo \"got-$word\"'\n",
            )
            .await;
        client.read_until("begun").await;
        client.stdin("sh", "\u{1a}").await;
        client.read_until("Stopped").await;
        client.stdin("sh", "echo mean''while\n").await;
        client.read_until("meanwhile").await;
        client.stdin("sh", "fg\n").await;
        client.read_until("read word").await;
        client.stdin("sh", "it\n").await;
        client.read_until("got-it").await;
        client
            .stdin("sh", "sh -c 'echo a\"\"gain; exec sleep 1000'\n")
            .await;
        client.read_until("again").await;
        client.stdin("sh", "\u{3}").await;
        client.read_until("^C").await;
        client.stdin("sh", "echo af''ter; exit 5\n").await;
        client.read_until("after").await;
        assert_eq!(client.finish().await.exit_code, 5, "{mode}");
    }
}

#[tokio::test]
async fn full_screen_programs_run() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?pty=1").await;
    let code = "import curses\ndef main(screen):\n  screen.addstr(1, 1, 'full'); screen.refresh()\n  \
                key = screen.getch()\n  curses.endwin(); print('key', chr(key), curses.LINES)\n\
                curses.wrapper(main)";
    client.start("curses", "python3", code).await;
    let text = client.read_until("full").await;
    assert!(text.contains("\u{1b}[?1049h"), "the other screen: {text:?}");
    client.stdin("curses", "q").await;
    let finished = client.finish().await;
    assert!(finished.stdout.contains("key q 4"), "{finished:?}");
    assert_eq!(finished.exit_code, 0);
}

#[tokio::test]
async fn vim_edits_a_file() {
    if !std::path::Path::new("/usr/bin/vim").exists() {
        eprintln!("not run: vim is not installed");
        return;
    }
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?pty=1").await;
    client
        .start("vim", "exec", "#!/bin/sh\nexec vim -u NONE -n text")
        .await;
    resize(&mut client, "vim", 24, 80).await;
    client.read_until("\u{1b}[?1049h").await;
    client.stdin("vim", "iwritten ü\u{1b}:wq\r").await;
    let finished = client.finish().await;
    assert_eq!(finished.exit_code, 0, "{finished:?}");
    let text = std::fs::read_to_string(server.temp_dir().join("text")).unwrap();
    assert_eq!(text, "written ü\n");
}

#[tokio::test]
async fn large_paste_arrives_and_large_output_leaves() {
    const SIZE: usize = 300_000;
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?pty=1").await;
    let code = format!(
        "import os, tty\ntty.setraw(0); os.write(1, b'up')\ntext = b''\n\
         while len(text) < {SIZE}: text += os.read(0, 4096)\n\
         done = 0\nwhile done < len(text): done += os.write(1, text[done:])"
    );
    client.start("1", "python3", &code).await;
    client.read_until("up").await;
    let paste: String = (0..SIZE)
        .map(|index| (b' ' + (index % 89) as u8) as char)
        .collect();
    client.stdin("1", &paste).await;
    let stdout = client.finish().await.stdout;
    assert!(stdout == paste, "{} of {} bytes", stdout.len(), paste.len());
}

#[tokio::test]
async fn terminal_of_one_program_is_not_anothers() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?pty=1").await;
    for name in ["a", "b"] {
        client
            .start(name, "python3", "import os; print(os.ttyname(0)); input()")
            .await;
    }
    let mut names = Vec::new();
    while names.len() < 2 {
        let message = client.recv().await;
        if message["type"] == "stdout" {
            names.push(message["data"]["output"].as_str().unwrap().to_owned());
        }
    }
    assert_ne!(names[0], names[1]);
    resize(&mut client, "a", 9, 9).await;
    client.stdin("b", "\u{3}").await;
    let stopped = client.until("stopped").await;
    assert_eq!(stopped["process"], "b");
    client.stdin("a", "\n").await;
    let stopped = client.until("stopped").await;
    assert_eq!(
        (&stopped["process"], &stopped["data"]["exitCode"]),
        (&json!("a"), &json!(0))
    );
}

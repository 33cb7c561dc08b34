//! The terminal server's HTTP dialect, with a client that behaves as its older pages do.

use further_link_testkit::terminal::{Page, TerminalServer, memory_of, plain, wait_until_held_up};
use further_link_testkit::{
    TempDir, command_of, names_in, processes_with, refusal_of, unique, wait_for, write_file,
};
use serde_json::json;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Has the shell become a program that says "ready" and then gives back what it gets, byte by byte.
const ECHO: &str = "exec sh -c \"stty raw -echo; echo re''ady; exec cat\"\r";

#[test]
fn shell_is_started_told_its_size_and_answers() {
    let server = TerminalServer::start(&[]);
    let mut page = server.page();
    let answer = page.get("/?size=24x80&session=one");
    assert_eq!((answer.status, &*answer.body), (200, r#"{"text":""}"#));
    assert!(page.cookie.is_some());
    let first = page.read_until("one", "\r\n");
    assert!(first.starts_with("Further Link "), "{first:?}");
    page.keys("one", "stty size; tty\r");
    let text = page.read_until("one", "/dev/pts/");
    assert!(text.contains("\n24 80\r\n"), "{text:?}");
    // A new size, with keys and alone.
    let both = json!({"text": "stty size\r", "size": "40x100"}).to_string();
    assert_eq!(
        page.ask("POST", "/?session=one", both.as_bytes()).status,
        200
    );
    page.read_until("one", "\n40 100\r\n");
    assert_eq!(page.status("/?size=41x101&session=one"), 200);
    // Keys as plain text.
    assert_eq!(
        page.ask("POST", "/?session=one", b"stty size\r").status,
        200
    );
    page.read_until("one", "\n41 101\r\n");
    // A size in the answer to which is what there is.
    page.keys("one", "echo un''seen\r");
    page.read_until_at("/?size=41x101&console&session=one", "\nunseen\r\n");
}

#[test]
fn characters_that_come_in_pieces_are_whole() {
    let server = TerminalServer::start(&[]);
    let mut page = server.page();
    page.keys(
        "u",
        "echo 'é雪😀' | rev; printf '\\303'; sleep 0.2; printf '\\251\\n'; echo en''d\r",
    );
    let text = page.read_until("u", "\nend\r\n");
    assert!(text.contains("\n😀雪é\r\n"), "{text:?}");
    assert!(text.contains("\né\r\n"), "{text:?}");
    assert!(!text.contains('\u{fffd}'), "{text:?}");
    page.keys("u", "printf '\\377|\\n'\r");
    page.read_until("u", "\n\u{fffd}|\r\n");
}

#[test]
fn request_that_waits_is_answered_as_soon_as_there_is_output() {
    let server = TerminalServer::start(&[]);
    let mut page = server.page();
    page.keys("w", ECHO);
    page.read_until("w", "ready");
    // Nothing comes: it takes as long as was asked for.
    let begun = Instant::now();
    assert_eq!(page.console("w", 1), json!({"text": ""}));
    let waited = begun.elapsed();
    assert!((1.0..5.0).contains(&waited.as_secs_f64()), "{waited:?}");
    // Without a wait, at once.
    let begun = Instant::now();
    assert_eq!(page.console("w", 0), json!({"text": ""}));
    assert!(begun.elapsed() < Duration::from_millis(500));
    // Something comes: nobody waits for the end.
    let mut typing = page.again();
    let mut times = Vec::new();
    for _ in 0..9 {
        page.send("GET", "/?console&session=w&wait=30", b"");
        let begun = Instant::now();
        typing.keys("w", "here");
        assert_eq!(page.receive().json(), json!({"text": "here"}));
        times.push(begun.elapsed());
    }
    times.sort();
    assert!(times[4] < Duration::from_millis(200), "{times:?}");
}

#[test]
fn of_those_who_wait_the_newest_gets_the_output_and_the_others_have_their_turn() {
    let server = TerminalServer::start(&["--no-welcome"]);
    let mut first = server.page();
    first.keys("w", ECHO);
    first.read_until("w", "ready");
    let (mut second, mut third, mut typing) = (first.again(), first.again(), first.again());
    // An answer to a later request says that the earlier one waits.
    for page in [&mut first, &mut second, &mut third] {
        page.get("/?sessions");
        page.send("GET", "/?console&session=w&wait=30", b"");
        typing.get("/?sessions");
    }
    typing.keys("w", "a");
    assert_eq!(third.receive().json(), json!({"text": "a"}));
    // One that has gone away is not waited for.
    drop(second);
    typing.get("/?sessions");
    typing.keys("w", "b");
    assert_eq!(first.receive().json(), json!({"text": "b"}));
    // The end is for all.
    for page in [&mut first, &mut third] {
        page.send("GET", "/?console&session=w&wait=30", b"");
        typing.get("/?sessions");
    }
    typing.get("/?kill=w");
    for page in [&mut first, &mut third] {
        assert_eq!(page.receive().json(), json!({"text": "", "ended": true}));
    }
}

#[test]
fn sessions_are_listed_and_ended() {
    let word = unique("listed");
    let server = TerminalServer::start(&[]);
    let mut page = server.page();
    assert_eq!(page.ids(), [""; 0]);
    page.keys("b", &format!("exec sh -c 'sleep 1000; : {word}'\r"));
    assert_eq!(page.status("/?size=24x80&session=a"), 200);
    wait_for("the program runs", || !processes_with(&word).is_empty());
    let list = page.sessions();
    assert_eq!(page.ids(), ["a", "b"]);
    let (a, b) = (&list[0], &list[1]);
    assert_eq!((&a["ty"], &a["sz"]), (&json!(false), &json!("80x24")));
    assert_eq!((&b["ty"], &b["sz"]), (&json!(false), &json!("-")));
    assert!(a["tm"].as_u64().unwrap() < 10);
    let date = a["dt"].as_str().unwrap();
    let shape: String = date
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000/00/00 00:00:00");
    let now = std::process::Command::new("date")
        .arg("+%Y/%m/%d %H")
        .output()
        .unwrap();
    let now = String::from_utf8(now.stdout).unwrap();
    assert_eq!(date[..10], now[..10], "the device's own date");

    assert_eq!(page.status("/?kill=c"), 404);
    assert_eq!(page.get("/?kill=b").body, "{}");
    assert_eq!(page.ids(), ["a"]);
    assert_eq!(page.ask("POST", "/?kill=a", b"").body, "{}");
    assert_eq!(page.ids(), [""; 0]);
    wait_for("the program is gone", || processes_with(&word).is_empty());
}

#[test]
fn request_that_waits_is_told_that_the_session_was_ended() {
    let server = TerminalServer::start(&["--no-welcome"]);
    let mut page = server.page();
    page.keys("k", ECHO);
    page.read_until("k", "ready");
    let mut waiting = page.again();
    waiting.get("/?sessions");
    waiting.send("GET", "/?console&session=k&wait=30", b"");
    // Its answer says that the other one waits.
    page.get("/?sessions");
    let begun = Instant::now();
    assert_eq!(page.get("/?kill=k").body, "{}");
    assert_eq!(waiting.receive().json(), json!({"text": "", "ended": true}));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(page.ids(), [""; 0]);
}

#[test]
fn shell_that_ends_says_its_last_words_and_then_there_is_a_new_one() {
    let server = TerminalServer::start(&["--no-welcome"]);
    let mut page = server.page();
    page.keys("e", "echo la''st; exit\r");
    let mut text = String::new();
    loop {
        let answer = page.console("e", 10);
        text += answer["text"].as_str().unwrap();
        if answer["ended"] == true {
            break;
        }
    }
    let text = plain(&text);
    assert!(text.contains("\nlast\r\n"), "{text:?}");
    assert_eq!(page.ids(), [""; 0]);
    page.keys("e", "echo ag''ain\r");
    page.read_until("e", "\nagain\r\n");
}

#[test]
fn sessions_that_nobody_visits_end() {
    let (word, other) = (unique("idle"), unique("visited"));
    let server = TerminalServer::start(&["--idle", "1"]);
    let mut page = server.page();
    for (session, word) in [("gone", &word), ("kept", &other)] {
        page.keys(session, &format!("sh -c 'sleep 1000; : {word}'\r"));
        wait_for("the program runs", || !processes_with(word).is_empty());
    }
    let mut kept = page.again();
    kept.read_until("kept", "sleep");
    let begun = Instant::now();
    while !processes_with(&word).is_empty() {
        // Who waits is there, however long it takes.
        kept.console("kept", 2);
        assert!(begun.elapsed() < further_link_testkit::DEADLINE);
    }
    assert_eq!(page.ids(), ["kept"]);
    assert!(!processes_with(&other).is_empty());
    wait_for("the other ends, too", || processes_with(&other).is_empty());
}

#[test]
fn what_is_not_fetched_holds_the_program_up_and_none_of_it_is_lost() {
    let server = TerminalServer::start(&["--no-welcome"]);
    let mut page = server.page();
    let word = unique("flood");
    let before = memory_of(server.server.pid());
    // 30 MB in numbered lines.
    let count = "BEGIN { for (n = 0; n < 3000000; n++) printf \"%09d\\n\", n; print \"end\" }";
    page.keys(
        "f",
        &format!("stty -echo -opost; echo re''ady; exec awk -v w={word} '{count}'\r"),
    );
    let text = page.read_until("f", "\nready\n");
    let (_, beginning) = text.split_once("\nready\n").unwrap();
    wait_for("the program runs", || !processes_with(&word).is_empty());
    wait_until_held_up(processes_with(&word)[0]);
    let grown = memory_of(server.server.pid()).saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more");
    let mut text = beginning.to_owned();
    let mut next = 0;
    loop {
        text += page.console("f", 10)["text"].as_str().unwrap();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        for line in text[..whole].lines() {
            if line == "end" {
                assert_eq!(next, 3_000_000);
                return;
            }
            assert_eq!(line, format!("{next:09}"));
            next += 1;
        }
        text.drain(..whole);
    }
}

#[test]
fn client_with_a_cookie_alone_has_one_session() {
    let server = TerminalServer::start(&[]);
    let mut page = server.page();
    // As pages do it: first the page itself, which brings the cookie.
    assert_eq!(page.status("/"), 200);
    let cookie = page.cookie.clone();
    assert_eq!(page.status("/?size=24x80"), 200);
    let post = page.ask("POST", "/", br#"{"text": "echo o''nly\r"}"#);
    assert_eq!(post.status, 200);
    page.read_until_at("/?console&wait=5", "\nonly\r\n");
    assert_eq!(page.cookie, cookie, "the cookie stays");
    let ids = page.ids();
    assert_eq!(ids.len(), 1);
    assert_ne!(Some(&ids[0]), cookie.as_ref(), "the list tells no secrets");
    assert_eq!(page.get(&format!("/?kill={}", ids[0])).body, "{}");
    assert_eq!(page.ids(), [""; 0]);
}

#[test]
fn client_without_cookies_is_told_what_it_needs() {
    let server = TerminalServer::start(&["--token", "a-secret-of-some-length"]);
    let port = server.server.port;
    let nobody = || further_link_testkit::terminal::Page::new(port);
    assert_eq!(nobody().status("/?size=24x80&session=mine"), 200);
    let answer = nobody().get("/?console&session=mine");
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("cookie"), "{answer:?}");
    // With the token it is one and the same without a cookie.
    let known = || nobody().saying("Authorization: Bearer a-secret-of-some-length");
    known().keys("tool", "echo kn''own\r");
    let text = known().read_until("tool", "\nknown\r\n");
    assert!(text.contains("echo"), "{text:?}");
    assert_eq!(known().ids(), ["mine", "tool"]);
    assert_eq!(known().get("/?kill=mine").body, "{}");
    assert_eq!(known().ids(), ["tool"]);
}

#[test]
fn our_own_page_and_a_folder_with_another() {
    let server = TerminalServer::start(&[]);
    let own = server.page().get("/");
    assert_eq!(own.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(own.body.contains("<title>Terminal"), "{own:?}");
    assert_eq!(server.page().status("/nothing.html"), 404);

    let server = TerminalServer::start_with(&[], |folder, command| {
        let root = folder.path().join("root");
        write_file(&root.join("index.html"), "<p>index");
        write_file(&root.join("js/xwterm.js"), "let a;");
        write_file(&root.join("js/index.html"), "<p>folder");
        write_file(&root.join("a b%.txt"), "blank");
        command.arg("--docroot").arg(root);
    });
    let mut page = server.page();
    for (path, kind, body) in [
        ("/", "text/html; charset=utf-8", "<p>index"),
        ("/?v=1", "text/html; charset=utf-8", "<p>index"),
        ("/index.html", "text/html; charset=utf-8", "<p>index"),
        ("/js/xwterm.js", "text/javascript; charset=utf-8", "let a;"),
        ("/js/", "text/html; charset=utf-8", "<p>folder"),
        ("/a%20b%25.txt", "text/plain; charset=utf-8", "blank"),
    ] {
        let answer = page.get(path);
        assert_eq!((answer.status, &*answer.body), (200, body), "{path}");
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let tag = answer.header("etag").unwrap();
        let again = page.saying(&format!("If-None-Match: {tag}")).get(path);
        assert_eq!((again.status, &*again.body), (304, ""), "{path}");
    }
    let moved = page.get("/js?a=b");
    assert_eq!(
        (moved.status, moved.header("location")),
        (301, Some("/js/?a=b"))
    );
    assert_eq!(page.status("/js/nothing"), 404);
    assert_eq!(page.status("/index.html/more"), 404);
}

#[test]
fn no_cache_gives_one_clients_cookie_to_another() {
    let with_folder = TerminalServer::start_with(&[], |folder, command| {
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("index.html"), "page").unwrap();
        command.arg("--docroot").arg(root);
    });
    let with_own_page = TerminalServer::start(&[]);
    let mut own = with_own_page.page();
    let page = own.get("/").body;
    let asset = page
        .split(&['"', '\''])
        .find(|text| text.contains("assets/"));
    let asset = asset.map(|asset| format!("/{}", asset.trim_start_matches(['.', '/'])));
    let mut pages = [
        own,
        with_folder.page(),
        Page::new(with_own_page.websocket_port),
    ];
    let of_own_page = asset
        .iter()
        .map(String::as_str)
        .map(|asset| (0, "GET", asset));
    let others = [
        (0, "GET", "/"),
        (0, "GET", "/nothing"),
        (1, "GET", "/"),
        // A redirect, which may be kept without a word about it.
        (1, "GET", "/sub"),
        (1, "GET", "/nothing"),
        (1, "GET", "/?sessions"),
        (1, "DELETE", "/"),
        (2, "GET", "/nothing"),
    ];
    for (page, method, target) in others.into_iter().chain(of_own_page) {
        let answer = pages[page].ask(method, target, b"");
        assert!(answer.header("set-cookie").is_some(), "{answer:?}");
        let kept = answer.header("cache-control").unwrap_or_default();
        let is_private = kept.starts_with("private, ") || kept == "no-store";
        assert!(
            is_private && !kept.contains("public"),
            "{target}: {answer:?}"
        );
    }
}

#[test]
fn files_that_are_sent_are_stored_as_a_whole() {
    let server = TerminalServer::start(&[]);
    let mut page = server.page();
    assert_eq!(page.ask("PUT", "/notes.txt", b"one").status, 201);
    assert_eq!(page.ask("PUT", "/notes.txt", b"two").status, 204);
    let large = vec![b'x'; 3_000_000];
    assert_eq!(page.ask("PUT", "/gr%C3%B6%C3%9Fe", &large).status, 201);
    let folder = server.server.work_dir().join("uploads");
    assert_eq!(std::fs::read(folder.join("notes.txt")).unwrap(), b"two");
    assert_eq!(std::fs::read(folder.join("größe")).unwrap(), large);
    assert_eq!(names_in(&folder), ["größe", "notes.txt"]);
    // One that breaks off leaves nothing.
    let mut cut = page.saying("X: 1");
    cut.send("PUT", "/cut.txt", b"");
    drop(cut);
    let server = TerminalServer::start_with(&[], |folder, command| {
        command.arg("--upload-dir").arg(folder.path().join("here"));
    });
    assert_eq!(server.page().ask("PUT", "/a", b"b").status, 201);
    assert_eq!(names_in(&server.server.folder.path().join("here")), ["a"]);
}

#[test]
fn options_do_what_they_say() {
    let server = TerminalServer::start(&[
        "--initial-size",
        "100x30",
        "--no-welcome",
        "--no-websocket",
        "--aiohttp-workaround",
    ]);
    assert_eq!(server.websocket_port, 0);
    let mut page = server.page();
    page.keys("o", "stty size\r");
    let text = page.read_until("o", "\n30 100\r\n");
    assert!(!text.contains("Further Link"), "{text:?}");

    let server = TerminalServer::start(&["--no-http", "--use-conpty"]);
    assert_eq!(server.server.port, server.websocket_port);
    assert_eq!(server.page().status("/?sessions"), 426);
    assert!(server.server.log().contains("belong to Windows"));

    let said = |arguments: &[&str]| refusal_of("terminal", arguments);
    assert!(said(&["--docroot", "/no/such/folder"]).contains("/no/such/folder"));
    assert!(said(&["--token", "short"]).contains("token"));
}

#[test]
fn quiet_is_quiet() {
    let folder = TempDir::create();
    let notified = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    // The server has given its rights up by then.
    std::fs::set_permissions(folder.path().join("notify"), Permissions::from_mode(0o777)).unwrap();
    notified
        .set_read_timeout(Some(further_link_testkit::DEADLINE))
        .unwrap();
    let server = command_of("terminal", &folder)
        .args(["--http", "0", "--ws", "0", "--quiet"])
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = [0; 100];
    let count = notified.recv(&mut told).unwrap();
    assert!(told[..count].starts_with(b"READY=1"));
    let pid = nix::unistd::Pid::from_raw(server.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let output = server.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn all_shells_end_with_the_server() {
    let word = unique("end");
    let mut server = TerminalServer::start(&[]);
    let mut page = server.page();
    page.keys(
        "x",
        &format!("sh -c 'sleep 1000; : {word}' & (setsid sh -c 'sleep 1000; :' {word} &)\r"),
    );
    wait_for("the programs run", || processes_with(&word).len() >= 2);
    page.send("GET", "/?console&session=y&wait=30", b"");
    page.receive();
    page.send("GET", "/?console&session=y&wait=30", b"");
    let begun = Instant::now();
    server.server.signal("TERM");
    assert_eq!(server.server.wait().code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    assert!(processes_with(&word).is_empty());
}

//! What strangers, pages of others and broken clients try with the terminal server.

use further_link_testkit::raw::{UPGRADE, exchange};
use further_link_testkit::terminal::{Page, TerminalServer, memory_of};
use further_link_testkit::{names_in, processes_with, unique, wait_for, write_file};
use std::os::unix::fs::symlink;

/// As all browsers call themselves.
const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; Linux aarch64)";

/// Whether somebody has a session, which only the token tells.
fn is_empty(server: &TerminalServer) -> bool {
    let mut all = server
        .page()
        .saying("Authorization: Bearer the-token-of-the-test");
    all.sessions().is_empty()
}

fn with_token() -> TerminalServer {
    TerminalServer::start(&["--token", "the-token-of-the-test"])
}

#[test]
fn who_guesses_an_id_has_nothing_of_it() {
    let server = with_token();
    let mut owner = server.page();
    owner.keys("main", "echo se''cret\r");
    owner.read_until("main", "\nsecret\r\n");
    // With a cookie of its own, and one that it has made up.
    let mut other = server.page();
    assert_eq!(other.status("/"), 200);
    let mut forger = server.page();
    forger.cookie = Some("00000000000000000000000000000000".to_owned());
    for thief in [&mut other, &mut forger] {
        assert_eq!(thief.ids(), [""; 0]);
        assert_eq!(thief.status("/?kill=main"), 404);
        // The same name is another session.
        thief.keys("main", "echo ot''her\r");
        let text = thief.read_until("main", "\nother\r\n");
        assert!(!text.contains("secret"), "{text:?}");
        assert_eq!(thief.get("/?kill=main").body, "{}");
    }
    // Without a cookie: neither output, nor keys, nor a second shell.
    for (method, target) in [
        ("GET", "/?console&session=main"),
        ("GET", "/?size=2x2&session=main"),
        ("POST", "/?session=main"),
    ] {
        let answer = server.page().ask(method, target, b"x");
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    assert_eq!(server.page().status("/?kill=main"), 404);
    owner.keys("main", "stty size\r");
    let text = owner.read_until("main", "\n40 120\r\n");
    assert!(!text.contains("other"), "{text:?}");
    assert_eq!(owner.ids(), ["main"]);
}

#[test]
fn wrong_token_is_refused_and_none_is_right_where_there_is_none() {
    let server = with_token();
    for wrong in [
        "Bearer wrong-token-here",
        "Bearer ",
        "Bearer the-token-of-the-tes",
        "Basic the-token-of-the-test",
    ] {
        let mut page = server.page().saying(&format!("Authorization: {wrong}"));
        assert_eq!(page.status("/?sessions"), 401, "{wrong}");
    }
    let open = TerminalServer::start(&[]);
    let mut page = open.page().saying("Authorization: Bearer ");
    assert_eq!(page.status("/?sessions"), 401);
}

#[test]
fn pages_of_others_change_nothing() {
    let server = with_token();
    let mut victim = server.page();
    victim.keys("main", "echo re''ady\r");
    victim.read_until("main", "\nready\r\n");
    let requests: [(&str, &str, &[u8]); 7] = [
        ("GET", "/?kill=main", b""),
        ("GET", "/?size=24x80&session=new", b""),
        ("GET", "/?console&session=new", b""),
        ("POST", "/?kill=main", b""),
        ("POST", "/?session=main", b"exit\r"),
        ("POST", "/?session=new", b"exit\r"),
        ("PUT", "/evil.txt", b"evil"),
    ];
    let own = format!("http://127.0.0.1:{}", server.server.port);
    let signs = [
        "Origin: http://evil.example".to_owned(),
        "Origin: null".to_owned(),
        "Origin: http://127.0.0.1:1".to_owned(),
        format!("Origin: {own}.evil.example"),
        "Sec-Fetch-Site: cross-site".to_owned(),
        "Sec-Fetch-Site: same-site".to_owned(),
        format!("Sec-Fetch-Site: cross-site\r\nReferer: {own}/"),
        "Referer: http://evil.example/".to_owned(),
        format!("Referer: http://evil.example/{own}/"),
        "Referer: http://127.0.0.1:1/".to_owned(),
    ];
    for sign in &signs {
        for (method, target, body) in requests {
            // With the cookie, as a browser that sends it anywhere would; and without.
            let mut with = victim.saying(BROWSER).saying(sign);
            let without = Page::new(server.server.port);
            for page in [&mut with, &mut without.saying(BROWSER).saying(sign)] {
                let answer = page.ask(method, target, body);
                assert_eq!(answer.status, 403, "{sign} {method} {target}: {answer:?}");
            }
        }
    }
    // A browser that says nothing, or that somebody typed the address: a page on another port can
    // have it say no more, and the cookie comes with it.
    for page in [&victim, &Page::new(server.server.port)] {
        let silent = page.saying(BROWSER);
        for mut page in [silent.again(), silent.saying("Sec-Fetch-Site: none")] {
            for (method, target, body) in requests {
                let answer = page.ask(method, target, body);
                assert_eq!(answer.status, 403, "{method} {target}: {answer:?}");
            }
        }
    }
    assert_eq!(victim.ids(), ["main"]);
    assert_eq!(names_in(&server.server.work_dir()), [""; 0]);

    // Our own page may, whatever of it the browser tells.
    let browser = victim.saying(BROWSER);
    for (sign, session) in [
        ("Sec-Fetch-Site: same-origin".to_owned(), "a"),
        (format!("Referer: {own}/terminal.html?x"), "b"),
        (format!("Origin: {own}"), "c"),
        (
            format!("Origin: http://127.0.0.1:{}", server.websocket_port),
            "d",
        ),
    ] {
        let mut page = browser.saying(&sign);
        assert_eq!(page.status(&format!("/?size=9x9&session={session}")), 200);
        assert_eq!(page.get(&format!("/?kill={session}")).body, "{}", "{sign}");
    }
}

#[test]
fn names_of_others_and_sockets_of_their_pages_are_turned_away() {
    let server = with_token();
    for port in [server.server.port, server.websocket_port] {
        let mut rebound = Page::new(port).saying(&format!("Host: evil.example:{port}"));
        assert_eq!(rebound.status("/?size=24x80&session=x"), 403);
        for line in [
            "Origin: http://evil.example",
            "Origin: http://127.0.0.1:1",
            "Origin: null",
        ] {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let head = format!("GET / HTTP/1.1\nHost: 127.0.0.1:{port}\n{line}\n{UPGRADE}");
            assert_eq!(exchange(&mut stream, &head).status, 403, "{line}");
        }
        // A page from the one port may use both.
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let own = server.server.port;
        let head = format!(
            "GET / HTTP/1.1\nHost: 127.0.0.1:{port}\nOrigin: http://127.0.0.1:{own}\n{UPGRADE}"
        );
        assert_eq!(exchange(&mut stream, &head).status, 101);
    }
    let mut page = Page::new(server.websocket_port);
    assert_eq!(page.status("/other"), 404);
    assert_eq!(page.status("/"), 426);
    wait_for("nothing is left", || is_empty(&server));
}

#[test]
fn no_path_leads_out_of_the_document_root() {
    let server = TerminalServer::start_with(&[], |folder, command| {
        let root = folder.path().join("root");
        write_file(&folder.path().join("secret.txt"), "secret");
        write_file(&root.join("index.html"), "<p>index");
        write_file(&root.join(".hidden"), "secret");
        write_file(&root.join(".git/config"), "secret");
        write_file(&root.join("sub/.env"), "secret");
        symlink("../secret.txt", root.join("link.txt")).unwrap();
        symlink("/etc", root.join("etc")).unwrap();
        nix::unistd::mkfifo(&root.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        command.arg("--docroot").arg(root);
    });
    let mut page = server.page();
    for path in [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/.%2e/secret.txt",
        "/%252e%252e/secret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/link.txt",
        "/etc/passwd",
        "/etc/hostname",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/etc%00.html",
        "/index.html%00",
        "/.hidden",
        "/./.hidden",
        "/.git/config",
        "/sub/.env",
        "/%2ehidden",
        "/fifo",
        "/%",
        "/%zz",
        "/%ff",
        &format!("/{}", "a/".repeat(3000)),
        &format!("/{}", "a".repeat(300)),
    ] {
        let answer = page.ask("GET", path, b"");
        assert!(
            [400, 403, 404].contains(&answer.status),
            "{path}: {answer:?}"
        );
        assert!(
            !answer.body.contains("secret\n") && !answer.body.contains("root:"),
            "{path}"
        );
    }
    assert_eq!(page.status("/index.html"), 200);
}

#[test]
fn nothing_is_stored_outside_of_the_upload_folder() {
    let server = TerminalServer::start(&["--set", "limits.file_bytes=100000"]);
    let mut page = server.page();
    assert_eq!(page.ask("PUT", "/first", b"x").status, 201);
    let work = server.server.work_dir();
    let folder = work.join("uploads");
    write_file(&work.join("victim"), "before");
    symlink("../victim", folder.join("link")).unwrap();
    std::fs::create_dir(folder.join("folder")).unwrap();
    for path in [
        "/../victim",
        "/%2e%2e/victim",
        "/..%2fvictim",
        "/a/b",
        "/a%2fb",
        "/folder/x",
        "/folder/",
        "/folder",
        "/.bashrc",
        "/.flnew-1",
        "/%2ehidden",
        "/..",
        "/.",
        "/",
        "//tmp/x",
        "/%2ftmp%2fx",
        "/..%5cx",
        "/a%00b",
        "/%ff",
        "/link",
        &format!("/{}", "a".repeat(256)),
    ] {
        let answer = page.again().ask("PUT", path, b"evil");
        assert!(
            [400, 403, 404, 405, 409].contains(&answer.status),
            "{path}: {answer:?}"
        );
    }
    // Whoever sends a lot gets to read why it was for nothing.
    let large = vec![b'x'; 3_000_000];
    assert_eq!(page.again().ask("PUT", "/large", &large).status, 413);
    assert_eq!(page.again().ask("PUT", "/a/large", &large).status, 400);
    assert_eq!(page.again().ask("POST", "/other", &large).status, 405);
    let mut foreign = page.saying("Referer: http://evil.example/");
    assert_eq!(foreign.ask("PUT", "/large", &large).status, 403);
    let mut part = page.saying("Content-Range: bytes 0-3/8");
    assert_eq!(part.ask("PUT", "/part", b"evil").status, 400);
    assert_eq!(std::fs::read(work.join("victim")).unwrap(), b"before");
    assert_eq!(names_in(&folder), ["first", "folder", "link"]);
    assert_eq!(names_in(&work), ["uploads", "victim"]);
    assert_eq!(page.again().ask("DELETE", "/first", b"").status, 405);
    assert_eq!(page.again().ask("PATCH", "/first", b"").status, 405);
}

#[test]
fn what_makes_no_sense_is_told_so() {
    let server = with_token();
    let mut page = server.page();
    for target in [
        "/?size=&session=s",
        "/?size=24&session=s",
        "/?size=0x80&session=s",
        "/?size=24x0&session=s",
        "/?size=10000x80&session=s",
        "/?size=-1x80&session=s",
        "/?size=24x80x1&session=s",
        "/?size=99999999999999999999x1&session=s",
        "/?size=2%004x80&session=s",
        "/?console&wait=x&session=s",
        "/?console&wait=-1&session=s",
        "/?console&wait=1e9&session=s",
        "/?console&session=",
        "/?console&session=a%00b",
        "/?console&session=a%0d%0ab",
        "/?console&session=%1b[2J",
    ] {
        let answer = page.get(target);
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
        assert!(
            answer
                .body
                .lines()
                .nth(1)
                .is_some_and(|line| line.ends_with('.')),
            "{answer:?}"
        );
    }
    let long = format!("/?console&session={}", "a".repeat(129));
    assert_eq!(page.status(&long), 400);
    for body in [
        &br#"{"text": 1}"#[..],
        br#"{"text": "a", "size": "24"}"#,
        b"\xff\xfe",
    ] {
        assert_eq!(
            page.again().ask("POST", "/?session=s", body).status,
            400,
            "{body:?}"
        );
    }
    assert_eq!(page.again().ask("POST", "/other", b"x").status, 405);
    // Nothing of all this has started a shell.
    assert!(is_empty(&server));
    // A wait that is too long is one of the longest.
    let mut page = page.again();
    page.keys("s", "x");
    assert_eq!(page.status("/?console&wait=999999999&session=s"), 200);
}

#[test]
fn bodies_have_a_limit_and_what_nobody_reads_too() {
    let server = TerminalServer::start(&["--no-welcome"]);
    let mut page = server.page();
    let huge = vec![b'x'; 1024 * 1024 + 1];
    let answer = page.again().ask("POST", "/?session=s", &huge);
    assert_eq!(answer.status, 413, "{answer:?}");
    page.keys(
        "s",
        "exec sh -c \"stty raw -echo; echo re''ady; exec sleep 1000\"\r",
    );
    page.read_until("s", "ready");
    let before = memory_of(server.server.pid());
    let much = vec![b'x'; 1000 * 1024];
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(page.ask("POST", "/?session=s", &much).status);
    }
    assert_eq!(statuses[0], 200);
    assert_eq!(statuses[2..], [503; 8]);
    let grown = memory_of(server.server.pid()).saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
}

#[test]
fn one_client_cannot_have_all_terminals_and_nobody_more_than_all() {
    let server = TerminalServer::start(&[
        "--set",
        "limits.jobs=4",
        "--set",
        "limits.jobs_per_client=2",
        "--idle",
        "3",
    ]);
    let word = unique("many");
    let mut page = server.page();
    for session in ["a", "b"] {
        page.keys(session, &format!("sh -c 'sleep 1000; : {word}'\r"));
    }
    let answer = page.get("/?size=24x80&session=c");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(
        answer.body.contains("You have 2 terminals already"),
        "{answer:?}"
    );
    // What is there goes on.
    assert_eq!(page.status("/?console&session=a"), 200);
    let statuses: Vec<_> = (0..4)
        .map(|number| server.page().status(&format!("/?console&session={number}")))
        .collect();
    assert_eq!(statuses, [200, 200, 503, 503]);
    // Those that nobody visits make room.
    wait_for("there is room again", || {
        server.page().status("/?console&session=later") == 200
    });
    wait_for("the first ones have ended", || {
        processes_with(&word).is_empty()
    });
}

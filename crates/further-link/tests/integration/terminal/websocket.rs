//! The terminal server's WebSocket dialect, on its own port and on the one for HTTP.

use further_link_testkit::raw::{BINARY, RawClient, TEXT};
use further_link_testkit::terminal::{
    Page, Terminal, TerminalServer, memory_of, wait_until_held_up,
};
use further_link_testkit::{processes_with, unique, wait_for};
use serde_json::json;

#[tokio::test]
async fn shell_on_either_port() {
    let server = TerminalServer::start(&[]);
    for port in [server.websocket_port, server.server.port] {
        let mut terminal = Terminal::connect(port, "/").await;
        let welcome = terminal.read_until("\r\n").await;
        assert!(welcome.starts_with("Further Link "), "{welcome:?}");
        terminal.keys("stty size\r").await;
        terminal.read_until("\n40 120\r\n").await;
        terminal.client.send(json!({"size": "24x80"})).await;
        terminal.keys("stty size\r").await;
        terminal.read_until("\n24 80\r\n").await;
        let both = json!({"text": "stty size\r", "size": "25x81"});
        terminal.client.send(both).await;
        terminal.read_until("\n25 81\r\n").await;
        // Plain text is keys.
        terminal.client.send_text("echo 'é雪😀' | rev\r").await;
        terminal.read_until("\n😀雪é\r\n").await;
        let pieces = "printf '\\303'; sleep 0.2; printf '\\251\\n'; echo en''d\r";
        terminal.keys(pieces).await;
        let text = terminal.read_until("\nend\r\n").await;
        assert!(
            text.contains("\né\r\n") && !text.contains('\u{fffd}'),
            "{text:?}"
        );
    }
    // The first size may come with the connection.
    let mut terminal = Terminal::connect(server.websocket_port, "/?size=10x20").await;
    terminal.keys("stty size\r").await;
    terminal.read_until("\n10 20\r\n").await;
}

#[tokio::test]
async fn message_that_is_wrong_is_told_and_takes_nothing_with_it() {
    let server = TerminalServer::start(&[]);
    let mut terminal = server.socket().await;
    terminal.client.send(json!({"size": "0x0"})).await;
    terminal.read_until("size has to be LINESxCOLUMNS").await;
    terminal.client.send(json!({"text": 1})).await;
    terminal.read_until("text has to be a string").await;
    terminal.keys("stty size\r").await;
    terminal.read_until("\n40 120\r\n").await;
}

#[tokio::test]
async fn shell_that_ends_closes_its_socket() {
    let server = TerminalServer::start(&[]);
    let mut terminal = server.socket().await;
    terminal.keys("echo la''st; exit\r").await;
    let (text, code, reason) = terminal.end().await;
    assert!(text.contains("last\r\n"), "{text:?}");
    assert_eq!((code, &*reason), (1000, "the shell has ended"));
}

#[tokio::test]
async fn socket_that_is_closed_ends_its_shell_and_all_in_it() {
    let server = TerminalServer::start(&[]);
    for cut in [false, true] {
        let word = unique("closed");
        let mut terminal = server.socket().await;
        let keys =
            format!("(setsid sh -c 'sleep 1000; :' {word} &); sh -c 'sleep 1000; : {word}'\r");
        terminal.keys(&keys).await;
        wait_for("the programs run", || processes_with(&word).len() >= 2);
        match cut {
            // Gone without a word.
            true => drop(terminal),
            false => terminal.client.socket.close(None).await.unwrap(),
        }
        wait_for("the programs are gone", || processes_with(&word).is_empty());
    }
}

#[tokio::test]
async fn session_is_listed_and_ended_by_its_owner() {
    let server = TerminalServer::start(&[]);
    let mut page = server.page();
    assert_eq!(page.status("/"), 200);
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(format!(
            "ws://127.0.0.1:{}/",
            server.websocket_port
        ))
        .unwrap();
    let cookie = format!("session_id={}", page.cookie.as_ref().unwrap());
    request
        .headers_mut()
        .insert("Cookie", cookie.parse().unwrap());
    let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let mut terminal = Terminal {
        client: further_link_testkit::Client { socket },
    };
    terminal.keys("echo re''ady\r").await;
    terminal.read_until("\nready\r\n").await;
    let list = page.sessions();
    assert_eq!(
        (&list[0]["ty"], &list[0]["sz"]),
        (&json!(true), &json!("-"))
    );
    let id = list[0]["sid"].as_str().unwrap();
    // It is not for pollers.
    assert_eq!(page.status(&format!("/?console&session={id}")), 409);
    // Others neither see it nor may end it.
    assert_eq!(server.page().ids(), [""; 0]);
    assert_eq!(server.page().status(&format!("/?kill={id}")), 404);
    assert_eq!(page.get(&format!("/?kill={id}")).body, "{}");
    let (_, code, reason) = terminal.end().await;
    assert_eq!(
        (code, &*reason),
        (4000, "the session was ended by another client")
    );
    assert_eq!(page.ids(), [""; 0]);
}

#[tokio::test]
async fn who_does_not_read_holds_the_program_up_and_loses_nothing() {
    let server = TerminalServer::start(&["--no-welcome"]);
    let word = unique("flood");
    let mut terminal = server.socket().await;
    let before = memory_of(server.server.pid());
    let count = "BEGIN { for (n = 0; n < 3000000; n++) printf \"%09d\\n\", n; print \"end\" }";
    let keys = format!("stty -echo -opost; echo re''ady; exec awk -v w={word} '{count}'\r");
    terminal.keys(&keys).await;
    wait_for("the program runs", || !processes_with(&word).is_empty());
    wait_until_held_up(processes_with(&word)[0]);
    let grown = memory_of(server.server.pid()).saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more");
    let text = terminal.read_until("\nready\n").await;
    let mut text = text.split_once("\nready\n").unwrap().1.to_owned();
    let mut next = 0;
    while next < 3_000_000 {
        text += terminal.client.recv().await["text"].as_str().unwrap();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        for line in text[..whole].lines().take(3_000_000 - next) {
            assert_eq!(line, format!("{next:09}"));
            next += 1;
        }
        text.drain(..whole);
    }
}

#[tokio::test]
async fn input_that_nobody_reads_has_an_end_and_this_is_told() {
    let server = TerminalServer::start(&["--no-welcome"]);
    let mut terminal = server.socket().await;
    terminal
        .keys("exec sh -c \"stty raw -echo; echo re''ady; exec sleep 1000\"\r")
        .await;
    terminal.read_until("ready").await;
    let before = memory_of(server.server.pid());
    let much = "x".repeat(900 * 1024);
    for _ in 0..20 {
        terminal.keys(&much).await;
    }
    terminal.read_until("earlier input still wait").await;
    let grown = memory_of(server.server.pid()).saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
}

#[tokio::test]
async fn end_of_the_server_is_told() {
    let mut server = TerminalServer::start(&[]);
    let word = unique("end");
    let mut terminal = server.socket().await;
    terminal
        .keys(&format!("sh -c 'sleep 1000; : {word}'\r"))
        .await;
    wait_for("the program runs", || !processes_with(&word).is_empty());
    server.server.signal("INT");
    let (_, code, _) = terminal.end().await;
    assert_eq!(code, 1001);
    drop(terminal);
    assert_eq!(server.server.wait().code(), Some(0));
    assert!(processes_with(&word).is_empty());
}

#[test]
fn pings_are_answered_and_messages_have_a_limit() {
    let server = TerminalServer::start(&["--set", "limits.message_bytes=2048"]);
    let mut client = RawClient::connect(&server.server, "/");
    client.send(BINARY, b"echo by''tes\r");
    client.send(further_link_testkit::raw::PING, b"hello");
    let mut text = String::new();
    let mut ponged = false;
    while !(ponged && text.contains("bytes\\r\\n")) {
        let frame = client.frame().unwrap();
        match frame.opcode {
            TEXT => text += frame.text(),
            further_link_testkit::raw::PONG => ponged |= frame.payload == b"hello",
            _ => {}
        }
    }
    client.send(TEXT, &[b'x'; 3000]);
    assert_eq!(client.closed(), 1009);
}

#[test]
fn there_are_as_many_terminals_as_there_may_be() {
    let server = TerminalServer::start(&["--set", "limits.jobs=2"]);
    let mut one = RawClient::connect(&server.server, "/");
    let two = RawClient::connect(&server.server, "/");
    one.send(TEXT, b"echo re''ady\r");
    wait_for("both shells run", || {
        let mut stream = server.server.tcp();
        let head = format!(
            "GET / HTTP/1.1\nHost: 127.0.0.1\n{}",
            further_link_testkit::raw::UPGRADE
        );
        let answer = further_link_testkit::raw::exchange(&mut stream, &head);
        answer.status == 503 && answer.body.contains("as many as there may be")
    });
    assert_eq!(server.page().status("/?size=24x80&session=a"), 503);
    drop((one, two));
    wait_for("there is room again", || {
        Page::new(server.server.port).status("/?size=24x80&session=b") == 200
    });
}

//! `/ws` with the real server: a line in, an answer out (`docs/protocol.md` section 7).

use further_link_testkit::{
    Client, TestServer, descendants_of, names_in, processes_with, unique, wait_for,
};

async fn ask(client: &mut Client, line: &str) -> String {
    client.send_text(line).await;
    client.text().await
}

#[tokio::test]
async fn command_is_answered_with_its_output() {
    let server = TestServer::start(&[]);
    for query in ["", "?mode=command"] {
        let mut client = server.connect(&format!("/ws{query}")).await;
        assert_eq!(ask(&mut client, "echo hello").await, "hello\n");
        assert_eq!(
            ask(&mut client, "pwd").await,
            format!("{}\n", server.work_dir().display())
        );
        assert_eq!(ask(&mut client, "true").await, "");
        assert_eq!(ask(&mut client, "printf ü€😀").await, "ü€😀");
        assert_eq!(ask(&mut client, r"printf '\377'").await, "\u{fffd}");
        assert_eq!(
            ask(&mut client, "sh -c 'echo out; echo err >&2'")
                .await
                .len(),
            8
        );
    }
}

#[tokio::test]
async fn words_are_split_as_a_shell_would_and_there_is_no_shell() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/ws").await;
    for (line, answer) in [
        (
            r#"printf "<%s>" a  'b c' "d e" f\ g '' "h'i" 'j"k'"#,
            r#"<a><b c><d e><f g><><h'i><j"k>"#,
        ),
        ("echo a | cat", "a | cat\n"),
        ("echo a; echo b", "a; echo b\n"),
        ("echo a && echo b", "a && echo b\n"),
        (
            "echo $HOME ~ * `id` $(id) >file <file &",
            "$HOME ~ * `id` $(id) >file <file &\n",
        ),
        ("  echo   a  ", "a\n"),
    ] {
        assert_eq!(ask(&mut client, line).await, answer, "{line}");
    }
    assert_eq!(names_in(&server.work_dir()), [""; 0]);
}

#[tokio::test]
async fn what_is_no_command_is_an_error() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/ws").await;
    let unknown = "error: no-such-program-here is not installed on this device.";
    for (line, answer) in [
        ("", "error: there is no command"),
        ("   ", "error: there is no command"),
        ("echo 'open", "error: a quotation mark is not closed"),
        ("echo \"open", "error: a quotation mark is not closed"),
        ("no-such-program-here --now", unknown),
        (
            "/no/such/program",
            "error: There is no file /no/such/program.",
        ),
        ("false", "error: false ended with status 1 and no output"),
        ("sh -c 'kill -9 $$'", "error: sh was ended by signal 9"),
        ("sh -c 'echo words; exit 3'", "words\n"),
    ] {
        assert_eq!(ask(&mut client, line).await, answer, "{line}");
    }
    let answer = ask(&mut client, "cat /no/such/file").await;
    assert!(answer.contains("/no/such/file"), "{answer}");
    let answer = ask(&mut client, "echo \0").await;
    assert!(answer.starts_with("error: "), "{answer}");
    assert_eq!(ask(&mut client, "echo on").await, "on\n");
}

#[tokio::test]
async fn command_that_reads_finds_nothing() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/ws").await;
    assert_eq!(ask(&mut client, "cat").await, "");
    assert_eq!(ask(&mut client, "wc -c").await.trim(), "0");
}

#[tokio::test]
async fn messages_in_a_row_are_answered_in_their_order() {
    let server = TestServer::start(&[]);
    for (mode, line) in [("command", "echo N"), ("python", "print(N)")] {
        let mut client = server.connect(&format!("/ws?mode={mode}")).await;
        for number in 0..30 {
            client
                .send_text(&line.replace('N', &number.to_string()))
                .await;
        }
        for number in 0..30 {
            assert_eq!(client.text().await, format!("{number}\n"), "{mode}");
        }
    }
}

#[tokio::test]
async fn large_answer_is_one_message_and_one_that_is_too_large_an_error() {
    let server = TestServer::start(&["--set", "limits.message_bytes=3000000"]);
    let mut client = server.connect("/ws").await;
    let answer = ask(&mut client, "seq 1 300000").await;
    assert!(
        answer.len() > 1_900_000 && answer.ends_with("\n299999\n300000\n"),
        "{}",
        answer.len()
    );
    let answer = ask(&mut client, "yes").await;
    assert_eq!(
        answer,
        "error: the answer is larger than 3000000 bytes; the program was stopped"
    );
    assert_eq!(ask(&mut client, "echo on").await, "on\n");
    let mut client = server.connect("/ws?mode=python").await;
    let answer = ask(&mut client, "print('x' * 2_000_000)").await;
    assert_eq!(answer.len(), 2_000_001);
    let answer = ask(&mut client, "x = 1000\nwhile x: print('x' * x)").await;
    assert_eq!(
        answer,
        "error: the answer is larger than 3000000 bytes; the program was stopped"
    );
    assert_eq!(ask(&mut client, "print('on')").await, "on\n");
}

#[tokio::test]
async fn client_that_leaves_ends_what_runs_for_it() {
    let server = TestServer::start(&[]);
    let word = unique("left");
    let mut client = server.connect("/ws").await;
    client
        .send_text(&format!("sh -c 'sleep 1000; :' {word}"))
        .await;
    let mut python = server.connect("/ws?mode=python").await;
    python
        .send_text(&format!("import os\nos.system('sleep 1000; : {word}')"))
        .await;
    let mut idle = server.connect("/ws?mode=python").await;
    assert_eq!(ask(&mut idle, "1").await, "1\n");
    // The Python one's word is in its shell's arguments.
    wait_for("both run", || processes_with(&word).len() >= 2);
    drop((client, python, idle));
    let spawner = server.spawner_pid();
    wait_for("all have ended", || descendants_of(spawner).is_empty());
}

#[tokio::test]
async fn modes_are_two() {
    let server = TestServer::start(&[]);
    let head = format!(
        "GET /ws?mode=perl HTTP/1.1\nHost: 127.0.0.1:{}\nUpgrade: websocket\nConnection: Upgrade\n\
         Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        server.port
    );
    assert_eq!(server.request(&head).status, 400);
}

#[tokio::test]
async fn unknown_user_is_an_error_in_each_answer() {
    let server = TestServer::start(&[]);
    for mode in ["command", "python"] {
        let mut client = server
            .connect(&format!("/ws?user=no-such-user-here&mode={mode}"))
            .await;
        for _ in 0..2 {
            let answer = ask(&mut client, "1").await;
            assert_eq!(
                answer,
                "error: There is no user no-such-user-here on this device."
            );
        }
    }
}

#[tokio::test]
async fn python_keeps_its_state() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/ws?mode=python").await;
    for (line, answer) in [
        ("x = 41", ""),
        ("x + 1", "42\n"),
        ("print(x)", "41\n"),
        ("_", "42\n"),
        ("'ü€'", "'ü€'\n"),
        ("None", ""),
        ("", ""),
        (
            "import os; os.getcwd()",
            &format!("'{}'\n", server.work_dir().display()),
        ),
        ("__name__", "'__main__'\n"),
        ("import sys; sys.argv", "['']\n"),
    ] {
        assert_eq!(ask(&mut client, line).await, answer, "{line}");
    }
    // Another client has another one.
    let mut other = server.connect("/ws?mode=python").await;
    let answer = ask(&mut other, "x").await;
    assert!(
        answer.contains("NameError: name 'x' is not defined"),
        "{answer}"
    );
    assert_eq!(ask(&mut client, "x").await, "41\n");
}

#[tokio::test]
async fn blocks_come_in_one_message_or_in_several() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/ws?mode=python").await;
    let whole =
        "def double(n):\n    if n:\n        return 2 * n\n\n    return 'nothing'\n\ndouble(21)";
    assert_eq!(ask(&mut client, whole).await, "42\n");
    assert_eq!(ask(&mut client, "double(0)").await, "'nothing'\n");
    for line in ["def triple(n):", "    return 3 * n", ""] {
        assert_eq!(ask(&mut client, line).await, "");
    }
    assert_eq!(ask(&mut client, "triple(5)").await, "15\n");
    assert_eq!(ask(&mut client, "for n in range(3): print(n)").await, "");
    assert_eq!(ask(&mut client, "").await, "0\n1\n2\n");
    assert_eq!(ask(&mut client, "a = 1\nb = 2\na + b").await, "3\n");
}

#[tokio::test]
async fn mistake_is_answered_with_its_traceback() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/ws?mode=python").await;
    for (line, error) in [
        ("1/0", "ZeroDivisionError: division by zero"),
        ("a b", "SyntaxError: invalid syntax"),
        ("x = 1\ny = = 2", "SyntaxError: invalid syntax"),
        ("x = 1\nreturn x", "SyntaxError: 'return' outside function"),
        ("def f(:\n  pass", "SyntaxError"),
        ("x = 1\nraise ValueError('mine')", "ValueError: mine"),
        ("input()", "EOFError: EOF when reading a line"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("'\0'", "Error"),
        ("def f(): return f()\nf()", "RecursionError"),
    ] {
        let answer = ask(&mut client, line).await;
        assert!(answer.contains(error), "{line:?} is answered {answer:?}");
    }
    assert_eq!(ask(&mut client, "x").await, "1\n");
}

#[tokio::test]
async fn all_that_is_put_out_is_in_order() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/ws?mode=python").await;
    let code = "import os, sys\nprint('one'); os.write(1, b'two\\n'); print('three', file=sys.stderr); \
                os.system('echo four'); sys.stdout.write('five'); None";
    assert_eq!(ask(&mut client, code).await, "one\ntwo\nthree\nfour\nfive");
    assert_eq!(ask(&mut client, "import sys; sys.stdout.close()").await, "");
    let answer = ask(&mut client, "1").await;
    assert!(answer.contains("ValueError"), "{answer:?}");
    assert_eq!(ask(&mut client, "sys.stdout = None").await, "");
    assert_eq!(
        ask(&mut client, "sys.stdout = open(1, 'w', closefd=False)").await,
        ""
    );
    assert_eq!(ask(&mut client, "print('back')").await, "back\n");
}

#[tokio::test]
async fn interpreter_that_ended_is_replaced() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/ws?mode=python").await;
    let ended = "error: the interpreter has ended; the next message starts a new one\n";
    for line in [
        "exit()",
        "print('last'); exit(3)",
        "import os; os._exit(1)",
        "raise SystemExit",
    ] {
        assert_eq!(ask(&mut client, "x = 5").await, "");
        let answer = ask(&mut client, line).await;
        let last = if line.contains("last") { "last\n" } else { "" };
        assert_eq!(answer, format!("{ended}{last}"), "{line}");
        let answer = ask(&mut client, "x").await;
        assert!(answer.contains("NameError"), "{answer}");
    }
}

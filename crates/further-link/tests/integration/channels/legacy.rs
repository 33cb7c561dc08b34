//! The older dialect of programs (`docs/protocol.md` section 6) through the real server: messages
//! however they are cut, listeners that come and go, terminals, shells and other process groups.

use further_link_testkit::channels::{key_event, program};
use further_link_testkit::{Client, TestServer, children_of, wait_for, write_file};
use serde_json::{Value, json};

async fn start(client: &mut Client, code: &str) {
    client.start("p", "python3", &program(code)).await;
    client.expect("started").await;
}

/// Reads to the end; what was told of keys and pictures in its order, and the output.
async fn told(client: &mut Client) -> (Vec<String>, String) {
    let (mut told, mut output) = (Vec::new(), String::new());
    loop {
        let message = client.recv().await;
        let text = message["data"]["output"].as_str().unwrap_or_default();
        match message["type"].as_str().unwrap() {
            "keylisten" => {
                assert_eq!(message["data"], json!({"output": text, "key": text}));
                told.push(text.to_owned());
            }
            "video" => {
                assert_eq!(message["data"], json!({"output": text}));
                told.push(text.to_owned());
            }
            "stdout" | "stderr" => output.push_str(text),
            "stopped" => {
                assert_eq!(message["data"]["exitCode"], 0, "{output}");
                return (told, output);
            }
            _ => panic!("{message}"),
        }
    }
}

/// Python that sends `data` in two parts, cut at each place; the server has read the first before
/// the second is sent.
const CUT: &str = "import fcntl, termios\n\
    def flushed(s):\n\
    \x20   while struct.unpack('i', fcntl.ioctl(s, termios.TIOCOUTQ, b'....'))[0]: time.sleep(0.0002)\n\
    def cut(s, data):\n\
    \x20   for at in range(1, len(data)):\n\
    \x20       s.sendall(data[:at]); flushed(s); s.sendall(data[at:])\n";

#[tokio::test]
async fn messages_are_put_together_wherever_they_are_cut() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = format!(
        "import struct\n{CUT}\
         k = OldChannel('keylisten').socket\n\
         cut(k, b'ArrowUp endkeylisten ')\n\
         cut(k, b'  endkeylisten ')\n\
         for byte in b'one end  by one endkeylisten ': k.sendall(bytes([byte])); flushed(k)\n\
         k.sendall(b'several endkeylisten in endkeylisten one endkeylisten ')"
    );
    start(&mut client, &code).await;
    let (keys, _) = told(&mut client).await;
    let mut expected = vec!["ArrowUp"; 20];
    expected.extend([" "; 14]);
    expected.extend(["one end  by one", "several", "in", "one"]);
    assert_eq!(keys, expected);

    // One picture after the other: the fifth that waits would be one too many.
    let code = format!(
        "import struct\n{CUT}\
         v = OldChannel('video').socket\n\
         data = b'/9gxMjM0NTY3ODkw endvideo '\n\
         for at in range(1, len(data)):\n\
         \x20   v.sendall(data[:at]); flushed(v); v.sendall(data[at:]); input()\n\
         v.sendall(b'AAAA endvideo BBBB endvideo CCCC endvideo DDDD endvideo ')"
    );
    start(&mut client, &code).await;
    for _ in 0..25 {
        let video = client.expect("video").await;
        assert_eq!(video["data"]["output"], "/9gxMjM0NTY3ODkw");
        client.stdin("p", "\n").await;
    }
    let (pictures, _) = told(&mut client).await;
    assert_eq!(pictures, ["AAAA", "BBBB", "CCCC", "DDDD"]);
}

#[tokio::test]
async fn what_is_huge_or_nonsense_does_not_end_a_connection() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = "import base64\n\
        v, k = OldChannel('video'), OldChannel('keylisten')\n\
        v.send(base64.b64encode(bytes(8 << 20))); input()\n\
        v.send(b'A' * (13 << 20)); v.send(b'AAAA'); input()\n\
        v.send(b'not base64'); v.send(b'A'); v.send(b'BBBB'); input()\n\
        k.send(b'k' * 257); k.send(b'\\xff'); k.send(b''); k.send(b'k' * 256)";
    start(&mut client, code).await;
    let huge = client.expect("video").await;
    let huge = huge["data"]["output"].as_str().unwrap();
    assert_eq!(huge.len(), (8usize << 20).div_ceil(3) * 4);
    assert!(huge.trim_end_matches('=').bytes().all(|byte| byte == b'A'));
    for picture in ["AAAA", "BBBB"] {
        client.stdin("p", "\n").await;
        let video = client.expect("video").await;
        assert_eq!(video["data"]["output"], picture);
    }
    client.stdin("p", "\n").await;
    let (keys, _) = told(&mut client).await;
    assert_eq!(keys, ["k".repeat(256)]);
}

#[tokio::test]
async fn connections_do_not_disturb_each_other() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    // Halves of messages on several connections; some are closed in the middle of one.
    let code = "import signal\n\
        all = [OldChannel('keylisten').socket for _ in range(8)]\n\
        for n, s in enumerate(all): s.sendall(b'key %d' % n)\n\
        for s in all[::2]: s.close()\n\
        for s in all[1::2]: s.sendall(b' endkey')\n\
        for s in all[1::2]: s.sendall(b'listen ')\n\
        v = OldChannel('video').socket; v.sendall(b'AAAA end'); v.close()\n\
        OldChannel('video').send(b'BBBB')";
    start(&mut client, code).await;
    let (mut told, _) = told(&mut client).await;
    told.sort();
    assert_eq!(told, ["BBBB", "key 1", "key 3", "key 5", "key 7"]);
}

/// Sends keys with these names, and returns what the program says of them.
async fn press(client: &mut Client, keys: &[String]) -> String {
    for key in keys {
        client.send(key_event("p", key, "keydown")).await;
    }
    let mut heard = String::new();
    while keys.iter().any(|key| !heard.contains(&format!("<{key}>"))) {
        let message = client.expect("stdout").await;
        heard.push_str(message["data"]["output"].as_str().unwrap());
    }
    heard
}

/// Python with `hear`, which reads from a listener's connection so many keys and says them.
const HEAR: &str = "def hear(c, count):\n\
    \x20   got = b''\n\
    \x20   while got.count(b' endkeyevent ') < count: got += c.recv(100)\n\
    \x20   for part in got.split(b' endkeyevent ')[:-1]: say('<' + part.decode().rsplit(' ', 1)[0] + '>')\n";

#[tokio::test]
async fn listener_may_begin_anew() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    // It comes late, is closed and made again, asked for anew and not; its connection is closed and
    // accepted again.
    let code = format!(
        "{HEAR}\
         k = OldChannel('keylisten'); k.send(b'a'); time.sleep(0.2)\n\
         l = OldChannel.listen(); c, _ = l.accept(); hear(c, 20)\n\
         c.close(); l.close(); os.unlink(OldChannel.path('keyevent'))\n\
         l = OldChannel.listen(); input(); k.send(b'b'); c, _ = l.accept(); hear(c, 20)\n\
         input(); c.close(); say('closed'); c, _ = l.accept(); hear(c, 20)\n\
         input(); c.close(); l.close(); os.unlink(OldChannel.path('keyevent'))\n\
         l = OldChannel.listen(); say('closed'); c, _ = l.accept(); hear(c, 20)"
    );
    start(&mut client, &code).await;
    for (turn, word) in ["keylisten", "keylisten", "stdout", "stdout"]
        .iter()
        .enumerate()
    {
        client.expect(word).await;
        let keys: Vec<_> = (0..20).map(|key| format!("{turn}.{key}")).collect();
        let heard = press(&mut client, &keys).await;
        let expected: String = keys.iter().map(|key| format!("<{key}>\n")).collect();
        assert_eq!(heard, expected, "turn {turn}");
        client.stdin("p", "\n").await;
    }
    assert_eq!(client.finish().await.exit_code, 0);
}

/// A second key that is asked for, while keys come, loses none of them.
#[tokio::test]
async fn asking_for_further_keys_loses_none() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    // As the deployed package does it: each connection is read in the order in which it came.
    let code = "import selectors\n\
        l = OldChannel.listen(); k = OldChannel('keylisten'); k.send(b'a')\n\
        s = selectors.DefaultSelector(); s.register(l, 1); text = {}; n = 0\n\
        while n < 300:\n\
        \x20   for key, _ in s.select():\n\
        \x20       if key.fileobj is l: c, _ = l.accept(); s.register(c, 1); text[c] = b''; continue\n\
        \x20       c = key.fileobj; data = c.recv(100)\n\
        \x20       if not data: s.unregister(c); c.close(); continue\n\
        \x20       text[c] += data; *whole, text[c] = text[c].split(b' endkeyevent ')\n\
        \x20       for part in whole:\n\
        \x20           say(part.decode()); n += 1\n\
        \x20           if n % 10 == 0: k.send(b'key %d' % n)";
    start(&mut client, code).await;
    client.expect("keylisten").await;
    for key in 0..300 {
        client
            .send(key_event("p", &format!("k{key}"), "keyup"))
            .await;
    }
    let (_, output) = told(&mut client).await;
    let expected: String = (0..300).map(|key| format!("k{key} keyup\n")).collect();
    assert_eq!(output, expected);
}

#[tokio::test]
async fn children_with_their_own_process_group_hear_keys_too() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = format!(
        "{HEAR}\
         group = os.getpgrp(); ready, tell = os.pipe()\n\
         if os.fork() == 0:\n\
         \x20   os.setpgid(0, 0); assert os.getpgrp() != group\n\
         \x20   l = OldChannel.listen(); os.write(tell, b'.'); c, _ = l.accept(); hear(c, 1); os._exit(0)\n\
         os.read(ready, 1)\n\
         l = OldChannel.listen(); OldChannel('keylisten').send(b'a')\n\
         c, _ = l.accept(); hear(c, 1); os.wait()"
    );
    start(&mut client, &code).await;
    client.expect("keylisten").await;
    client.send(key_event("p", "x", "keydown")).await;
    assert_eq!(client.finish().await.stdout, "<x>\n<x>\n");
}

/// A program of a file, by a shell without job control and by one with it.
#[tokio::test]
async fn shells_start_programs_that_find_their_channels() {
    let server = TestServer::start(&[]);
    let old = "OldChannel('video').send(b'AAAA'); OldChannel('keylisten').send(b'a')";
    let new = "c = Channel(); c.send(VIDEO, b'\\0\\0\\0'); c.send(KEYLISTEN, 'a')\n\
        kind, text = c.receive()\n\
        kind, text = c.receive(); say('heard', text)";
    for name in ["old", "new"] {
        let code = if name == "old" { old } else { new };
        write_file(
            &server.work_dir().join(format!("{name}.py")),
            &program(code),
        );
    }
    for path in ["/run", "/run?pty=1"] {
        let mut client = server.connect(path).await;
        let code = format!(
            "#!/bin/sh\ncd {:?}\npython3 old.py; sh -c 'python3 old.py'; true",
            server.work_dir()
        );
        client.start("p", "exec", &code).await;
        client.expect("started").await;
        let (mut told, _) = told(&mut client).await;
        // Between two sockets there is no order.
        told.sort();
        assert_eq!(told, ["AAAA", "AAAA", "a", "a"], "{path}");
    }
    // With job control the program has another process group than the shell.
    let mut client = server.connect("/run?pty=1").await;
    let line = "#!/bin/sh\nexec bash --norc --noprofile -i";
    client.start("p", "exec", line).await;
    client.expect("started").await;
    client.read_until("bash-").await;
    client
        .stdin(
            "p",
            &format!("python3 {}/new.py\n", server.work_dir().display()),
        )
        .await;
    let (mut listens, mut shows) = (false, false);
    while !(listens && shows) {
        let message: Value = client.recv().await;
        listens |= message["type"] == "keylisten";
        shows |= message["type"] == "video";
    }
    client.send(key_event("p", " ", "keydown")).await;
    client
        .read_until("heard {\"event\":\"keydown\",\"key\":\" \"}")
        .await;
    client.stdin("p", "exit\n").await;
    client.until("stopped").await;
}

/// Nobody looks for listeners any more: what does that is a process of the spawner.
fn nobody_looks(server: &TestServer) {
    let spawner = server.spawner_pid();
    // Minor faults of its children that have ended, as proc_pid_stat(5) counts them.
    let ended = || {
        let stat = std::fs::read_to_string(format!("/proc/{spawner}/stat")).unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').nth(8);
        fields.unwrap().to_owned()
    };
    wait_for("the last one has looked", || {
        children_of(spawner).is_empty()
    });
    let before = ended();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(before, ended(), "somebody has looked since");
    assert_eq!(children_of(spawner), [0; 0]);
}

/// One who asks for keys and never listens costs nothing any more when it is over.
#[tokio::test]
async fn who_never_listens_costs_nothing_when_it_is_over() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    start(
        &mut client,
        "OldChannel('keylisten').send(b'a'); time.sleep(100)",
    )
    .await;
    client.expect("keylisten").await;
    for _ in 0..1000 {
        client.send(key_event("p", "a", "keydown")).await;
    }
    client.answers().await;
    client.stop("p").await;
    client.until("stopped").await;
    nobody_looks(&server);
}

/// What a program puts in the place of its folder holds nobody up who looks for it there.
#[tokio::test]
async fn folder_that_is_none_any_more_holds_nobody_up() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    for put in [
        "os.mkfifo(f)",
        "os.symlink('/proc/self/fd', f)",
        "open(f, 'w')",
        "None",
    ] {
        let code = format!(
            "k = OldChannel('keylisten'); f = os.environ['FURTHER_LINK_TEMP_DIR']\n\
             os.rename(f, f + '.away'); {put}\n\
             k.send(b'a'); input(); os.path.lexists(f) and os.unlink(f); os.rename(f + '.away', f)"
        );
        start(&mut client, &code).await;
        client.expect("keylisten").await;
        for _ in 0..3 {
            client.send(key_event("p", "a", "keydown")).await;
        }
        // So long that somebody looks before the program puts its folder back.
        std::thread::sleep(std::time::Duration::from_millis(200));
        client.stdin("p", "\n").await;
        assert_eq!(client.finish().await.stderr, "", "{put}");
        nobody_looks(&server);
    }
}

//! The terminal server, and a client that behaves as its older pages do (`docs/protocol.md` section
//! 7).

use super::raw::read_answer;
use super::{Answer, Client, DEADLINE, TempDir, TestServer, command_of, wait_for};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// A shell that does not read what the person has set up for theirs: on some machines that takes a
/// minute.
const SHELL: &str =
    r#"runner=[{name = "shell", command = ["bash", "--norc", "--noprofile"], hangup = true}]"#;

/// A running terminal server on two free ports. `server.port` is the one for HTTP, if there is one.
pub struct TerminalServer {
    pub server: TestServer,
    pub websocket_port: u16,
}

impl TerminalServer {
    /// With further arguments for `terminal`.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, |_, _| {})
    }

    /// Lets `prepare` put things into the folder, and change the command, before it is started.
    pub fn start_with(arguments: &[&str], prepare: impl FnOnce(&TempDir, &mut Command)) -> Self {
        let folder = TempDir::create();
        let mut command = command_of("terminal", &folder);
        command.args(["--http", "0", "--ws", "0", "--set", SHELL]);
        command.args(arguments);
        prepare(&folder, &mut command);
        let server = TestServer::start_command(folder, command);
        let said = |log: &str| {
            let (_, rest) = log.split_once("connect to ws://")?;
            let (port, _) = rest
                .split_once('\n')?
                .0
                .rsplit_once(':')?
                .1
                .split_once('/')?;
            port.parse().ok()
        };
        if !arguments.contains(&"--no-websocket") {
            wait_for("the port for WebSocket is told", || {
                said(&server.log()).is_some()
            });
        }
        Self {
            websocket_port: said(&server.log()).unwrap_or(0),
            server,
        }
    }

    /// Returns a client without a cookie.
    pub fn page(&self) -> Page {
        Page::new(self.server.port)
    }

    pub async fn socket(&self) -> Terminal {
        Terminal::connect(self.websocket_port, "/").await
    }
}

/// A client over HTTP that keeps its cookie, and its connection.
pub struct Page {
    stream: TcpStream,
    pub port: u16,
    pub cookie: Option<String>,
    /// Header lines that it sends always, each with its line break.
    pub headers: String,
}

impl Page {
    pub fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(2 * DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            port,
            cookie: None,
            headers: String::new(),
        }
    }

    /// Another connection of the same client.
    pub fn again(&self) -> Self {
        Self {
            cookie: self.cookie.clone(),
            headers: self.headers.clone(),
            ..Self::new(self.port)
        }
    }

    /// Returns the same, with one more header line.
    pub fn saying(&self, header: &str) -> Self {
        let mut page = self.again();
        page.headers += &format!("{header}\r\n");
        page
    }

    pub fn send(&mut self, method: &str, target: &str, body: &[u8]) {
        let cookie = self.cookie.as_ref().map_or(String::new(), |cookie| {
            format!("Cookie: other=1; session_id={cookie}\r\n")
        });
        let host = match self.headers.contains("Host:") {
            true => String::new(),
            false => format!("Host: 127.0.0.1:{}\r\n", self.port),
        };
        let head = format!(
            "{method} {target} HTTP/1.1\r\n{host}{}{cookie}Content-Length: {}\r\n\r\n",
            self.headers,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).unwrap();
        // One that is refused early may not take it all.
        let _ = self.stream.write_all(body);
    }

    pub fn receive(&mut self) -> Answer {
        let answer = read_answer(&mut self.stream);
        if let Some(cookie) = answer.header("set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap();
            assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Strict");
            self.cookie = Some(pair.strip_prefix("session_id=").unwrap().to_owned());
        }
        answer
    }

    pub fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Answer {
        self.send(method, target, body);
        self.receive()
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, b"")
    }

    /// Returns the status of an answer.
    pub fn status(&mut self, target: &str) -> u16 {
        self.get(target).status
    }

    /// Sends keys as the older pages do.
    pub fn keys(&mut self, session: &str, keys: &str) {
        let body = json!({"text": keys}).to_string();
        let answer = self.ask("POST", &format!("/?session={session}"), body.as_bytes());
        assert_eq!((answer.status, &*answer.body), (200, ""), "{answer:?}");
    }

    /// What there is, after waiting for it for so long.
    pub fn console(&mut self, session: &str, wait: u32) -> Value {
        let answer = self.get(&format!("/?console&session={session}&wait={wait}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        answer.json()
    }

    /// Fetches output until all of it so far contains `wanted`.
    pub fn read_until(&mut self, session: &str, wanted: &str) -> String {
        self.read_until_at(&format!("/?console&wait=5&session={session}"), wanted)
    }

    /// Returns the same by a request of the test's own.
    pub fn read_until_at(&mut self, target: &str, wanted: &str) -> String {
        let end = Instant::now() + DEADLINE;
        let mut text = String::new();
        while !plain(&text).contains(wanted) {
            assert!(Instant::now() < end, "{wanted:?} did not come: {text:?}");
            let answer = self.get(target);
            assert_eq!(answer.status, 200, "{answer:?}");
            text += answer.json()["text"].as_str().unwrap();
        }
        plain(&text)
    }

    pub fn sessions(&mut self) -> Vec<Value> {
        let answer = self.get("/?sessions");
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Ids of the sessions that are listed.
    pub fn ids(&mut self) -> Vec<String> {
        let sessions = self.sessions();
        let id = |session: &Value| session["sid"].as_str().unwrap().to_owned();
        sessions.iter().map(id).collect()
    }
}

/// A client over WebSocket.
pub struct Terminal {
    pub client: Client,
}

impl Terminal {
    pub async fn connect(port: u16, target: &str) -> Self {
        let client = Client::connect(&format!("ws://127.0.0.1:{port}{target}")).await;
        Self { client }
    }

    pub async fn keys(&mut self, keys: &str) {
        self.client.send(json!({ "text": keys })).await;
    }

    /// Reads output until all of it so far contains `wanted`.
    pub async fn read_until(&mut self, wanted: &str) -> String {
        let mut text = String::new();
        while !plain(&text).contains(wanted) {
            text += self.client.recv().await["text"].as_str().unwrap();
        }
        plain(&text)
    }

    /// Reads on to the end: the text, the close code and its reason.
    pub async fn end(&mut self) -> (String, u16, String) {
        let mut text = String::new();
        loop {
            match self.client.next().await {
                Message::Text(message) => {
                    let message: Value = serde_json::from_str(&message).unwrap();
                    text += message["text"].as_str().unwrap();
                }
                Message::Close(Some(frame)) => {
                    return (text, frame.code.into(), frame.reason.to_string());
                }
                other => panic!("{other:?} after {text:?}"),
            }
        }
    }
}

/// Without what bash says around each line, so that terminals tell pasted text from typed one.
pub fn plain(text: &str) -> String {
    text.replace("\x1b[?2004h", "").replace("\x1b[?2004l\r", "")
}

/// Returns a process's resident memory, in KiB.
pub fn memory_of(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Waits until a process that writes does not get rid of any more.
pub fn wait_until_held_up(pid: i32) {
    let written = || {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        let line = io.lines().find(|line| line.starts_with("wchar:"));
        line.map_or(String::new(), str::to_owned)
    };
    let (mut last, mut since) = (written(), Instant::now());
    wait_for("the program is held up", || {
        let now = written();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        // Far longer than it is ever without a turn.
        since.elapsed().as_millis() > 500
    });
}

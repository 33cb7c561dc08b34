//! The real server on a port of its own, and clients that talk to it over real sockets.
//!
//! Waits are for conditions, with [`DEADLINE`]; nothing here sleeps for a fixed time or tries
//! again.
#![allow(missing_docs, unreachable_pub)] // Tests read it, not users of a library.

pub mod account;
pub mod channels;
pub mod fs;
pub mod raw;
pub mod stream;
pub mod terminal;
pub mod upload;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

/// How long a test waits for anything. Far more than is ever needed on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A folder that is removed with all in it.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn create() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// Where nothing is written to a disk, if there is such a place: for tests that make very many
    /// files.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        match memory.is_dir() {
            true => Self::below(memory),
            false => Self::create(),
        }
    }

    fn below(folder: &Path) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let path = folder.join(format!(
            "further-link-test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::create_dir_all(&path).unwrap();
        // Other accounts have to be able to look for their files in it.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server. Dropped, it is ended and all of its files are removed.
pub struct TestServer {
    child: Child,
    pub port: u16,
    pub folder: TempDir,
    log: Arc<Mutex<String>>,
}

impl TestServer {
    /// With further arguments for `serve`. Work, temp and state folders are below `folder`.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, |_| {})
    }

    /// Lets `prepare` change the command (variables, a wrapper's account) before it is started.
    pub fn start_with(arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let folder = TempDir::create();
        let mut command = server_command(&folder);
        command.args(["--port", "0"]).args(arguments);
        prepare(&mut command);
        Self::start_command(folder, command)
    }

    /// Starts any server that says where it is.
    pub fn start_command(folder: TempDir, mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();

        let log = Arc::new(Mutex::new(String::new()));
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
                if let Some(port) = port_in(&line) {
                    let _ = sender.send(port);
                }
                kept.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        match receiver.recv_timeout(DEADLINE) {
            Ok(port) => Self {
                child,
                port,
                folder,
                log,
            },
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the server did not start: {}", log.lock().unwrap());
            }
        }
    }

    /// What it has written to its log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Returns the process that faces the network.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Its spawner.
    pub fn spawner_pid(&self) -> i32 {
        children_of(self.pid())
            .into_iter()
            .find(|pid| command_line(*pid).contains("spawner"))
            .expect("the server has a spawner")
    }

    /// Returns the folder that is the work dir of all programs.
    pub fn work_dir(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Returns the folder for code without a folder.
    pub fn temp_dir(&self) -> PathBuf {
        self.folder.path().join("temp")
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill")
            .args([&format!("-{signal}"), &self.pid().to_string()])
            .status();
        assert!(done.unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_for("the server ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub async fn connect(&self, path: &str) -> Client {
        Client::connect(&format!("ws://127.0.0.1:{}{path}", self.port)).await
    }

    /// One request on a connection of its own; `head` is everything before the empty line.
    pub fn request(&self, head: &str) -> Answer {
        let mut stream = self.tcp();
        let head = head.replace('\n', "\r\n");
        write!(stream, "{head}\r\nConnection: close\r\n\r\n").unwrap();
        Answer::read(stream)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request(&format!(
            "GET {path} HTTP/1.1\nHost: 127.0.0.1:{}",
            self.port
        ))
    }

    pub fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            self.signal("TERM");
            let end = Instant::now() + DEADLINE;
            while self.child.try_wait().ok().flatten().is_none() {
                if Instant::now() > end {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    if !std::thread::panicking() {
                        panic!("the server did not end: {}", self.log());
                    }
                    return;
                }
                std::thread::yield_now();
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
    }
}

/// Returns the program under test: what cargo names, or what was built along with the running test.
pub fn binary_path() -> PathBuf {
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_further-link") {
        return path.into();
    }
    // target/<profile>/deps/<test>, two levels below the directory of the program.
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("further-link")
}

/// `further-link serve` with folders of its own and nothing of this process's settings.
pub fn server_command(folder: &TempDir) -> Command {
    command_of("serve", folder)
}

/// Returns the same for another server.
pub fn command_of(server: &str, folder: &TempDir) -> Command {
    let path = folder.path();
    let mut command = Command::new(binary_path());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("FURTHER") || text.starts_with("XDG_") || text == "NOTIFY_SOCKET" {
            command.env_remove(name);
        }
    }
    let temp = path.join("temp");
    std::fs::create_dir_all(&temp).unwrap();
    std::fs::set_permissions(&temp, std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    command
        .env("HOME", path)
        .env("FURTHER_LINK_WORK_DIR", path.join("work"))
        .env("FURTHER_LINK_TEMP_DIR", temp)
        .arg(server)
        .arg("--set")
        .arg(format!("state.dir={}", json!(path.join("state"))))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Has `wrapper` start the command instead: the command and its arguments come behind it.
pub fn wrap(command: &mut Command, wrapper: &[&str]) {
    let mut wrapped = Command::new(wrapper[0]);
    wrapped
        .args(&wrapper[1..])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped.stdin(Stdio::null()).stdout(Stdio::null());
    *command = wrapped;
}

/// What a server says with these arguments, which has to refuse to start.
pub fn refusal(arguments: &[&str]) -> String {
    refusal_of("serve", arguments)
}

/// Returns the same of another server.
pub fn refusal_of(server: &str, arguments: &[&str]) -> String {
    let folder = TempDir::create();
    let mut server = command_of(server, &folder)
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + DEADLINE;
    while server.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            let _ = server.kill();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = server.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let named = |line: &str| line.starts_with("further-link: ");
    assert!(text.lines().any(named), "{text}");
    text
}

/// Returns the port in the line that says where to click.
fn port_in(line: &str) -> Option<u16> {
    let rest = line
        .split_once("open http")
        .or(line.split_once("connect to ws"));
    let (_, port) = rest?.1.split_whitespace().next()?.rsplit_once(':')?;
    port.trim_end_matches('/').parse().ok()
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn read(mut stream: impl std::io::Read) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no HTTP answer: {text:?}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// Returns the value of a header; its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// All values of a header that may come several times.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1);
        lines
            .filter_map(|line| line.split_once(':'))
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A WebSocket client made with another library than the server's.
pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
}

impl Client {
    pub async fn connect(url: &str) -> Self {
        // Without Nagle's algorithm, as browsers do it.
        let connecting = tokio_tungstenite::connect_async_with_config(url, None, true);
        let (socket, _) = connecting.await.unwrap();
        Self { socket }
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Starts `code` with `runner` as process `name`.
    pub async fn start(&mut self, name: &str, runner: &str, code: &str) {
        let data = json!({"runner": runner, "code": code});
        self.send(json!({"type": "start", "process": name, "data": data}))
            .await;
    }

    pub async fn stdin(&mut self, name: &str, input: &str) {
        self.send(json!({"type": "stdin", "process": name, "data": {"input": input}}))
            .await;
    }

    pub async fn stop(&mut self, name: &str) {
        self.send(json!({"type": "stop", "process": name})).await;
    }

    pub async fn start_data(&mut self, name: &str, data: Value) {
        self.send(json!({"type": "start", "process": name, "data": data}))
            .await;
    }

    /// Runs a program to its end, as the only one of this client.
    pub async fn run(&mut self, data: Value) -> Finished {
        self.start_data("run", data).await;
        self.expect("started").await;
        self.finish().await
    }

    /// A start that has to fail: exactly one `error`, which names the process, and no `started`;
    /// then the name is free again. Returns the error's message.
    pub async fn refused(&mut self, data: Value) -> String {
        let mut sentence = String::new();
        for _ in 0..2 {
            self.start_data("refused", data.clone()).await;
            let error = self.expect("error").await;
            assert_eq!(error["process"], "refused", "{error}");
            sentence = error["data"]["message"].as_str().unwrap().to_owned();
        }
        self.answers().await;
        sentence
    }

    /// Nothing more is on its way to this client than the answer to this.
    pub async fn answers(&mut self) {
        self.send(json!({"type": "ping"})).await;
        self.expect("pong").await;
    }

    /// The next text or close frame.
    pub async fn next(&mut self) -> Message {
        // For all: the server's pings do not make a wait longer.
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            let message = tokio::time::timeout_at(end, self.socket.next())
                .await
                .expect("nothing came before the deadline")
                .expect("the connection ended without a close frame")
                .expect("the connection broke");
            if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                return message;
            }
        }
    }

    /// The next message, as text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// The next message, as JSON.
    pub async fn recv(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The next message, which has to be of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let message = self.recv().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Reads until a message of this type comes, and returns it; what came before is dropped.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.recv().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Reads output until the process is over.
    pub async fn finish(&mut self) -> Finished {
        let mut finished = Finished::default();
        loop {
            let message = self.recv().await;
            let output = message["data"]["output"].as_str().unwrap_or_default();
            match message["type"].as_str().unwrap() {
                "stdout" => finished.stdout.push_str(output),
                "stderr" => finished.stderr.push_str(output),
                "stopped" => {
                    finished.exit_code = message["data"]["exitCode"].as_i64().unwrap();
                    return finished;
                }
                "started" => {}
                _ => panic!("unexpected {message}"),
            }
        }
    }

    /// Reads standard output until all of it so far contains `wanted`; returns it.
    pub async fn read_until(&mut self, wanted: &str) -> String {
        let mut text = String::new();
        while !text.contains(wanted) {
            let message = self.recv().await;
            match message["type"].as_str().unwrap() {
                "stdout" | "stderr" => text.push_str(message["data"]["output"].as_str().unwrap()),
                "started" => {}
                _ => panic!("{message} after {text:?}"),
            }
        }
        text
    }

    /// Reads until the server closes, and returns what it says then.
    pub async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame;
            }
        }
    }
}

/// Everything that a process output, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Finished {
    pub stdout: String,
    pub stderr: String,
    pub exit_code: i64,
}

/// Waits until `condition` holds.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// All processes: id, parent, and whether it still lives.
pub fn processes() -> Vec<(i32, i32)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        let mut fields = stat.rsplit_once(") ").unwrap().1.split(' ');
        let state = fields.next().unwrap();
        let parent = fields.next().unwrap().parse().unwrap();
        if state != "Z" && state != "X" {
            found.push((pid, parent));
        }
    }
    found
}

pub fn children_of(parent: i32) -> Vec<i32> {
    processes()
        .into_iter()
        .filter(|(_, of)| *of == parent)
        .map(|(pid, _)| pid)
        .collect()
}

/// All that a process has started, and all that those have.
pub fn descendants_of(root: i32) -> Vec<i32> {
    let all = processes();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        found.extend(
            all.iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| pid),
        );
    }
    found.remove(0);
    found
}

pub fn is_alive(pid: i32) -> bool {
    processes().iter().any(|(known, _)| *known == pid)
}

/// Arguments of a process, with spaces between.
pub fn command_line(pid: i32) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = std::fs::File::open(format!("/proc/{pid}/cmdline")) {
        let _ = file.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Living processes whose arguments contain `word`.
pub fn processes_with(word: &str) -> Vec<i32> {
    processes()
        .into_iter()
        .map(|(pid, _)| pid)
        .filter(|pid| command_line(*pid).contains(word))
        .collect()
}

/// A file with all folders that it needs.
pub fn write_file(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Returns the names in a folder; none if it is not there.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Returns a word that no other test has, for recognising processes and files.
pub fn unique(stem: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{}-{number}", std::process::id())
}

/// Returns whether tests that need root can run; says so if not.
pub fn is_root() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        eprintln!("not run: this needs root");
    }
    root
}

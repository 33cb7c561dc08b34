//! A client of `/fs` that sends any request, and sees whether an answer came to its end.

use super::{DEADLINE, TestServer};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// An answer, with its body as bytes.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// It came to the end that its head announced.
    pub whole: bool,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn etag(&self) -> String {
        self.header("etag").expect("a version").to_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Returns a head, `headers` in lines.
pub fn head(server: &TestServer, method: &str, path: &str, headers: &str) -> String {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n",
        server.port
    );
    for line in headers.lines() {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head + "\r\n"
}

/// One request on a connection of its own, with `Content-Length` if there is a body or `PUT` wants
/// one.
pub fn send(server: &TestServer, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
    let mut headers = headers.to_owned();
    if method == "PUT" || !body.is_empty() {
        headers = format!("Content-Length: {}\n{headers}", body.len());
    }
    let mut stream = server.tcp();
    stream
        .write_all(head(server, method, path, &headers).as_bytes())
        .unwrap();
    // It may be refused before all is sent.
    let _ = stream.write_all(body);
    finish(stream, method)
}

pub fn get(server: &TestServer, path: &str) -> Reply {
    send(server, "GET", path, "", b"")
}

pub fn put(server: &TestServer, path: &str, body: &[u8]) -> Reply {
    send(server, "PUT", path, "", body)
}

/// Reads the rest of the connection as one answer.
pub fn finish(mut stream: TcpStream, method: &str) -> Reply {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut bytes);
    parse(&bytes, method)
}

pub fn parse(bytes: &[u8], method: &str) -> Reply {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no HTTP answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if status == 100 {
        return parse(&bytes[end + 4..], method);
    }
    let mut reply = Reply {
        status,
        head,
        body: bytes[end + 4..].to_vec(),
        whole: true,
    };
    if method == "HEAD" || matches!(status, 204 | 304) {
        assert_eq!(reply.body, b"", "{}", reply.head);
    } else if let Some(length) = reply.header("content-length") {
        reply.whole = reply.body.len() == length.parse::<usize>().unwrap();
    } else if reply.header("transfer-encoding") == Some("chunked") {
        let (body, whole) = unchunk(&reply.body);
        (reply.body, reply.whole) = (body, whole);
    }
    reply
}

/// Returns the content of chunks, and whether the last one was there.
fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") else {
            return (body, false);
        };
        let size = usize::from_str_radix(str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        bytes = &bytes[end + 2..];
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = bytes.get(..size) else {
            body.extend_from_slice(bytes);
            return (body, false);
        };
        body.extend_from_slice(chunk);
        bytes = bytes.get(size + 2..).unwrap_or_default();
    }
}

/// A client that watches a folder.
pub struct Watcher {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Watcher {
    /// Returns when it watches.
    pub fn new(server: &TestServer, path: &str) -> Self {
        let mut stream = server.tcp();
        stream
            .write_all(head(server, "GET", path, "").as_bytes())
            .unwrap();
        let mut watcher = Self {
            stream,
            buffer: Vec::new(),
        };
        let head = watcher.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        watcher.until("retry: 2000\n\n");
        watcher
    }

    /// All up to `end`, which is removed. Chunks' heads are left among it.
    fn until(&mut self, end: &str) -> String {
        let end = end.as_bytes();
        // Signs of life come all the time, so it is not enough to wait for bytes.
        let deadline = Instant::now() + DEADLINE;
        loop {
            let seen = String::from_utf8_lossy(&self.buffer);
            assert!(Instant::now() < deadline, "waited in vain: {seen:?}");
            if let Some(at) = self.buffer.windows(end.len()).position(|part| part == end) {
                let rest = self.buffer.split_off(at + end.len());
                let text = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8(text).unwrap();
            }
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).expect("nothing was told");
            assert!(count > 0, "the stream ended");
            self.buffer.extend_from_slice(&bytes[..count]);
        }
    }

    /// Returns the next event's name and data.
    pub fn event(&mut self) -> (String, serde_json::Value) {
        self.until("event: ");
        let name = self.until("\ndata: ");
        let data = self.until("\n\n");
        let data = serde_json::from_str(data.trim_end()).unwrap_or_else(|_| panic!("{data}"));
        (name.trim_end_matches("\ndata: ").to_owned(), data)
    }

    /// Returns the next change: kind and path.
    pub fn change(&mut self) -> (String, String) {
        let (name, data) = self.event();
        assert_eq!(name, "change", "{data}");
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        (text("kind"), text("path"))
    }

    /// Reads changes until there is one of this kind to this path.
    pub fn wait_for(&mut self, kind: &str, path: &str) -> serde_json::Value {
        let mut seen = Vec::new();
        let deadline = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < deadline, "no {kind} of {path}: {seen:?}");
            let (name, data) = self.event();
            if name == "change" && data["kind"] == kind && data["path"] == path {
                return data;
            }
            seen.push(data);
        }
    }

    /// Returns whether the server has ended it properly, with a last chunk.
    pub fn has_ended(mut self) -> bool {
        let _ = self.stream.read_to_end(&mut self.buffer);
        self.buffer.ends_with(b"\r\n0\r\n\r\n")
    }
}

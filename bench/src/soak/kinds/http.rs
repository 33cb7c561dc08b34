//! Plain requests.

use super::super::connect::{connect, read_some};
use super::super::world::{SESSION_TIMEOUT, Visit};
use anyhow::{Context as _, ensure};
use bytes::BytesMut;
use std::io::Write as _;
use std::time::Instant;

/// What is asked for, the status, and what the answer has to contain.
const REQUEST_SAMPLES: [(&str, &str, &str); 9] = [
    ("GET /status", "200", "\r\n\r\nOK"),
    ("GET /version", "200", "{\"version\":\""),
    ("GET /runners", "200", "\"name\":\"python3\""),
    ("GET /metrics", "200", "further_link_clients"),
    ("GET /", "200", "<!doctype html"),
    ("GET /index.html", "200", "<!doctype html"),
    ("GET /nothing", "404", "404: Not Found"),
    ("DELETE /status", "405", "405"),
    ("GET /run", "426", "426"),
];

/// Some requests on one connection.
pub(super) async fn http(visit: &mut Visit) -> anyhow::Result<()> {
    let port = visit.world.port;
    let mut stream = connect(&visit.world)?;
    let count = visit.random.between(1, 5);
    for turn in 1..=count {
        let (line, status, text) = *visit.random.one_of(&REQUEST_SAMPLES);
        visit.note(line);
        let connection = if turn == count { "close" } else { "keep-alive" };
        let request = format!(
            "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: {connection}\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let answer = answer(&mut stream).await.with_context(|| line.to_owned())?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        ensure!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(text),
            "{line} was answered with {:?}",
            &answer.chars().take(300).collect::<String>()
        );
        visit.pause(0, 1000).await;
    }
    let more = read_some(
        &mut stream,
        &mut BytesMut::new(),
        Instant::now() + SESSION_TIMEOUT,
    )
    .await?;
    ensure!(!more, "something came after the last answer");
    Ok(())
}

/// One answer, head and body.
async fn answer(stream: &mut std::net::TcpStream) -> anyhow::Result<BytesMut> {
    let mut buffer = BytesMut::new();
    loop {
        if let Some(end) = crate::pattern::find(&buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .context("an answer without its length")?;
            if buffer.len() == end + 4 + length.parse::<usize>()? {
                return Ok(buffer);
            }
        }
        let more = read_some(stream, &mut buffer, Instant::now() + SESSION_TIMEOUT).await?;
        ensure!(more, "closed after {} bytes", buffer.len());
    }
}

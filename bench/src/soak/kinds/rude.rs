//! Clients that break off, and such as do not speak the protocol.

use super::super::connect::{Manner, connect, read_some};
use super::super::session::{PROCESS_NAME, Session, Told};
use super::super::world::{SESSION_TIMEOUT, Visit};
use super::{being, gone, leave, refusal};
use crate::client::link::Handshake;
use anyhow::{bail, ensure};
use bytes::BytesMut;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// A client that says that it will not send any more, while its program runs.
pub(super) async fn half_closed(visit: &mut Visit) -> anyhow::Result<()> {
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    let script = if visit.random.once_in(2) {
        "echo pid $$\nexec sleep 1000"
    } else {
        "echo pid $$\nexec yes"
    };
    session.start_script(PROCESS_NAME, script)?;
    let being = being(&mut session).await?;
    session.half_close()?;
    session.end().await?;
    gone(&being).await
}

/// A connection that ends in the middle of something.
pub(super) async fn cut(visit: &mut Visit) -> anyhow::Result<()> {
    if visit.random.once_in(2) {
        let mut stream = connect(&visit.world)?;
        let handshake = Handshake {
            path: "/run".to_owned(),
            ..Handshake::default()
        };
        let request = handshake.request(visit.world.port);
        let length = visit.random.between(0, request.len() as u64 - 1) as usize;
        visit.note(format!("{length} bytes of a handshake"));
        stream.write_all(&request.as_bytes()[..length])?;
        visit.pause(0, 2000).await;
        if visit.random.once_in(2) {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        }
        return Ok(());
    }
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    session.start_script(PROCESS_NAME, "echo pid $$\nexec sleep 1000")?;
    let being = being(&mut session).await?;
    // The head of a frame of 2,560 bytes, its mask, and some of it.
    let frame: [&[u8]; 2] = [&[0x81, 0xfe, 0x0a, 0x00, 1, 2, 3, 4], &[7; 500]];
    let frame = frame.concat();
    let length = visit.random.between(1, frame.len() as u64) as usize;
    visit.note(format!("{length} bytes of a frame"));
    session.say_bytes(&frame[..length])?;
    visit.pause(0, 1000).await;
    if visit.random.once_in(2) {
        session.reset_at_end()?;
    }
    drop(session);
    gone(&being).await
}

/// What is no HTTP, no WebSocket, no message.
pub(super) async fn garbage(visit: &mut Visit) -> anyhow::Result<()> {
    if visit.random.once_in(3) {
        return no_http(visit).await;
    }
    let manner = Manner::any(visit);
    let mut session = Session::open(visit, manner).await?;
    if visit.random.once_in(2) {
        // It need not be alone: its programs end with it.
        session.start_script("other", "exec sleep 1000")?;
        session.next(Instant::now() + SESSION_TIMEOUT).await?;
    }
    let (frame, code): (&[u8], u16) = match visit.random.between(0, 5) {
        0 => (&[0x83, 0x80, 0, 0, 0, 0], 1002),
        1 => (&[0x81, 0x01, b'a'], 1002),
        2 => (&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe], 1007),
        // 32 MiB, if it were to come.
        3 => (&[0x82, 0xff, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0], 1009),
        kind => {
            let detail = if kind == 4 {
                session.say_text("{\"type\": ")?;
                "the message is not valid JSON"
            } else {
                session.say(&serde_json::json!({"type": "nonsense"}))?;
                "unknown type"
            };
            refusal(&mut session, detail).await?;
            session.ping().await?;
            return leave(visit, session).await;
        }
    };
    visit.note(format!("{frame:?}"));
    session.say_bytes(frame)?;
    loop {
        match session.next(Instant::now() + SESSION_TIMEOUT).await? {
            (_, Told::Closed) => break,
            (_, Told::Stopped(_)) => {}
            told => bail!("to garbage came {told:?}"),
        }
    }
    let found = session.close_code();
    ensure!(
        found == Some(code),
        "garbage was answered with {found:?}, not {code}"
    );
    Ok(())
}

/// Bytes that are no request; the server has to end the connection.
async fn no_http(visit: &mut Visit) -> anyhow::Result<()> {
    let mut stream = connect(&visit.world)?;
    let length = visit.random.between(1, 4000);
    let mut bytes: Vec<u8> = (0..length).map(|_| visit.random.next() as u8).collect();
    if visit.random.once_in(3) {
        // As TLS begins.
        bytes[0] = 0x16;
    }
    if visit.random.once_in(2) {
        bytes.extend_from_slice(b"\r\n\r\n");
    }
    visit.note(format!("{length} bytes, the first of them {}", bytes[0]));
    stream.write_all(&bytes)?;
    let end = Instant::now() + SESSION_TIMEOUT;
    let mut answer = BytesMut::new();
    loop {
        let piece = end.min(Instant::now() + Duration::from_secs(1));
        match read_some(&mut stream, &mut answer, piece).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            // An unfinished head is waited for; not by us, when everything ends.
            Err(_) if visit.world.ending.get() => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => {}
        }
    }
}

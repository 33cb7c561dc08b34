//! The programs that this bench is to itself: the one that writes the pattern, and the WebSocket
//! that only echoes, which is the best that a server could do.

use crate::client::poller::Poller;
use crate::pattern::{BEGIN, Block, END, LINE};
use anyhow::Context as _;
use bytes::BytesMut;
use sockudo_ws::Message;
use sockudo_ws::handshake::generate_accept_key;
use sockudo_ws::protocol::{Protocol, Role};
use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

/// Writes `lines` lines of the pattern to the standard output.
pub(crate) fn emit(mut lines: u64) -> anyhow::Result<()> {
    // Past the line buffer of the standard library.
    let mut out =
        std::fs::File::from(std::os::fd::AsFd::as_fd(&std::io::stdout()).try_clone_to_owned()?);
    out.write_all(BEGIN)?;
    let mut block = Block::first(false);
    while lines > 0 {
        let bytes = block.bytes();
        let count = (bytes.len() / LINE).min(usize::try_from(lines).unwrap_or(usize::MAX));
        out.write_all(&bytes[..count * LINE])?;
        lines -= count as u64;
        block.advance();
    }
    out.write_all(END)?;
    Ok(())
}

struct Peer {
    stream: TcpStream,
    protocol: Protocol,
    /// In the handshake, its bytes.
    input: BytesMut,
    open: bool,
}

/// Echoes every message of every client, in one thread, until it is killed.
pub(crate) fn echo_server(port: u16) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let mut poller = Poller::new()?;
    poller.add(&listener, 0)?;
    let mut peers = HashMap::new();
    let mut next = 1;
    loop {
        for number in poller.wait(Duration::from_secs(3600))? {
            if number == 0 {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                poller.add(&stream, next)?;
                let peer = Peer {
                    stream,
                    protocol: Protocol::new(Role::Server, 1 << 24, 1 << 24),
                    input: BytesMut::new(),
                    open: false,
                };
                peers.insert(next, peer);
                next += 1;
            } else if let Some(peer) = peers.get_mut(&number)
                && !serve(peer).unwrap_or(false)
            {
                peers.remove(&number);
            }
        }
    }
}

/// Reads once from a peer that has something to read, and answers. False at its end.
fn serve(peer: &mut Peer) -> anyhow::Result<bool> {
    let mut piece = [0; 16 * 1024];
    let count = match peer.stream.read(&mut piece) {
        Ok(count) => count,
        Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    if count == 0 {
        return Ok(false);
    }
    peer.input.extend_from_slice(&piece[..count]);
    let mut out = BytesMut::new();
    if !peer.open {
        let Some(end) = crate::pattern::find(&peer.input, b"\r\n\r\n") else {
            return Ok(true);
        };
        let head = String::from_utf8_lossy(&peer.input.split_to(end + 4)).into_owned();
        peer.open = true;
        match head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")) {
            Some(key) => out.extend_from_slice(
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {}\r\n\r\n",
                    generate_accept_key(key)
                )
                .as_bytes(),
            ),
            None => {
                peer.stream
                    .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")?;
                return Ok(false);
            }
        }
    }
    for message in peer.protocol.process(&mut peer.input)? {
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            peer.protocol.encode_message(&message, &mut out)?;
        }
    }
    peer.stream
        .write_all(&out)
        .context("a client that is gone")?;
    Ok(true)
}

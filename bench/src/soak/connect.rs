//! How sessions reach the server: the route, what they offer, and the bytes of the handshake.

use super::tasks;
use super::world::{SESSION_TIMEOUT, Visit, World};
use crate::client::link::Handshake;
use crate::pattern::find;
use anyhow::{Context as _, bail, ensure};
use bytes::BytesMut;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// The route, and with it the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// `/run`
    Run,
    /// `/run` with `further-link.3`
    Stream,
    /// `/run-py`
    Py,
    /// `/exec`
    Exec,
    /// `/ws`, the mode in the query
    Lines(&'static str),
}

/// How a session connects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// The route.
    pub(super) speech: Speech,
    /// With a terminal.
    pub(super) pty: bool,
    /// With compression.
    pub(super) deflate: bool,
    /// Shows widgets.
    pub(super) widgets: bool,
    /// Reads so many bytes in each such time; `None`: what comes, at once.
    pub(super) pace: Option<(usize, Duration)>,
}

impl Manner {
    /// A client of `/run`, chosen at random.
    pub(super) fn any(visit: &mut Visit) -> Self {
        let speech = *visit.random.one_of(&[Speech::Run, Speech::Stream]);
        Self {
            speech,
            pty: visit.random.once_in(2),
            deflate: visit.random.once_in(4),
            widgets: false,
            pace: None,
        }
    }

    /// Of another route.
    pub(super) fn of(speech: Speech) -> Self {
        Self {
            speech,
            pty: false,
            deflate: false,
            widgets: false,
            pace: None,
        }
    }
}

/// Opens a connection and has it upgraded; gives the head of the answer and what came after it.
pub(super) async fn upgrade(
    world: &World,
    handshake: &Handshake,
) -> anyhow::Result<(TcpStream, BytesMut, BytesMut)> {
    let mut stream = connect(world)?;
    stream.write_all(handshake.request(world.port).as_bytes())?;
    let mut buffer = BytesMut::new();
    loop {
        if let Some(end) = find(&buffer, b"\r\n\r\n") {
            let head = buffer.split_to(end + 4);
            return Ok((stream, head, buffer));
        }
        let more = read_some(&mut stream, &mut buffer, Instant::now() + SESSION_TIMEOUT).await?;
        ensure!(more, "closed in the handshake");
    }
}

/// A connection that does not block.
pub(super) fn connect(world: &World) -> anyhow::Result<TcpStream> {
    world.count(|totals| totals.connections += 1);
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, world.port)).context("connecting")?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Waits for bytes and reads them; false at the end of the stream.
pub(super) async fn read_some(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    deadline: Instant,
) -> anyhow::Result<bool> {
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(count) => {
                buffer.extend_from_slice(&piece[..count]);
                return Ok(count > 0);
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) => {}
        }
        if !tasks::ready(&*stream, false, deadline).await? {
            bail!("no answer in time");
        }
    }
}

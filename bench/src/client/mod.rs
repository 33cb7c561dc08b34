//! A thin client for all servers: one program on one connection, its input as bytes, its output as
//! bytes. It waits for nothing by itself unless it is asked to, and starts no thread.
//!
//! Reading is in the caller's hands, so a client can read as fast as it can, slowly, or not at all.

pub(crate) mod dialect;
pub(crate) mod link;
pub(crate) mod poller;

use crate::pattern::find;
use crate::process::Process;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use dialect::Dialect;
use link::{Frames, Link};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a client asks a server to run.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// An interactive shell on a terminal.
    Shell,
    /// An executable file, on pipes.
    Script(PathBuf),
    /// Python code, on pipes.
    Python(String),
}

/// What a client is told.
#[derive(Debug)]
pub(crate) enum Event {
    /// The program runs.
    Started,
    /// Bytes of its output.
    Output(Bytes),
    /// It wants to be told of keys.
    KeyListen,
    /// It has shown a picture; with how many before, where that is told.
    Picture(Option<u64>, Bytes),
    /// It is over, with this status. Nothing follows of this program.
    Stopped(Option<i64>),
    /// The server refused something.
    Refused(String),
    /// The connection is over.
    Closed,
}

/// A connection with one program.
pub(crate) struct Client {
    link: Link,
    dialect: Box<dyn Dialect>,
    frames: Frames,
    events: VecDeque<Event>,
    /// A program that is driven without a server, and ends with its client.
    program: Option<Process>,
}

impl Client {
    /// A client on a link that is open. Says what the dialect wants to be said first.
    pub(crate) fn new(link: Link, dialect: Box<dyn Dialect>) -> anyhow::Result<Self> {
        let mut client = Self {
            frames: Frames::new(link.is_websocket()),
            link,
            dialect,
            events: VecDeque::new(),
            program: None,
        };
        client.dialect.open(&mut client.frames);
        client.flush()?;
        // What came together with the handshake is not waited for by anybody.
        client.receive(READ_BUFFER_BYTES)?;
        Ok(client)
    }

    /// Has a program end with this client.
    pub(crate) fn keep(&mut self, program: Process) {
        self.program = Some(program);
    }

    /// The program that ends with this client.
    pub(crate) fn program(&mut self) -> Option<Process> {
        self.program.take()
    }

    /// Asks for a program. Dialects with one program for each connection have started it already.
    pub(crate) fn start(&mut self, program: &Program) -> io::Result<()> {
        self.dialect.start(program, &mut self.frames);
        self.flush()?;
        Ok(())
    }

    /// Sends input.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.dialect.input(bytes, &mut self.frames);
        self.flush()?;
        Ok(())
    }

    /// Tells the program of a key that was pressed.
    pub(crate) fn key(&mut self, key: &str) -> io::Result<()> {
        self.dialect.key(key, &mut self.frames);
        self.flush()?;
        Ok(())
    }

    /// Hands to the kernel what it takes of what waits to be sent; true when that was all.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        self.link.write(&mut self.frames)
    }

    /// Reads once, `limit` bytes at the most, without waiting. Gives the bytes that came from the
    /// wire: 0 if there were none.
    pub(crate) fn receive(&mut self, limit: usize) -> anyhow::Result<usize> {
        let Self {
            link,
            dialect,
            frames,
            events,
            ..
        } = self;
        let count = link.read(limit, frames, |message, frames| {
            dialect.message(message, events, frames)
        })?;
        match count {
            Some(0) => events.push_back(Event::Closed),
            Some(_) => {
                self.link.write(&mut self.frames)?;
            }
            None => {}
        }
        Ok(count.unwrap_or(0))
    }

    /// The next thing that was told, of what was read so far.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Waits for the next thing that is told.
    pub(crate) fn wait(&mut self, deadline: Instant) -> anyhow::Result<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            // What comes next is often there already; the wait costs a system call more.
            if self.receive(READ_BUFFER_BYTES)? == 0 && self.events.is_empty() {
                self.wait_readable(deadline)?;
            }
        }
    }

    /// Waits until there is something to read.
    pub(crate) fn wait_readable(&mut self, deadline: Instant) -> anyhow::Result<()> {
        loop {
            let flags = if self.frames.is_empty() {
                PollFlags::POLLIN
            } else {
                PollFlags::POLLIN | PollFlags::POLLOUT
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("nothing came in time");
            }
            let mut fds = [PollFd::new(self.link.as_fd(), flags)];
            let milliseconds = PollTimeout::try_from(left.min(Duration::from_secs(60)))
                .context("a time that poll does not take")?;
            match poll(&mut fds, milliseconds) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            let found = fds[0].revents().unwrap_or(PollFlags::empty());
            if found.contains(PollFlags::POLLOUT) {
                self.flush()?;
            }
            if found.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
                return Ok(());
            }
        }
    }

    /// The next bytes of output.
    ///
    /// # Errors
    /// If the program is over, or refused.
    pub(crate) fn output(&mut self, deadline: Instant) -> anyhow::Result<Bytes> {
        loop {
            match self.wait(deadline)? {
                Event::Output(bytes) => return Ok(bytes),
                Event::Started | Event::KeyListen | Event::Picture(..) => {}
                Event::Stopped(status) => bail!("the program ended early, with status {status:?}"),
                Event::Refused(reason) => bail!("refused: {reason}"),
                Event::Closed => bail!("the server closed the connection"),
            }
        }
    }

    /// Reads until the output ends with one of `endings`; gives all of it.
    pub(crate) fn output_until(
        &mut self,
        endings: &[&[u8]],
        deadline: Instant,
    ) -> anyhow::Result<Vec<u8>> {
        let mut seen = Vec::new();
        while !endings.iter().any(|ending| seen.ends_with(ending)) {
            match self.output(deadline) {
                Ok(bytes) => seen.extend_from_slice(&bytes),
                Err(error) => {
                    let tail = &seen[seen.len().saturating_sub(60)..];
                    return Err(error.context(format!(
                        "after {} bytes, the last of them {:?}",
                        seen.len(),
                        String::from_utf8_lossy(tail)
                    )));
                }
            }
        }
        Ok(seen)
    }

    /// Reads until `mark` is somewhere in the output; gives all of it.
    pub(crate) fn output_with(
        &mut self,
        mark: &[u8],
        deadline: Instant,
    ) -> anyhow::Result<Vec<u8>> {
        let mut seen = Vec::new();
        let mut searched: usize = 0;
        // A mark may be in two pieces.
        while find(&seen[searched.saturating_sub(mark.len())..], mark).is_none() {
            searched = seen.len();
            seen.extend_from_slice(&self.output(deadline)?);
        }
        Ok(seen)
    }

    /// Bytes that came from the wire so far, with all framing.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.link.received()
    }

    /// Whether the server agreed to compress.
    pub(crate) fn is_compressed(&self) -> bool {
        self.link.is_compressed()
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

/// Bytes that are read at once by a client that reads as fast as it can.
pub(crate) const READ_BUFFER_BYTES: usize = 256 * 1024;

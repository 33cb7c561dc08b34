//! A WebSocket client that takes nothing for granted: it knows the order in which messages have to
//! come, follows the offsets of the binary stream, and fails at whatever the protocol does not
//! allow.

mod take;

use super::connect::{Manner, Speech, upgrade};
use super::tasks;
use super::wire;
use super::world::{SESSION_TIMEOUT, Visit, World};
use crate::client::READ_BUFFER_BYTES;
use crate::client::link::{Frames, Handshake, Link};
use crate::pattern::find;
use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Instant;

/// What a session is told.
#[derive(Debug)]
pub(super) enum Told {
    /// The program runs.
    Started,
    /// It has written this; `true` for its standard error.
    Output(bool, Bytes),
    /// It is over.
    Stopped(i64),
    /// Something was refused: `message` and `detail`.
    Error(String, String),
    /// The answer to `ping`.
    Pong,
    /// Some of the input was handed over.
    Taken,
    /// The program wants to be told of this key.
    KeyListen(String),
    /// A picture, which is undamaged, with this number.
    Picture(u32),
    /// A widget, as JSON.
    Widget(String),
    /// An answer on `/ws`.
    Answer(Bytes),
    /// The connection is over.
    Closed,
}

/// One program of a session.
#[derive(Debug)]
struct Track {
    name: String,
    number: u32,
    started: bool,
    received: u64,
    acknowledged: u64,
    sent: u64,
    taken: u64,
    /// The least number that the next picture may have.
    picture: u32,
}

/// Consumed bytes after which there has to be an acknowledgement.
const ACK_INTERVAL_BYTES: u64 = 16 * 1024;
/// The only program of most sessions.
pub(super) const PROCESS_NAME: &str = "p";

/// A program that is over.
#[derive(Debug)]
pub(super) struct Finished {
    /// Its output.
    pub(super) out: Vec<u8>,
    /// Its errors.
    pub(super) err: Vec<u8>,
    /// Its status.
    pub(super) status: i64,
}

/// The client.
pub(super) struct Session {
    world: Rc<World>,
    link: Link,
    frames: Frames,
    manner: Manner,
    client: String,
    tracks: Vec<Track>,
    numbers: BTreeSet<u32>,
    told: VecDeque<(String, Told)>,
    /// Output that came behind what was waited for.
    held: Vec<u8>,
    /// When it may read again, if it reads slowly.
    again: Instant,
    closed: bool,
}

impl Session {
    /// Connects, and shakes hands.
    pub(super) async fn open(visit: &mut Visit, manner: Manner) -> anyhow::Result<Self> {
        let world = Rc::clone(&visit.world);
        visit.note(format!("{manner:?}"));
        let pty = if manner.pty { "pty=1&" } else { "" };
        let client = if matches!(manner.speech, Speech::Run | Speech::Stream) {
            format!("visit-{}", visit.number)
        } else {
            String::new()
        };
        let path = match manner.speech {
            Speech::Run | Speech::Stream => {
                let features = if manner.widgets {
                    "features=widget&"
                } else {
                    ""
                };
                format!("/run?{pty}{features}client={client}")
            }
            Speech::Py => format!("/run-py?{pty}"),
            Speech::Exec => "/exec".to_owned(),
            Speech::Lines(query) => format!("/ws{query}"),
        };
        let handshake = Handshake {
            path,
            subprotocol: (manner.speech == Speech::Stream).then_some("further-link.3"),
            deflate: manner.deflate,
        };
        let stream = upgrade(&world, &handshake).await?;
        let link = Link::upgraded(stream.0, &stream.1, stream.2, &handshake)?;
        ensure!(
            link.is_compressed() == manner.deflate,
            "compression was {}",
            if manner.deflate { "refused" } else { "forced" }
        );
        Ok(Self {
            world,
            link,
            frames: Frames::new(true),
            manner,
            client,
            tracks: Vec::new(),
            numbers: BTreeSet::new(),
            held: Vec::new(),
            told: VecDeque::new(),
            again: Instant::now(),
            closed: false,
        })
    }

    fn write(&mut self) -> anyhow::Result<bool> {
        match self.link.write(&mut self.frames) {
            Ok(done) => Ok(done),
            // What the server has said before can still be read.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                self.frames = Frames::new(true);
                self.closed = true;
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a message as it is.
    pub(super) fn say(&mut self, message: &Value) -> anyhow::Result<()> {
        self.frames.text(message.to_string());
        self.write()?;
        Ok(())
    }

    /// Sends bytes that may be no frame at all.
    pub(super) fn say_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.frames.raw(bytes);
        self.write()?;
        Ok(())
    }

    /// Sends a line to `/ws`.
    pub(super) fn say_text(&mut self, text: &str) -> anyhow::Result<()> {
        self.frames.text(text);
        self.write()?;
        Ok(())
    }

    /// Sends a message about a program.
    pub(super) fn command(&mut self, kind: &str, name: &str, data: &Value) -> anyhow::Result<()> {
        let message = match self.manner.speech {
            Speech::Run | Speech::Stream => json!({"type": kind, "process": name, "data": data}),
            _ => json!({"type": kind, "data": data}),
        };
        self.say(&message)
    }

    /// Asks for a program.
    pub(super) fn start(&mut self, name: &str, data: &Value) -> anyhow::Result<()> {
        self.tracks.push(Track {
            name: name.to_owned(),
            number: 0,
            started: false,
            received: 0,
            acknowledged: 0,
            sent: 0,
            taken: 0,
            picture: 0,
        });
        self.world.count(|totals| totals.starts += 1);
        self.command("start", name, data)
    }

    /// Asks for a program that is sent as a script for `/bin/sh`.
    pub(super) fn start_script(&mut self, name: &str, lines: &str) -> anyhow::Result<()> {
        let code = format!("#!/bin/sh\n{lines}\n");
        self.start(name, &json!({"runner": "exec", "code": code}))
    }

    /// Asks for the end of a program.
    pub(super) fn stop(&mut self, name: &str) -> anyhow::Result<()> {
        self.command("stop", name, &Value::Null)
    }

    /// Tells a program of a key.
    pub(super) fn key(&mut self, name: &str, key: &str) -> anyhow::Result<()> {
        self.command("keyevent", name, &json!({"key": key, "event": "keydown"}))
    }

    /// Sets the size of a program's terminal.
    pub(super) fn resize(&mut self, name: &str, rows: u64, columns: u64) -> anyhow::Result<()> {
        self.command("resize", name, &json!({"rows": rows, "cols": columns}))
    }

    /// Hands input to a program.
    pub(super) fn input(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        self.world
            .count(|totals| totals.input += bytes.len() as u64);
        if self.manner.speech != Speech::Stream {
            let input = String::from_utf8_lossy(bytes);
            return self.command("stdin", name, &json!({"input": input}));
        }
        let track = self.running(name)?;
        let frame = wire::frame(wire::DATA, wire::INPUT, track.number, track.sent, bytes);
        track.sent += bytes.len() as u64;
        self.frames.binary(frame);
        self.write()?;
        Ok(())
    }

    /// Ends the input of a program (binary stream only).
    pub(super) fn end_input(&mut self, name: &str) -> anyhow::Result<()> {
        let track = self.running(name)?;
        let frame = wire::frame(wire::END, wire::INPUT, track.number, track.sent, b"");
        self.frames.binary(frame);
        self.write()?;
        Ok(())
    }

    /// Sends an `ack` or `data` with an offset that is `too_much` beyond the right one.
    pub(super) fn forge(&mut self, name: &str, ack: bool, too_much: u64) -> anyhow::Result<()> {
        let track = self.running(name)?;
        let frame = if ack {
            let offset = track.received + too_much;
            wire::frame(wire::ACK, wire::OUTPUT, track.number, offset, b"")
        } else {
            let offset = track.sent + too_much;
            wire::frame(wire::DATA, wire::INPUT, track.number, offset, b"never")
        };
        self.frames.binary(frame);
        self.write()?;
        Ok(())
    }

    fn running(&mut self, name: &str) -> anyhow::Result<&mut Track> {
        let found = self.tracks.iter_mut().find(|track| track.name == name);
        found.with_context(|| format!("no program {name} runs"))
    }

    /// The next thing that is told, and of which program.
    pub(super) async fn next(&mut self, deadline: Instant) -> anyhow::Result<(String, Told)> {
        loop {
            if let Some((name, told)) = self.told.pop_front() {
                self.consumed(&name, &told)?;
                return Ok((name, told));
            }
            if self.closed && !self.read(READ_BUFFER_BYTES)? {
                return Ok((String::new(), Told::Closed));
            }
            if let Some((limit, time)) = self.manner.pace {
                tasks::until(self.again).await;
                self.again = Instant::now() + time;
                if self.read(limit)? {
                    continue;
                }
            } else if self.read(READ_BUFFER_BYTES)? {
                continue;
            }
            let writing = !self.frames.is_empty();
            if !tasks::ready(&self.link, writing, deadline).await? {
                bail!("nothing came in time; programs: {:?}", self.tracks);
            }
            self.write()?;
        }
    }

    /// Answers pings until then; nothing may be told.
    pub(super) async fn quiet(&mut self, until: Instant) -> anyhow::Result<()> {
        while Instant::now() < until {
            if self.read(READ_BUFFER_BYTES)? {
                if let Some(told) = self.told.pop_front() {
                    bail!("nobody asked: {told:?}");
                }
                ensure!(!self.closed, "closed while it was quiet");
                continue;
            }
            let writing = !self.frames.is_empty();
            tasks::ready(&self.link, writing, until).await?;
            self.write()?;
        }
        Ok(())
    }

    /// The next thing that is told of the only program, or of none.
    pub(super) async fn hear(&mut self) -> anyhow::Result<Told> {
        let (name, told) = self.next(Instant::now() + SESSION_TIMEOUT).await?;
        ensure!(
            name == PROCESS_NAME || name.is_empty(),
            "told of {name}: {told:?}"
        );
        Ok(told)
    }

    /// Waits until the only program runs.
    pub(super) async fn started(&mut self) -> anyhow::Result<()> {
        match self.hear().await? {
            Told::Started => Ok(()),
            told => bail!("not started, but {told:?}"),
        }
    }

    /// The next output of the only program.
    pub(super) async fn output(&mut self) -> anyhow::Result<Bytes> {
        if !self.held.is_empty() {
            return Ok(Bytes::from(std::mem::take(&mut self.held)));
        }
        loop {
            match self.hear().await? {
                Told::Output(_, bytes) => return Ok(bytes),
                Told::Taken => {}
                told => bail!("no output, but {told:?}"),
            }
        }
    }

    /// Reads until `mark` is in the output; gives all up to its end. The rest is held for the next
    /// who wants output.
    pub(super) async fn output_with(&mut self, mark: &str) -> anyhow::Result<Vec<u8>> {
        let mut seen = Vec::new();
        let mut searched: usize = 0;
        loop {
            // A mark may be in two pieces.
            let from = searched.saturating_sub(mark.len());
            if let Some(at) = find(&seen[from..], mark.as_bytes()) {
                self.held = seen.split_off(from + at + mark.len());
                return Ok(seen);
            }
            searched = seen.len();
            match self.output().await {
                Ok(bytes) => seen.extend_from_slice(&bytes),
                Err(error) => {
                    let tail = String::from_utf8_lossy(&seen[seen.len().saturating_sub(200)..]);
                    return Err(error.context(format!("{mark:?} did not come, but {tail:?}")));
                }
            }
        }
    }

    /// Reads until the only program is over.
    pub(super) async fn finished(&mut self) -> anyhow::Result<Finished> {
        let (mut out, mut err) = (std::mem::take(&mut self.held), Vec::new());
        loop {
            match self.hear().await? {
                Told::Output(false, bytes) => out.extend_from_slice(&bytes),
                Told::Output(true, bytes) => err.extend_from_slice(&bytes),
                Told::Taken => {}
                Told::Stopped(status) => return Ok(Finished { out, err, status }),
                told => bail!("not the end, but {told:?}"),
            }
        }
    }

    /// Asks for a sign of life, and gets it. What a program says meanwhile is held.
    pub(super) async fn ping(&mut self) -> anyhow::Result<()> {
        self.say(&json!({"type": "ping"}))?;
        loop {
            match self.hear().await? {
                Told::Pong => return Ok(()),
                Told::Output(false, bytes) => self.held.extend_from_slice(&bytes),
                told => bail!("no pong, but {told:?}"),
            }
        }
    }

    /// Waits for the end of the connection, whatever is told until then.
    pub(super) async fn end(&mut self) -> anyhow::Result<()> {
        loop {
            if let (_, Told::Closed) = self.next(Instant::now() + SESSION_TIMEOUT).await? {
                return Ok(());
            }
        }
    }

    /// Reads once; false if there was nothing.
    fn read(&mut self, limit: usize) -> anyhow::Result<bool> {
        let mut messages = Vec::new();
        let count = self.link.read(limit, &mut self.frames, |message, _| {
            messages.push(message);
            Ok(())
        });
        let count = match count {
            Ok(count) => count,
            Err(error) => return Err(error.context("reading")),
        };
        for message in messages {
            self.take(message)?;
        }
        // The answers to pings.
        self.write()?;
        if count == Some(0) && !self.closed {
            self.closed = true;
            return Ok(true);
        }
        Ok(count.is_some_and(|count| count > 0))
    }

    /// Acknowledges what the caller is about to get.
    fn consumed(&mut self, name: &str, told: &Told) -> anyhow::Result<()> {
        let Told::Output(_, bytes) = told else {
            return Ok(());
        };
        self.world
            .count(|totals| totals.output += bytes.len() as u64);
        if self.manner.speech != Speech::Stream {
            return Ok(());
        }
        let waiting: u64 = self
            .told
            .iter()
            .filter(|(of, _)| of == name)
            .map(|(_, told)| match told {
                Told::Output(_, bytes) => bytes.len() as u64,
                _ => 0,
            })
            .sum();
        let Some(track) = self.tracks.iter_mut().find(|track| track.name == name) else {
            return Ok(());
        };
        let consumed = track.received - waiting;
        if consumed - track.acknowledged >= ACK_INTERVAL_BYTES {
            track.acknowledged = consumed;
            let frame = wire::frame(wire::ACK, wire::OUTPUT, track.number, consumed, b"");
            self.frames.binary(frame);
            self.write()?;
        }
        Ok(())
    }

    /// Ends the sending direction.
    pub(super) fn half_close(&self) -> anyhow::Result<()> {
        Ok(self.link.half_close()?)
    }

    /// Has the end of the connection be a reset.
    pub(super) fn reset_at_end(&self) -> anyhow::Result<()> {
        Ok(self.link.reset_at_end()?)
    }

    /// With which code the server has closed.
    pub(super) fn close_code(&self) -> Option<u16> {
        self.link.close_code()
    }

    /// Asks for the end of the conversation.
    pub(super) fn say_close(&mut self) -> anyhow::Result<()> {
        self.frames.close();
        self.write()?;
        Ok(())
    }
}

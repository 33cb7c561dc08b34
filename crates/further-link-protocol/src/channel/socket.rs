//! The sockets of programs (`docs/protocol.md` section 6): the channel socket, whose messages have
//! a length, a kind and a payload, and the sockets of the older package, whose messages end with a
//! word.

use super::{Channel, ChannelEvent, ChannelMessage, ChannelSpec, Features};
use super::{KeyEvent, KeyListen, VideoFrame};
use crate::wire::json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::fmt;

/// Bytes of a message before its payload: length and kind.
const HEADER_BYTES: usize = 5;

/// Kind bytes of the messages that belong to no channel.
mod kind {
    pub(super) const PROGRAM_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 65;
    pub(super) const ERROR: u8 = 69;
}

/// Bytes of a program's `hello` at most.
const HELLO_MAX_BYTES: usize = 1024;
/// How much of what serde says about a message is repeated to the program, in characters.
const REASON_MAX_CHARS: usize = 120;
/// Bytes of a frame of the older package at most, in base64.
const LEGACY_VIDEO_MAX_BYTES: usize = 12 << 20;
/// Bytes of memory that are taken for a message at first, unless it is shorter.
const PAYLOAD_MIN_CAPACITY: usize = 16 << 10;

/// One message of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramMessage {
    /// It has connected.
    Hello,
    /// For its client.
    Channel(ChannelMessage),
}

/// Why a message was refused: a sentence for the person who wrote the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRefused(pub String);

impl MessageRefused {
    pub(super) fn of(spec: &ChannelSpec, reason: impl fmt::Display) -> Self {
        Self(format!("{} was not taken: {reason}.", spec.noun))
    }

    /// Of a payload whose JSON is not as it should be.
    pub(super) fn malformed_header(spec: &ChannelSpec, error: &serde_json::Error) -> Self {
        // It may repeat what is wrong, whatever its length.
        let reason = json::shorten(error.to_string().chars(), REASON_MAX_CHARS);
        Self::of(
            spec,
            format_args!("its head is not as it should be: {reason}"),
        )
    }
}

/// What a decoder hands out for each message of a program.
pub type Decoded = Result<ProgramMessage, MessageRefused>;

/// One message to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// The first one.
    Hello {
        /// The server's version.
        version: &'a str,
        /// What the client is shown.
        features: Features,
    },
    /// Something that the client has sent on a channel.
    Event(&'a ChannelEvent),
    /// Why a message was refused.
    Error(&'a str),
}

#[derive(Serialize)]
struct HelloPayload<'a> {
    features: Features,
    version: &'a str,
}

#[derive(Serialize)]
struct KeyEventPayload<'a> {
    event: &'a str,
    key: &'a str,
}

impl ServerMessage<'_> {
    /// Appends the message as it is sent through the channel socket.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        let kind = match self {
            Self::Hello { version, features } => {
                let features = features.of_channels();
                json::write(out, &HelloPayload { features, version });
                kind::SERVER_HELLO
            }
            Self::Event(ChannelEvent::Key(KeyEvent { key, event })) => {
                json::write(out, &KeyEventPayload { event, key });
                event_kind(Channel::Keys)
            }
            Self::Event(ChannelEvent::Json { channel, json }) => {
                out.extend_from_slice(json.as_bytes());
                event_kind(*channel)
            }
            Self::Error(text) => {
                out.extend_from_slice(text.as_bytes());
                kind::ERROR
            }
        };
        let length = (out.len() - start - HEADER_BYTES) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        out[start + 4] = kind;
    }
}

fn event_kind(channel: Channel) -> u8 {
    let event = channel.spec().event.as_ref();
    event
        .expect("an event is only made for a channel that has them")
        .kind
}

/// Appends a key event as the older package reads it.
pub fn encode_legacy_key_event(event: &KeyEvent, out: &mut Vec<u8>) {
    for part in [&event.key, " ", &event.event, " endkeyevent "] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// What a socket carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// The channel socket: messages of all kinds.
    Channel,
    /// Of the older package: frames of video.
    LegacyVideo,
    /// Of the older package: keys.
    LegacyKeyListen,
}

impl SocketKind {
    /// Returns what ends a message of the older package, and bytes before it at most.
    fn terminator(self) -> (&'static [u8], usize) {
        match self {
            Self::LegacyVideo => (b" endvideo ", LEGACY_VIDEO_MAX_BYTES),
            Self::Channel | Self::LegacyKeyListen => {
                let max_bytes = Channel::Keys.spec().payload_max_bytes;
                (b" endkeylisten ", max_bytes)
            }
        }
    }
}

/// Decodes the messages of one connection from its bytes, however they are split.
#[derive(Debug)]
pub struct MessageDecoder {
    socket: SocketKind,
    /// Length and kind of the message being read, and how many of these bytes have come.
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    /// What has come of the message so far; of the older package, with what may be its terminator.
    payload: Vec<u8>,
    /// Bytes still to come of a message that is discarded.
    skip_bytes: usize,
    /// Of the older package: how many bytes of a terminator were read last.
    terminator_matched: usize,
    /// Of the older package: the message being read is discarded.
    too_long: bool,
}

impl MessageDecoder {
    /// Returns a decoder for a connection to `socket`.
    pub fn new(socket: SocketKind) -> Self {
        Self {
            socket,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            payload: Vec::new(),
            skip_bytes: 0,
            terminator_matched: 0,
            too_long: false,
        }
    }

    /// Returns whether everything so far was whole messages.
    pub fn is_idle(&self) -> bool {
        self.header_bytes == 0 && self.payload.is_empty() && self.skip_bytes == 0 && !self.too_long
    }

    /// Returns the bytes of memory that the message being read takes.
    pub fn memory_bytes(&self) -> usize {
        self.payload.capacity()
    }

    /// Decodes `bytes`, and calls `found` with each message that they complete.
    pub fn decode(&mut self, bytes: &[u8], found: &mut impl FnMut(Decoded)) {
        match self.socket {
            SocketKind::Channel => self.channel(bytes, found),
            SocketKind::LegacyVideo | SocketKind::LegacyKeyListen => self.legacy(bytes, found),
        }
    }

    fn channel(&mut self, mut bytes: &[u8], found: &mut impl FnMut(Decoded)) {
        loop {
            let skipped = self.skip_bytes.min(bytes.len());
            self.skip_bytes -= skipped;
            bytes = &bytes[skipped..];

            let (taken, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES - self.header_bytes));
            self.header[self.header_bytes..][..taken.len()].copy_from_slice(taken);
            self.header_bytes += taken.len();
            bytes = rest;
            if self.header_bytes < HEADER_BYTES {
                return;
            }
            let [a, b, c, d, kind] = self.header;
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            let max_bytes = payload_max_bytes(kind);
            if length > max_bytes {
                self.header_bytes = 0;
                self.skip_bytes = length;
                if max_bytes > 0 {
                    found(Err(MessageRefused(format!(
                        "A message of {length} bytes was not taken: {max_bytes} are the most."
                    ))));
                }
                continue;
            }

            let (taken, rest) = bytes.split_at(bytes.len().min(length - self.payload.len()));
            self.append(taken, length);
            bytes = rest;
            if self.payload.len() < length {
                return;
            }
            self.header_bytes = 0;
            if let Some(message) = read(kind, std::mem::take(&mut self.payload)) {
                found(message);
            }
        }
    }

    /// Decodes messages of the older package, which end with a terminator.
    fn legacy(&mut self, mut bytes: &[u8], found: &mut impl FnMut(Decoded)) {
        let (terminator, max_bytes) = self.socket.terminator();
        while !bytes.is_empty() {
            let (is_whole, taken) = self.find_terminator(bytes, terminator);
            let (taken, rest) = bytes.split_at(taken);
            bytes = rest;
            // What may be the terminator does not count.
            let matched = if is_whole {
                terminator.len()
            } else {
                self.terminator_matched
            };
            if self.too_long || self.payload.len() + taken.len() - matched > max_bytes {
                // How much more will come is unknown.
                self.too_long = true;
                self.payload = Vec::new();
            } else {
                let whole = match is_whole {
                    true => self.payload.len() + taken.len(),
                    false => max_bytes + terminator.len(),
                };
                self.append(taken, whole);
            }
            if !is_whole {
                return;
            }
            let too_long = std::mem::take(&mut self.too_long);
            let mut payload = std::mem::take(&mut self.payload);
            payload.truncate(payload.len().saturating_sub(terminator.len()));
            let message = match self.socket {
                SocketKind::LegacyVideo if too_long => Err(MessageRefused(format!(
                    "A picture of more than {max_bytes} bytes was not taken."
                ))),
                SocketKind::LegacyVideo => legacy_video(payload),
                SocketKind::Channel | SocketKind::LegacyKeyListen if too_long => Err(not_a_key()),
                SocketKind::Channel | SocketKind::LegacyKeyListen => {
                    match String::from_utf8(payload) {
                        Ok(key) if key.is_empty() => continue,
                        Ok(key) => Ok(key_listen(key)),
                        Err(_) => Err(not_a_key()),
                    }
                }
            };
            found(message);
        }
    }

    /// Searches for the terminator of the message being read, which may have begun in earlier
    /// bytes. Returns whether it was found, and how many of `bytes` belong to the message.
    fn find_terminator(&mut self, bytes: &[u8], terminator: &[u8]) -> (bool, usize) {
        let mut position = 0;
        while position < bytes.len() {
            // Terminators begin and end with a space and have none between, so bytes that do not
            // continue one can only begin one. Most bytes are no space.
            if self.terminator_matched == 0 {
                match bytes[position..]
                    .iter()
                    .position(|byte| *byte == terminator[0])
                {
                    Some(before) => position += before,
                    None => break,
                }
            }
            if bytes[position] == terminator[self.terminator_matched] {
                self.terminator_matched += 1;
            } else {
                self.terminator_matched = usize::from(bytes[position] == terminator[0]);
            }
            position += 1;
            if self.terminator_matched == terminator.len() {
                self.terminator_matched = 0;
                return (true, position);
            }
        }
        (false, bytes.len())
    }

    /// Appends bytes of a message of at most `max_bytes`. Memory grows with what has come, not with
    /// what was announced.
    fn append(&mut self, bytes: &[u8], max_bytes: usize) {
        let held = self.payload.len();
        if self.payload.capacity() - held < bytes.len() {
            let more = bytes
                .len()
                .max(held)
                .max(PAYLOAD_MIN_CAPACITY)
                .min(max_bytes - held);
            self.payload.reserve_exact(more);
        }
        self.payload.extend_from_slice(bytes);
    }
}

/// Bytes of a payload of this kind at most. Kinds that are not known are skipped.
fn payload_max_bytes(kind: u8) -> usize {
    match kind {
        kind::PROGRAM_HELLO => HELLO_MAX_BYTES,
        kind => Channel::with_kind(kind).map_or(0, |spec| spec.payload_max_bytes),
    }
}

/// Reads a whole message. `None`: it says nothing that anybody has to know.
fn read(kind: u8, payload: Vec<u8>) -> Option<Decoded> {
    if kind == kind::PROGRAM_HELLO {
        return Some(Ok(ProgramMessage::Hello));
    }
    let spec = Channel::with_kind(kind)?;
    Some((spec.decode)(payload, spec).map(ProgramMessage::Channel))
}

pub(super) fn text(payload: Vec<u8>, spec: &ChannelSpec) -> Result<String, MessageRefused> {
    String::from_utf8(payload).map_err(|_| MessageRefused::of(spec, "it is not UTF-8 text"))
}

/// Reads a frame of the older package, base64 with or without line feeds.
fn legacy_video(mut payload: Vec<u8>) -> Decoded {
    let jpeg = STANDARD.decode(&payload).or_else(|_| {
        payload.retain(|byte| !matches!(byte, b'\r' | b'\n'));
        STANDARD.decode(payload.trim_ascii())
    });
    jpeg.map(|jpeg| ProgramMessage::Channel(ChannelMessage::Video(VideoFrame { jpeg })))
        .map_err(|_| MessageRefused::of(Channel::Video.spec(), "it is no base64"))
}

fn key_listen(key: String) -> ProgramMessage {
    ProgramMessage::Channel(ChannelMessage::Keys(KeyListen { key }))
}

fn not_a_key() -> MessageRefused {
    MessageRefused::of(Channel::Keys.spec(), "it is no key's name")
}

//! What a program and the server say to each other beside the standard streams (`docs/protocol.md` section 6):
//! the messages of the channel socket, and of the sockets of the older package.

use crate::{Features, Figure, FigureFormat, KeyEvent};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Bytes of a message before its payload: length and kind.
const HEAD: usize = 5;

const HELLO: u8 = 1;
const KEY_LISTEN: u8 = 2;
const VIDEO: u8 = 3;
const FIGURE: u8 = 4;
const PLOT: u8 = 5;
const WIDGET: u8 = 6;
const SERVER_HELLO: u8 = 65;
const KEY_EVENT: u8 = 66;
const FIGURE_EVENT: u8 = 67;
const WIDGET_EVENT: u8 = 68;
const ERROR: u8 = 69;

/// Bytes of a payload at the most.
fn limit(kind: u8) -> usize {
    match kind {
        HELLO => 1024,
        KEY_LISTEN => 256,
        VIDEO | FIGURE => 8 << 20,
        PLOT => 1 << 20,
        WIDGET => 64 << 10,
        // Skipped, whatever it is.
        _ => 0,
    }
}

/// Bytes of a picture of the older package at the most, in base64.
const OLD_VIDEO_LIMIT: usize = 12 << 20;
/// How much of what serde says about a figure is repeated to the program, in characters.
const WHY_MAX_CHARS: usize = 120;
/// Bytes of memory that are taken for a message at the least, unless it is shorter.
const LEAST_HELD: usize = 16 << 10;

/// One message of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromProgram {
    /// It has connected.
    Hello,
    /// It wants to be told of this key.
    KeyListen(String),
    /// A picture, a JPEG file.
    Video(Vec<u8>),
    /// A figure has changed.
    Figure(Figure),
    /// Points for a plot, a JSON object on one line.
    Plot(String),
    /// A widget, a JSON object on one line.
    Widget(String),
}

/// A message that was not taken: a sentence for the person who wrote the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken(pub String);

/// One message to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToProgram<'a> {
    /// The first one.
    Hello {
        /// The server's version.
        version: &'a str,
        /// What the client is shown.
        features: Features,
    },
    /// A key was pressed or released.
    Key(&'a KeyEvent),
    /// The person has done something to a figure; JSON on one line.
    Figure(&'a str),
    /// The person has used a widget; JSON on one line.
    Widget(&'a str),
    /// Why a message was not taken.
    Error(&'a str),
}

impl ToProgram<'_> {
    /// Appends the message as it is sent through the channel socket.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD]);
        let kind = match self {
            Self::Hello { version, features } => {
                let names: Vec<_> = features.names_for_programs().collect();
                let hello = serde_json::json!({"version": version, "features": names});
                out.extend_from_slice(hello.to_string().as_bytes());
                SERVER_HELLO
            }
            Self::Key(KeyEvent { key, event }) => {
                let event = serde_json::json!({"key": key, "event": event});
                out.extend_from_slice(event.to_string().as_bytes());
                KEY_EVENT
            }
            Self::Figure(json) => {
                out.extend_from_slice(json.as_bytes());
                FIGURE_EVENT
            }
            Self::Widget(json) => {
                out.extend_from_slice(json.as_bytes());
                WIDGET_EVENT
            }
            Self::Error(text) => {
                out.extend_from_slice(text.as_bytes());
                ERROR
            }
        };
        let length = (out.len() - start - HEAD) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        out[start + 4] = kind;
    }
}

/// Appends a key event as the older package reads it.
pub fn encode_old_key(event: &KeyEvent, out: &mut Vec<u8>) {
    for part in [&event.key, " ", &event.event, " endkeyevent "] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// What a socket carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// The channel socket: all kinds of messages.
    Channel,
    /// Of the older package: pictures.
    OldVideo,
    /// Of the older package: keys.
    OldKeyListen,
}

impl Socket {
    /// What ends a message of the older package, and bytes before it at the most.
    fn end(self) -> (&'static [u8], usize) {
        match self {
            Self::OldVideo => (b" endvideo ", OLD_VIDEO_LIMIT),
            Self::Channel | Self::OldKeyListen => (b" endkeylisten ", limit(KEY_LISTEN)),
        }
    }
}

/// Makes messages of the bytes of one connection, however they are cut.
#[derive(Debug)]
pub struct Decoder {
    socket: Socket,
    /// Length and kind of the message at hand, and how many of these bytes there are.
    head: [u8; HEAD],
    head_bytes: usize,
    /// What there is of the message at hand; of the older package, with what may be its end.
    payload: Vec<u8>,
    /// Bytes of a message that is not kept.
    skip: usize,
    /// Of the older package: how many bytes of an end were read last.
    matched: usize,
    /// Of the older package: the message at hand is not kept.
    too_long: bool,
}

impl Decoder {
    /// For a connection to `socket`.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            head: [0; HEAD],
            head_bytes: 0,
            payload: Vec::new(),
            skip: 0,
            matched: 0,
            too_long: false,
        }
    }

    /// Whether everything so far was whole messages.
    pub fn is_idle(&self) -> bool {
        self.head_bytes == 0 && self.payload.is_empty() && self.skip == 0 && !self.too_long
    }

    /// Bytes of memory that are taken for the message at hand.
    pub fn held(&self) -> usize {
        self.payload.capacity()
    }

    /// Takes bytes and hands out the messages that are whole now.
    pub fn decode(&mut self, bytes: &[u8], found: &mut impl FnMut(Result<FromProgram, NotTaken>)) {
        match self.socket {
            Socket::Channel => self.channel(bytes, found),
            Socket::OldVideo | Socket::OldKeyListen => self.old(bytes, found),
        }
    }

    fn channel(&mut self, mut bytes: &[u8], found: &mut impl FnMut(Result<FromProgram, NotTaken>)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];

            let (taken, rest) = bytes.split_at(bytes.len().min(HEAD - self.head_bytes));
            self.head[self.head_bytes..][..taken.len()].copy_from_slice(taken);
            self.head_bytes += taken.len();
            bytes = rest;
            if self.head_bytes < HEAD {
                return;
            }
            let [a, b, c, d, kind] = self.head;
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            let most = limit(kind);
            if length > most {
                self.head_bytes = 0;
                self.skip = length;
                if most > 0 {
                    found(Err(NotTaken(format!(
                        "A message of {length} bytes was not taken: {most} are the most."
                    ))));
                }
                continue;
            }

            let (taken, rest) = bytes.split_at(bytes.len().min(length - self.payload.len()));
            self.keep(taken, length);
            bytes = rest;
            if self.payload.len() < length {
                return;
            }
            self.head_bytes = 0;
            if let Some(message) = read(kind, std::mem::take(&mut self.payload)).transpose() {
                found(message);
            }
        }
    }

    /// Reads messages of the older package, which have their ends behind them.
    fn old(&mut self, mut bytes: &[u8], found: &mut impl FnMut(Result<FromProgram, NotTaken>)) {
        let (end, most) = self.socket.end();
        while !bytes.is_empty() {
            let (is_whole, taken) = self.find_end(bytes, end);
            let (taken, rest) = bytes.split_at(taken);
            bytes = rest;
            // What may be the end does not count.
            let matched = if is_whole { end.len() } else { self.matched };
            if self.too_long || self.payload.len() + taken.len() - matched > most {
                // Nobody knows how much more there is.
                self.too_long = true;
                self.payload = Vec::new();
            } else {
                let whole = match is_whole {
                    true => self.payload.len() + taken.len(),
                    false => most + end.len(),
                };
                self.keep(taken, whole);
            }
            if !is_whole {
                return;
            }
            let too_long = std::mem::take(&mut self.too_long);
            let mut payload = std::mem::take(&mut self.payload);
            payload.truncate(payload.len().saturating_sub(end.len()));
            let message = match self.socket {
                Socket::OldVideo if too_long => Err(NotTaken(format!(
                    "A picture of more than {most} bytes was not taken."
                ))),
                Socket::OldVideo => old_video(payload),
                Socket::Channel | Socket::OldKeyListen if too_long => Err(not_a_key()),
                Socket::Channel | Socket::OldKeyListen => match String::from_utf8(payload) {
                    Ok(key) if key.is_empty() => continue,
                    Ok(key) => Ok(FromProgram::KeyListen(key)),
                    Err(_) => Err(not_a_key()),
                },
            };
            found(message);
        }
    }

    /// Looks for the end of the message at hand, which may have begun in earlier bytes. How many of `bytes`
    /// belong to the message: all, if it is not there.
    fn find_end(&mut self, bytes: &[u8], end: &[u8]) -> (bool, usize) {
        let mut position = 0;
        while position < bytes.len() {
            // Ends have a space at the front and at the back and none between, so bytes that do not go on
            // with an end can only begin one. Most have no space.
            if self.matched == 0 {
                match bytes[position..].iter().position(|byte| *byte == end[0]) {
                    Some(before) => position += before,
                    None => break,
                }
            }
            if bytes[position] == end[self.matched] {
                self.matched += 1;
            } else {
                self.matched = usize::from(bytes[position] == end[0]);
            }
            position += 1;
            if self.matched == end.len() {
                self.matched = 0;
                return (true, position);
            }
        }
        (false, bytes.len())
    }

    /// Keeps bytes of a message that has `most` at the most. The memory that is taken is in proportion to
    /// what has come, and not to what was announced.
    fn keep(&mut self, bytes: &[u8], most: usize) {
        let held = self.payload.len();
        if self.payload.capacity() - held < bytes.len() {
            let more = bytes.len().max(held).max(LEAST_HELD).min(most - held);
            self.payload.reserve_exact(more);
        }
        self.payload.extend_from_slice(bytes);
    }
}

/// Reads a picture of the older package, base64 with or without line feeds.
fn old_video(mut payload: Vec<u8>) -> Result<FromProgram, NotTaken> {
    let jpeg = STANDARD.decode(&payload).or_else(|_| {
        payload.retain(|byte| !matches!(byte, b'\r' | b'\n'));
        STANDARD.decode(payload.trim_ascii())
    });
    jpeg.map(FromProgram::Video)
        .map_err(|_| NotTaken("A picture was not taken: it is no base64.".to_owned()))
}

fn not_a_key() -> NotTaken {
    NotTaken("A key was not taken: it is no key's name.".to_owned())
}

/// Reads a whole message. `None`: it says nothing that anybody has to know. A picture takes the memory that it
/// was read into.
fn read(kind: u8, payload: Vec<u8>) -> Result<Option<FromProgram>, NotTaken> {
    Ok(Some(match kind {
        HELLO => FromProgram::Hello,
        KEY_LISTEN => match text(payload, "A key")? {
            key if key.is_empty() => {
                return Err(NotTaken("A key was not taken: it has no name.".to_owned()));
            }
            key => FromProgram::KeyListen(key),
        },
        VIDEO => FromProgram::Video(payload),
        FIGURE => FromProgram::Figure(figure(payload)?),
        PLOT => FromProgram::Plot(object(text(payload, "A plot")?, "A plot", "name")?),
        WIDGET => FromProgram::Widget(object(text(payload, "A widget")?, "A widget", "id")?),
        _ => return Ok(None),
    }))
}

fn text(payload: Vec<u8>, what: &str) -> Result<String, NotTaken> {
    String::from_utf8(payload)
        .map_err(|_| NotTaken(format!("{what} was not taken: it is not UTF-8 text.")))
}

/// Checks that `text` is a JSON object on one line whose `name` is a string.
fn object(mut text: String, what: &str, name: &'static str) -> Result<String, NotTaken> {
    let wrong = |why: &str| NotTaken(format!("{what} was not taken: {why}."));
    let fields =
        super::json::Fields::of_message(text.as_bytes(), [name]).map_err(|why| wrong(&why))?;
    if fields.text(name).is_none() {
        return Err(wrong(&format!("it needs {name}, a string")));
    }
    text.truncate(text.trim_ascii_end().len());
    let front = text.len() - text.trim_ascii_start().len();
    text.drain(..front);
    if text.contains(['\n', '\r']) {
        return Err(wrong("its JSON is on more than one line"));
    }
    Ok(text)
}

/// What stands before the image of a figure.
#[derive(Deserialize)]
struct FigureHead {
    id: String,
    figure: i64,
    #[serde(default)]
    title: String,
    format: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    closed: bool,
}

fn figure(mut message: Vec<u8>) -> Result<Figure, NotTaken> {
    let wrong = |why: &str| NotTaken(format!("A figure was not taken: {why}."));
    let end = message
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(message.len());
    let head = message[..end].trim_ascii();
    if !head.starts_with(b"{") {
        return Err(wrong("its head is not a JSON object"));
    }
    let head: FigureHead = serde_json::from_slice(head).map_err(|error| {
        // It may repeat what is wrong, whatever its length.
        let why = super::json::shorten(error.to_string().chars(), WHY_MAX_CHARS);
        wrong(&format!("its head is not as it should be: {why}"))
    })?;
    let format = FigureFormat::of_name(&head.format)
        .ok_or_else(|| wrong("its format is neither png nor svg"))?;
    // The memory that the message was read into becomes that of the image.
    message.drain(..message.len().min(end + 1));
    if head.closed != message.is_empty() {
        return Err(wrong("one that is closed has no image, another has"));
    }
    Ok(Figure {
        id: head.id,
        number: head.figure,
        title: head.title,
        format,
        width: head.width,
        height: head.height,
        closed: head.closed,
        image: message,
    })
}

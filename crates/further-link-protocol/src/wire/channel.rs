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

/// Bytes of a message of the older package at the most: a large picture in base64.
const OLD_LIMIT: usize = 12 << 20;

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
                let names: Vec<_> = features.names().collect();
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

/// Makes messages of the bytes of one connection, however they are cut.
#[derive(Debug)]
pub struct Decoder {
    socket: Socket,
    /// What was read and is not a message yet.
    bytes: Vec<u8>,
    /// Of the older package: bytes in which the end of the message was looked for.
    searched: usize,
    /// Bytes of a message that is not kept.
    skip: usize,
    /// The message that is skipped is too long, and its sender was not told yet.
    too_long: Option<NotTaken>,
}

impl Decoder {
    /// For a connection to `socket`.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            bytes: Vec::new(),
            searched: 0,
            skip: 0,
            too_long: None,
        }
    }

    /// Whether everything so far was whole messages.
    pub fn is_idle(&self) -> bool {
        self.bytes.is_empty() && self.skip == 0
    }

    /// Takes bytes and hands out the messages that are whole now.
    pub fn decode(
        &mut self,
        mut bytes: &[u8],
        found: &mut impl FnMut(Result<FromProgram, NotTaken>),
    ) {
        loop {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                if self.skip > 0 {
                    return;
                }
            }
            // No more than the message at hand: what is behind one that is skipped must not be kept.
            let wanted = match self.socket {
                Socket::Channel => self.missing(),
                Socket::OldVideo | Socket::OldKeyListen => bytes.len(),
            };
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.bytes.extend_from_slice(taken);
            bytes = rest;
            let progress = match self.socket {
                Socket::Channel => self.channel(found),
                Socket::OldVideo => self.old(b" endvideo ", found),
                Socket::OldKeyListen => self.old(b" endkeylisten ", found),
            };
            if !progress && bytes.is_empty() {
                break;
            }
        }
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Bytes that the message at hand still lacks.
    fn missing(&self) -> usize {
        let whole = match self.bytes.first_chunk::<4>() {
            Some(length) if self.bytes.len() >= HEAD => HEAD + u32::from_be_bytes(*length) as usize,
            _ => HEAD,
        };
        whole - self.bytes.len()
    }

    /// Looks at what is there of a message of the channel socket. `false` if it is not enough.
    fn channel(&mut self, found: &mut impl FnMut(Result<FromProgram, NotTaken>)) -> bool {
        let Some(head) = self.bytes.first_chunk::<HEAD>() else {
            return false;
        };
        let [a, b, c, d, kind] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > limit(kind) {
            self.bytes = Vec::new();
            self.skip = length;
            if limit(kind) > 0 {
                let most = limit(kind);
                found(Err(NotTaken(format!(
                    "A message of {length} bytes was not taken: {most} are the most."
                ))));
            }
            return true;
        }
        if self.bytes.len() < HEAD + length {
            // At once, rather than in the steps in which a Vec grows.
            self.bytes.reserve_exact(HEAD + length - self.bytes.len());
            return false;
        }
        let message = read(kind, &mut self.bytes);
        self.bytes.clear();
        if let Some(message) = message.transpose() {
            found(message);
        }
        true
    }

    /// Looks for the end of a message of the older package. `false` if it is not there.
    fn old(&mut self, end: &[u8], found: &mut impl FnMut(Result<FromProgram, NotTaken>)) -> bool {
        // The end may have begun in what was searched already.
        let from = self.searched.saturating_sub(end.len() - 1);
        let position = find(&self.bytes[from..], end).map(|position| from + position);
        let Some(position) = position else {
            self.searched = self.bytes.len();
            if self.bytes.len() > OLD_LIMIT {
                // Without its end nobody knows where the next one begins: only what may be part of an end
                // is kept.
                self.bytes.drain(..self.bytes.len() - (end.len() - 1));
                self.searched = 0;
                self.too_long.get_or_insert_with(|| {
                    NotTaken(format!(
                        "A message of more than {OLD_LIMIT} bytes was not taken."
                    ))
                });
            }
            return false;
        };
        let payload = &self.bytes[..position];
        let message = match (self.too_long.take(), self.socket) {
            (Some(error), _) => Some(Err(error)),
            (None, Socket::OldVideo) => Some(match STANDARD.decode(payload.trim_ascii()) {
                Ok(jpeg) => Ok(FromProgram::Video(jpeg)),
                Err(_) => Err(NotTaken(
                    "A picture was not taken: it is no base64.".to_owned(),
                )),
            }),
            (None, _) => match str::from_utf8(payload) {
                Ok("") => None,
                Ok(key) if key.len() <= limit(KEY_LISTEN) => {
                    Some(Ok(FromProgram::KeyListen(key.to_owned())))
                }
                _ => Some(Err(NotTaken(
                    "A key was not taken: it is no key's name.".to_owned(),
                ))),
            },
        };
        self.bytes.drain(..position + end.len());
        self.searched = 0;
        if let Some(message) = message {
            found(message);
        }
        true
    }
}

/// Where `wanted` begins in `bytes`.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    // Base64 has no spaces, so this looks at little more than each byte once.
    let first = wanted[0];
    let mut from = 0;
    while let Some(position) = bytes[from..].iter().position(|byte| *byte == first) {
        let at = from + position;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Reads a whole message. `None`: it says nothing that anybody has to know. A picture takes the memory that it
/// was read into.
fn read(kind: u8, message: &mut Vec<u8>) -> Result<Option<FromProgram>, NotTaken> {
    let text = |what: &str| {
        str::from_utf8(&message[HEAD..])
            .map_err(|_| NotTaken(format!("{what} was not taken: it is not UTF-8 text.")))
    };
    Ok(Some(match kind {
        HELLO => FromProgram::Hello,
        KEY_LISTEN => match text("A key")? {
            "" => return Err(NotTaken("A key was not taken: it has no name.".to_owned())),
            key => FromProgram::KeyListen(key.to_owned()),
        },
        VIDEO => {
            message.drain(..HEAD);
            FromProgram::Video(std::mem::take(message))
        }
        FIGURE => FromProgram::Figure(figure(&message[HEAD..])?),
        PLOT => FromProgram::Plot(object(text("A plot")?, "A plot", "name")?),
        WIDGET => FromProgram::Widget(object(text("A widget")?, "A widget", "id")?),
        _ => return Ok(None),
    }))
}

/// Checks that `text` is a JSON object on one line whose `name` is a string.
fn object(text: &str, what: &str, name: &'static str) -> Result<String, NotTaken> {
    let wrong = |why: &str| NotTaken(format!("{what} was not taken: {why}."));
    let fields =
        super::json::Fields::of_message(text.as_bytes(), [name]).map_err(|why| wrong(&why))?;
    if fields.text(name).is_none() {
        return Err(wrong(&format!("it needs {name}, a string")));
    }
    if text.contains(['\n', '\r']) {
        return Err(wrong("its JSON is on more than one line"));
    }
    Ok(text.trim().to_owned())
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

fn figure(message: &[u8]) -> Result<Figure, NotTaken> {
    let wrong = |why: String| NotTaken(format!("A figure was not taken: {why}."));
    let end = message
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(message.len());
    let image = message.get(end + 1..).unwrap_or_default();
    let head: FigureHead = serde_json::from_slice(&message[..end])
        .map_err(|error| wrong(format!("its head is not as it should be: {error}")))?;
    let format = FigureFormat::of_name(&head.format)
        .ok_or_else(|| wrong("its format is neither png nor svg".to_owned()))?;
    if head.closed != image.is_empty() {
        return Err(wrong(
            "one that is closed has no image, another has".to_owned(),
        ));
    }
    Ok(Figure {
        id: head.id,
        number: head.figure,
        title: head.title,
        format,
        width: head.width,
        height: head.height,
        closed: head.closed,
        image: image.to_vec(),
    })
}

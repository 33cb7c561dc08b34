//! What each server wants to hear and says: keys, sizes and output as that server's messages.

use super::link::Frames;
use super::{Event, Program};
use anyhow::{Context as _, bail};
use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use sockudo_ws::Message;
use std::borrow::Cow;
use std::collections::VecDeque;

/// One program on one connection, in the words of one server.
pub(crate) trait Dialect: Send {
    /// Says what has to be said first.
    fn open(&mut self, _out: &mut Frames) {}
    /// Asks for a program, where that is asked for on the connection.
    fn start(&mut self, _program: &Program, _out: &mut Frames) {}
    /// Hands input to the program.
    fn input(&mut self, bytes: &[u8], out: &mut Frames);
    /// Tells the program of a key, where there is such a thing.
    fn key(&mut self, _key: &str, _out: &mut Frames) {}
    /// Takes a message of the server.
    fn message(
        &mut self,
        message: Message,
        events: &mut VecDeque<Event>,
        out: &mut Frames,
    ) -> anyhow::Result<()>;
}

/// The name of the only program on a connection of further-link.
const PROCESS_NAME: &str = "p";

fn further_start(program: &Program) -> Value {
    let data = match program {
        Program::Shell => json!({"runner": "shell", "path": "/"}),
        Program::Script(path) => json!({"runner": "exec", "path": path}),
        Program::Python(code) => json!({"runner": "python3", "code": code}),
    };
    json!({"type": "start", "process": PROCESS_NAME, "data": data})
}

fn further_key(key: &str) -> String {
    let data = json!({"key": key, "event": "keydown"});
    json!({"type": "keyevent", "process": PROCESS_NAME, "data": data}).to_string()
}

#[derive(Deserialize)]
struct FurtherMessage<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<FurtherData<'a>>,
}

#[derive(Deserialize)]
struct FurtherData<'a> {
    #[serde(borrow, default)]
    output: FurtherOutput<'a>,
    #[serde(rename = "exitCode")]
    exit_code: Option<i64>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    detail: Option<Cow<'a, str>>,
    number: Option<u32>,
}

/// Text of a program, or at its end how much there was of it.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum FurtherOutput<'a> {
    #[default]
    None,
    // Before the count, which takes anything.
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Count(IgnoredAny),
}

/// `/run` of further-link: JSON.
#[derive(Default)]
pub(crate) struct FurtherJson;

impl Dialect for FurtherJson {
    fn start(&mut self, program: &Program, out: &mut Frames) {
        out.text(further_start(program).to_string());
    }

    fn input(&mut self, bytes: &[u8], out: &mut Frames) {
        let input = String::from_utf8_lossy(bytes);
        let message = json!({"type": "stdin", "process": PROCESS_NAME, "data": {"input": input}});
        out.text(message.to_string());
    }

    fn key(&mut self, key: &str, out: &mut Frames) {
        out.text(further_key(key));
    }

    fn message(
        &mut self,
        message: Message,
        events: &mut VecDeque<Event>,
        _out: &mut Frames,
    ) -> anyhow::Result<()> {
        let bytes = message.as_bytes();
        if let Some(output) = plain_output(bytes) {
            events.push_back(Event::Output(unescape(output)?));
            return Ok(());
        }
        further_event(bytes, events)?;
        Ok(())
    }
}

/// What is between the quotation marks of an output message, still escaped; `None` if the message
/// is written in another way than the server writes it. Reading all of it as JSON costs three times
/// as much, on the cores that the server wants.
fn plain_output(message: &[u8]) -> Option<&[u8]> {
    let rest = message
        .strip_prefix(br#"{"type":"stdout","data":{"output":""#)
        .or_else(|| message.strip_prefix(br#"{"type":"stderr","data":{"output":""#))?;
    rest.strip_suffix(br#""},"client":"","process":"p"}"#)
}

/// The bytes that a JSON string stands for.
fn unescape(text: &[u8]) -> anyhow::Result<Bytes> {
    let mut out = BytesMut::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let plain = match rest.get(at + 1) {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(same @ (b'"' | b'\\' | b'/')) => *same,
            _ => {
                // Seldom: the library knows the rest.
                let quoted = [b"\"", text, b"\""].concat();
                return Ok(Bytes::from(serde_json::from_slice::<String>(&quoted)?));
            }
        };
        out.put_u8(plain);
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    Ok(out.freeze())
}

/// Takes a message that is not output; gives the number of a program that was started.
fn further_event(bytes: &[u8], events: &mut VecDeque<Event>) -> anyhow::Result<Option<u32>> {
    let message: FurtherMessage<'_> =
        serde_json::from_slice(bytes).context("a message that is no JSON of ours")?;
    let data = message.data;
    match &*message.kind {
        "started" => {
            events.push_back(Event::Started);
            return Ok(data.and_then(|data| data.number));
        }
        "stdout" | "stderr" => {
            if let Some(FurtherOutput::Text(text)) = data.map(|data| data.output) {
                events.push_back(Event::Output(Bytes::copy_from_slice(text.as_bytes())));
            }
        }
        "keylisten" => events.push_back(Event::KeyListen),
        "video" => {
            if let Some(FurtherOutput::Text(text)) = data.map(|data| data.output) {
                let picture = crate::camera::bytes_of(&text)?;
                events.push_back(Event::Picture(None, picture.into()));
            }
        }
        "stopped" => {
            events.push_back(Event::Stopped(data.and_then(|data| data.exit_code)));
        }
        "error" => {
            let words = data.map(|data| [data.message, data.detail]);
            let words: Vec<_> = words.into_iter().flatten().flatten().collect();
            events.push_back(Event::Refused(words.join(": ")));
        }
        _ => {}
    }
    Ok(None)
}

/// `further-link.3`: output and input as binary frames with offsets.
#[derive(Default)]
pub(crate) struct Further3 {
    number: u32,
    /// Input that came before the program had a number.
    early: Vec<u8>,
    /// Bytes of input sent.
    sent: u64,
    /// Bytes of output consumed.
    consumed: u64,
    /// Of them, what was acknowledged.
    acknowledged: u64,
}

/// Bytes of the head of a binary frame.
const STREAM_HEAD_BYTES: usize = 16;
/// Consumed bytes after which there has to be an acknowledgement.
const ACK_INTERVAL_BYTES: u64 = 16 * 1024;

impl Further3 {
    fn head(kind: u8, channel: u8, number: u32, offset: u64, capacity: usize) -> BytesMut {
        let mut frame = BytesMut::with_capacity(STREAM_HEAD_BYTES + capacity);
        frame.put_slice(&[kind, channel, 0, 0]);
        frame.put_u32(number);
        frame.put_u64(offset);
        frame
    }
}

impl Dialect for Further3 {
    fn start(&mut self, program: &Program, out: &mut Frames) {
        *self = Self::default();
        out.text(further_start(program).to_string());
    }

    fn input(&mut self, bytes: &[u8], out: &mut Frames) {
        if self.number == 0 {
            self.early.extend_from_slice(bytes);
            return;
        }
        let mut frame = Self::head(0, 0, self.number, self.sent, bytes.len());
        frame.put_slice(bytes);
        self.sent += bytes.len() as u64;
        out.binary(frame.freeze());
    }

    fn key(&mut self, key: &str, out: &mut Frames) {
        out.text(further_key(key));
    }

    fn message(
        &mut self,
        message: Message,
        events: &mut VecDeque<Event>,
        out: &mut Frames,
    ) -> anyhow::Result<()> {
        let Message::Binary(mut bytes) = message else {
            if let Some(number) = further_event(message.as_bytes(), events)? {
                self.number = number;
                let early = std::mem::take(&mut self.early);
                if !early.is_empty() {
                    self.input(&early, out);
                }
            }
            return Ok(());
        };
        if bytes.len() < STREAM_HEAD_BYTES {
            bail!("a binary frame of {} bytes", bytes.len());
        }
        let head = bytes.split_to(STREAM_HEAD_BYTES);
        let number = u32::from_be_bytes(head[4..8].try_into()?);
        let offset = u64::from_be_bytes(head[8..16].try_into()?);
        if number != self.number {
            return Ok(());
        }
        match head[..2] {
            [0, 1] => {}
            [0, 2] => {
                events.push_back(Event::Picture(Some(offset), bytes));
                return Ok(());
            }
            // Nothing else is of interest here.
            _ => return Ok(()),
        }
        if offset != self.consumed {
            return Err(crate::pattern::WrongBytes(format!(
                "a frame of output begins at {offset}, not at {}",
                self.consumed
            ))
            .into());
        }
        self.consumed += bytes.len() as u64;
        events.push_back(Event::Output(bytes));
        if self.consumed - self.acknowledged >= ACK_INTERVAL_BYTES {
            self.acknowledged = self.consumed;
            out.binary(Self::head(1, 1, number, self.consumed, 0).freeze());
        }
        Ok(())
    }
}

/// ttyd: a letter in front of the bytes.
pub(crate) struct Ttyd;

impl Dialect for Ttyd {
    fn open(&mut self, out: &mut Frames) {
        out.binary(&br#"{"AuthToken":"","columns":80,"rows":24}"#[..]);
    }

    fn input(&mut self, bytes: &[u8], out: &mut Frames) {
        out.binary([b"0", bytes].concat());
    }

    fn message(
        &mut self,
        message: Message,
        events: &mut VecDeque<Event>,
        _out: &mut Frames,
    ) -> anyhow::Result<()> {
        let bytes = message.into_bytes();
        if bytes.first() == Some(&b'0') {
            events.push_back(Event::Output(bytes.slice(1..)));
        }
        Ok(())
    }
}

/// websocketd in binary mode, a WebSocket that echoes, and a program without a server: bytes as
/// they are.
#[derive(Default)]
pub(crate) struct Bytewise {
    /// There are no frames around them.
    pub(crate) bare: bool,
}

impl Dialect for Bytewise {
    fn input(&mut self, bytes: &[u8], out: &mut Frames) {
        if self.bare {
            out.raw(bytes);
        } else {
            out.binary(Bytes::copy_from_slice(bytes));
        }
    }

    fn message(
        &mut self,
        message: Message,
        events: &mut VecDeque<Event>,
        _out: &mut Frames,
    ) -> anyhow::Result<()> {
        events.push_back(Event::Output(message.into_bytes()));
        Ok(())
    }
}

/// terminado, the terminals of Jupyter: JSON arrays.
pub(crate) struct Terminado;

impl Dialect for Terminado {
    fn open(&mut self, out: &mut Frames) {
        out.text(json!(["set_size", 24, 80, 0, 0]).to_string());
    }

    fn input(&mut self, bytes: &[u8], out: &mut Frames) {
        let input = String::from_utf8_lossy(bytes);
        out.text(json!(["stdin", input]).to_string());
    }

    fn message(
        &mut self,
        message: Message,
        events: &mut VecDeque<Event>,
        _out: &mut Frames,
    ) -> anyhow::Result<()> {
        let words: Vec<Value> = serde_json::from_slice(message.as_bytes())?;
        if let [Value::String(kind), Value::String(text), ..] = &words[..]
            && kind == "stdout"
        {
            events.push_back(Event::Output(Bytes::copy_from_slice(text.as_bytes())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        let text = r#"a\r\nb\"c\\d\te"#;
        assert_eq!(&unescape(text.as_bytes()).unwrap()[..], b"a\r\nb\"c\\d\te");
        let text = r"\u001b[1mü\b";
        assert_eq!(
            &unescape(text.as_bytes()).unwrap()[..],
            "\u{1b}[1mü\u{8}".as_bytes()
        );
    }

    #[test]
    fn output_of_further_link_is_found_both_ways() {
        let quick = br#"{"type":"stdout","data":{"output":"hi\n"},"client":"","process":"p"}"#;
        let slow = br#"{"type":"stdout","data":{"output":"hi\n"},"process":"p","client":""}"#;
        assert_eq!(plain_output(quick), Some(&br"hi\n"[..]));
        for message in [&quick[..], slow] {
            let mut events = VecDeque::new();
            let message = Message::Text(Bytes::copy_from_slice(message));
            FurtherJson
                .message(message, &mut events, &mut Frames::new(true))
                .unwrap();
            assert!(matches!(&events[0], Event::Output(bytes) if &bytes[..] == b"hi\n"));
        }
    }

    #[test]
    fn gap_in_the_binary_stream_is_found() {
        let mut dialect = Further3 {
            number: 1,
            ..Further3::default()
        };
        let (mut events, mut out) = (VecDeque::new(), Frames::new(true));
        let mut send = |offset, bytes: &[u8]| {
            let mut frame = Further3::head(0, 1, 1, offset, bytes.len());
            frame.put_slice(bytes);
            dialect.message(Message::Binary(frame.freeze()), &mut events, &mut out)
        };
        send(0, b"abc").unwrap();
        send(3, b"d").unwrap();
        assert!(send(5, b"e").is_err());
    }
}

//! What the JSON dialects share: reading objects leniently, and writing an event's `type` and `data`.
//!
//! Serde's derived structs are not used for reading: they refuse duplicate keys and wrong types, where
//! deployed clients are used to "the last one wins" and "counts as missing". Nothing is parsed that no
//! command asks for, and no tree of values is built, so that a message costs no more memory than its
//! text; what is skipped may be nested to any depth, as serde_json skips without recursion.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{Command, Event, KeyEvent, ProcessName, Stream};

/// Bytes of what is given to a program as it is, at the most.
const EVENT_BYTES: usize = 16 * 1024;
/// How much of what a client sent is repeated to it, in characters.
const ECHO_MAX_CHARS: usize = 40;

/// The values of the keys of an object that were asked for, unparsed.
pub(super) struct Fields<'a, const N: usize> {
    names: [&'static str; N],
    values: [Option<&'a RawValue>; N],
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads a whole message, which has to be an object.
    pub(super) fn of_message(message: &'a [u8], names: [&'static str; N]) -> Result<Self, String> {
        let text = str::from_utf8(message).map_err(|_| "the message is not UTF-8 text")?;
        Self::parse(text, names).map_err(|error| {
            if error.is_data() {
                "the message is not a JSON object".to_owned()
            } else {
                format!("the message is not valid JSON: {error}")
            }
        })
    }

    /// Reads an object inside a message. Anything else has no fields.
    pub(super) fn of_value(value: Option<&'a RawValue>, names: [&'static str; N]) -> Self {
        value
            .and_then(|value| Self::parse(value.get(), names).ok())
            .unwrap_or(Self {
                names,
                values: [None; N],
            })
    }

    pub(super) fn parse(
        text: &'a str,
        names: [&'static str; N],
    ) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let values = Pick(&names).deserialize(&mut json)?;
        json.end()?;
        Ok(Self { names, values })
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let index = self.names.iter().position(|&known| known == name);
        debug_assert!(index.is_some(), "{name} was not among the names picked");
        self.values[index?]
    }

    /// Whether there is a value of that name, whatever it is.
    pub(super) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// A string. Text with half a surrogate pair has no UTF-8 and counts as missing.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// A string that a message of type `kind` cannot do without, in its `data`.
    pub(super) fn needed_text(&self, kind: &str, name: &str) -> Result<String, String> {
        self.text(name).ok_or_else(|| match self.raw(name) {
            // The only strings that JSON allows and UTF-8 does not.
            Some(value) if value.get().starts_with('"') => {
                format!("data.{name} of {kind} holds half of a surrogate pair")
            }
            _ => format!("{kind} needs data.{name}, a string"),
        })
    }

    /// A string in which emptiness means that there is none.
    pub(super) fn nonempty_text(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// An integer that fits, written as one: `80`, not `80.0` or `8e1`.
    pub(super) fn integer(&self, name: &str) -> Option<u16> {
        self.raw(name)?.get().parse().ok()
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| value.get() == "true")
    }

    /// `true` or `false`, if it is one of them.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        self.raw(name)?.get().parse().ok()
    }

    /// A list of strings, of which up to `most` are kept. Anything else counts as missing, a list with another item among them
    /// too: without it, those behind it would move into its place.
    pub(super) fn texts(&self, name: &str, most: usize) -> Vec<String> {
        let read = |list: &RawValue| {
            let mut json = serde_json::Deserializer::from_str(list.get());
            json.deserialize_seq(FirstTexts(most)).ok()
        };
        self.raw(name).and_then(read).unwrap_or_default()
    }

    /// The text of an object.
    pub(super) fn object(&self, name: &str) -> Option<&'a str> {
        let text = self.raw(name)?.get();
        text.starts_with('{').then_some(text)
    }

    /// Hands out the strings in the list `name`; other items are passed over, and anything but a list has
    /// none.
    pub(super) fn each_text(&self, name: &str, each: impl FnMut(&str)) {
        if let Some(list) = self.raw(name) {
            let mut json = serde_json::Deserializer::from_str(list.get());
            // It is JSON, so this fails for what is no list, and for nothing else.
            let _ = json.deserialize_seq(EachText(each));
        }
    }

    /// The fields of an object inside this one.
    pub(super) fn inside<const M: usize>(
        &self,
        name: &str,
        names: [&'static str; M],
    ) -> Fields<'a, M> {
        Fields::of_value(self.raw(name), names)
    }
}

/// Takes the values of the named keys out of an object; of duplicates, the last one.
struct Pick<'n, const N: usize>(&'n [&'static str; N]);

impl<'a, const N: usize> DeserializeSeed<'a> for Pick<'_, N> {
    type Value = [Option<&'a RawValue>; N];

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a, const N: usize> Visitor<'a> for Pick<'_, N> {
    type Value = [Option<&'a RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [None; N];
        while let Some(index) = map.next_key_seed(Position(self.0))? {
            match index {
                Some(index) => values[index] = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(values)
    }
}

/// Finds a key among the names that are asked for.
struct Position<'n>(&'n [&'static str]);

impl<'a> DeserializeSeed<'a> for Position<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Position<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|&name| name == key))
    }
}

/// Goes through a list, of which it keeps nothing.
struct EachText<F>(F);

impl<'a, F: FnMut(&str)> Visitor<'a> for EachText<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element::<&RawValue>()? {
            // Errors are costly, and there is room for millions in a message.
            if item.get().starts_with('"')
                && let Ok(text) = serde_json::from_str::<String>(item.get())
            {
                self.0(&text);
            }
        }
        Ok(())
    }
}

/// The first items of a list of strings, this many at the most.
struct FirstTexts(usize);

impl<'a> Visitor<'a> for FirstTexts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while texts.len() < self.0 {
            match list.next_element()? {
                Some(text) => texts.push(text),
                None => return Ok(texts),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(texts)
    }
}

/// The `type` of a message, or what to say about its absence.
pub(super) fn message_type<const N: usize>(message: &Fields<'_, N>) -> Result<String, String> {
    message
        .text("type")
        .ok_or_else(|| "the message needs a type, a string".to_owned())
}

/// What to say about a `type` that the dialect does not have.
pub(super) fn unknown_type(name: &str) -> String {
    format!("unknown type \"{}\"", shown(name))
}

/// As much of a text of a client as is repeated to it.
pub(super) fn shown(text: &str) -> String {
    shorten(text.escape_debug(), ECHO_MAX_CHARS)
}

/// The first `most` characters, with an ellipsis if there are more.
pub(super) fn shorten(mut characters: impl Iterator<Item = char>, most: usize) -> String {
    let mut shown: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() {
        shown.push('\u{2026}');
    }
    shown
}

/// Reads the `data` of `stdin`, the same in every dialect.
pub(super) fn stdin<const N: usize>(
    message: &Fields<'_, N>,
    process: ProcessName,
) -> Result<Command, String> {
    let data = message.inside("data", ["input"]);
    let input = data.needed_text("stdin", "input")?;
    Ok(Command::Stdin { process, input })
}

/// Reads the `data` of `keyevent`, the same in every dialect that has it.
pub(super) fn key_event<const N: usize>(
    message: &Fields<'_, N>,
    process: ProcessName,
) -> Result<Command, String> {
    let data = message.inside("data", ["key", "event"]);
    let key = data.needed_text("keyevent", "key")?;
    let event = data.needed_text("keyevent", "event")?;
    if key.len() + event.len() > EVENT_BYTES {
        return Err(format!(
            "key and event of keyevent are longer than {EVENT_BYTES} bytes"
        ));
    }
    let event = KeyEvent { key, event };
    Ok(Command::Key { process, event })
}

/// Reads the `data` of an event for a figure or a widget: checked, and then as it is, on one line.
pub(super) fn program_event<const N: usize>(
    message: &Fields<'_, N>,
    kind: &str,
) -> Result<String, String> {
    let object = message.object("data").unwrap_or("{}");
    if object.len() > EVENT_BYTES {
        return Err(format!("data of {kind} is longer than {EVENT_BYTES} bytes"));
    }
    let data = message.inside("data", ["id", "event"]);
    data.needed_text(kind, "id")?;
    data.needed_text(kind, "event")?;
    // White space between its parts may be a line feed; inside of strings JSON has none.
    Ok(object.replace(['\n', '\r'], " "))
}

/// Appends the two keys that every dialect's messages begin with, without braces:
/// `"type":"…","data":…`.
pub(super) fn write_type_and_data(event: &Event<'_>, out: &mut Vec<u8>) {
    match *event {
        Event::Pong => raw(out, r#""type":"pong","data":null"#),
        Event::Started { .. } => raw(out, r#""type":"started","data":null"#),
        Event::Uploaded => raw(out, r#""type":"uploaded","data":null"#),
        Event::Output { stream, text } => {
            raw(
                out,
                match stream {
                    Stream::Stdout => r#""type":"stdout","data":{"output":"#,
                    Stream::Stderr => r#""type":"stderr","data":{"output":"#,
                },
            );
            value(out, text);
            raw(out, "}");
        }
        Event::Stopped { exit_code, .. } => {
            raw(out, r#""type":"stopped","data":{"exitCode":"#);
            value(out, &exit_code);
            raw(out, "}");
        }
        Event::Error { message, detail } => {
            raw(out, r#""type":"error","data":{"message":"#);
            value(out, message);
            if let Some(detail) = detail {
                raw(out, r#","detail":"#);
                value(out, detail);
            }
            raw(out, "}");
        }
        Event::KeyListen { key } => {
            raw(out, r#""type":"keylisten","data":{"output":"#);
            value(out, key);
            raw(out, r#","key":"#);
            value(out, key);
            raw(out, "}");
        }
        Event::Video { jpeg } => {
            raw(out, r#""type":"video","data":{"output":""#);
            base64(out, jpeg);
            raw(out, r#""}"#);
        }
        Event::Figure(figure) => {
            raw(out, r#""type":"figure","data":{"id":"#);
            value(out, &figure.id);
            raw(out, r#","figure":"#);
            value(out, &figure.number);
            raw(out, r#","title":"#);
            value(out, &figure.title);
            raw(out, r#","format":"#);
            value(out, figure.format.name());
            raw(out, r#","width":"#);
            value(out, &figure.width);
            raw(out, r#","height":"#);
            value(out, &figure.height);
            raw(out, r#","closed":"#);
            value(out, &figure.closed);
            raw(out, r#","image":"#);
            match figure.closed {
                true => raw(out, "null"),
                false => {
                    raw(out, "\"");
                    base64(out, &figure.image);
                    raw(out, "\"");
                }
            }
            raw(out, "}");
        }
        Event::Plot { json } => {
            raw(out, r#""type":"plot","data":"#);
            raw(out, json);
        }
        Event::Widget { json } => {
            raw(out, r#""type":"widget","data":"#);
            raw(out, json);
        }
        Event::Hello { version, features } => {
            raw(out, r#""type":"hello","data":{"version":"#);
            value(out, version);
            raw(out, r#","features":"#);
            value(out, &features.names().collect::<Vec<_>>());
            raw(out, "}");
        }
        Event::Novnc { port, path } => {
            raw(out, r#""type":"novnc","data":{"port":"#);
            value(out, &port);
            raw(out, r#","path":"#);
            value(out, path);
            raw(out, "}");
        }
    }
}

/// Appends text that is JSON already.
pub(super) fn raw(out: &mut Vec<u8>, json: &str) {
    out.extend_from_slice(json.as_bytes());
}

/// Appends bytes in base64 (RFC 4648 section 4).
fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    debug_assert_eq!(written.ok(), Some(out.len() - start));
}

/// Appends a value as JSON.
pub(super) fn value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value)
        .expect("a Vec takes everything, and strings and integers have JSON");
}

//! Reading JSON objects leniently, as every JSON dialect does, and writing messages.
//!
//! Serde's derived structs are used for writing alone ([`super::message`]). For reading they are
//! too strict: they refuse duplicate keys and wrong types, where deployed clients are used to "the
//! last one wins" and "counts as missing". Nothing is parsed that no command asks for, and no tree
//! of values is built, so that a message costs no more memory than its text; what is skipped may be
//! nested to any depth, as serde_json skips without recursion.

use super::ParseError;
use crate::{Channel, ChannelEvent, Command, EventFormat, KeyEvent, ProcessName};
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Bytes of an event at most, which is given to a program as it is.
const CHANNEL_EVENT_MAX_BYTES: usize = 16 * 1024;
/// How much of what a client sent is repeated to it, in characters.
const QUOTE_MAX_CHARS: usize = 40;

/// The fields of an object that were asked for by name, unparsed.
pub(crate) struct Fields<'a, const N: usize> {
    names: [&'static str; N],
    values: [Option<&'a RawValue>; N],
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads a whole message, which has to be an object.
    pub(crate) fn of_message(
        message: &'a [u8],
        names: [&'static str; N],
    ) -> Result<Self, ParseError> {
        let text = str::from_utf8(message)
            .map_err(|_| ParseError::new("the message is not UTF-8 text"))?;
        Self::parse(text, names).map_err(|error| {
            ParseError::new(if error.is_data() {
                "the message is not a JSON object".to_owned()
            } else {
                format!("the message is not valid JSON: {error}")
            })
        })
    }

    /// Reads an object inside a message. Anything else has no fields.
    pub(crate) fn of_value(value: Option<&'a RawValue>, names: [&'static str; N]) -> Self {
        value
            .and_then(|value| Self::parse(value.get(), names).ok())
            .unwrap_or(Self {
                names,
                values: [None; N],
            })
    }

    /// Reads an object.
    pub(crate) fn parse(
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

    /// Returns whether there is a value of that name, whatever it is.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Returns a string. One with half a surrogate pair has no UTF-8 and counts as missing.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// Returns a string that `data` of a message of type `kind` must have.
    pub(crate) fn required_text(&self, kind: &str, name: &str) -> Result<String, ParseError> {
        let reason = || match self.raw(name) {
            // The only strings that JSON allows and UTF-8 does not.
            Some(value) if value.get().starts_with('"') => {
                format!("data.{name} of {kind} holds half of a surrogate pair")
            }
            _ => format!("{kind} needs data.{name}, a string"),
        };
        self.text(name).ok_or_else(|| ParseError::new(reason()))
    }

    /// Returns a string; an empty one counts as missing.
    pub(crate) fn nonempty_text(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// Returns an integer that fits, written as one: `80`, not `80.0` or `8e1`.
    pub(crate) fn integer(&self, name: &str) -> Option<u16> {
        self.raw(name)?.get().parse().ok()
    }

    /// Returns whether the value is `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| value.get() == "true")
    }

    /// Returns `true` or `false`, if it is one of them.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        self.raw(name)?.get().parse().ok()
    }

    /// Returns a list of strings, the first `max_count` of it. Anything else counts as missing,
    /// even a list with one item that is no string: without it, later ones would move up.
    pub(crate) fn texts(&self, name: &str, max_count: usize) -> Vec<String> {
        let read = |list: &RawValue| {
            let mut json = serde_json::Deserializer::from_str(list.get());
            json.deserialize_seq(FirstTexts(max_count)).ok()
        };
        self.raw(name).and_then(read).unwrap_or_default()
    }

    /// Returns the text of an object.
    pub(crate) fn object(&self, name: &str) -> Option<&'a str> {
        let text = self.raw(name)?.get();
        text.starts_with('{').then_some(text)
    }

    /// Calls `each` with the strings in the list `name`. Other items are skipped, and anything but
    /// a list has none.
    pub(crate) fn each_text(&self, name: &str, each: impl FnMut(&str)) {
        if let Some(list) = self.raw(name) {
            let mut json = serde_json::Deserializer::from_str(list.get());
            // It is JSON, so this fails only if it is no list.
            let _ = json.deserialize_seq(EachText(each));
        }
    }

    /// Returns the fields of an object inside this one.
    pub(crate) fn inside<const M: usize>(
        &self,
        name: &str,
        names: [&'static str; M],
    ) -> Fields<'a, M> {
        Fields::of_value(self.raw(name), names)
    }
}

/// Picks the values of the named keys out of an object; of duplicates, the last one.
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

/// Visits the strings of a list, and keeps none.
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

/// Reads the first items of a list of strings, at most this many.
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

/// Returns the `type` of a message.
pub(crate) fn message_type<const N: usize>(message: &Fields<'_, N>) -> Result<String, ParseError> {
    message
        .text("type")
        .ok_or_else(|| ParseError::new("the message needs a type, a string"))
}

/// Returns the error for a `type` that the dialect does not have.
pub(crate) fn unknown_type(name: &str) -> ParseError {
    ParseError::new(format!("unknown type \"{}\"", quoted(name)))
}

/// Returns as much of a client's text as is repeated to it, escaped.
pub(crate) fn quoted(text: &str) -> String {
    shorten(text.escape_debug(), QUOTE_MAX_CHARS)
}

/// Returns the first `max_chars` characters, with an ellipsis if there are more.
pub(crate) fn shorten(mut characters: impl Iterator<Item = char>, max_chars: usize) -> String {
    let mut shortened: String = characters.by_ref().take(max_chars).collect();
    if characters.next().is_some() {
        shortened.push('\u{2026}');
    }
    shortened
}

/// Reads the `data` of `stdin`, the same in every dialect.
pub(crate) fn stdin<const N: usize>(
    message: &Fields<'_, N>,
    process: ProcessName,
) -> Result<Command, ParseError> {
    let data = message.inside("data", ["input"]);
    let input = data.required_text("stdin", "input")?;
    Ok(Command::Stdin { process, input })
}

/// Reads what a client sends to a program on a channel: `kind` is the message's type. `None` if no
/// channel that `is_known` to the dialect has such events.
pub(crate) fn channel_event<const N: usize>(
    message: &Fields<'_, N>,
    kind: &str,
    is_known: impl FnOnce(Channel) -> bool,
) -> Option<Result<ChannelEvent, ParseError>> {
    let (channel, event) = Channel::with_event(kind)?;
    is_known(channel).then(|| match event.format {
        EventFormat::Key => key_event(message, kind).map(ChannelEvent::Key),
        EventFormat::Json => {
            json_event(message, kind).map(|json| ChannelEvent::Json { channel, json })
        }
    })
}

fn key_event<const N: usize>(message: &Fields<'_, N>, kind: &str) -> Result<KeyEvent, ParseError> {
    let data = message.inside("data", ["key", "event"]);
    let key = data.required_text(kind, "key")?;
    let event = data.required_text(kind, "event")?;
    if key.len() + event.len() > CHANNEL_EVENT_MAX_BYTES {
        return Err(ParseError::new(format!(
            "key and event of {kind} are longer than {CHANNEL_EVENT_MAX_BYTES} bytes"
        )));
    }
    Ok(KeyEvent { key, event })
}

/// Checks an event, and returns it as it is, on one line.
fn json_event<const N: usize>(message: &Fields<'_, N>, kind: &str) -> Result<String, ParseError> {
    let object = message.object("data").unwrap_or("{}");
    if object.len() > CHANNEL_EVENT_MAX_BYTES {
        return Err(ParseError::new(format!(
            "data of {kind} is longer than {CHANNEL_EVENT_MAX_BYTES} bytes"
        )));
    }
    let data = message.inside("data", ["id", "event"]);
    data.required_text(kind, "id")?;
    data.required_text(kind, "event")?;
    // White space between its parts may be a line feed; inside of strings JSON has none.
    Ok(object.replace(['\n', '\r'], " "))
}

/// Appends a message made from a serde structure.
pub(crate) fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, message: &T) {
    serde_json::to_writer(out, message)
        .expect("a Vec takes everything, and all that we write has JSON");
}

//! A message that is handed on as the program's package has written it.

use super::socket::text;
use super::{ChannelSpec, MessageRefused};
use crate::wire::json::Fields;
use serde::Serialize;
use serde_json::value::RawValue;

/// A JSON object on one line.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct JsonObject(Box<RawValue>);

impl JsonObject {
    /// Checks that `payload` is a JSON object on one line whose `id_key` is a string.
    pub(super) fn decode(
        payload: Vec<u8>,
        spec: &ChannelSpec,
        id_key: &'static str,
    ) -> Result<Self, MessageRefused> {
        let mut text = text(payload, spec)?;
        let fields = Fields::of_message(text.as_bytes(), [id_key])
            .map_err(|error| MessageRefused::of(spec, error))?;
        if fields.text(id_key).is_none() {
            let reason = format_args!("it needs {id_key}, a string");
            return Err(MessageRefused::of(spec, reason));
        }
        text.truncate(text.trim_ascii_end().len());
        let front = text.len() - text.trim_ascii_start().len();
        text.drain(..front);
        if text.contains(['\n', '\r']) {
            return Err(MessageRefused::of(
                spec,
                "its JSON is on more than one line",
            ));
        }
        RawValue::from_string(text)
            .map(Self)
            .map_err(|error| MessageRefused::of(spec, error))
    }

    /// Returns the object that `text` is; `None` if it is none, or stands on more than one line.
    pub fn from_text(text: &str) -> Option<Self> {
        let is_object = text.starts_with('{') && !text.contains(['\n', '\r']);
        let raw = is_object.then(|| RawValue::from_string(text.to_owned()))?;
        raw.ok().map(Self)
    }

    /// Returns its text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for JsonObject {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for JsonObject {}

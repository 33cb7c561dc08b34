//! Keys: a program asks for them, and is told when one is pressed or released
//! (`docs/protocol.md` section 6).

use super::socket::text;
use super::{ChannelMessage, ChannelSpec, MessageRefused};
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

/// The program wants to be told of this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyListen {
    /// The key's web `KeyboardEvent.key` name; not empty.
    pub key: String,
}

impl Serialize for KeyListen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = serializer.serialize_struct("KeyListen", 2)?;
        // Older clients read the first, newer ones the second.
        data.serialize_field("output", &self.key)?;
        data.serialize_field("key", &self.key)?;
        data.end()
    }
}

/// A key of the client's keyboard, by its web `KeyboardEvent.key` name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    /// The key's name, for example `ArrowUp` or a single space.
    pub key: String,
    /// `keydown` or `keyup`; others are handed on as they are.
    pub event: String,
}

pub(super) fn decode(
    payload: Vec<u8>,
    spec: &ChannelSpec,
) -> Result<ChannelMessage, MessageRefused> {
    match text(payload, spec)? {
        key if key.is_empty() => Err(MessageRefused::of(spec, "it has no name")),
        key => Ok(ChannelMessage::Keys(KeyListen { key })),
    }
}

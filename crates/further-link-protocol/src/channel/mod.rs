//! IO channels: what a program exchanges with its client alongside its standard streams
//! (`docs/protocol.md` sections 6 and 11).
//!
//! [`CHANNELS`] is the table of them: a channel is one row in it, one variant of
//! [`ChannelMessage`], and one file in this folder that says what its messages hold. Everything
//! between a program's socket and its client's encoder goes by the table and knows no channel by
//! name.

mod features;
mod figure;
mod json_object;
mod keys;
mod plot;
mod socket;
mod sound;
mod video;
mod widget;

pub use features::{Feature, Features};
pub use figure::{Figure, FigureFormat};
pub use json_object::JsonObject;
pub use keys::{KeyEvent, KeyListen};
pub use socket::{
    Decoded, MessageDecoder, MessageRefused, ProgramMessage, ServerMessage, SocketKind,
    encode_legacy_key_event,
};
pub use sound::{Sound, SoundSource};
pub use video::VideoFrame;

use serde::Serialize;

/// Names a channel: the index of its row in [`CHANNELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Keys that the program listens to, and their events.
    Keys,
    /// Frames of the program's video.
    Video,
    /// Pictures of matplotlib figures and the like.
    Figure,
    /// Points of live plots.
    Plot,
    /// Buttons, sliders and the like.
    Widget,
    /// Tones and WAV files that are played where the client is.
    Sound,
}

/// What happens to messages that a client takes more slowly than the program sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Backpressure: the program is held up in `send(2)`; nothing is lost.
    Lossless,
    /// The oldest are dropped; the program is never held up.
    LatestOnly,
}

/// One row of [`CHANNELS`].
#[derive(Debug)]
pub struct ChannelSpec {
    /// The channel.
    pub channel: Channel,
    /// `type` of its messages to a client, and the name by which `docs/protocol.md` calls them.
    pub message: &'static str,
    /// What an error message calls one of its messages: "A figure was not taken: …".
    pub noun: &'static str,
    /// Kind byte of its messages on the channel socket.
    pub kind: u8,
    /// Bytes of a payload at most; longer ones are skipped without being kept.
    pub payload_max_bytes: usize,
    /// What happens if the client is slow.
    pub delivery: Delivery,
    /// The name by which a client asks for it (`features`). `None`: every client is sent it,
    /// those of the older protocols included.
    pub feature: Option<&'static str>,
    /// What the client sends back, if it does.
    pub event: Option<EventSpec>,
    /// Reads a payload of the channel socket. Takes over its memory.
    decode: fn(Vec<u8>, &ChannelSpec) -> Result<ChannelMessage, MessageRefused>,
}

/// What a client sends to a program on a channel.
#[derive(Debug)]
pub struct EventSpec {
    /// `type` of the client's message.
    pub message: &'static str,
    /// Kind byte on the channel socket.
    pub kind: u8,
    /// How `data` is read and handed on.
    pub format: EventFormat,
}

/// How the `data` of a client's event is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventFormat {
    /// `key` and `event`; for programs that listen to keys.
    Key,
    /// An object with `id` and `event`, handed on as it is.
    Json,
}

/// All channels, in the order of [`Channel`].
pub static CHANNELS: [ChannelSpec; 6] = [
    ChannelSpec {
        channel: Channel::Keys,
        message: "keylisten",
        noun: "A key",
        kind: 2,
        payload_max_bytes: 256,
        delivery: Delivery::Lossless,
        feature: None,
        event: Some(EventSpec {
            message: "keyevent",
            kind: 66,
            format: EventFormat::Key,
        }),
        decode: keys::decode,
    },
    ChannelSpec {
        channel: Channel::Video,
        message: "video",
        noun: "A picture",
        kind: 3,
        payload_max_bytes: 8 << 20,
        delivery: Delivery::LatestOnly,
        feature: None,
        event: None,
        decode: video::decode,
    },
    ChannelSpec {
        channel: Channel::Figure,
        message: "figure",
        noun: "A figure",
        kind: 4,
        payload_max_bytes: 8 << 20,
        delivery: Delivery::Lossless,
        feature: Some("figure"),
        event: Some(EventSpec {
            message: "figureevent",
            kind: 67,
            format: EventFormat::Json,
        }),
        decode: figure::decode,
    },
    ChannelSpec {
        channel: Channel::Plot,
        message: "plot",
        noun: "A plot",
        kind: 5,
        payload_max_bytes: 1 << 20,
        delivery: Delivery::Lossless,
        feature: Some("plot"),
        event: None,
        decode: plot::decode,
    },
    ChannelSpec {
        channel: Channel::Widget,
        message: "widget",
        noun: "A widget",
        kind: 6,
        payload_max_bytes: 64 << 10,
        delivery: Delivery::Lossless,
        feature: Some("widget"),
        event: Some(EventSpec {
            message: "widgetevent",
            kind: 68,
            format: EventFormat::Json,
        }),
        decode: widget::decode,
    },
    ChannelSpec {
        channel: Channel::Sound,
        message: "sound",
        noun: "A sound",
        kind: 7,
        payload_max_bytes: 4 << 20,
        delivery: Delivery::Lossless,
        feature: Some("sound"),
        event: None,
        decode: sound::decode,
    },
];

impl Channel {
    /// Returns its row.
    pub fn spec(self) -> &'static ChannelSpec {
        &CHANNELS[self as usize]
    }

    /// Returns the row whose messages have this kind byte on the channel socket.
    fn with_kind(kind: u8) -> Option<&'static ChannelSpec> {
        CHANNELS.iter().find(|spec| spec.kind == kind)
    }

    /// Returns the channel whose events a client sends as messages of this `type`.
    pub(crate) fn with_event(message: &str) -> Option<(Channel, &'static EventSpec)> {
        CHANNELS.iter().find_map(|spec| {
            let event = spec.event.as_ref()?;
            (event.message == message).then_some((spec.channel, event))
        })
    }
}

/// One message of a program to its client. Serializes as the `data` of the client's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ChannelMessage {
    /// The program wants to be told of a key.
    Keys(KeyListen),
    /// A frame of its video.
    Video(VideoFrame),
    /// A figure has changed or is gone.
    Figure(Figure),
    /// Points for a plot.
    Plot(JsonObject),
    /// A widget is there, has changed or is gone.
    Widget(JsonObject),
    /// A sound is to be played.
    Sound(Sound),
}

impl ChannelMessage {
    /// Returns the channel that it belongs to.
    pub fn channel(&self) -> Channel {
        match self {
            Self::Keys(_) => Channel::Keys,
            Self::Video(_) => Channel::Video,
            Self::Figure(_) => Channel::Figure,
            Self::Plot(_) => Channel::Plot,
            Self::Widget(_) => Channel::Widget,
            Self::Sound(_) => Channel::Sound,
        }
    }

    /// Returns the bytes of memory that it takes, which count while it waits for the client.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Keys(listen) => listen.key.len(),
            Self::Video(frame) => frame.jpeg.len(),
            Self::Figure(figure) => figure.memory_bytes(),
            Self::Plot(json) | Self::Widget(json) => json.as_str().len(),
            Self::Sound(sound) => sound.memory_bytes(),
        }
    }
}

/// What a client sends to a program on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// A key was pressed or released.
    Key(KeyEvent),
    /// The person has used what the program shows.
    Json {
        /// Where it is shown.
        channel: Channel,
        /// The message's `data`, a JSON object with `id` and `event` on one line.
        json: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_the_order_of_the_names_and_unambiguous() {
        for (index, spec) in CHANNELS.iter().enumerate() {
            assert_eq!(spec.channel as usize, index);
            let others = || CHANNELS[..index].iter();
            assert!(others().all(|other| other.kind != spec.kind));
            assert!(others().all(|other| other.message != spec.message));
            if let Some(event) = &spec.event {
                let (channel, found) = Channel::with_event(event.message).unwrap();
                assert_eq!((channel, found.kind), (spec.channel, event.kind));
                assert!(event.kind > 64 && event.kind != spec.kind);
            }
        }
    }
}

//! What the JSON dialects send, as data: every message has a `type` and `data`, and each dialect
//! adds its own keys after them (`docs/protocol.md` sections 2 to 4, `docs/asyncapi.yaml`).

use crate::{ChannelMessage, Event, Features, Stream};
use serde::Serialize;

/// A message without the keys that only some dialects have.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) data: Data<'a>,
}

/// `data` of a message.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Data<'a> {
    Null,
    Output {
        output: &'a str,
    },
    /// `started` alongside the binary stream.
    Started {
        number: u32,
    },
    Stopped {
        #[serde(rename = "exitCode")]
        exit_code: i32,
        /// Alongside the binary stream only.
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<u64>,
    },
    Error {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
    },
    Channel(&'a ChannelMessage),
    Hello {
        version: &'a str,
        features: Features,
    },
    Novnc {
        port: u16,
        path: &'a str,
    },
}

impl<'a> Message<'a> {
    /// Returns the message for `event`. With the binary stream ([`super::stream`]) a client is told
    /// what it has to know of the binary frames.
    pub(super) fn new(event: &Event<'a>, with_binary_stream: bool) -> Self {
        let (kind, data) = match *event {
            Event::Pong => ("pong", Data::Null),
            Event::Started { number } if with_binary_stream => {
                ("started", Data::Started { number })
            }
            Event::Started { .. } => ("started", Data::Null),
            Event::Uploaded => ("uploaded", Data::Null),
            Event::Output { stream, text } => {
                let kind = match stream {
                    Stream::Stdout => "stdout",
                    Stream::Stderr => "stderr",
                };
                (kind, Data::Output { output: text })
            }
            Event::Stopped { exit_code, output } => {
                let output = with_binary_stream.then_some(output);
                ("stopped", Data::Stopped { exit_code, output })
            }
            Event::Error { message, detail } => ("error", Data::Error { message, detail }),
            Event::Channel(message) => (message.channel().spec().message, Data::Channel(message)),
            Event::Hello { version, features } => ("hello", Data::Hello { version, features }),
            Event::Novnc { port, path } => ("novnc", Data::Novnc { port, path }),
        };
        Self { kind, data }
    }
}

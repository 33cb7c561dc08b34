//! The messages of the server, read strictly, and the frames of the binary stream.

use anyhow::{Context as _, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Deserialize;
use std::borrow::Cow;

/// A message; what it may not have is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message<'a> {
    /// Its type.
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    /// What it says.
    #[serde(borrow)]
    pub(super) data: Option<Data<'a>>,
    /// Whose.
    #[serde(borrow, default)]
    pub(super) client: Option<Cow<'a, str>>,
    /// Of which program.
    #[serde(borrow, default)]
    pub(super) process: Option<Cow<'a, str>>,
}

/// What the types of messages say.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Data<'a> {
    /// Of `stdout`, `stderr` and `stopped`.
    #[serde(borrow, default)]
    pub(super) output: Output<'a>,
    /// Of `stopped`.
    #[serde(rename = "exitCode")]
    pub(super) exit_code: Option<i64>,
    /// Of `error`.
    #[serde(borrow)]
    pub(super) message: Option<Cow<'a, str>>,
    /// Of `error`.
    #[serde(borrow)]
    pub(super) detail: Option<Cow<'a, str>>,
    /// Of `started`.
    pub(super) number: Option<u32>,
    /// Of `keylisten`.
    #[serde(borrow)]
    pub(super) key: Option<Cow<'a, str>>,
    /// Of `widget`.
    #[serde(borrow)]
    pub(super) id: Option<Cow<'a, str>>,
    /// Of `widget`.
    #[serde(borrow)]
    pub(super) kind: Option<Cow<'a, str>>,
    /// Of `widget`.
    #[serde(borrow)]
    pub(super) label: Option<Cow<'a, str>>,
}

/// Text of a program, or at its end how much there was of it.
#[derive(Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Output<'a> {
    /// Neither.
    #[default]
    None,
    /// How much.
    Count(u64),
    /// The text.
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

/// Kinds of frames.
pub(super) const DATA: u8 = 0;
pub(super) const ACK: u8 = 1;
pub(super) const END: u8 = 2;
/// Channels.
pub(super) const INPUT: u8 = 0;
pub(super) const OUTPUT: u8 = 1;
pub(super) const VIDEO: u8 = 2;
/// Bytes before those of the program.
const STREAM_HEAD_BYTES: usize = 16;

/// A frame of the binary stream, from the server.
#[derive(Debug)]
pub(super) struct Frame {
    /// `data`, `ack` or `end`.
    pub(super) kind: u8,
    /// Input or output.
    pub(super) channel: u8,
    /// 1 standard output, 2 standard error.
    pub(super) stream: u8,
    /// The program.
    pub(super) number: u32,
    /// Of the first byte.
    pub(super) offset: u64,
    /// Of the program.
    pub(super) bytes: Bytes,
}

impl Frame {
    /// Reads one.
    pub(super) fn read(frame: &Bytes) -> anyhow::Result<Self> {
        ensure!(
            frame.len() >= STREAM_HEAD_BYTES,
            "a frame of {} bytes",
            frame.len()
        );
        ensure!(frame[3] == 0, "the fourth byte is {}", frame[3]);
        Ok(Self {
            kind: frame[0],
            channel: frame[1],
            stream: frame[2],
            number: u32::from_be_bytes(frame[4..8].try_into().context("number")?),
            offset: u64::from_be_bytes(frame[8..STREAM_HEAD_BYTES].try_into().context("offset")?),
            bytes: frame.slice(STREAM_HEAD_BYTES..),
        })
    }
}

/// A frame to the server.
pub(super) fn frame(kind: u8, channel: u8, number: u32, offset: u64, bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(STREAM_HEAD_BYTES + bytes.len());
    frame.put_slice(&[kind, channel, 0, 0]);
    frame.put_u32(number);
    frame.put_u64(offset);
    frame.put_slice(bytes);
    frame.freeze()
}

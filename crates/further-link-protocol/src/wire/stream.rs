//! `further-link.3`, the binary stream: the frames that carry what programs output and read, and
//! their video. `docs/protocol.md` section 10. The text frames beside them are the `/run`
//! dialect's.

use crate::Stream;
use std::fmt;

/// The name of the WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "further-link.3";
/// Bytes of a frame before those of the program.
pub const FRAME_HEADER_BYTES: usize = 16;
/// Bytes of output that a client acknowledges at the latest when it has consumed them.
pub const OUTPUT_ACK_INTERVAL_BYTES: usize = 16 * 1024;
/// Bytes of input that the server acknowledges at the latest when the program has taken them.
pub const INPUT_ACK_INTERVAL_BYTES: usize = 64 * 1024;

/// The first byte of a frame: what it says of its channel.
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const ACK: u8 = 1;
    pub(super) const END: u8 = 2;
}

/// The second byte: the channel.
mod channel {
    pub(super) const INPUT: u8 = 0;
    pub(super) const OUTPUT: u8 = 1;
    pub(super) const VIDEO: u8 = 2;
}

/// The third byte: of output, the stream.
mod output_stream {
    pub(super) const STDOUT: u8 = 1;
    pub(super) const STDERR: u8 = 2;
}

/// The head of a frame. `offset` counts the bytes of the channel from the program's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The program, as `started` said.
    pub number: u32,
    /// What the frame is.
    pub kind: FrameKind,
    /// Of data: where it begins. Of the others: where it has come to.
    pub offset: u64,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// From the client: bytes for the program's standard input.
    Input,
    /// From the client: there is no more input.
    InputEnd,
    /// From the server: the program has taken the input up to here.
    InputAck,
    /// From the server: bytes that the program has output.
    Output(Stream),
    /// From the server: one picture of the program's video, a JPEG file. The offset is how many the
    /// program had shown before.
    Video,
    /// From the client: it has consumed the output up to here.
    OutputAck,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Shorter than [`FRAME_HEADER_BYTES`].
    Short,
    /// Kind, channel, stream and the byte behind them are none of those known.
    Unknown,
    /// Bytes behind the head of a frame that has none.
    Surplus,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "a binary frame has a head of 16 bytes",
            Self::Unknown => "this kind of binary frame is not known",
            Self::Surplus => "an ack or end carries no bytes",
        })
    }
}

impl std::error::Error for FrameError {}

impl FrameKind {
    fn code(self) -> [u8; 4] {
        match self {
            Self::Input => [kind::DATA, channel::INPUT, 0, 0],
            Self::InputEnd => [kind::END, channel::INPUT, 0, 0],
            Self::InputAck => [kind::ACK, channel::INPUT, 0, 0],
            Self::Output(Stream::Stdout) => [kind::DATA, channel::OUTPUT, output_stream::STDOUT, 0],
            Self::Output(Stream::Stderr) => [kind::DATA, channel::OUTPUT, output_stream::STDERR, 0],
            Self::OutputAck => [kind::ACK, channel::OUTPUT, 0, 0],
            Self::Video => [kind::DATA, channel::VIDEO, 0, 0],
        }
    }

    fn of_code(code: [u8; 4]) -> Option<Self> {
        Some(match code {
            [kind::DATA, channel::INPUT, 0, 0] => Self::Input,
            [kind::END, channel::INPUT, 0, 0] => Self::InputEnd,
            [kind::ACK, channel::INPUT, 0, 0] => Self::InputAck,
            [kind::DATA, channel::OUTPUT, output_stream::STDOUT, 0] => Self::Output(Stream::Stdout),
            [kind::DATA, channel::OUTPUT, output_stream::STDERR, 0] => Self::Output(Stream::Stderr),
            [kind::ACK, channel::OUTPUT, 0, 0] => Self::OutputAck,
            [kind::DATA, channel::VIDEO, 0, 0] => Self::Video,
            _ => return None,
        })
    }

    fn is_from_client(self) -> bool {
        matches!(self, Self::Input | Self::InputEnd | Self::OutputAck)
    }

    fn has_bytes(self) -> bool {
        matches!(self, Self::Input | Self::Output(_) | Self::Video)
    }
}

impl FrameHeader {
    /// Returns the head as it is sent.
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.kind.code());
        bytes[4..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8..].copy_from_slice(&self.offset.to_be_bytes());
        bytes
    }

    /// Reads a frame that a client has sent: its head, and the bytes behind it.
    ///
    /// # Errors
    /// If it is none that a client may send.
    pub fn from_client(frame: &[u8]) -> Result<(Self, &[u8]), FrameError> {
        Self::decode(frame, true)
    }

    /// Reads a frame that a server has sent. A client ignores those that are
    /// [`FrameError::Unknown`]: there will be more kinds.
    ///
    /// # Errors
    /// If it is none that a server of this version sends.
    pub fn from_server(frame: &[u8]) -> Result<(Self, &[u8]), FrameError> {
        Self::decode(frame, false)
    }

    fn decode(frame: &[u8], from_client: bool) -> Result<(Self, &[u8]), FrameError> {
        let (code, rest) = frame.split_first_chunk::<4>().ok_or(FrameError::Short)?;
        let (number, rest) = rest.split_first_chunk::<4>().ok_or(FrameError::Short)?;
        let (offset, bytes) = rest.split_first_chunk::<8>().ok_or(FrameError::Short)?;
        let kind = FrameKind::of_code(*code)
            .filter(|kind| kind.is_from_client() == from_client)
            .ok_or(FrameError::Unknown)?;
        if !kind.has_bytes() && !bytes.is_empty() {
            return Err(FrameError::Surplus);
        }
        let head = Self {
            number: u32::from_be_bytes(*number),
            kind,
            offset: u64::from_be_bytes(*offset),
        };
        Ok((head, bytes))
    }
}

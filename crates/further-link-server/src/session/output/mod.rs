//! Encodes the output of one job from its log into a client's frames: as text, for which characters
//! that were cut are joined, or as bytes (`docs/protocol.md` sections 2 and 10).

use crate::websocket::connection::SendCredit;
use crate::websocket::frames::Frames;
use crate::websocket::send_window::{SendWindow, SendWindowLimits};
use further_link_engine::{Cursor, LOG_CAPACITY_BYTES, Read};
use further_link_protocol::wire::Dialect;
use further_link_protocol::wire::stream::{FrameHeader, FrameKind, OUTPUT_ACK_INTERVAL_BYTES};
use further_link_protocol::{Event, ProcessName, Stream, Utf8Decoder};
use std::time::{Duration, Instant};

/// Bytes of output in one message at most, so that a control message never waits for long.
const OUTPUT_MESSAGE_MAX_BYTES: usize = 16 * 1024;
/// Output that a client of the binary stream may not have acknowledged.
const OUTPUT_WINDOW_LIMITS: SendWindowLimits = SendWindowLimits {
    // More than a client need not acknowledge at all.
    min_bytes: 2 * OUTPUT_ACK_INTERVAL_BYTES,
    // What a page can show of a flood, 4 MB/s, in the time between two images, 17 ms.
    initial_bytes: 4 * OUTPUT_ACK_INTERVAL_BYTES,
    // What the log can still show it.
    max_bytes: LOG_CAPACITY_BYTES,
    ack_interval_bytes: OUTPUT_ACK_INTERVAL_BYTES,
    // Longer than a page takes that acknowledges once for each image.
    queueing_delay: Duration::from_millis(20),
};
/// Bytes that are read from a program in advance for the slowest client.
const READ_AHEAD_MIN_BYTES: usize = 16 * 1024;
/// Bytes that are read from a terminal in advance, at most, for the quickest client: a terminal
/// returns 4 KiB at once, however much one asks for.
const TERMINAL_READ_AHEAD_MAX_BYTES: usize = 32 * 1024;

/// A viewer's position in a job's output, and how that is encoded.
pub(crate) struct Output {
    cursor: Cursor,
    /// Bytes that are read from the program in advance, at most.
    read_ahead_max_bytes: usize,
    encoding: Encoding,
}

enum Encoding {
    /// Text messages of a dialect.
    Text {
        /// Halves of characters, for each stream.
        stdout: Utf8Decoder,
        stderr: Utf8Decoder,
    },
    /// Binary frames.
    Binary {
        /// The program's number in them.
        number: u32,
        /// Bytes that were sent and not acknowledged.
        window: SendWindow,
    },
}

/// What [`Output::next`] has encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EncodeOutcome {
    /// This many bytes of output; 0 if there is a gap.
    Sent(usize),
    /// Nothing: there is no output yet, or no credit for it.
    Waiting,
    /// Nothing: all was encoded.
    End,
}

impl Output {
    /// Returns an encoder of text messages.
    pub(crate) fn as_text(cursor: Cursor, terminal: bool) -> Self {
        let encoding = Encoding::Text {
            stdout: Utf8Decoder::default(),
            stderr: Utf8Decoder::default(),
        };
        Self::new(cursor, terminal, encoding)
    }

    /// Returns an encoder of binary frames of job `number`.
    pub(crate) fn as_binary(cursor: Cursor, terminal: bool, number: u32) -> Self {
        let encoding = Encoding::Binary {
            number,
            window: SendWindow::new(OUTPUT_WINDOW_LIMITS),
        };
        Self::new(cursor, terminal, encoding)
    }

    fn new(cursor: Cursor, terminal: bool, encoding: Encoding) -> Self {
        let read_ahead_max_bytes = match terminal {
            true => TERMINAL_READ_AHEAD_MAX_BYTES,
            false => LOG_CAPACITY_BYTES,
        };
        Self {
            cursor,
            read_ahead_max_bytes,
            encoding,
        }
    }

    /// Returns the offset in the job's output: bytes that were encoded, and those lost to gaps.
    pub(crate) fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// Returns whether output is encoded as binary frames.
    pub(crate) fn is_binary(&self) -> bool {
        matches!(self.encoding, Encoding::Binary { .. })
    }

    /// Takes the acknowledgement of everything before `offset`; returns `false` if so much was
    /// never sent.
    pub(crate) fn acknowledge(&mut self, offset: u64) -> bool {
        match &mut self.encoding {
            Encoding::Binary { window, .. } => window.acknowledge(offset, Instant::now()),
            Encoding::Text { .. } => false,
        }
    }

    /// Appends the next message, if there is one and room for it.
    pub(crate) fn next(
        &mut self,
        name: &ProcessName,
        dialect: &dyn Dialect,
        credit: SendCredit,
        out: &mut Frames,
        scratch: &mut String,
    ) -> EncodeOutcome {
        let (max, window_size) = match &mut self.encoding {
            Encoding::Text { .. } => (credit.bytes.min(OUTPUT_MESSAGE_MAX_BYTES), credit.window),
            Encoding::Binary { window, .. } => (
                window.available().min(OUTPUT_MESSAGE_MAX_BYTES),
                window.size(),
            ),
        };
        // What was read from the program is as much in front of the answer to Ctrl-C as what was
        // sent.
        let ahead = (window_size / 2).clamp(READ_AHEAD_MIN_BYTES, self.read_ahead_max_bytes);
        self.cursor.set_ahead(ahead);
        let encoding = &mut self.encoding;
        let mut sent = 0;
        let read = self.cursor.read(max, |stream, first, second| {
            sent = first.len() + second.len();
            match encoding {
                Encoding::Text { stdout, stderr } => {
                    let decoder = match stream {
                        Stream::Stdout => stdout,
                        Stream::Stderr => stderr,
                    };
                    for bytes in [first, second] {
                        encode_text(name, dialect, stream, decoder, bytes, out, scratch);
                    }
                }
                Encoding::Binary { number, window } => {
                    let head = FrameHeader {
                        number: *number,
                        kind: FrameKind::Output(stream),
                        offset: window.sent(),
                    };
                    out.binary(|out| {
                        out.extend_from_slice(&head.encode());
                        out.extend_from_slice(first);
                        out.extend_from_slice(second);
                    });
                    window.add(sent);
                    window.mark(Instant::now());
                }
            }
        });
        match read {
            Read::Bytes => EncodeOutcome::Sent(sent),
            Read::Gap(gap) => {
                if let Encoding::Binary { window, .. } = encoding {
                    window.skip(gap.to - gap.from);
                }
                EncodeOutcome::Sent(0)
            }
            Read::Empty => EncodeOutcome::Waiting,
            Read::End => {
                if let Encoding::Text { stdout, stderr } = encoding {
                    for (stream, decoder) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
                        scratch.clear();
                        decoder.decode(&[], true, &mut |text| scratch.push_str(text));
                        text_message(name, dialect, stream, scratch, out);
                    }
                }
                EncodeOutcome::End
            }
        }
    }
}

/// Appends bytes as text: straight from the log where they are whole text, else by way of the
/// decoder.
fn encode_text(
    name: &ProcessName,
    dialect: &dyn Dialect,
    stream: Stream,
    decoder: &mut Utf8Decoder,
    bytes: &[u8],
    out: &mut Frames,
    scratch: &mut String,
) {
    if decoder.is_idle()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        text_message(name, dialect, stream, text, out);
        return;
    }
    scratch.clear();
    decoder.decode(bytes, false, &mut |text| scratch.push_str(text));
    text_message(name, dialect, stream, scratch, out);
}

fn text_message(
    name: &ProcessName,
    dialect: &dyn Dialect,
    stream: Stream,
    text: &str,
    out: &mut Frames,
) {
    if !text.is_empty() {
        let event = Event::Output { stream, text };
        out.text(|out| dialect.encode(Some(name), &event, out));
    }
}

#[cfg(test)]
mod tests;

//! What one program puts out, on its way from its log into a client's frames: as text, for which
//! characters that were cut are put together again, or as the bytes that they are (`docs/protocol.md`
//! sections 2 and 10).

use crate::websocket::connection::Allowance;
use crate::websocket::frames::Frames;
use crate::websocket::send_window::{Bounds, Window};
use further_link_engine::{Cursor, OUTPUT_HELD, Read};
use further_link_protocol::wire::Dialect;
use further_link_protocol::wire::stream::{FrameHeader, FrameKind, OUTPUT_ACK_INTERVAL_BYTES};
use further_link_protocol::{Event, ProcessName, Stream, Utf8Decoder};
use std::time::{Duration, Instant};

/// Bytes of output in one message at the most, so that a control message never waits for long.
const FRAME: usize = 16 * 1024;
/// Output that a client of the binary stream may not have acknowledged.
const UNACKNOWLEDGED: Bounds = Bounds {
    // More than a client need not acknowledge at all.
    least: 2 * OUTPUT_ACK_INTERVAL_BYTES,
    // What a page can show of a flood, 4 MB/s, in the time between two pictures, 17 ms.
    first: 4 * OUTPUT_ACK_INTERVAL_BYTES,
    // What the log can still show it.
    most: OUTPUT_HELD,
    untold: OUTPUT_ACK_INTERVAL_BYTES,
    // Longer than a page takes that acknowledges once for each picture.
    slack: Duration::from_millis(20),
};
/// Bytes that are read from a program in advance for the slowest client.
const LEAST_AHEAD: usize = 16 * 1024;
/// The same from a terminal, for the quickest: it hands out 4 KiB at once, however much one asks for.
const MOST_AHEAD_OF_TERMINAL: usize = 32 * 1024;

/// See the module's text.
pub(crate) struct Output {
    cursor: Cursor,
    /// Bytes that are read in advance, at the most.
    most_ahead: usize,
    form: Form,
}

enum Form {
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
        unacknowledged: Window,
    },
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes of the program's were put into frames; none if there is a gap in what it put out.
    Sent(usize),
    /// There is nothing yet, or no room for it.
    Waiting,
    /// All was sent.
    End,
}

impl Output {
    /// Output as text messages.
    pub(crate) fn as_text(cursor: Cursor, terminal: bool) -> Self {
        let form = Form::Text {
            stdout: Utf8Decoder::default(),
            stderr: Utf8Decoder::default(),
        };
        Self::new(cursor, terminal, form)
    }

    /// Output as binary frames of program `number`.
    pub(crate) fn as_binary(cursor: Cursor, terminal: bool, number: u32) -> Self {
        let form = Form::Binary {
            number,
            unacknowledged: Window::new(UNACKNOWLEDGED),
        };
        Self::new(cursor, terminal, form)
    }

    fn new(cursor: Cursor, terminal: bool, form: Form) -> Self {
        let most_ahead = match terminal {
            true => MOST_AHEAD_OF_TERMINAL,
            false => OUTPUT_HELD,
        };
        Self {
            cursor,
            most_ahead,
            form,
        }
    }

    /// Bytes of the program's that were put into frames, and those that were lost to gaps.
    pub(crate) fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// Whether it goes in binary frames.
    pub(crate) fn is_binary(&self) -> bool {
        matches!(self.form, Form::Binary { .. })
    }

    /// The client has consumed all before `offset`. `false` if so much was never sent.
    pub(crate) fn acknowledge(&mut self, offset: u64) -> bool {
        match &mut self.form {
            Form::Binary { unacknowledged, .. } => unacknowledged.arrived(offset, Instant::now()),
            Form::Text { .. } => false,
        }
    }

    /// Appends the next message, if there is one and room for it.
    pub(crate) fn next(
        &mut self,
        name: &ProcessName,
        dialect: &dyn Dialect,
        allowance: Allowance,
        out: &mut Frames,
        scratch: &mut String,
    ) -> Step {
        let (max, window) = match &mut self.form {
            Form::Text { .. } => (allowance.room.min(FRAME), allowance.window),
            Form::Binary { unacknowledged, .. } => {
                (unacknowledged.room().min(FRAME), unacknowledged.size())
            }
        };
        // What was read from the program is as much in front of the answer to Ctrl-C as what was sent.
        let ahead = (window / 2).clamp(LEAST_AHEAD, self.most_ahead);
        self.cursor.set_ahead(ahead);
        let form = &mut self.form;
        let mut sent = 0;
        let read = self.cursor.read(max, |stream, first, second| {
            sent = first.len() + second.len();
            match form {
                Form::Text { stdout, stderr } => {
                    let decoder = match stream {
                        Stream::Stdout => stdout,
                        Stream::Stderr => stderr,
                    };
                    for bytes in [first, second] {
                        encode_text(name, dialect, stream, decoder, bytes, out, scratch);
                    }
                }
                Form::Binary {
                    number,
                    unacknowledged,
                } => {
                    let head = FrameHeader {
                        number: *number,
                        kind: FrameKind::Output(stream),
                        offset: unacknowledged.sent(),
                    };
                    out.binary(|out| {
                        out.extend_from_slice(&head.encode());
                        out.extend_from_slice(first);
                        out.extend_from_slice(second);
                    });
                    unacknowledged.add(sent);
                    unacknowledged.mark(Instant::now());
                }
            }
        });
        match read {
            Read::Bytes => Step::Sent(sent),
            Read::Gap(gap) => {
                if let Form::Binary { unacknowledged, .. } = form {
                    unacknowledged.skip(gap.to - gap.from);
                }
                Step::Sent(0)
            }
            Read::Empty => Step::Waiting,
            Read::End => {
                if let Form::Text { stdout, stderr } = form {
                    for (stream, decoder) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
                        scratch.clear();
                        decoder.decode(&[], true, &mut |text| scratch.push_str(text));
                        text_message(name, dialect, stream, scratch, out);
                    }
                }
                Step::End
            }
        }
    }
}

/// Appends bytes as text: straight from the log where they are whole text, else by way of the decoder.
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

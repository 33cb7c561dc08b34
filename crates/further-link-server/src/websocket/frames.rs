//! Writing frames (RFC 6455 section 5): straight into the buffer that is sent.

use super::deflate::Compressor;

const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;
const OPCODE_CLOSE: u8 = 0x8;
const OPCODE_PING: u8 = 0x9;
const OPCODE_PONG: u8 = 0xA;
/// First byte of a frame: it is the last of its message (RFC 6455 section 5.2).
const FIN_BIT: u8 = 0x80;
/// First byte of a frame: its message is compressed (RFC 7692 section 6).
const RSV1_COMPRESSED_BIT: u8 = 0x40;
/// Space for the header of a frame of 126 to 65,535 bytes, which is what output frames are.
const RESERVED_HEADER_BYTES: usize = 4;
/// Bytes of a control frame's payload at most (RFC 6455 section 5.5).
const CONTROL_PAYLOAD_MAX_BYTES: usize = 125;
/// Bytes of memory that are kept while there is nothing to send. A prompt fits.
const IDLE_BUFFER_MAX_BYTES: usize = 1024;

/// Frames in the order in which they are sent.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// How many of `bytes` were written.
    written: usize,
    /// Bytes that compression has saved.
    saved: usize,
    /// Bytes that are not acknowledged by a client that acknowledges output itself.
    out_of_band: usize,
    /// For a client with which compression was negotiated. Boxed: most have none.
    compressor: Option<Box<Compressor>>,
}

impl Frames {
    /// Returns an empty buffer. Messages are compressed where that pays, if there is a compressor.
    pub(crate) fn new(compressor: Option<Compressor>) -> Self {
        Self {
            compressor: compressor.map(Box::new),
            ..Self::default()
        }
    }

    /// Returns the bytes that are still to be written.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Returns the bytes of all frames since the last [`Self::clear`], before compression: what it
    /// cost to make them, and what the client has to digest.
    pub(crate) fn uncompressed_bytes(&self) -> usize {
        self.bytes.len() + self.saved
    }

    /// Notes that `count` of the pending bytes were written.
    pub(crate) fn advance(&mut self, count: usize) {
        self.written += count;
    }

    /// Forgets what was written, which has to be all.
    pub(crate) fn clear(&mut self) {
        debug_assert_eq!(self.written, self.bytes.len());
        self.bytes.clear();
        self.written = 0;
        self.saved = 0;
        self.out_of_band = 0;
    }

    /// Notes that `count` bytes of the last frames are out of band: a client that acknowledges
    /// output itself does not acknowledge them.
    pub(crate) fn count_out_of_band(&mut self, count: usize) {
        self.out_of_band += count;
    }

    /// Returns the out-of-band bytes since the last [`Self::clear`].
    pub(crate) fn out_of_band_bytes(&self) -> usize {
        self.out_of_band
    }

    /// Frees memory: there is nothing to send for now.
    pub(crate) fn release_memory(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > IDLE_BUFFER_MAX_BYTES {
            self.bytes = Vec::new();
        }
    }

    /// Completes when nothing was compressed for a while and frees the compressor's memory; never
    /// if there is no compressor.
    pub(crate) async fn idle(&mut self) {
        match &mut self.compressor {
            Some(compressor) => compressor.idle().await,
            None => std::future::pending().await,
        }
    }

    /// Appends a text frame whose payload `fill` appends; none if `fill` appends nothing.
    pub(crate) fn text(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        self.message(OPCODE_TEXT, true, fill);
    }

    /// Appends a text frame without payload.
    pub(crate) fn empty_text(&mut self) {
        self.bytes.extend_from_slice(&[FIN_BIT | OPCODE_TEXT, 0]);
    }

    /// Appends a binary frame whose payload `fill` appends; none if `fill` appends nothing.
    pub(crate) fn binary(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        self.message(OPCODE_BINARY, true, fill);
    }

    /// Appends a binary frame that is not compressed: its payload is compressed already.
    pub(crate) fn incompressible_binary(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        self.message(OPCODE_BINARY, false, fill);
    }

    fn message(&mut self, opcode: u8, compress: bool, fill: impl FnOnce(&mut Vec<u8>)) {
        let out = &mut self.bytes;
        let start = out.len();
        out.extend_from_slice(&[0; RESERVED_HEADER_BYTES]);
        fill(out);
        if out.len() == start + RESERVED_HEADER_BYTES {
            out.truncate(start);
            return;
        }
        let mut first = FIN_BIT | opcode;
        let plain = out.len();
        if compress
            && let Some(compressor) = &mut self.compressor
            && compressor.compress(out, start + RESERVED_HEADER_BYTES)
        {
            first |= RSV1_COMPRESSED_BIT;
            self.saved += plain - out.len();
        }
        let length = out.len() - start - RESERVED_HEADER_BYTES;
        let mut header = [first, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        // Only here does the payload move: by two bytes where it is short, by six where it is huge.
        let used = if length <= CONTROL_PAYLOAD_MAX_BYTES {
            header[1] = length as u8;
            2
        } else if let Ok(length) = u16::try_from(length) {
            header[1] = 126;
            header[2..4].copy_from_slice(&length.to_be_bytes());
            4
        } else {
            header[1] = 127;
            header[2..].copy_from_slice(&(length as u64).to_be_bytes());
            10
        };
        if used == RESERVED_HEADER_BYTES {
            out[start..start + used].copy_from_slice(&header[..used]);
        } else {
            out.splice(
                start..start + RESERVED_HEADER_BYTES,
                header[..used].iter().copied(),
            );
        }
    }

    /// Appends a ping with `payload`, which the client sends back.
    pub(crate) fn ping(&mut self, payload: &[u8]) {
        self.control(OPCODE_PING, payload);
    }

    /// Appends the answer to a ping.
    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.control(OPCODE_PONG, payload);
    }

    /// Appends a close frame; without a code it has no payload.
    pub(crate) fn close(&mut self, code: Option<u16>, reason: &str) {
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(reason.as_bytes());
        }
        self.control(OPCODE_CLOSE, &payload);
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) {
        let payload = &payload[..payload.len().min(CONTROL_PAYLOAD_MAX_BYTES)];
        self.bytes
            .extend_from_slice(&[FIN_BIT | opcode, payload.len() as u8]);
        self.bytes.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use further_link_protocol::CloseCode;
    use sockudo_ws::Message;
    use sockudo_ws::protocol::{Protocol, Role};

    /// Reads frames back with the library, as a client would.
    fn read(frames: &Frames) -> Vec<Message> {
        let mut protocol = Protocol::new(Role::Client, 1 << 24, 1 << 24);
        protocol
            .process(&mut BytesMut::from(frames.pending()))
            .unwrap()
    }

    #[test]
    fn frames_of_every_length_are_read_back() {
        for length in [1, 2, 124, 125, 126, 127, 65_535, 65_536, 200_000] {
            let mut frames = Frames::default();
            frames.ping(&[]);
            frames.text(|out| out.resize(out.len() + length, b'x'));
            frames.binary(|out| out.resize(out.len() + length, 0xff));
            frames.pong(b"again");
            let messages = read(&frames);
            assert!(matches!(&messages[0], Message::Ping(payload) if payload.is_empty()));
            assert!(
                matches!(&messages[1], Message::Text(text) if text.len() == length && text.iter().all(|byte| *byte == b'x'))
            );
            assert!(
                matches!(&messages[2], Message::Binary(bytes) if bytes.len() == length && bytes.iter().all(|byte| *byte == 0xff))
            );
            assert!(matches!(&messages[3], Message::Pong(payload) if payload == "again"));
        }
    }

    #[test]
    fn empty_payload_makes_no_frame() {
        let mut frames = Frames::default();
        frames.text(|_| {});
        frames.binary(|_| {});
        assert!(frames.pending().is_empty());
    }

    #[test]
    fn empty_text_makes_frame_on_purpose() {
        let mut frames = Frames::default();
        frames.empty_text();
        assert!(matches!(&read(&frames)[..], [Message::Text(text)] if text.is_empty()));
    }

    #[test]
    fn close_frames_carry_code_and_reason() {
        let mut frames = Frames::default();
        frames.close(Some(CloseCode::GoingAway.code()), "bye");
        let messages = read(&frames);
        assert!(
            matches!(&messages[0], Message::Close(Some(reason)) if reason.code == 1001 && reason.reason == "bye")
        );
    }

    #[test]
    fn pending_bytes_survive_partial_writes() {
        let mut frames = Frames::default();
        frames.ping(b"x");
        frames.advance(1);
        assert_eq!(frames.pending(), [1, b'x']);
        frames.advance(2);
        frames.clear();
        frames.release_memory();
        assert_eq!(frames.uncompressed_bytes(), 0);
    }
}

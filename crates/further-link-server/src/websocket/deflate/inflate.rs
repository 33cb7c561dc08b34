//! Reading messages of which some are compressed.

use bytes::{Bytes, BytesMut};
use sockudo_ws::deflate::{DEFAULT_WINDOW_BITS, DeflateDecoder};
use sockudo_ws::error::CloseReason;
use sockudo_ws::frame::{Frame, FrameParser, OpCode};
use sockudo_ws::{Error, Message};

/// Of a message, deflate makes at most so many bytes more for each of its bytes: zlib writes what
/// cannot be compressed in blocks of 16 KiB with 5 bytes before each.
const STORED_BLOCK_OVERHEAD_DIVISOR: usize = 1024;
/// Bytes that any message may have, however few it was compressed from.
const SMALL_GROWTH: usize = 64;

/// Puts messages together. The library's own reader keeps an inflater (48 kB) for each connection
/// from its beginning; this one has one while it reads a compressed message, so its frames are the
/// library's and the messages ours.
pub(crate) struct Inflater {
    parser: FrameParser,
    /// Bytes of a message at most.
    max: usize,
    /// The message whose last frame is still to come.
    begun: Option<Begun>,
}

struct Begun {
    opcode: OpCode,
    compressed: bool,
    payload: BytesMut,
}

impl Inflater {
    /// Inflater may have `max` bytes, before and (but for a little) after compression.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            parser: FrameParser::with_compression(compressed_max(max), true),
            max,
            begun: None,
        }
    }

    /// Returns the next message, `None` if more bytes are needed for it. One at a time: many small
    /// messages may stand for much.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, Error> {
        while let Some(frame) = self.parser.parse(buffer)? {
            if let Some(message) = self.add(frame)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn add(&mut self, frame: Frame) -> Result<Option<Message>, Error> {
        let Frame { header, payload } = frame;
        match header.opcode {
            OpCode::Ping => Ok(Some(Message::Ping(payload))),
            OpCode::Pong => Ok(Some(Message::Pong(payload))),
            OpCode::Close => close(&payload).map(Some),
            OpCode::Text | OpCode::Binary => {
                if self.begun.is_some() {
                    return Err(Error::Protocol("another message before the end of one"));
                }
                if header.fin {
                    return self.finish(header.opcode, header.rsv1, payload).map(Some);
                }
                self.check(header.rsv1, payload.len())?;
                self.begun = Some(Begun {
                    opcode: header.opcode,
                    compressed: header.rsv1,
                    payload: BytesMut::from(payload),
                });
                Ok(None)
            }
            OpCode::Continuation => {
                let mut begun = self
                    .begun
                    .take()
                    .ok_or(Error::Protocol("the continuation of nothing"))?;
                self.check(begun.compressed, begun.payload.len() + payload.len())?;
                begun.payload.extend_from_slice(&payload);
                if header.fin {
                    let payload = begun.payload.freeze();
                    return self
                        .finish(begun.opcode, begun.compressed, payload)
                        .map(Some);
                }
                self.begun = Some(begun);
                Ok(None)
            }
        }
    }

    /// Returns whether a message may have so many bytes as it travels.
    fn check(&self, compressed: bool, length: usize) -> Result<(), Error> {
        let max = match compressed {
            true => compressed_max(self.max),
            false => self.max,
        };
        match length <= max {
            true => Ok(()),
            false => Err(Error::MessageTooLarge),
        }
    }

    fn finish(&self, opcode: OpCode, compressed: bool, payload: Bytes) -> Result<Message, Error> {
        self.check(compressed, payload.len())?;
        let payload = match compressed {
            // It grows with what comes out, up to `max`. A client may look back 32 KiB inside of
            // a message, whatever it has said.
            true => {
                DeflateDecoder::new(DEFAULT_WINDOW_BITS, true).decompress(&payload, self.max)?
            }
            false => payload,
        };
        if opcode == OpCode::Binary {
            return Ok(Message::Binary(payload));
        }
        match std::str::from_utf8(&payload) {
            Ok(_) => Ok(Message::Text(payload)),
            Err(_) => Err(Error::InvalidUtf8),
        }
    }
}

fn compressed_max(max: usize) -> usize {
    max.saturating_add(max / STORED_BLOCK_OVERHEAD_DIVISOR + SMALL_GROWTH)
}

/// Returns a close frame's code and reason (RFC 6455 section 5.5.1).
fn close(payload: &[u8]) -> Result<Message, Error> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => Ok(Message::Close(None)),
            _ => Err(Error::Protocol("half of a close code")),
        };
    };
    let code = u16::from_be_bytes(*code);
    if !CloseReason::is_valid_code(code) {
        return Err(Error::InvalidCloseCode(code));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Error::InvalidUtf8)?;
    Ok(Message::Close(Some(CloseReason::new(code, reason))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sockudo_ws::protocol::{Protocol, Role};
    use zlib_rs::{Deflate, DeflateFlush};

    const MESSAGE_MAX_BYTES: usize = 64 * 1024;
    const FIN_BIT: u8 = 0x80;
    const RSV1_COMPRESSED_BIT: u8 = 0x40;
    const OPCODE_TEXT: u8 = 1;
    const OPCODE_BINARY: u8 = 2;
    const OPCODE_PING: u8 = 9;

    fn deflated(message: &[u8]) -> Vec<u8> {
        let mut deflate = Deflate::new(6, false, 15);
        let mut output = vec![0; message.len() + 1024];
        let flush = DeflateFlush::SyncFlush;
        deflate.compress(message, &mut output, flush).unwrap();
        output.truncate(deflate.total_out() as usize - 4);
        output
    }

    /// Returns a frame with the mask 1, 2, 3, 4.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..126 => bytes.push(0x80 | length as u8),
            length @ 126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        bytes.extend_from_slice(&mask);
        let masked = payload.iter().zip(mask.iter().cycle());
        bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// Returns what is read of `bytes` that come in chunks of `chunk`.
    fn read(bytes: &[u8], chunk: usize) -> Result<Vec<Message>, Error> {
        let (mut messages, mut buffer) = (Inflater::new(MESSAGE_MAX_BYTES), BytesMut::new());
        let mut found = Vec::new();
        for chunk in bytes.chunks(chunk) {
            buffer.extend_from_slice(chunk);
            while let Some(message) = messages.next(&mut buffer)? {
                found.push(message);
            }
        }
        Ok(found)
    }

    #[test]
    fn rfc_7692_samples_are_inflated() {
        // RFC 7692 sections 7.2.3.1 to 7.2.3.5: "Hello", in several ways.
        for payload in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[
                0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
            ],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[
                0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
            ],
        ] {
            let found = read(
                &frame(FIN_BIT | RSV1_COMPRESSED_BIT | OPCODE_TEXT, payload),
                1,
            )
            .unwrap();
            assert!(matches!(&found[..], [Message::Text(text)] if text == "Hello"));
        }
    }

    #[test]
    fn fragmented_message_with_ping_between_is_read() {
        let text = "größer ".repeat(100);
        let compressed = deflated(text.as_bytes());
        let (first, second) = compressed.split_at(compressed.len() / 2);
        let bytes = [
            frame(RSV1_COMPRESSED_BIT | OPCODE_TEXT, first),
            frame(FIN_BIT | OPCODE_PING, b"?"),
            frame(FIN_BIT, second),
            frame(FIN_BIT | OPCODE_BINARY, b"plain"),
        ]
        .concat();
        for chunk in [1, 7, 1000] {
            let found = read(&bytes, chunk).unwrap();
            assert!(
                matches!(&found[..], [Message::Ping(ping), Message::Text(read), Message::Binary(plain)]
                    if ping == "?" && *read == text && plain == "plain")
            );
        }
    }

    #[test]
    fn message_over_limit_is_rejected() {
        for length in [MESSAGE_MAX_BYTES, MESSAGE_MAX_BYTES + 1] {
            // Of a plain one, of one that has become small, and of one that has become larger.
            let noise: Vec<u8> = (0..length as u64)
                .map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 37) as u8)
                .collect();
            for bytes in [
                frame(FIN_BIT | OPCODE_BINARY, &noise),
                frame(
                    FIN_BIT | RSV1_COMPRESSED_BIT | OPCODE_BINARY,
                    &deflated(&noise),
                ),
                frame(
                    FIN_BIT | RSV1_COMPRESSED_BIT | OPCODE_BINARY,
                    &deflated(&vec![0; length]),
                ),
            ] {
                let found = read(&bytes, 4096);
                match length {
                    MESSAGE_MAX_BYTES => {
                        assert_eq!(found.unwrap()[0].as_bytes().len(), MESSAGE_MAX_BYTES)
                    }
                    _ => assert!(matches!(found, Err(Error::MessageTooLarge))),
                }
            }
        }
        // Frames without end.
        let mut bytes = frame(RSV1_COMPRESSED_BIT | OPCODE_BINARY, &[]);
        for _ in 0..MESSAGE_MAX_BYTES / 1024 + 1 {
            bytes.extend(frame(0, &[0; 1024]));
        }
        assert!(matches!(read(&bytes, 4096), Err(Error::MessageTooLarge)));
    }

    #[test]
    fn invalid_frames_are_rejected() {
        let hello = deflated(b"hello");
        for bytes in [
            // RFC 7692 section 6.1: only the first frame of a message is marked.
            [
                frame(RSV1_COMPRESSED_BIT | OPCODE_TEXT, &hello),
                frame(FIN_BIT | RSV1_COMPRESSED_BIT, b""),
            ]
            .concat(),
            frame(FIN_BIT | RSV1_COMPRESSED_BIT | OPCODE_PING, b""),
            frame(FIN_BIT | 0x20 | OPCODE_TEXT, b""),
            frame(FIN_BIT | 0x10 | OPCODE_TEXT, b""),
            frame(FIN_BIT, b"?"),
            [frame(OPCODE_TEXT, b"a"), frame(FIN_BIT | OPCODE_TEXT, b"b")].concat(),
            frame(FIN_BIT | 8, b"1"),
        ] {
            assert!(
                matches!(read(&bytes, 100), Err(Error::Protocol(_))),
                "{bytes:?}"
            );
        }
        let garbage = frame(FIN_BIT | RSV1_COMPRESSED_BIT | OPCODE_TEXT, &[0xff; 20]);
        assert!(matches!(read(&garbage, 100), Err(Error::Compression(_))));
        let latin = frame(
            FIN_BIT | RSV1_COMPRESSED_BIT | OPCODE_TEXT,
            &deflated(b"gr\xf6\xdfer"),
        );
        assert!(matches!(read(&latin, 100), Err(Error::InvalidUtf8)));
        let code = frame(FIN_BIT | 8, &[0x03, 0xed]);
        assert!(matches!(
            read(&code, 100),
            Err(Error::InvalidCloseCode(1005))
        ));
    }

    #[derive(Debug, PartialEq)]
    enum Seen {
        Text(Vec<u8>),
        Binary(Vec<u8>),
        Ping(Vec<u8>),
        Pong(Vec<u8>),
        Close(Option<(u16, String)>),
    }

    fn seen(messages: Vec<Message>) -> Vec<Seen> {
        let see = |message| match message {
            Message::Text(bytes) => Seen::Text(bytes.into()),
            Message::Binary(bytes) => Seen::Binary(bytes.into()),
            Message::Ping(bytes) => Seen::Ping(bytes.into()),
            Message::Pong(bytes) => Seen::Pong(bytes.into()),
            Message::Close(reason) => {
                Seen::Close(reason.map(|reason| (reason.code, reason.reason)))
            }
        };
        messages.into_iter().map(see).collect()
    }

    proptest! {
        /// Bytes of whatever kind: no panic, and never more than is permitted.
        #[test]
        fn arbitrary_bytes_are_survived(
            first in proptest::collection::vec(any::<u8>(), 1..6),
            payload in proptest::collection::vec(any::<u8>(), 0..400),
            chunk in 1..64usize,
        ) {
            let bytes: Vec<u8> = first.iter().flat_map(|first| frame(*first, &payload)).collect();
            if let Ok(found) = read(&bytes, chunk) {
                prop_assert!(found.iter().all(|message| message.as_bytes().len() <= MESSAGE_MAX_BYTES));
            }
        }

        /// Deflate that was damaged somewhere is an error or another text, and no more.
        #[test]
        fn corrupt_messages_are_survived(
            text in "[a-z ]{1,2000}",
            at: proptest::sample::Index,
            damage in 1..=255u8,
        ) {
            let mut compressed = deflated(text.as_bytes());
            let at = at.index(compressed.len());
            compressed[at] ^= damage;
            if let Ok(found) = read(&frame(FIN_BIT | RSV1_COMPRESSED_BIT | OPCODE_BINARY, &compressed), 4096) {
                prop_assert!(found[0].as_bytes().len() <= MESSAGE_MAX_BYTES);
            }
        }

        /// Without compression, it reads what the library's own reader does.
        #[test]
        fn plain_frames_are_read_like_the_library_does(
            frames in proptest::collection::vec(
                (proptest::sample::select(vec![0u8, 1, 2, 8, 9, 10, 11]), any::<bool>(), "(.|ä|\u{1f600}){0,60}", any::<bool>()),
                1..8
            ),
        ) {
            let bytes: Vec<u8> = frames
                .iter()
                .flat_map(|(opcode, last, text, cut)| {
                    let length = text.len().saturating_sub(usize::from(*cut));
                    frame(u8::from(*last) << 7 | opcode, &text.as_bytes()[..length])
                })
                .collect();
            let mut library = Protocol::new(Role::Server, MESSAGE_MAX_BYTES, MESSAGE_MAX_BYTES);
            let theirs = library.process(&mut BytesMut::from(&bytes[..]));
            match (read(&bytes, bytes.len()), theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(seen(ours), seen(theirs)),
                (Err(_), Err(_)) => {}
                // It refuses a part of a text as soon as it can be seen to be wrong.
                (Ok(_), Err(Error::InvalidUtf8)) => {}
                (ours, theirs) => prop_assert!(false, "{:?} and {:?}", ours.map(seen), theirs.map(seen)),
            }
        }
    }
}

//! Bytes in pieces to text in pieces. Owns what is held back between two pieces: the beginning of a
//! character that is not whole yet.

use std::str;

const REPLACEMENT_CHARACTER: &str = "\u{FFFD}";

/// Turns a stream of bytes into text, however the stream is cut.
///
/// The text is that of [`String::from_utf8_lossy`] over the whole stream: what is no UTF-8 becomes
/// U+FFFD, one for each maximal part that could have begun a character. A character that is cut is
/// held back until it is whole.
#[derive(Clone, Debug, Default)]
pub struct Utf8Decoder {
    /// The first `held` bytes are a beginning of a character that more bytes could still complete.
    pending: [u8; 3],
    held: u8,
}

impl Utf8Decoder {
    /// Feeds the next `bytes` of the stream, and hands their text to `sink`. With `last` the stream
    /// ends after them, so that an unfinished character becomes U+FFFD; the decoder is as new then.
    pub fn decode(&mut self, bytes: &[u8], last: bool, sink: &mut dyn FnMut(&str)) {
        let rest = self.finish_pending(bytes, sink);
        self.decode_fresh(rest, sink);
        if last && self.held > 0 {
            self.held = 0;
            sink(REPLACEMENT_CHARACTER);
        }
    }

    /// Returns whether nothing is held back.
    pub fn is_idle(&self) -> bool {
        self.held == 0
    }

    /// Completes the character held back, or gives it up, and returns the bytes that it did not
    /// need.
    fn finish_pending<'a>(&mut self, bytes: &'a [u8], sink: &mut dyn FnMut(&str)) -> &'a [u8] {
        let mut held = usize::from(self.held);
        if held == 0 {
            return bytes;
        }
        let mut character = [0; 4];
        character[..held].copy_from_slice(&self.pending[..held]);
        for (taken, &byte) in bytes.iter().enumerate() {
            character[held] = byte;
            match str::from_utf8(&character[..=held]) {
                Ok(text) => {
                    self.held = 0;
                    sink(text);
                    return &bytes[taken + 1..];
                }
                // Never with four bytes: those are a character or wrong.
                Err(error) if error.error_len().is_none() => held += 1,
                // What was held back was right so far, so `byte` is what does not belong to it: it
                // is looked at again as a beginning.
                Err(_) => {
                    self.held = 0;
                    sink(REPLACEMENT_CHARACTER);
                    return &bytes[taken..];
                }
            }
        }
        self.hold(&character[..held]);
        &[]
    }

    /// Decodes bytes that begin at a character's beginning.
    fn decode_fresh(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(&str)) {
        while !bytes.is_empty() {
            let error = match str::from_utf8(bytes) {
                Ok(text) => return sink(text),
                Err(error) => error,
            };
            let (valid, invalid) = bytes.split_at(error.valid_up_to());
            if !valid.is_empty() {
                // Checked a second time, as `unsafe` would be the only way round it. Each byte is
                // checked twice at most.
                sink(str::from_utf8(valid).expect("from_utf8 said that this much is valid"));
            }
            match error.error_len() {
                Some(length) => {
                    sink(REPLACEMENT_CHARACTER);
                    bytes = &invalid[length..];
                }
                None => return self.hold(invalid),
            }
        }
    }

    fn hold(&mut self, beginning: &[u8]) {
        self.pending[..beginning.len()].copy_from_slice(beginning);
        self.held = beginning.len() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8Decoder;
    use proptest::prelude::*;

    fn pieces(decoder: &mut Utf8Decoder, bytes: &[u8], last: bool) -> Vec<String> {
        let mut pieces = Vec::new();
        decoder.decode(bytes, last, &mut |text| pieces.push(text.to_owned()));
        pieces
    }

    #[test]
    fn character_is_held_back_until_whole() {
        let mut decoder = Utf8Decoder::default();
        assert_eq!(pieces(&mut decoder, b"a\xF0\x9F", false), ["a"]);
        assert!(!decoder.is_idle());
        assert_eq!(pieces(&mut decoder, b"\x98", false), Vec::<String>::new());
        assert_eq!(pieces(&mut decoder, b"\x80b", false), ["\u{1F600}", "b"]);
        assert!(decoder.is_idle());
    }

    #[test]
    fn beginning_without_an_end_is_one_replacement() {
        let mut decoder = Utf8Decoder::default();
        assert!(pieces(&mut decoder, b"\xE2\x82", false).is_empty());
        assert_eq!(pieces(&mut decoder, b"x", false), ["\u{FFFD}", "x"]);
        assert!(pieces(&mut decoder, b"\xE2\x82", false).is_empty());
        assert_eq!(pieces(&mut decoder, b"", true), ["\u{FFFD}"]);
        assert!(decoder.is_idle());
        assert!(pieces(&mut decoder, b"", true).is_empty());
    }

    #[test]
    fn valid_text_is_not_copied() {
        let bytes = "no c\u{F6}py".as_bytes();
        let mut seen = None;
        Utf8Decoder::default().decode(bytes, true, &mut |text| {
            seen = Some(text.as_bytes().as_ptr_range());
        });
        assert_eq!(seen, Some(bytes.as_ptr_range()));
    }

    /// Bytes that are likely to begin, go on with or break a character.
    fn tricky_byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            any::<u8>(),
            prop::sample::select(vec![
                b'a', 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xE2, 0xED, 0xF0, 0xF4, 0xF5, 0xFF,
            ]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn cuts_do_not_matter(
            parts in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(tricky_byte(), 0..6),
                    any::<String>().prop_map(String::into_bytes),
                ],
                0..12,
            ),
            last_is_empty: bool,
        ) {
            // The parts are also cut inside their characters.
            let stream = parts.concat();
            let mut cuts = Vec::new();
            for part in &parts {
                cuts.extend(part.chunks(1 + part.len() / 3));
            }
            let mut decoder = Utf8Decoder::default();
            let mut text = String::new();
            let mut sink = |piece: &str| {
                assert!(!piece.is_empty());
                text.push_str(piece);
            };
            for (index, cut) in cuts.iter().enumerate() {
                let last = !last_is_empty && index + 1 == cuts.len();
                decoder.decode(cut, last, &mut sink);
            }
            if last_is_empty {
                decoder.decode(b"", true, &mut sink);
            }
            prop_assert!(decoder.is_idle());
            prop_assert_eq!(text, String::from_utf8_lossy(&stream));
        }
    }
}

//! What programs say to the sockets of user code: none may make the server panic, and however the
//! bytes are cut, the messages are the same.
#![no_main]

use further_link_protocol::channel::{MessageDecoder, MessageRefused, SocketKind};
use libfuzzer_sys::fuzz_target;

// The first byte says which socket it is, and how many of the next ones are lengths of pieces; the
// rest is what the program has sent.
fuzz_target!(|input: &[u8]| {
    let Some((&first, input)) = input.split_first() else {
        return;
    };
    let socket = match first % 3 {
        0 => SocketKind::Channel,
        1 => SocketKind::LegacyVideo,
        _ => SocketKind::LegacyKeyListen,
    };
    let (lengths, bytes) = input.split_at(input.len().min(usize::from(first / 3 % 16)));

    let mut whole = MessageDecoder::new(socket);
    let mut expected = Vec::new();
    whole.decode(bytes, &mut |message| expected.push(message));

    let mut decoder = MessageDecoder::new(socket);
    let mut found = Vec::new();
    let mut rest = bytes;
    for &length in lengths {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(length % 32)));
        decoder.decode(piece, &mut |message| found.push(message));
        assert!(decoder.memory_bytes() <= 2 * bytes.len() + (16 << 10));
        rest = after;
    }
    decoder.decode(rest, &mut |message| found.push(message));

    assert_eq!(found, expected);
    assert_eq!(decoder.is_idle(), whole.is_idle());
    for message in found {
        if let Err(MessageRefused(sentence)) = message {
            assert!(sentence.chars().count() <= 200);
        }
    }
});

//! Output of programs: however it is cut, its text is that of the whole.
#![no_main]

use further_link_protocol::Utf8Decoder;
use libfuzzer_sys::fuzz_target;

// The first byte says how many of the next ones are lengths of pieces; the rest is the output.
fuzz_target!(|input: &[u8]| {
    let Some((&count, input)) = input.split_first() else {
        return;
    };
    let (lengths, output) = input.split_at(input.len().min(usize::from(count % 16)));

    let mut decoder = Utf8Decoder::default();
    let mut text = String::new();
    let mut rest = output;
    for &length in lengths {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(length % 8)));
        decoder.decode(piece, false, &mut |part| text.push_str(part));
        rest = after;
    }
    decoder.decode(rest, true, &mut |part| text.push_str(part));

    assert!(decoder.is_idle());
    assert_eq!(text, String::from_utf8_lossy(output));
});

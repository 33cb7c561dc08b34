//! Messages of strangers to the terminal server: none may make it panic, what it answers stays
//! short, and a size is one that a terminal can have.
#![no_main]

use further_link_protocol::wire::read_terminal_input;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| match read_terminal_input(message) {
    Err(sentence) => assert!(sentence.to_string().len() <= 160),
    Ok(input) => {
        // Each byte of the message is at most one of the keys.
        assert!(input.keys.to_string().len() <= message.len());
        if let Some(size) = input.size {
            assert!(size.rows.min(size.columns) >= 1 && size.rows.max(size.columns) <= 9999);
        }
    }
});

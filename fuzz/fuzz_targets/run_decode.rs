//! Messages of strangers to `/run`: none may make the server panic, and what it answers stays
//! short.
#![no_main]

use further_link_protocol::wire::{Dialect, Run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    if let Err(rejection) = Run::new(String::new()).decode(message) {
        assert!(rejection.detail.to_string().chars().count() <= 160);
    }
});

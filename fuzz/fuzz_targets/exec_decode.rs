//! Messages of strangers to `/exec`: none may make the server panic, and what it answers stays
//! short.
#![no_main]

use further_link_protocol::wire::{Dialect, Exec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    if let Err(rejection) = Exec.decode(message) {
        assert!(rejection.detail.to_string().chars().count() <= 160);
    }
});

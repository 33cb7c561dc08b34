//! Binary frames of strangers: none may make the server panic, and what is understood is written the
//! same again.
#![no_main]

use further_link_protocol::wire::stream::Head;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    for read in [Head::of_client(frame), Head::of_server(frame)] {
        if let Ok((head, bytes)) = read {
            assert_eq!([&head.encode(), bytes].concat(), frame);
        }
    }
});

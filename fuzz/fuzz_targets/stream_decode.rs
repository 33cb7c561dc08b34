//! Binary frames of strangers: none may make the server panic, and what is understood is written
//! the same again.
#![no_main]

use further_link_protocol::wire::stream::FrameHeader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    for read in [
        FrameHeader::from_client(frame),
        FrameHeader::from_server(frame),
    ] {
        if let Ok((head, bytes)) = read {
            assert_eq!([&head.encode(), bytes].concat(), frame);
        }
    }
});

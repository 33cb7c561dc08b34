//! Uploads of strangers: none may make the server panic, what it answers stays short, and no name
//! comes twice.
#![no_main]

use further_link_protocol::wire::read_upload;
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

fuzz_target!(|json: &[u8]| match read_upload(json) {
    Ok(upload) => {
        let names: HashSet<_> = upload.files.iter().map(|file| &file.name).collect();
        assert_eq!(names.len(), upload.files.len());
    }
    Err(sentence) => assert!(sentence.to_string().chars().count() <= 160),
});

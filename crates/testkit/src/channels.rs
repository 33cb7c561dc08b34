//! What the tests of IO channels share: their programs, which speak the protocol by hand, and
//! pictures that show whether they are whole.

use super::TestServer;
use serde_json::{Value, json};

/// Python that has `Channel` and `OldChannel`, `say`, `jpeg`, `pictures` and `echo_keys`.
pub fn program(code: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/programs");
    format!("import sys, os, time; sys.path.insert(0, {folder:?})\nfrom channel import *\n{code}")
}

/// Returns a `keyevent` for `process`.
pub fn key_event(process: &str, key: &str, event: &str) -> Value {
    json!({"type": "keyevent", "process": process, "data": {"key": key, "event": event}})
}

/// Returns the number that `jpeg` in `tests/programs/channel.py` has put into a picture, which has
/// to be as that has made it.
pub fn number_of(picture: &[u8]) -> u64 {
    assert_eq!(picture[..2], [0xff, 0xd8], "{} bytes", picture.len());
    let number = u32::from_be_bytes(picture[2..6].try_into().unwrap());
    let sum = u32::from_be_bytes(picture[6..10].try_into().unwrap());
    assert_eq!(sum, adler32(&picture[10..]), "picture {number} is damaged");
    number.into()
}

/// As `zlib.adler32` in Python.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1, 0);
    // As many bytes as do not overflow.
    for piece in bytes.chunks(5552) {
        for byte in piece {
            a += u32::from(*byte);
            b += a;
        }
        (a, b) = (a % 65521, b % 65521);
    }
    b << 16 | a
}

/// Memory of the process that faces the network, in bytes.
pub fn memory(server: &TestServer) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/statm", server.pid())).unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// How many descriptors a process has.
pub fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// Processor time of the process that faces the network, in clock ticks.
pub fn processor_time(server: &TestServer) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let mut fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11);
    let mut next = || fields.next().unwrap().parse::<u64>().unwrap();
    next() + next()
}

//! What strangers send takes no more memory than its bytes. A file and so a process of its own,
//! with one test, as it looks at the memory of the process.
#![cfg(target_os = "linux")]

use further_link_protocol::channel::{MessageDecoder, SocketKind};
use further_link_protocol::wire::{Dialect, Run};
use further_link_protocol::{Channel, Command, StartRequest};

/// Bytes of memory that this process has had at most.
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("VmHWM");
    let kilobytes = line.trim().strip_suffix(" kB").expect("kB");
    kilobytes.parse::<usize>().expect("a number") * 1024
}

#[test]
fn strangers_take_no_more_memory_than_their_bytes() {
    const LIST: usize = 4 << 20;
    const PIECE: usize = 16 << 20;
    const SLACK: usize = 2 << 20;

    // Lists of which each item costs more than its text.
    let run = Run::new(String::new());
    for item in ["1,", "\"\",", "[],"] {
        let mut list = item.repeat(LIST / item.len());
        list.insert_str(0, r#"{"type":"hello","data":{"features":["#);
        list.push_str(r#""plot"]}}"#);
        let before = most_memory();
        let Ok(Command::Hello { features }) = run.decode(list.as_bytes()) else {
            panic!("not understood: {item}");
        };
        assert!(features.include(Channel::Plot));
        let more = most_memory() - before;
        assert!(more <= SLACK, "{item}: {more} bytes more");
    }

    // Here each item is kept, but not of as many as there are.
    let mut list = "\"\",".repeat(LIST / 3);
    list.insert_str(
        0,
        r#"{"type":"start","process":"1","data":{"runner":"x","arguments":["#,
    );
    list.push_str(r#"""]}}"#);
    let before = most_memory();
    let Ok(Command::Start { request, .. }) = run.decode(list.as_bytes()) else {
        panic!("not understood: arguments");
    };
    assert!(request.arguments.len() > StartRequest::MAX_ARGUMENTS);
    let more = most_memory() - before;
    assert!(more <= SLACK, "{more} bytes more for arguments");

    // Pieces that are far longer than a message may be.
    let mut piece = vec![1; PIECE];
    let before = most_memory();
    for (socket, byte) in [
        (SocketKind::LegacyVideo, b'A'),
        (SocketKind::LegacyKeyListen, b' '),
        (SocketKind::Channel, 0xff),
    ] {
        piece.fill(byte);
        MessageDecoder::new(socket).decode(&piece, &mut |_| ());
    }
    let more = most_memory() - before;
    assert!(more <= SLACK, "{more} bytes more for pieces");
}

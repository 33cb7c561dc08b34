//! The way from a log to a client against a trivial model: whatever is printed, however it is cut,
//! however slowly it is sent and acknowledged, the client has the same bytes in the same order.

use super::*;
use bytes::BytesMut;
use further_link_engine::OutputLog;
use further_link_protocol::wire::Run;
use proptest::prelude::*;
use sockudo_ws::Message;
use sockudo_ws::protocol::{Protocol, Role};
use std::sync::Arc;
use tokio::sync::Notify;

/// What the client has made of the frames so far.
struct Client {
    frames: Protocol,
    /// Of the binary stream.
    bytes: Vec<(Stream, u8)>,
    /// Of text messages.
    stdout: String,
    stderr: String,
}

impl Client {
    fn new() -> Self {
        Self {
            frames: Protocol::new(Role::Client, 1 << 24, 1 << 24),
            bytes: Vec::new(),
            stdout: String::new(),
            stderr: String::new(),
        }
    }

    fn take(&mut self, out: &mut Frames) {
        let messages = self
            .frames
            .process(&mut BytesMut::from(out.pending()))
            .unwrap();
        out.advance(out.pending().len());
        out.clear();
        for message in messages {
            match message {
                Message::Text(text) => self.take_text(&text),
                Message::Binary(frame) => self.take_frame(&frame),
                other => panic!("{other:?}"),
            }
        }
    }

    fn take_text(&mut self, text: &[u8]) {
        let message: serde_json::Value = serde_json::from_slice(text).unwrap();
        assert_eq!(message["process"], "p");
        let output = message["data"]["output"].as_str().unwrap();
        assert!(!output.is_empty());
        match message["type"].as_str().unwrap() {
            "stdout" => self.stdout.push_str(output),
            "stderr" => self.stderr.push_str(output),
            other => panic!("{other}"),
        }
    }

    fn take_frame(&mut self, frame: &[u8]) {
        let (head, bytes) = FrameHeader::from_server(frame).unwrap();
        let FrameKind::Output(stream) = head.kind else {
            panic!("{head:?}");
        };
        assert_eq!((head.number, head.offset), (7, self.bytes.len() as u64));
        assert!((1..=OUTPUT_MESSAGE_MAX_BYTES).contains(&bytes.len()));
        self.bytes.extend(bytes.iter().map(|byte| (stream, *byte)));
    }
}

#[derive(Clone, Debug)]
enum What {
    /// The program puts this out.
    Put(Stream, Vec<u8>),
    /// The connection has room for so many bytes, and its window is so large.
    Send(usize, usize),
    /// The client acknowledges this part of what it has, in 255ths.
    Acknowledge(u8),
}

fn what() -> impl Strategy<Value = What> {
    let characters = proptest::collection::vec(any::<char>(), 1..40)
        .prop_map(|text| text.into_iter().collect::<String>().into_bytes());
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..50),
        characters.clone(),
        // Cut in the middle of a character.
        (characters, any::<proptest::sample::Index>()).prop_map(|(bytes, cut)| {
            let cut = cut.index(bytes.len());
            bytes[..=cut].to_vec()
        }),
        (1usize..100_000, any::<u8>()).prop_map(|(count, byte)| {
            (0..count)
                .map(|index| byte.wrapping_add(index as u8))
                .collect()
        }),
    ];
    let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
    prop_oneof![
        3 => (stream, bytes).prop_map(|(stream, bytes)| What::Put(stream, bytes)),
        3 => (0usize..100_000, 1usize..5_000_000).prop_map(|(room, window)| What::Send(room, window)),
        2 => any::<u8>().prop_map(What::Acknowledge),
    ]
}

fn put(log: &OutputLog, stream: Stream, bytes: &[u8]) -> usize {
    log.fill(stream, |space| {
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    })
    .map_or(0, |count| count.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn client_receives_what_model_predicts(
        binary: bool,
        terminal: bool,
        steps in proptest::collection::vec(what(), 1..80),
    ) {
        let log = Arc::new(OutputLog::default());
        let cursor = log.cursor(true, Arc::new(Notify::new()));
        let mut output = match binary {
            true => Output::as_binary(cursor, terminal, 7),
            false => Output::as_text(cursor, terminal),
        };
        let name = ProcessName::new("p".to_owned());
        let dialect = Run::new(String::new());
        let mut model: Vec<(Stream, u8)> = Vec::new();
        let mut client = Client::new();
        let mut out = Frames::default();
        let mut sent = 0;
        let mut acknowledged = 0;
        for step in steps {
            match step {
                What::Put(stream, bytes) => {
                    let count = put(&log, stream, &bytes);
                    model.extend(bytes[..count].iter().map(|byte| (stream, *byte)));
                }
                What::Send(room, window) => {
                    // What is acknowledged has its own window.
                    let room = if binary { usize::MAX } else { room };
                    let credit = SendCredit { bytes: room, window };
                    let step = output.next(&name, &dialect, credit, &mut out, &mut String::new());
                    match step {
                        EncodeOutcome::Sent(count) => {
                            prop_assert!((1..=room.min(OUTPUT_MESSAGE_MAX_BYTES)).contains(&count));
                            sent += count;
                        }
                        EncodeOutcome::Waiting => {
                            let stuck = binary && sent - acknowledged >= OUTPUT_WINDOW_LIMITS.min_bytes * 7 / 8;
                            prop_assert!(room == 0 || sent == model.len() || stuck);
                        }
                        EncodeOutcome::End => prop_assert!(false, "the log is open"),
                    }
                    prop_assert!(!binary || sent - acknowledged <= OUTPUT_WINDOW_LIMITS.max_bytes);
                    client.take(&mut out);
                }
                What::Acknowledge(part) => {
                    let offset = sent * usize::from(part) / 255;
                    let known = output.acknowledge(offset as u64);
                    prop_assert_eq!(known, binary);
                    prop_assert!(!output.acknowledge(sent as u64 + 1));
                    acknowledged = acknowledged.max(offset);
                }
            }
        }
        log.close();
        let credit = SendCredit { bytes: usize::MAX, window: usize::MAX };
        loop {
            output.acknowledge(output.position());
            match output.next(&name, &dialect, credit, &mut out, &mut String::new()) {
                EncodeOutcome::Sent(count) => sent += count,
                EncodeOutcome::Waiting => prop_assert!(false, "the log is closed and there is room"),
                EncodeOutcome::End => break,
            }
            client.take(&mut out);
        }
        client.take(&mut out);
        prop_assert_eq!(sent, model.len());
        prop_assert_eq!(output.position(), model.len() as u64);
        if binary {
            prop_assert!(client.bytes == model);
        } else {
            for (stream, text) in [(Stream::Stdout, &client.stdout), (Stream::Stderr, &client.stderr)] {
                let bytes: Vec<u8> = model
                    .iter()
                    .filter(|(other, _)| *other == stream)
                    .map(|(_, byte)| *byte)
                    .collect();
                prop_assert!(*text == String::from_utf8_lossy(&bytes));
            }
        }
    }
}

//! The sockets of user code: however the bytes are cut, the messages are the same, and what is too
//! long takes no memory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use further_link_protocol::channel::{
    Decoded, JsonObject, KeyListen, MessageDecoder, MessageRefused, ProgramMessage, ServerMessage,
    SocketKind, VideoFrame, encode_legacy_key_event,
};
use further_link_protocol::{
    Channel, ChannelEvent, ChannelMessage, Features, Figure, FigureFormat, KeyEvent,
};
use proptest::prelude::*;
use proptest::sample::Index;

const SOCKETS: [SocketKind; 3] = [
    SocketKind::Channel,
    SocketKind::LegacyVideo,
    SocketKind::LegacyKeyListen,
];

/// Kind, and bytes at most, of `docs/protocol.md` section 6.
const LIMITS: [(u8, usize); 7] = [
    (1, 1_024),
    (2, 256),
    (3, 8_388_608),
    (4, 8_388_608),
    (5, 1_048_576),
    (6, 65_536),
    (7, 4_194_304),
];
const OLD_VIDEO_LIMIT: usize = 12 << 20;
const OLD_VIDEO_END: &[u8] = b" endvideo ";
const OLD_KEY_END: &[u8] = b" endkeylisten ";

type Message = Decoded;

fn key_listen(key: impl Into<String>) -> ProgramMessage {
    ProgramMessage::Channel(ChannelMessage::Keys(KeyListen { key: key.into() }))
}

fn video(jpeg: impl Into<Vec<u8>>) -> ProgramMessage {
    let jpeg = jpeg.into();
    ProgramMessage::Channel(ChannelMessage::Video(VideoFrame { jpeg }))
}

fn json_object(text: &str) -> JsonObject {
    JsonObject::from_text(text).expect("an object")
}

fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length");
    [&length.to_be_bytes(), &[kind][..], payload].concat()
}

/// Decodes pieces, and checks after each that no more memory is held than a message may have.
fn decode<'a>(
    decoder: &mut MessageDecoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    most_held: usize,
) -> Vec<Message> {
    let mut found = Vec::new();
    for piece in pieces {
        decoder.decode(piece, &mut |message| found.push(message));
        assert!(
            decoder.memory_bytes() <= most_held,
            "{} are held",
            decoder.memory_bytes()
        );
    }
    found
}

fn most_held(socket: SocketKind) -> usize {
    match socket {
        SocketKind::Channel => 8 << 20,
        SocketKind::LegacyVideo => OLD_VIDEO_LIMIT + OLD_VIDEO_END.len(),
        SocketKind::LegacyKeyListen => 256 + OLD_KEY_END.len(),
    }
}

fn whole(socket: SocketKind, bytes: &[u8]) -> (Vec<Message>, bool) {
    let mut decoder = MessageDecoder::new(socket);
    let found = decode(&mut decoder, [bytes], most_held(socket));
    (found, decoder.is_idle())
}

/// `bytes` in pieces of these lengths, and the rest.
fn pieces<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = bytes.split_at(bytes.len().min(*length));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

fn figure(image: &[u8]) -> Figure {
    Figure {
        id: "f".to_owned(),
        number: 1,
        title: "\u{1F600}".to_owned(),
        format: FigureFormat::Png,
        width: 2,
        height: 3,
        closed: image.is_empty(),
        image: image.to_vec(),
    }
}

fn figure_message(image: &[u8]) -> ProgramMessage {
    ProgramMessage::Channel(ChannelMessage::Figure(figure(image)))
}

fn jpeg_of(message: &ProgramMessage) -> &Vec<u8> {
    match message {
        ProgramMessage::Channel(ChannelMessage::Video(frame)) => &frame.jpeg,
        other => panic!("not a frame: {other:?}"),
    }
}

fn figure_payload(image: &[u8]) -> Vec<u8> {
    let closed = image.is_empty();
    let head = format!(
        r#"{{"id":"f","figure":1,"title":"{}","format":"png","width":2,"height":3,"closed":{closed}}}"#,
        "\u{1F600}"
    );
    [head.as_bytes(), b"\n", image].concat()
}

/// Every kind of message, good and bad ones, and what they mean.
fn channel_messages() -> Vec<(Vec<u8>, Option<Message>)> {
    let plot = r#"{"name":"ä","series":[]}"#;
    let not_taken = |text: &str| Some(Err(MessageRefused(text.to_owned())));
    vec![
        (message(1, b"{}"), Some(Ok(ProgramMessage::Hello))),
        (message(1, b""), Some(Ok(ProgramMessage::Hello))),
        (message(2, b" "), Some(Ok(key_listen(" ")))),
        (
            message(2, b""),
            not_taken("A key was not taken: it has no name."),
        ),
        (
            message(3, b"\xff\xd8\x00\x00\x00\x01\x02"),
            Some(Ok(video(b"\xff\xd8\x00\x00\x00\x01\x02".to_vec()))),
        ),
        (message(3, b""), Some(Ok(video(Vec::new())))),
        (
            message(4, &figure_payload(b"\x89PNG\r\n\n")),
            Some(Ok(figure_message(b"\x89PNG\r\n\n"))),
        ),
        (
            message(4, &figure_payload(b"")),
            Some(Ok(figure_message(b""))),
        ),
        (
            message(5, plot.as_bytes()),
            Some(Ok(ProgramMessage::Channel(ChannelMessage::Plot(
                json_object(plot),
            )))),
        ),
        (
            message(6, br#"{"id":"w"}"#),
            Some(Ok(ProgramMessage::Channel(ChannelMessage::Widget(
                json_object(r#"{"id":"w"}"#),
            )))),
        ),
        (
            message(6, b"\xff"),
            not_taken("A widget was not taken: it is not UTF-8 text."),
        ),
        (
            message(2, &[b'k'; 257]),
            not_taken("A message of 257 bytes was not taken: 256 are the most."),
        ),
        (message(0, b""), None),
        (message(63, b"\x00\x00\x00\x01\x02x"), None),
        (message(255, &[0; 600]), None),
    ]
}

fn old_video_messages() -> Vec<(Vec<u8>, Option<Message>)> {
    let good = |text: &str, jpeg: &[u8]| {
        let bytes = [text.as_bytes(), OLD_VIDEO_END].concat();
        (bytes, Some(Ok(video(jpeg))))
    };
    let not_taken = || {
        Some(Err(MessageRefused(
            "A picture was not taken: it is no base64.".to_owned(),
        )))
    };
    vec![
        good("/9j+", b"\xff\xd8\xfe"),
        good("", b""),
        good("/9\nj+\r\n", b"\xff\xd8\xfe"),
        good("   /9j+", b"\xff\xd8\xfe"),
        (b"no base64 endvideo ".to_vec(), not_taken()),
        (b" endvide endvideo ".to_vec(), not_taken()),
        (
            b"x endvideo\0 endkeylisten  endvideo ".to_vec(),
            not_taken(),
        ),
        (b"\xff\xd8 endvideo ".to_vec(), not_taken()),
    ]
}

fn old_key_messages() -> Vec<(Vec<u8>, Option<Message>)> {
    let good = |key: &str| {
        let bytes = [key.as_bytes(), OLD_KEY_END].concat();
        (bytes, Some(Ok(key_listen(key))))
    };
    let not_taken = || {
        Some(Err(MessageRefused(
            "A key was not taken: it is no key's name.".to_owned(),
        )))
    };
    vec![
        good("ArrowUp"),
        good(" "),
        good("     "),
        good(" a b  c "),
        good("endkeylisten"),
        good(" endkeyliste endkeyliste"),
        good("\u{1F600}\n"),
        (OLD_KEY_END.to_vec(), None),
        (b"\xe2\x82 endkeylisten ".to_vec(), not_taken()),
        ([&[b'k'; 257], OLD_KEY_END].concat(), not_taken()),
        ([&[b' '; 3000], OLD_KEY_END].concat(), not_taken()),
        good(&"k".repeat(256)),
    ]
}

fn messages_of(socket: SocketKind) -> Vec<(Vec<u8>, Option<Message>)> {
    match socket {
        SocketKind::Channel => channel_messages(),
        SocketKind::LegacyVideo => old_video_messages(),
        SocketKind::LegacyKeyListen => old_key_messages(),
    }
}

#[test]
fn every_message_cut_at_every_byte() {
    for socket in SOCKETS {
        for (bytes, expected) in messages_of(socket) {
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(
                whole(socket, &bytes),
                (expected.clone(), true),
                "{bytes:x?}"
            );
            for at in 0..=bytes.len() {
                let mut decoder = MessageDecoder::new(socket);
                let mut found = decode(&mut decoder, [&bytes[..at]], most_held(socket));
                let is_between = at == 0 || at == bytes.len();
                assert_eq!(decoder.is_idle(), is_between, "{bytes:x?} until {at}");
                found.extend(decode(&mut decoder, [&bytes[at..]], most_held(socket)));
                assert_eq!(found, expected, "{bytes:x?} at {at}");
                assert!(decoder.is_idle() && decoder.memory_bytes() == 0);
            }
        }
    }
}

#[test]
fn all_messages_behind_each_other() {
    for socket in SOCKETS {
        let messages = messages_of(socket);
        let bytes: Vec<u8> = messages
            .iter()
            .flat_map(|(bytes, _)| bytes.clone())
            .collect();
        let expected: Vec<_> = messages
            .into_iter()
            .filter_map(|(_, found)| found)
            .collect();
        assert_eq!(whole(socket, &bytes), (expected.clone(), true));
        for length in [1, 2, 3, 5, 7, 64, 1000] {
            let mut decoder = MessageDecoder::new(socket);
            let found = decode(&mut decoder, bytes.chunks(length), most_held(socket));
            assert_eq!(found, expected, "in pieces of {length}");
        }
    }
}

/// A payload that makes sense, of `length` bytes.
fn payload_of(kind: u8, length: usize) -> Vec<u8> {
    let json = |key: &str| {
        let front = format!(r#"{{"{key}":""#);
        format!(r#"{front}{}"}}"#, "x".repeat(length - front.len() - 2)).into_bytes()
    };
    match kind {
        4 => {
            let front = figure_payload(b"\0").len() - 1;
            figure_payload(&vec![0; length - front])
        }
        5 => json("name"),
        6 => json("id"),
        7 => {
            let front = b"{}\nRIFF";
            let mut payload = vec![0; length];
            payload[..front.len()].copy_from_slice(front);
            payload
        }
        _ => vec![b'k'; length],
    }
}

#[test]
fn limits() {
    for (kind, most) in LIMITS {
        for length in [most - 1, most] {
            let payload = payload_of(kind, length);
            assert_eq!(payload.len(), length);
            let bytes = [message(kind, &payload), message(2, b"a")].concat();
            let found = whole(SocketKind::Channel, &bytes).0;
            assert!(
                found[0].is_ok() && found.len() == 2,
                "kind {kind}, {length}"
            );
            let mut decoder = MessageDecoder::new(SocketKind::Channel);
            let again = decode(&mut decoder, bytes.chunks(16 << 10), most);
            assert_eq!(again, found);
        }
        let length = most + 1;
        let too_long = message(kind, &payload_of(kind, length));
        let bytes = [too_long, message(2, b"a")].concat();
        let expected = [
            Err(MessageRefused(format!(
                "A message of {length} bytes was not taken: {most} are the most."
            ))),
            Ok(key_listen("a")),
        ];
        let mut decoder = MessageDecoder::new(SocketKind::Channel);
        assert_eq!(decode(&mut decoder, [&bytes[..]], 1), expected);
        // It is told at once, and nothing of it is kept.
        let mut decoder = MessageDecoder::new(SocketKind::Channel);
        assert_eq!(decode(&mut decoder, [&bytes[..5]], 0), expected[..1]);
        assert_eq!(
            decode(&mut decoder, bytes[5..].chunks(4099), 1),
            expected[1..]
        );
    }
}

#[test]
fn limits_of_the_older_package() {
    let jpeg = |length: usize| STANDARD.decode(vec![b'A'; length / 4 * 4]).expect("base64");
    for length in [OLD_VIDEO_LIMIT - 1, OLD_VIDEO_LIMIT, OLD_VIDEO_LIMIT + 1] {
        // Line feeds fill it up.
        let mut bytes = vec![b'A'; length / 4 * 4];
        bytes.resize(length, b'\n');
        bytes.extend_from_slice(OLD_VIDEO_END);
        bytes.extend_from_slice(b"AAAA endvideo ");
        let first = match length > OLD_VIDEO_LIMIT {
            false => Ok(video(jpeg(length))),
            true => Err(MessageRefused(
                "A picture of more than 12582912 bytes was not taken.".to_owned(),
            )),
        };
        let expected = [first, Ok(video(vec![0; 3]))];
        // In one piece, in the server's, and with a cut in every place of the end.
        let mut cuts = vec![vec![], vec![16 << 10; length >> 14]];
        if length >= OLD_VIDEO_LIMIT {
            cuts.extend((0..=OLD_VIDEO_END.len()).map(|more| vec![length + more]));
        }
        for lengths in cuts {
            let mut decoder = MessageDecoder::new(SocketKind::LegacyVideo);
            let pieces = pieces(&bytes, &lengths);
            let found = decode(&mut decoder, pieces, most_held(SocketKind::LegacyVideo));
            assert!(found == expected, "{length} bytes, cut at {lengths:?}");
            assert!(decoder.is_idle() && decoder.memory_bytes() == 0);
        }
    }
    for length in 255..=257 {
        let key = "k".repeat(length);
        let bytes = [key.as_bytes(), OLD_KEY_END, b"a", OLD_KEY_END].concat();
        let first = match length > 256 {
            false => Ok(key_listen(key)),
            true => Err(MessageRefused(
                "A key was not taken: it is no key's name.".to_owned(),
            )),
        };
        let expected = [first, Ok(key_listen("a"))];
        for at in 0..bytes.len() {
            let mut decoder = MessageDecoder::new(SocketKind::LegacyKeyListen);
            let found = decode(
                &mut decoder,
                pieces(&bytes, &[at]),
                most_held(SocketKind::LegacyKeyListen),
            );
            assert_eq!(found, expected, "{length} bytes, cut at {at}");
        }
    }
}

/// Of a message without an end only so much is kept as could become one, whatever comes.
#[test]
fn message_without_an_end_takes_no_memory() {
    for (socket, most) in [
        (SocketKind::LegacyVideo, OLD_VIDEO_LIMIT),
        (SocketKind::LegacyKeyListen, 256),
    ] {
        let end: &[u8] = match socket {
            SocketKind::LegacyVideo => OLD_VIDEO_END,
            _ => OLD_KEY_END,
        };
        for filler in [&b"AAAAAAAA"[..], b"        ", b" endvide", b"endkeyl "] {
            let piece = filler.repeat(2048);
            let mut decoder = MessageDecoder::new(socket);
            let mut sent = 0;
            while sent <= most + end.len() {
                assert_eq!(decode(&mut decoder, [&piece[..]], most_held(socket)), []);
                sent += piece.len();
            }
            for _ in 0..most.div_ceil(piece.len()) + 2 {
                assert_eq!(decode(&mut decoder, [&piece[..]], 0), []);
                assert!(!decoder.is_idle());
            }
            let found = decode(&mut decoder, [end], 0);
            assert!(matches!(&found[..], [Err(_)]), "{found:?}");
            let found = decode(&mut decoder, [&b"AAAA"[..], end], most_held(socket));
            assert!(matches!(&found[..], [Ok(_)]), "{found:?}");
            assert!(decoder.is_idle());
        }
    }
}

/// The head of a long message takes no memory: that comes with its bytes.
#[test]
fn what_is_announced_takes_no_memory() {
    let head = [&(8_u32 << 20).to_be_bytes(), &[3][..]].concat();
    let mut decoder = MessageDecoder::new(SocketKind::Channel);
    assert_eq!(decode(&mut decoder, [&head[..]], 0), []);
    let piece = [0; 16 << 10];
    let mut sent = 0;
    while sent + piece.len() < 8 << 20 {
        sent += piece.len();
        assert_eq!(
            decode(&mut decoder, [&piece[..]], (2 * sent).min(8 << 20)),
            []
        );
    }
    let found = decode(&mut decoder, [&piece[..]], 0);
    assert!(matches!(&found[..], [Ok(message)] if jpeg_of(message).len() == 8 << 20));
}

/// A message takes as much memory as it has bytes, and leaves none behind, also when it is not
/// taken.
#[test]
fn memory_is_given_back() {
    for (kind, most) in LIMITS {
        for payload in [payload_of(kind, most), vec![0xff; most]] {
            let bytes = [&message(kind, &payload)[..], &[0, 0]].concat();
            let mut decoder = MessageDecoder::new(SocketKind::Channel);
            let found = decode(&mut decoder, [&bytes[..]], 0);
            assert_eq!(found.len(), 1);
            if let Ok(ProgramMessage::Channel(ChannelMessage::Video(VideoFrame { jpeg }))) =
                &found[0]
            {
                assert_eq!(jpeg.capacity(), jpeg.len());
            }
            assert!(!decoder.is_idle());
        }
    }
}

#[test]
fn longest_message_there_can_be_is_skipped() {
    for kind in [0, 1, 2, 3, 4, 5, 6, 7, 63, 64, 65, 255] {
        let head = [0xff, 0xff, 0xff, 0xff, kind];
        let mut decoder = MessageDecoder::new(SocketKind::Channel);
        let found = decode(&mut decoder, [&head[..]], 0);
        match LIMITS.iter().any(|(known, _)| *known == kind) {
            true => {
                assert!(
                    matches!(&found[..], [Err(MessageRefused(text))] if text.contains("4294967295"))
                )
            }
            false => assert_eq!(found, []),
        }
        let piece = vec![0x41; 64 << 20];
        let mut left = u32::MAX as usize;
        while left > 0 {
            assert!(!decoder.is_idle());
            let count = left.min(piece.len());
            assert_eq!(decode(&mut decoder, [&piece[..count]], 0), []);
            left -= count;
        }
        assert!(decoder.is_idle());
        assert_eq!(
            decode(&mut decoder, [&message(2, b"a")[..]], 1),
            [Ok(key_listen("a"))]
        );
    }
}

/// Serde repeats what is wrong; a program is told of it in a sentence.
#[test]
fn complaint_is_short() {
    let long = "x\u{1F600}".repeat(1 << 20);
    for wrong in [
        format!(r#"{{"id":"f","figure":"{long}","format":"png"}}"#),
        format!(r#"{{"id":"f","figure":1,"format":"{long}"}}"#),
        format!(r#"{{"id":"f","figure":1,"format":"png","closed":"{long}"}}"#),
    ] {
        let found = whole(SocketKind::Channel, &message(4, wrong.as_bytes())).0;
        match &found[..] {
            [Err(MessageRefused(text))] => assert!(text.chars().count() <= 200, "{}", text.len()),
            _ => panic!("it was taken"),
        }
    }
}

/// Many small messages in one piece, and ends that are no ends: each byte is looked at once.
#[test]
fn time_is_in_proportion_to_bytes() {
    let shapes: [(SocketKind, &[u8]); 6] = [
        (SocketKind::Channel, b"\0\0\0\x01\x02a"),
        (SocketKind::Channel, b"\0\0\0\0\0"),
        (SocketKind::LegacyKeyListen, b"a endkeylisten "),
        (SocketKind::LegacyVideo, b" endvideo "),
        (SocketKind::LegacyVideo, b" endvideo"),
        (SocketKind::LegacyVideo, b" "),
    ];
    for (socket, shape) in shapes {
        let bytes = shape.repeat((8 << 20) / shape.len());
        let begin = std::time::Instant::now();
        let mut count = 0;
        MessageDecoder::new(socket).decode(&bytes, &mut |_| count += 1);
        // A second without optimization. With a move of the rest for each message it would be many
        // minutes.
        let taken = begin.elapsed();
        assert!(taken.as_secs() < 30, "{socket:?}, {shape:?}: {taken:?}");
    }
}

/// What the server says, read back by the rules of the channel socket.
fn read_server(bytes: &[u8]) -> (u8, &[u8]) {
    let (length, rest) = bytes.split_first_chunk::<4>().expect("a length");
    let (kind, payload) = rest.split_first().expect("a kind");
    assert_eq!(u32::from_be_bytes(*length) as usize, payload.len());
    (*kind, payload)
}

fn socket() -> impl Strategy<Value = SocketKind> {
    prop::sample::select(&SOCKETS[..])
}

/// Bytes that look like those of a socket.
fn stream(socket: SocketKind) -> impl Strategy<Value = Vec<u8>> {
    let known = messages_of(socket).into_iter().map(|(bytes, _)| bytes);
    let known: Vec<_> = known.collect();
    let ends: &[&[u8]] = &[
        OLD_VIDEO_END,
        OLD_KEY_END,
        b" ",
        b" end",
        b"endvideo ",
        b"AAAA",
    ];
    let head =
        (0..40u32, 0..9u8).prop_map(|(length, kind)| [&length.to_be_bytes(), &[kind][..]].concat());
    let part = prop_oneof![
        4 => prop::sample::select(known),
        2 => prop::sample::select(ends).prop_map(<[u8]>::to_vec),
        1 => head,
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn arbitrary_bytes_do_no_harm(
        socket in socket(),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        cuts in prop::collection::vec(0..60usize, 0..8),
    ) {
        let mut decoder = MessageDecoder::new(socket);
        let found = decode(&mut decoder, pieces(&bytes, &cuts), most_held(socket));
        let (expected, is_idle) = whole(socket, &bytes);
        prop_assert_eq!(found, expected);
        prop_assert_eq!(decoder.is_idle(), is_idle);
    }

    #[test]
    fn cuts_do_not_matter(
        (socket, bytes) in socket().prop_flat_map(|socket| (Just(socket), stream(socket))),
        cuts in prop::collection::vec(0..60usize, 0..40),
    ) {
        let mut decoder = MessageDecoder::new(socket);
        let found = decode(&mut decoder, pieces(&bytes, &cuts), most_held(socket));
        let (expected, is_idle) = whole(socket, &bytes);
        prop_assert_eq!(found, expected);
        prop_assert_eq!(decoder.is_idle(), is_idle);
    }

    /// A stream of the older package is what stands between its ends.
    #[test]
    fn older_package_splits_at_its_ends(
        bytes in prop_oneof![stream(SocketKind::LegacyKeyListen), stream(SocketKind::LegacyVideo)],
        cuts in prop::collection::vec(0..60usize, 0..20),
    ) {
        let mut rest = &bytes[..];
        let mut expected = Vec::new();
        while let Some(at) = rest.windows(OLD_KEY_END.len()).position(|part| part == OLD_KEY_END) {
            match str::from_utf8(&rest[..at]) {
                Ok("") => {}
                Ok(key) if at <= 256 => expected.push(Some(key.to_owned())),
                _ => expected.push(None),
            }
            rest = &rest[at + OLD_KEY_END.len()..];
        }
        let mut decoder = MessageDecoder::new(SocketKind::LegacyKeyListen);
        let pieces = pieces(&bytes, &cuts);
        let found = decode(&mut decoder, pieces, most_held(SocketKind::LegacyKeyListen));
        let found: Vec<_> = found
            .into_iter()
            .map(|message| match message {
                Ok(ProgramMessage::Channel(ChannelMessage::Keys(listen))) => Some(listen.key),
                Ok(other) => panic!("{other:?}"),
                Err(_) => None,
            })
            .collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(decoder.is_idle(), rest.is_empty());
    }

    #[test]
    fn payloads_arrive(
        jpeg in prop::collection::vec(any::<u8>(), 0..300),
        image in prop::collection::vec(any::<u8>(), 0..300),
        key in "\\PC{1,40}",
        cut: Index,
    ) {
        let base64 = STANDARD.encode(&jpeg);
        let bytes = [message(3, &jpeg), message(4, &figure_payload(&image)), message(2, key.as_bytes())].concat();
        let cut = cut.index(bytes.len());
        let mut decoder = MessageDecoder::new(SocketKind::Channel);
        let found = decode(&mut decoder, [&bytes[..cut], &bytes[cut..]], most_held(SocketKind::Channel));
        prop_assert_eq!(found, [
            Ok(video(jpeg.clone())),
            Ok(figure_message(&image)),
            Ok(key_listen(key)),
        ]);
        let found = whole(SocketKind::LegacyVideo, &[base64.as_bytes(), OLD_VIDEO_END].concat());
        prop_assert_eq!(found, (vec![Ok(video(jpeg))], true));
    }

    #[test]
    fn what_is_said_to_a_program_can_be_read(key: String, event: String, version: String, text: String) {
        let mut out = Vec::new();
        let key_event = KeyEvent { key: key.clone(), event: event.clone() };
        ServerMessage::Event(&ChannelEvent::Key(key_event.clone())).encode(&mut out);
        let (kind, payload) = read_server(&out);
        let read: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
        prop_assert_eq!((kind, read), (66, serde_json::json!({"key": key, "event": event})));
        prop_assert!(!payload.contains(&b'\n'));

        let mut out = Vec::new();
        let features = Features::from_names(["plot"]);
        ServerMessage::Hello { version: &version, features }.encode(&mut out);
        let (kind, payload) = read_server(&out);
        let read: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
        prop_assert_eq!((kind, read), (65, serde_json::json!({"version": version, "features": ["plot"]})));
        prop_assert!(!payload.contains(&b'\n'));

        let json_event = |channel| ChannelEvent::Json { channel, json: text.clone() };
        for (message, kind) in [
            (ServerMessage::Event(&json_event(Channel::Figure)), 67),
            (ServerMessage::Event(&json_event(Channel::Widget)), 68),
            (ServerMessage::Error(&text), 69),
        ] {
            let mut out = Vec::new();
            message.encode(&mut out);
            prop_assert_eq!(read_server(&out), (kind, text.as_bytes()));
        }
    }

    #[test]
    fn what_the_older_package_is_told_of_a_key(key: String, event: String) {
        let mut out = b"before".to_vec();
        encode_legacy_key_event(&KeyEvent { key: key.clone(), event: event.clone() }, &mut out);
        prop_assert_eq!(out, format!("before{key} {event} endkeyevent ").into_bytes());
    }
}

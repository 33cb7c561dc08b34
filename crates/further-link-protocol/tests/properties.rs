//! What holds for every message, not only for those in the golden files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use further_link_protocol::channel::{JsonObject, KeyListen, Sound, SoundSource, VideoFrame};
use further_link_protocol::wire::{Dialect, Exec, Run, RunPy};
use further_link_protocol::{
    ChannelEvent, ChannelMessage, Command, Event, Features, Figure, FigureFormat, ProcessName,
    Stream,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Longest detail that makes sense to a reader; what the client sent is only a small part of it.
const DETAIL_MAX_CHARS: usize = 160;

fn dialects() -> [Box<dyn Dialect>; 3] {
    [
        Box::new(Run::new("abc".to_owned())),
        Box::new(RunPy),
        Box::new(Exec),
    ]
}

fn decode_everywhere(message: &[u8]) {
    for dialect in dialects() {
        if let Err(rejection) = dialect.decode(message) {
            let detail = rejection.detail.to_string();
            assert!(!detail.is_empty());
            assert!(detail.chars().count() <= DETAIL_MAX_CHARS);
        }
    }
}

fn key() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &[
        "type",
        "data",
        "client",
        "process",
        "runner",
        "code",
        "path",
        "novncOptions",
        "enabled",
        "width",
        "height",
        "input",
        "rows",
        "cols",
        "key",
        "event",
        "sourceScript",
        "souceScript",
        "sourcePath",
        "directoryName",
        "directory",
        "features",
        "id",
        "value",
    ];
    prop_oneof![
        4 => prop::sample::select(KEYS).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "ping",
        "start",
        "stdin",
        "resize",
        "keyevent",
        "stop",
        "upload",
        "python3",
        "hello",
        "figureevent",
        "widgetevent",
        "figure",
        "plot",
        "widget",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..100_000i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6)
                .prop_map(|entries| Value::from(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

const EVENTS: usize = 16;

/// The message of a channel that `which` stands for, if it is one.
fn channel_message(which: usize, text: &str, figure: Figure) -> Option<ChannelMessage> {
    let json = |text| JsonObject::from_text(text).expect("an object");
    Some(match which {
        7 => ChannelMessage::Keys(KeyListen {
            key: text.to_owned(),
        }),
        8 => ChannelMessage::Video(VideoFrame {
            jpeg: text.as_bytes().to_owned(),
        }),
        9 => ChannelMessage::Figure(figure),
        10 => ChannelMessage::Plot(json(r#"{"name":"\ud83d\ude00","series":[]}"#)),
        11 => ChannelMessage::Widget(json(r#"{"id":"w"}"#)),
        12 => ChannelMessage::Sound(Sound {
            volume: 0.5,
            source: SoundSource::Wav(text.as_bytes().to_owned()),
        }),
        13 => ChannelMessage::Sound(Sound {
            volume: 1.0,
            source: SoundSource::Tone {
                frequency: 440.0,
                duration: 0.25,
            },
        }),
        _ => return None,
    })
}

fn event<'a>(
    which: usize,
    number: i32,
    text: &'a str,
    other: &'a str,
    message: Option<&'a ChannelMessage>,
) -> Event<'a> {
    match which {
        0 => Event::Pong,
        1 => Event::Started {
            number: number as u32,
        },
        2 => Event::Uploaded,
        3 => Event::Output {
            stream: Stream::Stdout,
            text,
        },
        4 => Event::Output {
            stream: Stream::Stderr,
            text,
        },
        5 => Event::Stopped {
            exit_code: number,
            output: u64::from(number as u32),
        },
        6 => Event::Error {
            message: text,
            detail: Some(other),
        },
        7..14 => Event::Channel(message.expect("a message of a channel")),
        14 => Event::Hello {
            version: text,
            features: Features::from_names(["plot"]),
        },
        _ => Event::Novnc {
            port: number as u16,
            path: text,
        },
    }
}

/// The `data` that a client has to find.
fn expected_data(event: &Event<'_>) -> Value {
    match *event {
        Event::Pong | Event::Started { .. } | Event::Uploaded => Value::Null,
        Event::Output { text, .. } => json!({"output": text}),
        Event::Stopped { exit_code, .. } => json!({"exitCode": exit_code}),
        Event::Error { message, detail } => json!({"message": message, "detail": detail}),
        Event::Channel(message) => match message {
            ChannelMessage::Keys(KeyListen { key }) => json!({"output": key, "key": key}),
            ChannelMessage::Video(frame) => json!({"output": STANDARD.encode(&frame.jpeg)}),
            ChannelMessage::Figure(figure) => json!({
                "id": figure.id,
                "figure": figure.number,
                "title": figure.title,
                "format": figure.format,
                "width": figure.width,
                "height": figure.height,
                "closed": figure.closed,
                "image": (!figure.closed).then(|| STANDARD.encode(&figure.image)),
            }),
            ChannelMessage::Sound(sound) => match &sound.source {
                SoundSource::Tone {
                    frequency,
                    duration,
                } => json!({
                    "volume": sound.volume,
                    "frequency": frequency,
                    "duration": duration,
                    "audio": null,
                }),
                SoundSource::Wav(audio) => json!({
                    "volume": sound.volume,
                    "frequency": null,
                    "duration": null,
                    "audio": STANDARD.encode(audio),
                }),
            },
            ChannelMessage::Plot(json) | ChannelMessage::Widget(json) => {
                serde_json::from_str(json.as_str()).expect("JSON")
            }
        },
        Event::Hello { version, features } => {
            json!({"version": version, "features": features.names().collect::<Vec<_>>()})
        }
        Event::Novnc { port, path } => json!({"port": port, "path": path}),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_everywhere(&bytes);
    }

    #[test]
    fn arbitrary_json_does_no_harm(value in json_value(), cut: prop::sample::Index) {
        let text = value.to_string();
        decode_everywhere(text.as_bytes());
        decode_everywhere(&text.as_bytes()[..cut.index(text.len())]);
    }

    #[test]
    fn messages_with_arbitrary_data_do_no_harm(
        kind in prop::sample::select(&[
            "ping", "start", "stdin", "resize", "keyevent", "stop", "upload", "hello", "figureevent",
            "widgetevent",
        ][..]),
        data in json_value(),
        process in json_value(),
    ) {
        let message = json!({"type": kind, "data": data, "process": process}).to_string();
        decode_everywhere(message.as_bytes());
        if let Err(rejection) = Run::new(String::new()).decode(message.as_bytes()) {
            prop_assert_eq!(rejection.process.as_ref().map(ProcessName::as_str), process.as_str());
        }
    }

    #[test]
    fn typed_text_arrives(input: String, process: String) {
        let message = json!({"type": "stdin", "data": {"input": input}, "process": process});
        let message = message.to_string();
        for dialect in dialects() {
            let Ok(Command::Stdin { input: read, .. }) = dialect.decode(message.as_bytes()) else {
                panic!("not understood: {message}");
            };
            prop_assert_eq!(&read, &input);
        }
    }

    /// What is given to a program is the same JSON, and on one line.
    #[test]
    fn event_for_a_program_stays_what_it_is(
        value in json_value(),
        id: String,
        pretty: bool,
    ) {
        let data = json!({"value": value, "id": id, "event": "change"});
        let text = match pretty {
            true => serde_json::to_string_pretty(&data),
            false => serde_json::to_string(&data),
        };
        for kind in ["figureevent", "widgetevent"] {
            let text = text.as_ref().expect("JSON");
            let message = format!(r#"{{"type":"{kind}","process":"p","data":{text}}}"#);
            let command = Run::new(String::new()).decode(message.as_bytes());
            let Ok(Command::Channel { event: ChannelEvent::Json { json, .. }, .. }) = command
            else {
                panic!("not understood: {message}");
            };
            prop_assert!(!json.contains(['\n', '\r']));
            prop_assert_eq!(json.len(), text.len());
            let read: Value = serde_json::from_str(&json).expect("JSON");
            let written: Value = serde_json::from_str(text).expect("JSON");
            prop_assert_eq!(read, written);
        }
    }

    #[test]
    fn what_is_written_can_be_read(
        which in 0..EVENTS,
        number: i32,
        text: String,
        other: String,
        client: String,
        process in prop::option::of(any::<String>()),
    ) {
        let figure = Figure {
            id: other.clone(),
            number: number.into(),
            title: text.clone(),
            format: FigureFormat::Svg,
            width: number.unsigned_abs(),
            height: 0,
            closed: number % 2 == 0,
            image: text.clone().into_bytes(),
        };
        let message = channel_message(which, &text, figure);
        let event = event(which, number, &text, &other, message.as_ref());
        let name = process.clone().map(ProcessName::new);
        let dialects: [(Box<dyn Dialect>, bool); 3] = [
            (Box::new(Run::new(client.clone())), true),
            (Box::new(RunPy), false),
            (Box::new(Exec), false),
        ];
        for (dialect, four_keys) in dialects {
            let mut out = Vec::new();
            dialect.encode(name.as_ref(), &event, &mut out);
            if out.is_empty() {
                continue;
            }
            let mut message: Map<String, Value> = serde_json::from_slice(&out).expect("an object");
            prop_assert!(message.remove("type").is_some_and(|kind| kind.is_string()));
            prop_assert_eq!(message.remove("data"), Some(expected_data(&event)));
            if four_keys {
                prop_assert_eq!(message.remove("client"), Some(json!(client)));
                prop_assert_eq!(message.remove("process"), Some(json!(process)));
            }
            prop_assert!(message.is_empty());
        }
    }
}

/// A message of brackets alone, many times deeper than any stack would allow.
#[test]
fn depth_costs_no_stack() {
    const DEPTH: usize = 100_000;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!("{}0{}", open.repeat(DEPTH), close.repeat(DEPTH));
        for key in ["data", "process", "type", "unknown"] {
            decode_everywhere(format!(r#"{{"{key}":{deep}}}"#).as_bytes());
            let message = format!(r#"{{"type":"start","process":"p","data":{{"{key}":{deep}}}}}"#);
            decode_everywhere(message.as_bytes());
        }
        decode_everywhere(deep.as_bytes());
        decode_everywhere(open.repeat(DEPTH).as_bytes());
    }
}

/// Events for programs have a limit, white space included.
#[test]
fn long_events_for_programs() {
    const MOST: usize = 16 * 1024;
    let front = r#"{"id":"w","event":"change","value":""#;
    let text = |length: usize| format!("{front}{}\"}}", "x".repeat(length - front.len() - 2));
    let blank = |length: usize| format!(r#"{{"id":"w","event":"e"{}}}"#, "\n".repeat(length - 22));
    for kind in ["figureevent", "widgetevent"] {
        for data in [&text as &dyn Fn(usize) -> String, &blank] {
            for (length, is_taken) in [(MOST - 1, true), (MOST, true), (MOST + 1, false)] {
                let data = data(length);
                assert_eq!(data.len(), length);
                let message = format!(r#"{{"type":"{kind}","process":"p","data":{data} }}"#);
                match Run::new(String::new()).decode(message.as_bytes()) {
                    Ok(_) => assert!(is_taken, "{kind}, {length}"),
                    Err(rejection) => {
                        assert!(!is_taken, "{kind}, {length}");
                        let expected = format!("data of {kind} is longer than {MOST} bytes");
                        assert_eq!(rejection.detail.to_string(), expected);
                    }
                }
            }
        }
    }
}

//! Every dialect against the files in `tests/golden/`, in both directions. Their README says what
//! the cases look like.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use further_link_protocol::channel::{
    Decoded, JsonObject, KeyListen, MessageDecoder, MessageRefused, ProgramMessage, ServerMessage,
    SocketKind, Sound, SoundSource, VideoFrame, encode_legacy_key_event,
};
use further_link_protocol::wire::stream::{FrameHeader, FrameKind};
use further_link_protocol::wire::{Dialect, Exec, Rejection, Run, RunPy, read_upload};
use further_link_protocol::{
    Channel, ChannelEvent, ChannelMessage, CloseCode, Command, DisplayRequest, Event, Features,
    Figure, FigureFormat, KeyEvent, ProcessName, Stream, UploadContent,
};
use serde_json::{Value, json};

/// Kinds of every [`Command`] and [`Event`]. The functions below fail to compile when a variant is
/// added, and the tests fail until it has a kind here and a case in some dialect.
const COMMAND_KINDS: [&str; 10] = [
    "figureEvent",
    "hello",
    "key",
    "ping",
    "resize",
    "start",
    "stdin",
    "stop",
    "upload",
    "widgetEvent",
];
const EVENT_KINDS: [&str; 14] = [
    "error",
    "figure",
    "hello",
    "keyListen",
    "novnc",
    "output",
    "plot",
    "pong",
    "sound",
    "started",
    "stopped",
    "uploaded",
    "video",
    "widget",
];
/// Likewise of every [`ProgramMessage`] and [`ServerMessage`].
const FROM_PROGRAM_KINDS: [&str; 7] = [
    "figure",
    "hello",
    "keyListen",
    "plot",
    "sound",
    "video",
    "widget",
];
const TO_PROGRAM_KINDS: [&str; 5] = ["error", "figureEvent", "hello", "key", "widgetEvent"];

const NOT_JSON: &str = "the message is not valid JSON";

fn cases(dialect: &str, file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(dialect)
        .join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(text.is_ascii(), "{}: not all ASCII", path.display());
    let cases: Vec<Value> =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let names: BTreeSet<_> = cases.iter().map(|case| case["name"].to_string()).collect();
    assert_eq!(
        names.len(),
        cases.len(),
        "{dialect}/{file}: a name is used twice"
    );
    cases
}

fn describe_command(command: &Command) -> Value {
    match command {
        Command::Ping => json!({"kind": "ping"}),
        Command::Start { process, request } => {
            let mut described = json!({
                "kind": "start",
                "process": process.as_str(),
                "runner": request.runner,
                "code": request.code,
                "path": request.path,
                "display": request.display.map(|DisplayRequest { width, height }| {
                    json!({"width": width, "height": height})
                }),
            });
            // Additions, described where they are.
            if !request.arguments.is_empty() {
                described["arguments"] = json!(request.arguments);
            }
            if let Some(terminal) = request.terminal {
                described["terminal"] = json!(terminal);
            }
            if let Some(size) = request.size {
                described["size"] = json!({"rows": size.rows, "columns": size.columns});
            }
            described
        }
        Command::Stdin { process, input } => {
            json!({"kind": "stdin", "process": process.as_str(), "input": input})
        }
        Command::Resize { process, size } => json!({
            "kind": "resize",
            "process": process.as_str(),
            "rows": size.rows,
            "columns": size.columns,
        }),
        Command::Channel { process, event } => match event {
            ChannelEvent::Key(event) => json!({
                "kind": "key",
                "process": process.as_str(),
                "key": event.key,
                "event": event.event,
            }),
            ChannelEvent::Json { channel, json } => json!({
                "kind": format!("{}Event", channel.spec().message),
                "process": process.as_str(),
                "json": json,
            }),
        },
        Command::Hello { features } => {
            json!({"kind": "hello", "features": features.names().collect::<Vec<_>>()})
        }
        Command::Stop { process } => json!({"kind": "stop", "process": process.as_str()}),
        Command::Upload { project, user } => {
            json!({"kind": "upload", "project": project, "user": user})
        }
    }
}

fn describe_figure(figure: &Figure) -> Value {
    assert!(!figure.closed || figure.image.is_empty());
    json!({
        "kind": "figure",
        "id": figure.id,
        "number": figure.number,
        "title": figure.title,
        "format": figure.format,
        "width": figure.width,
        "height": figure.height,
        "closed": figure.closed,
        "image": (!figure.closed).then(|| STANDARD.encode(&figure.image)),
    })
}

fn describe_channel_message(message: &ChannelMessage) -> Value {
    match message {
        ChannelMessage::Keys(listen) => json!({"kind": "keyListen", "key": listen.key}),
        ChannelMessage::Video(frame) => {
            json!({"kind": "video", "jpeg": STANDARD.encode(&frame.jpeg)})
        }
        ChannelMessage::Figure(figure) => describe_figure(figure),
        ChannelMessage::Plot(json) => json!({"kind": "plot", "json": json.as_str()}),
        ChannelMessage::Widget(json) => json!({"kind": "widget", "json": json.as_str()}),
        ChannelMessage::Sound(Sound { volume, source }) => match source {
            SoundSource::Tone {
                frequency,
                duration,
            } => json!({
                "kind": "sound",
                "volume": volume,
                "frequency": frequency,
                "duration": duration,
            }),
            SoundSource::Wav(audio) => json!({
                "kind": "sound",
                "volume": volume,
                "audio": STANDARD.encode(audio),
            }),
        },
    }
}

fn describe_event(event: &Event<'_>) -> Value {
    match *event {
        Event::Pong => json!({"kind": "pong"}),
        Event::Started { number } => json!({"kind": "started", "number": number}),
        Event::Output { stream, text } => {
            let stream = match stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
            };
            json!({"kind": "output", "stream": stream, "text": text})
        }
        Event::Stopped { exit_code, output } => {
            json!({"kind": "stopped", "exitCode": exit_code, "output": output})
        }
        Event::Error { message, detail } => {
            json!({"kind": "error", "message": message, "detail": detail})
        }
        Event::Channel(message) => describe_channel_message(message),
        Event::Hello { version, features } => json!({
            "kind": "hello",
            "version": version,
            "features": features.names().collect::<Vec<_>>(),
        }),
        Event::Novnc { port, path } => json!({"kind": "novnc", "port": port, "path": path}),
        Event::Uploaded => json!({"kind": "uploaded"}),
    }
}

fn read_features(described: &Value) -> Features {
    let names = described["features"].as_array().expect("features");
    Features::from_names(names.iter().map(|name| name.as_str().expect("a name")))
}

/// The message that is described, if it is one of a channel.
fn read_channel_message(described: &Value) -> Option<ChannelMessage> {
    let text = |name: &str| described[name].as_str().unwrap_or_default();
    let file = |name| STANDARD.decode(text(name)).expect("base64");
    let number = |name: &str| described[name].as_u64().expect(name);
    let json = || -> JsonObject { JsonObject::from_text(text("json")).expect("an object") };
    Some(match text("kind") {
        "keyListen" => ChannelMessage::Keys(KeyListen {
            key: text("key").to_owned(),
        }),
        "video" => ChannelMessage::Video(VideoFrame { jpeg: file("jpeg") }),
        "figure" => ChannelMessage::Figure(Figure {
            id: text("id").to_owned(),
            number: described["number"].as_i64().expect("number"),
            title: text("title").to_owned(),
            format: FigureFormat::from_name(text("format")).expect("a format"),
            width: number("width").try_into().expect("width"),
            height: number("height").try_into().expect("height"),
            closed: described["closed"].as_bool().expect("closed"),
            image: file("image"),
        }),
        "plot" => ChannelMessage::Plot(json()),
        "widget" => ChannelMessage::Widget(json()),
        "sound" => ChannelMessage::Sound(Sound {
            volume: described["volume"].as_f64().expect("volume"),
            source: match described["frequency"].as_f64() {
                Some(frequency) => SoundSource::Tone {
                    frequency,
                    duration: described["duration"].as_f64().expect("duration"),
                },
                None => SoundSource::Wav(file("audio")),
            },
        }),
        _ => return None,
    })
}

fn read_event<'a>(described: &'a Value, message: Option<&'a ChannelMessage>) -> Event<'a> {
    let text = |name: &str| described[name].as_str().expect(name);
    let number = |name: &str| described[name].as_i64().expect(name);
    if let Some(message) = message {
        return Event::Channel(message);
    }
    match text("kind") {
        "pong" => Event::Pong,
        "started" => Event::Started {
            number: number("number").try_into().expect("number"),
        },
        "output" => Event::Output {
            stream: match text("stream") {
                "stdout" => Stream::Stdout,
                "stderr" => Stream::Stderr,
                other => panic!("no such stream: {other}"),
            },
            text: text("text"),
        },
        "stopped" => Event::Stopped {
            exit_code: number("exitCode").try_into().expect("exitCode"),
            output: number("output").try_into().expect("output"),
        },
        "error" => Event::Error {
            message: text("message"),
            detail: described["detail"].as_str(),
        },
        "hello" => Event::Hello {
            version: text("version"),
            features: read_features(described),
        },
        "novnc" => Event::Novnc {
            port: number("port").try_into().expect("port"),
            path: text("path"),
        },
        "uploaded" => Event::Uploaded,
        other => panic!("no such event: {other}"),
    }
}

fn hexadecimal(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("hexadecimal digits")
        })
        .collect()
}

fn message_bytes(case: &Value) -> Vec<u8> {
    match (&case["message"], &case["messageHex"]) {
        (Value::String(text), Value::Null) => text.clone().into_bytes(),
        (Value::Null, Value::String(digits)) => hexadecimal(digits),
        _ => panic!("{}: either message or messageHex", case["name"]),
    }
}

/// Checks one file and returns the kinds of commands in it.
fn check_from_client(folder: &str, dialect: &dyn Dialect) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    for case in cases(folder, "from-client.json") {
        let name = format!("{folder}: {}", case["name"]);
        match dialect.decode(&message_bytes(&case)) {
            Ok(command) => {
                let described = describe_command(&command);
                assert_eq!(described, case["command"], "{name}");
                kinds.insert(described["kind"].as_str().expect("kind").to_owned());
            }
            Err(Rejection { process, detail }) => {
                // What follows is the JSON parser's own, and may change with it.
                let detail = detail.to_string();
                let fixed = match detail.split_once(": ") {
                    Some((NOT_JSON, _)) => NOT_JSON,
                    _ => &detail,
                };
                assert_eq!(json!(fixed), case["rejected"], "{name}");
                let process = process.as_ref().map(ProcessName::as_str);
                assert_eq!(json!(process), case["process"], "{name}");
                assert!(detail.chars().count() <= 160, "{name}: too long to show");
            }
        }
    }
    kinds
}

/// Checks one file and returns the kinds of the events for which the dialect has a message.
fn check_to_client(folder: &str, dialect: impl Fn(&str) -> Box<dyn Dialect>) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    let mut kinds_with_message = BTreeSet::new();
    for case in cases(folder, "to-client.json") {
        let name = format!("{folder}: {}", case["name"]);
        let message = read_channel_message(&case["event"]);
        let event = read_event(&case["event"], message.as_ref());
        assert_eq!(describe_event(&event), case["event"], "{name}");
        let kind = case["event"]["kind"].as_str().expect("kind");
        kinds.insert(kind.to_owned());

        let process = case["process"]
            .as_str()
            .map(|process| ProcessName::new(process.to_owned()));
        let client = case["client"].as_str().unwrap_or_default();
        let before = b"before";
        let mut out = before.to_vec();
        dialect(client).encode(process.as_ref(), &event, &mut out);
        let message = out.strip_prefix(before).expect("encode only appends");
        let message = str::from_utf8(message).expect("a text frame");
        assert_eq!(
            message,
            case["message"].as_str().unwrap_or_default(),
            "{name}"
        );
        if !message.is_empty() {
            kinds_with_message.insert(kind.to_owned());
        }
    }
    assert_eq!(kinds, EVENT_KINDS.map(str::to_owned).into(), "{folder}");
    kinds_with_message
}

fn without(kinds: &[&str], missing: &[&str]) -> BTreeSet<String> {
    kinds
        .iter()
        .filter(|kind| !missing.contains(kind))
        .map(|&kind| kind.to_owned())
        .collect()
}

#[test]
fn run_from_client() {
    let kinds = check_from_client("run", &Run::new("abc".to_owned()));
    assert_eq!(kinds, without(&COMMAND_KINDS, &["upload"]));
}

#[test]
fn run_to_client() {
    let kinds = check_to_client("run", |client| Box::new(Run::new(client.to_owned())));
    assert_eq!(kinds, without(&EVENT_KINDS, &["uploaded"]));
}

/// The text frames beside the binary stream: what is not about output is as in `/run`.
#[test]
fn text_beside_the_stream_to_client() {
    let kinds = check_to_client("further-link.3", |client| {
        Box::new(Run::with_binary_stream(client.to_owned()))
    });
    let missing = ["output", "uploaded", "video"];
    assert_eq!(kinds, without(&EVENT_KINDS, &missing));
    let (stream, run) = (Run::with_binary_stream("abc".to_owned()), "run");
    let kinds = check_from_client(run, &stream);
    assert_eq!(kinds, without(&COMMAND_KINDS, &["upload"]));
}

#[test]
fn frames_of_the_stream() {
    let mut kinds = BTreeSet::new();
    for case in cases("further-link.3", "frames.json") {
        let name = &case["name"];
        let from_client = match case["from"].as_str() {
            Some("client") => true,
            Some("server") => false,
            _ => panic!("{name}: from whom?"),
        };
        let frame = hexadecimal(case["frameHex"].as_str().expect("frameHex"));
        let read = match from_client {
            true => FrameHeader::from_client(&frame),
            false => FrameHeader::from_server(&frame),
        };
        match read {
            Ok((head, bytes)) => {
                let kind = kind_of_frame(head.kind);
                let described = json!({
                    "kind": kind,
                    "number": head.number,
                    // As text: JavaScript's numbers do not hold all of them.
                    "offset": head.offset.to_string(),
                });
                assert_eq!(described, case["head"], "{name}");
                assert_eq!(
                    bytes,
                    hexadecimal(case["bytesHex"].as_str().expect("bytesHex")),
                    "{name}"
                );
                assert_eq!([&head.encode(), bytes].concat(), frame, "{name}");
                kinds.insert(kind);
            }
            Err(error) => assert_eq!(json!(error.to_string()), case["rejected"], "{name}"),
        }
    }
    assert_eq!(kinds, FRAME_KINDS.into());
}

const FRAME_KINDS: [&str; 7] = [
    "input",
    "inputAck",
    "inputEnd",
    "outputAck",
    "stderr",
    "stdout",
    "video",
];

fn kind_of_frame(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Input => "input",
        FrameKind::InputEnd => "inputEnd",
        FrameKind::InputAck => "inputAck",
        FrameKind::Output(Stream::Stdout) => "stdout",
        FrameKind::Output(Stream::Stderr) => "stderr",
        FrameKind::OutputAck => "outputAck",
        FrameKind::Video => "video",
    }
}

#[test]
fn run_py_from_client() {
    let kinds = check_from_client("run-py", &RunPy);
    let missing = ["figureEvent", "hello", "resize", "widgetEvent"];
    assert_eq!(kinds, without(&COMMAND_KINDS, &missing));
}

#[test]
fn run_py_to_client() {
    let kinds = check_to_client("run-py", |_| Box::new(RunPy));
    let missing = ["figure", "hello", "novnc", "plot", "sound", "widget"];
    assert_eq!(kinds, without(&EVENT_KINDS, &missing));
}

#[test]
fn exec_from_client() {
    let kinds = check_from_client("exec", &Exec);
    assert_eq!(kinds, ["start", "stdin", "stop"].map(str::to_owned).into());
}

#[test]
fn exec_to_client() {
    let kinds = check_to_client("exec", |_| Box::new(Exec));
    let expected = ["error", "output", "started", "stopped"];
    assert_eq!(kinds, expected.map(str::to_owned).into());
}

fn describe_program_message(message: &ProgramMessage) -> Value {
    match message {
        ProgramMessage::Hello => json!({"kind": "hello"}),
        ProgramMessage::Channel(message) => describe_channel_message(message),
    }
}

/// What stands behind these words is the JSON parser's own, and may change with it.
fn fixed_part(sentence: &str) -> &str {
    const OPEN: [&str; 2] = [NOT_JSON, "its head is not as it should be"];
    OPEN.iter()
        .find_map(|open| {
            let end = sentence.find(open)? + open.len();
            sentence[end..].starts_with(": ").then(|| &sentence[..end])
        })
        .unwrap_or(sentence)
}

fn decode_channel(socket: SocketKind, bytes: &[u8]) -> Vec<Decoded> {
    let mut messages = Vec::new();
    MessageDecoder::new(socket).decode(bytes, &mut |message| messages.push(message));
    for message in &messages {
        if let Err(MessageRefused(sentence)) = message {
            assert!(sentence.chars().count() <= 200, "too long to show");
        }
    }
    messages
}

/// The payload behind a head.
fn channel_payload(case: &Value) -> Vec<u8> {
    match (&case["payload"], &case["payloadHex"]) {
        (Value::String(text), Value::Null) => text.clone().into_bytes(),
        (Value::Null, Value::String(digits)) => hexadecimal(digits),
        _ => panic!("{}: either payload or payloadHex", case["name"]),
    }
}

fn channel_message(case: &Value) -> Vec<u8> {
    let head = hexadecimal(case["headHex"].as_str().expect("headHex"));
    [head, channel_payload(case)].concat()
}

#[test]
fn channel_from_program() {
    let mut kinds = BTreeSet::new();
    for case in cases("channel", "from-program.json") {
        let name = &case["name"];
        let messages = decode_channel(SocketKind::Channel, &channel_message(&case));
        match &messages[..] {
            [Ok(message)] => {
                let described = describe_program_message(message);
                assert_eq!(described, case["taken"], "{name}");
                kinds.insert(described["kind"].as_str().expect("kind").to_owned());
            }
            [Err(MessageRefused(sentence))] => {
                assert_eq!(json!(fixed_part(sentence)), case["notTaken"], "{name}");
            }
            [] => {
                assert!(case["notTaken"].is_null(), "{name}");
                assert_eq!(case.get("taken"), Some(&Value::Null), "{name}");
            }
            _ => panic!("{name}: more than one message"),
        }
    }
    assert_eq!(kinds, without(&FROM_PROGRAM_KINDS, &[]));
}

#[test]
fn channel_to_program() {
    let mut kinds = BTreeSet::new();
    for case in cases("channel", "to-program.json") {
        let name = &case["name"];
        let described = &case["message"];
        let text = |name: &str| described[name].as_str().unwrap_or_default();
        let key = KeyEvent {
            key: text("key").to_owned(),
            event: text("event").to_owned(),
        };
        let json_event = |channel| ChannelEvent::Json {
            channel,
            json: text("json").to_owned(),
        };
        let event = match text("kind") {
            "key" => Some(ChannelEvent::Key(key.clone())),
            "figureEvent" => Some(json_event(Channel::Figure)),
            "widgetEvent" => Some(json_event(Channel::Widget)),
            _ => None,
        };
        let message = match (text("kind"), &event) {
            (_, Some(event)) => ServerMessage::Event(event),
            ("hello", _) => ServerMessage::Hello {
                version: text("version"),
                features: read_features(described),
            },
            ("error", _) => ServerMessage::Error(text("text")),
            (other, _) => panic!("{name}: no such message: {other}"),
        };
        let before = b"before";
        let mut out = before.to_vec();
        message.encode(&mut out);
        let written = out.strip_prefix(before).expect("encode only appends");
        assert_eq!(written, channel_message(&case), "{name}");
        kinds.insert(text("kind").to_owned());

        if text("kind") == "key" {
            let mut out = before.to_vec();
            encode_legacy_key_event(&key, &mut out);
            let written = out.strip_prefix(before).expect("only appends");
            let old = case["old"].as_str().unwrap_or_default();
            assert_eq!(str::from_utf8(written), Ok(old), "{name}");
        }
    }
    assert_eq!(kinds, without(&TO_PROGRAM_KINDS, &[]));
}

#[test]
fn older_package() {
    let mut kinds = BTreeSet::new();
    for case in cases("channel", "old.json") {
        let name = &case["name"];
        let socket = match case["socket"].as_str() {
            Some("video") => SocketKind::LegacyVideo,
            Some("keylisten") => SocketKind::LegacyKeyListen,
            _ => panic!("{name}: which socket?"),
        };
        let bytes = match (&case["bytes"], &case["bytesHex"]) {
            (Value::String(text), Value::Null) => text.clone().into_bytes(),
            (Value::Null, Value::String(digits)) => hexadecimal(digits),
            _ => panic!("{name}: either bytes or bytesHex"),
        };
        let messages = decode_channel(socket, &bytes).into_iter();
        let described: Vec<_> = messages
            .map(|message| match message {
                Ok(message) => describe_program_message(&message),
                Err(MessageRefused(sentence)) => json!({"notTaken": sentence}),
            })
            .collect();
        assert_eq!(json!(described), case["messages"], "{name}");
        kinds.extend(described.iter().map(|message| message["kind"].to_string()));
    }
    assert!(kinds.contains("\"video\"") && kinds.contains("\"keyListen\""));
}

#[test]
fn uploads_from_client() {
    const NOT_JSON: &str = "The upload is not valid JSON";
    let mut read = 0;
    for case in cases("upload", "from-client.json") {
        let name = &case["name"];
        match read_upload(&message_bytes(&case)) {
            Ok(upload) => {
                let files: Vec<Value> = upload
                    .files
                    .into_iter()
                    .map(|file| match file.content {
                        UploadContent::Text(text) => json!({"name": file.name, "text": text}),
                        UploadContent::Url {
                            url,
                            bucket,
                            file: cached,
                        } => {
                            json!({"name": file.name, "url": url, "bucket": bucket, "file": cached})
                        }
                    })
                    .collect();
                let described =
                    json!({"name": upload.name, "username": upload.username, "files": files});
                assert_eq!(described, case["upload"], "{name}");
                read += 1;
            }
            Err(error) => {
                let sentence = error.to_string();
                assert!(sentence.ends_with('.'), "{name}: {sentence}");
                let fixed = match sentence.split_once(": ") {
                    Some((NOT_JSON, _)) => NOT_JSON,
                    _ => &sentence,
                };
                assert_eq!(json!(fixed), case["rejected"], "{name}");
                assert!(sentence.chars().count() <= 160, "{name}: too long to show");
            }
        }
    }
    assert!(read > 0);
}

#[test]
fn close_codes_are_those_of_the_golden_file() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/close-codes.json"
    );
    let golden: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let ours: Vec<_> = CloseCode::ALL
        .into_iter()
        .map(|code| {
            let name = format!("{code:?}");
            let name = name[..1].to_lowercase() + &name[1..];
            json!({"name": name, "code": code.code(), "reasons": code.reasons()})
        })
        .collect();
    assert_eq!(json!(ours), golden);
}

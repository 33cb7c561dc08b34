//! `/run-py` and `/exec`: the two generations with one Python process for each socket. JSON
//! messages of two keys, so that no message names a process: commands are for
//! [`ProcessName::ONLY`], and rejections name none.

use super::json::{self, Fields};
use super::message::Message;
use super::{Dialect, ParseError, Rejection};
use crate::{Channel, Command, Event, Features, ProcessName, StartRequest};

/// The runner of every program of both dialects.
const RUNNER_NAME: &str = "python3";

/// The `/run-py` dialect.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunPy;

/// The `/exec` dialect, a smaller `/run-py`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exec;

impl Dialect for RunPy {
    fn decode(&self, message: &[u8]) -> Result<Command, Rejection> {
        decode(message, |kind, message| match kind {
            "ping" => Ok(Command::Ping),
            "start" => {
                let dir = message
                    .inside("data", ["directoryName"])
                    .nonempty_text("directoryName");
                start(message, dir)
            }
            "stop" => Ok(STOP_COMMAND),
            "stdin" => json::stdin(message, ProcessName::ONLY),
            "upload" => upload(message),
            _ => {
                let event = json::channel_event(message, kind, is_known)
                    .ok_or_else(|| json::unknown_type(kind))?;
                let process = ProcessName::ONLY;
                event.map(|event| Command::Channel { process, event })
            }
        })
    }

    fn encode(&self, _process: Option<&ProcessName>, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Novnc { .. } | Event::Hello { .. } => {}
            Event::Channel(message) if !is_known(message.channel()) => {}
            _ => encode(event, out),
        }
    }
}

impl Dialect for Exec {
    fn decode(&self, message: &[u8]) -> Result<Command, Rejection> {
        decode(message, |kind, message| match kind {
            "start" => start(message, None),
            "stop" => Ok(STOP_COMMAND),
            "stdin" => json::stdin(message, ProcessName::ONLY),
            _ => Err(json::unknown_type(kind)),
        })
    }

    fn encode(&self, _process: Option<&ProcessName>, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Started { .. }
            | Event::Output { .. }
            | Event::Stopped { .. }
            | Event::Error { .. } => encode(event, out),
            Event::Pong
            | Event::Channel(_)
            | Event::Hello { .. }
            | Event::Novnc { .. }
            | Event::Uploaded => {}
        }
    }
}

/// Returns whether `/run-py` has the messages of `channel`: those that nobody has to ask for.
fn is_known(channel: Channel) -> bool {
    Features::default().include(channel)
}

type CommandFields<'a> = Fields<'a, 2>;

const STOP_COMMAND: Command = Command::Stop {
    process: ProcessName::ONLY,
};

fn decode(
    message: &[u8],
    command: impl FnOnce(&str, &CommandFields<'_>) -> Result<Command, ParseError>,
) -> Result<Command, Rejection> {
    Fields::of_message(message, ["type", "data"])
        .and_then(|message| {
            let kind = json::message_type(&message)?;
            command(&kind, &message)
        })
        .map_err(|detail| Rejection {
            process: None,
            detail,
        })
}

/// `dir` is where a script is to run; a file runs where it is.
fn start(message: &CommandFields<'_>, dir: Option<String>) -> Result<Command, ParseError> {
    // The second spelling is that of the old documents, and of clients written after them.
    let data = message.inside("data", ["sourceScript", "souceScript", "sourcePath"]);
    let code = data
        .text("sourceScript")
        .or_else(|| data.text("souceScript"));
    let path = if code.is_some() {
        dir
    } else {
        let file = data.nonempty_text("sourcePath");
        let missing = "start needs data.sourceScript or data.sourcePath, a string";
        Some(file.ok_or_else(|| ParseError::new(missing))?)
    };
    Ok(Command::Start {
        process: ProcessName::ONLY,
        request: StartRequest {
            runner: RUNNER_NAME.to_owned(),
            code,
            path,
            ..StartRequest::default()
        },
    })
}

fn upload(message: &CommandFields<'_>) -> Result<Command, ParseError> {
    let data = message.inside("data", ["directory", "user"]);
    let project = data
        .object("directory")
        .ok_or_else(|| ParseError::new("upload needs data.directory, an object"))?
        .to_owned();
    Ok(Command::Upload {
        project,
        user: data.nonempty_text("user"),
    })
}

fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    json::write(out, &Message::new(event, false));
}

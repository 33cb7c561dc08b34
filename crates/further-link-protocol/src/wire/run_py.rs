//! `/run-py` and `/exec`: the two generations with one Python process for each socket. JSON messages of
//! two keys, so that no message names a process: commands are for [`ProcessName::ONLY`], and rejections
//! name none.

use super::json::{self, Fields};
use super::{Dialect, Rejection};
use crate::{Command, Event, ProcessName, StartRequest};

/// The runner that both dialects mean.
const RUNNER: &str = "python3";

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
                let folder = message
                    .inside("data", ["directoryName"])
                    .nonempty_text("directoryName");
                start(message, folder)
            }
            "stop" => Ok(STOP),
            "stdin" => json::stdin(message, ProcessName::ONLY),
            "keyevent" => json::key_event(message, ProcessName::ONLY),
            "upload" => upload(message),
            _ => Err(json::unknown_type(kind)),
        })
    }

    fn encode(&self, _process: Option<&ProcessName>, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Novnc { .. }
            | Event::Figure(_)
            | Event::Plot { .. }
            | Event::Widget { .. }
            | Event::Hello { .. } => {}
            _ => encode(event, out),
        }
    }
}

impl Dialect for Exec {
    fn decode(&self, message: &[u8]) -> Result<Command, Rejection> {
        decode(message, |kind, message| match kind {
            "start" => start(message, None),
            "stop" => Ok(STOP),
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
            | Event::KeyListen { .. }
            | Event::Video { .. }
            | Event::Figure(_)
            | Event::Plot { .. }
            | Event::Widget { .. }
            | Event::Hello { .. }
            | Event::Novnc { .. }
            | Event::Uploaded => {}
        }
    }
}

type Message<'a> = Fields<'a, 2>;

const STOP: Command = Command::Stop {
    process: ProcessName::ONLY,
};

fn decode(
    message: &[u8],
    command: impl FnOnce(&str, &Message<'_>) -> Result<Command, String>,
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

/// `folder` is where a script is to run; a file runs where it is.
fn start(message: &Message<'_>, folder: Option<String>) -> Result<Command, String> {
    // The second spelling is that of the old documents, and of clients written after them.
    let data = message.inside("data", ["sourceScript", "souceScript", "sourcePath"]);
    let code = data
        .text("sourceScript")
        .or_else(|| data.text("souceScript"));
    let path = if code.is_some() {
        folder
    } else {
        let file = data.nonempty_text("sourcePath");
        Some(file.ok_or("start needs data.sourceScript or data.sourcePath, a string")?)
    };
    Ok(Command::Start {
        process: ProcessName::ONLY,
        request: StartRequest {
            runner: RUNNER.to_owned(),
            code,
            path,
            ..StartRequest::default()
        },
    })
}

fn upload(message: &Message<'_>) -> Result<Command, String> {
    let data = message.inside("data", ["directory", "user"]);
    let project = data
        .object("directory")
        .ok_or("upload needs data.directory, an object")?
        .to_owned();
    Ok(Command::Upload {
        project,
        user: data.nonempty_text("user"),
    })
}

fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    json::raw(out, "{");
    json::write_type_and_data(event, out);
    json::raw(out, "}");
}

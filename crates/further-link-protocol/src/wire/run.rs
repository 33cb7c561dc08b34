//! `/run`: many processes on one socket, JSON messages of four keys.

use super::json::{self, Fields};
use super::message::{Data, Message};
use super::{Dialect, ParseError, Rejection};
use crate::TerminalSize;
use crate::{Channel, Command, DisplayRequest, Event, Features, ProcessName, StartRequest};
use serde::Serialize;

/// Bytes of a process name at most: it comes back in every message about the process.
const PROCESS_NAME_MAX_BYTES: usize = 1024;

/// The `/run` dialect for one client.
#[derive(Clone, Debug)]
pub struct Run {
    client: String,
    /// Output and video go in binary frames ([`super::stream`]).
    with_binary_stream: bool,
}

impl Run {
    /// Returns the dialect of a client; `client` is the id that it gave itself, written into every
    /// message to it.
    pub fn new(client: String) -> Self {
        Self {
            client,
            with_binary_stream: false,
        }
    }

    /// Returns the dialect of the text frames of `further-link.3`: the same without output and
    /// video, and with what a client has to know of its binary frames (`docs/protocol.md` section
    /// 10).
    pub fn with_binary_stream(client: String) -> Self {
        Self {
            client,
            with_binary_stream: true,
        }
    }
}

impl Dialect for Run {
    fn decode(&self, message: &[u8]) -> Result<Command, Rejection> {
        let message =
            Fields::of_message(message, ["type", "data", "process"]).map_err(|detail| {
                Rejection {
                    process: None,
                    detail,
                }
            })?;
        let process = message.text("process");
        if process
            .as_ref()
            .is_some_and(|name| name.len() > PROCESS_NAME_MAX_BYTES)
        {
            return Err(Rejection {
                process: None,
                detail: ParseError::new(format!(
                    "process is longer than {PROCESS_NAME_MAX_BYTES} bytes"
                )),
            });
        }
        let process = process.map(ProcessName::new);
        command(&message, process.clone()).map_err(|detail| Rejection { process, detail })
    }

    fn encode(&self, process: Option<&ProcessName>, event: &Event<'_>, out: &mut Vec<u8>) {
        let in_binary_frames = match event {
            Event::Output { .. } => true,
            Event::Channel(message) => message.channel() == Channel::Video,
            _ => false,
        };
        if self.with_binary_stream && in_binary_frames || matches!(event, Event::Uploaded) {
            return;
        }
        let Message { kind, data } = Message::new(event, self.with_binary_stream);
        let message = RunMessage {
            kind,
            data,
            client: &self.client,
            process: process.map(ProcessName::as_str),
        };
        json::write(out, &message);
    }
}

/// A message to a client of `/run`.
#[derive(Serialize)]
struct RunMessage<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: Data<'a>,
    /// The id that the client gave itself.
    client: &'a str,
    process: Option<&'a str>,
}

fn command<const N: usize>(
    message: &Fields<'_, N>,
    process: Option<ProcessName>,
) -> Result<Command, ParseError> {
    let kind = json::message_type(message)?;
    let process =
        || process.ok_or_else(|| ParseError::new(format!("{kind} needs process, a string")));
    match kind.as_str() {
        "ping" => Ok(Command::Ping),
        "start" => start(message, process()?),
        "stdin" => json::stdin(message, process()?),
        "resize" => resize(message, process()?),
        "stop" => process().map(|process| Command::Stop { process }),
        "hello" => {
            let mut features = Features::default();
            message
                .inside("data", ["features"])
                .each_text("features", |name| features.add(name));
            Ok(Command::Hello { features })
        }
        _ => {
            let event = json::channel_event(message, &kind, |_| true)
                .ok_or_else(|| json::unknown_type(&kind))?;
            let process = process()?;
            event.map(|event| Command::Channel { process, event })
        }
    }
}

fn start<const N: usize>(
    message: &Fields<'_, N>,
    process: ProcessName,
) -> Result<Command, ParseError> {
    let data = message.inside(
        "data",
        [
            "runner",
            "code",
            "path",
            "arguments",
            "pty",
            "rows",
            "cols",
            "novncOptions",
        ],
    );
    let size = data.integer("rows").zip(data.integer("cols"));
    let request = StartRequest {
        runner: data.required_text("start", "runner")?,
        code: data.text("code"),
        path: data.nonempty_text("path"),
        // One more says that there are too many.
        arguments: data.texts("arguments", StartRequest::MAX_ARGUMENTS + 1),
        terminal: data.boolean("pty"),
        size: size.map(|(rows, columns)| TerminalSize { rows, columns }),
        display: display(&data),
    };
    Ok(Command::Start { process, request })
}

fn display<const N: usize>(data: &Fields<'_, N>) -> Option<DisplayRequest> {
    let options = data.inside("novncOptions", ["enabled", "width", "height"]);
    // A display without extent is as much out of range as one that does not fit.
    let pixels = |name| options.integer(name).filter(|&pixels| pixels > 0);
    options.is_true("enabled").then(|| DisplayRequest {
        width: pixels("width"),
        height: pixels("height"),
    })
}

fn resize<const N: usize>(
    message: &Fields<'_, N>,
    process: ProcessName,
) -> Result<Command, ParseError> {
    let data = message.inside("data", ["rows", "cols"]);
    let cells = |name| {
        data.integer(name).ok_or_else(|| {
            ParseError::new(format!(
                "resize needs data.{name}, an integer from 0 to 65535"
            ))
        })
    };
    let size = TerminalSize {
        rows: cells("rows")?,
        columns: cells("cols")?,
    };
    Ok(Command::Resize { process, size })
}

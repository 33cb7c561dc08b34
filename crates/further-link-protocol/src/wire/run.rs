//! `/run`: many processes on one socket, JSON messages of four keys.

use super::json::{self, Fields};
use super::{Dialect, Rejection};
use crate::{Command, DisplayRequest, Event, Features, ProcessName, StartRequest, TerminalSize};

/// Bytes of a process name at the most: it comes back in every message about the process.
const LONGEST_NAME: usize = 1024;

/// The `/run` dialect for one client.
#[derive(Clone, Debug)]
pub struct Run {
    client: String,
    /// Output goes in binary frames ([`super::stream`]).
    binary_output: bool,
}

impl Run {
    /// `client` is the id that the client gave itself, written into every message to it.
    pub fn new(client: String) -> Self {
        Self {
            client,
            binary_output: false,
        }
    }

    /// The text frames of `further-link.3`: the same, without the output, and with what a client has to
    /// know of its binary frames (`docs/protocol.md` section 10).
    pub fn beside_stream(client: String) -> Self {
        Self {
            client,
            binary_output: true,
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
            .is_some_and(|name| name.len() > LONGEST_NAME)
        {
            return Err(Rejection {
                process: None,
                detail: format!("process is longer than {LONGEST_NAME} bytes"),
            });
        }
        let process = process.map(ProcessName::new);
        command(&message, process.clone()).map_err(|detail| Rejection { process, detail })
    }

    fn encode(&self, process: Option<&ProcessName>, event: &Event<'_>, out: &mut Vec<u8>) {
        if matches!(event, Event::Uploaded)
            || self.binary_output && matches!(event, Event::Output { .. } | Event::Video { .. })
        {
            return;
        }
        json::raw(out, "{");
        match *event {
            Event::Started { number } if self.binary_output => {
                json::raw(out, r#""type":"started","data":{"number":"#);
                json::value(out, &number);
                json::raw(out, "}");
            }
            Event::Stopped { exit_code, output } if self.binary_output => {
                json::raw(out, r#""type":"stopped","data":{"exitCode":"#);
                json::value(out, &exit_code);
                json::raw(out, r#","output":"#);
                json::value(out, &output);
                json::raw(out, "}");
            }
            _ => json::write_type_and_data(event, out),
        }
        json::raw(out, r#","client":"#);
        json::value(out, self.client.as_str());
        json::raw(out, r#","process":"#);
        json::value(out, &process.map(ProcessName::as_str));
        json::raw(out, "}");
    }
}

fn command<const N: usize>(
    message: &Fields<'_, N>,
    process: Option<ProcessName>,
) -> Result<Command, String> {
    let kind = json::message_type(message)?;
    let process = || process.ok_or_else(|| format!("{kind} needs process, a string"));
    match kind.as_str() {
        "ping" => Ok(Command::Ping),
        "start" => start(message, process()?),
        "stdin" => json::stdin(message, process()?),
        "resize" => resize(message, process()?),
        "keyevent" => json::key_event(message, process()?),
        "stop" => process().map(|process| Command::Stop { process }),
        "hello" => {
            let mut features = Features::default();
            message
                .inside("data", ["features"])
                .each_text("features", |name| features.add(name));
            Ok(Command::Hello { features })
        }
        "figureevent" => {
            let process = process()?;
            let json = json::program_event(message, "figureevent")?;
            Ok(Command::FigureEvent { process, json })
        }
        "widgetevent" => {
            let process = process()?;
            let json = json::program_event(message, "widgetevent")?;
            Ok(Command::WidgetEvent { process, json })
        }
        _ => Err(json::unknown_type(&kind)),
    }
}

fn start<const N: usize>(message: &Fields<'_, N>, process: ProcessName) -> Result<Command, String> {
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
        runner: data.needed_text("start", "runner")?,
        code: data.text("code"),
        path: data.nonempty_text("path"),
        // One more says that there are too many.
        arguments: data.texts("arguments", StartRequest::MOST_ARGUMENTS + 1),
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
) -> Result<Command, String> {
    let data = message.inside("data", ["rows", "cols"]);
    let cells = |name| {
        data.integer(name)
            .ok_or_else(|| format!("resize needs data.{name}, an integer from 0 to 65535"))
    };
    let size = TerminalSize {
        rows: cells("rows")?,
        columns: cells("cols")?,
    };
    Ok(Command::Resize { process, size })
}

//! One WebSocket client of `/run`, `/run-py` or `/exec`: its processes by name, what it may use, and the
//! lanes in which it is sent things.
//!
//! One task carries a client. Reading and writing are two futures in it, so that neither waits for
//! the other: commands are obeyed while the client does not read, and output flows while it types.

use crate::SharedApp;
use crate::connection::{Allowance, BATCH, Conversation, carry};
use crate::output::{Output, Step};
use crate::transport::frames::Frames;
use crate::transport::websocket::{Reader, Received, Writer};
use further_link_engine::{
    Account, AccountError, ChannelView, EventRefused, InputRefused, Job, JobState, Notice, Picture,
    StartError,
};
use further_link_protocol::wire::channel::ToProgram;
use further_link_protocol::wire::stream::{FrameKind, Head, INPUT_ACK_EVERY};
use further_link_protocol::wire::{self, Dialect};
use further_link_protocol::{
    Command, Event, Feature, Features, ProcessName, StartRequest, TerminalSize,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Answers that wait for a client that does not read, at the most; then its commands wait too.
const WAITING_ANSWERS: usize = 256;

/// What one client may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Programs that run at the same time.
    pub jobs_per_client: usize,
    /// Time without any sign of life after which a client is given up.
    pub pong_timeout: Duration,
}

/// How a client connected.
pub(crate) struct ClientOptions {
    /// Whose programs these are; a failed lookup is told at each start.
    pub(crate) account: Result<Account, AccountError>,
    /// Programs get a terminal.
    pub(crate) terminal: bool,
    pub(crate) dialect: Box<dyn Dialect>,
    /// Binary frames are those of the binary stream, not JSON.
    pub(crate) binary_stream: bool,
    /// The additions that the client knows, as far as it has said so.
    pub(crate) features: Features,
}

/// Carries one client until it is gone; then its programs are stopped.
pub(crate) async fn run(app: SharedApp, io: (Reader, Writer), options: ClientOptions) {
    let outbox = Outbox {
        features: options.features,
        ..Outbox::default()
    };
    let client = Client {
        app: Arc::clone(&app),
        options,
        outbox: Mutex::new(outbox),
        wake: Arc::new(Notify::new()),
        room: Notify::new(),
    };
    carry(&app, &client, &client.wake, std::future::pending(), io).await;
}

struct Client {
    app: SharedApp,
    options: ClientOptions,
    outbox: Mutex<Outbox>,
    /// There may be something to send.
    wake: Arc<Notify>,
    /// Answers were sent: there is room for more.
    room: Notify,
}

/// What is to be sent: control first, then output in turns.
#[derive(Default)]
struct Outbox {
    control: VecDeque<Control>,
    processes: VecDeque<Process>,
    /// How many programs there were.
    last_number: u32,
    /// The additions that the client knows.
    features: Features,
    /// Text on its way from the log into a frame.
    scratch: String,
}

/// A message of the control lane.
enum Control {
    Pong,
    Hello(Features),
    Error {
        process: Option<ProcessName>,
        message: String,
        detail: Option<String>,
    },
}

/// A program of this client, until its end was sent.
struct Process {
    name: ProcessName,
    number: u32,
    job: Arc<Job>,
    output: Output,
    /// Its IO channels, if it has any.
    channels: Option<ChannelView>,
    /// What was sent last was a picture: output has its turn.
    picture_was_last: bool,
    asked: Instant,
    started: bool,
    /// Bytes of input that came.
    input: u64,
    /// Bytes of it that we have acknowledged.
    input_acknowledged: u64,
}

/// What a process had to say.
enum Said {
    Something,
    Nothing,
    Over,
}

impl Conversation for Client {
    async fn received(&self, message: Received) {
        let answer = match message {
            Received::Binary(frame) if self.options.binary_stream => self.take_frame(&frame),
            Received::Text(message) | Received::Binary(message) => {
                match self.options.dialect.decode(&message) {
                    Ok(command) => self.obey(command),
                    Err(rejection) => Some(bad_message(rejection.process, rejection.detail)),
                }
            }
        };
        if let Some(answer) = answer {
            self.answer(answer).await;
        }
    }

    /// All of the control lane, or else output of one program after the other.
    fn gather(&self, out: &mut Frames, allowance: Allowance) -> bool {
        let dialect = &*self.options.dialect;
        let outbox = &mut *self.outbox();
        let answers = outbox.control.len();
        for item in outbox.control.drain(..) {
            item.encode(&self.app, dialect, out);
        }
        if answers > 0 {
            if answers >= WAITING_ANSWERS {
                self.room.notify_one();
            }
            return true;
        }
        let before = out.weight();
        let mut quiet = 0;
        while quiet < outbox.processes.len() && out.weight() - before < BATCH {
            let Some(mut process) = outbox.processes.pop_front() else {
                break;
            };
            let used = match self.options.binary_stream {
                true => out.beside(),
                false => out.weight() - before,
            };
            let allowance = Allowance {
                room: allowance.room.saturating_sub(used),
                ..allowance
            };
            let (scratch, features) = (&mut outbox.scratch, outbox.features);
            match process.say(&self.app, dialect, out, scratch, features, allowance) {
                Said::Something => quiet = 0,
                Said::Nothing => quiet += 1,
                Said::Over => continue,
            }
            outbox.processes.push_back(process);
        }
        // What a flood has needed is not kept for a prompt.
        if out.weight() == before {
            outbox.scratch = String::new();
        }
        out.weight() > before
    }

    fn is_acknowledged(&self) -> bool {
        self.options.binary_stream
    }

    fn over(&self) {
        for process in self.outbox().processes.drain(..) {
            process.job.stop();
        }
    }
}

impl Client {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an answer into the control lane; waits while that is full.
    async fn answer(&self, answer: Control) {
        loop {
            {
                let mut outbox = self.outbox();
                if outbox.control.len() < WAITING_ANSWERS {
                    outbox.control.push_back(answer);
                    self.wake.notify_one();
                    return;
                }
            }
            self.room.notified().await;
        }
    }

    /// Carries out one command; returns what is to be answered at once.
    fn obey(&self, command: Command) -> Option<Control> {
        match command {
            Command::Ping => Some(Control::Pong),
            Command::Start { process, request } => self.start(process, &request),
            Command::Stdin { process, input } => {
                let mut outbox = self.outbox();
                match outbox.process(|other| other.name == process) {
                    Some(process) => self.input(process, input.as_bytes()),
                    None => Some(no_such_process(process)),
                }
            }
            Command::Resize { process, size } => match self.job(&process) {
                Some(job) if job.has_terminal() => {
                    job.resize(size);
                    None
                }
                Some(_) => Some(bad_message(
                    Some(process),
                    "This program has no terminal; connect with pty=1 for one.".to_owned(),
                )),
                None => Some(no_such_process(process)),
            },
            Command::Key { process, event } => {
                self.tell(process, "This key event was", |job| job.key(&event))
            }
            Command::FigureEvent { process, json } => self.tell(process, "This event was", |job| {
                job.channel_event(&ToProgram::Figure(&json))
            }),
            Command::WidgetEvent { process, json } => self.tell(process, "This event was", |job| {
                job.channel_event(&ToProgram::Widget(&json))
            }),
            Command::Hello { features } => {
                self.outbox().features = features;
                Some(Control::Hello(features))
            }
            Command::Stop { process } => match self.job(&process) {
                Some(job) => {
                    job.stop();
                    None
                }
                None => Some(no_such_process(process)),
            },
            Command::Upload { .. } => Some(Control::Error {
                process: None,
                message: wire::BAD_UPLOAD.to_owned(),
                detail: Some("This server does not take uploads yet.".to_owned()),
            }),
        }
    }

    /// Tells a program of an event; returns what is to be answered at once.
    fn tell(
        &self,
        process: ProcessName,
        what: &str,
        event: impl FnOnce(&Job) -> Result<(), EventRefused>,
    ) -> Option<Control> {
        let Some(job) = self.job(&process) else {
            return Some(no_such_process(process));
        };
        let refused = event(&job).err()?;
        Some(bad_message(
            Some(process),
            format!("{what} not taken: {refused}."),
        ))
    }

    /// Carries out a frame of the binary stream; returns what is to be answered at once.
    fn take_frame(&self, frame: &[u8]) -> Option<Control> {
        let (
            Head {
                number,
                kind,
                offset,
            },
            bytes,
        ) = match Head::of_client(frame) {
            Ok(read) => read,
            Err(error) => return Some(bad_message(None, error.to_string())),
        };
        let mut outbox = self.outbox();
        if number == 0 || number > outbox.last_number {
            let detail = "There was never a program with this number.";
            return Some(bad_message(None, detail.to_owned()));
        }
        // One that is over has ended while this was on its way.
        let process = outbox.process(|process| process.number == number)?;
        let wrong = |process: &Process, detail: String| {
            Some(bad_message(Some(process.name.clone()), detail))
        };
        if let FrameKind::Input | FrameKind::InputEnd = kind
            && offset != process.input
        {
            let detail = format!("The input is at offset {}, not {offset}.", process.input);
            return wrong(process, detail);
        }
        match kind {
            FrameKind::Input => self.input(process, bytes),
            FrameKind::InputEnd if process.job.has_terminal() => {
                let detail = "A terminal's input has no end; send Ctrl-D (byte 4).";
                wrong(process, detail.to_owned())
            }
            FrameKind::InputEnd => {
                process.job.end_input();
                None
            }
            FrameKind::OutputAck if process.output.acknowledge(offset) => {
                self.wake.notify_one();
                None
            }
            FrameKind::OutputAck => {
                let detail = "There are no bytes of output up to this offset.";
                wrong(process, detail.to_owned())
            }
            // Only a server sends these; `of_client` has refused them.
            FrameKind::InputAck | FrameKind::Output(_) | FrameKind::Video => None,
        }
    }

    /// Hands input to a program; returns why that is not possible.
    fn input(&self, process: &mut Process, input: &[u8]) -> Option<Control> {
        let count = input.len() as u64;
        let detail = match process.job.input(input) {
            Ok(()) => {
                process.input += count;
                self.app.metrics.input_bytes.inc_by(count);
                return None;
            }
            Err(refused @ InputRefused::Full { .. }) => {
                format!("This input was not taken: {refused}.")
            }
            Err(InputRefused::Ended) => "The input has ended.".to_owned(),
        };
        Some(bad_message(Some(process.name.clone()), detail))
    }

    fn job(&self, name: &ProcessName) -> Option<Arc<Job>> {
        let mut outbox = self.outbox();
        let process = outbox.process(|process| process.name == *name)?;
        Some(Arc::clone(&process.job))
    }

    fn start(&self, name: ProcessName, request: &StartRequest) -> Option<Control> {
        let asked = Instant::now();
        let engine = &self.app.engine;
        let max = self.app.settings.limits.jobs_per_client;
        if self.job(&name).is_some() {
            return Some(bad_message(
                Some(name),
                "A program is already running under this name.".to_owned(),
            ));
        }
        let Some(runner) = engine.runners().get(&request.runner) else {
            let known: Vec<_> = engine
                .runners()
                .rows()
                .iter()
                .map(|row| row.name.as_str())
                .collect();
            return Some(bad_message(
                Some(name),
                format!("There is no such runner. There are: {}.", known.join(", ")),
            ));
        };
        if self.outbox().processes.len() >= max {
            self.app.metrics.refused("jobs");
            return Some(failed_start(
                name,
                format!("You already run {max} programs, as many as you may. Stop one first."),
            ));
        }
        let account = match &self.options.account {
            Ok(account) => account,
            Err(error) => {
                self.app.metrics.failed_starts.inc();
                return Some(failed_start(name, sentence(&error.to_string())));
            }
        };
        let terminal = self.options.terminal.then_some(TerminalSize::INITIAL);
        let features = self.outbox().features;
        match engine.start(runner, request, account, terminal, features) {
            Ok(job) => {
                tracing::info!(
                    runner = runner.name,
                    user = account.name,
                    "starting a program"
                );
                let cursor = job.cursor(true, Arc::clone(&self.wake));
                let mut outbox = self.outbox();
                outbox.last_number = outbox.last_number.wrapping_add(1);
                let number = outbox.last_number;
                let terminal = self.options.terminal;
                let output = match self.options.binary_stream {
                    true => Output::as_binary(cursor, terminal, number),
                    false => Output::as_text(cursor, terminal),
                };
                outbox.processes.push_back(Process {
                    name,
                    number,
                    channels: job.view_channels(),
                    job,
                    output,
                    picture_was_last: false,
                    asked,
                    started: false,
                    input: 0,
                    input_acknowledged: 0,
                });
                drop(outbox);
                // It may have failed before the cursor was there to be woken.
                self.wake.notify_one();
                None
            }
            Err(error) => {
                if matches!(error, StartError::TooManyJobs(_)) {
                    self.app.metrics.refused("jobs");
                }
                self.app.metrics.failed_starts.inc();
                Some(start_error(name, &error))
            }
        }
    }
}

impl Outbox {
    fn process(&mut self, wanted: impl Fn(&Process) -> bool) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| wanted(process))
    }
}

impl Control {
    fn encode(&self, app: &SharedApp, dialect: &dyn Dialect, out: &mut Frames) {
        match self {
            Self::Pong => out.text(|out| dialect.encode(None, &Event::Pong, out)),
            Self::Hello(features) => {
                let event = Event::Hello {
                    version: &app.settings.version,
                    features: *features,
                };
                out.text(|out| dialect.encode(None, &event, out));
            }
            Self::Error {
                process,
                message,
                detail,
            } => {
                let event = Event::Error {
                    message,
                    detail: detail.as_deref(),
                };
                out.text(|out| dialect.encode(process.as_ref(), &event, out));
            }
        }
    }
}

impl Process {
    /// Encodes the next thing that the client is to know of this program.
    fn say(
        &mut self,
        app: &SharedApp,
        dialect: &dyn Dialect,
        out: &mut Frames,
        scratch: &mut String,
        features: Features,
        allowance: Allowance,
    ) -> Said {
        let before = out.weight();
        if !self.started {
            match self.job.state() {
                JobState::Starting => return Said::Nothing,
                JobState::Failed(error) => {
                    app.metrics.failed_starts.inc();
                    start_error(self.name.clone(), &error).encode(app, dialect, out);
                    return Said::Over;
                }
                JobState::Running | JobState::Over { .. } => {}
            }
            self.started = true;
            app.metrics.started(self.asked.elapsed());
            let number = self.number;
            self.encode(dialect, &Event::Started { number }, out);
        }
        if self.output.is_binary() {
            self.acknowledge_input(out);
        }
        // Keys and the like go ahead of output; pictures and output take turns.
        let mut room = allowance.room;
        while room > 0
            && let Some(notice) = self.channels.as_ref().and_then(ChannelView::take_notice)
        {
            let count = self.encode_notice(&notice, features, dialect, out);
            room = room.saturating_sub(count);
        }
        let allowance = Allowance { room, ..allowance };
        if !self.picture_was_last && self.send_picture(dialect, allowance, out) {
            return Said::Something;
        }
        let Self { name, output, .. } = self;
        match output.next(name, dialect, allowance, out, scratch) {
            Step::Sent(count) => {
                app.metrics.output_bytes.inc_by(count as u64);
                self.picture_was_last = false;
                Said::Something
            }
            Step::Waiting | Step::End if self.send_picture(dialect, allowance, out) => {
                Said::Something
            }
            Step::Waiting | Step::End if out.weight() > before => Said::Something,
            Step::Waiting => Said::Nothing,
            // There is no room for what is left.
            Step::End if self.channels.as_ref().is_some_and(|view| !view.is_empty()) => {
                Said::Nothing
            }
            Step::End => {
                if let JobState::Over { exit_code } = self.job.state() {
                    let output = self.output.position();
                    self.encode(dialect, &Event::Stopped { exit_code, output }, out);
                }
                Said::Over
            }
        }
    }

    /// Encodes what the client must not miss; returns how many bytes that were.
    fn encode_notice(
        &self,
        notice: &Notice,
        features: Features,
        dialect: &dyn Dialect,
        out: &mut Frames,
    ) -> usize {
        let before = out.weight();
        // The client may have changed its mind since the program was started.
        match notice {
            Notice::KeyListen(key) => self.encode(dialect, &Event::KeyListen { key }, out),
            Notice::Figure(figure) if features.has(Feature::Figure) => {
                self.encode(dialect, &Event::Figure(figure), out);
            }
            Notice::Plot(json) if features.has(Feature::Plot) => {
                self.encode(dialect, &Event::Plot { json }, out);
            }
            Notice::Widget(json) if features.has(Feature::Widget) => {
                self.encode(dialect, &Event::Widget { json }, out);
            }
            Notice::Figure(_) | Notice::Plot(_) | Notice::Widget(_) => {}
        }
        let count = out.weight() - before;
        out.count_beside(count);
        count
    }

    /// Encodes a picture, if there is one and room for the beginning of it.
    fn send_picture(
        &mut self,
        dialect: &dyn Dialect,
        allowance: Allowance,
        out: &mut Frames,
    ) -> bool {
        if allowance.room == 0 {
            return false;
        }
        let Some(Picture { jpeg, number }) =
            self.channels.as_ref().and_then(ChannelView::take_picture)
        else {
            return false;
        };
        let before = out.weight();
        if self.output.is_binary() {
            let head = Head {
                number: self.number,
                kind: FrameKind::Video,
                offset: number,
            };
            out.dense_binary(|out| {
                out.extend_from_slice(&head.encode());
                out.extend_from_slice(&jpeg);
            });
        } else {
            self.encode(dialect, &Event::Video { jpeg: &jpeg }, out);
        }
        let count = out.weight() - before;
        out.count_beside(count);
        self.picture_was_last = true;
        count > 0
    }

    /// Tells how much of its input the program has taken, if that is due.
    fn acknowledge_input(&mut self, out: &mut Frames) {
        let taken = self.job.input_taken();
        let every = INPUT_ACK_EVERY as u64;
        if taken / every != self.input_acknowledged / every {
            self.input_acknowledged = taken;
            let head = Head {
                number: self.number,
                kind: FrameKind::InputAck,
                offset: taken,
            };
            out.binary(|out| out.extend_from_slice(&head.encode()));
        }
    }

    fn encode(&self, dialect: &dyn Dialect, event: &Event<'_>, out: &mut Frames) {
        out.text(|out| dialect.encode(Some(&self.name), event, out));
    }
}

fn bad_message(process: Option<ProcessName>, detail: String) -> Control {
    Control::Error {
        process,
        message: wire::BAD_MESSAGE.to_owned(),
        detail: Some(detail),
    }
}

fn no_such_process(process: ProcessName) -> Control {
    bad_message(
        Some(process),
        "No program is running under this name.".to_owned(),
    )
}

/// What is told of a start that failed: why, or that it is the server's fault and why.
fn start_error(process: ProcessName, error: &StartError) -> Control {
    if error.is_internal() {
        return Control::Error {
            process: Some(process),
            message: wire::MESSAGE_EXCEPTION.to_owned(),
            detail: Some(error.to_string()),
        };
    }
    failed_start(process, error.to_string())
}

fn failed_start(process: ProcessName, message: String) -> Control {
    Control::Error {
        process: Some(process),
        message,
        detail: None,
    }
}

/// An error's text as a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first
            .to_uppercase()
            .chain(characters)
            .chain(['.'])
            .collect(),
        None => String::new(),
    }
}

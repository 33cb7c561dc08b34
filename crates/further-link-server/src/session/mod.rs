//! One WebSocket client of `/run`, `/run-py` or `/exec`: its processes by name, what it may use, and the
//! lanes in which it is sent things.
//!
//! One task carries a client. Reading and writing are two futures in it, so that neither waits for
//! the other: commands are obeyed while the client does not read, and output flows while it types.

mod answer;
pub(crate) mod output;
mod viewer;

use crate::SharedApp;
use crate::http::upload;
use crate::session::output::Output;
use crate::websocket::connection::{Allowance, BATCH, Conversation, carry};
use crate::websocket::frames::Frames;
use crate::websocket::{Reader, Received, Writer};
use answer::{Control, bad_message, bad_upload, failed_start, no_such_process, start_error};
use further_link_engine::{Account, AccountError, InputRefused, Job, StartError};
use further_link_protocol::wire::Dialect;
use further_link_protocol::wire::stream::{FrameHeader, FrameKind};
use further_link_protocol::{
    ChannelEvent, Command, Features, ProcessName, StartRequest, TerminalSize,
};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use viewer::{Process, Said};

/// Answers that wait for a client that does not read, at the most; then its commands wait too.
const WAITING_ANSWERS: usize = 256;

/// Uploads of one client that wait while another of it is carried out, at the most.
const WAITING_UPLOADS: usize = 4;

/// What one client may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Bytes of a file that a client writes.
    pub file_bytes: u64,
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
    let (uploads, waiting) = mpsc::channel(WAITING_UPLOADS);
    let client = Client {
        app: Arc::clone(&app),
        options,
        outbox: Mutex::new(outbox),
        wake: Arc::new(Notify::new()),
        room: Notify::new(),
        uploads,
    };
    // Boxed: most clients never upload.
    let uploading = Box::pin(client.upload_all(waiting));
    carry(&app, &client, &client.wake, uploading, io).await;
}

struct Client {
    app: SharedApp,
    options: ClientOptions,
    outbox: Mutex<Outbox>,
    /// There may be something to send.
    wake: Arc<Notify>,
    /// Answers were sent: there is room for more.
    room: Notify,
    /// Uploads that wait for their turn.
    uploads: mpsc::Sender<Upload>,
}

/// A project that the client has sent.
struct Upload {
    /// JSON, unchecked.
    project: String,
    /// Whose it is to be, if not the connection's.
    user: Option<String>,
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

impl Conversation for Client {
    async fn received(&self, message: Received) {
        let answer = match message {
            Received::Binary(frame) if self.options.binary_stream => self.take_frame(&frame),
            Received::Text(message) | Received::Binary(message) => {
                match self.options.dialect.decode(&message) {
                    Ok(command) => self.obey(command),
                    Err(rejection) => {
                        Some(bad_message(rejection.process, rejection.detail.to_string()))
                    }
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

    /// Carries uploads out, one after the other, while the client's programs run on.
    async fn upload_all(&self, mut waiting: mpsc::Receiver<Upload>) -> Infallible {
        while let Some(Upload { project, user }) = waiting.recv().await {
            let account = match user {
                Some(user) => &self.app.engine.account(Some(user)).await,
                None => &self.options.account,
            };
            let answer = match upload::upload(&self.app, account, project).await {
                Ok(_) => Control::Uploaded,
                Err(error) => bad_upload(error.to_string()),
            };
            self.answer(answer).await;
        }
        std::future::pending().await
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
            Command::Channel { process, event } => self.send_event(process, &event),
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
            Command::Upload { project, user } => {
                match self.uploads.try_send(Upload { project, user }) {
                    Ok(()) => None,
                    Err(_) => Some(bad_upload(
                        "Too many uploads are on their way already.".to_owned(),
                    )),
                }
            }
        }
    }

    /// Sends a program an event on an IO channel; returns what is to be answered at once.
    fn send_event(&self, process: ProcessName, event: &ChannelEvent) -> Option<Control> {
        let Some(job) = self.job(&process) else {
            return Some(no_such_process(process));
        };
        let refused = job.send_event(event).err()?;
        let noun = match event {
            ChannelEvent::Key(_) => "This key event",
            ChannelEvent::Json { .. } => "This event",
        };
        let detail = format!("{noun} was not taken: {refused}.");
        Some(bad_message(Some(process), detail))
    }

    /// Carries out a frame of the binary stream; returns what is to be answered at once.
    fn take_frame(&self, frame: &[u8]) -> Option<Control> {
        let (
            FrameHeader {
                number,
                kind,
                offset,
            },
            bytes,
        ) = match FrameHeader::from_client(frame) {
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
            // Only a server sends these; `from_client` has refused them.
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
                return Some(start_error(name, &error.clone().into()));
            }
        };
        let terminal = request
            .terminal
            .unwrap_or(self.options.terminal)
            .then(|| request.size.unwrap_or(TerminalSize::INITIAL));
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
                let terminal = job.has_terminal();
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
                    latest_was_last: false,
                    lossless_was_last: false,
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

//! One client of `/run`, `/run-py` or `/exec`: its jobs by the names that it gives them, what it
//! may use, and the lanes in which it is sent messages (answers ahead of output).
//!
//! One task runs a session. Reading and writing are two futures in it, so that neither waits for
//! the other: commands are executed while the client does not read, and output flows while it
//! types.

mod answer;
pub(crate) mod output;
mod viewer;

use crate::app::SharedApp;
use crate::http::upload;
use crate::session::output::Output;
use crate::websocket::connection::{self, Handler, SendCredit, WRITE_BATCH_BYTES};
use crate::websocket::frames::Frames;
use crate::websocket::outbox::Outbox;
use crate::websocket::{Reader, Received, Writer};
use answer::{Answer, bad_message, bad_upload, failed_start, no_such_process, start_error};
use further_link_engine::{Account, AccountError, InputRefused, Job, StartError};
use further_link_protocol::wire::Dialect;
use further_link_protocol::wire::stream::{FrameHeader, FrameKind};
use further_link_protocol::{
    ChannelEvent, Command, Features, ProcessName, StartRequest, TerminalSize,
};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};
use viewer::{SendOutcome, Viewer};

/// Answers that wait for a client that does not read, at most; then its commands wait too
/// (backpressure).
const ANSWER_QUEUE_MAX_COUNT: usize = 256;

/// Uploads of one client that wait while another of its own runs, at most.
const UPLOAD_QUEUE_MAX_COUNT: usize = 4;

/// How a client connected, and what it may.
pub(crate) struct SessionOptions {
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

/// Runs the session of one client until it is gone; then its jobs are stopped.
pub(crate) async fn run(app: SharedApp, io: (Reader, Writer), options: SessionOptions) {
    let wake = Arc::new(Notify::new());
    let viewers = Viewers {
        features: options.features,
        ..Viewers::default()
    };
    let (uploads, waiting) = mpsc::channel(UPLOAD_QUEUE_MAX_COUNT);
    let session = Session {
        app: Arc::clone(&app),
        options,
        answers: Outbox::new(ANSWER_QUEUE_MAX_COUNT, Arc::clone(&wake)),
        viewers: Mutex::new(viewers),
        wake,
        uploads,
    };
    // Boxed: most clients never upload.
    let uploading = Box::pin(session.run_uploads(waiting));
    connection::run(&app, &session, &session.wake, uploading, io).await;
}

struct Session {
    app: SharedApp,
    options: SessionOptions,
    /// The lane ahead of output.
    answers: Outbox<Answer>,
    /// Output of the jobs, in turns.
    viewers: Mutex<Viewers>,
    /// Wakes the writer: there may be something to send.
    wake: Arc<Notify>,
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

/// The client's viewers of its jobs. The first one is served next (round robin).
#[derive(Default)]
struct Viewers {
    queue: VecDeque<Viewer>,
    /// How many jobs there were.
    last_number: u32,
    /// The additions that the client knows.
    features: Features,
    /// Text on its way from the log into a frame.
    scratch: String,
}

impl Handler for Session {
    async fn receive(&self, message: Received) {
        let answer = match message {
            Received::Binary(frame) if self.options.binary_stream => self.receive_frame(&frame),
            Received::Text(message) | Received::Binary(message) => {
                match self.options.dialect.decode(&message) {
                    Ok(command) => self.execute(command),
                    Err(rejection) => {
                        Some(bad_message(rejection.process, rejection.detail.to_string()))
                    }
                }
            }
        };
        if let Some(answer) = answer {
            self.answers.push(answer).await;
        }
    }

    /// Appends all answers, or else output of one job after the other (round robin).
    fn fill(&self, out: &mut Frames, credit: SendCredit) -> bool {
        let dialect = &*self.options.dialect;
        let answers = self.answers.take_all();
        if !answers.is_empty() {
            for answer in &answers {
                answer.encode(&self.app, dialect, out);
            }
            return true;
        }
        let viewers = &mut *self.viewers();
        let before = out.uncompressed_bytes();
        let mut waiting_count = 0;
        while waiting_count < viewers.queue.len()
            && out.uncompressed_bytes() - before < WRITE_BATCH_BYTES
        {
            let Some(mut viewer) = viewers.queue.pop_front() else {
                break;
            };
            let used = match self.options.binary_stream {
                true => out.out_of_band_bytes(),
                false => out.uncompressed_bytes() - before,
            };
            let credit = SendCredit {
                bytes: credit.bytes.saturating_sub(used),
                ..credit
            };
            let (scratch, features) = (&mut viewers.scratch, viewers.features);
            match viewer.send_next(&self.app, dialect, out, scratch, features, credit) {
                SendOutcome::Sent => waiting_count = 0,
                SendOutcome::Waiting => waiting_count += 1,
                SendOutcome::Finished => continue,
            }
            viewers.queue.push_back(viewer);
        }
        // The memory of a flood is not kept for a prompt.
        if out.uncompressed_bytes() == before {
            viewers.scratch = String::new();
        }
        out.uncompressed_bytes() > before
    }

    fn is_acknowledged(&self) -> bool {
        self.options.binary_stream
    }

    fn on_close(&self) {
        for viewer in self.viewers().queue.drain(..) {
            viewer.job.stop();
        }
    }
}

impl Session {
    fn viewers(&self) -> MutexGuard<'_, Viewers> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs uploads, one after the other, while the client's jobs go on.
    async fn run_uploads(&self, mut waiting: mpsc::Receiver<Upload>) -> Infallible {
        while let Some(Upload { project, user }) = waiting.recv().await {
            let account = match user {
                Some(user) => &self.app.engine.account(Some(user)).await,
                None => &self.options.account,
            };
            let answer = match upload::upload(&self.app, account, project).await {
                Ok(_) => Answer::Uploaded,
                Err(error) => bad_upload(error.to_string()),
            };
            self.answers.push(answer).await;
        }
        std::future::pending().await
    }

    /// Executes one command; returns what is to be answered at once.
    fn execute(&self, command: Command) -> Option<Answer> {
        match command {
            Command::Ping => Some(Answer::Pong),
            Command::Start { process, request } => self.start(process, &request),
            Command::Stdin { process, input } => {
                let mut viewers = self.viewers();
                match viewers.find(|other| other.name == process) {
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
                self.viewers().features = features;
                Some(Answer::Hello(features))
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
    fn send_event(&self, process: ProcessName, event: &ChannelEvent) -> Option<Answer> {
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

    /// Handles a frame of the binary stream; returns what is to be answered at once.
    fn receive_frame(&self, frame: &[u8]) -> Option<Answer> {
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
        let mut viewers = self.viewers();
        if number == 0 || number > viewers.last_number {
            let detail = "There was never a program with this number.";
            return Some(bad_message(None, detail.to_owned()));
        }
        // One that is over has ended while this was on its way.
        let process = viewers.find(|process| process.number == number)?;
        let wrong = |process: &Viewer, detail: String| {
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
    fn input(&self, process: &mut Viewer, input: &[u8]) -> Option<Answer> {
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
        let mut viewers = self.viewers();
        let process = viewers.find(|process| process.name == *name)?;
        Some(Arc::clone(&process.job))
    }

    fn start(&self, name: ProcessName, request: &StartRequest) -> Option<Answer> {
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
        if self.viewers().queue.len() >= max {
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
        let features = self.viewers().features;
        match engine.start(runner, request, account, terminal, features) {
            Ok(job) => {
                tracing::info!(
                    runner = runner.name,
                    user = account.name,
                    "starting a program"
                );
                let cursor = job.cursor(true, Arc::clone(&self.wake));
                let mut viewers = self.viewers();
                viewers.last_number = viewers.last_number.wrapping_add(1);
                let number = viewers.last_number;
                let terminal = job.has_terminal();
                let output = match self.options.binary_stream {
                    true => Output::as_binary(cursor, terminal, number),
                    false => Output::as_text(cursor, terminal),
                };
                viewers.queue.push_back(Viewer {
                    name,
                    number,
                    channels: job.view_channels(),
                    job,
                    output,
                    sent_latest_last: false,
                    sent_lossless_last: false,
                    asked,
                    started: false,
                    input: 0,
                    input_acknowledged: 0,
                });
                drop(viewers);
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

impl Viewers {
    fn find(&mut self, wanted: impl Fn(&Viewer) -> bool) -> Option<&mut Viewer> {
        self.queue.iter_mut().find(|process| wanted(process))
    }
}

//! The dialect of one line in, one answer out (`/ws`): each message is a command, or in the other
//! mode a chunk of Python for an interpreter that keeps its state. `docs/protocol.md` section 7.

use crate::app::SharedApp;
use crate::websocket::connection::{self, Handler, SendCredit};
use crate::websocket::frames::Frames;
use crate::websocket::outbox::Outbox;
use crate::websocket::{Reader, Received, Writer};
use bytes::Bytes;
use further_link_engine::{Account, AccountError, Cursor, Engine, Job, JobState, Read, StartError};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Messages that wait for the one before, at most.
const INPUT_QUEUE_MAX_LINES: usize = 64;
/// Bytes of them, at most.
const INPUT_QUEUE_MAX_BYTES: usize = 1024 * 1024;
/// Answers that wait for a client that does not read, at most; then the next message waits
/// too.
const ANSWER_QUEUE_MAX_COUNT: usize = 4;
/// Bytes that are taken from a log at once.
const READ_MAX_BYTES: usize = 64 * 1024;
/// The interpreter's part of the Python mode.
const PYTHON_REPL: &str = include_str!("python_repl.py");

/// What the messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplMode {
    /// Command lines: words are split as a shell would, but there is no shell.
    Command,
    /// Python, for one interpreter that lives as long as the connection.
    Python,
}

/// Runs the REPL of one client until it is gone; then whatever runs for it is stopped.
pub(crate) async fn run(
    app: SharedApp,
    io: (Reader, Writer),
    account: Result<Account, AccountError>,
    mode: ReplMode,
) {
    let wake = Arc::new(Notify::new());
    let repl = Repl {
        queues: Mutex::default(),
        answers: Outbox::new(ANSWER_QUEUE_MAX_COUNT, Arc::clone(&wake)),
        arrived: Notify::new(),
    };
    let mut evaluator = Evaluator {
        app: Arc::clone(&app),
        account,
        mode,
        has_output: Arc::new(Notify::new()),
        interpreter: None,
    };
    let evaluating = repl.answer_all(&mut evaluator);
    connection::run(&app, &repl, &wake, evaluating, io).await;
}

struct Repl {
    queues: Mutex<Queues>,
    answers: Outbox<String>,
    /// Wakes the evaluator: there is a line to be answered.
    arrived: Notify,
}

#[derive(Default)]
struct Queues {
    lines: VecDeque<Bytes>,
    /// Bytes of `lines`.
    waiting: usize,
    /// Messages behind `lines` that there was no room for: each is answered in its turn, with an
    /// error.
    overflow: u64,
    /// The program that is being waited for.
    running: Option<Arc<Job>>,
}

impl Handler for Repl {
    async fn receive(&self, message: Received) {
        let (Received::Text(message) | Received::Binary(message)) = message;
        let mut queues = self.queues();
        // One message is taken whatever its length, which has a limit of its own.
        let room = queues.lines.is_empty()
            || (queues.lines.len() < INPUT_QUEUE_MAX_LINES
                && queues.waiting + message.len() <= INPUT_QUEUE_MAX_BYTES);
        if room && queues.overflow == 0 {
            queues.waiting += message.len();
            queues.lines.push_back(message);
        } else {
            queues.overflow += 1;
        }
        self.arrived.notify_one();
    }

    fn fill(&self, out: &mut Frames, credit: SendCredit) -> bool {
        if credit.bytes == 0 {
            return false;
        }
        let Some(answer) = self.answers.pop() else {
            return false;
        };
        if answer.is_empty() {
            // A message without text is a message all the same.
            out.empty_text();
        } else {
            out.text(|out| out.extend_from_slice(answer.as_bytes()));
        }
        true
    }

    fn on_close(&self) {
        if let Some(job) = self.queues().running.take() {
            job.stop();
        }
    }
}

impl Repl {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next message to be answered, or that there was no room for it.
    fn next_line(&self) -> Option<Result<Bytes, LineError>> {
        let mut queues = self.queues();
        if let Some(line) = queues.lines.pop_front() {
            queues.waiting -= line.len();
            return Some(Ok(line));
        }
        queues.overflow = queues.overflow.checked_sub(1)?;
        Some(Err(LineError::TooMany))
    }

    async fn answer_all(&self, evaluator: &mut Evaluator) -> Infallible {
        loop {
            let Some(line) = self.next_line() else {
                self.arrived.notified().await;
                continue;
            };
            let answer = match line {
                Ok(line) => evaluator.answer(self, &line).await,
                Err(error) => Err(error),
            };
            let answer = answer.unwrap_or_else(|error| format!("error: {error}"));
            self.answers.push(answer).await;
        }
    }
}

/// Why a message has no ordinary answer.
#[derive(Debug, thiserror::Error)]
enum LineError {
    #[error("too many messages already waited for an answer; this one was not run")]
    TooMany,
    #[error("there is no command")]
    Empty,
    #[error("a quotation mark is not closed")]
    OpenQuote,
    #[error("the message is not UTF-8 text")]
    NotText(#[source] std::str::Utf8Error),
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("the answer is larger than {0} bytes; the program was stopped")]
    TooLong(usize),
    #[error("{0} ended with status {1} and no output")]
    Status(String, i32),
    #[error("{0} was ended by signal {1}")]
    Signal(String, i32),
    #[error("the interpreter has ended; the next message starts a new one\n{0}")]
    InterpreterEnded(String),
}

/// Answers one message after the other.
struct Evaluator {
    app: SharedApp,
    account: Result<Account, AccountError>,
    mode: ReplMode,
    /// Wakes the evaluator: the program has printed something.
    has_output: Arc<Notify>,
    interpreter: Option<Interpreter>,
}

struct Interpreter {
    job: Arc<Job>,
    cursor: Cursor,
    /// Ends each answer in the interpreter's output.
    end_marker: String,
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        self.job.stop();
    }
}

impl Evaluator {
    fn engine(&self) -> &Engine {
        &self.app.engine
    }

    fn account(&self) -> Result<&Account, StartError> {
        self.account.as_ref().map_err(|error| error.clone().into())
    }

    async fn answer(&mut self, repl: &Repl, line: &[u8]) -> Result<String, LineError> {
        let line = std::str::from_utf8(line).map_err(LineError::NotText)?;
        match self.mode {
            ReplMode::Command => self.run_command(repl, line).await,
            ReplMode::Python => self.run_python(repl, line).await,
        }
    }

    async fn run_command(&self, repl: &Repl, line: &str) -> Result<String, LineError> {
        let words = shlex::split(line).ok_or(LineError::OpenQuote)?;
        let program = words.first().cloned().ok_or(LineError::Empty)?;
        let job = self.engine().start_command(words, self.account()?)?;
        repl.queues().running = Some(Arc::clone(&job));
        let mut cursor = job.cursor(true, Arc::clone(&self.has_output));
        let mut output = Vec::new();
        let ended = self.collect(&mut cursor, &mut output, None).await;
        repl.queues().running = None;
        if let Err(error) = ended {
            job.stop();
            return Err(error);
        }
        match job.state() {
            JobState::Failed(error) => Err(error.into()),
            JobState::Over { exit_code } if exit_code < 0 && output.is_empty() => {
                Err(LineError::Signal(program, -exit_code))
            }
            JobState::Over { exit_code } if exit_code != 0 && output.is_empty() => {
                Err(LineError::Status(program, exit_code))
            }
            _ => Ok(text(output)),
        }
    }

    async fn run_python(&mut self, repl: &Repl, line: &str) -> Result<String, LineError> {
        let mut interpreter = match self.interpreter.take() {
            Some(interpreter) => interpreter,
            None => self.start_interpreter(repl)?,
        };
        let mut message = format!("{}\n", line.len()).into_bytes();
        message.extend_from_slice(line.as_bytes());
        // Nothing waits there: each message was answered before the next.
        let _ = interpreter.job.input(&message);
        let mut output = Vec::new();
        let end_marker = Some(interpreter.end_marker.as_bytes());
        let answered = self
            .collect(&mut interpreter.cursor, &mut output, end_marker)
            .await?;
        if answered {
            self.interpreter = Some(interpreter);
            return Ok(text(output));
        }
        repl.queues().running = None;
        match interpreter.job.state() {
            JobState::Failed(error) => Err(error.into()),
            _ => Err(LineError::InterpreterEnded(text(output))),
        }
    }

    fn start_interpreter(&self, repl: &Repl) -> Result<Interpreter, LineError> {
        let end_marker = format!("\u{1e}{:016x}\u{1e}", random_number());
        let argv = ["python3", "-u", "-c", PYTHON_REPL, &end_marker];
        let argv = argv.into_iter().map(str::to_owned).collect();
        let account = self.account()?;
        let job = self.engine().start_conversation(argv, account)?;
        repl.queues().running = Some(Arc::clone(&job));
        let cursor = job.cursor(true, Arc::clone(&self.has_output));
        Ok(Interpreter {
            job,
            cursor,
            end_marker,
        })
    }

    /// Gathers output until `end_marker` comes (and is cut off: `true`) or the program has ended
    /// (`false`).
    async fn collect(
        &self,
        cursor: &mut Cursor,
        output: &mut Vec<u8>,
        end_marker: Option<&[u8]>,
    ) -> Result<bool, LineError> {
        let max_bytes = self.app.settings.limits.message_bytes;
        loop {
            let seen = output.len();
            let read = cursor.read(READ_MAX_BYTES, |_, first, second| {
                output.extend_from_slice(first);
                output.extend_from_slice(second);
            });
            self.app
                .metrics
                .output_bytes
                .inc_by((output.len() - seen) as u64);
            if let Some(end_marker) = end_marker {
                let from = seen.saturating_sub(end_marker.len());
                let found = output[from..]
                    .windows(end_marker.len())
                    .position(|part| part == end_marker);
                if let Some(position) = found {
                    output.truncate(from + position);
                    return Ok(true);
                }
            }
            if output.len() > max_bytes {
                return Err(LineError::TooLong(max_bytes));
            }
            match read {
                Read::Bytes | Read::Gap(_) => {}
                Read::Empty => self.has_output.notified().await,
                Read::End => return Ok(false),
            }
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Returns a number that no code in the interpreter prints by accident.
fn random_number() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::time::Instant::now())
}

//! A job: one running program. One task owns its descriptors, reads what it outputs into its log
//! and writes its input.

use crate::channels::{self, ChannelView, Channels, ConnectLegacyListeners, EventRefused};
use crate::descriptor::watch;
use crate::error::StartError;
use crate::output_log::{Cursor, OutputLog};
use crate::spawner::{CHANNEL_SOCKETS, JobHandle, JobId, Link, Running};
use further_link_protocol::{ChannelEvent, Features, Stream, TerminalSize};
use nix::pty::Winsize;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, oneshot, watch as watch_channel};
use tokio::task::JoinHandle;

/// Bytes of input that wait for a program that does not read, at most. A single larger message is
/// still taken when nothing waits, so that every message that a client may send can be delivered.
const INPUT_QUEUE_MAX_BYTES: usize = 1024 * 1024;
/// Bytes that a pipe holds (`pipe(7)`).
const PIPE_CAPACITY_BYTES: usize = 64 * 1024;
/// Bytes of input after whose writing others have their turn.
const INPUT_TURN_MAX_BYTES: usize = PIPE_CAPACITY_BYTES;
/// Viewers are told whenever the program has taken this many bytes of input: as often as it is
/// acknowledged.
const INPUT_ACK_INTERVAL_BYTES: u64 =
    further_link_protocol::wire::stream::INPUT_ACK_INTERVAL_BYTES as u64;
/// Reads after which viewers are told, if there is always more: 16 KiB of a terminal, which go
/// together then. Other tasks have their turn after each read, which takes some 30 µs.
const READS_PER_WAKEUP: u8 = 4;
/// A read of fewer bytes says that there are no more for now: viewers are told at once.
const SHORT_READ_BYTES: usize = 1024;
/// How long a terminal is waited for after its last process has ended, for the kernel to hand out
/// the rest (it does so by itself, from a work queue).
const TERMINAL_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// How far a job has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// The spawner has been asked.
    Starting,
    /// The program runs.
    Running,
    /// It never did, and nothing of it is left. The log is closed.
    Failed(StartError),
    /// It ran, and nothing of it is left. The log is closed.
    Over {
        /// Exit status, or the negative number of the signal.
        exit_code: i32,
    },
}

/// Input that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputRefused {
    /// There is too much already.
    #[error("{waiting} bytes of earlier input still wait for the program to read them")]
    Full {
        /// Bytes that wait.
        waiting: usize,
    },
    /// It came after [`Job::end_input`].
    #[error("the input has ended")]
    Ended,
}

/// One running program, for those who start and view it.
#[derive(Debug)]
pub struct Job {
    id: JobId,
    link: Arc<Link>,
    log: Arc<OutputLog>,
    state: Mutex<JobState>,
    inbox: Mutex<Inbox>,
    inbox_changed: Notify,
    has_terminal: bool,
    channels: Option<Arc<Channels>>,
    /// Bytes of input that the program has taken.
    input_taken: AtomicU64,
    stopping: AtomicBool,
}

/// What a job's IO channels need to know.
pub(crate) struct ChannelSettings {
    /// What the client knows.
    pub(crate) features: Features,
    /// The server's version, which a program is told.
    pub(crate) version: String,
    /// Connects to the program's sockets with its account's rights.
    pub(crate) legacy_listeners: Arc<dyn ConnectLegacyListeners>,
}

/// What the task is to do next.
#[derive(Debug, Default)]
struct Inbox {
    /// Takes input at once while nothing waits: a key does not wait for another task.
    direct: Option<End>,
    /// Waits for the program to take it. Copied into one queue, so that what waits is no more
    /// memory than it is bytes.
    input: VecDeque<u8>,
    /// Nothing comes behind `input`.
    ended: bool,
    size: Option<TerminalSize>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    /// Follows a program that the spawner was asked to start. `finished` is dropped when it is
    /// over.
    pub(crate) fn follow<T: Send + 'static>(
        link: Arc<Link>,
        handle: JobHandle,
        has_terminal: bool,
        channels: Option<ChannelSettings>,
        finished: T,
    ) -> Arc<Self> {
        let log = Arc::<OutputLog>::default();
        let channels = channels.map(|settings| {
            let ChannelSettings {
                features,
                version,
                legacy_listeners,
            } = settings;
            let log = Arc::clone(&log);
            Arc::new(Channels::new(log, features, version, legacy_listeners))
        });
        let job = Arc::new(Self {
            id: handle.id,
            link,
            log,
            channels,
            state: Mutex::new(JobState::Starting),
            inbox: Mutex::default(),
            inbox_changed: Notify::new(),
            has_terminal,
            input_taken: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        });
        let task = Arc::clone(&job);
        tokio::spawn(async move {
            let state = task.live(handle).await;
            drop(finished);
            *locked(&task.state) = state;
            task.log.close();
        });
        job
    }

    /// How far it has come.
    pub fn state(&self) -> JobState {
        locked(&self.state).clone()
    }

    /// Returns a viewer of everything that it outputs. `wake` is also notified when the state
    /// changes.
    pub fn cursor(&self, lossless: bool, wake: Arc<Notify>) -> Cursor {
        self.log.cursor(lossless, wake)
    }

    /// Lets a client see what the program says through its IO channels; `None` if it has none.
    /// `wake` of a [`Job::cursor`] is notified when there is something.
    pub fn view_channels(&self) -> Option<ChannelView> {
        Some(self.channels.as_ref()?.view())
    }

    /// Sends the program an event of its client on an IO channel, if it listens.
    ///
    /// # Errors
    /// If it listens, but does not read what it is sent.
    pub fn send_event(&self, event: &ChannelEvent) -> Result<(), EventRefused> {
        let channels = self.channels.as_ref();
        channels.map_or(Ok(()), |channels| channels.send_event(event))
    }

    /// Returns whether it has a pty.
    pub fn has_terminal(&self) -> bool {
        self.has_terminal
    }

    /// Hands input to the program. Returns at once; what the program does not read yet waits.
    ///
    /// # Errors
    /// If [`INPUT_QUEUE_MAX_BYTES`] bytes already do, or the input has ended; nothing of `input` is
    /// taken then.
    pub fn input(&self, input: &[u8]) -> Result<(), InputRefused> {
        let mut inbox = locked(&self.inbox);
        if inbox.ended {
            return Err(InputRefused::Ended);
        }
        let waiting = inbox.input.len();
        if waiting > 0 && waiting + input.len() > INPUT_QUEUE_MAX_BYTES {
            return Err(InputRefused::Full { waiting });
        }
        let mut rest = input;
        if waiting == 0
            && let Some(direct) = &inbox.direct
            && let Ok(count) = nix::unistd::write(direct.get_ref(), rest)
        {
            rest = &rest[count..];
            self.took(count);
        }
        // Whatever is in the way, the task finds it out again and deals with it.
        if !rest.is_empty() {
            inbox.input.extend(rest);
            drop(inbox);
            self.inbox_changed.notify_one();
        }
        Ok(())
    }

    /// Closes the program's standard input when it has taken what waits. A terminal's stays open.
    pub fn end_input(&self) {
        locked(&self.inbox).ended = true;
        self.inbox_changed.notify_one();
    }

    /// Bytes of input that the program has taken, or that went nowhere since it takes none any
    /// more. Viewers are woken now and then while this grows.
    pub fn input_taken(&self) -> u64 {
        self.input_taken.load(Ordering::Relaxed)
    }

    /// Counts input that does not wait any more.
    fn took(&self, count: usize) {
        let before = self.input_taken.fetch_add(count as u64, Ordering::Relaxed);
        if before / INPUT_ACK_INTERVAL_BYTES != (before + count as u64) / INPUT_ACK_INTERVAL_BYTES {
            self.log.wake();
        }
    }

    /// Sets the size of its terminal, if it has one.
    pub fn resize(&self, size: TerminalSize) {
        let mut inbox = locked(&self.inbox);
        match &inbox.direct {
            // As directly as input, which it must not come behind.
            Some(terminal) if self.has_terminal => set_size(terminal, size),
            _ => {
                inbox.size = Some(size);
                drop(inbox);
                self.inbox_changed.notify_one();
            }
        }
    }

    /// SIGTERM to everything in the job, and after the grace time SIGKILL.
    pub fn stop(&self) {
        // Once: a client can ask as often as it likes, and each request takes memory until it is
        // read.
        if !self.stopping.swap(true, Ordering::Relaxed) && !self.link.stop(self.id) {
            self.stopping.store(false, Ordering::Relaxed);
        }
    }

    /// The task: returns the state in which the job ends.
    async fn live(&self, handle: JobHandle) -> JobState {
        let (streams, channels) = match handle.started.await {
            Ok(Ok(Running {
                mut descriptors,
                folder,
            })) => {
                let channels = self.serve_channels(&mut descriptors, folder);
                (Streams::new(descriptors, self.has_terminal), channels)
            }
            Ok(Err(error)) => return JobState::Failed(error),
            Err(_) => return JobState::Failed(StartError::Stopping),
        };
        *locked(&self.state) = JobState::Running;
        self.log.wake();
        let exit_code = match streams {
            Ok(mut streams) => {
                streams.apply_size(self);
                locked(&self.inbox).direct = streams.input.clone();
                let exit_code = streams.carry(self, handle.exited).await;
                locked(&self.inbox).direct = None;
                exit_code
            }
            Err(error) => {
                tracing::error!(%error, "a program's streams cannot be watched");
                self.stop();
                handle.exited.await.ok()
            }
        };
        if let Some((over, serving)) = channels {
            // What it has said before it ended comes before its end.
            over.send_replace(true);
            let _ = serving.await;
        }
        JobState::Over {
            // Without a word from the spawner everything was killed.
            exit_code: exit_code.unwrap_or(-libc::SIGKILL),
        }
    }

    /// Takes the sockets of IO channels off `descriptors` and serves them, until it is told that
    /// the program is over.
    fn serve_channels(
        &self,
        descriptors: &mut Vec<OwnedFd>,
        folder: Option<String>,
    ) -> Option<(watch_channel::Sender<bool>, JoinHandle<()>)> {
        let channels = Arc::clone(self.channels.as_ref()?);
        channels.set_dir(folder?);
        let streams = descriptors.len().saturating_sub(CHANNEL_SOCKETS);
        let listeners = descriptors.split_off(streams);
        let (over, is_over) = watch_channel::channel(false);
        let serving = tokio::spawn(async move {
            if let Err(error) = channels::serve(channels, listeners, is_over).await {
                tracing::error!(%error, "a program's channels cannot be served");
            }
        });
        Some((over, serving))
    }
}

/// The server's end of a stream: the pty's master (which is several), or one of the pipes. It is
/// closed when nothing needs it any more.
type End = Arc<AsyncFd<OwnedFd>>;

/// The server's ends of the program's streams.
struct Streams {
    /// The pty's master.
    terminal: Option<End>,
    /// Takes input, while it does.
    input: Option<End>,
    /// Give output, while they do.
    outputs: Vec<(End, Stream)>,
    /// Input waits, or did when it was last looked at.
    input_waits: bool,
    /// Bytes of standard output that were read since standard error was seen to wait. It goes on
    /// waiting until standard output is dry, or so many were read as a pipe holds: then all that
    /// the program wrote before an error was read before it, and an output that never ends does not
    /// hide the other one.
    before_errors: usize,
    /// Reads of which viewers were not told yet.
    untold: u8,
}

/// What reading came to.
enum Reading {
    /// There may be more.
    More,
    /// There may be more, but that is not likely.
    Little,
    /// Nothing at the moment.
    Dry,
    /// The log has no room.
    Full,
    /// This output has ended.
    Ended,
}

impl Streams {
    fn new(descriptors: Vec<OwnedFd>, has_terminal: bool) -> io::Result<Self> {
        let ends = descriptors
            .into_iter()
            .map(|descriptor| watch(descriptor).map(Arc::new))
            .collect::<io::Result<Vec<End>>>()?;
        let (input, outputs) = match (has_terminal, &*ends) {
            (true, [terminal]) => (
                Some(Arc::clone(terminal)),
                vec![(Arc::clone(terminal), Stream::Stdout)],
            ),
            (false, [input @ .., stdout, stderr]) if input.len() <= 1 => (
                input.first().cloned(),
                vec![
                    (Arc::clone(stdout), Stream::Stdout),
                    (Arc::clone(stderr), Stream::Stderr),
                ],
            ),
            _ => return Err(io::Error::other("the spawner sent other descriptors")),
        };
        Ok(Self {
            terminal: ends.into_iter().next().filter(|_| has_terminal),
            input,
            outputs,
            input_waits: false,
            before_errors: 0,
            untold: 0,
        })
    }

    /// Carries bytes both ways until nothing of the job is left and all that it output is in the
    /// log.
    async fn carry(&mut self, job: &Job, mut exited: oneshot::Receiver<i32>) -> Option<i32> {
        let mut full = false;
        loop {
            tokio::select! {
                biased;
                () = job.inbox_changed.notified() => {
                    self.apply_size(job);
                    self.write(job, false);
                }
                closed = writable(self.input.as_ref()),
                    if self.input_waits && self.input.is_some() => {
                        self.write(job, closed);
                        tokio::task::yield_now().await;
                    }
                ready = readable(&self.outputs, self.before_errors >= PIPE_CAPACITY_BYTES),
                    if !full && !self.outputs.is_empty() => match self.read(job, ready) {
                        Reading::Full => full = true,
                        // A key for another program may have come.
                        Reading::More | Reading::Little => tokio::task::yield_now().await,
                        Reading::Dry | Reading::Ended => {}
                    },
                () = job.log.room(), if full => full = false,
                code = &mut exited => {
                    self.drain(job).await;
                    return code.ok();
                }
            }
        }
    }

    fn apply_size(&self, job: &Job) {
        let Some(size) = locked(&job.inbox).size.take() else {
            return;
        };
        if let Some(terminal) = &self.terminal {
            set_size(terminal, size);
        }
    }

    /// Writes some of what waits, if the program takes it. `closed`: nobody has the other end any
    /// more.
    fn write(&mut self, job: &Job, closed: bool) {
        let mut inbox = locked(&job.inbox);
        if let Some(descriptor) = &self.input {
            while !inbox.input.is_empty() {
                let (input, _) = inbox.input.as_slices();
                let written = descriptor.try_io(Interest::WRITABLE, |descriptor| {
                    Ok(nix::unistd::write(descriptor, input)?)
                });
                match written {
                    Ok(count) => {
                        inbox.input.drain(..count);
                        job.took(count);
                        if count >= INPUT_TURN_MAX_BYTES {
                            break;
                        }
                    }
                    Err(error) => match error.kind() {
                        io::ErrorKind::Interrupted => {}
                        io::ErrorKind::WouldBlock if !closed => break,
                        // Also a full terminal that nobody has open: it says this forever, and is
                        // always ready.
                        _ => {
                            self.input = None;
                            break;
                        }
                    },
                }
            }
        }
        if inbox.input.is_empty() && inbox.ended && self.terminal.is_none() {
            self.input = None;
        }
        if self.input.is_none() {
            // The program has closed its input: like a terminal, what is typed goes nowhere.
            job.took(inbox.input.len());
            inbox.input.clear();
            inbox.direct = None;
        }
        self.input_waits = !inbox.input.is_empty();
        if !self.input_waits {
            inbox.input = VecDeque::new();
        }
    }

    /// Reads one output once, and tells the viewers if it is time to.
    fn read(&mut self, job: &Job, ready: Ready) -> Reading {
        let index = ready.index;
        let (descriptor, stream) = &self.outputs[index];
        let before = job.log.end();
        let mut reading = read_ready(descriptor, *stream, &job.log);
        if let (Reading::Little, Stream::Stderr) = (&reading, stream) {
            // That it waits must not be said of what is written to it later on.
            match read_ready(descriptor, *stream, &job.log) {
                Reading::Dry => {}
                more => {
                    self.untold += 1;
                    reading = more;
                }
            }
        }
        let read = usize::try_from(job.log.end() - before).unwrap_or(usize::MAX);
        self.before_errors = match (stream, ready.other_waits) {
            (Stream::Stdout, true) => self.before_errors.saturating_add(read),
            // It has its turn when there is room again, and not after as much as before.
            (Stream::Stderr, _) if matches!(reading, Reading::Full) => self.before_errors,
            _ => 0,
        };
        if let Reading::Ended = reading {
            self.outputs.remove(index);
        }
        if let Reading::More | Reading::Little = reading {
            self.untold += 1;
        }
        let more = matches!(reading, Reading::More) && self.untold < READS_PER_WAKEUP;
        if self.untold > 0 && !more {
            self.untold = 0;
            job.log.wake();
        }
        reading
    }

    /// Reads what is left after the last process has ended. A pipe has it all by then; a terminal
    /// says when it does (EIO).
    async fn drain(&mut self, job: &Job) {
        while let Some((descriptor, stream)) = self.outputs.first() {
            match read_now(descriptor, *stream, &job.log) {
                Reading::More | Reading::Little => {
                    job.log.wake();
                    tokio::task::yield_now().await;
                }
                Reading::Full => job.log.room().await,
                Reading::Dry if self.terminal.is_some() => {
                    // Forgets an older readiness, so that the wait is for a new one.
                    if let Reading::Dry = read_ready(descriptor, *stream, &job.log) {
                        let rest =
                            tokio::time::timeout(TERMINAL_DRAIN_TIMEOUT, descriptor.readable())
                                .await;
                        if rest.is_err() {
                            self.outputs.remove(0);
                        }
                    }
                }
                // Somebody outside of the job still holds the pipe; it is not the job's any more.
                Reading::Dry | Reading::Ended => {
                    self.outputs.remove(0);
                }
            }
        }
    }
}

fn set_size(terminal: &End, size: TerminalSize) {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the request reads a winsize (ioctl_tty(2)); the descriptor is the pty's master. The
    // kernel sends SIGWINCH to the programs if it has changed.
    #[allow(unsafe_code)]
    unsafe {
        libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size);
    }
}

/// One `read(2)` straight into the log, if the runtime knows the descriptor to be readable. When it
/// is dry, the next wait asks the kernel again.
fn read_ready(descriptor: &AsyncFd<OwnedFd>, stream: Stream, log: &OutputLog) -> Reading {
    reading(log.fill(stream, |space| {
        descriptor.try_io(Interest::READABLE, |descriptor| {
            Ok(nix::unistd::read(descriptor, space)?)
        })
    }))
}

/// Returns the same, whatever the runtime knows.
fn read_now(descriptor: &AsyncFd<OwnedFd>, stream: Stream, log: &OutputLog) -> Reading {
    reading(log.fill(stream, |space| {
        Ok(nix::unistd::read(descriptor.get_ref(), space)?)
    }))
}

fn reading(read: Option<io::Result<usize>>) -> Reading {
    match read {
        None => Reading::Full,
        Some(Ok(0)) => Reading::Ended,
        Some(Ok(..SHORT_READ_BYTES)) => Reading::Little,
        Some(Ok(_)) => Reading::More,
        Some(Err(error)) => match error.kind() {
            io::ErrorKind::WouldBlock => Reading::Dry,
            io::ErrorKind::Interrupted => Reading::More,
            // A pty whose last slave is closed says EIO.
            _ => Reading::Ended,
        },
    }
}

/// An output that can be read.
struct Ready {
    index: usize,
    /// So can the other one.
    other_waits: bool,
}

/// Completes when one of `outputs` can be read. Of two it is the first, or else the `last`.
async fn readable(outputs: &[(End, Stream)], last: bool) -> Ready {
    poll_fn(|context| {
        let mut ready = outputs.iter().enumerate().filter_map(|(index, (end, _))| {
            let Poll::Ready(ready) = end.poll_read_ready(context) else {
                return None;
            };
            if let Ok(mut ready) = ready {
                ready.retain_ready();
            }
            Some(index)
        });
        let Some(first) = ready.next() else {
            return Poll::Pending;
        };
        let other = ready.next();
        Poll::Ready(Ready {
            index: other.filter(|_| last).unwrap_or(first),
            other_waits: other.is_some(),
        })
    })
    .await
}

/// Completes when writing input is worth a try, with whether the other end is closed.
async fn writable(input: Option<&End>) -> bool {
    let Some(input) = input else {
        return std::future::pending().await;
    };
    let Ok(mut ready) = input.writable().await else {
        return false;
    };
    ready.retain_ready();
    ready.ready().is_write_closed()
}

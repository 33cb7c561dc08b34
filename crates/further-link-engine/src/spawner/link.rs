//! The server's end of the spawner: starting the process, sending it requests in order, and handing
//! its replies to whoever waits for them.

use super::packet::{self, Packet};
use super::request::{JobId, Reply, Request, SpawnerSettings, Terminal};
use crate::descriptor::watch as watch_descriptor;
use crate::error::StartError;
use crate::launch::Launch;
use further_link_protocol::TerminalSize;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::collections::{HashMap, VecDeque};
use std::io::{Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, oneshot, watch};

/// A running spawner that nobody talks to yet.
#[derive(Debug)]
pub struct SpawnerProcess {
    child: Child,
    socket: OwnedFd,
    settings: SpawnerSettings,
}

impl SpawnerProcess {
    /// Starts it: this same program with the arguments `spawner --fd N`. Call this before the
    /// process has threads, and before it gives up its rights.
    ///
    /// # Errors
    /// If the program cannot be started again.
    pub fn start(settings: SpawnerSettings) -> std::io::Result<Self> {
        let (socket, theirs) = packet::pair()?;
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("spawner")
            .arg("--fd")
            .arg(theirs.as_raw_fd().to_string())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            socket,
            settings,
        })
    }
}

/// What the server gets of a program that runs.
#[derive(Debug)]
pub(crate) struct Running {
    /// As [`Reply::Started`] says.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// The program's private folder, if it has one.
    pub(crate) folder: Option<String>,
}

/// What a job's task waits for.
pub(crate) struct JobHandle {
    /// The job's name for [`Link::stop`].
    pub(crate) id: JobId,
    /// The program's streams, or why there are none. Fails if the spawner has ended.
    pub(crate) started: oneshot::Receiver<Result<Running, StartError>>,
    /// The exit code, once nothing of the job is left. Fails if the spawner has ended.
    pub(crate) exited: oneshot::Receiver<i32>,
}

#[derive(Debug)]
struct Waiting {
    started: Option<oneshot::Sender<Result<Running, StartError>>>,
    exited: oneshot::Sender<i32>,
}

/// The connection to the spawner.
#[derive(Debug)]
pub(crate) struct Link {
    socket: AsyncFd<OwnedFd>,
    next: AtomicU64,
    waiting: Mutex<HashMap<JobId, Waiting>>,
    /// Requests that the socket had no room for. At most two for each job.
    requests: Mutex<VecDeque<(Vec<u8>, Vec<OwnedFd>)>>,
    unsent: Notify,
    closed: watch::Sender<bool>,
    child: Mutex<Option<Child>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Connects to `process`. Has to be called inside of the runtime.
    pub(crate) fn new(process: SpawnerProcess) -> std::io::Result<Arc<Self>> {
        let link = Arc::new(Self {
            socket: watch_descriptor(process.socket)?,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            requests: Mutex::default(),
            unsent: Notify::new(),
            closed: watch::Sender::new(false),
            child: Mutex::new(Some(process.child)),
        });
        link.send(&Request::Settings(process.settings), Vec::new());
        tokio::spawn(Arc::clone(&link).read_replies());
        tokio::spawn(Arc::clone(&link).send_rest());
        Ok(link)
    }

    /// Asks for a program to be started.
    pub(crate) fn start(
        &self,
        launch: Launch,
        terminal: Option<TerminalSize>,
    ) -> Result<JobHandle, StartError> {
        let mut descriptors = Vec::new();
        if let Some(code) = &launch.code {
            descriptors.push(memory_file(code.text.as_bytes())?);
        }
        let id = JobId(self.next.fetch_add(1, Ordering::Relaxed));
        let (started, started_receiver) = oneshot::channel();
        let (exited, exited_receiver) = oneshot::channel();
        let waiting = Waiting {
            started: Some(started),
            exited,
        };
        locked(&self.waiting).insert(id, waiting);
        let request = Request::Start {
            job: id,
            launch,
            terminal: terminal.map(Terminal::from),
        };
        if !self.send(&request, descriptors) {
            locked(&self.waiting).remove(&id);
            return Err(StartError::System {
                what: "Starting the program".to_owned(),
                reason: "its paths, arguments and environment are too long".to_owned(),
            });
        }
        Ok(JobHandle {
            id,
            started: started_receiver,
            exited: exited_receiver,
        })
    }

    /// Asks for a job to be stopped: SIGTERM, and after the grace time SIGKILL. `false` if the
    /// request could not be sent.
    pub(crate) fn stop(&self, job: JobId) -> bool {
        self.send(&Request::Stop { job }, Vec::new())
    }

    /// Asks for a *files* process; returns the server's end of its socket.
    pub(crate) fn files(&self, account: String) -> Result<OwnedFd, StartError> {
        let fail = |errno| StartError::system("Starting a process", errno);
        let (socket, theirs) = packet::pair().map_err(fail)?;
        match self.send(&Request::Files { account }, vec![theirs]) {
            true => Ok(socket),
            false => Err(fail(Errno::EMSGSIZE)),
        }
    }

    /// Asks for all jobs to be stopped.
    pub(crate) fn stop_all(&self) {
        let jobs: Vec<JobId> = locked(&self.waiting).keys().copied().collect();
        for job in jobs {
            self.stop(job);
        }
    }

    /// Completes when the spawner has ended.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        // The sender lives in `self`, so this cannot fail.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Lets the spawner end (which stops all jobs) and waits until it has.
    pub(crate) async fn shut_down(&self) {
        let _ = nix::sys::socket::shutdown(
            self.socket.get_ref().as_raw_fd(),
            nix::sys::socket::Shutdown::Write,
        );
        let child = locked(&self.child).take();
        if let Some(mut child) = child {
            let _ = tokio::task::spawn_blocking(move || child.wait()).await;
        }
    }

    /// Sends a request now, or if the socket is full behind those that wait. `false` if it cannot
    /// be sent, mostly because it is too large for a packet.
    fn send(&self, request: &Request, descriptors: Vec<OwnedFd>) -> bool {
        let Some(bytes) = packet::encode(request) else {
            return false;
        };
        let mut requests = locked(&self.requests);
        if requests.is_empty() {
            match packet::send(self.socket.get_ref().as_fd(), &bytes, &descriptors) {
                // A spawner that is gone is noticed where its replies are read.
                Ok(()) | Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN) => return true,
                Err(Errno::EAGAIN) => {}
                Err(error) => {
                    tracing::error!(%error, "a request does not reach the spawner");
                    return false;
                }
            }
        }
        requests.push_back((bytes, descriptors));
        self.unsent.notify_one();
        true
    }

    /// Sends what `send` could not.
    async fn send_rest(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.unsent.notified() => {}
                () = self.closed() => return,
            }
            while !locked(&self.requests).is_empty() {
                let sent = self
                    .socket
                    .async_io(Interest::WRITABLE, |socket| {
                        let mut requests = locked(&self.requests);
                        if let Some((bytes, descriptors)) = requests.front() {
                            packet::send(socket.as_fd(), bytes, descriptors)?;
                            requests.pop_front();
                        }
                        Ok(())
                    })
                    .await;
                if sent.is_err() {
                    return;
                }
            }
        }
    }

    async fn read_replies(self: Arc<Self>) {
        let mut buffer = Vec::new();
        loop {
            let received = self
                .socket
                .async_io(Interest::READABLE, |socket| {
                    Ok(packet::receive::<Reply>(socket.as_fd(), &mut buffer)?)
                })
                .await;
            match received {
                Ok(Some(packet)) => self.deliver(packet),
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "the spawner cannot be understood");
                    break;
                }
            }
        }
        // Whoever waits is told by the end of its channel.
        self.closed.send_replace(true);
        locked(&self.waiting).clear();
    }

    fn deliver(&self, packet: Packet<Reply>) {
        let mut waiting = locked(&self.waiting);
        match packet.message {
            Reply::Started { job, folder } => {
                let result = if packet.incomplete {
                    // We have no room for its streams; it would run unheard.
                    self.stop(job);
                    Err(StartError::system(
                        "Opening the program's streams",
                        Errno::EMFILE,
                    ))
                } else {
                    Ok(Running {
                        descriptors: packet.descriptors,
                        folder,
                    })
                };
                if let Some(sender) = waiting.get_mut(&job).and_then(|job| job.started.take()) {
                    let _ = sender.send(result);
                }
            }
            Reply::Failed { job, error } => {
                if let Some(sender) = waiting.remove(&job).and_then(|job| job.started) {
                    let _ = sender.send(Err(error));
                }
            }
            Reply::Exited { job, exit_code } => {
                if let Some(job) = waiting.remove(&job) {
                    let _ = job.exited.send(exit_code);
                }
            }
        }
    }
}

/// Bytes in a file that has no name and is gone with its last descriptor.
fn memory_file(bytes: &[u8]) -> Result<OwnedFd, StartError> {
    let fail = |error: std::io::Error| StartError::System {
        what: "Keeping the code".to_owned(),
        reason: error.to_string(),
    };
    let file = memfd_create(c"code", MFdFlags::MFD_CLOEXEC).map_err(|errno| fail(errno.into()))?;
    let mut file = std::fs::File::from(file);
    file.write_all(bytes)
        .and_then(|()| file.rewind())
        .map_err(fail)?;
    Ok(file.into())
}

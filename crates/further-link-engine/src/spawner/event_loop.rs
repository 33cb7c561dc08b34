//! The spawner's loop: requests in, replies out, children reaped, deadlines kept. One thread, which
//! waits in `epoll_wait(2)`; the only other thing that can hold it up is looking an account up.

use super::channels::{self, Base, Folder};
use super::child::{self, Plan, Progress, Supervised};
use super::cleanup::Leftovers;
use super::containment::{CgroupBase, Containment, kill_strays, reap};
use super::credentials::Identities;
use super::job::{Job, Role, Stopping, terminate};
use super::packet::{self, Packet};
use super::request::{JobId, Reply, Request, SpawnerSettings, Terminal};
use super::stdio;
use crate::error::StartError;
use crate::files::{FilesError, Reply as WorkerReply};
use crate::launch::Launch;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{getsockopt, sockopt::SockType};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Group, Pid};
use std::collections::{HashMap, HashSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// Time between SIGTERM and SIGKILL when the server is gone: its programs have to be over within a
/// second.
const ORPHANED_STOP_GRACE: Duration = Duration::from_millis(500);
/// What an epoll event is about, in the low bits of its data; the job is in the others.
const EVENT_SERVER: u64 = 0;
const EVENT_CHILDREN: u64 = 1;
const EVENT_STATUS: u64 = 2;
const EVENT_CONTAINMENT: u64 = 3;
const EVENT_BITS: u32 = 2;

/// Runs the spawner on its end of the socket until the server is gone and every job is over.
///
/// # Errors
/// If `socket` is no socket that this process was handed, or the machine refuses something that the
/// spawner cannot do without.
pub fn run(socket: RawFd) -> std::io::Result<()> {
    let socket = inherited(socket)?;
    let Some(mut spawner) = Spawner::new(socket)? else {
        return Ok(());
    };
    while !(spawner.server_gone && spawner.jobs.is_empty()) {
        spawner.turn()?;
    }
    Ok(())
}

/// Takes over a socket that this process was started with.
fn inherited(socket: RawFd) -> std::io::Result<OwnedFd> {
    // SAFETY: only asked about, and refused unless it is open.
    #[allow(unsafe_code)]
    let borrowed = unsafe { BorrowedFd::borrow_raw(socket.max(0)) };
    getsockopt(&borrowed, SockType)?;
    stdio::set_close_on_exec(&borrowed)?;
    // SAFETY: the program's start handed it to us, nothing else here knows it.
    #[allow(unsafe_code)]
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

pub(super) struct Spawner {
    pub(super) socket: OwnedFd,
    pub(super) epoll: Epoll,
    pub(super) children: SignalFd,
    pub(super) settings: SpawnerSettings,
    /// `None` where the machine offers no cgroups or they are off.
    pub(super) cgroups: Option<CgroupBase>,
    pub(super) tty_group: Option<Gid>,
    /// Where private folders of programs are made.
    pub(super) folders: Base,
    pub(super) identities: Identities,
    pub(super) jobs: HashMap<JobId, Job>,
    /// Every child and what it is to its job. Others are orphans that were handed to us.
    pub(super) pids: HashMap<Pid, (JobId, Role)>,
    /// The *files* processes.
    pub(super) files: HashSet<Pid>,
    /// Replies that the socket had no room for. At most two for each job.
    pub(super) replies: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
    pub(super) buffer: Vec<u8>,
    pub(super) server_gone: bool,
    /// Soft limit of open descriptors that programs get, the one that we were started with.
    pub(super) descriptor_limit: u64,
}

impl Spawner {
    /// `None` if the server has gone before it said anything.
    fn new(socket: OwnedFd) -> std::io::Result<Option<Self>> {
        // Its own session: a Ctrl-C in the server's terminal is for the server to act on, and so
        // are all other wishes that it ends. Blocked, not ignored: a child that is told to stop
        // before it is the program must find that waiting.
        let _ = nix::unistd::setsid();
        let mut mask = SigSet::empty();
        for blocked in [
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGCHLD,
        ] {
            mask.add(blocked);
        }
        mask.thread_block()?;
        nix::sys::prctl::set_child_subreaper(true)?;
        // Each job takes a few.
        let (descriptor_limit, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        let children = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;

        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, EVENT_SERVER))?;
        epoll.add(
            &children,
            EpollEvent::new(EpollFlags::EPOLLIN, EVENT_CHILDREN),
        )?;

        let mut buffer = Vec::new();
        let Some(settings) = first_packet(&epoll, socket.as_fd(), &mut buffer)? else {
            return Ok(None);
        };
        let cgroups = if settings.cgroups {
            CgroupBase::create()
                .inspect_err(|error| {
                    tracing::info!(%error, "no cgroups: a supervisor holds each program");
                })
                .ok()
        } else {
            None
        };
        let folders = Base::find(&settings.temp_dir)?;
        Ok(Some(Self {
            socket,
            epoll,
            children,
            folders,
            settings,
            cgroups,
            tty_group: Group::from_name("tty")
                .ok()
                .flatten()
                .map(|group| group.gid),
            identities: Identities::default(),
            jobs: HashMap::new(),
            pids: HashMap::new(),
            files: HashSet::new(),
            replies: VecDeque::new(),
            buffer,
            server_gone: false,
            descriptor_limit,
        }))
    }

    /// Waits for news and deals with it.
    fn turn(&mut self) -> std::io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let count = match self.epoll.wait(&mut events, self.next_deadline()) {
            Err(Errno::EINTR) => 0,
            result => result?,
        };
        for event in &events[..count] {
            let job = JobId(event.data() >> EVENT_BITS);
            match event.data() & ((1 << EVENT_BITS) - 1) {
                EVENT_SERVER => self.server_news(event.events())?,
                EVENT_CHILDREN => self.reap_children(),
                EVENT_STATUS => self.progress(job),
                _ => self.containment_news(job),
            }
        }
        self.keep_deadlines();
        Ok(())
    }

    fn server_news(&mut self, events: EpollFlags) -> std::io::Result<()> {
        if events.contains(EpollFlags::EPOLLOUT) {
            self.flush()?;
        }
        while !self.server_gone {
            match packet::receive::<Request>(self.socket.as_fd(), &mut self.buffer) {
                Ok(Some(packet)) => self.request(packet),
                Err(Errno::EAGAIN) => break,
                // The end, or something that our own server does not send: it is gone or broken.
                Ok(None) | Err(_) => self.lose_server(),
            }
        }
        Ok(())
    }

    fn request(&mut self, packet: Packet<Request>) {
        match packet.message {
            Request::Start {
                job,
                launch,
                terminal,
            } => {
                let code = packet.descriptors.into_iter().next();
                let result = if packet.incomplete {
                    Err(StartError::system("Taking the code over", Errno::EMFILE))
                } else {
                    self.start(job, launch, terminal, code)
                };
                if let Err(error) = result {
                    self.reply(&Reply::Failed { job, error }, Vec::new());
                }
            }
            Request::Stop { job } => self.stop(job, self.settings.grace),
            Request::Files { account } => {
                if let Some(socket) = packet.descriptors.into_iter().next() {
                    self.start_files(&account, socket);
                }
            }
            Request::Settings(_) => tracing::error!("settings came twice; the first ones stay"),
        }
    }

    fn start(
        &mut self,
        id: JobId,
        launch: Launch,
        terminal: Option<Terminal>,
        code: Option<OwnedFd>,
    ) -> Result<(), StartError> {
        check(id, &launch, &self.jobs)?;
        let identity = self
            .identities
            .get(&self.settings.accounts, &launch.account)?;
        let fail = |errno| StartError::system("Making the program's streams", errno);
        let (streams, mut descriptors) = match terminal {
            Some(size) => stdio::terminal(size, &identity, self.tty_group),
            None => stdio::pipes(launch.input),
        }
        .map_err(fail)?;
        let (status, theirs) = packet::pair().map_err(fail)?;
        let fail = |errno| StartError::system("Making the program's channels", errno);
        let (mut folder, mut sockets) = (None, Vec::new());
        if launch.channels {
            sockets = channels::sockets().map_err(fail)?;
            for socket in &sockets {
                descriptors.push(socket.try_clone().map_err(|_| fail(Errno::EMFILE))?);
            }
            folder = Some(Folder::make(&self.folders, &identity).map_err(fail)?);
        }
        let plan = Plan {
            launch: &launch,
            code,
            identity: &identity,
            streams,
            status: theirs,
            channels: folder.as_ref().map(|folder| (folder, sockets)),
            descriptor_limit: self.descriptor_limit,
        };
        let forked = match &self.cgroups {
            Some(base) => Containment::in_cgroup(base, id, &plan),
            None => Containment::under_supervisor(&plan),
        }
        .map_err(|errno| {
            if let Some(folder) = &folder {
                folder.remove(&self.folders, &identity);
            }
            StartError::system("Starting a process", errno)
        })?;

        let tag = |news: u64| (id.0 << EVENT_BITS) | news;
        let (news, urgent) = forked.containment.news();
        let flags = if urgent {
            EpollFlags::EPOLLPRI
        } else {
            EpollFlags::EPOLLIN
        };
        let watched = self
            .epoll
            .add(news, EpollEvent::new(flags, tag(EVENT_CONTAINMENT)))
            .and_then(|()| {
                let event = EpollEvent::new(EpollFlags::EPOLLIN, tag(EVENT_STATUS));
                self.epoll.add(&status, event)
            });
        if let Some(leader) = forked.leader {
            self.pids.insert(leader, (id, Role::Leader));
        }
        if let Containment::Supervisor { pid, .. } = forked.containment {
            self.pids.insert(pid, (id, Role::Supervisor));
        }
        let mut job = Job {
            containment: forked.containment,
            leader: forked.leader,
            identity,
            status: Some(status),
            descriptors,
            failure: None,
            exit_code: None,
            leftovers: Leftovers {
                code_folder: None,
                code_name: launch
                    .code
                    .filter(|code| !code.private)
                    .map(|code| code.name),
                temp_folder: launch.temp_folder,
                private_folder: None,
            },
            folder,
            hangup: launch.hangup,
            stopping: Stopping::No,
            unheard: None,
            told: Vec::new(),
        };
        if let Err(errno) = watched {
            // It is there, and its end is told by SIGCHLD and looked for again and again.
            job.failure = Some(StartError::system("Watching a process", errno));
            job.kill();
        }
        self.jobs.insert(id, job);
        Ok(())
    }

    /// Forks a process that becomes `account` and does what it is told through `socket`.
    fn start_files(&mut self, account: &str, socket: OwnedFd) {
        let started = self
            .identities
            .get(&self.settings.accounts, account)
            .and_then(|identity| match child::fork(None) {
                Ok(Some(pid)) => Ok(pid),
                Ok(None) => child::contained(|| {
                    let Ok(Some(socket)) = child::close_all_but(Some(&socket)) else {
                        return 1;
                    };
                    child::reset_signals();
                    if identity.become_user().is_err() {
                        return 1;
                    }
                    child::die_with_parent();
                    umask(Mode::from_bits_truncate(0o022));
                    crate::files::run(socket)
                }),
                Err(errno) => Err(StartError::system("Starting a process", errno)),
            });
        match started {
            Ok(pid) => {
                self.files.insert(pid);
            }
            Err(error) => {
                let answer = WorkerReply::<()>::Err(FilesError::Account(error));
                if let Some(bytes) = packet::encode(&answer) {
                    let _ = packet::send(socket.as_fd(), &bytes, &[]);
                }
            }
        }
    }

    /// The child has told something, or has become the program.
    pub(super) fn progress(&mut self, id: JobId) {
        loop {
            let Some(job) = self.jobs.get_mut(&id) else {
                return;
            };
            let Some(status) = &job.status else { return };
            match packet::receive::<Progress>(status.as_fd(), &mut self.buffer) {
                Ok(Some(packet)) => match packet.message {
                    Progress::Prepared if packet.incomplete => {
                        let error = StartError::system("Watching the code file", Errno::EMFILE);
                        job.failure = Some(error);
                        job.kill();
                    }
                    Progress::Prepared => {
                        job.leftovers.code_folder = packet.descriptors.into_iter().next();
                    }
                    Progress::Failed(error) => job.failure = Some(error),
                },
                Err(Errno::EAGAIN) => return,
                Ok(None) | Err(_) => {
                    let _ = self.epoll.delete(status);
                    job.status = None;
                    let descriptors = std::mem::take(&mut job.descriptors);
                    let folder = job.folder.as_ref().map(|folder| folder.path().to_owned());
                    if job.failure.is_none() {
                        self.reply(&Reply::Started { job: id, folder }, descriptors);
                    }
                    return;
                }
            }
        }
    }

    fn containment_news(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get(&id) {
            job.containment.heard();
        }
        while let Some(job) = self.jobs.get_mut(&id) {
            let Containment::Supervisor { control, .. } = &job.containment else {
                break;
            };
            match packet::receive::<Supervised>(control.as_fd(), &mut self.buffer) {
                Ok(Some(packet)) => match packet.message {
                    Supervised::Leader(pid) => {
                        let leader = Pid::from_raw(pid);
                        job.leader = Some(leader);
                        if let Some(grace) = job.unheard.take() {
                            terminate(leader);
                            if let Stopping::Asked { kill_at, .. } = &mut job.stopping {
                                *kill_at = Instant::now() + grace;
                            }
                        }
                    }
                    Supervised::Exited(code) => self.leader_exited(id, code),
                },
                Err(Errno::EAGAIN) => break,
                Ok(None) | Err(_) => {
                    // Its exit comes as SIGCHLD; until then the closed socket would wake us
                    // forever.
                    let _ = self.epoll.delete(control);
                    break;
                }
            }
        }
        self.end_if_over(id);
    }

    fn reap_children(&mut self) {
        while let Ok(Some(_)) = self.children.read_signal() {}
        while let Ok(Some((pid, code))) = reap(false) {
            let Some(code) = code else { continue };
            match self.pids.remove(&pid) {
                Some((id, Role::Leader)) => {
                    self.leader_exited(id, code);
                    self.end_if_over(id);
                }
                Some((id, Role::Supervisor)) => {
                    // What it told before it ended comes first.
                    self.containment_news(id);
                    if code != 0 {
                        kill_strays(|pid| {
                            self.pids.contains_key(&pid) || self.files.contains(&pid)
                        });
                    }
                    if let Some(job) = self.jobs.get_mut(&id)
                        && let Containment::Supervisor { gone, .. } = &mut job.containment
                    {
                        *gone = true;
                        if job.exit_code.is_none() {
                            self.leader_exited(id, code);
                        }
                        self.end_if_over(id);
                    }
                }
                Some((id, Role::Cleaner)) => {
                    if let (true, Some(job)) = (code != 0, self.jobs.get(&id)) {
                        tracing::warn!(left = ?job.leftovers, "files of a program stay behind");
                    }
                    self.finish(id);
                }
                None => {
                    self.files.remove(&pid);
                }
            }
        }
    }

    fn lose_server(&mut self) {
        self.server_gone = true;
        self.replies.clear();
        let _ = self.epoll.delete(&self.socket);
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in jobs {
            self.stop(job, ORPHANED_STOP_GRACE.min(self.settings.grace));
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply, descriptors: Vec<OwnedFd>) {
        if self.server_gone {
            return;
        }
        if let Some(bytes) = packet::encode(reply) {
            self.replies.push_back((bytes, descriptors));
        }
        if let Err(error) = self.flush() {
            tracing::error!(%error, "the server cannot be told");
        }
    }

    /// Sends what the socket takes, and asks to be woken for the rest.
    fn flush(&mut self) -> nix::Result<()> {
        while let Some((bytes, descriptors)) = self.replies.front() {
            match packet::send(self.socket.as_fd(), bytes, descriptors) {
                Ok(()) => {
                    self.replies.pop_front();
                }
                Err(Errno::EAGAIN) => break,
                Err(_) => {
                    self.lose_server();
                    return Ok(());
                }
            }
        }
        let mut flags = EpollFlags::EPOLLIN;
        flags.set(EpollFlags::EPOLLOUT, !self.replies.is_empty());
        self.epoll
            .modify(&self.socket, &mut EpollEvent::new(flags, EVENT_SERVER))
    }
}

/// What our own server never gets wrong. One that was taken over must not get further by it.
fn check(id: JobId, launch: &Launch, jobs: &HashMap<JobId, Job>) -> Result<(), StartError> {
    let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
    let good = id.0 > 0
        && id.0 < 1 << (u64::BITS - EVENT_BITS)
        && !jobs.contains_key(&id)
        && launch.code.as_ref().is_none_or(|code| plain(&code.name));
    if good {
        Ok(())
    } else {
        Err(StartError::system(
            "Understanding the server",
            Errno::EINVAL,
        ))
    }
}

/// Waits for the settings, which are the first packet.
fn first_packet(
    epoll: &Epoll,
    socket: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<SpawnerSettings>> {
    loop {
        match packet::receive::<Request>(socket, buffer) {
            Ok(Some(Packet {
                message: Request::Settings(settings),
                ..
            })) => return Ok(Some(settings)),
            Ok(None) => return Ok(None),
            Err(Errno::EAGAIN) => {
                let _ = epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::NONE);
            }
            Err(errno) => return Err(errno.into()),
            Ok(Some(_)) => return Err(std::io::Error::other("the first packet was no settings")),
        }
    }
}

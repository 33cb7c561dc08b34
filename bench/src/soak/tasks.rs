//! Hundreds of clients on one thread: each is a future that waits for its socket or for a time, and
//! nothing else. What waits does not cost anything, and no client runs while another one does, so
//! what they count needs no lock.

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How long nothing may happen before the caller of [`Tasks::turn`] is asked again.
const EPOLL_WAIT_MAX: Duration = Duration::from_millis(200);

/// What the running task and its waits tell each other.
struct Reactor {
    epoll: Epoll,
    /// The task that runs now.
    current: u64,
    /// It runs because its descriptor had something.
    woken: bool,
    /// When it wants to run again whatever happens.
    until: Instant,
}

thread_local! {
    static REACTOR: RefCell<Option<Reactor>> = const { RefCell::new(None) };
}

/// Says what is expected of every wait: that it happens in a task.
const WAIT_OUTSIDE_TASK_MESSAGE: &str = "a wait outside of a task";

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    until: Instant,
}

/// The clients that run.
pub(super) struct Tasks {
    tasks: BTreeMap<u64, Task>,
    next: u64,
    found: Vec<EpollEvent>,
}

impl Tasks {
    /// None yet. One value of this type for each thread.
    pub(super) fn new() -> nix::Result<Self> {
        let reactor = Reactor {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            current: 0,
            woken: false,
            until: Instant::now(),
        };
        REACTOR.set(Some(reactor));
        Ok(Self {
            tasks: BTreeMap::new(),
            next: 0,
            found: vec![EpollEvent::empty(); 64],
        })
    }

    /// Adds one, which first runs in the next turn.
    pub(super) fn add(&mut self, future: impl Future<Output = ()> + 'static) {
        // Numbers are not used twice: a descriptor may still tell of a task that is over.
        self.next += 1;
        let task = Task {
            future: Box::pin(future),
            until: Instant::now(),
        };
        self.tasks.insert(self.next, task);
    }

    /// How many are not over.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Gives up those that are not over.
    pub(super) fn clear(&mut self) {
        self.tasks.clear();
    }

    /// Waits until there is something to do for one of them, not for long, and does it.
    pub(super) fn turn(&mut self) -> nix::Result<()> {
        let now = Instant::now();
        let first = self.tasks.values().map(|task| task.until).min();
        let wait = first.map_or(EPOLL_WAIT_MAX, |first| {
            first.saturating_duration_since(now).min(EPOLL_WAIT_MAX)
        });
        // Rounded up: else the last millisecond of a wait is spent asking.
        let wait =
            EpollTimeout::try_from(wait + Duration::from_micros(999)).unwrap_or(EpollTimeout::ZERO);
        let found = &mut self.found;
        let ready: Vec<u64> = REACTOR.with_borrow(|reactor| {
            let epoll = &reactor.as_ref().expect(WAIT_OUTSIDE_TASK_MESSAGE).epoll;
            match epoll.wait(found, wait) {
                Ok(count) => Ok(found[..count].iter().map(EpollEvent::data).collect()),
                // A signal; who waits for one looks after each turn.
                Err(Errno::EINTR) => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        })?;
        let now = Instant::now();
        let late: Vec<u64> = self
            .tasks
            .iter()
            .filter(|(number, task)| task.until <= now && !ready.contains(number))
            .map(|(number, _)| *number)
            .collect();
        for number in ready {
            self.run(number, true);
        }
        for number in late {
            self.run(number, false);
        }
        Ok(())
    }

    fn run(&mut self, number: u64, woken: bool) {
        let Some(task) = self.tasks.get_mut(&number) else {
            return;
        };
        REACTOR.with_borrow_mut(|reactor| {
            let reactor = reactor.as_mut().expect(WAIT_OUTSIDE_TASK_MESSAGE);
            reactor.current = number;
            reactor.woken = woken;
        });
        let poll = task
            .future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if poll.is_ready() {
            self.tasks.remove(&number);
        } else {
            task.until = REACTOR
                .with_borrow(|reactor| reactor.as_ref().expect(WAIT_OUTSIDE_TASK_MESSAGE).until);
        }
    }
}

/// A wait; see [`ready`] and [`until`].
struct Wait<'a> {
    source: Option<(BorrowedFd<'a>, EpollFlags)>,
    until: Instant,
    asked: bool,
}

impl Future for Wait<'_> {
    type Output = nix::Result<bool>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        REACTOR.with_borrow_mut(|reactor| {
            let reactor = reactor.as_mut().expect(WAIT_OUTSIDE_TASK_MESSAGE);
            if self.asked && self.source.is_some() && reactor.woken {
                return Poll::Ready(Ok(true));
            }
            if Instant::now() >= self.until {
                return Poll::Ready(Ok(false));
            }
            if let Some((source, flags)) = self.source
                && !self.asked
            {
                // Told once: a client that does not read for a while must not be told all the time
                // that it could.
                let flags = flags | EpollFlags::EPOLLONESHOT;
                let mut event = EpollEvent::new(flags, reactor.current);
                let asked = match reactor.epoll.modify(source, &mut event) {
                    Err(Errno::ENOENT) => reactor.epoll.add(source, event),
                    result => result,
                };
                if let Err(error) = asked {
                    return Poll::Ready(Err(error));
                }
            }
            self.asked = true;
            reactor.until = self.until;
            Poll::Pending
        })
    }
}

/// Waits until there may be something to read (with `writing`: or room to write). False when it is
/// too late.
pub(super) async fn ready(source: impl AsFd, writing: bool, until: Instant) -> nix::Result<bool> {
    let mut flags = EpollFlags::EPOLLIN;
    flags.set(EpollFlags::EPOLLOUT, writing);
    Wait {
        source: Some((source.as_fd(), flags)),
        until,
        asked: false,
    }
    .await
}

/// Waits for a time.
pub(super) async fn until(time: Instant) {
    let wait = Wait {
        source: None,
        until: time,
        asked: false,
    };
    // Only a descriptor could make it fail.
    let _ = wait.await;
}

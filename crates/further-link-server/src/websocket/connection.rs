//! One WebSocket connection, whatever is spoken on it: reading and writing that never wait for each
//! other, signs of life, and a proper end.

use crate::App;
use crate::websocket::frames::Frames;
use crate::websocket::send_window::{Bounds, Window};
use crate::websocket::{self as ws, Ending, Incoming, Reader, Received, Writer};
use bytes::Bytes;
use std::convert::Infallible;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Bytes that are gathered for one write while the socket is busy.
pub(crate) const BATCH: usize = 32 * 1024;
/// Bytes after which it is the turn of other clients.
const MUCH: usize = 16 * 1024;
/// How long a client gets to take what was already being sent, before the connection is closed.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Shortest time between two looks at a quiet client.
const SHORTEST_WATCH: Duration = Duration::from_millis(100);
/// What may be on its way to a client.
const WINDOW: Bounds = Bounds {
    // Two frames of output.
    least: 32 * 1024,
    // What a local network needs, and a modem can bear.
    first: 64 * 1024,
    // 80 ms of 50 MB/s.
    most: 4 * 1024 * 1024,
    untold: 0,
    // Ctrl-C is to stop what one sees within 2 ms. A quick client has taken 64 KiB by then.
    slack: Duration::from_millis(1),
};
/// Bytes behind which the first ping comes: the very first ones. Nothing waits before it, so it tells how
/// long the way is.
const FIRST_MARK: u64 = 1;
/// How long a client that has filled the window may take for its first pong. One that does not answer
/// pings, against RFC 6455 section 5.5.2, is then served without a window.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

/// What is spoken on a connection.
pub(crate) trait Conversation: Sync {
    /// Deals with one message. While this waits, no further one is read.
    fn received(&self, message: Received) -> impl Future<Output = ()> + Send;

    /// Appends frames that are to be sent next, about [`BATCH`] bytes. Returns whether there are any;
    /// if not, `wake` of [`carry`] is notified when there may be some.
    fn gather(&self, out: &mut Frames, allowance: Allowance) -> bool;

    /// The client acknowledges output itself: what is on its way of that is the conversation's business. It tells
    /// the frames about the rest ([`Frames::count_beside`]).
    fn is_acknowledged(&self) -> bool {
        false
    }

    /// Asked when there is nothing to send: whether all has been said, and with which code and reason the client is told
    /// so.
    fn finished(&self) -> Option<(u16, &'static str)> {
        None
    }

    /// The client is gone or about to be told to go: whatever runs for it has to stop.
    fn over(&self);
}

/// What a conversation may send. Answers may be sent whatever it says; they are few.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Bytes of output; of what the client does not acknowledge itself, if it does so.
    pub(crate) room: usize,
    /// Bytes that may be on their way to this client, which says how quick it is.
    pub(crate) window: usize,
}

/// Carries `conversation` until the connection ends. `beside` goes on as long as it does.
pub(crate) async fn carry(
    app: &App,
    conversation: &impl Conversation,
    wake: &Notify,
    beside: impl Future<Output = Infallible>,
    (mut reader, mut writer): (Reader, Writer),
) {
    let connection = Connection {
        wake,
        signs: SignsOfLife(Mutex::new(Instant::now())),
        control: Mutex::default(),
        flow: Mutex::new(Flow::new()),
        // Before it is given up for saying nothing.
        first_answer: FIRST_ANSWER.min(app.settings.limits.pong_timeout / 3),
    };
    app.metrics.clients.inc();
    // Outlives the loop, so that a frame that was begun is finished before the last one.
    let mut sending = writer.frames();
    let mut ending = app.ending.clone();
    let goodbye = tokio::select! {
        goodbye = connection.receive(&mut reader, conversation) => goodbye,
        sent = connection.send(&mut writer, &mut sending, conversation) => match sent {
            Ok((code, reason)) => Goodbye::Close(Some(code), reason),
            Err(_) => Goodbye::Nobody,
        },
        () = connection.watch_over(app.settings.limits.pong_timeout) =>
            Goodbye::Close(Some(ws::NO_ANSWER), "no sign of life"),
        _ = ending.wait_for(|ending| *ending) =>
            Goodbye::Close(Some(ws::GOING_AWAY), "the server is stopping"),
        never = beside => match never {},
    };
    // A robot whose page is closed must not drive on; first this, then manners.
    conversation.over();
    if let Goodbye::Close(code, reason) = goodbye {
        sending.close(code, reason);
        // Apart from the rest, which waits for this end for hours.
        let last_words = Box::pin(async {
            connection.write(&mut writer, &mut sending).await?;
            writer.shut_down().await?;
            reader.discard().await;
            io::Result::Ok(())
        });
        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
    }
    app.metrics.clients.dec();
}

struct Connection<'a> {
    wake: &'a Notify,
    signs: SignsOfLife,
    control: Mutex<ControlFrames>,
    flow: Mutex<Flow>,
    first_answer: Duration,
}

/// What is on its way to the client. Pings among the frames show when it has read them, so this works with
/// every client.
struct Flow {
    window: Window,
    /// Bytes before the last ping that asked.
    marked: u64,
    /// The client has answered one.
    answered: bool,
    /// Since when the client has not, while there is no room.
    stuck_since: Option<Instant>,
}

impl Flow {
    fn new() -> Self {
        Self {
            window: Window::new(WINDOW),
            marked: 0,
            answered: false,
            stuck_since: None,
        }
    }

    /// How long a client that has never answered has been waited for.
    fn stuck_for(&mut self, room: usize) -> Option<Duration> {
        if room > 0 || self.answered {
            self.stuck_since = None;
            return None;
        }
        Some(self.stuck_since.get_or_insert_with(Instant::now).elapsed())
    }

    /// Counts `frames`, and puts a ping behind them if it is time for one.
    fn count(&mut self, frames: &mut Frames, acknowledged: bool) {
        self.window.add(match acknowledged {
            true => frames.beside(),
            false => frames.weight(),
        });
        let sent = self.window.sent();
        let every = match self.marked {
            _ if self.window.is_unlimited() => return,
            0 => FIRST_MARK,
            _ => self.window.size() as u64 / 4,
        };
        if sent - self.marked >= every {
            self.marked = sent;
            frames.ping(&sent.to_be_bytes());
            self.window.mark(Instant::now());
        }
    }
}

/// Frames of the WebSocket protocol itself that are to be sent.
#[derive(Default)]
struct ControlFrames {
    ping: bool,
    /// Only the last ping has to be answered (RFC 6455 section 5.5.3), so this needs no queue.
    pong: Option<Bytes>,
}

/// How a connection ended, and what the client is told.
enum Goodbye {
    /// It is not there any more.
    Nobody,
    Close(Option<u16>, &'static str),
}

/// When the client was last heard of.
struct SignsOfLife(Mutex<Instant>);

impl SignsOfLife {
    fn seen(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn quiet_for(&self) -> Duration {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.elapsed()
    }
}

impl Connection<'_> {
    fn control(&self) -> MutexGuard<'_, ControlFrames> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pings a quiet client, and completes when it has been quiet for `timeout`. A sign of life is a
    /// frame from the client, or that it took bytes for which there had been no room.
    async fn watch_over(&self, timeout: Duration) {
        let interval = (timeout / 3).max(SHORTEST_WATCH);
        loop {
            tokio::time::sleep(interval).await;
            let quiet = self.signs.quiet_for();
            if quiet >= timeout {
                return;
            }
            if quiet >= interval {
                self.control().ping = true;
                self.wake.notify_one();
            }
        }
    }

    async fn receive(&self, reader: &mut Reader, conversation: &impl Conversation) -> Goodbye {
        let mut work = 0;
        loop {
            let incoming = match reader.next().await {
                Ok(incoming) => incoming,
                Err(Ending::Lost) => return Goodbye::Nobody,
                Err(Ending::Broken(code, reason)) => return Goodbye::Close(Some(code), reason),
            };
            self.signs.seen();
            match incoming {
                Incoming::Message(message) => {
                    work += message.weight();
                    conversation.received(message).await;
                    if work >= MUCH {
                        // Others first, as in `send`: compressed, this may have been little to read.
                        work = 0;
                        tokio::task::yield_now().await;
                    }
                }
                Incoming::Ping(payload) => {
                    self.control().pong = Some(payload);
                    self.wake.notify_one();
                }
                Incoming::Pong(payload) => self.answered(&payload),
                Incoming::Close(code) => return Goodbye::Close(code, ""),
            }
        }
    }

    /// The answer to a ping: if it was one that asked what has arrived, there may be room for more.
    fn answered(&self, payload: &[u8]) {
        let Ok(offset) = payload.try_into().map(u64::from_be_bytes) else {
            return;
        };
        let mut flow = self.flow();
        if flow.window.arrived(offset, Instant::now()) {
            flow.answered |= offset > 0;
            self.wake.notify_one();
        }
    }

    /// Sends what there is, for as long as it can be sent and there is more to come. Returns the code and the reason of
    /// the end.
    async fn send(
        &self,
        writer: &mut Writer,
        sending: &mut Frames,
        conversation: &impl Conversation,
    ) -> io::Result<(u16, &'static str)> {
        loop {
            let control = self.gather_control(sending);
            let allowance = {
                let window = &mut self.flow().window;
                Allowance {
                    room: window.room(),
                    window: window.size(),
                }
            };
            if conversation.gather(sending, allowance) || control {
                self.flow().count(sending, conversation.is_acknowledged());
                let much = sending.weight() >= MUCH;
                self.write(writer, sending).await?;
                if much {
                    // Others first: a key of another client has waited for long enough.
                    tokio::task::yield_now().await;
                }
            } else if let Some(end) = conversation.finished() {
                return Ok(end);
            } else {
                sending.rest_now();
                let stuck = self.flow().stuck_for(allowance.room);
                let rest = self.first_answer.saturating_sub(stuck.unwrap_or_default());
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(rest), if stuck.is_some() => {
                        self.flow().window.give_up();
                    }
                    () = sending.idle() => {}
                }
            }
        }
    }

    fn gather_control(&self, out: &mut Frames) -> bool {
        let ControlFrames { ping, pong } = std::mem::take(&mut *self.control());
        if ping {
            // It says what has arrived like the others: a client may answer the last of several alone.
            out.ping(&self.flow().window.sent().to_be_bytes());
        }
        if let Some(payload) = &pong {
            out.pong(payload);
        }
        ping || pong.is_some()
    }

    async fn write(&self, writer: &mut Writer, frames: &mut Frames) -> io::Result<()> {
        while !frames.rest().is_empty() {
            let count = writer.write(frames.rest(), || self.signs.seen()).await?;
            frames.advance(count);
        }
        frames.clear();
        writer.flush(|| self.signs.seen()).await
    }
}

//! One WebSocket connection, whatever is spoken on it: reading and writing that never wait for each
//! other, signs of life, and a proper end.

use crate::App;
use crate::transport::websocket::{self as ws, Ending, Incoming, Reader, Writer};
use bytes::Bytes;
use std::convert::Infallible;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Bytes that are gathered for one write while the socket is busy.
pub(crate) const BATCH: usize = 64 * 1024;
/// How long a client gets to take what was already being sent, before the connection is closed.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Shortest time between two looks at a quiet client.
const SHORTEST_WATCH: Duration = Duration::from_millis(100);

/// What is spoken on a connection.
pub(crate) trait Conversation: Sync {
    /// Deals with one message. While this waits, no further one is read.
    fn received(&self, message: Bytes) -> impl Future<Output = ()> + Send;

    /// Appends frames that are to be sent next, about [`BATCH`] bytes. Returns whether there are any;
    /// if not, `wake` of [`carry`] is notified when there may be some.
    fn gather(&self, out: &mut Vec<u8>, scratch: &mut String) -> bool;

    /// The client is gone or about to be told to go: whatever runs for it has to stop.
    fn over(&self);
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
        frames: Mutex::default(),
    };
    app.metrics.clients.inc();
    // Outlives the loop, so that a frame that was begun is finished before the last one.
    let mut sending = Sending::default();
    let mut ending = app.ending.clone();
    let goodbye = tokio::select! {
        goodbye = connection.receive(&mut reader, conversation) => goodbye,
        _ = connection.send(&mut writer, &mut sending, conversation) => Goodbye::Nobody,
        () = connection.watch_over(app.settings.limits.pong_timeout) =>
            Goodbye::Close(Some(ws::NO_ANSWER), "no sign of life"),
        _ = ending.wait_for(|ending| *ending) =>
            Goodbye::Close(Some(ws::GOING_AWAY), "the server is stopping"),
        never = beside => match never {},
    };
    // A robot whose page is closed must not drive on; first this, then manners.
    conversation.over();
    if let Goodbye::Close(code, reason) = goodbye {
        ws::close_frame(&mut sending.bytes, code, reason);
        let last_words = async {
            sending.write(&mut writer, &connection.signs).await?;
            writer.shut_down().await?;
            reader.discard().await;
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
    }
    app.metrics.clients.dec();
}

struct Connection<'a> {
    wake: &'a Notify,
    signs: SignsOfLife,
    frames: Mutex<ControlFrames>,
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
    fn frames(&self) -> MutexGuard<'_, ControlFrames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
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
                self.frames().ping = true;
                self.wake.notify_one();
            }
        }
    }

    async fn receive(&self, reader: &mut Reader, conversation: &impl Conversation) -> Goodbye {
        loop {
            let incoming = match reader.next().await {
                Ok(incoming) => incoming,
                Err(Ending::Lost) => return Goodbye::Nobody,
                Err(Ending::Broken(code, reason)) => return Goodbye::Close(Some(code), reason),
            };
            self.signs.seen();
            match incoming {
                Incoming::Message(message) => conversation.received(message).await,
                Incoming::Ping(payload) => {
                    self.frames().pong = Some(payload);
                    self.wake.notify_one();
                }
                Incoming::Pong => {}
                Incoming::Close(code) => return Goodbye::Close(code, ""),
            }
        }
    }

    /// Sends what there is, for as long as it can be sent.
    async fn send(
        &self,
        writer: &mut Writer,
        sending: &mut Sending,
        conversation: &impl Conversation,
    ) -> io::Result<Infallible> {
        loop {
            let control = self.gather(&mut sending.bytes);
            if conversation.gather(&mut sending.bytes, &mut sending.scratch) || control {
                sending.write(writer, &self.signs).await?;
            } else {
                self.wake.notified().await;
            }
        }
    }

    fn gather(&self, out: &mut Vec<u8>) -> bool {
        let ControlFrames { ping, pong } = std::mem::take(&mut *self.frames());
        if ping {
            ws::ping_frame(out);
        }
        if let Some(payload) = &pong {
            ws::pong_frame(out, payload);
        }
        ping || pong.is_some()
    }
}

/// Bytes on their way to a client.
#[derive(Default)]
struct Sending {
    bytes: Vec<u8>,
    scratch: String,
    /// How many of `bytes` are already written.
    done: usize,
}

impl Sending {
    async fn write(&mut self, writer: &mut Writer, signs: &SignsOfLife) -> io::Result<()> {
        while self.done < self.bytes.len() {
            self.done += writer
                .write(&self.bytes[self.done..], || signs.seen())
                .await?;
        }
        self.done = 0;
        self.bytes.clear();
        // What a flood or a large answer has needed is not kept for a prompt.
        self.bytes.shrink_to(2 * BATCH);
        self.scratch.clear();
        self.scratch.shrink_to(BATCH);
        writer.flush().await
    }
}

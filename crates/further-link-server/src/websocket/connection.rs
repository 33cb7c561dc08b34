//! One WebSocket connection, whatever is spoken on it: reading and writing that never wait for each
//! other, heartbeat, flow control, and a proper close.

use super::frames::Frames;
use super::heartbeat::Heartbeat;
use super::reader::{Incoming, ReadError, Reader, Received};
use super::send_window::{SendWindow, SendWindowLimits};
use super::writer::Writer;
use crate::app::App;
use bytes::Bytes;
use further_link_protocol::CloseCode;
use std::convert::Infallible;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Bytes that are gathered for one write while the socket is busy (batching).
pub(crate) const WRITE_BATCH_BYTES: usize = 32 * 1024;
/// Bytes after which a connection yields to others.
const TURN_MAX_BYTES: usize = 16 * 1024;
/// How long a client gets to take what was already being sent, before the socket is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How much may be in flight to a client.
const SEND_WINDOW_LIMITS: SendWindowLimits = SendWindowLimits {
    // Two frames of output.
    min_bytes: 32 * 1024,
    // What a local network needs, and a modem can bear.
    initial_bytes: 64 * 1024,
    // 80 ms of 50 MB/s.
    max_bytes: 4 * 1024 * 1024,
    ack_interval_bytes: 0,
    // Ctrl-C is to stop what one sees within 2 ms. A quick client has taken 64 KiB by then.
    queueing_delay: Duration::from_millis(1),
};
/// Bytes after which the first ping is sent: the very first ones. Nothing waits before it, so it
/// measures the round trip.
const FIRST_PING_OFFSET: u64 = 1;
/// How long a client that has filled the window may take for its first pong. One that does not
/// answer pings, against RFC 6455 section 5.5.2, is then served without a window.
const FIRST_PONG_TIMEOUT: Duration = Duration::from_secs(2);

/// What is spoken on a connection: a dialect with its state.
pub(crate) trait Handler: Sync {
    /// Handles one message. While this waits, no further one is read.
    fn receive(&self, message: Received) -> impl Future<Output = ()> + Send;

    /// Appends the frames that are to be sent next, about [`WRITE_BATCH_BYTES`]. Returns whether
    /// there are any; if not, `wake` of [`run`] is notified when there may be some.
    fn fill(&self, out: &mut Frames, credit: SendCredit) -> bool;

    /// Returns whether the client acknowledges output itself. Then the handler keeps account of
    /// what is in flight of that, and tells the frames about the rest
    /// ([`Frames::count_out_of_band`]).
    fn is_acknowledged(&self) -> bool {
        false
    }

    /// Asked when there is nothing to send: returns why the connection is to be closed, if all was
    /// sent.
    fn close_reason(&self) -> Option<(CloseCode, &'static str)> {
        None
    }

    /// Stops whatever runs for the client, which is gone or about to be told to go.
    fn on_close(&self);
}

/// How much a handler may send now (flow control). Answers may be sent regardless; they are few.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendCredit {
    /// Bytes of output; if the client acknowledges output itself, bytes of everything else.
    pub(crate) bytes: usize,
    /// Bytes that may be in flight to this client: a measure of how quick it is.
    pub(crate) window: usize,
}

/// Runs a connection until it ends, and `background` for as long.
pub(crate) async fn run(
    app: &App,
    handler: &impl Handler,
    wake: &Notify,
    background: impl Future<Output = Infallible>,
    (mut reader, mut writer): (Reader, Writer),
) {
    let connection = Connection {
        wake,
        heartbeat: Heartbeat::new(),
        control: Mutex::default(),
        flow: Mutex::new(FlowControl::new()),
        // Before the heartbeat times out.
        first_pong_timeout: FIRST_PONG_TIMEOUT.min(app.settings.limits.pong_timeout / 3),
    };
    app.metrics.clients.inc();
    // Outlives the loop, so that a frame that was begun is finished before the close frame.
    let mut sending = writer.frames();
    let mut stopping = app.stopping.clone();
    let end = tokio::select! {
        end = connection.receive(&mut reader, handler) => end,
        sent = connection.send(&mut writer, &mut sending, handler) => match sent {
            Ok((code, reason)) => End::Close(Some(code.code()), reason),
            Err(error) => {
                tracing::debug!(%error, "a WebSocket cannot be written");
                End::Disconnected
            }
        },
        () = connection.heartbeat_timed_out(app.settings.limits.pong_timeout) =>
            End::Close(Some(CloseCode::PolicyViolation.code()), "no sign of life"),
        _ = stopping.wait_for(|stopping| *stopping) =>
            End::Close(Some(CloseCode::GoingAway.code()), "the server is stopping"),
        never = background => match never {},
    };
    // A robot whose page is closed must not drive on: first this, then the closing handshake.
    handler.on_close();
    if let End::Close(code, reason) = end {
        sending.close(code, reason);
        // Boxed: the future of a connection waits for this end for hours.
        let close = Box::pin(async {
            connection.write(&mut writer, &mut sending).await?;
            writer.shut_down().await?;
            reader.discard().await;
            io::Result::Ok(())
        });
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, close).await;
    }
    app.metrics.clients.dec();
}

struct Connection<'a> {
    wake: &'a Notify,
    heartbeat: Heartbeat,
    control: Mutex<ControlFrames>,
    flow: Mutex<FlowControl>,
    first_pong_timeout: Duration,
}

/// Flow control: what is in flight to the client. Pings among the frames show when it has read
/// them, so this works with every client.
struct FlowControl {
    window: SendWindow,
    /// Offset of the last ping that measures.
    last_ping_offset: u64,
    /// The client has answered one.
    has_ponged: bool,
    /// Since when the window has been full without an answer.
    stalled_since: Option<Instant>,
}

impl FlowControl {
    fn new() -> Self {
        Self {
            window: SendWindow::new(SEND_WINDOW_LIMITS),
            last_ping_offset: 0,
            has_ponged: false,
            stalled_since: None,
        }
    }

    /// Returns how long a client that has never answered a ping has stalled the window.
    fn stalled_for(&mut self, available: usize) -> Option<Duration> {
        if available > 0 || self.has_ponged {
            self.stalled_since = None;
            return None;
        }
        Some(
            self.stalled_since
                .get_or_insert_with(Instant::now)
                .elapsed(),
        )
    }

    /// Counts `frames` as sent, and appends a ping if one is due.
    fn count(&mut self, frames: &mut Frames, is_acknowledged: bool) {
        self.window.add(match is_acknowledged {
            true => frames.out_of_band_bytes(),
            false => frames.uncompressed_bytes(),
        });
        let sent = self.window.sent();
        let ping_interval_bytes = match self.last_ping_offset {
            _ if self.window.is_unlimited() => return,
            0 => FIRST_PING_OFFSET,
            _ => self.window.size() as u64 / 4,
        };
        if sent - self.last_ping_offset >= ping_interval_bytes {
            self.last_ping_offset = sent;
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

/// How a connection ended.
enum End {
    /// The client is gone.
    Disconnected,
    /// It is sent this close code and reason.
    Close(Option<u16>, &'static str),
}

impl Connection<'_> {
    fn control(&self) -> MutexGuard<'_, ControlFrames> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flow(&self) -> MutexGuard<'_, FlowControl> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pings a quiet client, and completes when it has been quiet for `timeout`.
    async fn heartbeat_timed_out(&self, timeout: Duration) {
        let ping = || {
            self.control().ping = true;
            self.wake.notify_one();
        };
        self.heartbeat.timed_out(timeout, ping).await;
    }

    async fn receive(&self, reader: &mut Reader, handler: &impl Handler) -> End {
        let mut turn_bytes = 0;
        loop {
            let incoming = match reader.next().await {
                Ok(incoming) => incoming,
                Err(ReadError::Disconnected) => return End::Disconnected,
                Err(ReadError::Invalid(code, reason)) => {
                    return End::Close(Some(code.code()), reason);
                }
            };
            self.heartbeat.beat();
            match incoming {
                Incoming::Message(message) => {
                    turn_bytes += message.cost_bytes();
                    handler.receive(message).await;
                    if turn_bytes >= TURN_MAX_BYTES {
                        // Yields as in `send`: compressed, this may have been little to read.
                        turn_bytes = 0;
                        tokio::task::yield_now().await;
                    }
                }
                Incoming::Ping(payload) => {
                    self.control().pong = Some(payload);
                    self.wake.notify_one();
                }
                Incoming::Pong(payload) => self.receive_pong(&payload),
                Incoming::Close(code) => return End::Close(code, ""),
            }
        }
    }

    /// Takes a pong: if its ping measured what has arrived, there may be credit for more.
    fn receive_pong(&self, payload: &[u8]) {
        let Ok(offset) = payload.try_into().map(u64::from_be_bytes) else {
            return;
        };
        let mut flow = self.flow();
        if flow.window.acknowledge(offset, Instant::now()) {
            flow.has_ponged |= offset > 0;
            self.wake.notify_one();
        }
    }

    /// Sends what the handler has, until it closes the connection; returns why.
    async fn send(
        &self,
        writer: &mut Writer,
        sending: &mut Frames,
        handler: &impl Handler,
    ) -> io::Result<(CloseCode, &'static str)> {
        loop {
            let has_control = self.fill_control(sending);
            let credit = {
                let window = &mut self.flow().window;
                SendCredit {
                    bytes: window.available(),
                    window: window.size(),
                }
            };
            if handler.fill(sending, credit) || has_control {
                self.flow().count(sending, handler.is_acknowledged());
                let is_large = sending.uncompressed_bytes() >= TURN_MAX_BYTES;
                self.write(writer, sending).await?;
                if is_large {
                    // Yields: a key of another client has waited for long enough.
                    tokio::task::yield_now().await;
                }
            } else if let Some(end) = handler.close_reason() {
                return Ok(end);
            } else {
                sending.release_memory();
                let stalled = self.flow().stalled_for(credit.bytes);
                let rest = stalled.unwrap_or_default();
                let rest = self.first_pong_timeout.saturating_sub(rest);
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(rest), if stalled.is_some() => {
                        self.flow().window.lift();
                    }
                    () = sending.idle() => {}
                }
            }
        }
    }

    /// Appends pings and pongs that are due; returns whether there were any.
    fn fill_control(&self, out: &mut Frames) -> bool {
        let ControlFrames { ping, pong } = std::mem::take(&mut *self.control());
        if ping {
            // It measures like the others: a client may answer only the last of several.
            out.ping(&self.flow().window.sent().to_be_bytes());
        }
        if let Some(payload) = &pong {
            out.pong(payload);
        }
        ping || pong.is_some()
    }

    async fn write(&self, writer: &mut Writer, frames: &mut Frames) -> io::Result<()> {
        while !frames.pending().is_empty() {
            let count = writer
                .write(frames.pending(), || self.heartbeat.beat())
                .await?;
            frames.advance(count);
        }
        frames.clear();
        writer.flush(|| self.heartbeat.beat()).await
    }
}

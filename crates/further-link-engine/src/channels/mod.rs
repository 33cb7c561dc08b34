//! IO channels of a job: what a program exchanges with its client alongside its standard streams
//! (`docs/protocol.md` sections 6 and 11).
//!
//! A message of a program goes socket → [`connection`] (decodes it) → [`queue`] → the viewer's
//! encoder; an event of the client goes straight into the program's sockets. How each channel is
//! treated stands in [`CHANNELS`](further_link_protocol::channel::CHANNELS); nothing here goes by a
//! channel's name but keys, which only connections that listen are told of.
//!
//! This folder knows the log whose viewers it wakes, and no engine: what it needs of that is
//! [`ConnectLegacyListeners`].

mod accept;
mod connection;
mod legacy_keys;
mod queue;

pub(crate) use accept::serve;
pub(crate) use legacy_keys::{ConnectLegacyListeners, ConnectingListeners};
pub use queue::LatestMessage;

use crate::output_log::OutputLog;
use connection::{Connection, LARGE_MESSAGES_MAX};
use further_link_protocol::channel::{Delivery, ProgramMessage, ServerMessage};
use further_link_protocol::{Channel, ChannelEvent, ChannelMessage, Features};
use legacy_keys::LegacyKeys;
use queue::MessageQueue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore};

/// Bytes of events that wait for a program that does not read, after what its socket holds.
const EVENT_QUEUE_MAX_BYTES: usize = 64 * 1024;

/// An event that a program was not told of: it does not read, and its queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program does not take its events, and too many wait already")]
pub struct EventRefused;

/// The channels of one job.
#[derive(Debug)]
pub(crate) struct Channels {
    /// Whose viewers are woken when there is a message.
    log: Arc<OutputLog>,
    /// What the client knew when the program was started.
    features: Features,
    version: String,
    state: Mutex<State>,
    /// The queue has room for further lossless messages.
    room: Notify,
    /// Permits of connections that are in the middle of a large message.
    large_messages: Semaphore,
    legacy_keys: LegacyKeys,
}

#[derive(Debug, Default)]
struct State {
    queue: MessageQueue,
    connections: Vec<Arc<Connection>>,
}

impl Channels {
    /// Returns the channels of a job whose client knows `features`. `version` is the server's.
    pub(crate) fn new(
        log: Arc<OutputLog>,
        features: Features,
        version: String,
        legacy_listeners: Arc<dyn ConnectLegacyListeners>,
    ) -> Self {
        Self {
            log,
            features,
            version,
            state: Mutex::default(),
            room: Notify::new(),
            large_messages: Semaphore::new(LARGE_MESSAGES_MAX),
            legacy_keys: LegacyKeys::new(legacy_listeners),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells where the program's private folder is.
    pub(crate) fn set_dir(&self, dir: String) {
        self.legacy_keys.set_dir(dir);
    }

    /// Lets a client see what the program sends from now on.
    pub(crate) fn view(self: &Arc<Self>) -> ChannelView {
        self.state().queue.open();
        ChannelView {
            channels: Arc::clone(self),
        }
    }

    /// Sends the program an event of its client; a key goes to those connections that listen.
    ///
    /// # Errors
    /// [`EventRefused`] if a connection does not read and its queue is full. The others are told.
    pub(crate) fn send_event(&self, event: &ChannelEvent) -> Result<(), EventRefused> {
        match event {
            ChannelEvent::Key(key) => {
                let legacy = self.legacy_keys.send(key);
                legacy.and(self.send(event, Connection::listens_to_keys))
            }
            ChannelEvent::Json { .. } => self.send(event, Connection::is_channel_socket),
        }
    }

    fn send(
        &self,
        event: &ChannelEvent,
        is_recipient: impl Fn(&Connection) -> bool,
    ) -> Result<(), EventRefused> {
        let state = self.state();
        let mut recipients = state
            .connections
            .iter()
            .filter(|connection| is_recipient(connection))
            .peekable();
        if recipients.peek().is_none() {
            return Ok(());
        }
        let mut message = Vec::new();
        ServerMessage::Event(event).encode(&mut message);
        // All are told, also after one that refuses.
        let mut result = Ok(());
        for connection in recipients {
            result = result.and(connection.send(&message));
        }
        result
    }

    /// Takes a message of the program; waits while the queue is full of what must not be lost.
    async fn receive(&self, message: ProgramMessage, connection: &Connection) {
        let message = match message {
            ProgramMessage::Hello => return,
            ProgramMessage::Channel(message) => message,
        };
        let channel = message.channel();
        if channel == Channel::Keys {
            match connection.is_channel_socket() {
                true => connection.listen_to_keys(),
                false => self.legacy_keys.listen(),
            }
        }
        match channel.spec().delivery {
            Delivery::LatestOnly if message.memory_bytes() == 0 => {}
            Delivery::LatestOnly => {
                self.state().queue.push_latest(message);
                self.log.wake();
            }
            Delivery::Lossless if self.features.include(channel) => {
                self.push_lossless(message).await;
            }
            // The client does not know it.
            Delivery::Lossless => {}
        }
    }

    async fn push_lossless(&self, message: ChannelMessage) {
        let mut message = Some(message);
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            // Before trying: what happens from here on is not missed.
            room.as_mut().enable();
            message = self.state().queue.push_lossless(message);
            if message.is_none() {
                return self.log.wake();
            }
            room.await;
        }
    }
}

/// What a client sees of a job's channels. When it is dropped nothing waits for it any more.
#[derive(Debug)]
pub struct ChannelView {
    channels: Arc<Channels>,
}

impl ChannelView {
    /// Takes the next message that must not be lost.
    pub fn take_lossless(&self) -> Option<ChannelMessage> {
        let message = self.channels.state().queue.pop_lossless()?;
        self.channels.room.notify_waiters();
        Some(message)
    }

    /// Takes the oldest message that waits of those that may be dropped.
    pub fn take_latest(&self) -> Option<LatestMessage> {
        self.channels.state().queue.pop_latest()
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.channels.state().queue.is_empty()
    }
}

impl Drop for ChannelView {
    fn drop(&mut self) {
        self.channels.state().queue.close();
        self.channels.room.notify_waiters();
    }
}

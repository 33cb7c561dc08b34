//! IO channels: what a program says to its client beside its standard streams, and is told (`docs/protocol.md`
//! sections 6 and 11). Keys, figures, plots and widgets are lossless, and hold a program up that is too quick for its
//! client; of pictures the oldest are dropped.
//!
//! This file is what a job's client sees of them; `serve` accepts the program's connections, `connection` carries one,
//! `old_keys` tells programs with the older package about keys.

mod connection;
mod old_keys;
mod serve;

pub(crate) use serve::serve;

use crate::output_log::OutputLog;
use connection::{Connection, LARGE_MESSAGES};
use further_link_protocol::wire::channel::{FromProgram, ToProgram};
use further_link_protocol::{Feature, Features, Figure, KeyEvent};
use old_keys::OldKeys;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore};

/// Pictures that wait for the client, at the most: what comes in a hiccup of an eighth of a second.
const PICTURES: usize = 4;
/// Bytes of them, at the most; one is always kept.
const PICTURE_BYTES: usize = 16 << 20;
/// Other messages that wait for the client, at the most; then the program waits too.
const NOTICES: usize = 64;
/// Bytes of them, at the most; one is always kept.
const NOTICE_BYTES: usize = 2 << 20;
/// Bytes of events that wait for a program that does not read, behind what its socket holds.
const EVENTS_WAITING: usize = 64 * 1024;

/// Something that a program has said and that its client must not miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It wants to be told of this key.
    KeyListen(String),
    /// A figure has changed or is gone.
    Figure(Figure),
    /// Points for a plot, a JSON object on one line.
    Plot(String),
    /// A widget, a JSON object on one line.
    Widget(String),
}

impl Notice {
    fn bytes(&self) -> usize {
        match self {
            Self::KeyListen(text) | Self::Plot(text) | Self::Widget(text) => text.len(),
            Self::Figure(figure) => figure.image.len() + figure.title.len() + figure.id.len(),
        }
    }

    /// Whether a client that knows `features` is sent this.
    fn is_for(&self, features: Features) -> bool {
        match self {
            Self::KeyListen(_) => true,
            Self::Figure(_) => features.has(Feature::Figure),
            Self::Plot(_) => features.has(Feature::Plot),
            Self::Widget(_) => features.has(Feature::Widget),
        }
    }
}

/// One picture of a program's video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// A JPEG file.
    pub jpeg: Vec<u8>,
    /// How many the program had shown before.
    pub number: u64,
}

/// An event that a program was not told of: it does not read, and as many wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program does not take its events, and too many wait already")]
pub struct EventRefused;

/// The channels of one job.
#[derive(Debug)]
pub(crate) struct Channels {
    /// Whose viewers are told that there is something.
    log: Arc<OutputLog>,
    /// What the client knew when the program was started.
    features: Features,
    version: String,
    state: Mutex<State>,
    /// There is room for further notices.
    room: Notify,
    /// Places for connections that are in the middle of a large message.
    large: Semaphore,
    old_keys: OldKeys,
}

#[derive(Debug, Default)]
struct State {
    /// There is a client. Without one nothing waits.
    viewed: bool,
    notices: VecDeque<Notice>,
    notice_bytes: usize,
    pictures: VecDeque<Picture>,
    picture_bytes: usize,
    /// Pictures that the program has shown.
    shown: u64,
    connections: Vec<Arc<Connection>>,
}

pub(crate) use old_keys::User;

impl Channels {
    pub(crate) fn new(
        log: Arc<OutputLog>,
        features: Features,
        version: String,
        user: User,
    ) -> Self {
        Self {
            log,
            features,
            version,
            state: Mutex::default(),
            room: Notify::new(),
            large: Semaphore::new(LARGE_MESSAGES),
            old_keys: OldKeys::new(user),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells where the program's private folder is.
    pub(crate) fn set_folder(&self, folder: String) {
        self.old_keys.set_folder(folder);
    }

    /// Lets a client see what the program says from now on.
    pub(crate) fn view(self: &Arc<Self>) -> ChannelView {
        self.state().viewed = true;
        ChannelView {
            channels: Arc::clone(self),
        }
    }

    /// Tells the program of a key, if it listens to any.
    pub(crate) fn key(&self, event: &KeyEvent) -> Result<(), EventRefused> {
        let old = self.old_keys.send(event);
        let new = self.send(&ToProgram::Key(event), |connection| {
            connection.listens_to_keys()
        });
        old.and(new)
    }

    /// Tells the program of what happened to a figure or a widget.
    pub(crate) fn event(&self, event: &ToProgram<'_>) -> Result<(), EventRefused> {
        self.send(event, |connection| connection.is_new())
    }

    fn send(
        &self,
        event: &ToProgram<'_>,
        whom: impl Fn(&Connection) -> bool,
    ) -> Result<(), EventRefused> {
        let state = self.state();
        let mut listeners = state
            .connections
            .iter()
            .filter(|connection| whom(connection))
            .peekable();
        if listeners.peek().is_none() {
            return Ok(());
        }
        let mut message = Vec::new();
        event.encode(&mut message);
        // All are told, also behind one that refuses.
        let mut result = Ok(());
        for connection in listeners {
            result = result.and(connection.send(&message));
        }
        result
    }

    /// Takes a message of the program; waits while the client does not take what it was told before.
    async fn take(&self, message: FromProgram, connection: &Connection) {
        let notice = match message {
            FromProgram::Hello => return,
            // One without bytes is none.
            FromProgram::Video(jpeg) if jpeg.is_empty() => return,
            FromProgram::Video(jpeg) => return self.take_picture(jpeg),
            FromProgram::KeyListen(key) => {
                match connection.is_new() {
                    true => connection.listen_to_keys(),
                    false => self.old_keys.listen(),
                }
                Notice::KeyListen(key)
            }
            FromProgram::Figure(figure) => Notice::Figure(figure),
            FromProgram::Plot(json) => Notice::Plot(json),
            FromProgram::Widget(json) => Notice::Widget(json),
        };
        if !notice.is_for(self.features) {
            return;
        }
        let mut notice = Some(notice);
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            // Before looking: what happens from here on is not missed.
            room.as_mut().enable();
            notice = self.state().take_notice(notice);
            if notice.is_none() {
                return self.log.wake();
            }
            room.await;
        }
    }

    fn take_picture(&self, jpeg: Vec<u8>) {
        self.state().take_picture(jpeg);
        self.log.wake();
    }
}

impl State {
    /// Gives the notice back if there is no room for it.
    fn take_notice(&mut self, notice: Option<Notice>) -> Option<Notice> {
        let bytes = notice.as_ref()?.bytes();
        if !self.viewed {
            return None;
        }
        let full =
            self.notices.len() >= NOTICES || self.notice_bytes.saturating_add(bytes) > NOTICE_BYTES;
        if full && !self.notices.is_empty() {
            return notice;
        }
        self.notice_bytes += bytes;
        self.notices.extend(notice);
        None
    }

    fn take_picture(&mut self, jpeg: Vec<u8>) {
        let number = self.shown;
        self.shown += 1;
        if !self.viewed {
            return;
        }
        self.picture_bytes += jpeg.len();
        self.pictures.push_back(Picture { jpeg, number });
        while self.pictures.len() > PICTURES
            || self.picture_bytes > PICTURE_BYTES && self.pictures.len() > 1
        {
            if let Some(oldest) = self.pictures.pop_front() {
                self.picture_bytes -= oldest.jpeg.len();
            }
        }
    }
}

/// What a client sees of a job's channels. When it is dropped nothing waits for it any more.
#[derive(Debug)]
pub struct ChannelView {
    channels: Arc<Channels>,
}

impl ChannelView {
    /// The next thing that the client must not miss.
    pub fn take_notice(&self) -> Option<Notice> {
        let mut state = self.channels.state();
        let notice = state.notices.pop_front()?;
        state.notice_bytes -= notice.bytes();
        drop(state);
        self.channels.room.notify_waiters();
        Some(notice)
    }

    /// The oldest picture that waits.
    pub fn take_picture(&self) -> Option<Picture> {
        let mut state = self.channels.state();
        let picture = state.pictures.pop_front()?;
        state.picture_bytes -= picture.jpeg.len();
        Some(picture)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        let state = self.channels.state();
        state.notices.is_empty() && state.pictures.is_empty()
    }
}

impl Drop for ChannelView {
    fn drop(&mut self) {
        let mut state = self.channels.state();
        state.viewed = false;
        state.notices = VecDeque::new();
        state.notice_bytes = 0;
        state.pictures = VecDeque::new();
        state.picture_bytes = 0;
        drop(state);
        self.channels.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewed() -> State {
        State {
            viewed: true,
            ..State::default()
        }
    }

    #[test]
    fn of_pictures_the_oldest_are_dropped() {
        let mut state = viewed();
        for number in 0..10 {
            state.take_picture(vec![number; 3]);
        }
        let numbers: Vec<u64> = state
            .pictures
            .iter()
            .map(|picture| picture.number)
            .collect();
        assert_eq!(numbers, [6, 7, 8, 9]);
        assert_eq!(state.picture_bytes, 4 * 3);
    }

    #[test]
    fn large_pictures_are_fewer_but_one_is_kept() {
        let mut state = viewed();
        state.take_picture(vec![0; PICTURE_BYTES / 2]);
        state.take_picture(vec![0; PICTURE_BYTES / 2]);
        assert_eq!(state.pictures.len(), 2);
        state.take_picture(vec![0; 1]);
        assert_eq!(state.pictures.len(), 2);
        state.take_picture(vec![0; PICTURE_BYTES + 1]);
        assert_eq!(state.pictures.len(), 1);
        assert_eq!(state.picture_bytes, PICTURE_BYTES + 1);
    }

    #[test]
    fn notices_wait_up_to_a_bound_and_are_given_back_beyond() {
        let mut state = viewed();
        for _ in 0..NOTICES {
            assert_eq!(
                state.take_notice(Some(Notice::KeyListen("a".to_owned()))),
                None
            );
        }
        let last = Some(Notice::KeyListen("b".to_owned()));
        assert_eq!(state.take_notice(last.clone()), last);

        let mut state = viewed();
        let large = || Some(Notice::Plot("x".repeat(NOTICE_BYTES + 1)));
        assert_eq!(state.take_notice(large()), None);
        assert!(state.take_notice(large()).is_some());
    }

    #[test]
    fn without_a_client_nothing_waits() {
        let mut state = State::default();
        state.take_picture(vec![1]);
        assert_eq!(
            state.take_notice(Some(Notice::KeyListen("a".to_owned()))),
            None
        );
        assert!(state.pictures.is_empty() && state.notices.is_empty());
        assert_eq!(state.shown, 1);
    }
}

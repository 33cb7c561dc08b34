//! Messages that wait for a job's client: those that must not be lost, bounded, so that the program
//! waits; and of the others (video) the latest.

use further_link_protocol::ChannelMessage;
use std::collections::VecDeque;

/// Messages that wait and must not be lost, at most; then the program waits too.
const LOSSLESS_MAX_COUNT: usize = 64;
/// Bytes of them at most; one is always kept.
const LOSSLESS_MAX_BYTES: usize = 2 << 20;
/// Messages that wait and may be dropped (video frames), at most: what comes in a hiccup of an
/// eighth of a second.
const LATEST_MAX_COUNT: usize = 4;
/// Bytes of them at most; one is always kept.
const LATEST_MAX_BYTES: usize = 16 << 20;

/// A message of which older ones may have been dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestMessage {
    /// The message.
    pub message: ChannelMessage,
    /// How many the program had sent before.
    pub sequence: u64,
}

/// Both queues, and whether there is a client for them.
#[derive(Debug, Default)]
pub(super) struct MessageQueue {
    /// There is a client. Without one nothing waits.
    is_open: bool,
    lossless: VecDeque<ChannelMessage>,
    lossless_bytes: usize,
    latest: VecDeque<LatestMessage>,
    latest_bytes: usize,
    /// Messages that may be dropped which the program has sent.
    latest_sent: u64,
}

impl MessageQueue {
    /// Lets messages wait from now on.
    pub(super) fn open(&mut self) {
        self.is_open = true;
    }

    /// Drops all that wait, and lets none wait any more.
    pub(super) fn close(&mut self) {
        *self = Self {
            latest_sent: self.latest_sent,
            ..Self::default()
        };
    }

    /// Appends a message; gives it back if there is no room for it.
    pub(super) fn push_lossless(
        &mut self,
        message: Option<ChannelMessage>,
    ) -> Option<ChannelMessage> {
        let bytes = message.as_ref()?.memory_bytes();
        if !self.is_open {
            return None;
        }
        let is_full = self.lossless.len() >= LOSSLESS_MAX_COUNT
            || self.lossless_bytes.saturating_add(bytes) > LOSSLESS_MAX_BYTES;
        if is_full && !self.lossless.is_empty() {
            return message;
        }
        self.lossless_bytes += bytes;
        self.lossless.extend(message);
        None
    }

    /// Appends a message, and drops the oldest that there is no room for.
    pub(super) fn push_latest(&mut self, message: ChannelMessage) {
        let sequence = self.latest_sent;
        self.latest_sent += 1;
        if !self.is_open {
            return;
        }
        self.latest_bytes += message.memory_bytes();
        self.latest.push_back(LatestMessage { message, sequence });
        while self.latest.len() > LATEST_MAX_COUNT
            || self.latest_bytes > LATEST_MAX_BYTES && self.latest.len() > 1
        {
            self.pop_latest();
        }
    }

    /// Takes the oldest of those that must not be lost.
    pub(super) fn pop_lossless(&mut self) -> Option<ChannelMessage> {
        let message = self.lossless.pop_front()?;
        self.lossless_bytes -= message.memory_bytes();
        Some(message)
    }

    /// Takes the oldest of those that may be dropped.
    pub(super) fn pop_latest(&mut self) -> Option<LatestMessage> {
        let latest = self.latest.pop_front()?;
        self.latest_bytes -= latest.message.memory_bytes();
        Some(latest)
    }

    /// Returns whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lossless.is_empty() && self.latest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use further_link_protocol::channel::{KeyListen, VideoFrame};

    fn open_queue() -> MessageQueue {
        MessageQueue {
            is_open: true,
            ..MessageQueue::default()
        }
    }

    fn frame(jpeg: Vec<u8>) -> ChannelMessage {
        ChannelMessage::Video(VideoFrame { jpeg })
    }

    fn key(key: String) -> Option<ChannelMessage> {
        Some(ChannelMessage::Keys(KeyListen { key }))
    }

    #[test]
    fn queue_drops_oldest_frames() {
        let mut queue = open_queue();
        for number in 0..10 {
            queue.push_latest(frame(vec![number; 3]));
        }
        let sequences: Vec<u64> = queue.latest.iter().map(|frame| frame.sequence).collect();
        assert_eq!(sequences, [6, 7, 8, 9]);
        assert_eq!(queue.latest_bytes, 4 * 3);
    }

    #[test]
    fn queue_keeps_one_frame_however_large() {
        let mut queue = open_queue();
        queue.push_latest(frame(vec![0; LATEST_MAX_BYTES / 2]));
        queue.push_latest(frame(vec![0; LATEST_MAX_BYTES / 2]));
        assert_eq!(queue.latest.len(), 2);
        queue.push_latest(frame(vec![0; 1]));
        assert_eq!(queue.latest.len(), 2);
        queue.push_latest(frame(vec![0; LATEST_MAX_BYTES + 1]));
        assert_eq!(queue.latest.len(), 1);
        assert_eq!(queue.latest_bytes, LATEST_MAX_BYTES + 1);
    }

    #[test]
    fn full_queue_gives_lossless_messages_back() {
        let mut queue = open_queue();
        for _ in 0..LOSSLESS_MAX_COUNT {
            assert_eq!(queue.push_lossless(key("a".to_owned())), None);
        }
        let last = key("b".to_owned());
        assert_eq!(queue.push_lossless(last.clone()), last);

        let mut queue = open_queue();
        let large = || key("x".repeat(LOSSLESS_MAX_BYTES + 1));
        assert_eq!(queue.push_lossless(large()), None);
        assert!(queue.push_lossless(large()).is_some());
    }

    #[test]
    fn closed_queue_keeps_nothing() {
        let mut queue = MessageQueue::default();
        queue.push_latest(frame(vec![1]));
        assert_eq!(queue.push_lossless(key("a".to_owned())), None);
        assert!(queue.is_empty());
        assert_eq!(queue.latest_sent, 1);
    }

    #[test]
    fn closing_drops_what_waits() {
        let mut queue = open_queue();
        queue.push_latest(frame(vec![1]));
        queue.push_lossless(key("a".to_owned()));
        queue.close();
        assert!(queue.is_empty() && !queue.is_open);
        assert_eq!(queue.lossless_bytes + queue.latest_bytes, 0);
        assert_eq!(queue.latest_sent, 1);
    }
}

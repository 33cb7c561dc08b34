//! The outbox of a connection: a bounded queue of messages that wait to be sent.
//!
//! What a job prints never waits here: it stays in the job's log until the client can take it. An
//! outbox is the lane ahead of that, of replies and notices.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A bounded queue of messages for one client.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    max_messages: usize,
    queue: Mutex<VecDeque<T>>,
    /// Wakes the connection's writer: there is something to send.
    wake: Arc<Notify>,
    /// Wakes a producer: there is room again.
    room: Notify,
}

impl<T> Outbox<T> {
    /// Returns an empty outbox for up to `max_messages`; `wake` is notified for each.
    pub(crate) fn new(max_messages: usize, wake: Arc<Notify>) -> Self {
        Self {
            max_messages,
            queue: Mutex::default(),
            wake,
            room: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message; waits while the outbox is full (backpressure).
    pub(crate) async fn push(&self, message: T) {
        let mut message = message;
        while let Err(refused) = self.try_push(message) {
            message = refused;
            self.room.notified().await;
        }
        // Hands on what is left of the room: one notification wakes one producer.
        if self.queue().len() < self.max_messages {
            self.room.notify_one();
        }
    }

    /// Queues a message if there is room.
    ///
    /// # Errors
    /// Returns the message if the outbox is full.
    pub(crate) fn try_push(&self, message: T) -> Result<(), T> {
        let mut queue = self.queue();
        if queue.len() >= self.max_messages {
            return Err(message);
        }
        queue.push_back(message);
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    /// Takes the oldest message.
    pub(crate) fn pop(&self) -> Option<T> {
        let message = self.queue().pop_front();
        if message.is_some() {
            self.room.notify_one();
        }
        message
    }

    /// Takes all messages, the oldest first.
    pub(crate) fn take_all(&self) -> VecDeque<T> {
        let messages = std::mem::take(&mut *self.queue());
        if !messages.is_empty() {
            self.room.notify_one();
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(max_messages: usize) -> Arc<Outbox<u32>> {
        Arc::new(Outbox::new(max_messages, Arc::new(Notify::new())))
    }

    #[tokio::test(start_paused = true)]
    async fn full_outbox_holds_every_producer_until_there_is_room() {
        let outbox = outbox(2);
        let producers: Vec<_> = (0..4)
            .map(|number| {
                let outbox = Arc::clone(&outbox);
                tokio::spawn(async move { outbox.push(number).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(outbox.try_push(9), Err(9));
        assert_eq!(outbox.take_all(), [0, 1]);
        for producer in producers {
            producer.await.unwrap();
        }
        assert_eq!(outbox.pop(), Some(2));
        assert_eq!(outbox.pop(), Some(3));
        assert_eq!(outbox.pop(), None);
    }

    #[tokio::test]
    async fn message_wakes_writer() {
        let wake = Arc::new(Notify::new());
        let outbox = Outbox::new(1, Arc::clone(&wake));
        outbox.push(1).await;
        wake.notified().await;
        assert_eq!(outbox.pop(), Some(1));
    }
}

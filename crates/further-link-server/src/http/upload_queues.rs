//! Queues of uploads. Uploads of one project come one after the other, in the order in which they
//! have arrived: that keeps them from building the same directory many times at once. That each is
//! all or nothing does not depend on it.

use super::request_body::Bodies;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Uploads that are carried out at the same time, at most. Fewer than there may be *files*
/// processes: others have to get their files while uploads wait for slow downloads.
const CONCURRENT_UPLOADS_MAX_COUNT: usize = 8;
/// Uploads of one name that wait for their turn, at most. Each holds its texts.
const WAITING_UPLOADS_MAX_COUNT: usize = 128;

/// What uploads share.
#[derive(Debug)]
pub(crate) struct UploadQueues {
    /// For those that come by HTTP.
    pub(crate) bodies: Bodies,
    pub(super) permits: Semaphore,
    queues: Mutex<HashMap<Key, Arc<Semaphore>>>,
}

/// The queue of a project is full.
#[derive(Debug)]
pub(super) struct QueueFull;

/// Account and name of a project.
pub(super) type Key = (String, String);

impl UploadQueues {
    pub(crate) fn new(upload_bytes: usize) -> Self {
        Self {
            bodies: Bodies::new(upload_bytes),
            permits: Semaphore::new(CONCURRENT_UPLOADS_MAX_COUNT),
            queues: Mutex::default(),
        }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Key, Arc<Semaphore>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the queue of a name; its one permit is the turn.
    pub(super) fn queue(&self, key: Key) -> Result<Queue<'_>, QueueFull> {
        let mut queues = self.queues();
        let turns = queues
            .entry(key.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(1)));
        // The map has one too, and whose turn it is.
        match Arc::strong_count(turns) <= WAITING_UPLOADS_MAX_COUNT + 1 {
            true => Ok(Queue {
                uploads: self,
                turns: Arc::clone(turns),
                key,
            }),
            false => Err(QueueFull),
        }
    }
}

/// One place in a queue; the last one to leave removes it.
pub(super) struct Queue<'a> {
    uploads: &'a UploadQueues,
    pub(super) turns: Arc<Semaphore>,
    key: Key,
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        let mut queues = self.uploads.queues();
        // This one, and the map's.
        if Arc::strong_count(&self.turns) == 2 {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("ann".to_owned(), name.to_owned())
    }

    #[tokio::test]
    async fn uploads_of_one_project_take_turns_and_leave_no_queue() {
        let uploads = UploadQueues::new(1024);
        let first = uploads.queue(key("p")).unwrap();
        let turn = first.turns.acquire().await.unwrap();
        let second = uploads.queue(key("p")).unwrap();
        let other = uploads.queue(key("q")).unwrap();
        assert!(second.turns.try_acquire().is_err());
        assert!(other.turns.try_acquire().is_ok());
        drop(turn);
        assert!(second.turns.try_acquire().is_ok());
        drop((first, other));
        assert_eq!(uploads.queues().len(), 1);
        drop(second);
        assert!(uploads.queues().is_empty());
    }

    #[tokio::test]
    async fn full_queue_refuses_uploads() {
        let uploads = UploadQueues::new(1024);
        let queue: Vec<_> = (0..=WAITING_UPLOADS_MAX_COUNT)
            .map(|_| uploads.queue(key("p")).unwrap())
            .collect();
        assert!(matches!(uploads.queue(key("p")), Err(QueueFull)));
        assert!(uploads.queue(key("q")).is_ok());
        drop(queue);
        assert!(uploads.queue(key("p")).is_ok());
    }
}

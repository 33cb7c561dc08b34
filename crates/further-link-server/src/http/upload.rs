//! Uploads of projects, whatever they come by: read, put in turn, and handed to the engine.
//!
//! Uploads of one name come one after the other, in the order in which they have arrived. That keeps them from building
//! the same folder many times over at the same time; that each is all or nothing does not depend on it.

use crate::SharedApp;
use crate::download::{DownloadError, Downloader};
use crate::http::request_body::Bodies;
use further_link_engine::{Account, AccountError, FetchError, FilesError, Project};
use further_link_protocol::wire::{ParseError, read_upload};
use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Uploads that are carried out at the same time, at the most. Fewer than there may be *files* processes: others
/// have to get their files while uploads wait for slow downloads.
const CONCURRENT_UPLOADS_MAX_COUNT: usize = 8;
/// Uploads of one name that wait for their turn, at the most. Each holds its texts.
const WAITING_UPLOADS_MAX_COUNT: usize = 128;

/// An upload that was carried out.
#[derive(Debug)]
pub(crate) struct Uploaded {
    /// Whether all files are there. Without internet, some are left out.
    pub(crate) fetched_urls: bool,
}

/// Why there is no new project. Its `Display` text is a sentence for the person who uploads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// It is no upload.
    #[error("{0}")]
    Shape(#[from] ParseError),
    /// Too many wait already.
    #[error("Too many uploads of this project are on their way. Try again in a moment.")]
    Busy,
    /// It could not be carried out.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// What uploads share.
#[derive(Debug)]
pub(crate) struct Projects {
    /// For those that come by HTTP.
    pub(crate) bodies: Bodies,
    places: Semaphore,
    queues: Mutex<HashMap<Key, Arc<Semaphore>>>,
}

/// Account and name.
type Key = (String, String);

impl Projects {
    pub(crate) fn new(upload_bytes: usize) -> Self {
        Self {
            bodies: Bodies::new(upload_bytes),
            places: Semaphore::new(CONCURRENT_UPLOADS_MAX_COUNT),
            queues: Mutex::default(),
        }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Key, Arc<Semaphore>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the queue of a name; its one permit is the turn.
    fn queue(&self, key: Key) -> Result<Queue<'_>, UploadError> {
        let mut queues = self.queues();
        let turns = queues
            .entry(key.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(1)));
        // The map has one too, and whose turn it is.
        match Arc::strong_count(turns) <= WAITING_UPLOADS_MAX_COUNT + 1 {
            true => Ok(Queue {
                projects: self,
                turns: Arc::clone(turns),
                key,
            }),
            false => Err(UploadError::Busy),
        }
    }
}

/// One place in a queue; the last one to leave removes it.
struct Queue<'a> {
    projects: &'a Projects,
    turns: Arc<Semaphore>,
    key: Key,
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        let mut queues = self.projects.queues();
        // This one, and the map's.
        if Arc::strong_count(&self.turns) == 2 {
            queues.remove(&self.key);
        }
    }
}

/// Carries out the upload that `json` describes, as `account`.
///
/// # Errors
/// If it fails; then the former project is as it was.
pub(crate) async fn upload(
    app: &SharedApp,
    account: &Result<Account, AccountError>,
    json: impl AsRef<[u8]> + Send + 'static,
) -> Result<Uploaded, UploadError> {
    let user = account.as_ref().map_or("", |account| &account.name);
    let result = carry_out(app, account, json).await;
    match &result {
        Ok(uploaded) => {
            tracing::info!(
                user,
                fetched_urls = uploaded.fetched_urls,
                "a project was uploaded"
            );
        }
        Err(error) => tracing::info!(user, %error, "an upload failed"),
    }
    result
}

async fn carry_out(
    app: &SharedApp,
    account: &Result<Account, AccountError>,
    json: impl AsRef<[u8]> + Send + 'static,
) -> Result<Uploaded, UploadError> {
    let account = account
        .as_ref()
        .map_err(|error| FilesError::Account(error.clone().into()))?;
    // Megabytes of it take their time.
    let project = tokio::task::spawn_blocking(move || {
        let upload = read_upload(json.as_ref())?;
        Ok::<_, UploadError>(Project::new(upload)?)
    })
    .await
    .map_err(|_| FilesError::Ended)??;
    let key = (account.name.clone(), project.name().as_str().to_owned());
    let queue = app.projects.queue(key)?;
    let _turn = queue.turns.acquire().await.map_err(|_| FilesError::Ended)?;
    let _place = app
        .projects
        .places
        .acquire()
        .await
        .map_err(|_| FilesError::Ended)?;
    let fetched_urls = app
        .engine
        .upload(account, project, |url, file| {
            fetch(app.downloads.clone(), url, file)
        })
        .await?;
    Ok(Uploaded { fetched_urls })
}

/// Downloads for uploads: the one place where they are done.
async fn fetch(downloads: Downloader, url: String, file: File) -> Result<(), FetchError> {
    match downloads.fetch(&url, file).await {
        Ok(_) => Ok(()),
        Err(DownloadError::Unreachable(why)) => Err(FetchError::Unreachable(why)),
        Err(error) => Err(FetchError::Failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("ann".to_owned(), name.to_owned())
    }

    #[tokio::test]
    async fn uploads_of_one_name_have_turns_and_leave_no_queue() {
        let projects = Projects::new(1024);
        let first = projects.queue(key("p")).unwrap();
        let turn = first.turns.acquire().await.unwrap();
        let second = projects.queue(key("p")).unwrap();
        let other = projects.queue(key("q")).unwrap();
        assert!(second.turns.try_acquire().is_err());
        assert!(other.turns.try_acquire().is_ok());
        drop(turn);
        assert!(second.turns.try_acquire().is_ok());
        drop((first, other));
        assert_eq!(projects.queues().len(), 1);
        drop(second);
        assert!(projects.queues().is_empty());
    }

    #[tokio::test]
    async fn queue_has_an_end() {
        let projects = Projects::new(1024);
        let queue: Vec<_> = (0..=WAITING_UPLOADS_MAX_COUNT)
            .map(|_| projects.queue(key("p")).unwrap())
            .collect();
        assert!(matches!(projects.queue(key("p")), Err(UploadError::Busy)));
        assert!(projects.queue(key("q")).is_ok());
        drop(queue);
        assert!(projects.queue(key("p")).is_ok());
    }
}

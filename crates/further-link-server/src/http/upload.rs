//! Uploads of projects, over HTTP and WebSocket: parsed, queued, and handed to the engine.

use super::upload_queues::QueueFull;
use crate::app::SharedApp;
use crate::download::{DownloadError, Downloader};
use crate::fs::error::task_error;
use further_link_engine::{Account, AccountError, FetchError, FilesError, Project};
use further_link_protocol::wire::{ParseError, read_upload};
use std::fs::File;

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

impl From<QueueFull> for UploadError {
    fn from(_: QueueFull) -> Self {
        Self::Busy
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
    .map_err(|error| task_error(&error))??;
    let key = (account.name.clone(), project.name().as_str().to_owned());
    let queue = app.uploads.queue(key)?;
    let _turn = queue.turns.acquire().await.map_err(|_| FilesError::Ended)?;
    let _permit = app
        .uploads
        .permits
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

//! State that all requests share.

use crate::access::Access;
use crate::device::sampler::Device;
use crate::download::Downloader;
use crate::http::upload_queues::UploadQueues;
use crate::metrics::Metrics;
use crate::settings::ServerSettings;
use further_link_engine::Engine;
use std::sync::Arc;
use tokio::sync::watch;

/// State that all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) settings: ServerSettings,
    pub(crate) metrics: Metrics,
    pub(crate) access: Access,
    pub(crate) uploads: UploadQueues,
    pub(crate) downloads: Downloader,
    pub(crate) device: Device,
    /// Becomes true when the server is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
}

pub(crate) type SharedApp = Arc<App>;

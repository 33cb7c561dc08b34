//! The transports: HTTP and WebSocket on one port, with and without TLS, and the gate that decides
//! who may come in.
//!
//! This crate parses what strangers send. It starts no programs of users: that is the engine's.

mod apt;
mod body;
mod connection;
mod device;
mod download;
mod error;
mod flow;
mod fs;
mod gate;
mod line;
mod listener;
mod metrics;
mod output;
mod page;
mod patience;
mod projects;
mod routes;
mod session;
mod stream;
mod terminal;
mod transport;

pub use download::{DownloadError, DownloadSettings};
pub use further_link_protocol::TerminalSize;
pub use further_link_protocol::wire::{SizeOrder, read_terminal_size};
pub use gate::GateSettings;
pub use listener::{Server, bind};
pub use session::Limits;
pub use terminal::{TerminalServer, TerminalSettings};
pub use transport::deflate::Compression;

use further_link_engine::Engine;
use std::sync::Arc;
use tokio::sync::watch;

/// What of the configuration the server needs.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Who may come in.
    pub gate: GateSettings,
    /// What one client may use.
    pub limits: Limits,
    /// Who gets compressed messages.
    pub compression: Compression,
    /// Bytes of one upload, at the most.
    pub max_upload_bytes: usize,
    /// What `url` files of uploads may use.
    pub downloads: DownloadSettings,
    /// Connections at the same time, at the most.
    pub max_connections: usize,
    /// The version that `/version` tells.
    pub version: String,
}

/// What every request can reach.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) settings: ServerSettings,
    pub(crate) metrics: metrics::Metrics,
    pub(crate) gate: gate::Gate,
    pub(crate) projects: projects::Projects,
    pub(crate) downloads: download::Downloader,
    pub(crate) device: device::Device,
    /// Becomes true when the server is about to end.
    pub(crate) ending: watch::Receiver<bool>,
}

pub(crate) type SharedApp = Arc<App>;

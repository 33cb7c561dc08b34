//! The transports: HTTP and WebSocket on one port, with and without TLS, and//! who may come in.
//!
//! This crate parses what strangers send. It starts no programs of users: that is the engine's.

mod access;
mod device;
mod download;
mod fs;
mod http;
mod listen;
mod metrics;
mod page;
mod repl;
mod session;
mod terminal;
mod websocket;

pub use access::AccessSettings;
pub use download::{DownloadError, DownloadSettings};
pub use further_link_protocol::TerminalSize;
pub use further_link_protocol::wire::{SizeOrder, read_terminal_size};
pub use listen::{Server, bind};
pub use session::Limits;
pub use terminal::{TerminalServer, TerminalSettings};
pub use websocket::deflate::Compression;

use further_link_engine::Engine;
use std::sync::Arc;
use tokio::sync::watch;

/// The part of the configuration that the server needs.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Who may use the server.
    pub access: AccessSettings,
    /// What one client may use.
    pub limits: Limits,
    /// Who gets compressed messages.
    pub compression: Compression,
    /// Bytes of one upload, at most.
    pub max_upload_bytes: usize,
    /// What `url` files of uploads may use.
    pub downloads: DownloadSettings,
    /// Connections at the same time, at most.
    pub max_connections: usize,
    /// The version that `/version` returns.
    pub version: String,
}

/// State that all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) settings: ServerSettings,
    pub(crate) metrics: metrics::Metrics,
    pub(crate) access: access::Access,
    pub(crate) projects: http::upload::Projects,
    pub(crate) downloads: download::Downloader,
    pub(crate) device: device::Device,
    /// Becomes true when the server is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
}

pub(crate) type SharedApp = Arc<App>;

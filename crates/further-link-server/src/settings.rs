//! Settings of a server.

use crate::access::AccessSettings;
use crate::download::DownloadSettings;
use crate::websocket::deflate::Compression;
use std::time::Duration;

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

/// What one client may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Bytes of a file that a client writes.
    pub file_bytes: u64,
    /// Programs that run at the same time.
    pub jobs_per_client: usize,
    /// Heartbeat timeout: time without any sign of life after which the connection is closed.
    pub pong_timeout: Duration,
}

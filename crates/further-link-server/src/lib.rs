//! The transports: HTTP and WebSocket on one port, with and without TLS, and//! who may come in.
//!
//! This crate parses what strangers send. It starts no programs of users: that is the engine's.

mod access;
mod app;
mod device;
mod download;
mod fs;
mod http;
mod listen;
mod metrics;
mod page;
mod repl;
mod session;
mod settings;
mod terminal;
mod websocket;

pub use access::AccessSettings;
pub use download::{DownloadError, DownloadSettings};
pub use further_link_protocol::TerminalSize;
pub use further_link_protocol::wire::{SizeOrder, read_terminal_size};
pub use listen::{Server, bind};
pub use settings::{Limits, ServerSettings};
pub use terminal::{TerminalServer, TerminalSettings};
pub use websocket::deflate::Compression;

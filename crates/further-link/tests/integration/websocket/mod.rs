//! What every WebSocket connection has: limits, timeouts, compression.

mod deflate;
mod limits;

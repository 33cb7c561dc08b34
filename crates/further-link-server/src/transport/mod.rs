//! How messages travel.

pub(crate) mod deflate;
pub(crate) mod frames;
pub(crate) mod websocket;

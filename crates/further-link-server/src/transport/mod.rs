//! How messages travel.

pub(crate) mod frames;
pub(crate) mod websocket;

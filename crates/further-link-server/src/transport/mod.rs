//! How messages travel.

pub(crate) mod websocket;

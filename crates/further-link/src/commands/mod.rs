//! What `further-link` can be asked to do.

pub(crate) mod config;
pub(crate) mod serve;
mod server;
pub(crate) mod terminal;

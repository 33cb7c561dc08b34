//! The commands of `further-link`.

pub(crate) mod config;
pub(crate) mod serve;
mod server;
pub(crate) mod terminal;

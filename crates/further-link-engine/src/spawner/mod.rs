//! The spawner: a process of its own that owns all programs.
//!
//! It is started first, is single-threaded and small (so that forking from it is quick however large
//! the server is), and keeps the rights that the server gives up. It knows a closed list of requests,
//! in `request`; `packet` carries them and file descriptors over a Unix socket; `child` is what runs
//! between fork and exec, as an `identity`, with `streams` and `channels`; `containment` holds a program
//! and all that it starts; `process` is the loop, `ending` how it ends jobs.
//! `link` is the server's end.

mod channels;
mod child;
mod cleanup;
mod containment;
mod ending;
mod identity;
mod link;
pub(crate) mod packet;
mod process;
mod request;
mod streams;

pub(crate) use channels::{CHANNEL_BACKLOG, CHANNEL_SOCKETS};
pub use link::SpawnerProcess;
pub(crate) use link::{JobHandle, Link, Running};
pub use process::run;
pub(crate) use request::JobId;
pub use request::SpawnerSettings;

//! The spawner: a process of its own that owns all programs.
//!
//! It is started first, is single-threaded and small (so that forking from it is quick however
//! large the server is), and keeps the rights that the server gives up. It knows a closed list of
//! requests, in `request`; `packet` carries them and file descriptors over a Unix socket; `child`
//! is what runs between fork and exec, with the `credentials` of an account, `stdio` and
//! `channels`; `containment` (cgroup or supervisor) holds a job together; `job` is what is known of
//! one, `event_loop` the loop, `stop` how jobs are stopped: SIGTERM, stop grace, SIGKILL. `link` is
//! the server's end.

mod channels;
mod child;
mod cleanup;
mod containment;
mod credentials;
mod event_loop;
mod job;
mod link;
pub(crate) mod packet;
mod request;
mod stdio;
mod stop;

pub(crate) use channels::{CHANNEL_BACKLOG, CHANNEL_SOCKETS};
pub use event_loop::run;
pub use link::SpawnerProcess;
pub(crate) use link::{JobHandle, Link, Running};
pub(crate) use request::JobId;
pub use request::SpawnerSettings;

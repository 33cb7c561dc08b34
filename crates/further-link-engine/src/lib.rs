//! Runs programs for clients: the runner table, jobs with pipes or a pty, their output log, and the
//! spawner, the small process that owns them all.
//!
//! This crate knows no HTTP, no WebSocket, no Bluetooth and no JSON. A transport hands it checked
//! requests and reads what programs output through [`Cursor`]s.

mod account;
mod channels;
mod descriptor;
mod engine;
mod environment;
mod error;
mod files;
mod job;
mod launch;
mod output_log;
mod runner;
mod spawner;

pub use account::{Account, AccountError, Accounts};
pub use channels::{ChannelView, EventRefused, LatestMessage};
pub use engine::{Engine, EngineSettings};
pub use environment::first_display;
pub use error::StartError;
pub use files::{
    Archive, Change, ChangeKind, Conditional, Conditions, Entry, FetchError, FilesError, Folder,
    FolderState, Kind, Name, OpenFile, Project, Seen, Tree, Version, Versions, Watch, WriteOptions,
    Writing, Written,
};
pub use job::{InputRefused, Job, JobState};
pub use launch::{CodeFile, Launch};
pub use output_log::{Cursor, Gap, LOG_CAPACITY_BYTES, OutputLog, Read};
pub use runner::{Runner, RunnerTable};
pub use spawner::{SpawnerProcess, SpawnerSettings, run as run_spawner};

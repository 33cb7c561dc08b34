//! Files of users: uploaded projects, the file tree that clients see, and sockets that only their
//! user may connect to.
//!
//! `worker` is the process that has the user's rights and the server's link to it. `upload` and
//! `tree` are what it is used for: their `mod.rs` is the server's side, the files beside it run in
//! the worker. The rest serves both: paths that cannot lead out (`beneath`), names of ours among a
//! user's (`reserved_names`), replacing (`replace`) and removing directories (`remove_tree`).

pub(crate) mod beneath;
mod download_cache;
mod error;
mod key_listeners;
mod remove_tree;
mod replace;
mod reserved_names;
#[cfg(test)]
mod tests;
mod tree;
mod upload;
mod worker;

pub use beneath::Name;
pub use error::FilesError;
pub use tree::{
    Archive, Change, ChangeKind, Conditional, Conditions, Entry, Folder, FolderState, Kind,
    OpenFile, Seen, Tree, Version, Versions, Watch, WriteOptions, Writing, Written,
};
pub(crate) use upload::upload;
pub use upload::{FetchError, Project};
pub(crate) use worker::{FilesWorkers, Reply, Request, run};

//! What a worker can be asked for. The list is closed, like the spawner's.

use crate::files::FilesError;
use crate::files::tree::Operation;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The first packet to a worker. What follows it depends on the request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Connect to the sockets on which programs with the older package listen for keys.
    ConnectKeyListeners {
        /// The program's private directory.
        dir: String,
        /// Process groups, which their names begin with, of those that are connected to already.
        known: Vec<u32>,
    },
    /// Replace a project. What it consists of comes next, see `upload/messages.rs`.
    Upload {
        /// The directory of all projects.
        work_dir: PathBuf,
        /// The directory of miniscreen projects.
        projects_dir: PathBuf,
    },
    /// Do something with the files below a directory.
    Tree {
        /// The directory: absolute.
        root: String,
        /// What.
        operation: Operation,
    },
}

/// Every packet from a worker.
pub(crate) type Reply<T> = Result<T, FilesError>;

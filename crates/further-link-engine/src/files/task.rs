//! What a *files* process can be asked for. The list is closed, like the spawner's.

use super::FilesError;
use super::browse::Operation;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The first packet to a *files* process. What comes behind it is the task's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Connect to the sockets on which programs with the older package wait for keys.
    Keys {
        /// The program's private folder.
        folder: String,
        /// Process groups, which their names begin with, of those that are connected to already.
        known: Vec<u32>,
    },
    /// Replace a project. What it consists of comes next, see `parcel`.
    Upload {
        /// The folder of all projects.
        work_dir: PathBuf,
        /// The folder of miniscreen projects.
        projects_dir: PathBuf,
    },
    /// Do something with the files below a folder.
    Browse {
        /// The folder: absolute.
        root: String,
        /// What.
        operation: Operation,
    },
}

/// Every packet from a *files* process.
pub(crate) type Answer<T> = Result<T, FilesError>;

//! What the server may ask of the spawner, and what it is told. The list is closed: nothing else
//! can be done through the socket, whoever holds it.

use crate::account::Accounts;
use crate::error::StartError;
use crate::launch::Launch;
use further_link_protocol::TerminalSize;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The server's name for a job. Never used twice in the life of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct JobId(pub(crate) u64);

/// What the spawner has to know before the first request. Fixed from then on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpawnerSettings {
    /// Whom programs may run as.
    pub accounts: Accounts,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Where programs have their private folders, if the machine has no better place.
    pub temp_dir: PathBuf,
    /// Use cgroup v2 where the machine offers it.
    pub cgroups: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The first packet.
    Settings(SpawnerSettings),
    /// Start a program; with it come the code as a memory file, if there is any.
    Start {
        job: JobId,
        launch: Launch,
        terminal: Option<Terminal>,
    },
    /// SIGTERM now, SIGKILL after the grace time.
    Stop { job: JobId },
    /// Start a *files* process (`crate::files`); with it comes the socket that it gets. It is not
    /// answered here: why there is none is told through that socket.
    Files { account: String },
}

/// [`TerminalSize`] for the socket.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Terminal {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
}

impl From<TerminalSize> for Terminal {
    fn from(size: TerminalSize) -> Self {
        Self {
            rows: size.rows,
            columns: size.columns,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The program runs. With it come its descriptors: the pty's master, or the ends of the pipes
    /// of standard input (if it has one), output and error; then the sockets of its IO channels.
    Started {
        job: JobId,
        /// The program's private folder, if it has one.
        folder: Option<String>,
    },
    /// It does not, and nothing of it is left.
    Failed { job: JobId, error: StartError },
    /// It ran, and nothing of it is left: no process, no file. The exit code is the status, or the
    /// negative number of the signal.
    Exited { job: JobId, exit_code: i32 },
}

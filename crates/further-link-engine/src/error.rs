//! Why a program could not be started, in words for the person who asked for it.

use crate::account::AccountError;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// A start that failed. Its `Display` text is what the client is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum StartError {
    /// The account is unknown.
    #[error("There is no user {0} on this device.")]
    NoSuchUser(String),
    /// The configuration does not permit the account.
    #[error("Programs may not run as user {0} on this device.")]
    UserNotPermitted(String),
    /// The server is not root and cannot become somebody else.
    #[error("Programs can only run as user {server}: the server is not started as root.")]
    OnlyServerUser {
        /// The account of the server.
        server: String,
    },
    /// No path and no code were given to a runner that needs one.
    #[error("There is nothing to run: send code, or the path of a file.")]
    NothingToRun,
    /// A path holds a NUL character.
    #[error("A path must not hold a NUL character.")]
    NulInPath,
    /// The code or the command holds a NUL where the system takes none.
    #[error("A command must not hold a NUL character.")]
    NulInCommand,
    /// More arguments than are handed over.
    #[error(
        "The arguments are too long: there may be {} of {} bytes in all.",
        further_link_protocol::StartRequest::MAX_ARGUMENTS,
        crate::runner::ARGUMENTS_MAX_BYTES
    )]
    ArgumentsTooLong,
    /// The file to run does not exist.
    #[error("There is no file {0}.")]
    NoSuchFile(String),
    /// The file to run is a folder.
    #[error("{0} is a folder, not a file to run.")]
    IsFolder(String),
    /// The folder to run in does not exist.
    #[error("There is no folder {0}.")]
    NoSuchFolder(String),
    /// A path is longer than any file's.
    #[error("{0} is longer than a path can be.")]
    NameTooLong(String),
    /// The account may not use the file or folder.
    #[error("User {user} may not use {path} (permission denied).")]
    NoPermission {
        /// The account.
        user: String,
        /// The path.
        path: String,
    },
    /// The runner's program is not on the search path.
    #[error("{0} is not installed on this device.")]
    NotInstalled(String),
    /// The file is neither a binary for this machine nor a script with `#!`.
    #[error("{0} cannot be executed: a script needs a first line such as #!/usr/bin/env python3.")]
    NotExecutable(String),
    /// The `#!` line names an interpreter that does not exist.
    #[error("{0} cannot be executed: the interpreter named in its first line does not exist.")]
    NoInterpreter(String),
    /// As many programs run as are permitted.
    #[error("This device already runs {0} programs, as many as it may. Stop one first.")]
    TooManyJobs(usize),
    /// Anything else that the system refused.
    #[error("{what}: {reason}.")]
    System {
        /// What was being done.
        what: String,
        /// The system's word for why not.
        reason: String,
    },
    /// The spawner has ended; the server is about to.
    #[error("The server is stopping.")]
    Stopping,
}

impl From<AccountError> for StartError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Unknown(user) => Self::NoSuchUser(user),
            AccountError::Lookup { user, reason } => Self::System {
                what: format!("Looking up user {user}"),
                reason,
            },
        }
    }
}

impl StartError {
    /// Returns whether it is the server or the device that failed, rather than what was asked for.
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::System { .. } | Self::Stopping)
    }

    /// Returns a refusal of the system while doing `what` (a phrase such as "making a terminal").
    pub(crate) fn system(what: impl Into<String>, errno: Errno) -> Self {
        Self::System {
            what: what.into(),
            reason: errno.desc().to_owned(),
        }
    }
}

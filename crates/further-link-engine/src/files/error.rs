//! Why something could not be done with files, in words for the person who asked for it.

use crate::error::StartError;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// What went wrong. Its `Display` text is what the client is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FilesError {
    /// No process could be started as the account.
    #[error(transparent)]
    Account(#[from] StartError),
    /// A name that no file may have here: it leads out of the folder, or means something to the
    /// server.
    #[error("The name {name:?} is not allowed: {why}.")]
    Forbidden {
        /// As the client wrote it.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is nothing of that name.
    #[error("There is no {0}.")]
    NotFound(String),
    /// There is something of that name already.
    #[error("There is already a {0}.")]
    Exists(String),
    /// A folder where a file is wanted.
    #[error("{0} is a folder.")]
    IsFolder(String),
    /// Something else where a folder is wanted.
    #[error("{0} is no folder.")]
    NotFolder(String),
    /// Neither a file nor a folder.
    #[error("{0} is neither a file nor a folder.")]
    Special(String),
    /// The account may not do that.
    #[error("This user may not use {0} (permission denied).")]
    NoPermission(String),
    /// The file is not as the client believes it to be.
    #[error("{0} has changed meanwhile.")]
    Changed(String),
    /// There is no room.
    #[error("There is no space left on this device.")]
    NoSpace,
    /// Somebody else has it locked and does not let go.
    #[error("{0} is being used by somebody else.")]
    Busy(String),
    /// A folder cannot be moved to a place in itself.
    #[error("{0} cannot be moved into itself.")]
    IntoItself(String),
    /// What would have to be copied rather than moved.
    #[error("{0} is on another file system; copy it instead.")]
    OtherDevice(String),
    /// As many tasks of this kind are being done as may be at a time.
    #[error("This device is busy with as many tasks of this kind as it may; try again later.")]
    TooMany,
    /// More than is taken at once.
    #[error("This is too much at once: {0}.")]
    TooMuch(String),
    /// Names that are too long altogether.
    #[error("The names are too long.")]
    TooLong,
    /// A file could not be fetched from its address.
    #[error("{0}")]
    Download(String),
    /// The process that does this has ended.
    #[error("The work was broken off.")]
    Ended,
    /// Anything else that the system refused.
    #[error("{what}: {reason}.")]
    System {
        /// What was being done, with the name.
        what: String,
        /// The system's word for why not.
        reason: String,
    },
}

impl FilesError {
    /// What the system's `errno` means for `name`, a path as the client knows it.
    pub(crate) fn of(name: &str, errno: Errno) -> Self {
        let name = name.to_owned();
        match errno {
            Errno::ENOENT => Self::NotFound(name),
            Errno::EEXIST | Errno::ENOTEMPTY => Self::Exists(name),
            Errno::EISDIR => Self::IsFolder(name),
            Errno::ENOTDIR => Self::NotFolder(name),
            Errno::EACCES | Errno::EPERM | Errno::EROFS => Self::NoPermission(name),
            Errno::ENOSPC | Errno::EDQUOT => Self::NoSpace,
            // What openat2(2) says of a path that leads out, and open(2) of a link in the last
            // place.
            Errno::EXDEV | Errno::ELOOP => Self::Forbidden {
                name,
                why: "it leads out of the folder".to_owned(),
            },
            Errno::ENAMETOOLONG => Self::Forbidden {
                name,
                why: "it is too long".to_owned(),
            },
            errno => Self::System {
                what: name,
                reason: errno.desc().to_owned(),
            },
        }
    }

    /// Returns whether it is the server or the device that failed, rather than what was asked for.
    pub fn is_internal(&self) -> bool {
        match self {
            Self::Account(error) => error.is_internal(),
            Self::System { .. } | Self::Ended => true,
            _ => false,
        }
    }
}

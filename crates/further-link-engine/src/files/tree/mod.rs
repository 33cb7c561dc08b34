//! The files below an account's work folder, for clients: what can be done with them, and the
//! server's side of it.

mod archive;
mod change_set;
mod entry;
mod list;
mod modify;
mod read;
mod version;
mod watch;
mod write;
mod zip;

pub use change_set::{Change, ChangeKind};
pub use list::{Entry, FolderState, Kind};
pub use version::{Conditional, Conditions, Version, Versions};
pub use watch::Seen;
pub use write::Written;

use super::FilesError;
use super::beneath::{Name, Root};
use super::worker::{FilesWorker, FilesWorkers, Reply, Request, ServerLink, link_broke};
use crate::account::Account;
use archive::Archived;
use list::Listed;
use read::Opened;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::Semaphore;
use write::{Begun, Next};

/// What can be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Operation {
    List {
        name: Name,
    },
    Read {
        name: Name,
    },
    Write(write::Request),
    MakeFolder {
        name: Name,
        parents: bool,
        modified_ns: Option<i64>,
    },
    Remove {
        name: Name,
        folder: bool,
        conditions: Conditions,
    },
    Move {
        from: Name,
        to: Name,
        overwrite: bool,
    },
    Archive {
        name: Name,
        /// What the folder is called in the archive.
        top: String,
    },
    Watch {
        name: Name,
    },
}

/// Does it, in the *files* process.
pub(super) fn operate(link: &mut ServerLink, root: &str, operation: Operation) -> Option<()> {
    let root = match Root::open(Path::new(root)) {
        Ok(root) => root,
        Err(errno) => {
            let error = FilesError::of(root, errno);
            return link.send(&Reply::<()>::Err(error), &[]);
        }
    };
    match operation {
        Operation::List { name } => list::list(link, &root, &name),
        Operation::Read { name } => read::open(link, &root, &name),
        Operation::Write(request) => write::write(link, &root, &request),
        Operation::MakeFolder {
            name,
            parents,
            modified_ns,
        } => modify::make_folder(link, &root, &name, parents, modified_ns),
        Operation::Remove {
            name,
            folder,
            conditions,
        } => modify::remove(link, &root, &name, folder, &conditions),
        Operation::Move {
            from,
            to,
            overwrite,
        } => modify::rename(link, &root, &from, &to, overwrite),
        Operation::Archive { name, top } => archive::archive(link, &root, &name, &top),
        Operation::Watch { name } => watch::watch(link, &root, &name),
    }
}

/// What is in a folder.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Its absolute path on the device: programs name their files by it.
    pub path: String,
    /// In the order of names.
    pub entries: Vec<Entry>,
    /// The folder itself.
    pub state: FolderState,
}

/// A file that can be read.
#[derive(Debug)]
pub struct OpenFile {
    /// Reading it may block.
    pub file: File,
    /// Bytes, when it was opened.
    pub size: u64,
    /// When its content was last changed, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Which content this is.
    pub version: Version,
}

/// A file that is being written. When it is dropped, nothing has happened.
#[derive(Debug)]
pub struct Writing {
    process: FilesWorker,
}

impl Writing {
    /// Puts what was written into its place.
    ///
    /// # Errors
    /// If that does not work; then what was there before is there.
    pub async fn finish(mut self) -> Result<Written, FilesError> {
        self.process.send(&Next::Finish, &[]).await?;
        Ok(self.process.receive().await?.0)
    }
}

/// A folder as an archive, which comes as it is read.
#[derive(Debug)]
pub struct Archive {
    process: FilesWorker,
    pipe: pipe::Receiver,
}

impl Archive {
    /// The next bytes, appended to `buffer`; none at the end.
    ///
    /// # Errors
    /// If the archive does not come to its end.
    pub async fn read(&mut self, buffer: &mut Vec<u8>) -> Result<usize, FilesError> {
        let count = self.pipe.read_buf(buffer).await.map_err(link_broke)?;
        if count == 0 {
            // Only then it is whole; it might have been a crash.
            let (Archived::Whole, _) = self.process.receive().await? else {
                return Err(FilesError::Ended);
            };
        }
        Ok(count)
    }
}

/// What changes below a folder. Nobody looks any more when it is dropped.
#[derive(Debug)]
pub struct Watch {
    process: FilesWorker,
}

impl Watch {
    /// Waits for what has happened. May be given up and called again.
    ///
    /// # Errors
    /// If it cannot be watched any more.
    pub async fn next(&mut self) -> Result<Seen, FilesError> {
        Ok(self.process.receive().await?.0)
    }
}

/// How a file is to be written.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Make the folders around it that are missing.
    pub parents: bool,
    /// What has to hold for what is there.
    pub conditions: Conditions,
    /// When its content was last changed, in nanoseconds since 1970; now, if nobody says.
    pub modified_ns: Option<i64>,
    /// Bytes, if that is known.
    pub size: Option<u64>,
    /// All of it is here already, so that this takes no longer than the disk does.
    pub short: bool,
}

/// Files below a folder, with the rights of an account.
#[derive(Clone, Debug)]
pub struct Tree {
    workers: FilesWorkers,
    account: Account,
    root: PathBuf,
}

impl Tree {
    /// Returns the files below `root`, with the rights of `account`.
    pub(crate) fn new(workers: FilesWorkers, account: Account, root: PathBuf) -> Self {
        Self {
            workers,
            account,
            root,
        }
    }

    fn request(&self, operation: Operation) -> Result<Request, FilesError> {
        let root = self.root.clone().into_os_string().into_string();
        Ok(Request::Tree {
            root: root.map_err(|_| FilesError::TooLong)?,
            operation,
        })
    }

    async fn start(&self, operation: Operation) -> Result<FilesWorker, FilesError> {
        let request = self.request(operation)?;
        self.workers.start(&self.account, &request).await
    }

    /// What is in a folder.
    ///
    /// # Errors
    /// If it is none, or may not be read.
    pub async fn list(&self, name: Name) -> Result<Folder, FilesError> {
        let mut path = self.root.clone();
        if !name.as_str().is_empty() {
            path.push(name.as_str());
        }
        let path = path.to_string_lossy().into_owned();
        let mut process = self.start(Operation::List { name }).await?;
        let mut entries = Vec::new();
        loop {
            match process.receive().await?.0 {
                Listed::Some(more) => entries.extend(more),
                Listed::End(state) => {
                    return Ok(Folder {
                        path,
                        entries,
                        state,
                    });
                }
            }
        }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// If it is none, or may not be read.
    pub async fn open(&self, name: Name) -> Result<OpenFile, FilesError> {
        let mut process = self.start(Operation::Read { name }).await?;
        let (opened, descriptors): (Opened, _) = process.receive().await?;
        Ok(OpenFile {
            file: only(descriptors)?,
            size: opened.size,
            modified_ns: opened.modified_ns,
            version: opened.version,
        })
    }

    /// Begins to write a file. Returns the new file's descriptor, writing to which may block.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn write(
        &self,
        name: Name,
        options: WriteOptions,
    ) -> Result<Conditional<(Writing, File)>, FilesError> {
        let operation = Operation::Write(write::Request {
            name,
            parents: options.parents,
            conditions: options.conditions,
            modified_ns: options.modified_ns,
            size: options.size,
        });
        let mut process = match options.short {
            true => self.start(operation).await?,
            false => {
                let places = &self.workers.transfers;
                self.start_in(places, operation).await?
            }
        };
        let (begun, descriptors) = process.receive().await?;
        match begun {
            Begun::Ready => {
                let begun = (Writing { process }, only(descriptors)?);
                Ok(Conditional::Done(begun))
            }
            Begun::Refused { current } => Ok(Conditional::Unmet(current)),
        }
    }

    /// In one of `places`, if there is one.
    async fn start_in(
        &self,
        places: &Arc<Semaphore>,
        operation: Operation,
    ) -> Result<FilesWorker, FilesError> {
        let place = Arc::clone(places)
            .try_acquire_owned()
            .map_err(|_| FilesError::TooMany)?;
        let task = self.request(operation)?;
        self.workers.start_with(place, &self.account, &task).await
    }

    /// A folder as a ZIP archive, in which it is called `top`.
    ///
    /// # Errors
    /// If it is none, if something in it may not be read, or if there are as many archives and
    /// uploads on their way as may be.
    pub async fn archive(&self, name: Name, top: String) -> Result<Archive, FilesError> {
        let places = &self.workers.transfers;
        let operation = Operation::Archive { name, top };
        let mut process = self.start_in(places, operation).await?;
        let (_, descriptors): (Archived, _) = process.receive().await?;
        let pipe = pipe::Receiver::from_file(only(descriptors)?).map_err(link_broke)?;
        Ok(Archive { process, pipe })
    }

    /// Watches a folder and what is below it.
    ///
    /// # Errors
    /// If it is none, may not be read, or if as many are watched as may be.
    pub async fn watch(&self, name: Name) -> Result<Watch, FilesError> {
        let places = &self.workers.watches;
        let mut process = self.start_in(places, Operation::Watch { name }).await?;
        let (Seen::Watching, _) = process.receive().await? else {
            return Err(FilesError::Ended);
        };
        Ok(Watch { process })
    }

    /// Makes a folder. `false` if it was there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn make_folder(
        &self,
        name: Name,
        parents: bool,
        modified_ns: Option<i64>,
    ) -> Result<bool, FilesError> {
        let operation = Operation::MakeFolder {
            name,
            parents,
            modified_ns,
        };
        Ok(self.start(operation).await?.receive().await?.0)
    }

    /// Removes a file or a directory with all in it; `folder` says that it has to be a directory.
    ///
    /// # Errors
    /// If it, or some of it, cannot be removed.
    pub async fn remove(
        &self,
        name: Name,
        folder: bool,
        conditions: Conditions,
    ) -> Result<Conditional<()>, FilesError> {
        let operation = Operation::Remove {
            name,
            folder,
            conditions,
        };
        let (refused, _) = self.start(operation).await?.receive().await?;
        Ok(match refused {
            None => Conditional::Done(()),
            Some(current) => Conditional::Unmet(current),
        })
    }

    /// Moves a file or a folder.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub async fn rename(
        &self,
        from: Name,
        to: Name,
        overwrite: bool,
    ) -> Result<Written, FilesError> {
        let operation = Operation::Move {
            from,
            to,
            overwrite,
        };
        Ok(self.start(operation).await?.receive().await?.0)
    }
}

/// Returns the one descriptor that a packet has to bring.
fn only(descriptors: Vec<OwnedFd>) -> Result<File, FilesError> {
    let mut descriptors = descriptors.into_iter();
    descriptors.next().map(File::from).ok_or(FilesError::Ended)
}

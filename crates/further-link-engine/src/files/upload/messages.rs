//! What *serve* and the *files* process say to each other during an upload.

use crate::files::Name;
use serde::{Deserialize, Serialize};

/// Comes behind the task, and with it a memory file: the [`Manifest`] in postcard's form, then all
/// texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::files) struct Parcel {
    /// Bytes of the manifest.
    pub(in crate::files) manifest: u64,
}

/// What is to be built.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::files) struct Manifest {
    /// The project's folder in the work folder.
    pub(in crate::files) name: Name,
    /// Its copy's folder among miniscreen projects.
    pub(in crate::files) copy: Option<Name>,
    pub(in crate::files) files: Vec<Entry>,
    /// Where files come from, without what only permits to get them; each once.
    pub(in crate::files) sources: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::files) struct Entry {
    pub(in crate::files) name: Name,
    pub(in crate::files) content: Content,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::files) enum Content {
    /// So many bytes of the texts.
    Text(u64),
    /// From this source; `place` is where in the cache.
    Url { source: usize, place: Name },
}

/// What the process says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::files) enum Step {
    /// All texts are written. These sources are not in the cache.
    Missing(Vec<usize>),
    /// With it comes the file to download into.
    File,
    /// That was taken notice of.
    Noted,
    /// The project is in its place.
    Done,
    /// The old one is removed, but for what is named here.
    Over(Option<String>),
}

/// What the server wants next.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::files) enum Ask {
    /// A file for this source.
    File(usize),
    /// The file of this source is complete.
    Fetched(usize),
    /// There will be no more: go on without the files that are missing.
    Skip,
    /// Put it in its place.
    Commit,
}

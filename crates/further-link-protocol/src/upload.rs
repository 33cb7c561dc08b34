//! A project that a client uploads, as it has written it: no name in it is checked yet.

/// The upload object of `docs/protocol.md` section 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The folder of the project, below the work folder.
    pub name: String,
    /// Whose project it is among miniscreen projects.
    pub username: Option<String>,
    /// In the order in which they came; no two of the same name.
    pub files: Vec<UploadFile>,
}

/// One file of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadFile {
    /// Its path in the folder.
    pub name: String,
    /// What is in it.
    pub content: UploadContent,
}

/// What is in a file, or where that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadContent {
    /// The text itself.
    Text(String),
    /// To be fetched from an address, unless it is in the cache.
    Url {
        /// The address.
        url: String,
        /// The folder in the cache.
        bucket: String,
        /// The name in that folder.
        file: String,
    },
}

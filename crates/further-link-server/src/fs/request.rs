//! A request below `/fs/`, parsed.

use super::path::FsPath;
use crate::app::SharedApp;
use crate::http::query::QueryString;
use further_link_engine::Tree;
use http::HeaderMap;

/// What the query string of a request asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FsOptions {
    pub(super) user: Option<String>,
    /// Missing parent directories are made.
    pub(super) parents: bool,
    /// The format of the archive that is wanted.
    pub(super) archive: Option<String>,
    pub(super) watch: bool,
}

impl From<&QueryString> for FsOptions {
    fn from(query: &QueryString) -> Self {
        Self {
            user: query.user(),
            parents: query.switch("parents").unwrap_or(false),
            archive: query.get("archive").map(str::to_owned),
            watch: query.switch("watch").unwrap_or(false),
        }
    }
}

/// A request for something below the work directory.
pub(super) struct FsRequest {
    pub(super) tree: Tree,
    pub(super) path: FsPath,
    pub(super) options: FsOptions,
    pub(super) headers: HeaderMap,
    /// Only the head of the response is wanted (`HEAD`).
    pub(super) is_head: bool,
    pub(super) app: SharedApp,
}

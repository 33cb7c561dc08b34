//! Single files for other parts of the server, whose URLs are not below `/fs`: with the same
//! conditions, ranges, limits and errors.

use super::path::FsPath;
use super::request::{FsOptions, FsRequest};
use super::{get_file, put_file};
use crate::app::SharedApp;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{FilesError, Name, Tree};
use http::HeaderMap;

pub(crate) use super::error::FsError;

/// Decodes a path of a request. Returns `None` if it is not encoded properly, or no UTF-8.
pub(crate) fn decode(path: &str) -> Option<String> {
    String::from_utf8(super::path::decode(path.as_bytes())?).ok()
}

/// A request for one file.
pub(crate) struct SingleFile {
    pub(crate) app: SharedApp,
    /// What the file is in.
    pub(crate) tree: Tree,
    pub(crate) name: Name,
    pub(crate) headers: HeaderMap,
    /// Only the head of the answer is wanted.
    pub(crate) is_head: bool,
}

impl SingleFile {
    fn into_request(self) -> FsRequest {
        FsRequest {
            tree: self.tree,
            path: FsPath {
                raw: self.name.as_str().to_owned(),
                name: self.name,
                is_directory: false,
            },
            options: FsOptions::default(),
            headers: self.headers,
            is_head: self.is_head,
            app: self.app,
        }
    }

    /// Sends the file, or what of it is wanted.
    ///
    /// # Errors
    /// If there is no such file, or it may not be read.
    pub(crate) async fn send(self) -> Result<Response, FilesError> {
        let opened = self.tree.open(self.name.clone()).await?;
        let sent = get_file::response(opened, &self.into_request());
        Ok(sent.unwrap_or_else(FsError::into_response))
    }

    /// Puts what comes into the file's place, as a whole or not at all.
    ///
    /// # Errors
    /// If it may not be written, is too large, or does not come to its end.
    pub(crate) async fn receive(self, body: Body) -> Result<Response, FsError> {
        put_file::receive(self.into_request(), body).await
    }
}

//! Sending and receiving single files for other parts of the server, whose addresses are not below `/fs`: with the same
//! conditions, ranges, limits and errors.

use super::address::Address;
use super::{Asked, Options, receive, send};
use crate::SharedApp;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{FilesError, Name, Tree};
use http::HeaderMap;

pub(crate) use super::refusal::Refusal;

/// A path of a request, decoded once. `None` if it is not encoded properly, or no UTF-8.
pub(crate) fn decode(path: &str) -> Option<String> {
    String::from_utf8(super::address::decode(path.as_bytes())?).ok()
}

/// A request for one file.
pub(crate) struct OneFile {
    pub(crate) app: SharedApp,
    /// What the file is in.
    pub(crate) tree: Tree,
    pub(crate) name: Name,
    pub(crate) headers: HeaderMap,
    /// Only the head of the answer is wanted.
    pub(crate) head: bool,
}

impl OneFile {
    fn asked(self) -> Asked {
        Asked {
            tree: self.tree,
            address: Address {
                path: self.name.as_str().to_owned(),
                name: self.name,
                folder: false,
            },
            options: Options::default(),
            headers: self.headers,
            head: self.head,
            app: self.app,
        }
    }

    /// Sends the file, or what of it is wanted.
    ///
    /// # Errors
    /// If there is no such file, or it may not be read.
    pub(crate) async fn send(self) -> Result<Response, FilesError> {
        let opened = self.tree.open(self.name.clone()).await?;
        let sent = send::response(opened, &self.asked());
        Ok(sent.unwrap_or_else(Refusal::into_response))
    }

    /// Puts what comes into the file's place, as a whole or not at all.
    ///
    /// # Errors
    /// If it may not be written, is too large, or does not come to its end.
    pub(crate) async fn receive(self, body: Body) -> Result<Response, Refusal> {
        receive::receive(self.asked(), body).await
    }
}

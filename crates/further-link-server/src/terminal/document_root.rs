//! The page's files: from a directory, or our own page.

use super::app::{Shared, start_error};
use super::embedded_page;
use crate::fs::single_file::{FsError, SingleFile};
use crate::http::error::HttpError;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{FilesError, Name};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use std::path::Path;
use std::sync::Arc;

/// What a directory is shown by.
const INDEX_FILE: &str = "index.html";
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// `GET` and `HEAD` of any path.
pub(super) async fn answer(shared: &Arc<Shared>, request: Request) -> Result<Response, FsError> {
    let mut response = match &shared.settings.document_root {
        Some(folder) => from_folder(shared, folder, request).await?,
        None => embedded_page::answer(request.uri().path(), request.headers())
            .ok_or_else(|| HttpError::new(StatusCode::NOT_FOUND, "There is nothing here."))?,
    };
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// Returns what a path names, decoded once. Where `..` or something hidden is in it, there is no
/// such name.
pub(super) fn name(path: &str) -> Result<Name, HttpError> {
    let refuse = |detail: String| HttpError::new(StatusCode::BAD_REQUEST, detail);
    let path = path.strip_prefix('/').unwrap_or(path);
    let decoded = crate::fs::single_file::decode(path)
        .ok_or_else(|| refuse("The path is not encoded properly, or is no UTF-8.".to_owned()))?;
    // A backslash separates directories for people who come from Windows, and for nobody here.
    if decoded.contains('\\') {
        return Err(refuse("A path may hold no backslash.".to_owned()));
    }
    Name::or_root(&decoded).map_err(|error| refuse(error.to_string()))
}

async fn from_folder(
    shared: &Arc<Shared>,
    folder: &Path,
    request: Request,
) -> Result<Response, FsError> {
    let path = request.uri().path();
    let name = name(path)?;
    if name.components().any(|part| part.starts_with('.')) {
        return Err(nothing(&name).into());
    }
    let account = shared
        .account()
        .await
        .map_err(|error| start_error(&error))?;
    let tree = shared.app.engine.tree_below(folder.to_owned(), account);
    let is_folder = path.ends_with('/');
    let file = match (is_folder, name.as_str()) {
        (true, "") => INDEX_FILE.to_owned(),
        (true, name) => format!("{name}/{INDEX_FILE}"),
        (false, name) => name.to_owned(),
    };
    let file = SingleFile {
        app: Arc::clone(&shared.app),
        tree,
        name: Name::new(&file)?,
        headers: request.headers().clone(),
        is_head: request.method() == Method::HEAD,
    };
    let mut response = match file.send().await {
        Ok(response) => response,
        Err(FilesError::IsFolder(_)) if !is_folder => {
            return Ok(moved(path, request.uri().query()));
        }
        Err(FilesError::IsFolder(_) | FilesError::NotFolder(_)) => {
            return Err(nothing(&name).into());
        }
        Err(error) => return Err(error.into()),
    };
    let no_cache = HeaderValue::from_static("no-cache");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_cache);
    Ok(response)
}

fn nothing(name: &Name) -> FilesError {
    FilesError::NotFound(name.as_str().to_owned())
}

/// Sends a client to a directory's address with its slash, by which the page finds its other files.
fn moved(path: &str, query: Option<&str>) -> Response {
    let detail = "This is a folder; its address ends with a slash.";
    let mut response = HttpError::new(StatusCode::MOVED_PERMANENTLY, detail).into_response();
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    // A path that begins with two slashes would name a host.
    let location = format!("/{}/{query}", path.trim_matches('/'));
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

//! The page that the terminal server brings along: a terminal, a part of the page that is embedded.

use crate::page;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};

/// What the page is made of; the rest belongs to the main server's.
const ASSETS_PREFIX: &str = "/assets/";

/// Returns the file at `path`, if there is one.
pub(super) fn answer(path: &str, headers: &HeaderMap) -> Option<Response> {
    let mut response = match path {
        // Built without its page, the server says so in its place.
        "/" | page::TERMINAL_PAGE_PATH => {
            page::answer(page::TERMINAL_PAGE_PATH, headers).or_else(|| page::answer("/", headers))
        }
        path if path.starts_with(ASSETS_PREFIX) => page::answer(path, headers),
        _ => None,
    }?;
    // Our own server is told, by which it knows requests of the page from those of others.
    let policy = HeaderValue::from_static("same-origin");
    response
        .headers_mut()
        .insert(header::REFERRER_POLICY, policy);
    Some(response)
}

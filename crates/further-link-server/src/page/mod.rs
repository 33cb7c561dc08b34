//! The page that is embedded in the program (`build.rs`): static files with their entity tags,
//! caching and security headers. Nothing is read from a disk.

mod content_encoding;
mod inflate;
#[cfg(test)]
mod tests;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use content_encoding::Encoding;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Nothing comes from elsewhere, nothing runs that is not one of the page's files, and no other
/// site can put the page into a frame. `'self'` covers WebSockets to this server (Content Security
/// Policy 3, section 6.7.2.8; Safari since 15.4). Pictures of programs come as `data:` and `blob:`.
///
/// Styles may stand inside of the page: xterm.js writes `<style>` elements and `style` attributes
/// (24-bit colours of its DOM renderer), CodeMirror `<style>` elements, and neither knows another
/// way that all supported browsers have. A style that got in from elsewhere could load nothing, so
/// it could tell nobody what it sees.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
     worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Permissions that the page never asks for, so that nothing injected into it can.
const DENIED_PERMISSIONS: &str =
    "camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), usb=()";

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// Files whose names contain a hash of their content: a client that has one never asks again.
const HASHED_FILES_PREFIX: &str = "/assets/";
/// A year, the longest that caches honour.
const CACHE_FOREVER: &str = "public, max-age=31536000, immutable";
/// Caches revalidate each time.
const CACHE_REVALIDATE: &str = "no-cache";

/// The page of the terminal server.
pub(crate) const TERMINAL_PAGE_PATH: &str = "/terminal.html";
/// What answers for a directory.
const INDEX_FILE: &str = "index.html";

/// One embedded file. Of its three forms at least `plain` or `gzip` is there.
#[derive(Debug)]
struct EmbeddedFile {
    /// Where it is served, with `/` in front.
    path: &'static str,
    /// Bytes of the file itself.
    length: usize,
    /// Changes with the content.
    hash: &'static str,
    plain: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
}

/// Returns whether the page is embedded; otherwise a stub is that says how to build it.
pub(crate) const fn is_built() -> bool {
    IS_PAGE_BUILT
}

/// Answers a request (`GET` or `HEAD`) for a file of the page by its path; returns `None` if there
/// is no such file. A path that ends with `/` names the `index.html` there.
pub(crate) fn answer(path: &str, headers: &HeaderMap) -> Option<Response> {
    answer_from(EMBEDDED_FILES, path, headers)
}

fn answer_from(
    files: &'static [EmbeddedFile],
    path: &str,
    headers: &HeaderMap,
) -> Option<Response> {
    let find = |path: &str| {
        let found = files.binary_search_by(|file| file.path.cmp(path));
        found.ok().map(|at| &files[at])
    };
    if !path.starts_with('/') {
        return None;
    }
    if path.ends_with('/') {
        return find(&format!("{path}{INDEX_FILE}")).map(|file| file.answer(headers));
    }
    if let Some(file) = find(path) {
        return Some(file.answer(headers));
    }
    // Only a directory of ours, so this names no other host.
    let index = find(&format!("{path}/{INDEX_FILE}"))?;
    let folder = index.path.strip_suffix(INDEX_FILE)?;
    let location = [(header::LOCATION, HeaderValue::from_static(folder))];
    Some((StatusCode::PERMANENT_REDIRECT, location).into_response())
}

impl EmbeddedFile {
    fn answer(&self, headers: &HeaderMap) -> Response {
        let forms = [(Encoding::Brotli, self.brotli), (Encoding::Gzip, self.gzip)];
        let there: Vec<_> = forms
            .iter()
            .filter_map(|(encoding, bytes)| bytes.map(|_| *encoding))
            .collect();
        let encoding = content_encoding::negotiate(headers, &there);
        let tag = self.tag(encoding);
        let mut response = if has(headers, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.whole(encoding)
        };
        let fixed = [
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (PERMISSIONS_POLICY, DENIED_PERMISSIONS),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
            (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
            (header::VARY, "Accept-Encoding"),
            (
                header::CACHE_CONTROL,
                match self.path.starts_with(HASHED_FILES_PREFIX) {
                    true => CACHE_FOREVER,
                    false => CACHE_REVALIDATE,
                },
            ),
        ];
        let headers = response.headers_mut();
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }

    /// Returns the entity tag: a strong one, so each form has its own.
    fn tag(&self, encoding: Encoding) -> String {
        match encoding.name() {
            Some(name) => format!("\"{}-{name}\"", self.hash),
            None => format!("\"{}\"", self.hash),
        }
    }

    fn whole(&self, encoding: Encoding) -> Response {
        let (body, length) = match (encoding, self.plain, self.gzip) {
            (Encoding::Brotli, ..) => fixed(self.brotli),
            (Encoding::Gzip, ..) => fixed(self.gzip),
            (Encoding::Plain, None, Some(gzip)) => (inflate::body(gzip, self.length), self.length),
            (Encoding::Plain, plain, _) => fixed(plain),
        };
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type(self.path));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        if let Some(name) = encoding.name() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    }
}

fn fixed(bytes: Option<&'static [u8]>) -> (Body, usize) {
    let bytes = Bytes::from_static(bytes.unwrap_or_default());
    let length = bytes.len();
    (bytes.into(), length)
}

/// Returns whether the client has what this tag names (RFC 9110, section 13.1.2: marked as weak or
/// not).
fn has(headers: &HeaderMap, tag: &str) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        // Our tags hold no commas.
        value.to_str().unwrap_or_default().split(',').any(|known| {
            let known = known.trim();
            known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
        })
    })
}

/// By the name's end, as the web's standards name each.
fn content_type(path: &str) -> HeaderValue {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    HeaderValue::from_static(match extension {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/vnd.microsoft.icon",
        "jpg" | "jpeg" => "image/jpeg",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "ts" | "py" | "txt" | "md" => "text/plain; charset=utf-8",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        "webp" => "image/webp",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    })
}

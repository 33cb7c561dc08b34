//! `/fs/…`: the files of an account, for the page and for tools (`docs/protocol.md` section 12).
//!
//! This file routes by method. What happens on the disk is the engine's
//! (`further_link_engine::Tree`).

mod archive;
mod conditions;
pub(crate) mod error;
mod get_file;
mod listing;
mod path;
mod put_file;
mod request;
pub(crate) mod single_file;
mod watch;

use crate::access::fetch_metadata::is_cross_site_embed;
use crate::app::SharedApp;
use crate::http::error::HttpError;
use crate::http::query::QueryString;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use error::{FsError, account_error};
use further_link_engine::{Conditional, FilesError, Written};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use path::FsPath;
use request::{FsOptions, FsRequest};

/// Where a `MOVE` moves to.
const X_DESTINATION: HeaderName = HeaderName::from_static("x-destination");
/// That a `MOVE` may replace a file.
const X_OVERWRITE: HeaderName = HeaderName::from_static("x-overwrite");
/// When a file's content was last changed, in milliseconds since 1970.
const X_TIMESTAMP: HeaderName = HeaderName::from_static("x-timestamp");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// What is served here was written by anybody, and is on the page's own origin: nothing of it runs,
/// is shown as a part of the page, or reaches anything.
const CONTENT_SECURITY_POLICY: &str = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; \
     style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// All that is understood here.
const ALLOWED_METHODS: &str = "GET, HEAD, PUT, DELETE, MOVE, OPTIONS";

/// Answers all requests below `/fs`.
pub(crate) async fn answer(
    State(app): State<SharedApp>,
    query: QueryString,
    request: Request,
) -> Response {
    let result = match is_cross_site_embed(request.headers()) {
        true => Err(FsError::from(HttpError::new(
            StatusCode::FORBIDDEN,
            "Pages of other sites may not embed files.",
        ))),
        false => handle(app, FsOptions::from(&query), request).await,
    };
    let mut response = match result {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
        // Pages of other sites must not embed a file either: as a script, that would be reading it.
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn handle(app: SharedApp, options: FsOptions, request: Request) -> Result<Response, FsError> {
    let method = request.method().clone();
    let known = [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if !known.contains(&method) && method.as_str() != "MOVE" {
        return Err(HttpError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("Here, {ALLOWED_METHODS} are allowed."),
        )
        .with_header(header::ALLOW, ALLOWED_METHODS)
        .into());
    }
    if method == Method::OPTIONS {
        return Ok((StatusCode::NO_CONTENT, [(header::ALLOW, ALLOWED_METHODS)]).into_response());
    }
    if request.uri().path() == "/fs" && [Method::GET, Method::HEAD].contains(&method) {
        return Ok(moved_permanently(request.uri().query(), "/fs"));
    }
    let path = FsPath::parse(request.uri().path())?;
    let account = app.engine.account(options.user.clone()).await;
    let account = account.map_err(|error| account_error(&error))?;
    let (parts, body) = request.into_parts();
    let request = FsRequest {
        tree: app.engine.tree(account),
        app,
        path,
        options,
        is_head: method == Method::HEAD,
        headers: parts.headers,
    };
    match method {
        Method::PUT if request.path.is_directory => request.make_folder().await,
        Method::PUT => put_file::receive(request, body).await,
        Method::DELETE => request.remove().await,
        Method::GET | Method::HEAD => request.get(parts.uri.query()).await,
        _ => request.rename().await,
    }
}

/// Sends a client that has left out a directory's slash to the address with it.
fn moved_permanently(query: Option<&str>, path: &str) -> Response {
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    // A path that begins with two slashes would name a host.
    let location = format!("/{}/{query}", path.trim_matches('/'));
    let mut response = HttpError::new(
        StatusCode::MOVED_PERMANENTLY,
        "This is a folder; its address ends with a slash.",
    )
    .into_response();
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Why a `GET` failed: some of the engine's errors lead to a redirect.
#[derive(Debug)]
enum GetError {
    Files(FilesError),
    Other(FsError),
}

impl From<FilesError> for GetError {
    fn from(error: FilesError) -> Self {
        Self::Files(error)
    }
}

impl From<FsError> for GetError {
    fn from(error: FsError) -> Self {
        Self::Other(error)
    }
}

impl FsRequest {
    async fn get(self, query: Option<&str>) -> Result<Response, FsError> {
        match self.respond().await {
            Err(GetError::Files(FilesError::IsFolder(_))) => {
                Ok(moved_permanently(query, &self.path.raw))
            }
            // It, or something on the way to it, is a file where a directory would have to be.
            Err(GetError::Files(FilesError::NotFolder(_))) => {
                Err(FilesError::NotFound(self.path.name.as_str().to_owned()).into())
            }
            Err(GetError::Files(error)) => Err(error.into()),
            Err(GetError::Other(error)) => Err(error),
            Ok(response) => Ok(response),
        }
    }

    async fn respond(&self) -> Result<Response, GetError> {
        let name = self.path.name.clone();
        if !self.path.is_directory {
            let opened = self.tree.open(name).await?;
            if self.options.watch || self.options.archive.is_some() {
                let detail = "Only a folder is watched, or made an archive of.";
                return Err(FsError::bad(detail).into());
            }
            return Ok(get_file::response(opened, self)?);
        }
        if self.options.watch {
            return Ok(watch::response(self, self.tree.watch(name).await?));
        }
        match self.options.archive.as_deref() {
            None => {
                let folder = self.tree.list(name).await?;
                Ok(listing::response(folder, self.is_head).await?)
            }
            Some("zip") => Ok(archive::response(self).await?),
            Some(_) => Err(FsError::bad("There is one kind of archive: archive=zip.").into()),
        }
    }

    async fn make_folder(self) -> Result<Response, FsError> {
        let made = self
            .tree
            .make_folder(
                self.path.name.clone(),
                self.options.parents,
                put_file::timestamp(&self.headers)?,
            )
            .await?;
        Ok(match made {
            true => StatusCode::CREATED.into_response(),
            false => StatusCode::NO_CONTENT.into_response(),
        })
    }

    async fn remove(self) -> Result<Response, FsError> {
        let conditions = conditions::for_change(&self.headers);
        let removed = self
            .tree
            .remove(self.path.name.clone(), self.path.is_directory, conditions)
            .await?;
        match removed {
            Conditional::Done(()) => Ok(StatusCode::NO_CONTENT.into_response()),
            Conditional::Unmet(current) => Err(FsError::condition(&self.path.name, current)),
        }
    }

    async fn rename(self) -> Result<Response, FsError> {
        let destination = self.headers.get(X_DESTINATION).ok_or_else(|| {
            FsError::bad("MOVE needs X-Destination: where to, as in /fs/new-name.")
        })?;
        let destination = FsPath::parse_bytes(destination.as_bytes())?;
        let overwrite = self
            .headers
            .get(X_OVERWRITE)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        let moved = self
            .tree
            .rename(self.path.name.clone(), destination.name.clone(), overwrite)
            .await?;
        match moved {
            Written::Done { created, version } => {
                let status = match created {
                    true => StatusCode::CREATED,
                    false => StatusCode::NO_CONTENT,
                };
                Ok((status, [(header::ETAG, conditions::etag(version))]).into_response())
            }
            Written::Refused { .. } => Err(HttpError::new(
                StatusCode::PRECONDITION_FAILED,
                FilesError::Exists(destination.name.as_str().to_owned()).to_string(),
            )
            .into()),
        }
    }
}

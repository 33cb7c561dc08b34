//! `/fs/…`: the files of an account, for the page and for tools (`docs/protocol.md` section 12).
//!
//! This file decides what is asked for, and says how it went; `fs/` has what takes more: conditions and ranges, sending,
//! receiving, lists. What happens on the disk is the engine's (`further_link_engine::Tree`).

mod address;
mod archive;
mod conditions;
pub(crate) mod elsewhere;
mod listing;
mod receive;
mod refusal;
mod send;
mod watch;

use crate::SharedApp;
use crate::http::error::HttpError;
use address::Address;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{FilesError, Tree, Written};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use refusal::{Refusal, account_refused};

/// Where a `MOVE` moves to.
const X_DESTINATION: HeaderName = HeaderName::from_static("x-destination");
/// That a `MOVE` may replace a file.
const X_OVERWRITE: HeaderName = HeaderName::from_static("x-overwrite");
/// When a file's content was last changed, in milliseconds since 1970.
const X_TIMESTAMP: HeaderName = HeaderName::from_static("x-timestamp");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// What is served here was written by anybody, and is on the page's own origin: nothing of it runs, is shown as a part of
/// the page, or reaches anything.
const CONTENT_SECURITY_POLICY: &str = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; \
     style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// All that is understood here.
const ALLOWED_METHODS: &str = "GET, HEAD, PUT, DELETE, MOVE, OPTIONS";

type Pairs = Query<Vec<(String, String)>>;

/// What is behind the `?`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    user: Option<String>,
    parents: bool,
    archive: Option<String>,
    watch: bool,
}

impl Options {
    /// Of a name that comes twice, the first counts. Unknown ones are ignored.
    fn new(pairs: Vec<(String, String)>) -> Self {
        let value = |wanted: &str| {
            pairs
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.clone())
        };
        let is_on =
            |value: Option<String>| value.is_some_and(|value| value != "0" && value != "false");
        Self {
            user: value("user").filter(|user| !user.is_empty()),
            parents: is_on(value("parents")),
            archive: value("archive"),
            watch: is_on(value("watch")),
        }
    }
}

/// A request for something below the work folder.
struct Asked {
    tree: Tree,
    address: Address,
    options: Options,
    headers: HeaderMap,
    /// Only the head of the answer is wanted.
    head: bool,
    app: SharedApp,
}

/// Answers all requests below `/fs`.
pub(crate) async fn answer(
    State(app): State<SharedApp>,
    Query(pairs): Pairs,
    request: Request,
) -> Response {
    let result = match is_embedded(request.headers()) {
        true => Err(Refusal::from(HttpError::new(
            StatusCode::FORBIDDEN,
            "Pages of other sites may not embed files.",
        ))),
        false => handle(app, Options::new(pairs), request).await,
    };
    let mut response = match result {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
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

/// Whether a page of another site embeds what is asked for, as a picture or a script: such a request has no `Origin`. The page
/// would not get it (`Cross-Origin-Resource-Policy`), but could keep archives and watchers from everybody else.
pub(crate) fn is_embedded(headers: &HeaderMap) -> bool {
    let is = |name, value: &[u8]| {
        let found = headers.get(name).map(HeaderValue::as_bytes);
        found.is_some_and(|found: &[u8]| found.eq_ignore_ascii_case(value))
    };
    is(SEC_FETCH_MODE, b"no-cors")
        && (is(SEC_FETCH_SITE, b"cross-site") || is(SEC_FETCH_SITE, b"same-site"))
}

async fn handle(app: SharedApp, options: Options, request: Request) -> Result<Response, Refusal> {
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
    let address = Address::parse(request.uri().path())?;
    let account = app.engine.account(options.user.clone()).await;
    let account = account.map_err(|error| account_refused(&error))?;
    let (parts, body) = request.into_parts();
    let asked = Asked {
        tree: app.engine.tree(account),
        app,
        address,
        options,
        head: method == Method::HEAD,
        headers: parts.headers,
    };
    match method {
        Method::PUT if asked.address.folder => asked.make_folder().await,
        Method::PUT => receive::receive(asked, body).await,
        Method::DELETE => asked.remove().await,
        Method::GET | Method::HEAD => asked.look(parts.uri.query()).await,
        _ => asked.rename().await,
    }
}

/// Sends a client that has left out a folder's slash to the address with it.
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

impl Asked {
    async fn look(self, query: Option<&str>) -> Result<Response, Refusal> {
        match self.found().await {
            Err(FilesError::IsFolder(_)) => Ok(moved_permanently(query, &self.address.path)),
            // It, or something on the way to it, is a file where a folder would have to be.
            Err(FilesError::NotFolder(_)) => {
                Err(FilesError::NotFound(self.address.name.as_str().to_owned()).into())
            }
            Err(error) => Err(error.into()),
            Ok(found) => found,
        }
    }

    async fn found(&self) -> Result<Result<Response, Refusal>, FilesError> {
        let name = self.address.name.clone();
        if !self.address.folder {
            let opened = self.tree.open(name).await?;
            if self.options.watch || self.options.archive.is_some() {
                return Ok(Err(Refusal::bad(
                    "Only a folder is watched, or made an archive of.",
                )));
            }
            return Ok(send::response(opened, self));
        }
        if self.options.watch {
            return Ok(Ok(watch::response(self, self.tree.watch(name).await?)));
        }
        match self.options.archive.as_deref() {
            None => {
                let folder = self.tree.list(name).await?;
                Ok(Ok(listing::response(folder, self.head).await?))
            }
            Some("zip") => Ok(Ok(archive::response(self).await?)),
            Some(_) => Ok(Err(Refusal::bad(
                "There is one kind of archive: archive=zip.",
            ))),
        }
    }

    async fn make_folder(self) -> Result<Response, Refusal> {
        let made = self
            .tree
            .make_folder(
                self.address.name.clone(),
                self.options.parents,
                receive::timestamp(&self.headers)?,
            )
            .await?;
        Ok(match made {
            true => StatusCode::CREATED.into_response(),
            false => StatusCode::NO_CONTENT.into_response(),
        })
    }

    async fn remove(self) -> Result<Response, Refusal> {
        let conditions = conditions::for_change(&self.headers);
        let removed = self
            .tree
            .remove(self.address.name.clone(), self.address.folder, conditions)
            .await?;
        match removed {
            Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
            Err(current) => Err(Refusal::condition(&self.address, current)),
        }
    }

    async fn rename(self) -> Result<Response, Refusal> {
        let destination = self.headers.get(X_DESTINATION).ok_or_else(|| {
            Refusal::bad("MOVE needs X-Destination: where to, as in /fs/new-name.")
        })?;
        let destination = Address::parse_bytes(destination.as_bytes())?;
        let overwrite = self
            .headers
            .get(X_OVERWRITE)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        let moved = self
            .tree
            .rename(
                self.address.name.clone(),
                destination.name.clone(),
                overwrite,
            )
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

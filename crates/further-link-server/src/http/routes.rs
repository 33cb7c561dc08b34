//! The routes, and what answers each. All pass access control: [`router`] puts it around whatever
//! is here, unknown paths included.

use super::{
    apt, request_body,
    upload::{self, UploadError},
};
use crate::app::SharedApp;
use crate::http::error::HttpError;
use crate::http::query::QueryString;
use crate::listen::peer::Peer;
use crate::session::{self, SessionOptions};
use crate::websocket;
use crate::websocket::deflate::Agreement;
use crate::{access, device, fs, page, repl};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use further_link_protocol::Features;
use further_link_protocol::wire::{Dialect, Exec, Run, RunPy, stream};
use http::{HeaderValue, Method, header};
use serde_json::json;
use std::sync::Arc;

/// What `GET` routes allow. `HEAD` is not served, as on the servers before.
const ONLY_GET: &str = "GET";
const ONLY_POST: &str = "POST";
/// What files of the page allow.
const GET_AND_HEAD: &str = "GET, HEAD";

/// Everything that this server answers.
pub(crate) fn router(app: SharedApp) -> Router {
    let router = Router::new()
        .route("/status", only_get(get(async || "OK")))
        .route("/version", only_get(get(version)))
        .route("/version/apt/{package}", only_get(get(apt_version)))
        .route("/runners", only_get(get(runners)))
        .route("/metrics", only_get(get(metrics)))
        .route("/device", only_get(get(device::answer)))
        .route("/run", only_get(get(run)))
        .route("/run-py", only_get(get(run_py)))
        .route("/exec", only_get(get(exec)))
        .route("/ws", only_get(get(open_repl)))
        .route("/fs", any(fs::answer))
        .route("/fs/", any(fs::answer))
        .route("/fs/{*path}", any(fs::answer))
        .route(
            "/upload",
            post(upload).fallback(async || not_allowed(ONLY_POST)),
        );
    let routes = router
        .fallback(page_or_nothing)
        .with_state(Arc::clone(&app));
    // Around the whole router, not around each route: those add to answers that are not theirs.
    Router::new()
        .fallback_service(routes)
        .layer(from_fn_with_state(app, access::middleware::check_access))
}

/// Answers every other method with 405, `HEAD` too.
fn only_get(route: MethodRouter<SharedApp>) -> MethodRouter<SharedApp> {
    route
        .head(async || not_allowed(ONLY_GET))
        .fallback(async || not_allowed(ONLY_GET))
}

fn not_allowed(allowed: &'static str) -> HttpError {
    HttpError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("Here, only {allowed} is allowed."),
    )
    .with_header(header::ALLOW, allowed)
}

/// Everything that no other route answers.
async fn page_or_nothing(request: Request) -> Response {
    let page = match request.uri().path() {
        // It speaks to the terminal server alone.
        page::TERMINAL_PAGE_PATH => None,
        path => page::answer(path, request.headers()),
    };
    match page {
        // The HTTP library leaves the body away for HEAD.
        Some(answer) if [Method::GET, Method::HEAD].contains(request.method()) => answer,
        Some(_) => not_allowed(GET_AND_HEAD).into_response(),
        None => HttpError::new(StatusCode::NOT_FOUND, "There is nothing here.").into_response(),
    }
}

fn json_response(value: &serde_json::Value) -> Response {
    let mut response = value.to_string().into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

async fn version(State(app): State<SharedApp>) -> Response {
    json_response(&json!({ "version": app.settings.version }))
}

async fn apt_version(package: Result<Path<String>, PathRejection>) -> Result<Response, HttpError> {
    let Path(package) = package.map_err(|_| {
        HttpError::new(
            StatusCode::BAD_REQUEST,
            "The package's name is no UTF-8 text.",
        )
    })?;
    Ok(json_response(
        &json!({ "version": apt::version(&package).await }),
    ))
}

async fn runners(State(app): State<SharedApp>) -> Response {
    let rows: Vec<_> = app
        .engine
        .runners()
        .rows()
        .iter()
        .map(|row| {
            json!({
                "name": row.name,
                "title": row.title,
                "extension": row.extension,
                "installed": app.engine.is_installed(row),
            })
        })
        .collect();
    json_response(&json!({ "runners": rows }))
}

async fn metrics(State(app): State<SharedApp>) -> Result<Response, HttpError> {
    app.metrics.jobs.set(app.engine.active_jobs() as i64);
    let text = app.metrics.text().map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "")
    })?;
    let mut response = text.into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    Ok(response)
}

async fn upload(
    State(app): State<SharedApp>,
    query: QueryString,
    request: Request,
) -> Result<Response, HttpError> {
    let body = app.uploads.bodies.read(request).await?;
    let account = app.engine.account(query.user()).await;
    let uploaded = upload::upload(&app, &account, body.bytes).await;
    drop(body.memory);
    let uploaded = uploaded.map_err(|error| {
        let status = match &error {
            UploadError::Shape(_) => StatusCode::BAD_REQUEST,
            UploadError::Busy => return request_body::busy(),
            UploadError::Files(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        HttpError::new(status, error.to_string())
    })?;
    Ok(json_response(
        &json!({ "success": true, "fetched_urls": uploaded.fetched_urls }),
    ))
}

/// What the query string of a WebSocket's URL asks for.
#[derive(Default)]
struct ConnectionOptions {
    user: Option<String>,
    terminal: bool,
    client: String,
    mode: Option<String>,
    features: Features,
}

impl From<&QueryString> for ConnectionOptions {
    fn from(query: &QueryString) -> Self {
        Self {
            user: query.user(),
            terminal: query
                .get("pty")
                .is_some_and(|pty| pty == "1" || pty.eq_ignore_ascii_case("true")),
            client: query.get("client").unwrap_or_default().to_owned(),
            mode: query.get("mode").map(str::to_owned),
            features: Features::from_names(query.get("features").unwrap_or_default().split(',')),
        }
    }
}

async fn run(State(app): State<SharedApp>, query: QueryString, request: Request) -> Response {
    let options = ConnectionOptions::from(&query);
    let client = options.client.clone();
    let binary_stream = websocket::offers(request.headers(), stream::SUBPROTOCOL);
    let dialect = match binary_stream {
        true => Run::with_binary_stream(client),
        false => Run::new(client),
    };
    open_session(app, options, Box::new(dialect), binary_stream, request).await
}

async fn run_py(State(app): State<SharedApp>, query: QueryString, request: Request) -> Response {
    let options = ConnectionOptions {
        // It has no messages for them.
        features: Features::default(),
        ..ConnectionOptions::from(&query)
    };
    open_session(app, options, Box::new(RunPy), false, request).await
}

/// `/exec`: the first generation knows no options.
async fn exec(State(app): State<SharedApp>, request: Request) -> Response {
    open_session(
        app,
        ConnectionOptions::default(),
        Box::new(Exec),
        false,
        request,
    )
    .await
}

async fn open_session(
    app: SharedApp,
    options: ConnectionOptions,
    dialect: Box<dyn Dialect>,
    binary_stream: bool,
    request: Request,
) -> Response {
    let options = SessionOptions {
        account: app.engine.account(options.user).await,
        terminal: options.terminal,
        dialect,
        binary_stream,
        features: options.features,
    };
    let subprotocol = binary_stream.then_some(stream::SUBPROTOCOL);
    upgrade(app, request, subprotocol, |app, io| {
        session::run(app, io, options)
    })
}

async fn open_repl(State(app): State<SharedApp>, query: QueryString, request: Request) -> Response {
    let options = ConnectionOptions::from(&query);
    let mode = match options.mode.as_deref() {
        None | Some("command") => repl::ReplMode::Command,
        Some("python") => repl::ReplMode::Python,
        Some(_) => {
            let detail = "There are two modes: mode=command and mode=python.";
            return HttpError::new(StatusCode::BAD_REQUEST, detail).into_response();
        }
    };
    let account = app.engine.account(options.user).await;
    upgrade(app, request, None, move |app, io| {
        repl::run(app, io, account, mode)
    })
}

/// Answers an upgrade request, and goes on with `session` when the connection has changed over.
pub(crate) fn upgrade<F, S>(
    app: SharedApp,
    mut request: Request,
    subprotocol: Option<&'static str>,
    session: S,
) -> Response
where
    S: FnOnce(SharedApp, (websocket::Reader, websocket::Writer)) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    // Keeps the connection's place among the permitted ones for as long as the session lasts.
    let peer = request.extensions().get::<Arc<Peer>>().cloned();
    let near = peer.as_ref().is_none_or(|peer| peer.is_local());
    let compression = match app.settings.compression.is_for(near) {
        true => Agreement::with(request.headers()),
        false => None,
    };
    let response = match websocket::accept(request.headers(), subprotocol, compression.as_ref()) {
        Ok(response) => response,
        Err(error) => return error.into_response(),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                if let Some(peer) = &peer {
                    peer.upgrade();
                }
                let max = app.settings.limits.message_bytes;
                session(app, websocket::split(upgraded, max, compression)).await;
            }
            Err(error) => tracing::debug!(%error, "a client left during the handshake"),
        }
        drop(peer);
    });
    response
}

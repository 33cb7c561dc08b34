//! The HTTP dialect: sessions by `session=ID` or the cookie, output by polling, keys by POST,
//! files.

use super::app::{Shared, start_error, start_shell};
use super::auth::Client;
use super::query::TerminalQuery;
use super::sessions::{NewSession, Session};
use super::{document_root, websocket};
use crate::fs::single_file::{FsError, SingleFile};
use crate::http::error::HttpError;
use crate::http::request_body::discard;
use crate::websocket::is_upgrade;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{InputRefused, Name};
use further_link_protocol::wire::{read_terminal_input, write_terminal_output};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::sync::Arc;

const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, OPTIONS";

/// Answers everything on the HTTP port.
pub(super) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if request.uri().path() == "/" && is_upgrade(request.headers()) {
        return websocket::answer(State(shared), request).await;
    }
    let client = match Client::of(shared.settings.token.as_deref(), request.headers()) {
        Ok(client) => client,
        Err(error) => return error.into_response(),
    };
    let result = handle(&shared, client, request).await;
    let mut response = result.unwrap_or_else(FsError::into_response);
    client.set_cookie(response.headers_mut());
    response
}

async fn handle(
    shared: &Arc<Shared>,
    client: Client,
    request: Request,
) -> Result<Response, FsError> {
    let method = request.method().clone();
    let root = request.uri().path() == "/";
    match method {
        Method::GET | Method::HEAD if root => {
            let query = TerminalQuery::parse(request.uri().query())?;
            if query.is_empty() || method == Method::HEAD {
                return document_root::answer(shared, request).await;
            }
            Ok(ask(shared, client, query, request.headers()).await?)
        }
        Method::GET | Method::HEAD => document_root::answer(shared, request).await,
        Method::POST if root => {
            let query = client
                .check_csrf(&shared.app.access, request.headers())
                .and_then(|()| TerminalQuery::parse(request.uri().query()))
                // Before it is sent at length.
                .and_then(|query| query.session_id().map(|_| query));
            match query {
                // Browsers say `Origin` with it, so this is the better way.
                Ok(TerminalQuery {
                    kill: Some(name), ..
                }) => kill(shared, client, &name, request.headers())
                    .map_err(|error| refuse_early(error, request)),
                Ok(query) => Ok(type_keys(shared, client, query, request).await?),
                Err(error) => Err(refuse_early(error, request)),
            }
        }
        Method::PUT => {
            let name = client
                .check_csrf(&shared.app.access, request.headers())
                .and_then(|()| name_to_store(request.uri().path()));
            match name {
                Ok(name) => store(shared, name, request).await,
                Err(error) => Err(refuse_early(error, request)),
            }
        }
        Method::OPTIONS => {
            Ok((StatusCode::NO_CONTENT, [(header::ALLOW, ALLOWED_METHODS)]).into_response())
        }
        _ => {
            let detail = match method {
                Method::POST => "Keys are sent to the path /.".to_owned(),
                _ => format!("Here, {ALLOWED_METHODS} are allowed."),
            };
            let error = HttpError::new(StatusCode::METHOD_NOT_ALLOWED, detail);
            Err(refuse_early(
                error.with_header(header::ALLOW, ALLOWED_METHODS),
                request,
            ))
        }
    }
}

/// Refuses a request whose body was not read. What still comes of it is, so that the client gets to
/// read why: a connection that is closed with something unread in it takes its answer back.
fn refuse_early(error: HttpError, request: Request) -> FsError {
    // Who asks first has not sent anything yet.
    if !request.headers().contains_key(header::EXPECT) {
        let mut body = request.into_body();
        tokio::spawn(async move { discard(&mut body).await });
    }
    error.into()
}

/// `GET /?…`
async fn ask(
    shared: &Arc<Shared>,
    client: Client,
    query: TerminalQuery,
    headers: &HeaderMap,
) -> Result<Response, HttpError> {
    if let Some(name) = &query.kill {
        return kill(shared, client, name, headers);
    }
    if query.sessions {
        let mut list = Vec::new();
        shared.sessions.list(&client, &mut list);
        return Ok(json(list));
    }
    client.check_csrf(&shared.app.access, headers)?;
    let session = session(shared, client, &query).await?;
    let _visit = session.visit();
    if let Some(size) = query.size {
        session.resize(size);
    }
    // Who only says a size need not look at the answer, so what there is waits for who asks for it.
    let (text, ended) = match query.console {
        true => session.poll(query.wait).await,
        false => (String::new(), false),
    };
    if ended {
        shared.sessions.remove(&session);
    }
    let mut answer = Vec::new();
    write_terminal_output(&text, ended, &mut answer);
    Ok(json(answer))
}

/// `?kill=NAME`
fn kill(
    shared: &Shared,
    client: Client,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, HttpError> {
    client.check_csrf(&shared.app.access, headers)?;
    match shared.sessions.kill(&client, name) {
        true => Ok(json(b"{}".to_vec())),
        false => Err(HttpError::new(
            StatusCode::NOT_FOUND,
            "You have no session of this name.",
        )),
    }
}

/// `POST /`
async fn type_keys(
    shared: &Arc<Shared>,
    client: Client,
    query: TerminalQuery,
    request: Request,
) -> Result<Response, HttpError> {
    let body = shared.bodies.read(request).await?;
    let input = read_terminal_input(&body.bytes);
    let input =
        input.map_err(|error| HttpError::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let query = TerminalQuery {
        size: input.size.or(query.size),
        ..query
    };
    let session = session(shared, client, &query).await?;
    let _visit = session.visit();
    if let Some(size) = query.size {
        session.resize(size);
    }
    match session.job.input(input.keys.as_bytes()) {
        Ok(()) => {
            let typed = input.keys.len() as u64;
            shared.app.metrics.input_bytes.inc_by(typed);
            Ok(StatusCode::OK.into_response())
        }
        Err(refused @ (InputRefused::Full { .. } | InputRefused::Ended)) => {
            let error = HttpError::new(StatusCode::SERVICE_UNAVAILABLE, format!("{refused}."));
            Err(error.with_header(header::RETRY_AFTER, "1"))
        }
    }
}

/// Returns the session that a request is about; a new one with a shell, if there is none.
async fn session(
    shared: &Arc<Shared>,
    client: Client,
    query: &TerminalQuery,
) -> Result<Arc<Session>, HttpError> {
    let id = query.session_id()?;
    if let Some(session) = shared.sessions.get(&client, &id) {
        return match session.is_persistent() {
            false => Ok(session),
            true => Err(HttpError::new(
                StatusCode::CONFLICT,
                "This session is used by way of a WebSocket.",
            )),
        };
    }
    if query.session.is_some() && shared.sessions.is_of_another(&client, &id) {
        return Err(HttpError::new(
            StatusCode::FORBIDDEN,
            "This session belongs to a client with a cookie. Send the cookie session_id back that the first answer has set \
             (curl does with -b and -c), or choose another id.",
        ));
    }
    let account = shared
        .account()
        .await
        .map_err(|error| start_error(&error))?;
    // Somebody may have been quicker.
    if let Some(session) = shared.sessions.get(&client, &id) {
        return Ok(session);
    }
    shared.sessions.has_room(&client)?;
    let size = query.size.unwrap_or(shared.settings.initial_size);
    let job = start_shell(shared, &account, size).map_err(|error| start_error(&error))?;
    shared.sessions.add(NewSession {
        id,
        client,
        job,
        size: query.size,
        welcome: Some(shared.welcome(&account.name)),
    })
}

/// Returns the name that a path gives to a file that is sent.
fn name_to_store(path: &str) -> Result<Name, HttpError> {
    let refuse = |detail: &str| Err(HttpError::new(StatusCode::BAD_REQUEST, detail));
    let name = document_root::name(path)?;
    if name.components().count() != 1 || path.ends_with('/') {
        return refuse("Files are stored under one name, without folders.");
    }
    if name.as_str().starts_with('.') {
        return refuse("The name of a file that is sent may not begin with a dot.");
    }
    Ok(name)
}

/// `PUT /name`
async fn store(shared: &Arc<Shared>, name: Name, request: Request) -> Result<Response, FsError> {
    let account = shared
        .account()
        .await
        .map_err(|error| start_error(&error))?;
    let engine = &shared.app.engine;
    let folder = match &shared.settings.upload_folder {
        Some(folder) => folder.clone(),
        None => engine.work_dir(&account).join("uploads"),
    };
    let (parts, body) = request.into_parts();
    let file = SingleFile {
        app: Arc::clone(&shared.app),
        tree: engine.tree_below(folder, account),
        name,
        headers: parts.headers,
        is_head: false,
    };
    file.receive(body).await
}

fn json(body: Vec<u8>) -> Response {
    let mut response = body.into_response();
    let fixed = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

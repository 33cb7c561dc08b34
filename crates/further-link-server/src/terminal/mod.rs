//! The terminal server: shells for pages, over HTTP and WebSocket, each on a port of its own, and the files of the page
//! (`docs/protocol.md` section 7).
//!
//! `http.rs` and `websocket.rs` are the two dialects, `sessions.rs` has who owns which shell and when it ends, `owner.rs` by
//! what somebody is known again, `screen.rs` makes text of what a shell puts out, `document_root.rs` serves the page.

mod document_root;
mod http;
mod own_page;
mod owner;
mod screen;
mod sessions;
mod websocket;

use crate::access;
use crate::http::request_body::Bodies;
use crate::listen::Server;
use crate::{ServerSettings, SharedApp};
use ::http::StatusCode;
use axum::Router;
use axum::middleware::from_fn_with_state;
use further_link_engine::{Account, Engine, StartError};
use further_link_protocol::TerminalSize;
use sessions::Sessions;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;

use crate::http::error::HttpError;

/// Bytes of what is typed in one request over HTTP, at the most: as much as may wait for a shell that does not read.
const INPUT_MAX_BYTES: usize = 1024 * 1024;

/// Requests of that size whose bodies may be held at the same time; of ordinary ones, thousands.
const INPUT_BODIES_MAX_COUNT: usize = 16;

/// What is particular to the terminal server.
#[derive(Clone, Debug)]
pub struct TerminalSettings {
    /// What terminals have until their page says how large they are.
    pub initial_size: TerminalSize,
    /// The folder with the page, absolute; `None` is our own page.
    pub document_root: Option<PathBuf>,
    /// Where files go that pages send, absolute; `None` is `uploads` in the work folder.
    pub upload_folder: Option<PathBuf>,
    /// A new terminal begins with a line that says what it is.
    pub welcome: bool,
    /// How long a session over HTTP may be without a visit.
    pub idle: Duration,
    /// Whoever knows it sees all sessions and may end them.
    pub token: Option<String>,
    /// Sessions at the same time, at the most.
    pub max_sessions: usize,
    /// Sessions of one client at the same time, at the most.
    pub max_sessions_per_client: usize,
    /// How many seconds the device's own time is ahead of UTC, at a time in seconds since 1970.
    pub clock: fn(i64) -> i64,
}

/// The terminal server, before it listens.
pub struct TerminalServer {
    server: Server,
    shared: Arc<Shared>,
}

/// What every request can reach.
struct Shared {
    app: SharedApp,
    settings: TerminalSettings,
    sessions: Sessions,
    bodies: Bodies,
    hostname: String,
}

impl TerminalServer {
    /// `hostname` and `tls` as for [`Server::new`]. `settings.gate.ports` has to name all ports that are listened on.
    ///
    /// # Errors
    /// If a metric cannot be registered.
    pub fn new(
        engine: Engine,
        settings: ServerSettings,
        terminal: TerminalSettings,
        hostname: &str,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let mut shared = None;
        let server = Server::with_routes(engine, settings, hostname, tls, |app| {
            let sentence =
                format!("What is typed may have {INPUT_MAX_BYTES} bytes in one request.");
            let new = shared.insert(Arc::new(Shared {
                sessions: Sessions::new(&terminal),
                bodies: Bodies::with_sentence(INPUT_MAX_BYTES, INPUT_BODIES_MAX_COUNT, sentence),
                hostname: hostname.to_owned(),
                settings: terminal,
                app,
            }));
            new.http()
        })?;
        let shared = shared.ok_or_else(|| io::Error::other("the terminal server has no routes"))?;
        Ok(Self {
            server: server.without_redirects(),
            shared,
        })
    }

    /// Serves until `stop` completes; then tells all clients, and returns when they are gone. The shells end with the engine.
    pub async fn serve(
        self,
        http: Vec<TcpListener>,
        websocket: Vec<TcpListener>,
        stop: impl Future<Output = ()>,
    ) {
        let Self { server, shared } = self;
        let with = |listeners: Vec<TcpListener>, router: Router| {
            let pairs = listeners.into_iter();
            pairs.map(move |listener| (listener, router.clone()))
        };
        let listeners = with(http, shared.http()).chain(with(websocket, shared.websocket()));
        let stop = async {
            stop.await;
            // Those who wait for output are told now.
            shared.sessions.end_all_over_http();
        };
        let serving = server.serve_each(listeners.collect(), stop);
        tokio::select! {
            () = serving => {}
            never = shared.sessions.end_idle_ones() => match never {},
        }
    }
}

impl Shared {
    fn http(self: &Arc<Self>) -> Router {
        let routes = Router::new()
            .fallback(http::answer)
            .with_state(Arc::clone(self));
        self.guarded(routes)
    }

    fn websocket(self: &Arc<Self>) -> Router {
        let routes = Router::new()
            .fallback(websocket::answer)
            .with_state(Arc::clone(self));
        self.guarded(routes)
    }

    /// Around the whole router, unknown paths included.
    fn guarded(&self, routes: Router) -> Router {
        Router::new()
            .fallback_service(routes)
            .layer(from_fn_with_state(Arc::clone(&self.app), access::guard))
    }

    /// The account whose shells and files these are.
    async fn account(&self) -> Result<Account, StartError> {
        Ok(self.app.engine.account(None).await?)
    }

    /// The first line of a new terminal.
    fn welcome(&self, user: &str) -> String {
        match self.settings.welcome {
            false => String::new(),
            true => format!(
                "Further Link {}: a shell of {user} on {}.\r\n",
                self.app.settings.version,
                match self.hostname.as_str() {
                    "" => "this device",
                    name => name,
                },
            ),
        }
    }
}

/// A shell that cannot be had, as an answer.
fn not_started(error: &StartError) -> HttpError {
    let status = match error {
        StartError::TooManyJobs(_) | StartError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    HttpError::new(status, error.to_string())
}

//! The terminal server: shells for pages, over HTTP and WebSocket, each on a port of its own, and
//! the files of the page (`docs/protocol.md` section 7).
//!
//! `http` and `websocket` are the two dialects, `sessions` knows whose each shell is and when it
//! ends, `auth` who a client is and whether a request may change anything (CSRF), `output` makes
//! text of what a shell prints, `document_root` and `embedded_page` serve the page.

mod app;
mod auth;
mod document_root;
mod embedded_page;
mod http;
mod output;
mod query;
mod sessions;
mod settings;

mod websocket;

pub use settings::TerminalSettings;

use crate::access;
use crate::http::request_body::Bodies;
use crate::listen::Server;
use crate::settings::ServerSettings;
use app::Shared;
use axum::Router;
use axum::middleware::from_fn_with_state;
use further_link_engine::Engine;
use sessions::Sessions;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;

/// Bytes of what is typed in one request over HTTP, at most: as much as may wait for a shell that
/// does not read.
const INPUT_MAX_BYTES: usize = 1024 * 1024;

/// Requests of that size whose bodies may be held at the same time; of ordinary ones, thousands.
const INPUT_BODIES_MAX_COUNT: usize = 16;

/// The terminal server, before it listens.
pub struct TerminalServer {
    server: Server,
    shared: Arc<Shared>,
}

impl TerminalServer {
    /// `hostname` and `tls` as for [`Server::new`]. `settings.access.ports` has to name all ports
    /// that are listened on.
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
                bodies: Bodies::with_message(INPUT_MAX_BYTES, INPUT_BODIES_MAX_COUNT, sentence),
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

    /// Serves until `stop` completes; then tells all clients, and returns when they are gone. The
    /// shells end with the engine.
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
            shared.sessions.end_http_sessions();
        };
        let serving = server.serve_routers(listeners.collect(), stop);
        tokio::select! {
            () = serving => {}
            never = shared.sessions.expire_idle_sessions() => match never {},
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
            .layer(from_fn_with_state(
                Arc::clone(&self.app),
                access::middleware::check_access,
            ))
    }
}

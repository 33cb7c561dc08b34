//! The port: accepting connections, telling TLS from plain HTTP, and serving requests on them.

pub(crate) mod peer;
mod write_timeout;

use self::peer::{Peer, is_local};
use self::write_timeout::WriteTimeout;
use crate::access::{self, Access};
use crate::app::{App, SharedApp};
use crate::device::sampler::Device;
use crate::download::Downloader;
use crate::http::error::HttpError;
use crate::http::routes;
use crate::http::upload_queues::UploadQueues;
use crate::metrics::Metrics;
use crate::page;
use crate::settings::ServerSettings;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use further_link_engine::Engine;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::ServiceExt as _;

/// How long a client may take for its first byte, and for the TLS handshake.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's head; also how long an idle connection is kept.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request that has begun may still take when the server ends.
const SHUTDOWN_REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of a request's head that are always read. Above that it depends on how they arrive.
const REQUEST_HEAD_MAX_BYTES: usize = 32 * 1024;
/// Bytes that the kernel takes for a client beyond what is on its way (`tcp(7)`,
/// `TCP_NOTSENT_LOWAT`). It would take megabytes: a pong would wait behind them, and a slow client
/// would seem dead, because there is room again only when a good part of them is gone.
const NOTSENT_LOWAT_BYTES: u32 = 32 * 1024;
/// How long what was sent may stay unacknowledged (`tcp(7)`, `TCP_USER_TIMEOUT`). Linux tries for a
/// quarter of an hour; so long, somebody who has gone out of reach would be told what changes in a
/// directory.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(120);
/// Pause after an error of `accept`, which mostly means that there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a rejected client may take to read why.
const REJECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Clients that are rejected at the same time; more are cut off.
static REJECT_PERMITS: Semaphore = Semaphore::const_new(32);
/// The first byte of a TLS record that begins a handshake (RFC 8446 section 5.1). No HTTP method
/// begins with it.
const TLS_HANDSHAKE_RECORD_TYPE: u8 = 0x16;
/// Connections that wait to be accepted (`listen(2)`).
const LISTEN_BACKLOG: u32 = 1024;

/// Opens a listening socket. Has to be called inside of the runtime. With `only_v6` the address
/// `::` leaves IPv4 to another socket.
///
/// # Errors
/// If the address cannot be had.
pub fn bind(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = match address.ip() {
        IpAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        IpAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        SockRef::from(&socket).set_only_v6(only_v6)?;
    }
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

/// The server, before it listens.
pub struct Server {
    app: SharedApp,
    /// The default routes.
    router: Router,
    tls: Option<TlsAcceptor>,
    /// With TLS, those on other devices who come without it are sent to `https`.
    redirects_to_https: bool,
    stopping: watch::Sender<bool>,
    permits: Arc<Semaphore>,
}

impl Server {
    /// `hostname` is the device's name. Without `tls`, plain HTTP is served to everybody; with it,
    /// to this device itself, and others are sent to the same address with `https`.
    ///
    /// # Errors
    /// If a metric cannot be registered.
    pub fn new(
        engine: Engine,
        settings: ServerSettings,
        hostname: &str,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        if !page::is_built() {
            tracing::warn!(
                "this server was built without its page: install Node.js 18 or newer, then `make run`"
            );
        }
        Self::with_routes(engine, settings, hostname, tls, routes::router)
    }

    /// Returns a server with other routes.
    pub(crate) fn with_routes(
        engine: Engine,
        settings: ServerSettings,
        hostname: &str,
        tls: Option<Arc<ServerConfig>>,
        routes: impl FnOnce(SharedApp) -> Router,
    ) -> io::Result<Self> {
        let stopping = watch::Sender::new(false);
        let permits = Arc::new(Semaphore::new(settings.max_connections));
        let app = Arc::new(App {
            engine,
            metrics: Metrics::new().map_err(io::Error::other)?,
            access: Access::new(&settings.access, hostname),
            uploads: UploadQueues::new(settings.max_upload_bytes),
            stopping: stopping.subscribe(),
            downloads: Downloader::new(settings.downloads.clone()),
            device: Device::new("/"),
            settings,
        });
        Ok(Self {
            router: routes(Arc::clone(&app)),
            app,
            tls: tls.map(TlsAcceptor::from),
            redirects_to_https: true,
            stopping,
            permits,
        })
    }

    /// Serves plain HTTP to everybody, with TLS or without: clients of old servers know no
    /// redirects_to_https.
    pub(crate) fn without_redirects(mut self) -> Self {
        self.redirects_to_https = false;
        self
    }

    /// Serves until `stop` completes; then tells all clients, and returns when they are gone.
    pub async fn serve(self, listeners: Vec<TcpListener>, stop: impl Future<Output = ()>) {
        let router = self.router.clone();
        let each = |listener| (listener, router.clone());
        let listeners = listeners.into_iter().map(each).collect();
        self.serve_routers(listeners, stop).await;
    }

    /// Serves a router of its own on each port, as [`Self::serve`] does.
    pub(crate) async fn serve_routers(
        self,
        listeners: Vec<(TcpListener, Router)>,
        stop: impl Future<Output = ()>,
    ) {
        let server = Arc::new(self);
        let mut accepting = JoinSet::new();
        for (listener, router) in listeners {
            accepting.spawn(Arc::clone(&server).accept(listener, router));
        }
        stop.await;
        accepting.shutdown().await;
        server.stopping.send_replace(true);
        // Each connection holds its permit until it is gone; all permits are free when all are.
        let all = u32::try_from(server.app.settings.max_connections).unwrap_or(u32::MAX);
        let _ = server.permits.acquire_many(all).await;
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, router: Router) {
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match Arc::clone(&self.permits).try_acquire_owned() {
                Ok(permit) => {
                    let peer = Arc::new(Peer::new(permit, is_local(&stream, address)));
                    let serving =
                        Arc::clone(&self).detect_protocol(stream, address, peer, router.clone());
                    tokio::spawn(serving);
                }
                Err(_) => {
                    self.app.metrics.refused("connections");
                    tracing::warn!(%address, "too many connections");
                    reject(stream);
                }
            }
        }
    }

    /// Tells TLS from plain HTTP by the first byte, and serves the client.
    async fn detect_protocol(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        peer: Arc<Peer>,
        router: Router,
    ) {
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(NOTSENT_LOWAT_BYTES);
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(TCP_USER_TIMEOUT));
        let mut first = [0];
        let Some(Ok(1)) = self.with_handshake_timeout(stream.peek(&mut first)).await else {
            return;
        };
        match &self.tls {
            Some(tls) if first[0] == TLS_HANDSHAKE_RECORD_TYPE => {
                match self.with_handshake_timeout(tls.accept(stream)).await {
                    Some(Ok(stream)) => self.serve_http(stream, peer, router, false).await,
                    Some(Err(error)) => tracing::debug!(%address, %error, "no TLS session"),
                    None => tracing::debug!(%address, "the TLS handshake took too long"),
                }
            }
            tls => {
                let is_local = address.ip().to_canonical().is_loopback();
                let redirect = self.redirects_to_https && tls.is_some() && !is_local;
                self.serve_http(stream, peer, router, redirect).await;
            }
        }
    }

    /// Completes with what `step` of the handshake returns; `None` after [`TLS_HANDSHAKE_TIMEOUT`]
    /// and when the server is stopping.
    async fn with_handshake_timeout<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        let mut stopping = self.app.stopping.clone();
        tokio::select! {
            result = tokio::time::timeout(TLS_HANDSHAKE_TIMEOUT, step) => result.ok(),
            _ = stopping.wait_for(|stopping| *stopping) => None,
        }
    }

    async fn serve_http<S>(
        self: Arc<Self>,
        stream: S,
        peer: Arc<Peer>,
        router: Router,
        redirect: bool,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = WriteTimeout::new(stream, Arc::clone(&peer));
        let server = Arc::clone(&self);
        let service = service_fn(move |request: Request<Incoming>| {
            let server = Arc::clone(&server);
            let (peer, router) = (Arc::clone(&peer), router.clone());
            async move { Ok::<_, Infallible>(server.answer(request, peer, router, redirect).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_HEAD_TIMEOUT)
            .max_buf_size(REQUEST_HEAD_MAX_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let mut stopping = self.app.stopping.clone();
        let result = tokio::select! {
            result = &mut connection => Some(result),
            _ = stopping.wait_for(|stopping| *stopping) => None,
        };
        let result = match result {
            Some(result) => result,
            None => {
                connection.as_mut().graceful_shutdown();
                // One who is in the middle of a request may finish it, but not make everybody wait.
                match tokio::time::timeout(SHUTDOWN_REQUEST_TIMEOUT, connection).await {
                    Ok(result) => result,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a connection broke off");
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Arc<Peer>,
        router: Router,
        redirect: bool,
    ) -> Response {
        if redirect {
            let mut response = self.redirect(&request);
            access::allow_private_network(response.headers_mut());
            return response;
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Sends a client that is not on this device to the same address with `https`.
    fn redirect(&self, request: &Request<Incoming>) -> Response {
        if let Err(denied) = self.app.access.check(request.uri(), request.headers()) {
            self.app.metrics.refused(denied.metric_reason());
            return HttpError::from(denied).into_response();
        }
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default();
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let error = HttpError::new(
            StatusCode::PERMANENT_REDIRECT,
            "This server is reached with https (and wss).",
        );
        let mut response = error.into_response();
        if let Ok(location) = HeaderValue::try_from(format!("https://{host}{path}")) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

/// Rejects a client with 503: there are too many connections. One that speaks TLS only sees the
/// end.
fn reject(mut stream: TcpStream) {
    const TOO_MANY_CONNECTIONS_RESPONSE: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Access-Control-Allow-Private-Network: true\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 72\r\n\r\n\
        503: Service Unavailable\nAs many clients are connected as there may be.\n";
    let Ok(turn) = REJECT_PERMITS.try_acquire() else {
        return;
    };
    tokio::spawn(async move {
        let answer = async {
            stream.write_all(TOO_MANY_CONNECTIONS_RESPONSE).await?;
            stream.shutdown().await?;
            // A socket that is closed with something unread in it takes its answer back.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        };
        let _ = tokio::time::timeout(REJECT_TIMEOUT, answer).await;
        drop(turn);
    });
}

//! Downloads: the `url` files of uploaded projects, fetched by this device from the networks it is
//! in.
//!
//! Whoever uploads a project chooses the address, and so could have this device request_url its own
//! services or its neighbours for what they tell nobody outside. Therefore every connection, also
//! of a redirect, is made to an address that was checked (`address`), and never to a name
//! (`connect`). This file speaks HTTP with the other end, with limits for all that it may send. It
//! knows no projects, paths or users.
//!
//! There is no proxy, whatever the environment says: a proxy looks resolver up by itself, and
//! nothing checked here would hold behind it. There are no cookies, passwords or referrers, so that
//! nothing of one host can come to another.

mod address_filter;
mod connect;
#[cfg(test)]
mod tests;

use crate::http::body_data::next_data;
use address_filter::AddressFilter;
use axum::body::Body;
use connect::{Connector, SystemResolver, Timeouts};
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::TokioIo;
use rustls_native_certs::load_native_certs;
use std::error::Error;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use url::{Host, Position, Url};

/// Redirects that are followed: browsers permit 20, but honest downloads need one to three.
const REDIRECTS_MAX_COUNT: usize = 5;
/// Bytes of an answer's head, and of the buffer that its body passes. Large heads have 8 KiB.
const RESPONSE_HEAD_MAX_BYTES: usize = 32 * 1024;
/// Bytes that are written at once. Each write is a way to another thread and back, some 20 µs.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes of an address. Signed ones have 1 KiB or 2.
const URL_MAX_BYTES: usize = 8 * 1024;
const USER_AGENT: &str = concat!("further-link/", env!("CARGO_PKG_VERSION"));

/// What downloads may use.
#[derive(Clone, Debug)]
pub struct DownloadSettings {
    /// Bytes of one file, at most.
    pub max_bytes: u64,
    /// How long one file may take, from the first look-up to its last byte.
    pub timeout: Duration,
    /// Also download from this device itself and from private networks, which is refused otherwise.
    pub private_addresses: bool,
}

/// Why a file was not downloaded, as a sentence for the person who asked for it. It resolver the
/// host at most: the rest of an address may hold what gives access to the file.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No network answered: as if this device had no way to the internet.
    #[error("{0}")]
    Unreachable(String),
    /// The address, or one that it redirects to, is of a kind that is not asked.
    #[error("{0}")]
    Forbidden(String),
    /// Somebody answered, but not with the file.
    #[error("{0}")]
    Failed(String),
    /// The file could not be written here.
    #[error("The downloaded file cannot be written: {0}.")]
    File(#[source] io::Error),
}

/// Downloads files. Holds nothing but its settings before the first download by https.
#[derive(Clone, Debug)]
pub(crate) struct Downloader(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: DownloadSettings,
    network: Connector,
    /// Made at the first use: the certificates of all authorities of the world take time and
    /// memory.
    tls: OnceCell<Arc<ClientConfig>>,
}

/// A connection, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A response. Its body comes as long as this is kept.
struct Answer {
    head: Response<Incoming>,
    _connection: JoinSet<()>,
}

impl Downloader {
    pub(crate) fn new(settings: DownloadSettings) -> Self {
        let filter = if settings.private_addresses {
            || Ok(AddressFilter::Open)
        } else {
            AddressFilter::public
        };
        Self(Arc::new(Inner {
            settings,
            network: Connector::new(Arc::new(SystemResolver), filter, Timeouts::default()),
            tls: OnceCell::new(),
        }))
    }

    /// Downloads `url` into `file` and returns its size. After an error, and when this is dropped
    /// before it is done, the file may hold a part.
    pub(crate) async fn fetch(&self, url: &str, file: File) -> Result<u64, DownloadError> {
        if url.len() > URL_MAX_BYTES {
            let reason = format!("Addresses of more than {URL_MAX_BYTES} bytes are not asked.");
            return Err(DownloadError::Forbidden(reason));
        }
        let url = Url::parse(url).map_err(|error| {
            DownloadError::Forbidden(format!("That is not an address on the web: {error}."))
        })?;
        check(&url)?;
        match timeout(self.0.settings.timeout, self.0.follow(url.clone(), file)).await {
            Ok(result) => result,
            Err(_) => Err(failed(
                &url,
                format!(
                    "did not send the whole file within {} seconds",
                    self.0.settings.timeout.as_secs_f64()
                ),
            )),
        }
    }
}

impl Inner {
    async fn follow(&self, mut url: Url, file: File) -> Result<u64, DownloadError> {
        for redirects in 0..=REDIRECTS_MAX_COUNT {
            let answer = match self.request_url(&url).await {
                // Somebody has answered before, so there is a network.
                Err(DownloadError::Unreachable(why)) if redirects > 0 => {
                    return Err(DownloadError::Failed(why));
                }
                answer => answer?,
            };
            match redirect(&url, &answer.head)? {
                Some(next) => url = next,
                None => return self.save(&url, answer, file).await,
            }
        }
        Err(failed(
            &url,
            format!("is the end of more than {REDIRECTS_MAX_COUNT} redirects"),
        ))
    }

    /// Requests `url` on a connection of its own.
    async fn request_url(&self, url: &Url) -> Result<Answer, DownloadError> {
        let request = request(url)?;
        let stream = self.network.connect(url).await?;
        let stream: Box<dyn Stream> = if url.scheme() == "https" {
            self.encrypt(url, stream).await?
        } else {
            Box::new(stream)
        };
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(RESPONSE_HEAD_MAX_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(url, response_error(&error)))?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Whatever is wrong with it, the answer or its body says so too.
            let _ = connection.await;
        });
        let head = self
            .with_idle_timeout(url, sender.send_request(request))
            .await?
            .map_err(|error| failed(url, response_error(&error)))?;
        Ok(Answer {
            head,
            _connection: task,
        })
    }

    async fn encrypt(
        &self,
        url: &Url,
        stream: TcpStream,
    ) -> Result<Box<dyn Stream>, DownloadError> {
        let name = match url.host() {
            Some(Host::Ipv4(ip)) => ServerName::from(std::net::IpAddr::from(ip)),
            Some(Host::Ipv6(ip)) => ServerName::from(std::net::IpAddr::from(ip)),
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).map_err(|error| {
                tracing::debug!(%error, "no server name for TLS");
                failed(url, "is no name that a certificate can be for")
            })?,
            None => return Err(unsupported_scheme()),
        };
        let tls = self
            .tls
            .get_or_try_init(|| async {
                let made = tokio::task::spawn_blocking(|| tls(load_native_certs().certs)).await;
                made.ok().flatten().ok_or_else(|| {
                    failed(
                        url,
                        "cannot be trusted: this device has no certificates to check others by \
                         (Debian has them in the package ca-certificates)",
                    )
                })
            })
            .await?;
        let stream = self
            .with_idle_timeout(
                url,
                TlsConnector::from(Arc::clone(tls)).connect(name, stream),
            )
            .await?
            .map_err(|error| failed(url, tls_error(&error)))?;
        Ok(Box::new(stream))
    }

    /// Writes the body of the response to the file, if it is a successful one.
    async fn save(&self, url: &Url, answer: Answer, mut file: File) -> Result<u64, DownloadError> {
        let status = answer.head.status();
        if status != StatusCode::OK {
            return Err(failed(
                url,
                format!("answers \"{status}\" instead of the file"),
            ));
        }
        if is_encoded(answer.head.headers()) {
            return Err(failed(
                url,
                "sends the file compressed, which was not asked for",
            ));
        }
        let max = self.settings.max_bytes;
        let too_large = || {
            failed(
                url,
                format!("has a larger file than is downloaded, {max} bytes"),
            )
        };
        let mut body = answer.head.into_body();
        if body.size_hint().lower() > max {
            return Err(too_large());
        }
        let mut total = 0;
        let mut block = Vec::new();
        while let Some(bytes) = self.with_idle_timeout(url, next_data(&mut body)).await? {
            let bytes = bytes.map_err(|error| failed(url, response_error(&error)))?;
            total += bytes.len() as u64;
            if total > max {
                return Err(too_large());
            }
            block.extend_from_slice(&bytes);
            if block.len() >= WRITE_BUFFER_BYTES {
                (file, block) = write(file, block).await.map_err(DownloadError::File)?;
            }
        }
        write(file, block).await.map_err(DownloadError::File)?;
        Ok(total)
    }

    /// Timeouts for the other end as long as anybody is patient with one that is silent.
    async fn with_idle_timeout<T>(
        &self,
        url: &Url,
        answer: impl Future<Output = T>,
    ) -> Result<T, DownloadError> {
        let idle = self.network.timeouts.idle;
        timeout(idle, answer).await.map_err(|_| {
            failed(
                url,
                format!(
                    "kept us waiting for more than {} seconds",
                    idle.as_secs_f64()
                ),
            )
        })
    }
}

/// Checks the scheme and credentials of a URL. Its host is checked when it is connected to.
fn check(url: &Url) -> Result<(), DownloadError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unsupported_scheme());
    }
    if !url.username().is_empty() || url.password().is_some() {
        // They would stand in a file that other people read, and whom else they concern is not
        // known here.
        return Err(forbidden(
            url,
            "is not asked with a name or password in the address",
        ));
    }
    Ok(())
}

fn unsupported_scheme() -> DownloadError {
    let reason = "Only addresses that begin with http:// or https:// are downloaded.";
    DownloadError::Forbidden(reason.to_owned())
}

fn request(url: &Url) -> Result<Request<Body>, DownloadError> {
    // The parser of addresses lets a little pass that has no place in a request.
    let path = Uri::try_from(&url[Position::BeforePath..Position::AfterQuery]);
    Request::get(path.map_err(|_| failed(url, "cannot be asked for such a path"))?)
        .header(
            header::HOST,
            &url[Position::BeforeHost..Position::AfterPort],
        )
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        // A file is stored as it is there, and none grows by being unpacked.
        .header(header::ACCEPT_ENCODING, "identity")
        .body(Body::empty())
        .map_err(|error| {
            tracing::debug!(%error, "no request for a download");
            failed(url, "is no name that can be asked")
        })
}

/// Returns the URL that a response redirects to, if it does.
fn redirect(url: &Url, answer: &Response<Incoming>) -> Result<Option<Url>, DownloadError> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let next = answer
        .headers()
        .get(header::LOCATION)
        .and_then(|location| std::str::from_utf8(location.as_bytes()).ok())
        .and_then(|location| url.join(location).ok())
        .ok_or_else(|| failed(url, "redirects, but not to an address"))?;
    check(&next)?;
    if url.scheme() == "https" && next.scheme() == "http" {
        return Err(forbidden(
            url,
            "redirects from https to http, where anybody could change the file",
        ));
    }
    Ok(Some(next))
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|encoding| {
            let encoding = encoding.as_bytes().trim_ascii();
            !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")
        })
}

/// Writes a block on the blocking pool and returns it empty.
async fn write(mut file: File, mut block: Vec<u8>) -> io::Result<(File, Vec<u8>)> {
    let written = tokio::task::spawn_blocking(move || {
        file.write_all(&block)?;
        block.clear();
        Ok((file, block))
    });
    written.await.map_err(io::Error::other)?
}

/// Returns a TLS client that trusts these authorities; `None` if no usable one is among them.
///
/// They are the system's and not a list in the program, so that an authority of a school's own is
/// trusted too, and one that has lost its trust is not until the next release.
fn tls(authorities: Vec<CertificateDer<'static>>) -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    if roots.is_empty() {
        return None;
    }
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A connection is for one file, and a table of past sessions would only grow.
    config.resumption = Resumption::disabled();
    Some(Arc::new(config))
}

/// `reason` goes on after the host.
fn failed(url: &Url, reason: impl AsRef<str>) -> DownloadError {
    DownloadError::Failed(sentence(url, reason.as_ref()))
}

fn forbidden(url: &Url, reason: impl AsRef<str>) -> DownloadError {
    DownloadError::Forbidden(sentence(url, reason.as_ref()))
}

fn unreachable(url: &Url, reason: impl AsRef<str>) -> DownloadError {
    DownloadError::Unreachable(sentence(url, reason.as_ref()))
}

fn sentence(url: &Url, reason: &str) -> String {
    format!("{} {reason}.", url.host_str().unwrap_or_default())
}

fn response_error(error: &hyper::Error) -> String {
    let mut text = format!("gives no proper answer: {error}");
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn tls_error(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    if matches!(cause, Some(rustls::Error::InvalidCertificate(_))) {
        // A wrong clock is among the causes, and rustls resolver both times then.
        format!("cannot be trusted: {error}")
    } else {
        format!("cannot be spoken to with https: {error}")
    }
}

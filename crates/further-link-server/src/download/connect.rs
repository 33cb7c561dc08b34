//! From a host to a connection: looks its name up once, drops the addresses that may not be asked,
//! and connects to one of the others. Nobody who answers the look-up can change the address after
//! the check.

use super::address_filter::AddressFilter;
use super::{DownloadError, failed, forbidden, unreachable};
use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use nix::errno::Errno;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use url::{Host, Url};

/// Addresses of one host that are tried. Those that answer are among the first.
pub(super) const CANDIDATES_MAX_COUNT: usize = 8;
/// Look-ups at the same time; others wait. One that nobody answers holds a thread for up to half a
/// minute (`resolv.conf(5)`, `timeout` and `attempts`), much longer than we wait for it.
pub(super) const LOOKUPS_MAX_COUNT: usize = 16;

/// Timeouts of a download. Tests have shorter ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// For a look-up and a connection together: whoever is offline wants to know it now.
    pub(super) connect: Duration,
    /// For one address, before the next is tried in parallel (Happy Eyeballs, RFC 8305 section 5).
    pub(super) attempt_delay: Duration,
    /// For the next sign of life of the other end.
    pub(super) idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            attempt_delay: Duration::from_millis(250),
            idle: Duration::from_secs(10),
        }
    }
}

/// Resolves names (DNS).
pub(super) trait Resolver: fmt::Debug + Send + Sync {
    /// Returns the addresses of a name; their ports do not matter. Blocks.
    fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError>;
}

/// Why a name has no address.
#[derive(Debug)]
pub(super) enum ResolveError {
    /// Nobody could be asked.
    NoAnswer(String),
    /// There is no such name, or something else that is not the network's fault.
    Refused(String),
}

/// What this device knows: DNS, `/etc/hosts`, resolver of the local network.
#[derive(Debug)]
pub(super) struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let hints = AddrInfoHints {
            socktype: SockType::Stream.into(),
            ..AddrInfoHints::default()
        };
        let found = getaddrinfo(Some(name), None, Some(hints)).map_err(ResolveError::from)?;
        Ok(found.flatten().map(|info| info.sockaddr).collect())
    }
}

impl From<LookupError> for ResolveError {
    fn from(error: LookupError) -> Self {
        let kind = error.kind();
        let text = io::Error::from(error).to_string();
        match kind {
            LookupErrorKind::Again | LookupErrorKind::Fail => Self::NoAnswer(text),
            _ => Self::Refused(text),
        }
    }
}

/// Connects to hosts, with checks and timeouts.
#[derive(Debug)]
pub(super) struct Connector {
    resolver: Arc<dyn Resolver>,
    /// Returns what may be connected to, at the moment.
    filter: fn() -> nix::Result<AddressFilter>,
    pub(super) timeouts: Timeouts,
    resolve_permits: Arc<Semaphore>,
}

impl Connector {
    pub(super) fn new(
        resolver: Arc<dyn Resolver>,
        filter: fn() -> nix::Result<AddressFilter>,
        timeouts: Timeouts,
    ) -> Self {
        Self {
            resolver,
            filter,
            timeouts,
            resolve_permits: Arc::new(Semaphore::new(LOOKUPS_MAX_COUNT)),
        }
    }

    /// Connects to the host of `url`.
    pub(super) async fn connect(&self, url: &Url) -> Result<TcpStream, DownloadError> {
        let deadline = Instant::now() + self.timeouts.connect;
        let found = match url.host() {
            Some(Host::Ipv4(ip)) => vec![SocketAddr::from((ip, 0))],
            Some(Host::Ipv6(ip)) => vec![SocketAddr::from((ip, 0))],
            Some(Host::Domain(name)) => timeout_at(deadline, self.resolve(url, name))
                .await
                .map_err(|_| unreachable(url, "cannot be reached: nobody tells its address"))??,
            None => return Err(super::unsupported_scheme()),
        };
        let filter = (self.filter)().map_err(|error| {
            failed(
                url,
                format!("is not asked: this device's own addresses are unknown ({error})"),
            )
        })?;
        let stream = connect_first(
            candidates(url, found, &filter)?,
            self.timeouts.attempt_delay,
            deadline,
        )
        .await
        .map_err(|failures| connect_error(url, &failures))?;
        let ends = stream
            .local_addr()
            .and_then(|from| Ok((from, stream.peer_addr()?)));
        let (from, to) = ends.map_err(|error| connect_error(url, &[error]))?;
        if !filter.allows_connection(from.ip(), to.ip()) {
            return Err(near(url));
        }
        Ok(stream)
    }

    async fn resolve(&self, url: &Url, name: &str) -> Result<Vec<SocketAddr>, DownloadError> {
        let turn = Arc::clone(&self.resolve_permits).acquire_owned().await;
        let resolver = Arc::clone(&self.resolver);
        let name = name.to_owned();
        let found = tokio::task::spawn_blocking(move || {
            // The thread keeps its turn, although nobody may wait for it any more.
            let _turn = turn;
            resolver.resolve(&name)
        });
        match found.await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(ResolveError::NoAnswer(error))) => Err(unreachable(
                url,
                format!("cannot be reached: nobody tells its address ({error})"),
            )),
            Ok(Err(ResolveError::Refused(error))) => {
                Err(failed(url, format!("has no address ({error})")))
            }
            Err(error) => {
                tracing::error!(%error, "a task on the blocking pool failed");
                Err(failed(url, "could not be looked up"))
            }
        }
    }
}

fn near(url: &Url) -> DownloadError {
    forbidden(
        url,
        "is this device, or in its private network, where nothing is downloaded from unless the \
         configuration says so (download.private_addresses)",
    )
}

/// Those of the addresses that may be connected to, in the order in which to try it.
pub(super) fn candidates(
    url: &Url,
    mut found: Vec<SocketAddr>,
    filter: &AddressFilter,
) -> Result<Vec<SocketAddr>, DownloadError> {
    if found.is_empty() {
        return Err(failed(url, "has no address"));
    }
    found.retain(|address| filter.allows(address.ip()));
    if found.is_empty() {
        return Err(near(url));
    }
    for address in &mut found {
        address.set_port(url.port_or_known_default().unwrap_or_default());
    }
    Ok(alternate(found))
}

/// Returns the addresses of both families in turn, so that one family that leads nowhere delays the
/// other by one step. The first stays first: the system has put them in order (RFC 6724).
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let v4_first = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == v4_first);
    let mut second = second.into_iter();
    let mut mixed = Vec::new();
    for address in first {
        mixed.push(address);
        mixed.extend(second.next());
    }
    mixed.extend(second);
    mixed.truncate(CANDIDATES_MAX_COUNT);
    mixed
}

/// Connects to the first of the addresses that accepts (Happy Eyeballs). Each is given a moment
/// before the next is tried in parallel.
///
/// # Errors
/// Why each failed, at the latest at `deadline`.
async fn connect_first(
    addresses: Vec<SocketAddr>,
    attempt_delay: Duration,
    deadline: Instant,
) -> Result<TcpStream, Vec<io::Error>> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(TcpStream::connect(address));
        } else if attempts.is_empty() {
            return Err(failures);
        }
        tokio::select! {
            Some(result) = attempts.join_next() => match result {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failures.push(error),
                Err(error) => failures.push(io::Error::other(error)),
            },
            () = sleep(attempt_delay), if waiting.len() > 0 => {}
            () = sleep_until(deadline) => {
                failures.push(Errno::ETIMEDOUT.into());
                return Err(failures);
            }
        }
    }
}

/// Returns whether anybody answered at all makes the difference.
fn connect_error(url: &Url, failures: &[io::Error]) -> DownloadError {
    if let Some(error) = failures.iter().find(|error| !is_unreachable(error)) {
        return failed(
            url,
            format!("does not take the connection: {}", error_text(error)),
        );
    }
    let last = failures.last().map(error_text).unwrap_or_default();
    unreachable(url, format!("cannot be reached: {last}"))
}

/// Returns the text of an error, without its number.
fn error_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    }
}

/// Returns whether the error says that there is no way, and not that somebody at its end refuses.
fn is_unreachable(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(
            Errno::ENETUNREACH
                | Errno::ENETDOWN
                | Errno::EHOSTUNREACH
                | Errno::EHOSTDOWN
                | Errno::ETIMEDOUT
                | Errno::EADDRNOTAVAIL
                | Errno::EAFNOSUPPORT
        )
    )
}

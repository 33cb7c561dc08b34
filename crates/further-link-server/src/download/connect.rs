//! From a host to a connection: looks its name up once, drops the addresses that may not be asked, and
//! connects to one of the others. Nobody who answers the look-up can change the address after the check.

use super::address::Filter;
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

/// How long is waited for what. Tests wait less.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// For a look-up and a connection together: whoever is offline wants to know it now.
    pub(super) connect: Duration,
    /// For an address, before the next is tried beside it (RFC 8305 section 5).
    pub(super) stagger: Duration,
    /// For the next sign of life of the other end.
    pub(super) silence: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            stagger: Duration::from_millis(250),
            silence: Duration::from_secs(10),
        }
    }
}

/// Who knows the addresses of a name.
pub(super) trait Names: fmt::Debug + Send + Sync {
    /// May take long, so it is called where waiting holds nobody up. The ports do not matter.
    fn look_up(&self, name: &str) -> Result<Vec<SocketAddr>, LookUpError>;
}

/// Why a name has no address.
#[derive(Debug)]
pub(super) enum LookUpError {
    /// Nobody could be asked.
    NoAnswer(String),
    /// There is no such name, or something else that is not the network's fault.
    Refused(String),
}

/// What this device knows: DNS, `/etc/hosts`, names of the local network.
#[derive(Debug)]
pub(super) struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, name: &str) -> Result<Vec<SocketAddr>, LookUpError> {
        let hints = AddrInfoHints {
            socktype: SockType::Stream.into(),
            ..AddrInfoHints::default()
        };
        let found = getaddrinfo(Some(name), None, Some(hints)).map_err(LookUpError::from)?;
        Ok(found.flatten().map(|info| info.sockaddr).collect())
    }
}

impl From<LookupError> for LookUpError {
    fn from(error: LookupError) -> Self {
        let kind = error.kind();
        let text = io::Error::from(error).to_string();
        match kind {
            LookupErrorKind::Again | LookupErrorKind::Fail => Self::NoAnswer(text),
            _ => Self::Refused(text),
        }
    }
}

/// The networks around this device.
#[derive(Debug)]
pub(super) struct Network {
    names: Arc<dyn Names>,
    /// What may be connected to, at the moment.
    filter: fn() -> nix::Result<Filter>,
    pub(super) waits: Waits,
    look_ups: Arc<Semaphore>,
}

impl Network {
    pub(super) fn new(
        names: Arc<dyn Names>,
        filter: fn() -> nix::Result<Filter>,
        waits: Waits,
    ) -> Self {
        Self {
            names,
            filter,
            waits,
            look_ups: Arc::new(Semaphore::new(LOOKUPS_MAX_COUNT)),
        }
    }

    /// Connects to the host of `url`.
    pub(super) async fn connect(&self, url: &Url) -> Result<TcpStream, DownloadError> {
        let deadline = Instant::now() + self.waits.connect;
        let found = match url.host() {
            Some(Host::Ipv4(ip)) => vec![SocketAddr::from((ip, 0))],
            Some(Host::Ipv6(ip)) => vec![SocketAddr::from((ip, 0))],
            Some(Host::Domain(name)) => timeout_at(deadline, self.look_up(url, name))
                .await
                .map_err(|_| unreachable(url, "cannot be reached: nobody tells its address"))??,
            None => return Err(super::no_web()),
        };
        let filter = (self.filter)().map_err(|error| {
            failed(
                url,
                format!("is not asked: this device's own addresses are unknown ({error})"),
            )
        })?;
        let stream = race(
            candidates(url, found, &filter)?,
            self.waits.stagger,
            deadline,
        )
        .await
        .map_err(|failures| explain(url, &failures))?;
        let ends = stream
            .local_addr()
            .and_then(|from| Ok((from, stream.peer_addr()?)));
        let (from, to) = ends.map_err(|error| explain(url, &[error]))?;
        if !filter.allows_connection(from.ip(), to.ip()) {
            return Err(near(url));
        }
        Ok(stream)
    }

    async fn look_up(&self, url: &Url, name: &str) -> Result<Vec<SocketAddr>, DownloadError> {
        let turn = Arc::clone(&self.look_ups).acquire_owned().await;
        let names = Arc::clone(&self.names);
        let name = name.to_owned();
        let found = tokio::task::spawn_blocking(move || {
            // The thread keeps its turn, although nobody may wait for it any more.
            let _turn = turn;
            names.look_up(&name)
        });
        match found.await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(LookUpError::NoAnswer(error))) => Err(unreachable(
                url,
                format!("cannot be reached: nobody tells its address ({error})"),
            )),
            Ok(Err(LookUpError::Refused(error))) => {
                Err(failed(url, format!("has no address ({error})")))
            }
            Err(_) => Err(failed(url, "could not be looked up")),
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
    filter: &Filter,
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

/// The addresses of both families in turn, so that one family that leads nowhere delays the other by one
/// step. The first stays first: the system has put them in order (RFC 6724).
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

/// The first of the addresses that takes a connection. Each is given a moment before the next is tried
/// beside it, and no more than `deadline` leaves. Otherwise why those failed that did.
async fn race(
    addresses: Vec<SocketAddr>,
    stagger: Duration,
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
            () = sleep(stagger), if waiting.len() > 0 => {}
            () = sleep_until(deadline) => {
                failures.push(Errno::ETIMEDOUT.into());
                return Err(failures);
            }
        }
    }
}

/// Whether anybody answered at all makes the difference.
fn explain(url: &Url, failures: &[io::Error]) -> DownloadError {
    if let Some(error) = failures.iter().find(|error| !is_silence(error)) {
        return failed(
            url,
            format!("does not take the connection: {}", words(error)),
        );
    }
    let last = failures.last().map(words).unwrap_or_default();
    unreachable(url, format!("cannot be reached: {last}"))
}

/// The error without the number that comes with it.
fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    }
}

/// Whether the error says that there is no way, and not that somebody at its end refuses.
fn is_silence(error: &io::Error) -> bool {
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

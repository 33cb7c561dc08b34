//! Telling a device without a network from a host that is not there.

use super::*;
use crate::download::connect::LOOKUPS_MAX_COUNT;
use socket2::{Domain, Socket, Type};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

/// How late anything may be on a busy machine.
const TIMING_SLACK: Duration = Duration::from_secs(1);

/// A socket that takes no further connection, and does not say so: its queue is full, and the
/// kernel then drops what arrives, as a network does that leads nowhere.
struct BlackHole {
    address: SocketAddr,
    _socket: Socket,
    _full: Vec<std::net::TcpStream>,
}

impl BlackHole {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut full = Vec::new();
        while let Ok(stream) =
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100))
        {
            full.push(stream);
        }
        Self {
            address,
            _socket: socket,
            _full: full,
        }
    }
}

/// Returns a port that nobody listens on.
fn closed_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

async fn unreachable(downloader: &Downloader, url: &str) -> String {
    match fetch(downloader, url).await {
        (Err(DownloadError::Unreachable(sentence)), _) => sentence,
        (other, _) => panic!("{url}: {other:?}"),
    }
}

/// With the real times, and the resolver of the system.
#[tokio::test]
async fn silent_network_is_unreachable_within_three_seconds() {
    let hole = BlackHole::new();
    let downloader = Downloader::new(DownloadSettings {
        timeout: Duration::from_secs(60),
        ..TEST_SETTINGS
    });
    let begin = Instant::now();
    let sentence = unreachable(&downloader, &format!("http://{}/?SECRET", hole.address)).await;
    assert_eq!(
        sentence,
        "127.0.0.1 cannot be reached: Connection timed out."
    );
    let elapsed = begin.elapsed();
    let limit = Duration::from_secs(3);
    assert!(
        (limit..limit + TIMING_SLACK).contains(&elapsed),
        "{elapsed:?}"
    );
}

/// The kernel has no way to connect to everybody at once, whatever networks there are.
#[tokio::test]
async fn missing_route_is_unreachable_at_once() {
    let begin = Instant::now();
    let sentence = unreachable(&open(), "http://255.255.255.255/").await;
    assert_eq!(
        sentence,
        "255.255.255.255 cannot be reached: Network is unreachable."
    );
    assert!(begin.elapsed() < TIMING_SLACK);
}

#[tokio::test]
async fn refused_connection_counts_as_reached() {
    let sentence = failure(&open(), &format!("http://{}/", closed_port())).await;
    assert_eq!(
        sentence,
        "127.0.0.1 does not take the connection: Connection refused."
    );

    // One address that leads nowhere does not change that.
    let port = closed_port().port();
    let nowhere = "[ff00::1]:1".parse().unwrap();
    let resolver = Table::with([(
        "half.example",
        vec![nowhere, (Ipv4Addr::LOCALHOST, port).into()],
    )]);
    let downloader = build(
        TEST_SETTINGS,
        resolver,
        || Ok(AddressFilter::Open),
        SHORT_TIMEOUTS,
    );
    failure(&downloader, &format!("http://half.example:{port}/")).await;
}

#[tokio::test]
async fn silent_address_delays_next_attempt_briefly() {
    let hole = BlackHole::new();
    // The same port of another address, where somebody listens.
    let listener = TcpListener::bind((OUTSIDE_ADDRESS, hole.address.port()))
        .await
        .unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(ok("there").as_bytes()).await.unwrap();
    });
    let second = SocketAddr::new(OUTSIDE_ADDRESS, hole.address.port());
    let resolver = Table::with([("two.example", vec![hole.address, second])]);
    let downloader = build(
        TEST_SETTINGS,
        resolver,
        || Ok(AddressFilter::Open),
        SHORT_TIMEOUTS,
    );
    let begin = Instant::now();
    let url = format!("http://two.example:{}/", hole.address.port());
    assert_eq!(fetch(&downloader, &url).await.1, b"there");
    assert!(begin.elapsed() >= SHORT_TIMEOUTS.attempt_delay);
    assert!(begin.elapsed() < SHORT_TIMEOUTS.connect);
}

/// Resolver that nobody answers for: at once, or not before the test ends.
#[derive(Debug, Default)]
struct NoAnswer {
    wait: Option<Mutex<mpsc::Receiver<()>>>,
    asked: AtomicUsize,
}

impl Resolver for NoAnswer {
    fn resolve(&self, _: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(wait) = &self.wait {
            let _ = wait.lock().unwrap().recv();
        }
        Err(ResolveError::NoAnswer("try again".to_owned()))
    }
}

#[tokio::test]
async fn missing_dns_is_unreachable() {
    let resolver = Arc::new(NoAnswer::default());
    let downloader = build(
        TEST_SETTINGS,
        resolver,
        || Ok(AddressFilter::Open),
        SHORT_TIMEOUTS,
    );
    let sentence = unreachable(&downloader, "http://a.example/?SECRET").await;
    assert_eq!(
        sentence,
        "a.example cannot be reached: nobody tells its address (try again)."
    );
}

/// Nor are more and more threads kept waiting.
#[tokio::test]
async fn hanging_lookups_are_not_waited_for() {
    let (end, wait) = mpsc::channel();
    let resolver = Arc::new(NoAnswer {
        wait: Some(Mutex::new(wait)),
        asked: AtomicUsize::new(0),
    });
    let downloader = build(
        TEST_SETTINGS,
        resolver.clone(),
        || Ok(AddressFilter::Open),
        SHORT_TIMEOUTS,
    );
    let mut downloads = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..3 * LOOKUPS_MAX_COUNT {
        let downloader = downloader.clone();
        downloads.spawn(async move { unreachable(&downloader, "http://a.example/").await });
    }
    for sentence in downloads.join_all().await {
        assert_eq!(
            sentence,
            "a.example cannot be reached: nobody tells its address."
        );
    }
    let elapsed = begin.elapsed();
    let limits = SHORT_TIMEOUTS.connect..SHORT_TIMEOUTS.connect + TIMING_SLACK;
    assert!(limits.contains(&elapsed), "{elapsed:?}");
    assert_eq!(resolver.asked.load(Ordering::Relaxed), LOOKUPS_MAX_COUNT);
    drop(end);
}

#[tokio::test]
async fn unknown_name_is_not_unreachable() {
    let sentence = failure(&open(), "http://missing.example/").await;
    assert_eq!(
        sentence,
        "missing.example has no address (not in the table)."
    );
    let resolver = Table::with([("empty.example", Vec::new())]);
    let downloader = build(
        TEST_SETTINGS,
        resolver,
        || Ok(AddressFilter::Open),
        SHORT_TIMEOUTS,
    );
    let sentence = failure(&downloader, "http://empty.example/").await;
    assert_eq!(sentence, "empty.example has no address.");
}

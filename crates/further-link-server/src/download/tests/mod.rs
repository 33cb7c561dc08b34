//! Downloads from servers in this process, which do what the test says to whoever connects.

mod addresses;
mod answers;
mod https;
mod namespace;
mod offline;
mod redirects;
mod spellings;

use super::address_filter::AddressFilter;
use super::connect::{Connector, ResolveError, Resolver, Timeouts};
use super::{DownloadError, DownloadSettings, Downloader, Inner};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

/// Long enough for what is on this machine, and much shorter than a test may take.
const SHORT_TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_millis(500),
    attempt_delay: Duration::from_millis(20),
    idle: Duration::from_millis(500),
};
const TEST_SETTINGS: DownloadSettings = DownloadSettings {
    max_bytes: 1 << 20,
    timeout: Duration::from_secs(5),
    private_addresses: true,
};
/// No download of a test takes as long.
const TEST_DEADLINE: Duration = Duration::from_secs(20);
/// An address of this device that some tests take for the internet.
const OUTSIDE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Resolver as a test wants them, and how often each was asked for.
#[derive(Debug, Default)]
struct Table {
    resolver: HashMap<&'static str, Vec<SocketAddr>>,
    asked: Mutex<Vec<String>>,
}

impl Table {
    fn with<const N: usize>(resolver: [(&'static str, Vec<SocketAddr>); N]) -> Arc<Self> {
        Arc::new(Self {
            resolver: resolver.into(),
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolver for Table {
    fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        self.asked.lock().unwrap().push(name.to_owned());
        match self.resolver.get(name) {
            Some(addresses) => Ok(addresses.clone()),
            None => Err(ResolveError::Refused("not in the table".to_owned())),
        }
    }
}

/// One that may connect to anything, and knows no resolver.
fn open() -> Downloader {
    build(
        TEST_SETTINGS,
        Table::with([]),
        || Ok(AddressFilter::Open),
        SHORT_TIMEOUTS,
    )
}

/// One that may connect to the internet alone.
fn closed(resolver: Arc<Table>) -> Downloader {
    build(
        TEST_SETTINGS,
        resolver,
        AddressFilter::public,
        SHORT_TIMEOUTS,
    )
}

/// One for which the internet is [`OUTSIDE_ADDRESS`].
fn outside(resolver: Arc<Table>) -> Downloader {
    build(
        TEST_SETTINGS,
        resolver,
        || Ok(AddressFilter::Only(OUTSIDE_ADDRESS)),
        SHORT_TIMEOUTS,
    )
}

fn with_settings(settings: DownloadSettings) -> Downloader {
    build(
        settings,
        Table::with([]),
        || Ok(AddressFilter::Open),
        SHORT_TIMEOUTS,
    )
}

fn build(
    settings: DownloadSettings,
    resolver: Arc<dyn Resolver>,
    filter: fn() -> nix::Result<AddressFilter>,
    timeouts: Timeouts,
) -> Downloader {
    Downloader(Arc::new(Inner {
        settings,
        network: Connector::new(resolver, filter, timeouts),
        tls: OnceCell::new(),
    }))
}

/// Returns what came of a download, and what is in the file then.
async fn fetch(downloader: &Downloader, url: &str) -> (Result<u64, DownloadError>, Vec<u8>) {
    let file = File::from(memfd_create("download", MFdFlags::MFD_CLOEXEC).unwrap());
    let mut written = file.try_clone().unwrap();
    let result = tokio::time::timeout(TEST_DEADLINE, downloader.fetch(url, file))
        .await
        .expect("a download ends");
    let mut content = Vec::new();
    written.rewind().unwrap();
    written.read_to_end(&mut content).unwrap();
    (result, content)
}

/// Downloads what cannot be had, and returns the sentence for it.
async fn failure(downloader: &Downloader, url: &str) -> String {
    match fetch(downloader, url).await {
        (Err(DownloadError::Failed(sentence)), _) => sentence,
        (other, _) => panic!("{url}: {other:?}"),
    }
}

/// Downloads what may not be had, and returns the sentence for it.
async fn refusal(downloader: &Downloader, url: &str) -> String {
    match fetch(downloader, url).await {
        (Err(DownloadError::Forbidden(sentence)), content) => {
            assert_eq!(content, b"", "{url}");
            sentence
        }
        (other, _) => panic!("{url}: {other:?}"),
    }
}

/// A server that ends with the test.
struct Site {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Site {
    /// Sends the same to everybody, and closes the connection.
    async fn sending(answer: impl AsRef<[u8]>) -> Self {
        let answer: Arc<[u8]> = answer.as_ref().into();
        Self::with(move |mut stream, _| {
            let answer = Arc::clone(&answer);
            async move {
                // Who has heard enough may be gone.
                let _ = stream.write_all(&answer).await;
            }
        })
        .await
    }

    /// Does what the test says after a request's head has come.
    async fn with<F, Served>(serve: F) -> Self
    where
        F: Fn(TcpStream, String) -> Served + Send + Sync + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        Self::at(Ipv4Addr::LOCALHOST.into(), serve).await
    }

    async fn at<F, Served>(ip: IpAddr, serve: F) -> Self
    where
        F: Fn(TcpStream, String) -> Served + Send + Sync + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let place = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(String::new());
                    seen.len() - 1
                };
                let head = read_head(&mut stream).await;
                seen.lock().unwrap()[place].clone_from(&head);
                clients.spawn(serve(stream, head));
            }
        });
        Self {
            address,
            heads,
            _task: task,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the heads of all requests; an empty one of a connection without.
    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Returns the head and body of an answer that brings a file.
fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn redirect_to(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

//! `url` files of uploads: fetched by the real server from a site that the test is.

use further_link_testkit::upload::{leftovers, post, project, refused, snapshot};
use further_link_testkit::{TestServer, wait_for};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Within 3 s it is decided, and then the rest has to be written.
const PROMISED: Duration = Duration::from_millis(3_500);
const FAILED: &str = "500: Internal Server Error";

/// A web site with these pages; everything else is not found.
struct Site {
    port: u16,
    pages: Arc<Mutex<HashMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn new(pages: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        let pages = Arc::new(Mutex::new(
            pages.iter().map(owned).collect::<HashMap<_, _>>(),
        ));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (known, noted) = (Arc::clone(&pages), Arc::clone(&asked));
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (known, noted) = (Arc::clone(&known), Arc::clone(&noted));
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(&stream).lines();
                    let first = lines.next()?.ok()?;
                    while !lines.next()?.ok()?.is_empty() {}
                    let path = first.split(' ').nth(1)?.to_owned();
                    let page = known.lock().unwrap().get(&path).cloned();
                    noted.lock().unwrap().push(path);
                    let (status, text) = match page {
                        Some(text) => ("200 OK", text),
                        None => ("404 Not Found", String::new()),
                    };
                    let length = text.len();
                    let head = format!(
                        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                    );
                    (&stream).write_all((head + &text).as_bytes()).ok()
                });
            }
        });
        Self { port, pages, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked
    }
}

/// An address that answers nobody, as long as the rest is kept: its queue is full, and what comes
/// is dropped.
fn silence() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, socket,
    };
    let kind = SockType::Stream;
    let socket = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&socket, Backlog::new(0).unwrap()).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queue.push(stream);
        assert!(queue.len() < 10);
    }
    (address, (listener, queue))
}

fn start() -> TestServer {
    TestServer::start(&["--no-tls", "--set", "download.private_addresses=true"])
}

fn with_urls(name: &str, files: &[(&str, String, &str)]) -> Value {
    let mut body = project(name, &[("main.py", name)]);
    for (name, url, file) in files {
        let content = json!({"url": url, "bucketName": "bucket", "fileName": file});
        body["files"][*name] = json!({"type": "url", "content": content});
    }
    body
}

fn uploaded(server: &TestServer, body: &Value, fetched: bool) {
    let answer = post(server, "/upload", body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = json!({"success": true, "fetched_urls": fetched});
    assert_eq!(answer.json(), expected);
}

#[test]
fn files_are_fetched_once_and_then_come_from_the_cache() {
    let (server, site) = (
        start(),
        Site::new(&[("/cat", "cat"), ("/dog?id=7&X-Amz-Date=1", "dog")]),
    );
    let read = |path: &str| std::fs::read_to_string(server.work_dir().join(path)).unwrap();
    let dog = site.url("/dog?id=7&X-Amz-Date=1");
    let files = [
        ("images/cat.jpg", site.url("/cat"), "f.jpg"),
        ("again.jpg", site.url("/cat"), "f.jpg"),
        ("dog.jpg", dog, "dogs/dog.jpg"),
    ];
    uploaded(&server, &with_urls("p", &files), true);
    assert_eq!(site.asked(), ["/cat", "/dog?id=7&X-Amz-Date=1"]);
    for name in ["p", "q"] {
        // Signed anew, it is the same file; and the site may be gone.
        let again = site.url("/dog?id=7&X-Amz-Date=2");
        let files = [
            files[0].clone(),
            files[1].clone(),
            ("dog.jpg", again, "dogs/dog.jpg"),
        ];
        uploaded(&server, &with_urls(name, &files), true);
        assert_eq!(site.asked(), [""; 0]);
        for (path, text) in [
            ("images/cat.jpg", "cat"),
            ("again.jpg", "cat"),
            ("dog.jpg", "dog"),
            ("main.py", name),
        ] {
            assert_eq!(read(&format!("{name}/{path}")), text);
        }
    }
    assert_eq!(read(".flcache/bucket/f.jpg"), "cat");
    // What a program does to its file, or to the cache, is nobody else's.
    std::fs::write(server.work_dir().join("p/again.jpg"), "changed").unwrap();
    std::fs::write(
        server.work_dir().join(".flcache/bucket/dogs/dog.jpg"),
        "wolf",
    )
    .unwrap();
    uploaded(&server, &with_urls("q", &files), true);
    assert_eq!(site.asked(), ["/dog?id=7&X-Amz-Date=1"]);
    assert_eq!(
        (read("q/again.jpg"), read("q/dog.jpg")),
        ("cat".to_owned(), "dog".to_owned())
    );
}

#[test]
fn one_project_does_not_poison_anothers_file() {
    let (server, site) = (start(), Site::new(&[("/good", "good"), ("/evil", "evil")]));
    for _ in 0..2 {
        for name in ["evil", "good"] {
            let files = [("f", site.url(&format!("/{name}")), "shared.jpg")];
            uploaded(&server, &with_urls(name, &files), true);
        }
        for name in ["evil", "good"] {
            let found = std::fs::read_to_string(server.work_dir().join(name).join("f"));
            assert_eq!(found.unwrap(), name);
        }
    }
}

#[test]
fn download_that_fails_changes_nothing() {
    let (server, site) = (start(), Site::new(&[("/cat", "cat")]));
    uploaded(&server, &with_urls("p", &[]), true);
    let before = snapshot(&server.work_dir(), &[]);
    let silent = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for url in [site.url("/missing"), format!("http://{silent}/")] {
        let files = [("cat", site.url("/cat"), "cat"), ("f", url, "f")];
        let body = with_urls("p", &files).to_string();
        refused(&server, "/upload", body.as_bytes(), FAILED);
        assert_eq!(snapshot(&server.work_dir(), &[]), before);
    }
    // Nothing of the failure is remembered.
    site.pages
        .lock()
        .unwrap()
        .insert("/missing".to_owned(), "found".to_owned());
    let files = [("f", site.url("/missing"), "f")];
    uploaded(&server, &with_urls("p", &files), true);
    wait_for("nothing is left", || {
        leftovers(&server.work_dir()).is_empty()
    });
}

#[test]
fn without_internet_the_answer_says_so_within_three_seconds() {
    let (server, site) = (start(), Site::new(&[("/cat", "cat")]));
    let cat = ("cat", site.url("/cat"), "cat");
    uploaded(&server, &with_urls("p", std::slice::from_ref(&cat)), true);
    let (silent, _kept) = silence();
    let mut files = vec![cat];
    let names: Vec<String> = (0..30).map(|number| format!("missing/{number}")).collect();
    for name in &names {
        files.push((name, format!("http://{silent}/{name}"), name));
    }
    let begun = Instant::now();
    uploaded(&server, &with_urls("p", &files), false);
    let took = begun.elapsed();
    assert!(took < PROMISED, "{took:?}");
    let found = snapshot(&server.work_dir().join("p"), &[]);
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["cat", "main.py"]);
}

//! HTTP with the real server: every route, the gate around all of them, and heads that no browser
//! sends.

use further_link_testkit::raw::{UPGRADE, exchange, read_answer, read_to_end};
use further_link_testkit::{Answer, TestServer, wait_for};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::Command;

/// Every route, and whether it is for WebSocket clients. `every_route_is_in_the_table` fails if one
/// is missing.
const ROUTES: [(&str, bool); 15] = [
    ("/status", false),
    ("/version", false),
    ("/version/apt/bash", false),
    ("/runners", false),
    ("/metrics", false),
    ("/device", false),
    ("/upload", false),
    ("/", false),
    ("/run", true),
    ("/run-py", true),
    ("/exec", true),
    ("/ws", true),
    ("/fs", false),
    ("/fs/", false),
    ("/fs/there.txt", false),
];

const SITE: &str = "https://further.pi-top.com";

fn with_site() -> TestServer {
    TestServer::start(&["--origin", SITE, "--host", "robot.example.org"])
}

/// One request without a body, with `headers` (which may be empty) behind `Host`.
fn ask(server: &TestServer, method: &str, path: &str, host: &str, headers: &str) -> Answer {
    let headers = if headers.is_empty() {
        String::new()
    } else {
        format!("\n{headers}")
    };
    let head = format!("{method} {path} HTTP/1.1\nHost: {host}{headers}");
    let mut stream = server.tcp();
    let answer = exchange(&mut stream, &head);
    assert_eq!(
        answer.header("access-control-allow-private-network"),
        Some("true"),
        "{head}\n{answer:?}"
    );
    answer
}

fn own_host(server: &TestServer) -> String {
    format!("127.0.0.1:{}", server.port)
}

/// An error's first line, which old clients know.
fn first_line(answer: &Answer) -> &str {
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    answer.body.lines().next().unwrap_or_default()
}

#[test]
fn every_route_is_in_the_table() {
    let routes = include_str!("../../../../further-link-server/src/http/routes.rs");
    let after = |text: &'static str, mark: &'static str| {
        text.split(mark).skip(1).filter_map(|rest| {
            let rest = rest.trim_start().strip_prefix('"')?;
            rest.split_once('"').map(|(path, _)| path)
        })
    };
    let found: BTreeSet<String> = after(routes, ".route(")
        // The page's files are no routes of their own.
        .chain(["/"])
        .map(|path| {
            path.replace("{package}", "bash")
                .replace("{*path}", "there.txt")
        })
        .collect();
    let known = ROUTES.iter().map(|(path, _)| (*path).to_owned());
    assert_eq!(found, known.collect());
}

#[test]
fn status_and_version() {
    let server = TestServer::start(&[]);
    let status = server.get("/status");
    assert_eq!((status.status, status.body.as_str()), (200, "OK"));
    assert!(
        status
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    let version = server.get("/version");
    assert_eq!(version.status, 200);
    assert_eq!(
        version.json(),
        json!({"version": env!("CARGO_PKG_VERSION")})
    );
}

#[test]
fn apt_versions() {
    let server = TestServer::start(&[]);
    let dpkg = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Version}", "bash"])
        .output();
    let installed = dpkg
        .ok()
        .map(|output| String::from_utf8(output.stdout).unwrap());
    let answer = server.get("/version/apt/bash");
    assert_eq!(answer.json(), json!({"version": installed}));

    let long = "a".repeat(10_000);
    let none = [
        "no-such-package",
        "-W",
        "--help",
        "..%2f",
        "..%2f..%2fetc%2fpasswd",
        "$(id)",
        "%60id%60",
        "bash;id",
        "bash%20dash",
        "bash%0a",
        "%0abash",
        "bash%00",
        "%00",
        "ba*",
        "ba%3fh",
        "BASH",
        "%zz",
        "%",
        "%e9%9b%aa",
        long.as_str(),
    ];
    for name in none {
        let answer = server.get(&format!("/version/apt/{name}"));
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_eq!(answer.body, r#"{"version":null}"#, "{name}");
    }
    let bad = server.get("/version/apt/%ff%fe");
    assert_eq!((bad.status, first_line(&bad)), (400, "400: Bad Request"));
    for missing in [
        "/version/apt/",
        "/version/apt",
        "/version/apt/bash/more",
        "/version/apt/../..",
    ] {
        let answer = server.get(missing);
        assert_eq!(
            (answer.status, first_line(&answer)),
            (404, "404: Not Found"),
            "{missing}"
        );
    }
    // A space ends the path, so this is no request line at all.
    let mut stream = server.tcp();
    write!(
        stream,
        "GET /version/apt/a b HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    assert!(read_to_end(&mut stream).starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn without_dpkg_no_package_has_a_version() {
    let server = TestServer::start_with(&[], |command| {
        command.env("PATH", "/nonexistent");
    });
    assert_eq!(server.get("/version/apt/bash").body, r#"{"version":null}"#);
    // Nor is any runner installed that needs a program.
    let runners = server.get("/runners").json();
    let python = runners["runners"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "python3");
    assert_eq!(python.unwrap()["installed"], false);
}

/// Reads Prometheus' text format strictly: HELP and TYPE before the samples, every series once, a
/// final line end. Returns all samples by their names with labels.
fn parse_metrics(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let (mut helped, mut typed) = (BTreeSet::new(), BTreeMap::new());
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(
                is_name(name) && !help.is_empty() && helped.insert(name),
                "{line}"
            );
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(helped.contains(name), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(typed.insert(name, kind).is_none(), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').unwrap();
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (name, value) = label.split_once('=').unwrap();
                assert!(is_name(name) && value.len() >= 2, "{line}");
                assert!(value.starts_with('"') && value.ends_with('"'), "{line}");
            }
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| {
                    name.strip_suffix(end)
                        .filter(|base| typed.contains_key(base))
                })
                .unwrap_or(name);
            assert!(is_name(name) && typed.contains_key(base), "{line}");
            assert_eq!(typed[base] == "histogram", base != name, "{line}");
            assert_eq!(typed[base] == "counter", name.ends_with("_total"), "{line}");
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(
                samples.insert(series.to_owned(), value).is_none(),
                "twice: {line}"
            );
        }
    }
    samples
}

fn metrics(server: &TestServer) -> BTreeMap<String, f64> {
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    parse_metrics(&answer.body)
}

#[tokio::test]
async fn metrics_move_and_come_back() {
    let server = TestServer::start(&["--set", "limits.jobs_per_client=1"]);
    let value = |name: &str| metrics(&server)[&format!("further_link_{name}")];
    assert!(metrics(&server).values().all(|value| *value == 0.0));

    let mut client = server.connect("/run").await;
    client.start("1", "python3", "print(input())").await;
    client.expect("started").await;
    assert_eq!((value("clients"), value("jobs")), (1.0, 1.0));
    client.start("2", "python3", "").await;
    client.expect("error").await;
    client.stdin("1", "12345\n").await;
    let finished = client.finish().await;
    assert_eq!(finished.stdout, "12345\n");
    let nothing = json!({"runner": "python3", "path": "/no/such/file.py"});
    client
        .send(json!({"type": "start", "process": "1", "data": nothing}))
        .await;
    client.expect("error").await;
    ask(&server, "GET", "/status", "evil.example", "");
    let foreign = format!("Origin: https://evil.example\n{UPGRADE}");
    ask(&server, "GET", "/run", &own_host(&server), &foreign);
    ask(
        &server,
        "GET",
        "/status",
        &own_host(&server),
        "Origin: null",
    );

    assert_eq!(value("job_starts_total"), 1.0);
    assert_eq!(value("job_start_seconds_count"), 1.0);
    assert!(value("job_start_seconds_sum") > 0.0);
    assert_eq!(value("job_start_seconds_bucket{le=\"+Inf\"}"), 1.0);
    assert_eq!(value("job_start_failures_total"), 1.0);
    assert_eq!(value("input_bytes_total"), 6.0);
    assert_eq!(value("output_bytes_total"), 6.0);
    assert_eq!(value("refusals_total{reason=\"host\"}"), 1.0);
    assert_eq!(value("refusals_total{reason=\"origin\"}"), 2.0);
    assert_eq!(value("refusals_total{reason=\"jobs\"}"), 1.0);
    assert_eq!(value("jobs"), 0.0);

    client.start("1", "python3", "input()").await;
    client.expect("started").await;
    drop(client);
    wait_for("clients and jobs are gone", || {
        value("clients") + value("jobs") == 0.0
    });
}

#[test]
fn other_methods_and_paths() {
    let server = TestServer::start(&[]);
    let host = own_host(&server);
    for (path, socket) in ROUTES {
        let allowed = match path {
            "/upload" => "POST",
            "/" => "GET, HEAD",
            _ if path.starts_with("/fs") => "GET, HEAD, PUT, DELETE, MOVE, OPTIONS",
            _ => "GET",
        };
        for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "GET", "BREW"] {
            if allowed.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            // Read to the end: the answer to HEAD has the length of a body, but none.
            let headers = if socket { UPGRADE } else { "Content-Length: 0" };
            let head = format!("{method} {path} HTTP/1.1\nHost: {host}\n{headers}");
            let answer = server.request(&head);
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
            assert_eq!(
                answer.header("access-control-allow-private-network"),
                Some("true")
            );
            if method == "HEAD" {
                assert_eq!(answer.body, "");
            } else {
                assert_eq!(
                    first_line(&answer),
                    "405: Method Not Allowed",
                    "{method} {path}"
                );
            }
        }
    }
    for path in [
        "/nothing",
        "/status/",
        "/runx",
        "/index.html/..",
        "/first.css",
        "/assets/",
        "//",
        "/%2e%2e/etc/passwd",
        "/.git",
    ] {
        let answer = ask(&server, "GET", path, &host, "");
        assert_eq!(
            (answer.status, first_line(&answer)),
            (404, "404: Not Found"),
            "{path}"
        );
    }
    let upload = ask(&server, "POST", "/upload", &host, "Content-Length: 0");
    assert_eq!(first_line(&upload), "400: Bad Request");
    let mode = ask(&server, "GET", "/ws?mode=poetry", &host, UPGRADE);
    assert_eq!(first_line(&mode), "400: Bad Request");
}

#[test]
fn gate_is_around_every_route() {
    let server = with_site();
    let host = own_host(&server);
    let own = format!("http://{host}");
    // Host, Origin, and the answer: 0 is whatever the route itself answers.
    let port = server.port;
    let table: Vec<(String, Option<&str>, u16)> = vec![
        (host.clone(), None, 0),
        (host.clone(), Some(&own), 0),
        (host.clone(), Some(SITE), 0),
        (format!("localhost:{port}"), None, 0),
        (format!("[::1]:{port}"), None, 0),
        ("192.0.2.7".to_owned(), None, 0),
        ("Robot.Example.ORG".to_owned(), None, 0),
        ("evil.example".to_owned(), None, 403),
        (format!("evil.example:{port}"), Some(SITE), 403),
        ("localhost.evil.example".to_owned(), None, 403),
        ("127.0.0.1.evil.example".to_owned(), None, 403),
        ("robot.example.org.evil.example".to_owned(), None, 403),
        ("localhost@evil.example".to_owned(), None, 403),
        ("".to_owned(), None, 403),
        (host.clone(), Some("https://evil.example"), 403),
        (host.clone(), Some("null"), 403),
        (host.clone(), Some("http://127.0.0.1"), 403),
        (host.clone(), Some("http://127.0.0.1:1"), 403),
        (
            host.clone(),
            Some("https://further.pi-top.com.evil.example"),
            403,
        ),
        (host.clone(), Some("http://further.pi-top.com"), 403),
        (host.clone(), Some("https://further.pi-top.com:444"), 403),
        (host.clone(), Some("file://"), 403),
    ];
    for (path, socket) in ROUTES.iter().copied().chain([("/nothing", false)]) {
        let (method, open) = match path {
            "/upload" => ("POST", 400),
            "/nothing" => ("GET", 404),
            "/fs" => ("GET", 301),
            // Only who passes the gate reaches the file that is not there.
            "/fs/there.txt" => ("DELETE", 404),
            _ if socket => ("GET", 101),
            _ => ("GET", 200),
        };
        for (host, origin, wanted) in &table {
            let origin_line = origin.map_or(String::new(), |origin| format!("Origin: {origin}"));
            let socket_lines = if socket { UPGRADE } else { "Content-Length: 0" };
            let headers = format!("{origin_line}\n{socket_lines}");
            let answer = ask(&server, method, path, host, headers.trim_start());
            let case = format!("{path} for {host:?} from {origin:?}: {answer:?}");
            let wanted = if *wanted == 0 { open } else { *wanted };
            assert_eq!(answer.status, wanted, "{case}");
            let cors = [
                answer.header("access-control-allow-origin"),
                answer.header("access-control-allow-credentials"),
            ];
            if *origin == Some(SITE) && wanted != 403 {
                assert_eq!(cors, [Some(SITE), Some("true")], "{case}");
                let vary = answer.headers("vary");
                assert!(vary.contains(&"Origin"), "{case}");
            } else {
                assert_eq!(cors, [None, None], "{case}");
            }
            if wanted == 403 {
                assert_eq!(first_line(&answer), "403: Forbidden", "{case}");
                assert!(
                    answer.body.contains("server."),
                    "it says what to do: {case}"
                );
            }
        }
    }
}

#[test]
fn preflights() {
    let server = with_site();
    let host = own_host(&server);
    let asked = "Access-Control-Request-Method: POST\n\
        Access-Control-Request-Headers: content-type, x-more\n\
        Access-Control-Request-Private-Network: true";
    for (path, _) in ROUTES {
        let headers = format!("Origin: {SITE}\n{asked}");
        let answer = ask(&server, "OPTIONS", path, &host, &headers);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, ""),
            "{path}: {answer:?}"
        );
        let wanted = [
            ("access-control-allow-origin", SITE),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "content-type, x-more"),
            ("vary", "Origin"),
        ];
        for (name, value) in wanted {
            assert_eq!(answer.header(name), Some(value), "{path}: {answer:?}");
        }
        let headers = format!("Origin: https://evil.example\n{asked}");
        let answer = ask(&server, "OPTIONS", path, &host, &headers);
        assert_eq!(
            (answer.status, first_line(&answer)),
            (403, "403: Forbidden"),
            "{path}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.header("access-control-allow-methods"), None);
    }
}

#[test]
fn upgrades_that_are_none() {
    let server = TestServer::start(&[]);
    let host = own_host(&server);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let to = "Connection: Upgrade\nUpgrade: websocket";
    let version = "Sec-WebSocket-Version: 13";
    for (path, _) in ROUTES.iter().filter(|(_, socket)| *socket) {
        let plain = ask(&server, "GET", path, &host, "");
        assert_eq!(
            (plain.status, first_line(&plain)),
            (426, "426: Upgrade Required")
        );
        assert_eq!(plain.header("upgrade"), Some("websocket"));
        for other in ["h2c", "WebSocketX", ""] {
            let headers = format!("Connection: Upgrade\nUpgrade: {other}\n{version}\n{key}");
            assert_eq!(ask(&server, "GET", path, &host, &headers).status, 426);
        }
        for wrong in ["8", "14", "thirteen", ""] {
            let headers = format!("{to}\nSec-WebSocket-Version: {wrong}\n{key}");
            let answer = ask(&server, "GET", path, &host, &headers);
            assert_eq!(answer.status, 426, "{wrong}");
            assert_eq!(
                answer.header("sec-websocket-version"),
                Some("13"),
                "{wrong}"
            );
        }
        for wrong in [
            "",
            "short",
            "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==",
            "????????????????????????",
        ] {
            let headers = format!("{to}\n{version}\nSec-WebSocket-Key: {wrong}");
            let answer = ask(&server, "GET", path, &host, &headers);
            assert_eq!(
                (answer.status, first_line(&answer)),
                (400, "400: Bad Request"),
                "{wrong:?}"
            );
        }
        assert_eq!(
            ask(&server, "GET", path, &host, &format!("{to}\n{version}")).status,
            400
        );
        let good = ask(&server, "GET", path, &host, UPGRADE);
        assert_eq!(good.status, 101);
        // RFC 6455 section 1.3, where this key is the example.
        assert_eq!(
            good.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
    }
}

/// Sends bytes as they are, and returns what comes until the server ends the connection.
fn raw(server: &TestServer, bytes: &[u8]) -> String {
    let mut stream = server.tcp();
    // The server may have had enough of it before the end.
    let _ = stream.write_all(bytes);
    String::from_utf8_lossy(&read_to_end(&mut stream)).into_owned()
}

#[test]
fn heads_that_no_browser_sends() {
    let server = TestServer::start(&[]);
    let host = own_host(&server);
    let get = format!("GET /status HTTP/1.1\r\nHost: {host}\r\n");
    let refused: Vec<Vec<u8>> = vec![
        // Smuggling: two lengths, or a length and chunks.
        format!("POST /upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd").into(),
        format!("POST /upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n").into(),
        format!("POST /upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4, 5\r\n\r\nabcd").into(),
        format!("POST /upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, gzip\r\n\r\n").into(),
        // No requests at all.
        b"garbage\r\n\r\n".to_vec(),
        b"\x00\x01\x02\xff\xfe\r\n\r\n".to_vec(),
        format!("GET /status HTTP/9.9\r\nHost: {host}\r\n\r\n").into(),
        format!("GET status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into(),
        format!("{get}X : y\r\n\r\n").into(),
        format!("{get}X\x00: y\r\n\r\n").into(),
        format!("{get} folded: y\r\n\r\n").into(),
        // No host, or two.
        b"GET /status HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(),
        format!("{get}Host: evil.example\r\nConnection: close\r\n\r\n").into(),
        // Too much.
        format!("{get}X: {}\r\n\r\n", "a".repeat(100_000)).into(),
        format!("GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a".repeat(100_000)).into(),
        format!("{get}{}\r\n", "X: y\r\n".repeat(1000)).into(),
    ];
    for request in refused {
        let answer = raw(&server, &request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(120)]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4"), "{shown:?}: {answer:?}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{shown:?}: {answer:?}"
        );
    }
    // A length and chunks: the chunks count, and the connection does not go on behind them.
    let both = raw(&server, format!("POST /upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /status HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    assert!(!both.contains("\r\n\r\nOK"), "{both:?}");
    // Half a head and then nothing.
    for begun in ["", "GET /sta", "GET /status HTTP/1.1\r\nHost: "] {
        let mut stream = server.tcp();
        stream.write_all(begun.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut stream), b"", "{begun:?}");
    }
    assert_eq!(server.get("/status").body, "OK");
}

#[test]
fn absolute_targets_pass_the_gate_too() {
    let server = TestServer::start(&[]);
    let host = own_host(&server);
    let evil = ask(&server, "GET", "http://evil.example/status", &host, "");
    assert_eq!((evil.status, first_line(&evil)), (403, "403: Forbidden"));
    let evil = ask(&server, "GET", "/status", "evil.example", "");
    assert_eq!(evil.status, 403);
    let own = ask(&server, "GET", &format!("http://{host}/status"), &host, "");
    assert_eq!(own.body, "OK");
    let connect = ask(&server, "CONNECT", "evil.example:443", &host, "");
    assert_eq!(connect.status, 403);
}

#[test]
fn requests_one_behind_the_other_are_answered_in_order() {
    let server = TestServer::start(&[]);
    let mut stream = server.tcp();
    let paths = ["/status", "/version", "/nothing", "/status"];
    let requests: String = paths
        .iter()
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .collect();
    stream.write_all(requests.as_bytes()).unwrap();
    let answers: Vec<_> = paths.iter().map(|_| read_answer(&mut stream)).collect();
    assert_eq!(answers[0].body, "OK");
    assert_eq!(answers[1].json()["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(answers[2].status, 404);
    assert_eq!(answers[3].body, "OK");
}

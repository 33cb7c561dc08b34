//! `/device` with the real server: what this machine is, once and as events.

use further_link_testkit::fs::{Watcher, get, head, send};
use further_link_testkit::{TestServer, children_of, wait_for};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// As many may watch at the same time.
const WATCHERS: usize = 64;

fn is_number(value: &Value, from: f64, to: f64) -> bool {
    value
        .as_f64()
        .is_some_and(|number| (from..=to).contains(&number))
}

/// Whether this is a description of a device, with nothing missing that every Linux has.
fn check(device: &Value) {
    let hostname = nix::unistd::gethostname().unwrap();
    assert_eq!(device["name"], hostname.to_str().unwrap(), "{device}");
    assert_eq!(device["version"], env!("CARGO_PKG_VERSION"), "{device}");
    assert!(
        device["architecture"]
            .as_str()
            .is_some_and(|name| !name.is_empty()),
        "{device}"
    );
    assert!(is_number(&device["uptime"], 1.0, 1e9), "{device}");
    let memory = &device["memory"];
    let total = memory["total"].as_f64().unwrap();
    assert!(is_number(&memory["available"], 1.0, total), "{device}");
    let disk = &device["disk"];
    assert!(
        is_number(&disk["free"], 0.0, disk["total"].as_f64().unwrap()),
        "{device}"
    );
    let cpu = &device["cpu"];
    let cores = cpu["cores"].as_array().unwrap();
    assert_eq!(cpu["count"], cores.len(), "{device}");
    assert!(!cores.is_empty(), "{device}");
    for name in ["model", "system", "temperature", "battery", "throttled"] {
        assert!(device.get(name).is_some(), "{name}: {device}");
    }
}

#[tokio::test]
async fn what_this_device_is() {
    let server = TestServer::start(&[]);
    let reply = get(&server, "/device");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let device = reply.json();
    check(&device);
    assert!(is_number(&device["cpu"]["load"], 0.0, 1.0), "{device}");
    assert_eq!(device["programs"], 0);
    let keys: Vec<_> = device
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "architecture",
            "battery",
            "cpu",
            "disk",
            "memory",
            "model",
            "name",
            "programs",
            "system",
            "temperature",
            "throttled",
            "uptime",
            "version",
        ]
    );
}

#[tokio::test]
async fn stream_tells_what_changes() {
    let server = TestServer::start(&[]);
    let mut watcher = Watcher::new(&server, "/device?watch");
    let (name, device) = watcher.event();
    assert_eq!(name, "device");
    check(&device);
    let (_, device) = watcher.event();
    check(&device);
    assert!(is_number(&device["cpu"]["load"], 0.0, 1.0), "{device}");

    let mut client = server.connect("/run").await;
    client.start("1", "python3", "input()").await;
    client.expect("started").await;
    while watcher.event().1["programs"] != json!(1) {}
    client.stdin("1", "\n").await;
    client.finish().await;
    while watcher.event().1["programs"] != json!(0) {}
}

#[test]
fn stream_is_asked_for_by_its_type_too() {
    let server = TestServer::start(&[]);
    let mut stream = server.tcp();
    let head = head(&server, "GET", "/device", "Accept: text/event-stream");
    stream.write_all(head.as_bytes()).unwrap();
    let text = read_until(&mut stream, "event: device\ndata: {");
    assert!(text.contains("content-type: text/event-stream"), "{text}");
}

fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).expect("nothing came");
        assert!(count > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    text
}

#[test]
fn more_than_may_watch_are_turned_away() {
    let server = TestServer::start(&[]);
    let mut watchers: Vec<_> = (0..WATCHERS)
        .map(|_| Watcher::new(&server, "/device?watch"))
        .collect();
    for path in ["/device", "/device?watch"] {
        let refused = get(&server, path);
        assert_eq!(refused.status, 503, "{path}");
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!(server.get("/status").body, "OK");
    for watcher in &mut watchers {
        check(&watcher.event().1);
    }
    // A place is free as soon as somebody leaves.
    watchers.pop();
    wait_for("a place is free", || get(&server, "/device").status == 200);
}

#[test]
fn nobody_embeds_it_from_elsewhere() {
    let server = TestServer::start(&[]);
    for path in ["/device", "/device?watch"] {
        for site in ["cross-site", "same-site"] {
            let headers = format!("Sec-Fetch-Mode: no-cors\nSec-Fetch-Site: {site}");
            assert_eq!(
                send(&server, "GET", path, &headers, b"").status,
                403,
                "{path} {site}"
            );
        }
    }
    let own = "Sec-Fetch-Mode: cors\nSec-Fetch-Site: same-origin";
    assert_eq!(send(&server, "GET", "/device", own, b"").status, 200);
}

#[test]
fn streams_end_with_the_server_and_keep_nothing_behind() {
    let mut server = TestServer::start(&[]);
    let mut watcher = Watcher::new(&server, "/device?watch");
    watcher.event();
    assert_eq!(children_of(server.pid()).len(), 1, "only the spawner");
    server.signal("TERM");
    assert!(watcher.has_ended());
    assert!(server.wait().success());
}

//! The page with the real server, whichever was built into it: the one of `web`, or the one in its
//! place.

use further_link_testkit::TestServer;
use further_link_testkit::fs::{Reply, send};
use std::collections::BTreeSet;

/// What every browser of today sends; Brotli over https and to the device itself only.
const BROWSER: &str = "Accept-Encoding: gzip, deflate, br, zstd";

fn get(server: &TestServer, path: &str, headers: &str) -> Reply {
    let reply = send(server, "GET", path, headers, b"");
    assert!(reply.whole, "{path}: {}", reply.head);
    reply
}

/// All files of the page, found as a browser finds them: from the page on, by what each names.
fn files(server: &TestServer) -> BTreeSet<String> {
    let mut found = BTreeSet::from(["/".to_owned()]);
    let mut queue = vec!["/".to_owned()];
    assert_eq!(send(server, "HEAD", "/terminal.html", "", b"").status, 404);
    for further in ["/examples/"] {
        if send(server, "HEAD", further, "", b"").status == 200 {
            found.insert(further.to_owned());
            queue.push(further.to_owned());
        }
    }
    while let Some(path) = queue.pop() {
        let text = get(server, &path, "").text();
        let attributes = ["src=\"", "href=\""];
        for (at, name) in attributes.iter().flat_map(|name| text.match_indices(name)) {
            let Some((link, _)) = text[at + name.len()..].split_once('"') else {
                continue;
            };
            // In code, such a text may be anything.
            if path.ends_with(".js") || link.starts_with("data:") || link.starts_with('#') {
                continue;
            }
            assert!(
                !link.contains(':') && !link.starts_with("//"),
                "{path}: {link} is elsewhere"
            );
            let whole = match link.strip_prefix("./").unwrap_or(link) {
                link if link.starts_with('/') => link.to_owned(),
                link => format!("{}{link}", &path[..=path.rfind('/').unwrap()]),
            };
            if found.insert(whole.clone()) {
                queue.push(whole);
            }
        }
    }
    found
}

#[test]
fn page_is_complete_and_closed() {
    let server = TestServer::start(&[]);
    for path in files(&server) {
        let file = get(&server, &path, "");
        assert_eq!(file.status, 200, "{path}");
        let policy = file.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self';",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(
            file.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            file.header("referrer-policy"),
            Some("no-referrer"),
            "{path}"
        );
        let kind = file.header("content-type").unwrap();
        assert_ne!(kind, "application/octet-stream", "{path}");
        if !kind.starts_with("text/html") {
            continue;
        }
        // The policy forbids all of these, so they would not work.
        let text = file.text();
        let mut scripts = text.split("<script").skip(1);
        assert!(
            scripts.all(|rest| rest.contains("></script>") && rest.contains("src=")),
            "{path}"
        );
        for handler in ["onclick", "onload", "onsubmit", "oninput", "javascript:"] {
            assert!(!text.contains(handler), "{path}: {handler}");
        }
    }
}

#[test]
fn every_form_is_of_the_same_file() {
    let server = TestServer::start(&[]);
    for path in files(&server) {
        let plain = get(&server, &path, "");
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        let mut tags = BTreeSet::from([plain.etag()]);
        for accepted in ["gzip", "br"] {
            let asked = format!("Accept-Encoding: {accepted}");
            let form = get(&server, &path, &asked);
            assert_eq!(
                form.header("content-type"),
                plain.header("content-type"),
                "{path}"
            );
            assert_eq!(
                form.header("cache-control"),
                plain.header("cache-control"),
                "{path}"
            );
            assert!(
                form.head.to_lowercase().contains("vary: accept-encoding"),
                "{path}"
            );
            match form.header("content-encoding") {
                None => assert!(form.body == plain.body, "{path}"),
                Some(encoding) => {
                    assert_eq!(encoding, accepted, "{path}");
                    assert!(form.body.len() < plain.body.len(), "{path}");
                    assert!(tags.insert(form.etag()), "{path}: {tags:?}");
                }
            }
            let again = get(
                &server,
                &path,
                &format!("{asked}\nIf-None-Match: {}", form.etag()),
            );
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
            assert_eq!(again.etag(), form.etag(), "{path}");
        }
        let caching = plain.header("cache-control").unwrap();
        match path.starts_with("/assets/") {
            true => assert_eq!(caching, "public, max-age=31536000, immutable", "{path}"),
            false => assert_eq!(caching, "no-cache", "{path}"),
        }
    }
}

#[test]
fn head_is_that_of_the_whole_answer() {
    let server = TestServer::start(&[]);
    for path in files(&server) {
        for accepted in ["", BROWSER] {
            let whole = get(&server, &path, accepted);
            let head = send(&server, "HEAD", &path, accepted, b"");
            let lines = |reply: &Reply| -> BTreeSet<String> {
                let lines = reply.head.lines().map(str::to_lowercase);
                lines.filter(|line| !line.starts_with("date:")).collect()
            };
            assert_eq!(lines(&head), lines(&whole), "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "MOVE"] {
            let refused = send(&server, method, &path, "", b"x");
            assert_eq!(refused.status, 405, "{method} {path}");
            assert_eq!(
                refused.header("allow"),
                Some("GET, HEAD"),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn what_is_not_of_the_page_is_not_there() {
    let server = TestServer::start(&[]);
    for path in [
        "/assets/index-00000000.js",
        "/assets",
        "/assets/",
        "/assets/../index.html",
        "/assets/%2e%2e/index.html",
        "/index.html/",
        "/index.html.gz",
        "/index.html.br",
        "/index%2ehtml",
        "/Index.html",
        "//index.html",
        "/./index.html",
        "/web/dist/index.html",
        "/Cargo.toml",
        "/..%2f..%2fetc%2fpasswd",
    ] {
        let reply = send(&server, "GET", path, "", b"");
        assert_eq!(reply.status, 404, "{path}: {}", reply.head);
    }
    // A query is nobody's here, and changes nothing.
    let (with, without) = (get(&server, "/?x=/../y", ""), get(&server, "/", ""));
    assert_eq!((with.status, with.body), (200, without.body));
}

#[test]
fn encodings_that_no_browser_asks_for() {
    let server = TestServer::start(&[]);
    let whole = get(&server, "/", "").body;
    let long = "br;q=0,".repeat(3000);
    let many = "Accept-Encoding: gzip;q=0\n".repeat(80);
    for headers in [
        "Accept-Encoding:",
        "Accept-Encoding: identity;q=0",
        "Accept-Encoding: *;q=0",
        "Accept-Encoding: br;q=1e9, gzip;q=-0",
        "Accept-Encoding: \u{e9}\u{0}",
        "Accept-Encoding: ,;=;q,,",
        &format!("Accept-Encoding: {long}"),
        many.trim_end(),
    ] {
        let reply = send(&server, "GET", "/", headers, b"");
        let shown = &headers[..headers.len().min(60)];
        if headers.contains('\0') {
            assert_eq!(reply.status, 400, "{shown}");
            continue;
        }
        assert_eq!(reply.status, 200, "{shown}");
        assert_eq!(reply.header("content-encoding"), None, "{shown}");
        assert!(reply.body == whole, "{shown}");
    }
}

/// Who asks for everything and reads nothing costs the server next to nothing, and keeps nobody
/// waiting.
#[test]
fn clients_that_do_not_read_cost_little() {
    const CLIENTS: usize = 100;
    let server = TestServer::start(&[]);
    let largest = files(&server)
        .into_iter()
        .max_by_key(|path| get(&server, path, "").body.len())
        .unwrap();
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let word = line.unwrap().split_whitespace().nth(1).unwrap();
        word.parse::<usize>().unwrap()
    };
    let before = memory();
    let head = further_link_testkit::fs::head(&server, "GET", &largest, "")
        .replace("Connection: close\r\n", "");
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut stream = server.tcp();
            // Again and again: what is asked for is not read from the socket until there is room
            // for the answer.
            std::io::Write::write_all(&mut stream, head.repeat(20).as_bytes()).unwrap();
            stream
        })
        .collect();
    // All of them have begun to get it.
    for stream in &mut clients {
        let mut first = [0];
        std::io::Read::read_exact(stream, &mut first).unwrap();
    }
    assert_eq!(server.get("/status").body, "OK");
    let kib_each = memory().saturating_sub(before) / CLIENTS;
    assert!(
        kib_each < 250,
        "{kib_each} KiB for each of {CLIENTS}: {largest}"
    );
}

//! `/fs` with the real server: listing, reading, making, removing and moving, and names that lead
//! elsewhere. Writing is in `write.rs`, what takes time or force is in `contention.rs`, archives
//! and watching in `streaming.rs`.

use further_link_testkit::fs::{Reply, get, put, send};
use further_link_testkit::{TestServer, names_in, write_file};
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// Methods with which something could be done to a path.
const ALL: [&str; 5] = ["GET", "HEAD", "PUT", "DELETE", "MOVE"];

fn first_line(reply: &Reply) -> String {
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    reply.text().lines().next().unwrap_or_default().to_owned()
}

/// Entries of a folder by their names.
fn listed(server: &TestServer, path: &str) -> Vec<Value> {
    let reply = get(server, path);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let list = reply.json();
    for key in ["free", "total", "block_size"] {
        assert!(list[key].as_u64().unwrap() > 0, "{list}");
    }
    assert_eq!(list["writable"], true);
    let asked = path.split('?').next().unwrap().trim_matches('/');
    let below = server
        .work_dir()
        .join(asked.strip_prefix("fs").unwrap().trim_matches('/'));
    if !asked.contains('%') {
        let told = list["path"].as_str().unwrap();
        assert_eq!(told, below.to_str().unwrap().trim_end_matches('/'));
    }
    list["files"].as_array().unwrap().clone()
}

fn move_to(server: &TestServer, from: &str, to: &str, more: &str) -> Reply {
    send(
        server,
        "MOVE",
        from,
        &format!("X-Destination: {to}\n{more}"),
        b"",
    )
}

#[test]
fn folders_are_listed_as_circuitpython_does() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    assert!(listed(&server, "/fs/").is_empty());
    write_file(&work.join("b.py"), "print(1)");
    write_file(&work.join("a/inner"), "");
    write_file(&work.join(".flnew-0123"), "");
    write_file(&work.join(".flcache/x"), "");
    symlink("b.py", work.join("to-file")).unwrap();
    symlink("a", work.join("to-folder")).unwrap();
    symlink("/etc/passwd", work.join("out")).unwrap();
    symlink("nothing", work.join("broken")).unwrap();
    nix::unistd::mkfifo(&work.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::write(work.join("雪 \"x\"\n"), "1").unwrap();
    std::fs::write(
        work.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff")),
        "",
    )
    .unwrap();
    let files = listed(&server, "/fs/");
    let names: Vec<_> = files
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "a",
            "b.py",
            "broken",
            "fifo",
            "out",
            "to-file",
            "to-folder",
            "雪 \"x\"\n"
        ]
    );
    let entry = |name: &str| files.iter().find(|file| file["name"] == name).unwrap();
    let found = std::fs::metadata(work.join("b.py")).unwrap();
    let etag = get(&server, "/fs/b.py").etag();
    let modified = found.mtime() * 1_000_000_000 + found.mtime_nsec();
    assert_eq!(
        *entry("b.py"),
        json!({"name": "b.py", "directory": false, "modified_ns": modified, "file_size": 8, "etag": etag})
    );
    assert_eq!(entry("a")["directory"], true);
    assert_eq!(
        (&entry("a")["etag"], &entry("a")["file_size"]),
        (&Value::Null, &json!(0))
    );
    let link = entry("to-file");
    assert_eq!(
        (&link["link"], &link["file_size"], &link["etag"]),
        (&json!("b.py"), &json!(8), &json!(etag))
    );
    assert_eq!(entry("to-folder")["directory"], true);
    assert_eq!(
        (&entry("out")["broken"], &entry("out")["file_size"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(entry("broken")["broken"], true);
    assert_eq!(entry("fifo")["special"], true);
    // What a process that was killed has left is gone now.
    assert!(!work.join(".flnew-0123").exists());
    assert!(work.join(".flcache/x").exists());

    for (path, location) in [
        ("/fs", "/fs/"),
        ("/fs?user=", "/fs/?user="),
        ("/fs/a", "/fs/a/"),
        ("/fs/a?x=1", "/fs/a/?x=1"),
        ("/fs/to-folder", "/fs/to-folder/"),
    ] {
        let reply = get(&server, path);
        assert_eq!(
            (reply.status, reply.header("location")),
            (301, Some(location)),
            "{path}"
        );
    }
    let inner = listed(&server, "/fs/to-folder/");
    assert_eq!(inner[0]["name"], "inner");
    for path in [
        "/fs/b.py/",
        "/fs/none/",
        "/fs/none",
        "/fs/b.py/more",
        "/fs/.flnew-0123",
        "/fs/.flcache/",
        "/fs/.flcache/x",
    ] {
        let reply = get(&server, path);
        assert_eq!(
            (reply.status, first_line(&reply).as_str()),
            (404, "404: Not Found"),
            "{path}"
        );
    }
    let head = send(&server, "HEAD", "/fs/a/", "", b"");
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-length").unwrap(),
        get(&server, "/fs/a/").body.len().to_string()
    );
}

#[test]
fn long_lists_are_cut_and_say_so() {
    let server = TestServer::start(&[]);
    let work = server.work_dir().join("many");
    std::fs::create_dir_all(&work).unwrap();
    let first = work.join("0");
    std::fs::write(&first, "x").unwrap();
    // Links are quicker to make than files.
    for number in 1..20_001 {
        std::fs::hard_link(&first, work.join(number.to_string())).unwrap();
    }
    let list = get(&server, "/fs/many/").json();
    assert_eq!(list["truncated"], true);
    assert_eq!(list["files"].as_array().unwrap().len(), 20_000);
    std::fs::remove_file(work.join("7")).unwrap();
    let list = get(&server, "/fs/many/").json();
    assert_eq!(
        (&list["truncated"], list["files"].as_array().unwrap().len()),
        (&Value::Null, 20_000)
    );
}

#[test]
fn files_are_read_whole_in_parts_and_only_if_they_have_changed() {
    let server = TestServer::start(&[]);
    let path = server.work_dir().join("a.txt");
    // A binary prefix of more than one piece.
    let content: Vec<u8> = (0..400_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    write_file(&path, "");
    std::fs::write(&path, &content).unwrap();
    let modified = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    let whole = get(&server, "/fs/a.txt");
    assert_eq!((whole.status, whole.whole), (200, true));
    assert_eq!(whole.body, content);
    assert_eq!(
        whole.header("last-modified"),
        Some("Tue, 14 Nov 2023 22:13:20 GMT")
    );
    let etag = whole.etag();
    assert!(etag.starts_with('"') && etag.ends_with('"'));

    let read = |headers: &str| send(&server, "GET", "/fs/a.txt", headers, b"");
    for (range, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=131071-131072", 131_071, 131_073),
        ("bytes=399999-", 399_999, 400_000),
        ("bytes=-3", 399_997, 400_000),
        ("bytes=-999999999999", 0, 400_000),
        ("bytes=10-99999999999999999999999", 10, 400_000),
        ("BYTES=1-2", 1, 3),
    ] {
        let part = read(&format!("Range: {range}"));
        let told = format!("bytes {first}-{}/400000", end - 1);
        assert_eq!(
            (part.status, part.header("content-range")),
            (206, Some(&*told)),
            "{range}"
        );
        assert_eq!(part.body, content[first..end], "{range}");
        assert_eq!(part.etag(), etag);
    }
    for range in ["bytes=400000-", "bytes=-0", "bytes=999999-1000000"] {
        let none = read(&format!("Range: {range}"));
        assert_eq!(
            (none.status, none.header("content-range")),
            (416, Some("bytes */400000")),
            "{range}"
        );
        assert_eq!(first_line(&none), "416: Range Not Satisfiable");
    }
    for range in [
        "bytes=5-4",
        "bytes=0-1,3-4",
        "lines=1-2",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=+1-2",
        "5-6",
    ] {
        let all = read(&format!("Range: {range}"));
        assert_eq!((all.status, all.body.len()), (200, 400_000), "{range}");
    }
    let part = |held: &str| read(&format!("Range: bytes=0-3\nIf-Range: {held}")).status;
    assert_eq!(part(&etag), 206);
    for other in [
        "\"1-1-1-1\"",
        &format!("W/{etag}"),
        "Tue, 14 Nov 2023 22:13:20 GMT",
        "x",
    ] {
        assert_eq!(part(other), 200, "{other}");
    }

    for (headers, status) in [
        (format!("If-None-Match: {etag}"), 304),
        (format!("If-None-Match: W/{etag}"), 304),
        (format!("If-None-Match: \"x\", {etag}"), 304),
        ("If-None-Match: *".to_owned(), 304),
        ("If-None-Match: \"1-1-1-1\"".to_owned(), 200),
        (
            "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT".to_owned(),
            304,
        ),
        (
            "If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT".to_owned(),
            200,
        ),
        ("If-Modified-Since: yesterday".to_owned(), 200),
        (
            "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT".to_owned(),
            412,
        ),
        (
            "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:20 GMT".to_owned(),
            200,
        ),
        (format!("If-Match: {etag}"), 200),
        ("If-Match: \"1-1-1-1\"".to_owned(), 412),
        (format!("If-None-Match: {etag}\nRange: bytes=0-1"), 304),
    ] {
        for method in ["GET", "HEAD"] {
            let reply = send(&server, method, "/fs/a.txt", &headers, b"");
            assert_eq!(
                (reply.status, reply.etag()),
                (status, etag.clone()),
                "{method} {headers}"
            );
        }
    }
    let head = send(&server, "HEAD", "/fs/a.txt", "", b"");
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("400000"))
    );
    // A write through the old name, with the old size and the old time, is another version.
    std::fs::write(&path, vec![7; 400_000]).unwrap();
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    assert_ne!(get(&server, "/fs/a.txt").etag(), etag);
}

#[test]
fn what_is_served_is_content_and_no_page() {
    let server = TestServer::start(&[]);
    for (name, kind) in [
        ("main.py", "text/plain; charset=utf-8"),
        ("Makefile", "text/plain; charset=utf-8"),
        ("x.html", "text/html; charset=utf-8"),
        ("x.SVG", "image/svg+xml"),
        ("x.tar.gz", "application/gzip"),
        ("a.so", "application/octet-stream"),
        (".png", "image/png"),
    ] {
        assert_eq!(
            put(&server, &format!("/fs/{name}"), b"<script>").status,
            201
        );
        let reply = get(&server, &format!("/fs/{name}"));
        assert_eq!(reply.header("content-type"), Some(kind), "{name}");
    }
    for path in [
        "/fs/x.html",
        "/fs/",
        "/fs/none",
        "/fs/..",
        "/fs/?archive=zip",
        "/fs",
    ] {
        let reply = get(&server, path);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("sandbox; default-src 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("script"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-cache"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{path}");
        }
    }
}

#[test]
fn folders_are_made_removed_and_moved() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    let make = |path: &str| send(&server, "PUT", path, "", b"").status;
    let remove = |path: &str, headers: &str| send(&server, "DELETE", path, headers, b"").status;
    put(&server, "/fs/file", b"x");
    for (path, status) in [
        ("/fs/a/", 201),
        ("/fs/a/", 204),
        ("/fs/", 204),
        ("/fs/x/y/", 404),
        ("/fs/x/y/?parents=1", 201),
        ("/fs/file/", 409),
        ("/fs/file/a/", 409),
        ("/fs/.flnew-/", 403),
    ] {
        assert_eq!(make(path), status, "{path}");
    }
    let dated = send(
        &server,
        "PUT",
        "/fs/dated/",
        "X-Timestamp: 1700000000000",
        b"",
    );
    assert_eq!(
        (
            dated.status,
            std::fs::metadata(work.join("dated")).unwrap().mtime()
        ),
        (201, 1_700_000_000)
    );
    assert_eq!(remove("/fs/dated", ""), 204);

    // Move.
    let deep = "a/".repeat(60);
    assert_eq!(make(&format!("/fs/x/{deep}?parents=1")), 201);
    for (from, to, more, status) in [
        ("/fs/none", "/fs/b", "", 404),
        ("/fs/file", "/fs/none/b", "", 404),
        ("/fs/file", "/fs/a", "", 412),
        ("/fs/file", "/fs/file", "", 412),
        ("/fs/file", "/fs/a", "X-Overwrite: true", 409),
        ("/fs/a/", "/fs/file", "X-Overwrite: true", 409),
        ("/fs/x/", "/fs/x/y/z", "", 409),
        ("/fs/x/", "/fs/x/y/", "", 409),
        ("/fs/", "/fs/z", "", 403),
        ("/fs/x", "/fs/", "", 403),
        ("/fs/x", "/fs/.flnew-1", "", 403),
        ("/fs/x", "/fs/../x", "", 403),
        ("/fs/x", "/elsewhere", "", 400),
        ("/fs/x", "http://127.0.0.1/fs/y", "", 400),
        ("/fs/x", "/fs/%ff", "", 400),
        ("/fs/x/", "/fs/moved/", "", 201),
        ("/fs/file", "/fs/a/%E9%9B%AA%20%25", "", 201),
    ] {
        let reply = move_to(&server, from, to, more);
        assert_eq!(reply.status, status, "{from} to {to}: {}", reply.text());
    }
    assert_eq!(send(&server, "MOVE", "/fs/a", "", b"").status, 400);
    assert_eq!(names_in(&work.join("a")), ["雪 %"]);
    assert_eq!(names_in(&work), ["a", "moved"]);
    // Into itself by another way.
    symlink("moved/a", work.join("way")).unwrap();
    assert_eq!(move_to(&server, "/fs/moved", "/fs/way/x", "").status, 409);
    put(&server, "/fs/one", b"1");
    let two = put(&server, "/fs/two", b"2");
    assert_eq!(move_to(&server, "/fs/one", "/fs/two", "").status, 412);
    let moved = move_to(&server, "/fs/one", "/fs/two", "X-Overwrite: true");
    assert_eq!(
        (moved.status, get(&server, "/fs/two").text().as_str()),
        (204, "1")
    );
    assert_eq!(get(&server, "/fs/two").etag(), moved.etag());

    // Remove.
    assert_eq!(remove("/fs/two", &format!("If-Match: {}", two.etag())), 412);
    assert_eq!(remove("/fs/two/", ""), 409);
    assert_eq!(
        remove("/fs/two", &format!("If-Match: {}", moved.etag())),
        204
    );
    for (path, status) in [
        ("/fs/two", 404),
        ("/fs/", 403),
        ("/fs/.", 403),
        ("/fs/.flcache", 403),
        ("/fs/moved/", 204),
        ("/fs/a", 204),
        ("/fs/way", 204),
    ] {
        assert_eq!(remove(path, ""), status, "{path}");
    }
    assert_eq!(names_in(&work), [""; 0]);
}

#[test]
fn names_that_lead_elsewhere_are_refused_by_every_method() {
    let server = TestServer::start(&[]);
    let outside = server.folder.path().join("outside");
    write_file(&outside, "safe");
    write_file(&server.work_dir().join("a/b"), "");
    let before = names_in(server.folder.path());
    for (path, status) in [
        ("/fs/..", 403),
        ("/fs/../outside", 403),
        ("/fs/a/../../outside", 403),
        ("/fs/a/../b", 403),
        ("/fs/%2e%2e/outside", 403),
        ("/fs/%2E%2E%2Foutside", 403),
        ("/fs/..%2foutside", 403),
        ("/fs//etc/passwd", 403),
        ("/fs/%2fetc/passwd", 403),
        ("/fs/a%00b", 403),
        ("/fs/%ff", 400),
        ("/fs/%c3%28", 400),
        ("/fs/%", 400),
        ("/fs/%4", 400),
        ("/fs/%zz", 400),
    ] {
        for method in ALL {
            let reply = send(&server, method, path, "X-Destination: /fs/there", b"");
            assert_eq!(reply.status, status, "{method} {path}");
            if method == "GET" {
                let line = if status == 400 {
                    "400: Bad Request"
                } else {
                    "403: Forbidden"
                };
                assert_eq!(first_line(&reply), line);
            }
            let reply = move_to(&server, "/fs/a/b", path, "");
            assert_eq!(reply.status, status, "MOVE to {path}");
        }
    }
    let long = format!("/fs/{}", "x".repeat(256));
    assert_eq!(get(&server, &long).status, 403);
    // Encoded twice, it is a name like any other.
    assert_eq!(put(&server, "/fs/%252e%252e", b"x").status, 201);
    assert_eq!(names_in(&server.work_dir()), ["%2e%2e", "a"]);
    assert_eq!(names_in(server.folder.path()), before);
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "safe");
}

#[test]
fn what_is_no_file_is_never_opened() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    std::fs::create_dir_all(&work).unwrap();
    nix::unistd::mkfifo(&work.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(work.join("socket")).unwrap();
    // Somebody waits for a reader: it must not be us.
    let mut waiting = Command::new("sh")
        .arg("-c")
        .arg("exec 3>fifo")
        .current_dir(&work)
        .spawn()
        .unwrap();
    for name in ["fifo", "socket"] {
        for method in ["GET", "HEAD", "PUT"] {
            let reply = send(&server, method, &format!("/fs/{name}"), "", b"");
            assert_eq!(reply.status, 403, "{method} {name}");
        }
        assert_eq!(
            listed(&server, "/fs/")
                .iter()
                .find(|file| file["name"] == name)
                .unwrap()["special"],
            true
        );
    }
    assert_eq!(waiting.try_wait().unwrap(), None, "it has been opened");
    assert_eq!(send(&server, "DELETE", "/fs/fifo", "", b"").status, 204);
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}

#[test]
fn other_methods_and_users() {
    let server = TestServer::start(&["--origin", "https://further.pi-top.com"]);
    for method in ["POST", "PATCH", "BREW"] {
        let reply = send(&server, method, "/fs/a", "", b"");
        assert_eq!(
            (reply.status, first_line(&reply).as_str()),
            (405, "405: Method Not Allowed")
        );
        assert_eq!(
            reply.header("allow"),
            Some("GET, HEAD, PUT, DELETE, MOVE, OPTIONS")
        );
    }
    let options = send(&server, "OPTIONS", "/fs/a", "", b"");
    assert_eq!(
        (options.status, options.header("allow")),
        (204, Some("GET, HEAD, PUT, DELETE, MOVE, OPTIONS"))
    );
    let origin = "Origin: https://further.pi-top.com";
    let asked = format!(
        "{origin}\nAccess-Control-Request-Method: MOVE\nAccess-Control-Request-Headers: x-destination, if-match"
    );
    let preflight = send(&server, "OPTIONS", "/fs/a", &asked, b"");
    assert_eq!(preflight.status, 200);
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("MOVE")
    );
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        Some("x-destination, if-match")
    );
    let written = send(&server, "PUT", "/fs/a", origin, b"");
    assert_eq!(written.status, 201);
    assert!(
        written
            .header("access-control-expose-headers")
            .unwrap()
            .contains("ETag")
    );
    assert_eq!(
        send(&server, "PUT", "/fs/b", "Origin: https://evil.example", b"").status,
        403
    );
    assert_eq!(names_in(&server.work_dir()), ["a"]);
    for method in ALL {
        let reply = send(
            &server,
            method,
            "/fs/a?user=no-such-user",
            "X-Destination: /fs/b",
            b"",
        );
        assert_eq!(reply.status, 403, "{method}");
        if method == "GET" {
            assert!(
                reply
                    .text()
                    .contains("There is no user no-such-user on this device."),
                "{}",
                reply.text()
            );
        }
    }
}

#[test]
fn only_get_knows_ranges() {
    let server = TestServer::start(&[]);
    assert_eq!(put(&server, "/fs/a", b"0123456789").status, 201);
    for range in ["bytes=2-3", "bytes=20-"] {
        let headers = format!("Range: {range}");
        let reply = send(&server, "HEAD", "/fs/a", &headers, b"");
        assert_eq!(
            (reply.status, reply.header("content-length")),
            (200, Some("10")),
            "{range}"
        );
    }
}

#[test]
fn list_ends_by_what_is_sent() {
    // Each such character is six in JSON.
    let server = TestServer::start(&[]);
    let many = server.work_dir().join("many");
    std::fs::create_dir_all(&many).unwrap();
    for number in 0..3_000 {
        let name = format!("{}{number:04}", "\u{1}".repeat(250));
        std::fs::write(many.join(name), "").unwrap();
    }
    let reply = get(&server, "/fs/many/");
    assert_eq!((reply.status, reply.whole), (200, true));
    assert_eq!(reply.json()["truncated"], true);
    assert!(reply.body.len() < 5 * 1024 * 1024, "{}", reply.body.len());
}

#[test]
fn pages_of_other_sites_embed_nothing() {
    let server = TestServer::start(&[]);
    assert_eq!(put(&server, "/fs/a.png", b"picture").status, 201);
    for (site, mode, status) in [
        ("same-origin", "no-cors", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
        ("cross-site", "navigate", 200),
        ("cross-site", "no-cors", 403),
        ("same-site", "no-cors", 403),
    ] {
        let headers = format!("Sec-Fetch-Site: {site}\nSec-Fetch-Mode: {mode}");
        for path in ["/fs/a.png", "/fs/?archive=zip"] {
            let reply = send(&server, "GET", path, &headers, b"");
            assert_eq!(reply.status, status, "{headers} {path}");
            assert!(reply.header("content-security-policy").is_some());
        }
    }
}

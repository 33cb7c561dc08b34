//! Writing files to `/fs` with the real server.

use further_link_testkit::fs::{Reply, finish, get, head, put, send};
use further_link_testkit::{TestServer, names_in, write_file};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};

fn first_line(reply: &Reply) -> String {
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    reply.text().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn files_are_written_under_conditions() {
    let server = TestServer::start(&["--set", "limits.file_bytes=1000000"]);
    let work = server.work_dir();
    let write = |path: &str, headers: &str, body: &[u8]| send(&server, "PUT", path, headers, body);
    let content = |path: &str| std::fs::read(work.join(path)).unwrap();

    let first = write("/fs/a.py", "", b"one");
    assert_eq!((first.status, content("a.py")), (201, b"one".to_vec()));
    assert_eq!(
        std::fs::metadata(work.join("a.py")).unwrap().mode() & 0o777,
        0o644
    );
    assert_eq!(get(&server, "/fs/a.py").etag(), first.etag());
    std::fs::set_permissions(work.join("a.py"), PermissionsExt::from_mode(0o751)).unwrap();
    let second = write("/fs/a.py", "X-Timestamp: 1700000000123", b"two");
    assert_eq!((second.status, content("a.py")), (204, b"two".to_vec()));
    let found = std::fs::metadata(work.join("a.py")).unwrap();
    assert_eq!(found.mode() & 0o777, 0o751, "its mode stays");
    assert_eq!(
        (found.mtime(), found.mtime_nsec()),
        (1_700_000_000, 123_000_000)
    );
    let current = second.etag();
    assert_ne!(first.etag(), current);

    for (headers, status) in [
        (format!("If-Match: {}", first.etag()), 412),
        ("If-Match: \"nonsense\"".to_owned(), 412),
        (format!("If-Match: W/{current}"), 412),
        ("If-None-Match: *".to_owned(), 412),
        (format!("If-None-Match: {current}"), 412),
    ] {
        // Small ones are refused when they are there, large ones before.
        for size in [3, 300_000] {
            let reply = write("/fs/a.py", &headers, &vec![b'x'; size]);
            assert_eq!(
                (reply.status, reply.etag()),
                (status, current.clone()),
                "{headers}"
            );
            assert_eq!(first_line(&reply), "412: Precondition Failed");
            assert_eq!(content("a.py"), b"two");
        }
    }
    let third = write("/fs/a.py", &format!("If-Match: \"x\", {current}"), b"three");
    assert_eq!(third.status, 204);
    assert_eq!(write("/fs/a.py", "If-Match: *", b"four").status, 204);
    let none = write("/fs/new.py", "If-Match: *", b"");
    assert_eq!((none.status, none.header("etag")), (412, None));
    assert_eq!(write("/fs/new.py", "If-None-Match: *", b"").status, 201);
    assert_eq!(content("new.py"), b"");

    for (path, status) in [
        ("/fs/none/x", 404),
        ("/fs/a.py/x", 409),
        ("/fs/.flnew-1", 403),
        ("/fs/d/.flcache/x?parents=1", 403),
    ] {
        assert_eq!(write(path, "", b"x").status, status, "{path}");
    }
    assert_eq!(write("/fs/p/q/r/x?parents=1", "", b"x").status, 201);
    assert_eq!(write("/fs/p/q", "", b"x").status, 409);
    assert_eq!(write("/fs/a.py", "X-Timestamp: soon", b"x").status, 400);
    assert!(!work.join("none").exists() && !work.join("d").exists());

    // Too large: said before it is sent, and when it comes without saying how much it is.
    let large = write("/fs/a.py", "", &vec![b'x'; 1_000_001]);
    assert_eq!(
        (large.status, first_line(&large).as_str()),
        (413, "413: Payload Too Large")
    );
    let mut stream = server.tcp();
    let begin = head(&server, "PUT", "/fs/a.py", "Transfer-Encoding: chunked");
    stream.write_all(begin.as_bytes()).unwrap();
    for _ in 0..11 {
        let _ = write!(stream, "186a0\r\n{}\r\n", "y".repeat(100_000));
    }
    let _ = write!(stream, "0\r\n\r\n");
    assert_eq!(finish(stream, "PUT").status, 413);
    let mut stream = server.tcp();
    stream.write_all(begin.as_bytes()).unwrap();
    write!(stream, "3\r\nabc\r\n0\r\n\r\n").unwrap();
    assert_eq!(finish(stream, "PUT").status, 204);
    assert_eq!(content("a.py"), b"abc");
    let most = vec![b'z'; 1_000_000];
    assert_eq!(write("/fs/a.py", "", &most).status, 204);
    assert_eq!(content("a.py"), most);
    assert!(
        names_in(&work).iter().all(|name| !name.starts_with(".fl")),
        "{:?}",
        names_in(&work)
    );
}

#[test]
fn client_may_ask_before_it_sends() {
    let server = TestServer::start(&[]);
    put(&server, "/fs/a", b"old");
    let ask = |headers: &str| {
        let mut stream = server.tcp();
        let headers = format!("Content-Length: 3\nExpect: 100-continue\n{headers}");
        stream
            .write_all(head(&server, "PUT", "/fs/a", &headers).as_bytes())
            .unwrap();
        stream
    };
    let refused = finish(ask("If-None-Match: *"), "PUT");
    assert_eq!(refused.status, 412);
    let mut stream = ask("If-Match: *");
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"new").unwrap();
    assert_eq!(finish(stream, "PUT").status, 204);
    assert_eq!(get(&server, "/fs/a").body, b"new");
}

#[test]
fn links_are_written_through_if_they_stay_inside() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    write_file(&work.join("d/real"), "old");
    write_file(&server.folder.path().join("outside"), "safe");
    symlink("d/real", work.join("in")).unwrap();
    symlink("../in", work.join("d/twice")).unwrap();
    symlink("../outside", work.join("out")).unwrap();
    symlink(server.folder.path().join("outside"), work.join("absolute")).unwrap();
    symlink("nothing", work.join("broken")).unwrap();
    symlink("loop", work.join("loop")).unwrap();
    symlink("d", work.join("folder")).unwrap();
    for (name, status) in [
        ("in", 204),
        ("d/twice", 204),
        ("folder/real", 204),
        ("folder/x", 201),
        ("out", 403),
        ("absolute", 403),
        ("broken", 403),
        ("loop", 403),
        ("folder", 409),
    ] {
        let body = format!("through {name}");
        let reply = put(&server, &format!("/fs/{name}"), body.as_bytes());
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        if status == 204 {
            assert_eq!(std::fs::read_to_string(work.join("d/real")).unwrap(), body);
            assert_eq!(get(&server, &format!("/fs/{name}")).text(), body);
        }
    }
    assert!(work.join("in").is_symlink() && work.join("d/twice").is_symlink());
    for name in ["out", "absolute", "loop"] {
        assert_eq!(get(&server, &format!("/fs/{name}")).status, 403, "{name}");
    }
    assert_eq!(get(&server, "/fs/broken").status, 404);
    assert_eq!(
        std::fs::read_to_string(server.folder.path().join("outside")).unwrap(),
        "safe"
    );
    // The link goes, not what it leads to.
    for name in ["in", "out", "folder", "broken"] {
        assert_eq!(
            send(&server, "DELETE", &format!("/fs/{name}"), "", b"").status,
            204,
            "{name}"
        );
        assert!(!work.join(name).is_symlink(), "{name}");
    }
    assert!(work.join("d/real").exists() && server.folder.path().join("outside").exists());
}

#[test]
fn what_is_private_is_so_while_it_is_written() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    assert_eq!(put(&server, "/fs/key", b"old").status, 201);
    std::fs::set_permissions(work.join("key"), PermissionsExt::from_mode(0o600)).unwrap();
    let body = vec![b'k'; 400_000];
    let mut stream = server.tcp();
    let head = head(&server, "PUT", "/fs/key", "Content-Length: 400000");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..300_000]).unwrap();
    let temporary = || {
        let mut names = names_in(&work).into_iter();
        names.find(|name| name.starts_with(".flnew-"))
    };
    further_link_testkit::wait_for("the new file", || temporary().is_some());
    let found = std::fs::metadata(work.join(temporary().unwrap())).unwrap();
    assert_eq!(found.mode() & 0o777, 0o600);
    stream.write_all(&body[300_000..]).unwrap();
    assert_eq!(finish(stream, "PUT").status, 204);
    let found = std::fs::metadata(work.join("key")).unwrap();
    assert_eq!((found.mode() & 0o777, found.len()), (0o600, 400_000));
}

#[test]
fn part_of_a_file_does_not_replace_it() {
    let server = TestServer::start(&[]);
    assert_eq!(put(&server, "/fs/a", b"0123456789").status, 201);
    for range in ["bytes 8-9/10", "bytes 0-1/*", "nonsense"] {
        let headers = format!("Content-Range: {range}");
        assert_eq!(send(&server, "PUT", "/fs/a", &headers, b"xy").status, 400);
    }
    assert_eq!(get(&server, "/fs/a").text(), "0123456789");
}

#[test]
fn times_that_no_file_can_have_are_refused() {
    let server = TestServer::start(&[]);
    for (time, status) in [
        ("9223372000000", 201),
        ("-9223372000000", 204),
        ("9223372000001", 400),
        ("9223372036854", 400),
        ("-9223372036854", 400),
        ("9223372036855", 400),
    ] {
        let headers = format!("X-Timestamp: {time}");
        let reply = send(&server, "PUT", "/fs/a", &headers, b"x");
        assert_eq!(reply.status, status, "{time}: {}", reply.text());
    }
    assert_eq!(names_in(&server.work_dir()), ["a"]);
}

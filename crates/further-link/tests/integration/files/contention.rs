//! `/fs` under force: two who write the same, links that change while they are followed, accounts,
//! slow clients, and a server that is killed.

use further_link_testkit::account::TestAccount;
use further_link_testkit::fs::{finish, get, head, put, send};
use further_link_testkit::{TestServer, is_root, names_in, wait_for, write_file};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How often the link and the folder take each other's place, at least.
const SWAPS: usize = 10_000;

#[test]
fn of_many_with_the_same_version_one_writes() {
    let server = TestServer::start(&[]);
    let etag = put(&server, "/fs/a", b"begin").etag();
    for round in 0..2 {
        let current = get(&server, "/fs/a").etag();
        assert_eq!(round == 0, current == etag);
        // At once, and half of them large enough to be streamed.
        let replies: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..50)
                .map(|number: usize| {
                    let (server, current) = (&server, &current);
                    scope.spawn(move || {
                        let size = if number.is_multiple_of(5) {
                            200_000
                        } else {
                            10
                        };
                        let body = vec![b'a' + (number % 26) as u8; size];
                        loop {
                            let headers = format!("If-Match: {current}");
                            let reply = send(server, "PUT", "/fs/a", &headers, &body);
                            // More than there are places for at once.
                            if reply.status != 503 {
                                return (reply, body);
                            }
                        }
                    })
                })
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().unwrap();
            threads.into_iter().map(join).collect()
        });
        let won: Vec<_> = replies
            .iter()
            .filter(|(reply, _)| reply.status == 204)
            .collect();
        assert_eq!(won.len(), 1);
        let last = get(&server, "/fs/a");
        assert_eq!((last.etag(), &last.body), (won[0].0.etag(), &won[0].1));
        for (reply, _) in &replies {
            assert!([204, 412].contains(&reply.status), "{}", reply.text());
            assert_eq!(reply.etag(), last.etag());
        }
    }
    // And of many who want to make it, one.
    let made = std::thread::scope(|scope| {
        let make = || send(&server, "PUT", "/fs/new", "If-None-Match: *", b"x").status;
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(make)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .filter(|status| *status == 201)
            .count()
    });
    assert_eq!(made, 1);
    assert_eq!(names_in(&server.work_dir()), ["a", "new"]);
}

#[test]
fn links_that_are_swapped_lead_nowhere_else() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    let outside = server.folder.path().join("outside");
    write_file(&outside.join("file"), "secret");
    write_file(&outside.join("more"), "secret");
    write_file(&work.join("d/file"), "plain");
    write_file(&work.join("d/sub/x"), "plain");
    // A folder and a link out, and a file and a link to a secret, exchange their names again and
    // again.
    symlink(&outside, work.join("e")).unwrap();
    symlink("../../outside/file", work.join("d/link")).unwrap();
    let folder = std::fs::File::open(&work).unwrap();
    let (stop, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let asked = std::thread::scope(|scope| {
        scope.spawn(|| {
            use nix::fcntl::{RenameFlags, renameat2};
            let exchange = RenameFlags::RENAME_EXCHANGE;
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat2(&folder, "d", &folder, "e", exchange);
                for around in ["d", "e"] {
                    let (file, link) = (format!("{around}/file"), format!("{around}/link"));
                    if around == "d" && !work.join("d").is_symlink() {
                        let _ = renameat2(&folder, &*file, &folder, &*link, exchange);
                    }
                }
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut asked = 0;
        while swaps.load(Ordering::Relaxed) < SWAPS || asked < 40 {
            asked += 1;
            for path in ["/fs/d/file", "/fs/d/link"] {
                let read = get(&server, path);
                assert!(!read.text().contains("secret"), "{read:?}");
                put(&server, path, b"written");
                put(&server, "/fs/d/sub/new", b"written");
            }
            assert!(!get(&server, "/fs/d/").text().contains("more"));
            send(&server, "DELETE", "/fs/d/more", "", b"");
            send(&server, "DELETE", "/fs/d/sub", "", b"");
            send(&server, "PUT", "/fs/d/sub/", "", b"");
            send(
                &server,
                "MOVE",
                "/fs/d/more",
                "X-Destination: /fs/taken",
                b"",
            );
            send(
                &server,
                "MOVE",
                "/fs/d/sub",
                "X-Destination: /fs/e/sub",
                b"",
            );
            let archive = get(&server, "/fs/?archive=zip");
            assert!(!archive.body.windows(4).any(|part| part == b"more"));
            let watch = get_head(&server, "/fs/d/?watch");
            assert!([200, 403, 404].contains(&watch), "{watch}");
        }
        stop.store(true, Ordering::Relaxed);
        asked
    });
    assert!(asked >= 40);
    assert_eq!(names_in(&outside), ["file", "more"]);
    for name in ["file", "more"] {
        assert_eq!(
            std::fs::read_to_string(outside.join(name)).unwrap(),
            "secret"
        );
    }
}

/// The status alone, of what may have no end.
fn get_head(server: &TestServer, path: &str) -> u16 {
    send(server, "HEAD", path, "", b"").status
}

#[test]
fn accounts_reach_what_is_theirs() {
    if !is_root() {
        return;
    }
    let person = TestAccount::create();
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    std::fs::create_dir_all(work.join("theirs")).unwrap();
    let own = Some(person.user.uid);
    nix::unistd::chown(&work.join("theirs"), own, Some(person.user.gid)).unwrap();
    write_file(&work.join("secret"), "x");
    write_file(&work.join("open"), "x");
    write_file(&work.join("closed/x"), "x");
    write_file(&work.join("theirs/of-root"), "x");
    let mode = |path: &str, mode| {
        std::fs::set_permissions(work.join(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    mode("secret", 0o600);
    mode("closed", 0o700);
    let ask = |method: &str, path: &str, to: &str| {
        let path = format!(
            "{path}{}user={}",
            if path.contains('?') { "&" } else { "?" },
            person.name
        );
        send(&server, method, &path, &format!("X-Destination: {to}"), b"")
    };
    for (method, path, to, status) in [
        ("GET", "/fs/secret", "", 403),
        ("GET", "/fs/closed/", "", 403),
        ("GET", "/fs/closed/x", "", 403),
        ("GET", "/fs/closed/?watch", "", 403),
        ("GET", "/fs/?archive=zip", "", 403),
        ("PUT", "/fs/open", "", 403),
        ("PUT", "/fs/new", "", 403),
        ("PUT", "/fs/closed/new", "", 403),
        ("PUT", "/fs/new/", "", 403),
        ("PUT", "/fs/new/x?parents=1", "", 403),
        // Whose folder it is could replace it; but it is read-only for them.
        ("PUT", "/fs/theirs/of-root", "", 403),
        ("DELETE", "/fs/open", "", 403),
        ("DELETE", "/fs/closed", "", 403),
        ("MOVE", "/fs/open", "/fs/theirs/open", 403),
        ("MOVE", "/fs/theirs/of-root", "/fs/mine", 403),
        ("GET", "/fs/open", "", 200),
        ("PUT", "/fs/theirs/a", "", 201),
        ("PUT", "/fs/theirs/b/c?parents=1", "", 201),
        ("MOVE", "/fs/theirs/a", "/fs/theirs/d", 201),
        ("GET", "/fs/theirs/?archive=zip", "", 200),
        ("DELETE", "/fs/theirs/b", "", 204),
    ] {
        let reply = ask(method, path, to);
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
    }
    assert_eq!(names_in(&work), ["closed", "open", "secret", "theirs"]);
    assert_eq!(names_in(&work.join("theirs")), ["d", "of-root"]);
    assert_eq!(
        std::fs::metadata(work.join("theirs/d")).unwrap().uid(),
        person.user.uid.as_raw()
    );
    assert_eq!(ask("GET", "/fs/", "").json()["writable"], false);
    assert_eq!(ask("GET", "/fs/theirs/", "").json()["writable"], true);
    for name in ["daemon", "nobody"] {
        let reply = get(&server, &format!("/fs/?user={name}"));
        assert_eq!(
            (reply.status, reply.text().contains("may not run as user")),
            (403, true)
        );
    }
    // Those who have a home of their own have their own files.
    let server = TestServer::start_with(&[], |command| {
        command.env_remove("FURTHER_LINK_WORK_DIR");
    });
    assert_eq!(
        put(&server, &format!("/fs/mine?user={}", person.name), b"x").status,
        201
    );
    let mine = std::fs::metadata(person.user.dir.join("further/mine")).unwrap();
    assert_eq!(mine.uid(), person.user.uid.as_raw());
}

#[test]
fn upload_that_is_broken_off_leaves_the_old_file() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    let etag = put(&server, "/fs/a", b"old").etag();
    for (headers, sent) in [
        ("Content-Length: 1000000", vec![b'x'; 500_000]),
        ("Content-Length: 100", vec![b'x'; 50]),
        ("Transfer-Encoding: chunked", b"5\r\nabcde\r\n".to_vec()),
        ("Transfer-Encoding: chunked", b"zz\r\n".to_vec()),
    ] {
        let mut stream = server.tcp();
        stream
            .write_all(head(&server, "PUT", "/fs/a", headers).as_bytes())
            .unwrap();
        let _ = stream.write_all(&sent);
        let began = sent.len() < 1000 && !sent.starts_with(b"5");
        wait_for("it has begun", || began || temporaries(&work) == 1);
        drop(stream);
        wait_for("nothing is left of it", || temporaries(&work) == 0);
        let now = get(&server, "/fs/a");
        assert_eq!(
            (now.body.as_slice(), now.etag()),
            (&b"old"[..], etag.clone()),
            "{headers}"
        );
    }
}

/// Files that are being written.
fn temporaries(folder: &Path) -> usize {
    let is_temporary = |name: &&String| name.starts_with(".flnew-");
    names_in(folder).iter().filter(is_temporary).count()
}

#[test]
fn server_that_is_killed_leaves_the_old_file_or_the_new_one() {
    for sent in [100_000, 300_000, 600_000] {
        let mut server = TestServer::start(&[]);
        let work = server.work_dir();
        put(&server, "/fs/a", &vec![b'o'; 600_000]);
        let mut stream = server.tcp();
        stream
            .write_all(head(&server, "PUT", "/fs/a", "Content-Length: 600000").as_bytes())
            .unwrap();
        stream.write_all(&vec![b'n'; sent]).unwrap();
        wait_for("it has begun", || {
            temporaries(&work) == 1 || std::fs::read(work.join("a")).unwrap()[0] == b'n'
        });
        server.signal("KILL");
        server.wait();
        let found = std::fs::read(work.join("a")).unwrap();
        assert_eq!(found.len(), 600_000);
        assert!(found.iter().all(|byte| *byte == found[0]));
        assert!(sent == 600_000 || found[0] == b'o');
        drop(stream);
        // What is left of it is removed by the next one to look.
        let next = TestServer::start_with(&[], |command| {
            command.env("FURTHER_LINK_WORK_DIR", &work);
        });
        assert_eq!(get(&next, "/fs/").status, 200);
        assert_eq!(names_in(&work), ["a"]);
    }
}

#[test]
fn file_that_becomes_shorter_breaks_the_connection() {
    let server = TestServer::start(&[]);
    let path = server.work_dir().join("a");
    std::fs::create_dir_all(server.work_dir()).unwrap();
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(50_000_000).unwrap();
    let mut stream = server.tcp();
    stream
        .write_all(head(&server, "GET", "/fs/a", "").as_bytes())
        .unwrap();
    let mut begin = [0; 1000];
    stream.read_exact(&mut begin).unwrap();
    file.set_len(10).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    let reply = further_link_testkit::fs::parse(&[&begin[..], &rest].concat(), "GET");
    assert_eq!((reply.status, reply.whole), (200, false));
}

#[test]
fn slow_clients_keep_nobody_waiting() {
    let server = TestServer::start(&[]);
    put(&server, "/fs/large", &vec![b'x'; 8_000_000]);
    // As many uploads as there may be, each with half of its content to come; and downloads that
    // nobody reads.
    let begin = |headers: &str, body: &[u8]| {
        let mut stream = server.tcp();
        stream
            .write_all(head(&server, "PUT", "/fs/slow", headers).as_bytes())
            .unwrap();
        stream.write_all(body).unwrap();
        stream
    };
    let uploads: Vec<_> = (0..16)
        .map(|_| begin("Content-Length: 600000", &[b'x'; 200_000]))
        .collect();
    let small: Vec<_> = (0..40)
        .map(|_| begin("Content-Length: 6", b"abc"))
        .collect();
    let unread: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = server.tcp();
            stream
                .write_all(head(&server, "GET", "/fs/large", "").as_bytes())
                .unwrap();
            stream
        })
        .collect();
    wait_for("all uploads have begun", || {
        temporaries(&server.work_dir()) == 16
    });
    assert_eq!(put(&server, "/fs/quick", b"x").status, 201);
    assert_eq!(get(&server, "/fs/quick").body, b"x");
    // There is no place for another one of the long ones, and that is said at once.
    let another = put(&server, "/fs/another", &[b'x'; 200_000]);
    assert_eq!(
        (another.status, another.header("retry-after")),
        (503, Some("2"))
    );
    for mut stream in small {
        stream.write_all(b"def").unwrap();
        assert!([201, 204].contains(&finish(stream, "PUT").status));
    }
    for mut stream in unread {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert!(all.len() > 8_000_000);
    }
    for mut stream in uploads {
        stream.write_all(&[b'x'; 400_000]).unwrap();
        assert_eq!(finish(stream, "PUT").status, 204);
    }
    assert_eq!(temporaries(&server.work_dir()), 0);
}

#[test]
fn locked_folder_is_said_to_be_busy() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    put(&server, "/fs/a", b"old");
    let lock = std::fs::File::open(&work).unwrap();
    lock.lock().unwrap();
    let refused = put(&server, "/fs/a", b"new");
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(get(&server, "/fs/a").body, b"old");
    drop(lock);
    assert_eq!(put(&server, "/fs/a", b"new").status, 204);
}

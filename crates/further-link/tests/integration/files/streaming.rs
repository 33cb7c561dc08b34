//! `/fs` where much flows: archives, what changes, and large files.

use further_link_testkit::fs::{Watcher, get, head, put, send};
use further_link_testkit::{TempDir, TestServer, descendants_of, wait_for, write_file};
use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

/// What Python's `zipfile` says is in an archive: name, bytes, mode, time, and what was read; it
/// checks all sums.
fn read_zip(bytes: &[u8]) -> BTreeMap<String, serde_json::Value> {
    let folder = TempDir::create();
    let path = folder.path().join("archive.zip");
    std::fs::write(&path, bytes).unwrap();
    let code = "import json, sys, zipfile\n\
        z = zipfile.ZipFile(sys.argv[1])\n\
        assert z.testzip() is None\n\
        print(json.dumps({i.filename: [i.file_size, i.external_attr >> 16, z.read(i).decode('latin-1') \
        if i.file_size < 100 else ''] for i in z.infolist()}))";
    let output = Command::new("python3")
        .args(["-c", code])
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn folder_is_downloaded_as_an_archive() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    write_file(&work.join("p/main.py"), "print(1)");
    write_file(&work.join("p/雪/data"), "d");
    write_file(&work.join("p/.flnew-1"), "hidden");
    write_file(&work.join("p/.flcache/x"), "hidden");
    write_file(&work.join("other"), "x");
    std::fs::create_dir_all(work.join("p/empty")).unwrap();
    symlink("../other", work.join("p/link")).unwrap();
    nix::unistd::mkfifo(&work.join("p/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let large: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    std::fs::write(work.join("p/large"), &large).unwrap();
    std::fs::set_permissions(
        work.join("p/main.py"),
        std::fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let reply = get(&server, "/fs/p/?archive=zip");
    assert_eq!((reply.status, reply.whole), (200, true));
    assert_eq!(reply.header("content-type"), Some("application/zip"));
    assert_eq!(
        reply.header("content-disposition"),
        Some("attachment; filename=\"p.zip\"; filename*=UTF-8''p.zip")
    );
    let found = read_zip(&reply.body);
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "p/",
            "p/empty/",
            "p/large",
            "p/link",
            "p/main.py",
            "p/雪/",
            "p/雪/data"
        ]
    );
    assert_eq!(
        found["p/main.py"],
        serde_json::json!([8, 0o100_755, "print(1)"])
    );
    assert_eq!(
        found["p/link"],
        serde_json::json!([8, 0o120_777, "../other"])
    );
    assert_eq!(found["p/large"][0], large.len());
    assert_eq!(
        read_zip(&get(&server, "/fs/?archive=zip").body)["files/other"][2],
        "x"
    );
    for (path, status) in [
        ("/fs/p/?archive=rar", 400),
        ("/fs/none/?archive=zip", 404),
        ("/fs/other/?archive=zip", 404),
        ("/fs/p?archive=zip", 301),
        ("/fs/other?archive=zip", 400),
    ] {
        assert_eq!(get(&server, path).status, status, "{path}");
    }
    let head = send(&server, "HEAD", "/fs/p/?archive=zip", "", b"");
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("application/zip"))
    );
}

#[test]
fn archive_that_cannot_be_finished_is_broken_off() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    write_file(&work.join("p/a"), "");
    // More than fits between the files and a client that does not read, and something behind it.
    let file = std::fs::File::create(work.join("p/b")).unwrap();
    let mut seed = 1_u32;
    for _ in 0..24 {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            seed as u8
        })
        .take(1 << 20)
        .collect();
        (&file).write_all(&noise).unwrap();
    }
    let mut stream = server.tcp();
    stream
        .write_all(head(&server, "GET", "/fs/p/?archive=zip", "").as_bytes())
        .unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).unwrap();
    let writer = descendants_of(server.spawner_pid());
    assert_eq!(writer.len(), 1);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(writer[0]),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    let all = [&begin[..], &rest].concat();
    assert!(!further_link_testkit::fs::parse(&all, "GET").whole);
    // And one that the client breaks off leaves nobody behind.
    let mut stream = server.tcp();
    stream
        .write_all(head(&server, "GET", "/fs/p/?archive=zip", "").as_bytes())
        .unwrap();
    stream.read_exact(&mut begin).unwrap();
    drop(stream);
    wait_for("the writer ends", || {
        descendants_of(server.spawner_pid()).is_empty()
    });
}

#[test]
fn changes_are_told_whoever_makes_them() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    write_file(&work.join("p/old"), "x");
    write_file(&work.join("elsewhere/y"), "y");
    let mut watcher = Watcher::new(&server, "/fs/p/?watch");
    let mut all = Watcher::new(&server, "/fs/?watch=1");

    // By us: one event each, and what it is now.
    let etag = put(&server, "/fs/p/a.py", b"one").etag();
    let (_, told) = watcher.event();
    assert_eq!(
        told,
        serde_json::json!({"path": "p/a.py", "kind": "created", "directory": false, "etag": etag})
    );
    assert_eq!(all.event().1, told);
    let etag = put(&server, "/fs/p/a.py", b"two").etag();
    let (_, told) = watcher.event();
    assert_eq!(
        (&told["kind"], &told["etag"]),
        (&"changed".into(), &etag.into())
    );
    send(
        &server,
        "MOVE",
        "/fs/p/a.py",
        "X-Destination: /fs/p/b.py",
        b"",
    );
    let (_, told) = watcher.event();
    assert_eq!(
        (&told["kind"], &told["path"], &told["from"]),
        (&"moved".into(), &"p/b.py".into(), &"p/a.py".into())
    );
    send(&server, "DELETE", "/fs/p/b.py", "", b"");
    assert_eq!(watcher.change(), ("deleted".into(), "p/b.py".into()));

    // By others: also in folders that are made a moment before.
    std::fs::create_dir_all(work.join("p/q/r/s")).unwrap();
    std::fs::write(work.join("p/q/r/s/deep"), "1").unwrap();
    watcher.wait_for("created", "p/q/r/s/deep");
    std::fs::write(work.join("p/q/r/s/deep"), "22").unwrap();
    watcher.wait_for("changed", "p/q/r/s/deep");
    std::fs::rename(work.join("p/q"), work.join("p/z")).unwrap();
    assert_eq!(watcher.wait_for("moved", "p/z")["from"], "p/q");
    std::fs::write(work.join("p/z/r/s/deep"), "333").unwrap();
    watcher.wait_for("changed", "p/z/r/s/deep");
    // As editors save.
    std::fs::write(work.join("p/old~"), "new").unwrap();
    std::fs::rename(work.join("p/old~"), work.join("p/old")).unwrap();
    watcher.wait_for("changed", "p/old");
    // In from elsewhere, and out again; what happens outside is not told.
    std::fs::rename(work.join("elsewhere"), work.join("p/in")).unwrap();
    watcher.wait_for("created", "p/in/y");
    std::fs::rename(work.join("p/in"), work.join("out")).unwrap();
    watcher.wait_for("deleted", "p/in");
    std::fs::write(work.join("out/y"), "2").unwrap();
    std::fs::remove_dir_all(work.join("p/z")).unwrap();
    watcher.wait_for("deleted", "p/z");
    all.wait_for("changed", "out/y");
    // Names of ours are not told: what comes next is the next.
    std::fs::write(work.join("p/.flnew-x"), "").unwrap();
    std::fs::remove_file(work.join("p/.flnew-x")).unwrap();
    std::fs::write(work.join("p/雪\n"), "").unwrap();
    assert_eq!(watcher.change(), ("created".into(), "p/雪\n".into()));
    // The folder itself goes.
    std::fs::remove_dir_all(work.join("p")).unwrap();
    loop {
        let (name, _) = watcher.event();
        if name == "gone" {
            break;
        }
    }
    assert!(watcher.has_ended());
}

#[test]
fn what_happens_right_behind_a_move_is_told() {
    use nix::fcntl::{RenameFlags, renameat2};
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    write_file(&work.join("0/in/file"), "x");
    write_file(&work.join("other/in/else"), "x");
    let mut watcher = Watcher::new(&server, "/fs/?watch");
    for number in 0..20 {
        let to = (number + 1).to_string();
        std::fs::rename(work.join(number.to_string()), work.join(&to)).unwrap();
        std::fs::write(work.join(&to).join("in/file"), &to).unwrap();
        watcher.wait_for("moved", &to);
        watcher.wait_for("changed", &format!("{to}/in/file"));
    }
    // As an upload replaces a project: what is there then is told, and goes on to be watched.
    let folder = std::fs::File::open(&work).unwrap();
    let exchange = RenameFlags::RENAME_EXCHANGE;
    write_file(&work.join(".flnew-1/in/new"), "x");
    renameat2(&folder, ".flnew-1", &folder, "20", exchange).unwrap();
    watcher.wait_for("changed", "20");
    watcher.wait_for("created", "20/in/new");
    std::fs::write(work.join("20/in/new"), "y").unwrap();
    watcher.wait_for("changed", "20/in/new");
    // Two that are seen take each other's places: list again.
    renameat2(&folder, "20", &folder, "other", exchange).unwrap();
    assert_eq!(watcher.event().0, "overflow");
    std::fs::write(work.join("20/in/else"), "y").unwrap();
    watcher.wait_for("changed", "20/in/else");
    std::fs::write(work.join("other/in/new"), "z").unwrap();
    watcher.wait_for("changed", "other/in/new");
}

#[tokio::test]
async fn changes_that_a_program_makes_are_told() {
    let server = TestServer::start(&[]);
    assert_eq!(send(&server, "PUT", "/fs/p/", "", b"").status, 201);
    let mut watcher = Watcher::new(&server, "/fs/p/?watch");
    let mut client = server.connect("/run").await;
    let code = "import os\nfor i in range(3): open(f'log{i}', 'w').write(str(i))\nos.remove('log0')\n\
        input()\nopen('log1', 'a').write('more')";
    client
        .start_data(
            "1",
            serde_json::json!({"runner": "python3", "code": code, "path": "p"}),
        )
        .await;
    client.expect("started").await;
    watcher.wait_for("created", "p/log2");
    client.stdin("1", "\n").await;
    let told = watcher.wait_for("changed", "p/log1");
    assert_eq!(told["etag"], get(&server, "/fs/p/log1").etag());
    client.until("stopped").await;
}

#[test]
fn flood_of_changes_is_an_overflow() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    std::fs::create_dir_all(&work).unwrap();
    let mut watcher = Watcher::new(&server, "/fs/?watch");
    write_file(&work.join("first"), "");
    for number in 0..6000 {
        std::fs::hard_link(work.join("first"), work.join(number.to_string())).unwrap();
        std::fs::write(work.join(number.to_string()), "").unwrap();
    }
    // Either they were told in time, or it is said that they were not.
    loop {
        let (name, data) = watcher.event();
        if name == "overflow" || data["path"] == "5999" {
            break;
        }
    }
    std::fs::write(work.join("last"), "").unwrap();
    watcher.wait_for("created", "last");
}

#[test]
fn watching_has_bounds_and_ends_with_the_client() {
    let server = TestServer::start(&[]);
    let work = server.work_dir();
    for number in 0..4200 {
        std::fs::create_dir_all(work.join("many").join(number.to_string())).unwrap();
    }
    write_file(&work.join("few/x"), "");
    let mut watcher = Watcher::new(&server, "/fs/many/?watch");
    let (name, data) = watcher.event();
    assert_eq!(
        (name.as_str(), &data["folders"]),
        ("overflow", &4096.into())
    );
    let begin = std::time::Instant::now();
    drop(watcher);
    wait_for("its process ends", || {
        descendants_of(server.spawner_pid()).is_empty()
    });
    let waited = begin.elapsed().as_secs();
    assert!(waited < 10, "not only by the next sign of life: {waited} s");

    let watchers: Vec<_> = (0..32)
        .map(|_| Watcher::new(&server, "/fs/few/?watch"))
        .collect();
    let refused = get(&server, "/fs/few/?watch");
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("2"))
    );
    // They are in nobody else's way.
    assert_eq!(put(&server, "/fs/few/x", b"").status, 204);
    drop(watchers);
    wait_for("all processes end", || {
        descendants_of(server.spawner_pid()).is_empty()
    });
    for (path, status) in [
        ("/fs/none/?watch", 404),
        ("/fs/few/x/?watch", 404),
        ("/fs/few?watch", 301),
        ("/fs/few/x?watch", 400),
    ] {
        assert_eq!(get(&server, path).status, status, "{path}");
    }
    // A server that ends does not wait for those who watch.
    let watcher = Watcher::new(&server, "/fs/few/?watch");
    drop(server);
    assert!(watcher.has_ended());
}

/// KiB of memory that a process has had at most.
fn peak(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn large_files_take_little_memory() {
    let server = TestServer::start(&[]);
    let path = server.work_dir().join("large");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::fs::File::create(&path).unwrap();
    let size: u64 = 5_000_000_000;
    file.set_len(size).unwrap();
    for at in [0, 1 << 31, 1 << 32, size - 5] {
        file.seek(std::io::SeekFrom::Start(at)).unwrap();
        file.write_all(b"here!").unwrap();
    }
    put(&server, "/fs/small", b"x");
    get(&server, "/fs/small");
    let before = peak(server.pid());
    for at in [0, 1_u64 << 31, 1 << 32, size - 5] {
        let part = send(
            &server,
            "GET",
            "/fs/large",
            &format!("Range: bytes={at}-{}", at + 4),
            b"",
        );
        assert_eq!((part.status, part.text().as_str()), (206, "here!"));
    }
    // 60 MB down, and up.
    let part = send(
        &server,
        "GET",
        "/fs/large",
        "Range: bytes=4294967296-4354967295",
        b"",
    );
    assert_eq!(
        (part.status, part.body.len(), part.whole),
        (206, 60_000_000, true)
    );
    let up = put(&server, "/fs/up", &part.body);
    assert_eq!(
        (up.status, same(&server.work_dir().join("up"), &part.body)),
        (201, true)
    );
    let taken = peak(server.pid()) - before;
    assert!(taken < 4096, "{taken} KiB");
}

fn same(path: &Path, content: &[u8]) -> bool {
    std::fs::read(path).unwrap() == content
}

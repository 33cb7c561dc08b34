//! Uploads with the real server: every row of section 5 of the protocol.

use further_link_testkit::account::TestAccount;
use further_link_testkit::raw::{read_answer, read_to_end};
use further_link_testkit::upload::{
    leftovers, post, project, refused, snapshot, upload, without_newer_calls,
};
use further_link_testkit::{Answer, TestServer, is_root, names_in, write_file};
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::Path;

const BAD: &str = "400: Bad Request";
const FAILED: &str = "500: Internal Server Error";

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// With the copies of miniscreen projects in the server's own folder, and perhaps without newer
/// system calls.
fn start(newer: bool) -> TestServer {
    TestServer::start_with(&[], |command| {
        let folder = command
            .get_envs()
            .find(|(name, _)| *name == "HOME")
            .and_then(|(_, value)| value)
            .map(|home| Path::new(home).join("mini"))
            .unwrap();
        command.env("FURTHER_LINK_MINISCREEN_PROJECTS_DIR", folder);
        if !newer {
            without_newer_calls(command);
        }
    })
}

#[test]
fn folder_is_what_was_uploaded() {
    for newer in [true, false] {
        let server = start(newer);
        let work = server.work_dir();
        let answer = post(
            &server,
            "/upload",
            br#"{"later":[{}],"name":"p","files":{"x":1,"main.py":{"type":"text","content":{"text":"a\u0000b\r\n\u00fc","more":1}},
                "x":{"more":null,"type":"text","content":{"text":""}},
                "images/./deep//cat.txt":{"type":"text","content":{"text":"cat"}},"Main.py":{"type":"text","content":{"text":"other"}}}}"#,
        );
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(
            answer.json(),
            json!({"success": true, "fetched_urls": true})
        );
        let found = snapshot(&work, &[]);
        let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
        let folder = format!("40755 {uid}:{gid} ");
        let file = |content| format!("100644 {uid}:{gid} {content}");
        let expected = [
            ("p", folder.clone()),
            ("p/Main.py", file("other")),
            ("p/images", folder.clone()),
            ("p/images/deep", folder.clone()),
            ("p/images/deep/cat.txt", file("cat")),
            ("p/main.py", file(r"a\x00b\r\n\xc3\xbc")),
            ("p/x", file("")),
        ];
        let expected = expected.map(|(path, about)| (path.to_owned(), about));
        assert_eq!(found, expected.into());
        // The next one replaces all of it, whatever was done to it.
        write_file(&work.join("p/made/by/program"), "x");
        std::fs::set_permissions(work.join("p"), PermissionsExt::from_mode(0o500)).unwrap();
        upload(&server, "", &project("p", &[("new", "n")]));
        assert_eq!(names_in(&work.join("p")), ["new"]);
        upload(&server, "", &project("p", &[]));
        assert_eq!(names_in(&work.join("p")), [""; 0]);
        upload(&server, "?user=", &project("a/b/c", &[("f", "f")]));
        assert_eq!(read(&work.join("a/b/c/f")), "f");
        // Old folders are removed behind the answer.
        further_link_testkit::wait_for("nothing is left", || leftovers(&work).is_empty());
        assert_eq!(names_in(&work), ["a", "p"]);
    }
}

#[tokio::test]
async fn uploaded_project_runs() {
    let server = TestServer::start(&[]);
    let files = [
        ("main.py", "import words; print(words.text)"),
        ("words.py", "text = 'hi'"),
    ];
    upload(&server, "", &project("words", &files));
    let mut client = server.connect("/run").await;
    let run = json!({"runner": "python3", "path": "words/main.py"});
    let finished = client.run(run.clone()).await;
    assert_eq!((finished.stdout.as_str(), finished.exit_code), ("hi\n", 0));
    let files = [("main.py", files[0].1), ("words.py", "text = 'ho'")];
    upload(&server, "", &project("words", &files));
    assert_eq!(client.run(run).await.stdout, "ho\n");
}

#[test]
fn what_is_no_upload_is_a_bad_request() {
    let server = TestServer::start(&[]);
    let file = |file: &str| format!(r#"{{"name":"p","files":{{"f":{file}}}}}"#);
    for (body, sentence) in [
        (
            String::new(),
            "The upload is not valid JSON: EOF while parsing a value at line 1 column 0.",
        ),
        ("\"p\"".to_owned(), "The upload is not a JSON object."),
        ("{}".to_owned(), "The upload needs name, a string."),
        (
            r#"{"name":1,"files":{}}"#.to_owned(),
            "The upload needs name, a string.",
        ),
        (
            r#"{"name":"p"}"#.to_owned(),
            "The upload needs files, an object.",
        ),
        (
            r#"{"name":"p","files":[]}"#.to_owned(),
            "The upload needs files, an object.",
        ),
        (file("1"), "The file \"f\" needs type, a string."),
        (file("{}"), "The file \"f\" needs type, a string."),
        (
            file(r#"{"type":"link"}"#),
            "The file \"f\" has an unknown type.",
        ),
        (
            file(r#"{"type":"text"}"#),
            "The file \"f\" needs content.text, a string.",
        ),
        (
            file(r#"{"type":"text","content":{"text":"\ud800"}}"#),
            "The file \"f\" needs content.text, a string.",
        ),
        (
            file(r#"{"type":"url","content":{"bucketName":"b","fileName":"f"}}"#),
            "The file \"f\" needs content.url, a string.",
        ),
        (
            file(r#"{"type":"url","content":{"url":"http://x","fileName":"f"}}"#),
            "The file \"f\" needs content.bucketName, a string.",
        ),
        (
            file(r#"{"type":"url","content":{"url":"http://x","bucketName":"b"}}"#),
            "The file \"f\" needs content.fileName, a string.",
        ),
        (
            r#"{"name":"p","files":{"\ud800":{}}}"#.to_owned(),
            "A name in files holds half of a surrogate pair.",
        ),
    ] {
        assert_eq!(
            refused(&server, "/upload", body.as_bytes(), BAD),
            sentence,
            "{body}"
        );
    }
    let latin = b"{\"name\":\"\xfc\",\"files\":{}}";
    assert_eq!(
        refused(&server, "/upload", latin, BAD),
        "The upload is not UTF-8 text."
    );
    assert!(!server.work_dir().exists());
}

#[test]
fn forbidden_name_changes_nothing() {
    for newer in [true, false] {
        let server = start(newer);
        let work = server.work_dir();
        upload(&server, "", &project("p", &[("old", "o")]));
        let outside = server.folder.path().join("outside");
        write_file(&outside.join("file"), "o");
        for link in ["link", "p2/link"] {
            std::fs::create_dir_all(work.join("p2")).unwrap();
            symlink(&outside, work.join(link)).unwrap();
        }
        symlink("../../outside", work.join("p2/relative")).unwrap();
        symlink("/proc/self/root", work.join("magic")).unwrap();
        let before = snapshot(server.folder.path(), &[]);
        let mut bodies = Vec::new();
        for name in [
            "",
            ".",
            "..",
            "/",
            "../outside",
            "p/../../outside",
            "/tmp/x",
            "p\0",
            ".flcache",
            ".FLCACHE/x",
            "./.flcache",
            ".flnew-1",
            "p/.flnew-1",
            "link/file",
            "link/new",
            "p2/relative/new",
            "p2/link/a/b/c",
            "magic/tmp/x",
            &"x".repeat(256),
            &"x/".repeat(200),
        ] {
            bodies.push(project(name, &[("f", "f")]));
        }
        for name in [
            "",
            ".",
            "..",
            "../f",
            "a/../../f",
            "/f",
            "/tmp/f",
            "f\0",
            ".flnew-1",
            "a/.flnew-1/b",
            &"x".repeat(256),
            "a//../b",
        ] {
            bodies.push(project("p", &[("good", "g"), (name, "f")]));
        }
        bodies.push(project("p", &[("a", ""), ("./a", "")]));
        bodies.push(project("p", &[("a", ""), ("a/b", "")]));
        for (url, bucket, file) in [
            ("http://localhost/", "..", "f"),
            ("http://localhost/", "b", "../../f"),
            ("http://localhost/", "/tmp", "f"),
            ("http://localhost/", ".index", "f"),
            ("file:///etc/passwd", "b", "f"),
            ("gopher://localhost/", "b", "f"),
        ] {
            let content = json!({"url": url, "bucketName": bucket, "fileName": file});
            let file = json!({"type": "url", "content": content});
            bodies.push(json!({"name": "p", "files": {"f": file}}));
        }
        for username in [
            "..",
            "../x@y",
            "a/b",
            "/a",
            "\0",
            ".",
            ".flnew-x",
            ".flcache@x",
        ] {
            let mut body = project("p", &[("project.cfg", "")]);
            body["username"] = json!(username);
            bodies.push(body);
        }
        for body in bodies {
            let sentence = refused(&server, "/upload", body.to_string().as_bytes(), FAILED);
            assert!(sentence.contains("is not allowed: "), "{body}: {sentence}");
            assert_eq!(snapshot(server.folder.path(), &[]), before, "{body}");
        }
    }
}

#[test]
fn what_has_the_name_is_replaced_and_not_what_it_leads_to() {
    for newer in [true, false] {
        let server = start(newer);
        let work = server.work_dir();
        let outside = server.folder.path().join("outside");
        write_file(&outside.join("file"), "o");
        write_file(&work.join("file"), "o");
        symlink(&outside, work.join("link")).unwrap();
        symlink("nowhere", work.join("dangling")).unwrap();
        let before = snapshot(&outside, &[]);
        for name in ["file", "link", "dangling"] {
            upload(&server, "", &project(name, &[("main.py", name)]));
            assert!(work.join(name).symlink_metadata().unwrap().is_dir());
            assert_eq!(read(&work.join(name).join("main.py")), name);
        }
        assert_eq!(snapshot(&outside, &[]), before);
        further_link_testkit::wait_for("nothing is left", || leftovers(&work).is_empty());
    }
}

#[test]
fn miniscreen_project_is_copied() {
    for newer in [true, false] {
        let server = start(newer);
        let mini = server.folder.path().join("mini");
        let mut body = project("p", &[("project.cfg", "title = 1"), ("a/b", "c")]);
        for (username, folder) in [
            (json!("ann@example.org"), "ann"),
            (json!("bob"), "bob"),
            (json!("a b"), "a b"),
            (json!(""), "unknown"),
            (json!("@x"), "unknown"),
            (json!(null), "unknown"),
            (json!(7), "unknown"),
        ] {
            body["username"] = username;
            upload(&server, "", &body);
            let (project, copy) = (server.work_dir().join("p"), mini.join(folder).join("p"));
            assert_eq!(snapshot(&project, &[]), snapshot(&copy, &[]), "{folder}");
            write_file(&copy.join("made"), "x");
        }
        assert_eq!(names_in(&mini), ["a b", "ann", "bob", "unknown"]);
        upload(&server, "", &project("p", &[("project.cfg", "")]));
        assert_eq!(names_in(&mini.join("unknown/p")), ["project.cfg"]);
        // Not at the top, it is a file like others.
        upload(&server, "", &project("q", &[("a/project.cfg", "")]));
        further_link_testkit::wait_for("nothing is left", || {
            leftovers(server.folder.path()).is_empty()
        });
        assert_eq!(names_in(&mini.join("unknown")), ["p"]);
    }
}

/// Sends a head with these lines and a body as it is.
fn raw(server: &TestServer, headers: &str, body: &[u8]) -> Answer {
    let mut stream = server.tcp();
    let head = format!("POST /upload HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    read_answer(&mut stream)
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in body.chunks(1000) {
        write!(bytes, "{:x}\r\n", piece.len()).unwrap();
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[test]
fn body_may_be_so_large_and_no_larger() {
    const MAX: usize = 100_000;
    let server = TestServer::start(&["--set", &format!("limits.upload_bytes={MAX}")]);
    let empty = project("p", &[("f", "")]).to_string().len();
    let body = |size: usize| project("p", &[("f", &"x".repeat(size - empty))]).to_string();
    for size in [MAX, MAX - 1] {
        let body = body(size);
        let answer = post(&server, "/upload", body.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = raw(
            &server,
            "Transfer-Encoding: chunked",
            &chunked(body.as_bytes()),
        );
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(read(&server.work_dir().join("p/f")).len(), size - empty);
    }
    for size in [MAX + 1, 20 * MAX] {
        let body = body(size);
        let sentence =
            "An upload may have 100000 bytes (limits.upload_bytes in the configuration).";
        let told = refused(
            &server,
            "/upload",
            body.as_bytes(),
            "413: Payload Too Large",
        );
        assert_eq!(told, sentence);
        let answer = raw(
            &server,
            "Transfer-Encoding: chunked",
            &chunked(body.as_bytes()),
        );
        assert_eq!(
            (answer.status, answer.header("connection")),
            (413, Some("close"))
        );
    }
    // One who asks first is answered before anything is sent.
    let asks = format!("Content-Length: {}\r\nExpect: 100-continue", MAX + 1);
    assert_eq!(raw(&server, &asks, b"").status, 413);
    let asks = "Content-Length: 4\r\nExpect: 100-continue";
    let mut stream = server.tcp();
    write!(
        stream,
        "POST /upload HTTP/1.1\r\nHost: localhost\r\n{asks}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    assert_eq!(read_answer(&mut stream).status, 100);
    stream.write_all(b"true").unwrap();
    let rest = String::from_utf8(read_to_end(&mut stream)).unwrap();
    assert!(rest.starts_with("HTTP/1.1 400 "), "{rest}");
    assert_eq!(read(&server.work_dir().join("p/f")).len(), MAX - 1 - empty);
}

#[test]
fn many_files_are_taken_and_too_many_are_not() {
    let server = TestServer::start(&[]);
    let names: Vec<String> = (0..2_000)
        .map(|number| format!("{}/{number}", number % 50))
        .collect();
    let files: Vec<_> = names.iter().map(|name| (&**name, &**name)).collect();
    upload(&server, "", &project("p", &files));
    let found = snapshot(&server.work_dir().join("p"), &[]);
    assert_eq!(found.len(), 2_050);
    for name in &names {
        assert!(found[name].ends_with(&format!(" {name}")));
    }
    let names: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
    let files: Vec<_> = names.iter().map(|name| (&**name, "")).collect();
    let body = project("p", &files).to_string();
    let sentence = refused(&server, "/upload", body.as_bytes(), FAILED);
    assert_eq!(
        sentence,
        "This is too much at once: a project may have 10000 files."
    );
    assert_eq!(snapshot(&server.work_dir().join("p"), &[]), found);
}

#[test]
fn all_of_it_belongs_to_the_user() {
    if !is_root() {
        return;
    }
    let (person, other) = (TestAccount::create(), TestAccount::create());
    for newer in [true, false] {
        let server = TestServer::start_with(&["--user", &other.name], |command| {
            command.env_remove("FURTHER_LINK_WORK_DIR");
            if !newer {
                without_newer_calls(command);
            }
        });
        let miniscreen: Value = project("p", &[("a/main.py", "1"), ("project.cfg", "")]);
        for (query, owner) in [
            (format!("?user={}", person.name), &person),
            (String::new(), &other),
        ] {
            upload(&server, &query, &miniscreen);
            let home = &owner.user.dir;
            for folder in ["further/p", "Desktop/Projects/Further/unknown/p"] {
                for path in ["", "a", "a/main.py", "project.cfg"] {
                    let path = home.join(folder).join(path);
                    let found = path.metadata().unwrap();
                    let mode = if found.is_dir() { 0o755 } else { 0o644 };
                    let about = (found.uid(), found.gid(), found.mode() & 0o7777);
                    let expected = (owner.user.uid.as_raw(), owner.user.gid.as_raw(), mode);
                    assert_eq!(about, expected, "{}", path.display());
                }
            }
        }
        // What the user has closed for itself is replaced and removed as well.
        let work = person.user.dir.join("further");
        write_file(&work.join("p/closed/deeper/file"), "x");
        for path in ["p/closed/deeper/file", "p/closed/deeper", "p/closed", "p"] {
            let path = work.join(path);
            let (uid, gid) = (person.user.uid, person.user.gid);
            nix::unistd::chown(&path, Some(uid), Some(gid)).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
        }
        upload(&server, &format!("?user={}", person.name), &miniscreen);
        further_link_testkit::wait_for("nothing is left", || leftovers(&work).is_empty());
        // With the rights of the user, and no others.
        let name = format!("closed-{newer}");
        let closed = person.user.dir.join("further").join(&name);
        write_file(&closed.join("of_root"), "r");
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o755)).unwrap();
        let body = project(&format!("{name}/p"), &[("f", "")]).to_string();
        let path = format!("/upload?user={}", person.name);
        let sentence = refused(&server, &path, body.as_bytes(), FAILED);
        let expected = format!("This user may not use {name}/p (permission denied).");
        assert_eq!(sentence, expected);
        // But what has the name in its own folder is replaced, whoever it belongs to.
        upload(
            &server,
            &format!("?user={}", person.name),
            &project(&name, &[("f", "")]),
        );
        assert!(person.owns(&closed) && person.owns(&closed.join("f")));
        // What of it is not the user's to remove stays, and is told.
        further_link_testkit::wait_for("it is told", || {
            server
                .log()
                .contains("a former project could not be removed")
        });
        let left = leftovers(&work);
        assert_eq!(left.len(), 2, "{left:?}");
        std::fs::remove_dir_all(work.join(&left[0])).unwrap();
    }
}

#[test]
fn who_may_not_run_programs_may_not_upload() {
    if !is_root() {
        return;
    }
    let (person, other) = (TestAccount::create(), TestAccount::create());
    let arguments = ["--user", &person.name, "--allow-account", "daemon"];
    let server = TestServer::start(&arguments);
    let work = server.work_dir();
    std::fs::create_dir(&work).unwrap();
    std::fs::set_permissions(&work, PermissionsExt::from_mode(0o1777)).unwrap();
    let body = project("p", &[("f", "")]).to_string();
    for (user, sentence) in [
        ("root", "Programs may not run as user root on this device."),
        (
            &*other.name,
            &*format!(
                "Programs may not run as user {} on this device.",
                other.name
            ),
        ),
        (
            "nobody",
            "Programs may not run as user nobody on this device.",
        ),
        (
            "no-such-user",
            "There is no user no-such-user on this device.",
        ),
        ("root%00", "There is no user root? on this device."),
        ("..%2froot", "There is no user ../root on this device."),
    ] {
        let path = format!("/upload?user={user}");
        assert_eq!(refused(&server, &path, body.as_bytes(), FAILED), sentence);
    }
    assert_eq!(names_in(&work), [""; 0]);
    upload(&server, "?user=daemon", &project("d", &[]));
    upload(&server, "", &project("p", &[]));
    assert_eq!(work.join("d").metadata().unwrap().uid(), 1);
    assert!(person.owns(&work.join("p")));
    // In a folder for all, nobody replaces what is somebody else's.
    let body = project("p", &[("f", "")]).to_string();
    let sentence = refused(&server, "/upload?user=daemon", body.as_bytes(), FAILED);
    assert_eq!(sentence, "This user may not use p (permission denied).");
    assert_eq!(names_in(&work), ["d", "p"]);
}

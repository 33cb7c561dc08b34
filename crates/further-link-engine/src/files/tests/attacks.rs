//! Names, links and programs that try to lead out of a folder.

use super::super::beneath::Root;
use super::super::{FilesError, Project};
use super::{Folder, name};
use further_link_protocol::{Upload, UploadContent, UploadFile};
use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, renameat2};
use nix::sys::stat::Mode;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

const CREATE_FLAGS: OFlag = OFlag::O_WRONLY
    .union(OFlag::O_CREAT)
    .union(OFlag::O_NOFOLLOW);

fn open(root: &Root, path: &str, flags: OFlag) -> Result<(), Errno> {
    let mode = Mode::from_bits_truncate(0o644);
    root.open_at(&name(path), flags, mode).map(drop)
}

#[test]
fn links_that_lead_out_are_not_followed() {
    let folder = Folder::new();
    folder.write("outside/secret", "s");
    folder.write("in/real/file", "f");
    let outside = folder.path("outside");
    symlink(&outside, folder.path("in/absolute")).unwrap();
    symlink("../outside", folder.path("in/relative")).unwrap();
    symlink("real/../../outside", folder.path("in/winding")).unwrap();
    symlink("absolute", folder.path("in/twice")).unwrap();
    symlink("/proc/self/root", folder.path("in/magic")).unwrap();
    symlink("/proc/self/cwd", folder.path("in/magic_cwd")).unwrap();
    symlink("loop", folder.path("in/loop")).unwrap();
    symlink("../outside/secret", folder.path("in/file")).unwrap();
    symlink("../outside/made", folder.path("in/dangling")).unwrap();
    let before = folder.tree("");
    let inner = Folder(folder.path("in"));
    for root in inner.roots() {
        for link in [
            "absolute",
            "relative",
            "winding",
            "twice",
            "magic",
            "magic_cwd",
            "loop",
        ] {
            for (path, flags) in [
                (format!("{link}/secret"), OFlag::O_RDONLY),
                (format!("{link}/made"), CREATE_FLAGS),
                (format!("{link}/a/b"), CREATE_FLAGS),
            ] {
                let errno = open(&root, &path, flags).unwrap_err();
                let known = [Errno::EXDEV, Errno::ELOOP, Errno::ENOTDIR];
                assert!(known.contains(&errno), "{path}: {errno}");
            }
            assert!(root.make_folder(&name(&format!("{link}/new"))).is_err());
            assert!(root.below_itself(&name(link)).is_err(), "{link}");
        }
        for link in ["file", "dangling"] {
            assert_eq!(open(&root, link, CREATE_FLAGS), Err(Errno::ELOOP), "{link}");
            let follow = OFlag::O_WRONLY | OFlag::O_CREAT;
            assert!(open(&root, link, follow).is_err(), "{link}");
        }
        assert_eq!(open(&root, "real/file", OFlag::O_RDONLY), Ok(()));
    }
    std::mem::forget(inner);
    assert_eq!(folder.tree(""), before);
}

/// A program exchanges a folder and a link to the outside, as quickly as it can, while files are
/// made in it.
#[test]
fn folder_that_becomes_a_link_meanwhile_leads_nowhere_else() {
    const FILE_COUNT: usize = 5_000;
    let folder = Folder::new();
    for path in ["in/a/b", "in/sub", "outside/b"] {
        std::fs::create_dir_all(folder.path(path)).unwrap();
    }
    symlink("../outside", folder.path("in/link")).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let inner = std::fs::File::open(folder.path("in")).unwrap();
            while !done.load(Ordering::Relaxed) {
                let flags = RenameFlags::RENAME_EXCHANGE;
                renameat2(&inner, "a", &inner, "link", flags).unwrap();
            }
        });
        let inner = std::mem::ManuallyDrop::new(Folder(folder.path("in")));
        let (mut made, mut refused) = (0, 0);
        for root in inner.roots() {
            for number in 0..FILE_COUNT {
                match open(&root, &format!("a/b/{number}"), CREATE_FLAGS) {
                    Ok(()) => made += 1,
                    Err(Errno::EXDEV | Errno::ELOOP | Errno::ENOTDIR | Errno::EAGAIN) => {
                        refused += 1;
                    }
                    Err(errno) => panic!("{errno}"),
                }
                let _ = root.make_folder(&name(&format!("a/c/{number}")));
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(made > 0 && refused > 0, "{made} made, {refused} refused");
    });
    assert_eq!(folder.tree("outside"), ["b/"]);
}

fn upload(name: &str, files: &[(&str, UploadContent)]) -> Result<Project, FilesError> {
    let files = files.iter().map(|(name, content)| UploadFile {
        name: (*name).to_owned(),
        content: content.clone(),
    });
    Project::new(Upload {
        name: name.to_owned(),
        username: None,
        files: files.collect(),
    })
}

fn text() -> UploadContent {
    UploadContent::Text("t".to_owned())
}

fn url(url: &str, bucket: &str, file: &str) -> UploadContent {
    UploadContent::Url {
        url: url.to_owned(),
        bucket: bucket.to_owned(),
        file: file.to_owned(),
    }
}

#[test]
fn names_that_mean_something_else_are_refused() {
    let refused = |project: Result<Project, FilesError>, why: &str| match project {
        Err(FilesError::Forbidden { why: found, .. }) => assert_eq!(found, why),
        other => panic!("{other:?} instead of: {why}"),
    };
    let used = "the server uses such names itself";
    let cache = "the cache of downloads is there";
    for (project, why) in [
        ("", "it names no file"),
        (".", "it names no file"),
        ("./", "it names no file"),
        ("..", "it leads out of the folder"),
        ("a/../b", "it leads out of the folder"),
        ("/tmp/p", "it is an absolute path"),
        ("p\0", "it holds a NUL character"),
        (".flcache", cache),
        (".flcache/b", cache),
        ("./.FLCache", cache),
        (".flnew-1", used),
        ("a/.flold-1", used),
    ] {
        refused(upload(project, &[("f", text())]), why);
    }
    for name in ["", ".", "..", "/f", "a/../../f", ".flnew-f", "a/.flnew-f/b"] {
        assert!(matches!(
            upload("p", &[(name, text())]),
            Err(FilesError::Forbidden { .. })
        ));
    }
    let http = "https://example.org/f";
    for (bucket, file) in [
        ("..", "f"),
        ("b", "../f"),
        ("", "f"),
        ("b", ""),
        ("/b", "f"),
        (".index", "f"),
        (".INDEX/a", "f"),
        (".flnew-b", "f"),
        ("b", "a\0b"),
    ] {
        assert!(
            matches!(
                upload("p", &[("f", url(http, bucket, file))]),
                Err(FilesError::Forbidden { .. })
            ),
            "{bucket:?} {file:?}"
        );
    }
    for address in [
        "file:///etc/passwd",
        "",
        "ftp://h/f",
        "//h/f",
        "https:/h",
        "http://h/\nf",
    ] {
        let why = "files are fetched from http and https addresses only";
        refused(upload("p", &[("f", url(address, "b", "f"))]), why);
    }
    refused(
        upload("p", &[("f", text()), ("./f", text())]),
        "two files have it",
    );
    let both = "it is a file and a folder";
    refused(upload("p", &[("f", text()), ("f/g/h", text())]), both);
    refused(upload("p", &[("f/g/h", text()), ("f//g", text())]), both);
    assert!(
        upload(
            "p/.flcache",
            &[("F", text()), ("f", text()), (".flcache", text())]
        )
        .is_ok()
    );
    let many: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(|name| (&**name, text())).collect();
    assert!(upload("p", &many[1..]).is_ok());
    assert!(matches!(upload("p", &many), Err(FilesError::TooMuch(_))));
}

#[test]
fn owners_of_miniscreen_projects_are_single_folders() {
    let project = |username: Option<&str>, file: &str| {
        Project::new(Upload {
            name: "p".to_owned(),
            username: username.map(str::to_owned),
            files: vec![UploadFile {
                name: file.to_owned(),
                content: text(),
            }],
        })
    };
    let hostile = [
        "..", "../x@y", "a/b", "/a", "a\0b", ".", "a/", ".flnew-x", ".flcache", "./a",
    ];
    for username in hostile {
        assert!(
            matches!(
                project(Some(username), "project.cfg"),
                Err(FilesError::Forbidden { .. })
            ),
            "{username:?}"
        );
        // Where it is not used, it does not matter.
        assert!(project(Some(username), "a/project.cfg").is_ok());
    }
    for username in [
        None,
        Some(""),
        Some("@x"),
        Some("ann@x"),
        Some("a b"),
        Some("..@@"),
    ] {
        let result = project(username, "./project.cfg");
        assert_eq!(result.is_ok(), username != Some("..@@"), "{username:?}");
    }
}

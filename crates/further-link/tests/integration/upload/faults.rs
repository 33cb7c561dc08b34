//! Uploads that something goes wrong with: processes that are killed, disks that are full, and many
//! at once. The project is the old one or the new one to the byte, and nothing else is left.

use further_link_testkit::upload::{
    leftovers, post, project, refused, snapshot, try_post, upload, without_newer_calls,
};
use further_link_testkit::{
    TempDir, TestServer, children_of, is_alive, is_root, names_in, wait_for, wrap,
};
use std::collections::BTreeMap;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const FAILED: &str = "500: Internal Server Error";
/// Files of a project here.
const FILES: usize = 30;
/// How often something is killed.
const KILLS: usize = 100;

/// The project `p`, which has this text in each of its files; a miniscreen project.
fn body(text: &str) -> String {
    let mut names: Vec<String> = (1..FILES).map(|n| format!("{}/{n}", n % 5)).collect();
    names.push("project.cfg".to_owned());
    let files: Vec<_> = names.iter().map(|name| (&**name, text)).collect();
    project("p", &files).to_string()
}

/// The text in all files of a folder; a mixture fails the test.
fn version(folder: &Path) -> Option<String> {
    let found = snapshot(folder, &[]);
    if found.is_empty() {
        return None;
    }
    let mut texts: Vec<&str> = found
        .values()
        .filter(|about| about.starts_with("100644 "))
        .map(|about| about.splitn(3, ' ').nth(2).unwrap())
        .collect();
    assert_eq!(texts.len(), FILES, "{}: {found:?}", folder.display());
    texts.dedup();
    assert_eq!(texts.len(), 1, "a mixture in {}", folder.display());
    Some(texts[0].to_owned())
}

/// Where a server's projects are, which may outlive it.
struct Places {
    folder: TempDir,
}

impl Places {
    fn new() -> Self {
        let folder = TempDir::in_memory();
        Self { folder }
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn mini(&self) -> PathBuf {
        self.folder.path().join("mini")
    }

    fn start(&self, newer: bool) -> TestServer {
        TestServer::start_with(&["--no-tls"], |command| {
            command
                .env("FURTHER_LINK_WORK_DIR", self.work())
                .env("FURTHER_LINK_MINISCREEN_PROJECTS_DIR", self.mini());
            if !newer {
                without_newer_calls(command);
            }
        })
    }

    /// The versions of the project and of its copy.
    fn versions(&self) -> [Option<String>; 2] {
        let copy = self.mini().join("unknown/p");
        [version(&self.work().join("p")), version(&copy)]
    }

    /// Whether no process is left that works here, whoever its parent is.
    fn are_quiet(&self) -> bool {
        let wanted = self.folder.path().to_str().unwrap();
        further_link_testkit::processes().iter().all(|(pid, _)| {
            let environment = std::fs::read(format!("/proc/{pid}/environ"));
            !String::from_utf8_lossy(&environment.unwrap_or_default()).contains(wanted)
        })
    }
}

/// Uploads again and again, and meanwhile kills what `victim` finds; whatever comes of it is whole.
/// `ends`: the server does not outlive that.
fn killed(ends: bool, victim: impl Fn(&TestServer) -> Option<i32>) {
    let places = Places::new();
    let mut server = places.start(true);
    assert_eq!(
        post(&server, "/upload", body("first").as_bytes()).status,
        200
    );
    let begun = Instant::now();
    assert_eq!(
        post(&server, "/upload", body("second").as_bytes()).status,
        200
    );
    let usual = begun.elapsed();
    let (mut versions, mut kills, mut round) = (places.versions(), 0, 0_u32);
    let mut outcomes = BTreeMap::new();
    while kills < KILLS {
        round += 1;
        assert!(round < 20 * KILLS as u32, "{outcomes:?}");
        let new = format!("version {round}");
        let (body, port) = (body(&new), server.port);
        // All moments of an upload, and some behind it, in an order without a pattern.
        let moment = usual.mul_f64(f64::from(round * 61 % 101) / 80.0);
        let begun = Instant::now();
        let (answer, killed) = std::thread::scope(|scope| {
            let posted = scope.spawn(|| try_post(port, "/upload", body.as_bytes()));
            while begun.elapsed() < moment {
                std::hint::spin_loop();
            }
            let pid = victim(&server).map(nix::unistd::Pid::from_raw);
            let killed = pid.is_some_and(|pid| {
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).is_ok()
            });
            (posted.join().unwrap(), killed)
        });
        kills += usize::from(killed);
        if killed && ends {
            server.wait();
            drop(server);
            wait_for("all of it is gone", || places.are_quiet());
            server = places.start(true);
        } else {
            wait_for("nothing works on it", || {
                children_of(server.spawner()).is_empty()
            });
        }
        let now = places.versions();
        for (before, now) in versions.iter().zip(&now) {
            assert!(
                now == before || now.as_ref() == Some(&new),
                "{now:?} after {before:?}"
            );
        }
        if answer.is_ok_and(|answer| answer.status == 200) {
            assert_eq!(now, [Some(new.clone()), Some(new.clone())]);
        }
        let outcome = now.each_ref().map(|now| now.as_ref() == Some(&new));
        *outcomes.entry((killed, outcome)).or_insert(0) += 1;
        versions = now;
    }
    eprintln!("killed, and project and copy new: {outcomes:?}");
    assert!(
        outcomes.contains_key(&(true, [false, false])),
        "{outcomes:?}"
    );
    assert_eq!(
        post(&server, "/upload", body("last").as_bytes()).status,
        200
    );
    assert_eq!(places.versions(), [(); 2].map(|()| Some("last".to_owned())));
    wait_for("nothing is left", || {
        leftovers(places.folder.path()).is_empty()
    });
    assert_eq!(names_in(&places.work()), ["p"]);
}

/// The spawner's process, or 0 if there is none.
trait Spawner {
    fn spawner(&self) -> i32;
}

impl Spawner for TestServer {
    fn spawner(&self) -> i32 {
        match is_alive(self.pid()) {
            true => children_of(self.pid()).first().copied().unwrap_or(0),
            false => 0,
        }
    }
}

#[test]
fn killed_server_leaves_the_old_project_or_the_new_one() {
    killed(true, |server| is_alive(server.pid()).then(|| server.pid()));
}

#[test]
fn so_does_a_killed_spawner() {
    killed(true, |server| {
        Some(server.spawner()).filter(|pid| *pid != 0)
    });
}

#[test]
fn and_a_killed_process_for_files() {
    // Found by one look: with a walk through all processes it would mostly be too late.
    let spawner = std::cell::Cell::new(0);
    killed(false, |server| {
        if spawner.get() == 0 {
            spawner.set(server.spawner());
        }
        let spawner = spawner.get();
        let children = format!("/proc/{spawner}/task/{spawner}/children");
        let children = std::fs::read_to_string(children).unwrap();
        children.split_whitespace().next()?.parse().ok()
    });
}

/// A server for which this shell script mounts something, and where its projects are seen from
/// outside.
fn on_disk(mount: &str) -> (TestServer, PathBuf) {
    let mut disk = PathBuf::new();
    let server = TestServer::start_with(&["--no-tls"], |command| {
        let home = command
            .get_envs()
            .find(|(name, _)| *name == "HOME")
            .and_then(|(_, value)| value);
        disk = Path::new(home.unwrap()).join("disk");
        std::fs::create_dir(&disk).unwrap();
        command
            .env("FURTHER_LINK_WORK_DIR", disk.join("work"))
            .env("FURTHER_LINK_MINISCREEN_PROJECTS_DIR", disk.join("mini"))
            .env("DISK", &disk);
        // Nobody else sees it, and it goes with the last process that does.
        wrap(command, &["unshare", "--mount", "sh", "-c", mount, "sh"]);
    });
    let disk = disk.strip_prefix("/").unwrap();
    let disk = Path::new("/proc")
        .join(server.pid().to_string())
        .join("root")
        .join(disk);
    (server, disk)
}

#[test]
fn full_disk_leaves_the_old_project() {
    if !is_root() {
        return;
    }
    let mount = "mount -t tmpfs -o size=4m,nr_inodes=400 tmpfs \"$DISK\" && exec \"$@\"";
    let (server, disk) = on_disk(mount);
    let large = "large".repeat(5_000);
    let files = |text| {
        [
            ("a/b/small", text),
            ("project.cfg", text),
            ("large", &*large),
            ("c/last", text),
        ]
    };
    let new = project("p", &files("new")).to_string();
    for what in ["blocks", "files"] {
        upload(&server, "", &project("p", &files("old")));
        wait_for("the former one is removed", || leftovers(&disk).is_empty());
        let ballast = disk.join("ballast");
        let mut failures = 0;
        loop {
            // So much is free at this try.
            std::fs::create_dir(&ballast).unwrap();
            let free = nix::sys::statvfs::statvfs(&disk).unwrap();
            if what == "blocks" {
                let bytes =
                    (free.blocks_free() as usize - failures) * free.fragment_size() as usize;
                std::fs::write(ballast.join("b"), vec![1; bytes]).unwrap();
            } else {
                for number in failures..free.files_free() as usize {
                    std::fs::write(ballast.join(number.to_string()), "").unwrap();
                }
            }
            let before = snapshot(&disk, &["ballast"]);
            let answer = post(&server, "/upload", new.as_bytes());
            if answer.status == 200 {
                break;
            }
            let sentence = answer.body.lines().nth(1);
            assert_eq!(
                sentence,
                Some("There is no space left on this device."),
                "{answer:?}"
            );
            assert_eq!(
                snapshot(&disk, &["ballast"]),
                before,
                "{what}, {failures} free"
            );
            std::fs::remove_dir_all(&ballast).unwrap();
            failures += 1;
            assert!(failures < 100);
        }
        // Each file, folder and block of both places met a full disk.
        let least = if what == "blocks" {
            2 * (7 + 3)
        } else {
            2 * (4 + 3 + 1)
        };
        assert_eq!(failures, least, "{what}");
        std::fs::remove_dir_all(&ballast).unwrap();
        let (work, mini) = (disk.join("work/p"), disk.join("mini/unknown/p"));
        for place in [&work, &mini] {
            assert_eq!(
                std::fs::read_to_string(place.join("c/last")).unwrap(),
                "new"
            );
            assert_eq!(snapshot(place, &[]), snapshot(&work, &[]));
        }
        wait_for("the former one is removed", || leftovers(&disk).is_empty());
    }
    // A project that could never be there.
    let huge = project("q", &[("f", &"x".repeat(5_000_000))]).to_string();
    let before = snapshot(&disk, &[]);
    let sentence = refused(&server, "/upload", huge.as_bytes(), FAILED);
    assert_eq!(sentence, "There is no space left on this device.");
    assert_eq!(snapshot(&disk, &[]), before);
}

#[test]
fn copy_that_cannot_be_replaced_leaves_the_old_project() {
    if !is_root() {
        return;
    }
    // Something else is mounted there, and is not to be moved or emptied.
    let mount = "mkdir -p \"$DISK/mini/unknown/p\" && mount -t tmpfs tmpfs \"$DISK/mini/unknown/p\" && \
        echo kept > \"$DISK/mini/unknown/p/file\" && exec \"$@\"";
    let (server, disk) = on_disk(mount);
    upload(&server, "", &project("p", &[("old", "old")]));
    let before = snapshot(&disk, &[]);
    assert!(before["mini/unknown/p/file"].ends_with(r" kept\n"));
    let new = project("p", &[("project.cfg", "new")]).to_string();
    let sentence = refused(&server, "/upload", new.as_bytes(), FAILED);
    assert_eq!(sentence, "unknown/p: Device or resource busy.");
    assert_eq!(snapshot(&disk, &[]), before);
}

/// Reads the project as it is at one moment: through the folder itself, whatever has its name
/// later.
fn look(work: &Path) -> Option<String> {
    let folder = std::fs::File::open(work.join("p")).ok()?;
    let place = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    let mut texts = Vec::new();
    for number in 1..FILES {
        let file = place
            .join((number % 5).to_string())
            .join(number.to_string());
        // One that was replaced is being removed.
        texts.push(std::fs::read_to_string(file).ok()?);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "a mixture");
    texts.pop()
}

#[test]
fn of_fifty_uploads_at_once_one_wins_as_a_whole() {
    for newer in [true, false] {
        let places = Places::new();
        let server = places.start(newer);
        let (done, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    seen.fetch_add(
                        usize::from(look(&places.work()).is_some()),
                        Ordering::Relaxed,
                    );
                }
            });
            let uploads: Vec<_> = (0..50)
                .map(|number| {
                    let body = body(&format!("version {number}"));
                    let port = server.port;
                    scope.spawn(move || try_post(port, "/upload", body.as_bytes()).unwrap())
                })
                .collect();
            for upload in uploads {
                let answer = upload.join().unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(seen.load(Ordering::Relaxed) > 0);
        let [project, copy] = places.versions();
        assert!(project.is_some());
        assert_eq!(project, copy);
        wait_for("nothing is left", || {
            leftovers(places.folder.path()).is_empty()
        });
    }
}

#[test]
fn what_a_client_does_not_wait_for_is_whole_too() {
    use std::io::Write as _;
    let places = Places::new();
    let server = places.start(true);
    assert_eq!(post(&server, "/upload", body("old").as_bytes()).status, 200);
    let new = body("new");
    for part in [1, 2, 10, 100] {
        let mut stream = server.tcp();
        let length = new.len();
        write!(
            stream,
            "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        stream
            .write_all(&new.as_bytes()[..new.len() / part])
            .unwrap();
        drop(stream);
        wait_for("nothing works on it", || {
            children_of(server.spawner()).is_empty()
        });
        let versions = places.versions();
        assert!(versions.iter().all(|version| version.is_some()));
    }
    wait_for("nothing is left", || {
        leftovers(places.folder.path()).is_empty()
    });
}

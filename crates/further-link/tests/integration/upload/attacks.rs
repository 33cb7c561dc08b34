//! Uploads that want to write elsewhere: hostile names, and programs that change folders meanwhile.
//!
//! `HOSTILE_NAMES` and `SYMLINK_SWAPS` in the environment ask for more of them than in CI.

use further_link_testkit::raw::read_answer;
use further_link_testkit::upload::{leftovers, project, snapshot, upload, without_newer_calls};
use further_link_testkit::{Answer, TempDir, TestServer, wait_for, write_file};
use nix::fcntl::{RenameFlags, renameat2};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const CORPUS: &str = include_str!("../../../../../tests/corpus/hostile-names.txt");
/// So deep that names with several `..` lead to where it would be seen.
const WORK: &str = "1/2/3/4/5/6/work";

fn count(variable: &str, usual: usize) -> usize {
    let value = std::env::var(variable).ok();
    value.map_or(usual, |value| value.parse().unwrap())
}

/// A server whose work folder is deep in its folder, with things around it that nobody may touch.
struct Target {
    server: TestServer,
    folder: TempDir,
    connection: TcpStream,
    before: BTreeMap<String, String>,
}

impl Target {
    fn new(newer: bool) -> Self {
        let folder = TempDir::in_memory();
        let server = TestServer::start_with(&[], |command| {
            command.env("FURTHER_LINK_WORK_DIR", folder.path().join(WORK));
            let mini = folder.path().join("mini");
            command.env("FURTHER_LINK_MINISCREEN_PROJECTS_DIR", mini);
            if !newer {
                without_newer_calls(command);
            }
        });
        let connection = server.tcp();
        let mut target = Self {
            server,
            folder,
            connection,
            before: BTreeMap::new(),
        };
        let mut folder = target.work();
        while folder.pop() && folder.starts_with(target.folder.path()) {
            write_file(&folder.join("outside/file"), "outside");
            std::fs::create_dir_all(folder.join("outside/a/b")).unwrap();
        }
        target.set_traps();
        target.before = target.around();
        target
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join(WORK)
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// Everything but projects.
    fn around(&self) -> BTreeMap<String, String> {
        snapshot(self.folder.path(), &[&format!("{WORK}/"), "mini"])
    }

    fn set_traps(&self) {
        let (work, outside) = (self.work(), self.outside());
        let _ = std::fs::remove_dir_all(&work);
        std::fs::create_dir_all(work.join("inside")).unwrap();
        write_file(&work.join("file"), "f");
        nix::unistd::mkfifo(&work.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (link, to) in [
            ("link", &*outside),
            ("relative", Path::new("../outside")),
            ("twice", Path::new("relative")),
            ("loop", Path::new("loop")),
            ("magic", Path::new("/proc/self/root")),
            ("dangling", &outside.join("dangling")),
            ("inside/link", Path::new("../../outside")),
        ] {
            symlink(to, work.join(link)).unwrap();
        }
    }

    fn post(&mut self, body: &Value) -> Answer {
        let body = body.to_string();
        let length = body.len();
        let head =
            format!("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        self.connection
            .write_all(&[head.as_bytes(), body.as_bytes()].concat())
            .unwrap();
        read_answer(&mut self.connection)
    }

    /// Tries one name in one of the places where names are. Returns whether it was good.
    fn attack(&mut self, name: &str, place: usize) -> bool {
        let mark = format!("mark {name:?}");
        let mut body = match place {
            0 => project(name, &[("f", &mark)]),
            1 => project("p", &[("before", ""), (name, &mark)]),
            2 => project("p", &[("project.cfg", &mark)]),
            _ => project("p", &[]),
        };
        body["username"] = json!(name);
        if place > 2 {
            let (bucket, file) = if place == 3 { (name, "f") } else { ("b", name) };
            // Nothing is there. What matters is what was made before that is found out.
            let content =
                json!({"url": "http://127.0.0.1:1/", "bucketName": bucket, "fileName": file});
            body["files"] = json!({"f": {"type": "url", "content": content}});
        }
        let answer = self.post(&body);
        let case = format!("{name:?} at {place}: {answer:?}");
        assert!([200, 500].contains(&answer.status), "{case}");
        let path = match place {
            0 => format!("{}/f", plain(name)),
            1 => format!("p/{}", plain(name)),
            _ => return answer.status == 200,
        };
        if answer.status == 200 {
            // It is where its name says, and no link is on the way.
            let mut found = self.work();
            for component in path.split('/') {
                found.push(component);
                let kind = found.symlink_metadata();
                assert!(
                    kind.is_ok_and(|kind| !kind.is_symlink()),
                    "{case} {found:?}"
                );
            }
            assert_eq!(std::fs::read_to_string(found).unwrap(), mark, "{case}");
        }
        answer.status == 200
    }

    fn check(&self) {
        let around = self.around();
        for (path, about) in &around {
            assert_eq!(self.before.get(path), Some(about), "{path} escaped");
        }
        assert_eq!(around.len(), self.before.len(), "something was removed");
        for path in ["/outside", "/x", "/tmp/outside"] {
            assert!(!Path::new(path).exists(), "{path} escaped");
        }
    }
}

/// What is left of a name if everything is left out that says nothing.
fn plain(name: &str) -> String {
    let components = name.split('/').filter(|part| !matches!(*part, "" | "."));
    components.collect::<Vec<_>>().join("/")
}

/// Made-up numbers, the same ones each time (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn one_of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// A name made of pieces that mean something to somebody.
    fn name(&mut self, outside: &str) -> String {
        const PIECES: [&str; 30] = [
            "..",
            "..",
            "..",
            ".",
            "",
            "a",
            "b",
            "x",
            "link",
            "relative",
            "inside",
            "loop",
            "magic",
            "file",
            "dangling",
            "pipe",
            ".flcache",
            ".index",
            ".flnew-1",
            ".flold-1",
            "outside",
            "\0",
            "\\",
            "..\\",
            "%2e%2e",
            "\u{202e}",
            "\n",
            " ",
            "project.cfg",
            "\u{ff0e}\u{ff0e}",
        ];
        let mut name = match self.below(8) {
            0 => "/".to_owned(),
            1 => outside.to_owned(),
            _ => String::new(),
        };
        for _ in 0..=self.below(7) {
            name.push_str(self.one_of(&PIECES));
            if self.below(4) > 0 {
                name.push('/');
            }
        }
        if self.below(60) == 0 {
            name.push_str(&"x".repeat(self.below(300)));
        }
        name
    }
}

fn hostile_names(newer: bool, names: usize) {
    let mut target = Target::new(newer);
    let outside = target.outside().to_str().unwrap().to_owned();
    let (mut tried, mut good) = (0, 0);
    for line in CORPUS.lines().filter(|line| !line.starts_with('#')) {
        let name: String = serde_json::from_str(line).unwrap();
        for place in 0..5 {
            let name = name.replace("/OUTSIDE", &outside);
            good += usize::from(target.attack(&name, place));
        }
        tried += 1;
        if tried % 20 == 0 {
            target.set_traps();
        }
    }
    assert!(tried > 300);
    target.check();
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for tried in 0..names {
        let name = numbers.name(&outside);
        good += usize::from(target.attack(&name, tried % 5));
        if tried % 20 == 0 {
            target.set_traps();
        }
        if tried % 1_000 == 0 {
            target.check();
        }
    }
    target.check();
    assert!(good > names / 100, "only {good} were good");
    // The server is as well as before.
    upload(&target.server, "", &project("p", &[("f", "f")]));
    wait_for("nothing is left", || leftovers(&target.work()).is_empty());
}

#[test]
fn hostile_names_lead_nowhere() {
    hostile_names(true, count("HOSTILE_NAMES", 5_000));
}

#[test]
fn nor_do_they_where_the_kernel_does_not_help() {
    hostile_names(false, count("HOSTILE_NAMES", 1_000));
}

/// Exchanges a folder and a link to the outside, again and again, while projects are uploaded into
/// it; and puts links into the folders that are being built.
fn links_come_and_go(newer: bool, swaps: usize) {
    let mut target = Target::new(newer);
    let (work, outside) = (target.work(), target.outside());
    std::fs::create_dir(work.join("dir")).unwrap();
    let opened = File::open(&work).unwrap();
    let done = AtomicBool::new(false);
    let (exchanged, placed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut answers = BTreeMap::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let flags = RenameFlags::RENAME_EXCHANGE;
                renameat2(&opened, "dir", &opened, "link", flags).unwrap();
                exchanged.fetch_add(1, Ordering::Relaxed);
                // Both are there for a while, in turns of all lengths.
                for _ in 0..exchanged.load(Ordering::Relaxed) % 20 {
                    std::thread::yield_now();
                }
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for folder in [&work, &work.join("dir")] {
                    for name in further_link_testkit::names_in(folder) {
                        let new = folder.join(&name);
                        if name.starts_with(".flnew-")
                            && std::fs::rename(new.join("a"), new.join("moved")).is_ok()
                            && symlink(&outside, new.join("a")).is_ok()
                        {
                            placed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        });
        let files: Vec<String> = (0..20).map(|number| format!("a/b/{number}")).collect();
        let files: Vec<_> = files.iter().map(|name| (&**name, "x")).collect();
        while exchanged.load(Ordering::Relaxed) < swaps || placed.load(Ordering::Relaxed) < 20 {
            for name in ["dir/p", "q", "dir/new/p"] {
                let answer = target.post(&project(name, &files));
                *answers.entry(answer.status).or_insert(0) += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    eprintln!("{exchanged:?} exchanges, {placed:?} links in new folders, answers {answers:?}");
    assert!(answers.contains_key(&500), "{answers:?}");
    assert!(answers.keys().all(|status| [200, 500].contains(status)));
    target.check();
    // What somebody was quicker to change than it was removed goes with the next upload beside it.
    for name in ["p", "dir/p", "link/p", "dir/new/p", "link/new/p"] {
        target.post(&project(name, &[("f", "f")]));
    }
    target.check();
    wait_for("nothing is left", || leftovers(&work).is_empty());
}

#[test]
fn links_that_come_and_go_lead_nowhere() {
    links_come_and_go(true, count("SYMLINK_SWAPS", 10_000));
}

#[test]
fn nor_do_links_where_the_kernel_does_not_help() {
    links_come_and_go(false, count("SYMLINK_SWAPS", 10_000));
}

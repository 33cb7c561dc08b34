//! What the server has at one moment: descriptors, threads, memory, and what its programs have
//! left.

use super::world::World;
use crate::process::{all_processes, family, open_descriptors};
use anyhow::{Context as _, ensure};
use nix::unistd::Pid;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How far memory of *serve* may go beyond the highest of the warm-up, in KiB. Not beyond what it
/// was when the sessions of the warm-up were closed: the allocator keeps pages that are partly
/// used, and how many these are is chance; several MiB more or less from one look to the next.
const SERVE_TOLERANCE: u64 = 2048;
/// The same of the spawner.
const SPAWNER_TOLERANCE: u64 = 1024;

/// A process that stays the same one when its number is used again.
#[derive(Clone, Debug)]
pub(super) struct Being {
    /// Its number.
    pub(super) pid: i32,
    born: String,
}

impl Being {
    /// The living process with this number.
    pub(super) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // proc_pid_stat(5), from the state on: the name in brackets may have spaces.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        if matches!(fields.first(), Some(&("Z" | "X"))) {
            return None;
        }
        let born = (*fields.get(19)?).to_owned();
        Some(Self { pid, born })
    }

    /// Whether it still lives.
    pub(super) fn lives(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.born == self.born)
    }

    /// Whether it is a program of this soak.
    pub(super) fn is_marked(&self) -> bool {
        let environment = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == World::marker().as_bytes())
    }
}

/// Where to look.
#[derive(Debug)]
pub(super) struct Places {
    /// The process that talks to clients.
    pub(super) serve: Pid,
    /// The process that starts programs.
    pub(super) spawner: Pid,
    /// Where the server listens.
    pub(super) port: u16,
    /// Folders whose files are counted, with their names.
    pub(super) folders: Vec<(&'static str, PathBuf)>,
    /// Where the spawner makes cgroups, if it does.
    cgroups: Option<PathBuf>,
}

impl Places {
    /// Of a server that runs.
    pub(super) fn of(
        serve: Pid,
        port: u16,
        folders: Vec<(&'static str, PathBuf)>,
    ) -> anyhow::Result<Self> {
        let found = family(serve).into_iter().find(|(_, depth)| *depth == 1);
        let (spawner, _) = found.context("the server has no spawner")?;
        Ok(Self {
            serve,
            spawner,
            port,
            folders,
            cgroups: cgroups(spawner),
        })
    }
}

/// Where a spawner has its cgroups (version 2).
fn cgroups(spawner: Pid) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let (fields, rest) = line.split_once(" - ")?;
        (rest.split(' ').next() == Some("cgroup2"))
            .then(|| fields.split(' ').nth(4))
            .flatten()
    })?;
    let own = fs::read_to_string(format!("/proc/{spawner}/cgroup")).ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = Path::new(mount)
        .join(own)
        .join(format!("further-link.{spawner}"));
    path.is_dir().then_some(path)
}

/// How a figure is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// There may be none when nothing runs.
    None,
    /// Not more than before: what the server itself has.
    Own,
    /// Not more than before: what lies in folders.
    Files,
    /// Not more than at the highest before, but for so much; in KiB.
    Memory(u64),
}

/// One thing that is counted.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// What it is.
    pub(super) name: String,
    /// How much.
    pub(super) value: u64,
    /// How it is judged.
    pub(super) rule: Rule,
}

/// All that is counted.
#[derive(Clone, Debug)]
pub(super) struct Census(pub(super) Vec<Figure>);

impl Census {
    /// Counts.
    ///
    /// # Errors
    /// If the server is gone, or does not answer.
    pub(super) fn take(places: &Places) -> anyhow::Result<Self> {
        let mut figures = Vec::new();
        let mut add = |name: &str, value: u64, rule| {
            let name = name.to_owned();
            figures.push(Figure { name, value, rule });
        };
        // First, for it opens a connection; whether that is gone is seen below.
        let metrics = metrics(places.port)?;
        let metric = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<u64>().ok()
        };
        add(
            "clients, as /metrics says",
            metric("further_link_clients ").context("clients")?,
            Rule::None,
        );
        add(
            "programs, as /metrics says",
            metric("further_link_jobs ").context("jobs")?,
            Rule::None,
        );
        add("sockets of connections", sockets(places.port)?, Rule::None);
        for (name, pid) in [("serve", places.serve), ("spawner", places.spawner)] {
            add(
                &format!("{name}: descriptors"),
                open_descriptors(pid) as u64,
                Rule::Own,
            );
            let threads = fs::read_dir(format!("/proc/{pid}/task"));
            let threads = threads.with_context(|| format!("{name} is gone"))?.count();
            add(&format!("{name}: threads"), threads as u64, Rule::Own);
        }
        let all = all_processes();
        add(
            "processes below the spawner",
            below(places.spawner, &all),
            Rule::None,
        );
        let marked = |pid: &Pid| Being::of(pid.as_raw()).is_some_and(|being| being.is_marked());
        let marked = all.iter().filter(|(pid, _)| marked(pid)).count();
        add("programs of the soak, anywhere", marked as u64, Rule::None);
        if let Some(path) = &places.cgroups {
            add("cgroups of programs", entries(path, true), Rule::None);
        }
        for (name, path) in &places.folders {
            add(
                &format!("files in {name}"),
                entries(path, false),
                Rule::Files,
            );
        }
        add(
            "private folders that nobody holds",
            orphaned_folders(Path::new("/dev/shm")),
            Rule::Files,
        );
        figures.extend(Self::memory(places)?.0);
        Ok(Self(figures))
    }

    /// Only the figures with this rule, and those that need nothing to be compared with.
    pub(super) fn only(&self, rule: Rule) -> Self {
        let wanted = |figure: &&Figure| figure.rule == rule || figure.rule == Rule::None;
        Self(self.0.iter().filter(wanted).cloned().collect())
    }

    /// Memory alone.
    pub(super) fn memory(places: &Places) -> anyhow::Result<Self> {
        let mut figures = Vec::new();
        for (process, pid, tolerance) in [
            ("serve", places.serve, SERVE_TOLERANCE),
            ("spawner", places.spawner, SPAWNER_TOLERANCE),
        ] {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
                .with_context(|| format!("{process} is gone"))?;
            for (key, title) in [
                ("Anonymous:", "anonymous"),
                ("Rss:", "RSS"),
                ("Pss:", "PSS"),
            ] {
                let line = text.lines().find_map(|line| line.strip_prefix(key));
                let value = line.and_then(|line| line.split_whitespace().next());
                figures.push(Figure {
                    name: format!("{process}: {title}, KiB"),
                    value: value.context("a field of smaps_rollup")?.parse()?,
                    rule: Rule::Memory(tolerance),
                });
            }
        }
        Ok(Self(figures))
    }

    /// A figure by its name.
    pub(super) fn value(&self, name: &str) -> Option<u64> {
        let figure = self.0.iter().find(|figure| figure.name == name);
        figure.map(|figure| figure.value)
    }

    /// Has the figures be the higher ones of both; those that only `other` has are left out.
    pub(super) fn raise(&mut self, other: &Self) {
        for figure in &mut self.0 {
            if let Some(value) = other.value(&figure.name) {
                figure.value = figure.value.max(value);
            }
        }
    }

    /// What is more than it may be, compared with `before`; what is on its way out may still be
    /// there.
    pub(super) fn excess(&self, before: Option<&Self>) -> Vec<String> {
        let mut found = Vec::new();
        for figure in &self.0 {
            let base = before.and_then(|before| before.value(&figure.name));
            let (most, how) = match (figure.rule, base) {
                (Rule::None, _) => (0, String::new()),
                (_, None) => continue,
                (Rule::Own | Rule::Files, Some(base)) => (base, format!(", before it was {base}")),
                (Rule::Memory(tolerance), Some(base)) => (
                    base + tolerance,
                    format!(
                        ", before it was {base} at the most, and {tolerance} more are tolerated"
                    ),
                ),
            };
            if figure.value > most {
                found.push(format!("{}: {}{how}", figure.name, figure.value));
            }
        }
        found
    }
}

/// What the server counts itself.
fn metrics(port: u16) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request =
        format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "/metrics: {answer}");
    Ok(answer)
}

/// Sockets of the server's connections, orphaned ones too: dead readers may leave such in the
/// kernel, where no process has them open.
fn sockets(port: u16) -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/net/tcp")?;
    let port = format!(":{port:04X}");
    let count = text
        .lines()
        .skip(1)
        .filter(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, state) = (fields.next(), fields.nth(1));
            // Not the one that listens, nor what only remembers that there was one (TIME_WAIT).
            local.is_some_and(|local| local.ends_with(&port)) && !matches!(state, Some("0A" | "06"))
        })
        .count();
    Ok(count as u64)
}

/// Processes whose ancestor is `root`.
fn below(root: Pid, all: &[(Pid, Pid)]) -> u64 {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(
            all.iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.len() as u64 - 1
}

/// Private folders of programs (`docs/protocol.md` section 6) of which no living spawner has the
/// lock. Those of other servers on this machine count too, so it takes one that is killed meanwhile
/// to be wrong.
fn orphaned_folders(base: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    // proc_locks(5): the inode is behind the device.
    let held = |inode: u64| {
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        locks.contains(&format!(":{inode} "))
    };
    fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(b"further-link-")
        })
        .filter(|entry| entry.metadata().is_ok_and(|found| !held(found.ino())))
        .count() as u64
}

/// How much there is below a folder.
fn entries(folder: &Path, only_folders: bool) -> u64 {
    let mut count = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        count += u64::from(is_folder || !only_folders);
        if is_folder {
            count += entries(&entry.path(), only_folders);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(values: [u64; 3]) -> Census {
        let rules = [Rule::None, Rule::Own, Rule::Memory(50)];
        let figure = |(rule, value)| Figure {
            name: format!("{rule:?}"),
            value,
            rule,
        };
        Census(rules.into_iter().zip(values).map(figure).collect())
    }

    #[test]
    fn what_grows_is_told_and_what_shrinks_is_not() {
        let before = census([0, 5, 1000]);
        assert_eq!(census([0, 5, 1050]).excess(Some(&before)), [""; 0]);
        assert_eq!(census([0, 2, 10]).excess(Some(&before)), [""; 0]);
        let after = census([1, 6, 1051]);
        assert_eq!(after.excess(Some(&before)).len(), 3);
        assert_eq!(after.excess(None).len(), 1);
        let mut highest = before;
        highest.raise(&census([0, 6, 1001]));
        assert_eq!(after.excess(Some(&highest)).len(), 1);
    }

    #[test]
    fn this_process_lives_and_is_not_marked() {
        let being = Being::of(std::process::id() as i32).unwrap();
        assert!(being.lives() && !being.is_marked());
    }
}

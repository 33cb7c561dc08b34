//! The servers that are measured, each behind the same trait.

pub(crate) mod further_link;
pub(crate) mod limits;
pub(crate) mod terminado;
pub(crate) mod ttyd;
pub(crate) mod websocketd;

use crate::client::{Client, Program};
use crate::process::{Memory, cpu_seconds, memory};
use crate::scratch::Scratch;
use anyhow::{Context as _, bail};
use nix::unistd::Pid;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a server can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    /// A shell on a terminal.
    Terminal,
    /// A program on pipes.
    Pipes,
    /// Bytes that come back (what has a terminal or pipes can run `cat`).
    Echo,
    /// It is a process of its own, whose CPU time and memory can be told.
    OwnProcess,
    /// Several programs one after the other on one connection.
    Jobs,
    /// Python code.
    Python,
    /// Video and keys beside the standard streams.
    Channels,
    /// The extension permessage-deflate, perhaps.
    Deflate,
}

/// A server, not started yet.
pub(crate) trait Server: Sync {
    /// What it is called in results, and by `--servers`.
    fn name(&self) -> &'static str;
    /// Its version.
    fn version(&self) -> String;
    /// What can be measured of it.
    fn abilities(&self) -> &'static [Ability];
    /// Starts it; returns at once.
    fn start(&self, _scratch: &Scratch) -> anyhow::Result<Box<dyn Running>> {
        bail!("not measured")
    }
    /// Starts it; returns when it accepts connections.
    fn launch(&self, scratch: &Scratch) -> anyhow::Result<Box<dyn Running>> {
        let running = self.start(scratch)?;
        let port = running.port().context("it listens nowhere")?;
        wait_for_answer(port, Instant::now() + START_TIMEOUT)?;
        Ok(running)
    }
    /// Starts it with the defaults of its makers; returns at once. `state`: a directory for what it
    /// keeps.
    fn launch_plain(
        &self,
        scratch: &Scratch,
        _state: &Path,
        tls: bool,
    ) -> anyhow::Result<Box<dyn Running>> {
        if tls {
            bail!("it makes no certificate");
        }
        self.start(scratch)
    }
}

/// A server that runs, and ends with this value.
pub(crate) trait Running: Send + Sync {
    /// Connects, and asks for the program.
    fn open(&self, program: &Program, deflate: bool) -> anyhow::Result<Client>;
    /// The server's processes, with the part of each; programs and shells are none of them.
    fn processes(&self) -> Vec<(&'static str, Pid)>;
    /// Where it listens.
    fn port(&self) -> Option<u16> {
        None
    }
}

/// CPU seconds of a server's processes so far.
pub(crate) fn server_cpu(running: &dyn Running) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for (_, pid) in running.processes() {
        // Of a supervisor that ends meanwhile nothing can be told.
        sum += cpu_seconds(pid).unwrap_or(0.0);
    }
    Ok(sum)
}

/// Memory of a server's processes, by part.
pub(crate) fn server_memory(running: &dyn Running) -> anyhow::Result<Vec<(&'static str, Memory)>> {
    let mut parts: Vec<(&'static str, Memory)> = Vec::new();
    for (part, pid) in running.processes() {
        let Ok(found) = memory(pid) else { continue };
        match parts.iter_mut().find(|(name, _)| *name == part) {
            Some((_, sum)) => {
                sum.pss += found.pss;
                sum.rss += found.rss;
            }
            None => parts.push((part, found)),
        }
    }
    if parts.is_empty() {
        bail!("the server is gone");
    }
    Ok(parts)
}

/// Asks for `/` until there is an answer; gives its status.
pub(crate) fn wait_for_answer(port: u16, deadline: Instant) -> anyhow::Result<u16> {
    loop {
        if let Ok(status) = ask(port) {
            return Ok(status);
        }
        if Instant::now() > deadline {
            bail!("the server does not answer");
        }
        // Between two attempts, as there is no other sign that all servers give.
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn ask(port: u16) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while head.len() < 12 {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece)?;
        if count == 0 {
            bail!("closed");
        }
        head.extend_from_slice(&piece[..count]);
    }
    let status = head
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    let status = status.context("an answer that is no HTTP")?;
    Ok(std::str::from_utf8(status)?.parse()?)
}

/// How long a server may take to start.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The names of all servers, in the order of the report.
pub(crate) const NAMES: [&str; 7] = [
    limits::BARE,
    limits::ECHO,
    further_link::JSON,
    further_link::BINARY,
    ttyd::NAME,
    websocketd::NAME,
    terminado::NAME,
];

/// The servers that are wanted (all, if none is named), and why each of the others is not there.
pub(crate) fn all(
    binary: &Path,
    wanted: &[String],
    scratch: &Scratch,
) -> (Vec<Box<dyn Server>>, Vec<String>) {
    let mut found: Vec<Box<dyn Server>> = Vec::new();
    let mut missing = Vec::new();
    let mut add = |name: &str, make: &dyn Fn() -> anyhow::Result<Box<dyn Server>>| {
        if !wanted.is_empty() && !wanted.iter().any(|wish| wish == name) {
            return;
        }
        match make() {
            Ok(server) => found.push(server),
            Err(error) => missing.push(format!("{name}: {error:#}")),
        }
    };
    add(limits::BARE, &|| Ok(Box::new(limits::Bare)));
    add(limits::ECHO, &|| Ok(Box::new(limits::Echo)));
    add(further_link::JSON, &|| {
        further_link::FurtherLink::find(binary, false, scratch)
    });
    add(further_link::BINARY, &|| {
        further_link::FurtherLink::find(binary, true, scratch)
    });
    add(ttyd::NAME, &ttyd::Ttyd::find);
    add(websocketd::NAME, &websocketd::Websocketd::find);
    add(terminado::NAME, &terminado::Terminado::find);
    (found, missing)
}

/// The first line that a program prints about its version.
fn version_of(program: &Path, argument: &str) -> anyhow::Result<String> {
    let output = std::process::Command::new(program)
        .arg(argument)
        .output()
        .with_context(|| format!("{} does not run", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or("?").trim().to_owned())
}

/// Where a program is on the search path.
fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

//! What the machine can do: the same program without a server, and a WebSocket that only echoes.

use super::{Ability, Running, START_TIMEOUT, Server, wait_for_answer};
use crate::client::dialect::Bytewise;
use crate::client::link::{Handshake, Link};
use crate::client::{Client, Program};
use crate::process::{Process, free_port};
use crate::scratch::Scratch;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{Winsize, openpty};
use nix::unistd::Pid;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Name of the program without a server.
pub(crate) const BARE: &str = "bare";
/// Name of the echo.
pub(crate) const ECHO: &str = "ws-echo";

/// The shell that all servers start: without files of its user, which may do anything.
pub(crate) const SHELL: [&str; 3] = ["/bin/bash", "--norc", "--noprofile"];

/// A terminal or pipes that are read and written directly.
pub(crate) struct Bare;

impl Server for Bare {
    fn name(&self) -> &'static str {
        BARE
    }

    fn version(&self) -> String {
        "the program's own terminal or pipes, without a server".to_owned()
    }

    fn abilities(&self) -> &'static [Ability] {
        &[
            Ability::Terminal,
            Ability::Pipes,
            Ability::Echo,
            Ability::Python,
        ]
    }

    fn launch(&self, scratch: &Scratch) -> anyhow::Result<Box<dyn Running>> {
        Ok(Box::new(BareRunning {
            home: scratch.path("home"),
            search_path: scratch.search_path.clone(),
            python: scratch.path("hi.py"),
        }))
    }
}

struct BareRunning {
    home: std::path::PathBuf,
    search_path: String,
    python: std::path::PathBuf,
}

impl BareRunning {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("PATH", &self.search_path)
            .env("HOME", &self.home)
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .current_dir("/");
        command
    }
}

impl Running for BareRunning {
    fn open(&self, program: &Program, _deflate: bool) -> anyhow::Result<Client> {
        let (process, link) = match program {
            Program::Shell => {
                let size = Winsize {
                    ws_row: 24,
                    ws_col: 80,
                    ws_xpixel: 0,
                    ws_ypixel: 0,
                };
                let pty = openpty(Some(&size), None)?;
                set_close_on_exec(&pty.master)?;
                let mut command = self.command(&SHELL);
                command
                    .stdin(pty.slave.try_clone()?)
                    .stdout(pty.slave.try_clone()?)
                    .stderr(pty.slave);
                own_terminal(&mut command);
                let process = Process::start_bare(&mut command)?;
                set_nonblocking(&pty.master)?;
                (process, Link::bare(None, pty.master))
            }
            Program::Script(path) => {
                let path = path.to_string_lossy();
                pipes(self.command(&[&*path]))?
            }
            Program::Python(_) => {
                let file = self.python.to_string_lossy();
                pipes(self.command(&["python3", "-u", &*file]))?
            }
        };
        let mut client = Client::new(link, Box::new(Bytewise { bare: true }))?;
        client.keep(process);
        Ok(client)
    }

    fn processes(&self) -> Vec<(&'static str, Pid)> {
        Vec::new()
    }
}

fn pipes(mut command: Command) -> anyhow::Result<(Process, Link)> {
    let (output, into_output) = std::io::pipe()?;
    let (from_input, input) = std::io::pipe()?;
    command
        .stdin(from_input)
        .stderr(Stdio::null())
        .stdout(into_output);
    let process = Process::start_bare(&mut command)?;
    // The command holds the program's ends, and as long as it does the output has no end.
    drop(command);
    let (input, output) = (OwnedFd::from(input), OwnedFd::from(output));
    set_nonblocking(&input)?;
    set_nonblocking(&output)?;
    Ok((process, Link::bare(Some(input), output)))
}

fn set_nonblocking(fd: &OwnedFd) -> nix::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

fn set_close_on_exec(fd: &OwnedFd) -> nix::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    Ok(())
}

/// Has the command get its standard input as its controlling terminal.
#[allow(unsafe_code)]
fn own_terminal(command: &mut Command) {
    // SAFETY: between fork and exec there are two system calls, and nothing is allocated.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            nix::errno::Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
            Ok(())
        });
    }
}

/// A WebSocket that only echoes.
pub(crate) struct Echo;

impl Server for Echo {
    fn name(&self) -> &'static str {
        ECHO
    }

    fn version(&self) -> String {
        "a WebSocket that sends back what it gets, one thread".to_owned()
    }

    fn abilities(&self) -> &'static [Ability] {
        &[Ability::Echo, Ability::OwnProcess]
    }

    fn launch(&self, scratch: &Scratch) -> anyhow::Result<Box<dyn Running>> {
        let port = free_port()?;
        let mut command = scratch.command(&std::env::current_exe()?)?;
        let process = Process::start(command.args(["echo-server", &port.to_string()]))?;
        wait_for_answer(port, Instant::now() + START_TIMEOUT)?;
        Ok(Box::new(EchoRunning { process, port }))
    }
}

struct EchoRunning {
    process: Process,
    port: u16,
}

impl Running for EchoRunning {
    fn open(&self, _program: &Program, _deflate: bool) -> anyhow::Result<Client> {
        let handshake = Handshake {
            path: "/".to_owned(),
            ..Handshake::default()
        };
        let link = Link::connect(self.port, &handshake)?;
        Client::new(link, Box::new(Bytewise::default()))
    }

    fn processes(&self) -> Vec<(&'static str, Pid)> {
        vec![("server", self.process.pid())]
    }

    fn port(&self) -> Option<u16> {
        Some(self.port)
    }
}

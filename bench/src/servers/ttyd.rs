//! ttyd, a terminal server in C.

use super::{Ability, Running, Server, find_program, version_of};
use crate::client::dialect;
use crate::client::link::{Handshake, Link};
use crate::client::{Client, Program};
use crate::process::{Process, free_port};
use crate::scratch::Scratch;
use anyhow::{Context as _, bail};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Its name.
pub(crate) const NAME: &str = "ttyd";

/// Where it is.
pub(crate) struct Ttyd {
    program: PathBuf,
}

impl Ttyd {
    /// Looks for it, and has it fetched if it is not installed.
    pub(crate) fn find() -> anyhow::Result<Box<dyn Server>> {
        let program = match find_program(NAME) {
            Some(program) => program,
            None => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fetch-ttyd.sh");
                let output = Command::new(&script)
                    .output()
                    .with_context(|| format!("{} does not run", script.display()))?;
                if !output.status.success() {
                    let reason = String::from_utf8_lossy(&output.stderr);
                    bail!(
                        "{}",
                        reason.lines().last().unwrap_or("it cannot be fetched")
                    );
                }
                PathBuf::from(String::from_utf8(output.stdout)?.trim())
            }
        };
        Ok(Box::new(Self { program }))
    }
}

impl Server for Ttyd {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        version_of(&self.program, "--version").unwrap_or_else(|error| error.to_string())
    }

    fn abilities(&self) -> &'static [Ability] {
        &[
            Ability::Terminal,
            Ability::Echo,
            Ability::OwnProcess,
            Ability::Deflate,
        ]
    }

    fn start(&self, scratch: &Scratch) -> anyhow::Result<Box<dyn Running>> {
        let port = free_port()?;
        let mut command = scratch.command(&self.program)?;
        command
            .args(["-W", "-i", "127.0.0.1", "-p", &port.to_string()])
            .args(super::limits::SHELL);
        let process = Process::start(&mut command)?;
        Ok(Box::new(TtydRunning { process, port }))
    }
}

struct TtydRunning {
    process: Process,
    port: u16,
}

impl Running for TtydRunning {
    fn open(&self, program: &Program, deflate: bool) -> anyhow::Result<Client> {
        if !matches!(program, Program::Shell) {
            bail!("it has terminals only");
        }
        let handshake = Handshake {
            path: "/ws".to_owned(),
            subprotocol: Some("tty"),
            deflate,
        };
        Client::new(
            Link::connect(self.port, &handshake)?,
            Box::new(dialect::Ttyd),
        )
    }

    fn processes(&self) -> Vec<(&'static str, Pid)> {
        vec![("server", self.process.pid())]
    }

    fn port(&self) -> Option<u16> {
        Some(self.port)
    }
}

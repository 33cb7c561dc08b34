//! further-link, with the JSON of `/run` and with the binary stream `further-link.3`.

use super::{Ability, Running, START_TIMEOUT, Server, version_of, wait_for_answer};
use crate::client::dialect::{Dialect, Further3, FurtherJson};
use crate::client::link::{Handshake, Link};
use crate::client::{Client, Program};
use crate::process::{Process, family, free_port};
use crate::scratch::Scratch;
use anyhow::bail;
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Name of it with JSON.
pub(crate) const JSON: &str = "further-link";
/// Name of it with the binary stream.
pub(crate) const BINARY: &str = "further-link.3";

/// The setting that says when the server compresses; older ones do not have it.
const COMPRESSION: &str = "server.compression";

/// One of the two.
pub(crate) struct FurtherLink {
    binary: PathBuf,
    stream: bool,
    /// It can compress, and has to be told to do so for clients on the same machine.
    compresses: bool,
}

impl FurtherLink {
    /// The binary that is to be measured.
    pub(crate) fn find(
        binary: &Path,
        stream: bool,
        scratch: &Scratch,
    ) -> anyhow::Result<Box<dyn Server>> {
        if !binary.is_file() {
            bail!("{} is not there", binary.display());
        }
        let settings = std::process::Command::new(binary)
            .args(["config", "--json"])
            .output()?
            .stdout;
        let server = Self {
            binary: binary.to_owned(),
            stream,
            compresses: crate::pattern::find(&settings, COMPRESSION.as_bytes()).is_some(),
        };
        if stream {
            // An older one has only JSON, and says so when it is asked.
            server.launch(scratch)?.open(&Program::Shell, false)?;
        }
        Ok(Box::new(server))
    }
}

impl Server for FurtherLink {
    fn name(&self) -> &'static str {
        if self.stream { BINARY } else { JSON }
    }

    fn version(&self) -> String {
        version_of(&self.binary, "--version").unwrap_or_else(|error| error.to_string())
    }

    fn abilities(&self) -> &'static [Ability] {
        &[
            Ability::Terminal,
            Ability::Pipes,
            Ability::Echo,
            Ability::OwnProcess,
            Ability::Jobs,
            Ability::Python,
            Ability::Channels,
            Ability::Deflate,
        ]
    }

    fn launch(&self, scratch: &Scratch) -> anyhow::Result<Box<dyn Running>> {
        let port = free_port()?;
        let state = scratch.path("state");
        let config = scratch.path("further-link.toml");
        // The same shell as everywhere, and more programs than the defaults allow, for the rows
        // with hundreds of them. Nothing else differs from the defaults.
        std::fs::write(
            &config,
            format!(
                "[server]\nport = {port}\n[tls]\nenabled = false\n[state]\ndir = {state:?}\n\
                 [log]\nlevel = \"warn\"\n\
                 [limits]\nconnections = 2048\njobs = 4096\njobs_per_client = 2048\n\
                 [[runner]]\nname = \"shell\"\ncommand = {:?}\nhangup = true\n",
                super::limits::SHELL
            ),
        )?;
        let mut command = scratch.command(&self.binary)?;
        command.args(["serve", "--config"]).arg(&config);
        if self.compresses {
            // Only clients that offer it get it, and only one row does.
            command.args(["--set", &format!("{COMPRESSION}=always")]);
        }
        let process = Process::start(&mut command)?;
        wait_for_answer(port, Instant::now() + START_TIMEOUT)?;
        Ok(Box::new(FurtherRunning {
            process,
            port,
            stream: self.stream,
        }))
    }

    fn launch_plain(
        &self,
        scratch: &Scratch,
        state: &Path,
        tls: bool,
    ) -> anyhow::Result<Box<dyn Running>> {
        let port = free_port()?;
        let mut command = scratch.command(&self.binary)?;
        command.args(["serve", "--port", &port.to_string()]);
        command
            .arg("--set")
            .arg(format!("state.dir={}", state.display()));
        if !tls {
            command.arg("--no-tls");
        }
        Ok(Box::new(FurtherRunning {
            process: Process::start(&mut command)?,
            port,
            stream: self.stream,
        }))
    }
}

struct FurtherRunning {
    process: Process,
    port: u16,
    stream: bool,
}

impl Running for FurtherRunning {
    fn open(&self, program: &Program, deflate: bool) -> anyhow::Result<Client> {
        let pty = matches!(program, Program::Shell);
        let handshake = Handshake {
            path: format!("/run?pty={}", u8::from(pty)),
            subprotocol: self.stream.then_some(BINARY),
            deflate,
        };
        let dialect: Box<dyn Dialect> = if self.stream {
            Box::new(Further3::default())
        } else {
            Box::new(FurtherJson)
        };
        let mut client = Client::new(Link::connect(self.port, &handshake)?, dialect)?;
        client.start(program)?;
        Ok(client)
    }

    fn processes(&self) -> Vec<(&'static str, Pid)> {
        family(self.process.pid())
            .into_iter()
            .map(|(pid, depth)| {
                let part = match depth {
                    0 => "serve",
                    1 => "spawner",
                    _ => "supervisors",
                };
                (part, pid)
            })
            .collect()
    }

    fn port(&self) -> Option<u16> {
        Some(self.port)
    }
}

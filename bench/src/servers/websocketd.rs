//! websocketd, which has programs on pipes speak WebSocket, in Go.

use super::{Ability, Running, Server, find_program, version_of};
use crate::client::dialect::Bytewise;
use crate::client::link::{Handshake, Link};
use crate::client::{Client, Program};
use crate::process::{Process, free_port};
use crate::scratch::Scratch;
use anyhow::{Context as _, bail};
use nix::unistd::Pid;
use std::path::PathBuf;

/// Its name.
pub(crate) const NAME: &str = "websocketd";

/// Where it is.
pub(crate) struct Websocketd {
    program: PathBuf,
}

impl Websocketd {
    /// Looks for it.
    pub(crate) fn find() -> anyhow::Result<Box<dyn Server>> {
        let program = find_program(NAME)
            .context("it is not installed (on Debian: apt-get install websocketd)")?;
        Ok(Box::new(Self { program }))
    }
}

impl Server for Websocketd {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        version_of(&self.program, "--version").unwrap_or_else(|error| error.to_string())
    }

    fn abilities(&self) -> &'static [Ability] {
        &[
            Ability::Pipes,
            Ability::Echo,
            Ability::OwnProcess,
            Ability::Python,
        ]
    }

    fn start(&self, scratch: &Scratch) -> anyhow::Result<Box<dyn Running>> {
        let port = free_port()?;
        let mut command = scratch.command(&self.program)?;
        command.args([
            "--address=127.0.0.1",
            &format!("--port={port}"),
            "--binary=true",
            "--loglevel=error",
            // An index page for `/`, to see that it answers.
            &format!("--staticdir={}", scratch.scripts().display()),
            "--passenv=PATH,HOME,LANG,TERM",
            &format!("--dir={}", scratch.scripts().display()),
        ]);
        let process = Process::start(&mut command)?;
        Ok(Box::new(WebsocketdRunning { process, port }))
    }
}

struct WebsocketdRunning {
    process: Process,
    port: u16,
}

impl Running for WebsocketdRunning {
    fn open(&self, program: &Program, deflate: bool) -> anyhow::Result<Client> {
        let name = match program {
            Program::Shell => bail!("it has no terminals"),
            Program::Script(path) => path.file_name().unwrap_or_default().to_string_lossy(),
            Program::Python(_) => "hi".into(),
        };
        let handshake = Handshake {
            path: format!("/{name}"),
            subprotocol: None,
            deflate,
        };
        Client::new(
            Link::connect(self.port, &handshake)?,
            Box::new(Bytewise::default()),
        )
    }

    fn processes(&self) -> Vec<(&'static str, Pid)> {
        vec![("server", self.process.pid())]
    }

    fn port(&self) -> Option<u16> {
        Some(self.port)
    }
}

//! terminado, the terminals of Jupyter, in Python.

use super::{Ability, Running, Server};
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
pub(crate) const NAME: &str = "terminado";

/// A server of nothing but terminals, as small as it gets.
const PROGRAM: &str = r#"
import sys
import tornado.httpserver, tornado.ioloop, tornado.web
from terminado import TermSocket, UniqueTermManager

class Root(tornado.web.RequestHandler):
    def get(self):
        self.write("OK")

terminals = UniqueTermManager(shell_command=sys.argv[2:])
application = tornado.web.Application([
    (r"/", Root),
    (r"/websocket", TermSocket, {"term_manager": terminals}),
])
application.listen(int(sys.argv[1]), "127.0.0.1")
tornado.ioloop.IOLoop.current().start()
"#;

/// The interpreter that has it.
pub(crate) struct Terminado {
    python: PathBuf,
}

impl Terminado {
    /// Installs it into a folder of its own, if that was not done yet.
    pub(crate) fn find() -> anyhow::Result<Box<dyn Server>> {
        let cache = match std::env::var_os("XDG_CACHE_HOME") {
            Some(folder) => PathBuf::from(folder),
            None => {
                Path::new(&std::env::var_os("HOME").context("there is no HOME")?).join(".cache")
            }
        };
        let folder = cache.join("further-link-bench/terminado");
        let python = folder.join("bin/python");
        let works = || {
            let check = Command::new(&python)
                .args(["-c", "import terminado"])
                .output();
            check.is_ok_and(|output| output.status.success())
        };
        if !works() {
            eprintln!("installing terminado …");
            let run = |command: &mut Command| -> anyhow::Result<()> {
                let output = command.output()?;
                if !output.status.success() {
                    let reason = String::from_utf8_lossy(&output.stderr);
                    bail!(
                        "{}",
                        reason.lines().last().unwrap_or("it cannot be installed")
                    );
                }
                Ok(())
            };
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
                .context("python3 makes no virtual environment")?;
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "terminado"]))
                .context("pip cannot install it")?;
        }
        if !works() {
            bail!("it does not run");
        }
        Ok(Box::new(Self { python }))
    }
}

impl Server for Terminado {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        let script = "import sys, terminado, tornado; print('terminado', terminado.__version__, \
                      'with tornado', tornado.version, 'on Python', sys.version.split()[0])";
        let output = Command::new(&self.python).args(["-c", script]).output();
        output.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    }

    fn abilities(&self) -> &'static [Ability] {
        &[Ability::Terminal, Ability::Echo, Ability::OwnProcess]
    }

    fn start(&self, scratch: &Scratch) -> anyhow::Result<Box<dyn Running>> {
        let port = free_port()?;
        let mut command = scratch.command(&self.python)?;
        command
            .args(["-c", PROGRAM, &port.to_string()])
            .args(super::limits::SHELL);
        let process = Process::start(&mut command)?;
        Ok(Box::new(TerminadoRunning { process, port }))
    }
}

struct TerminadoRunning {
    process: Process,
    port: u16,
}

impl Running for TerminadoRunning {
    fn open(&self, program: &Program, deflate: bool) -> anyhow::Result<Client> {
        if !matches!(program, Program::Shell) {
            bail!("it has terminals only");
        }
        let handshake = Handshake {
            path: "/websocket".to_owned(),
            subprotocol: None,
            deflate,
        };
        Client::new(
            Link::connect(self.port, &handshake)?,
            Box::new(dialect::Terminado),
        )
    }

    fn processes(&self) -> Vec<(&'static str, Pid)> {
        vec![("server", self.process.pid())]
    }

    fn port(&self) -> Option<u16> {
        Some(self.port)
    }
}

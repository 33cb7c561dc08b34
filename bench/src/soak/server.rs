//! The server that is soaked: a real one, with folders of its own.

use super::census::Places;
use super::kinds::PROMPT;
use super::world::{PONG_TIMEOUT, STOP_GRACE, World};
use crate::process::{Process, free_port};
use crate::scratch::Scratch;
use crate::servers::{START_TIMEOUT, limits::SHELL, wait_for_answer};
use anyhow::ensure;
use nix::sys::signal::{Signal, kill};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the server has to end by itself, beside the grace of programs.
const EXIT_TIMEOUT_AFTER_GRACE: Duration = Duration::from_secs(5);

/// Lines of the log that are shown.
const COMPLAINTS_SHOWN_MAX: usize = 20;

/// The server.
pub(super) struct Server {
    process: Process,
    /// Where its traces are.
    pub(super) places: Places,
    log: PathBuf,
}

impl Server {
    /// Starts it, with further settings (`KEY=VALUE`).
    pub(super) fn start(
        binary: &Path,
        scratch: &Scratch,
        settings: &[String],
    ) -> anyhow::Result<Self> {
        ensure!(binary.is_file(), "{} is not there", binary.display());
        let port = free_port()?;
        let mut folders = Vec::new();
        for name in ["temp", "work", "state", "home"] {
            let path = scratch.path(name);
            fs::create_dir_all(&path)?;
            folders.push((name, path));
        }
        let marker = World::marker();
        let (variable, value) = marker.split_once('=').unwrap_or_default();
        let config = scratch.path("further-link.toml");
        // The shell is one without files of its user. Without HISTFILE, it writes none into the
        // home of whoever runs this.
        fs::write(
            &config,
            format!(
                "[server]\nport = {port}\ncompression = \"always\"\n\
                 [tls]\nenabled = false\n\
                 [state]\ndir = {:?}\n\
                 [run]\nwork_dir = {:?}\ntemp_dir = {:?}\nstop_grace = {:?}\n\
                 environment = {{ {variable} = {value:?}, PS1 = {PROMPT:?}, HISTFILE = \"\" }}\n\
                 [limits]\nconnections = 2048\njobs = 4096\njobs_per_client = 256\n\
                 pong_timeout = {}\n\
                 [[runner]]\nname = \"shell\"\ncommand = {SHELL:?}\nhangup = true\n",
                scratch.path("state"),
                scratch.path("work"),
                scratch.path("temp"),
                STOP_GRACE.as_secs_f64(),
                PONG_TIMEOUT.as_secs(),
            ),
        )?;
        let mut command = scratch.command(binary)?;
        command.args(["serve", "--config"]).arg(&config);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let process = Process::start(&mut command)?;
        wait_for_answer(port, Instant::now() + START_TIMEOUT)?;
        let places = Places::of(process.pid(), port, folders)?;
        Ok(Self {
            process,
            places,
            log: scratch.path("log.txt"),
        })
    }

    /// Lines of its log that tell of an error of its own.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log)
            .lines()
            .filter(|line| line.contains("ERROR") || line.contains("panicked"))
            .take(COMPLAINTS_SHOWN_MAX)
            .map(|line| format!("in the log: {line}"))
            .collect()
    }

    /// Lines of its log, and those of them that warn.
    pub(super) fn log_lines(&self) -> (usize, usize) {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let warnings = log.lines().filter(|line| line.contains("WARN"));
        (log.lines().count(), warnings.count())
    }

    /// Asks it to end; gives what is wrong with how it does that.
    pub(super) fn end(mut self) -> anyhow::Result<Vec<String>> {
        if let Some(status) = self.process.status()? {
            return Ok(vec![format!("the server has ended by itself: {status}")]);
        }
        let asked = Instant::now();
        kill(self.process.pid(), Signal::SIGTERM)?;
        while asked.elapsed() < STOP_GRACE + EXIT_TIMEOUT_AFTER_GRACE {
            if let Some(status) = self.process.status()? {
                eprintln!(
                    "the server has ended in {:.2} s: {status}",
                    asked.elapsed().as_secs_f64()
                );
                let mut wrong = Vec::new();
                if !status.success() {
                    wrong.push(format!("asked to end, the server ended with {status}"));
                }
                let spawner = super::census::Being::of(self.places.spawner.as_raw());
                if spawner.is_some() {
                    wrong.push("the server has ended, and its spawner has not".to_owned());
                }
                return Ok(wrong);
            }
            // Between two looks.
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(vec![format!(
            "asked to end, the server did not within {:?}",
            STOP_GRACE + EXIT_TIMEOUT_AFTER_GRACE
        )])
    }
}

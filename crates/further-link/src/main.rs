//! `further-link`: the server, the spawner that it starts, and the commands around them.

mod cli;
mod commands;
mod config;
mod logging;
mod package;
mod tls;

use clap::Parser as _;
use cli::{Cli, Task};
use config::{Config, Surroundings};
use std::os::fd::RawFd;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::say(&format!("further-link: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    // Before anything else: the spawner is to stay small, and the memory of what reads a command line
    // stays with whoever has used it.
    if let Some(socket) = spawner_socket() {
        logging::init("info", logging::LogFormat::Auto)?;
        return Ok(further_link_engine::run_spawner(socket)?);
    }
    let (task, given) = Cli::parse().into_parts();
    let config = Config::load(&given, &Surroundings::of_this_process())?;
    match task {
        Task::Config(arguments) => Ok(commands::config::run(&config, arguments.json)?),
        Task::Serve(_) => commands::serve::run(&config),
        Task::Terminal(arguments) => commands::terminal::run(&config, &arguments),
    }
}

/// The socket to the server, if this process was started by one to be its spawner: as `further-link
/// spawner --fd N`.
fn spawner_socket() -> Option<RawFd> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != "spawner" || arguments.next()? != "--fd" {
        return None;
    }
    arguments.next()?.to_str()?.parse().ok()
}

//! `further-link`: the server, the spawner that it starts, and the commands around them.

mod cli;
mod commands;
mod config;
mod logging;
mod python_package;
mod tls;

use clap::Parser as _;
use cli::{Cli, CliCommand};
use config::{Config, ProcessEnvironment};
use std::os::fd::RawFd;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::print_to_stderr(&format!("further-link: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    // Before anything else: the spawner has to stay small, and the memory that parsing a command
    // line takes is never returned.
    if let Some(socket) = spawner_socket() {
        logging::init("info", logging::LogFormat::Auto)?;
        return Ok(further_link_engine::run_spawner(socket)?);
    }
    let (command, settings) = Cli::parse().into_parts();
    let config = Config::load(&settings, &ProcessEnvironment::of_this_process())?;
    match command {
        CliCommand::Config(arguments) => Ok(commands::config::run(&config, arguments.json)?),
        CliCommand::Serve(_) => commands::serve::run(&config),
        CliCommand::Terminal(arguments) => commands::terminal::run(&config, &arguments),
    }
}

/// Returns the socket to the server if this process is its spawner, which is started as
/// `further-link spawner --fd N`.
fn spawner_socket() -> Option<RawFd> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != "spawner" || arguments.next()? != "--fd" {
        return None;
    }
    arguments.next()?.to_str()?.parse().ok()
}

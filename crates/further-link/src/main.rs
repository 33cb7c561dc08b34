//! `further-link`: the server, the spawner that it starts, and the commands around them.

mod cli;
mod commands;
mod config;
mod logging;
mod tls;

use clap::Parser as _;
use cli::{Cli, Task};
use config::{Config, Surroundings};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("further-link: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let (task, given) = Cli::parse().into_parts();
    if let Task::Spawner(arguments) = &task {
        logging::init("info", logging::LogFormat::Auto)?;
        return Ok(further_link_engine::run_spawner(arguments.fd)?);
    }
    let config = Config::load(&given, &Surroundings::of_this_process())?;
    match task {
        Task::Config(arguments) => Ok(commands::config::run(&config, arguments.json)?),
        Task::Serve(_) | Task::Spawner(_) => commands::serve::run(&config),
    }
}

//! From the configuration to the settings of engine and server, and checks of what only shows
//! there.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use further_link_engine::{Account, Accounts, EngineSettings, Runner, RunnerTable};
use further_link_server::{AccessSettings, DownloadSettings, Limits, ServerSettings};

use crate::config::{Compression, Config, RunnerRow};
use crate::python_package;

/// Returns the settings that every kind of server has; `ports` are those of a server with several.
pub(in crate::commands) fn server_settings(config: &Config, ports: Vec<u16>) -> ServerSettings {
    ServerSettings {
        access: AccessSettings {
            hosts: config.server.hosts.clone(),
            origins: config.server.origins.clone(),
            ports,
        },
        limits: Limits {
            message_bytes: config.limits.message_bytes,
            file_bytes: config.limits.file_bytes,
            jobs_per_client: config.limits.jobs_per_client,
            pong_timeout: config.limits.pong_timeout,
        },
        compression: match config.server.compression {
            Compression::Auto => further_link_server::Compression::Auto,
            Compression::Always => further_link_server::Compression::Always,
            Compression::Never => further_link_server::Compression::Never,
        },
        max_upload_bytes: config.limits.upload_bytes,
        downloads: DownloadSettings {
            max_bytes: config.download.max_bytes,
            timeout: config.download.timeout,
            private_addresses: config.download.private_addresses,
        },
        max_connections: config.limits.connections,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Returns who programs may run as.
pub(super) fn accounts(config: &Config) -> Accounts {
    let user = &config.run.user;
    Accounts::new(
        Account::of_this_process(),
        (!user.is_empty()).then(|| user.clone()),
        config.run.accounts.clone(),
    )
}

/// Returns the settings of the engine. Unpacks the Python package.
pub(super) fn engine_settings(config: &Config, accounts: Accounts) -> EngineSettings {
    let mut runners = RunnerTable::default();
    for row in &config.runners {
        if row.disabled {
            runners.remove(&row.name);
        } else {
            runners.add(runner(row));
        }
    }
    let if_set = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
    EngineSettings {
        accounts,
        runners,
        work_dir: if_set(&config.run.work_dir),
        projects_dir: config.miniscreen.projects_dir.clone(),
        temp_dir: config.run.temp_dir.clone(),
        venv: if_set(&config.run.venv),
        environment: config.run.environment.clone().into_iter().collect(),
        pass_environment: config.run.pass_environment.clone(),
        package: unpack_python_package(config),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        max_jobs: config.limits.jobs,
    }
}

/// Unpacks the Python package and returns its directory. Without it programs still run, so a
/// failure is only logged.
fn unpack_python_package(config: &Config) -> Option<PathBuf> {
    python_package::unpack(config.state_dir())
        .inspect_err(|error| {
            tracing::warn!(
                "programs cannot import further_link, unless it is installed: {error:#}"
            );
        })
        .ok()
}

fn runner(row: &RunnerRow) -> Runner {
    Runner {
        name: row.name.clone(),
        title: row.title.clone(),
        command: row.command.clone(),
        extension: row.extension.clone(),
        requires: row.requires.clone(),
        executable: row.executable,
        venv: row.venv,
        hangup: row.hangup,
    }
}

/// Finds mistakes that would otherwise show only when a program is started.
pub(super) fn check_accounts_and_paths(config: &Config, accounts: &Accounts) -> anyhow::Result<()> {
    if !config.run.user.is_empty() {
        Account::by_name(&accounts.default).context("run.user")?;
    }
    for name in &config.run.accounts {
        if let Err(error) = Account::by_name(name) {
            tracing::warn!("run.accounts: {error}");
        }
    }
    if accounts.default == "root" {
        tracing::warn!(
            "programs run as root, unless a client names another user; run.user changes that"
        );
    }
    let temp = &config.run.temp_dir;
    if !temp.is_dir() {
        tracing::warn!("run.temp_dir: {} is not a directory", temp.display());
    }
    // One below a home exists in some homes only.
    let venv = &config.run.venv;
    if venv.is_absolute() && !venv.join("bin/python3").exists() {
        let venv = venv.display();
        tracing::warn!("run.venv: {venv}/bin/python3 does not exist; programs run without it");
    }
    let work = &config.run.work_dir;
    if work.is_absolute() && work.exists() && !work.is_dir() {
        tracing::warn!("run.work_dir: {} is not a directory", work.display());
    }
    Ok(())
}

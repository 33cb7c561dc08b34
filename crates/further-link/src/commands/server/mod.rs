//! Starts a server, of either kind, in the order that its privileges demand.
//!
//! The spawner comes first, while there is one thread and all privileges. Then what only root may
//! read or bind. Then this process drops its privileges, and only after that it talks to strangers.

mod addresses;
mod process;
mod settings;
mod shutdown;

use std::sync::Arc;

use anyhow::Context as _;
use further_link_engine::{Engine, SpawnerProcess, SpawnerSettings};
use tokio_rustls::rustls::ServerConfig;

use crate::config::{Cgroup, Config};
use crate::tls;

pub(super) use self::addresses::{listen, local_address, network_addresses};
pub(super) use self::settings::server_settings;
pub(super) use self::shutdown::serve_until_stopped;

/// Polls of tasks after which the runtime checks sockets and terminals, if tasks are always ready.
/// The default, 61, is 80 ms during a flood, in which each poll carries 64 KiB or more. Two, so
/// that an echoed key, from the job's task to the client's, has no such check in its way.
const RUNTIME_EVENT_INTERVAL: u32 = 2;

/// What a server is made of.
pub(super) struct Parts<L> {
    pub(super) engine: Engine,
    /// The host name of the device; empty if it has none.
    pub(super) hostname: String,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// What `listen` of [`run`] has opened.
    pub(super) listeners: L,
}

/// Makes the parts and runs `serve` with them. `listen` opens the ports, while there are privileges
/// to. If the server is to be `encrypted`, there is a certificate.
///
/// # Errors
/// Returns an error if a part cannot be started, or `serve` fails.
pub(super) fn run<L>(
    config: &Config,
    encrypted: bool,
    listen: impl FnOnce() -> anyhow::Result<L>,
    serve: impl AsyncFnOnce(Parts<L>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let accounts = settings::accounts(config);
    settings::check_accounts_and_paths(config, &accounts)?;
    let spawner = SpawnerProcess::start(SpawnerSettings {
        accounts: accounts.clone(),
        grace: config.run.stop_grace,
        temp_dir: config.run.temp_dir.clone(),
        cgroups: config.run.cgroup == Cgroup::Auto,
    })
    .context("the spawner cannot be started")?;
    let hostname = nix::unistd::gethostname()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let tls = if encrypted {
        Some(tls::server_config(config, &hostname)?)
    } else {
        None
    };
    process::raise_descriptor_limit(config);
    process::return_freed_memory();

    // One thread: a key and a byte never wait for another core to wake up, and memory stays small.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(RUNTIME_EVENT_INTERVAL)
        .build()?;
    let result = runtime.block_on(async {
        let listeners = listen()?;
        let engine = Engine::new(spawner, settings::engine_settings(config, accounts))?;
        process::drop_privileges(&config.server.account)?;
        serve(Parts {
            engine,
            hostname,
            tls,
            listeners,
        })
        .await
    });
    // Neither a name lookup that hangs nor a spawner that does may delay the exit.
    runtime.shutdown_background();
    result
}

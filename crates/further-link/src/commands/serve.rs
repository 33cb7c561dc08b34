//! `further-link serve`: puts the parts together in the order that their rights demand.
//!
//! The spawner comes first, while there is one thread and all rights. Then what only root may read or
//! bind. Then this process gives its rights up, and only after that it listens to strangers.

use crate::config::{Auth, Cgroup, Config, RunnerRow, check_auth};
use crate::logging::{self, LogFormat};
use crate::tls;
use anyhow::{Context as _, bail};
use further_link_engine::{
    Account, Accounts, Engine, EngineSettings, Runner, RunnerTable, SpawnerProcess, SpawnerSettings,
};
use further_link_server::{GateSettings, Limits, Server, ServerSettings, bind};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The account that the part of the server that faces the network becomes, if it exists.
const OWN_ACCOUNT: &str = "further-link";
/// The account that it becomes otherwise.
const NOBODY: &str = "nobody";
/// How long the end may take beyond the grace time of programs.
const END_TIMEOUT: Duration = Duration::from_secs(8);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// If it cannot begin, or the spawner is lost.
pub(crate) fn run(config: &Config) -> anyhow::Result<()> {
    if let Err(refusal) = check_auth(config) {
        bail!(refusal);
    }
    logging::init(&config.log.level, config.log.format)?;

    let accounts = Accounts::new(
        Account::of_this_process(),
        some(&config.run.user),
        config.run.accounts.clone(),
    );
    if accounts.default == "root" {
        tracing::warn!(
            "programs run as root, unless a client names another user; run.user changes that"
        );
    }
    let spawner = SpawnerProcess::start(SpawnerSettings {
        accounts: accounts.clone(),
        grace: config.run.stop_grace,
        cgroups: config.run.cgroup == Cgroup::Auto,
    })
    .context("the spawner cannot be started")?;
    let hostname = nix::unistd::gethostname()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let tls = if config.tls.enabled {
        Some(tls::server_config(config, &hostname)?)
    } else {
        None
    };
    raise_descriptor_limit();

    // One thread: a key and a byte never wait for another core to wake up, and memory stays small.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listeners = listen(config)?;
        give_up_rights(&config.server.account)?;
        let engine = Engine::new(spawner, engine_settings(config, accounts))?;
        serve(config, engine, &hostname, tls, listeners).await
    })
}

async fn serve(
    config: &Config,
    engine: Engine,
    hostname: &str,
    tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>,
    listeners: Vec<TcpListener>,
) -> anyhow::Result<()> {
    let settings = ServerSettings {
        gate: GateSettings {
            hosts: config.server.hosts.clone(),
            origins: config.server.origins.clone(),
        },
        limits: Limits {
            message_bytes: config.limits.message_bytes,
            jobs_per_client: config.limits.jobs_per_client,
            pong_timeout: config.limits.pong_timeout,
        },
        max_connections: config.limits.connections,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let server = Server::new(engine.clone(), settings, hostname, tls)?;

    // Before anybody is told that we are there: whoever reads that may stop us at once.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    for listener in &listeners {
        announce(config, listener.local_addr()?);
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let watchdog = tokio::spawn(feed_watchdog());

    let lost_spawner = Cell::new(false);
    let stop = async {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
            () = engine.spawner_ended() => lost_spawner.set(true),
        }
        tracing::info!("stopping");
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    };
    let end = async {
        server.serve(listeners, stop).await;
        engine.shut_down().await;
    };
    let mut end = std::pin::pin!(end);
    // The end has a deadline of its own, from the moment that it was asked for.
    tokio::select! {
        () = &mut end => {}
        () = deadline(config.run.stop_grace + END_TIMEOUT) => {
            tracing::warn!("something would not end in time; leaving it to the spawner");
        }
    }
    watchdog.abort();
    if lost_spawner.get() {
        bail!("the spawner has ended, and with it all programs");
    }
    Ok(())
}

/// Completes `limit` after this process was asked to end, or at once when it is asked again.
async fn deadline(limit: Duration) {
    let (Ok(mut terminated), Ok(mut interrupted)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tokio::select! {
        () = tokio::time::sleep(limit) => {}
        _ = interrupted.recv() => {}
    }
}

/// Tells systemd that this process is well, as often as it asks for that (`sd_notify(3)`).
async fn feed_watchdog() {
    let Some(period) = sd_notify::watchdog_enabled() else {
        return;
    };
    loop {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        tokio::time::sleep(period / 2).await;
    }
}

fn listen(config: &Config) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in &config.server.bind {
        // With port 0 the first socket picks one, and the others take the same.
        let port = match listeners.first() {
            Some(first) => first.local_addr()?.port(),
            None => config.server.port,
        };
        let address = SocketAddr::new(*address, port);
        let listener = bind(address)
            .with_context(|| format!("port {port} on {} cannot be opened", address.ip()))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Says where to click. Plain HTTP is served to this device itself, others need https if it is on.
fn announce(config: &Config, address: SocketAddr) {
    let port = address.port();
    let ip = address.ip();
    let url = |ip: IpAddr| {
        let scheme = if config.tls.enabled && !ip.is_loopback() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", SocketAddr::new(ip, port))
    };
    let own = match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let others: Vec<_> = if ip.is_unspecified() {
        network_addresses()
            .into_iter()
            .filter(|other| other.is_ipv4() == ip.is_ipv4())
            .map(url)
            .collect()
    } else {
        Vec::new()
    };
    let own = url(own);
    if config.log.format == LogFormat::Json {
        tracing::info!(%address, url = own, "listening");
    } else {
        eprintln!("Further Link is ready: open {own} in a browser (Ctrl-C stops it)");
        for other in others {
            eprintln!("From other devices: {other}");
        }
    }
    if config.server.auth == Auth::Open && !ip.is_loopback() {
        tracing::warn!("everybody who reaches {address} may run programs on this device");
    }
}

/// The addresses by which this device is reached from its networks.
fn network_addresses() -> Vec<IpAddr> {
    nix::ifaddrs::getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address
                .as_sockaddr_in()
                .map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| {
                address
                    .as_sockaddr_in6()
                    .map(|address| IpAddr::V6(address.ip()))
            })
        })
        .filter(|ip| match ip {
            IpAddr::V4(ip) => !ip.is_loopback(),
            // Without the interface's name, a link-local address leads nowhere.
            IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
        })
        .collect()
}

fn engine_settings(config: &Config, accounts: Accounts) -> EngineSettings {
    let mut runners = RunnerTable::default();
    for row in &config.runners {
        if row.disabled {
            runners.remove(&row.name);
        } else {
            runners.add(runner(row));
        }
    }
    let path = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
    EngineSettings {
        accounts,
        runners,
        work_dir: path(&config.run.work_dir),
        temp_dir: config.run.temp_dir.clone(),
        venv: path(&config.run.venv),
        environment: config.run.environment.clone().into_iter().collect(),
        pass_environment: config.run.pass_environment.clone(),
        max_jobs: config.limits.jobs,
    }
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

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Each job has up to three descriptors here, each client one.
fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Becomes an account without rights, if this is root. Whoever takes this process over then has the
/// spawner's closed list of requests, and nothing else.
fn give_up_rights(configured: &str) -> anyhow::Result<()> {
    if !Uid::effective().is_root() || configured == "root" {
        return Ok(());
    }
    let account = if configured.is_empty() {
        Account::by_name(OWN_ACCOUNT).or_else(|_| Account::by_name(NOBODY))
    } else {
        Account::by_name(configured)
    }
    .context("server.account: the server cannot give up root's rights")?;
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    nix::unistd::setgroups(&[])
        .and_then(|()| nix::unistd::setresgid(gid, gid, gid))
        .and_then(|()| nix::unistd::setresuid(uid, uid, uid))
        .and_then(|()| nix::sys::prctl::set_no_new_privs())
        .with_context(|| {
            format!(
                "the server cannot become user {} (server.account = \"root\" would keep it root)",
                account.name
            )
        })?;
    tracing::debug!(account = account.name, "gave up root's rights");
    Ok(())
}

//! What all servers have in common: put together in the order that their rights demand, and ended in order.
//!
//! The spawner comes first, while there is one thread and all rights. Then what only root may read or
//! bind. Then this process gives its rights up, and only after that it listens to strangers.

use crate::config::{Cgroup, Compression, Config, RunnerRow};
use crate::{python_package, tls};
use anyhow::{Context as _, bail};
use further_link_engine::{
    Account, Accounts, Engine, EngineSettings, Runner, RunnerTable, SpawnerProcess, SpawnerSettings,
};
use further_link_server::{DownloadSettings, GateSettings, Limits, ServerSettings, bind};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::rustls::ServerConfig;

/// The account that the part of the server that faces the network becomes, if it exists.
const UNPRIVILEGED_ACCOUNT: &str = "further-link";
/// The account that it becomes otherwise.
const FALLBACK_ACCOUNT: &str = "nobody";
/// Descriptors that the server itself needs: standard streams, listeners, the runtime, the spawner; and 8 uploads
/// with 4 downloads each, a socket and a file.
const RESERVED_DESCRIPTORS: usize = 32 + 2 * 8 * 4;
/// How long the end may take beyond the grace time of programs.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(8);
/// Turns of tasks after which the runtime looks for news of sockets and terminals, if tasks are always
/// ready. The default, 61, is 80 ms beside a flood, in which each turn carries 64 KiB or more. Two, so that
/// the way of a key's echo, from the job's task to the client's, has no look in it.
const RUNTIME_EVENT_INTERVAL: u32 = 2;

/// What a server is made of.
pub(super) struct Parts<L> {
    pub(super) engine: Engine,
    /// The device's name; empty if it has none.
    pub(super) hostname: String,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// What `listen` of [`run`] has opened.
    pub(super) listeners: L,
}

/// Completes when the server is to stop.
pub(super) type Stop<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Makes the parts and has `serve` make a server of them. `listen` opens the ports, while there are rights to. If it is
/// to be `encrypted`, there is a certificate.
///
/// # Errors
/// If something cannot begin, or `serve` fails.
pub(super) fn run<L>(
    config: &Config,
    encrypted: bool,
    listen: impl FnOnce() -> anyhow::Result<L>,
    serve: impl AsyncFnOnce(Parts<L>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let accounts = Accounts::new(
        Account::of_this_process(),
        some(&config.run.user),
        config.run.accounts.clone(),
    );
    warn_about_accounts_and_paths(config, &accounts)?;
    if accounts.default == "root" {
        tracing::warn!(
            "programs run as root, unless a client names another user; run.user changes that"
        );
    }
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
    raise_descriptor_limit(config);

    return_freed_memory();

    // One thread: a key and a byte never wait for another core to wake up, and memory stays small.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(RUNTIME_EVENT_INTERVAL)
        .build()?;
    let result = runtime.block_on(async {
        let listeners = listen()?;
        let engine = Engine::new(spawner, engine_settings(config, accounts))?;
        drop_privileges(&config.server.account)?;
        serve(Parts {
            engine,
            hostname,
            tls,
            listeners,
        })
        .await
    });
    // A look-up that hangs, or a spawner that does, must not hold the end up.
    runtime.shutdown_background();
    result
}

/// Has `serve` serve until SIGTERM or SIGINT, and then ends all programs. `announce` tells people that we are there.
///
/// # Errors
/// If the spawner is lost.
pub(super) async fn until_stopped(
    config: &Config,
    engine: &Engine,
    announce: impl FnOnce() -> anyhow::Result<()>,
    serve: impl AsyncFnOnce(Stop<'_>),
) -> anyhow::Result<()> {
    // Before anybody is told that we are there: whoever reads that may stop us at once.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut hung_up = hangup()?;
    announce()?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let watchdog = tokio::spawn(feed_watchdog());

    let lost_spawner = Cell::new(false);
    let stop = async {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
            () = hung_up.recv() => {}
            () = engine.spawner_ended() => lost_spawner.set(true),
        }
        tracing::info!("stopping");
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    };
    let end = async {
        serve(Box::pin(stop)).await;
        engine.shut_down().await;
    };
    let mut end = std::pin::pin!(end);
    // The end has a deadline of its own, from the moment that it was asked for.
    tokio::select! {
        () = &mut end => {}
        () = deadline(config.run.stop_grace + SHUTDOWN_MARGIN) => {
            tracing::warn!("not waiting any longer; what still runs is killed");
        }
    }
    watchdog.abort();
    if lost_spawner.get() {
        bail!(
            "the process that starts programs (the spawner) has ended. Its programs were killed; what those \
             had started ends at the next start at the latest"
        );
    }
    Ok(())
}

/// What of the configuration all servers need; `ports` are those of a server that has several.
pub(super) fn server_settings(config: &Config, ports: Vec<u16>) -> ServerSettings {
    ServerSettings {
        gate: GateSettings {
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

/// SIGHUP, by which a terminal says that it is closed.
struct HangUp(Option<tokio::signal::unix::Signal>);

impl HangUp {
    async fn recv(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Listens for SIGHUP, unless it is ignored: `nohup(1)` starts programs like that, so that they go on
/// without their terminal.
fn hangup() -> std::io::Result<HangUp> {
    // proc_pid_status(5): a mask in hexadecimal, SIGHUP is its lowest bit.
    let ignored = std::fs::read_to_string("/proc/self/status")?
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 != 0);
    Ok(HangUp(if ignored {
        None
    } else {
        Some(signal(SignalKind::hangup())?)
    }))
}

/// Completes `limit` after this process was asked to end, or at once when it is asked again.
async fn deadline(limit: Duration) {
    let (Ok(mut terminated), Ok(mut interrupted), Ok(mut hung_up)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        hangup(),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
        () = hung_up.recv() => {}
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

/// Finds mistakes that would otherwise show at the first program.
fn warn_about_accounts_and_paths(config: &Config, accounts: &Accounts) -> anyhow::Result<()> {
    if !config.run.user.is_empty() {
        Account::by_name(&accounts.default).context("run.user")?;
    }
    for name in &config.run.accounts {
        if let Err(error) = Account::by_name(name) {
            tracing::warn!("run.accounts: {error}");
        }
    }
    let temp = &config.run.temp_dir;
    if !temp.is_dir() {
        tracing::warn!("run.temp_dir: there is no folder {}", temp.display());
    }
    // Those below a home are each account's own business.
    let venv = &config.run.venv;
    if venv.is_absolute() && !venv.join("bin/python3").exists() {
        let venv = venv.display();
        tracing::warn!("run.venv: there is no {venv}/bin/python3; programs run without it");
    }
    let work = &config.run.work_dir;
    if work.is_absolute() && work.exists() && !work.is_dir() {
        tracing::warn!("run.work_dir: {} is no folder", work.display());
    }
    Ok(())
}

/// Opens `port` on all addresses.
pub(super) fn listen(bind_to: &[IpAddr], port: u16) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in bind_to {
        // With port 0 the first socket picks one, and the others take the same.
        let port = match listeners.first() {
            Some(first) => first.local_addr()?.port(),
            None => port,
        };
        let address = SocketAddr::new(*address, port);
        let v4_too = bind_to.iter().any(IpAddr::is_ipv4);
        let listener = bind(address, v4_too)
            .with_context(|| format!("port {port} on {} cannot be opened", address.ip()))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// The address by which this device itself reaches what listens on `ip`.
pub(super) fn address_for_people(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// The addresses by which this device is reached from its networks.
pub(super) fn network_addresses() -> Vec<IpAddr> {
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
        projects_dir: config.miniscreen.projects_dir.clone(),
        temp_dir: config.run.temp_dir.clone(),
        venv: path(&config.run.venv),
        environment: config.run.environment.clone().into_iter().collect(),
        pass_environment: config.run.pass_environment.clone(),
        package: python_package(config),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        max_jobs: config.limits.jobs,
    }
}

/// Where the Python package is. Without it programs still run, so this is no reason not to.
fn python_package(config: &Config) -> Option<PathBuf> {
    python_package::unpacked(config.state_dir())
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

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Allows this process as many descriptors as it may have, and says so if that is too few.
fn raise_descriptor_limit(config: &Config) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    if soft < hard {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    // One for each client; for each program three streams, three sockets, and a connection to one.
    let needed = config.limits.connections + 7 * config.limits.jobs + RESERVED_DESCRIPTORS;
    if (hard as u128) < needed as u128 {
        tracing::warn!(
            "the limits permit {needed} open descriptors, but this process may have only {hard}: \
             some clients and programs will be refused (ulimit -n, LimitNOFILE=)"
        );
    }
}

/// Becomes an account without rights, if this is root. Whoever takes this process over then has the
/// spawner's closed list of requests, and nothing else.
fn drop_privileges(configured: &str) -> anyhow::Result<()> {
    if !Uid::effective().is_root() || configured == "root" {
        return Ok(());
    }
    let account = if configured.is_empty() {
        Account::by_name(UNPRIVILEGED_ACCOUNT).or_else(|_| Account::by_name(FALLBACK_ACCOUNT))
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

/// Has the allocator return large blocks to the system as soon as they are free (`mallopt(3)`). By itself it
/// keeps ever larger ones once it has seen them: after a busy hour, an idle server would hold megabytes.
fn return_freed_memory() {
    // Bytes: a log of a flood, a message of some size. What a prompt needs is far below.
    #[cfg(target_env = "gnu")]
    const LARGE: libc::c_int = 64 * 1024;
    #[cfg(target_env = "gnu")]
    // SAFETY: called before there are other threads; both are documented parameters.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * LARGE);
    }
}

//! `further-link terminal`: the small server for terminals in web pages.

use super::server::{self, Parts, listen, local_address, network_addresses, serve_until_stopped};
use crate::cli::TerminalArgs;
use crate::config::Config;
use crate::logging::{self, LogFormat};
use anyhow::{Context as _, bail};
use further_link_server::{TerminalServer, TerminalSettings};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

/// Sets the token unseen: other users of the device can read a command line.
const TOKEN_VARIABLE: &str = "FURTHER_LINK_TERMINAL_TOKEN";
/// Shortest token: nothing but the network limits how often somebody guesses.
const TOKEN_MIN_CHARS: usize = 8;

/// The open ports of both kinds.
struct Listeners {
    http: Vec<TcpListener>,
    websocket: Vec<TcpListener>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Returns an error if the server cannot be started, or the spawner has ended.
pub(crate) fn run(config: &Config, arguments: &TerminalArgs) -> anyhow::Result<()> {
    let level = match (arguments.quiet, arguments.debug) {
        (true, _) => "error",
        (_, true) => "debug",
        _ => &config.log.level,
    };
    logging::init(level, config.log.format)?;
    if arguments.use_conpty || arguments.use_conhost {
        tracing::warn!("--use-conpty and --use-conhost belong to Windows, and do nothing here");
    }
    let settings = settings(config, arguments)?;
    // Only other devices need encryption.
    let open = arguments
        .bind
        .0
        .iter()
        .any(|ip| !ip.to_canonical().is_loopback());
    server::run(
        config,
        config.tls.enabled && open,
        || open_ports(arguments),
        async |parts| serve(config, arguments, settings, parts).await,
    )
}

fn settings(config: &Config, arguments: &TerminalArgs) -> anyhow::Result<TerminalSettings> {
    let document_root = arguments.docroot.as_deref().map(document_root);
    Ok(TerminalSettings {
        initial_size: arguments.initial_size,
        document_root: document_root.transpose()?,
        upload_folder: arguments
            .upload_dir
            .as_ref()
            .map(std::path::absolute)
            .transpose()
            .context("--upload-dir")?,
        welcome: !arguments.no_welcome,
        idle: arguments.idle,
        token: token(arguments)?,
        max_sessions: config.limits.jobs,
        max_sessions_per_client: config.limits.jobs_per_client,
        clock: utc_offset_seconds,
    })
}

fn document_root(dir: &Path) -> anyhow::Result<PathBuf> {
    let found = dir
        .canonicalize()
        .with_context(|| format!("--docroot {}", dir.display()))?;
    if !found.is_dir() {
        bail!("--docroot {}: this is not a directory", dir.display());
    }
    Ok(found)
}

fn token(arguments: &TerminalArgs) -> anyhow::Result<Option<String>> {
    let variable = || std::env::var(TOKEN_VARIABLE).ok();
    let token = arguments.token.clone().or_else(variable);
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    if token.chars().count() < TOKEN_MIN_CHARS
        || !token.chars().all(|letter| letter.is_ascii_graphic())
    {
        bail!(
            "the token (--token, {TOKEN_VARIABLE}) needs at least {TOKEN_MIN_CHARS} letters, digits \
             or signs, without spaces"
        );
    }
    Ok(Some(token))
}

fn open_ports(arguments: &TerminalArgs) -> anyhow::Result<Listeners> {
    let addresses = &arguments.bind.0;
    let http = match arguments.no_http {
        true => Vec::new(),
        false => listen(addresses, arguments.http)?,
    };
    // The HTTP port speaks WebSocket too, so one port is enough for both.
    let shared = !arguments.no_http && arguments.ws != 0 && arguments.ws == arguments.http;
    let websocket = match arguments.no_websocket || shared {
        true => Vec::new(),
        false => listen(addresses, arguments.ws)?,
    };
    Ok(Listeners { http, websocket })
}

async fn serve(
    config: &Config,
    arguments: &TerminalArgs,
    settings: TerminalSettings,
    parts: Parts<Listeners>,
) -> anyhow::Result<()> {
    let Parts {
        engine,
        hostname,
        tls,
        listeners: Listeners { http, websocket },
    } = parts;
    let addresses = |listeners: &[TcpListener]| {
        let addresses = listeners.iter().map(TcpListener::local_addr);
        addresses.collect::<Result<Vec<_>, _>>()
    };
    let (http_at, websocket_at) = (addresses(&http)?, addresses(&websocket)?);
    let mut ports: Vec<_> = http_at
        .iter()
        .chain(&websocket_at)
        .map(SocketAddr::port)
        .collect();
    ports.dedup();
    let server = TerminalServer::new(
        engine.clone(),
        server::server_settings(config, ports),
        settings,
        &hostname,
        tls,
    )?;
    let announce = || {
        announce(config, arguments, &http_at, &websocket_at);
        Ok(())
    };
    serve_until_stopped(config, &engine, announce, async |stop| {
        server.serve(http, websocket, stop).await;
    })
    .await
}

/// Prints the addresses to open.
fn announce(
    config: &Config,
    arguments: &TerminalArgs,
    http: &[SocketAddr],
    websocket: &[SocketAddr],
) {
    let url =
        |scheme: &str, ip: IpAddr, port: u16| format!("{scheme}://{}", SocketAddr::new(ip, port));
    let own =
        |scheme, address: &SocketAddr| url(scheme, local_address(address.ip()), address.port());
    let mut text = String::new();
    for address in http {
        let own = own("http", address);
        text += &format!("Terminals are ready: open {own} in a browser (Ctrl-C stops them)\n");
    }
    for address in websocket {
        if http.is_empty() {
            text += "Terminals are ready (Ctrl-C stops them)\n";
        }
        text += &format!("WebSocket clients connect to {}/\n", own("ws", address));
    }
    for address in http.iter().filter(|address| address.ip().is_unspecified()) {
        for other in network_addresses() {
            if other.is_ipv4() == address.is_ipv4() {
                let url = url("http", other, address.port());
                text += &format!("From other devices: {url}\n");
            }
        }
    }
    if config.log.format == LogFormat::Json {
        tracing::info!(?http, ?websocket, "listening");
    } else if !arguments.quiet {
        logging::print_to_stderr(&text);
    }
    for address in http.iter().chain(websocket) {
        if !address.ip().to_canonical().is_loopback() {
            tracing::warn!("everybody who reaches {address} may run programs on this device");
        }
    }
}

/// Returns how many seconds local time is ahead of UTC at `seconds` since the epoch.
fn utc_offset_seconds(seconds: i64) -> i64 {
    // Has 32 bits on some devices, until 2038.
    let time = seconds as libc::time_t;
    let mut local = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call, which writes to the second (localtime_r(3)).
    // Nothing in this process changes the environment, from which the time zone is read.
    #[allow(unsafe_code, clippy::useless_conversion)]
    unsafe {
        match libc::localtime_r(&raw const time, local.as_mut_ptr()).is_null() {
            true => 0,
            // All zeroes are a valid value, too. The offset has 32 bits on some devices.
            false => local.assume_init().tm_gmtoff.into(),
        }
    }
}

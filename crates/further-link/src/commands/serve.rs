//! `further-link serve`: the main server.

use super::server::{self, Parts, listen, local_address, network_addresses, serve_until_stopped};
use crate::config::{Auth, Config, check_auth};
use crate::logging::{self, LogFormat};
use further_link_server::Server;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpListener;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Returns an error if the server cannot be started, or the spawner has ended.
pub(crate) fn run(config: &Config) -> anyhow::Result<()> {
    check_auth(config)?;
    logging::init(&config.log.level, config.log.format)?;
    server::run(
        config,
        config.tls.enabled,
        || listen(&config.server.bind, config.server.port),
        async |parts| serve(config, parts).await,
    )
}

async fn serve(config: &Config, parts: Parts<Vec<TcpListener>>) -> anyhow::Result<()> {
    let Parts {
        engine,
        hostname,
        tls,
        listeners,
    } = parts;
    let settings = server::server_settings(config, Vec::new());
    let server = Server::new(engine.clone(), settings, &hostname, tls)?;
    let addresses = listeners.iter().map(TcpListener::local_addr);
    let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
    let announce = || {
        for address in addresses {
            announce(config, address);
        }
        Ok(())
    };
    serve_until_stopped(config, &engine, announce, async |stop| {
        server.serve(listeners, stop).await;
    })
    .await
}

/// Prints the addresses to open. Only this device itself is served plain HTTP if TLS is on.
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
    let others: Vec<_> = if ip.is_unspecified() {
        network_addresses()
            .into_iter()
            .filter(|other| other.is_ipv4() == ip.is_ipv4())
            .map(url)
            .collect()
    } else {
        Vec::new()
    };
    let own = url(local_address(ip));
    if config.log.format == LogFormat::Json {
        tracing::info!(%address, url = own, "listening");
    } else {
        let mut text =
            format!("Further Link is ready: open {own} in a browser (Ctrl-C stops it)\n");
        for other in others {
            text += &format!("From other devices: {other}\n");
        }
        logging::print_to_stderr(&text);
    }
    if config.server.auth == Auth::Open && !ip.is_loopback() {
        tracing::warn!("everybody who reaches {address} may run programs on this device");
    }
}

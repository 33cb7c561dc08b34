//! Listening sockets, and the addresses to print for people.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;
use further_link_server::bind;
use tokio::net::TcpListener;

/// Listens on `port` of all addresses.
pub(in crate::commands) fn listen(
    addresses: &[IpAddr],
    port: u16,
) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in addresses {
        // With port 0 the first socket picks one, and the others take the same.
        let port = match listeners.first() {
            Some(first) => first.local_addr()?.port(),
            None => port,
        };
        let address = SocketAddr::new(*address, port);
        let v4_too = addresses.iter().any(IpAddr::is_ipv4);
        let listener = bind(address, v4_too)
            .with_context(|| format!("port {port} on {} cannot be opened", address.ip()))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Returns the address by which this device itself reaches what listens on `ip`.
pub(in crate::commands) fn local_address(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// Returns the addresses by which other devices reach this one.
pub(in crate::commands) fn network_addresses() -> Vec<IpAddr> {
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

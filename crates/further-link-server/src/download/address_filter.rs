//! Which addresses belong to the internet, and which to this device or to the networks near it.

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of IPv4 that are no part of the internet, or have nothing to download: the registry of
/// special purpose addresses (RFC 6890 and what IANA has added) and multicast.
const NON_PUBLIC_NETWORKS_V4: [(Ipv4Addr, u32); 15] = [
    // This network, and 0.0.0.0, which Linux connects to itself.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private.
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Between a provider and its customers.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local; clouds answer there with their machines' keys.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Private.
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    // Protocol assignments, among them the near end of DS-Lite.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    // The nearest 6to4 relay.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Private.
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Benchmarks.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Documentation.
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, and broadcast.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// All that is given out of IPv6. Outside of it are loopback, link-local, unique local, multicast,
/// the unspecified address, and addresses that hold one of IPv4 in a way that nobody uses any more.
const PUBLIC_NETWORK_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What inside of that is not the internet.
const NON_PUBLIC_NETWORKS_V6: [(Ipv6Addr, u32); 4] = [
    // Protocol assignments: Teredo, which holds an address of IPv4, benchmarks, resolver of hosts.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4: holds an address of IPv4, which its relays send to.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    // Documentation.
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// A network around this device with more addresses than that is a whole family of them (as of a
/// tunnel that everything goes through), and says nothing about who is near.
const PREFIX_MIN_BITS_V4: u32 = 8;
const PREFIX_MIN_BITS_V6: u32 = 16;

/// Decides which addresses may be connected to.
#[derive(Debug)]
pub(super) enum AddressFilter {
    /// All of them.
    Open,
    /// Those of the internet, without the networks that this device is in: by IPv6, and sometimes
    /// by IPv4, they have public addresses too. This device's own are among them.
    Public(Vec<Subnet>),
    /// This one, as if it were of the internet.
    #[cfg(test)]
    Only(IpAddr),
}

/// Addresses that begin with the same bits as this one, so many of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subnet(pub(super) IpAddr, pub(super) u32);

impl AddressFilter {
    /// Returns a filter for public addresses (SSRF protection). Reads the interfaces each time: a
    /// device moves from one network to another.
    pub(super) fn public() -> nix::Result<Self> {
        let networks = getifaddrs()?.filter_map(|interface| {
            let address = ip(&interface.address?)?;
            Some(Subnet::around(
                address,
                interface.netmask.and_then(|mask| ip(&mask)),
            ))
        });
        Ok(Self::Public(networks.collect()))
    }

    pub(super) fn allows(&self, ip: IpAddr) -> bool {
        match self {
            Self::Open => true,
            Self::Public(networks) => {
                let ip = destination(ip);
                is_public(ip) && !networks.iter().any(|network| network.contains(ip))
            }
            #[cfg(test)]
            Self::Only(permitted) => ip == *permitted,
        }
    }

    /// Returns whether an established connection is allowed. One whose two ends have the same
    /// address is to this device, by whatever rule of routing, even if no interface has the
    /// address.
    pub(super) fn allows_connection(&self, from: IpAddr, to: IpAddr) -> bool {
        self.allows(to) && !(matches!(self, Self::Public(_)) && from == to)
    }
}

impl Subnet {
    /// Returns the network of an interface; only its address if there is no mask, or one that says
    /// nothing.
    pub(super) fn around(address: IpAddr, mask: Option<IpAddr>) -> Self {
        let (shortest, full) = match address {
            IpAddr::V4(_) => (PREFIX_MIN_BITS_V4, Ipv4Addr::BITS),
            IpAddr::V6(_) => (PREFIX_MIN_BITS_V6, Ipv6Addr::BITS),
        };
        let length = match mask {
            Some(IpAddr::V4(mask)) => mask.to_bits().leading_ones(),
            Some(IpAddr::V6(mask)) => mask.to_bits().leading_ones(),
            None => full,
        };
        Self(address, if length < shortest { full } else { length })
    }

    fn contains(self, ip: IpAddr) -> bool {
        match (self.0, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => is_in_v4(ip, (network, self.1)),
            (IpAddr::V6(network), IpAddr::V6(ip)) => is_in_v6(ip, (network, self.1)),
            _ => false,
        }
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

/// Returns the address of IPv4 that an address of IPv6 stands for: written as one of IPv6
/// (`::ffff:0:0/96`), or translated on its way (NAT64, RFC 6052), by which networks without IPv4
/// reach the rest of the internet.
fn destination(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
            }
            _ => ip,
        },
        IpAddr::V4(_) => ip,
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !NON_PUBLIC_NETWORKS_V4
            .iter()
            .any(|network| is_in_v4(v4, *network)),
        IpAddr::V6(v6) => {
            is_in_v6(v6, PUBLIC_NETWORK_V6)
                && !NON_PUBLIC_NETWORKS_V6
                    .iter()
                    .any(|network| is_in_v6(v6, *network))
        }
    }
}

fn is_in_v4(ip: Ipv4Addr, (network, length): (Ipv4Addr, u32)) -> bool {
    (ip.to_bits() ^ network.to_bits()).leading_zeros() >= length
}

fn is_in_v6(ip: Ipv6Addr, (network, length): (Ipv6Addr, u32)) -> bool {
    (ip.to_bits() ^ network.to_bits()).leading_zeros() >= length
}

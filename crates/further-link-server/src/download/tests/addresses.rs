//! Which addresses are asked, however they are written.

use super::*;
use crate::download::address_filter::{AddressFilter, Subnet};
use crate::download::connect::{CANDIDATES_MAX_COUNT, candidates};

fn public() -> AddressFilter {
    AddressFilter::Public(Vec::new())
}

#[test]
fn internet_addresses_are_public() {
    for ip in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2000::",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700::1111",
        "3ffe::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ] {
        assert!(public().allows(ip.parse().unwrap()), "{ip}");
    }
}

#[test]
fn private_and_reserved_addresses_are_not_public() {
    for ip in [
        // Each network at both ends.
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.0",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.255",
        "192.0.2.0",
        "192.0.2.255",
        "192.88.99.0",
        "192.88.99.255",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.0",
        "198.51.100.255",
        "203.0.113.0",
        "203.0.113.255",
        "224.0.0.0",
        "239.255.255.255",
        "240.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:0:8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:192.168.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:0:808:808::1",
        "2001:2::1",
        "2001:10::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2001:db8:ffff::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff::1",
        "5f00::1",
        "fc00::1",
        "fd00::1",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ] {
        assert!(!public().allows(ip.parse().unwrap()), "{ip}");
        assert!(AddressFilter::Open.allows(ip.parse().unwrap()), "{ip}");
    }
}

#[test]
fn public_addresses_in_own_subnets_are_forbidden() {
    let around = |address: &str, mask: Option<&str>| {
        let mask = mask.map(|mask| mask.parse().unwrap());
        Subnet::around(address.parse().unwrap(), mask)
    };
    let filter = AddressFilter::Public(vec![
        around("8.8.8.8", Some("255.255.255.0")),
        around("9.9.9.9", None),
        around("2606:4700::1111", Some("ffff:ffff:ffff:ffff::")),
        // Tunnels that everything goes through.
        around("1.2.3.4", Some("0.0.0.0")),
        around("2a00::1", Some("::")),
    ]);
    for ip in [
        "8.8.8.8",
        "8.8.8.1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.1",
        "9.9.9.9",
        "2606:4700::1111",
        "2606:4700::2:3:4:5",
        "1.2.3.4",
        "2a00::1",
    ] {
        assert!(!filter.allows(ip.parse().unwrap()), "{ip}");
    }
    for ip in [
        "8.8.9.1",
        "9.9.9.8",
        "2606:4700:0:1::1",
        "1.2.3.5",
        "2a00::2",
    ] {
        assert!(filter.allows(ip.parse().unwrap()), "{ip}");
    }
}

#[test]
fn connection_to_own_address_is_forbidden() {
    let filter = public();
    // An address of no interface, which is routed to this device all the same.
    let routed = "9.9.9.9".parse().unwrap();
    assert!(filter.allows(routed));
    assert!(!filter.allows_connection(routed, routed));
    assert!(filter.allows_connection("1.2.3.4".parse().unwrap(), routed));
    assert!(AddressFilter::Open.allows_connection(routed, routed));
}

#[test]
fn own_addresses_are_found() {
    let AddressFilter::Public(networks) = AddressFilter::public().unwrap() else {
        panic!("a filter that lets all pass");
    };
    let loopback = |subnet: &Subnet| subnet.0.is_loopback() && subnet.1 == 8;
    assert!(networks.iter().any(loopback), "{networks:?}");
    // Some machines are without IPv6.
    let v6 = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let found = networks.iter().filter(|subnet| subnet.0.is_ipv6()).count();
    assert_eq!(found, v6.lines().count(), "{networks:?}");
}

/// Returns the candidates of a name with these addresses.
fn candidates_of(url: &str, found: &[&str]) -> Vec<String> {
    let found = found
        .iter()
        .map(|ip| SocketAddr::new(ip.parse().unwrap(), 7));
    let url = url.parse().unwrap();
    let candidates = candidates(&url, found.collect(), &public()).unwrap();
    candidates.iter().map(ToString::to_string).collect()
}

#[test]
fn private_addresses_are_no_candidates() {
    let found = ["127.0.0.1", "8.8.8.8", "192.168.1.1", "::1", "1.1.1.1"];
    for (url, port) in [
        ("http://a.example/", 80),
        ("https://a.example/", 443),
        ("https://a.example:80/", 80),
    ] {
        let expected = [format!("8.8.8.8:{port}"), format!("1.1.1.1:{port}")];
        assert_eq!(candidates_of(url, &found), expected);
    }
}

#[test]
fn candidates_alternate_between_families() {
    let found = ["2a00::1", "2a00::2", "2a00::3", "1.1.1.1", "1.1.1.2"];
    assert_eq!(
        candidates_of("http://a.example/", &found),
        [
            "[2a00::1]:80",
            "1.1.1.1:80",
            "[2a00::2]:80",
            "1.1.1.2:80",
            "[2a00::3]:80"
        ]
    );
    assert_eq!(
        candidates_of("http://a.example/", &["1.1.1.1", "1.1.1.2", "2a00::1"]),
        ["1.1.1.1:80", "[2a00::1]:80", "1.1.1.2:80"]
    );
    let many: Vec<_> = (0..100).map(|number| format!("1.1.1.{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(
        candidates_of("http://a.example/", &many).len(),
        CANDIDATES_MAX_COUNT
    );
}

#[tokio::test]
async fn this_device_is_reached_only_if_configured() {
    let site = Site::sending(ok("secret")).await;
    let port = site.address.port();
    let own = vec![site.address];
    let resolver = Table::with([
        ("localhost", own.clone()),
        ("localhost.", own.clone()),
        ("rebound.example", own.clone()),
        ("xn--mnchen-3ya.example", own),
    ]);
    let downloader = closed(Arc::clone(&resolver));
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0X7F000001",
        "017700000001",
        "0177.0.0.1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "rebound.example",
        "münchen.example",
    ] {
        let sentence = refusal(&downloader, &format!("http://{host}:{port}/a?SECRET")).await;
        assert!(sentence.contains("private network"), "{host}: {sentence}");
        refusal(&downloader, &format!("https://{host}:{port}/a?SECRET")).await;
    }
    refusal(&downloader, &format!("http:\\\\127.0.0.1:{port}\\a")).await;
    refusal(&downloader, &format!(" ht\ntp:127.0.0.1:{port}/a")).await;
    assert_eq!(site.heads(), Vec::<String>::new());

    let permitted = build(
        TEST_SETTINGS,
        resolver,
        || Ok(AddressFilter::Open),
        SHORT_TIMEOUTS,
    );
    for host in ["127.0.0.1", "2130706433", "rebound.example"] {
        let (_, content) = fetch(&permitted, &format!("http://{host}:{port}/")).await;
        assert_eq!(content, b"secret");
    }
}

/// The settings choose the filter, and the system knows what `localhost` is.
#[tokio::test]
async fn downloader_obeys_settings() {
    let site = Site::sending(ok("secret")).await;
    let url = format!("http://localhost:{}/", site.address.port());
    for private_addresses in [false, true] {
        let downloader = Downloader::new(DownloadSettings {
            private_addresses,
            ..TEST_SETTINGS
        });
        let (result, content) = fetch(&downloader, &url).await;
        if private_addresses {
            assert_eq!(content, b"secret", "{result:?}");
        } else {
            assert!(
                matches!(result, Err(DownloadError::Forbidden(_))),
                "{result:?}"
            );
            assert_eq!(site.heads(), Vec::<String>::new());
        }
    }
}

/// Otherwise a second look-up could find another address than the one that was checked.
#[tokio::test]
async fn name_is_resolved_once() {
    let site = Site::sending(ok("x")).await;
    let resolver = Table::with([("once.example", vec![site.address])]);
    let downloader = build(
        TEST_SETTINGS,
        resolver.clone(),
        || Ok(AddressFilter::Open),
        SHORT_TIMEOUTS,
    );
    let url = format!("http://once.example:{}/", site.address.port());
    fetch(&downloader, &url).await.0.unwrap();
    assert_eq!(resolver.asked(), ["once.example"]);
}

/// Of a name that has both, only what passes is connected to.
#[tokio::test]
async fn forbidden_addresses_of_name_are_not_connected_to() {
    let inside = Site::sending(ok("inside")).await;
    let port = inside.address.port();
    let both = vec![inside.address, SocketAddr::new(OUTSIDE_ADDRESS, port)];
    let downloader = outside(Table::with([("both.example", both)]));
    let url = format!("http://both.example:{port}/");
    // Nobody listens outside yet.
    failure(&downloader, &url).await;
    assert_eq!(inside.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn unknown_own_addresses_fail_download() {
    let site = Site::sending(ok("x")).await;
    let failing = || Err(nix::errno::Errno::EAFNOSUPPORT);
    let downloader = build(TEST_SETTINGS, Table::with([]), failing, SHORT_TIMEOUTS);
    let sentence = failure(&downloader, &site.url("/")).await;
    assert!(sentence.contains("own addresses"), "{sentence}");
    assert_eq!(site.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn other_schemes_than_http_and_https_are_forbidden() {
    for url in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "data:text/plain,hello",
        "javascript:1",
        "ws://127.0.0.1/",
        "127.0.0.1/a",
        "/etc/passwd",
        "//127.0.0.1/",
        "",
        "http://",
        "http://127.0.0.1:99999/",
        "http://[::1",
        "http://[fe80::1%25eth0]/",
        "http://256.256.256.256/",
    ] {
        refusal(&open(), url).await;
    }
}

#[tokio::test]
async fn url_with_password_is_forbidden() {
    let site = Site::sending(ok("x")).await;
    for user in ["me", "me:secret", ":secret"] {
        let url = format!("http://{user}@{}/", site.address);
        let sentence = refusal(&open(), &url).await;
        assert!(!sentence.contains("secret"), "{sentence}");
    }
    assert_eq!(site.heads(), Vec::<String>::new());
}

//! Networks made for the purpose. That takes root: without it, these tests do not run, and say so.

use super::*;
use nix::sched::{CloneFlags, unshare};
use std::process::Command;
use std::time::Instant;

/// An address that is not of any private network.
const PUBLIC_ADDRESS: &str = "8.8.4.4";

/// Takes the test's thread, and all that it starts, to a network without any way out. `commands` of
/// `ip(8)` change that.
fn alone(commands: &[&str]) -> bool {
    if unshare(CloneFlags::CLONE_NEWNET).is_err() || Command::new("ip").output().is_err() {
        eprintln!("not run: this needs root and ip");
        return false;
    }
    for command in commands {
        let error_text = command.split(' ');
        let done = Command::new("ip").args(error_text).status().unwrap();
        assert!(done.success(), "ip {command}");
    }
    true
}

fn real() -> Downloader {
    Downloader::new(DownloadSettings {
        private_addresses: false,
        timeout: Duration::from_secs(60),
        ..TEST_SETTINGS
    })
}

async fn is_unreachable(url: &str) -> String {
    match fetch(&real(), url).await {
        (Err(DownloadError::Unreachable(sentence)), _) => sentence,
        (other, _) => panic!("{url}: {other:?}"),
    }
}

#[tokio::test]
async fn device_without_network_is_unreachable_at_once() {
    if !alone(&[]) {
        return;
    }
    for host in [PUBLIC_ADDRESS, "[2606:4700::1111]", "example.org"] {
        let begin = Instant::now();
        let sentence = is_unreachable(&format!("http://{host}/?SECRET")).await;
        assert!(begin.elapsed() < Duration::from_secs(4), "{sentence}");
        assert!(sentence.starts_with(host), "{sentence}");
    }
}

/// The cable is in, but nothing is at its other end.
#[tokio::test]
async fn silent_network_times_out() {
    if !alone(&[
        "link set lo up",
        "link add net type veth peer name far",
        "address add 192.168.7.2/24 dev net",
        "link set net up",
        "link set far up",
        "route add default via 192.168.7.1",
    ]) {
        return;
    }
    for host in [PUBLIC_ADDRESS, "example.org"] {
        let begin = Instant::now();
        let sentence = is_unreachable(&format!("http://{host}/")).await;
        assert!(begin.elapsed() < Duration::from_secs(4), "{sentence}");
    }
}

#[tokio::test]
async fn own_public_address_is_forbidden() {
    if !alone(&["link set lo up", "address add 8.8.4.4/24 dev lo"]) {
        return;
    }
    let site = Site::at(
        PUBLIC_ADDRESS.parse().unwrap(),
        |mut stream, _| async move {
            let _ = stream.write_all(ok("secret").as_bytes()).await;
        },
    )
    .await;
    for url in [
        site.url("/"),
        format!("http://[::ffff:{PUBLIC_ADDRESS}]:{}/", site.address.port()),
    ] {
        refusal(&real(), &url).await;
        assert_eq!(site.heads(), Vec::<String>::new());
        assert_eq!(fetch(&open(), &url).await.1, b"secret");
        site.heads.lock().unwrap().clear();
    }
    // A neighbour.
    refusal(&real(), "http://8.8.4.5/").await;
}

/// No interface has the address, but the kernel takes what is sent to it.
#[tokio::test]
async fn address_routed_to_this_device_is_forbidden() {
    if !alone(&["link set lo up", "route add local 8.8.4.0/24 dev lo"]) {
        return;
    }
    let site = Site::at(Ipv4Addr::UNSPECIFIED.into(), |mut stream, _| async move {
        let _ = stream.write_all(ok("secret").as_bytes()).await;
    })
    .await;
    let url = format!("http://{PUBLIC_ADDRESS}:{}/", site.address.port());
    refusal(&real(), &url).await;
    assert!(site.heads().iter().all(String::is_empty));
    assert_eq!(fetch(&open(), &url).await.1, b"secret");
}

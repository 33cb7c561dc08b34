//! Which file is read, where its folder and the folder for state are, and what paths are relative
//! to.

use super::super::system_config_dir;
use super::{Device, USER_FILE};

#[test]
fn first_existing_file_is_read() {
    let device = Device::new();
    assert_eq!(device.config(&[]).file(), None);
    let device = device.with_file("etc/further-link.toml", "[server]\nport = 1\n");
    assert_eq!(device.config(&[]).server.port, 1);
    assert_eq!(device.config(&[]).config_dir(), device.path("etc"));
    let device = device.with_config("[server]\nport = 2\n");
    assert_eq!(device.config(&[]).server.port, 2);
    assert_eq!(device.config(&[]).file(), Some(&*device.path(USER_FILE)));
    let xdg = device.path("xdg");
    let device = device
        .with("XDG_CONFIG_HOME", xdg)
        .with_file("xdg/further-link/further-link.toml", "[server]\nport = 3\n");
    assert_eq!(device.config(&[]).server.port, 3);
    let named = device.path("named.toml");
    let device = device
        .with("FURTHER_LINK_CONFIG", named)
        .with_file("named.toml", "[server]\nport = 4\n");
    assert_eq!(device.config(&[]).server.port, 4);
    let device = device.with_file("here/flag.toml", "[server]\nport = 5\n");
    let config = device.config(&["--config", "flag.toml"]);
    assert_eq!(
        (config.server.port, config.config_dir()),
        (5, &*device.path("here"))
    );
}

#[test]
fn relative_xdg_directory_is_ignored() {
    let device = Device::new()
        .with("XDG_CONFIG_HOME", "etc")
        .with_config("[server]\nport = 2\n");
    assert_eq!(device.config(&[]).server.port, 2);
}

#[test]
fn named_file_must_exist() {
    let missing = "No such file or directory (os error 2)";
    let error = Device::new().error(&["--config", "none.toml"]);
    assert_eq!(
        error,
        format!("cannot read the configuration file here/none.toml (--config): {missing}")
    );
    let error = Device::new()
        .with("FURTHER_LINK_CONFIG", "/none.toml")
        .error(&[]);
    assert_eq!(
        error,
        format!("cannot read the configuration file /none.toml (FURTHER_LINK_CONFIG): {missing}")
    );
}

#[test]
fn unreadable_file_is_not_skipped() {
    let device = Device::new().with_file(&format!("{USER_FILE}/in-the-way"), "");
    assert!(
        device
            .error(&[])
            .starts_with("cannot read the configuration file home/.config/further-link/")
    );
}

#[test]
fn directories_are_usual_ones_without_file() {
    assert_eq!(system_config_dir().to_str(), Some("/etc/further-link"));
    let mut device = Device::new();
    assert_eq!(
        device.config(&[]).config_dir(),
        device.path("home/.config/further-link")
    );
    assert_eq!(
        device.config(&[]).state_dir(),
        device.path("home/.local/state/further-link")
    );
    device.is_root = true;
    assert_eq!(device.config(&[]).config_dir(), device.path("etc"));
    assert_eq!(
        device.config(&[]).state_dir().to_str(),
        Some("/var/lib/further-link")
    );
    device.is_root = false;
    let device = device.with("XDG_STATE_HOME", "/xdg");
    assert_eq!(
        device.config(&[]).state_dir().to_str(),
        Some("/xdg/further-link")
    );
    let device = device.with("STATE_DIRECTORY", "/var/lib/a:/var/lib/b");
    assert_eq!(device.config(&[]).state_dir().to_str(), Some("/var/lib/a"));
    let config = device.config(&["--set", "state.dir=~/state"]);
    assert_eq!(config.state_dir(), device.path("home/state"));
}

#[test]
fn relative_path_is_resolved_against_its_source() {
    let device = Device::new()
        .with_config("[tls]\ncert = \"c.pem\"\nkey = \"~/k.pem\"\n[run]\nwork_dir = \"w\"\n");
    let config = device.config(&["--venv", "venv"]);
    assert_eq!(
        config.tls.cert,
        device.path("home/.config/further-link/c.pem")
    );
    assert_eq!(config.tls.key, device.path("home/k.pem"));
    assert_eq!(
        config.run.work_dir,
        device.path("home/.config/further-link/w")
    );
    assert_eq!(config.run.venv, device.path("here/venv"));
}

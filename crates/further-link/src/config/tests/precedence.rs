//! What overrides what, where values come from, and what every variable does.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use super::super::{Auth, Cgroup, Compression, LogFormat, RunnerRow, SETTINGS, check_auth};
use super::{Device, USER_FILE, setting};

#[test]
fn defaults_apply_without_any_source() {
    let config = Device::new().config(&[]);
    assert_eq!(
        config.server.bind,
        ["127.0.0.1".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(config.server.port, 8028);
    assert_eq!(config.server.auth, Auth::Unset);
    assert!(config.server.hosts.is_empty() && config.server.origins.is_empty());
    assert_eq!(config.server.compression, Compression::Auto);
    assert!(config.tls.enabled);
    assert_eq!(config.run.stop_grace, Duration::from_secs(2));
    assert_eq!(config.run.temp_dir.to_str(), Some("/tmp"));
    assert_eq!(config.run.cgroup, Cgroup::Auto);
    assert_eq!(config.limits.message_bytes, 16 << 20);
    assert_eq!(config.limits.upload_bytes, 32 << 20);
    assert_eq!(config.limits.pong_timeout, Duration::from_secs(30));
    assert_eq!(config.log.level, "info");
    assert_eq!(config.log.format, LogFormat::Auto);
    assert_eq!(
        config.miniscreen.projects_dir.to_str(),
        Some("~/Desktop/Projects/Further")
    );
    assert!(
        config.bluetooth.enabled
            && config.bluetooth.encrypt
            && !config.bluetooth.pair_and_advertise
    );
    assert!(config.runners.is_empty());
    assert_eq!(config.settings().count(), SETTINGS.len());
    assert!(
        config
            .settings()
            .all(|(_, _, source)| source.to_string() == "default")
    );
}

#[test]
fn later_source_overrides_earlier_one() {
    let device = Device::new();
    assert_eq!(
        setting(&device.config(&[]), "server.port"),
        ("8028".into(), "default".into())
    );
    let device = device.with_config("[server]\nport = 1\nhosts = \"Robot.Local\"\n");
    let file = device.path(USER_FILE).display().to_string();
    let config = device.config(&[]);
    assert_eq!(setting(&config, "server.port"), ("1".into(), file.clone()));
    assert_eq!(config.server.hosts, ["robot.local"]);
    let device = device.with("FURTHER_LINK_PORT", "2");
    let config = device.config(&[]);
    assert_eq!(
        setting(&config, "server.port"),
        ("2".into(), "FURTHER_LINK_PORT".into())
    );
    assert_eq!(
        setting(&config, "server.hosts"),
        (r#"["robot.local"]"#.into(), file)
    );
    let config = device.config(&["--set", "server.port=3"]);
    assert_eq!(
        setting(&config, "server.port"),
        ("3".into(), "--set".into())
    );
    let config = device.config(&["--set", "server.port=3", "--port", "4"]);
    assert_eq!(
        setting(&config, "server.port"),
        ("4".into(), "--port".into())
    );
    let config = device.config(&["--port", "4", "serve", "--port=5"]);
    assert_eq!(config.server.port, 5);
}

#[test]
fn variable_sets_its_key() {
    let mut covered = BTreeSet::new();
    for (variable, text, key, value) in [
        (
            "FURTHER_LINK_BIND",
            "127.0.0.1, ::1",
            "server.bind",
            r#"["127.0.0.1", "::1"]"#,
        ),
        ("FURTHER_LINK_PORT", "80", "server.port", "80"),
        ("FURTHER_LINK_AUTH", "none", "server.auth", r#""none""#),
        (
            "FURTHER_LINK_HOSTS",
            "a.local,b.local,",
            "server.hosts",
            r#"["a.local", "b.local"]"#,
        ),
        (
            "FURTHER_LINK_ORIGINS",
            "https://A.b:443",
            "server.origins",
            r#"["https://a.b"]"#,
        ),
        ("FURTHER_LINK_NOSSL", "1", "tls.enabled", "false"),
        ("FURTHER_LINK_NOSSL", "no", "tls.enabled", "false"),
        ("FURTHER_LINK_NOSSL", "False", "tls.enabled", "true"),
        ("FURTHER_LINK_NOSSL", "0", "tls.enabled", "true"),
        (
            "FURTHER_LINK_WORK_DIR",
            "/srv/code",
            "run.work_dir",
            r#""/srv/code""#,
        ),
        (
            "FURTHER_LINK_WORK_DIR",
            "~/code",
            "run.work_dir",
            r#""~/code""#,
        ),
        (
            "FURTHER_LINK_TEMP_DIR",
            "/var/tmp",
            "run.temp_dir",
            r#""/var/tmp""#,
        ),
        ("FURTHER_VENV", "/opt/venv", "run.venv", r#""/opt/venv""#),
        (
            "FURTHER_LINK_MINISCREEN_PROJECTS_DIR",
            "/p",
            "miniscreen.projects_dir",
            r#""/p""#,
        ),
        ("FURTHER_LINK_DEBUG", "1", "log.level", r#""debug""#),
        (
            "FURTHER_LINK_LOG",
            "warn,hyper=trace",
            "log.level",
            r#""warn,hyper=trace""#,
        ),
        ("FURTHER_LINK_LOG_FORMAT", "json", "log.format", r#""json""#),
        (
            "FURTHER_LINK_SKIP_BLUETOOTH",
            "true",
            "bluetooth.enabled",
            "false",
        ),
        (
            "FURTHER_LINK_NO_BLUETOOTH_ENCRYPTION",
            "1",
            "bluetooth.encrypt",
            "false",
        ),
        (
            "FURTHER_LINK_BLUETOOTH_PAIR_AND_ADVERTISE",
            "1",
            "bluetooth.pair_and_advertise",
            "true",
        ),
    ] {
        covered.insert(variable);
        let config = Device::new().with(variable, text).config(&[]);
        assert_eq!(setting(&config, key), (value.into(), variable.into()));
        let config = Device::new().with(variable, "").config(&[]);
        assert_eq!(setting(&config, key).1, "default", "{variable}, empty");
    }
    let every = SETTINGS.iter().flat_map(|setting| setting.variables);
    assert_eq!(covered, every.map(|variable| variable.name).collect());
    let config = Device::new().with("FURTHER_LINK_DEBUG", "0").config(&[]);
    assert_eq!(
        setting(&config, "log.level"),
        (r#""info""#.into(), "default".into())
    );
    let both = Device::new()
        .with("FURTHER_LINK_DEBUG", "1")
        .with("FURTHER_LINK_LOG", "warn");
    assert_eq!(both.config(&[]).log.level, "warn");
    let bytes = std::ffi::OsString::from_vec(vec![b'/', 0xff]);
    let error = Device::new()
        .with("FURTHER_LINK_WORK_DIR", bytes)
        .error(&[]);
    assert_eq!(
        error,
        "FURTHER_LINK_WORK_DIR: this variable is not valid UTF-8"
    );
}

#[test]
fn switch_variable_set_to_no_overrides_file() {
    let device = Device::new().with_config("[tls]\nenabled = false\n");
    assert!(!device.config(&[]).tls.enabled);
    assert!(
        device
            .with("FURTHER_LINK_NOSSL", "0")
            .config(&[])
            .tls
            .enabled
    );
}

#[test]
fn flag_sets_its_key() {
    let mut covered = BTreeSet::new();
    for (arguments, key, value) in [
        (
            &["--bind", "127.0.0.1", "--bind", "::1"][..],
            "server.bind",
            r#"["127.0.0.1", "::1"]"#,
        ),
        (&["--port", "0"], "server.port", "0"),
        (&["--auth", "none"], "server.auth", r#""none""#),
        (
            &["--host", "a", "--host", "b"],
            "server.hosts",
            r#"["a", "b"]"#,
        ),
        (
            &["--host", "a", "serve", "--host", "b"],
            "server.hosts",
            r#"["a", "b"]"#,
        ),
        (
            &["--origin", "http://[::1]:3000"],
            "server.origins",
            r#"["http://[::1]:3000"]"#,
        ),
        (&["--account", "root"], "server.account", r#""root""#),
        (&["--no-tls"], "tls.enabled", "false"),
        (&["--user", "ann"], "run.user", r#""ann""#),
        (
            &["--allow-account", "ann", "--allow-account", "bob"],
            "run.accounts",
            r#"["ann", "bob"]"#,
        ),
        (&["--work-dir", "/w"], "run.work_dir", r#""/w""#),
        (&["--temp-dir", "/t"], "run.temp_dir", r#""/t""#),
        (&["--venv", "~/venv"], "run.venv", r#""~/venv""#),
        (&["--stop-grace", "5"], "run.stop_grace", "5.0"),
        (&["--log-level", "trace"], "log.level", r#""trace""#),
        (&["--log-format", "json"], "log.format", r#""json""#),
    ] {
        let config = Device::new().config(arguments);
        assert_eq!(setting(&config, key).0, value, "{arguments:?}");
        assert!(setting(&config, key).1.starts_with("--"));
        covered.insert(arguments[0]);
    }
    let config = Device::new().config(&["--tls-cert", "/c.pem", "--tls-key", "/k.pem"]);
    assert_eq!(
        (config.tls.cert, config.tls.key),
        ("/c.pem".into(), "/k.pem".into())
    );
    covered.extend(["--tls-cert", "--tls-key"]);
    let every = SETTINGS.iter().filter_map(|setting| setting.flag);
    let every: BTreeSet<_> = every.map(|flag| format!("--{}", flag.name)).collect();
    assert_eq!(covered, every.iter().map(String::as_str).collect());
}

#[test]
fn set_flag_accepts_any_key() {
    for (assignment, key, value) in [
        ("server.bind=0.0.0.0", "server.bind", r#"["0.0.0.0"]"#),
        (
            r#"server.hosts=["a", "b"]"#,
            "server.hosts",
            r#"["a", "b"]"#,
        ),
        ("run.user=1234", "run.user", r#""1234""#),
        (r#"run.user = "ann""#, "run.user", r#""ann""#),
        ("limits.jobs=8", "limits.jobs", "8"),
        ("run.stop_grace=1", "run.stop_grace", "1.0"),
        ("run.cgroup=off", "run.cgroup", r#""off""#),
    ] {
        let config = Device::new().config(&["--set", assignment]);
        assert_eq!(setting(&config, key), (value.into(), "--set".into()));
    }
    let device = Device::new().with_config("[run.environment]\nA = \"1\"\nB = \"2\"\n");
    let config = device.config(&[
        "--set",
        "run.environment.B=3",
        "--set",
        "run.environment.C=x=y",
    ]);
    let all: Vec<_> = config
        .run
        .environment
        .iter()
        .map(|(name, text)| format!("{name}={text}"))
        .collect();
    assert_eq!(all, ["A=1", "B=3", "C=x=y"]);
}

#[test]
fn runner_rows_get_their_defaults() {
    let device = Device::new().with_config(
        "[[runner]]\nname = \"lua\"\ncommand = [\"lua\", \"{file}\"]\nextension = \".lua\"\n\
         [[runner]]\nname = \"own\"\ntitle = \"Own\"\ncommand = [\"{file}\"]\nexecutable = true\n\
         [[runner]]\nname = \"shell\"\ndisabled = true\n",
    );
    let rows = device.config(&[]).runners;
    let lua = RunnerRow {
        name: "lua".into(),
        title: "lua".into(),
        command: vec!["lua".into(), "{file}".into()],
        extension: ".lua".into(),
        requires: vec!["lua".into()],
        executable: false,
        venv: false,
        hangup: false,
        disabled: false,
    };
    assert_eq!(rows[0], lua);
    assert!(rows[1].requires.is_empty() && rows[1].executable && rows[1].title == "Own");
    assert!(rows[2].disabled && rows[2].command.is_empty());
}

#[test]
fn open_address_is_refused_without_auth() {
    let check = |arguments: &[&str]| check_auth(&Device::new().config(arguments));
    for loopback in [
        "127.0.0.1",
        "127.5.5.5",
        "::1",
        "[::1]",
        "localhost",
        "LocalHost",
        "::ffff:127.0.0.1",
    ] {
        check(&["--bind", loopback]).unwrap();
    }
    for open in ["0.0.0.0", "::", "192.168.1.5", "fe80::1", "::ffff:10.0.0.1"] {
        check(&["--bind", open]).unwrap_err();
        check(&["--bind", "127.0.0.1", "--bind", open]).unwrap_err();
        check(&["--bind", open, "--auth", "none"]).unwrap();
    }
    let both = Device::new()
        .config(&["--bind", "localhost", "--bind", "::1"])
        .server
        .bind;
    assert_eq!(both.len(), 2);
    assert_eq!(
        check(&["--bind", "0.0.0.0"]).unwrap_err().to_string(),
        "server.bind is 0.0.0.0 (from --bind), which other devices can reach, and whoever reaches \
         this server can run programs on this device. Bind to 127.0.0.1 to keep it to this \
         device, or, if everybody on this network may run programs here, say so with `--auth \
         none` (in the file: auth = \"none\" below [server])"
    );
}

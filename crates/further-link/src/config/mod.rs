//! The settings in force. Their precedence: defaults, then a TOML file, then environment variables,
//! then flags; the later ones override the earlier ones.
//!
//! Owns what a setting is called, what it may be and where its value came from. Knows nothing of
//! what the server does with it; whether an account or a file exists is checked by its users.

mod merge;
mod runner;
mod search_path;
mod settings;
mod suggestion;
#[cfg(test)]
mod tests;
mod value_type;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Deserializer, de};
use toml::Value;

use self::merge::MergedSettings;

pub(crate) use self::merge::{CommandLineSettings, Source};
pub(crate) use self::runner::RunnerRow;
pub(crate) use self::search_path::{ProcessEnvironment, system_config_dir};
pub(crate) use self::settings::{FlagKind, SETTINGS, Setting};
pub(crate) use self::value_type::addresses as parse_bind_address;
pub(crate) use crate::logging::LogFormat;

/// All settings. Empty paths and names mean "not set"; each says what happens then.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: ServerSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) run: RunSettings,
    pub(crate) download: DownloadSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) state: StateSettings,
    pub(crate) log: LogSettings,
    pub(crate) miniscreen: MiniscreenSettings,
    /// Reserved: accepted, so that the files of deployments stay valid.
    #[allow(dead_code, reason = "the Bluetooth part comes later")]
    pub(crate) bluetooth: BluetoothSettings,
    #[serde(rename = "runner")]
    pub(crate) runners: Vec<RunnerRow>,
    #[serde(skip)]
    provenance: Provenance,
}

/// Where the configuration came from.
#[derive(Debug, Default)]
struct Provenance {
    settings: Vec<(&'static Setting, Value, Source)>,
    file: Option<PathBuf>,
    config_dir: PathBuf,
    state_dir: PathBuf,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key)
    }
}

/// `[server]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerSettings {
    /// `localhost` already stands for both loopback addresses here. Never empty.
    #[serde(deserialize_with = "addresses")]
    pub(crate) bind: Vec<IpAddr>,
    /// 0 takes any free port.
    pub(crate) port: u16,
    pub(crate) auth: Auth,
    /// Lower case, without port; IPv6 addresses in brackets.
    pub(crate) hosts: Vec<String>,
    /// As browsers write them: lower case, without the port that the scheme implies.
    pub(crate) origins: Vec<String>,
    /// Empty: `further-link` if it exists, else `nobody`. `root` keeps root.
    pub(crate) account: String,
    pub(crate) compression: Compression,
}

/// Which WebSocket clients get compressed messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    /// Those on other devices.
    Auto,
    Always,
    Never,
}

/// Who is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Auth {
    /// Not set: fine as long as only this device can reach the server.
    #[serde(rename = "")]
    Unset,
    /// `"none"`: everybody who reaches the port.
    #[serde(rename = "none")]
    Open,
}

/// `[tls]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsSettings {
    pub(crate) enabled: bool,
    /// Empty: the one found in the configuration directory, else a self-signed one. Set together
    /// with `key` or not at all.
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// `[run]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunSettings {
    /// Empty: `pi` if it exists, else the account of the server.
    pub(crate) user: String,
    /// Permitted in addition to the default account. Empty: ordinary accounts; root only if it is
    /// the default.
    pub(crate) accounts: Vec<String>,
    /// May begin with `~`, the home of the user that runs the code. Empty: `~/further`.
    pub(crate) work_dir: PathBuf,
    pub(crate) temp_dir: PathBuf,
    /// May begin with `~`, as `work_dir`. Empty: no virtual environment.
    pub(crate) venv: PathBuf,
    #[serde(deserialize_with = "seconds")]
    pub(crate) stop_grace: Duration,
    /// Added to the environment of every program.
    pub(crate) environment: BTreeMap<String, String>,
    /// Names of variables of the server that programs get too.
    pub(crate) pass_environment: Vec<String>,
    pub(crate) cgroup: Cgroup,
}

/// Whether programs are put into control groups (cgroups).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cgroup {
    /// Where the system allows it.
    Auto,
    Off,
}

/// `[limits]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitSettings {
    pub(crate) message_bytes: usize,
    pub(crate) upload_bytes: usize,
    pub(crate) file_bytes: u64,
    pub(crate) connections: usize,
    pub(crate) jobs: usize,
    pub(crate) jobs_per_client: usize,
    #[serde(deserialize_with = "whole_seconds")]
    pub(crate) pong_timeout: Duration,
}

/// `[download]`: `url` files of uploaded projects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DownloadSettings {
    pub(crate) max_bytes: u64,
    #[serde(deserialize_with = "whole_seconds")]
    pub(crate) timeout: Duration,
    pub(crate) private_addresses: bool,
}

/// `[state]`: see [`Config::state_dir`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateSettings {
    dir: PathBuf,
}

/// `[log]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogSettings {
    /// A level, or filter directives.
    pub(crate) level: String,
    pub(crate) format: LogFormat,
}

/// `[miniscreen]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MiniscreenSettings {
    /// May begin with `~`, the home of the user that the upload belongs to.
    pub(crate) projects_dir: PathBuf,
}

/// `[bluetooth]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "the Bluetooth part comes later")]
pub(crate) struct BluetoothSettings {
    pub(crate) enabled: bool,
    pub(crate) encrypt: bool,
    pub(crate) pair_and_advertise: bool,
}

impl Config {
    /// Reads and merges all sources. The error says in one line what is wrong, where, and what
    /// would be right.
    pub(crate) fn load(
        command_line: &CommandLineSettings,
        environment: &ProcessEnvironment,
    ) -> Result<Self> {
        let mut merged = MergedSettings::defaults()?;
        let file = environment.read_file(command_line.file.as_deref())?;
        if let Some((path, text)) = &file {
            merged.merge_file(path, text, environment)?;
        }
        merged.merge_environment(environment)?;
        merged.merge_flags(command_line, environment)?;

        // Every value was checked when it was merged; this only fails if the table of settings and
        // the structs above disagree.
        let whole = Value::Table(merged.to_table());
        let mut config: Self = whole.try_into().context("the configuration")?;
        let file = file.map(|(path, _)| path);
        config.provenance = Provenance {
            settings: merged.into_list(),
            config_dir: match file.as_deref().and_then(Path::parent) {
                Some(dir) => dir.to_owned(),
                None => environment.default_config_dir(),
            },
            state_dir: if config.state.dir.as_os_str().is_empty() {
                environment.default_state_dir()
            } else {
                config.state.dir.clone()
            },
            file,
        };
        config.check_certificate()?;
        Ok(config)
    }

    /// Returns every setting with its value and source, in the order in which they are shown.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static Setting, &Value, &Source)> {
        self.provenance
            .settings
            .iter()
            .map(|(setting, value, source)| (*setting, value, source))
    }

    /// Returns where the value of that key came from.
    pub(crate) fn source(&self, key: &str) -> &Source {
        let entry = self.settings().find(|(setting, ..)| setting.key == key);
        entry.map_or(&Source::Default, |(_, _, source)| source)
    }

    /// Returns the configuration file in use.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.provenance.file.as_deref()
    }

    /// Returns the directory of the file in use, or the one where it would be for this user.
    pub(crate) fn config_dir(&self) -> &Path {
        &self.provenance.config_dir
    }

    /// Returns the directory for what the server keeps: `state.dir`, or the usual one for this
    /// user.
    pub(crate) fn state_dir(&self) -> &Path {
        &self.provenance.state_dir
    }

    fn check_certificate(&self) -> Result<()> {
        let is_set = |path: &Path| !path.as_os_str().is_empty();
        let (set, missing) = match (is_set(&self.tls.cert), is_set(&self.tls.key)) {
            (true, false) => ("tls.cert", "tls.key"),
            (false, true) => ("tls.key", "tls.cert"),
            _ => return Ok(()),
        };
        bail!(
            "{}: {set} is set, but {missing} is not; a certificate needs both",
            self.source(set)
        );
    }
}

/// The server would be open to strangers without anybody having said that it may be.
#[derive(Debug, thiserror::Error)]
#[error(
    "server.bind is {address} (from {bind_source}), which other devices can reach, and whoever \
     reaches this server can run programs on this device. Bind to 127.0.0.1 to keep it to this \
     device, or, if everybody on this network may run programs here, say so with `--auth none` \
     (in the file: auth = \"none\" below [server])"
)]
pub(crate) struct OpenWithoutAuth {
    address: IpAddr,
    bind_source: Source,
}

/// Refuses a configuration that lets strangers run programs without `server.auth` saying so.
pub(crate) fn check_auth(config: &Config) -> Result<(), OpenWithoutAuth> {
    // An IPv4 address may be written as an IPv6 one.
    let open = config
        .server
        .bind
        .iter()
        .find(|address| !address.to_canonical().is_loopback());
    match (open, config.server.auth) {
        (None, _) | (_, Auth::Open) => Ok(()),
        (Some(address), Auth::Unset) => Err(OpenWithoutAuth {
            address: *address,
            bind_source: config.source("server.bind").clone(),
        }),
    }
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpAddr>, D::Error> {
    let mut all = Vec::new();
    for text in Vec::<String>::deserialize(deserializer)? {
        let stands_for =
            value_type::addresses(&text).ok_or_else(|| de::Error::custom("not an IP address"))?;
        for address in stands_for {
            // Binding to the same address twice would fail.
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
    Ok(all)
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn whole_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

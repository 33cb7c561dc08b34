//! The table of all settings: key, value type, default, variables, flag, one line of help.
//!
//! A new setting is one row here and a field of the same name in `config/mod.rs`. The precedence of
//! its sources, its command-line flag, its `--help` and its line in `further-link config` are made
//! from the row; tests compare `docs/configuration.md` and `packaging/further-link.toml` with it.

use super::value_type::{self, Tilde, ValueType};

/// One setting.
pub(crate) struct Setting {
    /// Section and name, as in `server.port`.
    pub(crate) key: &'static str,
    pub(crate) value_type: ValueType,
    /// As the value of a TOML key.
    pub(crate) default: &'static str,
    /// The last of them that is set wins.
    pub(crate) variables: &'static [Variable],
    pub(crate) flag: Option<Flag>,
    /// For `--help`: one line, in plain words, without a full stop.
    pub(crate) help: &'static str,
}

/// An environment variable that sets a setting.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) kind: VariableKind,
}

/// How the text of a variable is read.
pub(crate) enum VariableKind {
    /// The value itself; lists are separated by commas.
    Value,
    /// `0` and `false` (in any case) are a no, everything else is a yes; each stands for a value,
    /// or leaves the setting as it is.
    Switch {
        yes: &'static str,
        no: Option<&'static str>,
    },
}

/// A flag of the command line that sets a setting.
#[derive(Clone, Copy)]
pub(crate) struct Flag {
    /// Without the dashes.
    pub(crate) name: &'static str,
    pub(crate) kind: FlagKind,
}

/// Whether a flag takes a value.
#[derive(Clone, Copy)]
pub(crate) enum FlagKind {
    /// It does, shown under this name in the help.
    TakesValue(&'static str),
    /// It does not: its presence stands for this value.
    Switch(&'static str),
}

impl Setting {
    const fn new(
        key: &'static str,
        value_type: ValueType,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            key,
            value_type,
            default,
            variables: &[],
            flag: None,
            help,
        }
    }

    const fn variables(mut self, variables: &'static [Variable]) -> Self {
        self.variables = variables;
        self
    }

    const fn flag(mut self, name: &'static str, value_name: &'static str) -> Self {
        self.flag = Some(Flag {
            name,
            kind: FlagKind::TakesValue(value_name),
        });
        self
    }

    const fn switch_flag(mut self, name: &'static str, value: &'static str) -> Self {
        self.flag = Some(Flag {
            name,
            kind: FlagKind::Switch(value),
        });
        self
    }

    /// Returns `server` for `server.port`, and an empty text for `runner`.
    pub(crate) fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    /// Returns whether the setting takes several values.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value_type, ValueType::List { .. })
    }

    /// Returns `port` for `server.port`.
    pub(crate) fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }
}

impl Variable {
    const fn value(name: &'static str) -> Self {
        Self {
            name,
            kind: VariableKind::Value,
        }
    }

    const fn switch(name: &'static str, yes: &'static str, no: Option<&'static str>) -> Self {
        Self {
            name,
            kind: VariableKind::Switch { yes, no },
        }
    }
}

/// Returns the setting with that key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// How many there may be at the same time, of what costs a file descriptor or more each: no process
/// has more of them.
const CONCURRENT_COUNT: ValueType = ValueType::Integer {
    min: 1,
    max: 65_535,
};

/// Every setting, in the order in which it is shown.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting::new(
        "server.bind",
        value_type::IP_ADDRESSES,
        r#""127.0.0.1""#,
        "Address to listen on, or \"localhost\"; may be repeated",
    )
    .variables(&[Variable::value("FURTHER_LINK_BIND")])
    .flag("bind", "ADDRESS"),
    // 0 lets the system choose a free port: tests and local tools start servers that way.
    Setting::new(
        "server.port",
        ValueType::Integer {
            min: 0,
            max: 65_535,
        },
        "8028",
        "Port to listen on; 0 takes any free one",
    )
    .variables(&[Variable::value("FURTHER_LINK_PORT")])
    .flag("port", "PORT"),
    Setting::new(
        "server.auth",
        ValueType::Choice(&["", "none"]),
        r#""""#,
        "\"none\" lets everybody who reaches the port run programs on this device",
    )
    .variables(&[Variable::value("FURTHER_LINK_AUTH")])
    .flag("auth", "HOW"),
    Setting::new(
        "server.hosts",
        value_type::HOST_NAMES,
        "[]",
        "Further name by which browsers reach this device; may be repeated",
    )
    .variables(&[Variable::value("FURTHER_LINK_HOSTS")])
    .flag("host", "NAME"),
    Setting::new(
        "server.origins",
        value_type::WEB_ORIGINS,
        "[]",
        "Web site whose pages may use this server, such as https://site.example; may be repeated",
    )
    .variables(&[Variable::value("FURTHER_LINK_ORIGINS")])
    .flag("origin", "SITE"),
    Setting::new(
        "server.account",
        value_type::OPTIONAL_ACCOUNT,
        r#""""#,
        "Account of the network-facing part when started as root \
         (default: further-link if it exists, else nobody)",
    )
    .flag("account", "NAME"),
    Setting::new(
        "server.compression",
        ValueType::Choice(&["auto", "always", "never"]),
        r#""auto""#,
        "Who gets compressed messages: auto (clients on other devices), always or never",
    ),
    Setting::new(
        "tls.enabled",
        ValueType::Bool,
        "true",
        "Serve plain HTTP instead of HTTPS",
    )
    .variables(&[Variable::switch(
        "FURTHER_LINK_NOSSL",
        "false",
        Some("true"),
    )])
    .switch_flag("no-tls", "false"),
    Setting::new(
        "tls.cert",
        value_type::OPTIONAL_PATH,
        r#""""#,
        "Certificate, a PEM file (default: the one next to the configuration, else self-signed)",
    )
    .flag("tls-cert", "FILE"),
    Setting::new(
        "tls.key",
        value_type::OPTIONAL_PATH,
        r#""""#,
        "Private key of that certificate, a PEM file",
    )
    .flag("tls-key", "FILE"),
    Setting::new(
        "run.user",
        value_type::OPTIONAL_ACCOUNT,
        r#""""#,
        "Account that runs programs if the browser names none \
         (default: pi if it exists, else the server's account)",
    )
    .flag("user", "NAME"),
    Setting::new(
        "run.accounts",
        value_type::ACCOUNT_NAMES,
        "[]",
        "Further account that programs may run as (default: all ordinary accounts); \
         may be repeated",
    )
    .flag("allow-account", "NAME"),
    Setting::new(
        "run.work_dir",
        ValueType::Path {
            may_be_empty: true,
            tilde: Tilde::Kept,
        },
        r#""""#,
        "Directory for projects (default: ~/further of the user who runs the code)",
    )
    .variables(&[Variable::value("FURTHER_LINK_WORK_DIR")])
    .flag("work-dir", "DIR"),
    Setting::new(
        "run.temp_dir",
        ValueType::Path {
            may_be_empty: false,
            tilde: Tilde::Expanded,
        },
        r#""/tmp""#,
        "Directory for temporary files",
    )
    .variables(&[Variable::value("FURTHER_LINK_TEMP_DIR")])
    .flag("temp-dir", "DIR"),
    Setting::new(
        "run.venv",
        ValueType::Path {
            may_be_empty: true,
            tilde: Tilde::Kept,
        },
        r#""""#,
        "Python virtual environment for the python3 runner",
    )
    .variables(&[Variable::value("FURTHER_VENV")])
    .flag("venv", "DIR"),
    Setting::new(
        "run.stop_grace",
        ValueType::Number {
            min: 0.0,
            max: 60.0,
        },
        "2.0",
        "Seconds a stopped program has to finish before it is killed",
    )
    .flag("stop-grace", "SECONDS"),
    Setting::new(
        "run.environment",
        ValueType::Variables,
        "{}",
        "Variables added to the environment of every program",
    ),
    Setting::new(
        "run.pass_environment",
        value_type::VARIABLE_NAMES,
        "[]",
        "Variables of the server that are passed on to programs",
    ),
    Setting::new(
        "run.cgroup",
        ValueType::Choice(&["auto", "off"]),
        r#""auto""#,
        "Whether programs get control groups (cgroups): auto (where possible) or off",
    ),
    Setting::new(
        "limits.message_bytes",
        ValueType::Integer {
            min: 1 << 10,
            max: 1 << 30,
        },
        "16777216",
        "Longest message accepted from a client, in bytes",
    ),
    Setting::new(
        "limits.upload_bytes",
        ValueType::Integer {
            min: 1 << 10,
            max: 1 << 30,
        },
        "33554432",
        "Largest upload of a project, in bytes of JSON",
    ),
    Setting::new(
        "limits.file_bytes",
        ValueType::Integer {
            min: 1 << 10,
            max: 1 << 50,
        },
        "17179869184",
        "Largest file that a client may write, in bytes",
    ),
    Setting::new(
        "limits.connections",
        CONCURRENT_COUNT,
        "512",
        "Connections that may be open at the same time",
    ),
    Setting::new(
        "limits.jobs",
        CONCURRENT_COUNT,
        "256",
        "Programs that may run at the same time",
    ),
    Setting::new(
        "limits.jobs_per_client",
        CONCURRENT_COUNT,
        "64",
        "Programs that may run at the same time for one client",
    ),
    Setting::new(
        "limits.pong_timeout",
        ValueType::Integer { min: 1, max: 3600 },
        "30",
        "Seconds without a message or pong after which a connection is closed",
    ),
    Setting::new(
        "download.max_bytes",
        ValueType::Integer {
            min: 1 << 10,
            max: 1 << 40,
        },
        "67108864",
        "Largest file downloaded for an uploaded project, in bytes",
    ),
    Setting::new(
        "download.timeout",
        ValueType::Integer { min: 1, max: 3600 },
        "60",
        "Seconds that the download of one file may take",
    ),
    Setting::new(
        "download.private_addresses",
        ValueType::Bool,
        "false",
        "Also download files from this device and its own networks",
    ),
    Setting::new(
        "state.dir",
        value_type::OPTIONAL_PATH,
        r#""""#,
        "Directory for what the server keeps, such as the certificate it made",
    ),
    Setting::new(
        "log.level",
        value_type::LOG_LEVEL,
        r#""info""#,
        "How much to log: error, warn, info, debug or trace, or filter directives",
    )
    .variables(&[
        Variable::switch("FURTHER_LINK_DEBUG", "debug", None),
        Variable::value("FURTHER_LINK_LOG"),
    ])
    .flag("log-level", "LEVEL"),
    Setting::new(
        "log.format",
        ValueType::Choice(&["auto", "text", "json"]),
        r#""auto""#,
        "Format of the log: auto, text or json",
    )
    .variables(&[Variable::value("FURTHER_LINK_LOG_FORMAT")])
    .flag("log-format", "FORMAT"),
    Setting::new(
        "miniscreen.projects_dir",
        ValueType::Path {
            may_be_empty: false,
            tilde: Tilde::Kept,
        },
        r#""~/Desktop/Projects/Further""#,
        "Directory that uploaded miniscreen projects are copied to",
    )
    .variables(&[Variable::value("FURTHER_LINK_MINISCREEN_PROJECTS_DIR")]),
    Setting::new(
        "bluetooth.enabled",
        ValueType::Bool,
        "true",
        "Reserved for the Bluetooth part",
    )
    .variables(&[Variable::switch(
        "FURTHER_LINK_SKIP_BLUETOOTH",
        "false",
        Some("true"),
    )]),
    Setting::new(
        "bluetooth.encrypt",
        ValueType::Bool,
        "true",
        "Reserved for the Bluetooth part",
    )
    .variables(&[Variable::switch(
        "FURTHER_LINK_NO_BLUETOOTH_ENCRYPTION",
        "false",
        Some("true"),
    )]),
    Setting::new(
        "bluetooth.pair_and_advertise",
        ValueType::Bool,
        "false",
        "Reserved for the Bluetooth part",
    )
    .variables(&[Variable::switch(
        "FURTHER_LINK_BLUETOOTH_PAIR_AND_ADVERTISE",
        "true",
        Some("false"),
    )]),
    Setting::new(
        "runner",
        ValueType::Runners,
        "[]",
        "Further languages, one table each",
    ),
];

//! The table of all settings: key, kind of value, default, variable, flag, one line of help.
//!
//! One row here (and a field of the same name in `config/mod.rs`) is all that a new setting needs:
//! the layers, the flags of the command line, their help and `further-link config` are made from
//! it.

use super::kinds::{self, Kind, Tilde};

/// One setting.
pub(crate) struct Setting {
    /// Section and name, as in `server.port`.
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    /// Written as the value of a TOML key.
    pub(crate) default: &'static str,
    /// The last one that is set wins.
    pub(crate) variables: &'static [Variable],
    pub(crate) flag: Option<Flag>,
    /// Plain words for `--help`; no full stop.
    pub(crate) help: &'static str,
}

/// An environment variable that sets a setting.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) reading: VariableReading,
}

/// What the text of a variable means.
pub(crate) enum VariableReading {
    /// The value itself; lists are separated by commas.
    Value,
    /// `0` and `false` are a no, everything else a yes; each stands for a value (or for nothing).
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
    pub(crate) reading: FlagReading,
}

/// What a flag brings.
#[derive(Clone, Copy)]
pub(crate) enum FlagReading {
    /// It takes a value, shown under this name in the help.
    Takes(&'static str),
    /// Its presence stands for this value.
    Means(&'static str),
}

impl Setting {
    const fn new(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Self {
        Self {
            key,
            kind,
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
            reading: FlagReading::Takes(value_name),
        });
        self
    }

    const fn flag_meaning(mut self, name: &'static str, value: &'static str) -> Self {
        self.flag = Some(Flag {
            name,
            reading: FlagReading::Means(value),
        });
        self
    }

    /// `server` of `server.port`; empty for `runner`.
    pub(crate) fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    /// Takes several values.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List { .. })
    }

    /// `port` of `server.port`.
    pub(crate) fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }
}

impl Variable {
    const fn value(name: &'static str) -> Self {
        Self {
            name,
            reading: VariableReading::Value,
        }
    }

    const fn switch(name: &'static str, yes: &'static str, no: Option<&'static str>) -> Self {
        Self {
            name,
            reading: VariableReading::Switch { yes, no },
        }
    }
}

/// The setting of that key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// For what costs a file descriptor or more each: beyond that, no process has any left.
const COUNT: Kind = Kind::Integer {
    min: 1,
    max: 65_535,
};

/// Every setting, in the order in which it is shown.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting::new(
        "server.bind",
        kinds::ADDRESSES,
        r#""127.0.0.1""#,
        "Address to listen on, or \"localhost\"; may be repeated",
    )
    .variables(&[Variable::value("FURTHER_LINK_BIND")])
    .flag("bind", "ADDRESS"),
    // 0 lets the system choose a free port: tests and local tools start servers that way.
    Setting::new(
        "server.port",
        Kind::Integer {
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
        Kind::Choice(&["", "none"]),
        r#""""#,
        "\"none\" lets everybody who reaches the port run programs on this device",
    )
    .variables(&[Variable::value("FURTHER_LINK_AUTH")])
    .flag("auth", "HOW"),
    Setting::new(
        "server.hosts",
        kinds::HOSTS,
        "[]",
        "Further name under which browsers reach this device; may be repeated",
    )
    .variables(&[Variable::value("FURTHER_LINK_HOSTS")])
    .flag("host", "NAME"),
    Setting::new(
        "server.origins",
        kinds::ORIGINS,
        "[]",
        "Web site whose pages may use this server, as https://site.example; may be repeated",
    )
    .variables(&[Variable::value("FURTHER_LINK_ORIGINS")])
    .flag("origin", "SITE"),
    Setting::new(
        "server.account",
        kinds::ACCOUNT_OR_EMPTY,
        r#""""#,
        "Account of the part facing the network, when started as root \
         (further-link if it exists, else nobody)",
    )
    .flag("account", "NAME"),
    Setting::new(
        "server.compression",
        Kind::Choice(&["auto", "always", "never"]),
        r#""auto""#,
        "Who gets compressed messages: auto (clients on other devices), always or never",
    ),
    Setting::new(
        "tls.enabled",
        Kind::Bool,
        "true",
        "Serve plain HTTP instead of HTTPS",
    )
    .variables(&[Variable::switch(
        "FURTHER_LINK_NOSSL",
        "false",
        Some("true"),
    )])
    .flag_meaning("no-tls", "false"),
    Setting::new(
        "tls.cert",
        kinds::PATH_OR_EMPTY,
        r#""""#,
        "Certificate to use, a PEM file (searched, else made, by the server)",
    )
    .flag("tls-cert", "FILE"),
    Setting::new(
        "tls.key",
        kinds::PATH_OR_EMPTY,
        r#""""#,
        "Private key of that certificate, a PEM file",
    )
    .flag("tls-key", "FILE"),
    Setting::new(
        "run.user",
        kinds::ACCOUNT_OR_EMPTY,
        r#""""#,
        "Account that runs programs if the browser names none \
         (pi if it exists, else the account of the server)",
    )
    .flag("user", "NAME"),
    Setting::new(
        "run.accounts",
        kinds::ACCOUNTS,
        "[]",
        "Account that programs may run as beside that one (all ordinary accounts); \
         may be repeated",
    )
    .flag("allow-account", "NAME"),
    Setting::new(
        "run.work_dir",
        Kind::Path {
            empty: true,
            tilde: Tilde::Kept,
        },
        r#""""#,
        "Folder of projects (~/further of the user that runs the code)",
    )
    .variables(&[Variable::value("FURTHER_LINK_WORK_DIR")])
    .flag("work-dir", "FOLDER"),
    Setting::new(
        "run.temp_dir",
        Kind::Path {
            empty: false,
            tilde: Tilde::Expanded,
        },
        r#""/tmp""#,
        "Folder for passing files",
    )
    .variables(&[Variable::value("FURTHER_LINK_TEMP_DIR")])
    .flag("temp-dir", "FOLDER"),
    Setting::new(
        "run.venv",
        Kind::Path {
            empty: true,
            tilde: Tilde::Kept,
        },
        r#""""#,
        "Python virtual environment for the python3 runner",
    )
    .variables(&[Variable::value("FURTHER_VENV")])
    .flag("venv", "FOLDER"),
    Setting::new(
        "run.stop_grace",
        Kind::Number {
            min: 0.0,
            max: 60.0,
        },
        "2.0",
        "Seconds a stopped program has to finish before it is killed",
    )
    .flag("stop-grace", "SECONDS"),
    Setting::new(
        "run.environment",
        Kind::Variables,
        "{}",
        "Variables added to the environment of every program",
    ),
    Setting::new(
        "run.pass_environment",
        kinds::VARIABLE_NAMES,
        "[]",
        "Variables of the server that programs get too",
    ),
    Setting::new(
        "run.cgroup",
        Kind::Choice(&["auto", "off"]),
        r#""auto""#,
        "Control groups, by which the kernel keeps a program together with all that it starts",
    ),
    Setting::new(
        "limits.message_bytes",
        Kind::Integer {
            min: 1 << 10,
            max: 1 << 30,
        },
        "16777216",
        "Longest message taken from a client, in bytes",
    ),
    Setting::new(
        "limits.upload_bytes",
        Kind::Integer {
            min: 1 << 10,
            max: 1 << 30,
        },
        "33554432",
        "Largest project taken by an upload, in bytes of JSON",
    ),
    Setting::new(
        "limits.file_bytes",
        Kind::Integer {
            min: 1 << 10,
            max: 1 << 50,
        },
        "17179869184",
        "Largest file that a client may write, in bytes",
    ),
    Setting::new(
        "limits.connections",
        COUNT,
        "512",
        "Connections open at the same time",
    ),
    Setting::new(
        "limits.jobs",
        COUNT,
        "256",
        "Programs running at the same time",
    ),
    Setting::new(
        "limits.jobs_per_client",
        COUNT,
        "64",
        "Programs running at the same time for one client",
    ),
    Setting::new(
        "limits.pong_timeout",
        Kind::Integer { min: 1, max: 3600 },
        "30",
        "Seconds without a sign of life after which a connection is given up",
    ),
    Setting::new(
        "download.max_bytes",
        Kind::Integer {
            min: 1 << 10,
            max: 1 << 40,
        },
        "67108864",
        "Largest file that is downloaded for an uploaded project, in bytes",
    ),
    Setting::new(
        "download.timeout",
        Kind::Integer { min: 1, max: 3600 },
        "60",
        "Seconds that the download of one file may take",
    ),
    Setting::new(
        "download.private_addresses",
        Kind::Bool,
        "false",
        "Download files of projects from this device and its own networks too",
    ),
    Setting::new(
        "state.dir",
        kinds::PATH_OR_EMPTY,
        r#""""#,
        "Folder for what the server keeps, such as the certificate it made",
    ),
    Setting::new(
        "log.level",
        kinds::LOG_LEVEL,
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
        Kind::Choice(&["auto", "text", "json"]),
        r#""auto""#,
        "Form of the log: auto, text or json",
    )
    .variables(&[Variable::value("FURTHER_LINK_LOG_FORMAT")])
    .flag("log-format", "FORM"),
    Setting::new(
        "miniscreen.projects_dir",
        Kind::Path {
            empty: false,
            tilde: Tilde::Kept,
        },
        r#""~/Desktop/Projects/Further""#,
        "Folder that uploaded miniscreen projects are copied to",
    )
    .variables(&[Variable::value("FURTHER_LINK_MINISCREEN_PROJECTS_DIR")]),
    Setting::new(
        "bluetooth.enabled",
        Kind::Bool,
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
        Kind::Bool,
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
        Kind::Bool,
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
        Kind::Runners,
        "[]",
        "Further languages, one table each",
    ),
];

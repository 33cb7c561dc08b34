//! The command line: commands and flags.
//!
//! The flags for settings are made from the table of settings, so each says the same as the file
//! and the documentation; their values are judged there too, together with those of the file and of
//! the variables.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand, value_parser,
};

use crate::config::{FlagReading, Given, SETTINGS, Setting, addresses_of};
use further_link_server::{SizeOrder, TerminalSize, read_terminal_size};

/// Run code and terminals on this device, live, from a browser.
#[derive(Debug, Parser)]
#[command(
    name = "further-link",
    version,
    after_help = "Without a command, the server is started. All settings: further-link config",
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    task: Option<Task>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Start the server (also without any command)
    Serve(Flags),
    /// Start a small server for terminals in pages, over HTTP and WebSocket
    Terminal(TerminalArgs),
    /// Show all settings and where each comes from
    Config(ConfigArgs),
}

/// Of `further-link config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Print JSON instead of TOML
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Of `further-link terminal`. The names are those of the server that this one takes the place of.
#[derive(Debug, Args)]
pub(crate) struct TerminalArgs {
    /// Address to listen on, or "localhost"
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1", value_parser = addresses)]
    pub(crate) bind: Addresses,
    /// Port for HTTP; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) http: u16,
    /// Port for WebSocket; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 8001)]
    pub(crate) ws: u16,
    /// Do without HTTP
    #[arg(long, conflicts_with = "no_websocket")]
    pub(crate) no_http: bool,
    /// Do without WebSocket on a port of its own
    #[arg(long)]
    pub(crate) no_websocket: bool,
    /// Size of terminals until their page says another
    #[arg(long, value_name = "COLxLINES", default_value = "120x40", value_parser = initial_size)]
    pub(crate) initial_size: TerminalSize,
    /// Folder with the page [default: our own page]
    #[arg(long, value_name = "DIR")]
    pub(crate) docroot: Option<PathBuf>,
    /// Folder for files that are sent [default: "uploads" in the work folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) upload_dir: Option<PathBuf>,
    /// A secret; who sends it may list and end the sessions of all [env: FURTHER_LINK_TERMINAL_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Begin new terminals without a line that says what they are
    #[arg(long)]
    pub(crate) no_welcome: bool,
    /// Say nothing but errors
    #[arg(long, short, conflicts_with = "debug")]
    pub(crate) quiet: bool,
    /// Log what happens in detail
    #[arg(long, short)]
    pub(crate) debug: bool,
    /// Seconds without a visit after which a session over HTTP ends
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds, hide = true)]
    pub(crate) idle: Duration,
    /// Does nothing
    #[arg(long, hide = true)]
    aiohttp_workaround: bool,
    /// Belongs to Windows
    #[arg(long, hide = true)]
    pub(crate) use_conpty: bool,
    /// Belongs to Windows
    #[arg(long, hide = true)]
    pub(crate) use_conhost: bool,
    /// Configuration file, as for the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Any setting by its key, such as limits.jobs=8; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// One or two addresses that one word stands for.
#[derive(Debug, Clone)]
pub(crate) struct Addresses(pub(crate) Vec<IpAddr>);

fn addresses(text: &str) -> Result<Addresses, String> {
    addresses_of(text)
        .map(Addresses)
        .ok_or_else(|| "not an IP address, nor \"localhost\"".to_owned())
}

fn initial_size(text: &str) -> Result<TerminalSize, String> {
    read_terminal_size(text, SizeOrder::ColumnsFirst)
        .ok_or_else(|| "not COLxLINES, as in 120x40, each from 1 to 9999".to_owned())
}

/// A tenth to a day: less is no time to come back, and nobody comes back to a shell after more.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.1..=86_400.0).contains(seconds));
    let seconds = seconds.ok_or("not a number of seconds from 0.1 to 86400")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// The flags that stand for settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags(Given);

impl Cli {
    /// The task, and what the flags say. They may stand before and behind the command; behind it is
    /// stronger.
    pub(crate) fn into_parts(self) -> (Task, Given) {
        let task = self.task.unwrap_or_else(|| Task::Serve(Flags::default()));
        let Flags(mut given) = self.flags;
        let Flags(behind) = match &task {
            Task::Serve(flags) | Task::Config(ConfigArgs { flags, .. }) => flags.clone(),
            Task::Terminal(TerminalArgs { config, set, .. }) => Flags(Given {
                file: config.clone(),
                sets: set.clone(),
                flags: Vec::new(),
            }),
        };
        given.file = behind.file.or(given.file);
        given.sets.extend(behind.sets);
        given.flags.extend(behind.flags);
        (task, given)
    }
}

const CONFIG: &str = "config";
const SET: &str = "set";

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let command = command
            .arg(
                Arg::new(CONFIG)
                    .long(CONFIG)
                    .value_name("FILE")
                    .value_parser(value_parser!(PathBuf))
                    .help_heading("Configuration")
                    .help(
                        "Configuration file\n[default: ~/.config/further-link/further-link.toml, \
                         else /etc/further-link/further-link.toml]\n[env: FURTHER_LINK_CONFIG]",
                    ),
            )
            .arg(
                Arg::new(SET)
                    .long(SET)
                    .value_name("KEY=VALUE")
                    .action(ArgAction::Append)
                    .help_heading("Configuration")
                    .help("Any setting by its key, such as limits.jobs=8; may be repeated"),
            );
        SETTINGS
            .iter()
            .filter_map(argument)
            .fold(command, Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(setting: &Setting) -> Option<Arg> {
    let flag = setting.flag?;
    // On a line of their own: clap breaks no lines by itself.
    let mut remarks = Vec::new();
    if !matches!(setting.default, r#""""# | "[]" | "true" | "false") {
        remarks.push(format!("[default: {}]", setting.default.trim_matches('"')));
    }
    for variable in setting.variables {
        remarks.push(format!("[env: {}]", variable.name));
    }
    let mut help = setting.help.to_owned();
    if !remarks.is_empty() {
        help = format!("{help}\n{}", remarks.join(" "));
    }
    let heading = match setting.section() {
        "server" => "Server",
        "tls" => "Encryption",
        "run" => "Programs",
        "log" => "Log",
        _ => "Further settings",
    };
    let argument = Arg::new(flag.name)
        .long(flag.name)
        .help(help)
        .help_heading(heading);
    Some(match flag.reading {
        FlagReading::Means(_) => argument.action(ArgAction::SetTrue),
        // A list takes one flag for each item; for others, clap says that they cannot be repeated.
        FlagReading::Takes(name) if setting.is_list() => {
            argument.value_name(name).action(ArgAction::Append)
        }
        FlagReading::Takes(name) => argument.value_name(name),
    })
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let texts = |name| {
            matches
                .get_many::<String>(name)
                .into_iter()
                .flatten()
                .cloned()
        };
        let mut given = Given {
            file: matches.get_one::<PathBuf>(CONFIG).cloned(),
            sets: texts(SET).collect(),
            flags: Vec::new(),
        };
        for flag in SETTINGS.iter().filter_map(|setting| setting.flag) {
            match flag.reading {
                FlagReading::Means(_) if matches.get_flag(flag.name) => {
                    given.flags.push((flag.name, None))
                }
                FlagReading::Means(_) => {}
                FlagReading::Takes(_) => given
                    .flags
                    .extend(texts(flag.name).map(|text| (flag.name, Some(text)))),
            }
        }
        Ok(Self(given))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

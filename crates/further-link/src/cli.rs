//! The command line: commands and flags.
//!
//! The flags for settings are made from the table of settings (`config/settings.rs`), where their
//! values are checked too, together with those of the file and of the variables.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand, value_parser,
};

use crate::config::{CommandLineSettings, FlagKind, SETTINGS, Setting, parse_bind_address};
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
    command: Option<CliCommand>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Start the server (also without any command)
    Serve(Flags),
    /// Start a small server for terminals in pages, over HTTP and WebSocket
    Terminal(TerminalArgs),
    /// Show all settings and where each comes from
    Config(ConfigArgs),
}

/// The options of `further-link config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Print JSON instead of TOML
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    flags: Flags,
}

/// The options of `further-link terminal`. Their names are those of the server that it replaces.
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
    /// Do not serve HTTP
    #[arg(long, conflicts_with = "no_websocket")]
    pub(crate) no_http: bool,
    /// Do not open a port for WebSocket alone
    #[arg(long)]
    pub(crate) no_websocket: bool,
    /// Size of terminals until their page sets another
    #[arg(long, value_name = "COLxLINES", default_value = "120x40", value_parser = initial_size)]
    pub(crate) initial_size: TerminalSize,
    /// Directory with the page [default: the built-in page]
    #[arg(long, value_name = "DIR")]
    pub(crate) docroot: Option<PathBuf>,
    /// Directory for uploaded files [default: "uploads" in the work directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) upload_dir: Option<PathBuf>,
    /// Secret that lets its bearer list and end all sessions [env: FURTHER_LINK_TERMINAL_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Start terminals without a line that says what they are
    #[arg(long)]
    pub(crate) no_welcome: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "debug")]
    pub(crate) quiet: bool,
    /// Log in detail
    #[arg(long, short)]
    pub(crate) debug: bool,
    /// Seconds without a request after which a session over HTTP ends
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds, hide = true)]
    pub(crate) idle: Duration,
    /// Does nothing
    #[arg(long, hide = true)]
    aiohttp_workaround: bool,
    /// For Windows only
    #[arg(long, hide = true)]
    pub(crate) use_conpty: bool,
    /// For Windows only
    #[arg(long, hide = true)]
    pub(crate) use_conhost: bool,
    /// Configuration file, as for the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Any setting by its key, such as limits.jobs=8; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// What `--idle` may be: less is not enough time to come back, and after a day nobody comes back to
/// a shell.
const IDLE_TIMEOUT_SECONDS: std::ops::RangeInclusive<f64> = 0.1..=86_400.0;

/// The addresses that one value stands for: `localhost` is two.
#[derive(Debug, Clone)]
pub(crate) struct Addresses(pub(crate) Vec<IpAddr>);

fn addresses(text: &str) -> Result<Addresses, &'static str> {
    parse_bind_address(text)
        .map(Addresses)
        .ok_or("not an IP address, nor \"localhost\"")
}

fn initial_size(text: &str) -> Result<TerminalSize, &'static str> {
    read_terminal_size(text, SizeOrder::ColumnsFirst)
        .ok_or("not COLxLINES, as in 120x40, each from 1 to 9999")
}

/// Reads the idle timeout of a session.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    text.parse()
        .ok()
        .filter(|seconds| IDLE_TIMEOUT_SECONDS.contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or("not a number of seconds from 0.1 to 86400")
}

/// The flags that stand for settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags(CommandLineSettings);

impl Cli {
    /// Returns the command, and what the flags set. Flags may stand before and behind the command;
    /// those behind it override those before it.
    pub(crate) fn into_parts(self) -> (CliCommand, CommandLineSettings) {
        let command = self
            .command
            .unwrap_or_else(|| CliCommand::Serve(Flags::default()));
        let Flags(mut settings) = self.flags;
        let Flags(behind) = match &command {
            CliCommand::Serve(flags) | CliCommand::Config(ConfigArgs { flags, .. }) => {
                flags.clone()
            }
            CliCommand::Terminal(TerminalArgs { config, set, .. }) => Flags(CommandLineSettings {
                file: config.clone(),
                sets: set.clone(),
                flags: Vec::new(),
            }),
        };
        settings.file = behind.file.or(settings.file);
        settings.sets.extend(behind.sets);
        settings.flags.extend(behind.flags);
        (command, settings)
    }
}

const CONFIG_FLAG: &str = "config";
const SET_FLAG: &str = "set";

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let command = command
            .arg(
                Arg::new(CONFIG_FLAG)
                    .long(CONFIG_FLAG)
                    .value_name("FILE")
                    .value_parser(value_parser!(PathBuf))
                    .help_heading("Configuration")
                    .help(
                        "Configuration file\n[default: ~/.config/further-link/further-link.toml, \
                         else /etc/further-link/further-link.toml]\n[env: FURTHER_LINK_CONFIG]",
                    ),
            )
            .arg(
                Arg::new(SET_FLAG)
                    .long(SET_FLAG)
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
    Some(match flag.kind {
        FlagKind::Switch(_) => argument.action(ArgAction::SetTrue),
        // A list takes one flag for each item; for others, clap says that they cannot be repeated.
        FlagKind::TakesValue(name) if setting.is_list() => {
            argument.value_name(name).action(ArgAction::Append)
        }
        FlagKind::TakesValue(name) => argument.value_name(name),
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
        let mut settings = CommandLineSettings {
            file: matches.get_one::<PathBuf>(CONFIG_FLAG).cloned(),
            sets: texts(SET_FLAG).collect(),
            flags: Vec::new(),
        };
        for flag in SETTINGS.iter().filter_map(|setting| setting.flag) {
            match flag.kind {
                FlagKind::Switch(_) if matches.get_flag(flag.name) => {
                    settings.flags.push((flag.name, None))
                }
                FlagKind::Switch(_) => {}
                FlagKind::TakesValue(_) => settings
                    .flags
                    .extend(texts(flag.name).map(|text| (flag.name, Some(text)))),
            }
        }
        Ok(Self(settings))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

//! The command line: commands and flags.
//!
//! The flags for settings are made from the table of settings, so each says the same as the file
//! and the documentation; their values are judged there too, together with those of the file and of
//! the variables.

use std::path::PathBuf;

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand, value_parser,
};

use crate::config::{FlagReading, Given, SETTINGS, Setting};

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

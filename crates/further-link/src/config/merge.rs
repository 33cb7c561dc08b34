//! Merges the sources of the configuration in the order of their precedence: defaults, file,
//! environment variables, command line. A later one overrides an earlier one, key by key, and each
//! value remembers where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::runner::InvalidRunner;
use super::search_path::ProcessEnvironment;
use super::settings::{self, FlagKind, SETTINGS, Setting, VariableKind};
use super::suggestion::did_you_mean;
use super::value_type::{self, InvalidValue, PathBase, ValueType};

/// Where the value of a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File(PathBuf),
    Variable(&'static str),
    /// Without the dashes.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// The settings that the command line gives.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommandLineSettings {
    /// `--config`
    pub(crate) file: Option<PathBuf>,
    /// `--set KEY=VALUE`, in the order given.
    pub(crate) sets: Vec<String>,
    /// Names of flags (without the dashes) and their values, in the order given; [`None`] for a
    /// flag without a value.
    pub(crate) flags: Vec<(&'static str, Option<String>)>,
}

/// The value of each setting as merged so far, and its source.
pub(crate) struct MergedSettings {
    values: BTreeMap<&'static str, (Value, Source)>,
}

impl MergedSettings {
    /// Returns the built-in defaults: what everything else overrides.
    pub(crate) fn defaults() -> Result<Self> {
        let mut merged = Self {
            values: BTreeMap::new(),
        };
        let base = PathBase {
            dir: Path::new("/"),
            home: None,
        };
        for setting in SETTINGS {
            let value = value_type::toml_value(setting.default)
                .ok_or_else(|| anyhow!("the default of {} is not TOML", setting.key))?;
            merged.put(setting, value, Source::Default, "default", &base)?;
        }
        Ok(merged)
    }

    /// Merges a configuration file.
    pub(crate) fn merge_file(
        &mut self,
        path: &Path,
        text: &str,
        environment: &ProcessEnvironment,
    ) -> Result<()> {
        let shown = path.display();
        // The error itself is shown with several lines of the file; its message is one line.
        let broken = |error: toml::de::Error| {
            let (line, column) = error
                .span()
                .map_or((1, 1), |span| line_and_column(text, span.start));
            let message = error.message().replace('\n', ", ");
            anyhow!("{shown}, line {line}, column {column}: {message}")
        };
        // Once for the positions of the keys, once for plain values.
        let positions = DeTable::parse(text).map_err(broken)?;
        let values: Table = toml::from_str(text).map_err(broken)?;

        let base = PathBase {
            dir: path.parent().unwrap_or(Path::new("/")),
            home: environment.home.as_deref(),
        };
        let mut put = |start: usize, key: &str, value: Option<&Value>| {
            let location = format!("{shown}, line {}", line_and_column(text, start).0);
            let setting = known(key, &location)?;
            let value = value.with_context(|| format!("{location}: {key} has no value"))?;
            self.put(
                setting,
                value.clone(),
                Source::File(path.to_owned()),
                &location,
                &base,
            )
        };
        for (section, content) in positions.get_ref() {
            let name = section.get_ref().as_ref();
            let value = values.get(name);
            match content.get_ref() {
                DeValue::Table(entries) if settings::find(name).is_none() => {
                    if entries.is_empty() && !sections().any(|known| known == name) {
                        let line = line_and_column(text, section.span().start).0;
                        let hint = did_you_mean(name, sections());
                        bail!("{shown}, line {line}: unknown section `[{name}]`{hint}");
                    }
                    for key in entries.keys() {
                        let entry = value.and_then(|table| table.get(key.get_ref().as_ref()));
                        put(
                            key.span().start,
                            &format!("{name}.{}", key.get_ref()),
                            entry,
                        )?;
                    }
                }
                _ => put(section.span().start, name, value)?,
            }
        }
        Ok(())
    }

    /// Merges the environment variables.
    pub(crate) fn merge_environment(&mut self, environment: &ProcessEnvironment) -> Result<()> {
        let base = current_dir_base(environment);
        for setting in SETTINGS {
            for variable in setting.variables {
                let Some(text) = environment.non_empty_variable(variable.name) else {
                    continue;
                };
                let value = match variable.kind {
                    VariableKind::Value => {
                        let Some(text) = text.to_str() else {
                            bail!("{}: this variable is not valid UTF-8", variable.name);
                        };
                        setting.value_type.parse(text)
                    }
                    VariableKind::Switch { yes, no } => {
                        let is_no = ["0", "false"]
                            .iter()
                            .any(|word| text.eq_ignore_ascii_case(word));
                        match if is_no { no } else { Some(yes) } {
                            Some(meaning) => setting.value_type.parse(meaning),
                            None => continue,
                        }
                    }
                };
                self.put(
                    setting,
                    value,
                    Source::Variable(variable.name),
                    variable.name,
                    &base,
                )?;
            }
        }
        Ok(())
    }

    /// Merges the command line; a flag of its own overrides `--set`.
    pub(crate) fn merge_flags(
        &mut self,
        command_line: &CommandLineSettings,
        environment: &ProcessEnvironment,
    ) -> Result<()> {
        let base = current_dir_base(environment);
        for assignment in &command_line.sets {
            self.set(assignment, &base)?;
        }
        for setting in SETTINGS {
            let Some(flag) = setting.flag else { continue };
            let mut texts = command_line
                .flags
                .iter()
                .filter(|(name, _)| *name == flag.name)
                .map(|(_, text)| text);
            let value = match (flag.kind, &setting.value_type) {
                (FlagKind::Switch(value), value_type) => {
                    texts.next().map(|_| value_type.parse(value))
                }
                (FlagKind::TakesValue(_), ValueType::List { .. }) => {
                    let items: Vec<_> = texts
                        .flatten()
                        .map(|text| Value::from(text.as_str()))
                        .collect();
                    (!items.is_empty()).then_some(Value::Array(items))
                }
                (FlagKind::TakesValue(_), value_type) => texts
                    .next_back()
                    .and_then(Option::as_ref)
                    .map(|text| value_type.parse(text)),
            };
            if let Some(value) = value {
                self.put(
                    setting,
                    value,
                    Source::Flag(flag.name),
                    &format!("--{}", flag.name),
                    &base,
                )?;
            }
        }
        Ok(())
    }

    fn set(&mut self, assignment: &str, base: &PathBase<'_>) -> Result<()> {
        let Some((key, text)) = assignment.split_once('=') else {
            bail!("--set: write KEY=VALUE, such as server.port=9000, not {assignment:?}");
        };
        let (key, text) = (key.trim(), text.trim());
        // One variable can be set without repeating the others.
        if let Some(name) = key.strip_prefix("run.environment.") {
            let setting = known("run.environment", "--set")?;
            let mut table = self.value(setting).as_table().cloned().unwrap_or_default();
            table.insert(name.to_owned(), value_type::toml_text(text));
            return self.put(
                setting,
                Value::Table(table),
                Source::Flag("set"),
                "--set",
                base,
            );
        }
        let setting = known(key, "--set")?;
        let value = setting.value_type.parse_toml(text);
        self.put(setting, value, Source::Flag("set"), "--set", base)
    }

    fn put(
        &mut self,
        setting: &Setting,
        value: Value,
        source: Source,
        location: &str,
        base: &PathBase<'_>,
    ) -> Result<()> {
        let key = setting.key;
        let value = setting.value_type.validate(value, base).map_err(|error| {
            // The errors of runners name one of their rows first.
            let colon = match &error {
                InvalidValue::Runner(InvalidRunner::Row { .. }) => ":",
                _ => "",
            };
            anyhow!("{location}: {key}{colon} {error}")
        })?;
        self.values.insert(key, (value, source));
        Ok(())
    }

    fn value(&self, setting: &Setting) -> &Value {
        &self.values[setting.key].0
    }

    /// Returns all values as one TOML document, in their sections.
    pub(crate) fn to_table(&self) -> Table {
        let mut whole = Table::new();
        for setting in SETTINGS {
            let value = self.value(setting).clone();
            if setting.section().is_empty() {
                whole.insert(setting.name().to_owned(), value);
                continue;
            }
            let section = whole
                .entry(setting.section())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(setting.name().to_owned(), value);
            }
        }
        whole
    }

    /// Returns each setting with its value and source, in the order of the table.
    pub(crate) fn into_list(mut self) -> Vec<(&'static Setting, Value, Source)> {
        SETTINGS
            .iter()
            .filter_map(|setting| {
                let (value, source) = self.values.remove(setting.key)?;
                Some((setting, value, source))
            })
            .collect()
    }
}

fn known(key: &str, location: &str) -> Result<&'static Setting> {
    if let Some(setting) = settings::find(key) {
        return Ok(setting);
    }
    if sections().any(|section| section == key) {
        bail!("{location}: `{key}` is a section, not a key");
    }
    let hint = did_you_mean(key, SETTINGS.iter().map(|setting| setting.key));
    bail!("{location}: unknown key `{key}`{hint}");
}

fn sections() -> impl Iterator<Item = &'static str> {
    SETTINGS
        .iter()
        .map(Setting::section)
        .filter(|section| !section.is_empty())
}

fn current_dir_base(environment: &ProcessEnvironment) -> PathBase<'_> {
    PathBase {
        dir: &environment.current_dir,
        home: environment.home.as_deref(),
    }
}

/// Returns line and column of a byte offset, both counted from 1, as editors do.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

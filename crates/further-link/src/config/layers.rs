//! The layers of the configuration: defaults, file, variables, flags. A later one overrides an
//! earlier one, key by key, and each value remembers where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::kinds::{self, Base, Kind};
use super::nearest;
use super::places::Surroundings;
use super::settings::{self, FlagReading, SETTINGS, Setting, VariableReading};

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

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// `--config`
    pub(crate) file: Option<PathBuf>,
    /// `--set KEY=VALUE`, in their order.
    pub(crate) sets: Vec<String>,
    /// Name of a flag (without the dashes) and its value, in their order; [`None`] for a flag
    /// without a value.
    pub(crate) flags: Vec<(&'static str, Option<String>)>,
}

/// The values in force so far: one for each setting.
pub(crate) struct Layers {
    values: BTreeMap<&'static str, (Value, Source)>,
}

impl Layers {
    /// The layer at the bottom.
    pub(crate) fn defaults() -> Result<Self> {
        let mut layers = Self {
            values: BTreeMap::new(),
        };
        let base = Base {
            folder: Path::new("/"),
            home: None,
        };
        for setting in SETTINGS {
            let value = kinds::toml_value(setting.default)
                .ok_or_else(|| anyhow!("the default of {} is no TOML", setting.key))?;
            layers.put(setting, value, Source::Default, "default", &base)?;
        }
        Ok(layers)
    }

    /// Lays a configuration file on top.
    pub(crate) fn add_file(
        &mut self,
        path: &Path,
        text: &str,
        around: &Surroundings,
    ) -> Result<()> {
        let shown = path.display();
        let broken = |error: toml::de::Error| {
            let (line, column) = error
                .span()
                .map_or((1, 1), |span| line_and_column(text, span.start));
            let message = error.message().replace('\n', ", ");
            anyhow!("{shown}, line {line}, column {column}: {message}")
        };
        // Once for the places of the keys, once for plain values.
        let places = DeTable::parse(text).map_err(broken)?;
        let values: Table = toml::from_str(text).map_err(broken)?;

        let base = Base {
            folder: path.parent().unwrap_or(Path::new("/")),
            home: around.home.as_deref(),
        };
        let mut put = |start: usize, key: &str, value: Option<&Value>| {
            let place = format!("{shown}, line {}", line_and_column(text, start).0);
            let setting = known(key, &place)?;
            let value = value.with_context(|| format!("{place}: {key} has no value"))?;
            self.put(
                setting,
                value.clone(),
                Source::File(path.to_owned()),
                &place,
                &base,
            )
        };
        for (section, content) in places.get_ref() {
            let name = section.get_ref().as_ref();
            let value = values.get(name);
            match content.get_ref() {
                DeValue::Table(entries) if settings::find(name).is_none() => {
                    if entries.is_empty() && !sections().any(|known| known == name) {
                        let line = line_and_column(text, section.span().start).0;
                        let hint = nearest::hint(name, sections());
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

    /// Lays the environment variables on top.
    pub(crate) fn add_environment(&mut self, around: &Surroundings) -> Result<()> {
        let base = started_in(around);
        for setting in SETTINGS {
            for variable in setting.variables {
                let Some(text) = around.set(variable.name) else {
                    continue;
                };
                let value = match variable.reading {
                    VariableReading::Value => {
                        let Some(text) = text.to_str() else {
                            bail!("{}: this variable is not valid UTF-8", variable.name);
                        };
                        setting.kind.parse(text)
                    }
                    VariableReading::Switch { yes, no } => {
                        let is_no = ["0", "false"]
                            .iter()
                            .any(|word| text.eq_ignore_ascii_case(word));
                        match if is_no { no } else { Some(yes) } {
                            Some(meaning) => setting.kind.parse(meaning),
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

    /// Lays the command line on top; a flag with a name of its own is above `--set`.
    pub(crate) fn add_flags(&mut self, given: &Given, around: &Surroundings) -> Result<()> {
        let base = started_in(around);
        for assignment in &given.sets {
            self.set(assignment, &base)?;
        }
        for setting in SETTINGS {
            let Some(flag) = setting.flag else { continue };
            let mut said = given
                .flags
                .iter()
                .filter(|(name, _)| *name == flag.name)
                .map(|(_, text)| text);
            let value = match (flag.reading, &setting.kind) {
                (FlagReading::Means(meaning), kind) => said.next().map(|_| kind.parse(meaning)),
                (FlagReading::Takes(_), Kind::List { .. }) => {
                    let items: Vec<_> = said
                        .flatten()
                        .map(|text| Value::from(text.as_str()))
                        .collect();
                    (!items.is_empty()).then_some(Value::Array(items))
                }
                (FlagReading::Takes(_), kind) => said
                    .next_back()
                    .and_then(Option::as_ref)
                    .map(|text| kind.parse(text)),
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

    fn set(&mut self, assignment: &str, base: &Base<'_>) -> Result<()> {
        let Some((key, text)) = assignment.split_once('=') else {
            bail!("--set: write KEY=VALUE, such as server.port=9000, not {assignment:?}");
        };
        let (key, text) = (key.trim(), text.trim());
        // One variable can be set without repeating the others.
        if let Some(name) = key.strip_prefix("run.environment.") {
            let setting = known("run.environment", "--set")?;
            let mut table = self.value(setting).as_table().cloned().unwrap_or_default();
            table.insert(name.to_owned(), kinds::toml_text(text));
            return self.put(
                setting,
                Value::Table(table),
                Source::Flag("set"),
                "--set",
                base,
            );
        }
        let setting = known(key, "--set")?;
        let value = setting.kind.parse_toml(text);
        self.put(setting, value, Source::Flag("set"), "--set", base)
    }

    fn put(
        &mut self,
        setting: &Setting,
        value: Value,
        source: Source,
        place: &str,
        base: &Base<'_>,
    ) -> Result<()> {
        let key = setting.key;
        let value = setting.kind.check(value, base).map_err(|problem| {
            // Runners speak of one of their rows.
            let colon = if problem.starts_with("must ") {
                ""
            } else {
                ":"
            };
            anyhow!("{place}: {key}{colon} {problem}")
        })?;
        self.values.insert(key, (value, source));
        Ok(())
    }

    fn value(&self, setting: &Setting) -> &Value {
        &self.values[setting.key].0
    }

    /// All values as one TOML document, with a section for each.
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

    /// Each setting with its value and source, in the order of the table.
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

fn known(key: &str, place: &str) -> Result<&'static Setting> {
    if let Some(setting) = settings::find(key) {
        return Ok(setting);
    }
    if sections().any(|section| section == key) {
        bail!("{place}: `{key}` is a section, not a key");
    }
    let hint = nearest::hint(key, SETTINGS.iter().map(|setting| setting.key));
    bail!("{place}: unknown key `{key}`{hint}");
}

fn sections() -> impl Iterator<Item = &'static str> {
    SETTINGS
        .iter()
        .map(Setting::section)
        .filter(|section| !section.is_empty())
}

fn started_in(around: &Surroundings) -> Base<'_> {
    Base {
        folder: &around.folder,
        home: around.home.as_deref(),
    }
}

/// Both counted from 1, as editors do.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

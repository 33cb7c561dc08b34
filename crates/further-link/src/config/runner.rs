//! The `[[runner]]` tables of the configuration file: further languages, or replacements for a
//! built-in one.
//!
//! Only their form is checked here; what a runner does is up to the engine (its `runner.rs`).

use serde::Deserialize;
use toml::{Table, Value};

use super::suggestion::did_you_mean;

/// One `[[runner]]` table, with the defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawRow")]
pub(crate) struct RunnerRow {
    /// What a client asks for; a row with the name of a built-in one replaces it.
    pub(crate) name: String,
    /// For people; the name, if none was given.
    pub(crate) title: String,
    /// Program and arguments, with the placeholders `{file}`, `{folder}`, `{temp}` and `{shell}`.
    /// Empty only in a disabled row.
    pub(crate) command: Vec<String>,
    /// What the name of a code file ends with, such as `.js`; may be empty.
    pub(crate) extension: String,
    /// Programs that must be installed; the first word of the command, if nothing else was given.
    pub(crate) requires: Vec<String>,
    /// The code file is made executable.
    pub(crate) executable: bool,
    /// The virtual environment `run.venv` is put first on the program's `PATH`.
    pub(crate) venv: bool,
    /// Stopping also sends SIGHUP: for programs that ignore SIGTERM, as interactive shells do.
    pub(crate) hangup: bool,
    /// Not offered at all.
    pub(crate) disabled: bool,
}

/// A row as it is written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    name: String,
    title: Option<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    extension: String,
    requires: Option<Vec<String>>,
    #[serde(default)]
    executable: bool,
    #[serde(default)]
    venv: bool,
    #[serde(default)]
    hangup: bool,
    #[serde(default)]
    disabled: bool,
}

/// Why the rows are refused. Its text is the rest of a sentence that begins with `runner`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidRunner {
    #[error("must be written as [[runner]] tables")]
    NotTables,
    /// `row` is its name in quotes, or its number if it has none.
    #[error("{row}: {problem}")]
    Row { row: String, problem: InvalidRow },
}

/// What is wrong with one row.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidRow {
    #[error("there are two tables of this name")]
    DuplicateName,
    #[error("unknown key `{key}`{suggestion}")]
    UnknownKey { key: String, suggestion: String },
    #[error("{key} must be {expected}, not {value}")]
    Mismatch {
        key: String,
        expected: KeyType,
        value: Value,
    },
    #[error("{0} must not hold a NUL character")]
    NulCharacter(String),
    #[error("name must be 1 to {NAME_MAX_BYTES} of the characters a-z, 0-9, _, + and -")]
    Name,
    #[error(
        "name must be 1 to {NAME_MAX_BYTES} of the characters a-z, 0-9, _, + and -; it is missing"
    )]
    NameMissing,
    #[error("extension must be a dot and what follows it, such as \".js\", not {0:?}")]
    Extension(String),
    #[error("command is missing: the program and its arguments, such as [\"node\", \"{{file}}\"]")]
    CommandMissing,
    #[error("command must begin with a program")]
    ProgramEmpty,
    #[error("requires must hold names of programs")]
    RequiresEmpty,
    #[error("unknown placeholder `{placeholder}` in command{suggestion}")]
    UnknownPlaceholder {
        placeholder: String,
        suggestion: String,
    },
}

/// The type of a key's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum KeyType {
    Text,
    List,
    Bool,
}

impl std::fmt::Display for KeyType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text => "a text in quotes",
            Self::List => "a list of texts in quotes",
            Self::Bool => "true or false",
        })
    }
}

impl KeyType {
    fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_str(),
            Self::List => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_str)),
            Self::Bool => value.is_bool(),
        }
    }
}

/// The keys of a row, and what they take.
pub(crate) const ROW_KEYS: &[(&str, KeyType)] = &[
    ("name", KeyType::Text),
    ("title", KeyType::Text),
    ("command", KeyType::List),
    ("extension", KeyType::Text),
    ("requires", KeyType::List),
    ("executable", KeyType::Bool),
    ("venv", KeyType::Bool),
    ("hangup", KeyType::Bool),
    ("disabled", KeyType::Bool),
];

/// What the engine replaces in the words of a command.
const COMMAND_PLACEHOLDERS: &[&str] = &["{file}", "{folder}", "{temp}", "{shell}"];

/// Longest name of a runner: enough for any language, short enough for a list on a small screen.
const NAME_MAX_BYTES: usize = 32;
/// Longest extension, with its dot: a generated file name stays far below the 255 bytes that file
/// systems take (`NAME_MAX`).
const EXTENSION_MAX_BYTES: usize = 16;

impl From<RawRow> for RunnerRow {
    fn from(row: RawRow) -> Self {
        let requires = row.requires.unwrap_or_else(|| {
            // A first word with a placeholder in it names no program that could be missing.
            row.command
                .iter()
                .take(1)
                .filter(|word| !word.contains('{'))
                .cloned()
                .collect()
        });
        Self {
            title: row.title.unwrap_or_else(|| row.name.clone()),
            name: row.name,
            command: row.command,
            extension: row.extension,
            requires,
            executable: row.executable,
            venv: row.venv,
            hangup: row.hangup,
            disabled: row.disabled,
        }
    }
}

/// Checks the form of the rows; the names in them must differ.
pub(crate) fn validate(rows: &[Value]) -> Result<(), InvalidRunner> {
    let mut names: Vec<&str> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let Value::Table(table) = row else {
            return Err(InvalidRunner::NotTables);
        };
        let name = table.get("name").and_then(Value::as_str);
        let refuse = |problem| InvalidRunner::Row {
            row: match name {
                Some(name) => format!("{name:?}"),
                None => format!("table {}", index + 1),
            },
            problem,
        };
        validate_row(table).map_err(refuse)?;
        if let Some(name) = name {
            if names.contains(&name) {
                return Err(refuse(InvalidRow::DuplicateName));
            }
            names.push(name);
        }
    }
    Ok(())
}

fn validate_row(row: &Table) -> Result<(), InvalidRow> {
    for (key, value) in row {
        let Some((_, expected)) = ROW_KEYS.iter().find(|(known, _)| known == key) else {
            return Err(InvalidRow::UnknownKey {
                suggestion: did_you_mean(key, ROW_KEYS.iter().map(|(known, _)| *known)),
                key: key.clone(),
            });
        };
        if !expected.accepts(value) {
            return Err(InvalidRow::Mismatch {
                key: key.clone(),
                expected: *expected,
                value: value.clone(),
            });
        }
    }
    if let Some((key, _)) = row
        .iter()
        .find(|(_, value)| texts(value).any(|text| text.contains('\0')))
    {
        return Err(InvalidRow::NulCharacter(key.clone()));
    }
    validate_name(row)?;
    validate_extension(row)?;
    validate_command(row)
}

fn validate_name(row: &Table) -> Result<(), InvalidRow> {
    let Some(name) = row.get("name").and_then(Value::as_str) else {
        return Err(InvalidRow::NameMissing);
    };
    let is_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_+-".contains(&byte);
    if name.is_empty() || name.len() > NAME_MAX_BYTES || !name.bytes().all(is_allowed) {
        return Err(InvalidRow::Name);
    }
    Ok(())
}

fn validate_extension(row: &Table) -> Result<(), InvalidRow> {
    let extension = row.get("extension").and_then(Value::as_str);
    let extension = extension.unwrap_or_default();
    let valid = extension.is_empty()
        || (extension.starts_with('.')
            && (2..=EXTENSION_MAX_BYTES).contains(&extension.len())
            && !extension.contains(|c: char| c == '/' || c.is_control()));
    if valid {
        Ok(())
    } else {
        Err(InvalidRow::Extension(extension.to_owned()))
    }
}

fn validate_command(row: &Table) -> Result<(), InvalidRow> {
    let disabled = row
        .get("disabled")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let words: Vec<&str> = row.get("command").into_iter().flat_map(texts).collect();
    match words.first() {
        // To disable a built-in runner, its name is enough.
        None if disabled => {}
        None => return Err(InvalidRow::CommandMissing),
        Some(&"") => return Err(InvalidRow::ProgramEmpty),
        Some(_) => {}
    }
    let requires = row.get("requires").into_iter().flat_map(texts);
    if requires.into_iter().any(str::is_empty) {
        return Err(InvalidRow::RequiresEmpty);
    }
    for word in words {
        let mut found = placeholders(word);
        if let Some(unknown) = found.find(|found| !COMMAND_PLACEHOLDERS.contains(found)) {
            return Err(InvalidRow::UnknownPlaceholder {
                placeholder: unknown.to_owned(),
                suggestion: did_you_mean(unknown, COMMAND_PLACEHOLDERS.iter().copied()),
            });
        }
    }
    Ok(())
}

/// Returns the text of a value, or the texts of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let items = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    value.as_str().into_iter().chain(items)
}

/// Returns whatever looks like a placeholder: lower-case letters in braces. Other braces are the
/// program's own.
fn placeholders(word: &str) -> impl Iterator<Item = &str> {
    word.match_indices('{').filter_map(|(start, _)| {
        let inner = &word[start + 1..];
        let length = inner.find('}')?;
        let is_name = length > 0
            && inner[..length]
                .bytes()
                .all(|byte| byte.is_ascii_lowercase());
        is_name.then(|| &word[start..start + length + 2])
    })
}

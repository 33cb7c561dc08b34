//! The `[[runner]]` tables of the configuration file: further languages, or other rules for one
//! that is built in.
//!
//! Only their form is judged here; what a runner does is the business of the engine.

use serde::Deserialize;
use toml::{Table, Value};

use super::nearest;

/// One `[[runner]]` table, with the defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
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
    /// The virtual environment is put on the program's path.
    pub(crate) venv: bool,
    /// Stopping also hangs up: for programs that ignore SIGTERM, as interactive shells do.
    pub(crate) hangup: bool,
    /// Not offered at all.
    pub(crate) disabled: bool,
}

/// A row as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
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

/// The keys of a row, and what they take.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("name", TEXT),
    ("title", TEXT),
    ("command", LIST),
    ("extension", TEXT),
    ("requires", LIST),
    ("executable", BOOL),
    ("venv", BOOL),
    ("hangup", BOOL),
    ("disabled", BOOL),
];
const TEXT: &str = "a text in quotes";
const LIST: &str = "a list of texts in quotes";
const BOOL: &str = "true or false";

const PLACEHOLDERS: &[&str] = &["{file}", "{folder}", "{temp}", "{shell}"];

/// Bytes of a runner's name: enough for any language, short enough for a list on a small screen.
const NAME_LENGTH: usize = 32;
/// Bytes of an extension with its dot, so that a made-up file name stays far below the 255 that
/// file systems take.
const EXTENSION_LENGTH: usize = 16;

impl From<Written> for RunnerRow {
    fn from(row: Written) -> Self {
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

/// What is wrong with the rows, as the rest of a sentence that begins with `runner`.
pub(crate) fn check(rows: &[Value]) -> Result<(), String> {
    let mut names: Vec<&str> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let Value::Table(row) = row else {
            return Err("must be written as [[runner]] tables".to_owned());
        };
        let named = row.get("name").and_then(Value::as_str);
        let label = named.map_or_else(
            || format!("table {}", index + 1),
            |name| format!("{name:?}"),
        );
        check_row(row).map_err(|problem| format!("{label}: {problem}"))?;
        if let Some(name) = named {
            if names.contains(&name) {
                return Err(format!("{label}: there are two tables of this name"));
            }
            names.push(name);
        }
    }
    Ok(())
}

fn check_row(row: &Table) -> Result<(), String> {
    for (key, value) in row {
        let Some((_, expected)) = KEYS.iter().find(|(known, _)| known == key) else {
            let hint = nearest::hint(key, KEYS.iter().map(|(known, _)| *known));
            return Err(format!("unknown key `{key}`{hint}"));
        };
        let is_list = |value: &Value| {
            value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_str))
        };
        let fits = match *expected {
            BOOL => value.is_bool(),
            LIST => is_list(value),
            _ => value.is_str(),
        };
        if !fits {
            return Err(format!("{key} must be {expected}, not {value}"));
        }
    }
    if let Some((key, _)) = row
        .iter()
        .find(|(_, value)| texts(value).any(|text| text.contains('\0')))
    {
        return Err(format!("{key} must not hold a NUL character"));
    }

    let text = |key| row.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = text("name");
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_+-".contains(&byte);
    if name.is_empty() || name.len() > NAME_LENGTH || !name.bytes().all(plain) {
        return Err(format!(
            "name must be 1 to {NAME_LENGTH} of the characters a-z, 0-9, _, + and -{}",
            if row.contains_key("name") {
                ""
            } else {
                "; it is missing"
            }
        ));
    }
    let extension = text("extension");
    let good_extension = extension.is_empty()
        || (extension.starts_with('.')
            && (2..=EXTENSION_LENGTH).contains(&extension.len())
            && !extension.contains(|c: char| c == '/' || c.is_control()));
    if !good_extension {
        return Err(format!(
            "extension must be a dot and what follows it, such as \".js\", not {extension:?}"
        ));
    }
    check_command(row)
}

fn check_command(row: &Table) -> Result<(), String> {
    let disabled = row
        .get("disabled")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let words: Vec<&str> = row.get("command").into_iter().flat_map(texts).collect();
    match words.first() {
        // To switch a built-in runner off, its name is enough.
        None if disabled => {}
        None => {
            return Err(
                "command is missing: the program and its arguments, such as [\"node\", \"{file}\"]"
                    .to_owned(),
            );
        }
        Some(&"") => return Err("command must begin with a program".to_owned()),
        Some(_) => {}
    }
    let requires = row.get("requires").into_iter().flat_map(texts);
    if requires.into_iter().any(str::is_empty) {
        return Err("requires must hold names of programs".to_owned());
    }
    for word in words {
        if let Some(unknown) = placeholders(word).find(|found| !PLACEHOLDERS.contains(found)) {
            let hint = nearest::hint(unknown, PLACEHOLDERS.iter().copied());
            return Err(format!("unknown placeholder `{unknown}` in command{hint}"));
        }
    }
    Ok(())
}

/// The text of a value, or the texts of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let items = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    value.as_str().into_iter().chain(items)
}

/// Whatever looks like a placeholder: lower-case letters in braces. Other braces are the program's
/// own.
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

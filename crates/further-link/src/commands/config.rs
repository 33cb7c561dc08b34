//! `further-link config`: all settings in force, and the source of each.

use std::io::{self, Write};

use serde_json::json;
use toml::{Table, Value};

use crate::config::{Config, Source};

/// Prints the settings: as a TOML file with the same effect, or as JSON.
pub(crate) fn run(config: &Config, json: bool) -> io::Result<()> {
    let text = if json {
        as_json(config)?
    } else {
        as_toml(config)
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Column up to which comments are aligned; a longer value moves only its own comment to the right.
const COMMENT_COLUMN_MAX: usize = 48;

fn as_toml(config: &Config) -> String {
    let mut text = match config.file() {
        Some(path) => format!("# configuration file: {}\n", path.display()),
        None => "# configuration file: none\n".to_owned(),
    };
    let mut lines: Vec<(&str, String, &Source)> = Vec::new();
    let mut rows = String::new();
    for (setting, value, source) in config.settings() {
        if setting.section().is_empty() {
            rows = runner_rows(value, source);
            continue;
        }
        let in_section = config
            .settings()
            .filter(|(other, ..)| other.section() == setting.section());
        let width = in_section
            .map(|(other, ..)| other.name().len())
            .max()
            .unwrap_or(0);
        lines.push((
            setting.section(),
            format!("{:width$} = {value}", setting.name()),
            source,
        ));
    }
    let length = |line: &str| line.chars().count();
    let column = lines
        .iter()
        .map(|(_, line, _)| length(line))
        .filter(|length| *length <= COMMENT_COLUMN_MAX)
        .max()
        .unwrap_or(0);
    let mut section = "";
    for (its_section, line, source) in &lines {
        if *its_section != section {
            section = its_section;
            text += &format!("\n[{section}]\n");
        }
        let gap = " ".repeat(column.saturating_sub(length(line)));
        text += &format!("{line}{gap}  # {}\n", comment(source));
    }
    text += &rows;
    text += &format!(
        "\n# configuration directory: {}\n",
        config.config_dir().display()
    );
    text += &format!("# state directory: {}\n", config.state_dir().display());
    text
}

fn comment(source: &Source) -> String {
    match source {
        Source::Default => "default".to_owned(),
        _ => format!("from {source}"),
    }
}

fn runner_rows(value: &Value, source: &Source) -> String {
    let mut text = String::new();
    for row in value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_table)
    {
        text += &format!("\n[[runner]]  # {}\n{}", comment(source), keys(row));
    }
    text
}

fn keys(row: &Table) -> String {
    let width = row.keys().map(String::len).max().unwrap_or(0);
    row.iter()
        .map(|(key, value)| format!("{key:width$} = {value}\n"))
        .collect()
}

fn as_json(config: &Config) -> io::Result<String> {
    let mut settings = serde_json::Map::new();
    for (setting, value, source) in config.settings() {
        let (kind, name) = match source {
            Source::Default => ("default", None),
            Source::File(path) => ("file", Some(path.display().to_string())),
            Source::Variable(_) => ("variable", Some(source.to_string())),
            Source::Flag(_) => ("flag", Some(source.to_string())),
        };
        let entry = json!({ "value": serde_json::to_value(value)?, "source": kind, "from": name });
        settings.insert(setting.key.to_owned(), entry);
    }
    let whole = json!({
        "file": config.file(),
        "config_dir": config.config_dir(),
        "state_dir": config.state_dir(),
        "settings": settings,
    });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::{as_json, as_toml};
    use crate::config::{CommandLineSettings, Config, ProcessEnvironment};

    fn config(sets: &[&str]) -> Config {
        let around = ProcessEnvironment {
            lookup: Box::new(|name| (name == "FURTHER_LINK_PORT").then(|| "99".into())),
            home: None,
            is_root: false,
            current_dir: "/".into(),
            system_config_dir: "/nonexistent".into(),
        };
        let given = CommandLineSettings {
            sets: sets.iter().map(|text| (*text).to_owned()).collect(),
            ..CommandLineSettings::default()
        };
        Config::load(&given, &around).unwrap()
    }

    #[test]
    fn toml_output_equals_settings() {
        let runner = r#"runner=[{name = "a", command = ["a", "{file}"]}]"#;
        let text = as_toml(&config(&["run.environment.A=x \"y\" # z", runner]));
        let printed: toml::Table = toml::from_str(&text).unwrap();
        let config = config(&["run.environment.A=x \"y\" # z", runner]);
        for (setting, value, _) in config.settings() {
            let found = match setting.section() {
                "" => &printed[setting.name()],
                section => &printed[section][setting.name()],
            };
            assert_eq!(found, value, "{}", setting.key);
        }
        let has = |start: &str, end: &str| {
            let mut lines = text.lines();
            lines.any(|line| line.starts_with(start) && line.ends_with(end))
        };
        assert!(
            has("port        = 99  ", "  # from FURTHER_LINK_PORT"),
            "{text}"
        );
        assert!(
            has("bind        = [\"127.0.0.1\"]  ", "  # default"),
            "{text}"
        );
        assert!(has("[[runner]]", "  # from --set"), "{text}");
    }

    #[test]
    fn json_output_names_sources() {
        let whole: serde_json::Value =
            serde_json::from_str(&as_json(&config(&["limits.jobs=8"])).unwrap()).unwrap();
        let settings = &whole["settings"];
        assert_eq!(settings["limits.jobs"]["value"], 8);
        assert_eq!(settings["limits.jobs"]["from"], "--set");
        assert_eq!(settings["server.port"]["source"], "variable");
        assert_eq!(settings["run.user"]["source"], "default");
        assert!(settings["run.user"]["from"].is_null() && whole["file"].is_null());
    }
}

//! The documents say what the table of settings says.

use clap::CommandFactory as _;

use super::super::{SETTINGS, runner};
use super::{Device, project, setting};

#[test]
fn docs_list_every_setting() {
    let page = project("docs/configuration.md");
    for setting in SETTINGS.iter().filter(|setting| setting.key != "runner") {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", setting.key)));
        let row = row.unwrap_or_else(|| panic!("{} is missing", setting.key));
        let flag = setting.flag.map(|flag| format!("--{}", flag.name));
        let variables = setting
            .variables
            .iter()
            .map(|variable| variable.name.to_owned());
        for part in [setting.default.to_owned()]
            .into_iter()
            .chain(variables)
            .chain(flag)
        {
            assert!(
                row.contains(&format!("`{part}`")),
                "{part} is missing: {row}"
            );
        }
    }
    assert!(page.contains("[[runner]]"));
    for (key, _) in runner::ROW_KEYS {
        assert!(
            page.contains(&format!("| `{key}` |")),
            "{key} of a runner is missing"
        );
    }
}

#[test]
fn docs_examples_are_valid() {
    let page = project("docs/configuration.md");
    let mut examples: Vec<String> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line.strip_prefix("    ") {
            Some(code) if inside => examples.last_mut().unwrap().extend([code, "\n"]),
            Some(code) if code.starts_with('[') => {
                examples.push(format!("{code}\n"));
                inside = true;
            }
            _ => inside = inside && line.is_empty(),
        }
    }
    assert_eq!(examples.len(), 3);
    for example in examples {
        let config = Device::new().with_config(&example).config(&[]);
        super::super::check_auth(&config).unwrap();
    }
}

#[test]
fn example_file_has_every_key_with_its_default() {
    let example = project("packaging/further-link.toml");
    let as_it_is = Device::new().with_config(&example).config(&[]);
    assert!(
        as_it_is
            .settings()
            .all(|(_, _, source)| source.to_string() == "default")
    );

    // A remark has a space behind its #, a key has none.
    let is_key = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && *line != "#";
    let keys: String = example
        .lines()
        .filter(is_key)
        .map(|line| format!("{}\n", &line[1..]))
        .collect();
    let (defaults, device) = (Device::new().config(&[]), Device::new().with_config(&keys));
    let config = device.config(&[]);
    for (known, value, source) in config.settings() {
        assert_ne!(source.to_string(), "default", "{} is missing", known.key);
        if known.key != "runner" {
            assert_eq!(
                value.to_string(),
                setting(&defaults, known.key).0,
                "{}",
                known.key
            );
        }
    }
    let row = keys.split_once("[[runner]]").unwrap().1;
    for (key, _) in runner::ROW_KEYS {
        assert!(
            row.contains(&format!("\n{key} = ")),
            "{key} of a runner is missing"
        );
    }
}

#[test]
fn help_names_every_flag_and_variable() {
    crate::cli::Cli::command().debug_assert();
    let mut command = crate::cli::Cli::command();
    let help = command.render_long_help().to_string();
    for setting in SETTINGS {
        let Some(flag) = setting.flag else { continue };
        assert!(help.contains(&format!("--{}", flag.name)), "{}", flag.name);
        for variable in setting.variables {
            assert!(help.contains(variable.name), "{}", variable.name);
        }
    }
    assert!(!help.contains("spawner"));
}

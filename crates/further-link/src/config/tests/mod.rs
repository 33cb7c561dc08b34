//! Tests of the configuration, by subject. Nothing here reads or sets the variables of the process.

mod documents;
mod errors;
mod precedence;
mod search_path;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{CommandLineSettings, Config, ProcessEnvironment};

/// A made-up device: directories of its own, removed on drop, and variables.
struct Device {
    root: PathBuf,
    variables: HashMap<String, OsString>,
    is_root: bool,
}

impl Device {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "further-link-config-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(root.join("home")).unwrap();
        Self {
            root,
            variables: HashMap::new(),
            is_root: false,
        }
    }

    fn with(mut self, variable: &str, text: impl Into<OsString>) -> Self {
        self.variables.insert(variable.to_owned(), text.into());
        self
    }

    fn with_file(self, path: &str, text: &str) -> Self {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Adds the configuration file of the user.
    fn with_config(self, text: &str) -> Self {
        self.with_file(USER_FILE, text)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn environment(&self) -> ProcessEnvironment {
        let variables = self.variables.clone();
        ProcessEnvironment {
            lookup: Box::new(move |name| variables.get(name).cloned()),
            home: Some(self.path("home")),
            is_root: self.is_root,
            current_dir: self.path("here"),
            system_config_dir: self.path("etc"),
        }
    }

    fn load(&self, arguments: &[&str]) -> anyhow::Result<Config> {
        Config::load(&command_line(arguments), &self.environment())
    }

    fn config(&self, arguments: &[&str]) -> Config {
        self.load(arguments).unwrap()
    }

    /// Returns the error, without the directory of this device.
    fn error(&self, arguments: &[&str]) -> String {
        let error = self.load(arguments).expect_err("this should be refused");
        format!("{error:#}").replace(&format!("{}/", self.root.display()), "")
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

const USER_FILE: &str = "home/.config/further-link/further-link.toml";

/// Returns what a command line sets.
fn command_line(arguments: &[&str]) -> CommandLineSettings {
    use clap::Parser as _;
    let all = std::iter::once("further-link").chain(arguments.iter().copied());
    crate::cli::Cli::try_parse_from(all).unwrap().into_parts().1
}

/// Returns the value of a key, as TOML, and its source.
fn setting(config: &Config, key: &str) -> (String, String) {
    let (_, value, source) = config
        .settings()
        .find(|(setting, ..)| setting.key == key)
        .unwrap();
    (value.to_string(), source.to_string())
}

fn project(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

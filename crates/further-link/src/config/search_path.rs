//! The search path of the configuration file, and the directories for configuration and state;
//! both depend on the environment of the process (XDG Base Directory Specification,
//! systemd.exec(5)).

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// In the directories of XDG.
const APPLICATION_DIR: &str = "further-link";
const CONFIG_FILE_NAME: &str = "further-link.toml";
/// Names the configuration file, as `--config` does.
pub(crate) const CONFIG_FILE_VARIABLE: &str = "FURTHER_LINK_CONFIG";

/// Returns the configuration directory of the whole device.
pub(crate) fn system_config_dir() -> &'static Path {
    Path::new("/etc/further-link")
}

/// Returns the state directory of the whole device.
fn system_state_dir() -> &'static Path {
    Path::new("/var/lib/further-link")
}

/// Looks up an environment variable.
pub(crate) type VariableLookup = Box<dyn Fn(&str) -> Option<OsString>>;

/// What the configuration depends on besides its file and the command line. Passed in, so that
/// tests can make it up.
pub(crate) struct ProcessEnvironment {
    pub(crate) lookup: VariableLookup,
    /// Of the account that started the server.
    pub(crate) home: Option<PathBuf>,
    pub(crate) is_root: bool,
    pub(crate) current_dir: PathBuf,
    /// [`system_config_dir`], except in tests.
    pub(crate) system_config_dir: PathBuf,
}

impl ProcessEnvironment {
    /// Returns the environment of this process.
    pub(crate) fn of_this_process() -> Self {
        let account = nix::unistd::geteuid();
        let from_variable = std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute());
        let home = from_variable.or_else(|| {
            // systemd starts system services without HOME.
            let user = nix::unistd::User::from_uid(account).ok().flatten()?;
            Some(user.dir).filter(|home| home.is_absolute())
        });
        Self {
            lookup: Box::new(|name| std::env::var_os(name)),
            home,
            is_root: account.is_root(),
            current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            system_config_dir: system_config_dir().to_owned(),
        }
    }

    /// Returns a variable that is set and not empty: scripts often "unset" one by making it empty.
    pub(crate) fn non_empty_variable(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name).filter(|text| !text.is_empty())
    }

    /// Returns a variable that names a directory. Relative ones are ignored, as XDG demands.
    fn absolute_dir(&self, name: &str) -> Option<PathBuf> {
        self.non_empty_variable(name)
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
    }

    /// Returns the configuration directory of this user, if there is a home.
    fn user_config_dir(&self) -> Option<PathBuf> {
        self.absolute_dir("XDG_CONFIG_HOME")
            .or_else(|| Some(self.home.as_ref()?.join(".config")))
            .map(|dir| dir.join(APPLICATION_DIR))
    }

    /// Returns the directory where this user's configuration would be: root's is the device's.
    pub(crate) fn default_config_dir(&self) -> PathBuf {
        let own = if self.is_root {
            None
        } else {
            self.user_config_dir()
        };
        own.unwrap_or_else(|| self.system_config_dir.clone())
    }

    /// Returns the directory for state if the configuration names none.
    pub(crate) fn default_state_dir(&self) -> PathBuf {
        // systemd may list several directories, separated by colons; the unit asks for the first.
        if let Some(dirs) = self.non_empty_variable("STATE_DIRECTORY") {
            let first = std::env::split_paths(&dirs).next();
            if let Some(dir) = first.filter(|dir| dir.is_absolute()) {
                return dir;
            }
        }
        if self.is_root {
            return system_state_dir().to_owned();
        }
        self.absolute_dir("XDG_STATE_HOME")
            .or_else(|| Some(self.home.as_ref()?.join(".local/state")))
            .map_or_else(
                || system_state_dir().to_owned(),
                |dir| dir.join(APPLICATION_DIR),
            )
    }

    /// Reads the configuration file: the one that is named, which must exist, or else the first one
    /// that is found. Returns its path and its text.
    pub(crate) fn read_file(&self, flag: Option<&Path>) -> Result<Option<(PathBuf, String)>> {
        let variable = self
            .non_empty_variable(CONFIG_FILE_VARIABLE)
            .map(PathBuf::from);
        let named = match (flag, &variable) {
            (Some(path), _) => Some((path, "--config")),
            (None, Some(path)) => Some((path.as_path(), CONFIG_FILE_VARIABLE)),
            (None, None) => None,
        };
        if let Some((path, by)) = named {
            let path = self.current_dir.join(path);
            let text = fs::read_to_string(&path).with_context(|| {
                format!(
                    "cannot read the configuration file {} ({by})",
                    path.display()
                )
            })?;
            return Ok(Some((path, text)));
        }
        let dirs = self
            .user_config_dir()
            .into_iter()
            .chain([self.system_config_dir.clone()]);
        for path in dirs.map(|dir| dir.join(CONFIG_FILE_NAME)) {
            match fs::read_to_string(&path) {
                Ok(text) => return Ok(Some((path, text))),
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                // A file that exists and cannot be read must not be skipped: it may say who is let
                // in.
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!("cannot read the configuration file {}", path.display())
                    });
                }
            }
        }
        Ok(None)
    }
}

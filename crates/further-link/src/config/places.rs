//! Where things are: the configuration file, its folder, the folder for state; and what the process
//! finds around itself.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const FOLDER: &str = "further-link";
const FILE: &str = "further-link.toml";
/// Names the configuration file, as `--config` does.
pub(crate) const FILE_VARIABLE: &str = "FURTHER_LINK_CONFIG";

/// The folder of the configuration that holds for the whole device.
pub(crate) fn system_config_dir() -> &'static Path {
    Path::new("/etc/further-link")
}

/// The folder for state that holds for the whole device.
fn system_state_dir() -> &'static Path {
    Path::new("/var/lib/further-link")
}

/// Looks an environment variable up.
pub(crate) type Variables = Box<dyn Fn(&str) -> Option<OsString>>;

/// What the process finds around itself. Handed in, so that tests can make it up.
pub(crate) struct Surroundings {
    pub(crate) variable: Variables,
    /// Of the account that started the server.
    pub(crate) home: Option<PathBuf>,
    /// Started by root.
    pub(crate) root: bool,
    /// The folder in which the server was started.
    pub(crate) folder: PathBuf,
    /// [`system_config_dir`], except in tests.
    pub(crate) system_config_dir: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_this_process() -> Self {
        let account = nix::unistd::geteuid();
        let from_variable = std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute());
        let home = from_variable.or_else(|| {
            // Services of the system may be started without HOME.
            let user = nix::unistd::User::from_uid(account).ok().flatten()?;
            Some(user.dir).filter(|home| home.is_absolute())
        });
        Self {
            variable: Box::new(|name| std::env::var_os(name)),
            home,
            root: account.is_root(),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            system_config_dir: system_config_dir().to_owned(),
        }
    }

    /// A variable that is set to something. Scripts often "unset" a variable by making it empty.
    pub(crate) fn set(&self, name: &str) -> Option<OsString> {
        (self.variable)(name).filter(|text| !text.is_empty())
    }

    /// A variable that names a folder. Relative ones are to be ignored, says the XDG specification.
    fn folder_named(&self, name: &str) -> Option<PathBuf> {
        self.set(name)
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute())
    }

    /// The folder of this user's own configuration, if there is a home.
    fn user_config_dir(&self) -> Option<PathBuf> {
        self.folder_named("XDG_CONFIG_HOME")
            .or_else(|| Some(self.home.as_ref()?.join(".config")))
            .map(|folder| folder.join(FOLDER))
    }

    /// The folder where this user's configuration would be: root's is that of the device.
    pub(crate) fn likely_config_dir(&self) -> PathBuf {
        let own = if self.root {
            None
        } else {
            self.user_config_dir()
        };
        own.unwrap_or_else(|| self.system_config_dir.clone())
    }

    /// The folder for state if the configuration names none.
    pub(crate) fn likely_state_dir(&self) -> PathBuf {
        // systemd may list several folders, separated by colons; the first is the one we asked for.
        if let Some(folders) = self.set("STATE_DIRECTORY") {
            let first = std::env::split_paths(&folders).next();
            if let Some(folder) = first.filter(|folder| folder.is_absolute()) {
                return folder;
            }
        }
        if self.root {
            return system_state_dir().to_owned();
        }
        self.folder_named("XDG_STATE_HOME")
            .or_else(|| Some(self.home.as_ref()?.join(".local/state")))
            .map_or_else(
                || system_state_dir().to_owned(),
                |folder| folder.join(FOLDER),
            )
    }

    /// The configuration file in use and its text: the named one, which must exist, or else the
    /// first one found.
    pub(crate) fn read_file(&self, flag: Option<&Path>) -> Result<Option<(PathBuf, String)>> {
        let variable = self.set(FILE_VARIABLE).map(PathBuf::from);
        let named = match (flag, &variable) {
            (Some(path), _) => Some((path, "--config")),
            (None, Some(path)) => Some((path.as_path(), FILE_VARIABLE)),
            (None, None) => None,
        };
        if let Some((path, by)) = named {
            let path = self.folder.join(path);
            let text = fs::read_to_string(&path).with_context(|| {
                format!(
                    "cannot read the configuration file {} ({by})",
                    path.display()
                )
            })?;
            return Ok(Some((path, text)));
        }
        let folders = self
            .user_config_dir()
            .into_iter()
            .chain([self.system_config_dir.clone()]);
        for path in folders.map(|folder| folder.join(FILE)) {
            match fs::read_to_string(&path) {
                Ok(text) => return Ok(Some((path, text))),
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                // A file that is there and cannot be read must not be passed over: it may say who
                // is let in.
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

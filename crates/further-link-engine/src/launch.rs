//! A [`Launch`]: everything that the spawner needs to know of one program, as plain data.

use serde::{Deserialize, Serialize};

/// What to execute, as whom, where, and what to write before and remove after. Made by
/// [`crate::RunnerTable::launch`]; carried out by the spawner's child with the rights of `account`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The account's name; the spawner looks it up itself.
    pub account: String,
    /// Program and arguments; the program is looked for on `PATH` if it holds no `/`.
    pub argv: Vec<String>,
    /// The whole environment, but for what the child adds (`XDG_RUNTIME_DIR`, `venv`).
    pub environment: Vec<(String, String)>,
    /// A virtual environment that is entered if it has `bin/python3`.
    pub venv: Option<String>,
    /// The working directory, absolute.
    pub folder: String,
    /// Make `folder` if it is missing.
    pub create_folder: bool,
    /// A file that is written first, and removed when the job is over.
    pub code: Option<CodeFile>,
    /// A file that has to exist, because the program would fail on it later and less clearly.
    pub script: Option<String>,
    /// Make `script` executable first.
    pub make_executable: bool,
    /// A folder of the program alone that is made first, and removed with all in it when the job is
    /// over.
    pub temp_folder: Option<String>,
    /// Make a private folder with the sockets of IO channels.
    pub channels: bool,
    /// Give the program an input; without, it reads `/dev/null`.
    pub input: bool,
    /// The program ignores SIGTERM (interactive shells do), so `stop` also hangs up once nothing
    /// else of the job is left.
    pub hangup: bool,
}

/// The file that holds a client's code while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeFile {
    /// Its name, a single component that nobody else uses.
    pub name: String,
    /// Its content. Not sent with the launch but in a memory file beside it: code may be large.
    #[serde(skip)]
    pub text: String,
    /// Make it executable.
    pub executable: bool,
    /// It is written into the private folder rather than into the one that the program runs in.
    pub private: bool,
}

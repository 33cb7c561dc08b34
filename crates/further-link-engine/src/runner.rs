//! The runner table: how each kind of program is started.
//!
//! A language is a row of this table, not code. `launch` is a pure function: it looks at nothing
//! but its arguments, so that a start can be tested without starting anything.

use crate::environment::DEFAULT_PATH;
use crate::launch::{CodeFile, Launch};
use crate::{Account, StartError};
use further_link_protocol::StartRequest;
use std::path::{Path, PathBuf};

/// Bytes of all arguments of a program together, half of what is handed over to the spawner for one
/// start.
pub(crate) const ARGUMENTS_MAX_BYTES: usize = 64 * 1024;

/// One row: a kind of program that clients can start.
///
/// In `command`, `{file}` stands for the file to run, `{folder}` for the folder it runs in,
/// `{temp}` for a private folder that is removed afterwards, and `{shell}` for the account's login
/// shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// What clients call it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Program and arguments, with placeholders.
    pub command: Vec<String>,
    /// Ending of the file that code is written to, with its dot; may be empty.
    pub extension: String,
    /// Programs that have to be installed for it.
    pub requires: Vec<String>,
    /// The file itself is executed, so it is made executable.
    pub executable: bool,
    /// The configured virtual environment is entered.
    pub venv: bool,
    /// See [`Launch::hangup`].
    pub hangup: bool,
}

impl Runner {
    fn row(name: &str, title: &str, extension: &str, command: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            extension: extension.to_owned(),
            requires: command
                .first()
                .filter(|word| !word.contains('{'))
                .map(|word| (*word).to_owned())
                .into_iter()
                .collect(),
            executable: false,
            venv: false,
            hangup: false,
        }
    }

    fn requiring(mut self, program: &str) -> Self {
        self.requires = vec![program.to_owned()];
        self
    }

    /// Returns whether the row runs a file (rather than only a shell in a folder).
    pub fn takes_file(&self) -> bool {
        self.command.iter().any(|word| word.contains("{file}"))
    }

    fn uses_temp(&self) -> bool {
        self.command.iter().any(|word| word.contains("{temp}"))
    }

    /// Returns whether everything that it requires is found on the search path `path`.
    pub fn is_installed(&self, path: &str) -> bool {
        self.requires.iter().all(|program| {
            std::env::split_paths(path).any(|folder| is_executable(&folder.join(program)))
        })
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Compiles `{file}` into the private folder and runs the result there; `$0` is the file, `$1` the
/// folder, what follows the program's arguments. The compiler's messages are the program's standard
/// error.
const COMPILE_C: &str =
    r#"temp=$1; shift; cc -O1 -Wall -o "$temp/program" "$0" -lm && exec "$temp/program" "$@""#;
const COMPILE_CPP: &str =
    r#"temp=$1; shift; c++ -O1 -Wall -o "$temp/program" "$0" && exec "$temp/program" "$@""#;
const COMPILE_RUST: &str =
    r#"temp=$1; shift; rustc -o "$temp/program" "$0" && exec "$temp/program" "$@""#;

/// The backend by which figures appear at the client (`MPLBACKEND` of matplotlib).
const MATPLOTLIB_BACKEND: &str = "module://further_link.matplotlib";

/// All rows in force.
#[derive(Clone, Debug)]
pub struct RunnerTable {
    rows: Vec<Runner>,
}

impl Default for RunnerTable {
    /// Returns the rows that ship: `python3`, `shell` and `exec` of the protocol, and the usual
    /// languages, which are there when their program is installed.
    fn default() -> Self {
        let mut python = Runner::row("python3", "Python", ".py", &["python3", "-u", "{file}"]);
        python.venv = true;
        let mut shell = Runner::row("shell", "Shell", "", &["{shell}"]);
        shell.hangup = true;
        let mut exec = Runner::row("exec", "Any program", "", &["{file}"]);
        exec.executable = true;
        let compiled = |name, title, extension, script| {
            Runner::row(
                name,
                title,
                extension,
                &["sh", "-c", script, "{file}", "{temp}"],
            )
        };
        Self {
            rows: vec![
                python,
                shell,
                exec,
                Runner::row("bash", "Bash", ".sh", &["bash", "{file}"]),
                Runner::row("node", "JavaScript (Node.js)", ".js", &["node", "{file}"]),
                Runner::row("ruby", "Ruby", ".rb", &["ruby", "{file}"]),
                Runner::row("perl", "Perl", ".pl", &["perl", "{file}"]),
                Runner::row("lua", "Lua", ".lua", &["lua", "{file}"]),
                Runner::row("php", "PHP", ".php", &["php", "{file}"]),
                Runner::row("java", "Java", ".java", &["java", "{file}"]),
                Runner::row("go", "Go", ".go", &["go", "run", "{file}"]),
                compiled("c", "C", ".c", COMPILE_C).requiring("cc"),
                compiled("cpp", "C++", ".cpp", COMPILE_CPP).requiring("c++"),
                compiled("rust", "Rust", ".rs", COMPILE_RUST).requiring("rustc"),
            ],
        }
    }
}

/// What a launch needs to know beside the request: the device, not the client.
#[derive(Clone, Debug)]
pub(crate) struct LaunchContext<'a> {
    /// Who runs it.
    pub account: &'a Account,
    /// The configured work directory; `None` is `~/further` of the account.
    pub work_dir: Option<&'a Path>,
    /// Where code without a folder goes.
    pub temp_dir: &'a Path,
    /// The configured virtual environment.
    pub venv: Option<&'a Path>,
    /// Variables that every program gets, weakest first.
    pub environment: &'a [(String, String)],
    /// `DISPLAY` of the device's first X display.
    pub display: Option<String>,
    /// A word that no other launch has, for names of files.
    pub fresh: &'a str,
    /// The folder in which Python finds the package `further_link`.
    pub package: Option<&'a Path>,
    /// The client shows figures.
    pub figures: bool,
}

impl RunnerTable {
    /// Puts a row in, in place of the one with its name if there is one.
    pub fn add(&mut self, runner: Runner) {
        match self.rows.iter_mut().find(|row| row.name == runner.name) {
            Some(row) => *row = runner,
            None => self.rows.push(runner),
        }
    }

    /// Takes the row of that name out.
    pub fn remove(&mut self, name: &str) {
        self.rows.retain(|row| row.name != name);
    }

    /// Returns the row of that name.
    pub fn get(&self, name: &str) -> Option<&Runner> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// All rows, in the order in which they are shown.
    pub fn rows(&self) -> &[Runner] {
        &self.rows
    }

    /// Turns a request into a launch by `runner`'s row.
    pub(crate) fn launch(
        runner: &Runner,
        request: &StartRequest,
        context: &LaunchContext<'_>,
    ) -> Result<Launch, StartError> {
        if request
            .path
            .as_deref()
            .is_some_and(|path| path.contains('\0'))
        {
            return Err(StartError::NulInPath);
        }
        if request.arguments.iter().any(|word| word.contains('\0')) {
            return Err(StartError::NulInCommand);
        }
        let bytes: usize = request.arguments.iter().map(String::len).sum();
        if request.arguments.len() > StartRequest::MAX_ARGUMENTS || bytes > ARGUMENTS_MAX_BYTES {
            return Err(StartError::ArgumentsTooLong);
        }
        let work_dir = context.work_dir();
        let path = request.path.as_ref().map(|path| work_dir.join(path));
        let mut launch = Launch {
            account: context.account.name.clone(),
            venv: context.venv().filter(|_| runner.venv),
            input: true,
            hangup: runner.hangup,
            ..Launch::default()
        };

        let temp = context
            .temp_dir
            .join(format!("further-link-{}", context.fresh));
        let mut file = PathBuf::new();
        let folder = if !runner.takes_file() {
            launch.create_folder = path.is_none();
            path.unwrap_or(work_dir)
        } else if let Some(code) = &request.code {
            launch.create_folder = true;
            // Interpreters look for modules beside the program. In a folder that everybody can
            // write to (which the temp folder is) they would find those of strangers.
            let private = path.is_none();
            let folder = path.unwrap_or_else(|| context.temp_dir.to_owned());
            let name = format!("program-{}{}", context.fresh, runner.extension);
            file = if private { &temp } else { &folder }.join(&name);
            launch.code = Some(CodeFile {
                name,
                text: code.clone(),
                executable: runner.executable,
                private,
            });
            folder
        } else if let Some(path) = path {
            launch.script = Some(text(&path));
            launch.make_executable = runner.executable;
            file = path;
            file.parent().unwrap_or(Path::new("/")).to_owned()
        } else {
            return Err(StartError::NothingToRun);
        };

        // Behind a file they are the program's; a shell would take them as its own options.
        let arguments = match runner.takes_file() {
            true => request.arguments.as_slice(),
            false => &[],
        };
        launch.channels = true;
        if runner.uses_temp() || launch.code.as_ref().is_some_and(|code| code.private) {
            launch.temp_folder = Some(text(&temp));
        }
        launch.argv = runner
            .command
            .iter()
            .map(|word| match word.as_str() {
                // The usual words are whole placeholders; a name that holds braces stays as it is.
                "{file}" => text(&file),
                "{folder}" => text(&folder),
                "{temp}" => text(&temp),
                "{shell}" => context.account.shell.clone(),
                word => word
                    .replace("{folder}", &text(&folder))
                    .replace("{temp}", &text(&temp))
                    .replace("{shell}", &context.account.shell)
                    .replace("{file}", &text(&file)),
            })
            .chain(arguments.iter().cloned())
            .collect();
        launch.folder = text(&folder);
        launch.environment = context.environment_in(&launch.folder);
        context.add_package(&mut launch.environment);
        Ok(launch)
    }

    /// Returns a launch of a program and arguments as they are, in the work directory, without
    /// input.
    pub(crate) fn launch_command(argv: Vec<String>, context: &LaunchContext<'_>) -> Launch {
        let folder = text(&context.work_dir());
        Launch {
            account: context.account.name.clone(),
            argv,
            environment: context.environment_in(&folder),
            folder,
            create_folder: true,
            ..Launch::default()
        }
    }
}

impl LaunchContext<'_> {
    /// Where the account's projects are.
    pub(crate) fn work_dir(&self) -> PathBuf {
        self.below_home(self.work_dir.unwrap_or(Path::new("~/further")))
    }

    /// Returns the virtual environment, for [`Launch::venv`].
    pub(crate) fn venv(&self) -> Option<String> {
        self.venv.map(|venv| text(&self.below_home(venv)))
    }

    /// Returns a configured path, with `~` at its front as the account's home.
    pub(crate) fn below_home(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("~") {
            Ok(rest) => Path::new(&self.account.home).join(rest),
            Err(_) => path.to_owned(),
        }
    }

    /// What leads Python programs to the package `further_link` (`docs/protocol.md` section 6).
    fn add_package(&self, variables: &mut Vec<(String, String)>) {
        let mut set =
            |name: &str, value: String| match variables.iter_mut().find(|(known, _)| known == name)
            {
                Some(known) => known.1 = value,
                None => variables.push((name.to_owned(), value)),
            };
        let Some(package) = self.package.map(text) else {
            return;
        };
        let configured = |name: &str| {
            let mut variables = self.environment.iter();
            let (_, value) = variables.find(|(known, value)| known == name && !value.is_empty())?;
            Some(value)
        };
        // Behind what the configuration says: what a person has put there is what they want.
        set(
            "PYTHONPATH",
            match configured("PYTHONPATH") {
                Some(first) => format!("{first}:{package}"),
                None => package,
            },
        );
        if self.figures && configured("MPLBACKEND").is_none() {
            set("MPLBACKEND", MATPLOTLIB_BACKEND.to_owned());
        }
    }

    /// Returns the environment of `docs/protocol.md` section 2 for a program in `folder`.
    fn environment_in(&self, folder: &str) -> Vec<(String, String)> {
        let account = self.account;
        let mut variables: Vec<(String, String)> =
            vec![("PATH".to_owned(), DEFAULT_PATH.to_owned())];
        let display = self.display.as_deref().map(|display| ("DISPLAY", display));
        let fixed = [
            ("TERM", "xterm-256color"),
            ("USER", &account.name),
            ("LOGNAME", &account.name),
            ("HOME", &account.home),
            ("SHELL", &account.shell),
            ("PWD", folder),
        ];
        let fixed = fixed
            .into_iter()
            .chain(display)
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (name, value) in self.environment.iter().cloned().chain(fixed) {
            match variables.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = value,
                None => variables.push((name, value)),
            }
        }
        variables
    }
}

/// Returns a path as text. All paths here come from text (JSON, TOML, `passwd`), so nothing is
/// lost.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            name: "ann".to_owned(),
            uid: 1000,
            gid: 1000,
            home: "/home/ann".to_owned(),
            shell: "/bin/zsh".to_owned(),
        }
    }

    fn launch(runner: &str, code: Option<&str>, path: Option<&str>) -> Result<Launch, StartError> {
        let account = account();
        let request = StartRequest {
            runner: runner.to_owned(),
            code: code.map(str::to_owned),
            path: path.map(str::to_owned),
            ..StartRequest::default()
        };
        let context = LaunchContext {
            account: &account,
            work_dir: None,
            temp_dir: Path::new("/tmp"),
            venv: Some(Path::new("~/venv")),
            environment: &[("LANG".to_owned(), "de_DE.UTF-8".to_owned())],
            display: Some(":0".to_owned()),
            fresh: "f00d",
            package: Some(Path::new("/var/lib/package")),
            figures: true,
        };
        let table = RunnerTable::default();
        RunnerTable::launch(table.get(runner).unwrap(), &request, &context)
    }

    #[test]
    fn code_without_a_folder_runs_in_the_temp_folder_but_lies_in_a_private_one() {
        let launch = launch("python3", Some("print()"), None).unwrap();
        let file = "/tmp/further-link-f00d/program-f00d.py";
        assert_eq!(launch.argv, ["python3", "-u", file]);
        assert_eq!(launch.folder, "/tmp");
        assert_eq!(launch.code.unwrap().name, "program-f00d.py");
        assert_eq!(launch.venv.as_deref(), Some("/home/ann/venv"));
        assert_eq!(launch.account, "ann");
    }

    #[test]
    fn relative_paths_are_below_the_work_dir() {
        let code = launch("python3", Some(""), Some("game")).unwrap();
        assert_eq!(code.folder, "/home/ann/further/game");
        assert!(code.create_folder);
        let file = launch("python3", None, Some("game/run.py")).unwrap();
        assert_eq!(file.argv[2], "/home/ann/further/game/run.py");
        assert_eq!(file.folder, "/home/ann/further/game");
        assert_eq!(
            file.script.as_deref(),
            Some("/home/ann/further/game/run.py")
        );
        assert!(!file.create_folder);
    }

    #[test]
    fn absolute_paths_stay() {
        let file = launch("exec", None, Some("/usr/bin/true")).unwrap();
        assert_eq!(file.argv, ["/usr/bin/true"]);
        assert_eq!(file.folder, "/usr/bin");
        assert!(file.make_executable);
    }

    #[test]
    fn shell_is_the_accounts_and_starts_in_the_work_dir() {
        let shell = launch("shell", None, None).unwrap();
        assert_eq!(shell.argv, ["/bin/zsh"]);
        assert_eq!(shell.folder, "/home/ann/further");
        assert!(shell.hangup);
        assert_eq!(launch("shell", None, Some("/srv")).unwrap().folder, "/srv");
    }

    #[test]
    fn words_with_spaces_or_braces_stay_one_argument() {
        let file = launch("bash", None, Some("/srv/a b; rm -rf {temp} $(x).sh")).unwrap();
        assert_eq!(file.argv, ["bash", "/srv/a b; rm -rf {temp} $(x).sh"]);
    }

    #[test]
    fn compiled_languages_get_a_private_folder() {
        let c = launch("c", Some("int main(){}"), None).unwrap();
        assert_eq!(c.temp_folder.as_deref(), Some("/tmp/further-link-f00d"));
        assert_eq!(
            c.argv[3..],
            [
                "/tmp/further-link-f00d/program-f00d.c",
                "/tmp/further-link-f00d"
            ]
        );
    }

    #[test]
    fn environment_is_that_of_the_protocol() {
        let launch = launch("exec", Some(""), None).unwrap();
        let value = |name: &str| {
            launch
                .environment
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(value("TERM"), Some("xterm-256color"));
        assert_eq!(value("USER"), Some("ann"));
        assert_eq!(value("LOGNAME"), Some("ann"));
        assert_eq!(value("HOME"), Some("/home/ann"));
        assert_eq!(value("SHELL"), Some("/bin/zsh"));
        assert_eq!(value("PWD"), Some("/tmp"));
        assert_eq!(value("DISPLAY"), Some(":0"));
        assert_eq!(value("LANG"), Some("de_DE.UTF-8"));
        assert_eq!(value("PATH"), Some(DEFAULT_PATH));
    }

    #[test]
    fn refuses_what_cannot_be_run() {
        assert_eq!(launch("python3", None, None), Err(StartError::NothingToRun));
        assert_eq!(
            launch("python3", None, Some("a\0b")),
            Err(StartError::NulInPath)
        );
    }
}

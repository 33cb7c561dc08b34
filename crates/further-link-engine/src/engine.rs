//! The engine: what transports start jobs with.

use crate::account::{Account, AccountError, Accounts};
use crate::channels::{ConnectLegacyListeners, ConnectingListeners};
use crate::environment::{DEFAULT_PATH, first_display, passed_on};
use crate::error::StartError;
use crate::files::{FetchError, FilesError, FilesWorkers, Project, Request, Tree, upload};
use crate::job::{ChannelSettings, Job};
use crate::runner::{LaunchContext, Runner, RunnerTable};
use crate::spawner::{Link, SpawnerProcess};
use further_link_protocol::{Channel, Features, StartRequest, TerminalSize};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// What of the configuration the engine needs.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Whom programs may run as. The spawner has the same and enforces it.
    pub accounts: Accounts,
    /// The kinds of programs.
    pub runners: RunnerTable,
    /// Where projects are; `None` is `~/further` of the account. `~` at the front is its home.
    pub work_dir: Option<PathBuf>,
    /// Where copies of miniscreen projects go; `~` as above.
    pub projects_dir: PathBuf,
    /// Where code without a folder goes.
    pub temp_dir: PathBuf,
    /// Virtual environment for Python; `~` as above.
    pub venv: Option<PathBuf>,
    /// Variables that every program gets.
    pub environment: Vec<(String, String)>,
    /// Names of the server's own variables that every program gets.
    pub pass_environment: Vec<String>,
    /// The folder in which Python programs find the package `further_link`, if it is there.
    pub package: Option<PathBuf>,
    /// The server's version, which programs are told.
    pub version: String,
    /// Programs that run at the same time, at most.
    pub max_jobs: usize,
}

/// Starts jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    link: Arc<Link>,
    settings: EngineSettings,
    environment: Vec<(String, String)>,
    /// Names of the runners that were there at the start.
    installed: Vec<String>,
    /// The default account, looked up once.
    default_account: Result<Account, AccountError>,
    /// Jobs that are not over.
    active: watch::Sender<usize>,
    files_workers: FilesWorkers,
}

/// Permit for one of the jobs that may run (`max_jobs`); given back when dropped.
#[derive(Debug)]
struct JobPermit {
    shared: Arc<Shared>,
}

impl Drop for JobPermit {
    fn drop(&mut self) {
        self.shared.active.send_modify(|active| *active -= 1);
    }
}

impl Engine {
    /// Connects to the spawner. Has to be called inside of the runtime, and before rights are given
    /// up: some languages are installed where only their user can look.
    ///
    /// # Errors
    /// If the runtime cannot watch the spawner's socket.
    pub fn new(spawner: SpawnerProcess, settings: EngineSettings) -> std::io::Result<Self> {
        let accounts = &settings.accounts;
        let default_account = if accounts.default == accounts.server.name {
            Ok(accounts.server.clone())
        } else {
            Account::by_name(&accounts.default)
        };
        let mut environment = passed_on(&settings.pass_environment);
        environment.extend(settings.environment.iter().cloned());
        let path = search_path(&environment);
        let rows = settings.runners.rows().iter();
        let installed = rows
            .filter(|row| row.is_installed(path))
            .map(|row| row.name.clone())
            .collect();
        let link = Link::new(spawner)?;
        Ok(Self {
            shared: Arc::new(Shared {
                files_workers: FilesWorkers::new(Arc::clone(&link)),
                link,
                installed,
                environment,
                default_account,
                settings,
                active: watch::Sender::new(0),
            }),
        })
    }

    /// Returns the kinds of programs that can be started.
    pub fn runners(&self) -> &RunnerTable {
        &self.shared.settings.runners
    }

    /// Returns whether everything that `runner` requires is installed, or was at the start.
    pub fn is_installed(&self, runner: &Runner) -> bool {
        self.shared.installed.contains(&runner.name)
            || runner.is_installed(search_path(&self.shared.environment))
    }

    /// Programs that run now.
    pub fn active_jobs(&self) -> usize {
        *self.shared.active.borrow()
    }

    /// The account that a client named, or the default one.
    ///
    /// # Errors
    /// If there is no such account. Whether programs may run as it is decided at each start.
    pub async fn account(&self, user: Option<String>) -> Result<Account, AccountError> {
        match user {
            None => self.shared.default_account.clone(),
            Some(user) => {
                let failed = AccountError::Unknown(user.clone());
                tokio::task::spawn_blocking(move || Account::by_name(&user))
                    .await
                    .unwrap_or(Err(failed))
            }
        }
    }

    /// Starts a program by `runner`'s row, for a client that knows `features`. Returns at once; how
    /// it went is the job's state.
    ///
    /// # Errors
    /// If the request cannot be carried out whatever the machine says.
    pub fn start(
        &self,
        runner: &Runner,
        request: &StartRequest,
        account: &Account,
        terminal: Option<TerminalSize>,
        features: Features,
    ) -> Result<Arc<Job>, StartError> {
        let fresh = fresh_word();
        let mut context = self.context(account, &fresh);
        context.figures = features.include(Channel::Figure);
        let launch = RunnerTable::launch(runner, request, &context)?;
        let channels = ChannelSettings {
            features,
            version: self.shared.settings.version.clone(),
            legacy_listeners: Arc::new(LegacyListeners {
                workers: self.shared.files_workers.clone(),
                account: account.clone(),
            }),
        };
        self.launch(launch, terminal, Some(channels))
    }

    /// Starts a program with its arguments as they are, without input, in the work directory.
    ///
    /// # Errors
    /// As for [`Engine::start`].
    pub fn start_command(
        &self,
        argv: Vec<String>,
        account: &Account,
    ) -> Result<Arc<Job>, StartError> {
        let fresh = fresh_word();
        self.launch(
            RunnerTable::launch_command(argv, &self.context(account, &fresh)),
            None,
            None,
        )
    }

    /// Starts a program that answers its client through its standard streams, in the work directory
    /// and with the virtual environment.
    ///
    /// # Errors
    /// As for [`Engine::start`].
    pub fn start_conversation(
        &self,
        argv: Vec<String>,
        account: &Account,
    ) -> Result<Arc<Job>, StartError> {
        let fresh = fresh_word();
        let context = self.context(account, &fresh);
        let mut launch = RunnerTable::launch_command(argv, &context);
        launch.input = true;
        launch.venv = context.venv();
        self.launch(launch, None, None)
    }

    fn context<'a>(&'a self, account: &'a Account, fresh: &'a str) -> LaunchContext<'a> {
        let settings = &self.shared.settings;
        LaunchContext {
            account,
            work_dir: settings.work_dir.as_deref(),
            temp_dir: &settings.temp_dir,
            venv: settings.venv.as_deref(),
            environment: &self.shared.environment,
            display: first_display(),
            fresh,
            package: settings.package.as_deref(),
            figures: false,
        }
    }

    fn launch(
        &self,
        launch: crate::Launch,
        terminal: Option<TerminalSize>,
        channels: Option<ChannelSettings>,
    ) -> Result<Arc<Job>, StartError> {
        let shared = &self.shared;
        let max = shared.settings.max_jobs;
        let taken = shared.active.send_if_modified(|active| {
            let free = *active < max;
            *active += usize::from(free);
            free
        });
        if !taken {
            return Err(StartError::TooManyJobs(max));
        }
        let permit = JobPermit {
            shared: Arc::clone(shared),
        };
        let handle = shared.link.start(launch, terminal)?;
        let link = Arc::clone(&shared.link);
        Ok(Job::follow(
            link,
            handle,
            terminal.is_some(),
            channels,
            permit,
        ))
    }

    /// Returns the files of `account`, below its work directory.
    pub fn tree(&self, account: Account) -> Tree {
        let root = self.work_dir(&account);
        self.tree_below(root, account)
    }

    /// Returns the files below `root`, an absolute path that the configuration or a person at this
    /// device has named, with the rights of `account`. It is made at the first use, if it is
    /// missing and the account may.
    pub fn tree_below(&self, root: PathBuf, account: Account) -> Tree {
        Tree::new(self.shared.files_workers.clone(), account, root)
    }

    /// Puts a project in the place of the one of that name, with the rights of `account`. `fetch`
    /// downloads from an address into a file. Returns whether all files are there: without
    /// internet, those that would have to be fetched are left out.
    ///
    /// Dropped before it is over, the old project is still there, or the new one is there as a
    /// whole.
    ///
    /// # Errors
    /// If it fails; then the old project is as it was.
    pub async fn upload<F, D>(
        &self,
        account: &Account,
        project: Project,
        fetch: F,
    ) -> Result<bool, FilesError>
    where
        F: Fn(String, File) -> D,
        D: Future<Output = Result<(), FetchError>> + Send + 'static,
    {
        let request = Request::Upload {
            work_dir: self.work_dir(account),
            projects_dir: self.projects_dir(account),
        };
        upload(
            &self.shared.files_workers,
            account,
            &request,
            project,
            fetch,
        )
        .await
    }

    /// Where the projects of `account` are.
    pub fn work_dir(&self, account: &Account) -> PathBuf {
        self.context(account, "").work_dir()
    }

    /// Where copies of the miniscreen projects of `account` are.
    pub(crate) fn projects_dir(&self, account: &Account) -> PathBuf {
        self.context(account, "")
            .below_home(&self.shared.settings.projects_dir)
    }

    /// Completes when the spawner has ended, which it does not do while the server lives.
    pub async fn spawner_ended(&self) {
        self.shared.link.closed().await;
    }

    /// Stops all jobs and waits until nothing of them is left, then ends the spawner.
    pub async fn shut_down(&self) {
        self.shared.link.stop_all();
        let mut active = self.shared.active.subscribe();
        tokio::select! {
            _ = active.wait_for(|active| *active == 0) => {}
            () = self.shared.link.closed() => {}
        }
        self.shared.link.shut_down().await;
    }
}

/// Where programs are looked for.
fn search_path(environment: &[(String, String)]) -> &str {
    environment
        .iter()
        .find(|(name, _)| name == "PATH")
        .map_or(DEFAULT_PATH, |(_, path)| path)
}

/// Eight hexadecimal digits that nobody can guess: a name for files beside which others lie.
fn fresh_word() -> String {
    let number = getrandom::u32().unwrap_or_else(|_| std::process::id());
    format!("{number:08x}")
}

/// Connects to a program's sockets by a worker that has its account's rights.
#[derive(Debug)]
struct LegacyListeners {
    workers: FilesWorkers,
    account: Account,
}

impl ConnectLegacyListeners for LegacyListeners {
    fn connect(&self, dir: String, known: Vec<u32>) -> ConnectingListeners<'_> {
        Box::pin(async move {
            let request = Request::ConnectKeyListeners { dir, known };
            let worker = self.workers.start(&self.account, &request).await;
            let mut worker = worker.map_err(io::Error::other)?;
            let reply = worker.receive::<Vec<u32>>().await;
            let (groups, connections) = reply.map_err(io::Error::other)?;
            Ok(groups.into_iter().zip(connections).collect())
        })
    }
}

//! Between fork and exec: the child becomes the user, prepares what the launch asks for, and
//! executes the program. The spawner has one thread, so all of Rust may be used here.
//!
//! Everything that touches the user's files happens after the child has become the user: no path
//! that a client sends is ever followed with the spawner's rights.

use super::credentials::Identity;
use super::{channels, packet};
use crate::error::StartError;
use crate::launch::{CodeFile, Launch};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::ffi::CString;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Flag of `clone3(2)`; the constant in libc is of a type too small for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The program's ends of its standard streams.
#[derive(Debug)]
pub(super) enum Streams {
    /// The slave of a pty, which becomes the controlling terminal.
    Terminal(OwnedFd),
    /// Input, output and error.
    Pipes([OwnedFd; 3]),
}

/// What the child tells the spawner before it is the program. Then the socket closes (by exec).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Progress {
    /// The code file is about to be written: with this comes the descriptor of its folder. Without
    /// one, it was not.
    Prepared,
    /// The program was not executed.
    Failed(StartError),
}

/// What the supervisor tells the spawner (see `containment`).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Supervised {
    /// The program's process id.
    Leader(i32),
    /// The program is over, with this exit code; what it started may not be.
    Exited(i32),
}

/// Everything the child needs.
pub(super) struct Plan<'a> {
    pub(super) launch: &'a Launch,
    /// The code, as a memory file.
    pub(super) code: Option<OwnedFd>,
    pub(super) identity: &'a Identity,
    pub(super) streams: Streams,
    /// The child's end of the socket for [`Progress`].
    pub(super) status: OwnedFd,
    /// The private folder, and sockets that get their names in it.
    pub(super) channels: Option<(&'a channels::Folder, Vec<OwnedFd>)>,
    /// Soft limit of open descriptors for the program.
    pub(super) descriptor_limit: u64,
}

/// `fork(2)`, with the child in `cgroup` from its first instruction if one is given. The parent
/// gets the child's id, the child gets `None`.
pub(super) fn fork(cgroup: Option<BorrowedFd<'_>>) -> nix::Result<Option<Pid>> {
    // SAFETY: an all-zero clone_args is valid; unused fields have to be zero (clone(2)).
    #[allow(unsafe_code)]
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        arguments.flags = CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM and with no stack given this is fork: the child goes on with a copy
    // of everything. This process has one thread, so no lock can be held by another.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<libc::clone_args>(),
        )
    };
    match result {
        -1 if Errno::last() == Errno::ENOSYS && cgroup.is_none() => {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            match unsafe { nix::unistd::fork() }? {
                nix::unistd::ForkResult::Parent { child } => Ok(Some(child)),
                nix::unistd::ForkResult::Child => Ok(None),
            }
        }
        -1 => Err(Errno::last()),
        0 => Ok(None),
        pid => Ok(Some(Pid::from_raw(pid as i32))),
    }
}

/// Ends a forked child at once, without the destructors and exit handlers of its parent.
pub(super) fn exit(status: i32) -> ! {
    // SAFETY: _exit is always allowed.
    #[allow(unsafe_code)]
    unsafe {
        libc::_exit(status)
    }
}

/// Runs `body` in a forked child; a panic in it must not unwind into the spawner's loop.
pub(super) fn contained(body: impl FnOnce() -> i32) -> ! {
    let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(126);
    exit(status)
}

/// Becomes the program, or tells why not.
pub(super) fn execute(plan: &Plan<'_>) -> i32 {
    let Err(error) = prepare_and_execute(plan);
    report_failure(plan, error);
    127
}

/// Tells the spawner why the program does not run. If the spawner is gone there is nobody to tell.
pub(super) fn report_failure(plan: &Plan<'_>, error: StartError) {
    if let Some(bytes) = packet::encode(&Progress::Failed(error)) {
        let _ = packet::send(plan.status.as_fd(), &bytes, &[]);
    }
}

fn prepare_and_execute(plan: &Plan<'_>) -> Result<Infallible, StartError> {
    let launch = plan.launch;
    start_session(&plan.streams).map_err(|errno| StartError::system("Making a session", errno))?;
    reset_signals();
    plan.identity.become_user().map_err(|errno| {
        StartError::system(
            format!("Becoming user {}", plan.identity.account.name),
            errno,
        )
    })?;
    die_with_parent();
    umask(Mode::from_bits_truncate(0o022));

    let user = &plan.identity.account.name;
    let former = match &launch.script {
        Some(script) => check_script(script, launch.make_executable, user)?,
        None => None,
    };
    if launch.create_folder {
        std::fs::create_dir_all(&launch.folder)
            .map_err(|error| folder_error(&launch.folder, user, &error))?;
    }
    let folder = open_folder(&launch.folder)
        .and_then(|folder| nix::unistd::fchdir(&folder).map(|()| folder))
        .map_err(|errno| folder_error(&launch.folder, user, &errno.into()))?;
    if let Some(temp) = &launch.temp_folder {
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(temp)
            .map_err(|error| folder_error(temp, user, &error))?;
    }
    if let Some((folder, sockets)) = &plan.channels {
        folder
            .name_sockets(sockets)
            .map_err(|errno| StartError::system("Making the channels", errno))?;
    }
    if let (Some(file), Some(code)) = (&launch.code, &plan.code) {
        if let (true, Some(temp)) = (file.private, &launch.temp_folder) {
            let private =
                open_folder(temp).map_err(|errno| folder_error(temp, user, &errno.into()))?;
            write_code(plan, &private, file, code, user)?;
        } else {
            // Before the file is there: whatever ends this process from now on, the spawner removes
            // it.
            report_folder(plan, Some(&folder));
            write_code(plan, &folder, file, code, user)?;
        }
    }
    restore_descriptor_limit(plan.descriptor_limit);
    execute_program(plan).inspect_err(|_| {
        // What turned out to be no program stays as it was.
        if let (Some(script), Some(former)) = (&launch.script, former) {
            let _ = std::fs::set_permissions(script, former);
        }
    })
}

fn open_folder(path: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty())
}

/// The spawner has raised its own; programs get what the server was started with.
fn restore_descriptor_limit(soft: u64) {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard);
    }
}

/// Returns a session and process group of its own; with a pty, that is its controlling terminal.
fn start_session(streams: &Streams) -> nix::Result<()> {
    nix::unistd::setsid()?;
    let [input, output, error] = match streams {
        Streams::Terminal(slave) => [slave, slave, slave],
        Streams::Pipes([input, output, error]) => [input, output, error],
    };
    nix::unistd::dup2_stdin(input)?;
    nix::unistd::dup2_stdout(output)?;
    nix::unistd::dup2_stderr(error)?;
    if matches!(streams, Streams::Terminal(_)) {
        // SAFETY: the request takes an integer; descriptor 0 is the slave.
        #[allow(unsafe_code)]
        Errno::result(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
    }
    Ok(())
}

/// Default dispositions and an empty mask, whatever the spawner (or who started the server) had
/// set: a program that starts with SIGINT ignored cannot be interrupted by Ctrl-C.
pub(super) fn reset_signals() {
    // SIG_DFL, no flags, an empty mask: zeros in every layout of the kernel's structure, which is
    // smaller than this on all machines.
    let default = [0_u64; 8];
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: the kernel reads a structure that is there; numbers that cannot be set are
        // refused, which is fine. Not `signal(3)`: that refuses the two signals that the C library
        // keeps for itself, and `posix_spawn(3)`, by which the spawner was started, has them
        // ignored.
        #[allow(unsafe_code)]
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                size_of::<u64>(),
            );
        }
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// Has the kernel kill this process when its parent dies. Only after the change of user: that
/// clears it (`prctl(2)`).
pub(super) fn die_with_parent() {
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
}

/// Returns whether the file can be run, as far as that can be told. Made executable, it is told
/// what its permissions were.
fn check_script(
    script: &str,
    executable: bool,
    user: &str,
) -> Result<Option<Permissions>, StartError> {
    let path = Path::new(script);
    let fail = |error: std::io::Error| match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR) => StartError::NoSuchFile(script.to_owned()),
        Some(Errno::EACCES) => no_permission(script, user),
        Some(Errno::ENAMETOOLONG) => StartError::NameTooLong(script.to_owned()),
        _ => system(script, &error),
    };
    let found = std::fs::metadata(path).map_err(fail)?;
    if found.is_dir() {
        return Err(StartError::IsFolder(script.to_owned()));
    }
    if executable {
        // Not allowed for a file of somebody else: then exec says whether it can be run as it is.
        let former = found.permissions();
        if former.mode() & 0o100 == 0 {
            let mut permissions = former.clone();
            permissions.set_mode(former.mode() | 0o100);
            if std::fs::set_permissions(path, permissions).is_ok() {
                return Ok(Some(former));
            }
        }
    } else if found.is_file() {
        std::fs::File::open(path).map_err(fail)?;
    }
    Ok(None)
}

fn write_code(
    plan: &Plan<'_>,
    folder: &OwnedFd,
    file: &CodeFile,
    code: &OwnedFd,
    user: &str,
) -> Result<(), StartError> {
    let mode = if file.executable { 0o700 } else { 0o600 };
    let written = openat(
        folder,
        file.name.as_str(),
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::from_bits_truncate(mode),
    )
    .map_err(|errno| {
        // It was not made here, so it is not the spawner's to remove.
        report_folder(plan, None);
        folder_error(&plan.launch.folder, user, &errno.into())
    })?;
    let copied = (|| {
        let mut source = std::fs::File::from(code.try_clone()?);
        let mut target = std::fs::File::from(written);
        std::io::copy(&mut source, &mut target)?;
        target.flush()
    })();
    copied.map_err(|error: std::io::Error| {
        let _ = unlinkat(folder, file.name.as_str(), UnlinkatFlags::NoRemoveDir);
        system("Writing the code", &error)
    })
}

/// Hands the folder to the spawner, which removes the code file from it by this descriptor even if
/// the folder is moved or replaced meanwhile; or takes that back.
fn report_folder(plan: &Plan<'_>, folder: Option<&OwnedFd>) {
    let folder: Vec<_> = folder
        .and_then(|folder| folder.try_clone().ok())
        .into_iter()
        .collect();
    if let Some(bytes) = packet::encode(&Progress::Prepared) {
        let _ = packet::send(plan.status.as_fd(), &bytes, &folder);
    }
}

fn execute_program(plan: &Plan<'_>) -> Result<Infallible, StartError> {
    let Plan {
        launch, identity, ..
    } = plan;
    let environment = final_environment(plan);
    let text = |word: &str| CString::new(word).map_err(|_| StartError::NulInCommand);
    let arguments = launch
        .argv
        .iter()
        .map(|word| text(word))
        .collect::<Result<Vec<_>, _>>()?;
    let variables = environment
        .iter()
        .map(|(name, value)| text(&format!("{name}={value}")))
        .collect::<Result<Vec<_>, _>>()?;
    let program = launch.argv.first().ok_or(StartError::NothingToRun)?;

    close_on_exec();
    if program.contains('/') {
        let Err(errno) = nix::unistd::execve(&arguments[0], &arguments, &variables);
        return Err(exec_error(program, errno, &identity.account.name));
    }
    let path = environment
        .iter()
        .find(|(name, _)| name == "PATH")
        .map_or("", |(_, value)| value.as_str());
    let mut refused = None;
    for folder in path.split(':').filter(|folder| !folder.is_empty()) {
        let candidate = format!("{folder}/{program}");
        let Err(errno) = nix::unistd::execve(&text(&candidate)?, &arguments, &variables);
        match errno {
            Errno::ENOENT if !Path::new(&candidate).exists() => {}
            Errno::ENOTDIR => {}
            Errno::EACCES => {
                refused.get_or_insert(no_permission(&candidate, &identity.account.name));
            }
            errno => return Err(exec_error(&candidate, errno, &identity.account.name)),
        }
    }
    Err(refused.unwrap_or_else(|| StartError::NotInstalled(program.clone())))
}

/// Returns the launch's environment, and what depends on the account's own files.
fn final_environment(plan: &Plan<'_>) -> Vec<(String, String)> {
    let Plan {
        launch, identity, ..
    } = plan;
    let mut environment = launch.environment.clone();
    if let Some((folder, _)) = &plan.channels {
        environment.extend(folder.variables());
    }
    let runtime = format!("/run/user/{}", identity.account.uid);
    if Path::new(&runtime).is_dir() {
        environment.push(("XDG_RUNTIME_DIR".to_owned(), runtime));
    }
    if let Some(venv) = &launch.venv
        && Path::new(venv).join("bin/python3").exists()
    {
        if let Some((_, path)) = environment.iter_mut().find(|(name, _)| name == "PATH") {
            *path = format!("{venv}/bin:{path}");
        }
        environment.push(("VIRTUAL_ENV".to_owned(), venv.clone()));
    }
    environment
}

/// Closes everything but the standard streams and `kept`, which becomes descriptor 3 and is
/// returned. Only for forked processes that use nothing else of what they had open, and end with
/// [`exit`].
pub(super) fn close_all_but(kept: Option<&impl AsRawFd>) -> nix::Result<Option<OwnedFd>> {
    let first = 3 + i32::from(kept.is_some());
    if let Some(kept) = kept
        && kept.as_raw_fd() != 3
    {
        // SAFETY: numbers only; whatever owned descriptor 3 is never used or dropped any more.
        #[allow(unsafe_code)]
        Errno::result(unsafe { libc::dup2(kept.as_raw_fd(), 3) })?;
    }
    // SAFETY: as above.
    #[allow(unsafe_code)]
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if closed == -1 {
        // An old kernel, or a filter of system calls: one by one.
        let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        for number in open.into_iter().filter(|number| *number >= first) {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            unsafe {
                libc::close(number);
            }
        }
    }
    // SAFETY: it is open, and nobody else uses that number any more.
    #[allow(unsafe_code)]
    Ok(kept.map(|_| unsafe { OwnedFd::from_raw_fd(3) }))
}

/// Everything beyond the standard streams is closed by exec, also what was opened without saying
/// so.
fn close_on_exec() {
    // SAFETY: sets a flag on descriptors; no memory is involved. Old kernels refuse the call, and
    // then each descriptor's own flag has to do.
    #[allow(unsafe_code)]
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
    }
}

fn exec_error(path: &str, errno: Errno, user: &str) -> StartError {
    let path = path.to_owned();
    match errno {
        Errno::ENOENT if Path::new(&path).exists() => StartError::NoInterpreter(path),
        Errno::ENOENT | Errno::ENOTDIR => StartError::NoSuchFile(path),
        Errno::EACCES if Path::new(&path).is_dir() => StartError::IsFolder(path),
        Errno::EACCES => no_permission(&path, user),
        Errno::ENOEXEC => StartError::NotExecutable(path),
        errno => StartError::system(path, errno),
    }
}

fn folder_error(path: &str, user: &str, error: &std::io::Error) -> StartError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR | Errno::EEXIST) => {
            StartError::NoSuchFolder(path.to_owned())
        }
        Some(Errno::EACCES) => no_permission(path, user),
        Some(Errno::ENAMETOOLONG) => StartError::NameTooLong(path.to_owned()),
        _ => system(path, error),
    }
}

fn no_permission(path: &str, user: &str) -> StartError {
    StartError::NoPermission {
        user: user.to_owned(),
        path: path.to_owned(),
    }
}

fn system(what: &str, error: &std::io::Error) -> StartError {
    match error.raw_os_error() {
        Some(raw) => StartError::system(what, Errno::from_raw(raw)),
        None => StartError::System {
            what: what.to_owned(),
            reason: error.to_string(),
        },
    }
}

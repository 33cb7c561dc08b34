//! A program's standard streams: a pty or pipes, with one end for it and one for the server.

use super::child::Streams;
use super::credentials::Identity;
use super::request::Terminal;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::pty::{Winsize, openpty};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::termios::{InputFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Gid, Uid, fchown, pipe2};
use std::os::fd::{AsFd, OwnedFd};

/// Permissions of a terminal: its user, and writing for the group `tty` (`mesg(1)`).
const TERMINAL_MODE: u32 = 0o620;

/// A pty whose slave belongs to the user (`pty(7)`).
///
/// `group` is the one that may write to terminals of its members (`tty`).
pub(super) fn terminal(
    size: Terminal,
    identity: &Identity,
    group: Option<Gid>,
) -> nix::Result<(Streams, Vec<OwnedFd>)> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size, None)?;
    set_close_on_exec(&pty.master)?;
    set_close_on_exec(&pty.slave)?;
    set_nonblocking(&pty.master)?;
    // Backspace removes a whole character, not one of its bytes (termios(3), IUTF8).
    let mut modes = tcgetattr(&pty.slave)?;
    modes.input_flags |= InputFlags::IUTF8;
    tcsetattr(&pty.slave, SetArg::TCSANOW, &modes)?;
    if identity.change {
        let uid = Uid::from_raw(identity.account.uid);
        fchown(&pty.slave, Some(uid), group)?;
        fchmod(&pty.slave, Mode::from_bits_truncate(TERMINAL_MODE))?;
    }
    Ok((Streams::Terminal(pty.slave), vec![pty.master]))
}

/// Pipes for input, output and error; without input, the program reads `/dev/null`. The server's
/// ends do not block.
pub(super) fn pipes(input: bool) -> nix::Result<(Streams, Vec<OwnedFd>)> {
    let mut ours = Vec::with_capacity(3);
    let stdin = if input {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        ours.push(write);
        read
    } else {
        open(
            "/dev/null",
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?
    };
    let (stdout_read, stdout) = pipe2(OFlag::O_CLOEXEC)?;
    let (stderr_read, stderr) = pipe2(OFlag::O_CLOEXEC)?;
    ours.extend([stdout_read, stderr_read]);
    for end in &ours {
        set_nonblocking(end)?;
    }
    Ok((Streams::Pipes([stdin, stdout, stderr]), ours))
}

fn set_nonblocking(fd: &OwnedFd) -> nix::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

pub(super) fn set_close_on_exec(fd: &impl AsFd) -> nix::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map(drop)
}

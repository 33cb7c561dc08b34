//! Who programs run as: looks accounts up in the spawner itself, checks whether they are permitted,
//! and drops privileges to them (setuid and setgid, by `setresuid(2)`, `setresgid(2)` and
//! `setgroups(2)`).

use crate::account::{Account, Accounts};
use crate::error::StartError;
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use std::collections::HashMap;
use std::ffi::CString;
use std::time::{Duration, Instant};

/// How long an account that was looked up is believed.
const IDENTITY_MAX_AGE: Duration = Duration::from_secs(10);

/// Who a program runs as.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) account: Account,
    groups: Vec<Gid>,
    /// The spawner is root and has to become `account`.
    pub(super) change: bool,
}

impl Identity {
    /// Does `work` with files as this account would, and as the spawner again afterwards
    /// (`setfsuid(2)`, which takes root's rights to files away too). For what waits for no disk:
    /// the spawner has one thread.
    pub(super) fn with_files_as_user<T>(
        &self,
        work: impl FnOnce() -> nix::Result<T>,
    ) -> nix::Result<T> {
        match self.change {
            true => with_files_of(
                Uid::from_raw(self.account.uid),
                Gid::from_raw(self.account.gid),
                work,
            ),
            false => work(),
        }
    }

    /// Becomes this account, for good. Groups first: without root they cannot be changed any more.
    pub(super) fn become_user(&self) -> nix::Result<()> {
        if !self.change {
            return Ok(());
        }
        let gid = Gid::from_raw(self.account.gid);
        let uid = Uid::from_raw(self.account.uid);
        nix::unistd::setgroups(&self.groups)?;
        nix::unistd::setresgid(gid, gid, gid)?;
        nix::unistd::setresuid(uid, uid, uid)
    }
}

/// Does `work` with files as root's process, but with the rights of `uid` and `gid` alone.
pub(super) fn with_files_of<T>(
    uid: Uid,
    gid: Gid,
    work: impl FnOnce() -> nix::Result<T>,
) -> nix::Result<T> {
    let (own_uid, own_gid) = (Uid::effective(), Gid::effective());
    setfsgid(gid);
    setfsuid(uid);
    // They say nothing but what was before: so asked again.
    let result = match (setfsuid(uid), setfsgid(gid)) == (uid, gid) {
        true => work(),
        false => Err(Errno::EPERM),
    };
    setfsuid(own_uid);
    setfsgid(own_gid);
    result
}

/// Accounts that were looked up lately.
#[derive(Debug, Default)]
pub(super) struct Identities {
    known: HashMap<String, (Instant, Identity)>,
}

impl Identities {
    /// Who `name` is, and whether programs may run as them.
    pub(super) fn get(&mut self, accounts: &Accounts, name: &str) -> Result<Identity, StartError> {
        if let Some((since, identity)) = self.known.get(name)
            && since.elapsed() < IDENTITY_MAX_AGE
        {
            return Ok(identity.clone());
        }
        let change = Uid::effective().is_root();
        let account = if name == accounts.server.name && !change {
            accounts.server.clone()
        } else {
            Account::by_name(name)?
        };
        if !change && account.uid != accounts.server.uid {
            return Err(StartError::OnlyServerUser {
                server: accounts.server.name.clone(),
            });
        }
        if !accounts.permits(&account) {
            return Err(StartError::UserNotPermitted(name.to_owned()));
        }
        let groups = if change {
            CString::new(name)
                .map_err(|_| Errno::EINVAL)
                .and_then(|name| nix::unistd::getgrouplist(&name, Gid::from_raw(account.gid)))
                .map_err(|errno| StartError::system(format!("The groups of {name}"), errno))?
        } else {
            Vec::new()
        };
        let identity = Identity {
            account,
            groups,
            change,
        };
        self.known
            .retain(|_, (since, _)| since.elapsed() < IDENTITY_MAX_AGE);
        self.known
            .insert(name.to_owned(), (Instant::now(), identity.clone()));
        Ok(identity)
    }
}

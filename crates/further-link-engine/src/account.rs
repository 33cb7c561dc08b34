//! Accounts of the device: looking them up, and which of them programs may run as.

use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};

/// The first user id of ordinary people on Debian (`adduser.conf(5)`, FIRST_UID).
const FIRST_ORDINARY_UID: u32 = 1000;
/// The last one (LAST_UID); above are `nobody` and ids that services make up.
const LAST_ORDINARY_UID: u32 = 59999;

/// One Linux account, as `passwd(5)` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Home folder.
    pub home: String,
    /// Login shell; `/bin/sh` if the entry is empty.
    pub shell: String,
}

/// An account that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No entry of that name or number.
    #[error("there is no user {0} on this device")]
    Unknown(String),
    /// The lookup itself failed.
    #[error("looking up user {user} failed: {reason}")]
    Lookup {
        /// Who was asked for.
        user: String,
        /// The system's word.
        reason: String,
    },
}

impl Account {
    /// Looks up a login name. May block (`getpwnam_r(3)` asks whatever `nsswitch.conf` names).
    ///
    /// # Errors
    /// If there is no such account or the lookup failed.
    pub fn by_name(name: &str) -> Result<Self, AccountError> {
        if name.is_empty() || name.contains('\0') {
            return Err(AccountError::Unknown(name.replace('\0', "?")));
        }
        Self::found(name, User::from_name(name))
    }

    /// Looks up a user id. May block.
    ///
    /// # Errors
    /// If there is no such account or the lookup failed.
    pub fn by_uid(uid: u32) -> Result<Self, AccountError> {
        Self::found(&uid.to_string(), User::from_uid(Uid::from_raw(uid)))
    }

    /// Returns the account that this process runs as. A process whose id has no entry (as in some
    /// containers) gets one made of `HOME` and the number.
    pub fn of_this_process() -> Self {
        let uid = Uid::effective().as_raw();
        Self::by_uid(uid).unwrap_or_else(|_| Self {
            name: uid.to_string(),
            uid,
            gid: nix::unistd::Gid::effective().as_raw(),
            home: std::env::var("HOME").unwrap_or_else(|_| "/".to_owned()),
            shell: "/bin/sh".to_owned(),
        })
    }

    fn found(asked: &str, result: nix::Result<Option<User>>) -> Result<Self, AccountError> {
        match result {
            Ok(Some(user)) => {
                let shell = user.shell.to_string_lossy().into_owned();
                Ok(Self {
                    name: user.name,
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                    home: user.dir.to_string_lossy().into_owned(),
                    shell: if shell.is_empty() {
                        "/bin/sh".to_owned()
                    } else {
                        shell
                    },
                })
            }
            Ok(None) => Err(AccountError::Unknown(asked.to_owned())),
            Err(errno) => Err(AccountError::Lookup {
                user: asked.to_owned(),
                reason: errno.desc().to_owned(),
            }),
        }
    }
}

/// Which accounts programs may run as. Decided before the server drops its rights, and enforced by
/// the spawner, so that a server that was taken over cannot widen it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// The account that the server was started as.
    pub server: Account,
    /// The account of clients that name none.
    pub default: String,
    /// Further permitted names; empty permits all ordinary accounts.
    pub permitted: Vec<String>,
}

impl Accounts {
    /// Settles who clients that name nobody are: `configured`, else `pi` if it exists, else
    /// `server`.
    pub fn new(server: Account, configured: Option<String>, permitted: Vec<String>) -> Self {
        let default = configured
            .or_else(|| {
                (server.uid == 0 && Account::by_name("pi").is_ok()).then(|| "pi".to_owned())
            })
            .unwrap_or_else(|| server.name.clone());
        Self {
            server,
            default,
            permitted,
        }
    }

    /// Returns whether programs may run as `account`: the default one, those listed, and if none
    /// are listed all ordinary ones. Root only if it is named or the default.
    pub fn permits(&self, account: &Account) -> bool {
        account.name == self.default
            || self.permitted.contains(&account.name)
            || (self.permitted.is_empty()
                && (FIRST_ORDINARY_UID..=LAST_ORDINARY_UID).contains(&account.uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, uid: u32) -> Account {
        Account {
            name: name.to_owned(),
            uid,
            gid: uid,
            home: format!("/home/{name}"),
            shell: "/bin/sh".to_owned(),
        }
    }

    #[test]
    fn permits_ordinary_accounts_but_root_only_if_it_is_the_default() {
        let accounts = Accounts::new(account("svc", 900), Some("ann".to_owned()), vec![]);
        assert!(accounts.permits(&account("ann", 1000)));
        assert!(accounts.permits(&account("bob", 1001)));
        assert!(!accounts.permits(&account("root", 0)));
        assert!(!accounts.permits(&account("nobody", 65534)));
        assert!(!accounts.permits(&account("daemon", 1)));

        let root = Accounts::new(account("root", 0), Some("root".to_owned()), vec![]);
        assert!(root.permits(&account("root", 0)));
    }

    #[test]
    fn list_permits_only_whom_it_names() {
        let accounts = Accounts::new(
            account("root", 0),
            Some("ann".to_owned()),
            vec!["bob".to_owned()],
        );
        assert!(accounts.permits(&account("ann", 1000)));
        assert!(accounts.permits(&account("bob", 1001)));
        assert!(!accounts.permits(&account("eve", 1002)));
    }

    #[test]
    fn names_that_are_no_names_are_unknown() {
        for name in ["", "no-such-user-here", "a\0b", "../root", "root\n"] {
            assert!(matches!(
                Account::by_name(name),
                Err(AccountError::Unknown(_))
            ));
        }
    }
}

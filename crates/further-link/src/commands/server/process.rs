//! What this process may do and use: privileges, file descriptors, memory.

use anyhow::Context as _;
use further_link_engine::Account;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid};

use crate::config::Config;

/// The account that the network-facing part becomes, if it exists.
const UNPRIVILEGED_ACCOUNT: &str = "further-link";
/// The account that it becomes otherwise.
const FALLBACK_ACCOUNT: &str = "nobody";
/// Descriptors that the server itself needs: standard streams, listeners, the runtime, the spawner;
/// and 8 uploads with 4 downloads each, a socket and a file.
const RESERVED_DESCRIPTORS: usize = 32 + 2 * 8 * 4;
/// Descriptors of one program: three streams, three sockets, and a connection to one of them.
const DESCRIPTORS_PER_JOB: usize = 7;
/// Blocks of the allocator that are returned to the system when they are freed: the log of a flood,
/// a large message. What a prompt needs is far smaller.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD_BYTES: libc::c_int = 64 * 1024;

/// Raises the limit of open descriptors (`ulimit -n`) to the hard limit, and warns if that is too
/// low.
pub(super) fn raise_descriptor_limit(config: &Config) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    if soft < hard {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let needed =
        config.limits.connections + DESCRIPTORS_PER_JOB * config.limits.jobs + RESERVED_DESCRIPTORS;
    if (hard as u128) < needed as u128 {
        tracing::warn!(
            "the limits permit {needed} open descriptors, but this process may have only {hard}: \
             some clients and programs will be refused (ulimit -n, LimitNOFILE=)"
        );
    }
}

/// Becomes an account without privileges, if this is root. Whoever takes over this process then has
/// the spawner's closed list of requests, and nothing else.
pub(super) fn drop_privileges(configured: &str) -> anyhow::Result<()> {
    if !Uid::effective().is_root() || configured == "root" {
        return Ok(());
    }
    let account = if configured.is_empty() {
        Account::by_name(UNPRIVILEGED_ACCOUNT).or_else(|_| Account::by_name(FALLBACK_ACCOUNT))
    } else {
        Account::by_name(configured)
    }
    .context("server.account: the server cannot give up root's rights")?;
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    nix::unistd::setgroups(&[])
        .and_then(|()| nix::unistd::setresgid(gid, gid, gid))
        .and_then(|()| nix::unistd::setresuid(uid, uid, uid))
        .and_then(|()| nix::sys::prctl::set_no_new_privs())
        .with_context(|| {
            format!(
                "the server cannot become user {} (server.account = \"root\" would keep it root)",
                account.name
            )
        })?;
    tracing::debug!(account = account.name, "gave up root's rights");
    Ok(())
}

/// Makes the allocator return large blocks to the system when they are freed (mallopt(3)). By
/// default it keeps ever larger ones once it has seen them: after a busy hour, an idle server would
/// hold megabytes.
pub(super) fn return_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: called before there are other threads; both are documented parameters.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * MMAP_THRESHOLD_BYTES);
    }
}

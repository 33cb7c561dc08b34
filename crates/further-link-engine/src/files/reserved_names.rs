//! Names of ours among a user's files. Clients never see them, nor may they use such names.

use std::fmt::Write as _;

/// Prefix of files and directories that are being made next to what they will replace. A process
/// that makes one holds a lock on it (`flock(2)`); one that nobody has locked was left by a process
/// that was killed, and whoever finds it removes it.
pub(crate) const TEMPORARY_PREFIX: &str = ".flnew-";
/// Prefix of former projects while new ones take their place.
pub(super) const SET_ASIDE_PREFIX: &str = ".flold-";
/// The directory of the download cache, in the work directory.
pub(super) const CACHE_DIR: &str = ".flcache";

/// Returns a temporary name that nobody can guess.
pub(super) fn temporary_name() -> String {
    let number = getrandom::u64().unwrap_or_else(|_| std::process::id().into());
    format!("{TEMPORARY_PREFIX}{number:016x}")
}

/// Returns the hexadecimal digits of `bytes`, for names made of digests.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

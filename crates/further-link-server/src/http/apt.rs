//! `GET /version/apt/{pkg}`: the version of an installed Debian package.

use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Semaphore;

/// How long dpkg may take; it reads a few megabytes.
const DPKG_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest package name that is asked for.
const PACKAGE_NAME_MAX_BYTES: usize = 128;
/// Queries that run at the same time; others wait.
static DPKG_PERMITS: Semaphore = Semaphore::const_new(2);

/// Returns the version of the installed package `name`; `None` if it is not installed, there is no
/// dpkg, or the name is invalid.
pub(crate) async fn version(name: &str) -> Option<String> {
    if !is_package_name(name) {
        return None;
    }
    let _turn = DPKG_PERMITS.acquire().await.ok()?;
    let mut dpkg = Command::new("dpkg-query");
    dpkg.args([
        "--show",
        "--showformat",
        "${db:Status-Status} ${Version}\n",
        "--",
        name,
    ])
    .env("LC_ALL", "C")
    .stdin(Stdio::null())
    .stderr(Stdio::null())
    .kill_on_drop(true);
    let output = tokio::time::timeout(DPKG_TIMEOUT, dpkg.output())
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("installed "))
        .map(str::to_owned)
}

/// Debian Policy 5.6.1, with an architecture behind a colon. Refuses all that dpkg would take for a
/// pattern or an option.
fn is_package_name(name: &str) -> bool {
    name.len() <= PACKAGE_NAME_MAX_BYTES
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.:".contains(&byte)
        })
}

#[cfg(test)]
mod tests {
    use super::is_package_name;

    #[test]
    fn only_valid_package_names_are_queried() {
        for name in [
            "bash",
            "libc6",
            "g++-12",
            "libc6:amd64",
            "0ad",
            "python3.11",
        ] {
            assert!(is_package_name(name), "{name}");
        }
        for name in [
            "", "-W", "--help", "ba*", "bash;id", "Bash", "a b", "../x", "bash\n", "é",
        ] {
            assert!(!is_package_name(name), "{name}");
        }
        assert!(!is_package_name(&"a".repeat(129)));
    }
}

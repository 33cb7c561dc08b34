//! The Python package `further_link`, which is embedded in this binary: unpacked once into the
//! directory for state, so that programs can import it on a device where nobody has installed it.

use anyhow::{Context as _, bail};
use rust_embed::RustEmbed;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The package itself.
#[derive(RustEmbed)]
#[folder = "../../python/further_link"]
#[include = "*.py"]
#[include = "py.typed"]
struct Package;

/// What `PYTHONPATH` leads to: it prefers a package that is installed in the program's own
/// environment.
#[derive(RustEmbed)]
#[folder = "../../python/shipped"]
#[include = "*.py"]
struct Shipped;

/// In the directory for state.
const PACKAGES_DIR: &str = "python";
/// Where the package itself is, in the directory for this version.
const PACKAGE_DIR: &str = "lib/further_link";
/// Programs of all accounts read the package.
const DIR_MODE: u32 = 0o755;

/// Unpacks the package into `state_dir`, unless it is there. Returns the directory for
/// `PYTHONPATH`.
///
/// # Errors
/// Returns an error if it cannot be written.
pub(crate) fn unpack(state_dir: &Path) -> anyhow::Result<PathBuf> {
    let all = state_dir.join(PACKAGES_DIR);
    let dir = all.join(version_dir_name());
    let path = dir.join("path");
    allow_traversal(state_dir);
    if path.is_dir() {
        if is_complete::<Shipped>(&path) && is_complete::<Package>(&dir.join(PACKAGE_DIR)) {
            return Ok(path);
        }
        // As a power cut left it: no program can use it.
        tracing::warn!("the Python package in {} is unpacked again", dir.display());
        let old = all.join(format!(".old-{}", std::process::id()));
        let _ = fs::remove_dir_all(&old);
        let _ = fs::rename(&dir, &old);
        let _ = fs::remove_dir_all(&old);
    }
    let fail = |dir: &Path| format!("writing to {}", dir.display());
    create_dirs(state_dir).with_context(|| fail(state_dir))?;
    allow_traversal(state_dir);
    create_dirs(&all).with_context(|| fail(&all))?;
    // Into a temporary directory that is then renamed: another server may be doing the same.
    let new = all.join(format!(".new-{}", std::process::id()));
    let _ = fs::remove_dir_all(&new);
    let written = write::<Shipped>(&new.join("path"))
        .and_then(|()| write::<Package>(&new.join(PACKAGE_DIR)))
        .and_then(|()| fs::File::open(&new)?.sync_all());
    let moved = written.and_then(|()| match fs::rename(&new, &dir) {
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    });
    let _ = fs::remove_dir_all(&new);
    moved.with_context(|| fail(&dir))?;
    let _ = fs::File::open(&all).and_then(|all| all.sync_all());
    if !path.is_dir() {
        bail!(
            "{} is not a directory of the package; remove it",
            dir.display()
        );
    }
    Ok(path)
}

/// Returns the version, with a hash that tells its builds apart.
fn version_dir_name() -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let files = Package::iter().filter_map(|name| Package::get(&name));
    for file in files.chain(Shipped::iter().filter_map(|name| Shipped::get(&name))) {
        // FNV-1a, which is enough for what are hashes already.
        for byte in file.metadata.sha256_hash() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{}-{hash:016x}", env!("CARGO_PKG_VERSION"))
}

fn write<Files: RustEmbed>(dir: &Path) -> std::io::Result<()> {
    for name in Files::iter() {
        let path = dir.join(&*name);
        if let (Some(parent), Some(file)) = (path.parent(), Files::get(&name)) {
            create_dirs(parent)?;
            fs::write(&path, &file.data)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
            // Once it has its final name it is trusted, so it must survive a power cut.
            fs::File::open(&path)?.sync_all()?;
            fs::File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

/// Returns whether no file of it is missing or empty.
fn is_complete<Files: RustEmbed>(dir: &Path) -> bool {
    Files::iter().all(|name| {
        let is_empty = Files::get(&name).is_some_and(|file| file.data.is_empty());
        fs::metadata(dir.join(&*name)).is_ok_and(|found| is_empty || found.len() > 0)
    })
}

/// Lets all accounts traverse the directory for state, if it belongs to this one. Secrets in it are
/// in directories that are closed themselves.
fn allow_traversal(state_dir: &Path) {
    if let Ok(found) = fs::metadata(state_dir) {
        let mode = found.permissions().mode();
        if mode & 0o111 != 0o111 {
            let _ = fs::set_permissions(state_dir, fs::Permissions::from_mode(mode | 0o111));
        }
    }
}

/// Creates directories that all accounts may enter, whatever the umask.
fn create_dirs(dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_dirs(parent)?;
    }
    match fs::DirBuilder::new().mode(DIR_MODE).create(dir) {
        Ok(()) => fs::set_permissions(dir, fs::Permissions::from_mode(DIR_MODE)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_is_unpacked_once_and_readable_by_all() {
        let state =
            std::env::temp_dir().join(format!("further-link-package-{}", std::process::id()));
        let path = unpack(&state).unwrap();
        let package = path.parent().unwrap().join("lib/further_link/__init__.py");
        assert!(path.join("further_link/__init__.py").is_file());
        for file in [&package, &path] {
            assert_eq!(
                fs::metadata(file).unwrap().permissions().mode() & 0o444,
                0o444
            );
        }
        fs::write(&package, "changed").unwrap();
        assert_eq!(unpack(&state).unwrap(), path);
        assert_eq!(fs::read_to_string(&package).unwrap(), "changed");
        // What a power cut leaves of a file that was not yet on the disk.
        for spoil in [
            (|file: &Path| fs::write(file, "")) as fn(&Path) -> _,
            |file: &Path| fs::remove_file(file),
        ] {
            spoil(&package).unwrap();
            assert_eq!(unpack(&state).unwrap(), path);
            assert!(fs::read_to_string(&package).unwrap().len() > 7);
        }
        assert_eq!(fs::read_dir(state.join(PACKAGES_DIR)).unwrap().count(), 1);
        fs::remove_dir_all(&state).unwrap();
    }
}

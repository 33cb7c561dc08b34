//! The Python package `further_link`, which is a part of this program: unpacked once into the folder for state, so
//! that programs can import it on a device where nobody has installed it.

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

/// What `PYTHONPATH` leads to: it prefers a package that is installed in the program's own environment.
#[derive(RustEmbed)]
#[folder = "../../python/shipped"]
#[include = "*.py"]
struct Shipped;

/// The folder in the folder for state.
const FOLDER: &str = "python";
/// Where the package itself is, in the folder for this version.
const PACKAGE: &str = "lib/further_link";
/// In it and its folders: everybody may read, since programs of all accounts do.
const MODE: u32 = 0o755;

/// Unpacks the package into `state`, unless it is there. Returns the folder for `PYTHONPATH`.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn unpacked(state: &Path) -> anyhow::Result<PathBuf> {
    let all = state.join(FOLDER);
    let folder = all.join(name());
    let path = folder.join("path");
    open_way(state);
    if path.is_dir() {
        if is_whole::<Shipped>(&path) && is_whole::<Package>(&folder.join(PACKAGE)) {
            return Ok(path);
        }
        // As a power cut has left it, and as no program can use it.
        tracing::warn!(
            "the Python package in {} is unpacked again",
            folder.display()
        );
        let old = all.join(format!(".old-{}", std::process::id()));
        let _ = fs::remove_dir_all(&old);
        let _ = fs::rename(&folder, &old);
        let _ = fs::remove_dir_all(&old);
    }
    let fail = |folder: &Path| format!("writing to {}", folder.display());
    make_folders(state).with_context(|| fail(state))?;
    open_way(state);
    make_folders(&all).with_context(|| fail(&all))?;
    // Beside it, and then in one step: another server may be doing the same.
    let new = all.join(format!(".new-{}", std::process::id()));
    let _ = fs::remove_dir_all(&new);
    let written = write::<Shipped>(&new.join("path"))
        .and_then(|()| write::<Package>(&new.join(PACKAGE)))
        .and_then(|()| fs::File::open(&new)?.sync_all());
    let moved = written.and_then(|()| match fs::rename(&new, &folder) {
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
    moved.with_context(|| fail(&folder))?;
    let _ = fs::File::open(&all).and_then(|all| all.sync_all());
    if !path.is_dir() {
        bail!("{} is not what it should be; remove it", folder.display());
    }
    Ok(path)
}

/// The version, and what tells builds of it apart.
fn name() -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let files = Package::iter().filter_map(|name| Package::get(&name));
    for file in files.chain(Shipped::iter().filter_map(|name| Shipped::get(&name))) {
        // FNV-1a over what are hashes already.
        for byte in file.metadata.sha256_hash() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{}-{hash:016x}", env!("CARGO_PKG_VERSION"))
}

fn write<Files: RustEmbed>(folder: &Path) -> std::io::Result<()> {
    for name in Files::iter() {
        let path = folder.join(&*name);
        if let (Some(parent), Some(file)) = (path.parent(), Files::get(&name)) {
            make_folders(parent)?;
            fs::write(&path, &file.data)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
            // Once it has its name it is believed, so it has to outlast a power cut.
            fs::File::open(&path)?.sync_all()?;
            fs::File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

/// Whether nothing of it is missing or empty.
fn is_whole<Files: RustEmbed>(folder: &Path) -> bool {
    Files::iter().all(|name| {
        let is_empty = Files::get(&name).is_some_and(|file| file.data.is_empty());
        fs::metadata(folder.join(&*name)).is_ok_and(|found| is_empty || found.len() > 0)
    })
}

/// Lets everybody through the folder for state, if it is ours and closed. What is secret in it is in a folder
/// that is closed itself.
fn open_way(state: &Path) {
    if let Ok(found) = fs::metadata(state) {
        let mode = found.permissions().mode();
        if mode & 0o111 != 0o111 {
            let _ = fs::set_permissions(state, fs::Permissions::from_mode(mode | 0o111));
        }
    }
}

/// Makes folders that everybody may enter, whatever the umask.
fn make_folders(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folders(parent)?;
    }
    match fs::DirBuilder::new().mode(MODE).create(folder) {
        Ok(()) => fs::set_permissions(folder, fs::Permissions::from_mode(MODE)),
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
        let path = unpacked(&state).unwrap();
        let package = path.parent().unwrap().join("lib/further_link/__init__.py");
        assert!(path.join("further_link/__init__.py").is_file());
        for file in [&package, &path] {
            assert_eq!(
                fs::metadata(file).unwrap().permissions().mode() & 0o444,
                0o444
            );
        }
        fs::write(&package, "changed").unwrap();
        assert_eq!(unpacked(&state).unwrap(), path);
        assert_eq!(fs::read_to_string(&package).unwrap(), "changed");
        // What a power cut leaves of a file that was not yet on the disk.
        for spoil in [
            (|file: &Path| fs::write(file, "")) as fn(&Path) -> _,
            |file: &Path| fs::remove_file(file),
        ] {
            spoil(&package).unwrap();
            assert_eq!(unpacked(&state).unwrap(), path);
            assert!(fs::read_to_string(&package).unwrap().len() > 7);
        }
        assert_eq!(fs::read_dir(state.join(FOLDER)).unwrap().count(), 1);
        fs::remove_dir_all(&state).unwrap();
    }
}

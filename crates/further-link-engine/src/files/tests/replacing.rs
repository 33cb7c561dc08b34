//! Replacing a folder, and removing the old one.

use super::super::remove_tree;
use super::super::replace::{Staging, set_aside};
use super::{Folder, name};
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, mkdirat};
use std::ffi::CString;
use std::fs::{File, Permissions, set_permissions};
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// Both ways of putting the new folder in place.
const WITH_AND_WITHOUT_EXCHANGE: [bool; 2] = [true, false];

fn staged(folder: &Folder, path: &str, text: &str, exchange: bool) -> Staging {
    let staging = Staging::new(folder.root(), &name(path)).unwrap();
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    let mode = Mode::from_bits_truncate(0o644);
    let file = staging.tree().open_at(&name("new"), flags, mode).unwrap();
    File::from(file).write_all(text.as_bytes()).unwrap();
    match exchange {
        true => staging,
        false => staging.without_exchange(),
    }
}

fn swapped(folder: &Folder, path: &str, text: &str, exchange: bool) {
    let mut staging = staged(folder, path, text, exchange);
    staging.swap().unwrap();
    assert_eq!(staging.finish(), None);
}

#[test]
fn whatever_has_the_name_is_replaced_itself() {
    for exchange in WITH_AND_WITHOUT_EXCHANGE {
        let folder = Folder::new();
        folder.write("outside/file", "o");
        folder.write("in/folder/old", "o");
        folder.write("in/file", "o");
        symlink("../outside", folder.path("in/link")).unwrap();
        symlink("nowhere", folder.path("in/dangling")).unwrap();
        let names = ["folder", "file", "link", "dangling", "none", "deep/er/none"];
        for path in names {
            swapped(&folder, &format!("in/{path}"), path, exchange);
            assert_eq!(folder.read(&format!("in/{path}/new")).unwrap(), path);
        }
        let mut expected: Vec<String> = ["deep/", "deep/er/"].map(str::to_owned).into();
        for path in names {
            expected.extend([format!("{path}/"), format!("{path}/new")]);
        }
        expected.sort();
        assert_eq!(folder.tree("in"), expected);
        assert_eq!(folder.tree("outside"), ["file"]);
    }
}

#[test]
fn what_is_dropped_or_taken_back_leaves_nothing() {
    for exchange in WITH_AND_WITHOUT_EXCHANGE {
        let folder = Folder::new();
        folder.write("p/old", "o");
        let before = folder.tree("");
        for path in ["p", "q", "a/b/c"] {
            drop(staged(&folder, path, "n", exchange));
            assert_eq!(folder.tree(""), before, "{path}");
            let mut staging = staged(&folder, path, "n", exchange);
            staging.swap().unwrap();
            assert_eq!(folder.read(&format!("{path}/new")).as_deref(), Some("n"));
            staging.swap_back();
            drop(staging);
            assert_eq!(folder.tree(""), before, "{path}");
        }
    }
}

#[test]
fn folder_of_others_or_without_rights_is_replaced_too() {
    for exchange in WITH_AND_WITHOUT_EXCHANGE {
        let folder = Folder::new();
        folder.write("p/closed/old", "o");
        for path in ["p/closed", "p"] {
            set_permissions(folder.path(path), Permissions::from_mode(0o000)).unwrap();
        }
        swapped(&folder, "p", "n", exchange);
        assert_eq!(folder.tree(""), ["p/", "p/new"]);
        let mode = folder.path("p").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}

#[test]
fn what_was_left_by_the_killed_is_removed_and_nothing_else() {
    let folder = Folder::new();
    folder.write(".flnew-dead/a/b", "x");
    folder.write(".flnew-file", "x");
    folder.write(".flnewer", "x");
    symlink("nowhere", folder.path(".flnew-link")).unwrap();
    nix::unistd::mkfifo(&folder.path(".flnew-pipe"), Mode::S_IRWXU).unwrap();
    let living = staged(&folder, "p", "n", true);
    let building = folder
        .tree("")
        .into_iter()
        .find(|path| path.ends_with("/new"));
    let building = building.unwrap();
    drop(staged(&folder, "q", "n", true));
    let temporary = building.strip_suffix("new").unwrap();
    // Links are young.
    let mut expected = [temporary, &building, ".flnew-link -> nowhere", ".flnewer"];
    expected.sort_unstable();
    assert_eq!(folder.tree(""), expected);
    drop(living);
}

/// Killed between the two renames, where there is no exchange.
#[test]
fn what_was_set_aside_is_put_back() {
    let folder = Folder::new();
    folder.write("p/old", "o");
    let aside = set_aside("p");
    std::fs::rename(folder.path("p"), folder.path(&aside)).unwrap();
    drop(staged(&folder, "p", "n", true));
    assert_eq!(folder.tree(""), ["p/", "p/old"]);
    // As if only the removal had not been.
    folder.write(&format!("{aside}/older"), "x");
    drop(staged(&folder, "p", "n", true));
    assert_eq!(folder.tree(""), ["p/", "p/old"]);
}

#[test]
fn many_at_once_of_one_name_leave_one_whole() {
    for exchange in WITH_AND_WITHOUT_EXCHANGE {
        let folder = Folder::new();
        // Without exchange two at once are not safe, and the server sees to it that there is one.
        let threads = if exchange { 8 } else { 1 };
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let folder = &folder;
                scope.spawn(move || {
                    for _ in 0..20 {
                        swapped(folder, "a/p", &thread.to_string(), exchange);
                    }
                });
            }
        });
        assert_eq!(folder.tree(""), ["a/", "a/p/", "a/p/new"]);
    }
}

fn remove(folder: &Folder, name: &str) -> nix::Result<()> {
    let opened = File::open(&folder.0).unwrap();
    remove_tree::remove(opened.as_fd(), &CString::new(name).unwrap())
}

#[test]
fn trees_of_any_depth_are_removed() {
    let folder = Folder::new();
    let mut inner: OwnedFd = File::open(&folder.0).unwrap().into();
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    // Deeper than there are descriptors, or room on the stack.
    for depth in 0..20_000 {
        mkdirat(&inner, "d", Mode::S_IRWXU).unwrap();
        // One beside it, and some of them closed.
        mkdirat(&inner, "e", Mode::empty()).unwrap();
        let next = nix::fcntl::openat(&inner, "d", flags, Mode::empty()).unwrap();
        if depth % 7 == 0 {
            nix::sys::stat::fchmod(&inner, Mode::S_IRUSR).unwrap();
        }
        inner = next;
    }
    nix::sys::stat::fchmod(File::open(&folder.0).unwrap(), Mode::S_IRWXU).unwrap();
    assert_eq!(remove(&folder, "d"), Ok(()));
    assert_eq!(remove(&folder, "d"), Ok(()));
    assert_eq!(folder.tree(""), ["e/"]);
}

#[test]
fn links_are_removed_and_not_what_they_lead_to() {
    let folder = Folder::new();
    folder.write("outside/file", "o");
    folder.write("p/a/file", "o");
    symlink("../../outside", folder.path("p/a/link")).unwrap();
    symlink("../outside/file", folder.path("p/link")).unwrap();
    std::fs::hard_link(folder.path("outside/file"), folder.path("p/hard")).unwrap();
    assert_eq!(remove(&folder, "p"), Ok(()));
    assert_eq!(folder.tree(""), ["outside/", "outside/file"]);
    symlink("outside", folder.path("p")).unwrap();
    assert_eq!(remove(&folder, "p"), Ok(()));
    assert_eq!(folder.tree(""), ["outside/", "outside/file"]);
}

#[test]
fn who_writes_in_the_new_folder_does_not_wait_for_the_old_one_to_be_gone() {
    let folder = Folder::new();
    folder.write("project/first", "o");
    for number in 0..20_000 {
        File::create(folder.path(&format!("project/{number}"))).unwrap();
    }
    let mut staging = staged(&folder, "project", "n", true);
    staging.swap().unwrap();
    let new = File::open(folder.path("project")).unwrap();
    assert!(new.try_lock().is_err(), "it may have to be taken back");
    let finishing = std::thread::spawn(move || staging.finish());
    let mut in_time = false;
    while !finishing.is_finished() {
        let free = new.try_lock().is_ok();
        in_time |= free && folder.tree("").len() > 2;
        if in_time {
            break;
        }
    }
    assert!(in_time);
    assert_eq!(finishing.join().unwrap(), None);
    assert_eq!(folder.tree(""), ["project/", "project/new"]);
}

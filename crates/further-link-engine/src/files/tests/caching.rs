//! What the cache believes, and what not.

use super::super::download_cache::{Cache, Digest, copy, source_of};
use super::super::reserved_names::CACHE_DIR;
use super::{Folder, name};
use nix::sys::stat::Mode;
use std::fs::File;
use std::os::unix::fs::symlink;

const SOURCE_URL: &str = "https://example.org/cat";

fn kept(folder: &Folder, place: &str, source: &str, text: &str) -> std::io::Result<()> {
    folder.write("fetched", text);
    let from = File::open(folder.path("fetched")).unwrap();
    let cache = Cache::make(&folder.root()).unwrap();
    cache.keep(&name(place), source, &from, &Digest::of(&from).unwrap())
}

fn found(folder: &Folder, place: &str, source: &str) -> Option<String> {
    let cache = Cache::open(&folder.root())?;
    folder.write("found", "what was there before");
    let path = folder.path("found");
    let to = File::options().read(true).write(true).open(path).unwrap();
    cache.find(&name(place), source, &to)?;
    folder.read("found")
}

#[test]
fn file_is_found_by_its_place_and_its_source() {
    let folder = Folder::new();
    assert_eq!(found(&folder, "b/f", SOURCE_URL), None);
    kept(&folder, "b/f", SOURCE_URL, "cat").unwrap();
    kept(&folder, "b/deeper/f", SOURCE_URL, "").unwrap();
    assert_eq!(found(&folder, "b/f", SOURCE_URL).unwrap(), "cat");
    assert_eq!(found(&folder, "b/deeper/f", SOURCE_URL).unwrap(), "");
    assert_eq!(folder.read(".flcache/b/f").unwrap(), "cat");
    assert_eq!(found(&folder, "b/f", "https://example.org/dog"), None);
    assert_eq!(found(&folder, "b/g", SOURCE_URL), None);
    // Another project's file of the same name takes its place, and then is that one's alone.
    kept(&folder, "b/f", "https://evil.example/cat", "dog").unwrap();
    assert_eq!(found(&folder, "b/f", SOURCE_URL), None);
    assert_eq!(
        found(&folder, "b/f", "https://evil.example/cat").unwrap(),
        "dog"
    );
    let cache = folder.tree(CACHE_DIR);
    assert!(
        !cache.iter().any(|path| path.contains(".flnew")),
        "{cache:?}"
    );
}

#[test]
fn what_a_program_has_changed_does_not_count() {
    let folder = Folder::new();
    let keep = || kept(&folder, "b/f", SOURCE_URL, "cat").unwrap();
    let file = folder.path(".flcache/b/f");
    let index = folder.path(".flcache/.index");
    keep();
    let record = std::fs::read_dir(&index)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let good = std::fs::read_to_string(&record).unwrap();
    let changes: [(&str, &dyn Fn()); 9] = [
        ("content", &|| std::fs::write(&file, "dog").unwrap()),
        ("size", &|| std::fs::write(&file, "cats").unwrap()),
        ("gone", &|| std::fs::remove_file(&file).unwrap()),
        ("a link", &|| {
            std::fs::remove_file(&file).unwrap();
            symlink(folder.path("fetched"), &file).unwrap();
        }),
        ("a pipe", &|| {
            std::fs::remove_file(&file).unwrap();
            nix::unistd::mkfifo(&file, Mode::S_IRWXU).unwrap();
        }),
        ("no record", &|| std::fs::remove_file(&record).unwrap()),
        ("another version", &|| {
            std::fs::write(&record, good.replace("cache 1", "cache 2")).unwrap();
        }),
        ("half a record", &|| {
            std::fs::write(&record, &good[..40]).unwrap()
        }),
        ("a record that is a link", &|| {
            std::fs::rename(&record, folder.path("record")).unwrap();
            symlink(folder.path("record"), &record).unwrap();
        }),
    ];
    for (what, change) in changes {
        keep();
        assert_eq!(found(&folder, "b/f", SOURCE_URL).unwrap(), "cat");
        change();
        assert_eq!(found(&folder, "b/f", SOURCE_URL), None, "{what}");
    }
}

#[test]
fn what_is_in_the_way_keeps_the_cache_from_nothing_else() {
    let folder = Folder::new();
    folder.write("outside/f", "o");
    kept(&folder, "a/b", SOURCE_URL, "cat").unwrap();
    assert!(kept(&folder, "a/b/c", SOURCE_URL, "cat").is_err());
    kept(&folder, "a/d/e", SOURCE_URL, "cat").unwrap();
    assert!(kept(&folder, "a/d", SOURCE_URL, "cat").is_err());
    symlink("../../outside", folder.path(".flcache/link")).unwrap();
    assert!(kept(&folder, "link/f", SOURCE_URL, "cat").is_err());
    assert!(kept(&folder, "link/g/f", SOURCE_URL, "cat").is_err());
    assert_eq!(found(&folder, "link/f", SOURCE_URL), None);
    assert_eq!(folder.tree("outside"), ["f"]);
    // Nothing half-made stays.
    let left = folder.tree(".flcache/.index");
    assert!(left.iter().all(|path| path.len() == 64), "{left:?}");

    std::fs::rename(folder.path(CACHE_DIR), folder.path("elsewhere")).unwrap();
    symlink("elsewhere", folder.path(CACHE_DIR)).unwrap();
    assert!(Cache::make(&folder.root()).is_none());
    std::fs::remove_file(folder.path(CACHE_DIR)).unwrap();
    folder.write(CACHE_DIR, "a file");
    assert!(Cache::make(&folder.root()).is_none());
}

#[test]
fn copy_is_a_file_of_its_own() {
    let folder = Folder::new();
    let text = "cat".repeat(100_000);
    folder.write("from", &text);
    folder.write("to", &"longer".repeat(100_000));
    let from = File::open(folder.path("from")).unwrap();
    let to = File::options().write(true).open(folder.path("to")).unwrap();
    copy(&from, &to).unwrap();
    copy(&from, &to).unwrap();
    assert_eq!(folder.read("to").unwrap(), text);
    folder.write("to", "changed");
    assert_eq!(folder.read("from").unwrap(), text);
}

#[test]
fn source_is_an_address_without_its_permission() {
    for (url, source) in [
        ("https://h/a", "https://h/a"),
        ("https://h/a#part", "https://h/a"),
        ("https://h/a?b=c&d", "https://h/a?b=c&d"),
        ("https://h/a?X-Amz-Date=1&x-amz-signature=2", "https://h/a"),
        (
            "https://h/a?v=1&X-Goog-Expires=1&w=2",
            "https://h/a?v=1&w=2",
        ),
        (
            "https://h/a?AWSAccessKeyId=1&Expires=2&Signature=3",
            "https://h/a",
        ),
        (
            "https://h/a?Policy=1&Key-Pair-Id=2&Signature=3&id=4",
            "https://h/a?id=4",
        ),
        (
            "https://h/a?Expires=2&Policy=1",
            "https://h/a?Expires=2&Policy=1",
        ),
        (
            "https://h/a?sv=1&se=2&sp=r&sig=4&comp=5",
            "https://h/a?comp=5",
        ),
        ("https://h/a?sv=1&se=2&sp=r", "https://h/a?sv=1&se=2&sp=r"),
        (
            "https://h/a?alt=media&token=t",
            "https://h/a?alt=media&token=t",
        ),
        ("https://h/a?", "https://h/a?"),
    ] {
        assert_eq!(source_of(url), source, "{url}");
    }
}

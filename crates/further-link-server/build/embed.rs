//! Makes a table in Rust of the page's files, for `src/page.rs`. It runs when the server is built,
//! so what it does not like ends the build.
//!
//! Of a file that has compressed forms beside it (`FILE.br`, `FILE.gz`), only those are embedded:
//! together they are smaller than the file, and what a rare client without either gets is made from
//! the second.

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of all that is embedded, at most. A page has less than a tenth; a directory of videos
/// among its files would make every device's download larger, and is a mistake.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Directories inside of directories, at most; more is a link that leads round in a circle.
const MAX_DEPTH: usize = 8;
/// A directory of pages that people try things with. Without a page of its own it gets one that
/// lists them.
const EXAMPLES_DIR: &str = "examples";

/// One file of the page, and what of it is embedded.
#[derive(Debug)]
pub(crate) struct EmbeddedFile {
    /// Path in the page's directory, with `/` between its parts.
    pub(crate) path: String,
    /// Bytes of the file itself.
    pub(crate) length: usize,
    /// Changes with the content.
    pub(crate) hash: u64,
    /// The file itself, unless it is made from `gzip`.
    pub(crate) plain: Option<PathBuf>,
    pub(crate) gzip: Option<PathBuf>,
    pub(crate) brotli: Option<PathBuf>,
}

/// All files below `directory`, by their paths. What is made on top of them is written below
/// `made`.
///
/// # Errors
/// If a file cannot be read, or is not what a page's file has to be.
pub(crate) fn files(folder: &Path, made: &Path) -> io::Result<Vec<EmbeddedFile>> {
    let mut paths = Vec::new();
    walk(folder, "", MAX_DEPTH, &mut paths)?;
    paths.sort();
    let mut files = Vec::new();
    let mut total = 0;
    for path in &paths {
        let is_form = ["br", "gz"].iter().any(|form| {
            let stem = path
                .strip_suffix(form)
                .and_then(|stem| stem.strip_suffix('.'));
            stem.is_some_and(|stem| {
                paths
                    .binary_search_by(|other| other.as_str().cmp(stem))
                    .is_ok()
            })
        });
        // The names of what the code was before it was made small are of use on a developer's
        // machine only.
        if !is_form && !path.ends_with(".map") {
            files.push(file(folder, path, &mut total)?);
        }
    }
    let index = format!("{EXAMPLES_DIR}/index.html");
    let has_index = files.iter().any(|file| file.path == index);
    if let (false, Some(listing)) = (has_index, listing(folder, &files)?) {
        let folder = made.join("page");
        fs::create_dir_all(folder.join(EXAMPLES_DIR))?;
        fs::write(folder.join(&index), listing)?;
        files.push(file(&folder, &index, &mut total)?);
    }
    if total > MAX_BYTES {
        return Err(wrong(format!(
            "the page has {total} bytes, which is more than {MAX_BYTES}: too much for a device"
        )));
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

fn walk(folder: &Path, below: &str, depth: usize, paths: &mut Vec<String>) -> io::Result<()> {
    if depth == 0 {
        return Err(wrong(format!(
            "{below}: too many folders inside of folders"
        )));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{below}{name}");
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !name.bytes().all(harmless) {
            // Anything else is spelled in an address in more than one way.
            return Err(wrong(format!(
                "{path}: names on the page are made of letters, digits, \"-\", \"_\" and \".\""
            )));
        }
        if fs::metadata(entry.path())?.is_dir() {
            walk(&entry.path(), &format!("{path}/"), depth - 1, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

fn file(folder: &Path, path: &str, total: &mut usize) -> io::Result<EmbeddedFile> {
    let whole = folder.join(path);
    let content = fs::read(&whole)?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&content);
    let mut form = |extension: &str| -> io::Result<Option<(PathBuf, Vec<u8>)>> {
        let form = folder.join(format!("{path}.{extension}"));
        if !form.is_file() {
            return Ok(None);
        }
        let bytes = fs::read(&form)?;
        *total += bytes.len();
        Ok(Some((form, bytes)))
    };
    let brotli = form("br")?;
    let gzip = form("gz")?;
    let makes_plain = match &gzip {
        Some((form, bytes)) => makes(bytes, content.len())
            .map_err(|why| wrong(format!("{}: {why}; build the page again", form.display())))?,
        None => false,
    };
    if !makes_plain {
        *total += content.len();
    }
    Ok(EmbeddedFile {
        path: path.to_owned(),
        length: content.len(),
        hash: hasher.finish(),
        plain: (!makes_plain).then_some(whole),
        gzip: gzip.map(|(form, _)| form),
        brotli: brotli.map(|(form, _)| form),
    })
}

/// Returns whether the file can be made from this gzip form of it: one member with the shortest of
/// all heads (RFC 1952), which is what `src/page/inflate.rs` reads.
fn makes(gzip: &[u8], length: usize) -> Result<bool, &'static str> {
    let Some((rest, end)) = gzip.split_last_chunk::<4>() else {
        return Err("is no gzip");
    };
    if !rest.starts_with(&[0x1f, 0x8b, 8]) || rest.len() < 14 {
        return Err("is no gzip");
    }
    if u32::from_le_bytes(*end) as usize != length {
        return Err("is of another file than the one beside it");
    }
    Ok(rest[3] == 0)
}

/// A page that leads to the examples, if there are any.
fn listing(folder: &Path, files: &[EmbeddedFile]) -> io::Result<Option<Vec<u8>>> {
    let mut rows = String::new();
    for file in files {
        let name = file
            .path
            .strip_prefix(EXAMPLES_DIR)
            .and_then(|rest| rest.strip_prefix('/'));
        let Some(name) = name.filter(|name| name.ends_with(".html") && !name.contains('/')) else {
            continue;
        };
        let content = fs::read_to_string(folder.join(&file.path))?;
        let title = content
            .split_once("<title>")
            .and_then(|(_, rest)| rest.split_once("</title>"))
            .map_or(name, |(title, _)| title.trim());
        let _ = writeln!(rows, "      <li><a href=\"{name}\">{title}</a></li>");
    }
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(
        format!(
            r#"<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="data:,">
    <title>Examples – Further Link</title>
  </head>
  <body>
    <h1>Examples</h1>
    <ul>
{rows}    </ul>
  </body>
</html>
"#
        )
        .into_bytes(),
    ))
}

/// Returns the files as the text of a Rust expression: a slice of `EmbeddedFile`, sorted by path.
pub(crate) fn table(files: &[EmbeddedFile]) -> String {
    let bytes = |path: &Option<PathBuf>| match path {
        Some(path) => format!("Some(include_bytes!({:?}))", path.display().to_string()),
        None => "None".to_owned(),
    };
    let mut text = "&[\n".to_owned();
    for file in files {
        let _ = writeln!(
            text,
            "    EmbeddedFile {{ path: {:?}, length: {}, hash: {:?}, plain: {}, gzip: {}, brotli: {} }},",
            format!("/{}", file.path),
            file.length,
            format!("{:016x}", file.hash),
            bytes(&file.plain),
            bytes(&file.gzip),
            bytes(&file.brotli),
        );
    }
    text + "]\n"
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

//! The server's side of an upload: checks every name before a process is started, and downloads for
//! it.

mod build;
pub(super) mod messages;

pub(super) use build::build;

use crate::account::Account;
use crate::files::download_cache::{INDEX_DIR, source_of};
use crate::files::reserved_names::CACHE_DIR;
use crate::files::worker::{FilesWorker, FilesWorkers, Request};
use crate::files::{FilesError, Name, replace};
use further_link_protocol::{Upload, UploadContent};
use messages::{Ask, Content, Entry, Manifest, Parcel, Step};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::fd::OwnedFd;
use tokio::task::JoinSet;

/// Files of a project, at most (`read_upload` keeps one more): as many names as one message of the
/// process can hold twice over.
const UPLOAD_MAX_FILES: usize = 10_000;
/// Downloads for one upload at the same time. More would not be quicker from one server, and each
/// has buffers.
const CONCURRENT_DOWNLOADS: usize = 4;
/// The file that makes a project a miniscreen project.
const MINISCREEN_MARKER: &str = "project.cfg";
/// The owner of miniscreen projects whose owner is not told.
const UNKNOWN_OWNER: &str = "unknown";

/// Why a download did not come to its end, as a sentence for the person who asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// Nobody answered: as if there were no internet.
    Unreachable(String),
    /// Anything else.
    Failed(String),
}

/// An upload whose names are all good.
#[derive(Debug)]
pub struct Project {
    name: Name,
    /// The addresses, one for each source.
    urls: Vec<String>,
    parcel: Parcel,
    memory: OwnedFd,
}

impl Project {
    /// Checks all names, and puts names and texts into a memory file for the *files* process. May
    /// take some milliseconds for each MiB.
    ///
    /// # Errors
    /// If a name is forbidden, or two files exclude each other.
    pub fn new(upload: Upload) -> Result<Self, FilesError> {
        if upload.files.len() > UPLOAD_MAX_FILES {
            return Err(FilesError::TooMuch(format!(
                "a project may have {UPLOAD_MAX_FILES} files"
            )));
        }
        let name = project_name(&upload.name)?;
        let mut manifest = Manifest {
            copy: None,
            files: Vec::new(),
            sources: Vec::new(),
            name,
        };
        let (mut urls, mut texts) = (Vec::new(), Vec::new());
        let mut known = HashMap::new();
        for file in upload.files {
            let name = file_name(&file.name)?;
            let content = match file.content {
                UploadContent::Text(text) => {
                    let length = text.len() as u64;
                    texts.push(text);
                    Content::Text(length)
                }
                UploadContent::Url { url, bucket, file } => {
                    check_url(&url)?;
                    let place = place(&bucket, &file)?;
                    let source = *known.entry(source_of(&url)).or_insert_with_key(|source| {
                        manifest.sources.push(source.clone());
                        urls.push(url);
                        urls.len() - 1
                    });
                    Content::Url { source, place }
                }
            };
            manifest.files.push(Entry { name, content });
        }
        check_together(&manifest.files)?;
        let is_miniscreen = |entry: &Entry| entry.name.as_str() == MINISCREEN_MARKER;
        if manifest.files.iter().any(is_miniscreen) {
            let user = owner(upload.username.as_deref())?;
            manifest.copy = Some(project_name(&format!("{user}/{}", manifest.name.as_str()))?);
        }
        let (parcel, memory) = pack(&manifest, &texts).map_err(|error| FilesError::System {
            what: "Keeping the upload".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            name: manifest.name,
            urls,
            parcel,
            memory,
        })
    }

    /// Its folder, below the work folder.
    pub fn name(&self) -> &Name {
        &self.name
    }
}

/// Uploads a project with the rights of `account`; see [`Engine::upload`](crate::Engine::upload).
pub(crate) async fn upload<F, D>(
    workers: &FilesWorkers,
    account: &Account,
    request: &Request,
    project: Project,
    fetch: F,
) -> Result<bool, FilesError>
where
    F: Fn(String, File) -> D,
    D: Future<Output = Result<(), FetchError>> + Send + 'static,
{
    carry_out(workers.start(account, request).await?, project, fetch).await
}

pub(super) async fn carry_out<F, D>(
    mut process: FilesWorker,
    project: Project,
    fetch: F,
) -> Result<bool, FilesError>
where
    F: Fn(String, File) -> D,
    D: Future<Output = Result<(), FetchError>> + Send + 'static,
{
    let name = project.name.clone();
    let (urls, missing) = send_parcel(&mut process, project).await?;
    let fetched = match fetch_all(&mut process, &urls, missing, fetch).await {
        Ok(fetched) => fetched,
        Err(error) => {
            // Who is told that it failed finds nothing of it.
            process.end().await;
            return Err(error);
        }
    };
    process.send(&Ask::Commit, &[]).await?;
    let (Step::Done, _) = process.receive().await? else {
        return Err(FilesError::Ended);
    };
    // Nobody has to wait for the old folder to be removed.
    tokio::spawn(async move {
        if let Ok((Step::Over(Some(left)), _)) = process.receive().await {
            let project = name.as_str();
            tracing::warn!(project, left, "a former project could not be removed");
        }
    });
    Ok(fetched)
}

/// Hands the project to its process. Returns all addresses, and which of them are not in the cache.
pub(super) async fn send_parcel(
    process: &mut FilesWorker,
    project: Project,
) -> Result<(Vec<String>, Vec<usize>), FilesError> {
    process.send(&project.parcel, &[project.memory]).await?;
    match process.receive().await? {
        (Step::Missing(missing), _) => Ok((project.urls, missing)),
        _ => Err(FilesError::Ended),
    }
}

/// Downloads what is missing, each address once. Returns whether there is internet.
///
/// There is none if nobody has answered. One address that does not answer decides: if another one
/// did the upload has failed, and if not there is no use in asking further ones. So it takes no
/// longer than one download needs for finding out that nobody answers.
async fn fetch_all<F, D>(
    process: &mut FilesWorker,
    urls: &[String],
    missing: Vec<usize>,
    fetch: F,
) -> Result<bool, FilesError>
where
    F: Fn(String, File) -> D,
    D: Future<Output = Result<(), FetchError>> + Send + 'static,
{
    let mut waiting = by_turns(urls, missing);
    let mut running = JoinSet::new();
    let (mut answered, mut silent) = (false, None);
    loop {
        while silent.is_none()
            && running.len() < CONCURRENT_DOWNLOADS
            && let Some(source) = waiting.pop_front()
        {
            let url = urls.get(source).ok_or(FilesError::Ended)?.clone();
            process.send(&Ask::File(source), &[]).await?;
            let (Step::File, descriptors) = process.receive().await? else {
                return Err(FilesError::Ended);
            };
            let file = descriptors.into_iter().next().ok_or(FilesError::Ended)?;
            let download = fetch(url, file.into());
            running.spawn(async move { (source, download.await) });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((source, Ok(())))) => {
                answered = true;
                process.send(&Ask::Fetched(source), &[]).await?;
                process.receive::<Step>().await?;
            }
            Some(Ok((_, Err(FetchError::Unreachable(why))))) => silent = Some(why),
            Some(Ok((_, Err(FetchError::Failed(why))))) => return Err(FilesError::Download(why)),
            Some(Err(_)) => return Err(FilesError::Ended),
        }
        if answered && let Some(why) = silent {
            return Err(FilesError::Download(why));
        }
    }
    if silent.is_some() {
        process.send(&Ask::Skip, &[]).await?;
        process.receive::<Step>().await?;
    }
    Ok(silent.is_none())
}

/// Returns the first of each host, then the second of each, and so on: that one host is silent does
/// not mean much.
fn by_turns(urls: &[String], mut sources: Vec<usize>) -> VecDeque<usize> {
    let mut seen = HashMap::new();
    let mut turns = HashMap::new();
    for source in &sources {
        let url = urls.get(*source).map_or("", String::as_str);
        let host = url.split(['/', '?', '#']).nth(2).unwrap_or_default();
        let turn = seen.entry(host).and_modify(|turn| *turn += 1).or_insert(0);
        turns.insert(*source, *turn);
    }
    sources.sort_by_key(|source| turns.get(source).copied());
    sources.into()
}

fn refuse<T>(name: &str, why: &str) -> Result<T, FilesError> {
    Err(super::beneath::forbidden(name, why))
}

fn file_name(text: &str) -> Result<Name, FilesError> {
    let name = Name::new(text)?;
    let reserved = name.components().any(replace::is_reserved);
    match reserved {
        true => refuse(text, "the server uses such names itself"),
        false => Ok(name),
    }
}

fn project_name(text: &str) -> Result<Name, FilesError> {
    let name = file_name(text)?;
    let first = name.components().next();
    // Some file systems do not tell capitals.
    match first.is_some_and(|first| first.eq_ignore_ascii_case(CACHE_DIR)) {
        true => refuse(text, "the cache of downloads is there"),
        false => Ok(name),
    }
}

/// Where in the cache a file is.
fn place(bucket: &str, file: &str) -> Result<Name, FilesError> {
    let (folder, name) = (file_name(bucket)?, file_name(file)?);
    let first = folder.components().next();
    if first.is_some_and(|first| first.eq_ignore_ascii_case(INDEX_DIR)) {
        return refuse(bucket, "the server uses such names itself");
    }
    // Together they may be too long.
    Name::new(&format!("{}/{}", folder.as_str(), name.as_str()))
}

fn check_url(url: &str) -> Result<(), FilesError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let known = |scheme: &str| {
        ["http", "https"]
            .iter()
            .any(|it| it.eq_ignore_ascii_case(scheme))
    };
    match scheme.is_some_and(known) && !url.contains(['\n', '\r']) {
        true => Ok(()),
        false => refuse(url, "files are fetched from http and https addresses only"),
    }
}

/// Returns the folder of a miniscreen project's owner.
fn owner(username: Option<&str>) -> Result<String, FilesError> {
    let username = username.unwrap_or_default();
    let user = username.split('@').next().unwrap_or_default();
    if user.is_empty() {
        return Ok(UNKNOWN_OWNER.to_owned());
    }
    let name = project_name(user)?;
    match name.as_str() == user && !user.contains('/') {
        true => Ok(user.to_owned()),
        false => refuse(username, "it is no name for a folder"),
    }
}

/// No two names mean the same file, and none is the folder of another.
fn check_together(files: &[Entry]) -> Result<(), FilesError> {
    let mut names = HashSet::new();
    for file in files {
        if !names.insert(file.name.as_str()) {
            return refuse(file.name.as_str(), "two files have it");
        }
    }
    for file in files {
        let mut inner = file.name.as_str();
        while let Some((folder, _)) = inner.rsplit_once('/') {
            if names.contains(folder) {
                return refuse(folder, "it is a file and a folder");
            }
            inner = folder;
        }
    }
    Ok(())
}

fn pack(manifest: &Manifest, texts: &[String]) -> std::io::Result<(Parcel, OwnedFd)> {
    let bytes = postcard::to_stdvec(manifest).map_err(std::io::Error::other)?;
    let mut memory = File::from(memfd_create(c"upload", MFdFlags::MFD_CLOEXEC)?);
    memory.write_all(&bytes)?;
    for text in texts {
        memory.write_all(text.as_bytes())?;
    }
    memory.rewind()?;
    let manifest = bytes.len() as u64;
    Ok((Parcel { manifest }, memory.into()))
}

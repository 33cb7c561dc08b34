//! Whole uploads, with downloads that are made up here.

use super::super::upload::messages::{Ask, Step};
use super::super::upload::{carry_out, send_parcel};
use super::super::{FetchError, FilesError, Project, Request};
use super::{Folder, start};
use further_link_protocol::{Upload, UploadContent, UploadFile};
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What is to be had from where, and what was asked for.
#[derive(Clone, Default)]
struct Web {
    answers: HashMap<&'static str, Result<&'static str, FetchError>>,
    asked: Arc<Mutex<Vec<String>>>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    /// Downloads wait until there were so many at the same time.
    wanted: usize,
}

impl Web {
    fn new(answers: &[(&'static str, &'static str)]) -> Self {
        Self {
            answers: answers
                .iter()
                .map(|(url, text)| (*url, Ok(*text)))
                .collect(),
            ..Self::default()
        }
    }

    fn unreachable(mut self, url: &'static str) -> Self {
        let silence = FetchError::Unreachable(format!("{url} is silent"));
        self.answers.insert(url, Err(silence));
        self
    }

    fn failing(mut self, url: &'static str) -> Self {
        let error = FetchError::Failed(format!("{url} is broken"));
        self.answers.insert(url, Err(error));
        self
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn text(name: &str, text: &str) -> UploadFile {
    UploadFile {
        name: name.to_owned(),
        content: UploadContent::Text(text.to_owned()),
    }
}

/// From the bucket `b`.
fn url(name: &str, url: &str, file: &str) -> UploadFile {
    UploadFile {
        name: name.to_owned(),
        content: UploadContent::Url {
            url: url.to_owned(),
            bucket: "b".to_owned(),
            file: file.to_owned(),
        },
    }
}

fn project(name: &str, files: &[UploadFile]) -> Project {
    Project::new(Upload {
        name: name.to_owned(),
        username: Some("ann@example.org".to_owned()),
        files: files.to_vec(),
    })
    .unwrap()
}

fn task(folder: &Folder) -> Request {
    Request::Upload {
        work_dir: folder.path("work"),
        projects_dir: folder.path("mini"),
    }
}

async fn upload(
    folder: &Folder,
    name: &str,
    files: &[UploadFile],
    web: &Web,
) -> Result<bool, FilesError> {
    let (process, thread) = start(&task(folder)).await;
    let fetch = |url: String, mut file: std::fs::File| {
        let web = web.clone();
        async move {
            web.asked.lock().unwrap().push(url.clone());
            let running = web.running.fetch_add(1, Ordering::Relaxed) + 1;
            web.most.fetch_max(running, Ordering::Relaxed);
            while web.most.load(Ordering::Relaxed) < web.wanted {
                tokio::task::yield_now().await;
            }
            web.running.fetch_sub(1, Ordering::Relaxed);
            let text = web.answers[&*url].clone();
            // Also what fails has begun.
            file.write_all(text.as_ref().unwrap_or(&"half").as_bytes())
                .unwrap();
            text.map(drop)
        }
    };
    let result = carry_out(process, project(name, files), fetch).await;
    tokio::task::spawn_blocking(|| thread.join().unwrap())
        .await
        .unwrap();
    result
}

const CAT_URL: &str = "https://one.example/cat";
const DOG_URL: &str = "https://two.example/dog";

#[tokio::test]
async fn fetched_files_are_cached_and_copied() {
    let folder = Folder::new();
    let web = Web::new(&[(CAT_URL, "cat"), (DOG_URL, "dog")]);
    let files = [
        text("main.py", "print()"),
        url("images/cat.jpg", CAT_URL, "cat.jpg"),
        url("images/again.jpg", CAT_URL, "cat.jpg"),
        url("dog.jpg", DOG_URL, "dogs/dog.jpg"),
    ];
    for round in 0..2 {
        assert_eq!(upload(&folder, "p", &files, &web).await, Ok(true));
        let mut asked = web.asked();
        asked.sort();
        assert_eq!(
            asked,
            if round == 0 {
                vec![CAT_URL, DOG_URL]
            } else {
                vec![]
            }
        );
        let tree = folder.tree("work/p");
        let expected = [
            "dog.jpg",
            "images/",
            "images/again.jpg",
            "images/cat.jpg",
            "main.py",
        ];
        assert_eq!(tree, expected);
        for (path, content) in [
            ("p/images/cat.jpg", "cat"),
            ("p/images/again.jpg", "cat"),
            ("p/dog.jpg", "dog"),
            ("p/main.py", "print()"),
            (".flcache/b/cat.jpg", "cat"),
            (".flcache/b/dogs/dog.jpg", "dog"),
        ] {
            assert_eq!(
                folder.read(&format!("work/{path}")).unwrap(),
                content,
                "{path}"
            );
        }
        // Nor does one who writes to a file of the project change the cache.
        folder.write("work/p/images/cat.jpg", "changed");
    }
    // A new permission is for the same file.
    let signed = [url(
        "c",
        "https://one.example/cat?X-Amz-Signature=9",
        "cat.jpg",
    )];
    assert_eq!(upload(&folder, "q", &signed, &web).await, Ok(true));
    assert_eq!(
        (web.asked(), folder.read("work/q/c").as_deref()),
        (vec![], Some("cat"))
    );
}

#[tokio::test]
async fn no_project_poisons_anothers_file() {
    let folder = Folder::new();
    let web = Web::new(&[(CAT_URL, "cat"), (DOG_URL, "evil")]);
    for round in 0..3 {
        let evil = [url("f", DOG_URL, "shared.jpg")];
        assert_eq!(upload(&folder, "evil", &evil, &web).await, Ok(true));
        let good = [url("f", CAT_URL, "shared.jpg")];
        assert_eq!(upload(&folder, "good", &good, &web).await, Ok(true));
        assert_eq!(folder.read("work/good/f").unwrap(), "cat");
        assert_eq!(folder.read("work/evil/f").unwrap(), "evil");
        assert_eq!(web.asked(), [DOG_URL, CAT_URL], "{round}");
    }
    // Within one project too.
    let both = [
        url("a", CAT_URL, "shared.jpg"),
        url("b", DOG_URL, "shared.jpg"),
    ];
    assert_eq!(upload(&folder, "both", &both, &web).await, Ok(true));
    assert_eq!(folder.read("work/both/a").unwrap(), "cat");
    assert_eq!(folder.read("work/both/b").unwrap(), "evil");
    web.asked();
    // Nor a program that writes into the cache.
    folder.write("work/.flcache/b/shared.jpg", "worse");
    assert_eq!(
        upload(&folder, "evil", &[url("f", DOG_URL, "shared.jpg")], &web).await,
        Ok(true)
    );
    assert_eq!(folder.read("work/evil/f").unwrap(), "evil");
    assert_eq!(web.asked(), [DOG_URL]);
}

#[tokio::test]
async fn without_internet_only_what_is_not_cached_is_left_out() {
    let folder = Folder::new();
    let web = Web::new(&[(CAT_URL, "cat")]);
    assert_eq!(
        upload(&folder, "p", &[url("cat", CAT_URL, "cat")], &web).await,
        Ok(true)
    );
    let web = web.unreachable(DOG_URL).unreachable("http://two.example/2");
    let web = web.unreachable("http://three.example/");
    web.asked();
    let files = [
        text("t", "t"),
        url("cat", CAT_URL, "cat"),
        url("a/dog", DOG_URL, "dog"),
        url("b/two", "http://two.example/2", "2"),
        url("a/three", "http://three.example/", "3"),
        text("a/t", "t"),
    ];
    assert_eq!(upload(&folder, "p", &files, &web).await, Ok(false));
    assert_eq!(folder.tree("work/p"), ["a/", "a/t", "cat", "t"]);
    assert_eq!(folder.tree("work/.flcache/b"), ["cat"]);
    assert_eq!(upload(&folder, "p", &files[..2], &web).await, Ok(true));
}

#[tokio::test]
async fn silence_is_found_out_by_the_first_downloads() {
    let folder = Folder::new();
    let urls: Vec<&'static str> = (0..40)
        .map(|number| &*Box::leak(format!("http://one.example/{number}").into_boxed_str()))
        .collect();
    let mut web = Web::new(&[]);
    let mut files = Vec::new();
    for url_ in &urls {
        web = web.unreachable(url_);
        files.push(url(url_.rsplit('/').next().unwrap(), url_, url_));
    }
    assert_eq!(upload(&folder, "p", &files, &web).await, Ok(false));
    assert_eq!(web.asked().len(), 4);
    // One of another host is among the first, wherever it stands.
    web.answers.insert(DOG_URL, Ok("dog"));
    files.push(url("dog", DOG_URL, "dog"));
    let error = upload(&folder, "p", &files, &web).await.unwrap_err();
    assert!(matches!(error, FilesError::Download(_)), "{error}");
}

#[tokio::test]
async fn failed_download_changes_nothing() {
    let folder = Folder::new();
    let web = Web::new(&[(CAT_URL, "cat")]);
    let files = [text("project.cfg", "old"), text("old", "old")];
    assert_eq!(upload(&folder, "p", &files, &web).await, Ok(true));
    let before = folder.tree("");
    for web in [
        web.clone().failing(DOG_URL),
        web.clone().unreachable(DOG_URL),
        Web::new(&[]).failing(CAT_URL).failing(DOG_URL),
        Web::new(&[]).unreachable(CAT_URL).failing(DOG_URL),
    ] {
        let files = [
            text("project.cfg", "new"),
            url("a/cat", CAT_URL, "cat"),
            url("a/dog", DOG_URL, "dog"),
        ];
        let error = upload(&folder, "p", &files, &web).await.unwrap_err();
        assert!(matches!(error, FilesError::Download(_)), "{error}");
        assert_eq!(folder.tree(""), before);
        assert_eq!(folder.read("work/p/project.cfg").unwrap(), "old");
        let error = upload(&folder, "new/one", &files, &web).await.unwrap_err();
        assert!(matches!(error, FilesError::Download(_)), "{error}");
        assert_eq!(folder.tree(""), before);
    }
}

#[tokio::test]
async fn four_at_once_and_each_once() {
    let folder = Folder::new();
    let urls: Vec<&'static str> = (0..30)
        .map(|number| {
            &*Box::leak(format!("http://h{}.example/{number}", number % 3).into_boxed_str())
        })
        .collect();
    let answers: Vec<_> = urls.iter().map(|url| (*url, *url)).collect();
    let mut web = Web::new(&answers);
    web.wanted = 4;
    let mut files = Vec::new();
    for (number, url_) in urls.iter().enumerate() {
        files.push(url(&format!("one/{number}"), url_, &format!("x/{number}")));
        files.push(url(&format!("two/{number}"), url_, &format!("y/{number}")));
    }
    assert_eq!(upload(&folder, "p", &files, &web).await, Ok(true));
    assert_eq!(web.asked().len(), 30);
    assert_eq!(web.most.load(Ordering::Relaxed), 4);
    for (number, url) in urls.iter().enumerate() {
        for path in ["p/one", "p/two", ".flcache/b/x", ".flcache/b/y"] {
            assert_eq!(folder.read(&format!("work/{path}/{number}")).unwrap(), *url);
        }
    }
}

#[tokio::test]
async fn miniscreen_project_is_in_both_places() {
    let folder = Folder::new();
    let web = Web::new(&[(CAT_URL, "cat")]);
    let files = [
        text("project.cfg", "c"),
        text("a/b", "b"),
        url("cat", CAT_URL, "cat"),
    ];
    assert_eq!(upload(&folder, "x/p", &files, &web).await, Ok(true));
    let expected = ["a/", "a/b", "cat", "project.cfg"];
    assert_eq!(folder.tree("work/x/p"), expected);
    assert_eq!(folder.tree("mini/ann/x/p"), expected);
    let files = [text("project.cfg", "d")];
    assert_eq!(upload(&folder, "x/p", &files, &web).await, Ok(true));
    assert_eq!(
        folder.tree("mini"),
        ["ann/", "ann/x/", "ann/x/p/", "ann/x/p/project.cfg"]
    );
    assert_eq!(folder.read("mini/ann/x/p/project.cfg").unwrap(), "d");
    // Where the copy cannot be, the project is not replaced either.
    std::fs::remove_dir_all(folder.path("mini/ann")).unwrap();
    folder.write("mini/ann", "a file");
    let before = folder.tree("");
    let files = [text("project.cfg", "e")];
    assert!(upload(&folder, "x/p", &files, &web).await.is_err());
    assert_eq!(folder.read("work/x/p/project.cfg").unwrap(), "d");
    assert_eq!(folder.tree(""), before);
}

/// The server goes away after each step of the conversation.
#[tokio::test]
async fn without_its_server_the_process_undoes_all() {
    let folder = Folder::new();
    let web = Web::new(&[]);
    assert_eq!(
        upload(&folder, "p", &[text("old", "old")], &web).await,
        Ok(true)
    );
    let before = folder.tree("");
    for step in 0..5 {
        let (mut process, thread) = start(&task(&folder)).await;
        let files = [
            text("a/b/new", "new"),
            url("c", CAT_URL, "c"),
            url("d", DOG_URL, "d"),
        ];
        let ask = async |process: &mut super::FilesWorker, ask: Ask| {
            process.send(&ask, &[]).await.unwrap();
            process.receive::<Step>().await.unwrap();
        };
        if step > 0 {
            send_parcel(&mut process, project("p", &files))
                .await
                .unwrap();
        }
        if step > 1 {
            ask(&mut process, Ask::File(0)).await;
        }
        if step > 2 {
            ask(&mut process, Ask::Fetched(0)).await;
        }
        if step > 3 {
            ask(&mut process, Ask::Skip).await;
        }
        drop(process);
        let status = tokio::task::spawn_blocking(|| thread.join().unwrap()).await;
        assert_eq!(status.unwrap(), 1);
        assert_eq!(folder.tree(""), before, "{step}");
    }
}

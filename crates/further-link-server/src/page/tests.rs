//! The build's table and the server's answers, with small directories instead of the page.

#[path = "../../build/embed.rs"]
mod embed;

use super::*;
use std::fs;
use std::path::{Path, PathBuf};
use zlib_rs::{Deflate, DeflateFlush};

/// A directory that is removed with all in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("further-link-page-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A file with both compressed forms. Nobody here reads Brotli, so that is made up.
    fn write_forms(&self, path: &str, content: impl AsRef<[u8]>) {
        let content = content.as_ref();
        self.write(path, content);
        self.write(&format!("{path}.gz"), gzip(content));
        self.write(&format!("{path}.br"), format!("brotli of {path}"));
    }

    fn embed(&self) -> std::io::Result<Vec<embed::EmbeddedFile>> {
        embed::files(&self.0, &self.0.with_extension("made"))
    }

    /// Returns what the server would have, built with this directory.
    fn page(&self) -> &'static [EmbeddedFile] {
        let read = |path: Option<PathBuf>| -> Option<&'static [u8]> {
            path.map(|path| &*fs::read(path).unwrap().leak())
        };
        let files: Vec<EmbeddedFile> = self
            .embed()
            .unwrap()
            .into_iter()
            .map(|file| EmbeddedFile {
                path: format!("/{}", file.path).leak(),
                length: file.length,
                hash: format!("{:016x}", file.hash).leak(),
                plain: read(file.plain),
                gzip: read(file.gzip),
                brotli: read(file.brotli),
            })
            .collect();
        files.leak()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        let _ = fs::remove_dir_all(self.0.with_extension("made"));
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut deflate = Deflate::new(9, false, 15);
    let mut packed = vec![0; content.len() + 1000];
    deflate
        .compress(content, &mut packed, DeflateFlush::Finish)
        .unwrap();
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    bytes.extend_from_slice(&packed[..deflate.total_out() as usize]);
    bytes.extend_from_slice(&zlib_rs::crc32::crc32(0, content).to_le_bytes());
    bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
    bytes
}

/// Text that does not become small at once: numbers, some megabytes of them.
fn long() -> String {
    (0_u64..300_000)
        .map(|number| (number * 2_654_435_761 % 1_000_003).to_string())
        .collect()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

async fn body(response: Response) -> Vec<u8> {
    axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap()
        .to_vec()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

fn get(page: &'static [EmbeddedFile], path: &str, asked: &[(&str, &str)]) -> Response {
    answer_from(page, path, &headers(asked)).unwrap_or_else(|| panic!("there is no {path}"))
}

#[tokio::test]
async fn client_gets_the_form_it_accepts() {
    let folder = Folder::new("forms");
    let content = long();
    folder.write_forms("assets/app-0123abcd.js", &content);
    folder.write_forms("index.html", "<p>index");
    folder.write("assets/font-0123abcd.woff2", "a font");
    let page = folder.page();
    let path = "/assets/app-0123abcd.js";

    let plain = get(page, path, &[]);
    assert_eq!(header(&plain, "content-encoding"), None);
    assert_eq!(
        header(&plain, "content-length"),
        Some(&*content.len().to_string())
    );
    assert_eq!(
        header(&plain, "content-type"),
        Some("text/javascript; charset=utf-8")
    );
    assert_eq!(header(&plain, "vary"), Some("Accept-Encoding"));
    assert!(
        header(&plain, "cache-control")
            .unwrap()
            .contains("immutable")
    );
    assert!(body(plain).await == content.as_bytes());

    let gzipped = get(page, path, &[("accept-encoding", "gzip, deflate")]);
    assert_eq!(header(&gzipped, "content-encoding"), Some("gzip"));
    assert!(body(gzipped).await == gzip(content.as_bytes()));

    let brotli = get(page, path, &[("accept-encoding", "gzip, deflate, br")]);
    assert_eq!(header(&brotli, "content-encoding"), Some("br"));
    assert_eq!(body(brotli).await, b"brotli of assets/app-0123abcd.js");

    // What does not become smaller is there as it is, whatever a client would take.
    let font = get(
        page,
        "/assets/font-0123abcd.woff2",
        &[("accept-encoding", "br")],
    );
    assert_eq!(header(&font, "content-encoding"), None);
    assert_eq!(header(&font, "content-type"), Some("font/woff2"));
    assert_eq!(body(font).await, b"a font");

    let index = get(page, "/", &[]);
    assert_eq!(header(&index, "cache-control"), Some("no-cache"));
    assert_eq!(body(index).await, b"<p>index");
    assert_eq!(body(get(page, "/index.html", &[])).await, b"<p>index");
}

#[tokio::test]
async fn matching_etag_gets_not_modified() {
    let folder = Folder::new("tags");
    folder.write_forms("index.html", "<p>one");
    let page = folder.page();
    let forms = ["", "gzip", "br"];
    let mut tags = Vec::new();
    for form in forms {
        let response = get(page, "/", &[("accept-encoding", form)]);
        tags.push(header(&response, "etag").unwrap().to_owned());
    }
    for (form, tag) in forms.iter().zip(&tags) {
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"a,b\", {tag}"),
            "*".to_owned(),
        ] {
            let asked = [("accept-encoding", *form), ("if-none-match", &known)];
            let response = get(page, "/", &asked);
            assert_eq!(response.status(), 304, "{asked:?}");
            assert_eq!(header(&response, "etag"), Some(tag.as_str()));
            assert_eq!(header(&response, "cache-control"), Some("no-cache"));
            assert_eq!(header(&response, "vary"), Some("Accept-Encoding"));
            assert_eq!(header(&response, "content-encoding"), None);
            assert_eq!(body(response).await, b"");
        }
    }
    // A tag names one form only, and another content has another.
    let other = get(
        page,
        "/",
        &[("accept-encoding", "br"), ("if-none-match", &tags[1])],
    );
    assert_eq!(other.status(), 200);
    tags.dedup();
    assert_eq!(tags.len(), 3);
    for unknown in ["", "\"\"", "\"0\"", "W/", "é", &tags[0][1..], ",,,"] {
        assert_eq!(
            get(page, "/", &[("if-none-match", unknown)]).status(),
            200,
            "{unknown}"
        );
    }
    folder.write_forms("index.html", "<p>two");
    let changed = get(folder.page(), "/", &[("if-none-match", &tags[0])]);
    assert_eq!(changed.status(), 200);
}

#[tokio::test]
async fn examples_directory_is_listed() {
    let folder = Folder::new("examples");
    folder.write("index.html", "<p>index");
    folder.write_forms("examples/minimal.html", "<title> A <b> title\n</title>");
    folder.write("examples/other.html", "<p>untitled");
    folder.write("examples/data/deep.html", "<title>no</title>");
    let page = folder.page();
    let listing = String::from_utf8(body(get(page, "/examples/", &[])).await).unwrap();
    assert!(
        listing.contains(r#"<a href="minimal.html">A <b> title</a>"#),
        "{listing}"
    );
    assert!(
        listing.contains(r#"<a href="other.html">other.html</a>"#),
        "{listing}"
    );
    assert!(!listing.contains("deep"), "{listing}");
    let moved = get(page, "/examples", &[]);
    assert_eq!(
        (moved.status().as_u16(), header(&moved, "location")),
        (308, Some("/examples/"))
    );

    folder.write("examples/index.html", "<p>its own");
    let page = folder.page();
    assert_eq!(body(get(page, "/examples/", &[])).await, b"<p>its own");
}

#[test]
fn unknown_path_is_not_found() {
    let folder = Folder::new("paths");
    folder.write_forms("index.html", "<p>index");
    folder.write("assets/a-01234567.js", "a");
    folder.write("assets/a-01234567.js.map", "a map");
    folder.write(".hidden", "hidden");
    let page = folder.page();
    for path in [
        "",
        "index.html",
        "//",
        "//index.html",
        "/index.html/",
        "/index.html.gz",
        "/index.html.br",
        "/INDEX.HTML",
        "/.",
        "/./index.html",
        "/assets",
        "/assets/",
        "/assets/../index.html",
        "/assets/%61-01234567.js",
        "/assets/a-01234567.js.map",
        "/assets\\a-01234567.js",
        "/assets/a-01234567.js\0",
        "/assets//a-01234567.js",
        "/.hidden",
        "/%2e%2e/etc/passwd",
        "/../../etc/passwd",
        "/etc/passwd",
        "*",
    ] {
        let answer = answer_from(page, path, &HeaderMap::new());
        assert!(answer.is_none(), "{path}: {answer:?}");
    }
}

#[test]
fn every_response_has_security_headers() {
    let folder = Folder::new("closed");
    folder.write_forms("index.html", "<p>index");
    folder.write("a.svg", "<svg/>");
    let page = folder.page();
    for path in ["/", "/a.svg"] {
        for asked in [vec![], vec![("if-none-match", "*")]] {
            let response = get(page, path, &asked);
            let policy = header(&response, "content-security-policy").unwrap();
            for part in [
                "default-src 'none'",
                "script-src 'self';",
                "frame-ancestors 'none'",
            ] {
                assert!(policy.contains(part), "{policy}");
            }
            assert_eq!(header(&response, "x-content-type-options"), Some("nosniff"));
            assert_eq!(header(&response, "referrer-policy"), Some("no-referrer"));
            assert_eq!(
                header(&response, "cross-origin-opener-policy"),
                Some("same-origin")
            );
            assert_eq!(
                header(&response, "cross-origin-resource-policy"),
                Some("same-origin")
            );
            assert!(header(&response, "permissions-policy").is_some());
        }
    }
}

#[test]
fn build_fails_for_files_that_cannot_be_served() {
    let refused = |name: &str, write: &dyn Fn(&Folder)| {
        let folder = Folder::new(name);
        folder.write("index.html", "<p>index");
        write(&folder);
        folder.embed().unwrap_err().to_string()
    };
    // A space, a quote, another script: several spellings in an address, or an end of the table's
    // text.
    for name in ["a b.js", "a\".js", "é.js", "a%20.js", "a\\.js"] {
        let error = refused("names", &|folder| folder.write(name, ""));
        assert!(error.contains(name) && error.contains("letters"), "{error}");
    }
    let stale = refused("stale", &|folder| {
        folder.write("index.html.gz", gzip(b"<p>old"))
    });
    assert!(
        stale.contains("index.html.gz") && stale.contains("another file"),
        "{stale}"
    );
    let none = refused("none", &|folder| folder.write("index.html.gz", "PK"));
    assert!(none.contains("is no gzip"), "{none}");
    let large = refused("large", &|folder| {
        folder.write("video.mp4", vec![0; 17 << 20])
    });
    assert!(large.contains("too much for a device"), "{large}");
    let circle = refused("circle", &|folder| {
        std::os::unix::fs::symlink(".", folder.0.join("loop")).unwrap();
    });
    assert!(circle.contains("too many folders"), "{circle}");
    assert!(embed::files(Path::new("/no/such/folder"), Path::new("/no")).is_err());
}

/// A gzip form with a name or more in its head is right, but not what the server reads.
#[tokio::test]
async fn file_with_long_gzip_header_is_embedded_plain() {
    let folder = Folder::new("head");
    folder.write_forms("index.html", "<p>index");
    let mut named = gzip(b"<p>index");
    named[3] = 8;
    named.splice(10..10, *b"index.html\0");
    folder.write("index.html.gz", named);
    let page = folder.page();
    assert!(page[0].plain.is_some());
    assert_eq!(body(get(page, "/", &[])).await, b"<p>index");
}

#[tokio::test]
async fn corrupt_gzip_aborts_response() {
    let mut broken = gzip(long().as_bytes());
    let middle = broken.len() / 2;
    broken.truncate(middle);
    broken.extend_from_slice(&[0; 8]);
    let body = inflate::body(broken.leak(), long().len());
    assert!(axum::body::to_bytes(body, usize::MAX).await.is_err());
}

#[test]
fn table_is_valid_rust() {
    let folder = Folder::new("table");
    folder.write_forms("index.html", "<p>index");
    let text = embed::table(&folder.embed().unwrap());
    let folder = folder.0.display();
    assert!(
        text.starts_with("&[\n    EmbeddedFile { path: \"/index.html\", length: 8, hash: \""),
        "{text}"
    );
    assert!(
        text.ends_with(&format!(
            "\", plain: None, gzip: Some(include_bytes!(\"{folder}/index.html.gz\")), \
             brotli: Some(include_bytes!(\"{folder}/index.html.br\")) }},\n]\n"
        )),
        "{text}"
    );
}

/// What is really embedded: complete, in order, and each file's forms are of that file as
/// far as can be told.
#[tokio::test]
async fn embedded_files_are_complete() {
    assert!(EMBEDDED_FILES.is_sorted_by(|one, other| one.path < other.path));
    for file in EMBEDDED_FILES {
        let plain = body(get(EMBEDDED_FILES, file.path, &[])).await;
        assert_eq!(plain.len(), file.length, "{}", file.path);
        if let Some(gzip) = file.gzip {
            let check = &gzip[gzip.len() - 8..gzip.len() - 4];
            assert_eq!(
                zlib_rs::crc32::crc32(0, &plain).to_le_bytes(),
                check,
                "{}",
                file.path
            );
        }
        assert!(file.plain.is_some() || file.gzip.is_some());
    }
    assert_eq!(get(EMBEDDED_FILES, "/", &[]).status(), 200);
    assert_eq!(IS_PAGE_BUILT, is_built());
}

//! Embeds the page: what `make page` has put into `web/dist`, or the directory that
//! `FURTHER_LINK_WEB_DIST` names (from the workspace's root). Where there is none, the server gets
//! a page that says how to build it, and all else is as always: who changes Rust code needs no
//! Node.js.

#[path = "build/embed.rs"]
mod embed;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

const WEB_DIST_VARIABLE: &str = "FURTHER_LINK_WEB_DIST";

fn main() -> Result<(), Box<dyn Error>> {
    let own = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = own.join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);

    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-env-changed={WEB_DIST_VARIABLE}");
    let folder = match env::var_os(WEB_DIST_VARIABLE).filter(|folder| !folder.is_empty()) {
        Some(folder) => root.join(folder),
        None => {
            let folder = root.join("web/dist");
            // Of a directory that is not there cargo would say each time that it has changed, and
            // build the server again.
            if !folder.exists() && fs::create_dir_all(&folder).is_ok() {
                // It is compared with the moment at which this program was started.
                let long_ago = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
                let _ = fs::File::open(&folder).and_then(|folder| folder.set_modified(long_ago));
            }
            folder
        }
    };
    if folder.exists() || env::var_os(WEB_DIST_VARIABLE).is_some() {
        println!("cargo:rerun-if-changed={}", folder.display());
    }

    let built = folder.join("index.html").is_file();
    let source = if built {
        folder
    } else {
        own.join("build/stub")
    };
    if !built {
        println!(
            "cargo:warning=the server is built without its page: install Node.js 18 or newer, then `make run` or `make page`"
        );
    }
    write(&source, &out, built)?;
    Ok(())
}

fn write(source: &Path, out: &Path, built: bool) -> Result<(), Box<dyn Error>> {
    let files = embed::files(source, out)?;
    let table = embed::table(&files);
    fs::write(
        out.join("page.rs"),
        format!(
            "/// Whether this is the page, and not the one in its place.\n\
             const IS_PAGE_BUILT: bool = {built};\n\
             /// The page's files.\n\
             static EMBEDDED_FILES: &[EmbeddedFile] = {};\n",
            table.trim_end()
        ),
    )?;
    Ok(())
}

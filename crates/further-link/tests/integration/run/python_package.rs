//! Where programs find the package `further_link`: what the server brings, and what is stronger
//! than that.

use crate::support::programs::{FEATURES, Programs, Session, venv};
use further_link_testkit::{TempDir, write_file};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command that has to go well.
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Where the packages of a virtual environment are.
fn packages_of(venv: &Path) -> PathBuf {
    let mut lib = std::fs::read_dir(venv.join("lib")).unwrap();
    lib.next().unwrap().unwrap().path().join("site-packages")
}

/// A virtual environment of the Python of the one for tests, with nothing in it.
fn empty_venv(folder: &TempDir) -> PathBuf {
    let new = folder.path().join("venv");
    run(Command::new(venv().join("bin/python3"))
        .args(["-m", "venv", "--without-pip"])
        .arg(&new));
    new
}

/// The same with the package of the servers before this one, installed by pip.
fn venv_with_old_package(folder: &TempDir) -> PathBuf {
    let new = empty_venv(folder);
    let wheel = folder.path().join("further_link-4.4.0-py3-none-any.whl");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/programs/old_package"
    );
    let zip = "import shutil, sys; shutil.move(shutil.make_archive(sys.argv[1], 'zip', sys.argv[2]), sys.argv[1])";
    let python = venv().join("bin/python3");
    run(Command::new(&python)
        .args(["-c", zip])
        .args([wheel.as_os_str(), source.as_ref()]));
    run(Command::new(&python)
        .args(["-m", "pip", "--python"])
        .arg(new.join("bin/python3"))
        .args(["install", "--quiet", "--no-index", "--no-deps"])
        .arg(&wheel));
    // The other packages, without installing them once more.
    let others = packages_of(&venv());
    write_file(
        &packages_of(&new).join("others.pth"),
        others.to_str().unwrap(),
    );
    new
}

/// Runs lines of a shell, beside the project of several files.
async fn script(code: &str) -> Session {
    let code = format!("#!/bin/sh\n{code}\n");
    let data = json!({"runner": "exec", "code": code, "path": "examples/rover"});
    Programs::in_venv(None).start(FEATURES, data).await
}

#[tokio::test]
async fn package_is_there_where_nobody_has_installed_anything() {
    let folder = TempDir::create();
    for venv in [None, Some(empty_venv(&folder))] {
        let programs = Programs::in_venv(venv.as_deref());
        let mut program = programs.file("programs/first_import.py").await;
        program.ends_well().await;
        let version = program.server.get("/version").json()["version"].clone();
        let state = program.server.folder.path().join("state");
        let lines = program.lines();
        assert_eq!(lines[0], version);
        assert!(Path::new(lines[1]).starts_with(state), "{}", lines[1]);
        assert_eq!(
            lines[2..],
            [
                "TypeError: a picture is a PIL image or a numpy array (OpenCV), not str",
                "ValueError: these bytes are not a JPEG file",
            ]
        );
        assert_eq!(program.keys, ["x"]);
        assert_eq!(program.curve("Numbers", "Numbers").1, [3.0, 1.0, 2.0]);
        assert_eq!(program.pictures.len(), 1);
    }
}

#[tokio::test]
async fn picture_that_nothing_can_encode_is_explained() {
    let folder = TempDir::create();
    let empty = empty_venv(&folder);
    let others = packages_of(&venv());
    // numpy brings its libraries in a second folder.
    for name in further_link_testkit::names_in(&others) {
        if name == "numpy" || name == "numpy.libs" {
            let link = packages_of(&empty).join(&name);
            std::os::unix::fs::symlink(others.join(&name), link).unwrap();
        }
    }
    let programs = Programs::in_venv(Some(&empty));
    let mut program = programs.file("programs/no_encoder.py").await;
    program.ends_well().await;
    assert_eq!(
        program.lines(),
        [
            "to send this picture a JPEG encoder is needed, and none is installed: \
          install Pillow (pip install pillow) or OpenCV (pip install opencv-python-headless)"
        ]
    );
    assert!(program.pictures.is_empty());
}

#[tokio::test]
async fn installed_older_package_wins_and_works() {
    let folder = TempDir::create();
    let old = venv_with_old_package(&folder);
    for (venv, version) in [
        (old, "4.4.0".to_owned()),
        (venv(), env!("CARGO_PKG_VERSION").to_owned()),
    ] {
        for query in ["", "pty=1"] {
            let programs = Programs::in_venv(Some(&venv));
            let data = json!({"runner": "python3", "path": "programs/old_keys_and_pictures.py"});
            let mut program = programs.start(query, data).await;
            program.until_printed(&format!("version {version}")).await;
            program.until_picture("the picture", |_| true).await;
            program.until("keys", |seen| seen.keys.len() == 2).await;
            assert_eq!(program.keys, [" ", "ArrowUp"]);
            assert_eq!(program.last_picture().kind(), ("JPEG", 64, 48));
            program.last_picture().assert_pixel(30, 20, [0, 128, 128]);
            for (key, event) in [
                (" ", "keydown"),
                ("ArrowUp", "keydown"),
                ("ArrowUp", "keyup"),
            ] {
                program.key(key, event).await;
            }
            program.ends_well().await;
            assert_eq!(program.lines()[1..], ["up True", "end"], "{}", *program);
        }
    }
}

#[tokio::test]
async fn what_the_configuration_puts_on_the_path_stays_in_front() {
    let folder = TempDir::create();
    write_file(&folder.path().join("helper.py"), "word = 'helped'");
    let mine = folder.path().to_str().unwrap();
    let programs = Programs::in_venv(None).variable("PYTHONPATH", mine);
    let code = "import os, helper, further_link\n\
                print(helper.word)\nprint(os.environ['PYTHONPATH'])\nprint(further_link.__version__)";
    let mut program = programs.code(code).await;
    program.ends_well().await;
    let lines = program.lines();
    let state = program.server.folder.path().join("state");
    assert_eq!((lines[0], lines[2]), ("helped", env!("CARGO_PKG_VERSION")));
    let (first, shipped) = lines[1].split_once(':').unwrap();
    assert_eq!(first, mine);
    assert!(Path::new(shipped).starts_with(state), "{shipped}");

    // A package of this name there is the person's own.
    write_file(
        &folder.path().join("further_link/__init__.py"),
        "__version__ = 'my own'",
    );
    let mut program = programs
        .code("import further_link; print(further_link.__version__)")
        .await;
    program.ends_well().await;
    assert_eq!(program.lines(), ["my own"]);
}

#[tokio::test]
async fn module_that_a_shell_starts_finds_it() {
    let mut program = script("python3 -m main").await;
    program.ends_well().await;
    assert_eq!(program.lines().len(), 2);
    let plot = "Distance to the wall";
    assert_eq!(program.curve(plot, plot).0.len(), 16);
}

#[tokio::test]
async fn isolated_python_has_only_what_is_installed() {
    let code = "import further_link; print(further_link.__version__)";
    let mut program = script(&format!("exec python3 -I -c '{code}'")).await;
    program.ends_with(1).await;
    let error = "ModuleNotFoundError: No module named 'further_link'";
    assert!(program.stderr.contains(error), "{}", *program);

    let folder = TempDir::create();
    let python = venv_with_old_package(&folder).join("bin/python3");
    let mut program = script(&format!("exec {} -I -c '{code}'", python.display())).await;
    program.ends_well().await;
    assert_eq!(program.lines(), ["4.4.0"]);
}

#[tokio::test]
async fn figures_appear_beside_an_installed_older_package() {
    let folder = TempDir::create();
    let programs = Programs::in_venv(Some(&venv_with_old_package(&folder)));
    let code = "import matplotlib.pyplot as plt, further_link\n\
                plt.plot([3, 1, 2]); plt.show(); print(further_link.__version__)";
    let mut program = programs.code(code).await;
    program
        .until("a figure", |seen| !seen.figures.is_empty())
        .await;
    program.close_figure(1).await;
    program.ends_well().await;
    assert_eq!(program.lines(), ["4.4.0"]);
}

//! matplotlib in programs that know nothing of this server: their figures appear at the client, and
//! the program waits no longer than it says.

use crate::support::programs::{FEATURES, Picture, Programs, Seen, Session, source};
use serde_json::json;
use std::collections::HashSet;
use std::path::Path;

const RED: [u8; 3] = [255, 0, 0];

/// How many different pictures came of a figure.
fn pictures(seen: &Seen, figure: i64) -> usize {
    let of_figure = seen.figures.iter().filter(|data| data["figure"] == figure);
    let images: HashSet<_> = of_figure
        .filter_map(|data| data["image"].as_str())
        .collect();
    images.len()
}

/// Reads until the figure is there, or has changed.
async fn until_shown(program: &mut Session, figure: i64) {
    let count = pictures(program, figure);
    program
        .until("a figure", |seen| pictures(seen, figure) > count)
        .await;
}

/// The client was told that the figure is gone.
fn assert_closed(seen: &Seen, figure: i64) {
    let last = seen.figure(figure);
    assert_eq!(last["closed"], true, "{seen}");
    assert_eq!(last["image"], json!(null), "{seen}");
}

#[tokio::test]
async fn show_returns_when_the_person_closes_the_figure() {
    let path = "examples/matplotlib_plot.py";
    for (query, data) in [
        (FEATURES.to_owned(), json!({"path": path})),
        (format!("{FEATURES}&pty=1"), json!({"code": source(path)})),
    ] {
        let mut data = data;
        data["runner"] = json!("python3");
        let mut program = Programs::new().start(&query, data).await;
        until_shown(&mut program, 1).await;
        assert_eq!(program.figure(1)["title"], "Figure 1");
        let picture = program.figure_picture(1);
        assert_eq!(picture.kind(), ("PNG", 640, 480));
        assert!(picture.count(RED) > 1000, "{}", picture.count(RED));
        picture.assert_pixel(5, 5, [255, 255, 255]);
        assert_eq!(program.stdout, "");

        program.close_figure(1).await;
        program.ends_well().await;
        assert_eq!(program.lines(), ["You have closed the diagram."]);
        assert_closed(&program, 1);
    }
}

#[tokio::test]
async fn program_goes_on_beside_a_figure_that_does_not_block() {
    let mut program = Programs::new()
        .file("examples/matplotlib_subplots.py")
        .await;
    program.until_printed("What shall it be called? ").await;
    if pictures(&program, 1) == 0 {
        until_shown(&mut program, 1).await;
    }
    assert_eq!(program.figure(1)["title"], "Measurements");
    let picture = program.figure_picture(1);
    assert_eq!(picture.kind(), ("PNG", 800, 600));
    let green = picture.count([0, 128, 0]);
    assert!(green > 10_000, "{green}");
    program.stdin("Weather\n").await;
    until_shown(&mut program, 1).await;
    program.ends_well().await;
    assert_eq!(
        program.lines().last().unwrap().split_once("? ").unwrap().1,
        "It is called Weather"
    );
    // It stays for the person to look at.
    assert_eq!(program.figure(1)["closed"], false);
}

#[tokio::test]
async fn animation_moves_until_it_is_closed() {
    let mut program = Programs::new()
        .file("examples/matplotlib_animation.py")
        .await;
    program
        .until("it moves", |seen| pictures(seen, 1) >= 5)
        .await;
    assert_eq!(program.figure_picture(1).kind(), ("PNG", 400, 300));
    assert_eq!(program.stdout, "");
    program.close_figure(1).await;
    program.ends_well().await;
    assert_eq!(program.lines(), ["The wave is over."]);
    assert_closed(&program, 1);
}

#[tokio::test]
async fn pause_shows_what_has_changed_and_goes_on() {
    let mut program = Programs::new()
        .file("examples/matplotlib_interactive.py")
        .await;
    program.ends_well().await;
    assert_eq!(program.lines(), ["measured 81"]);
    assert!(pictures(&program, 1) >= 5, "{}", pictures(&program, 1));
    assert_eq!(program.figure_picture(1).kind(), ("PNG", 400, 300));
}

#[tokio::test]
async fn loop_with_pause_ends_when_the_person_closes_the_figure() {
    let mut program = Programs::new()
        .file("programs/figure_until_closed.py")
        .await;
    program
        .until("it moves", |seen| pictures(seen, 1) >= 3)
        .await;
    program.close_figure(1).await;
    program.ends_well().await;
    assert_eq!(program.lines(), ["closed after True"]);
    assert_closed(&program, 1);
}

#[tokio::test]
async fn figure_follows_a_program_that_only_waits_for_lines() {
    let mut program = Programs::new()
        .file("programs/figure_beside_input.py")
        .await;
    for colour in [RED, [0, 0, 255]] {
        program.until_printed("colour: ").await;
        program
            .stdin(if colour == RED { "red\n" } else { "blue\n" })
            .await;
        program
            .until_figure(1, "the colour", |picture| picture.pixel(100, 50) == colour)
            .await;
    }
    program.stdin("\n").await;
    program.ends_well().await;
}

#[tokio::test]
async fn saving_a_figure_does_not_show_it() {
    let mut program = Programs::new().file("examples/matplotlib_savefig.py").await;
    program.ends_well().await;
    assert_eq!(
        program.lines(),
        ["weather.png and weather.svg are written."]
    );
    assert!(program.figures.is_empty(), "{}", *program);
    let folder = program.server.work_dir().join("examples");
    let png = std::fs::read(folder.join("weather.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    // The head of a PNG: width and height.
    assert_eq!(png[16..24], [0, 0, 1, 64, 0, 0, 0, 240]);
    let svg = std::fs::read_to_string(folder.join("weather.svg")).unwrap();
    assert!(svg.contains("<svg"));
}

#[tokio::test]
async fn show_waits_for_the_last_of_several_figures() {
    let mut program = Programs::new().file("examples/matplotlib_figures.py").await;
    for figure in [1, 2, 3] {
        if pictures(&program, figure) == 0 {
            until_shown(&mut program, figure).await;
        }
        let title = format!("x to the power of {figure}");
        assert_eq!(program.figure(figure)["title"], title);
        assert_eq!(program.figure_picture(figure).kind(), ("PNG", 300, 200));
    }
    for figure in [2, 1, 3] {
        program.close_figure(figure).await;
        program.until_printed(&format!("closed {figure}\n")).await;
    }
    program.ends_well().await;
    let wanted = [
        "closed 2",
        "closed 1",
        "closed 3",
        "All are closed.",
        "The fourth, too.",
    ];
    assert_eq!(program.lines(), wanted);
    for figure in [1, 2, 3, 4] {
        assert_closed(&program, figure);
    }
    let ids: HashSet<_> = program
        .figures
        .iter()
        .map(|data| data["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn what_asks_for_a_window_does_not_fail() {
    let mut program = Programs::new().file("programs/figure_events.py").await;
    program.ends_with(0).await;
    let backend = "backend: module://further_link.matplotlib";
    assert_eq!(program.lines(), ["button: None", "points: []", backend]);
    assert_eq!(program.figure(1)["title"], "A window");
    assert_closed(&program, 1);
}

#[tokio::test]
async fn show_can_be_stopped_and_interrupted() {
    let path = "examples/matplotlib_plot.py";
    let mut program = Programs::new().file(path).await;
    until_shown(&mut program, 1).await;
    program.stop().await;
    program.ends_with(-15).await;

    let data = json!({"runner": "python3", "path": path});
    let mut program = Programs::new()
        .start(&format!("{FEATURES}&pty=1"), data)
        .await;
    until_shown(&mut program, 1).await;
    program.stdin("\u{3}").await;
    program.ends_with(-2).await;
    assert!(
        program.stdout.contains("KeyboardInterrupt"),
        "{}",
        program.stdout
    );
}

#[tokio::test]
async fn client_that_shows_no_figures_gets_none_and_the_program_does_not_wait() {
    if !further_link_testkit::names_in(Path::new("/tmp/.X11-unix")).is_empty() {
        eprintln!("not run: this device has a display, on which windows would open");
        return;
    }
    for (path, wanted) in [
        (
            "examples/matplotlib_plot.py",
            "You have closed the diagram.",
        ),
        ("examples/matplotlib_animation.py", "The wave is over."),
        ("examples/matplotlib_interactive.py", "measured 81"),
    ] {
        let data = json!({"runner": "python3", "path": path});
        // matplotlib says that nobody sees a figure if it has a reason to think of a display.
        let programs = Programs::new().variable("DISPLAY", ":no-such-display");
        let mut program = programs.start("features=plot,widget", data).await;
        program.ends_with(0).await;
        assert!(program.stdout.contains(wanted), "{path}\n{}", *program);
        assert!(program.figures.is_empty(), "{path}");
        let is_told = program.stderr.contains("non-interactive");
        assert!(is_told, "{path}\n{}", *program);
    }
}

#[tokio::test]
async fn program_that_chooses_our_figures_is_told_that_nobody_sees_them() {
    let code = "import matplotlib\nmatplotlib.use('module://further_link.matplotlib')\n";
    let data = json!({"runner": "python3",
        "code": code.to_owned() + &source("examples/matplotlib_plot.py")});
    let mut program = Programs::new().start("", data).await;
    program.ends_with(0).await;
    assert_eq!(program.lines(), ["You have closed the diagram."]);
    assert!(program.figures.is_empty());
    assert_eq!(
        program.stderr,
        "further_link: this client does not show figures, so they are not seen\n"
    );
}

/// `plt.show()` did not wait, and nothing was sent.
async fn assert_not_ours(mut program: Session, backend: &str) {
    program.ends_with(0).await;
    let wanted = ["You have closed the diagram.", backend];
    assert_eq!(program.lines(), wanted, "{}", *program);
    assert!(program.figures.is_empty(), "{}", *program);
}

#[tokio::test]
async fn backend_that_somebody_has_chosen_is_used() {
    let plot = source("examples/matplotlib_plot.py") + "print(plt.get_backend().lower())";
    // In the configuration of the server.
    let programs = Programs::new().variable("MPLBACKEND", "svg");
    assert_not_ours(programs.code(&plot).await, "svg").await;
    // In the program.
    let code = format!("import matplotlib; matplotlib.use('Agg')\n{plot}");
    assert_not_ours(Programs::new().code(&code).await, "agg").await;
    // In a matplotlibrc of the person; and what else it says counts in any case.
    for (backend, is_ours) in [("backend: agg\n", false), ("", true)] {
        let folder = further_link_testkit::TempDir::create();
        let rc = folder.path().join("matplotlibrc");
        further_link_testkit::write_file(&rc, &format!("{backend}figure.figsize: 2, 1\n"));
        let code = plot.clone() + "\nprint(plt.rcParams['figure.figsize'])";
        let programs = Programs::new().variable("MATPLOTLIBRC", rc.to_str().unwrap());
        let mut program = programs.code(&code).await;
        if is_ours {
            until_shown(&mut program, 1).await;
            assert_eq!(program.figure_picture(1).kind(), ("PNG", 200, 100));
            program.close_figure(1).await;
        }
        program.ends_with(0).await;
        assert_eq!(program.lines().last(), Some(&"[2.0, 1.0]"));
        assert_eq!(program.figures.is_empty(), !is_ours, "{}", *program);
    }
}

#[tokio::test]
async fn person_who_likes_svg_gets_it() {
    let programs = Programs::new().variable("FURTHER_LINK_FIGURE_FORMAT", "svg");
    let mut program = programs.file("examples/matplotlib_plot.py").await;
    until_shown(&mut program, 1).await;
    let figure = program.figure(1);
    assert_eq!(figure["format"], "svg");
    assert_eq!(
        (figure["width"].as_i64(), figure["height"].as_i64()),
        (Some(640), Some(480))
    );
    let svg = Picture::text(figure["image"].as_str().unwrap());
    assert!(
        svg.starts_with("<?xml") && svg.trim_end().ends_with("</svg>"),
        "{svg:.100}"
    );
    program.close_figure(1).await;
    program.ends_well().await;
}

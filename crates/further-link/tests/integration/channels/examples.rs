//! The programs of `examples/`, run as they are by the real server: their output, keys, pictures,
//! plots and widgets.

use crate::support::programs::{Picture, Programs, source, venv};
use further_link_testkit::TestServer;
use serde_json::json;

#[tokio::test]
async fn keys_drive_a_robot() {
    let mut program = Programs::new().file("examples/keys.py").await;
    program.until_printed("end with Escape.\n").await;
    // They come by another way than what is printed, and not in step with it.
    program.until("keys", |seen| seen.keys.len() == 5).await;
    let keys = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Escape"];
    assert_eq!(program.keys, keys);
    for (key, event) in [
        ("ArrowUp", "keydown"),
        ("ArrowUp", "keyup"),
        ("ArrowLeft", "keydown"),
        ("ArrowRight", "keydown"),
        ("Escape", "keydown"),
    ] {
        program.key(key, event).await;
    }
    program.ends_well().await;
    assert_eq!(
        program.lines()[1..],
        [
            "motors: left +1.0, right +1.0",
            "motors: left +0.0, right +0.0",
            "motors: left -0.5, right +0.5",
            "motors: left +0.5, right -0.5",
            "motors: left +0.0, right +0.0",
        ]
    );
}

#[tokio::test]
async fn keys_reach_code_without_a_file_and_in_a_terminal() {
    for query in ["", "pty=1"] {
        let data = json!({"runner": "python3", "code": source("examples/keys.py")});
        let mut program = Programs::new().start(query, data).await;
        program.until("keys", |seen| seen.keys.len() == 5).await;
        program.key("ArrowDown", "keydown").await;
        program.until_printed("motors: left -1.0").await;
        program.key("Escape", "keydown").await;
        program.ends_well().await;
    }
}

#[tokio::test]
async fn two_robots_of_one_client_have_each_their_keys() {
    let server = Programs::new().server();
    let mut client = server.connect("/run").await;
    let mut printed = [String::new(), String::new()];
    for name in ["0", "1"] {
        let data = json!({"runner": "python3", "path": "examples/keys.py"});
        client.start_data(name, data).await;
        for _ in 0..5 {
            assert_eq!(client.until("keylisten").await["process"], name);
        }
    }
    for (name, key) in [("1", "ArrowUp"), ("1", "Escape"), ("0", "Escape")] {
        let data = json!({"key": key, "event": "keydown"});
        client
            .send(json!({"type": "keyevent", "process": name, "data": data}))
            .await;
    }
    let mut stopped = 0;
    while stopped < 2 {
        let message = client.recv().await;
        let name: usize = message["process"].as_str().unwrap().parse().unwrap();
        match message["type"].as_str().unwrap() {
            "stdout" => printed[name].push_str(message["data"]["output"].as_str().unwrap()),
            "stopped" => stopped += 1,
            _ => panic!("unexpected {message}"),
        }
    }
    let went = "motors: left +1.0, right +1.0";
    assert_eq!(printed.map(|text| text.contains(went)), [false, true]);
}

#[tokio::test]
async fn pictures_of_pil_are_a_video() {
    let mut program = Programs::new().file("examples/video_pil.py").await;
    program.ends_well().await;
    assert_eq!(program.lines(), ["The ball has come to rest."]);
    assert!(program.pictures.len() > 4, "{}", program.pictures.len());
    let last = program.last_picture();
    assert_eq!(last.kind(), ("JPEG", 320, 240));
    last.assert_pixel(310, 230, [0, 0, 128]);
    // The ball goes by 8 and 6, and turns round outside of 20 to 300 and 20 to 220.
    last.assert_pixel(256, 170, [255, 165, 0]);
    let ball = last.count([255, 165, 0]);
    assert!((1000..1500).contains(&ball), "{ball}");
}

#[tokio::test]
async fn pictures_of_opencv_have_their_colours() {
    let mut program = Programs::new().file("examples/video_opencv.py").await;
    program.ends_well().await;
    let wanted: Vec<_> = (1..=15)
        .map(|step| format!("ball at x = {}", step * 40))
        .collect();
    assert_eq!(program.lines(), wanted);
    let last = program.last_picture();
    assert_eq!(last.kind(), ("JPEG", 640, 480));
    last.assert_pixel(600, 240, [255, 0, 0]);
    last.assert_pixel(20, 20, [137, 137, 137]);
    let frame = last.count([0, 255, 0]);
    assert!((300..1500).contains(&frame), "{frame}");
}

#[tokio::test]
async fn plot_gets_every_point_in_order() {
    let mut program = Programs::new().file("examples/live_plot.py").await;
    program.ends_well().await;
    assert_eq!(program.lines(), ["100 points"]);
    let (times, temperatures) = program.curve("Temperature", "Temperature");
    assert_eq!(temperatures.len(), 100);
    assert!(times.is_sorted() && times[0] == 0.0, "{times:?}");
    assert!(
        temperatures
            .iter()
            .all(|value| (19.0..24.0).contains(value))
    );
    for (curve, function) in [("roll", f64::sin as fn(f64) -> f64), ("pitch", f64::cos)] {
        let (xs, ys) = program.curve("Position", curve);
        // Points that the window would remove again at once need not be sent.
        assert!(xs.len() >= 50 && xs.is_sorted(), "{xs:?}");
        let wanted: Vec<_> = (50..100).map(f64::from).collect();
        assert_eq!(xs[xs.len() - 50..], wanted);
        for (x, y) in xs.iter().zip(ys) {
            assert!((function(x / 10.0) - y).abs() < 1e-9, "{curve} {x} {y}");
        }
    }
    for plot in &program.plots {
        let window = if plot["name"] == "Position" {
            json!(50)
        } else {
            json!(null)
        };
        assert_eq!(plot["window"], window);
    }
}

#[tokio::test]
async fn widgets_are_shown_and_used() {
    let mut program = Programs::new().file("examples/widgets.py").await;
    program
        .until("all widgets", |seen| seen.widgets.len() == 6)
        .await;
    let wanted = [
        json!({"kind": "slider", "label": "Speed", "minimum": 0, "maximum": 100, "step": 1, "value": 50}),
        json!({"kind": "switch", "label": "Light", "value": false}),
        json!({"kind": "joystick", "label": "Drive", "x": 0.0, "y": 0.0}),
        json!({"kind": "number", "label": "Battery", "value": 12.6, "unit": "V"}),
        json!({"kind": "button", "label": "Horn"}),
        json!({"kind": "button", "label": "Switch off"}),
    ];
    for (found, mut wanted) in program.widgets.iter().zip(wanted) {
        wanted["id"] = found["id"].clone();
        assert_eq!(*found, wanted);
    }

    program.use_widget("Speed", "change", Some(json!(80))).await;
    program.until_printed("speed 80\n").await;
    program
        .use_widget("Drive", "change", Some(json!({"x": 0.5, "y": 1})))
        .await;
    program.until_printed("motors: 120 40\n").await;
    program
        .until("the display", |seen| {
            seen.widget("Battery")["value"] == 12.5
        })
        .await;
    program
        .use_widget("Light", "change", Some(json!(true)))
        .await;
    program.until_printed("light on\n").await;
    program.use_widget("Horn", "press", None).await;
    program.use_widget("Horn", "release", None).await;
    program.until_printed("beep\nquiet\n").await;
    program.use_widget("Switch off", "press", None).await;
    program.ends_well().await;
    assert_eq!(program.lines().last(), Some(&"switched off"));
    for widget in &program.widgets {
        assert_eq!(widget["removed"], true, "{widget}");
    }
}

#[tokio::test]
async fn one_thread_shows_a_video_and_another_asks_for_keys() {
    let mut program = Programs::new().file("examples/threads.py").await;
    program.until("keys", |seen| seen.keys.len() == 3).await;
    // Whether the robot stands there, in red.
    let stands_at = |picture: &Picture, x| picture.pixel(x, 50)[1] < 50;
    program
        .until_picture("the robot", |picture| stands_at(picture, 50))
        .await;
    program.key("d", "keydown").await;
    program
        .until_picture("the robot at its end", |picture| stands_at(picture, 190))
        .await;
    program.key("d", "keyup").await;
    program.key("q", "keydown").await;
    program.ends_well().await;
    assert_eq!(program.lines(), ["The robot stands at 190"]);
    assert_eq!(program.last_picture().kind(), ("JPEG", 200, 100));
}

#[tokio::test]
async fn asyncio_is_told_of_buttons() {
    let mut program = Programs::new().file("examples/asyncio_widgets.py").await;
    program
        .until("all widgets", |seen| seen.widgets.len() == 4)
        .await;
    program.use_widget("Start", "press", None).await;
    program.until_printed("counting down from 50\n").await;
    program
        .until("it counts", |seen| {
            seen.widget("Countdown")["value"].as_i64() < Some(48)
        })
        .await;
    program.use_widget("Abort", "press", None).await;
    program.until_printed("aborted\n").await;
    program.use_widget("Start", "press", None).await;
    program.until_printed("Lift-off!\n").await;
    program.use_widget("End", "press", None).await;
    program.ends_well().await;
    assert_eq!(program.widget("Countdown")["value"], 0);
    assert_eq!(program.lines().len(), 4, "{:?}", program.lines());
}

#[tokio::test]
async fn program_of_a_program_shows_pictures_itself() {
    let mut program = Programs::new()
        .file("examples/subprocess_pictures.py")
        .await;
    program.ends_well().await;
    assert_eq!(
        program.lines(),
        [
            "the camera says: shown: yellow",
            "the camera says: shown: purple",
            "it ended with 0"
        ]
    );
    let last = program.last_picture();
    assert_eq!(last.kind(), ("JPEG", 160, 120));
    last.assert_pixel(80, 60, [128, 0, 128]);
}

#[tokio::test]
async fn processes_that_are_forked_and_spawned_show_pictures() {
    let mut program = Programs::new()
        .file("examples/multiprocessing_pictures.py")
        .await;
    program.ends_well().await;
    assert_eq!(
        program.lines(),
        [
            "fork: lime, in another process: True",
            "spawn: blue, in another process: True"
        ]
    );
    let colours = [[0, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]];
    assert_eq!(program.pictures.len(), colours.len());
    for (file, colour) in program.pictures.iter().zip(colours) {
        Picture::decode(file).assert_pixel(50, 50, colour);
    }
}

#[tokio::test]
async fn stop_lets_a_program_switch_off_its_motors_and_send_a_last_picture() {
    let mut program = Programs::new().file("examples/stop_motors.py").await;
    program.until_printed("motors on\n").await;
    program.stop().await;
    program.ends_well().await;
    assert_eq!(program.lines(), ["motors on", "motors off"]);
    let last = program.last_picture();
    assert_eq!(last.kind(), ("JPEG", 80, 60));
    last.assert_pixel(40, 30, [255, 0, 0]);
}

#[tokio::test]
async fn numpy_calculates_with_what_is_typed() {
    for query in ["", "pty=1"] {
        let data = json!({"runner": "python3", "path": "examples/fit_line.py"});
        let mut program = Programs::new().start(query, data).await;
        for line in ["0 1", "one", "1 3", "2 5.3", ""] {
            let prompts = program.stdout.matches("point: ").count();
            program
                .until("a prompt", |seen| {
                    seen.stdout.matches("point: ").count() > prompts
                })
                .await;
            program.stdin(&format!("{line}\n")).await;
        }
        program.ends_well().await;
        for wanted in [
            "A point is two numbers",
            "y = 2.15 x + 0.95",
            "largest distance: 0.10",
        ] {
            assert!(program.stdout.contains(wanted), "{}", program.stdout);
        }
    }
}

#[tokio::test]
async fn project_of_several_files_runs_in_its_folder() {
    let mut program = Programs::new().file("examples/rover/main.py").await;
    program.ends_well().await;
    assert_eq!(
        program.lines(),
        ["stopped at 80.7", "19.3 cm from the wall after 16 steps"]
    );
    let (positions, distances) = program.curve("Distance to the wall", "Distance to the wall");
    assert_eq!((positions.len(), distances.len()), (16, 16));
    assert_eq!((positions[0], distances[0]), (8.0, 100.0));
    for (position, distance) in positions.iter().zip(&distances[1..]) {
        assert!((100.0 - position - distance).abs() < 1e-9);
    }
}

#[tokio::test]
async fn curses_draws_in_a_terminal_and_gets_its_keys() {
    let data = json!({"runner": "python3", "path": "examples/snake.py"});
    let mut program = Programs::new().start("pty=1", data).await;
    program.until_printed("Score: 0").await;
    // The apple lies on the way.
    program
        .until("the apple is eaten", |seen| {
            seen.stdout.contains("\u{1b}[1;8H1")
        })
        .await;
    // curses puts the terminal into the mode in which arrow keys say O.
    program.stdin("\u{1b}OAq").await;
    program.ends_well().await;
    assert!(
        program.stdout.ends_with("given up: apples 1, turns 1\r\n"),
        "{:?}",
        program.stdout
    );
}

#[tokio::test]
async fn program_in_c_is_compiled_and_asked() {
    let compiler = std::process::Command::new("cc").arg("--version").output();
    if !compiler.is_ok_and(|output| output.status.success()) {
        eprintln!("not run: there is no C compiler");
        return;
    }
    let data = json!({"runner": "c", "path": "examples/mandelbrot.c"});
    let mut program = Programs::new().start("", data).await;
    program.until_printed("wide? ").await;
    program.stdin("60\n").await;
    program.ends_well().await;
    let lines: Vec<_> = program
        .stdout
        .split_once("wide? ")
        .unwrap()
        .1
        .lines()
        .collect();
    assert_eq!(lines.len(), 20);
    assert!(lines.iter().all(|line| line.len() == 60));
    assert!(lines[10].contains("@@@@@@"), "{}", lines[10]);
}

#[tokio::test]
async fn first_program_runs_by_itself_and_through_the_small_client() {
    let mut program = Programs::new().file("examples/first.py").await;
    program.until_printed("your name? ").await;
    program.stdin("Ann\n").await;
    program.ends_well().await;
    let wanted = "What is your name? Hello, Ann!\n3\n2\n1\nLift-off!\n";
    assert_eq!(program.stdout, wanted);

    let server: TestServer = Programs::new().server();
    let output = small_client(&server, "examples/first.py", "Ben\n").await;
    assert_eq!(output, wanted.replace("Ann", "Ben"));
}

/// What `examples/client.py` prints for this program.
async fn small_client(server: &TestServer, program: &str, input: &str) -> String {
    use tokio::io::AsyncWriteExt as _;
    let mut client = tokio::process::Command::new(venv().join("bin/python3"))
        .args(["examples/client.py", program])
        .arg(format!("ws://127.0.0.1:{}", server.port))
        .current_dir(server.work_dir())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    let output =
        tokio::time::timeout(further_link_testkit::DEADLINE, client.wait_with_output()).await;
    let output = output.expect("the client ends").unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

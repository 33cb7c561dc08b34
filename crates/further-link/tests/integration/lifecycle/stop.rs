//! The end of programs: what they are granted, and that nothing is left of them. Everything in both
//! ways in which a program is held together with what it starts.

use further_link_testkit::{
    Client, TestServer, descendants_of, is_alive, names_in, processes_with, unique, wait_for,
};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

macro_rules! in_both_modes {
    ($($name:ident),* $(,)?) => {
        mod cgroup {
            $(#[tokio::test] async fn $name() { super::$name("auto").await })*
        }
        mod supervisor {
            $(#[tokio::test] async fn $name() { super::$name("off").await })*
        }
    };
}

in_both_modes!(
    program_that_cleans_up_is_waited_for,
    program_that_does_not_is_killed_after_the_grace_time,
    grace_time_is_a_setting,
    interactive_shell_ends_at_once,
    what_a_shell_runs_may_clean_up_first,
    what_a_shell_goes_on_with_is_ended_too,
    stopped_programs_end,
    daemons_end_with_their_program,
    what_a_program_leaves_behind_ends,
    all_of_a_large_tree_ends,
    program_that_forks_for_ever_ends,
    closed_socket_ends_everything,
    killed_server_leaves_nothing,
    killed_spawner_ends_the_server,
);

fn server(mode: &str, grace: &str) -> TestServer {
    TestServer::start(&[
        "--set",
        &format!("run.cgroup={mode}"),
        "--stop-grace",
        grace,
    ])
}

/// Long enough that nobody waits for it by mistake.
const LONG_GRACE: &str = "60";

/// Python that has said that it is up and ends when told to, after `seconds`.
fn cleaning(seconds: f32, marker: &Path) -> String {
    format!(
        "import os, signal, time, sys\ndef end(*_):\n  \
         os.write(1, b'cleaning\\n'); time.sleep({seconds})\n  \
         open({marker:?}, 'w'); sys.exit(5)\nsignal.signal(signal.SIGTERM, end)\nprint('u' + 'p')\n\
         while True: signal.pause()"
    )
}

const DEAF: &str = "import signal\nfor n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): \
                    signal.signal(n, signal.SIG_IGN)\nprint('up')\nwhile True: signal.pause()";

/// Nothing runs for clients of this server any more.
fn nothing_runs(server: &TestServer) {
    assert_eq!(descendants_of(server.spawner_pid()), [0; 0]);
}

/// The cgroups that the spawner with this process id has made.
fn cgroups_of(spawner: i32) -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let roots = mounts.lines().filter(|line| line.contains(" - cgroup2 "));
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap_or_default();
    roots
        .map(|line| Path::new(line.split(' ').nth(4).unwrap()).join(own))
        .map(|parent| parent.join(format!("further-link.{spawner}")))
        .filter(|path| path.exists())
        .collect()
}

async fn program_that_cleans_up_is_waited_for(mode: &str) {
    let server = server(mode, "2");
    let mut client = server.connect("/run").await;
    let marker = server.folder.path().join("marker");
    client
        .start("robot", "python3", &cleaning(1.0, &marker))
        .await;
    client.read_until("up\n").await;
    client.stop("robot").await;
    let finished = client.finish().await;
    assert_eq!(
        (finished.stdout.as_str(), finished.exit_code),
        ("cleaning\n", 5)
    );
    assert!(marker.exists());
    nothing_runs(&server);
}

/// Stops a program that will not end, and returns how long that took.
async fn stop_the_deaf(server: &TestServer) -> Duration {
    let mut client = server.connect("/run").await;
    client.start("deaf", "python3", DEAF).await;
    client.read_until("up\n").await;
    let asked = Instant::now();
    client.stop("deaf").await;
    assert_eq!(client.finish().await.exit_code, -9);
    asked.elapsed()
}

async fn program_that_does_not_is_killed_after_the_grace_time(mode: &str) {
    let server = TestServer::start(&["--set", &format!("run.cgroup={mode}")]);
    let taken = stop_the_deaf(&server).await;
    assert!((2.0..4.0).contains(&taken.as_secs_f32()), "{taken:?}");
    nothing_runs(&server);
}

async fn grace_time_is_a_setting(mode: &str) {
    let server = server(mode, "0.3");
    let taken = stop_the_deaf(&server).await;
    assert!((0.3..2.0).contains(&taken.as_secs_f32()), "{taken:?}");
}

async fn interactive_shell_ends_at_once(mode: &str) {
    let server = server(mode, LONG_GRACE);
    let mut client = server.connect("/run?pty=1").await;
    client.start_data("sh", json!({"runner": "shell"})).await;
    client.stdin("sh", "echo re''ady\n").await;
    client.read_until("ready").await;
    client.stop("sh").await;
    client.until("stopped").await;
    // With something in the foreground, and something in the background.
    client.start_data("sh", json!({"runner": "shell"})).await;
    client
        .stdin(
            "sh",
            "sleep 1000 & sh -c 'echo re\"\"ady; exec sleep 1000'\n",
        )
        .await;
    client.read_until("ready").await;
    client.stop("sh").await;
    client.until("stopped").await;
    nothing_runs(&server);
}

/// A shell ignores SIGTERM and starts the next program: a line that was typed ahead, another turn
/// of a loop.
async fn what_a_shell_goes_on_with_is_ended_too(mode: &str) {
    let server = server(mode, LONG_GRACE);
    for typed in [
        "echo u\"\"p; sleep 1000\nsleep 2000\nsleep 3000\n",
        "echo u\"\"p; for n in 1 2 3 4; do sleep 1000; done\n",
    ] {
        let mut client = server.connect("/run?pty=1").await;
        client.start_data("sh", json!({"runner": "shell"})).await;
        client.stdin("sh", typed).await;
        client.read_until("up").await;
        client.stop("sh").await;
        client.finish().await;
        nothing_runs(&server);
    }
}

async fn what_a_shell_runs_may_clean_up_first(mode: &str) {
    let server = server(mode, "20");
    let mut client = server.connect("/run?pty=1").await;
    let marker = server.folder.path().join("marker");
    further_link_testkit::write_file(&server.work_dir().join("robot.py"), &cleaning(0.5, &marker));
    client.start_data("sh", json!({"runner": "shell"})).await;
    client.stdin("sh", "python3 robot.py\n").await;
    client.read_until("up").await;
    client.stop("sh").await;
    let finished = client.finish().await;
    assert!(marker.exists(), "{finished:?}");
    nothing_runs(&server);
}

async fn stopped_programs_end(mode: &str) {
    let server = server(mode, LONG_GRACE);
    let mut client = server.connect("/run").await;
    let code =
        "import os, signal; print(os.getpid()); os.kill(os.getpid(), signal.SIGSTOP); print()";
    client.start("1", "python3", code).await;
    let pid = client.read_until("\n").await;
    let status = format!("/proc/{}/stat", pid.trim());
    wait_for("it is stopped", || {
        std::fs::read_to_string(&status).is_ok_and(|stat| stat.contains(") T "))
    });
    client.stop("1").await;
    assert_eq!(client.until("stopped").await["data"]["exitCode"], -15);
}

/// Python that starts a daemon: a session of its own, and nobody who is its parent. It hears
/// nothing, and holds none of the program's streams. It runs when `up` is printed.
fn daemon(word: &str) -> String {
    let script = r#"
import os, signal, subprocess, sys
for n in (signal.SIGTERM, signal.SIGHUP): signal.signal(n, signal.SIG_IGN)
read, write = os.pipe()
if not os.fork():
  os.setsid()
  if not os.fork():
    null = os.open('/dev/null', os.O_RDWR)
    for n in range(3): os.dup2(null, n)
    os.set_inheritable(write, True)
    os.execvp('sh', ['sh', '-c', f'echo >&{write}; exec {write}>&-; sleep 1000; :', 'WORD'])
  os._exit(0)
os.close(write); os.read(read, 1); os.wait()
for n in (signal.SIGTERM, signal.SIGHUP): signal.signal(n, signal.SIG_DFL)
print('up')
"#;
    script.replace("WORD", word)
}

async fn daemons_end_with_their_program(mode: &str) {
    let server = server(mode, "0.3");
    let mut client = server.connect("/run").await;
    let word = unique("daemon");
    client
        .start("1", "python3", &(daemon(&word) + "signal.pause()"))
        .await;
    client.read_until("up\n").await;
    wait_for("they are seen", || !processes_with(&word).is_empty());
    client.stop("1").await;
    assert_eq!(client.finish().await.exit_code, -15);
    assert_eq!(processes_with(&word), [0; 0]);
    nothing_runs(&server);
}

async fn what_a_program_leaves_behind_ends(mode: &str) {
    let server = server(mode, "0.3");
    let mut client = server.connect("/run").await;
    let word = unique("behind");
    let code = format!(
        "{}subprocess.Popen(['sh', '-c', 'sleep 1000; :', {word:?}])\nsys.exit(7)",
        daemon(&word)
    );
    let finished = client.run(json!({"runner": "python3", "code": code})).await;
    assert_eq!((finished.stdout.as_str(), finished.exit_code), ("up\n", 7));
    assert_eq!(processes_with(&word), [0; 0]);
    nothing_runs(&server);
    assert_eq!(names_in(&server.temp_dir()), [""; 0]);
}

async fn all_of_a_large_tree_ends(mode: &str) {
    let server = server(mode, "0.3");
    let mut client = server.connect("/run").await;
    let code = "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
                for _ in range(3):\n  for _ in range(6):\n    if not os.fork(): break\n  \
                else: continue\n  os.setsid()\nsignal.pause()";
    client.start("tree", "python3", code).await;
    client.expect("started").await;
    let spawner = server.spawner_pid();
    wait_for("the tree is large", || descendants_of(spawner).len() >= 200);
    client.stop("tree").await;
    assert_eq!(client.finish().await.exit_code, -9);
    nothing_runs(&server);
}

async fn program_that_forks_for_ever_ends(mode: &str) {
    let server = server(mode, "0.1");
    let mut client = server.connect("/run").await;
    // Each lives only until it has made the next. There is an end, in case this test fails.
    let code = "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up')\n\
                for _ in range(100_000):\n  if os.fork(): os._exit(0)";
    client.start("1", "python3", code).await;
    client.read_until("up\n").await;
    client.stop("1").await;
    client.finish().await;
    nothing_runs(&server);
}

async fn closed_socket_ends_everything(mode: &str) {
    let server = server(mode, "0.3");
    let word = unique("closed");
    let marker = server.folder.path().join("marker");
    for properly in [true, false] {
        let mut client: Client = server.connect("/run").await;
        client
            .start("daemon", "python3", &(daemon(&word) + "signal.pause()"))
            .await;
        client.read_until("up\n").await;
        client
            .start("clean", "python3", &cleaning(0.0, &marker))
            .await;
        client.read_until("up\n").await;
        client.start("deaf", "python3", DEAF).await;
        client.read_until("up\n").await;
        wait_for("they are seen", || !processes_with(&word).is_empty());
        if properly {
            client.socket.close(None).await.unwrap();
        }
        drop(client);
        let spawner = server.spawner_pid();
        wait_for("all have ended", || descendants_of(spawner).is_empty());
        assert_eq!(processes_with(&word), [0; 0]);
        assert!(marker.exists(), "SIGTERM came first");
        std::fs::remove_file(&marker).unwrap();
        wait_for("all code is gone", || {
            names_in(&server.temp_dir()).is_empty()
        });
    }
}

async fn killed_server_leaves_nothing(mode: &str) {
    let mut server = TestServer::start(&["--set", &format!("run.cgroup={mode}")]);
    let word = unique("orphan");
    let mut client = server.connect("/run").await;
    let mut terminal = server.connect("/run?pty=1").await;
    let data = json!({"runner": "python3", "code": DEAF, "path": "project"});
    client.start_data("deaf", data).await;
    client.read_until("up\n").await;
    client
        .start("daemon", "python3", &(daemon(&word) + "signal.pause()"))
        .await;
    client.read_until("up\n").await;
    terminal.start_data("sh", json!({"runner": "shell"})).await;
    terminal
        .stdin("sh", "sh -c 'echo re\"\"ady; exec sleep 1000'\n")
        .await;
    terminal.read_until("ready").await;
    wait_for("they are seen", || !processes_with(&word).is_empty());
    let spawner = server.spawner_pid();
    let mut all = descendants_of(spawner);
    assert!(all.len() >= 4, "{all:?}");
    all.push(spawner);
    assert_eq!(
        cgroups_of(spawner).is_empty(),
        mode == "off" || !has_cgroups().await
    );

    let killed = Instant::now();
    server.signal("KILL");
    wait_for("all have ended", || all.iter().all(|pid| !is_alive(*pid)));
    let taken = killed.elapsed();
    assert!(taken < Duration::from_secs(1), "{taken:?}");
    assert_eq!(processes_with(&word), [0; 0]);
    assert_eq!(names_in(&server.temp_dir()), [""; 0]);
    assert_eq!(names_in(&server.work_dir()), ["project"]);
    assert_eq!(names_in(&server.work_dir().join("project")), [""; 0]);
    assert_eq!(cgroups_of(spawner), [""; 0].map(PathBuf::from));
    server.wait();
}

/// Whether the server can use cgroups here at all.
async fn has_cgroups() -> bool {
    let server = server("auto", "1");
    // The server may be ready before its spawner has made a cgroup, which it does before any job.
    let mut client = server.connect("/run").await;
    client.start("deaf", "python3", DEAF).await;
    client.read_until("up\n").await;
    !cgroups_of(server.spawner_pid()).is_empty()
}

async fn killed_spawner_ends_the_server(mode: &str) {
    let mut server = server(mode, "1");
    let mut client = server.connect("/run").await;
    client.start("deaf", "python3", DEAF).await;
    client.read_until("up\n").await;
    let spawner = server.spawner_pid();
    let all = descendants_of(spawner);
    let word = unique("daemon");
    let daemon =
        format!("#!/bin/sh\n(setsid sh -c 'sleep 1000; : {word}' &)\necho up; sleep 1000\n");
    client.start("daemon", "exec", &daemon).await;
    client.read_until("up\n").await;
    wait_for("the daemon runs", || !processes_with(&word).is_empty());
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(spawner),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    wait_for("its programs have ended", || {
        all.iter().all(|pid| !is_alive(*pid))
    });
    if mode == "off" {
        // A supervisor sees to that; a cgroup waits for the next server.
        wait_for("the daemon has ended", || processes_with(&word).is_empty());
    }
    let status = server.wait();
    assert_eq!(status.code(), Some(1), "{}", server.log());
    assert!(
        server.log().contains("(the spawner) has ended"),
        "{}",
        server.log()
    );
    // What it could not remove any more, the next one does.
    let next = TestServer::start(&["--set", &format!("run.cgroup={mode}")]);
    next.connect("/run").await.answers().await;
    if mode == "auto" {
        wait_for("its cgroups are gone", || cgroups_of(spawner).is_empty());
        assert_eq!(processes_with(&word), [0; 0]);
    }
}

#[tokio::test]
async fn cgroup_that_somebody_removed_is_made_again() {
    let server = server("auto", "1");
    let mut client = server.connect("/run").await;
    let data = json!({"runner": "exec", "code": "#!/bin/echo again\n"});
    // The spawner is ready once it has run something.
    client.run(data.clone()).await;
    for cgroup in cgroups_of(server.spawner_pid()) {
        wait_for("the cgroup can be removed", || {
            std::fs::remove_dir(&cgroup).is_ok()
        });
    }
    let finished = client.run(data).await;
    assert!(finished.stdout.starts_with("again"), "{finished:?}");
}

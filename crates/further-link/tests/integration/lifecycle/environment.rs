//! What a program finds when it starts, and how its end is told.

use further_link_testkit::{Client, TestServer, wrap};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Both ways in which a program is held together with what it starts.
const MODES: [&str; 2] = ["run.cgroup=auto", "run.cgroup=off"];

async fn python(client: &mut Client, code: &str) -> String {
    let finished = client.run(json!({"runner": "python3", "code": code})).await;
    assert_eq!((finished.exit_code, finished.stderr.as_str()), (0, ""));
    finished.stdout
}

/// The environment that the program was executed with, before anything in it adds to that.
async fn environment(client: &mut Client, runner: &str) -> BTreeMap<String, String> {
    let code = "#!/usr/bin/env python3\nprint(open('/proc/self/environ').read(), end='')";
    let finished = client.run(json!({"runner": runner, "code": code})).await;
    assert_eq!((finished.exit_code, finished.stderr.as_str()), (0, ""));
    let pairs = finished.stdout.split_terminator('\0').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    let variables: BTreeMap<_, _> = pairs.clone().collect();
    assert_eq!(variables.len(), pairs.count(), "no variable is there twice");
    variables
}

#[tokio::test]
async fn environment_is_that_of_the_account_and_nothing_of_the_servers() {
    let account = nix::unistd::User::from_uid(nix::unistd::Uid::effective())
        .unwrap()
        .unwrap();
    let server = TestServer::start_with(
        &[
            "--set",
            "run.environment={ROBOT = \"r2\", LANG = \"C.UTF-8\"}",
            "--set",
            "run.pass_environment=[\"PASSED\"]",
        ],
        |command| {
            command
                .env("SECRET", "of the server")
                .env("FURTHER_LINK_DEBUG", "0")
                .env("LD_LIBRARY_PATH", "/nowhere")
                .env("PASSED", "on")
                .env("LANG", "de_DE.UTF-8")
                .env("TZ", "Europe/Berlin")
                .env("LC_TIME", "C")
                .env_remove("LANGUAGE")
                .env_remove("LC_ALL")
                .env_remove("LC_CTYPE")
                .env("PATH", "/usr/local/bin:/usr/bin:/bin")
                .env("USER", "wrong")
                .env("SHELL", "/wrong")
                .env("TERM", "wrong")
                .env("PWD", "/wrong")
                .env("DISPLAY", ":77");
        },
    );
    let folder = server.temp_dir();
    let (home, shell) = (
        account.dir.to_str().unwrap(),
        account.shell.to_str().unwrap(),
    );
    let mut expected: BTreeMap<String, String> = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("TZ", "Europe/Berlin"),
        ("LC_TIME", "C"),
        ("PASSED", "on"),
        ("ROBOT", "r2"),
        ("TERM", "xterm-256color"),
        ("USER", &account.name),
        ("LOGNAME", &account.name),
        ("HOME", home),
        ("SHELL", shell),
        ("PWD", folder.to_str().unwrap()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let runtime = format!("/run/user/{}", account.uid);
    if Path::new(&runtime).is_dir() {
        expected.insert("XDG_RUNTIME_DIR".to_owned(), runtime);
    }
    let displays = further_link_testkit::names_in(Path::new("/tmp/.X11-unix"));
    let numbers = displays
        .iter()
        .filter_map(|name| name.strip_prefix('X')?.parse::<u32>().ok());
    if let Some(first) = numbers.min() {
        expected.insert("DISPLAY".to_owned(), format!(":{first}"));
    }
    for query in ["", "?pty=1"] {
        let mut client = server.connect(&format!("/run{query}")).await;
        for runner in ["python3", "exec"] {
            let mut found = environment(&mut client, runner).await;
            let private = found.remove("FURTHER_LINK_TEMP_DIR").unwrap();
            assert!(private.starts_with("/dev/shm/further-link-"), "{private}");
            assert!(!Path::new(&private).exists(), "{private}");
            let channel = found.remove("FURTHER_LINK_CHANNEL");
            assert_eq!(channel, Some(format!("{private}/channel.sock")));
            let package = found.remove("PYTHONPATH").unwrap();
            let state = server.folder.path().join("state/python");
            assert!(Path::new(&package).starts_with(state), "{package}");
            assert_eq!(found, expected, "{runner}{query}");
        }
    }
}

#[tokio::test]
async fn virtual_environment_is_entered_by_python_alone() {
    let folder = further_link_testkit::TempDir::create();
    let venv = folder.path().join("venv");
    let python = venv.join("bin/python3");
    further_link_testkit::write_file(
        &python,
        "#!/bin/sh\nexec /usr/bin/env -u MARK MARK=1 /usr/bin/python3 \"$@\"\n",
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&python, mode).unwrap();
    let start = |venv: &Path| {
        let venv = venv.to_owned();
        TestServer::start_with(&[], move |command| {
            command.env("FURTHER_VENV", venv);
            command.env("PATH", "/usr/bin:/bin");
        })
    };
    let server = start(&venv);
    let mut client = server.connect("/run").await;
    let inside = environment(&mut client, "python3").await;
    assert_eq!(inside["MARK"], "1", "its python3 is the one that runs");
    assert_eq!(inside["VIRTUAL_ENV"], venv.to_str().unwrap());
    assert_eq!(
        inside["PATH"],
        format!("{}/bin:/usr/bin:/bin", venv.display())
    );
    let outside = environment(&mut client, "exec").await;
    assert_eq!(outside.get("VIRTUAL_ENV"), None);
    assert_eq!(outside["PATH"], "/usr/bin:/bin");

    std::fs::remove_file(&python).unwrap();
    let server = start(&venv);
    let mut client = server.connect("/run").await;
    let without = environment(&mut client, "python3").await;
    assert_eq!(
        (without.get("VIRTUAL_ENV"), without["PATH"].as_str()),
        (None, "/usr/bin:/bin")
    );
}

#[tokio::test]
async fn signals_are_as_in_a_fresh_login_whatever_the_server_was_given() {
    for mode in MODES {
        let server = TestServer::start_with(&["--set", mode], |command| {
            let ignored = "trap '' INT QUIT HUP USR1 TSTP TTIN TTOU CHLD; exec \"$@\"";
            wrap(command, &["sh", "-c", ignored, "sh"]);
        });
        for query in ["", "?pty=1"] {
            let mut client = server.connect(&format!("/run{query}")).await;
            let code = "#!/bin/sh\nexec grep -E '^Sig(Blk|Ign|Pnd)' /proc/self/status";
            let told = client
                .run(json!({"runner": "exec", "code": code}))
                .await
                .stdout;
            assert_eq!(told.lines().count(), 3, "{told}");
            for line in told.lines() {
                assert!(
                    line.trim_end().ends_with("\t0000000000000000"),
                    "{line} in {mode}"
                );
            }
            let code = "import signal; print(signal.getsignal(signal.SIGINT).__name__)";
            assert_eq!(
                python(&mut client, code).await.trim_end(),
                "default_int_handler"
            );
        }
    }
}

#[tokio::test]
async fn program_inherits_no_descriptors() {
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let mut others = server.connect("/run").await;
        for index in 0..4 {
            others.start(&index.to_string(), "python3", "input()").await;
            others.expect("started").await;
        }
        for query in ["", "?pty=1"] {
            let mut client = server.connect(&format!("/run{query}")).await;
            // The third beside the three streams is the folder that is being listed.
            let code = "#!/bin/sh\nexec ls /proc/self/fd";
            let told = client
                .run(json!({"runner": "exec", "code": code}))
                .await
                .stdout;
            let names: Vec<_> = told.split_whitespace().collect();
            assert_eq!(names, ["0", "1", "2", "3"], "{mode}{query}");
        }
    }
}

#[tokio::test]
async fn program_has_a_session_and_a_group_of_its_own() {
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        for query in ["", "?pty=1"] {
            let mut client = server.connect(&format!("/run{query}")).await;
            let code =
                "import os; print(os.getpid() == os.getsid(0) == os.getpgid(0), os.umask(0))";
            assert_eq!(
                python(&mut client, code).await.trim_end(),
                "True 18",
                "{mode}{query}"
            );
        }
    }
}

#[tokio::test]
async fn umask_and_limits_are_not_the_servers() {
    for mode in MODES {
        let server = TestServer::start_with(&["--set", mode], |command| {
            wrap(
                command,
                &["sh", "-c", "umask 077; ulimit -S -n 400; exec \"$@\"", "sh"],
            );
        });
        let mut client = server.connect("/run").await;
        let code = "#!/bin/sh\numask; ulimit -S -n";
        let told = client
            .run(json!({"runner": "exec", "code": code}))
            .await
            .stdout;
        assert_eq!(told, "0022\n400\n", "{mode}");
        // What the server needs for many clients, it takes for itself alone.
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .unwrap();
        assert!(!files.contains(" 400 "), "{files}");
    }
}

#[tokio::test]
async fn exit_code_is_the_programs() {
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        for query in ["", "?pty=1"] {
            let mut client = server.connect(&format!("/run{query}")).await;
            for code in [0, 1, 7, 127, 255] {
                let data = json!({"runner": "exec", "code": format!("#!/bin/sh\nexit {code}")});
                assert_eq!(client.run(data).await.exit_code, code, "{mode}{query}");
            }
            let data = json!({"runner": "python3", "code": "1/0"});
            let finished = client.run(data).await;
            assert_eq!(finished.exit_code, 1);
            assert!((finished.stdout + &finished.stderr).contains("ZeroDivisionError"));
        }
    }
}

#[tokio::test]
async fn signals_number_is_told_negative() {
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let mut client = server.connect("/run").await;
        for signal in [1, 2, 6, 9, 11, 13, 15, 34, 64] {
            let code = format!(
                "#!/bin/sh\nulimit -c 0; exec python3 -c 'import os, signal\n\
                 signal.signal({signal}, signal.SIG_DFL) if {signal} != 9 else 0\n\
                 os.kill(os.getpid(), {signal})'"
            );
            let finished = client.run(json!({"runner": "exec", "code": code})).await;
            assert_eq!(
                (finished.exit_code, finished.stderr.as_str()),
                (-signal, ""),
                "{mode}"
            );
        }
        // The shell's way, as people write it.
        let data = json!({"runner": "exec", "code": "#!/bin/bash\nkill -34 $$"});
        assert_eq!(client.run(data).await.exit_code, -34, "{mode}");
    }
}

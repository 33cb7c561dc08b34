//! Where programs are started: code, files and folders; and starts that fail.

use further_link_testkit::{TestServer, names_in, write_file};
use serde_json::json;
use std::path::Path;

/// Tells where it is: the working directory, then the file.
const WHERE: &str = "import os, sys; print(os.getcwd()); print(sys.argv[0]); \
                     print(os.listdir(os.path.dirname(sys.argv[0])))";
const WHERE_EXEC: &str = "#!/bin/sh\npwd; echo $0; ls \"$(dirname \"$0\")\"\n";

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[tokio::test]
async fn code_without_a_folder_runs_in_the_temp_folder_and_is_gone_afterwards() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let temp = server.temp_dir();
    let mut names = Vec::new();
    for (runner, code) in [("python3", WHERE), ("exec", WHERE_EXEC), ("python3", WHERE)] {
        let finished = client.run(json!({"runner": runner, "code": code})).await;
        assert_eq!((finished.exit_code, finished.stderr.as_str()), (0, ""));
        let lines = lines(&finished.stdout);
        assert_eq!(Path::new(lines[0]), temp);
        let file = Path::new(lines[1]);
        // In a folder of its own, where nobody else can put a module beside it.
        let private = file.parent().unwrap();
        assert_eq!(private.parent(), Some(temp.as_path()));
        assert!(
            private
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("further-link-"),
            "{private:?}"
        );
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            lines[2..].iter().any(|line| line.contains(&name)),
            "{lines:?}"
        );
        assert_eq!(name.ends_with(".py"), runner == "python3");
        names.push(name);
        assert_eq!(names_in(&temp), [""; 0]);
    }
    names.dedup();
    assert_eq!(names.len(), 3, "each has a name of its own: {names:?}");
}

#[tokio::test]
async fn what_others_put_into_the_temp_folder_is_not_imported() {
    let server = TestServer::start(&[]);
    let planted = server.temp_dir().join("colorsys.py");
    std::fs::write(planted, "print('planted')").unwrap();
    let mut client = server.connect("/run").await;
    let code = "import colorsys; print(colorsys.rgb_to_hsv(0, 0, 0))";
    let data = json!({"runner": "python3", "code": code});
    let finished = client.run(data).await;
    assert_eq!(finished.stdout, "(0.0, 0.0, 0)\n", "{finished:?}");
}

#[tokio::test]
async fn what_is_no_program_stays_as_it_was() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = TestServer::start(&[]);
    let data = server.folder.path().join("data.csv");
    std::fs::write(&data, "1,2,3").unwrap();
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&data, mode(0o640)).unwrap();
    let mut client = server.connect("/run").await;
    let start = json!({"runner": "exec", "path": data});
    client
        .send(json!({"type": "start", "process": "1", "data": start}))
        .await;
    client.expect("error").await;
    let found = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(found & 0o7777, 0o640);
}

#[tokio::test]
async fn code_runs_in_the_folder_that_is_made_for_it() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let absolute = server.folder.path().join("made/for this/ü");
    let below = server.work_dir().join("a/b");
    for (path, folder) in [
        (absolute.to_str().unwrap(), &absolute),
        ("a/b", &below),
        ("./a/../a/b/", &below),
    ] {
        for (runner, code) in [("python3", WHERE), ("exec", WHERE_EXEC)] {
            let data = json!({"runner": runner, "code": code, "path": path,
                              "directoryName": "ignored"});
            let finished = client.run(data).await;
            assert_eq!((finished.exit_code, finished.stderr.as_str()), (0, ""));
            let told = std::fs::canonicalize(lines(&finished.stdout)[0]).unwrap();
            assert_eq!(told, *folder);
            assert_eq!(
                names_in(folder),
                [""; 0],
                "the folder stays, the code does not"
            );
        }
    }
    assert_eq!(names_in(&server.work_dir()), ["a"]);
}

#[tokio::test]
async fn empty_code_is_code() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let finished = client.run(json!({"runner": "python3", "code": ""})).await;
    assert_eq!(finished, further_link_testkit::Finished::default());
}

#[tokio::test]
async fn code_arrives_as_it_was_sent() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let long = "x".repeat(3_000_000);
    let code = format!("text = '€\t\\x00{long}'\r\nprint(len(text), text[:2])");
    let finished = client.run(json!({"runner": "python3", "code": code})).await;
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str()),
        ("3000003 €\t\n", "")
    );
}

#[tokio::test]
async fn files_run_in_their_own_folder_and_stay() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let folder = server.work_dir().join("my project");
    let (python, script) = (folder.join("main.py"), folder.join("run me"));
    write_file(&python, WHERE);
    write_file(&script, WHERE_EXEC);
    for (runner, file, name) in [("python3", &python, "main.py"), ("exec", &script, "run me")] {
        for path in [file.to_str().unwrap(), &format!("my project/{name}")] {
            let finished = client.run(json!({"runner": runner, "path": path})).await;
            assert_eq!((finished.exit_code, finished.stderr.as_str()), (0, ""));
            let lines = lines(&finished.stdout);
            assert_eq!(
                (Path::new(lines[0]), Path::new(lines[1])),
                (&*folder, &**file)
            );
        }
    }
    assert_eq!(names_in(&folder), ["main.py", "run me"]);
    assert_eq!(std::fs::read_to_string(&script).unwrap(), WHERE_EXEC);
}

#[tokio::test]
async fn any_binary_can_be_executed() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let finished = client
        .run(json!({"runner": "exec", "path": "/bin/pwd"}))
        .await;
    let folder = std::fs::canonicalize("/bin").unwrap();
    let told = std::fs::canonicalize(finished.stdout.trim_end()).unwrap();
    assert_eq!((told, finished.exit_code), (folder, 0));
}

#[tokio::test]
async fn shell_starts_in_its_folder() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    std::fs::create_dir_all(server.work_dir().join("there")).unwrap();
    let shell = nix::unistd::User::from_uid(nix::unistd::Uid::effective())
        .unwrap()
        .unwrap()
        .shell;
    for (data, folder) in [
        (json!({"runner": "shell"}), server.work_dir()),
        (
            json!({"runner": "shell", "path": "there"}),
            server.work_dir().join("there"),
        ),
        (
            json!({"runner": "shell", "path": "/usr/share"}),
            Path::new("/usr/share").to_owned(),
        ),
        (
            json!({"runner": "shell", "code": "exit 9"}),
            server.work_dir(),
        ),
    ] {
        client.start_data("1", data).await;
        client
            .stdin("1", "pwd; readlink /proc/$$/exe; exit 4\n")
            .await;
        let finished = client.finish().await;
        let lines = lines(&finished.stdout);
        assert_eq!((Path::new(lines[0]), finished.exit_code), (&*folder, 4));
        assert_eq!(Path::new(lines[1]), std::fs::canonicalize(&shell).unwrap());
    }
}

#[tokio::test]
async fn code_is_removed_even_if_its_folder_was_moved() {
    for mode in ["auto", "off"] {
        let server = TestServer::start(&["--set", &format!("run.cgroup={mode}")]);
        let mut client = server.connect("/run").await;
        let code = "import os; os.rename('../here', '../there'); os.mkdir('../here')
name = os.path.basename(__file__); open('../here/' + name, 'w'); print(name)";
        let data = json!({"runner": "python3", "code": code, "path": "here"});
        let finished = client.run(data).await;
        assert_eq!(finished.stderr, "");
        assert_eq!(names_in(&server.work_dir().join("there")), [""; 0]);
        // What the program has made under that name elsewhere is its own.
        assert_eq!(
            names_in(&server.work_dir().join("here")),
            [finished.stdout.trim()]
        );
    }
}

#[tokio::test]
async fn code_is_removed_when_it_is_stopped_or_its_client_leaves() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let up = "import signal; print('up'); signal.pause()";
    client.start("1", "python3", up).await;
    client.read_until("up\n").await;
    assert_eq!(names_in(&server.temp_dir()).len(), 1);
    client.stop("1").await;
    client.expect("stopped").await;
    assert_eq!(names_in(&server.temp_dir()), [""; 0]);
    client.start("1", "python3", up).await;
    client.read_until("up\n").await;
    drop(client);
    further_link_testkit::wait_for("the code is gone", || {
        names_in(&server.temp_dir()).is_empty()
    });
}

#[tokio::test]
async fn compilers_get_a_private_folder_that_is_removed() {
    let row = r#"
        [[runner]]
        name = "private"
        title = "Leaves much behind"
        command = ["sh", "-c", 'cd "$1" && mkdir -p a/b && ln -s / a/root && touch a/b/c && stat -c %a . && cat "$0"', "{file}", "{temp}"]
        requires = ["sh"]
    "#;
    for mode in ["auto", "off"] {
        let folder = further_link_testkit::TempDir::create();
        let config = folder.path().join("rows.toml");
        std::fs::write(&config, row).unwrap();
        let server = TestServer::start(&[
            "--config",
            config.to_str().unwrap(),
            "--set",
            &format!("run.cgroup={mode}"),
        ]);
        let mut client = server.connect("/run").await;
        let finished = client
            .run(json!({"runner": "private", "code": "the code"}))
            .await;
        assert_eq!(
            (finished.stdout.as_str(), finished.stderr.as_str()),
            ("700\nthe code", "")
        );
        assert_eq!(names_in(&server.temp_dir()), [""; 0]);
    }
}

#[tokio::test]
async fn failed_starts_say_why() {
    for mode in ["auto", "off"] {
        let folder = further_link_testkit::TempDir::create();
        let config = folder.path().join("rows.toml");
        let row = "[[runner]]\nname = 'missing'\ntitle = 'Missing'\n\
                   command = ['no-such-program-here', '{file}']\n";
        std::fs::write(&config, row).unwrap();
        let server = TestServer::start(&[
            "--config",
            config.to_str().unwrap(),
            "--set",
            &format!("run.cgroup={mode}"),
        ]);
        let mut client = server.connect("/run").await;
        let work = server.work_dir();
        let place = |name: &str| work.join(name).to_str().unwrap().to_owned();
        write_file(&work.join("text"), "just some text\n");
        write_file(&work.join("lost"), "#!/no/such/interpreter\n");
        write_file(&work.join("folder/file"), "");
        let python = |path: &str| json!({"runner": "python3", "path": path});
        let exec = |path: &str| json!({"runner": "exec", "path": path});
        let nothing = "There is nothing to run: send code, or the path of a file.".to_owned();
        let no_file = |name: &str| format!("There is no file {}.", place(name));
        let is_folder = |name: &str| format!("{} is a folder, not a file to run.", place(name));
        let no_folder = |name: &str| format!("There is no folder {}.", place(name));
        let nul = "A path must not hold a NUL character.".to_owned();
        for (data, sentence) in [
            (json!({"runner": "python3"}), nothing.clone()),
            (json!({"runner": "exec", "path": ""}), nothing),
            (python("none.py"), no_file("none.py")),
            (python(&place("none.py")), no_file("none.py")),
            (python("no/folder/none.py"), no_file("no/folder/none.py")),
            (python("text/none.py"), no_file("text/none.py")),
            (exec("none"), no_file("none")),
            (python("folder"), is_folder("folder")),
            (exec("folder"), is_folder("folder")),
            (
                exec("text"),
                format!(
                    "{} cannot be executed: a script needs a first line such as \
                     #!/usr/bin/env python3.",
                    place("text")
                ),
            ),
            (
                exec("lost"),
                format!(
                    "{} cannot be executed: the interpreter named in its first line does not \
                     exist.",
                    place("lost")
                ),
            ),
            (
                json!({"runner": "shell", "path": "nowhere"}),
                no_folder("nowhere"),
            ),
            (
                json!({"runner": "shell", "path": "text"}),
                no_folder("text"),
            ),
            (
                json!({"runner": "python3", "code": "", "path": "text"}),
                no_folder("text"),
            ),
            (
                json!({"runner": "python3", "code": "", "path": "text/x"}),
                no_folder("text/x"),
            ),
            (python("a\0b"), nul.clone()),
            (
                json!({"runner": "python3", "code": "", "path": "a\0b"}),
                nul.clone(),
            ),
            (json!({"runner": "shell", "path": "\0"}), nul),
            (
                json!({"runner": "missing", "code": ""}),
                "no-such-program-here is not installed on this device.".to_owned(),
            ),
        ] {
            assert_eq!(
                client.refused(data.clone()).await,
                sentence,
                "{data}, cgroup {mode}"
            );
        }
        assert_eq!(names_in(&server.temp_dir()), [""; 0]);
        assert_eq!(names_in(&work), ["folder", "lost", "text"]);
        // Not even a folder that the code was to run in keeps it.
        for code in ["no first line", "", "#!/no/such/interpreter\n"] {
            let data = json!({"runner": "exec", "code": code, "path": "fresh"});
            let sentence = client.refused(data).await;
            assert!(sentence.contains(" cannot be executed: "), "{sentence}");
            assert_eq!(names_in(&work.join("fresh")), [""; 0]);
        }
        // The names and places are free again.
        client.start("refused", "python3", "print('up')").await;
        assert_eq!(client.finish().await.stdout, "up\n");
    }
}

#[tokio::test]
async fn path_that_is_too_long_fails_alone() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    for length in [300, 5_000, 200_000, 3_000_000] {
        let path = "x".repeat(length);
        for data in [
            json!({"runner": "python3", "path": path}),
            json!({"runner": "python3", "code": "", "path": path}),
            json!({"runner": "shell", "path": path}),
        ] {
            let sentence = client.refused(data).await;
            assert!(!sentence.is_empty());
        }
    }
    assert_eq!(
        client
            .run(json!({"runner": "python3", "code": "print(1)"}))
            .await
            .stdout,
        "1\n"
    );
    assert_eq!(names_in(&server.work_dir()), [""; 0]);
}

#[tokio::test]
async fn pipe_in_place_of_a_file_holds_nothing_up() {
    let server = TestServer::start(&[]);
    std::fs::create_dir_all(server.work_dir()).unwrap();
    let pipe = server.work_dir().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let mut client = server.connect("/run").await;
    client
        .start_data("stuck", json!({"runner": "python3", "path": "pipe"}))
        .await;
    client.start("other", "python3", "print('meanwhile')").await;
    client.read_until("meanwhile\n").await;
    client.stop("stuck").await;
    for _ in 0..2 {
        client.until("stopped").await;
    }
}

/// `start` says by itself what its program gets, whatever the connection says.
#[tokio::test]
async fn start_with_arguments_and_a_terminal_of_its_own() {
    let server = TestServer::start(&[]);
    let ask = "import os, sys; print(sys.argv[1:], os.isatty(0), os.isatty(0) and os.get_terminal_size())";
    for query in ["/run", "/run?pty=1"] {
        let mut client = server.connect(query).await;
        let words = ["--speed", "3", "", "two words", "ä", "$HOME", "-c"];
        let terminal = client
            .run(json!({"runner": "python3", "code": ask, "arguments": words, "pty": true, "rows": 31, "cols": 99}))
            .await;
        let shown = "['--speed', '3', '', 'two words', 'ä', '$HOME', '-c'] True os.terminal_size(columns=99, lines=31)\r\n";
        assert_eq!(terminal.stdout, shown);
        let pipes = client
            .run(json!({"runner": "python3", "code": ask, "pty": false, "rows": 31, "cols": 99}))
            .await;
        assert_eq!(pipes.stdout, "[] False False\n");
    }
    let mut client = server.connect("/run?features=start,hologram").await;
    let message = client
        .refused(json!({"runner": "python3", "code": ask, "arguments": ["a\0b"]}))
        .await;
    assert_eq!(message, "A command must not hold a NUL character.");
    for arguments in [vec!["x".repeat(65_537)], vec![String::new(); 1025]] {
        let message = client
            .refused(json!({"runner": "python3", "code": ask, "arguments": arguments}))
            .await;
        let sentence = "The arguments are too long: there may be 1024 of 65536 bytes in all.";
        assert_eq!(message, sentence);
    }
    // As much as the protocol permits is taken by the system, too.
    let longest = vec!["x".repeat(32 * 1024); 2];
    let counted = "import sys; print([len(word) for word in sys.argv[1:]])";
    let finished = client
        .run(json!({"runner": "python3", "code": counted, "arguments": longest}))
        .await;
    assert_eq!(finished.stdout, "[32768, 32768]\n");
    let many = vec!["y"; 1024];
    let counted = "import sys; print(len(sys.argv))";
    let finished = client
        .run(json!({"runner": "python3", "code": counted, "arguments": many}))
        .await;
    assert_eq!(finished.stdout, "1025\n");
}

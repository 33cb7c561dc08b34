//! The configuration through the real binary: where values come from, what is said about broken
//! ones, and that each variable of deployments has its effect.

use further_link_testkit::raw::{exchange, read_to_end};
use further_link_testkit::{TempDir, TestServer, server_command};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// `further-link config` with these variables and arguments and nothing else.
fn config(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_further-link"))
        .env_clear()
        .env("HOME", folder)
        .envs(variables.iter().copied())
        .current_dir(folder)
        .arg("config")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The same, which has to go well; as JSON.
fn settings(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Value {
    let arguments = [&["--json"], arguments].concat();
    let output = config(folder, variables, &arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What it says about a configuration that cannot be.
fn refusal(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let output = config(folder, variables, arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(output.stdout, b"");
    assert_eq!(text.lines().count(), 1, "one line says it all: {text}");
    text
}

#[test]
fn weight_of_the_sources() {
    let folder = TempDir::create();
    let folder = folder.path();
    let file = folder.join("my.toml");
    std::fs::write(&file, "[server]\nport = 1001\n[limits]\njobs = 7\n").unwrap();
    let name = file.to_str().unwrap();
    let port = |json: &Value| json["settings"]["server.port"].clone();

    let none = settings(folder, &[], &[]);
    assert_eq!(
        port(&none),
        json!({"value": 8028, "source": "default", "from": null})
    );
    assert_eq!(none["file"], Value::Null);

    let by_file = settings(folder, &[], &["--config", name]);
    assert_eq!(
        port(&by_file),
        json!({"value": 1001, "source": "file", "from": name})
    );
    assert_eq!(by_file["file"], name);
    assert_eq!(by_file["config_dir"], folder.to_str().unwrap());

    let variables = [("FURTHER_LINK_CONFIG", name), ("FURTHER_LINK_PORT", "1002")];
    let by_variable = settings(folder, &variables, &[]);
    assert_eq!(
        port(&by_variable),
        json!({"value": 1002, "source": "variable", "from": "FURTHER_LINK_PORT"})
    );
    assert_eq!(by_variable["settings"]["limits.jobs"]["from"], name);

    let by_set = settings(folder, &variables, &["--set", "server.port=1003"]);
    assert_eq!(
        port(&by_set),
        json!({"value": 1003, "source": "flag", "from": "--set"})
    );
    let by_flag = settings(
        folder,
        &variables,
        &["--port", "1004", "--set", "server.port=1003"],
    );
    assert_eq!(
        port(&by_flag),
        json!({"value": 1004, "source": "flag", "from": "--port"})
    );
    // An empty variable says nothing.
    let empty = settings(folder, &[("FURTHER_LINK_PORT", "")], &[]);
    assert_eq!(port(&empty)["source"], "default");

    // The file of the home is found by itself.
    let home = folder.join(".config/further-link");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("further-link.toml"), "server.port = 1005\n").unwrap();
    assert_eq!(port(&settings(folder, &[], &[]))["value"], 1005);
    // One that is named comes in its place, not on top of it.
    assert_eq!(
        port(&settings(folder, &[], &["--config", name]))["value"],
        1001
    );
}

#[test]
fn form_for_people_is_a_file_that_says_the_same() {
    let folder = TempDir::create();
    let folder = folder.path();
    let file = folder.join("my.toml");
    let text = "[server]\norigins = \"https://Further.pi-top.com\"\n[run.environment]\nLANG = \"C\"\n\
        [[runner]]\nname = \"upper\"\ncommand = [\"tr\", \"a-z\", \"{file}\"]\n";
    std::fs::write(&file, text).unwrap();
    let arguments = ["--config", "my.toml", "--stop-grace", "5", "--no-tls"];
    let variables = [("FURTHER_LINK_TEMP_DIR", "scratch")];
    let printed = config(folder, &variables, &arguments);
    let printed = String::from_utf8(printed.stdout).unwrap();
    let line = |start: &str| {
        printed
            .lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("{printed}"))
    };
    let name = file.to_str().unwrap();
    assert!(
        line("origins").ends_with(&format!("# from {name}")),
        "{printed}"
    );
    assert!(
        line("stop_grace").ends_with("# from --stop-grace"),
        "{printed}"
    );
    assert!(line("enabled").contains("= false"), "{printed}");
    assert!(
        line("temp_dir").ends_with("# from FURTHER_LINK_TEMP_DIR"),
        "{printed}"
    );
    assert!(line("jobs ").ends_with("# default"), "{printed}");

    let again = folder.join("again.toml");
    std::fs::write(&again, &printed).unwrap();
    let values = |json: Value| -> Vec<(String, Value)> {
        let settings = json["settings"].as_object().unwrap().clone();
        settings
            .into_iter()
            .map(|(key, entry)| (key, entry["value"].clone()))
            .collect()
    };
    let first = values(settings(folder, &variables, &arguments));
    let second = values(settings(folder, &[], &["--config", "again.toml"]));
    assert_eq!(first, second);
    let value = |key: &str| &first.iter().find(|(known, _)| known == key).unwrap().1;
    assert_eq!(
        value("server.origins"),
        &json!(["https://further.pi-top.com"])
    );
    assert_eq!(
        value("run.temp_dir"),
        folder.join("scratch").to_str().unwrap()
    );
}

#[test]
fn broken_files_are_refused_with_file_and_line() {
    let folder = TempDir::create();
    let folder = folder.path();
    let file = folder.join("my.toml");
    let cases = [
        ("[server]\nport = \n", "my.toml, line 2"),
        ("[server\n", "my.toml, line 1"),
        (
            "[server]\n\nport = 70000\n",
            "my.toml, line 3: server.port must be a whole number",
        ),
        ("[server]\nport = \"80\"\n", "my.toml, line 2: server.port"),
        (
            "[server]\nprot = 80\n",
            "unknown key `server.prot`; did you mean `server.port`?",
        ),
        (
            "[limits]\nport = 80\n",
            "unknown key `limits.port`; did you mean `server.port`?",
        ),
        (
            "[sever]\nport = 80\n",
            "my.toml, line 2: unknown key `sever.port`; did you mean `server.port`?",
        ),
        (
            "[serve]\n",
            "my.toml, line 1: unknown section `[serve]`; did you mean `server`?",
        ),
        ("[zebra]\nstripes = 80\n", "unknown key `zebra.stripes`\n"),
        ("[server]\nport = 1\nport = 2\n", "my.toml, line 3"),
        (
            "[server]\norigins = [\"https://a.example/path\"]\n",
            "my.toml, line 2: server.origins",
        ),
        (
            "[tls]\ncert = \"a.pem\"\n",
            "tls.cert is set, but tls.key is not",
        ),
        (
            "[[runner]]\nname = \"A B\"\ncommand = [\"x\"]\n",
            "runner: \"A B\": name must be",
        ),
        (
            "[[runner]]\nname = \"a\"\ncomand = [\"x\"]\n",
            "unknown key `comand`; did you mean `command`?",
        ),
        ("[log]\nlevel = \"loud\"\n", "my.toml, line 2: log.level"),
    ];
    for (text, wanted) in cases {
        std::fs::write(&file, text).unwrap();
        let said = refusal(folder, &[], &["--config", "my.toml"]);
        assert!(said.contains(wanted), "{text:?}: {said}");
    }
    std::fs::write(&file, b"[server]\nport = 80 # \xff\n").unwrap();
    assert!(refusal(folder, &[], &["--config", "my.toml"]).contains("my.toml"));
    let missing = refusal(folder, &[], &["--config", "missing.toml"]);
    assert!(
        missing.contains("missing.toml") && missing.contains("--config"),
        "{missing}"
    );

    let said = refusal(folder, &[("FURTHER_LINK_PORT", "eighty")], &[]);
    assert!(
        said.contains("FURTHER_LINK_PORT: server.port must be"),
        "{said}"
    );
    let said = refusal(folder, &[], &["--set", "limits.job=3"]);
    assert!(
        said.contains("unknown key `limits.job`; did you mean `limits.jobs`?"),
        "{said}"
    );
    let said = refusal(folder, &[], &["--port", "70000"]);
    assert!(said.contains("--port"), "{said}");

    // The server says the same and does not start.
    std::fs::write(&file, "[server]\nprot = 80\n").unwrap();
    let output = server_command(&TempDir::create())
        .args(["--config", file.to_str().unwrap()])
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("my.toml, line 2: unknown key `server.prot`"),
        "{said}"
    );
}

/// The server with these variables in place of those that tests usually set.
fn server_with(variables: &[(&str, &str)]) -> TestServer {
    TestServer::start_with(&[], |command| {
        command.envs(variables.iter().copied());
    })
}

/// What a Python program prints there.
async fn python(server: &TestServer, data: Value) -> String {
    let mut client = server.connect("/run").await;
    client
        .send(json!({"type": "start", "process": "1", "data": data}))
        .await;
    let finished = client.finish().await;
    assert_eq!(finished.exit_code, 0, "{finished:?}");
    finished.stdout
}

const WHERE: &str = "import os; print(os.getcwd())";

#[tokio::test]
async fn folders_are_where_the_variables_say() {
    let folder = TempDir::create();
    let (work, temp) = (folder.path().join("a work"), folder.path().join("a temp"));
    std::fs::create_dir(&temp).unwrap();
    std::fs::set_permissions(&temp, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let (work, temp) = (work.to_str().unwrap(), temp.to_str().unwrap());
    let server = server_with(&[
        ("FURTHER_LINK_WORK_DIR", work),
        ("FURTHER_LINK_TEMP_DIR", temp),
    ]);
    let code = json!({"runner": "python3", "code": WHERE});
    assert_eq!(python(&server, code).await, format!("{temp}\n"));
    let code = json!({"runner": "python3", "code": WHERE, "path": "game"});
    assert_eq!(python(&server, code).await, format!("{work}/game\n"));
    let mut shell = server.connect("/run").await;
    shell
        .send(json!({"type": "start", "process": "1", "data": {"runner": "shell"}}))
        .await;
    shell.stdin("1", "pwd; exit\n").await;
    assert_eq!(shell.finish().await.stdout, format!("{work}\n"));
    drop(server);

    // Without a word, the work dir is in the home of who runs the code.
    let server = TestServer::start_with(&[], |command| {
        command.env_remove("FURTHER_LINK_WORK_DIR");
    });
    let mut client = server.connect("/run").await;
    client
        .start(
            "1",
            "python3",
            "import os; print(os.path.expanduser('~/further'))",
        )
        .await;
    let home = client.finish().await.stdout;
    assert!(home.ends_with("/further\n"), "{home}");
}

#[tokio::test]
async fn virtual_environment_is_entered_by_python_alone() {
    let folder = TempDir::create();
    let venv = folder.path().join("venv");
    std::fs::create_dir_all(venv.join("bin")).unwrap();
    let python3 = venv.join("bin/python3");
    std::fs::write(
        &python3,
        "#!/bin/sh\necho \"$VIRTUAL_ENV|${PATH%%:*}|$1\"\n",
    )
    .unwrap();
    std::fs::set_permissions(&python3, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = venv.to_str().unwrap();
    let server = server_with(&[("FURTHER_VENV", path)]);
    let data = json!({"runner": "python3", "code": ""});
    assert_eq!(
        python(&server, data).await,
        format!("{path}|{path}/bin|-u\n")
    );
    let script = "#!/bin/sh\necho \"<$VIRTUAL_ENV>\"";
    let data = json!({"runner": "exec", "code": script});
    assert_eq!(python(&server, data).await, "<>\n");
    drop(server);
    // A folder that is none is left alone.
    std::fs::remove_file(python3).unwrap();
    let server = server_with(&[("FURTHER_VENV", path)]);
    let code = "import os; print(os.environ.get('VIRTUAL_ENV'))";
    let data = json!({"runner": "python3", "code": code});
    assert_eq!(python(&server, data).await, "None\n");
}

/// Whether the port answers a TLS hello with a TLS record.
fn speaks_tls(server: &TestServer) -> bool {
    let mut stream = server.tcp();
    // A hello that offers nothing: a TLS server sends an alert (21), an HTTP server a 400.
    let hello = [
        &[0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3][..],
        &[7; 32],
        &[0, 0, 2, 0x13, 1, 1, 0],
    ]
    .concat();
    let _ = stream.write_all(&hello);
    let answer = read_to_end(&mut stream);
    answer.first() == Some(&21)
}

#[test]
fn tls_is_on_unless_the_variable_says_no() {
    assert!(speaks_tls(&TestServer::start(&[])));
    for (value, on) in [
        ("1", false),
        ("true", false),
        ("yes", false),
        ("no", false),
        ("0", true),
        ("false", true),
        ("FALSE", true),
        ("", true),
    ] {
        let server = server_with(&[("FURTHER_LINK_NOSSL", value)]);
        assert_eq!(speaks_tls(&server), on, "{value:?}");
        assert_eq!(server.get("/status").body, "OK");
        assert_eq!(
            server.folder.path().join("state/tls").exists(),
            on,
            "{value:?}"
        );
    }
    // A no is stronger than the file.
    let folder = TempDir::create();
    let file = folder.path().join("my.toml");
    std::fs::write(&file, "tls.enabled = false\n").unwrap();
    let file = file.to_str().unwrap();
    assert!(!speaks_tls(&server_with(&[("FURTHER_LINK_CONFIG", file)])));
    let variables = [("FURTHER_LINK_CONFIG", file), ("FURTHER_LINK_NOSSL", "0")];
    assert!(speaks_tls(&server_with(&variables)));
}

#[test]
fn port_is_the_variables() {
    // An address of its own, so that no other test gets the port that was free a moment ago.
    const ADDRESS: &str = "127.0.28.28";
    let free = TcpListener::bind((ADDRESS, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let folder = TempDir::create();
    let mut server = server_command(&folder)
        .env("FURTHER_LINK_PORT", port.to_string())
        .env("FURTHER_LINK_BIND", ADDRESS)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    further_link_testkit::wait_for("the port is open", || {
        TcpStream::connect((ADDRESS, port)).is_ok()
    });
    let mut stream = TcpStream::connect((ADDRESS, port)).unwrap();
    let head = "GET /status HTTP/1.1\nHost: localhost\nConnection: close";
    assert_eq!(exchange(&mut stream, head).body, "OK");
    Command::new("kill")
        .arg(server.id().to_string())
        .status()
        .unwrap();
    assert!(server.wait().unwrap().success());
}

#[test]
fn log_is_as_verbose_as_the_variables_say() {
    let says_debug = |variables: &[(&str, &str)]| {
        let server = server_with(variables);
        server.get("/status");
        // Written before the line that says that the server is ready.
        server.log().contains("DEBUG")
    };
    assert!(says_debug(&[("FURTHER_LINK_DEBUG", "1")]));
    assert!(!says_debug(&[("FURTHER_LINK_DEBUG", "0")]));
    assert!(!says_debug(&[]));
    assert!(!says_debug(&[
        ("FURTHER_LINK_DEBUG", "1"),
        ("FURTHER_LINK_LOG", "warn")
    ]));
    let server = TestServer::start_with(&[], |command| {
        command.env("FURTHER_LINK_LOG_FORMAT", "text");
    });
    assert!(
        server.log().contains("made a certificate"),
        "{}",
        server.log()
    );
}

#[test]
fn json_logs_are_objects() {
    let folder = TempDir::create();
    let mut server = server_command(&folder)
        .env("FURTHER_LINK_LOG_FORMAT", "json")
        .args(["--port", "0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = Vec::new();
    for line in BufReader::new(server.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        let object: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        assert!(object["level"].is_string(), "{line}");
        if line.contains("http://127.0.0.1:") {
            // It is ready, and says so after it can be stopped.
            Command::new("kill")
                .arg(server.id().to_string())
                .status()
                .unwrap();
        }
        seen.push(line);
    }
    assert!(server.wait().unwrap().success(), "{seen:?}");
    for wanted in ["made a certificate", "listening", "stopping"] {
        assert!(seen.iter().any(|line| line.contains(wanted)), "{seen:?}");
    }
}

//! What people read when something is wrong: each error is one line that says where, what, and what
//! would be right.

use super::Device;

fn in_file(text: &str) -> String {
    let error = Device::new().with_config(text).error(&[]);
    assert!(!error.contains('\n'), "{error}");
    let shown = error.strip_prefix("home/.config/further-link/further-link.toml, line ");
    shown.unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn toml_error_names_line_and_column() {
    assert_eq!(
        in_file("[server]\nport = = 1\n"),
        "2, column 8: extra `=`, expected nothing"
    );
    assert_eq!(
        in_file("[server]\nport = 1\nport = 2\n"),
        "3, column 1: duplicate key"
    );
}

#[test]
fn unknown_key_is_refused_with_suggestion() {
    for (text, error) in [
        (
            "[server]\nprot = 1\n",
            "2: unknown key `server.prot`; did you mean `server.port`?",
        ),
        (
            "port = 1\n",
            "1: unknown key `port`; did you mean `server.port`?",
        ),
        (
            "[sever]\nport = 1\n",
            "2: unknown key `sever.port`; did you mean `server.port`?",
        ),
        (
            "[server]\nstop_grace = 1\n",
            "2: unknown key `server.stop_grace`; did you mean `run.stop_grace`?",
        ),
        (
            "[bluetoth]\nenabled = true\n",
            "2: unknown key `bluetoth.enabled`; did you mean `bluetooth.enabled`?",
        ),
        (
            "[limit]\n",
            "1: unknown section `[limit]`; did you mean `limits`?",
        ),
        (
            "\n[server]\ncolour = \"red\"\n",
            "3: unknown key `server.colour`",
        ),
        ("server = 1\n", "1: `server` is a section, not a key"),
        (
            "[server.port]\na = 1\n",
            "1: server.port must be a whole number from 0 to 65535, not { a = 1 }",
        ),
        (
            "[[runners]]\nname = \"x\"\n",
            "1: unknown key `runners`; did you mean `runner`?",
        ),
    ] {
        assert_eq!(in_file(text), error, "{text}");
    }
    let error = Device::new().error(&["--set", "limits.job=1"]);
    assert_eq!(
        error,
        "--set: unknown key `limits.job`; did you mean `limits.jobs`?"
    );
    let error = Device::new().error(&["--set", "limits=1"]);
    assert_eq!(error, "--set: `limits` is a section, not a key");
    let error = Device::new().error(&["--set", "limits.jobs"]);
    assert_eq!(
        error,
        "--set: write KEY=VALUE, such as server.port=9000, not \"limits.jobs\""
    );
}

#[test]
fn value_out_of_bounds_is_refused_with_expectation() {
    for (section, line, problem) in [
        (
            "server",
            "port = \"80\"",
            "server.port must be a whole number from 0 to 65535, not \"80\"",
        ),
        (
            "server",
            "port = 65536",
            "server.port must be a whole number from 0 to 65535, not 65536",
        ),
        (
            "server",
            "port = -1",
            "server.port must be a whole number from 0 to 65535, not -1",
        ),
        (
            "server",
            "bind = []",
            "server.bind must be a list of IP addresses or \"localhost\", not []",
        ),
        (
            "server",
            "bind = \"eth0\"",
            "server.bind must hold IP addresses or \"localhost\", not \"eth0\"",
        ),
        (
            "server",
            "auth = \"token\"",
            "server.auth must be \"none\", not \"token\"",
        ),
        (
            "server",
            "hosts = [\"http://a\"]",
            "server.hosts must hold host names without scheme and port, such as robot.local, not \
             \"http://a\"",
        ),
        (
            "server",
            "account = \"a b\"",
            "server.account must be the name of an account, not \"a b\"",
        ),
        (
            "run",
            "accounts = [1]",
            "run.accounts must hold names of accounts, not 1",
        ),
        (
            "run",
            "stop_grace = 61",
            "run.stop_grace must be a number from 0 to 60, not 61.0",
        ),
        (
            "run",
            "stop_grace = nan",
            "run.stop_grace must be a number from 0 to 60, not nan",
        ),
        (
            "run",
            "temp_dir = \"\"",
            "run.temp_dir must be a path, absolute or beginning with ~/ or relative, not \"\"",
        ),
        (
            "run",
            "environment = { A = 1 }",
            "run.environment must hold texts in quotes, not A = 1",
        ),
        (
            "run",
            "cgroup = \"on\"",
            "run.cgroup must be \"auto\" or \"off\", not \"on\"",
        ),
        (
            "server",
            "compression = true",
            "server.compression must be \"auto\" or \"always\" or \"never\", not true",
        ),
        (
            "tls",
            "enabled = \"no\"",
            "tls.enabled must be true or false, not \"no\"",
        ),
        (
            "limits",
            "message_bytes = 1023",
            "limits.message_bytes must be a whole number from 1024 to 1073741824, not 1023",
        ),
        (
            "limits",
            "connections = 0",
            "limits.connections must be a whole number from 1 to 65535, not 0",
        ),
        (
            "limits",
            "jobs = 65536",
            "limits.jobs must be a whole number from 1 to 65535, not 65536",
        ),
        (
            "limits",
            "jobs_per_client = 0",
            "limits.jobs_per_client must be a whole number from 1 to 65535, not 0",
        ),
        (
            "limits",
            "pong_timeout = 3601",
            "limits.pong_timeout must be a whole number from 1 to 3600, not 3601",
        ),
        (
            "log",
            "format = \"xml\"",
            "log.format must be \"auto\" or \"text\" or \"json\", not \"xml\"",
        ),
        (
            "log",
            "level = \"debgu\"",
            "log.level must be error, warn, info, debug, trace or off, or filter directives such \
             as warn,further_link=debug, not \"debgu\"",
        ),
    ] {
        assert_eq!(
            in_file(&format!("[{section}]\n{line}\n")),
            format!("2: {problem}")
        );
    }
    let long = "x".repeat(10_000);
    assert!(in_file(&format!("[server]\nport = \"{long}\"\n")).len() < 200);
}

#[test]
fn origin_with_path_or_without_scheme_is_refused() {
    for wrong in [
        "*",
        "null",
        "a.b",
        "https://",
        "https://a/",
        "https://a/b",
        "https://a:",
        "https://a:+1",
        "https://a:65536",
        "https://a b",
        "https://u@a",
        "://a",
        "https://::1",
        "https://a?b",
        "https://a#b",
        "https://[a]",
        "https://a:1:2",
    ] {
        let error = Device::new().error(&["--origin", wrong]);
        let expected = "--origin: server.origins must hold web sites of the form scheme://host \
                        or scheme://host:port without a path, not ";
        assert_eq!(error, format!("{expected}{wrong:?}"));
    }
    let good = "chrome-extension://abcdef,HTTP://A:80,https://10.0.0.1:8443,http://[::1]";
    let config = Device::new().with("FURTHER_LINK_ORIGINS", good).config(&[]);
    let kept = [
        "chrome-extension://abcdef",
        "http://a",
        "https://10.0.0.1:8443",
        "http://[::1]",
    ];
    assert_eq!(config.server.origins, kept);
}

#[test]
fn error_names_variable_or_flag() {
    let error = Device::new().with("FURTHER_LINK_PORT", "http").error(&[]);
    assert_eq!(
        error,
        "FURTHER_LINK_PORT: server.port must be a whole number from 0 to 65535, not \"http\""
    );
    let error = Device::new().error(&["--stop-grace", "long"]);
    assert_eq!(
        error,
        "--stop-grace: run.stop_grace must be a number from 0 to 60, not \"long\""
    );
    let error = Device::new().error(&["--work-dir", "~ann/x"]);
    let path = "a path, absolute or beginning with ~/ or relative";
    assert_eq!(
        error,
        format!("--work-dir: run.work_dir must be {path}, not \"~ann/x\"")
    );
    let error = Device::new().error(&["--tls-cert", "/c.pem"]);
    assert_eq!(
        error,
        "--tls-cert: tls.cert is set, but tls.key is not; a certificate needs both"
    );
}

#[test]
fn runner_row_is_refused_with_reason() {
    for (row, problem) in [
        (
            "command = [\"a\"]",
            "table 1: name must be 1 to 32 of the characters a-z, 0-9, _, + and -; it is missing",
        ),
        (
            "name = \"A b\"",
            "\"A b\": name must be 1 to 32 of the characters a-z, 0-9, _, + and -",
        ),
        ("name = 1", "table 1: name must be a text in quotes, not 1"),
        (
            "name = \"a\"",
            "\"a\": command is missing: the program and its arguments, such as [\"node\", \
             \"{file}\"]",
        ),
        (
            "name = \"a\"\ncommand = \"a {file}\"",
            "\"a\": command must be a list of texts in quotes, not \"a {file}\"",
        ),
        (
            "name = \"a\"\ncommand = [\"\"]",
            "\"a\": command must begin with a program",
        ),
        (
            "name = \"a\"\ncommand = [\"a\", \"{fiel}\"]",
            "\"a\": unknown placeholder `{fiel}` in command; did you mean `{file}`?",
        ),
        (
            "name = \"a\"\ncomand = [\"a\"]",
            "\"a\": unknown key `comand`; did you mean `command`?",
        ),
        (
            "name = \"a\"\ncommand = [\"a\"]\nextension = \"js\"",
            "\"a\": extension must be a dot and what follows it, such as \".js\", not \"js\"",
        ),
        (
            "name = \"a\"\ncommand = [\"a\"]\nvenv = 1",
            "\"a\": venv must be true or false, not 1",
        ),
        (
            "name = \"a\"\ncommand = [\"a\"]\n[[runner]]\nname = \"a\"\ncommand = [\"a\"]",
            "\"a\": there are two tables of this name",
        ),
    ] {
        assert_eq!(
            in_file(&format!("[[runner]]\n{row}\n")),
            format!("1: runner: {problem}"),
            "{row}"
        );
    }
    assert_eq!(
        in_file("runner = 1\n"),
        "1: runner must be written as [[runner]] tables, not 1"
    );
    // Braces that are no placeholder belong to the program.
    Device::new()
        .with_config(
            "[[runner]]\nname = \"awk\"\ncommand = [\"awk\", \"{ print }\", \"-f{file}\"]\n",
        )
        .config(&[]);
}

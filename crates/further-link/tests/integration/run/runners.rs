//! The table of runners: what ships, what the configuration adds and takes away, and compiled
//! languages.

use further_link_testkit::{TempDir, TestServer};
use serde_json::{Value, json};
use std::process::Command;

#[test]
fn shipped_runners_are_listed() {
    let server = TestServer::start(&[]);
    let answer = server.get("/runners");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    let rows = json["runners"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    let shipped = [
        "python3", "shell", "exec", "bash", "node", "ruby", "perl", "lua", "php", "java", "go",
        "c", "cpp", "rust",
    ];
    assert_eq!(names, shipped);
    assert_eq!(
        rows[0],
        json!({"name": "python3", "title": "Python", "extension": ".py", "installed": true})
    );
    for row in rows {
        assert!(
            row["installed"].is_boolean() && row["title"].is_string(),
            "{row}"
        );
    }
}

#[tokio::test]
async fn configured_runners_are_listed_and_run() {
    let folder = TempDir::create();
    let file = folder.path().join("further-link.toml");
    let text = r#"
        [[runner]]
        name = "upper"
        title = "Capitals"
        command = ["sh", "-c", "tr a-z A-Z < \"$0\"", "{file}"]
        extension = ".txt"
        [[runner]]
        name = "missing"
        command = ["no-such-interpreter", "{file}"]
        [[runner]]
        name = "ruby"
        disabled = true
        [[runner]]
        name = "perl"
        command = ["cat", "{file}"]
    "#;
    std::fs::write(&file, text).unwrap();
    let server = TestServer::start(&["--config", file.to_str().unwrap()]);
    let json = server.get("/runners").json();
    let row = |name: &str| {
        let rows = json["runners"].as_array().unwrap();
        rows.iter()
            .find(|row| row["name"] == name)
            .cloned()
            .unwrap_or(Value::Null)
    };
    assert_eq!(
        row("upper"),
        json!({"name": "upper", "title": "Capitals", "extension": ".txt", "installed": true})
    );
    assert_eq!(row("missing")["installed"], false);
    assert_eq!(row("ruby"), Value::Null);

    let mut client = server.connect("/run").await;
    for (runner, wanted) in [("upper", "SOME WORDS"), ("perl", "some words")] {
        client.start("1", runner, "some words").await;
        let finished = client.finish().await;
        assert_eq!((finished.stdout.as_str(), finished.exit_code), (wanted, 0));
    }
    client.start("1", "ruby", "").await;
    let error = client.expect("error").await;
    assert_eq!(error["data"]["message"], "Bad message");
    assert!(
        error["data"]["detail"].as_str().unwrap().contains("upper"),
        "{error}"
    );
    client.start("1", "missing", "").await;
    let error = client.expect("error").await;
    let message = error["data"]["message"].as_str().unwrap();
    assert!(message.contains("no-such-interpreter"), "{error}");
}

#[tokio::test]
async fn compiled_code_runs_and_leaves_nothing() {
    if !Command::new("cc")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        eprintln!("not run: there is no C compiler");
        return;
    }
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run").await;
    let code = "#include <stdio.h>\nint main(void) { int n; scanf(\"%d\", &n); printf(\"%d\\n\", n * 2); return 7; }";
    client.start("1", "c", code).await;
    client.stdin("1", "21\n").await;
    let finished = client.finish().await;
    assert_eq!(
        (finished.stdout.as_str(), finished.exit_code),
        ("42\n", 7),
        "{finished:?}"
    );
    let code = "#include <stdio.h>\nint main(int n, char **words) { for (int i = 1; i < n; i++) puts(words[i]); return 0; }";
    let finished = client
        .run(json!({"runner": "c", "code": code, "arguments": ["two words", ""]}))
        .await;
    assert_eq!(finished.stdout, "two words\n\n");
    client
        .start("1", "c", "int main(void) { return nothing; }")
        .await;
    let finished = client.finish().await;
    assert!(
        finished.stderr.contains("nothing") && finished.exit_code != 0,
        "{finished:?}"
    );
    let left: Vec<_> = std::fs::read_dir(server.temp_dir())
        .unwrap()
        .flatten()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

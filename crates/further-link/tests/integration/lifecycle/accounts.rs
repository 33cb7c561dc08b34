//! Programs as other accounts of the device, and what the parts of the server may do. All of this
//! needs root, which makes accounts for it and removes them afterwards.

use further_link_testkit::account::TestAccount;
use further_link_testkit::{
    Client, TestServer, descendants_of, is_root, names_in, wrap, write_file,
};
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;

/// Both ways in which a program is held together with what it starts.
const MODES: [&str; 2] = ["run.cgroup=auto", "run.cgroup=off"];

async fn python(client: &mut Client, code: &str) -> String {
    let finished = client.run(json!({"runner": "python3", "code": code})).await;
    assert_eq!((finished.exit_code, finished.stderr.as_str()), (0, ""));
    finished.stdout.replace('\r', "")
}

fn status_of(pid: i32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
    line.unwrap().trim().to_owned()
}

#[tokio::test]
async fn program_is_its_user_and_nothing_more() {
    if !is_root() {
        return;
    }
    let person = TestAccount::create();
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let secret = server.folder.path().join("secret");
        write_file(&secret, "of root");
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
        for query in ["", "&pty=1"] {
            let path = format!("/run?user={}{query}", person.name);
            let mut client = server.connect(&path).await;
            let code = format!(
                "import os, json, grp\n\
                 status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n\
                 try: secret = open({secret:?}).read()\n\
                 except PermissionError: secret = None\n\
                 try: killed = os.kill(os.getppid(), 9)\n\
                 except PermissionError: killed = 'not'\n\
                 file = os.stat(__file__)\n\
                 tty = os.fstat(0) if os.isatty(0) else None\n\
                 print(json.dumps([os.getresuid(), os.getresgid(), \
                 sorted(grp.getgrgid(g).gr_name for g in os.getgroups()), \
                 [status[name].strip() for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')], \
                 [os.environ[n] for n in ('USER', 'LOGNAME', 'HOME', 'SHELL')], secret, killed, \
                 [file.st_uid, file.st_mode & 0o777], \
                 tty and [tty.st_uid, grp.getgrgid(tty.st_gid).gr_name, tty.st_mode & 0o777]]))"
            );
            let told: Value = serde_json::from_str(&python(&mut client, &code).await).unwrap();
            let (uid, gid) = (person.user.uid.as_raw(), person.user.gid.as_raw());
            let name = &person.name;
            let mut groups = ["audio", "video", name];
            groups.sort_unstable();
            let none = "0000000000000000";
            let tty = if query.is_empty() {
                Value::Null
            } else {
                json!([uid, "tty", 0o620])
            };
            let home = person.user.dir.to_str().unwrap();
            let expected = json!([
                [uid, uid, uid],
                [gid, gid, gid],
                groups,
                [none, none, none, none],
                [name, name, home, "/bin/sh"],
                null,
                "not",
                [uid, 0o600],
                tty
            ]);
            assert_eq!(told, expected, "{mode}{query}");
            // Its work is stopped, whoever it is.
            client
                .start("1", "python3", "import signal; print('up'); signal.pause()")
                .await;
            client.read_until("up").await;
            client.stop("1").await;
            assert_eq!(client.until("stopped").await["data"]["exitCode"], -15);
            assert_eq!(names_in(&server.temp_dir()), [""; 0]);
        }
    }
}

#[tokio::test]
async fn work_is_in_the_users_own_home() {
    if !is_root() {
        return;
    }
    let person = TestAccount::create();
    let server = TestServer::start_with(&[], |command| {
        command.env_remove("FURTHER_LINK_WORK_DIR");
    });
    let work = person.user.dir.join("further");
    let mut client = server.connect(&format!("/run?user={}", person.name)).await;
    client.start_data("sh", json!({"runner": "shell"})).await;
    client.stdin("sh", "pwd; touch mine; exit\n").await;
    assert_eq!(Path::new(client.finish().await.stdout.trim_end()), work);
    assert!(person.owns(&work) && person.owns(&work.join("mine")));
    let code = "import os; print(os.getcwd())";
    let data = json!({"runner": "python3", "code": code, "path": "a/b"});
    client.run(data).await;
    assert!(person.owns(&work.join("a")) && person.owns(&work.join("a/b")));
    let mut line = server.connect(&format!("/ws?user={}", person.name)).await;
    line.send_text("id -un").await;
    assert_eq!(line.text().await, format!("{}\n", person.name));
}

#[tokio::test]
async fn what_the_user_may_not_use_is_refused() {
    if !is_root() {
        return;
    }
    let person = TestAccount::create();
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let work = server.work_dir();
        write_file(&work.join("secret.py"), "print('read')");
        write_file(&work.join("plain"), "#!/bin/sh\necho run\n");
        write_file(&work.join("closed/file.py"), "");
        for (name, mode) in [("secret.py", 0o600), ("plain", 0o644), ("closed", 0o700)] {
            std::fs::set_permissions(work.join(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        let mut client = server.connect(&format!("/run?user={}", person.name)).await;
        let place = |path: &str| work.join(path).to_str().unwrap().to_owned();
        for (data, path) in [
            (
                json!({"runner": "python3", "path": "secret.py"}),
                place("secret.py"),
            ),
            (
                json!({"runner": "python3", "path": "closed/file.py"}),
                place("closed/file.py"),
            ),
            (json!({"runner": "exec", "path": "plain"}), place("plain")),
            (
                json!({"runner": "shell", "path": "closed"}),
                place("closed"),
            ),
            (
                json!({"runner": "python3", "code": "", "path": "."}),
                place("."),
            ),
            (
                json!({"runner": "python3", "code": "", "path": "closed"}),
                place("closed"),
            ),
            (
                json!({"runner": "python3", "code": "", "path": "new"}),
                place("new"),
            ),
        ] {
            let sentence = client.refused(data.clone()).await;
            let expected = format!(
                "User {} may not use {path} (permission denied).",
                person.name
            );
            assert_eq!(sentence, expected, "{data}, {mode}");
        }
        assert!(!work.join("new").exists());
        assert_eq!(work.join("plain").metadata().unwrap().mode() & 0o777, 0o644);
    }
}

#[tokio::test]
async fn root_runs_programs_only_if_it_is_the_default() {
    if !is_root() {
        return;
    }
    let person = TestAccount::create();
    let code = json!({"runner": "python3", "code": "import os; print(os.getuid())"});
    if nix::unistd::User::from_name("pi").unwrap().is_none() {
        let server = TestServer::start(&[]);
        for query in ["", "?user=root", "?user="] {
            let mut client = server.connect(&format!("/run{query}")).await;
            assert_eq!(client.run(code.clone()).await.stdout, "0\n");
        }
    }
    let server = TestServer::start(&["--user", &person.name]);
    for query in ["", &format!("?user={}", person.name)] {
        let mut client = server.connect(&format!("/run{query}")).await;
        assert_eq!(
            client.run(code.clone()).await.stdout,
            format!("{}\n", person.user.uid)
        );
    }
    let mut client = server.connect("/run?user=root").await;
    let sentence = client.refused(code).await;
    assert_eq!(
        sentence,
        "Programs may not run as user root on this device."
    );
    let mut line = server.connect("/ws?user=root").await;
    line.send_text("id").await;
    let answer = line.text().await;
    assert_eq!(
        answer,
        "error: Programs may not run as user root on this device."
    );
}

#[tokio::test]
async fn accounts_of_the_system_run_no_programs_unless_they_are_named() {
    if !is_root() {
        return;
    }
    let person = TestAccount::create();
    let code = json!({"runner": "python3", "code": "import os; print(os.getuid())"});
    let server = TestServer::start(&[]);
    for name in ["daemon", "nobody"] {
        let mut client = server.connect(&format!("/run?user={name}")).await;
        let sentence = client.refused(code.clone()).await;
        assert_eq!(
            sentence,
            format!("Programs may not run as user {name} on this device.")
        );
    }
    // Named by number or with something beside, they are nobody's names.
    for name in ["0", "root%00", "root%0a", "../root", "-u", "%00"] {
        let mut client = server.connect(&format!("/run?user={name}")).await;
        let sentence = client.refused(code.clone()).await;
        assert!(
            sentence.starts_with("There is no user "),
            "{name}: {sentence}"
        );
    }
    let server = TestServer::start(&["--allow-account", "daemon"]);
    let mut client = server.connect("/run?user=daemon").await;
    assert_eq!(client.run(code.clone()).await.stdout, "1\n");
    let mut client = server.connect(&format!("/run?user={}", person.name)).await;
    let sentence = client.refused(code).await;
    assert_eq!(
        sentence,
        format!(
            "Programs may not run as user {} on this device.",
            person.name
        )
    );
}

#[tokio::test]
async fn only_the_spawner_keeps_the_rights() {
    if !is_root() {
        return;
    }
    let person = TestAccount::create();
    let own = nix::unistd::User::from_name("further-link").unwrap();
    let own = own
        .or_else(|| nix::unistd::User::from_name("nobody").unwrap())
        .unwrap();
    for (arguments, uid) in [
        (vec![], own.uid),
        (vec!["--account", &person.name], person.user.uid),
        (vec!["--account", "root"], nix::unistd::Uid::from_raw(0)),
    ] {
        let server = TestServer::start(&arguments);
        let uids = |pid| status_of(pid, "Uid");
        assert_eq!(uids(server.pid()), format!("{uid}\t{uid}\t{uid}\t{uid}"));
        assert_eq!(uids(server.spawner_pid()), "0\t0\t0\t0");
        if !uid.is_root() {
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(status_of(server.pid(), set), "0000000000000000");
            }
            assert_eq!(status_of(server.pid(), "Groups"), "");
            assert_eq!(status_of(server.pid(), "NoNewPrivs"), "1");
        }
        // Nor does anything of the server's become the programs'.
        let mut client = server.connect(&format!("/run?user={}", person.name)).await;
        let code = "print(*[l.split()[1] for l in open('/proc/self/status') if 'NoNew' in l])";
        assert_eq!(python(&mut client, code).await, "0\n");
    }
}

#[tokio::test]
async fn ordinary_user_can_run_the_server_for_itself() {
    if !is_root() {
        return;
    }
    let person = TestAccount::create();
    let name = person.name.clone();
    let (uid, gid) = (person.user.uid, person.user.gid);
    let server = TestServer::start_with(&[], |command| {
        let home = command
            .get_envs()
            .find(|(name, _)| *name == "HOME")
            .unwrap()
            .1
            .unwrap();
        let home = Path::new(home).to_owned();
        // Where it was built may be closed to others.
        let program = home.join("further-link");
        std::fs::copy(env!("CARGO_BIN_EXE_further-link"), &program).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        nix::unistd::chown(&home, Some(uid), Some(gid)).unwrap();
        // The shell is told to start the copy, with the arguments of what it was told to start.
        let rest = "shift; exec \"$0\" \"$@\"";
        let wrapper = [
            "setpriv",
            "--reuid",
            &name,
            "--regid",
            &name,
            "--init-groups",
        ];
        let shell = ["sh", "-c", rest, program.to_str().unwrap()];
        wrap(command, &[&wrapper[..], &shell].concat());
    });
    assert_eq!(
        status_of(server.pid(), "Uid"),
        format!("{uid}\t{uid}\t{uid}\t{uid}")
    );
    assert_eq!(
        status_of(server.spawner_pid(), "Uid"),
        format!("{uid}\t{uid}\t{uid}\t{uid}")
    );
    let me = format!("&user={}", person.name);
    for query in [
        "pty=0",
        "pty=1",
        &format!("pty=0{me}"),
        &format!("pty=1{me}"),
    ] {
        let mut client = server.connect(&format!("/run?{query}")).await;
        let code = "import os; print(os.getuid(), len(os.getgroups()), os.isatty(0))";
        let tty = if query.contains("pty=1") {
            "True"
        } else {
            "False"
        };
        assert_eq!(python(&mut client, code).await, format!("{uid} 3 {tty}\n"));
        let data = json!({"runner": "shell"});
        client.start_data("sh", data).await;
        client
            .stdin("sh", "(setsid sleep 1000 &) ; echo re''ady; sleep 1000\n")
            .await;
        client.read_until("ready").await;
        client.stop("sh").await;
        client.until("stopped").await;
        assert_eq!(descendants_of(server.spawner_pid()), [0; 0]);
    }
    let only = format!(
        "Programs can only run as user {}: the server is not started as root.",
        person.name
    );
    for other in ["root", "nobody", "daemon"] {
        let mut client = server.connect(&format!("/run?user={other}")).await;
        let data = json!({"runner": "python3", "code": ""});
        assert_eq!(client.refused(data).await, only);
    }
}

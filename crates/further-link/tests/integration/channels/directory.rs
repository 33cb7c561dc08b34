//! The private folder of a program (`docs/protocol.md` section 6): whose it is, that it is there
//! first and gone afterwards, whatever the program makes of it. What is about other accounts needs
//! root.

use further_link_testkit::account::TestAccount;
use further_link_testkit::channels::{key_event, program};
use further_link_testkit::{Client, TestServer, is_root, names_in, wait_for, write_file};
use serde_json::json;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

/// Both ways in which a program is held together with what it starts.
const MODES: [&str; 2] = ["run.cgroup=auto", "run.cgroup=off"];

async fn start(client: &mut Client, code: &str) {
    client.start("p", "python3", &program(code)).await;
    client.expect("started").await;
}

/// The folder, which the program says first.
async fn folder(client: &mut Client) -> PathBuf {
    let said = client.read_until("\n").await;
    let folder = PathBuf::from(said.trim());
    assert!(folder.is_absolute(), "{said:?}");
    folder
}

const SAY: &str = "f = os.environ['FURTHER_LINK_TEMP_DIR']; say(f)";

#[tokio::test]
async fn nobody_else_gets_in() {
    if !is_root() {
        return;
    }
    let (owner, other) = (TestAccount::create(), TestAccount::create());
    let server = TestServer::start(&[]);
    let user = nix::unistd::User::from_name(&owner.name).unwrap().unwrap();
    let mut client = server.connect(&format!("/run?user={}", owner.name)).await;
    start(
        &mut client,
        &format!("{SAY}; c = Channel(); input(); c.send(KEYLISTEN, 'mine')"),
    )
    .await;
    let folder = folder(&mut client).await;
    let found = std::fs::metadata(&folder).unwrap();
    assert_eq!(
        (found.uid(), found.gid()),
        (user.uid.as_raw(), user.gid.as_raw())
    );
    assert_eq!(found.permissions().mode() & 0o7777, 0o700);
    let names = names_in(&folder);
    assert_eq!(names.len(), 3, "{names:?}");
    for name in &names {
        assert_eq!(
            std::fs::metadata(folder.join(name)).unwrap().uid(),
            user.uid.as_raw()
        );
    }
    // Another account neither enters nor connects, replaces nothing, and has no luck by way of the
    // process.
    let mut stranger = server.connect(&format!("/run?user={}", other.name)).await;
    let code = format!(
        "f = {folder:?}\n\
         def tries():\n\
         \x20   yield lambda: os.listdir(f)\n\
         \x20   yield lambda: os.chdir(f)\n\
         \x20   yield lambda: os.rename(f, f + '.x')\n\
         \x20   yield lambda: os.rmdir(f)\n\
         \x20   yield lambda: os.chmod(f, 0o777)\n\
         \x20   for n in {names:?}: yield lambda: socket.socket(socket.AF_UNIX).connect(f + '/' + n)\n\
         \x20   for p in filter(str.isdigit, os.listdir('/proc')):\n\
         \x20       yield lambda: by_way_of('/proc/' + p)\n\
         def by_way_of(process):\n\
         \x20   if os.stat(process).st_uid == os.getuid(): raise PermissionError\n\
         \x20   os.listdir(process + '/fd')\n\
         import socket\n\
         for each in tries():\n\
         \x20   try: each()\n\
         \x20   except (PermissionError, FileNotFoundError, ProcessLookupError): continue\n\
         \x20   say('got in')\n\
         say('done')"
    );
    start(&mut stranger, &code).await;
    let finished = stranger.finish().await;
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str()),
        ("done\n", "")
    );
    client.stdin("p", "\n").await;
    assert_eq!(client.expect("keylisten").await["data"]["key"], "mine");
    client.expect("stopped").await;
    assert!(!folder.exists());
}

#[tokio::test]
async fn it_is_gone_whatever_the_program_has_made_of_it() {
    let makes = [
        "None",
        "open(f + '/file', 'w').write('x' * 100000)",
        "[open(f + '/file%d' % n, 'w') for n in range(300)]",
        "os.makedirs(f + '/a/b/c'); open(f + '/a/b/c/d', 'w')",
        "os.makedirs(f + '/a/b/c'); os.chmod(f + '/a/b', 0); os.chmod(f + '/a', 0)",
        "os.chmod(f, 0)",
        "os.mkfifo(f + '/fifo'); os.mkfifo(f + '/999999.keyevent.sock')",
        "os.symlink(keep, f + '/link'); os.symlink('/', f + '/root')",
        "import shutil; shutil.rmtree(f)",
        "import shutil; shutil.rmtree(f); os.symlink(keep, f)",
        "import shutil; shutil.rmtree(f); os.mkfifo(f)",
        "import shutil; shutil.rmtree(f); open(f, 'w')",
        "import shutil; shutil.rmtree(f); os.mkdir(f); open(f + '/new', 'w')",
        "import shutil; os.rename(f, away); os.symlink(keep, f)",
        "import shutil; os.rename(f, away); os.mkdir(f, 0); open(away + '/in', 'w')",
        "os.symlink(f, f + '/self'); c = Channel(); os.kill(os.getpid(), 9)",
    ];
    for mode in MODES {
        let server = TestServer::start(&["--set", mode]);
        let people = if is_root() {
            vec![None, Some(TestAccount::create())]
        } else {
            vec![None]
        };
        for person in people {
            let path = match &person {
                Some(TestAccount { name, .. }) => format!("/run?user={name}"),
                None => "/run".to_owned(),
            };
            let mut client = server.connect(&path).await;
            let keep = server.folder.path().join("keep");
            write_file(&keep.join("this"), "kept");
            for make in makes {
                let code = format!("{SAY}; keep, away = {keep:?}, f + '-away'\n{make}");
                start(&mut client, &code).await;
                let folder = folder(&mut client).await;
                let finished = client.finish().await;
                let mut away = folder.clone().into_os_string();
                away.push("-away");
                let _ = std::fs::remove_dir_all(away);
                assert_eq!(finished.stderr, "", "{make}");
                let left = std::fs::symlink_metadata(&folder);
                assert!(left.is_err(), "{mode}: {make} left {left:?}");
                assert_eq!(std::fs::read_to_string(keep.join("this")).unwrap(), "kept");
            }
            assert_eq!(names_in(&keep), ["this"]);
        }
        assert!(!server.log().contains("stay behind"));
    }
}

/// In the first moment of a program, also of one that is no script.
#[tokio::test]
async fn sockets_are_there_before_the_first_instruction() {
    const C: &str = r#"
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/socket.h>
        #include <sys/un.h>
        #include <unistd.h>
        int main(void) {
            struct sockaddr_un address = {AF_UNIX};
            strcpy(address.sun_path, getenv("FURTHER_LINK_CHANNEL"));
            int s = socket(AF_UNIX, SOCK_STREAM, 0);
            if (connect(s, (void *)&address, sizeof address)) { perror("connect"); return 1; }
            write(s, "\0\0\0\1\2c\0\0\0\0", 6);
            snprintf(address.sun_path, sizeof address.sun_path, "%s/%d.keylisten.sock",
                     getenv("FURTHER_LINK_TEMP_DIR"), (int)getpgrp());
            s = socket(AF_UNIX, SOCK_STREAM, 0);
            if (connect(s, (void *)&address, sizeof address)) { perror("connect"); return 1; }
            write(s, "old endkeylisten ", 17);
            return 0;
        }"#;
    for mode in MODES {
        for query in ["", "?pty=1"] {
            let server = TestServer::start(&["--set", mode]);
            let mut client = server.connect(&format!("/run{query}")).await;
            let script = "#!/bin/sh\nfor s in \"$FURTHER_LINK_CHANNEL\" \"$FURTHER_LINK_TEMP_DIR/$$.video.sock\" \
                \"$FURTHER_LINK_TEMP_DIR/$$.keylisten.sock\"; do [ -S \"$s\" ] || echo missing; done";
            for _ in 0..20 {
                let finished = client.run(json!({"runner": "exec", "code": script})).await;
                assert_eq!((finished.stdout.as_str(), finished.exit_code), ("", 0));
            }
            if Command::new("cc").arg("--version").output().is_err() {
                eprintln!("not run: this needs a C compiler");
                continue;
            }
            client.start("p", "c", C).await;
            client.expect("started").await;
            let mut keys = Vec::new();
            loop {
                let message = client.recv().await;
                match message["type"].as_str().unwrap() {
                    "keylisten" => keys.push(message["data"]["key"].as_str().unwrap().to_owned()),
                    "stopped" => break,
                    _ => panic!("{message}"),
                }
            }
            keys.sort();
            assert_eq!(keys, ["c", "old"]);
        }
    }
}

/// Where `/dev/shm` is not for everybody, folders are in the server's temp folder, whose path may
/// be long.
#[test]
fn without_memory_folders_are_in_the_temp_folder() {
    if !is_root() {
        return;
    }
    let server = TestServer::start_with(&[], |command| {
        let temp = command
            .get_envs()
            .find(|(name, _)| *name == "FURTHER_LINK_TEMP_DIR")
            .and_then(|(_, value)| Some(PathBuf::from(value?)))
            .unwrap();
        let long = temp.join("x".repeat(120));
        std::fs::create_dir_all(&long).unwrap();
        std::fs::set_permissions(&long, PermissionsExt::from_mode(0o1777)).unwrap();
        command.env("FURTHER_LINK_TEMP_DIR", long);
        let hide = "mount -t tmpfs -o mode=0755 none /dev/shm && exec \"$@\"";
        further_link_testkit::wrap(command, &["unshare", "--mount", "sh", "-c", hide, "sh"]);
    });
    let temp = server.temp_dir().join("x".repeat(120));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut client = server.connect("/run").await;
        // An address does not hold so long a path, so the program goes by way of the folder.
        let code = format!(
            "{SAY}; os.chdir(f); os.environ['FURTHER_LINK_CHANNEL'] = 'channel.sock'; os.environ['FURTHER_LINK_TEMP_DIR'] = '.'\n\
             c = Channel(); c.send(KEYLISTEN, 'new'); l = OldChannel.listen(); OldChannel('keylisten').send(b'old')\n\
             c.receive(); say(c.receive()[1]); a, _ = l.accept(); say(a.recv(100))"
        );
        start(&mut client, &code).await;
        let folder = folder(&mut client).await;
        assert_eq!(folder.parent(), Some(temp.as_path()));
        for _ in 0..2 {
            client.expect("keylisten").await;
        }
        client.send(key_event("p", "x", "keyup")).await;
        let finished = client.finish().await;
        assert_eq!(finished.stderr, "");
        assert!(finished.stdout.contains("x keyup endkeyevent"), "{finished:?}");
        assert!(!folder.exists());
    });
}

/// Folders that begin like ours, of whoever, which are not.
#[test]
fn what_others_have_in_that_place_stays() {
    if !is_root() {
        return;
    }
    let names = [
        "further-link-theirs",
        "further-link-0123456789abcdeg",
        "further-link-0123456789abcdef0",
    ];
    let server = TestServer::start_with(&[], |command| {
        let make = format!(
            "mount -t tmpfs -o mode=1777 none /dev/shm && cd /dev/shm && \
             mkdir {} further-link-0123456789abcdef && touch further-link-theirs/file && exec \"$@\"",
            names.join(" ")
        );
        further_link_testkit::wrap(command, &["unshare", "--mount", "sh", "-c", &make, "sh"]);
    });
    let memory = PathBuf::from(format!("/proc/{}/root/dev/shm", server.pid()));
    // The last of them is one that a killed server has left.
    wait_for("what was left is removed", || {
        names_in(&memory).len() == names.len()
    });
    for name in names {
        assert!(memory.join(name).is_dir(), "{name}");
    }
    assert!(memory.join("further-link-theirs/file").is_file());
}

//! Uploads over HTTP, what there is in folders before and after, and kernels that lack newer calls.

use super::{Answer, TestServer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Posts `body` on a connection of its own.
pub fn post(server: &TestServer, path: &str, body: &[u8]) -> Answer {
    try_post(server.port, path, body).unwrap()
}

/// Returns the same, for a server that may go away meanwhile.
pub fn try_post(port: u16, path: &str, body: &[u8]) -> std::io::Result<Answer> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(super::DEADLINE))?;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    match bytes.is_empty() {
        true => Err(std::io::ErrorKind::UnexpectedEof.into()),
        false => Ok(Answer::read(&bytes[..])),
    }
}

/// Returns an upload object of text files.
pub fn project(name: &str, files: &[(&str, &str)]) -> Value {
    let files: Map<String, Value> = files
        .iter()
        .map(|(name, text)| {
            let file = json!({"type": "text", "content": {"text": text}});
            ((*name).to_owned(), file)
        })
        .collect();
    json!({"name": name, "files": files})
}

/// Uploads it, which has to succeed.
pub fn upload(server: &TestServer, query: &str, project: &Value) {
    let answer = post(
        server,
        &format!("/upload{query}"),
        project.to_string().as_bytes(),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json(),
        json!({"success": true, "fetched_urls": true})
    );
}

/// Uploads it, which has to fail with this status; returns the sentence.
pub fn refused(server: &TestServer, path: &str, body: &[u8], status: &str) -> String {
    let answer = post(server, path, body);
    let (first, sentence) = answer.body.split_once('\n').unwrap();
    assert_eq!(
        first,
        status,
        "{sentence} {}",
        String::from_utf8_lossy(&body[..body.len().min(200)])
    );
    sentence.trim_end().to_owned()
}

/// Everything below a folder, byte for byte, with its kind, mode and owner. Paths that begin with
/// one of `except` are left out.
pub fn snapshot(folder: &Path, except: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    look(folder, "", except, &mut found);
    found
}

fn look(folder: &Path, prefix: &str, except: &[&str], found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().as_bytes().escape_ascii());
        if except.iter().any(|except| name.starts_with(except)) {
            continue;
        }
        let Ok(kind) = entry.metadata() else { continue };
        let about = format!("{:o} {}:{}", kind.mode(), kind.uid(), kind.gid());
        let content = if kind.is_symlink() {
            std::fs::read_link(entry.path())
                .unwrap_or_default()
                .into_os_string()
                .into_encoded_bytes()
        } else if kind.is_file() {
            std::fs::read(entry.path()).unwrap_or_default()
        } else {
            Vec::new()
        };
        if kind.is_dir() {
            look(&entry.path(), &format!("{name}/"), except, found);
        }
        found.insert(name, format!("{about} {}", content.escape_ascii()));
    }
}

/// Names of temporary and set aside folders, anywhere below a folder.
pub fn leftovers(folder: &Path) -> Vec<String> {
    let mut found = snapshot(folder, &[]);
    found.retain(|path, _| path.contains(".flnew-") || path.contains(".flold-"));
    found.into_keys().collect()
}

/// Has the program, and all that it starts, run as on a kernel and a file system that lack
/// `openat2(2)` and the flags of `renameat2(2)`.
pub fn without_newer_calls(command: &mut Command) {
    // classic BPF: what to do, jumps if it is so and if not, a number.
    let statement = |code: u32, jt, jf, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let end = libc::BPF_RET | libc::BPF_K;
    let fail = |errno: i32| statement(end, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32);
    let mut filter = [
        // struct seccomp_data: the number of the call, and behind 16 bytes the arguments.
        statement(load, 0, 0, 0),
        statement(equal, 0, 1, libc::SYS_openat2 as u32),
        fail(libc::ENOSYS),
        statement(equal, 0, 3, libc::SYS_renameat2 as u32),
        statement(load, 0, 0, 16 + 4 * 8),
        statement(equal, 1, 0, 0),
        fail(libc::EINVAL),
        statement(end, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        if !nix::unistd::Uid::effective().is_root() {
            nix::sys::prctl::set_no_new_privs()?;
        }
        // SAFETY: the program lives during the call, which copies it.
        #[allow(unsafe_code)]
        let done = unsafe {
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            )
        };
        nix::errno::Errno::result(done)?;
        Ok(())
    };
    // SAFETY: only system calls are made between fork and exec.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(install);
    }
}

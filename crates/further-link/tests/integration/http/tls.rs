//! TLS with the real server: the certificate that it makes, those that it is given, and one port
//! for both kinds of clients.

use further_link_testkit::raw::read_to_end;
use further_link_testkit::{Answer, DEADLINE, TempDir, TestServer, is_root, refusal};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

/// A connection whose server has to prove with `certificate` that it is `name`.
async fn connect(
    port: u16,
    certificate: &Path,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(certificate).unwrap())
        .unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    Answer::read(&bytes[..])
}

/// Whether https with this certificate works.
async fn serves_with(server: &TestServer, certificate: &Path, name: &str) -> bool {
    match connect(server.port, certificate, name).await {
        Ok(mut stream) => get(&mut stream, "/status").await.body == "OK",
        Err(_) => false,
    }
}

/// Makes a certificate for `localhost` and its key, in `folder`.
fn make_pair(folder: &Path, certificate: &str, key: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let pair = KeyPair::generate().unwrap();
    let made = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .self_signed(&pair)
        .unwrap();
    std::fs::write(folder.join(certificate), made.pem()).unwrap();
    std::fs::write(folder.join(key), pair.serialize_pem()).unwrap();
}

/// A folder with an empty configuration file, beside which certificates are searched.
fn configuration() -> (TempDir, String) {
    let folder = TempDir::create();
    let file = folder.path().join("further-link.toml");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

#[tokio::test]
async fn certificate_is_made_once_and_kept() {
    let state = TempDir::create();
    let place = format!("state.dir={}", json!(state.path().join("kept")));
    let folder = state.path().join("kept/tls");
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let mut texts = Vec::new();
    for _ in 0..2 {
        let server = TestServer::start(&["--set", &place]);
        assert!(serves_with(&server, &certificate, "localhost").await);
        texts.push((
            std::fs::read(&certificate).unwrap(),
            std::fs::read(&key).unwrap(),
        ));
    }
    assert_eq!(
        texts[0], texts[1],
        "the second start has to use the first one's"
    );
    assert_eq!(std::fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(files.len(), 2, "{files:?}");

    // Half a pair is none.
    std::fs::remove_file(&key).unwrap();
    let server = TestServer::start(&["--set", &place]);
    assert!(serves_with(&server, &certificate, "localhost").await);
    assert_ne!(texts[0].0, std::fs::read(&certificate).unwrap());
}

#[tokio::test]
async fn one_port_takes_all_four() {
    let server = TestServer::start(&[]);
    let certificate = server.folder.path().join("state/tls/cert.pem");
    assert_eq!(server.get("/status").body, "OK");
    // All names that this device has for itself are in the certificate.
    for name in ["localhost", "127.0.0.1", "::1"] {
        let mut stream = connect(server.port, &certificate, name).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), None);
        assert_eq!(get(&mut stream, "/status").await.body, "OK", "{name}");
    }
    assert!(
        connect(server.port, &certificate, "evil.example")
            .await
            .is_err()
    );

    let stream = connect(server.port, &certificate, "localhost")
        .await
        .unwrap();
    let url = format!("wss://localhost:{}/run", server.port);
    let (mut secure, _) = client_async(url, stream).await.unwrap();
    let mut plain = server.connect("/run").await;
    use futures_util::{SinkExt as _, StreamExt as _};
    let code = "print('x' * 200_000 + input())";
    let start =
        json!({"type": "start", "process": "1", "data": {"runner": "python3", "code": code}});
    let input = json!({"type": "stdin", "process": "1", "data": {"input": "end\n"}});
    plain.send(start.clone()).await;
    plain.send(input.clone()).await;
    for message in [start, input] {
        secure
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }
    let mut output = String::new();
    loop {
        let next = tokio::time::timeout(DEADLINE, secure.next()).await.unwrap();
        let Message::Text(text) = next.unwrap().unwrap() else {
            continue;
        };
        let message: serde_json::Value = serde_json::from_str(text.as_str()).unwrap();
        match message["type"].as_str().unwrap() {
            "stdout" => output.push_str(message["data"]["output"].as_str().unwrap()),
            "stopped" => break,
            _ => assert_eq!(message["type"], "started"),
        }
    }
    assert_eq!(output, "x".repeat(200_000) + "end\n");
    assert_eq!(plain.finish().await.stdout, output);
}

#[tokio::test]
async fn administrators_certificate_is_used() {
    for sub_folder in ["", "extra"] {
        let (folder, file) = configuration();
        make_pair(&folder.path().join(sub_folder), "cert.pem", "key.pem");
        let server = TestServer::start(&["--config", &file]);
        let certificate = folder.path().join(sub_folder).join("cert.pem");
        assert!(
            serves_with(&server, &certificate, "localhost").await,
            "{sub_folder:?}"
        );
        assert!(
            !server.folder.path().join("state/tls").exists(),
            "none has to be made"
        );
    }
    // The folder itself is stronger than the one below it, and the setting is stronger than both.
    let (folder, file) = configuration();
    let folder = folder.path();
    make_pair(folder, "cert.pem", "key.pem");
    make_pair(&folder.join("extra"), "cert.pem", "key.pem");
    let server = TestServer::start(&["--config", &file]);
    assert!(serves_with(&server, &folder.join("cert.pem"), "localhost").await);
    assert!(!serves_with(&server, &folder.join("extra/cert.pem"), "localhost").await);
    drop(server);
    make_pair(folder, "named.pem", "named-key.pem");
    std::fs::write(
        &file,
        "[tls]\ncert = \"named.pem\"\nkey = \"named-key.pem\"\n",
    )
    .unwrap();
    let server = TestServer::start(&["--config", &file]);
    assert!(serves_with(&server, &folder.join("named.pem"), "localhost").await);
}

#[test]
fn half_broken_and_strange_pairs_are_refused() {
    let (folder, file) = configuration();
    let folder = folder.path();
    let arguments = ["--port", "0", "--config", file.as_str()];
    make_pair(folder, "cert.pem", "key.pem");
    make_pair(folder, "other.pem", "other-key.pem");
    let good = std::fs::read(folder.join("key.pem")).unwrap();

    std::fs::copy(folder.join("other-key.pem"), folder.join("key.pem")).unwrap();
    let text = refusal(&arguments);
    assert!(
        text.contains("do not belong together") && text.contains("cert.pem"),
        "{text}"
    );

    std::fs::remove_file(folder.join("key.pem")).unwrap();
    let text = refusal(&arguments);
    assert!(text.contains("only one of cert.pem and key.pem"), "{text}");

    for broken in [
        "",
        "no PEM",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        std::fs::write(folder.join("key.pem"), broken).unwrap();
        let text = refusal(&arguments);
        assert!(text.contains("key.pem"), "{broken:?}: {text}");
    }
    std::fs::write(folder.join("key.pem"), good).unwrap();
    for broken in ["", "no PEM"] {
        std::fs::write(folder.join("cert.pem"), broken).unwrap();
        let text = refusal(&arguments);
        assert!(text.contains("cert.pem"), "{broken:?}: {text}");
    }
    // A folder in the place of a file cannot be read by root either.
    std::fs::remove_file(folder.join("cert.pem")).unwrap();
    std::fs::create_dir(folder.join("cert.pem")).unwrap();
    let text = refusal(&arguments);
    assert!(text.contains("cert.pem cannot be read"), "{text}");

    let text = refusal(&[
        "--tls-cert",
        "/no/such/cert.pem",
        "--tls-key",
        "/no/such/key.pem",
    ]);
    assert!(text.contains("/no/such/cert.pem"), "{text}");
    let text = refusal(&["--port", "0", "--tls-cert", "/no/such/cert.pem"]);
    assert!(
        text.contains("tls.cert is set, but tls.key is not"),
        "{text}"
    );
}

/// Runs the server in a network of its own that has 10.99.0.1 beside the loopback addresses.
fn in_own_network(arguments: &[&str], variables: &[(&str, &str)]) -> Option<TestServer> {
    let has = |program: &str| Command::new(program).arg("-V").output().is_ok();
    if !is_root() || !["ip", "unshare", "nsenter"].into_iter().all(has) {
        eprintln!("not run: this needs root, ip, unshare and nsenter");
        return None;
    }
    let enter = "ip link set lo up && ip address add 10.99.0.1/32 dev lo && exec \"$0\" \"$@\"";
    let possible = Command::new("unshare")
        .args(["--net", "sh", "-c", enter, "true"])
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("not run: no network can be made here");
        return None;
    }
    let arguments: Vec<_> = ["--auth", "none"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    Some(TestServer::start_with(&arguments, |command| {
        let mut wrapped = Command::new("unshare");
        wrapped
            .args(["--net", "sh", "-c", enter])
            .arg(command.get_program());
        wrapped
            .args(command.get_args())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        wrapped.envs(variables.iter().copied());
        *command = wrapped;
    }))
}

/// One plain request to `address` in the server's network.
fn ask_in_network(server: &TestServer, address: &str, head: &str) -> Answer {
    let talk = format!(
        "exec 3<>/dev/tcp/{address}/{} && cat >&3 && cat <&3",
        server.port
    );
    let mut client = Command::new("nsenter")
        .arg(format!("--net=/proc/{}/ns/net", server.pid()))
        .args(["timeout", "20", "bash", "-c", &talk])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let head = head.replace('\n', "\r\n");
    write!(
        client.stdin.take().unwrap(),
        "{head}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let output = client.wait_with_output().unwrap();
    Answer::read(&output.stdout[..])
}

#[test]
fn others_are_sent_to_https() {
    let Some(server) = in_own_network(&["--bind", "0.0.0.0"], &[]) else {
        return;
    };
    let port = server.port;
    let ask = |address: &str, head: &str| ask_in_network(&server, address, head);
    let local = ask("127.0.0.1", "GET /status HTTP/1.1\nHost: localhost");
    assert_eq!(local.body, "OK");

    let head = format!("GET /runners?a=b%20c HTTP/1.1\nHost: 10.99.0.1:{port}");
    let far = ask("10.99.0.1", &head);
    assert_eq!(far.status, 308, "{far:?}");
    let wanted = format!("https://10.99.0.1:{port}/runners?a=b%20c");
    assert_eq!(far.header("location"), Some(wanted.as_str()));
    assert_eq!(
        far.header("access-control-allow-private-network"),
        Some("true")
    );
    let socket = ask(
        "10.99.0.1",
        &format!(
            "GET /run HTTP/1.1\nHost: 10.99.0.1\n{}",
            further_link_testkit::raw::UPGRADE
        ),
    );
    assert_eq!(socket.status, 308, "{socket:?}");
    // No name of this device, so nobody is sent there.
    let foreign = ask("10.99.0.1", "GET /status HTTP/1.1\nHost: evil.example");
    assert_eq!((foreign.status, foreign.header("location")), (403, None));
    assert_eq!(
        foreign.header("access-control-allow-private-network"),
        Some("true")
    );
    let absolute = ask(
        "10.99.0.1",
        "GET http://evil.example/x HTTP/1.1\nHost: 10.99.0.1",
    );
    assert_eq!((absolute.status, absolute.header("location")), (403, None));
}

#[test]
fn without_tls_others_are_served_plain() {
    let variables = [("FURTHER_LINK_NOSSL", "1")];
    let Some(server) = in_own_network(&["--bind", "0.0.0.0"], &variables) else {
        return;
    };
    let head = "GET /status HTTP/1.1\nHost: 10.99.0.1";
    assert_eq!(ask_in_network(&server, "10.99.0.1", head).body, "OK");
    assert_eq!(ask_in_network(&server, "127.0.0.1", head).body, "OK");
}

#[test]
fn broken_hellos_harm_nobody() {
    let server = TestServer::start(&[]);
    // A hello's beginning: handshake record, TLS 1.0, 512 bytes, client hello of 508.
    let begun = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let mut silent = server.tcp();
    silent.write_all(&begun).unwrap();
    let mut quiet = server.tcp();
    quiet.write_all(&[0x16]).unwrap();

    let mut garbage = vec![b"\x16garbage that is no record at all\r\n\r\n".to_vec()];
    garbage.push([&[0x16, 3, 1, 0, 40][..], &[0xff; 40]].concat());
    garbage.push([&[0x16, 3, 1, 0xff, 0xff][..], &[0; 70_000]].concat());
    garbage.push(vec![0x16; 100_000]);
    garbage.push(vec![0x15, 3, 1, 0, 2, 2, 40]);
    for bytes in garbage {
        let mut stream = server.tcp();
        let _ = stream.write_all(&bytes);
        // It ends by itself; what comes is an alert (or HTTP for what is no hello), never more.
        let answer = read_to_end(&mut stream);
        assert!(answer.len() < 500, "{answer:?}");
    }
    // Half a hello and then the end.
    let mut half = server.tcp();
    half.write_all(&begun).unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(read_to_end(&mut half).len() < 500);

    assert_eq!(server.get("/status").body, "OK");
    // The silent ones are still waited for, and hold nobody up.
    for mut stream in [silent, quiet] {
        stream.set_nonblocking(true).unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn key_of_the_state_folder_is_for_the_server_alone() {
    // A folder that somebody has opened up does not make the key readable.
    let state = TempDir::create();
    std::fs::create_dir(state.path().join("tls")).unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(state.path().join("tls"), mode).unwrap();
    let place = format!("state.dir={}", json!(state.path()));
    let _server = TestServer::start(&["--set", &place]);
    let key = std::fs::metadata(state.path().join("tls/key.pem")).unwrap();
    assert_eq!(key.mode() & 0o777, 0o600);
}

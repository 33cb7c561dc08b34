//! `/run` with the real server: the messages of the current generation.

mod support;

use serde_json::json;
use support::TestServer;

#[tokio::test]
async fn python_prints_reads_and_exits() {
    let server = TestServer::start(&[]);
    let mut client = server.connect("/run?client=me").await;
    client
        .start("1", "python3", "print('hi'); print(input()); exit(3)")
        .await;
    let started = client.expect("started").await;
    assert_eq!(
        started,
        json!({"type": "started", "data": null, "client": "me", "process": "1"})
    );
    client.stdin("1", "there\n").await;
    let finished = client.finish().await;
    assert_eq!(
        (finished.stdout.as_str(), finished.exit_code),
        ("hi\nthere\n", 3)
    );
}

//! What an answer may be, and how much and how slow.

use super::*;
use crate::download::{RESPONSE_HEAD_MAX_BYTES, URL_MAX_BYTES, WRITE_BUFFER_BYTES};
use std::io::Write as _;
use tokio::time::Instant;

#[tokio::test]
async fn file_is_downloaded_unchanged() {
    let body = "x".repeat(3 * WRITE_BUFFER_BYTES + 17);
    let site = Site::sending(ok(&body)).await;
    let (result, content) = fetch(&open(), &site.url("/a%20b/c?d=e&f#g")).await;
    assert_eq!(result.unwrap(), body.len() as u64);
    assert_eq!(content, body.as_bytes());

    let heads = site.heads();
    assert_eq!(heads.len(), 1);
    let mut lines: Vec<_> = heads[0].trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "GET /a%20b/c?d=e&f HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept-encoding: identity",
            "accept: */*",
            &format!("host: {}", site.address),
            &format!("user-agent: {}", super::super::USER_AGENT),
        ]
    );
}

#[tokio::test]
async fn plain_http_loads_no_certificates() {
    let site = Site::sending(ok("x")).await;
    let downloader = open();
    fetch(&downloader, &site.url("/")).await.0.unwrap();
    assert!(!downloader.0.tls.initialized());
}

#[tokio::test]
async fn every_body_framing_is_read() {
    for answer in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nabcde",
        "HTTP/1.0 200 OK\r\n\r\nabcde",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 5\r\n\r\nabcde and more",
    ] {
        let site = Site::sending(answer).await;
        let (result, content) = fetch(&open(), &site.url("/")).await;
        assert_eq!(result.unwrap(), 5, "{answer}");
        assert_eq!(content, b"abcde", "{answer}");
    }
}

#[tokio::test]
async fn empty_file_is_downloaded() {
    let site = Site::sending(ok("")).await;
    assert_eq!(fetch(&open(), &site.url("/")).await.0.unwrap(), 0);
}

#[tokio::test]
async fn download_appends_to_file() {
    let site = Site::sending(ok("new")).await;
    let mut file = File::from(memfd_create("download", MFdFlags::MFD_CLOEXEC).unwrap());
    file.write_all(b"old ").unwrap();
    let mut written = file.try_clone().unwrap();
    assert_eq!(open().fetch(&site.url("/"), file).await.unwrap(), 3);
    let mut content = String::new();
    written.rewind().unwrap();
    written.read_to_string(&mut content).unwrap();
    assert_eq!(content, "old new");
}

#[tokio::test]
async fn other_status_than_200_fails() {
    for status in [
        "201 Created",
        "204 No Content",
        "206 Partial Content",
        "300 Multiple Choices",
        "304 Not Modified",
        "403 Forbidden",
        "404 Not Found",
        "500 Internal Server Error",
        "101 Switching Protocols",
    ] {
        let site = Site::sending(format!(
            "HTTP/1.1 {status}\r\nContent-Length: 1\r\nLocation: /other\r\n\r\nx"
        ))
        .await;
        let sentence = failure(&open(), &site.url("/?signature=SECRET")).await;
        assert_eq!(
            sentence,
            format!("127.0.0.1 answers \"{status}\" instead of the file.")
        );
        assert_eq!(site.heads().len(), 1);
    }
}

#[tokio::test]
async fn compressed_response_fails() {
    for encoding in ["gzip", "br", "identity, gzip", "x-gzip"] {
        let site = Site::sending(format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: 1\r\n\r\nx"
        ))
        .await;
        let sentence = failure(&open(), &site.url("/")).await;
        assert!(sentence.contains("compressed"), "{sentence}");
    }
}

#[tokio::test]
async fn truncated_body_fails() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    ] {
        let site = Site::sending(answer).await;
        let sentence = failure(&open(), &site.url("/")).await;
        assert!(
            sentence.starts_with("127.0.0.1 gives no proper answer: "),
            "{answer}: {sentence}"
        );
    }
}

#[tokio::test]
async fn file_of_maximum_size_is_downloaded() {
    let settings = DownloadSettings {
        max_bytes: 1000,
        ..TEST_SETTINGS
    };
    let downloader = with_settings(settings);
    let site = Site::sending(ok(&"x".repeat(1000))).await;
    assert_eq!(fetch(&downloader, &site.url("/")).await.0.unwrap(), 1000);

    let site = Site::sending(ok(&"x".repeat(1001))).await;
    let (result, content) = fetch(&downloader, &site.url("/")).await;
    let sentence = result.unwrap_err().to_string();
    assert_eq!(
        sentence,
        "127.0.0.1 has a larger file than is downloaded, 1000 bytes."
    );
    assert_eq!(content, b"");
}

/// The head alone is enough to refuse it.
#[tokio::test]
async fn announced_size_over_limit_fails_at_once() {
    let site = Site::with(|mut stream, _| async move {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 60);
        stream.write_all(head.as_bytes()).await.unwrap();
        std::future::pending().await
    })
    .await;
    let sentence = failure(&open(), &site.url("/")).await;
    assert!(sentence.contains("larger"), "{sentence}");
}

#[tokio::test]
async fn endless_body_fails_at_limit() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let site = Site::with(move |mut stream, _| async move {
            stream.write_all(head.as_bytes()).await.unwrap();
            let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
        })
        .await;
        let (result, content) = fetch(&open(), &site.url("/")).await;
        let sentence = result.unwrap_err().to_string();
        assert!(sentence.contains("larger"), "{sentence}");
        assert!(content.len() as u64 <= TEST_SETTINGS.max_bytes);
    }
}

/// Each byte may come just in time, but not all of them.
#[tokio::test]
async fn dripping_body_times_out() {
    let settings = DownloadSettings {
        timeout: Duration::from_millis(800),
        ..TEST_SETTINGS
    };
    let site = Site::with(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT_TIMEOUTS.idle / 10).await;
        }
    })
    .await;
    let begin = Instant::now();
    let sentence = failure(&with_settings(settings), &site.url("/")).await;
    assert_eq!(
        sentence,
        "127.0.0.1 did not send the whole file within 0.8 seconds."
    );
    assert!(begin.elapsed() >= Duration::from_millis(800));
}

#[tokio::test]
async fn stalled_host_times_out() {
    for said in [
        "",
        "HTTP/1.1 200 OK\r\nContent-",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    ] {
        let site = Site::with(move |mut stream, _| async move {
            stream.write_all(said.as_bytes()).await.unwrap();
            std::future::pending().await
        })
        .await;
        let begin = Instant::now();
        let sentence = failure(&open(), &site.url("/")).await;
        assert_eq!(
            sentence,
            "127.0.0.1 kept us waiting for more than 0.5 seconds."
        );
        assert!(begin.elapsed() < TEST_SETTINGS.timeout / 2);
    }
}

#[tokio::test]
async fn slow_host_does_not_time_out() {
    let site = Site::with(|mut stream, _| async move {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
            .await
            .unwrap();
        for _ in 0..6 {
            tokio::time::sleep(SHORT_TIMEOUTS.idle / 3).await;
            stream.write_all(b"x").await.unwrap();
        }
    })
    .await;
    assert_eq!(fetch(&open(), &site.url("/")).await.1, b"xxxxxx");
}

#[tokio::test]
async fn large_response_head_fails() {
    for answer in [
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(1000)),
        format!("HTTP/1.1 200 {}", "x".repeat(1 << 20)),
    ] {
        let site = Site::sending(answer).await;
        let sentence = failure(&open(), &site.url("/")).await;
        assert!(sentence.contains("no proper answer"), "{sentence}");
    }
    let site = Site::sending(format!(
        "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 1\r\n\r\nx",
        "x".repeat(RESPONSE_HEAD_MAX_BYTES / 2)
    ))
    .await;
    assert_eq!(fetch(&open(), &site.url("/")).await.0.unwrap(), 1);
}

#[tokio::test]
async fn long_url_is_forbidden() {
    let site = Site::sending(ok("x")).await;
    let url = site.url("/");
    let path = "x".repeat(URL_MAX_BYTES - url.len());
    assert_eq!(fetch(&open(), &format!("{url}{path}")).await.1, b"x");
    refusal(&open(), &format!("{url}{path}x")).await;
}

/// Answers that only announce another may be many, but not forever.
#[tokio::test]
async fn endless_informational_responses_time_out() {
    let site = Site::with(|mut stream, _| async move {
        let chunk = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
        while stream.write_all(chunk.as_bytes()).await.is_ok() {}
    })
    .await;
    let sentence = failure(&open(), &site.url("/")).await;
    assert!(sentence.contains("waiting"), "{sentence}");
}

#[tokio::test]
async fn dropped_download_closes_connection() {
    let (told, hung_up) = tokio::sync::oneshot::channel();
    let told = Arc::new(Mutex::new(Some(told)));
    let site = Site::with(move |mut stream, _| {
        let told = told.lock().unwrap().take();
        async move {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                .await
                .unwrap();
            let _ = stream.read_u8().await;
            told.unwrap().send(()).unwrap();
        }
    })
    .await;
    let mut settings = TEST_SETTINGS;
    settings.timeout = Duration::from_millis(200);
    failure(&with_settings(settings), &site.url("/")).await;
    tokio::time::timeout(Duration::from_secs(5), hung_up)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn full_disk_is_file_error() {
    let site = Site::sending(ok("abc")).await;
    let full = File::options().write(true).open("/dev/full").unwrap();
    let error = open().fetch(&site.url("/"), full).await.unwrap_err();
    assert!(matches!(error, DownloadError::File(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("The downloaded file cannot be written: "),
        "{error}"
    );
}

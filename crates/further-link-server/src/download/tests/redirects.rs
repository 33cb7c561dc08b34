//! Redirects: each is a new address, and is treated like one.

use super::*;

/// Returns the path of a request.
fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

/// Sends everybody to `location`, from outside.
async fn sending_to(location: String) -> Site {
    let answer: Arc<str> = redirect_to(&location).into();
    Site::at(OUTSIDE_ADDRESS, move |mut stream, _| {
        let answer = Arc::clone(&answer);
        async move {
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await
}

#[tokio::test]
async fn all_kinds_of_redirects_are_followed() {
    let target = Site::sending(ok("there")).await;
    for status in [301, 302, 303, 307, 308] {
        let site = Site::sending(format!(
            "HTTP/1.1 {status} Moved\r\nLocation: {}\r\nSet-Cookie: a=b\r\n\r\nnot this",
            target.url("/x")
        ))
        .await;
        let (result, content) = fetch(&open(), &site.url("/old?token=SECRET")).await;
        assert_eq!(result.unwrap(), 5, "{status}");
        assert_eq!(content, b"there");
    }
    for head in target.heads() {
        assert_eq!(path(&head), "/x");
        let head = head.to_ascii_lowercase();
        for word in ["cookie", "referer", "secret", "authorization"] {
            assert!(!head.contains(word), "{head}");
        }
    }
}

#[tokio::test]
async fn relative_location_is_followed() {
    let site = Site::with(|mut stream, head| async move {
        let answer = match path(&head) {
            "/a/b" => redirect_to("../c?d"),
            "/c?d" => redirect_to("e"),
            "/e" => redirect_to("//127.0.0.1:PORT/f"),
            _ => ok("end"),
        };
        let port = stream.local_addr().unwrap().port().to_string();
        let answer = answer.replace("PORT", &port);
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    assert_eq!(fetch(&open(), &site.url("/a/b")).await.1, b"end");
    let paths: Vec<_> = site
        .heads()
        .iter()
        .map(|head| path(head).to_owned())
        .collect();
    assert_eq!(paths, ["/a/b", "/c?d", "/e", "/f"]);
}

#[tokio::test]
async fn sixth_redirect_fails() {
    let site = Site::with(|mut stream, head| async move {
        let left: u32 = path(&head)[1..].parse().unwrap();
        let answer = match left {
            0 => ok("end"),
            left => redirect_to(&format!("/{}", left - 1)),
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    assert_eq!(fetch(&open(), &site.url("/5")).await.1, b"end");
    for redirects in [6, 100] {
        let before = site.heads().len();
        let sentence = failure(&open(), &site.url(&format!("/{redirects}"))).await;
        assert_eq!(sentence, "127.0.0.1 is the end of more than 5 redirects.");
        assert_eq!(site.heads().len(), before + 6);
    }
}

#[tokio::test]
async fn redirect_loop_fails() {
    let site = Site::sending(redirect_to("/again")).await;
    failure(&open(), &site.url("/again")).await;
    assert_eq!(site.heads().len(), 6);
}

#[tokio::test]
async fn redirect_without_location_fails() {
    for answer in [
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        redirect_to("http://"),
        redirect_to("http://127.0.0.1:99999/"),
        "HTTP/1.1 302 Found\r\nLocation: \u{0}\r\n\r\n".to_owned(),
    ] {
        let site = Site::sending(&answer).await;
        failure(&open(), &site.url("/")).await;
    }
    let mut answer = redirect_to("/X").into_bytes();
    let place = answer.iter().position(|byte| *byte == b'X').unwrap();
    answer[place] = 0xff;
    let site = Site::sending(answer).await;
    failure(&open(), &site.url("/")).await;
}

#[tokio::test]
async fn redirect_to_other_scheme_is_forbidden() {
    for location in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "data:text/plain,x",
        "gopher://127.0.0.1/",
        "http://me:secret@127.0.0.1/",
    ] {
        let site = sending_to(location.to_owned()).await;
        refusal(&outside(Table::with([])), &site.url("/")).await;
    }
}

#[tokio::test]
async fn redirect_to_this_device_is_forbidden() {
    let inside = Site::sending(ok("secret")).await;
    let port = inside.address.port();
    let resolver = Table::with([
        ("localhost", vec![inside.address]),
        ("rebound.example", vec![inside.address]),
    ]);
    let downloader = outside(resolver);
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "localhost",
        "rebound.example",
        "[::ffff:127.0.0.1]",
        "[::1]",
    ] {
        let site = sending_to(format!("http://{host}:{port}/")).await;
        let sentence = refusal(&downloader, &site.url("/")).await;
        assert!(sentence.contains("private network"), "{sentence}");
        assert_eq!(site.heads().len(), 1);
    }
    assert_eq!(inside.heads(), Vec::<String>::new());

    // What would come if it were not for that.
    let site = sending_to(format!("http://127.0.0.1:{port}/")).await;
    assert_eq!(fetch(&open(), &site.url("/")).await.1, b"secret");
}

/// Somebody has answered, so it is not as if there were no network.
#[tokio::test]
async fn redirect_to_unreachable_host_fails() {
    let site = Site::sending(redirect_to("http://255.255.255.255/")).await;
    let sentence = failure(&open(), &site.url("/")).await;
    assert_eq!(
        sentence,
        "255.255.255.255 cannot be reached: Network is unreachable."
    );
}

/// The time for one file is not the time for each redirect.
#[tokio::test]
async fn redirects_share_one_timeout() {
    let site = Site::with(|mut stream, _| async move {
        tokio::time::sleep(SHORT_TIMEOUTS.idle / 2).await;
        let _ = stream.write_all(redirect_to("/").as_bytes()).await;
    })
    .await;
    let settings = DownloadSettings {
        timeout: SHORT_TIMEOUTS.idle,
        ..TEST_SETTINGS
    };
    let sentence = failure(&with_settings(settings), &site.url("/")).await;
    assert!(sentence.contains("within 0.5 seconds"), "{sentence}");
}

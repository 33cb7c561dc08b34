use super::*;
use http::{HeaderMap, HeaderValue, Uri, header};
use std::net::IpAddr;

fn check(host: Option<&str>, origin: Option<&str>) -> Result<Option<HeaderValue>, AccessDenied> {
    let settings = AccessSettings {
        hosts: vec!["Robot.School.example".to_owned()],
        origins: vec!["https://further.pi-top.com".to_owned()],
        ports: Vec::new(),
    };
    let access = Access::new(&settings, "pi-top.lan");
    let mut headers = HeaderMap::new();
    if let Some(host) = host {
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
    }
    if let Some(origin) = origin {
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
    }
    access.check(&Uri::from_static("/run"), &headers)
}

#[test]
fn known_host_is_accepted() {
    for host in [
        "127.0.0.1:8028",
        "[::1]:8028",
        "[fe80::1]",
        "192.168.1.7",
        "localhost",
        "LOCALHOST:80",
        "localhost.",
        "pi-top",
        "pi-top.local:8028",
        "pi-top.lan",
        "robot.school.example",
    ] {
        assert_eq!(check(Some(host), None), Ok(None), "{host}");
    }
}

#[test]
fn unknown_host_is_denied() {
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8028",
        "",
        ":8028",
        "localhost:port",
        "localhost:99999",
        "[::1",
        "[::1]x",
        "[localhost]",
        "user@localhost",
        "localhost:80:80",
    ] {
        assert!(
            matches!(check(Some(host), None), Err(AccessDenied::UnknownHost(_))),
            "{host}"
        );
    }
    assert_eq!(check(None, None), Err(AccessDenied::MissingHost));
}

#[test]
fn own_and_configured_origins_are_accepted() {
    let own = [
        ("localhost:8028", "http://localhost:8028"),
        ("localhost:8028", "https://LOCALHOST:8028"),
        ("pi-top.local", "https://pi-top.local"),
        ("pi-top.local:443", "https://pi-top.local"),
        ("[::1]:8028", "http://[::1]:8028"),
    ];
    for (host, origin) in own {
        assert_eq!(check(Some(host), Some(origin)), Ok(None), "{origin}");
    }
    let configured = "https://further.pi-top.com";
    assert_eq!(
        check(Some("localhost"), Some(configured)),
        Ok(Some(HeaderValue::from_static(configured)))
    );
}

#[test]
fn origin_on_one_own_port_may_use_the_others() {
    let settings = AccessSettings {
        ports: vec![8000, 8001],
        ..AccessSettings::default()
    };
    let access = Access::new(&settings, "robot");
    let check = |host, origin| {
        let headers = [
            (header::HOST, HeaderValue::from_static(host)),
            (header::ORIGIN, HeaderValue::from_static(origin)),
        ];
        let headers = HeaderMap::from_iter(headers);
        access.check(&Uri::from_static("/"), &headers).is_ok()
    };
    assert!(check("robot:8001", "http://robot:8000"));
    assert!(check("robot:8000", "http://robot:8000"));
    assert!(!check("robot:8001", "http://robot:9000"));
    assert!(!check("robot:9000", "http://robot:8000"));
    assert!(!check("robot:8001", "http://localhost:8000"));
    assert!(!check("robot:8001", "http://robot"));
    assert!(!check("robot:8001", "http://evil.example:8000"));
    let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("robot:8000"))]);
    assert!(access.is_own_page("http://robot:8000/a?b#c", &headers));
    assert!(access.is_own_page("http://robot:8001", &headers));
    for other in [
        "http://evil.example/http://robot:8000",
        "http://robot:8000@evil.example/",
        "http://robot:9000/",
        "robot:8000/",
        "",
    ] {
        assert!(!access.is_own_page(other, &headers), "{other}");
    }
}

#[test]
fn foreign_origin_is_denied() {
    for origin in [
        "https://evil.example",
        "null",
        "",
        "http://localhost:9999",
        "http://localhost",
        "file://localhost:8028",
        "http://127.0.0.1:8028",
        "http://localhost:8028@evil.example",
        "http://localhost:8028/",
        "https://further.pi-top.com.evil.example",
        "http://further.pi-top.com",
    ] {
        assert!(
            matches!(
                check(Some("localhost:8028"), Some(origin)),
                Err(AccessDenied::ForeignOrigin(_))
            ),
            "{origin}"
        );
    }
}

#[test]
fn repeated_host_or_origin_is_denied() {
    let access = Access::new(&AccessSettings::default(), "");
    let mut headers = HeaderMap::new();
    headers.append(header::HOST, HeaderValue::from_static("localhost"));
    headers.append(header::HOST, HeaderValue::from_static("evil.example"));
    assert_eq!(
        access.check(&Uri::from_static("/"), &headers),
        Err(AccessDenied::MissingHost)
    );
    headers.remove(header::HOST);
    headers.append(header::HOST, HeaderValue::from_static("localhost"));
    headers.append(header::ORIGIN, HeaderValue::from_static("http://localhost"));
    headers.append(
        header::ORIGIN,
        HeaderValue::from_static("http://evil.example"),
    );
    assert!(access.check(&Uri::from_static("/"), &headers).is_err());
}

proptest::proptest! {
    /// Whatever is sent as a host is accepted only if it is, without its port, an address or a
    /// known name.
    #[test]
    fn accepted_host_is_address_or_known_name(host in "[ -~]{0,40}|\\[?[0-9a-f.:]{0,20}\\]?(:[0-9]{0,6})?") {
        let Ok(value) = HeaderValue::from_str(&host) else { return Ok(()) };
        let access = Access::new(&AccessSettings::default(), "robot");
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, value);
        if access.check(&Uri::from_static("/"), &headers).is_ok() {
            let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
            let bare = match host.rsplit_once(':') {
                Some((bare, port)) if digits(port) && (bare.ends_with(']') || !bare.contains(':')) => bare,
                _ => &host,
            };
            let bare = bare.trim_end_matches('.').to_ascii_lowercase();
            let address = bare.trim_start_matches('[').trim_end_matches(']');
            proptest::prop_assert!(
                ["localhost", "robot", "robot.local"].contains(&bare.as_str())
                    || address.parse::<IpAddr>().is_ok(),
                "{host}"
            );
        }
    }
}

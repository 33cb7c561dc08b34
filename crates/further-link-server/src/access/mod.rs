//! The gate: every request and every upgrade passes it, whatever its route.
//!
//! It answers two questions. Is this request meant for this device (`Host`)? Otherwise a foreign site
//! could have its own name point at the device and then be "the same site" (DNS rebinding). And does
//! the page that sends it (`Origin`) belong to this device or to a site that was configured? Otherwise
//! any page in the browser of somebody near could run programs here.

use crate::SharedApp;
use crate::http::error::HttpError;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use std::net::IpAddr;

const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// What pages of other sites may see of an answer beside its body: what the file API says in headers.
const CORS_EXPOSED_HEADERS: &str =
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Retry-After";

/// Who may come in.
#[derive(Clone, Debug, Default)]
pub struct GateSettings {
    /// Names of this device beside `localhost`, its addresses and its host name.
    pub hosts: Vec<String>,
    /// Sites whose pages may use this server, as `scheme://host[:port]`.
    pub origins: Vec<String>,
    /// Ports of this server, if it has several: pages that came from one of them may use the others, by the same name.
    pub ports: Vec<u16>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Gate {
    names: Vec<String>,
    origins: Vec<String>,
    ports: Vec<u16>,
}

/// A host with its port, if one was written.
#[derive(Debug, PartialEq, Eq)]
struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (_, after) = rest.split_once(']')?;
                let host = &text[..text.len() - after.len()];
                (
                    host,
                    after
                        .strip_prefix(':')
                        .map_or_else(|| after.is_empty().then_some(""), Some)?,
                )
            }
            None => text.split_once(':').unwrap_or((text, "")),
        };
        let port = match port {
            "" => None,
            port if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
            _ => return None,
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        (!host.is_empty()).then_some(Self { host, port })
    }

    fn is_address(&self) -> bool {
        let bare = self
            .host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(self.host);
        bare.parse::<IpAddr>().is_ok()
    }
}

/// Why a request was turned away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoHost,
    Host(String),
    Origin(String),
}

impl Refusal {
    /// For the metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NoHost | Self::Host(_) => "host",
            Self::Origin(_) => "origin",
        }
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoHost => Self::new(
                StatusCode::BAD_REQUEST,
                "The request does not say for which host it is.",
            ),
            Refusal::Host(host) => Self::new(
                StatusCode::FORBIDDEN,
                format!(
                    "\"{host}\" is not known as a name of this device. If it is one, add it to \
                     server.hosts in the configuration."
                ),
            ),
            Refusal::Origin(origin) => Self::new(
                StatusCode::FORBIDDEN,
                format!(
                    "Pages of \"{origin}\" may not use this server. If they should, add it to \
                     server.origins in the configuration."
                ),
            ),
        }
    }
}

impl Gate {
    /// `hostname` is the device's own name, as it is and with `.local`.
    pub(crate) fn new(settings: &GateSettings, hostname: &str) -> Self {
        let mut names = vec!["localhost".to_owned()];
        let hostname = hostname.to_ascii_lowercase();
        if !hostname.is_empty() {
            let short = hostname.split('.').next().unwrap_or_default().to_owned();
            names.extend([format!("{short}.local"), short, hostname]);
        }
        names.extend(settings.hosts.iter().map(|host| host.to_ascii_lowercase()));
        Self {
            names,
            ports: settings.ports.clone(),
            origins: settings
                .origins
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
        }
    }

    /// Decides about one request. Returns the foreign origin that was let in, if there was one.
    ///
    /// # Errors
    /// The reason why it may not come in.
    pub(crate) fn check(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>, Refusal> {
        let host = single(headers, &header::HOST).ok_or(Refusal::NoHost)?;
        let host = host.to_str().unwrap_or("?");
        // A target in absolute form names the host a second time; both have to say the same.
        if let Some(target) = uri.authority()
            && target.as_str() != host
        {
            return Err(Refusal::Host(printable(target.as_str())));
        }
        let authority = Authority::parse(host)
            .filter(|authority| self.is_ours(authority))
            .ok_or_else(|| Refusal::Host(printable(host)))?;
        if !headers.contains_key(header::ORIGIN) {
            return Ok(None);
        }
        let origin = single(headers, &header::ORIGIN)
            .ok_or_else(|| Refusal::Origin("several".to_owned()))?;
        let text = origin.to_str().unwrap_or("?");
        if is_same(text, &authority, &self.ports) {
            return Ok(None);
        }
        if self.origins.contains(&text.to_ascii_lowercase()) {
            return Ok(Some(origin.clone()));
        }
        Err(Refusal::Origin(printable(text)))
    }

    /// Whether a page whose address is `page` came from here, by the name that the request uses: what `Referer` says, of a
    /// request that has passed.
    pub(crate) fn is_own_page(&self, page: &str, headers: &HeaderMap) -> bool {
        let host = single(headers, &header::HOST).and_then(|host| host.to_str().ok());
        let origin = page.find("://").map(|colon| {
            let rest = &page[colon + 3..];
            &page[..colon + 3 + rest.find(['/', '?', '#']).unwrap_or(rest.len())]
        });
        match (host.and_then(Authority::parse), origin) {
            (Some(host), Some(origin)) => is_same(origin, &host, &self.ports),
            _ => false,
        }
    }

    fn is_ours(&self, authority: &Authority<'_>) -> bool {
        authority.is_address()
            || self
                .names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(authority.host))
    }
}

/// Whether `origin` is a page of this server itself, reached by the same name and port, or another one of `ports`.
fn is_same(origin: &str, host: &Authority<'_>, ports: &[u16]) -> bool {
    let (default_port, rest) = match origin.split_once("://") {
        Some(("http", rest)) => (80, rest),
        Some(("https", rest)) => (443, rest),
        _ => return false,
    };
    Authority::parse(rest).is_some_and(|origin| {
        let port = |port: Option<u16>| port.unwrap_or(default_port);
        let (from, to) = (port(origin.port), port(host.port));
        let same_port = from == to || (ports.contains(&from) && ports.contains(&to));
        origin.host.eq_ignore_ascii_case(host.host) && same_port
    })
}

/// The header's value if there is exactly one.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    values.next().is_none().then_some(value).flatten()
}

/// What a stranger sent, short and harmless enough to be shown.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(100)
        .collect()
}

/// The gate as a layer around all routes.
pub(crate) async fn guard(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match app.gate.check(request.uri(), request.headers()) {
        Err(refusal) => {
            app.metrics.refused(refusal.reason());
            tracing::info!(?refusal, path = request.uri().path(), "turned away");
            HttpError::from(refusal).into_response()
        }
        Ok(origin) => {
            let asked: Vec<_> = [
                (
                    header::ACCESS_CONTROL_REQUEST_METHOD,
                    header::ACCESS_CONTROL_ALLOW_METHODS,
                ),
                (
                    header::ACCESS_CONTROL_REQUEST_HEADERS,
                    header::ACCESS_CONTROL_ALLOW_HEADERS,
                ),
            ]
            .into_iter()
            .filter_map(|(asked, answer)| Some((answer, request.headers().get(asked)?.clone())))
            .collect();
            let mut response = if preflight {
                StatusCode::OK.into_response()
            } else {
                next.run(request).await
            };
            let headers = response.headers_mut();
            if preflight {
                headers.extend(asked);
            }
            if let Some(origin) = origin {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.insert(
                    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                    HeaderValue::from_static("true"),
                );
                headers.insert(
                    header::ACCESS_CONTROL_EXPOSE_HEADERS,
                    HeaderValue::from_static(CORS_EXPOSED_HEADERS),
                );
            }
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
            response
        }
    };
    allow_private_network(response.headers_mut());
    response
}

/// Pages of public sites may ask a device of a private network only if each answer says so.
pub(crate) fn allow_private_network(headers: &mut HeaderMap) {
    headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: Option<&str>, origin: Option<&str>) -> Result<Option<HeaderValue>, Refusal> {
        let settings = GateSettings {
            hosts: vec!["Robot.School.example".to_owned()],
            origins: vec!["https://further.pi-top.com".to_owned()],
            ports: Vec::new(),
        };
        let gate = Gate::new(&settings, "pi-top.lan");
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        gate.check(&Uri::from_static("/run"), &headers)
    }

    #[test]
    fn lets_in_who_names_this_device() {
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
    fn turns_away_other_names() {
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
                matches!(check(Some(host), None), Err(Refusal::Host(_))),
                "{host}"
            );
        }
        assert_eq!(check(None, None), Err(Refusal::NoHost));
    }

    #[test]
    fn lets_in_its_own_pages_and_the_configured_sites() {
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
    fn pages_of_one_port_may_use_the_others() {
        let settings = GateSettings {
            ports: vec![8000, 8001],
            ..GateSettings::default()
        };
        let gate = Gate::new(&settings, "robot");
        let check = |host, origin| {
            let headers = [
                (header::HOST, HeaderValue::from_static(host)),
                (header::ORIGIN, HeaderValue::from_static(origin)),
            ];
            let headers = HeaderMap::from_iter(headers);
            gate.check(&Uri::from_static("/"), &headers).is_ok()
        };
        assert!(check("robot:8001", "http://robot:8000"));
        assert!(check("robot:8000", "http://robot:8000"));
        assert!(!check("robot:8001", "http://robot:9000"));
        assert!(!check("robot:9000", "http://robot:8000"));
        assert!(!check("robot:8001", "http://localhost:8000"));
        assert!(!check("robot:8001", "http://robot"));
        assert!(!check("robot:8001", "http://evil.example:8000"));
        let headers =
            HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("robot:8000"))]);
        assert!(gate.is_own_page("http://robot:8000/a?b#c", &headers));
        assert!(gate.is_own_page("http://robot:8001", &headers));
        for other in [
            "http://evil.example/http://robot:8000",
            "http://robot:8000@evil.example/",
            "http://robot:9000/",
            "robot:8000/",
            "",
        ] {
            assert!(!gate.is_own_page(other, &headers), "{other}");
        }
    }

    #[test]
    fn turns_away_pages_of_others() {
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
                    Err(Refusal::Origin(_))
                ),
                "{origin}"
            );
        }
    }

    #[test]
    fn two_hosts_or_two_origins_are_none() {
        let gate = Gate::new(&GateSettings::default(), "");
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(
            gate.check(&Uri::from_static("/"), &headers),
            Err(Refusal::NoHost)
        );
        headers.remove(header::HOST);
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        headers.append(header::ORIGIN, HeaderValue::from_static("http://localhost"));
        headers.append(
            header::ORIGIN,
            HeaderValue::from_static("http://evil.example"),
        );
        assert!(gate.check(&Uri::from_static("/"), &headers).is_err());
    }

    proptest::proptest! {
        /// Whatever is sent as a host: it is let in only if, without a port, it is an address or a name.
        #[test]
        fn a_host_is_an_address_or_a_name_or_refused(host in "[ -~]{0,40}|\\[?[0-9a-f.:]{0,20}\\]?(:[0-9]{0,6})?") {
            let Ok(value) = HeaderValue::from_str(&host) else { return Ok(()) };
            let gate = Gate::new(&GateSettings::default(), "robot");
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, value);
            if gate.check(&Uri::from_static("/"), &headers).is_ok() {
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
}

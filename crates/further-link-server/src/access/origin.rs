//! The Origin check and CORS: does the page that sends a request belong to this device or to a
//! configured site? Any page in the browser of somebody nearby could otherwise run programs here
//! (cross-site WebSocket hijacking, CSRF).

use super::denied::AccessDenied;
use super::host::{Authority, single_value};
use http::{HeaderMap, HeaderName, HeaderValue, header};

const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// Response headers that pages of other sites may read: what the file API says in headers.
const CORS_EXPOSED_HEADERS: &str =
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Retry-After";

/// Knows the sites whose pages may use this server.
#[derive(Debug)]
pub(super) struct OriginCheck {
    origins: Vec<String>,
    ports: Vec<u16>,
}

impl OriginCheck {
    /// `origins` are foreign sites that are accepted, `ports` this server's own if it has several.
    pub(super) fn new(origins: &[String], ports: &[u16]) -> Self {
        Self {
            ports: ports.to_vec(),
            origins: origins
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
        }
    }

    /// Returns the foreign origin that is accepted; `None` if the request comes from an own page,
    /// or from no page.
    ///
    /// # Errors
    /// If it comes from a page of another site.
    pub(super) fn check(
        &self,
        host: &Authority<'_>,
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>, AccessDenied> {
        if !headers.contains_key(header::ORIGIN) {
            return Ok(None);
        }
        let origin = single_value(headers, &header::ORIGIN)
            .ok_or_else(|| AccessDenied::foreign_origin("several"))?;
        let text = origin.to_str().unwrap_or("?");
        if self.is_own(text, host) {
            return Ok(None);
        }
        if self.origins.contains(&text.to_ascii_lowercase()) {
            return Ok(Some(origin.clone()));
        }
        Err(AccessDenied::foreign_origin(text))
    }

    /// Returns whether the page at the URL `page` came from this server, by the name that the
    /// request uses: what `Referer` tells.
    pub(super) fn is_own_page(&self, page: &str, headers: &HeaderMap) -> bool {
        let host = single_value(headers, &header::HOST).and_then(|host| host.to_str().ok());
        let origin = page.find("://").map(|colon| {
            let rest = &page[colon + 3..];
            &page[..colon + 3 + rest.find(['/', '?', '#']).unwrap_or(rest.len())]
        });
        match (host.and_then(Authority::parse), origin) {
            (Some(host), Some(origin)) => self.is_own(origin, &host),
            _ => false,
        }
    }

    /// Returns whether `origin` is this server, by the same name and on the same port or on another
    /// of its own.
    fn is_own(&self, origin: &str, host: &Authority<'_>) -> bool {
        let (default_port, rest) = match origin.split_once("://") {
            Some(("http", rest)) => (80, rest),
            Some(("https", rest)) => (443, rest),
            _ => return false,
        };
        Authority::parse(rest).is_some_and(|origin| {
            let port = |port: Option<u16>| port.unwrap_or(default_port);
            let (from, to) = (port(origin.port), port(host.port));
            let is_same_port =
                from == to || (self.ports.contains(&from) && self.ports.contains(&to));
            origin.host.eq_ignore_ascii_case(host.host) && is_same_port
        })
    }
}

/// Adds what lets the page of the foreign site `origin` read a response (CORS).
pub(super) fn allow_origin(headers: &mut HeaderMap, origin: HeaderValue) {
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

/// Returns the answer to what a preflight asks for: everything is allowed that it names.
pub(super) fn preflight_answer(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let pairs = [
        (
            header::ACCESS_CONTROL_REQUEST_METHOD,
            header::ACCESS_CONTROL_ALLOW_METHODS,
        ),
        (
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
        ),
    ];
    pairs
        .into_iter()
        .filter_map(|(asked, answer)| Some((answer, headers.get(asked)?.clone())))
        .collect()
}

/// Lets pages of public sites use a device in a private network, which each response has to allow
/// (Private Network Access).
pub(crate) fn allow_private_network(headers: &mut HeaderMap) {
    headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
}

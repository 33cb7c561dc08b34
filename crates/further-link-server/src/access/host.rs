//! The Host check: is a request meant for this device? A foreign site could otherwise have its own
//! name point at the device and then count as the same site (DNS rebinding).

use super::denied::AccessDenied;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use std::net::IpAddr;

/// A host with its port, if one was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Parses `host[:port]`; an IPv6 address stands in brackets.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
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

    fn is_ip_address(&self) -> bool {
        let bare = self
            .host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(self.host);
        bare.parse::<IpAddr>().is_ok()
    }
}

/// Knows the names of this device. Its addresses are always names: no DNS leads to them.
#[derive(Debug)]
pub(super) struct HostCheck {
    names: Vec<String>,
}

impl HostCheck {
    /// `hostname` is the device's own name, which is accepted as it is, without its domain, and
    /// with `.local`; `configured` are further names.
    pub(super) fn new(hostname: &str, configured: &[String]) -> Self {
        let mut names = vec!["localhost".to_owned()];
        let hostname = hostname.to_ascii_lowercase();
        if !hostname.is_empty() {
            let short = hostname.split('.').next().unwrap_or_default().to_owned();
            names.extend([format!("{short}.local"), short, hostname]);
        }
        names.extend(configured.iter().map(|host| host.to_ascii_lowercase()));
        Self { names }
    }

    /// Returns the host that a request names.
    ///
    /// # Errors
    /// If it names none, several, or one that is not this device.
    pub(super) fn check<'a>(
        &self,
        uri: &Uri,
        headers: &'a HeaderMap,
    ) -> Result<Authority<'a>, AccessDenied> {
        let host = single_value(headers, &header::HOST).ok_or(AccessDenied::MissingHost)?;
        let host = host.to_str().unwrap_or("?");
        // A target in absolute form names the host a second time; both have to be the same.
        if let Some(target) = uri.authority()
            && target.as_str() != host
        {
            return Err(AccessDenied::unknown_host(target.as_str()));
        }
        Authority::parse(host)
            .filter(|authority| self.includes(authority))
            .ok_or_else(|| AccessDenied::unknown_host(host))
    }

    fn includes(&self, authority: &Authority<'_>) -> bool {
        authority.is_ip_address()
            || self
                .names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(authority.host))
    }
}

/// Returns the header's value if there is exactly one.
pub(super) fn single_value<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    values.next().is_none().then_some(value).flatten()
}

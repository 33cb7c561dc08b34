//! What a browser says about where a request comes from (Fetch Metadata, `Sec-Fetch-*`).

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Returns whether a page of another site embeds what is requested, as an image or a script: such a
/// request has no `Origin`. The page would not get it (`Cross-Origin-Resource-Policy`), but could
/// keep archives and watchers from everybody else.
pub(crate) fn is_cross_site_embed(headers: &HeaderMap) -> bool {
    let is = |name, value: &[u8]| {
        let found = headers.get(name).map(HeaderValue::as_bytes);
        found.is_some_and(|found: &[u8]| found.eq_ignore_ascii_case(value))
    };
    is(SEC_FETCH_MODE, b"no-cors")
        && (is(SEC_FETCH_SITE, b"cross-site") || is(SEC_FETCH_SITE, b"same-site"))
}

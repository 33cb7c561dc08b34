//! Authentication of the terminal's clients: a cookie with a secret of ours, or the token of
//! whoever has started the server. Ids of sessions are names and no secrets: each owner has its
//! own. And protection against cross-site request forgery (CSRF).

use crate::access::Access;
use crate::access::fetch_metadata::SEC_FETCH_SITE;
use crate::http::error::HttpError;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::fmt;

/// The name that the dialect gives to its cookie.
const COOKIE_NAME: &str = "session_id";
/// Bytes of a secret: too many to guess.
const SECRET_BYTES: usize = 16;

/// Whom a session belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Whoever sends this secret as a cookie.
    Cookie([u8; SECRET_BYTES]),
    /// Whoever knows the token, and has no cookie.
    Token,
}

impl fmt::Debug for Owner {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cookie(_) => "Cookie",
            Self::Token => "Token",
        })
    }
}

/// Who sends a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) owner: Owner,
    /// It sent no cookie of ours; the one that it gets now is its first.
    pub(super) is_new: bool,
    /// It knows the token.
    pub(super) has_token: bool,
}

/// Which page a request comes from, as far as it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestSource {
    OwnPage,
    OtherPage,
    /// No page, or a browser that does not tell.
    Unknown,
}

impl Client {
    /// Authenticates a request by its headers.
    ///
    /// # Errors
    /// If the token is wrong, or there is no randomness for a new secret.
    pub(super) fn of(expected_token: Option<&str>, headers: &HeaderMap) -> Result<Self, HttpError> {
        let has_token = token(headers, expected_token)?;
        let cookie = cookie(headers);
        let owner = match cookie {
            Some(secret) => Owner::Cookie(secret),
            None if has_token => Owner::Token,
            None => Owner::Cookie(new_secret()?),
        };
        Ok(Self {
            owner,
            is_new: cookie.is_none() && !has_token,
            has_token,
        })
    }

    /// Adds the cookie to a response, which the client sends from now on.
    pub(super) fn set_cookie(&self, answer: &mut HeaderMap) {
        let Owner::Cookie(secret) = self.owner else {
            return;
        };
        let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let cookie = format!("{COOKIE_NAME}={digits}; Path=/; HttpOnly; SameSite=Strict");
        answer.extend(HeaderValue::try_from(cookie).map(|cookie| (header::SET_COOKIE, cookie)));
        forbid_shared_caching(answer);
    }

    /// Accepts a request that changes something only if it does not come from a page of another
    /// site. `OriginCheck` has seen `Origin`, but browsers do not send it with all requests: an
    /// image whose URL is here would start a shell, or take the output of one. Nor do they send
    /// `Sec-Fetch-Site` without encryption, and a page can withhold `Referer`. The cookie proves
    /// nothing: to a browser a page on another port of this device is the same site, so it is sent
    /// then. A browser therefore has to say that the page is ours. What is no browser does nothing
    /// for others, and nor does who knows the token: no page can send it without a preflight.
    ///
    /// # Errors
    /// If it may come from a page of another site.
    pub(super) fn check_csrf(&self, access: &Access, headers: &HeaderMap) -> Result<(), HttpError> {
        match request_source(access, headers) {
            RequestSource::OwnPage => Ok(()),
            RequestSource::Unknown if self.has_token || !is_browser(headers) => Ok(()),
            RequestSource::Unknown | RequestSource::OtherPage => Err(csrf_error()),
        }
    }
}

/// Lets no shared cache give a response with a secret in it to anybody else. It could give them
/// files that never change, and what says nothing about caching, as redirects (RFC 9111 sections 3
/// and 4.2.2).
fn forbid_shared_caching(answer: &mut HeaderMap) {
    let private = match answer.get(header::CACHE_CONTROL).map(|kept| kept.to_str()) {
        Some(Ok(kept)) if kept != "no-store" => {
            let kept = kept.strip_prefix("public, ").unwrap_or(kept);
            HeaderValue::try_from(format!("private, {kept}")).ok()
        }
        _ => None,
    };
    let private = private.unwrap_or(HeaderValue::from_static("no-store"));
    answer.insert(header::CACHE_CONTROL, private);
}

fn csrf_error() -> HttpError {
    HttpError::new(
        StatusCode::FORBIDDEN,
        "Only the terminal's own page may do this.",
    )
}

/// Returns where a request comes from that has passed access control.
fn request_source(access: &Access, headers: &HeaderMap) -> RequestSource {
    if headers.contains_key(header::ORIGIN) {
        return RequestSource::OwnPage;
    }
    match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
        Some(b"same-origin") => return RequestSource::OwnPage,
        // Somebody has typed it, or follows a link in a mail.
        Some(b"none") => return RequestSource::Unknown,
        Some(_) => return RequestSource::OtherPage,
        None => {}
    }
    match headers.get(header::REFERER) {
        None => RequestSource::Unknown,
        Some(page) => {
            let page = page.to_str().unwrap_or_default();
            match access.is_own_page(page, headers) {
                true => RequestSource::OwnPage,
                false => RequestSource::OtherPage,
            }
        }
    }
}

/// Returns whether a browser sends the request. `User-Agent` of all browsers begins with this word,
/// and no page can change that.
fn is_browser(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

/// Returns whether the request has the token.
///
/// # Errors
/// If it has a wrong one.
fn token(headers: &HeaderMap, token: Option<&str>) -> Result<bool, HttpError> {
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Ok(false);
    };
    let given = given.as_bytes();
    let given = match given.split_at_checked("Bearer ".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"Bearer ") => rest.trim_ascii(),
        _ => b"",
    };
    match token {
        Some(token) if equals_constant_time(given, token.as_bytes()) => Ok(true),
        _ => Err(
            HttpError::new(StatusCode::UNAUTHORIZED, "This is not the server's token.")
                .with_header(header::WWW_AUTHENTICATE, "Bearer"),
        ),
    }
}

/// Compares in constant time, so that timing tells nothing about the token.
fn equals_constant_time(given: &[u8], token: &[u8]) -> bool {
    let different = given
        .iter()
        .zip(token)
        .fold(0, |different, (a, b)| different | (a ^ b));
    given.len() == token.len() && std::hint::black_box(different) == 0
}

/// Returns the secret in the request's cookie. What is not one of ours counts as missing.
fn cookie(headers: &HeaderMap) -> Option<[u8; SECRET_BYTES]> {
    let values = headers.get_all(header::COOKIE).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .find_map(|pair| {
            let pair = str::from_utf8(pair.trim_ascii()).ok()?;
            let (name, value) = pair.split_once('=')?;
            (name == COOKIE_NAME).then(|| secret(value)).flatten()
        })
}

fn secret(digits: &str) -> Option<[u8; SECRET_BYTES]> {
    if digits.len() != 2 * SECRET_BYTES || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut secret = [0; SECRET_BYTES];
    for (index, byte) in secret.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(secret)
}

fn new_secret() -> Result<[u8; SECRET_BYTES], HttpError> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers");
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "")
    })?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie_of(values: &[&str]) -> Option<[u8; SECRET_BYTES]> {
        let values = values.iter().map(|value| {
            let value = HeaderValue::from_str(value).unwrap();
            (header::COOKIE, value)
        });
        cookie(&HeaderMap::from_iter(values))
    }

    #[test]
    fn foreign_cookies_are_ignored() {
        let ours = "00112233445566778899aabbccddeeff";
        let secret = Some([
            0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
            0xff,
        ]);
        assert_eq!(cookie_of(&[&format!("session_id={ours}")]), secret);
        assert_eq!(cookie_of(&[&format!("a=b; session_id={ours};c")]), secret);
        assert_eq!(cookie_of(&["a=b", &format!("session_id={ours}")]), secret);
        for other in [
            "session_id=",
            "session_id=short",
            "session_id=+0112233445566778899aabbccddeeff",
            "session_id=00112233445566778899aabbccddeeff0",
            "SESSION_ID=00112233445566778899aabbccddeeff",
            "xsession_id=00112233445566778899aabbccddeeff",
        ] {
            assert_eq!(cookie_of(&[other]), None, "{other}");
        }
    }

    #[test]
    fn token_matches_only_as_a_whole() {
        let check = |given: Option<&str>, own: Option<&str>| {
            let given = given.map(|given| (header::AUTHORIZATION, given.parse().unwrap()));
            token(&HeaderMap::from_iter(given), own).ok()
        };
        assert_eq!(check(None, Some("secret")), Some(false));
        assert_eq!(check(Some("Bearer secret"), Some("secret")), Some(true));
        assert_eq!(check(Some("bearer secret"), Some("secret")), Some(true));
        for wrong in [
            "Bearer ",
            "Bearer secre",
            "Bearer secrets",
            "Basic secret",
            "secret",
        ] {
            assert_eq!(check(Some(wrong), Some("secret")), None, "{wrong}");
            assert_eq!(check(Some(wrong), None), None, "{wrong}");
        }
    }
}

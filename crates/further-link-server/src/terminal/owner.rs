//! By what somebody is known again: a cookie with a secret of ours, or the token of whoever has started the server. Ids of
//! sessions are names and no secrets: each owner has its own.

use super::Shared;
use crate::http::error::HttpError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::fmt;

/// The name that the dialect gives to its cookie.
const COOKIE_NAME: &str = "session_id";
/// Bytes of a secret: nobody finds another one's by trying.
const SECRET_BYTES: usize = 16;
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whose a session is.
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

/// What a request says about the page that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    OwnPage,
    OtherPage,
    /// Nothing: no page, or a browser that keeps it to itself.
    Unknown,
}

impl Client {
    /// Reads who sends a request with these headers.
    ///
    /// # Errors
    /// If the token is wrong, or there is no randomness for a new secret.
    pub(super) fn of(shared: &Shared, headers: &HeaderMap) -> Result<Self, HttpError> {
        let has_token = token(headers, shared.settings.token.as_deref())?;
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

    /// Has an answer set the cookie that it sends from now on, if it has one.
    pub(super) fn set_cookie(&self, answer: &mut HeaderMap) {
        let Owner::Cookie(secret) = self.owner else {
            return;
        };
        let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let cookie = format!("{COOKIE_NAME}={digits}; Path=/; HttpOnly; SameSite=Strict");
        answer.extend(HeaderValue::try_from(cookie).map(|cookie| (header::SET_COOKIE, cookie)));
        keep_from_others(answer);
    }

    /// Lets only those change something who do not come from a page of somebody else. The gate has seen `Origin`, but browsers
    /// do not send it with all requests: a picture whose address is here would start a shell, or take the output of one. Nor
    /// do they send `Sec-Fetch-Site` without encryption, and a page can keep `Referer` back. The cookie proves nothing: a page
    /// on another port of this device is of the same site to a browser, which sends it then. So a browser has to say that
    /// the page is ours. What is no browser does nothing for others, and nor does who knows the token, as no page can send it
    /// without being asked about its origin.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn may_change(&self, shared: &Shared, headers: &HeaderMap) -> Result<(), HttpError> {
        match from(shared, headers) {
            From::OwnPage => Ok(()),
            From::Unknown if self.has_token || !is_browser(headers) => Ok(()),
            From::Unknown | From::OtherPage => Err(foreign()),
        }
    }
}

/// Lets no cache on the way give an answer with a secret in it to anybody else. It could give them files that never change,
/// and what says nothing about being kept, as redirects (RFC 9111, sections 3 and 4.2.2).
fn keep_from_others(answer: &mut HeaderMap) {
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

fn foreign() -> HttpError {
    HttpError::new(
        StatusCode::FORBIDDEN,
        "Only the terminal's own page may do this.",
    )
}

/// The gate has let the request pass.
fn from(shared: &Shared, headers: &HeaderMap) -> From {
    if headers.contains_key(header::ORIGIN) {
        return From::OwnPage;
    }
    match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
        Some(b"same-origin") => return From::OwnPage,
        // Somebody has typed it, or follows a link in a mail.
        Some(b"none") => return From::Unknown,
        Some(_) => return From::OtherPage,
        None => {}
    }
    match headers.get(header::REFERER) {
        None => From::Unknown,
        Some(page) => {
            let page = page.to_str().unwrap_or_default();
            match shared.app.gate.is_own_page(page, headers) {
                true => From::OwnPage,
                false => From::OtherPage,
            }
        }
    }
}

/// All browsers begin with this word, whatever they are, and no page can take it away.
fn is_browser(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

/// Whether the request has the token. One that is wrong is told so.
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
        Some(token) if is_same(given, token.as_bytes()) => Ok(true),
        _ => Err(
            HttpError::new(StatusCode::UNAUTHORIZED, "This is not the server's token.")
                .with_header(header::WWW_AUTHENTICATE, "Bearer"),
        ),
    }
}

/// Takes as long for a token that begins right as for any other of its length.
fn is_same(given: &[u8], token: &[u8]) -> bool {
    let different = given
        .iter()
        .zip(token)
        .fold(0, |different, (a, b)| different | (a ^ b));
    given.len() == token.len() && std::hint::black_box(different) == 0
}

/// The secret in the request's cookie. What is none of ours counts as none.
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
    fn only_a_cookie_of_ours_is_one() {
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
    fn a_token_is_right_or_wrong_as_a_whole() {
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

//! The opening handshake (RFC 6455 section 4).

use super::deflate::Agreement;
use crate::http::error::HttpError;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sockudo_ws::handshake::generate_accept_key;

/// Returns whether a header lists `wanted`: its values are separated by commas, and there may be
/// several of the header.
fn header_lists(
    headers: &HeaderMap,
    name: HeaderName,
    wanted: &str,
    is_same: fn(&str, &str) -> bool,
) -> bool {
    headers.get_all(name).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.split(',').any(|token| is_same(token.trim(), wanted)))
    })
}

/// Returns whether the client offers `subprotocol` (RFC 6455 section 4.1; case-sensitive).
pub(crate) fn offers(headers: &HeaderMap, subprotocol: &str) -> bool {
    header_lists(
        headers,
        header::SEC_WEBSOCKET_PROTOCOL,
        subprotocol,
        |token, wanted| token == wanted,
    )
}

/// Checks an upgrade request and returns the response to it, with the subprotocol that was chosen
/// and the compression that was negotiated. The caller goes on with the request's `OnUpgrade`.
///
/// # Errors
/// The response that says what is wrong with the request.
pub(crate) fn accept(
    headers: &HeaderMap,
    subprotocol: Option<&'static str>,
    compression: Option<&Agreement>,
) -> Result<Response, HttpError> {
    let is = |name, wanted: &str| header_lists(headers, name, wanted, str::eq_ignore_ascii_case);
    if !is(header::UPGRADE, "websocket") || !is(header::CONNECTION, "upgrade") {
        let error = HttpError::new(
            StatusCode::UPGRADE_REQUIRED,
            "This address is for WebSocket clients.",
        );
        return Err(error.with_header(header::UPGRADE, "websocket"));
    }
    if !is(header::SEC_WEBSOCKET_VERSION, "13") {
        let error = HttpError::new(
            StatusCode::UPGRADE_REQUIRED,
            "Only version 13 of the WebSocket protocol is spoken here.",
        );
        return Err(error.with_header(header::SEC_WEBSOCKET_VERSION, "13"));
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .and_then(|key| key.to_str().ok())
        .filter(|key| is_key(key))
        .ok_or_else(|| {
            HttpError::new(
                StatusCode::BAD_REQUEST,
                "The WebSocket handshake has no valid Sec-WebSocket-Key.",
            )
        })?;
    let answer = HeaderValue::try_from(generate_accept_key(key)).map_err(|error| {
        tracing::debug!(%error, "the handshake's answer is no header value");
        HttpError::new(StatusCode::BAD_REQUEST, "")
    })?;
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, answer);
    if let Some(subprotocol) = subprotocol {
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(subprotocol),
        );
    }
    if let Some(agreement) = compression {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, agreement.answer());
    }
    Ok(response)
}

/// Returns whether `key` is the base64 form of 16 bytes (RFC 6455 section 4.2.1).
fn is_key(key: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.len() == 24
        && key
            .strip_suffix("==")
            .is_some_and(|digits| digits.bytes().all(digit))
}

/// Returns whether a request asks for an upgrade to WebSocket, valid or not.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    header_lists(
        headers,
        header::UPGRADE,
        "websocket",
        str::eq_ignore_ascii_case,
    )
}

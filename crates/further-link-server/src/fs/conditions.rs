//! Conditions and ranges of requests (RFC 9110 sections 13 and 14), and the header values that go
//! with them.

use further_link_engine::{Conditions, Version, Versions};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns a version as an entity tag.
pub(super) fn etag_text(version: Version) -> String {
    format!("\"{version}\"")
}

pub(super) fn etag(version: Version) -> HeaderValue {
    HeaderValue::try_from(etag_text(version)).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Returns what `If-Match` and `If-None-Match` say about a change.
pub(super) fn for_change(headers: &HeaderMap) -> Conditions {
    Conditions {
        is: versions(headers, &header::IF_MATCH, false),
        is_not: versions(headers, &header::IF_NONE_MATCH, true),
    }
}

/// Returns the tags of a header, several headers of that name taken as one. Those that are none of
/// ours match nothing. `weak`: those that are marked as weak count too.
fn versions(headers: &HeaderMap, name: &HeaderName, weak: bool) -> Option<Versions> {
    if !headers.contains_key(name) {
        return None;
    }
    let mut found = Vec::new();
    for value in headers.get_all(name) {
        // Our tags hold no commas.
        for tag in value.to_str().unwrap_or_default().split(',') {
            match tag.trim() {
                "*" => return Some(Versions::Any),
                tag => found.extend(version(tag, weak)),
            }
        }
    }
    Some(Versions::These(found))
}

fn version(tag: &str, weak: bool) -> Option<Version> {
    let tag = match tag.strip_prefix("W/") {
        Some(tag) if weak => tag,
        Some(_) => return None,
        None => tag,
    };
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// What to answer to a request for a file, by what the client has already.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// Bytes from the first to before the second; never none.
    Part(u64, u64),
    /// Nothing, it is as the client has it.
    NotModified,
    /// Nothing: it is no longer what the client wants more of.
    Changed,
    /// Nothing: there are no such bytes.
    NoSuchRange,
}

/// Decides in the order of RFC 9110 section 13.2.2.
pub(super) fn wanted(headers: &HeaderMap, version: Version, modified_ns: i64, size: u64) -> Wanted {
    let current = Some(version);
    let date = |name: HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        httpdate::parse_http_date(value).ok()
    };
    match versions(headers, &header::IF_MATCH, false) {
        Some(versions) if !versions.include(current) => return Wanted::Changed,
        Some(_) => {}
        None => {
            if date(header::IF_UNMODIFIED_SINCE)
                .is_some_and(|date| whole_seconds(modified_ns) > date)
            {
                return Wanted::Changed;
            }
        }
    }
    match versions(headers, &header::IF_NONE_MATCH, true) {
        Some(versions) if versions.include(current) => return Wanted::NotModified,
        Some(_) => {}
        None => {
            if date(header::IF_MODIFIED_SINCE)
                .is_some_and(|date| whole_seconds(modified_ns) <= date)
            {
                return Wanted::NotModified;
            }
        }
    }
    let Some(range) = headers.get(header::RANGE) else {
        return Wanted::Whole;
    };
    if let Some(condition) = headers.get(header::IF_RANGE) {
        // A date would not tell two changes within a second apart, so only a tag counts.
        let held = condition
            .to_str()
            .ok()
            .and_then(|tag| self::version(tag, false));
        if held != current {
            return Wanted::Whole;
        }
    }
    part(range.to_str().unwrap_or_default(), size)
}

/// One range. What is several, or none that is understood, is as if it was not there (section
/// 14.2).
fn part(range: &str, size: u64) -> Wanted {
    let parsed = || {
        let (unit, range) = range.split_once('=')?;
        let (first, last) = range.trim().split_once('-')?;
        let number = |text: &str| -> Option<u64> {
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| {
                // Digits only, so it can only be too large.
                text.parse().unwrap_or(u64::MAX)
            })
        };
        (unit.eq_ignore_ascii_case("bytes")).then_some(())?;
        match (first, last) {
            ("", "") => None,
            ("", last) => Some((size.saturating_sub(number(last)?), size)),
            (first, "") => Some((number(first)?, size)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some((first, last.saturating_add(1).min(size)))
            }
        }
    };
    match parsed() {
        None => Wanted::Whole,
        Some((first, end)) if first < end => Wanted::Part(first, end),
        Some(_) => Wanted::NoSuchRange,
    }
}

/// Returns a time as `Last-Modified` has it, without fractions of a second.
fn whole_seconds(modified_ns: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(modified_ns / 1_000_000_000).unwrap_or(0))
}

/// `Last-Modified`; none for times that HTTP has no words for.
pub(super) fn last_modified(modified_ns: i64) -> Option<HeaderValue> {
    let date = whole_seconds(modified_ns);
    HeaderValue::try_from(httpdate::fmt_http_date(date)).ok()
}

//! What a setting may be: the type of its value, how text becomes one, and the words for what was
//! expected.
//!
//! Knows no key and no source: [`super::merge`] puts those in front of what is said here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use toml::Value;

use super::runner::{self, InvalidRunner};

/// The type of a setting's value, with its bounds.
pub(crate) enum ValueType {
    Bool,
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    /// One of these texts.
    Choice(&'static [&'static str]),
    Text {
        expected: &'static str,
        normalize: Normalize,
    },
    /// Texts; a single text stands for a list of one.
    List {
        expected: &'static str,
        normalize: Normalize,
        may_be_empty: bool,
    },
    Path {
        may_be_empty: bool,
        tilde: Tilde,
    },
    /// A table of environment variables.
    Variables,
    /// The `[[runner]]` tables.
    Runners,
}

/// Why a value is refused. Its text is the rest of a sentence that begins with the key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidValue {
    /// Of the wrong type, or out of bounds.
    #[error("must be {expected}, not {value}")]
    Mismatch { expected: String, value: String },
    /// A list or table with something in it that does not belong there.
    #[error("must hold {expected}, not {item}")]
    Item {
        expected: &'static str,
        item: String,
    },
    #[error(transparent)]
    Runner(#[from] InvalidRunner),
}

/// Characters of a wrong value that an error repeats: enough to find it, and still one line.
const ERROR_VALUE_MAX_CHARS: usize = 60;
/// Bytes of the longest host name in DNS (RFC 1035, section 3.1, without the length bytes).
const HOST_NAME_MAX_BYTES: usize = 253;

/// Returns a text in its normal form, or nothing if it is not acceptable.
type Normalize = fn(&str) -> Option<String>;

/// Whose home a leading `~` means.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Tilde {
    /// That of the user who runs a program: not known yet, so it stays.
    Kept,
    /// That of the account that started the server.
    Expanded,
}

/// What a path in a value is relative to.
pub(crate) struct PathBase<'a> {
    /// The directory of the file, or the one where the server was started.
    pub(crate) dir: &'a Path,
    pub(crate) home: Option<&'a Path>,
}

pub(crate) const IP_ADDRESSES: ValueType = ValueType::List {
    expected: r#"IP addresses or "localhost""#,
    normalize: |text| addresses(text).map(|_| text.to_owned()),
    may_be_empty: false,
};
pub(crate) const HOST_NAMES: ValueType = ValueType::List {
    expected: "host names without scheme and port, such as robot.local",
    normalize: host,
    may_be_empty: true,
};
pub(crate) const WEB_ORIGINS: ValueType = ValueType::List {
    expected: "web sites of the form scheme://host or scheme://host:port without a path",
    normalize: origin,
    may_be_empty: true,
};
pub(crate) const ACCOUNT_NAMES: ValueType = ValueType::List {
    expected: "names of accounts",
    normalize: account,
    may_be_empty: true,
};
pub(crate) const OPTIONAL_ACCOUNT: ValueType = ValueType::Text {
    expected: "the name of an account",
    normalize: |text| {
        if text.is_empty() {
            Some(String::new())
        } else {
            account(text)
        }
    },
};
pub(crate) const VARIABLE_NAMES: ValueType = ValueType::List {
    expected: "names of environment variables",
    normalize: |text| is_variable_name(text).then(|| text.to_owned()),
    may_be_empty: true,
};
pub(crate) const OPTIONAL_PATH: ValueType = ValueType::Path {
    may_be_empty: true,
    tilde: Tilde::Expanded,
};
pub(crate) const LOG_LEVEL: ValueType = ValueType::Text {
    expected: "error, warn, info, debug, trace or off, \
        or filter directives such as warn,further_link=debug",
    normalize: |text| crate::logging::filter(text).ok().map(|_| text.to_owned()),
};

impl ValueType {
    /// Returns the value in its normal form.
    pub(crate) fn validate(
        &self,
        value: Value,
        base: &PathBase<'_>,
    ) -> Result<Value, InvalidValue> {
        match (self, &value) {
            (Self::Bool, Value::Boolean(_)) => Ok(value),
            (Self::Integer { min, max }, Value::Integer(number))
                if (min..=max).contains(&number) =>
            {
                Ok(value)
            }
            (Self::Number { min, max }, Value::Float(number)) if (min..=max).contains(&number) => {
                Ok(value)
            }
            (Self::Number { .. }, Value::Integer(number)) => {
                // Exact for every number in range; the others only have to stay out of range.
                self.validate(Value::Float(*number as f64), base)
            }
            (Self::Choice(choices), Value::String(text)) if choices.contains(&text.as_str()) => {
                Ok(value)
            }
            (Self::Text { normalize, .. }, Value::String(text)) => normalize(text)
                .map(Value::String)
                .ok_or_else(|| self.mismatch(&value)),
            (Self::List { .. }, Value::String(_)) => self.validate(Value::Array(vec![value]), base),
            (
                Self::List {
                    expected,
                    normalize,
                    may_be_empty,
                },
                Value::Array(items),
            ) => {
                if items.is_empty() && !may_be_empty {
                    return Err(self.mismatch(&value));
                }
                let mut kept: Vec<Value> = Vec::with_capacity(items.len());
                for item in items {
                    let normal = item.as_str().and_then(normalize).map(Value::String);
                    let normal = normal.ok_or_else(|| InvalidValue::Item {
                        expected,
                        item: item.to_string(),
                    })?;
                    if !kept.contains(&normal) {
                        kept.push(normal);
                    }
                }
                Ok(Value::Array(kept))
            }
            (
                Self::Path {
                    may_be_empty,
                    tilde,
                },
                Value::String(text),
            ) => path(text, *may_be_empty, *tilde, base)
                .map(Value::String)
                .ok_or_else(|| self.mismatch(&value)),
            (Self::Variables, Value::Table(table)) => {
                for (name, entry) in table {
                    if !is_variable_name(name) {
                        return Err(InvalidValue::Item {
                            expected: "names of environment variables",
                            item: format!("{name:?}"),
                        });
                    }
                    if entry.as_str().is_none_or(|text| text.contains('\0')) {
                        return Err(InvalidValue::Item {
                            expected: "texts in quotes",
                            item: format!("{name} = {entry}"),
                        });
                    }
                }
                Ok(value)
            }
            (Self::Runners, Value::Array(rows)) => {
                runner::validate(rows)?;
                Ok(value)
            }
            _ => Err(self.mismatch(&value)),
        }
    }

    /// Reads the text of a variable or flag: a value of this type if it can be one, else the text.
    pub(crate) fn parse(&self, text: &str) -> Value {
        let parsed = match self {
            Self::Bool => text.parse().ok().map(Value::Boolean),
            Self::Integer { .. } => text.parse().ok().map(Value::Integer),
            Self::Number { .. } => text.parse().ok().map(Value::Float),
            Self::List { .. } => {
                let items = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                Some(items.map(Value::from).collect::<Vec<_>>().into())
            }
            Self::Variables | Self::Runners => toml_value(text),
            Self::Choice(_) | Self::Text { .. } | Self::Path { .. } => None,
        };
        parsed.unwrap_or_else(|| Value::from(text))
    }

    /// Reads the text behind `--set KEY=`: TOML where it makes sense, so that a list can be written
    /// in full.
    pub(crate) fn parse_toml(&self, text: &str) -> Value {
        match self {
            Self::Choice(_) | Self::Text { .. } | Self::Path { .. } => toml_text(text),
            _ => toml_value(text).unwrap_or_else(|| Value::from(text)),
        }
    }

    fn mismatch(&self, value: &Value) -> InvalidValue {
        let mut value = value.to_string();
        if let Some((end, _)) = value.char_indices().nth(ERROR_VALUE_MAX_CHARS) {
            value.truncate(end);
            value.push('…');
        }
        InvalidValue::Mismatch {
            expected: self.expected(),
            value,
        }
    }

    /// Says what is expected, in words.
    fn expected(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Choice(choices) => {
                // The empty text says "not set", which is no choice to offer.
                let offered = choices.iter().filter(|choice| !choice.is_empty());
                let quoted: Vec<_> = offered.map(|choice| format!("{choice:?}")).collect();
                quoted.join(" or ")
            }
            Self::Text { expected, .. } => (*expected).to_owned(),
            Self::List { expected, .. } => format!("a list of {expected}"),
            Self::Path { .. } => "a path, absolute or beginning with ~/ or relative".to_owned(),
            Self::Variables => "a table of environment variables".to_owned(),
            Self::Runners => "written as [[runner]] tables".to_owned(),
        }
    }
}

/// Returns the value that a TOML key would have with `text` behind its equals sign.
pub(crate) fn toml_value(text: &str) -> Option<Value> {
    // A line break would let further keys in behind the value.
    if text.contains('\n') {
        return None;
    }
    toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()?
        .remove("value")
}

/// Returns what stands in quotes, or else the text itself: a name may look like a number or a bool.
pub(crate) fn toml_text(text: &str) -> Value {
    let quoted = toml_value(text).filter(Value::is_str);
    quoted.unwrap_or_else(|| Value::from(text))
}

/// Returns the addresses that one entry of `server.bind` stands for.
pub(crate) fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    if text.eq_ignore_ascii_case("localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse().ok().map(|address| vec![address])
}

/// Returns a host name as it stands in a `Host` header: lower case, IPv6 addresses in brackets.
fn host(text: &str) -> Option<String> {
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return inner
            .parse::<Ipv6Addr>()
            .ok()
            .map(|address| format!("[{address}]"));
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Some(format!("[{address}]"));
    }
    // A dot at the end makes the name absolute, and no other one.
    let name = text.strip_suffix('.').unwrap_or(text);
    let good = !name.is_empty()
        && name.len() <= HOST_NAME_MAX_BYTES
        && !name.starts_with(['.', '-'])
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    good.then(|| name.to_ascii_lowercase())
}

/// Returns an origin as browsers write it in their `Origin` header (RFC 6454, section 6.2): lower
/// case, and without the port that the scheme implies.
fn origin(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let good_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !good_scheme {
        return None;
    }
    // The colons in the brackets of an IPv6 address do not begin a port.
    let after_address = rest.rfind(']').map_or(0, |end| end + 1);
    let (name, port) = match rest[after_address..].find(':') {
        Some(colon) => {
            let (name, port) = rest.split_at(after_address + colon);
            let digits = &port[1..];
            // `parse` alone would take a plus sign.
            let number = digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| digits.parse::<u16>());
            (name, Some(number?.ok()?))
        }
        None => (rest, None),
    };
    if name.parse::<Ipv6Addr>().is_ok() {
        return None;
    }
    let name = host(name)?;
    let port = match (scheme.as_str(), port) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    Some(format!("{scheme}://{name}{port}"))
}

/// Returns the name of an account: what can stand in the first column of passwd(5) and is not an
/// option. Whether it exists is asked when it is needed.
fn account(text: &str) -> Option<String> {
    let good = !text.is_empty()
        && !text.starts_with('-')
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || c == ':' || c == '/');
    good.then(|| text.to_owned())
}

fn is_variable_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['=', '\0'])
}

/// Returns a path as an absolute one, or with its `~` if that is kept.
fn path(text: &str, may_be_empty: bool, tilde: Tilde, base: &PathBase<'_>) -> Option<String> {
    if text.contains('\0') {
        return None;
    }
    if text.is_empty() {
        return may_be_empty.then(String::new);
    }
    let whole = if let Some(rest) = text.strip_prefix('~') {
        // `~ann/…` would need the list of accounts, and is more likely a slip.
        if !(rest.is_empty() || rest.starts_with('/')) {
            return None;
        }
        if tilde == Tilde::Kept {
            return Some(text.to_owned());
        }
        base.home?.join(rest.trim_start_matches('/'))
    } else {
        base.dir.join(text)
    };
    whole.to_str().map(str::to_owned)
}

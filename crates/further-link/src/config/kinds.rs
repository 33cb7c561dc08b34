//! The kinds of values that settings have: what is accepted, how text becomes one, and the words
//! for what was expected.
//!
//! Knows no key and no source: the layers put those in front of what is said here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use toml::Value;

use super::runner;

/// What a setting takes.
pub(crate) enum Kind {
    Bool,
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Choice(&'static [&'static str]),
    Text {
        expected: &'static str,
        check: Check,
    },
    List {
        expected: &'static str,
        check: Check,
        empty: bool,
    },
    Path {
        empty: bool,
        tilde: Tilde,
    },
    /// A table of environment variables.
    Variables,
    /// The `[[runner]]` tables.
    Runners,
}

/// Characters of a wrong value that an error repeats: enough to find it, and still one line.
const SHOWN: usize = 60;

/// Returns the text in its normal form, or nothing if it is not acceptable.
type Check = fn(&str) -> Option<String>;

/// Whose home a leading `~` means.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Tilde {
    /// That of the user who runs a program: not known yet, so it stays.
    Kept,
    /// That of the account that started the server.
    Expanded,
}

/// What a path in a value is relative to.
pub(crate) struct Base<'a> {
    /// The folder of the file, or the one where the server was started.
    pub(crate) folder: &'a Path,
    pub(crate) home: Option<&'a Path>,
}

pub(crate) const ADDRESSES: Kind = Kind::List {
    expected: r#"IP addresses or "localhost""#,
    check: |text| addresses(text).map(|_| text.to_owned()),
    empty: false,
};
pub(crate) const HOSTS: Kind = Kind::List {
    expected: "host names without scheme and port, such as robot.local",
    check: host,
    empty: true,
};
pub(crate) const ORIGINS: Kind = Kind::List {
    expected: "web sites of the form scheme://host or scheme://host:port without a path",
    check: origin,
    empty: true,
};
pub(crate) const ACCOUNTS: Kind = Kind::List {
    expected: "names of accounts",
    check: account,
    empty: true,
};
pub(crate) const ACCOUNT_OR_EMPTY: Kind = Kind::Text {
    expected: "the name of an account",
    check: |text| {
        if text.is_empty() {
            Some(String::new())
        } else {
            account(text)
        }
    },
};
pub(crate) const VARIABLE_NAMES: Kind = Kind::List {
    expected: "names of environment variables",
    check: |text| is_variable_name(text).then(|| text.to_owned()),
    empty: true,
};
pub(crate) const PATH_OR_EMPTY: Kind = Kind::Path {
    empty: true,
    tilde: Tilde::Expanded,
};
pub(crate) const LOG_LEVEL: Kind = Kind::Text {
    expected: "error, warn, info, debug, trace or off, \
        or filter directives such as warn,further_link=debug",
    check: |text| crate::logging::filter(text).ok().map(|_| text.to_owned()),
};

impl Kind {
    /// The value in its normal form; or what is wrong with it, as the rest of a sentence that
    /// begins with the key.
    pub(crate) fn check(&self, value: Value, base: &Base<'_>) -> Result<Value, String> {
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
                self.check(Value::Float(*number as f64), base)
            }
            (Self::Choice(choices), Value::String(text)) if choices.contains(&text.as_str()) => {
                Ok(value)
            }
            (Self::Text { check, .. }, Value::String(text)) => check(text)
                .map(Value::String)
                .ok_or_else(|| self.refuse(&value)),
            (Self::List { .. }, Value::String(_)) => self.check(Value::Array(vec![value]), base),
            (
                Self::List {
                    expected,
                    check,
                    empty,
                },
                Value::Array(items),
            ) => {
                if items.is_empty() && !empty {
                    return Err(self.refuse(&value));
                }
                let mut kept: Vec<Value> = Vec::with_capacity(items.len());
                for item in items {
                    let good = item.as_str().and_then(check).map(Value::String);
                    let good = good.ok_or_else(|| format!("must hold {expected}, not {item}"))?;
                    if !kept.contains(&good) {
                        kept.push(good);
                    }
                }
                Ok(Value::Array(kept))
            }
            (Self::Path { empty, tilde }, Value::String(text)) => path(text, *empty, *tilde, base)
                .map(Value::String)
                .ok_or_else(|| self.refuse(&value)),
            (Self::Variables, Value::Table(table)) => {
                for (name, entry) in table {
                    if !is_variable_name(name) {
                        return Err(format!(
                            "must hold names of environment variables, not {name:?}"
                        ));
                    }
                    if entry.as_str().is_none_or(|text| text.contains('\0')) {
                        return Err(format!("must hold texts in quotes, not {name} = {entry}"));
                    }
                }
                Ok(value)
            }
            (Self::Runners, Value::Array(rows)) => runner::check(rows).map(|()| value),
            _ => Err(self.refuse(&value)),
        }
    }

    /// What a variable or a flag says, as a value of this kind if it can be one.
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

    /// As [`Kind::parse`], for `--set`: TOML where it makes sense, so that a list can be written in
    /// full.
    pub(crate) fn parse_toml(&self, text: &str) -> Value {
        match self {
            Self::Choice(_) | Self::Text { .. } | Self::Path { .. } => toml_text(text),
            _ => toml_value(text).unwrap_or_else(|| Value::from(text)),
        }
    }

    fn refuse(&self, value: &Value) -> String {
        let mut value = value.to_string();
        if let Some((end, _)) = value.char_indices().nth(SHOWN) {
            value.truncate(end);
            value.push('…');
        }
        format!("must be {}, not {value}", self.expected())
    }

    /// What is expected, in words.
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

/// The value that a TOML key would have if `text` stood behind its equals sign.
pub(crate) fn toml_value(text: &str) -> Option<Value> {
    // A line break would let further keys in behind the value.
    if text.contains('\n') {
        return None;
    }
    toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()?
        .remove("value")
}

/// What stands in quotes, or else the text itself: a name may look like a number or a truth value.
pub(crate) fn toml_text(text: &str) -> Value {
    let quoted = toml_value(text).filter(Value::is_str);
    quoted.unwrap_or_else(|| Value::from(text))
}

/// The addresses that one entry of `server.bind` means.
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
        // The form that it has in a Host header.
        return Some(format!("[{address}]"));
    }
    // 253 is the longest name that DNS has; one dot at the end says no more than none.
    let name = text.strip_suffix('.').unwrap_or(text);
    let good = !name.is_empty()
        && name.len() <= 253
        && !name.starts_with(['.', '-'])
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    good.then(|| name.to_ascii_lowercase())
}

/// As a browser writes it in its `Origin` header: lower case, and without the port that the scheme
/// implies.
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
    // The colons inside of the brackets of an IPv6 address are no port's.
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

fn account(text: &str) -> Option<String> {
    // What can stand in the first column of /etc/passwd and is no option; whether it exists is
    // asked when it is needed.
    let good = !text.is_empty()
        && !text.starts_with('-')
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || c == ':' || c == '/');
    good.then(|| text.to_owned())
}

fn is_variable_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['=', '\0'])
}

fn path(text: &str, empty: bool, tilde: Tilde, base: &Base<'_>) -> Option<String> {
    if text.contains('\0') {
        return None;
    }
    if text.is_empty() {
        return empty.then(String::new);
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
        base.folder.join(text)
    };
    whole.to_str().map(str::to_owned)
}

//! What an address below `/fs/` names.

use super::refusal::Refusal;
use further_link_engine::Name;

/// A path below `/fs/`, decoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) name: Name,
    /// It ends with a slash, or is the work folder itself.
    pub(super) folder: bool,
    /// As it was written.
    pub(super) path: String,
}

impl Address {
    /// `path` is the whole path, with `/fs/` at its front.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let below = path
            .strip_prefix("/fs/")
            .ok_or_else(|| Refusal::bad("The path has to begin with /fs/."))?;
        let decoded = decode(below.as_bytes())
            .ok_or_else(|| Refusal::bad("The path is not encoded properly (% and two digits)."))?;
        let text =
            String::from_utf8(decoded).map_err(|_| Refusal::bad("The path is no UTF-8 text."))?;
        let name = Name::or_root(&text)?;
        Ok(Self {
            folder: name.as_str().is_empty() || text.ends_with('/'),
            name,
            path: path.to_owned(),
        })
    }

    /// The same for a header's value, which may be anything.
    pub(super) fn parse_bytes(path: &[u8]) -> Result<Self, Refusal> {
        let path = str::from_utf8(path).map_err(|_| Refusal::bad("The path is no UTF-8 text."))?;
        if path.contains(['?', '#']) {
            return Err(Refusal::bad(
                "In a path, ? and # are written as %3F and %23.",
            ));
        }
        Self::parse(path)
    }
}

/// Replaces `%41` by its byte. `None` if a `%` stands for nothing.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
        decoded.push(match byte {
            b'%' => {
                let high = digit(rest.next())?;
                (high << 4 | digit(rest.next())?) as u8
            }
            byte => byte,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        for (path, name, folder) in [
            ("/fs/", "", true),
            ("/fs/./", "", true),
            ("/fs/a.py", "a.py", false),
            ("/fs/a/", "a", true),
            ("/fs/a%2fb", "a/b", false),
            ("/fs/a%20b%25", "a b%", false),
            ("/fs/%252e%252e/x", "%2e%2e/x", false),
            ("/fs/%E9%9B%AA", "雪", false),
            ("/fs/a//b", "a/b", false),
            ("/fs/a+b", "a+b", false),
        ] {
            let address = Address::parse(path).unwrap();
            assert_eq!(
                (address.name.as_str(), address.folder),
                (name, folder),
                "{path}"
            );
        }
    }

    #[test]
    fn what_leads_out_or_is_no_text_is_refused() {
        for path in [
            "/fs/..",
            "/fs/../x",
            "/fs/a/../b",
            "/fs/%2e%2e/x",
            "/fs/%2E./x",
            "/fs/..%2fx",
            "/fs//etc",
            "/fs/%2fetc",
            "/fs/%00",
            "/fs/%ff",
            "/fs/%",
            "/fs/%4",
            "/fs/%zz",
            "/fs/%+1",
            "/other",
            "",
        ] {
            assert!(Address::parse(path).is_err(), "{path}");
        }
        for path in [
            &b"/fs/a?b"[..],
            b"/fs/a#b",
            b"/fs/\xff",
            b"http://host/fs/a",
            b"b",
        ] {
            assert!(Address::parse_bytes(path).is_err(), "{path:?}");
        }
    }
}

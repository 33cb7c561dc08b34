//! Paths of URLs below `/fs/`, decoded.

use super::error::FsError;
use further_link_engine::Name;

/// A path below `/fs/`, decoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FsPath {
    pub(super) name: Name,
    /// It ends with a slash, or is the work directory itself.
    pub(super) is_directory: bool,
    /// The path as it was sent, encoded.
    pub(super) raw: String,
}

impl FsPath {
    /// Parses a whole path, which begins with `/fs/`.
    pub(super) fn parse(path: &str) -> Result<Self, FsError> {
        let below = path
            .strip_prefix("/fs/")
            .ok_or_else(|| FsError::bad("The path has to begin with /fs/."))?;
        let decoded = decode(below.as_bytes())
            .ok_or_else(|| FsError::bad("The path is not encoded properly (% and two digits)."))?;
        let text =
            String::from_utf8(decoded).map_err(|_| FsError::bad("The path is no UTF-8 text."))?;
        let name = Name::or_root(&text)?;
        Ok(Self {
            is_directory: name.as_str().is_empty() || text.ends_with('/'),
            name,
            raw: path.to_owned(),
        })
    }

    /// Parses the value of a header, which may be any bytes.
    pub(super) fn parse_bytes(path: &[u8]) -> Result<Self, FsError> {
        let path = str::from_utf8(path).map_err(|_| FsError::bad("The path is no UTF-8 text."))?;
        if path.contains(['?', '#']) {
            return Err(FsError::bad(
                "In a path, ? and # are written as %3F and %23.",
            ));
        }
        Self::parse(path)
    }
}

/// Decodes percent-encoding (RFC 3986 section 2.1). Returns `None` if two digits are missing after
/// a `%`.
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
    fn path_is_decoded_once() {
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
            let address = FsPath::parse(path).unwrap();
            assert_eq!(
                (address.name.as_str(), address.is_directory),
                (name, folder),
                "{path}"
            );
        }
    }

    #[test]
    fn path_that_leads_out_or_is_no_text_is_refused() {
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
            assert!(FsPath::parse(path).is_err(), "{path}");
        }
        for path in [
            &b"/fs/a?b"[..],
            b"/fs/a#b",
            b"/fs/\xff",
            b"http://host/fs/a",
            b"b",
        ] {
            assert!(FsPath::parse_bytes(path).is_err(), "{path:?}");
        }
    }
}

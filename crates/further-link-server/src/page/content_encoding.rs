//! Content negotiation: in which encoding a client wants a file (`Accept-Encoding`, RFC 9110
//! section 12.5.3).

use http::{HeaderMap, header};

/// How a file is sent. In the order of what is smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
    Plain,
}

impl Encoding {
    /// Returns the value of `Content-Encoding`; none for the file as it is.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Plain => None,
        }
    }
}

/// Returns the encoding among `there` that the client prefers; of equal ones, the first. `Plain` if
/// it accepts none: that is what a client gets that says nothing, and a response that it cannot use
/// is no worse than an error.
pub(super) fn negotiate(headers: &HeaderMap, there: &[Encoding]) -> Encoding {
    let mut best = (0, Encoding::Plain);
    for encoding in there {
        let Some(name) = encoding.name() else {
            continue;
        };
        let quality = quality(headers, name);
        if quality > best.0 {
            best = (quality, *encoding);
        }
    }
    best.1
}

/// Returns the weight of an encoding, in thousandths; 0 if it is not acceptable.
fn quality(headers: &HeaderMap, wanted: &str) -> u16 {
    let mut any = 0;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let name = name.trim();
            let quality = || weight(parameters);
            if name.eq_ignore_ascii_case(wanted)
                || (wanted == "gzip" && name.eq_ignore_ascii_case("x-gzip"))
            {
                return quality();
            }
            if name == "*" {
                any = quality();
            }
        }
    }
    any
}

/// Returns the weight (`q=`) among the parameters, in thousandths: 1000 if there is no weight, 0 if
/// it is invalid.
fn weight(parameters: &str) -> u16 {
    let Some(text) = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    }) else {
        return 1000;
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || fraction.len() > 3 {
        return 0;
    }
    let thousandths = format!("{fraction:0<3}").parse().unwrap_or(0);
    match whole {
        "0" => thousandths,
        "1" if thousandths == 0 => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const ALL_ENCODINGS: [Encoding; 3] = [Encoding::Brotli, Encoding::Gzip, Encoding::Plain];

    fn choose(lines: &[&str], there: &[Encoding]) -> Encoding {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                header::ACCEPT_ENCODING,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        negotiate(&headers, there)
    }

    #[test]
    fn encoding_with_highest_weight_is_chosen() {
        use Encoding::{Brotli, Gzip, Plain};
        let table: [(&[&str], Encoding); 26] = [
            (&[], Plain),
            (&[""], Plain),
            (&["gzip, deflate, br, zstd"], Brotli),
            (&["gzip, deflate"], Gzip),
            (&["gzip", "br"], Brotli),
            (&["GZip"], Gzip),
            (&["x-gzip"], Gzip),
            (&["*"], Brotli),
            (&["br;q=0, *"], Gzip),
            (&["*;q=0"], Plain),
            (&["br;q=0.5, gzip"], Gzip),
            (&["br;q=0.5,gzip;q=0.500"], Brotli),
            (&["br ; q=0.001"], Brotli),
            (&["br;Q=0.000, gzip;q=1.000"], Gzip),
            (&["identity"], Plain),
            (&["br;q=0,gzip;q=0,identity;q=0"], Plain),
            (&["br;q=2"], Plain),
            (&["br;q=-1, gzip;q=1.001"], Plain),
            (&["br;q=0.0001"], Plain),
            (&["br;q=NaN"], Plain),
            (&["br;q="], Plain),
            (&["br;level=9;q=0.2"], Brotli),
            (&["brotli, gzipped, brb"], Plain),
            (&[",,, ,;;;=,q=1,br"], Brotli),
            (&["br;q=0.3, br;q=0"], Brotli),
            (&["é"], Plain),
        ];
        for (lines, wanted) in table {
            assert_eq!(choose(lines, &ALL_ENCODINGS), wanted, "{lines:?}");
        }
    }

    #[test]
    fn encoding_is_chosen_among_available_ones() {
        assert_eq!(choose(&["br, gzip"], &[Encoding::Gzip]), Encoding::Gzip);
        assert_eq!(choose(&["br, gzip"], &[Encoding::Plain]), Encoding::Plain);
        assert_eq!(choose(&["*"], &[]), Encoding::Plain);
    }

    proptest::proptest! {
        /// Whatever is sent, something is negotiate, and what was not named is not.
        #[test]
        fn encoding_that_was_not_named_is_never_chosen(value in "[ -~]{0,200}") {
            let negotiate = choose(&[&value], &ALL_ENCODINGS);
            let lower = value.to_ascii_lowercase();
            match negotiate {
                Encoding::Brotli => proptest::prop_assert!(lower.contains("br") || lower.contains('*')),
                Encoding::Gzip => proptest::prop_assert!(lower.contains("gzip") || lower.contains('*')),
                Encoding::Plain => {}
            }
        }
    }
}

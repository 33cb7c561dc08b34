//! Compressed messages: the WebSocket extension permessage-deflate (RFC 7692).
//!
//! What it costs is bounded. Towards a client, a compressor is made when there is something worth
//! compressing, given back when there is nothing for a while, and there are only so many of them at
//! a time; a message may always go as it is. From a client, each message stands for itself, so
//! nothing is kept between messages.

mod compress;
mod inflate;

pub(crate) use compress::Compressor;
pub(crate) use inflate::Inflater;

use http::{HeaderMap, HeaderValue, header};
use sockudo_ws::deflate::{DeflateConfig, negotiate_server_deflate};

/// Which clients get compressed messages, if they offer that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Those on other devices. On this one, it would only cost time.
    Auto,
    /// All.
    Always,
    /// None.
    Never,
}

impl Compression {
    /// Returns whether it is for a client; `near` is one on this device.
    pub(crate) fn is_for(self, near: bool) -> bool {
        match self {
            Self::Auto => !near,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// What was agreed upon with a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// As `Sec-WebSocket-Extensions` tells it.
    answer: HeaderValue,
    /// The client can look back as many bytes as 2 to the power of this, 9 to 15.
    window_bits: u8,
    /// A message may refer to those before it.
    takeover: bool,
}

impl Agreement {
    /// Returns the first acceptable offer of a client. Of those that are wrong, or that ask for a
    /// window of 256 bytes, which zlib does not have, none is.
    pub(crate) fn with(headers: &HeaderMap) -> Option<Self> {
        let offers = headers
            .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
            .iter()
            .map(HeaderValue::to_str)
            .collect::<Result<Vec<_>, _>>()
            .ok()?
            .join(",");
        let wishes = DeflateConfig {
            // RFC 7692 section 7.1.1.2: whether it was offered or not. A client has to do without
            // what its earlier messages said, so that we need not keep that.
            client_no_context_takeover: true,
            ..DeflateConfig::default()
        };
        let agreed = negotiate_server_deflate(&offers, &wishes)?;
        Some(Self {
            answer: HeaderValue::try_from(agreed.to_response_header()).ok()?,
            window_bits: agreed.config.server_max_window_bits.into(),
            takeover: !agreed.config.server_no_context_takeover,
        })
    }

    /// Returns the value of `Sec-WebSocket-Extensions` in the answer.
    pub(crate) fn answer(&self) -> HeaderValue {
        self.answer.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agree(offers: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for offer in offers {
            let value = HeaderValue::from_str(offer).unwrap();
            headers.append(header::SEC_WEBSOCKET_EXTENSIONS, value);
        }
        let agreement = Agreement::with(&headers)?;
        Some(agreement.answer().to_str().unwrap().to_owned())
    }

    #[test]
    fn first_acceptable_offer_is_taken() {
        const DEFAULT_RESPONSE: Option<&str> =
            Some("permessage-deflate; client_no_context_takeover");
        const RESPONSE_WITH_12_BITS: Option<&str> =
            Some("permessage-deflate; client_no_context_takeover; server_max_window_bits=12");
        for (offers, wanted) in [
            (&[][..], None),
            (&[""], None),
            (&["x-webkit-deflate-frame"], None),
            (&["permessage-deflate"], DEFAULT_RESPONSE),
            (
                &["permessage-deflate; client_max_window_bits"],
                DEFAULT_RESPONSE,
            ),
            (
                &["permessage-deflate; client_no_context_takeover"],
                DEFAULT_RESPONSE,
            ),
            (&["other; a=\"b\", permessage-deflate"], DEFAULT_RESPONSE),
            (&["other", "permessage-deflate"], DEFAULT_RESPONSE),
            (
                &["permessage-deflate; server_max_window_bits=12"],
                RESPONSE_WITH_12_BITS,
            ),
            (
                &["permessage-deflate;server_max_window_bits=\"12\""],
                RESPONSE_WITH_12_BITS,
            ),
            (
                &["permessage-deflate; server_max_window_bits=8, permessage-deflate"],
                DEFAULT_RESPONSE,
            ),
            (
                &["permessage-deflate; unheard_of, permessage-deflate; server_max_window_bits=12"],
                RESPONSE_WITH_12_BITS,
            ),
            (
                &["permessage-deflate; server_no_context_takeover"],
                Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
            ),
            (
                &["permessage-deflate; client_max_window_bits=10"],
                Some("permessage-deflate; client_no_context_takeover; client_max_window_bits=10"),
            ),
            (&["permessage-deflate; server_max_window_bits=8"], None),
            (&["permessage-deflate; server_max_window_bits=16"], None),
            (&["permessage-deflate; server_max_window_bits=012"], None),
            (&["permessage-deflate; server_max_window_bits"], None),
            (&["permessage-deflate; server_max_window_bits=\"12"], None),
            (&["permessage-deflate; server_no_context_takeover=1"], None),
            (
                &["permessage-deflate; client_max_window_bits; client_max_window_bits"],
                None,
            ),
            (&["permessage-deflate;"], None),
            (&["Permessage-Deflate-2"], None),
        ] {
            assert_eq!(agree(offers).as_deref(), wanted, "{offers:?}");
        }
    }

    #[test]
    fn local_clients_get_no_compression() {
        let near_and_far =
            |compression: Compression| [true, false].map(|near| compression.is_for(near));
        assert_eq!(near_and_far(Compression::Auto), [false, true]);
        assert_eq!(near_and_far(Compression::Always), [true, true]);
        assert_eq!(near_and_far(Compression::Never), [false, false]);
    }

    proptest! {
        /// Whatever is offered: no panic, and what is agreed upon is possible.
        #[test]
        fn any_offer_is_survived(
            offer in "((permessage-deflate|[ -~\t]{0,8})([;,] ?(server|client)_(max_window_bits|no_context_takeover)(=\"?[0-9]{0,3}\"?)?){0,4},? ?){0,3}"
        ) {
            let mut headers = HeaderMap::new();
            headers.append(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(&offer).unwrap());
            if let Some(agreement) = Agreement::with(&headers) {
                prop_assert!((9..=15).contains(&agreement.window_bits));
                prop_assert!(offer.contains("permessage-deflate"));
            }
        }
    }
}

//! Access control: every request and every upgrade passes [`middleware::check_access`], whatever
//! its route. `host` checks what `Host` names (DNS rebinding), `origin` which page sends the
//! request (CORS).

mod denied;
pub(crate) mod fetch_metadata;
mod host;
pub(crate) mod middleware;
mod origin;
#[cfg(test)]
mod tests;

pub(crate) use denied::AccessDenied;
pub(crate) use origin::allow_private_network;

use host::HostCheck;
use http::{HeaderMap, HeaderValue, Uri};
use origin::OriginCheck;

/// Who may use the server.
#[derive(Clone, Debug, Default)]
pub struct AccessSettings {
    /// Names of this device besides `localhost`, its addresses and its host name.
    pub hosts: Vec<String>,
    /// Sites whose pages may use this server, as `scheme://host[:port]`.
    pub origins: Vec<String>,
    /// Ports of this server, if it has several: pages that came from one of them may use the
    /// others, by the same name.
    pub ports: Vec<u16>,
}

/// The checks that every request has to pass.
#[derive(Debug)]
pub(crate) struct Access {
    host: HostCheck,
    origin: OriginCheck,
}

impl Access {
    /// `hostname` is the device's own name.
    pub(crate) fn new(settings: &AccessSettings, hostname: &str) -> Self {
        Self {
            host: HostCheck::new(hostname, &settings.hosts),
            origin: OriginCheck::new(&settings.origins, &settings.ports),
        }
    }

    /// Checks one request. Returns the foreign origin that was accepted, if there was one.
    ///
    /// # Errors
    /// Why it is denied.
    pub(crate) fn check(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>, AccessDenied> {
        let host = self.host.check(uri, headers)?;
        self.origin.check(&host, headers)
    }

    /// Returns whether the page at the URL `page` came from this server: what `Referer` tells of a
    /// request that has passed [`Self::check`].
    pub(crate) fn is_own_page(&self, page: &str, headers: &HeaderMap) -> bool {
        self.origin.is_own_page(page, headers)
    }
}

//! The other end of a connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

/// The other end of a connection. Holds the connection's permit (`limits.connections`).
#[derive(Debug)]
pub(crate) struct Peer {
    _permit: OwnedSemaphorePermit,
    is_local: bool,
    is_upgraded: AtomicBool,
}

impl Peer {
    pub(super) fn new(permit: OwnedSemaphorePermit, is_local: bool) -> Self {
        Self {
            _permit: permit,
            is_local,
            is_upgraded: AtomicBool::new(false),
        }
    }

    /// Notes that the connection speaks WebSocket from now on.
    pub(crate) fn upgrade(&self) {
        self.is_upgraded.store(true, Ordering::Relaxed);
    }

    /// Returns whether the connection speaks WebSocket.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.is_upgraded.load(Ordering::Relaxed)
    }

    /// Returns whether the client is on this device.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    #[cfg(test)]
    pub(super) fn for_test() -> Self {
        let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
        Self::new(permits.try_acquire_owned().unwrap(), true)
    }
}

/// Returns whether a client is on this device: it came over loopback, or from the address that it
/// connected to.
pub(super) fn is_local(stream: &TcpStream, client: SocketAddr) -> bool {
    client.ip().to_canonical().is_loopback()
        || stream.local_addr().is_ok_and(|own| own.ip() == client.ip())
}

//! Accepting a program's connections, for as long as it runs.

use super::Channels;
use super::connection::Connection;
use crate::descriptor::watch;
use crate::spawner::CHANNEL_BACKLOG;
use further_link_protocol::wire::channel::Socket;
use nix::sys::socket::{SockFlag, accept4};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch as watch_channel;
use tokio::task::JoinSet;

/// Connections of one program at the same time, at the most; further ones wait.
const CONNECTIONS: usize = 32;
/// Between two attempts to accept a connection when there is no descriptor for it.
const PAUSE: Duration = Duration::from_millis(100);
/// The sockets in the order in which the spawner hands them over.
const SOCKETS: [Socket; 3] = [Socket::Channel, Socket::OldVideo, Socket::OldKeyListen];

/// Serves a program's sockets until `over` is true and all that the program has sent was taken.
pub(crate) async fn serve(
    channels: Arc<Channels>,
    listeners: Vec<OwnedFd>,
    over: watch_channel::Receiver<bool>,
) -> io::Result<()> {
    let listeners = listeners
        .into_iter()
        .map(watch)
        .collect::<io::Result<Vec<_>>>()?;
    let [channel, video, keys] = &listeners[..] else {
        return Err(io::Error::other("the spawner sent other sockets"));
    };
    let mut tasks = JoinSet::new();
    let add = |descriptor, socket, tasks: &mut JoinSet<()>| {
        let Ok(connection) = Connection::new(descriptor, socket).map(Arc::new) else {
            return;
        };
        channels.state().connections.push(Arc::clone(&connection));
        tasks.spawn(connection.carry(Arc::clone(&channels), over.clone()));
    };
    let mut ended = over.clone();
    let mut warned = false;
    loop {
        let free = tasks.len() < CONNECTIONS;
        let (accepted, socket) = tokio::select! {
            accepted = accept(channel), if free => (accepted, SOCKETS[0]),
            accepted = accept(video), if free => (accepted, SOCKETS[1]),
            accepted = accept(keys), if free => (accepted, SOCKETS[2]),
            _ = tasks.join_next(), if !tasks.is_empty() => continue,
            _ = ended.wait_for(|over| *over) => break,
        };
        match accepted {
            Ok(descriptor) => add(descriptor, socket, &mut tasks),
            // It has left again.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // There is no descriptor free, and trying at once would be in vain.
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!(%error, "a program's connection has to wait");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    // Those that it has made, and that nobody has accepted. No more than can have waited, as somebody else may know
    // the sockets and go on for ever.
    for (listener, socket) in listeners.iter().zip(SOCKETS) {
        for _ in 0..=CHANNEL_BACKLOG {
            if tasks.len() >= CONNECTIONS {
                tasks.join_next().await;
            }
            match accept_now(listener.get_ref()) {
                Ok(descriptor) => add(descriptor, socket, &mut tasks),
                Err(_) => break,
            }
        }
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn accept(listener: &AsyncFd<OwnedFd>) -> io::Result<OwnedFd> {
    listener.async_io(Interest::READABLE, accept_now).await
}

fn accept_now(listener: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let descriptor = accept4(listener.as_raw_fd(), flags)?;
    // SAFETY: it was made just now, nobody else knows it.
    #[allow(unsafe_code)]
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

//! Accepts a program's connections for as long as it runs.

use super::Channels;
use super::connection::Connection;
use crate::descriptor::watch;
use crate::spawner::CHANNEL_BACKLOG;
use further_link_protocol::channel::SocketKind;
use nix::sys::socket::{SockFlag, accept4};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch as watch_channel;
use tokio::task::JoinSet;

/// Connections of one program at the same time, at most; further ones wait.
const CONNECTIONS_MAX_COUNT: usize = 32;
/// Pause between two attempts to accept a connection when there is no free descriptor.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// The sockets in the order in which the spawner hands them over.
const SOCKET_KINDS: [SocketKind; 3] = [
    SocketKind::Channel,
    SocketKind::LegacyVideo,
    SocketKind::LegacyKeyListen,
];

/// Serves a program's sockets until `job_over` is true and all that the program has sent was read.
pub(crate) async fn serve(
    channels: Arc<Channels>,
    listeners: Vec<OwnedFd>,
    job_over: watch_channel::Receiver<bool>,
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
        tasks.spawn(connection.run(Arc::clone(&channels), job_over.clone()));
    };
    let mut ended = job_over.clone();
    let mut warned = false;
    loop {
        let has_room = tasks.len() < CONNECTIONS_MAX_COUNT;
        let (accepted, socket) = tokio::select! {
            accepted = accept(channel), if has_room => (accepted, SOCKET_KINDS[0]),
            accepted = accept(video), if has_room => (accepted, SOCKET_KINDS[1]),
            accepted = accept(keys), if has_room => (accepted, SOCKET_KINDS[2]),
            _ = tasks.join_next(), if !tasks.is_empty() => continue,
            _ = ended.wait_for(|over| *over) => break,
        };
        match accepted {
            Ok(descriptor) => add(descriptor, socket, &mut tasks),
            // It has left already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // There is no free descriptor, and trying at once would be in vain.
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!(%error, "a program's connection has to wait");
                }
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
    // Connections that it has made and nobody has accepted. No more than can have waited, as
    // somebody else may know the sockets and go on forever.
    for (listener, socket) in listeners.iter().zip(SOCKET_KINDS) {
        for _ in 0..=CHANNEL_BACKLOG {
            if tasks.len() >= CONNECTIONS_MAX_COUNT {
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

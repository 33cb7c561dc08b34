//! Packets with descriptors over a Unix socket of type SEQPACKET (`unix(7)`): one packet is one
//! message, whole or not at all, so nothing has to be framed.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

/// Bytes of a packet at the most. Code travels beside it as a memory file; what is left is arguments,
/// environment and paths. Below Linux' default socket buffer (212,992), so that one always fits.
pub(crate) const MAX_PACKET: usize = 128 * 1024;
/// Descriptors in one packet at the most: standard input, output and error.
const MAX_DESCRIPTORS: usize = 3;

/// One received packet.
pub(crate) struct Packet<T> {
    pub(crate) message: T,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Two connected ends, neither inherited by programs that are executed.
pub(crate) fn pair() -> nix::Result<(OwnedFd, OwnedFd)> {
    socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
}

/// A message as the bytes of one packet, or `None` if it is too large for one.
pub(crate) fn encode<T: Serialize>(message: &T) -> Option<Vec<u8>> {
    postcard::to_stdvec(message)
        .ok()
        .filter(|bytes| bytes.len() <= MAX_PACKET)
}

/// Sends one packet, without waiting if the socket is full (`EAGAIN`).
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[OwnedFd],
) -> nix::Result<()> {
    let raw: Vec<RawFd> = descriptors.iter().map(|fd| fd.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    loop {
        match sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(bytes)],
            control,
            flags,
            None,
        ) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// Receives one packet without waiting. `Ok(None)` is the end: the other side is gone. A packet that
/// does not decode is `EBADMSG`.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
) -> nix::Result<Option<Packet<T>>> {
    buffer.resize(MAX_PACKET, 0);
    let mut control = cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let (length, truncated, descriptors) = loop {
        let mut slices = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
        match recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(received) => {
                let mut descriptors = Vec::new();
                for message in received.cmsgs()? {
                    if let ControlMessageOwned::ScmRights(raw) = message {
                        descriptors.extend(raw.into_iter().map(adopt));
                    }
                }
                let truncated = received
                    .flags
                    .intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC);
                break (received.bytes, truncated, descriptors);
            }
        }
    };
    if length == 0 {
        return Ok(None);
    }
    if truncated {
        return Err(Errno::EBADMSG);
    }
    let message = postcard::from_bytes(&buffer[..length]).map_err(|_| Errno::EBADMSG)?;
    Ok(Some(Packet {
        message,
        descriptors,
    }))
}

fn adopt(raw: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us (SCM_RIGHTS), nobody else knows it.
    #[allow(unsafe_code)]
    unsafe {
        OwnedFd::from_raw_fd(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    #[test]
    fn carries_messages_and_descriptors_whole() {
        let (left, right) = pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let bytes = encode(&"hello".to_owned()).unwrap();
        send(left.as_fd(), &bytes, &[writer.into()]).unwrap();
        let packet: Packet<String> = receive(right.as_fd(), &mut Vec::new()).unwrap().unwrap();
        assert_eq!(packet.message, "hello");
        for descriptor in packet.descriptors {
            std::fs::File::from(descriptor)
                .write_all(b"through")
                .unwrap();
        }
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }

    #[test]
    fn the_end_garbage_and_nothing_are_told_apart() {
        let (left, right) = pair().unwrap();
        let mut buffer = Vec::new();
        assert_eq!(
            receive::<String>(right.as_fd(), &mut buffer).err(),
            Some(Errno::EAGAIN)
        );
        send(left.as_fd(), &[0xff; 12], &[]).unwrap();
        assert_eq!(
            receive::<String>(right.as_fd(), &mut buffer).err(),
            Some(Errno::EBADMSG)
        );
        drop(left);
        assert!(
            receive::<String>(right.as_fd(), &mut buffer)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn the_largest_packet_fits_and_a_larger_one_is_refused() {
        let (left, right) = pair().unwrap();
        let text = "x".repeat(MAX_PACKET - 3);
        send(left.as_fd(), &encode(&text).unwrap(), &[]).unwrap();
        let packet: Packet<String> = receive(right.as_fd(), &mut Vec::new()).unwrap().unwrap();
        assert_eq!(packet.message.len(), text.len());
        assert!(encode(&"x".repeat(MAX_PACKET)).is_none());
    }
}

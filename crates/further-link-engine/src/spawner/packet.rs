//! Packets with descriptors over a Unix socket of type SEQPACKET (`unix(7)`): one packet is one
//! message, whole or not at all, so nothing has to be framed.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::IoSlice;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

/// Bytes of a packet at most. Code travels beside it as a memory file; what is left is arguments,
/// environment and paths. Below Linux' default socket buffer (212,992), so that one always fits.
pub(crate) const PACKET_MAX_BYTES: usize = 128 * 1024;

/// One received packet.
pub(crate) struct Packet<T> {
    pub(crate) message: T,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// More descriptors were sent than this process may have open.
    pub(crate) incomplete: bool,
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

/// Returns a message as the bytes of one packet, or `None` if it is too large for one.
pub(crate) fn encode<T: Serialize>(message: &T) -> Option<Vec<u8>> {
    postcard::to_stdvec(message)
        .ok()
        .filter(|bytes| bytes.len() <= PACKET_MAX_BYTES)
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

/// Receives one packet without waiting. `Ok(None)` is the end: the other side is gone. A packet
/// that does not decode is `EBADMSG`.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
) -> nix::Result<Option<Packet<T>>> {
    if buffer.len() < PACKET_MAX_BYTES {
        // Zeroed by the kernel, so that only what packets have filled takes memory.
        *buffer = vec![0; PACKET_MAX_BYTES];
    }
    let (length, flags, descriptors) = loop {
        match receive_message(socket, buffer) {
            Err(Errno::EINTR) => {}
            result => break result?,
        }
    };
    if length == 0 {
        return Ok(None);
    }
    if flags & libc::MSG_TRUNC != 0 {
        return Err(Errno::EBADMSG);
    }
    let message = postcard::from_bytes(&buffer[..length]).map_err(|_| Errno::EBADMSG)?;
    Ok(Some(Packet {
        message,
        descriptors,
        incomplete: flags & libc::MSG_CTRUNC != 0,
    }))
}

/// `recvmsg(2)`: bytes, flags and descriptors.
///
/// Not `nix`' function: that gives no descriptor at all when the kernel had room for some of them
/// only, and those would stay open forever.
fn receive_message(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> nix::Result<(usize, libc::c_int, Vec<OwnedFd>)> {
    // Aligned as the headers in it have to be, and large enough for one with all descriptors.
    let mut control = [0_u64; 8];
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: an all-zero msghdr is valid.
    #[allow(unsafe_code)]
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: all that the header points to lives and is as long as it says.
    #[allow(unsafe_code)]
    let length =
        Errno::result(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) })?;

    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled `control` with whole headers and said how long they are; the
    // macros of cmsg(3) stay within that. Each descriptor was made for us just now, nobody else
    // knows it.
    #[allow(unsafe_code)]
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while !message.is_null() {
            if ((*message).cmsg_level, (*message).cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS)
            {
                let bytes = (*message).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let raw: *const RawFd = libc::CMSG_DATA(message).cast();
                for index in 0..bytes / size_of::<RawFd>() {
                    descriptors.push(OwnedFd::from_raw_fd(raw.add(index).read_unaligned()));
                }
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
    }
    Ok((length as usize, header.msg_flags, descriptors))
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
    fn descriptors_that_find_no_room_are_missed_and_none_leaks() {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        // In a process of its own: a limit is for the whole process.
        // SAFETY: the child only makes system calls and ends.
        #[allow(unsafe_code)]
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Parent { child } => {
                let status = nix::sys::wait::waitpid(child, None).unwrap();
                assert_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 0));
            }
            nix::unistd::ForkResult::Child => {
                // Those of tests that run beside this one would be among the numbers below.
                super::super::child::close_all_but(None::<&OwnedFd>).unwrap();
                let (left, right) = pair().unwrap();
                let sent: Vec<OwnedFd> = (0..3).map(|_| left.try_clone().unwrap()).collect();
                let highest = sent.iter().map(|fd| fd.as_raw_fd()).max().unwrap();
                send(left.as_fd(), &encode(&7_u8).unwrap(), &sent).unwrap();
                let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
                // Room for one.
                setrlimit(Resource::RLIMIT_NOFILE, highest as u64 + 2, hard).unwrap();
                let packet: Packet<u8> = receive(right.as_fd(), &mut Vec::new()).unwrap().unwrap();
                let good = packet.message == 7
                    && packet.incomplete
                    && packet.descriptors.len() == 1
                    && packet.descriptors[0].as_raw_fd() == highest + 1;
                drop(packet);
                let again = left
                    .try_clone()
                    .is_ok_and(|fd| fd.as_raw_fd() == highest + 1);
                super::super::child::exit(i32::from(!(good && again)));
            }
        }
    }

    #[test]
    fn end_garbage_and_nothing_are_told_apart() {
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
    fn largest_packet_fits_and_a_larger_one_is_refused() {
        let (left, right) = pair().unwrap();
        let text = "x".repeat(PACKET_MAX_BYTES - 3);
        send(left.as_fd(), &encode(&text).unwrap(), &[]).unwrap();
        let packet: Packet<String> = receive(right.as_fd(), &mut Vec::new()).unwrap().unwrap();
        assert_eq!(packet.message.len(), text.len());
        assert!(encode(&"x".repeat(PACKET_MAX_BYTES)).is_none());
    }
}

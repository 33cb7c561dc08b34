//! Compressing what is sent.

use super::Agreement;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

/// Compressors at a time, in the whole server. Each takes 228 kB (zlib's memory at [`WINDOW_BITS`]
/// and [`MEM_LEVEL`], measured) and a buffer of the largest message, mostly 16 kB; so all of them
/// take about 8 MB, and 15 at most. As many streams at full speed are more than a small device has
/// time for anyway.
static COMPRESSOR_PERMITS: Semaphore = Semaphore::const_new(32);
/// How long a compressor is kept for a client that is sent nothing worth compressing: a command, a
/// look, the next command. A new one costs 5 µs and what it would have known.
const COMPRESSOR_IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of the smallest message that is compressed. The echo of a key becomes 10 bytes of 70, but
/// with it travel 60 bytes of TCP and IP, and everybody who types would hold a compressor.
const COMPRESSED_MIN_BYTES: usize = 128;
/// Bytes of the largest message that is compressed: an answer of megabytes would take a buffer of
/// megabytes, and a time in which nobody else is served.
const COMPRESSED_MAX_BYTES: usize = 256 * 1024;
/// Bytes up to which a message only has to become smaller at all: what it says helps those after
/// it. Larger ones have to become an eighth smaller, which images do not.
const SMALL_MESSAGE_BYTES: usize = 1024;
/// How many times as much is sent as it is, after a message that did not become smaller, before it
/// is tried again. In vain, zlib takes 23 ms for 1 MB; so for a film it is 1.4 ms.
const INCOMPRESSIBLE_PAUSE_FACTOR: usize = 16;
/// zlib's effort, 1 to 9. For 1 MB of `ls -lR` in reads of 2 KiB, levels 1, 3, 5, 6 and 9 make 193,
/// 155, 146, 144 and 140 kB and take 1.3, 5.8, 6.5, 7.7 and 23 ms.
const COMPRESSION_LEVEL: i32 = 5;
/// The window is 2 to the power of this, in bytes. 15 saves 2 % of the bytes, for 64 KiB more
/// memory.
const WINDOW_BITS: u8 = 14;
/// zlib's measure of the memory for symbols, 1 to 9. Our frames are small: 8 takes 86 kB more and
/// saves nothing.
const MEM_LEVEL: i32 = 6;
/// What a flush ends with, which does not travel (RFC 7692 section 7.2.1).
const FLUSH_TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Compresses the messages to one client, where that pays.
#[derive(Debug)]
pub(crate) struct Compressor {
    window_bits: u8,
    takeover: bool,
    /// Bytes that are still sent as they are.
    pause: usize,
    running: Option<Running>,
}

/// It has memory of its own, and one of the places for that.
struct Running {
    deflate: Deflate,
    /// Takes what is compressed.
    scratch: Vec<u8>,
    used: Instant,
    _place: SemaphorePermit<'static>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

impl Compressor {
    /// Takes no memory yet.
    pub(crate) fn new(agreement: &Agreement) -> Self {
        Self {
            window_bits: agreement.window_bits.min(WINDOW_BITS),
            takeover: agreement.takeover,
            pause: 0,
            running: None,
        }
    }

    /// Compresses the message that begins at `start` and ends with `out`, in its place. `false` if
    /// it is better sent as it is; then nothing has changed.
    pub(crate) fn compress(&mut self, out: &mut Vec<u8>, start: usize) -> bool {
        let message = &out[start..];
        let length = message.len();
        if !(COMPRESSED_MIN_BYTES..=COMPRESSED_MAX_BYTES).contains(&length) {
            return false;
        }
        if self.pause > 0 {
            self.pause = self.pause.saturating_sub(length);
            return false;
        }
        if self.running.is_none() {
            self.running = Running::new(self.window_bits);
        }
        let Some(running) = &mut self.running else {
            return false;
        };
        if !self.takeover {
            running.deflate.reset();
        }
        match running.compress(message) {
            Some(compressed) => {
                out.truncate(start);
                out.extend_from_slice(compressed);
                true
            }
            // It has seen what the client will not see compressed, so it cannot go on. A new one
            // refers to nothing that was before it.
            None => {
                self.running = None;
                self.pause = INCOMPRESSIBLE_PAUSE_FACTOR * length;
                false
            }
        }
    }

    /// Completes when there was nothing to compress for a while, and gives the memory back. Without
    /// a compressor, it never does.
    pub(crate) async fn idle(&mut self) {
        let Some(running) = &self.running else {
            return std::future::pending().await;
        };
        sleep_until(running.used + COMPRESSOR_IDLE_TIMEOUT).await;
        self.running = None;
    }
}

impl Running {
    /// `None` if there are as many as there may be.
    fn new(window_bits: u8) -> Option<Self> {
        let place = COMPRESSOR_PERMITS.try_acquire().ok()?;
        Some(Self {
            deflate: Deflate::new_with_config(DeflateConfig {
                level: COMPRESSION_LEVEL,
                // zlib takes a negative number for a stream without a header.
                window_bits: -i32::from(window_bits),
                mem_level: MEM_LEVEL,
                ..DeflateConfig::default()
            }),
            scratch: Vec::new(),
            used: Instant::now(),
            _place: place,
        })
    }

    /// Returns the message as it travels; `None` if that is not worth it.
    fn compress(&mut self, message: &[u8]) -> Option<&[u8]> {
        self.used = Instant::now();
        let most = match message.len() {
            length @ ..=SMALL_MESSAGE_BYTES => length - 1,
            length => length - length / 8,
        };
        // One byte more than is taken: if room is left, the flush is complete (zlib.h, `deflate`).
        let room = most + FLUSH_TAIL.len() + 1;
        if self.scratch.len() < room {
            self.scratch.resize(room, 0);
        }
        let (taken, made) = (self.deflate.total_in(), self.deflate.total_out());
        let scratch = &mut self.scratch[..room];
        let flush = DeflateFlush::SyncFlush;
        self.deflate.compress(message, scratch, flush).ok()?;
        let taken = (self.deflate.total_in() - taken) as usize;
        let made = (self.deflate.total_out() - made) as usize;
        if taken < message.len() || made == room {
            return None;
        }
        self.scratch[..made].strip_suffix(&FLUSH_TAIL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zlib_rs::{Inflate, InflateFlush};

    fn agreement(window_bits: u8, takeover: bool) -> Agreement {
        Agreement {
            answer: http::HeaderValue::from_static(""),
            window_bits,
            takeover,
        }
    }

    /// A client, which keeps its window if that was agreed upon.
    struct Client {
        inflate: Inflate,
        takeover: bool,
    }

    impl Client {
        fn new(agreement: &Agreement) -> Self {
            Self {
                inflate: Inflate::new(false, agreement.window_bits),
                takeover: agreement.takeover,
            }
        }

        fn read(&mut self, compressed: &[u8], length: usize) -> Vec<u8> {
            if !self.takeover {
                self.inflate.reset(false);
            }
            let input = [compressed, &FLUSH_TAIL].concat();
            let mut output = vec![0; length + 1];
            let before = self.inflate.total_out();
            let flush = InflateFlush::SyncFlush;
            self.inflate.decompress(&input, &mut output, flush).unwrap();
            output.truncate((self.inflate.total_out() - before) as usize);
            output
        }
    }

    /// Bytes that cannot be compressed.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn repeated_message_compresses_well() {
        let line = b"-rw-r--r-- 1 root root 4711 Jan  1 12:00 some-file-or-other.txt\r\n".repeat(4);
        let agreement = agreement(15, true);
        let (mut compressor, mut client) = (Compressor::new(&agreement), Client::new(&agreement));
        let mut lengths = Vec::new();
        for _ in 0..3 {
            let mut out = [b"before".as_slice(), &line].concat();
            assert!(compressor.compress(&mut out, 6));
            assert_eq!(&out[..6], b"before");
            assert_eq!(client.read(&out[6..], line.len()), line);
            lengths.push(out.len() - 6);
        }
        assert!(lengths[0] < 90 && lengths[1] < 20, "{lengths:?}");
    }

    #[test]
    fn small_messages_are_not_compressed_and_take_no_memory() {
        let mut compressor = Compressor::new(&agreement(15, true));
        let mut out = vec![b'x'; COMPRESSED_MIN_BYTES - 1];
        assert!(!compressor.compress(&mut out, 0));
        assert_eq!(out, [b'x'; COMPRESSED_MIN_BYTES - 1]);
        assert!(compressor.running.is_none());
        out.push(b'x');
        assert!(compressor.compress(&mut out, 0));
        assert!(compressor.running.is_some());
    }

    #[test]
    fn incompressible_message_pauses_compression() {
        let agreement = agreement(15, true);
        let (mut compressor, mut client) = (Compressor::new(&agreement), Client::new(&agreement));
        let text = b"again and again ".repeat(64);
        let send = |compressor: &mut Compressor, client: &mut Client, message: &[u8]| {
            let mut out = message.to_vec();
            let compressed = compressor.compress(&mut out, 0);
            let read = match compressed {
                true => client.read(&out, message.len()),
                false => out,
            };
            assert_eq!(read, message);
            compressed
        };
        assert!(send(&mut compressor, &mut client, &text));
        assert!(!send(&mut compressor, &mut client, &noise(16 * 1024)));
        assert!(compressor.running.is_none());
        let mut passed = 0;
        while !send(&mut compressor, &mut client, &text) {
            passed += text.len();
        }
        assert_eq!(passed, INCOMPRESSIBLE_PAUSE_FACTOR * 16 * 1024);
    }

    #[test]
    fn small_message_improves_compression_of_later_ones() {
        let agreement = agreement(15, true);
        let (mut compressor, mut client) = (Compressor::new(&agreement), Client::new(&agreement));
        // Letters without repetition: little to gain in the first.
        let prompt: Vec<u8> = noise(COMPRESSED_MIN_BYTES)
            .iter()
            .map(|byte| b'0' + byte % 64)
            .collect();
        let mut lengths = Vec::new();
        for _ in 0..2 {
            let mut out = prompt.clone();
            assert!(compressor.compress(&mut out, 0));
            assert_eq!(client.read(&out, COMPRESSED_MIN_BYTES), prompt);
            lengths.push(out.len());
        }
        assert!(
            lengths[0] > COMPRESSED_MIN_BYTES * 7 / 8 && lengths[1] < 20,
            "{lengths:?}"
        );
    }

    #[test]
    fn compressor_never_refers_beyond_client_window() {
        let letters: Vec<u8> = noise(3000).iter().map(|byte| b'0' + byte % 64).collect();
        for (window_bits, refers) in [(9, false), (11, false), (12, true), (15, true)] {
            let mut compressor = Compressor::new(&agreement(window_bits, true));
            let mut length = 0;
            for _ in 0..2 {
                let mut out = letters.clone();
                assert!(compressor.compress(&mut out, 0));
                length = out.len();
            }
            assert_eq!(length < 300, refers, "{window_bits} bits, {length} bytes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_compressor_frees_memory() {
        let mut compressor = Compressor::new(&agreement(15, true));
        assert!(compressor.compress(&mut vec![b'x'; 1000], 0));
        let before = Instant::now();
        // A key is no use of it.
        tokio::time::sleep(COMPRESSOR_IDLE_TIMEOUT / 2).await;
        assert!(!compressor.compress(&mut vec![b'x'; 10], 0));
        compressor.idle().await;
        assert_eq!(
            before.elapsed().as_secs(),
            COMPRESSOR_IDLE_TIMEOUT.as_secs()
        );
        assert!(compressor.running.is_none());
        let longer = tokio::time::timeout(10 * COMPRESSOR_IDLE_TIMEOUT, compressor.idle()).await;
        assert!(longer.is_err());
    }

    proptest! {
        /// Whatever is sent and in whatever order, however much the client can look back, with
        /// pauses in between: it reads what was sent.
        #[test]
        fn compressed_messages_round_trip(
            window_bits in 9..=15u8,
            takeover: bool,
            messages in proptest::collection::vec((0..4u8, 0..40_000usize, any::<u8>()), 1..24),
        ) {
            let agreement = agreement(window_bits, takeover);
            let (mut compressor, mut client) = (Compressor::new(&agreement), Client::new(&agreement));
            let random = noise(40_000);
            for (kind, length, start) in messages {
                let message: Vec<u8> = match kind {
                    0 => random[usize::from(start)..].iter().copied().take(length).collect(),
                    1 => (0..length).map(|at| (at / 7) as u8 ^ start).collect(),
                    2 => b"total 12\r\ndrwxr-xr-x 2 root\r\n".iter().copied().cycle().take(length).collect(),
                    _ => {
                        compressor.running = None;
                        compressor.pause = 0;
                        continue;
                    }
                };
                let mut out = message.clone();
                if compressor.compress(&mut out, 0) {
                    prop_assert!(out.len() < message.len());
                    out = client.read(&out, message.len());
                }
                prop_assert!(out == message);
            }
        }
    }
}

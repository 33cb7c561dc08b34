//! The output log: the bytes that a job has output, addressed by absolute offset, in a ring of
//! bounded size.
//!
//! A viewer is a [`Cursor`] on it. A viewer that may not lose bytes holds the job's reading back
//! when it is [`LOG_CAPACITY_BYTES`] behind, or less if it says so: the kernel then blocks the
//! program. One that may lose them is told how many it missed. The log knows neither clients nor
//! programs, and copies a byte once on its way in (the kernel does that) and not at all on its way
//! out.

use further_link_protocol::Stream;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes that a log holds at most. A lossless viewer may be this far behind; large enough that a
/// reader with 20 ms of delay still gets 10 MB/s, small enough for a hundred stalled ones.
pub const LOG_CAPACITY_BYTES: usize = 256 * 1024;
/// The first allocation. A prompt fits, and most programs that wait for somebody have not said
/// more.
const LOG_INITIAL_BYTES: usize = 1024;
/// Bytes that are asked for at once, at most: what a pipe holds.
const READ_MAX_BYTES: usize = 64 * 1024;
/// Changes between the two streams that a log holds at most, so that a program that alternates
/// them byte by byte costs no more than one that does not.
const SEGMENTS_MAX_COUNT: usize = 4096;

/// See the module's text.
#[derive(Debug, Default)]
pub struct OutputLog {
    inner: Mutex<Inner>,
    /// A viewer has moved on: the job may read again.
    room: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    ring: Ring,
    /// Offset of the first byte in the ring.
    start: u64,
    /// Where each run of bytes of one stream ends, oldest first. The last ends at `end()`.
    segments: VecDeque<Segment>,
    /// Bytes that the next read should have space for: more after reads that took all there was.
    wanted: usize,
    /// No byte comes after `end()`.
    closed: bool,
    viewers: Vec<Viewer>,
    next_viewer: u64,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    end: u64,
    stream: Stream,
}

#[derive(Debug)]
struct Viewer {
    id: u64,
    position: u64,
    /// Bytes that may be read before a lossless viewer comes to them.
    ahead: usize,
    lossless: bool,
    wake: Arc<Notify>,
}

/// A viewer's position in a log. Dropping it ends its hold on the job.
#[derive(Debug)]
pub struct Cursor {
    log: Arc<OutputLog>,
    id: u64,
    /// As the viewer has it.
    ahead: usize,
}

/// Bytes that a lossy viewer missed. No viewer is lossy yet: those that attach at an offset that
/// the log does not hold any more, and slow links whose output is thinned, will be told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Offset of the first byte that was missed.
    pub from: u64,
    /// Offset of the first one that was not.
    pub to: u64,
}

/// What [`Cursor::read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes were handed over.
    Bytes,
    /// Bytes were overwritten before this viewer came to them.
    Gap(Gap),
    /// Nothing yet.
    Empty,
    /// Nothing any more.
    End,
}

impl OutputLog {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock is held is a bug in this file; the bytes are still the best there
        // is.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a viewer from the beginning of what is still there. `wake` is notified whenever
    /// there is something new for it. A `lossless` one holds the job back (backpressure); another
    /// is told of a [`Gap`].
    pub fn cursor(self: &Arc<Self>, lossless: bool, wake: Arc<Notify>) -> Cursor {
        let mut inner = self.lock();
        let id = inner.next_viewer;
        inner.next_viewer += 1;
        let position = inner.start;
        inner.viewers.push(Viewer {
            id,
            position,
            ahead: LOG_CAPACITY_BYTES,
            lossless,
            wake,
        });
        Cursor {
            log: Arc::clone(self),
            id,
            ahead: LOG_CAPACITY_BYTES,
        }
    }

    /// Lets `read` put bytes of `stream` straight into the log. The viewers are told of them by
    /// [`Self::wake`].
    ///
    /// Returns what `read` returned, or `None` if there is no room: then wait for [`Self::room`].
    pub fn fill(
        &self,
        stream: Stream,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let mut inner = self.lock();
        let space = inner.make_room()?;
        let offered = space.len();
        let result = read(space);
        if let Ok(count @ 1..) = result {
            if count == offered {
                inner.wanted = (inner.wanted.max(LOG_INITIAL_BYTES) * 2).min(READ_MAX_BYTES);
            }
            inner.appended(stream, count);
        }
        Some(result)
    }

    /// Completes once a viewer has made room since the last time this completed.
    pub(crate) async fn room(&self) {
        self.room.notified().await;
    }

    /// No byte comes any more.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.wake_viewers();
    }

    /// Wakes the viewers: there are new bytes, or something else about the job has changed.
    pub(crate) fn wake(&self) {
        self.lock().wake_viewers();
    }

    /// Offset behind the last byte so far: how many the program has output.
    pub fn end(&self) -> u64 {
        self.lock().end()
    }
}

impl Inner {
    fn end(&self) -> u64 {
        self.start + self.ring.len as u64
    }

    /// Returns the oldest byte that some viewer has a right to.
    fn needed(&self) -> u64 {
        self.viewers
            .iter()
            .filter(|viewer| viewer.lossless)
            .map(|viewer| viewer.position)
            .min()
            .unwrap_or(self.end())
    }

    /// How many bytes may be read before some viewer has moved on.
    fn allowed(&self) -> usize {
        self.viewers
            .iter()
            .filter(|viewer| viewer.lossless)
            .map(|viewer| {
                (viewer.position + viewer.ahead as u64).saturating_sub(self.end()) as usize
            })
            .min()
            .unwrap_or(LOG_CAPACITY_BYTES)
    }

    /// Free bytes to read into, or `None` if all there are belong to somebody.
    fn make_room(&mut self) -> Option<&mut [u8]> {
        let needed = self.needed();
        let allowed = self.allowed();
        if allowed == 0 {
            return None;
        }
        if self.segments.len() >= SEGMENTS_MAX_COUNT {
            self.forget(needed);
            if self.segments.len() >= SEGMENTS_MAX_COUNT {
                return None;
            }
        }
        let wanted = self.wanted.max(LOG_INITIAL_BYTES).min(allowed);
        if self.ring.free() < wanted && self.ring.len > 0 {
            // Keep as much of the past as there is space for: half of a full ring.
            let spare = (needed - self.start) as usize;
            let enough = (self.ring.capacity() / 2).max(wanted);
            self.forget(self.start + spare.min(enough) as u64);
        }
        if self.ring.free() < wanted && self.ring.capacity() < LOG_CAPACITY_BYTES {
            let larger = (self.ring.capacity() * 2).max(self.ring.len + wanted);
            self.ring.grow(
                larger
                    .next_power_of_two()
                    .clamp(LOG_INITIAL_BYTES, LOG_CAPACITY_BYTES),
            );
        }
        if self.ring.free() == 0 {
            return None;
        }
        let space = self.ring.space();
        let count = space.len().min(allowed);
        Some(&mut space[..count])
    }

    /// Drops the bytes before `offset`.
    fn forget(&mut self, offset: u64) {
        let count = offset.saturating_sub(self.start) as usize;
        self.ring.drop_front(count);
        self.start += count as u64;
        while self
            .segments
            .front()
            .is_some_and(|segment| segment.end <= self.start)
        {
            self.segments.pop_front();
        }
    }

    fn appended(&mut self, stream: Stream, count: usize) {
        self.ring.len += count;
        let end = self.end();
        match self.segments.back_mut() {
            Some(last) if last.stream == stream => last.end = end,
            _ => self.segments.push_back(Segment { end, stream }),
        }
    }

    fn wake_viewers(&self) {
        for viewer in &self.viewers {
            viewer.wake.notify_one();
        }
    }
}

impl Cursor {
    /// Hands up to `max` of the next bytes, all of one stream, to `take` and moves behind them. The
    /// bytes come in one or two slices (the ring's end may lie between them). `take` must not call
    /// the log. If `max` is 0, bytes that are there stay, and it is as if there were none yet.
    pub fn read(&mut self, max: usize, take: impl FnOnce(Stream, &[u8], &[u8])) -> Read {
        let mut inner = self.log.lock();
        let inner = &mut *inner;
        let end = inner.end();
        let Some(viewer) = inner.viewers.iter_mut().find(|viewer| viewer.id == self.id) else {
            return Read::End;
        };
        if max == 0 && viewer.position < end {
            return Read::Empty;
        }
        if viewer.position < inner.start {
            let gap = Gap {
                from: viewer.position,
                to: inner.start,
            };
            viewer.position = inner.start;
            return Read::Gap(gap);
        }
        if viewer.position == end {
            return if inner.closed { Read::End } else { Read::Empty };
        }
        let index = inner
            .segments
            .partition_point(|segment| segment.end <= viewer.position);
        let segment = inner.segments[index];
        let count = ((segment.end - viewer.position) as usize).min(max);
        let offset = (viewer.position - inner.start) as usize;
        viewer.position += count as u64;
        let lossless = viewer.lossless;
        let (first, second) = inner.ring.slices(offset, count);
        take(segment.stream, first, second);
        if lossless {
            self.log.room.notify_one();
        }
        Read::Bytes
    }

    /// Sets how many bytes may be read before this viewer comes to them, at most
    /// [`LOG_CAPACITY_BYTES`] (which it is at first). A slow viewer that is to see soon what
    /// happens now keeps this small.
    pub fn set_ahead(&mut self, ahead: usize) {
        let ahead = ahead.clamp(1, LOG_CAPACITY_BYTES);
        if ahead == self.ahead {
            return;
        }
        self.ahead = ahead;
        let mut inner = self.log.lock();
        let viewer = inner.viewers.iter_mut().find(|viewer| viewer.id == self.id);
        if let Some(viewer) = viewer {
            viewer.ahead = ahead;
        }
        self.log.room.notify_one();
    }

    /// Offset of the next byte that this viewer will see.
    pub fn position(&self) -> u64 {
        let inner = self.log.lock();
        inner
            .viewers
            .iter()
            .find(|viewer| viewer.id == self.id)
            .map_or(0, |viewer| viewer.position)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.log
            .lock()
            .viewers
            .retain(|viewer| viewer.id != self.id);
        self.log.room.notify_one();
    }
}

/// A ring of bytes that grows by doubling. Empty, it owns no memory.
#[derive(Debug, Default)]
struct Ring {
    bytes: Vec<u8>,
    head: usize,
    len: usize,
}

impl Ring {
    fn capacity(&self) -> usize {
        self.bytes.len()
    }

    fn free(&self) -> usize {
        self.bytes.len() - self.len
    }

    /// Returns the longest run of free bytes behind the last one.
    fn space(&mut self) -> &mut [u8] {
        let tail = self.head + self.len;
        if tail >= self.bytes.len() {
            let tail = tail - self.bytes.len();
            &mut self.bytes[tail..self.head]
        } else {
            &mut self.bytes[tail..]
        }
    }

    fn drop_front(&mut self, count: usize) {
        self.len -= count;
        self.head = match self.len {
            0 => 0,
            _ => (self.head + count) % self.bytes.len(),
        };
    }

    fn grow(&mut self, capacity: usize) {
        let mut bytes = Vec::with_capacity(capacity);
        let (first, second) = self.slices(0, self.len);
        bytes.extend_from_slice(first);
        bytes.extend_from_slice(second);
        bytes.resize(capacity, 0);
        self.bytes = bytes;
        self.head = 0;
    }

    fn slices(&self, offset: usize, count: usize) -> (&[u8], &[u8]) {
        if count == 0 {
            return (&[], &[]);
        }
        let start = (self.head + offset) % self.bytes.len();
        let first = count.min(self.bytes.len() - start);
        (
            &self.bytes[start..start + first],
            &self.bytes[..count - first],
        )
    }
}

#[cfg(test)]
mod tests;

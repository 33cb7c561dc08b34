//! Writing a ZIP archive to something that cannot be wound back (PKWARE's APPNOTE 6.3.10): sizes and checksums come behind
//! each file, the list of all comes last.
//!
//! By hand, as it is two hundred lines around what is in the tree already: compression and CRC-32 of `zlib-rs`.

use std::io::{self, Read, Write};
use zlib_rs::{Deflate, DeflateFlush, Status};

/// zlib's effort, 1 to 9: the processor of a small device is slower than its network.
const COMPRESSION_LEVEL: i32 = 1;
/// The window is 2 to the power of this, in bytes.
const WINDOW_BITS: u8 = 15;
/// Bytes that are read, and written, at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Files that are as large when they are opened get fields of 64 bits. Far below what 32 bits hold, for it may grow.
const ZIP64_FILE_BYTES: u64 = 1 << 30;
/// What stands in a field of 32 bits whose number is elsewhere.
const ZIP64_PLACEHOLDER: u32 = u32::MAX;
/// Version 4.5 of the format, the first with fields of 64 bits.
const VERSION_NEEDED: u16 = 45;
/// Made on Unix, so that modes count.
const VERSION_MADE_BY: u16 = 3 << 8 | VERSION_NEEDED;
/// Names are UTF-8.
const UTF_8: u16 = 1 << 11;
/// Checksum and sizes come behind the content.
const DATA_DESCRIPTOR_FLAG: u16 = 1 << 3;
const METHOD_STORED: u16 = 0;
const METHOD_DEFLATED: u16 = 8;

/// An archive that is being written.
pub(super) struct Zip<W> {
    out: Counting<W>,
    /// The list of all files, as it will be written.
    list: Vec<u8>,
    files: u64,
    buffer: Vec<u8>,
    packed: Vec<u8>,
}

/// What is known of a file before its content is.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// With slashes; of a folder, one at its end.
    pub(super) name: &'a str,
    /// As `stat(2)` has it, with its type.
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) modified: i64,
}

/// What is known of it behind that.
struct Content {
    method: u16,
    flags: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

impl<W: Write> Zip<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out: Counting { out, count: 0 },
            list: Vec::new(),
            files: 0,
            buffer: vec![0; BUFFER_BYTES],
            packed: vec![0; BUFFER_BYTES],
        }
    }

    /// A folder (without content), or a link (with what it says).
    pub(super) fn add_small(&mut self, about: About<'_>, content: &[u8]) -> io::Result<()> {
        let crc = zlib_rs::crc32::crc32(0, content);
        let offset = self.out.count;
        let size = content.len() as u32;
        self.head(about, UTF_8, METHOD_STORED, [crc, size, size], false)?;
        self.out.write_all(content)?;
        self.note(
            about,
            &Content {
                method: METHOD_STORED,
                flags: UTF_8,
                crc,
                packed: size.into(),
                size: size.into(),
                offset,
            },
        );
        Ok(())
    }

    /// A file, whatever it holds when it is read. `expected` bytes, it seems.
    pub(super) fn add_file(
        &mut self,
        about: About<'_>,
        expected: u64,
        file: &mut impl Read,
    ) -> io::Result<()> {
        let offset = self.out.count;
        let large = expected >= ZIP64_FILE_BYTES;
        let flags = UTF_8 | DATA_DESCRIPTOR_FLAG;
        let unknown = if large { ZIP64_PLACEHOLDER } else { 0 };
        self.head(about, flags, METHOD_DEFLATED, [0, unknown, unknown], large)?;
        let begin = self.out.count;
        let (crc, size) = self.deflate(file)?;
        let packed = self.out.count - begin;
        if !large && size.max(packed) >= u64::from(ZIP64_PLACEHOLDER) {
            return Err(io::Error::other("a file has grown while it was read"));
        }
        self.number(0x0807_4b50)?;
        self.number(crc)?;
        for number in [packed, size] {
            match large {
                true => self.out.write_all(&number.to_le_bytes())?,
                false => self.number(number as u32)?,
            }
        }
        self.note(
            about,
            &Content {
                method: METHOD_DEFLATED,
                flags,
                crc,
                packed,
                size,
                offset,
            },
        );
        Ok(())
    }

    /// Writes the list. Without it there is no archive.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let begin = self.out.count;
        let list = std::mem::take(&mut self.list);
        self.out.write_all(&list)?;
        let end = self.out.count;
        // The same twice: with room for large numbers, and as everybody expects it.
        let mut large = Vec::new();
        large.extend(0x0606_4b50_u32.to_le_bytes());
        large.extend(44_u64.to_le_bytes());
        large.extend(VERSION_MADE_BY.to_le_bytes());
        large.extend(VERSION_NEEDED.to_le_bytes());
        large.extend([0; 8]);
        for number in [self.files, self.files, end - begin, begin] {
            large.extend(number.to_le_bytes());
        }
        large.extend(0x0706_4b50_u32.to_le_bytes());
        large.extend(0_u32.to_le_bytes());
        large.extend(end.to_le_bytes());
        large.extend(1_u32.to_le_bytes());
        let files = u16::try_from(self.files).unwrap_or(u16::MAX);
        if files == u16::MAX || end >= u64::from(ZIP64_PLACEHOLDER) {
            self.out.write_all(&large)?;
        }
        let mut small = Vec::new();
        small.extend(0x0605_4b50_u32.to_le_bytes());
        small.extend([0; 4]);
        small.extend(files.to_le_bytes());
        small.extend(files.to_le_bytes());
        small.extend(narrow(end - begin).to_le_bytes());
        small.extend(narrow(begin).to_le_bytes());
        small.extend([0; 2]);
        self.out.write_all(&small)?;
        self.out.out.flush()
    }

    /// What stands before a file.
    fn head(
        &mut self,
        about: About<'_>,
        flags: u16,
        method: u16,
        numbers: [u32; 3],
        large: bool,
    ) -> io::Result<()> {
        let mut extra = time_field(about.modified);
        if large {
            extra.extend(1_u16.to_le_bytes());
            extra.extend(16_u16.to_le_bytes());
            extra.extend([0; 16]);
        }
        let mut head = Vec::new();
        head.extend(0x0403_4b50_u32.to_le_bytes());
        common(&mut head, about, flags, method, numbers, extra.len());
        head.extend(about.name.as_bytes());
        head.extend(extra);
        self.out.write_all(&head)
    }

    /// The same in the list.
    fn note(&mut self, about: About<'_>, content: &Content) {
        let mut wide = Vec::new();
        for number in [content.size, content.packed, content.offset] {
            if number >= u64::from(ZIP64_PLACEHOLDER) {
                wide.extend(number.to_le_bytes());
            }
        }
        let mut extra = time_field(about.modified);
        if !wide.is_empty() {
            extra.extend(1_u16.to_le_bytes());
            extra.extend((wide.len() as u16).to_le_bytes());
            extra.extend(wide);
        }
        let list = &mut self.list;
        list.extend(0x0201_4b50_u32.to_le_bytes());
        list.extend(VERSION_MADE_BY.to_le_bytes());
        let numbers = [content.crc, narrow(content.packed), narrow(content.size)];
        common(
            list,
            about,
            content.flags,
            content.method,
            numbers,
            extra.len(),
        );
        // No comment, on the first disk, nothing about the content.
        list.extend([0; 6]);
        let is_folder = u32::from(about.name.ends_with('/'));
        list.extend((about.mode << 16 | is_folder << 4).to_le_bytes());
        list.extend(narrow(content.offset).to_le_bytes());
        list.extend(about.name.as_bytes());
        list.extend(extra);
        self.files += 1;
    }

    fn number(&mut self, number: u32) -> io::Result<()> {
        self.out.write_all(&number.to_le_bytes())
    }

    /// Compresses all that `file` holds. Gives its checksum and its bytes.
    fn deflate(&mut self, file: &mut impl Read) -> io::Result<(u32, u64)> {
        let mut deflate = Deflate::new(COMPRESSION_LEVEL, false, WINDOW_BITS);
        let (mut crc, mut size) = (0, 0);
        loop {
            let count = match file.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            let mut rest = &self.buffer[..count];
            crc = zlib_rs::crc32::crc32(crc, rest);
            size += count as u64;
            let flush = match count {
                0 => DeflateFlush::Finish,
                _ => DeflateFlush::NoFlush,
            };
            loop {
                let (read, written) = (deflate.total_in(), deflate.total_out());
                let status = deflate
                    .compress(rest, &mut self.packed, flush)
                    .map_err(|_| io::Error::other("a file could not be compressed"))?;
                rest = &rest[(deflate.total_in() - read) as usize..];
                let written = (deflate.total_out() - written) as usize;
                self.out.write_all(&self.packed[..written])?;
                match status {
                    Status::StreamEnd => return Ok((crc, size)),
                    _ if count > 0 && rest.is_empty() => break,
                    _ => {}
                }
            }
        }
    }
}

/// What the head of a file and its line in the list have in common.
fn common(
    out: &mut Vec<u8>,
    about: About<'_>,
    flags: u16,
    method: u16,
    numbers: [u32; 3],
    extra: usize,
) {
    let (date, time) = dos_time(about.modified);
    for number in [VERSION_NEEDED, flags, method, time, date] {
        out.extend(number.to_le_bytes());
    }
    for number in numbers {
        out.extend(number.to_le_bytes());
    }
    // Whoever adds it sees to it that it fits.
    out.extend((about.name.len() as u16).to_le_bytes());
    out.extend((extra as u16).to_le_bytes());
}

/// A number for a field of 32 bits, or the mark that it is elsewhere.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ZIP64_PLACEHOLDER)
}

/// The time since 1970, as Info-ZIP has it. Empty where it does not fit (after 2038).
fn time_field(modified: i64) -> Vec<u8> {
    let mut field = Vec::new();
    if let Ok(seconds) = i32::try_from(modified) {
        field.extend(0x5455_u16.to_le_bytes());
        field.extend(5_u16.to_le_bytes());
        field.push(1);
        field.extend(seconds.to_le_bytes());
    }
    field
}

/// Date and time as MS-DOS had them: from 1980 to 2107, in steps of two seconds. In UTC, as readers that know the
/// field above do not look at it.
fn dos_time(modified: i64) -> (u16, u16) {
    const DOS_TIME_MIN_SECONDS: i64 = 315_532_800;
    const DOS_TIME_MAX_SECONDS: i64 = 4_354_819_198;
    let seconds = modified.clamp(DOS_TIME_MIN_SECONDS, DOS_TIME_MAX_SECONDS);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days into a year that begins with March, so that leap days come last (H. Hinnant's `civil_from_days`).
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let date = (year - 1980) << 9 | month << 5 | day;
    let (hours, minutes, pairs) = (second / 3600, second % 3600 / 60, second % 60 / 2);
    let time = hours << 11 | minutes << 5 | pairs;
    (date as u16, time as u16)
}

/// Counts what goes through.
struct Counting<W> {
    out: W,
    count: u64,
}

impl<W: Write> Counting<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.count += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_dos() {
        let date = |year: u16, month: u16, day: u16| (year - 1980) << 9 | month << 5 | day;
        for (seconds, expected) in [
            (0, (date(1980, 1, 1), 0)),
            (951_782_400, (date(2000, 2, 29), 0)),
            (1_709_251_199, (date(2024, 2, 29), 23 << 11 | 59 << 5 | 29)),
            (1_735_689_600, (date(2025, 1, 1), 0)),
            (i64::MAX, (date(2107, 12, 31), 23 << 11 | 59 << 5 | 29)),
        ] {
            assert_eq!(dos_time(seconds), expected, "{seconds}");
        }
    }
}

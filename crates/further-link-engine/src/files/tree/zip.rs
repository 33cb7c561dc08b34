//! A ZIP archive that is streamed: nothing is known of a file's size before its content was read,
//! so checksum and sizes follow it. The crate `zip` writes it; here is what it has to be told.

use std::io::{self, Read, Write};
use zip::write::{FileOptions, FullFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// zlib's effort, 1 to 9: the processor of a small device is slower than its network.
const COMPRESSION_LEVEL: i64 = 1;
/// Files that are as large when they are opened get fields of 64 bits (ZIP64). Far below what 32
/// bits hold, for a file may grow while it is read.
const ZIP64_FILE_BYTES: u64 = 1 << 30;
/// Id of the extra field with the time as Info-ZIP has it.
const EXTENDED_TIMESTAMP_ID: u16 = 0x5455;

/// An archive that is being written.
pub(super) struct Archive<W: Write> {
    writer: ZipWriter<StreamWriter<W>>,
}

/// What is known of an entry before its content is.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryInfo<'a> {
    /// With slashes; of a directory, one at its end.
    pub(super) name: &'a str,
    /// As `stat(2)` has it, with its type.
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) modified: i64,
}

impl<W: Write> Archive<W> {
    /// Begins an archive.
    pub(super) fn new(out: W) -> Self {
        Self {
            writer: ZipWriter::new_stream(out),
        }
    }

    /// Adds a directory.
    pub(super) fn add_directory(&mut self, info: EntryInfo<'_>) -> io::Result<()> {
        self.writer.add_directory(info.name, options(info)?)?;
        Ok(())
    }

    /// Adds a symbolic link to `target`.
    pub(super) fn add_link(&mut self, info: EntryInfo<'_>, target: &str) -> io::Result<()> {
        self.writer.add_symlink(info.name, target, options(info)?)?;
        Ok(())
    }

    /// Adds a file, whatever it holds when it is read. It is expected to have `expected` bytes.
    pub(super) fn add_file(
        &mut self,
        info: EntryInfo<'_>,
        expected: u64,
        file: &mut impl Read,
    ) -> io::Result<()> {
        let options = options(info)?
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(COMPRESSION_LEVEL))
            .large_file(expected >= ZIP64_FILE_BYTES);
        self.writer.start_file(info.name, options)?;
        io::copy(file, &mut self.writer)?;
        Ok(())
    }

    /// Writes the central directory. Without it there is no archive.
    pub(super) fn finish(self) -> io::Result<()> {
        self.writer.finish()?.into_inner().flush()
    }
}

fn options(info: EntryInfo<'_>) -> io::Result<FullFileOptions<'static, 'static>> {
    let (date, time) = dos_time(info.modified);
    let modified = DateTime::try_from_msdos(date, time).map_err(io::Error::other)?;
    let mut options = FileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(modified)
        .unix_permissions(info.mode);
    if let Ok(seconds) = i32::try_from(info.modified) {
        // One byte says that the time of modification follows. Not there after 2038.
        let mut field = vec![1];
        field.extend(seconds.to_le_bytes());
        options.add_extra_field(EXTENDED_TIMESTAMP_ID, field, false)?;
    }
    Ok(options)
}

/// Returns date and time as MS-DOS had them: from 1980 to 2107, in steps of two seconds. In UTC, as
/// readers that know the extended timestamp do not look at it.
fn dos_time(modified: i64) -> (u16, u16) {
    const DOS_TIME_MIN_SECONDS: i64 = 315_532_800;
    const DOS_TIME_MAX_SECONDS: i64 = 4_354_819_198;
    let seconds = modified.clamp(DOS_TIME_MIN_SECONDS, DOS_TIME_MAX_SECONDS);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days into a year that begins with March, so that leap days come last (H. Hinnant's
    // `civil_from_days`).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dos_time_clamps_to_its_range() {
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

//! The text that programs put out in this bench, and the check that it has arrived to the byte.
//!
//! Each line of 80 bytes begins with its number, so a byte that is lost, doubled or swapped is
//! found, and where. The lines are made and compared a block at a time: the load generator has to
//! be cheap, as it shares the cores with what it measures.

use std::fmt;

/// Lines of a block.
const BLOCK_LINES: usize = 1024;
/// Bytes of a line as the program writes it, with its `\n`.
pub(crate) const LINE: usize = 80;
/// Hexadecimal digits at the front of a line that are the number of its block.
const BLOCK_DIGITS: usize = 8;

/// Comes before the first line, so that it can be told from the echo of a command.
pub(crate) const BEGIN: &[u8] = b"<<begin>>";
/// Comes after the last line.
pub(crate) const END: &[u8] = b"<<end>>";

/// One block of lines, which becomes the next one when it is asked to.
pub(crate) struct Block {
    bytes: Vec<u8>,
    /// Bytes of a line with its ending.
    line: usize,
    number: u64,
}

impl Block {
    /// The first block; `carriage_returns` as a terminal shows it, with `\r\n` for `\n`.
    pub(crate) fn first(carriage_returns: bool) -> Self {
        let mut bytes = Vec::new();
        for line in 0..BLOCK_LINES {
            let start = bytes.len();
            bytes.extend_from_slice(format!("00000000{line:03x} ").as_bytes());
            // Printable text that differs from line to line, with the two characters that JSON has
            // to escape in it now and then.
            for column in bytes.len() - start..LINE - 1 {
                bytes.push(b' ' + ((line * 7 + column * 3) % 95) as u8);
            }
            bytes.extend_from_slice(if carriage_returns { b"\r\n" } else { b"\n" });
        }
        let line = bytes.len() / BLOCK_LINES;
        Self {
            bytes,
            line,
            number: 0,
        }
    }

    /// The lines.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Becomes the block that follows.
    pub(crate) fn advance(&mut self) {
        self.number += 1;
        let digits = format!("{:0width$x}", self.number, width = BLOCK_DIGITS);
        for line in self.bytes.chunks_exact_mut(self.line) {
            line[..BLOCK_DIGITS].copy_from_slice(&digits.as_bytes()[..BLOCK_DIGITS]);
        }
    }
}

/// What arrived is not what was sent.
#[derive(Debug)]
pub(crate) struct WrongBytes(pub(crate) String);

impl fmt::Display for WrongBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "wrong bytes: {}", self.0)
    }
}

impl std::error::Error for WrongBytes {}

/// Compares what arrives with the pattern.
pub(crate) struct Checker {
    block: Block,
    /// Bytes of the block that have arrived.
    position: usize,
    /// Bytes that have arrived in all, as they were shown.
    checked: u64,
}

impl Checker {
    /// A check from the first line on.
    pub(crate) fn new(carriage_returns: bool) -> Self {
        Self {
            block: Block::first(carriage_returns),
            position: 0,
            checked: 0,
        }
    }

    /// Bytes that have arrived and were right.
    pub(crate) fn checked(&self) -> u64 {
        self.checked
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If one of them is not the one that has to come.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<(), WrongBytes> {
        while !bytes.is_empty() {
            let expected = &self.block.bytes()[self.position..];
            let count = expected.len().min(bytes.len());
            if expected[..count] != bytes[..count] {
                let same = expected.iter().zip(bytes).take_while(|(a, b)| a == b);
                let at = same.count();
                let show = |bytes: &[u8]| {
                    String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 24)]).into_owned()
                };
                return Err(WrongBytes(format!(
                    "at byte {} came {:?}, not {:?}",
                    self.checked + at as u64,
                    show(bytes),
                    show(expected)
                )));
            }
            self.checked += count as u64;
            self.position += count;
            bytes = &bytes[count..];
            if self.position == self.block.bytes().len() {
                self.block.advance();
                self.position = 0;
            }
        }
        Ok(())
    }
}

/// Follows a whole output: what comes before [`BEGIN`], the lines, and [`END`].
pub(crate) struct Follower {
    checker: Checker,
    /// Bytes of lines that have to come.
    expected: u64,
    begun: bool,
    /// What could be a part of a mark, or is what came after the lines.
    held: Vec<u8>,
}

impl Follower {
    /// For `lines` lines, with `\r\n` for `\n` if `carriage_returns`.
    pub(crate) fn new(lines: u64, carriage_returns: bool) -> Self {
        let line = LINE as u64 + u64::from(carriage_returns);
        Self {
            checker: Checker::new(carriage_returns),
            expected: lines.saturating_mul(line),
            begun: false,
            held: Vec::new(),
        }
    }

    /// Takes the next bytes; true when the end has come.
    ///
    /// # Errors
    /// If one of them is wrong.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<bool, WrongBytes> {
        let joined;
        let mut bytes = bytes;
        if !self.begun {
            self.held.extend_from_slice(bytes);
            let Some(at) = find(&self.held, BEGIN) else {
                return Ok(false);
            };
            self.begun = true;
            joined = self.held.split_off(at + BEGIN.len());
            self.held.clear();
            bytes = &joined;
        }
        let room = self.expected - self.checker.checked();
        let count = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.checker.take(&bytes[..count])?;
        self.held.extend_from_slice(&bytes[count..]);
        let length = self.held.len().min(END.len());
        if self.held[..length] != END[..length] {
            return Err(WrongBytes(format!(
                "after {} bytes came {:?}, not the end",
                self.checker.checked(),
                String::from_utf8_lossy(&self.held[..length])
            )));
        }
        Ok(length == END.len())
    }

    /// Whether the first mark was seen.
    pub(crate) fn begun(&self) -> bool {
        self.begun
    }

    /// Bytes of lines that were right.
    pub(crate) fn checked(&self) -> u64 {
        self.checker.checked()
    }
}

/// Where `needle` begins in `bytes`.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize, carriage_returns: bool) -> Vec<u8> {
        let mut block = Block::first(carriage_returns);
        let mut bytes = Vec::new();
        let line = LINE + usize::from(carriage_returns);
        while bytes.len() < count * line {
            bytes.extend_from_slice(block.bytes());
            block.advance();
        }
        bytes.truncate(count * line);
        bytes
    }

    #[test]
    fn right_bytes_pass_in_pieces_of_any_length() {
        for carriage_returns in [false, true] {
            let mut whole = BEGIN.to_vec();
            whole.extend_from_slice(&lines(3000, carriage_returns));
            whole.extend_from_slice(END);
            for size in [1, 7, 4096, whole.len()] {
                let mut follower = Follower::new(3000, carriage_returns);
                let pieces: Vec<&[u8]> = whole.chunks(size).collect();
                let (last, before) = pieces.split_last().unwrap();
                for piece in before {
                    assert!(!follower.take(piece).unwrap());
                }
                assert!(follower.take(last).unwrap());
            }
        }
    }

    #[test]
    fn lost_doubled_or_swapped_byte_is_found() {
        let good = lines(2500, false);
        let at = 81_920 + 1234;
        let mut lost = good.clone();
        lost.remove(at);
        let mut doubled = good.clone();
        doubled.insert(at, good[at]);
        let mut swapped = good.clone();
        swapped.swap(at, at + 1);
        // Whole blocks are alike but for their numbers.
        let mut block_lost = good.clone();
        block_lost.drain(81_920..2 * 81_920);
        for bad in [lost, doubled, swapped, block_lost] {
            assert!(Checker::new(false).take(&bad).is_err());
        }
        assert!(Checker::new(false).take(&good).is_ok());
    }

    #[test]
    fn early_end_is_found() {
        let mut short = BEGIN.to_vec();
        short.extend_from_slice(&lines(9, false));
        short.extend_from_slice(END);
        assert!(Follower::new(10, false).take(&short).is_err());
    }
}

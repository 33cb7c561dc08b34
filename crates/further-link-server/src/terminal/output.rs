//! Reads what a shell prints, as text: characters that were cut in two are joined, and unread
//! output holds the program back (backpressure).

use further_link_engine::{Cursor, Job, JobState, Read};
use further_link_protocol::Utf8Decoder;

/// What [`OutputReader::take`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// There may be more.
    Some,
    /// There is nothing more for now.
    All,
    /// The shell has ended, and all its output was taken.
    End,
}

/// The output of one shell, from where it was last taken.
pub(super) struct OutputReader {
    /// `None` when nobody wants any more.
    cursor: Option<Cursor>,
    decoder: Utf8Decoder,
    /// Text ahead of the shell's own output.
    first: String,
}

impl OutputReader {
    /// Returns a reader at `cursor`. At most `ahead` bytes are read from the program in advance;
    /// `first` comes before its output.
    pub(super) fn new(mut cursor: Cursor, ahead: usize, first: String) -> Self {
        cursor.set_ahead(ahead);
        Self {
            cursor: Some(cursor),
            decoder: Utf8Decoder::default(),
            first,
        }
    }

    /// Sets how many bytes are read from the program in advance, at most.
    pub(super) fn set_ahead(&mut self, ahead: usize) {
        if let Some(cursor) = &mut self.cursor {
            cursor.set_ahead(ahead);
        }
    }

    /// Appends up to about `max` bytes of text, nothing if `max` is 0. `job` is the shell.
    pub(super) fn take(&mut self, max: usize, job: &Job, text: &mut String) -> ReadOutcome {
        let Some(cursor) = &mut self.cursor else {
            return ReadOutcome::End;
        };
        if max > 0 {
            text.push_str(&std::mem::take(&mut self.first));
        }
        let mut room = max;
        loop {
            let decoder = &mut self.decoder;
            let read = cursor.read(room, |_, first, second| {
                room -= first.len() + second.len();
                for bytes in [first, second] {
                    decoder.decode(bytes, false, &mut |chunk| text.push_str(chunk));
                }
            });
            match read {
                Read::Bytes | Read::Gap(_) if room > 0 => {}
                Read::Bytes | Read::Gap(_) => return ReadOutcome::Some,
                Read::Empty if max == 0 => return ReadOutcome::Some,
                Read::Empty => return ReadOutcome::All,
                Read::End if max == 0 && !self.first.is_empty() => return ReadOutcome::Some,
                Read::End => {
                    decoder.decode(&[], true, &mut |chunk| text.push_str(chunk));
                    if let JobState::Failed(error) = job.state() {
                        text.push_str(&format!("{error}\r\n"));
                    }
                    self.cursor = None;
                    return ReadOutcome::End;
                }
            }
        }
    }

    /// Stops reading; the program is no longer held back.
    pub(super) fn close(&mut self) {
        self.cursor = None;
    }
}

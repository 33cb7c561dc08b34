//! One program of a client, and what the client is told of it: keys and the like ahead of output, pictures and output
//! in turns, its end last.

use super::answer::start_error;
use crate::SharedApp;
use crate::session::output::{Output, Step};
use crate::websocket::connection::{Allowance, BATCH};
use crate::websocket::frames::Frames;
use further_link_engine::{ChannelView, Job, JobState, LatestMessage};
use further_link_protocol::wire::Dialect;
use further_link_protocol::wire::stream::{FrameHeader, FrameKind, INPUT_ACK_INTERVAL_BYTES};
use further_link_protocol::{ChannelMessage, Event, Features, ProcessName};
use std::sync::Arc;
use std::time::Instant;

/// A program of this client, until its end was sent.
pub(super) struct Process {
    pub(super) name: ProcessName,
    pub(super) number: u32,
    pub(super) job: Arc<Job>,
    pub(super) output: Output,
    /// Its IO channels, if it has any.
    pub(super) channels: Option<ChannelView>,
    /// What was sent last was a picture: output has its turn.
    pub(super) latest_was_last: bool,
    /// What goes ahead of both was sent last, as far as there was room: now they have their turn.
    pub(super) lossless_was_last: bool,
    pub(super) asked: Instant,
    pub(super) started: bool,
    /// Bytes of input that came.
    pub(super) input: u64,
    /// Bytes of it that we have acknowledged.
    pub(super) input_acknowledged: u64,
}

/// What a process had to say.
pub(super) enum Said {
    Something,
    Nothing,
    Over,
}

impl Process {
    /// Encodes the next thing that the client is to know of this program.
    pub(super) fn say(
        &mut self,
        app: &SharedApp,
        dialect: &dyn Dialect,
        out: &mut Frames,
        scratch: &mut String,
        features: Features,
        allowance: Allowance,
    ) -> Said {
        let before = out.weight();
        if !self.started {
            match self.job.state() {
                JobState::Starting => return Said::Nothing,
                JobState::Failed(error) => {
                    app.metrics.failed_starts.inc();
                    start_error(self.name.clone(), &error).encode(app, dialect, out);
                    return Said::Over;
                }
                JobState::Running | JobState::Over { .. } => {}
            }
            self.started = true;
            app.metrics.started(self.asked.elapsed());
            let number = self.number;
            self.encode(dialect, &Event::Started { number }, out);
        }
        if self.output.is_binary() {
            self.acknowledge_input(out);
        }
        // Keys and the like go ahead of output, but not twice in a row; pictures and output take turns.
        let mut room = allowance.room;
        let had_their_turn = self.lossless_was_last;
        if !had_their_turn {
            room = room.saturating_sub(self.send_lossless(features, dialect, room, out));
        }
        let allowance = Allowance { room, ..allowance };
        if !self.latest_was_last && self.send_latest(dialect, allowance, out) {
            return Said::Something;
        }
        let Self { name, output, .. } = self;
        match output.next(name, dialect, allowance, out, scratch) {
            Step::Sent(count) => {
                app.metrics.output_bytes.inc_by(count as u64);
                self.latest_was_last = false;
                // There was room for a picture too, if there is one that has to go first.
                if had_their_turn && room > 0 {
                    self.lossless_was_last = false;
                }
                Said::Something
            }
            Step::Waiting | Step::End if self.send_latest(dialect, allowance, out) => {
                Said::Something
            }
            Step::Waiting | Step::End
                if had_their_turn && self.send_lossless(features, dialect, room, out) > 0 =>
            {
                Said::Something
            }
            Step::Waiting | Step::End if out.weight() > before => Said::Something,
            Step::Waiting => Said::Nothing,
            // There is no room for what is left.
            Step::End if self.channels.as_ref().is_some_and(|view| !view.is_empty()) => {
                Said::Nothing
            }
            Step::End => {
                if let JobState::Over { exit_code } = self.job.state() {
                    let output = self.output.position();
                    self.encode(dialect, &Event::Stopped { exit_code, output }, out);
                }
                Said::Over
            }
        }
    }

    /// Encodes channel messages that must not be lost, within `room` and not many at once; returns
    /// how many bytes that were.
    fn send_lossless(
        &mut self,
        features: Features,
        dialect: &dyn Dialect,
        room: usize,
        out: &mut Frames,
    ) -> usize {
        let mut count = 0;
        while count < room.min(BATCH)
            && let Some(message) = self.channels.as_ref().and_then(ChannelView::take_lossless)
        {
            // The client may have changed its mind since the program was started.
            if features.include(message.channel()) {
                count += self.encode_out_of_band(dialect, &Event::Channel(&message), out);
            }
        }
        self.lossless_was_last |= count > 0;
        count
    }

    /// Encodes the latest message of a channel that may drop some (video), if there is one and room
    /// for its beginning.
    fn send_latest(
        &mut self,
        dialect: &dyn Dialect,
        allowance: Allowance,
        out: &mut Frames,
    ) -> bool {
        if allowance.room == 0 {
            return false;
        }
        let view = self.channels.as_ref();
        let Some(LatestMessage { message, sequence }) = view.and_then(ChannelView::take_latest)
        else {
            return false;
        };
        let count = match &message {
            ChannelMessage::Video(frame) if self.output.is_binary() => {
                let before = out.weight();
                let header = FrameHeader {
                    number: self.number,
                    kind: FrameKind::Video,
                    offset: sequence,
                };
                out.dense_binary(|out| {
                    out.extend_from_slice(&header.encode());
                    out.extend_from_slice(&frame.jpeg);
                });
                let count = out.weight() - before;
                out.count_beside(count);
                count
            }
            message => self.encode_out_of_band(dialect, &Event::Channel(message), out),
        };
        self.latest_was_last = true;
        self.lossless_was_last = false;
        count > 0
    }

    /// Encodes what does not count as output, which a client acknowledges; returns how many bytes
    /// that were.
    fn encode_out_of_band(
        &self,
        dialect: &dyn Dialect,
        event: &Event<'_>,
        out: &mut Frames,
    ) -> usize {
        let before = out.weight();
        self.encode(dialect, event, out);
        let count = out.weight() - before;
        out.count_beside(count);
        count
    }

    /// Tells how much of its input the program has taken, if that is due.
    fn acknowledge_input(&mut self, out: &mut Frames) {
        let taken = self.job.input_taken();
        let every = INPUT_ACK_INTERVAL_BYTES as u64;
        if taken / every != self.input_acknowledged / every {
            self.input_acknowledged = taken;
            let head = FrameHeader {
                number: self.number,
                kind: FrameKind::InputAck,
                offset: taken,
            };
            out.binary(|out| out.extend_from_slice(&head.encode()));
        }
    }

    fn encode(&self, dialect: &dyn Dialect, event: &Event<'_>, out: &mut Frames) {
        out.text(|out| dialect.encode(Some(&self.name), event, out));
    }
}

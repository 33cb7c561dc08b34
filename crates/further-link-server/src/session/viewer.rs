//! What a client sees of one of its jobs: channel messages that must not be lost ahead of output,
//! video and output in turns, its end last.

use super::answer::start_error;
use crate::app::SharedApp;
use crate::session::output::{EncodeOutcome, Output};
use crate::websocket::connection::{SendCredit, WRITE_BATCH_BYTES};
use crate::websocket::frames::Frames;
use further_link_engine::{ChannelView, Job, JobState, LatestMessage};
use further_link_protocol::wire::Dialect;
use further_link_protocol::wire::stream::{FrameHeader, FrameKind, INPUT_ACK_INTERVAL_BYTES};
use further_link_protocol::{ChannelMessage, Event, Features, ProcessName};
use std::sync::Arc;
use std::time::Instant;

/// A viewer of one job, until the end of the job was sent.
pub(super) struct Viewer {
    pub(super) name: ProcessName,
    pub(super) number: u32,
    pub(super) job: Arc<Job>,
    pub(super) output: Output,
    /// Its IO channels, if it has any.
    pub(super) channels: Option<ChannelView>,
    /// A video frame was sent last: it is the turn of output.
    pub(super) sent_latest_last: bool,
    /// Lossless channel messages were sent last: it is the turn of video and output.
    pub(super) sent_lossless_last: bool,
    pub(super) asked: Instant,
    pub(super) started: bool,
    /// Bytes of input that came.
    pub(super) input: u64,
    /// Bytes of it that were acknowledged to the client.
    pub(super) input_acknowledged: u64,
}

/// What a viewer had to send.
pub(super) enum SendOutcome {
    Sent,
    Waiting,
    Finished,
}

impl Viewer {
    /// Encodes the next message about the job.
    pub(super) fn send_next(
        &mut self,
        app: &SharedApp,
        dialect: &dyn Dialect,
        out: &mut Frames,
        scratch: &mut String,
        features: Features,
        credit: SendCredit,
    ) -> SendOutcome {
        let before = out.uncompressed_bytes();
        if !self.started {
            match self.job.state() {
                JobState::Starting => return SendOutcome::Waiting,
                JobState::Failed(error) => {
                    app.metrics.failed_starts.inc();
                    start_error(self.name.clone(), &error).encode(app, dialect, out);
                    return SendOutcome::Finished;
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
        // Lossless messages go ahead of output, but not twice in a row; video and output take
        // turns.
        let mut room = credit.bytes;
        let lossless_had_turn = self.sent_lossless_last;
        if !lossless_had_turn {
            room = room.saturating_sub(self.send_lossless(features, dialect, room, out));
        }
        let credit = SendCredit {
            bytes: room,
            ..credit
        };
        if !self.sent_latest_last && self.send_latest(dialect, credit, out) {
            return SendOutcome::Sent;
        }
        let Self { name, output, .. } = self;
        match output.next(name, dialect, credit, out, scratch) {
            EncodeOutcome::Sent(count) => {
                app.metrics.output_bytes.inc_by(count as u64);
                self.sent_latest_last = false;
                // There was room for a picture too, if there is one that has to go first.
                if lossless_had_turn && room > 0 {
                    self.sent_lossless_last = false;
                }
                SendOutcome::Sent
            }
            EncodeOutcome::Waiting | EncodeOutcome::End
                if self.send_latest(dialect, credit, out) =>
            {
                SendOutcome::Sent
            }
            EncodeOutcome::Waiting | EncodeOutcome::End
                if lossless_had_turn && self.send_lossless(features, dialect, room, out) > 0 =>
            {
                SendOutcome::Sent
            }
            EncodeOutcome::Waiting | EncodeOutcome::End if out.uncompressed_bytes() > before => {
                SendOutcome::Sent
            }
            EncodeOutcome::Waiting => SendOutcome::Waiting,
            // There is no room for what is left.
            EncodeOutcome::End if self.channels.as_ref().is_some_and(|view| !view.is_empty()) => {
                SendOutcome::Waiting
            }
            EncodeOutcome::End => {
                if let JobState::Over { exit_code } = self.job.state() {
                    let output = self.output.position();
                    self.encode(dialect, &Event::Stopped { exit_code, output }, out);
                }
                SendOutcome::Finished
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
        while count < room.min(WRITE_BATCH_BYTES)
            && let Some(message) = self.channels.as_ref().and_then(ChannelView::take_lossless)
        {
            // The client may have changed its mind since the program was started.
            if features.include(message.channel()) {
                count += self.encode_out_of_band(dialect, &Event::Channel(&message), out);
            }
        }
        self.sent_lossless_last |= count > 0;
        count
    }

    /// Encodes the latest message of a channel that may drop some (video), if there is one and room
    /// for its beginning.
    fn send_latest(&mut self, dialect: &dyn Dialect, credit: SendCredit, out: &mut Frames) -> bool {
        if credit.bytes == 0 {
            return false;
        }
        let view = self.channels.as_ref();
        let Some(LatestMessage { message, sequence }) = view.and_then(ChannelView::take_latest)
        else {
            return false;
        };
        let count = match &message {
            ChannelMessage::Video(frame) if self.output.is_binary() => {
                let before = out.uncompressed_bytes();
                let header = FrameHeader {
                    number: self.number,
                    kind: FrameKind::Video,
                    offset: sequence,
                };
                out.incompressible_binary(|out| {
                    out.extend_from_slice(&header.encode());
                    out.extend_from_slice(&frame.jpeg);
                });
                let count = out.uncompressed_bytes() - before;
                out.count_out_of_band(count);
                count
            }
            message => self.encode_out_of_band(dialect, &Event::Channel(message), out),
        };
        self.sent_latest_last = true;
        self.sent_lossless_last = false;
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
        let before = out.uncompressed_bytes();
        self.encode(dialect, event, out);
        let count = out.uncompressed_bytes() - before;
        out.count_out_of_band(count);
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

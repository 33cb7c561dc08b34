//! What a session takes of the server: only what may come now, and as it has to be.

use super::super::connect::Speech;
use super::super::wire::{self, Message, Output};
use super::{PROCESS_NAME, Session, Told};
use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use std::borrow::Cow;

impl Session {
    /// Takes a message of the server, if it may come now.
    pub(super) fn take(&mut self, message: sockudo_ws::Message) -> anyhow::Result<()> {
        let bytes = match message {
            sockudo_ws::Message::Binary(bytes) => return self.take_frame(&bytes),
            message => message.into_bytes(),
        };
        if matches!(self.manner.speech, Speech::Lines(_)) {
            self.told.push_back((String::new(), Told::Answer(bytes)));
            return Ok(());
        }
        let stream = self.manner.speech == Speech::Stream;
        let shown = || String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let message: Message<'_> = serde_json::from_slice(&bytes)
            .with_context(|| format!("a message that is not as it has to be: {}", shown()))?;
        let has_envelope = matches!(self.manner.speech, Speech::Run | Speech::Stream);
        ensure!(
            message.client.as_deref() == has_envelope.then_some(&*self.client),
            "another client's id: {}",
            shown()
        );
        let name = if has_envelope {
            message.process.as_deref().unwrap_or_default().to_owned()
        } else {
            PROCESS_NAME.to_owned()
        };
        let data = message.data.unwrap_or_default();
        let place = self.tracks.iter().position(|track| track.name == name);
        let started = place.is_some_and(|place| self.tracks[place].started);
        let told = match (&*message.kind, data) {
            ("pong", _) => Told::Pong,
            ("error", data) => {
                let text = data.message.unwrap_or_default().into_owned();
                // A start that failed.
                if let Some(place) = place
                    && !started
                    && text != "Bad message"
                {
                    self.tracks.remove(place);
                }
                Told::Error(text, data.detail.unwrap_or_default().into_owned())
            }
            ("started", data) => {
                let place = place.with_context(|| format!("who was asked for? {}", shown()))?;
                let number = data.number.unwrap_or_default();
                ensure!(!started, "started twice: {}", shown());
                if stream {
                    let is_new = number > 0 && self.numbers.insert(number);
                    ensure!(is_new, "a number again: {}", shown());
                }
                self.tracks[place].started = true;
                self.tracks[place].number = number;
                Told::Started
            }
            ("stdout" | "stderr", data) => {
                let is_error = message.kind == "stderr";
                ensure!(started, "output of what does not run: {}", shown());
                ensure!(!stream, "output as text: {}", shown());
                ensure!(!(is_error && self.manner.pty), "stderr of a terminal");
                let Output::Text(text) = data.output else {
                    bail!("output without output: {}", shown());
                };
                Told::Output(is_error, Bytes::copy_from_slice(text.as_bytes()))
            }
            ("keylisten", data) => {
                ensure!(started, "a key of what does not run: {}", shown());
                let key = data.key.context("no key")?;
                let Output::Text(output) = data.output else {
                    bail!("a key without output: {}", shown());
                };
                ensure!(output == key, "two keys: {}", shown());
                Told::KeyListen(key.into_owned())
            }
            ("video", data) => {
                ensure!(started, "a picture of what does not run: {}", shown());
                ensure!(!stream, "a picture as text");
                let Output::Text(text) = data.output else {
                    bail!("a picture without output: {}", shown());
                };
                let picture = crate::camera::bytes_of(&text)?;
                self.picture(place.context("which one?")?, &picture, None)?
            }
            ("widget", data) => {
                ensure!(started && self.manner.widgets, "a widget: {}", shown());
                let part = |part: Option<Cow<'_, str>>| part.map(Cow::into_owned);
                Told::Widget(format!(
                    r#"{{"id":"{}","kind":"{}","label":"{}"}}"#,
                    part(data.id).context("id")?,
                    part(data.kind).context("kind")?,
                    part(data.label).context("label")?
                ))
            }
            ("stopped", data) => {
                ensure!(started, "the end of what does not run: {}", shown());
                let status = data.exit_code.context("no exit code")?;
                let track = self.tracks.remove(place.context("which one?")?);
                if stream {
                    let Output::Count(count) = data.output else {
                        bail!("the end without a count: {}", shown());
                    };
                    ensure!(
                        count == track.received,
                        "{count} bytes of output were said to be, {} came",
                        track.received
                    );
                }
                self.world.count(|totals| totals.ends += 1);
                Told::Stopped(status)
            }
            _ => bail!("what is this? {}", shown()),
        };
        self.told.push_back((name, told));
        Ok(())
    }

    /// Takes a picture, if it is whole and none that had to come before.
    fn picture(&mut self, place: usize, bytes: &[u8], said: Option<u64>) -> anyhow::Result<Told> {
        let number = crate::camera::check(bytes)?;
        let track = &mut self.tracks[place];
        ensure!(
            number >= track.picture && said.is_none_or(|said| said == u64::from(number)),
            "picture {number}, said to be {said:?}, where {} was due",
            track.picture
        );
        track.picture = number + 1;
        Ok(Told::Picture(number))
    }

    /// Takes a binary frame.
    fn take_frame(&mut self, bytes: &Bytes) -> anyhow::Result<()> {
        ensure!(self.manner.speech == Speech::Stream, "a binary frame");
        let frame = wire::Frame::read(bytes)?;
        let found = self
            .tracks
            .iter()
            .position(|track| track.number == frame.number);
        let place = found.with_context(|| format!("of no program: {:?}", frame.kind))?;
        if (frame.kind, frame.channel, frame.stream) == (wire::DATA, wire::VIDEO, 0) {
            let told = self.picture(place, &frame.bytes, Some(frame.offset))?;
            self.told.push_back((self.tracks[place].name.clone(), told));
            return Ok(());
        }
        let track = &mut self.tracks[place];
        let told = match (frame.kind, frame.channel) {
            (wire::DATA, wire::OUTPUT) => {
                ensure!(
                    frame.offset == track.received,
                    "{} bytes came, and the next are said to be at {}",
                    track.received,
                    frame.offset
                );
                ensure!((1..=16_384).contains(&frame.bytes.len()), "a frame's size");
                ensure!(
                    frame.stream == 1 || (frame.stream == 2 && !self.manner.pty),
                    "stream {}",
                    frame.stream
                );
                track.received += frame.bytes.len() as u64;
                Told::Output(frame.stream == 2, frame.bytes)
            }
            (wire::ACK, wire::INPUT) => {
                ensure!(
                    (track.taken..=track.sent).contains(&frame.offset),
                    "input up to {} of {} was said to be taken, after {}",
                    frame.offset,
                    track.sent,
                    track.taken
                );
                track.taken = frame.offset;
                Told::Taken
            }
            _ => bail!("what is this? {frame:?}"),
        };
        self.told.push_back((track.name.clone(), told));
        Ok(())
    }
}

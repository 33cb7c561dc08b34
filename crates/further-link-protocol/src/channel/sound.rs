//! Sounds: a tone or a WAV file that is played where the client is (`docs/protocol.md` section 11).

use super::{ChannelMessage, ChannelSpec, MessageRefused};
use crate::wire::base64::Base64;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

/// Frequencies that people hear, in Hz.
const AUDIBLE_HZ: std::ops::RangeInclusive<f64> = 20.0..=20_000.0;
/// Seconds of a tone, at most.
const TONE_MAX_SECONDS: f64 = 60.0;

/// A sound that a program plays. Serializes with the keys of both sources; those of the other are
/// null.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// From 0 (silent) to 1.
    pub volume: f64,
    /// What is heard.
    pub source: SoundSource,
}

/// What is heard of a [`Sound`].
#[derive(Clone, Debug, PartialEq)]
pub enum SoundSource {
    /// A tone, which the client makes by itself.
    Tone {
        /// In Hz.
        frequency: f64,
        /// In seconds.
        duration: f64,
    },
    /// A WAV file.
    Wav(Vec<u8>),
}

// The numbers were parsed from JSON, which has no NaN.
impl Eq for Sound {}
impl Eq for SoundSource {}

impl Sound {
    pub(super) fn memory_bytes(&self) -> usize {
        match &self.source {
            SoundSource::Tone { .. } => size_of::<Self>(),
            SoundSource::Wav(audio) => audio.len(),
        }
    }
}

impl Serialize for Sound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (frequency, duration, audio) = match &self.source {
            SoundSource::Tone {
                frequency,
                duration,
            } => (Some(frequency), Some(duration), None),
            SoundSource::Wav(audio) => (None, None, Some(Base64(audio))),
        };
        let mut data = serializer.serialize_struct("Sound", 4)?;
        data.serialize_field("volume", &self.volume)?;
        data.serialize_field("frequency", &frequency)?;
        data.serialize_field("duration", &duration)?;
        data.serialize_field("audio", &audio)?;
        data.end()
    }
}

/// What stands before the WAV file; of a tone, all of it.
#[derive(Deserialize)]
struct SoundHeader {
    #[serde(default = "full_volume")]
    volume: f64,
    frequency: Option<f64>,
    duration: Option<f64>,
}

fn full_volume() -> f64 {
    1.0
}

/// Reads JSON, a line feed, and the WAV file, which takes over the memory that it was read into.
pub(super) fn decode(
    mut payload: Vec<u8>,
    spec: &ChannelSpec,
) -> Result<ChannelMessage, MessageRefused> {
    let line_end = payload.iter().position(|byte| *byte == b'\n');
    let line_end = line_end.unwrap_or(payload.len());
    let header = payload[..line_end].trim_ascii();
    if !header.starts_with(b"{") {
        return Err(MessageRefused::of(spec, "its head is not a JSON object"));
    }
    let header: SoundHeader = serde_json::from_slice(header)
        .map_err(|error| MessageRefused::malformed_header(spec, &error))?;
    if !(0.0..=1.0).contains(&header.volume) {
        return Err(MessageRefused::of(spec, "its volume is not from 0 to 1"));
    }
    payload.drain(..payload.len().min(line_end + 1));
    let source = match (header.frequency, header.duration) {
        (Some(frequency), Some(duration)) if payload.is_empty() => {
            if !AUDIBLE_HZ.contains(&frequency) {
                return Err(MessageRefused::of(
                    spec,
                    "its frequency is not from 20 to 20000 Hz",
                ));
            }
            if !(0.0..=TONE_MAX_SECONDS).contains(&duration) {
                return Err(MessageRefused::of(
                    spec,
                    "its duration is not from 0 to 60 seconds",
                ));
            }
            SoundSource::Tone {
                frequency,
                duration,
            }
        }
        (None, None) if payload.starts_with(b"RIFF") => SoundSource::Wav(payload),
        _ => {
            let reason = "it has to be a tone (frequency and duration) or a WAV file";
            return Err(MessageRefused::of(spec, reason));
        }
    };
    let volume = header.volume;
    Ok(ChannelMessage::Sound(Sound { volume, source }))
}

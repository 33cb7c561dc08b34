//! Figures: a picture that a program makes anew whenever something in it changes
//! (`docs/protocol.md` section 11).

use super::{ChannelMessage, ChannelSpec, MessageRefused};
use crate::wire::base64::Base64;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

/// A figure as it is now. Serializes with the file in base64, or null if the figure is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What the program's package calls it, unique in the program.
    pub id: String,
    /// Its number for people.
    pub number: i64,
    /// What stands above it.
    pub title: String,
    /// What `image` is.
    pub format: FigureFormat,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// It is gone; then there is no image.
    pub closed: bool,
    /// A file; empty if the figure is closed, and only then.
    pub image: Vec<u8>,
}

impl Figure {
    pub(super) fn memory_bytes(&self) -> usize {
        self.image.len() + self.title.len() + self.id.len()
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = serializer.serialize_struct("Figure", 8)?;
        data.serialize_field("id", &self.id)?;
        data.serialize_field("figure", &self.number)?;
        data.serialize_field("title", &self.title)?;
        data.serialize_field("format", &self.format)?;
        data.serialize_field("width", &self.width)?;
        data.serialize_field("height", &self.height)?;
        data.serialize_field("closed", &self.closed)?;
        data.serialize_field("image", &(!self.closed).then_some(Base64(&self.image)))?;
        data.end()
    }
}

/// A kind of image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FigureFormat {
    /// Pixels.
    Png,
    /// Shapes.
    Svg,
}

impl FigureFormat {
    /// Returns the format of that name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "png" => Some(Self::Png),
            "svg" => Some(Self::Svg),
            _ => None,
        }
    }
}

/// What stands before the image of a figure.
#[derive(Deserialize)]
struct FigureHeader {
    id: String,
    figure: i64,
    #[serde(default)]
    title: String,
    format: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    closed: bool,
}

/// Reads JSON, a line feed, and the image, which takes over the memory that it was read into.
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
    let header: FigureHeader = serde_json::from_slice(header)
        .map_err(|error| MessageRefused::malformed_header(spec, &error))?;
    let format = FigureFormat::from_name(&header.format)
        .ok_or_else(|| MessageRefused::of(spec, "its format is neither png nor svg"))?;
    payload.drain(..payload.len().min(line_end + 1));
    if header.closed != payload.is_empty() {
        let reason = "one that is closed has no image, another has";
        return Err(MessageRefused::of(spec, reason));
    }
    Ok(ChannelMessage::Figure(Figure {
        id: header.id,
        number: header.figure,
        title: header.title,
        format,
        width: header.width,
        height: header.height,
        closed: header.closed,
        image: payload,
    }))
}

//! Video: frames of a program's camera or drawing (`docs/protocol.md` section 6).

use super::{ChannelMessage, ChannelSpec, MessageRefused};
use crate::wire::base64::Base64;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

/// One frame of a program's video. Serializes with the file in base64, as clients of JSON read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoFrame {
    /// A JPEG file.
    pub jpeg: Vec<u8>,
}

impl Serialize for VideoFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = serializer.serialize_struct("VideoFrame", 1)?;
        data.serialize_field("output", &Base64(&self.jpeg))?;
        data.end()
    }
}

/// Returns the frame, which takes over the memory that it was read into.
pub(super) fn decode(jpeg: Vec<u8>, _: &ChannelSpec) -> Result<ChannelMessage, MessageRefused> {
    Ok(ChannelMessage::Video(VideoFrame { jpeg }))
}

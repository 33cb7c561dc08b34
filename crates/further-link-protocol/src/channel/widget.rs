//! Widgets: buttons, sliders and the like that a program is steered by (`docs/protocol.md`
//! section 11).

use super::{ChannelMessage, ChannelSpec, JsonObject, MessageRefused};

/// The key by which a client tells one widget of the program from another.
const ID_KEY: &str = "id";

pub(super) fn decode(
    payload: Vec<u8>,
    spec: &ChannelSpec,
) -> Result<ChannelMessage, MessageRefused> {
    Ok(ChannelMessage::Widget(JsonObject::decode(
        payload, spec, ID_KEY,
    )?))
}

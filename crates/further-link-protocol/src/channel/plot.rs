//! Live plots: points that are added to curves (`docs/protocol.md` section 11).

use super::{ChannelMessage, ChannelSpec, JsonObject, MessageRefused};

/// The key by which a client tells one plot of the program from another.
const ID_KEY: &str = "name";

pub(super) fn decode(
    payload: Vec<u8>,
    spec: &ChannelSpec,
) -> Result<ChannelMessage, MessageRefused> {
    Ok(ChannelMessage::Plot(JsonObject::decode(
        payload, spec, ID_KEY,
    )?))
}

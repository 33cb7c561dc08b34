//! `GET /device`: what this device is and how it is, once or as a stream of events
//! (`docs/protocol.md` section 13).

mod http;
pub(crate) mod sampler;
mod system_files;

pub(crate) use self::http::answer;

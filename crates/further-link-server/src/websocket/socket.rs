//! The socket of an upgraded connection.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

pub(super) type Socket = TokioIo<Upgraded>;

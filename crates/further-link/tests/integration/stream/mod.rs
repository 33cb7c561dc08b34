//! The binary stream `further-link.3` (`docs/protocol.md` section 10).

mod flow_control;
mod frames;
mod random;

//! Uploads of projects (`docs/protocol.md` section 5).

mod attacks;
mod faults;
mod requests;
mod urls;

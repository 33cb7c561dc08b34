//! The language between clients and the engine: [`Command`] and [`Event`], and how each dialect
//! writes them ([`wire`]).
//!
//! This crate knows no sockets, no files and no clock: bytes in, types out, and back.

mod command;
mod event;
mod features;
mod figure;
mod upload;
mod utf8;
pub mod wire;

pub use command::{Command, DisplayRequest, KeyEvent, ProcessName, StartRequest, TerminalSize};
pub use event::{Event, Stream};
pub use features::{Feature, Features};
pub use figure::{Figure, FigureFormat};
pub use upload::{Upload, UploadContent, UploadFile};
pub use utf8::Utf8Decoder;

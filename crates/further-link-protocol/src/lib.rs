//! The language between clients and the engine: [`Command`] and [`Event`], and how each dialect
//! writes them ([`wire`]).
//!
//! This crate knows no sockets, no files and no clock: bytes in, types out, and back.

pub mod channel;
mod close_code;
mod command;
mod event;
mod upload;
mod utf8;
pub mod wire;

pub use channel::{
    Channel, ChannelEvent, ChannelMessage, EventFormat, Feature, Features, Figure, FigureFormat,
    KeyEvent,
};
pub use close_code::CloseCode;
pub use command::{Command, DisplayRequest, ProcessName, StartRequest, TerminalSize};
pub use event::{Event, Stream};
pub use upload::{Upload, UploadContent, UploadFile};
pub use utf8::Utf8Decoder;

//! The real server over real sockets: one directory for each part of it, one binary for all of
//! them, so that an edit of the engine links one test program.

mod support;

mod channels;
mod config;
mod files;
mod http;
mod lifecycle;
mod run;
mod stream;
mod terminal;
mod upload;
mod websocket;

//! Jobs on a terminal (`pty=1`), and the terminal server.

mod attacks;
mod http;
mod pty;
mod websocket;

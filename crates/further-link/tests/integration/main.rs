//! The real server over real sockets: one module for each part of it, one binary for all of them, so
//! that an edit of the engine links one test program.

mod support;

mod accounts;
mod channels;
mod channels_end;
mod channels_folder;
mod channels_limits;
mod channels_old;
mod config;
mod deflate;
mod device;
mod exec;
mod files;
mod files_force;
mod files_stream;
mod files_write;
mod http;
mod limits;
mod line;
mod output;
mod page;
mod process;
mod programs;
mod programs_figures;
mod programs_package;
mod run;
mod run_py;
mod runners;
mod shutdown;
mod start;
mod stop;
mod stream;
mod stream_flow;
mod stream_random;
mod terminal;
mod terminal_attacks;
mod terminal_http;
mod terminal_ws;
mod tls;
mod upload;
mod upload_attacks;
mod upload_faults;
mod upload_urls;
mod video;

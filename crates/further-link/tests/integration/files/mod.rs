//! `/fs`: the files of an account over HTTP.

mod contention;
mod requests;
mod streaming;
mod write;

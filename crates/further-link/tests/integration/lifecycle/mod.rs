//! How jobs and the server start and stop, and as which account.

mod accounts;
mod environment;
mod shutdown;
mod start;
mod stop;

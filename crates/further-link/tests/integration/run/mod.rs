//! What clients of `/run`, `/run-py`, `/exec` and `/ws` send, and what comes back.

mod exec;
mod messages;
mod output;
mod python_package;
mod repl;
mod run_py;
mod runners;

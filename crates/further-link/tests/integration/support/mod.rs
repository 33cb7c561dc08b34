//! What only these tests need: the examples in their Python environment.
#![allow(missing_docs, unreachable_pub)] // Tests read it, not users of a library.

pub mod programs;

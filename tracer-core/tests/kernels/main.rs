//! Every kernel of the matrix, by its own description of itself: what nslife
//! finds in it, where it would attach, and what garbage does to the reader.
//!
//! The descriptions are in `tests/btf`; `cargo xtask btf` regenerates them.

mod hostile;
mod layout;
mod plan;
mod readers;
mod stored;

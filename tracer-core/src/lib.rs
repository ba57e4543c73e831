//! What nslife knows without a kernel, a clock or any input and output: pure
//! functions of what they are given.
//!
//! [`btf`] says where the running kernel keeps things, [`plan`] which program
//! goes to which of its functions; [`decode`] checks what the programs write,
//! and [`model::Tracker`] makes of it what exists, in which state and because
//! of whom.

pub mod btf;
pub mod decode;
pub mod model;
pub mod plan;

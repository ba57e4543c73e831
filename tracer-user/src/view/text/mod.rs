//! Output for people.

pub mod doctor;
mod ends;
pub mod style;
pub mod table;
pub mod trace;
pub mod tree;
pub mod words;

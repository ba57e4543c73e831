//! Output for people.

pub mod audit;
pub mod doctor;
mod ends;
pub mod style;
pub mod table;
pub mod trace;
pub mod tree;
pub mod words;

use std::collections::BTreeMap;

use crate::model::{Namespace, NsId, People};

/// Everything that was there at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// All namespaces: those that are not shown may be above those that are.
    pub all: &'a [Namespace],
    /// How many stand [before](super::waiting::before) those that are being
    /// destroyed.
    pub before: &'a BTreeMap<NsId, u32>,
    /// Tasks that are worth naming, by the namespace that they are in.
    pub people: &'a BTreeMap<NsId, &'a People>,
    /// The moment, `CLOCK_BOOTTIME` nanoseconds.
    pub now: u64,
}

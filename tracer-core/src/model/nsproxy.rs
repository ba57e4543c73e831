//! An nsproxy as the model knows it.

use serde::{Deserialize, Serialize};
use tracer_common::kind::Slot;

use super::NsId;

/// The identity of an nsproxy in every view: nslife's own number, in order of
/// discovery, never reused. (Its kernel address is a key and never shown.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct NsproxyId(pub u64);

/// A shared, immutable set of namespaces, as seen at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Nsproxy {
    /// Its identity.
    pub id: NsproxyId,
    /// How many tasks (and temporary holders) shared it when it was read.
    pub count: u32,
    /// The namespace in each slot, indexed by [`Slot`]; `None` where the
    /// kernel has no such type or the namespace is not known yet.
    pub namespaces: [Option<NsId>; Slot::COUNT],
    /// Their inode numbers, likewise: what people know namespaces by, also
    /// when the namespace itself is gone before its switch is shown.
    pub inums: [Option<u32>; Slot::COUNT],
    /// Once it is no more: for how long it was in use, nanoseconds, if both ends
    /// were seen.
    pub lived: Option<u64>,
}

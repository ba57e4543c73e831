//! What an nsproxy, or a change from one to another, is about.

use std::collections::BTreeSet;

use tracer_common::kind::Slot;

use crate::model::{NsId, Nsproxy};

/// The slots in which two nsproxies differ.
///
/// Told by inode number, which both always carry: while a switch happens both
/// sides are alive, and no two living namespaces share one.
pub fn changed<'a>(from: &'a Nsproxy, to: &'a Nsproxy) -> impl Iterator<Item = Slot> + 'a {
    Slot::ALL
        .into_iter()
        .filter(|&slot| from.inums[slot as usize] != to.inums[slot as usize])
}

/// The slots whose namespace is not an initial one.
pub fn holds<'a>(
    nsproxy: &'a Nsproxy,
    initial: &'a BTreeSet<NsId>,
) -> impl Iterator<Item = Slot> + 'a {
    Slot::ALL.into_iter().filter(|&slot| {
        nsproxy.inums[slot as usize].is_some()
            && nsproxy.namespaces[slot as usize].is_none_or(|id| !initial.contains(&id))
    })
}

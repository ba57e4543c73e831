//! How many stand before a namespace that is being destroyed.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Namespace, NsId, State};

/// For each destroyed namespace whose last reference was seen: how many of the
/// same type were destroyed before it and are not freed either. Those whose
/// moment is not known are among them: they had been destroyed when nslife
/// came upon them.
pub fn before(all: &[Namespace]) -> BTreeMap<NsId, u32> {
    let mut by_type: HashMap<_, Vec<_>> = HashMap::new();
    for ns in all.iter().filter(|ns| ns.state == State::Destroyed) {
        by_type
            .entry(ns.kind)
            .or_default()
            .push((ns.destroyed_at, ns.id));
    }
    let mut before = BTreeMap::new();
    for queue in by_type.values_mut() {
        // `None` is less than any time.
        queue.sort_unstable();
        let places = (0_u32..).zip(queue.iter());
        before.extend(
            places
                .filter(|(_, (at, _))| at.is_some())
                .map(|(place, (_, id))| (*id, place)),
        );
    }
    before
}

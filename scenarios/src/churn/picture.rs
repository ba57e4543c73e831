//! All namespaces, as one process sees them, to be compared with what another sees.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use crate::{
    nslife::List,
    trace::{ActiveBecause, Namespace, State},
};

/// All namespaces, by what is the same to all processes: type and inode number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture(BTreeMap<(String, u32), Facts>);

/// What is to be the same to all, while nothing moves.
#[derive(Clone, Debug, PartialEq)]
struct Facts {
    state: State,
    /// Inode numbers.
    owner: Option<u32>,
    parent: Option<u32>,
    level: Option<u32>,
    /// What changes in the initial ones with everybody who looks is not compared there.
    use_of: Option<Use>,
}

#[derive(Clone, Debug, PartialEq)]
struct Use {
    because: Option<ActiveBecause>,
    active_count: Option<u32>,
    ref_count: Option<u32>,
    tasks: Option<u32>,
    zombies: Option<u32>,
    procfs_mounts: Option<u32>,
}

impl Picture {
    pub(super) fn of(list: &List) -> Result<Self> {
        let inums: BTreeMap<_, _> = list.namespaces.iter().map(|ns| (ns.id, ns.inum)).collect();
        let relative = |ns: &Namespace, id: Option<u64>| {
            let inum = id.map(|id| inums.get(&id).copied().context("it is not listed"));
            inum.transpose()
                .with_context(|| format!("owner or parent of {ns}"))
        };
        let facts = list.namespaces.iter().map(|ns| {
            let facts = Facts {
                state: ns.state,
                owner: relative(ns, ns.owner)?,
                parent: relative(ns, ns.parent)?,
                level: ns.level,
                use_of: (!ns.initial).then_some(Use {
                    because: ns.active_because,
                    active_count: ns.active_count,
                    ref_count: ns.ref_count,
                    tasks: ns.tasks,
                    zombies: ns.zombies,
                    procfs_mounts: ns.procfs_mounts,
                }),
            };
            Ok(((ns.ns_type.clone(), ns.inum), facts))
        });
        Ok(Self(facts.collect::<Result<_>>()?))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first difference between what the kernel has, which is this, and what somebody knows.
    pub(super) fn difference(&self, known: &Self) -> Option<String> {
        let mut keys = self.0.keys().chain(known.0.keys());
        let key = keys.find(|key| self.0.get(key) != known.0.get(key))?;
        let (ns_type, inum) = key;
        let describe = |facts: Option<&Facts>| match facts {
            Some(facts) => format!("{facts:?}"),
            None => "nothing".to_owned(),
        };
        Some(format!(
            "{ns_type}:[{inum}]: the daemon knows {}; the kernel has {}",
            describe(known.0.get(key)),
            describe(self.0.get(key))
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(first_id: u64, active: u32) -> List {
        let because = json!({"nsproxies": active, "creds": 0, "pids": 0, "nsfs": 0, "owned": 0});
        let namespaces = json!([
            {"id": first_id, "ns_type": "user", "inum": 7, "state": "active", "initial": true},
            {"id": first_id + 1, "ns_type": "net", "inum": 8, "state": "active", "initial": false,
             "owner": first_id, "active_count": active, "active_because": because},
        ]);
        let list = json!({
            "kernel": "", "source": "walk", "watching_since": null, "taken_at": "",
            "walk_seconds": 0.0, "complete": true, "incomplete_because": [],
            "namespaces": namespaces,
        });
        serde_json::from_value(list).unwrap()
    }

    #[test]
    fn ids_are_everybodys_own() {
        let (one, other) = (list(1, 2), list(5, 2));
        let (one, other) = (Picture::of(&one).unwrap(), Picture::of(&other).unwrap());
        assert_eq!((one.difference(&other), one.len()), (None, 2));
    }

    #[test]
    fn what_differs_is_told() {
        let kernel = Picture::of(&list(1, 2)).unwrap();
        let told = kernel
            .difference(&Picture::of(&list(1, 3)).unwrap())
            .unwrap();
        assert!(told.starts_with("net:[8]: the daemon knows"), "{told}");
        let mut fewer = list(1, 2);
        fewer.namespaces.pop();
        let told = kernel.difference(&Picture::of(&fewer).unwrap()).unwrap();
        assert!(
            told.contains("the daemon knows nothing; the kernel has Facts"),
            "{told}"
        );
        fewer.namespaces[0].owner = Some(9);
        assert!(Picture::of(&fewer).is_err());
    }
}

//! Namespaces as a tree of who owns whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use super::{
    style::{self, Palette},
    words::{history, list, why},
};
use crate::model::{Namespace, NsId, State};

/// Writes the namespaces in `shown`, with the owners that lead to them from
/// `all`, below the user namespaces that own them. Those whose owner is not
/// known come last, under a root of their own. `now` (`CLOCK_BOOTTIME`) is when
/// this was the picture.
pub fn write_tree(
    out: &mut impl Write,
    palette: Palette,
    shown: &[Namespace],
    all: &[Namespace],
    now: u64,
) -> io::Result<()> {
    let tree = Tree::new(palette, shown, all, now);
    let (roots, orphans) = tree.tops();
    for root in roots {
        writeln!(out, "{}", tree.label(root))?;
        tree.write_owned(out, root.id, "")?;
    }
    if !orphans.is_empty() {
        writeln!(
            out,
            "{}",
            palette.paint(style::NOTABLE, "(owner not known)")
        )?;
        tree.write_branches(out, &orphans, "")?;
    }
    Ok(())
}

struct Tree<'a> {
    palette: Palette,
    now: u64,
    asked: BTreeSet<NsId>,
    nodes: BTreeMap<NsId, &'a Namespace>,
    owned: BTreeMap<NsId, Vec<&'a Namespace>>,
}

impl<'a> Tree<'a> {
    fn new(palette: Palette, shown: &[Namespace], all: &'a [Namespace], now: u64) -> Self {
        let known: BTreeMap<_, _> = all.iter().map(|ns| (ns.id, ns)).collect();
        let mut nodes = BTreeMap::new();
        for ns in shown {
            let mut next = Some(ns.id);
            while let Some(node) = next.and_then(|id| known.get(&id)) {
                // What is there already brought its owners along; this also
                // ends the walk if a broken picture should hold a circle.
                if nodes.insert(node.id, *node).is_some() {
                    break;
                }
                next = node.owner;
            }
        }
        let mut owned: BTreeMap<NsId, Vec<&Namespace>> = BTreeMap::new();
        for node in nodes.values() {
            if let Some(owner) = node.owner {
                owned.entry(owner).or_default().push(node);
            }
        }
        for namespaces in owned.values_mut() {
            namespaces.sort_by_key(|ns| (ns.kind, ns.inum));
        }
        Self {
            palette,
            now,
            asked: shown.iter().map(|ns| ns.id).collect(),
            nodes,
            owned,
        }
    }

    /// The namespaces at the top: those that have no owner, and those whose
    /// owner is not known (or not reachable from the top).
    fn tops(&self) -> (Vec<&'a Namespace>, Vec<&'a Namespace>) {
        let (roots, orphans): (Vec<&Namespace>, Vec<&Namespace>) = self
            .nodes
            .values()
            .filter(|ns| {
                ns.owner
                    .is_none_or(|owner| !self.nodes.contains_key(&owner))
            })
            .partition(|ns| ns.initial);
        (roots, orphans)
    }

    fn write_owned(&self, out: &mut impl Write, owner: NsId, indent: &str) -> io::Result<()> {
        match self.owned.get(&owner) {
            Some(owned) => self.write_branches(out, owned, indent),
            None => Ok(()),
        }
    }

    fn write_branches(
        &self,
        out: &mut impl Write,
        branches: &[&Namespace],
        indent: &str,
    ) -> io::Result<()> {
        for (index, ns) in branches.iter().enumerate() {
            let (branch, below) = if index + 1 == branches.len() {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            writeln!(out, "{indent}{branch}{}", self.label(ns))?;
            self.write_owned(out, ns.id, &format!("{indent}{below}"))?;
        }
        Ok(())
    }

    fn label(&self, ns: &Namespace) -> String {
        let tasks = match ns.tasks {
            None | Some(0) => None,
            Some(1) => Some("1 task".into()),
            Some(n) => Some(format!("{n} tasks")),
        };
        let uid = ns
            .owner_uid
            .filter(|_| !ns.initial)
            .map(|uid| format!("uid {uid}"));
        let refs = ns
            .counts
            .refs
            .filter(|_| ns.state == State::Inactive)
            .map(|refs| format!("references {refs}"));
        let facts = [why(ns), tasks, uid, refs, history(ns, self.now)]
            .into_iter()
            .flatten();
        let text = format!("{} {} (id {})", ns.kind.name(), ns.inum, ns.id.0,);
        let state = format!(
            " {}",
            self.palette.paint(style::state(ns.state), ns.state.name())
        );
        let facts = list(facts).map_or_else(String::new, |facts| {
            format!(": {}", self.palette.paint(style::FAINT, facts))
        });
        // Only there because it owns something that was asked for.
        let style = if self.asked.contains(&ns.id) {
            anstyle::Style::new()
        } else {
            style::FAINT
        };
        format!("{}{state}{facts}", self.palette.paint(style, text))
    }
}

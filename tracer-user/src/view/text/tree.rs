//! Namespaces as a tree of who owns whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use super::{
    Picture,
    style::{self, Palette},
    words::{self, history, list, why},
};
use tracer_common::kind::NsKind;

use crate::model::{Namespace, NsId, State};

/// Writes the namespaces in `shown`, with the owners that lead to them from
/// the picture, below those that own them, or that are their parents. Those
/// above which nothing is known come last, under a root of their own.
pub fn write_tree(
    out: &mut impl Write,
    palette: Palette,
    shown: &[Namespace],
    picture: &Picture<'_>,
    above: Above,
) -> io::Result<()> {
    let tree = Tree::new(palette, shown, picture, above);
    let (roots, orphans) = tree.tops();
    for root in roots {
        writeln!(out, "{}", tree.label(root))?;
        tree.write_owned(out, root.id, "")?;
    }
    if !orphans.is_empty() {
        writeln!(out, "{}", palette.paint(style::NOTABLE, above.unknown()))?;
        tree.write_branches(out, &orphans, "")?;
    }
    Ok(())
}

/// What a namespace is drawn below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Above {
    /// The user namespace that owns it.
    Owner,
    /// Its parent: pid namespaces alone.
    Parent,
}

impl Above {
    fn of(self, ns: &Namespace) -> Option<NsId> {
        match self {
            Self::Owner => ns.owner,
            Self::Parent => ns.parent,
        }
    }

    const fn unknown(self) -> &'static str {
        match self {
            Self::Owner => "(owner not known)",
            Self::Parent => "(parent not known)",
        }
    }
}

struct Tree<'a> {
    palette: Palette,
    picture: Picture<'a>,
    above: Above,
    asked: BTreeSet<NsId>,
    nodes: BTreeMap<NsId, &'a Namespace>,
    owned: BTreeMap<NsId, Vec<&'a Namespace>>,
}

impl<'a> Tree<'a> {
    fn new(palette: Palette, shown: &[Namespace], picture: &Picture<'a>, above: Above) -> Self {
        let known: BTreeMap<_, _> = picture.all.iter().map(|ns| (ns.id, ns)).collect();
        let mut nodes = BTreeMap::new();
        for ns in shown {
            let mut next = Some(ns.id);
            while let Some(node) = next.and_then(|id| known.get(&id)) {
                // What is there already brought its owners along; this also
                // ends the walk if a broken picture should hold a circle.
                if nodes.insert(node.id, *node).is_some() {
                    break;
                }
                next = above.of(node);
            }
        }
        let mut owned: BTreeMap<NsId, Vec<&Namespace>> = BTreeMap::new();
        for node in nodes.values() {
            if let Some(owner) = above.of(node) {
                owned.entry(owner).or_default().push(node);
            }
        }
        for namespaces in owned.values_mut() {
            namespaces.sort_by_key(|ns| (ns.kind, ns.inum));
        }
        Self {
            palette,
            picture: *picture,
            above,
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
                self.above
                    .of(ns)
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
        let Picture {
            before,
            people,
            now,
            ..
        } = self.picture;
        let before = before.get(&ns.id).copied();
        let level = ns
            .level
            .filter(|_| ns.kind == NsKind::Pid && !ns.initial)
            .map(|level| format!("level {level}"));
        let people = words::people(ns, people.get(&ns.id).copied(), now);
        let facts = [
            why(ns),
            tasks,
            uid,
            level,
            people,
            refs,
            history(ns, now, before),
        ]
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

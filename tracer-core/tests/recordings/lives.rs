//! The lives of the namespaces of the play.

use std::collections::BTreeMap;

use tracer_core::model::{Lifecycle, Namespace, NsId, Transition, What};

use crate::{play, recording::Recording};

/// How often the play rests.
const RESTS: usize = 3;

/// The type of a namespace, the steps of its life up to each rest, and where two of them are one.
type Life = (&'static str, [&'static str; RESTS], OneMoment);

/// The kernels on which the last reference to a namespace and its freeing are one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OneMoment {
    Nowhere,
    /// Up to 6.17 there is no function to hook for these: pid namespaces end at once, in one that
    /// runs all the time; and an outer user namespace goes on the way that frees the inner one.
    UpTo617,
    /// From 6.18 on mount namespaces give back their number before they leave the tree.
    From618,
}

use OneMoment::{From618, Nowhere, UpTo617};

const WHOLE: &str = "created activated deactivated destroyed freed";
const IN_USE: &str = "created activated";
const OUT_OF_REACH: &str = "created activated deactivated";
const BACK: &str = "resurrected";
const OVER: &str = "deactivated destroyed freed";

/// Every namespace, in the order of creation. All kernels tell this story.
const LIVES: &[Life] = &[
    // One of each type, taken by a task that exits.
    ("mnt", [WHOLE, "", ""], From618),
    ("uts", [WHOLE, "", ""], Nowhere),
    ("ipc", [WHOLE, "", ""], Nowhere),
    ("user", [WHOLE, "", ""], Nowhere),
    ("pid", [WHOLE, "", ""], UpTo617),
    ("net", [WHOLE, "", ""], Nowhere),
    ("cgroup", [WHOLE, "", ""], Nowhere),
    ("time", [WHOLE, "", ""], Nowhere),
    // Those of a child that exits at once, and is reaped at the end.
    ("user", [IN_USE, "", OVER], Nowhere),
    ("uts", [WHOLE, "", ""], Nowhere),
    ("pid", [IN_USE, "", OVER], UpTo617),
    // Kept by an open file.
    ("net", [IN_USE, "", OVER], Nowhere),
    // Kept by a task that entered it.
    ("uts", [IN_USE, "", OVER], Nowhere),
    // One in the other, and what the inner one owns: kept by a socket, which leads back to it.
    ("user", [OUT_OF_REACH, BACK, OVER], UpTo617),
    ("user", [OUT_OF_REACH, BACK, OVER], Nowhere),
    ("net", [OUT_OF_REACH, BACK, OVER], Nowhere),
    // Kept by a procfs.
    ("pid", [OUT_OF_REACH, "", "destroyed freed"], UpTo617),
];

#[test]
fn they_are_the_same_on_every_kernel() {
    for (series, recording) in Recording::all() {
        let lives: Vec<_> = LIVES
            .iter()
            .map(|(kind, steps, one_moment)| Lived {
                kind,
                steps: steps.map(str::to_owned),
                ended_in_one_moment: match one_moment {
                    Nowhere => false,
                    UpTo617 => !recording.config.kernel_ids,
                    From618 => recording.config.kernel_ids,
                },
            })
            .collect();
        assert_eq!(lived(&recording), lives, "{series}");
    }
}

/// A life, as it was.
#[derive(PartialEq, Eq, Debug)]
struct Lived {
    kind: &'static str,
    steps: [String; RESTS],
    ended_in_one_moment: bool,
}

/// The steps that a transition reports.
fn steps(transition: &Transition) -> Vec<(Lifecycle, Namespace, u64)> {
    let at = transition.at;
    match &transition.what {
        What::Namespace { step, ns, .. } => vec![(*step, *ns, at)],
        What::Chain(chain) => {
            let links = chain.links.iter();
            links.map(|link| (link.step, link.ns, at)).collect()
        }
        _ => Vec::new(),
    }
}

/// The lives of all namespaces that were created, in the order of their creation.
fn lived(recording: &Recording) -> Vec<Lived> {
    let mut order: Vec<(NsId, &'static str)> = Vec::new();
    let mut lives: BTreeMap<NsId, [Vec<(Lifecycle, u64)>; RESTS]> = BTreeMap::new();
    // Nothing is created before the first walk.
    let mut rests = 0..;
    play(recording, |_, _, transitions| {
        let rest = rests.next().expect("a number");
        for (step, ns, at) in transitions.iter().flat_map(steps) {
            let life = lives.entry(ns.id).or_insert_with(|| {
                order.push((ns.id, ns.kind.name()));
                Default::default()
            });
            life[rest - 1].push((step, at));
        }
    });
    let lived = |(id, kind): &(NsId, &'static str)| {
        let life = &lives[id];
        let time = |wanted| {
            let mut steps = life.iter().flatten();
            steps
                .find(|(step, _)| *step == wanted)
                .map(|(_, time)| time)
        };
        Lived {
            kind,
            steps: life.each_ref().map(|steps| {
                let names: Vec<_> = steps.iter().map(|(step, _)| step.name()).collect();
                names.join(" ")
            }),
            ended_in_one_moment: time(Lifecycle::Destroyed) == time(Lifecycle::Freed),
        }
    };
    order.iter().map(lived).collect()
}

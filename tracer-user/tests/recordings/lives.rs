//! The lives of the namespaces of the play.

use std::collections::BTreeMap;

use nslife::model::{NsId, What};

use crate::{play, recording::Recording};

/// How often the play rests.
const RESTS: usize = 3;

const WHOLE: &str = "created activated deactivated destroyed freed";
const IN_USE: &str = "created activated";
const OUT_OF_REACH: &str = "created activated deactivated";
const BACK: &str = "resurrected";
const OVER: &str = "deactivated destroyed freed";

/// Every namespace, in the order of creation: its type, and the steps of its life up to each rest.
///
/// All kernels tell this story. What differs is the time between two steps: up to 6.17 the last
/// reference to an ipc or pid namespace and its freeing are one moment.
const LIVES: &[(&str, [&str; RESTS])] = &[
    // One of each type, taken by a task that exits.
    ("mnt", [WHOLE, "", ""]),
    ("uts", [WHOLE, "", ""]),
    ("ipc", [WHOLE, "", ""]),
    ("user", [WHOLE, "", ""]),
    ("pid", [WHOLE, "", ""]),
    ("net", [WHOLE, "", ""]),
    ("cgroup", [WHOLE, "", ""]),
    ("time", [WHOLE, "", ""]),
    // Those of a child that exits at once, and is reaped at the end.
    ("user", [IN_USE, "", OVER]),
    ("uts", [WHOLE, "", ""]),
    ("pid", [IN_USE, "", OVER]),
    // Kept by an open file.
    ("net", [IN_USE, "", OVER]),
    // Kept by a task that entered it.
    ("uts", [IN_USE, "", OVER]),
    // One in the other, and what the inner one owns: kept by a socket, which leads back to it.
    ("user", [OUT_OF_REACH, BACK, OVER]),
    ("user", [OUT_OF_REACH, BACK, OVER]),
    ("net", [OUT_OF_REACH, BACK, OVER]),
    // Kept by a procfs.
    ("pid", [OUT_OF_REACH, "", "destroyed freed"]),
];

#[test]
fn they_are_the_same_on_every_kernel() {
    for (series, recording) in Recording::all() {
        let lives = lives(&recording);
        let lives: Vec<_> = lives
            .iter()
            .map(|(kind, steps)| (*kind, steps.each_ref().map(String::as_str)))
            .collect();
        assert_eq!(lives, LIVES, "{series}");
    }
}

/// The lives of all namespaces that were created, in the words of [`LIVES`].
fn lives(recording: &Recording) -> Vec<(&'static str, [String; RESTS])> {
    let mut order: Vec<(NsId, &'static str)> = Vec::new();
    let mut steps: BTreeMap<NsId, [Vec<&'static str>; RESTS]> = BTreeMap::new();
    // Nothing is created before the first walk.
    let mut rests = 0..;
    play(recording, |_, _, transitions| {
        let rest = rests.next().expect("a number");
        for transition in transitions {
            if let What::Namespace { step, ns, .. } = &transition.what {
                let life = steps.entry(ns.id).or_insert_with(|| {
                    order.push((ns.id, ns.kind.name()));
                    Default::default()
                });
                life[rest - 1].push(step.name());
            }
        }
    });
    let words = |(id, kind): &(NsId, _)| (*kind, steps[id].each_ref().map(|s| s.join(" ")));
    order.iter().map(words).collect()
}

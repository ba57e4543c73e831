//! What the kernel programs really said, kernel by kernel, played back: `cargo xtask record` makes
//! the recordings, and `scenarios/src/play.rs` is what they are of.

mod causes;
mod lives;
mod order;
mod recording;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use recording::{Recording, Scene, texts};
use support::check_sums;
use tracer_common::kind::NsKind;
use tracer_core::model::{Contributors, NsId, State, Tracker, Transition};

/// Without these the recordings prove little.
const MANDATORY: [&str; 5] = ["6.1", "6.12", "6.18", "6.19", "7.3"];

/// A namespace as it is shown to people, by what it is called on every kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Shown {
    state: State,
    initial: bool,
    because: Contributors,
    procfs: Option<u32>,
    owner: Option<u32>,
    parent: Option<u32>,
    ns_id: Option<u64>,
    tasks: Option<u32>,
}

/// All that is shown of what has references, and how many nsproxies there are.
type Picture = (BTreeMap<(NsKind, u32), Shown>, u64);

fn picture(tracker: &Tracker) -> Picture {
    let inum = |id: NsId| Some(tracker.get(id)?.inum);
    let shown = tracker
        .namespaces()
        .filter(|ns| ns.state != State::Destroyed)
        .map(|ns| {
            let shown = Shown {
                state: ns.state,
                initial: ns.initial,
                because: ns.because,
                procfs: ns.procfs,
                owner: ns.owner.and_then(inum),
                parent: ns.parent.and_then(inum),
                ns_id: ns.ns_id,
                tasks: ns.tasks,
            };
            ((ns.kind, ns.inum), shown)
        });
    (shown.collect(), tracker.census().nsproxies)
}

/// What a scene's walk alone shows.
fn picture_of_walk(recording: &Recording, scene: &Scene) -> Picture {
    let mut tracker = Tracker::new(recording.config);
    tracker.merge(&scene.walk, &mut Vec::new());
    picture(&tracker)
}

/// Plays a recording, and hands over the tracker and what happened whenever all was at rest.
fn play(recording: &Recording, mut at_rest: impl FnMut(&Scene, &Tracker, &[Transition])) {
    let mut tracker = Tracker::new(recording.config);
    for (index, scene) in recording.scenes.iter().enumerate() {
        let mut transitions = Vec::new();
        for event in &scene.events {
            tracker.apply(event, &mut transitions);
            check_sums(&tracker, recording.config);
        }
        let before = transitions.len();
        let corrections = tracker.merge(&scene.walk, &mut transitions);
        check_sums(&tracker, recording.config);
        assert_eq!(corrections.total(), 0, "scene {index}: {corrections:?}");
        assert_eq!(transitions[before..], [], "scene {index}");
        at_rest(scene, &tracker, &transitions);
    }
}

#[test]
fn every_mandatory_kernel_was_recorded() {
    let all = Recording::all();
    for series in MANDATORY {
        let found = all.iter().find(|(name, _)| name == series);
        let (_, recording) = found.unwrap_or_else(|| panic!("{series} is missing"));
        assert!(recording.kernel.starts_with(&format!("{series}.")));
    }
}

/// The upper half of an address on the kernel's heap is not like any other word.
#[test]
fn no_address_is_in_them() {
    for (series, text) in texts() {
        let words = text.split_whitespace();
        let numbers = words.filter_map(|word| u32::from_str_radix(word, 16).ok());
        for number in numbers {
            let is_half_an_address = (0xffff_0000..u32::MAX).contains(&number);
            assert!(!is_half_an_address, "{series}: {number:x}");
        }
    }
}

#[test]
fn a_walk_at_rest_shows_what_is_known_already() {
    for (series, recording) in Recording::all() {
        println!("{series}");
        play(&recording, |scene, tracker, _| {
            assert_eq!(picture(tracker), picture_of_walk(&recording, scene));
        });
    }
}

#[test]
fn contributors_add_up_to_the_kernels_own_count() {
    for (series, recording) in Recording::all() {
        if !recording.config.kernel_counts {
            continue;
        }
        println!("{series}");
        let mut compared = 0;
        play(&recording, |_, tracker, _| {
            for ns in tracker.namespaces().filter(|ns| !ns.initial) {
                let Contributors {
                    nsproxies,
                    creds,
                    pids,
                    nsfs,
                    owned,
                } = ns.because;
                let sum = nsproxies + creds + pids + nsfs + owned;
                assert_eq!(ns.counts.active, Some(sum), "{ns:?}");
                compared += 1;
            }
        });
        assert!(compared > 10);
    }
}

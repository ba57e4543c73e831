//! The same, told in another order, and some of it twice.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;
use tracer_core::model::{Body, Event, Key, Tracker};

use crate::{
    picture, picture_of_walk,
    recording::{Recording, Scene},
};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// As long as the news of each object come in order, the next walk shows that all is known.
    #[test]
    fn does_not_matter(
        (_, recording) in prop::sample::select(Recording::all()),
        picks in prop::collection::vec(any::<u16>(), 1..200),
    ) {
        let mut picks = picks.into_iter().map(usize::from).cycle();
        let mut tracker = Tracker::new(recording.config);
        for scene in &recording.scenes {
            for event in reordered(scene, || picks.next().expect("there is one")) {
                tracker.apply(&event, &mut Vec::new());
            }
            tracker.merge(&scene.walk, &mut Vec::new());
            prop_assert_eq!(picture(&tracker), picture_of_walk(&recording, scene));
        }
    }
}

/// The events of a scene: those of one object in their order, one in four for the second time at
/// some later moment.
fn reordered(scene: &Scene, mut pick: impl FnMut() -> usize) -> Vec<Event> {
    let mut objects: Vec<VecDeque<Event>> = Vec::new();
    let mut index_of: HashMap<Option<Key>, usize> = HashMap::new();
    for event in &scene.events {
        let index = *index_of.entry(object_of(&event.body)).or_insert_with(|| {
            objects.push(VecDeque::new());
            objects.len() - 1
        });
        objects[index].push_back(*event);
    }
    let mut again = Vec::new();
    let mut told = Vec::new();
    while objects.len() + again.len() > 0 {
        let pick = pick();
        let index = pick % (objects.len() + again.len());
        let Some(news) = objects.get_mut(index) else {
            told.push(again.swap_remove(index - objects.len()));
            continue;
        };
        match news.pop_front() {
            Some(event) => {
                told.push(event);
                if pick.is_multiple_of(4) {
                    again.push(event);
                }
            }
            None => drop(objects.swap_remove(index)),
        }
    }
    told
}

/// The object that an event is about; none of its own if it is about a round of
/// many.
fn object_of(body: &Body) -> Option<Key> {
    Some(match body {
        Body::Created { ns, .. }
        | Body::LastRef(ns)
        | Body::InitDying(ns)
        | Body::InitDead(ns)
        | Body::Activity { ns, .. }
        | Body::NsfsOpened { ns, .. }
        | Body::NsfsEvicted { ns, .. }
        | Body::Tasks { ns, .. }
        | Body::ProcfsMounted { ns, .. }
        | Body::ProcfsGone { ns, .. } => ns.key,
        Body::Freed(ns) | Body::ClimbEnded(ns) => ns.key,
        Body::NsproxyInstalled(nsproxy)
        | Body::NsproxyFreed(nsproxy)
        | Body::Switched { from: nsproxy, .. } => nsproxy.key,
        Body::Failed { .. } | Body::NetCleanupBegan { .. } | Body::NetCleanupEnded(_) => {
            return None;
        }
        Body::TaskExited(_) | Body::TaskReaped(_) => panic!("nobody asked for the ends of tasks"),
    })
}

//! What holds for every history.

mod support;

use std::collections::HashMap;

use nslife::model::{Body, Config, Event, Key};
use proptest::prelude::*;
use support::sim::{Choice, DEEDS, Listener, Sim};
use support::{COUNTS, IDS, OLD};

fn configs() -> impl Strategy<Value = Config> {
    prop::sample::select(vec![OLD, IDS, COUNTS])
}

fn choices(count: usize) -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec(
        (0..DEEDS, any::<u16>(), any::<u16>(), any::<u16>()),
        0..count,
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Told of everything in order, the tracker knows at any moment what a
    /// pretend kernel knows.
    #[test]
    fn follows_the_kernel(config in configs(), history in choices(120)) {
        let mut sim = Sim::new(config, true);
        let mut listener = Listener::new(config);
        for choice in history {
            for event in sim.step(choice) {
                listener.hear(&event);
            }
            listener.compare(&sim);
        }
    }

    /// The order in which news of different objects arrive does not matter.
    #[test]
    fn any_interleaving_ends_in_the_same_state(
        config in configs(),
        history in choices(80),
        picks in prop::collection::vec(any::<u16>(), 1..40),
    ) {
        let mut sim = Sim::new(config, false);
        let mut objects: Vec<Key> = Vec::new();
        let mut news: HashMap<Key, Vec<Event>> = HashMap::new();
        // A switch is about two objects at once.
        for choice in history.into_iter().filter(|choice| choice.0 < DEEDS - 1) {
            for event in sim.step(choice) {
                let object = object_of(&event.body);
                if !news.contains_key(&object) {
                    objects.push(object);
                }
                news.entry(object).or_default().push(event);
            }
        }
        let mut queues: Vec<_> = objects.iter().map(|object| news[object].iter()).collect();
        let mut listener = Listener::new(config);
        for pick in picks.iter().cycle() {
            if queues.is_empty() {
                break;
            }
            let index = usize::from(*pick) % queues.len();
            match queues[index].next() {
                Some(event) => listener.hear(event),
                None => drop(queues.swap_remove(index)),
            }
        }
        listener.compare(&sim);
    }

    /// However much was missed, a complete walk puts it right, even while
    /// things go on happening; and nothing of what was put right goes wrong
    /// later.
    #[test]
    fn a_complete_walk_puts_everything_right(
        config in configs(),
        history in choices(80),
        luck in prop::collection::vec(0u8..100, 1..40),
        meanwhile in choices(20),
        afterwards in choices(40),
    ) {
        let mut sim = Sim::new(config, true);
        let mut listener = Listener::new(config);
        let mut luck = luck.iter().cycle();
        for round in 0..2 {
            for &choice in &history {
                for event in sim.step(choice) {
                    if luck.next().is_some_and(|&luck| luck < 30) {
                        listener.miss(&event);
                    } else {
                        listener.hear(&event);
                    }
                }
            }
            let (walk, events) = sim.walk(&meanwhile);
            events.iter().for_each(|event| listener.hear(event));
            let corrections = listener.merge(&walk);
            prop_assert!(round > 0 || corrections.namespaces_found == 0);
            listener.compare(&sim);
        }
        for choice in afterwards {
            for event in sim.step(choice) {
                listener.hear(&event);
            }
            listener.compare(&sim);
        }
    }
}

/// The object whose news must stay in order.
fn object_of(body: &Body) -> Key {
    match body {
        Body::Created(ns)
        | Body::LastRef(ns)
        | Body::Activity { ns, .. }
        | Body::NsfsOpened { ns, .. }
        | Body::Tasks { ns, .. }
        | Body::ProcfsMounted { ns, .. }
        | Body::ProcfsGone { ns, .. }
        | Body::NsfsEvicted { ns, .. } => ns.key,
        Body::Freed(ns) => ns.key,
        Body::NsproxyInstalled(nsproxy)
        | Body::NsproxyFreed(nsproxy)
        | Body::Switched { from: nsproxy, .. } => nsproxy.key,
    }
}

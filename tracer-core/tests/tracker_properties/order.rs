//! The order in which news arrive.

use std::collections::HashMap;

use tracer_core::model::{Body, Key};

use super::*;

/// What a piece of news is about: of one thing they stay in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Subject {
    /// A namespace, an nsproxy, or a superblock.
    Thing(Key),
    /// A reading that has a number, of which the highest stands.
    Reading(usize),
}

fn subject_of(body: &Body, position: usize) -> Subject {
    match body {
        // An end of a task changes nothing, nor does what was not made, so its
        // place does not matter.
        Body::Failed { .. }
        | Body::Activity { .. }
        | Body::Tasks { .. }
        | Body::TaskExited(_)
        | Body::TaskReaped(_)
        | Body::NetCleanupBegan { .. }
        | Body::NetCleanupEnded(_) => Subject::Reading(position),
        Body::Created { ns, .. }
        | Body::LastRef(ns)
        | Body::InitDying(ns)
        | Body::InitDead(ns)
        | Body::NsfsOpened { ns, .. }
        | Body::NsfsEvicted { ns, .. } => Subject::Thing(ns.key),
        Body::Freed(ns) | Body::ClimbEnded(ns) => Subject::Thing(ns.key),
        Body::ProcfsMounted { superblock, .. } | Body::ProcfsGone { superblock, .. } => {
            Subject::Thing(*superblock)
        }
        Body::NsproxyInstalled(nsproxy)
        | Body::NsproxyFreed(nsproxy)
        | Body::Switched { from: nsproxy, .. } => Subject::Thing(nsproxy.key),
    }
}

proptest! {
    #![proptest_config(config(512))]

    /// It does not matter, neither between things nor between readings of one
    /// namespace.
    #[test]
    fn any_interleaving_ends_in_the_same_state(
        kernel in kernels(),
        history in choices(100),
        picks in prop::collection::vec(any::<u16>(), 1..40),
    ) {
        let mut sim = Sim::new(kernel, false);
        let mut subjects = Vec::new();
        let mut news: HashMap<Subject, Vec<Event>> = HashMap::new();
        for (position, event) in told(&mut sim, &history).into_iter().enumerate() {
            let subject = subject_of(&event.body, position);
            if !news.contains_key(&subject) {
                subjects.push(subject);
            }
            news.entry(subject).or_default().push(event);
        }
        let mut queues: Vec<_> = subjects.iter().map(|subject| news[subject].iter()).collect();
        let mut listener = Listener::new(kernel);
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
}

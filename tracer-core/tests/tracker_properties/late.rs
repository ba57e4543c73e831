//! What arrives late.

use std::collections::HashSet;

use tracer_core::model::Body;

use super::*;

/// News on their way.
struct Late {
    event: Event,
    /// After how many others they arrive.
    after: u8,
}

proptest! {
    #![proptest_config(config(512))]

    /// Delayed past others, past a walk that told the same, past the end of
    /// what they are about, for the first time or once more: late news revive
    /// nothing, and what they damage the next walk heals.
    #[test]
    fn late_news_do_no_lasting_harm(
        kernel in kernels(),
        history in choices(100),
        delays in prop::collection::vec((0_u8..4, 1_u8..60), 1..40),
        walks in luck(),
        reuses_all in any::<bool>(),
    ) {
        let mut sim = Sim::new(kernel, reuses_all);
        let mut listener = Listener::new(kernel);
        let mut delays = delays.into_iter().cycle();
        let mut on_the_way: Vec<Late> = Vec::new();
        let mut buried = HashSet::new();
        let mut hear = |listener: &mut Listener, event: &Event| {
            listener.hear(event);
            // With all numbers used again, only a walk can tell.
            if let Body::Freed(ns) = event.body
                && !reuses_all
            {
                buried.insert(ns.inum);
            }
            listener.expect_gone(&buried);
        };
        for (choice, luck) in history.into_iter().zip(walks.into_iter().cycle()) {
            for event in sim.step(choice) {
                let (how, after) = delays.next().unwrap_or_default();
                if how > 0 {
                    hear(&mut listener, &event);
                }
                if how < 2 {
                    on_the_way.push(Late { event, after });
                }
                on_the_way.iter_mut().for_each(|late| late.after -= 1);
                for late in on_the_way.extract_if(.., |late| late.after == 0) {
                    hear(&mut listener, &late.event);
                }
            }
            if luck < 5 {
                let (walk, _) = sim.walk(&[]);
                listener.merge(&walk);
            }
        }
        for late in on_the_way {
            hear(&mut listener, &late.event);
        }
        let (walk, _) = sim.walk(&[]);
        listener.merge(&walk);
        listener.compare_after(&sim, &walk);
    }
}

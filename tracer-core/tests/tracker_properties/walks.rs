//! What walks put right.

use super::*;

/// Tells part of what the kernel says while it does all this.
fn tell_some(
    sim: &mut Sim,
    listener: &mut Listener,
    history: &[Choice],
    luck: &mut impl Iterator<Item = u8>,
) {
    for event in told(sim, history) {
        if luck.next().is_some_and(|luck| luck < 30) {
            listener.miss(&event);
        } else {
            listener.hear(&event);
        }
    }
}

proptest! {
    #![proptest_config(config(512))]

    /// However much was missed, a walk puts right what it meets, and a walk
    /// of everything everything, even while things go on happening; and
    /// nothing of what was put right goes wrong later.
    #[test]
    fn a_walk_puts_right_what_it_meets(
        kernel in kernels(),
        history in choices(80),
        luck in luck(),
        meanwhile in choices(60),
        afterwards in choices(40),
    ) {
        let mut sim = Sim::new(kernel, true);
        let mut listener = Listener::new(kernel);
        let mut luck = luck.into_iter().cycle();
        for round in 0..2 {
            tell_some(&mut sim, &mut listener, &history, &mut luck);
            let (walk, events) = sim.walk(&meanwhile);
            events.iter().for_each(|event| listener.hear(event));
            let corrections = listener.merge(&walk);
            prop_assert!(round > 0 || corrections.namespaces_found == 0);
            listener.compare_after(&sim, &walk);
        }
        for choice in afterwards {
            for event in sim.step(choice) {
                listener.hear(&event);
            }
            if kernel.lists_all() {
                listener.compare(&sim);
            }
        }
    }

    /// A walk leaves nothing to put right for one that follows at once, and
    /// what it shows adds up.
    #[test]
    fn a_second_walk_finds_nothing_to_do(
        kernel in kernels(),
        history in choices(80),
        luck in luck(),
    ) {
        let mut sim = Sim::new(kernel, true);
        let mut listener = Listener::new(kernel);
        let mut luck = luck.into_iter().cycle();
        for _ in 0..2 {
            tell_some(&mut sim, &mut listener, &history, &mut luck);
            let (walk, _) = sim.walk(&[]);
            listener.merge(&walk);
            let first = listener.picture();
            let (walk, _) = sim.walk(&[]);
            prop_assert_eq!(listener.merge(&walk).total(), 0);
            prop_assert_eq!(listener.picture(), first);
            listener.expect_sums(&sim, &walk);
        }
    }
}

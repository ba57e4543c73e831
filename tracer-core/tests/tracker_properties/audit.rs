//! The picture against the kernel.

use tracer_core::model::audit::Findings;

use super::*;

/// Two samples, after the second of which the picture is put right.
fn audit(sim: &mut Sim, listener: &mut Listener) -> Findings {
    let (first, _) = sim.walk(&[]);
    let first = listener.tracker.compare(&first);
    let (second, _) = sim.walk(&[]);
    let findings = first.confirmed_by(&listener.tracker.compare(&second));
    listener.merge(&second);
    findings
}

proptest! {
    #![proptest_config(config(512))]

    /// Who has heard everything has a picture that is right in all that is
    /// compared, whatever happened.
    #[test]
    fn there_is_no_drift_in_what_was_told(
        kernel in kernels(),
        history in choices(100),
        later in choices(60),
    ) {
        let mut sim = Sim::new(kernel, true);
        let mut listener = Listener::new(kernel);
        let (walk, _) = sim.walk(&[]);
        listener.merge(&walk);
        for history in [history, later] {
            told(&mut sim, &history).iter().for_each(|event| listener.hear(event));
            let findings = audit(&mut sim, &mut listener);
            prop_assert_eq!(findings.drift, []);
        }
    }

    /// What was missed and makes a difference is found, and put right: the next
    /// audit finds nothing. And what a walk corrects an audit would have found.
    #[test]
    fn what_was_missed_is_found_and_put_right(
        kernel in kernels(),
        history in choices(80),
        luck in luck(),
    ) {
        let mut sim = Sim::new(kernel, true);
        let mut listener = Listener::new(kernel);
        let (walk, _) = sim.walk(&[]);
        listener.merge(&walk);
        for (event, luck) in told(&mut sim, &history).iter().zip(luck.iter().cycle()) {
            if *luck < 30 {
                listener.miss(event);
            } else {
                listener.hear(event);
            }
        }
        let (first, _) = sim.walk(&[]);
        let first = listener.tracker.compare(&first);
        let (second, _) = sim.walk(&[]);
        let findings = first.confirmed_by(&listener.tracker.compare(&second));
        let corrections = listener.merge(&second);
        let wrong = corrections.states + corrections.namespaces_found;
        prop_assert!(wrong == 0 || !findings.drift.is_empty(), "{corrections:?}");
        listener.compare_after(&sim, &second);
        prop_assert_eq!(audit(&mut sim, &mut listener).drift, []);
    }
}

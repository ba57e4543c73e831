//! What is said twice.

use tracer_core::model::Body;

use super::*;

proptest! {
    #![proptest_config(config(512))]

    /// Nothing comes of it: neither at once, nor, where a number tells that
    /// it is old, at any time.
    #[test]
    fn said_twice_is_said_once(
        kernel in kernels(),
        history in choices(80),
        again in luck(),
    ) {
        let mut sim = Sim::new(kernel, true);
        let mut listener = Listener::new(kernel);
        let mut again = again.into_iter().cycle();
        let mut readings = Vec::new();
        for event in told(&mut sim, &history) {
            listener.hear(&event);
            listener.hear_again(&event);
            if matches!(event.body, Body::Activity { .. } | Body::Tasks { .. }) {
                readings.push(event);
            }
            if let Some(luck) = again.next()
                && let Some(old) = readings.get(usize::from(luck))
            {
                listener.hear_again(old);
            }
        }
        listener.compare(&sim);
        let (walk, _) = sim.walk(&[]);
        listener.merge(&walk);
        prop_assert_eq!(listener.merge(&walk).total(), 0);
        listener.compare(&sim);
    }
}

//! A tracker that hears everything in order.

use super::*;

proptest! {
    #![proptest_config(config(512))]

    /// It knows at any moment what the kernel knows, and no walk makes it
    /// know less.
    #[test]
    fn follows_the_kernel(
        kernel in kernels(),
        history in choices(120),
        walks in luck(),
    ) {
        let mut sim = Sim::new(kernel, true);
        let mut listener = Listener::new(kernel);
        for (choice, luck) in history.into_iter().zip(walks.into_iter().cycle()) {
            for event in sim.step(choice) {
                listener.hear(&event);
            }
            listener.compare(&sim);
            if luck < 5 {
                let (walk, _) = sim.walk(&[]);
                prop_assert_eq!(listener.merge(&walk).total(), 0);
                listener.compare(&sim);
            }
        }
    }
}

//! The same seed is the same world.

use std::time::Duration;

use setpiece_testing::{World, WorldFaults};

use crate::shop::{in_memory, open_shop, register};

fn run(seed: u64) -> (String, String) {
    let mut world = World::new(seed);
    world.set_faults(
        WorldFaults::usual()
            .freeze(0.1)
            .replace(0.1)
            .delay(0.1, Duration::from_mins(5))
            .skew(Duration::from_millis(400)),
    );
    open_shop(&mut world, in_memory);
    let outcome = register(&mut world, 4);
    (world.trace(), format!("{outcome:?} {}", outcome.latency()))
}

#[test]
fn the_same_seed_does_the_same_step_for_step() {
    for seed in 0..20 {
        let (first, second) = (run(seed), run(seed));
        assert!(first.0.lines().count() > 100, "{}", first.0);
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn another_seed_does_something_else() {
    assert_ne!(run(1).0, run(2).0);
}

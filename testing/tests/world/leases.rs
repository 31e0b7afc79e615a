//! Functions with long timeouts that Lambda invokes asynchronously.

use std::time::Duration;

use setpiece_handler::Handlers;
use setpiece_testing::{World, WorldFaults};

use crate::shop::*;

/// A process dies at once, and Lambda tries again after one and after two more minutes.
#[test]
fn one_crash_of_a_function_of_fifteen_minutes_loses_nothing() {
    let mut world = World::new(7);
    world.set_faults(WorldFaults::none().crash_at("loyalty", 0, 2));
    world
        .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
        .timeout(Duration::from_mins(15))
        .on::<ProductRegistered>();
    world.publish(registered("c1"));
    let outcome = world.run();
    assert!(outcome.dead_letters().is_empty());
    assert_eq!(outcome.sum("points", "points"), 100);
}

#[test]
fn usual_faults_make_lambda_give_nothing_up() {
    let mut given_up = 0;
    for timeout in [Duration::from_secs(10), Duration::from_mins(1), Duration::from_mins(15)] {
        for seed in 0..100 {
            let mut world = World::new(seed);
            world.set_faults(WorldFaults::usual());
            world
                .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
                .timeout(timeout)
                .on::<ProductRegistered>();
            world.publish_all(["c1", "c2", "c3", "c4"].map(registered));
            given_up += world.run().dead_letters().len();
        }
    }
    assert_eq!(given_up, 0);
}

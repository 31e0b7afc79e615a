//! Functions with long timeouts that Lambda invokes asynchronously.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use setpiece_handler::Handlers;
use setpiece_testing::{World, WorldFaults};

use crate::shop::*;

const FIFTEEN_MINUTES: Duration = Duration::from_mins(15);

/// Lambda invokes the function for four events, and nobody helps where it gives one up.
fn invoke(world: &mut World, timeout: Duration) {
    world
        .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
        .timeout(timeout)
        .on::<ProductRegistered>();
    world.publish_all(["c1", "c2", "c3", "c4"].map(registered));
    let outcome = world.run();
    let given_up = outcome.dead_letters().len();
    assert_eq!(given_up, 0, "Lambda has given {given_up} events up");
    outcome.assert_sound();
    assert_eq!(outcome.sum("points", "points"), 400);
    assert_eq!(outcome.published::<PointsAwarded>().len(), 4);
}

/// A process dies at once, and Lambda tries again after one and after two more minutes.
#[test]
fn one_crash_of_a_function_of_fifteen_minutes_loses_nothing() {
    for point in 0..8 {
        World::check(0..4, |world| {
            world.set_faults(WorldFaults::none().crash_at("loyalty", 0, point));
            invoke(world, FIFTEEN_MINUTES);
        });
    }
}

#[test]
fn usual_faults_make_lambda_give_nothing_up() {
    for timeout in [Duration::from_secs(10), Duration::from_mins(1), FIFTEEN_MINUTES] {
        World::check(0..100, |world| {
            world.set_faults(WorldFaults::usual());
            invoke(world, timeout);
        });
    }
}

/// The same by a caller who invokes the function directly and does not wait.
#[test]
fn what_is_invoked_directly_and_not_waited_for_is_tried_again_too() {
    let crashes = AtomicU64::new(0);
    for timeout in [Duration::from_secs(10), FIFTEEN_MINUTES] {
        World::check(0..100, |world| {
            world.set_faults(WorldFaults::usual());
            world
                .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
                .timeout(timeout);
            for customer in ["c1", "c2", "c3", "c4"] {
                world.invoke("loyalty", registered(customer));
            }
            let outcome = world.run();
            outcome.assert_sound();
            assert_eq!(outcome.deliveries_to("loyalty").filter(|it| !it.is_duplicate).count(), 4);
            assert_eq!(outcome.sum("points", "points"), 400);
            assert_eq!(outcome.published::<PointsAwarded>().len(), 4);
            crashes.fetch_add(outcome.crashes(), Ordering::Relaxed);
        });
    }
    assert!(crashes.into_inner() > 20);
}

/// Who invokes directly has no bus behind him: what Lambda gives up is a dead letter.
#[test]
fn what_fails_each_time_is_given_up_after_three_minutes() {
    let mut world = World::new(7);
    let mut faults = WorldFaults::none();
    for invocation in 0..3 {
        faults = faults.crash_at("loyalty", invocation, 0);
    }
    world.set_faults(faults);
    world
        .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
        .timeout(FIFTEEN_MINUTES);
    world.invoke("loyalty", registered("c1"));
    let outcome = world.run();
    assert_eq!(outcome.dead_letters().len(), 1);
    assert_eq!(outcome.deliveries()[0].attempts, 3);
    assert_eq!(world.redrive(), 1);
    world.run().assert_sound();
}

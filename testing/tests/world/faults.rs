//! The promises on bad days.

use std::time::Duration;

use setpiece_testing::World;
use setpiece_testing::WorldFaults;

use crate::shop::{assert_all_is_well, in_memory, open_shop, register};

#[track_caller]
fn check(seeds: u64, faults: &(impl Fn() -> WorldFaults + Sync)) {
    World::check(0..seeds, |world| {
        world.set_faults(faults());
        open_shop(world, in_memory);
        let outcome = register(world, 5);
        assert_all_is_well(&outcome, 5);
    });
}

#[test]
fn on_a_good_day_everything_happens_once() {
    let mut world = World::new(1);
    open_shop(&mut world, in_memory);
    let outcome = register(&mut world, 5);
    assert_all_is_well(&outcome, 5);
    assert_eq!(outcome.duplicates(), 0);
    assert_eq!(outcome.crashes(), 0);
    assert_eq!(outcome.deliveries().len(), 5 * 7);
    assert!(outcome.dead_letters().is_empty());
    // Claiming, committing, publishing and removing.
    assert_eq!(outcome.requests()["PutEvents"], 15);
    assert!(outcome.latency().p100 < Duration::from_secs(1), "{}", outcome.latency());
}

#[test]
fn on_bad_days_too() {
    check(200, &WorldFaults::usual);
}

#[test]
fn when_processes_stand_still_too() {
    check(60, &|| WorldFaults::usual().freeze(0.2).replace(0.2));
}

#[test]
fn when_clocks_differ_and_events_are_late_too() {
    let late = Duration::from_mins(20);
    check(40, &|| {
        WorldFaults::usual().skew(Duration::from_millis(500)).delay(0.1, late).freeze(0.1)
    });
}

#[test]
fn when_the_store_is_down_for_a_while_too() {
    check(40, &|| {
        let (from, to) = (Duration::from_millis(30), Duration::from_secs(90));
        WorldFaults::usual().outage(from..to)
    });
}

/// Each function dies, and stands still, at each of the points of its first invocation, which
/// nobody has counted.
#[test]
fn at_every_point_of_every_function() {
    for function in ["loyalty", "codes", "support", "mailing", "audit", "reports"] {
        for kind in [WorldFaults::crash_at, WorldFaults::freeze_at] {
            let strikes = (0..).take_while(|point| {
                let mut world = World::new(u64::from(*point));
                world.set_faults(kind(WorldFaults::none(), function, 0, *point));
                open_shop(&mut world, in_memory);
                let outcome = register(&mut world, 2);
                assert_all_is_well(&outcome, 2);
                outcome.crashes() + outcome.function(function).frozen > 0
            });
            // Claiming and committing, at least.
            assert!(strikes.count() >= 4, "{function}");
        }
    }
}

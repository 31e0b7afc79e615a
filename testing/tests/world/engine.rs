//! The same with effects in DynamoDB: a real engine behind the real AWS client.

use setpiece_handler::DynamoDbEffects;
use setpiece_idempotency::dynamodb::Table;
use setpiece_testing::{Outcome, World, WorldFaults};

use crate::shop::{assert_all_is_well, open_shop, register};

fn run(world: &mut World, customers: i64) -> Outcome {
    for table in ["records", "points", "codes", "support", "mails", "audit", "reports"] {
        world.create_table(table, "id");
    }
    open_shop(world, |it| DynamoDbEffects::new(it.client(), Table::new("records")));
    register(world, customers)
}

#[test]
fn in_the_engine_everything_happens_once_too() {
    World::check(0..8, |world| {
        world.set_faults(WorldFaults::usual().freeze(0.1));
        let outcome = run(world, 3);
        assert_all_is_well(&outcome, 3);
    });
}

/// Two round trips, three units for the record's way, and two for each write beside it.
#[test]
fn on_a_good_day_it_costs_what_it_should() {
    let mut world = World::new(7);
    let outcome = run(&mut world, 1);
    assert_all_is_well(&outcome, 1);
    assert_eq!(outcome.requests()["UpdateItem"], 7);
    assert_eq!(outcome.requests()["TransactWriteItems"], 7);
    assert_eq!(outcome.requests()["BatchWriteItem"], 3);
    assert!(outcome.write_units() > 0.0);
}

#[test]
fn the_same_seed_does_the_same_in_the_engine() {
    let run = |seed| {
        let mut world = World::new(seed);
        world.set_faults(WorldFaults::usual().freeze(0.1));
        let outcome = run(&mut world, 3);
        (world.trace(), format!("{outcome:?} {} {}", outcome.write_units(), outcome.latency()))
    };
    for seed in 0..3 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

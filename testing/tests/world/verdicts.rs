//! The verdicts of an outcome forgive nothing that nobody has asked them to forgive.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use setpiece_handler::{Cx, DynamoDbEffects, Effects, Handlers, Reason, Received};
use setpiece_idempotency::dynamodb::Table;
use setpiece_policy::Fault;
use setpiece_testing::{Outcome, Queue, World, WorldFaults};

use crate::shop::{LOYALTY, ProductRegistered, award, registered};

/// The words in which an outcome is not sound, if it is not.
fn unsound(outcome: &Outcome) -> Option<String> {
    let ended = catch_unwind(AssertUnwindSafe(|| outcome.assert_sound()));
    ended.err().map(|said| *said.downcast::<String>().unwrap())
}

async fn refuse(_: &Cx<()>, _: Received<ProductRegistered>) -> Result<Effects, Fault> {
    Err(Fault::permanent("never"))
}

fn refused() -> Outcome {
    let mut world = World::new(7);
    world
        .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(refuse)).build())
        .queue::<ProductRegistered>(Queue::standard());
    world.publish_all(["c1", "c2"].map(registered));
    world.run_and_recover()
}

#[test]
fn a_service_that_refuses_everything_is_not_sound() {
    let said = unsound(&refused()).unwrap();
    assert!(said.contains("in quarantine is {\"Permanent\": 2}, and {} was expected"), "{said}");
    assert!(unsound(&refused().expect_quarantined(1, Reason::Permanent)).is_some());
    assert!(unsound(&refused().expect_quarantined(2, Reason::Contract)).is_some());
    assert_eq!(unsound(&refused().expect_quarantined(2, Reason::Permanent)), None);
}

/// Fails three times, and then no more, as if somebody had repaired it.
async fn fail_at_first(
    cx: &Cx<AtomicU32>,
    _: Received<ProductRegistered>,
) -> Result<Effects, Fault> {
    match cx.state.fetch_add(1, Ordering::Relaxed) {
        0..3 => Err(Fault::transient("not yet")),
        _ => Ok(Effects::none()),
    }
}

#[test]
fn a_dead_letter_that_no_fault_explains_is_not_forgiven() {
    let run = |faults| {
        let mut world = World::new(7);
        world.set_faults(faults);
        world
            .function("loyalty", |it| {
                it.app(LOYALTY, Handlers::new(AtomicU32::new(0)).on(fail_at_first)).build()
            })
            .on::<ProductRegistered>();
        world.publish(registered("c1"));
        world.run_and_recover()
    };
    let outcome = run(WorldFaults::none());
    assert!(outcome.unacknowledged().is_empty(), "it is done in the end");
    assert_eq!(outcome.unexplained().len(), 1);
    let said = unsound(&outcome).unwrap();
    assert!(said.contains("given up without a fault"), "{said}");

    let mut faults = WorldFaults::none();
    for invocation in 0..3 {
        faults = faults.crash_at("loyalty", invocation, 0);
    }
    let mut world = World::new(7);
    world.set_faults(faults);
    world
        .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
        .on::<ProductRegistered>();
    world.publish(registered("c1"));
    assert_eq!(world.run().dead_letters().len(), 1);
    world.redrive();
    assert_eq!(unsound(&world.run()), None);
}

/// A copy that comes after its record has expired is handled again. Both stores say so.
#[test]
fn what_is_committed_twice_is_found_in_the_engine_as_in_memory() {
    let run = |is_in_memory: bool| {
        let mut world = World::new(7);
        let late = Duration::from_hours(24 * 300);
        world.set_faults(WorldFaults::none().duplicate(1.0).delay(1.0, late));
        if is_in_memory {
            world
                .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
                .on::<ProductRegistered>();
        } else {
            world.create_table("records", "id");
            world.create_table("points", "id");
            world
                .function("loyalty", |it| {
                    let effects = DynamoDbEffects::new(it.client(), Table::new("records"));
                    it.app_with(LOYALTY, Handlers::new(()).on(award), effects).build()
                })
                .on::<ProductRegistered>();
        }
        world.publish(registered("c1"));
        let outcome = world.run();
        assert_eq!(outcome.sum("points", "points"), 200);
        assert_eq!(outcome.commits().values().copied().collect::<Vec<_>>(), [2]);
        unsound(&outcome).unwrap()
    };
    for is_in_memory in [true, false] {
        let said = run(is_in_memory);
        assert!(said.contains("effects were committed 2 times"), "{said}");
    }
}

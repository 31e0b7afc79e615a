//! Each class of faults strikes, and nothing is lost and nothing happens twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Mutex,
    time::Duration,
};

use setpiece_handler::{Cx, DynamoDbEffects, Effects, Handlers, Received, Write};
use setpiece_idempotency::dynamodb::Table;
use setpiece_policy::Fault;
use setpiece_testing::{
    DynamoDbRequest, Outcome, Queue, RequestFault, Sandbox, World, WorldFaults, WorldResource,
};

use crate::shop::{
    LOYALTY, PointsAwarded, ProductRegistered, SUPPORT, assert_all_is_well, award, in_memory, open,
    open_shop, register, registered,
};

/// Worlds in memory and with the engine, in which each of these faults has to strike.
fn check(must_see: &[&str], faults: impl Fn() -> WorldFaults + Sync) {
    for (seeds, is_in_memory) in [(0..25, true), (0..2, false)] {
        let seen = Mutex::new(BTreeMap::<&str, u64>::new());
        World::check(seeds, |world| {
            world.set_faults(faults());
            let outcome = if is_in_memory { run(world) } else { run_in_engine(world) };
            assert_all_is_well(&outcome, 3);
            let mut seen = seen.lock().unwrap();
            for (name, count) in outcome.faults() {
                *seen.entry(name).or_default() += count;
            }
        });
        let seen = seen.into_inner().unwrap();
        for fault in must_see {
            assert!(seen.contains_key(fault), "{fault} never struck: {seen:?}");
        }
    }
}

fn run(world: &mut World) -> Outcome {
    open_shop(world, in_memory);
    register(world, 3)
}

fn run_in_engine(world: &mut World) -> Outcome {
    for table in ["records", "points", "codes", "support", "mails", "audit", "reports"] {
        world.create_table(table, "id");
    }
    open_shop(world, |it| DynamoDbEffects::new(it.client(), Table::new("records")));
    register(world, 3)
}

/// Soon after the beginning, for so long.
fn minutes(minutes: u64) -> Range<Duration> {
    Duration::from_millis(10)..Duration::from_mins(minutes)
}

#[test]
fn transactions_are_cancelled_for_mixed_reasons() {
    check(&["cancellation", "crash"], || WorldFaults::usual().cancel(0.3));
}

#[test]
fn services_answer_500_whether_it_happened_or_not() {
    check(&["failure", "crash"], || WorldFaults::usual().fail(0.2));
}

#[test]
fn writes_arrive_when_nobody_waits_for_them() {
    check(&["late write", "crash"], || {
        WorldFaults::usual().late_writes(0.1, Duration::from_secs(3))
    });
}

/// Whoever asks for a late transaction again is told that it is in progress.
#[test]
fn a_transaction_that_is_asked_for_again_is_in_progress() {
    let in_progress = Mutex::new(0);
    World::check(0..4, |world| {
        world.set_faults(WorldFaults::usual().late_writes(0.3, Duration::from_secs(3)));
        let outcome = run_in_engine(world);
        assert_all_is_well(&outcome, 3);
        let requests = world.database().unwrap().requests();
        let said = |it: &&DynamoDbRequest| {
            it.error.as_deref().is_some_and(|error| error == "TransactionInProgressException")
        };
        *in_progress.lock().unwrap() += requests.iter().filter(said).count();
    });
    assert!(in_progress.into_inner().unwrap() > 0);
}

/// Each service has a table for its records, and that of one is away: the other does not notice.
#[test]
fn only_the_records_of_one_service_are_away() {
    World::check(0..4, |world| {
        let end = Duration::from_mins(2);
        let away = WorldResource::table("records-of-loyalty");
        world.set_faults(WorldFaults::usual().outage_of(away, Duration::ZERO..end));
        for table in ["records-of-loyalty", "records-of-support", "points", "support"] {
            world.create_table(table, "id");
        }
        world
            .function("loyalty", |it| {
                let effects = DynamoDbEffects::new(it.client(), Table::new("records-of-loyalty"));
                it.app_with(LOYALTY, Handlers::new(()).on(award), effects).build()
            })
            .queue::<ProductRegistered>(Queue::standard());
        world
            .function("support", |it| {
                let effects = DynamoDbEffects::new(it.client(), Table::new("records-of-support"));
                it.app_with(SUPPORT, Handlers::new(()).on(open), effects).build()
            })
            .queue::<ProductRegistered>(Queue::standard());
        world.publish_all(["c1", "c2", "c3"].map(registered));
        let outcome = world.run_and_recover();
        outcome.assert_sound();
        assert_eq!(outcome.sum("points", "points"), 300);
        assert_eq!(outcome.sum("support", "open"), 3);
        assert_eq!(outcome.faults()["outage"], 1);
        let trace = world.trace();
        let away = |line: &&str| line.contains("Unreachable");
        assert!(trace.lines().filter(away).all(|line| line.contains("loyalty")), "{trace}");
    });
}

#[test]
fn only_the_bus_is_away() {
    check(&["outage"], || WorldFaults::usual().outage_of(WorldResource::EveryBus, minutes(2)));
}

#[test]
fn only_one_table_is_away() {
    for table in ["records", "points"] {
        check(&["outage"], || {
            WorldFaults::usual().outage_of(WorldResource::table(table), minutes(2))
        });
    }
}

#[test]
fn permissions_come_late() {
    check(&["refused permission"], || {
        WorldFaults::usual()
            .deny(WorldResource::EveryBus, minutes(1))
            .deny(WorldResource::table("codes"), minutes(2))
    });
}

#[test]
fn a_table_comes_late() {
    check(&["missing resource"], || {
        WorldFaults::usual().absent(WorldResource::table("records"), minutes(2))
    });
}

#[test]
fn a_queue_of_the_quarantine_is_away() {
    let struck = Mutex::new(0);
    World::check(0..40, |world| {
        let away = WorldFaults::usual().outage_of(WorldResource::Quarantine, minutes(3));
        world.set_faults(away.deny(WorldResource::Quarantine, minutes(4)));
        world
            .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(refuse)).build())
            .queue::<ProductRegistered>(Queue::standard().max_receive_count(50));
        world.publish_all(["c1", "c2"].map(registered));
        let outcome = world.run();
        outcome.assert_all_acknowledged();
        let ids = outcome.quarantined("loyalty").iter().filter_map(|it| it.event_id.clone());
        assert_eq!(ids.collect::<BTreeSet<_>>().len(), 2, "what is refused is kept");
        *struck.lock().unwrap() += outcome.faults().get("outage").copied().unwrap_or_default();
    });
    assert!(struck.into_inner().unwrap() > 0);
}

async fn refuse(_: &Cx<()>, _: Received<ProductRegistered>) -> Result<Effects, Fault> {
    Err(Fault::permanent("never"))
}

/// Registers a customer once, and takes a second registration for a mistake.
async fn register_once(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let customer = event.data.customer;
    let twice = Fault::permanent("registered already");
    let write = Write::update("points", ("id", customer.as_str())).set("points", 100);
    Ok(Effects::new().write(write.if_absent().or_fault(twice)).emit(PointsAwarded { customer }))
}

/// The record of a commit that has succeeded is not looked at, and the write is refused because of
/// that very commit.
#[test]
fn an_own_success_is_not_taken_for_a_refusal() {
    World::check(0..12, |world| {
        world.set_faults(WorldFaults::usual().crash(0.5).cancel(0.5));
        for table in ["records", "points"] {
            world.create_table(table, "id");
        }
        let start = |it: &Sandbox| {
            let effects = DynamoDbEffects::new(it.client(), Table::new("records"));
            it.app_with(LOYALTY, Handlers::new(()).on(register_once), effects).optimistic().build()
        };
        world
            .function("loyalty", start)
            .queue::<ProductRegistered>(Queue::standard().max_receive_count(50));
        world.publish_all(["c1", "c2", "c3"].map(registered));
        let outcome = world.run();
        outcome.assert_sound();
        assert_eq!(outcome.quarantined("loyalty").len(), 0, "what was done is put aside");
        assert_eq!(outcome.published::<PointsAwarded>().len(), 3);
        assert_eq!(outcome.sum("points", "points"), 300);
    });
}

/// Each fault, placed at each operation of a function.
#[test]
fn a_fault_of_a_request_strikes_where_it_is_placed() {
    let faults = [
        (RequestFault::Throttled, "Throttled"),
        (RequestFault::Unreachable, "Unreachable"),
        (RequestFault::AnswerLost, "AnswerLost"),
        (RequestFault::Failed, "Failed"),
        (RequestFault::FailedThoughDone, "FailedThoughDone"),
        (RequestFault::Denied, "Denied"),
        (RequestFault::Missing, "Missing"),
        (RequestFault::Cancelled, "Cancelled"),
        (RequestFault::Partial, "Partial"),
        (RequestFault::Late, "Late"),
    ];
    for is_in_memory in [true, false] {
        for operation in ["UpdateItem", "TransactWriteItems", "PutEvents", "BatchWriteItem"] {
            for (fault, name) in faults {
                // Such a bus takes events and drops them: they are lost, and nobody knows.
                if (operation, fault) == ("PutEvents", RequestFault::Missing) {
                    continue;
                }
                let mut world = World::new(7);
                let placed = WorldFaults::none().request_at("loyalty", 0, operation, fault);
                world.set_faults(placed);
                let outcome =
                    if is_in_memory { run(&mut world) } else { run_in_engine(&mut world) };
                assert_all_is_well(&outcome, 3);
                let strike = format!("{operation}: {name}");
                let trace = world.trace();
                let struck = trace.lines().filter(|line| line.contains(&strike)).count();
                assert_eq!(struck, 1, "{trace}");
            }
        }
    }
}

#[test]
fn a_bus_that_does_not_exist_takes_events_and_drops_them() {
    let mut world = World::new(7);
    let missing = RequestFault::Missing;
    world.set_faults(WorldFaults::none().request_at("loyalty", 0, "PutEvents", missing));
    world
        .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
        .on::<ProductRegistered>();
    world.publish(registered("c1"));
    let outcome = world.run();
    assert!(outcome.published::<PointsAwarded>().is_empty());
    assert_eq!(outcome.bus().dropped().len(), 1);
}

/// A window is a fault like any other: what fails without it is told without it.
#[test]
fn what_is_not_needed_to_fail_is_left_out_of_the_story() {
    let failure = World::find_failure(0..50, |world| {
        let faults = WorldFaults::usual()
            .outage_of(WorldResource::EveryBus, minutes(2))
            .deny(WorldResource::table("mails"), minutes(1))
            .fail(0.1)
            .cancel(0.1);
        world.set_faults(faults);
        let outcome = run(world);
        assert!(outcome.crashes() == 0, "a crash");
    });
    let failure = failure.unwrap();
    assert!(failure.faults.len() <= 2, "{failure}");
    assert!(failure.faults.iter().any(|fault| fault.contains("crashes")), "{failure}");
    assert!(!failure.faults.iter().any(|fault| fault.contains("until")), "{failure}");
    let failure = World::find_failure(0..1, |world| {
        world.set_faults(WorldFaults::usual().outage_of(WorldResource::EveryBus, minutes(2)));
        let outcome = run(world);
        assert!(outcome.latency().p100 < Duration::from_secs(40), "slow");
    });
    let failure = failure.unwrap();
    assert!(failure.faults.iter().any(|fault| fault.contains("every bus")), "{failure}");
}

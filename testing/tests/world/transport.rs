//! What the world does between a bus and a function.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use setpiece_handler::{Cx, Effects, Handlers, Reason, Received};
use setpiece_policy::Fault;
use setpiece_testing::{Outcome, Queue, Sandbox, World, WorldEnding, WorldFaults, WorldFunction};

use crate::shop::{LOYALTY, ProductRegistered, registered};

/// What a function has seen, and how often it fails.
#[derive(Clone, Default)]
struct Seen {
    customers: Arc<Mutex<Vec<String>>>,
    fails: bool,
}

async fn look(cx: &Cx<Seen>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    cx.state.customers.lock().unwrap().push(event.data.customer.clone());
    match &*event.data.customer {
        "poison" => Err(Fault::permanent("poison")),
        "slow" => std::future::pending().await,
        _ if cx.state.fails => Err(Fault::transient("not today")),
        _ => Ok(Effects::none()),
    }
}

fn world(
    seen: &Seen,
    faults: WorldFaults,
    subscribe: impl FnOnce(WorldFunction<'_>),
    customers: &[&str],
) -> (World, Outcome) {
    let mut world = World::new(3);
    world.set_faults(faults);
    let state = seen.clone();
    let start = move |it: &Sandbox| it.app(LOYALTY, Handlers::new(state.clone()).on(look)).build();
    subscribe(world.function("looking", start));
    for customer in customers {
        world.publish(registered(customer));
    }
    let outcome = world.run();
    (world, outcome)
}

#[test]
fn an_event_that_fails_is_tried_twice_more_and_is_a_dead_letter_then() {
    let seen = Seen { fails: true, ..Seen::default() };
    let on = |mut it: WorldFunction<'_>| _ = it.on::<ProductRegistered>();
    let (mut world, outcome) = world(&seen, WorldFaults::none(), on, &["c1"]);
    assert_eq!(outcome.deliveries()[0].ending, WorldEnding::Dead);
    assert_eq!(outcome.deliveries()[0].attempts, 3);
    assert_eq!(outcome.function("looking").failed, 3);
    assert_eq!(world.redrive(), 1);
    assert_eq!(world.run().deliveries()[0].attempts, 6);
    let trace = world.trace();
    let invoked: Vec<&str> = trace.lines().filter(|line| line.contains("is invoked")).collect();
    let minutes: Vec<&str> =
        invoked.iter().map(|line| line.trim().split('.').next().unwrap()).collect();
    assert_eq!(minutes[..3], ["0", "60", "180"]);
}

#[test]
fn a_message_that_fails_comes_back_until_it_is_a_dead_letter() {
    let seen = Seen { fails: true, ..Seen::default() };
    let queue = Queue::standard().max_receive_count(4).visibility_timeout(Duration::from_secs(30));
    let on = |mut it: WorldFunction<'_>| _ = it.queue::<ProductRegistered>(queue);
    let (_, outcome) = world(&seen, WorldFaults::none(), on, &["c1", "c2"]);
    assert_eq!(outcome.dead_letters().len(), 2);
    assert_eq!(seen.customers.lock().unwrap().len(), 8);
    assert_eq!(outcome.function("looking").invocations, 4);
}

#[test]
fn poison_is_put_aside_and_holds_up_nobody() {
    World::check(0..20, |world| {
        world.set_faults(WorldFaults::usual());
        let seen = Seen::default();
        let state = seen.clone();
        let start =
            move |it: &Sandbox| it.app(LOYALTY, Handlers::new(state.clone()).on(look)).build();
        let queue = Queue::fifo("all").max_receive_count(50);
        world.function("looking", start).queue::<ProductRegistered>(queue);
        world.publish_all(["c1", "poison", "c2"].map(registered));
        let outcome = world.run().expect_quarantined(1, Reason::Permanent);
        outcome.assert_sound();
        // When the process ends before it answers, poison is seen again behind what is done.
        let mut first = seen.customers.lock().unwrap().clone();
        let mut known = BTreeSet::new();
        first.retain(|it| known.insert(it.clone()));
        assert_eq!(first, ["c1", "poison", "c2"]);
    });
}

#[test]
fn a_fifo_queue_keeps_its_order_through_crashes() {
    let names: Vec<String> = (0..10).map(|it| format!("c{it}")).collect();
    let crashes = AtomicU64::new(0);
    World::check(0..20, |world| {
        world.set_faults(WorldFaults::usual().crash(0.3));
        let seen = Seen::default();
        let state = seen.clone();
        let start =
            move |it: &Sandbox| it.app(LOYALTY, Handlers::new(state.clone()).on(look)).build();
        let queue = Queue::fifo("all").batch_size(3).max_receive_count(50);
        world.function("looking", start).queue::<ProductRegistered>(queue);
        world.publish_all(names.iter().map(|name| registered(name)));
        let outcome = world.run();
        outcome.assert_sound();
        crashes.fetch_add(outcome.crashes(), Ordering::Relaxed);
        let mut seen = seen.customers.lock().unwrap().clone();
        // One may be seen again when its process ended, but never after the next one.
        seen.dedup();
        assert_eq!(seen, names);
    });
    assert!(crashes.into_inner() > 20);
}

#[test]
fn a_window_gathers_a_batch() {
    let seen = Seen::default();
    let queue = Queue::standard().window(Duration::from_secs(5));
    let on = |mut it: WorldFunction<'_>| _ = it.queue::<ProductRegistered>(queue);
    let (mut world, _) = world(&seen, WorldFaults::none(), on, &[]);
    for second in 0..4 {
        world.publish_after(Duration::from_secs(second), registered("c1"));
    }
    assert_eq!(world.run().function("looking").invocations, 1);
}

#[test]
fn a_function_has_only_so_many_processes() {
    let seen = Seen::default();
    let on = |mut it: WorldFunction<'_>| _ = it.on::<ProductRegistered>().concurrency(2);
    let (_, outcome) = world(&seen, WorldFaults::none(), on, &["a", "b", "c", "d", "e"]);
    outcome.assert_sound();
    assert_eq!(outcome.function("looking").sandboxes, 2);
    assert!(outcome.function("looking").throttled > 0);
}

/// The app answers before its time is up, so nothing is killed.
#[test]
fn a_handler_without_an_end_fails_in_time() {
    let seen = Seen::default();
    let on = |mut it: WorldFunction<'_>| _ = it.on::<ProductRegistered>().retries(0);
    let (_, outcome) = world(&seen, WorldFaults::none(), on, &["slow"]);
    assert_eq!(outcome.dead_letters().len(), 1);
    assert_eq!(outcome.function("looking").timed_out, 0);
    assert_eq!(outcome.function("looking").failed, 1);
}

#[test]
fn a_crash_and_a_freeze_strike_where_they_are_placed() {
    let seen = Seen::default();
    let on = |mut it: WorldFunction<'_>| _ = it.on::<ProductRegistered>();
    let faults = WorldFaults::none().crash_at("looking", 0, 2).freeze_at("looking", 1, 3);
    let (world, outcome) = world(&seen, faults, on, &["c1"]);
    outcome.assert_sound();
    assert_eq!(outcome.function("looking").crashed, 1, "{}", world.trace());
    assert_eq!(outcome.function("looking").frozen, 1, "{}", world.trace());
}

//! Handlers of one name in two functions, and handlers, functions and services that get another.

use std::{sync::Mutex, time::Duration};

use setpiece_envelope::ServiceId;
use setpiece_handler::{AppBuilder, Cx, Effects, Handlers, Received, Write};
use setpiece_policy::Fault;
use setpiece_testing::{Outcome, Queue, Sandbox, World, WorldBus, WorldEffects, WorldFaults};

use crate::shop::{LOYALTY, PointsAwarded, ProductRegistered, award, registered};

async fn note(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    Ok(Effects::new().write(Write::update("notes", ("id", event.data.customer)).add("seen", 1)))
}

#[test]
fn two_functions_of_a_service_have_a_handler_of_one_name() {
    World::check(0..60, |world| {
        world.set_faults(WorldFaults::usual());
        let points = |it: &Sandbox| {
            it.app(LOYALTY, Handlers::new(()).on_named("on_registered", award)).build()
        };
        let notes = |it: &Sandbox| {
            it.app(LOYALTY, Handlers::new(()).on_named("on_registered", note)).build()
        };
        world.function("points", points).on::<ProductRegistered>();
        world.function("notes", notes).queue::<ProductRegistered>(Queue::standard());
        world.publish_all(["c1", "c2", "c3"].map(registered));
        let outcome = world.run_and_recover();
        outcome.assert_sound();
        assert_eq!(outcome.sum("points", "points"), 300);
        assert_eq!(outcome.sum("notes", "seen"), 3);
        assert_eq!(outcome.published::<PointsAwarded>().len(), 3);
    });
}

type Builder = AppBuilder<(), WorldEffects, WorldBus>;

/// Everything comes twice, and half of it after a minute, when the function has its new code.
fn deploy(world: &mut World, new: impl Fn(&Sandbox) -> Builder + Clone + 'static) -> Outcome {
    let late = WorldFaults::usual().duplicate(1.0).delay(0.5, Duration::from_mins(10));
    world.set_faults(late);
    let old = |it: &Sandbox| it.app(LOYALTY, Handlers::new(()).on_named("award", award)).build();
    world.function("loyalty", old).queue::<ProductRegistered>(Queue::standard());
    world.deploy_after(Duration::from_mins(1), "loyalty", move |it| new(it).build());
    world.publish_all(["c1", "c2", "c3"].map(registered));
    world.run_and_recover()
}

#[track_caller]
fn check(new: impl Fn(&Sandbox) -> Builder + Clone + Send + Sync + 'static) {
    let known = Mutex::new(0);
    World::check(0..30, |world| {
        let outcome = deploy(world, new.clone());
        outcome.assert_sound();
        assert_eq!(outcome.sum("points", "points"), 300);
        assert_eq!(outcome.published::<PointsAwarded>().len(), 3);
        *known.lock().unwrap() += outcome.duplicates();
    });
    assert!(known.into_inner().unwrap() > 20);
}

#[test]
fn a_handler_gets_another_name_while_its_events_are_on_their_way() {
    check(|it| {
        let handlers = Handlers::new(()).on_named("award_points", award);
        it.app(LOYALTY, handlers).renamed("award_points", "award")
    });
}

#[test]
fn a_function_gets_another_name_while_its_events_are_on_their_way() {
    check(|it| it.app(LOYALTY, Handlers::new(()).on_named("award", award)).named("loyalty"));
}

const POINTS: ServiceId = ServiceId::new("shop", "customers", "points");

/// The events that it emits are those of its former id, since their type says so.
#[test]
fn a_service_gets_another_id_while_its_events_are_on_their_way() {
    async fn note_again(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
        let customer = event.data.customer;
        Ok(Effects::new().write(Write::update("points", ("id", customer)).add("points", 100)))
    }
    World::check(0..30, |world| {
        let outcome = deploy(world, |it| {
            it.app(POINTS, Handlers::new(()).on_named("award", note_again)).formerly(LOYALTY)
        });
        outcome.assert_sound();
        assert_eq!(outcome.sum("points", "points"), 300);
    });
}

/// Whoever says nothing of it has everything happen again that comes again.
#[test]
fn a_name_that_is_not_said_is_found() {
    let new = |it: &Sandbox| it.app(LOYALTY, Handlers::new(()).on_named("award_points", award));
    let failure = World::find_failure(0..30, |world| {
        assert_eq!(deploy(world, new).sum("points", "points"), 300, "points");
    });
    assert!(failure.unwrap().message.contains("points"));
}

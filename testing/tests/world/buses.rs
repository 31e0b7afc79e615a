//! Several buses, several services on one table, and requests of which a bus takes a part.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use setpiece_handler::{
    App, AppError, Cx, DynamoDbEffects, EffectStore, Effects, Handlers, Quarantined, Reason,
    Received,
};
use setpiece_idempotency::dynamodb::Table;
use setpiece_policy::Fault;
use setpiece_testing::{Outcome, Queue, Sandbox, World, WorldBus, WorldFaults, WorldResource};

use crate::shop::*;

type Built<X> = Result<App<(), X, WorldBus>, AppError>;

/// Two services keep their records and their outboxes in one table, and each has a bus of its own,
/// on which somebody listens. Each relay sees the events of both.
fn two_services<X: EffectStore>(world: &mut World, way: impl Way<X>) -> Outcome {
    fn start<X: EffectStore>(
        way: &impl Way<X>,
        bus: &'static str,
        handlers: impl Fn() -> Handlers<()> + 'static,
    ) -> impl Fn(&Sandbox) -> Built<X> + 'static {
        let way = way.clone();
        let service = if bus == "points" { LOYALTY } else { SUPPORT };
        move |it| it.on_bus(bus).app_with(service, handlers(), way(it)).build()
    }
    let none = || Handlers::new(());
    world.add_bus("points");
    world.add_bus("support");
    world
        .function("loyalty", start(&way, "points", move || none().on(award)))
        .on::<ProductRegistered>();
    world
        .function("support", start(&way, "support", move || none().on(open)))
        .on::<ProductRegistered>();
    world.function("relay of points", start(&way, "points", none)).outbox();
    world.function("relay of support", start(&way, "support", none)).outbox();
    world
        .function("mailing", {
            let way = way.clone();
            move |it| it.app_with(MAILING, none().on(mail), way(it)).build()
        })
        .bus("points")
        .queue::<PointsAwarded>(Queue::standard());
    world
        .function("audit", move |it| it.app_with(AUDIT, none().on(audit), way(it)).build())
        .bus("support")
        .queue::<SupportOpened>(Queue::standard());
    world.publish_all(["c1", "c2", "c3"].map(registered));
    world.run_and_recover()
}

#[track_caller]
fn assert_each_bus_has_its_own(outcome: &Outcome) {
    for (bus, name) in [("points", "points_awarded"), ("support", "support_opened")] {
        let events = outcome.bus_named(bus).events();
        let names = events.iter().filter_map(|event| Some(event.metadata()?.name.clone()));
        assert_eq!(names.collect::<BTreeSet<_>>(), BTreeSet::from([name.to_owned()]), "{bus}");
    }
    assert_eq!(outcome.published::<PointsAwarded>().len(), 3);
    assert_eq!(outcome.published::<SupportOpened>().len(), 3);
    assert_eq!(outcome.sum("points", "points"), 300);
    assert_eq!(outcome.sum("mails", "sent"), 3);
    assert_eq!(outcome.sum("audit", "seen"), 3);
    outcome.assert_sound();
}

#[test]
fn services_on_one_table_publish_each_on_its_own_bus() {
    World::check(0..60, |world| {
        world.set_faults(WorldFaults::usual().crash(0.4));
        assert_each_bus_has_its_own(&two_services(world, in_memory));
    });
}

#[test]
fn services_on_one_table_of_the_engine_publish_each_on_its_own_bus() {
    World::check(0..4, |world| {
        world.set_faults(WorldFaults::usual().crash(0.4));
        for table in ["records", "points", "support", "mails", "audit"] {
            world.create_table(table, "id");
        }
        let way = |it: &Sandbox| DynamoDbEffects::new(it.client(), Table::new("records"));
        assert_each_bus_has_its_own(&two_services(world, way));
    });
}

#[test]
fn one_of_the_buses_is_away() {
    let struck = Mutex::new(0);
    World::check(0..40, |world| {
        let away = WorldResource::bus("support");
        let when = Duration::from_millis(10)..Duration::from_mins(3);
        world.set_faults(WorldFaults::usual().outage_of(away, when));
        let outcome = two_services(world, in_memory);
        assert_each_bus_has_its_own(&outcome);
        *struck.lock().unwrap() += outcome.faults().get("outage").copied().unwrap_or_default();
    });
    assert!(struck.into_inner().unwrap() > 0);
}

/// The members of a family.
const FAMILY: usize = 4;

async fn award_family(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let customer = event.data.customer;
    let members = (0..FAMILY).map(|it| PointsAwarded { customer: format!("{customer}/{it}") });
    Ok(members.fold(Effects::new(), Effects::emit))
}

/// Each registration makes several events, which go to the bus in one request.
fn families(world: &mut World) {
    world
        .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award_family)).build())
        .queue::<ProductRegistered>(Queue::standard().max_receive_count(20));
    world.function("relay", |it| it.app(LOYALTY, Handlers::new(())).build()).outbox();
    world
        .function("mailing", |it| it.app(MAILING, Handlers::new(()).on(mail)).build())
        .queue::<PointsAwarded>(Queue::standard().max_receive_count(20));
    world.publish_all(["c1", "c2", "c3"].map(registered));
}

#[test]
fn a_bus_takes_some_entries_of_a_request() {
    let partial = Mutex::new(0);
    World::check(0..60, |world| {
        world.set_faults(WorldFaults::usual().partial(0.5));
        families(world);
        let outcome = world.run_and_recover();
        outcome.assert_sound();
        assert_eq!(outcome.published::<PointsAwarded>().len(), 3 * FAMILY);
        assert_eq!(outcome.sum("mails", "sent"), 12);
        let requests = outcome.bus().requests();
        let some = requests.iter().filter(|it| (1..it.entries).contains(&it.accepted));
        *partial.lock().unwrap() += some.count();
    });
    assert!(partial.into_inner().unwrap() > 20);
}

/// What the bus never takes is put aside with its bytes, and holds up nothing else.
#[test]
fn a_bus_refuses_some_events_for_good() {
    let refused = Mutex::new(0);
    World::check(0..60, |world| {
        world.set_faults(WorldFaults::usual().partial(0.2).refuse_events(0.2));
        families(world);
        let outcome = world.run();
        outcome.assert_all_acknowledged();
        outcome.assert_outbox_empty();
        assert!(outcome.quarantined("loyalty").is_empty(), "a cause is put aside for its effect");
        let id = |it: &Quarantined| it.event_id.as_ref().map(|id| id.as_str().to_owned());
        let aside: BTreeSet<_> = outcome.quarantined("relay").iter().filter_map(id).collect();
        let published = outcome.published::<PointsAwarded>();
        let ids = published.iter().map(|event| event.metadata.event_id.as_str().to_owned());
        let both: BTreeSet<_> = ids.chain(aside.iter().cloned()).collect();
        assert_eq!(both.len(), published.len() + aside.len(), "refused, and published");
        assert_eq!(both.len(), 3 * FAMILY, "neither published nor put aside");
        let sent = usize::try_from(outcome.sum("mails", "sent")).unwrap();
        assert_eq!(sent, published.len());
        *refused.lock().unwrap() += aside.len();
    });
    assert!(refused.into_inner().unwrap() > 20);
}

/// The type of an event is not allowed on the bus, which is a matter of its policy.
#[test]
fn a_bus_refuses_a_type_for_good() {
    World::check(0..20, |world| {
        let code = "NotAuthorizedForDetailTypeException";
        world.set_faults(WorldFaults::usual().refuse::<PointsAwarded>(code));
        families(world);
        world.run().expect_quarantined(3 * FAMILY, Reason::Unpublished).assert_sound();
    });
}

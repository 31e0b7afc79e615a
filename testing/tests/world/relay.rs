//! What a dead process leaves in the outbox is published by whoever reads the table's stream.

use setpiece_handler::{App, DynamoDbEffects, Handlers};
use setpiece_idempotency::dynamodb::Table;
use setpiece_testing::{Queue, Sandbox, World, WorldFaults};

use crate::shop::{
    LOYALTY, MAILING, PointsAwarded, ProductRegistered, award, in_memory, mail, open_shop,
    register, registered,
};

/// Claiming, committing, and then the process is gone for good.
#[test]
fn an_event_is_published_though_its_process_never_comes_back() {
    World::check(0..10, |world| {
        // Whoever is retried publishes it as well, so there are no retries.
        world.set_faults(WorldFaults::none().crash_at("loyalty", 0, 4));
        world
            .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
            .on::<ProductRegistered>()
            .retries(0);
        world.function("relay", |it| it.app(LOYALTY, Handlers::new(())).build()).outbox();
        world.publish(registered("c1"));
        let outcome = world.run();
        assert_eq!(outcome.crashes(), 1);
        assert_eq!(outcome.dead_letters().len(), 1);
        assert_eq!(outcome.published::<PointsAwarded>().len(), 1);
        assert_eq!(outcome.sum("points", "points"), 100);
        outcome.assert_outbox_empty();
        // The dead letter is done already.
        assert_eq!(world.redrive(), 1);
        let outcome = world.run();
        outcome.assert_sound();
        assert_eq!(outcome.bus().published::<PointsAwarded>().len(), 1);
    });
}

#[test]
fn a_relay_beside_the_functions_changes_nothing() {
    World::check(0..50, |world| {
        world.set_faults(WorldFaults::usual().freeze(0.1));
        open_shop(world, in_memory);
        world.function("relay", |it| it.app(LOYALTY, Handlers::new(())).build()).outbox();
        let outcome = register(world, 4);
        crate::shop::assert_all_is_well(&outcome, 4);
        assert!(outcome.deliveries_to("relay").count() >= 12);
    });
}

#[test]
fn a_relay_reads_the_stream_of_a_table_too() {
    World::check(0..4, |world| {
        world.set_faults(WorldFaults::usual());
        for table in ["records", "points", "mails"] {
            world.create_table(table, "id");
        }
        let effects = |it: &Sandbox| DynamoDbEffects::new(it.client(), Table::new("records"));
        let award = move |it: &Sandbox| -> Result<App<_, _, _>, _> {
            it.app_with(LOYALTY, Handlers::new(()).on(award), effects(it)).build()
        };
        let mail = move |it: &Sandbox| {
            it.app_with(MAILING, Handlers::new(()).on(mail), effects(it)).build()
        };
        let relay =
            move |it: &Sandbox| it.app_with(LOYALTY, Handlers::new(()), effects(it)).build();
        world.function("loyalty", award).on::<ProductRegistered>().retries(0);
        world.function("mailing", mail).queue::<PointsAwarded>(Queue::standard());
        world.function("relay", relay).outbox();
        for customer in ["c1", "c2", "c3"] {
            world.publish(registered(customer));
        }
        let outcome = world.run_and_recover();
        outcome.assert_sound();
        assert_eq!(outcome.deliveries_to("relay").count(), 3);
        assert_eq!(outcome.sum("points", "points"), 300);
        assert_eq!(outcome.sum("mails", "sent"), 3);
    });
}

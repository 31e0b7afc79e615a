//! The relay on the side of the stream, for a process that never comes back.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_dynamo::AttributeValue;
use setpiece_bus::{OutgoingEvent, Publisher};
use setpiece_handler::{
    Applied, Applier, ApplyError, DynamoDbEffects, EffectStore, OutboxKey, Relayed,
};
use setpiece_idempotency::{Key, Lease, dynamodb::Table};
use setpiece_policy::{Disposition, Fault, Retry, SeededRandom};
use setpiece_testing::{CallFault, EntryFault, FakeBus};

use crate::world::{Place, World, award, cause, fresh, in_both_places, replayed};

/// Dies between the commit and the publish.
async fn abandoned<P: Place>(world: &World<P>) -> Vec<OutboxKey> {
    world.gate.die_at(4);
    assert!(world.gate.life(world.apply("e-1", award())).await.is_none());
    assert_eq!(world.place.outbox().await, 2);
    let record = world.guard.record_key(&Key::of("e-1").unwrap());
    (0..2).map(|index| OutboxKey::new(&record, index)).collect()
}

fn numbers(relayed: &Relayed) -> (usize, usize) {
    (relayed.published, relayed.gone)
}

in_both_places! {
    async fn what_was_left_is_published_and_removed<P>(world: &World<P>) {
        let keys = abandoned(world).await;
        // A stream says everything at least once, and so may one batch of it.
        let seen = [&keys[..], &keys[..1]].concat();
        let relayed = world.applier.relay(&seen, world.deadline()).await.unwrap();
        assert_eq!(numbers(&relayed), (2, 0));
        assert_eq!(world.place.outbox().await, 0);
        assert_eq!(world.bus.events().len(), 2);
        let again = world.applier.relay(&keys, world.deadline()).await.unwrap();
        assert_eq!(numbers(&again), (0, 2));
        // The redelivery has nothing left to do.
        assert_eq!(world.apply("e-1", award()).await.unwrap(), replayed(0));
        assert_eq!(world.bus.events().len(), 2);
    }

    async fn both_relays_at_once_publish_the_same_ids<P>(world: &World<P>) {
        let keys = abandoned(world).await;
        world.clock.advance(Duration::from_mins(1));
        let stream = world.applier.relay(&keys, world.deadline());
        let (stream, redelivery) =
            futures_util::future::join(stream, world.apply("e-1", award())).await;
        assert!(stream.unwrap().published <= 2);
        assert!(matches!(redelivery.unwrap(), Applied::Replayed { .. }));
        assert_eq!(world.place.outbox().await, 0);
        let published = world.published();
        assert_eq!(published.len(), 2);
        assert!(published.values().all(|ids| ids.len() == 1), "{published:?}");
    }

    async fn the_stream_may_be_ahead_of_the_process<P>(world: &World<P>) {
        let record = world.guard.record_key(&Key::of("e-1").unwrap());
        let keys: Vec<OutboxKey> = (0..2).map(|index| OutboxKey::new(&record, index)).collect();
        let relayed = world.applier.relay(&keys, world.deadline()).await.unwrap();
        assert_eq!(numbers(&relayed), (0, 2), "it is not there yet");
        assert_eq!(numbers(&world.applier.relay(&[], world.deadline()).await.unwrap()), (0, 0));
    }

    async fn what_the_bus_refuses_for_good_holds_up_nothing_and_stays<P>(world: &World<P>) {
        let keys = abandoned(world).await;
        world.bus.fail_entries(EntryFault::code("InvalidArgument").nth(0));
        let relayed = world.applier.relay(&keys, world.deadline()).await.unwrap();
        let [refused] = &relayed.refused[..] else { panic!("{relayed:?}") };
        assert_eq!((refused.key.clone(), relayed.published), (keys[0].clone(), 1));
        let event: OutgoingEvent = serde_json::from_str(&refused.json).unwrap();
        assert_eq!(event.event_id(), &refused.event_id);
        assert_eq!(world.place.outbox().await, 1);
        let relayed = world.applier.relay(&keys, world.deadline()).await.unwrap();
        assert_eq!(numbers(&relayed), (1, 1));
    }

    /// A permission may still be on its way to all of AWS.
    async fn a_permission_has_a_minute_to_arrive<P>(world: &World<P>) {
        let keys = abandoned(world).await;
        let fault = EntryFault::code("NotAuthorizedForSourceException").always();
        world.bus.fail_entries(fault);
        let error = world.applier.relay(&keys, world.deadline()).await.unwrap_err();
        assert!(matches!(error, ApplyError::Publish(_)), "{error:?}");
        world.clock.advance(Duration::from_mins(1));
        let relayed = world.applier.relay(&keys, world.deadline()).await.unwrap();
        assert_eq!((relayed.refused.len(), world.place.outbox().await), (2, 2));
        // Where the bus refuses the caller, it is no matter of one event.
        world.bus.fail_calls(CallFault::refused(400, "AccessDeniedException", "no").always());
        let error = world.applier.relay(&keys, world.deadline()).await.unwrap_err();
        assert!(matches!(error, ApplyError::Publish(_)), "{error:?}");
    }

    /// Of another service, or of the same one on another bus.
    async fn the_events_of_others_are_left_alone<P>(world: &World<P>) {
        let keys = abandoned(world).await;
        let retry = Retry::new(world.clock.clone(), SeededRandom::new(7), world.sleep.clone());
        for (service, bus) in [("mailing", FakeBus::new()), ("loyalty", FakeBus::named("other"))] {
            let publisher = Publisher::new(bus.clone(), retry.clone());
            let store = Arc::clone(world.applier.store());
            let other = Applier::new(service, store, publisher, retry.clone());
            let relayed = other.relay(&keys, world.deadline()).await.unwrap();
            assert_eq!((relayed.published, relayed.foreign, relayed.gone), (0, 2, 0), "{service}");
            // Nor when it comes upon them by the key of a record.
            let (key, cause) = (Key::of("e-1").unwrap(), cause("e-1"));
            let (lease, deadline) = (Lease::until(world.deadline()), world.deadline());
            let none = async |_| Ok(setpiece_handler::Effects::none());
            let error = other.apply(&world.guard, &key, lease, &cause, deadline, none).await;
            let error = error.unwrap_err();
            assert!(matches!(error, ApplyError::Foreign { events: 2 }), "{error:?}");
            assert_eq!(Fault::from(error).disposition(), Disposition::FailItem);
            assert_eq!((bus.events().len(), world.place.outbox().await), (0, 2), "{service}");
        }
        assert_eq!(numbers(&world.applier.relay(&keys, world.deadline()).await.unwrap()), (2, 0));
        assert_eq!(world.bus.events().len(), 2);
    }

    /// Whoever names events chooses what ends the keys of their records, and a stream of keys shows
    /// nothing else.
    async fn a_record_with_a_key_like_the_outboxs_is_none_of_it<P>(world: &World<P>) {
        world.apply("x#outbox#1", award()).await.unwrap();
        let record = world.guard.record_key(&Key::of("x#outbox#1").unwrap());
        let key = OutboxKey::parse(record.as_str()).unwrap();
        let relayed = world.applier.relay(&[key], world.deadline()).await.unwrap();
        assert_eq!(numbers(&relayed), (0, 1));
        assert_eq!(world.apply("x#outbox#1", award()).await.unwrap(), replayed(0));
        // Nor are they in each other's way.
        for event in ["x", "x#outbox#0", "x#outbox#0#outbox#0"] {
            assert_eq!(world.apply(event, award()).await.unwrap(), fresh(2, 2), "{event}");
        }
        for event in ["x", "x#outbox#0", "x#outbox#0#outbox#0"] {
            assert_eq!(world.apply(event, award()).await.unwrap(), replayed(0), "{event}");
        }
        assert_eq!(world.published()["points_awarded"].len(), 4);
    }

    async fn more_than_one_request_holds_are_relayed_in_portions<P>(world: &World<P>) {
        let keys = abandoned(world).await;
        let record = world.guard.record_key(&Key::of("none").unwrap());
        let absent = (0..230).map(|index| OutboxKey::new(&record, index));
        let seen: Vec<OutboxKey> = absent.chain(keys).collect();
        let relayed = world.applier.relay(&seen, world.deadline()).await.unwrap();
        assert_eq!(numbers(&relayed), (2, 230));
    }
}

#[tokio::test]
async fn items_of_the_outbox_are_told_from_others() {
    use crate::world::{Dynamo, RECORDS};
    let world = World::<Dynamo>::new().await;
    let keys = abandoned(&world).await;
    let store = world.place.effects();
    let mut found: Vec<OutboxKey> = world
        .place
        .items(RECORDS)
        .await
        .into_iter()
        .filter_map(|item| {
            let id = item.get("id").cloned().unwrap();
            store.outbox_key(&HashMap::from([("id".to_owned(), id)]))
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, keys, "and the record is none");
}

/// What can be seen to have been an event is not lost for not being readable.
#[tokio::test]
async fn an_event_that_has_lost_its_text_is_an_error() {
    use crate::world::{Dynamo, RECORDS};
    use aws_sdk_dynamodb::types::AttributeValue;
    let world = World::<Dynamo>::new().await;
    let keys = abandoned(&world).await;
    for attribute in [
        (DynamoDbEffects::EVENT, AttributeValue::N("1".to_owned())),
        (DynamoDbEffects::CREATED_AT, AttributeValue::N("1".to_owned())),
    ] {
        let put = world.place.client.put_item().table_name(RECORDS);
        let put = put.item("id", AttributeValue::S(keys[0].as_str().to_owned()));
        put.item(attribute.0, attribute.1).send().await.unwrap();
        let error = world.applier.relay(&keys, world.deadline()).await.unwrap_err();
        assert!(matches!(error, ApplyError::Outbox(_)), "{error:?}");
        assert_eq!(world.bus.events().len(), 1, "the other one is published");
    }
}

#[tokio::test]
async fn a_table_is_told_by_its_name_from_others() {
    let world = World::<crate::world::Dynamo>::new().await;
    let client = world.place.client;
    let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/records";
    for name in ["records", arn] {
        let store = DynamoDbEffects::new(client.clone(), Table::new(name));
        assert!(store.has_outbox_in("records") && store.keeps("records"), "{name}");
        assert!(!store.has_outbox_in("orders") && !store.keeps("orders"), "{name}");
        let store = store.with_outbox(Table::new("outbox"));
        assert!(!store.has_outbox_in("records") && store.keeps("records"), "{name}");
        assert!(store.has_outbox_in("outbox") && store.keeps("outbox"), "{name}");
    }
}

#[tokio::test]
async fn a_composite_key_belongs_to_the_outbox_as_a_whole() {
    let world = World::<crate::world::Dynamo>::new().await;
    let table = Table::builder("orders").key("pk").composite_key("sk", "outbox").build().unwrap();
    let store = DynamoDbEffects::new(world.place.client, table);
    let key = |pk: &str, sk: &str| {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
    };
    assert_eq!(store.outbox_key(&key("outbox", "a#outbox#1")).unwrap().as_str(), "a#outbox#1",);
    for (pk, sk) in [
        ("other", "a#outbox#1"),
        ("outbox", "a#outbox#"),
        ("outbox", "a#outbox#x"),
        ("outbox", "a#outbox#1#2"),
        ("outbox", "#outbox#1"),
        ("outbox", "a"),
    ] {
        assert_eq!(store.outbox_key(&key(pk, sk)), None, "{pk} {sk}");
    }
}

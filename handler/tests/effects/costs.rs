//! The requests of each path, counted at the SDK's HTTP client.

use std::collections::HashMap;

use setpiece_handler::{DynamoDbEffects, Effects, Write};
use setpiece_policy::Fault;

use crate::world::{Dynamo, Place as _, PointsAwarded, THINGS, TierReached, World, award};

const CLAIM: &str = "UpdateItem";
const COMPLETE: &str = "UpdateItem";
const RELEASE: &str = "UpdateItem";
const COMMIT: &str = "TransactWriteItems";
const READ: &str = "BatchGetItem";
const REMOVE: &str = "BatchWriteItem";

async fn check(
    world: &World<Dynamo>,
    event: &str,
    effects: Effects,
    requests: &[&str],
    puts: usize,
) {
    let before = world.bus.requests().len();
    world.wire.take();
    _ = world.apply(event, effects).await;
    assert_eq!(world.wire.take_operations(), requests);
    assert_eq!(world.bus.requests().len() - before, puts);
}

#[tokio::test]
async fn a_first_delivery_claims_commits_publishes_and_removes() {
    let world = World::<Dynamo>::new().await;
    check(&world, "e-1", award(), &[CLAIM, COMMIT, REMOVE], 1).await;
    // Its outbox is looked at, since nobody knows whether it was cleared.
    check(&world, "e-1", award(), &[CLAIM, READ], 0).await;
}

/// An eventually consistent read may not see an event that the process which died has just staged,
/// and what it does not see counts as published.
#[tokio::test]
async fn the_outbox_is_read_consistently() {
    let world = World::<Dynamo>::new().await;
    world.apply("e-1", award()).await.unwrap();
    world.wire.take();
    world.apply("e-1", award()).await.unwrap();
    let reads: Vec<_> =
        world.wire.take().into_iter().filter(|exchange| exchange.operation == READ).collect();
    assert_eq!(reads.len(), 1);
    let tables = reads[0].request["RequestItems"].as_object().unwrap();
    assert_eq!(tables.len(), 1);
    assert!(tables.values().all(|table| table["ConsistentRead"] == true), "{tables:?}");
}

#[tokio::test]
async fn without_events_there_is_no_outbox() {
    let world = World::<Dynamo>::new().await;
    let write = || Effects::new().write(Write::update(THINGS, ("id", "a")).add("n", 1));
    check(&world, "e-1", write(), &[CLAIM, COMMIT], 0).await;
    check(&world, "e-1", write(), &[CLAIM], 0).await;
}

#[tokio::test]
async fn without_effects_there_is_no_transaction() {
    let world = World::<Dynamo>::new().await;
    check(&world, "e-1", Effects::none(), &[CLAIM, COMPLETE], 0).await;
    check(&world, "e-1", Effects::none(), &[CLAIM], 0).await;
}

#[tokio::test]
async fn what_is_stale_or_invalid_is_given_back() {
    let world = World::<Dynamo>::new().await;
    let stale = Write::check(THINGS, ("id", "a")).if_present().or_skip();
    let effects = Effects::new().write(stale).emit(TierReached { tier: "gold".to_owned() });
    check(&world, "e-1", effects, &[CLAIM, COMMIT, RELEASE], 0).await;
    let invalid = Effects::new().write(Write::update(THINGS, ("id", "")).set("a", 1));
    check(&world, "e-1", invalid, &[CLAIM, RELEASE], 0).await;
    world.deliver("e-1", async |_| Err(Fault::permanent("no"))).await.unwrap_err();
    assert_eq!(world.wire.take_operations(), [CLAIM, RELEASE]);
}

#[tokio::test]
async fn many_events_are_read_and_removed_together() {
    let world = World::<Dynamo>::new().await;
    let events = |count: usize| {
        (0..count)
            .fold(Effects::new(), |effects, n| effects.emit(TierReached { tier: n.to_string() }))
    };
    check(&world, "e-1", events(60), &[CLAIM, COMMIT, REMOVE, REMOVE, REMOVE], 6).await;
    check(&world, "e-1", events(60), &[CLAIM, READ], 0).await;
    assert_eq!(world.place.outbox().await, 0);
}

#[tokio::test]
async fn an_event_in_the_outbox_is_an_item_that_does_not_expire() {
    let world = World::<Dynamo>::new().await;
    world.apply("e-1", award()).await.unwrap();
    let exchanges = world.wire.take();
    let commit = exchanges.iter().find(|exchange| exchange.operation == COMMIT).unwrap();
    let actions = commit.request["TransactItems"].as_array().unwrap();
    assert_eq!(actions.len(), 5);
    assert!(commit.request["ClientRequestToken"].is_string());
    let item = &actions[3]["Put"]["Item"];
    let names: HashMap<String, serde_json::Value> = serde_json::from_value(item.clone()).unwrap();
    let mut names: Vec<&str> = names.keys().map(String::as_str).collect();
    names.sort_unstable();
    let own = [DynamoDbEffects::CREATED_AT, DynamoDbEffects::EVENT, DynamoDbEffects::OWNER];
    assert_eq!(names, [&["id"][..], &own].concat());
    assert_eq!(item[DynamoDbEffects::OWNER]["S"], "loyalty@default");
    let key = item["id"]["S"].as_str().unwrap();
    assert!(key.ends_with("#outbox#0"), "{key}");
    let event = item[DynamoDbEffects::EVENT]["S"].as_str().unwrap();
    let event: setpiece_bus::OutgoingEvent = serde_json::from_str(event).unwrap();
    assert_eq!(event.name(), "points_awarded");
    assert_eq!(event.event_id(), &world.bus.published::<PointsAwarded>()[0].metadata.event_id);
    // What is written goes through placeholders only.
    let update = &actions[1]["Update"];
    assert_eq!(update["UpdateExpression"], "ADD #n0 :v0");
    assert_eq!(update["ExpressionAttributeNames"]["#n0"], "balance");
}

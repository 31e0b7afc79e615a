//! What a transaction has no room for, found before anything is asked of the store.

use std::collections::HashMap;

use serde::Serialize;
use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
use setpiece_handler::{ApplyError, Effects, InvalidEffects, ItemKey, Write};
use setpiece_policy::{Disposition, Fault};

use crate::world::{
    Dynamo, LOYALTY, PAIRS, Place, PointsAwarded, THINGS, TierReached, World, fresh, in_both_places,
};

fn gold(n: usize) -> TierReached {
    TierReached { tier: n.to_string() }
}

fn many(writes: usize, events: usize) -> Effects {
    let effects = (0..writes).fold(Effects::new(), |effects, n| {
        let key = ("id", format!("thing-{n}"));
        effects.write(Write::update(THINGS, key).set("n", n))
    });
    (0..events).fold(effects, |effects, n| effects.emit(gold(n)))
}

pub(crate) async fn invalid<P: Place>(world: &World<P>, effects: Effects) -> InvalidEffects {
    let before = world.gate.passed();
    let error = world.apply("e-1", effects).await.unwrap_err();
    // The claim and its release.
    assert_eq!(world.gate.passed() - before, 4);
    let invalid = match &error {
        ApplyError::Invalid(invalid) => invalid.clone(),
        other => panic!("{other:?}"),
    };
    let fault = Fault::from(error);
    assert_eq!(fault.disposition(), Disposition::Quarantine);
    assert!(!fault.may_have_happened());
    invalid
}

/// A put of an item with so many bytes in all.
fn of_size(n: usize, bytes: usize) -> Write {
    let key = ItemKey::from(("pk", "p")).and("sk", i64::try_from(n + 1).unwrap());
    // `pk`, `p`, `sk`, a number of one or two digits, and `x`.
    let rest = 2 + 1 + 2 + 2 + 1;
    Write::put(PAIRS, key, &HashMap::from([("x", "y".repeat(bytes - rest))]))
}

in_both_places! {
    async fn a_hundred_operations_are_enough<P>(world: &World<P>) {
        for (writes, events) in [(100, 0), (0, 100), (60, 40)] {
            let invalid = invalid(world, many(writes, events)).await;
            let InvalidEffects::TooManyOperations { operations, limit, .. } = invalid else {
                panic!("{invalid:?}");
            };
            assert_eq!((operations, limit), (101, 100));
        }
        assert_eq!(world.apply("e-1", many(50, 49)).await.unwrap(), fresh(50, 49));
        assert_eq!(world.bus.events().len(), 49);
        assert_eq!(world.place.outbox().await, 0);
        assert_eq!(world.apply("e-2", many(99, 0)).await.unwrap(), fresh(99, 0));
        assert_eq!(world.place.items(THINGS).await.len(), 99);
    }

    async fn an_item_has_400_kb<P>(world: &World<P>) {
        let limit = 400 * 1024;
        let effects = Effects::new().write(Write::delete(THINGS, ("id", "x"))).write(of_size(0, limit + 1));
        let InvalidEffects::WriteTooLarge { index, bytes, .. } = invalid(world, effects).await else {
            panic!()
        };
        assert_eq!((index, bytes), (1, limit + 1));
        let exactly = Effects::new().write(of_size(0, limit));
        assert_eq!(world.apply("e-1", exactly).await.unwrap(), fresh(1, 0));
    }

    async fn a_transaction_has_4_mb<P>(world: &World<P>) {
        let writes = |bytes: usize| {
            (0..10).fold(Effects::new(), |effects, n| effects.write(of_size(n, 400 * 1024)))
                .write(Write::update(THINGS, ("id", "x")).set("x", "y".repeat(bytes)))
        };
        let InvalidEffects::TooLarge { bytes, limit, .. } = invalid(world, writes(200_000)).await else {
            panic!()
        };
        assert_eq!(limit, 4 * 1024 * 1024);
        let exactly = 200_000 - (bytes - limit);
        let over = invalid(world, writes(exactly + 1)).await;
        assert_eq!(over.to_string(), "the effects have 4194305 bytes, more than the 4194304 of a transaction");
        assert_eq!(world.apply("e-1", writes(exactly)).await.unwrap(), fresh(11, 0));
        assert_eq!(world.place.items(PAIRS).await.len(), 10);
    }

    async fn an_event_has_to_fit_an_item<P>(world: &World<P>) {
        let event = |bytes: usize| PointsAwarded { customer_id: "y".repeat(bytes), points: 1 };
        // The subject is longer than readers take, so it cannot be written in the first place.
        let effects = Effects::new().emit(event(2000));
        let InvalidEffects::Event { index: 0, .. } = invalid(world, effects).await else { panic!() };
        let event = |bytes: usize| TierReached { tier: "y".repeat(bytes) };
        let effects = Effects::new().emit(gold(0)).emit(event(410_000));
        let InvalidEffects::EventTooLarge { index, limit, .. } = invalid(world, effects).await else {
            panic!()
        };
        assert_eq!((index, limit), (1, 400 * 1024));
        let effects = Effects::new().emit(event(390_000));
        assert_eq!(world.apply("e-1", effects).await.unwrap(), fresh(0, 1));
        assert_eq!(world.bus.events().len(), 1);
    }

    async fn two_writes_on_one_item_are_a_mistake<P>(world: &World<P>) {
        let key = |text: &str| ItemKey::from(("pk", text)).and("sk", 1);
        let swapped = |text: &str| ItemKey::from(("sk", 1)).and("pk", text);
        let effects = Effects::new()
            .write(Write::update(PAIRS, key("a")).set("x", 1))
            .write(Write::update(PAIRS, key("b")).set("x", 1))
            .write(Write::check(PAIRS, swapped("a")).if_present());
        let InvalidEffects::SameItem { first, second, .. } = invalid(world, effects).await else {
            panic!()
        };
        assert_eq!((first, second), (0, 2));
        // The same key in another table, and another key, are other items.
        let effects = Effects::new()
            .write(Write::update(PAIRS, key("a")).set("x", 1))
            .write(Write::update(PAIRS, ItemKey::from(("pk", "a")).and("sk", 2)).set("x", 1))
            .write(Write::update(THINGS, ("id", "a")).set("x", 1));
        assert_eq!(world.apply("e-1", effects).await.unwrap(), fresh(3, 0));
    }

    async fn a_mistake_in_one_write_stops_all<P>(world: &World<P>) {
        for (index, broken) in [
            Write::update(THINGS, ("id", "b")),
            Write::check(THINGS, ("id", "b")),
            Write::update(THINGS, ("id", "b")).set("id", "c"),
        ].into_iter().enumerate() {
            let effects = many(1, 1).write(broken);
            let InvalidEffects::Write { index: 1, .. } = invalid(world, effects).await else {
                panic!("{index}")
            };
        }
        let effects = many(1, 0).emit(gold(0)).emit(Broken { ratio: f64::NAN });
        let InvalidEffects::Event { index: 1, problem, .. } = invalid(world, effects).await else {
            panic!()
        };
        assert!(problem.to_string().contains("ratio"), "{problem}");
        assert_eq!(world.place.items(THINGS).await.len(), 0);
        assert!(world.bus.events().is_empty());
    }
}

#[derive(Serialize)]
struct Broken {
    ratio: f64,
}

impl DomainEvent for Broken {
    type Previous = First;
    const SERVICE: ServiceId = LOYALTY;
    const NAME: &'static str = "broken";
    const VERSION: EventVersion = EventVersion::new(1);
}

#[tokio::test]
async fn a_write_of_the_sdk_goes_along() {
    use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
    let world = World::<Dynamo>::new().await;
    let native = |id: &str| {
        let update = Update::builder()
            .table_name(THINGS)
            .key("id", AttributeValue::S(id.to_owned()))
            .update_expression("SET a.b = :one")
            .condition_expression("attribute_exists(a.b)")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        TransactWriteItem::builder().update(update.build().unwrap()).build()
    };
    world
        .seed(
            Effects::new()
                .write(Write::update(THINGS, ("id", "x")).set("a", HashMap::from([("b", 0)]))),
        )
        .await;
    let write = |id| Write::from(native(id)).or_skip();
    assert_eq!(world.apply("e-0", Effects::new().write(write("x"))).await.unwrap(), fresh(1, 0));
    let skipped = world.apply("e-2", Effects::new().write(write("y"))).await.unwrap();
    assert_eq!(skipped, crate::world::stale(0));
    let twice =
        Effects::new().write(Write::update(THINGS, ("id", "x")).set("c", 1)).write(native("x"));
    let InvalidEffects::SameItem { .. } = invalid(&world, twice).await else { panic!() };
    let memory = World::<crate::world::Memory>::new().await;
    let InvalidEffects::Write { index: 0, .. } =
        invalid(&memory, Effects::new().write(native("x"))).await
    else {
        panic!()
    };
}

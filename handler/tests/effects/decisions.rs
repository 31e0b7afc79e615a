//! Decisions alone: what a unit test sees of them.

use std::collections::HashMap;

use serde::Serialize;
use setpiece_bus::OutgoingEvent;
use setpiece_envelope::{Clock as _, DomainEvent, EventVersion, First, FixedClock, ServiceId};
use setpiece_handler::{
    EffectStore as _, Effects, ItemKey, MemoryEffects, OutboxEntry, OutboxKey, OutboxOwner, Write,
};
use setpiece_idempotency::Key;
use setpiece_policy::Fault;
use setpiece_testing::sample;

use crate::world::{LOYALTY, PointsAwarded, TierReached, award};

fn gold() -> TierReached {
    TierReached { tier: "gold".to_owned() }
}

#[test]
fn effects_are_equal_when_they_do_the_same() {
    assert_eq!(award(), award());
    assert_eq!(Effects::none(), Effects::new());
    let update = |key: ItemKey| Effects::new().write(Write::update("t", key).set("a", 1));
    let base = || update(("id", "a").into());
    assert_eq!(base(), base());
    for other in [
        Effects::new(),
        update(("id", "b").into()),
        update(("other", "a").into()),
        update(ItemKey::from(("id", "a")).and("sk", 1)),
        Effects::new().write(Write::update("u", ("id", "a")).set("a", 1)),
        Effects::new().write(Write::update("t", ("id", "a")).set("a", 2)),
        Effects::new().write(Write::update("t", ("id", "a")).add("a", 1)),
        Effects::new().write(Write::update("t", ("id", "a")).set("a", 1).if_present()),
        Effects::new().write(Write::update("t", ("id", "a")).set("a", 1).or_skip()),
        base().emit(gold()),
        base().and(base()),
    ] {
        assert_ne!(base(), other);
    }
    assert_eq!(base().emit(gold()), base().and(Effects::new().emit(gold())));
    assert_ne!(
        Effects::new().emit(gold()),
        Effects::new().emit(TierReached { tier: String::new() })
    );
}

#[test]
fn what_is_worth_the_same_is_the_same() {
    use serde_dynamo::string_set::StringSet;
    let set = |value: f64| Write::update("t", ("id", "a")).set("a", value);
    assert_eq!(set(1.0), Write::update("t", ("id", "a")).set("a", 1));
    let tags =
        |tags: [&'static str; 2]| Write::update("t", ("id", "a")).add("tags", StringSet(tags));
    assert_eq!(tags(["x", "y"]), tags(["y", "x"]));
}

#[test]
fn events_can_be_looked_at() {
    let effects = award();
    assert_eq!(effects.written().len(), 2);
    assert_eq!(effects.written()[0].table(), "things");
    let [awarded, reached] = effects.emitted() else { panic!("{effects:?}") };
    assert_eq!((awarded.name(), awarded.subject()), ("points_awarded", Some("cu-1")));
    assert_eq!((reached.source(), reached.version()), (TierReached::SOURCE, EventVersion::new(2)));
    assert_eq!(awarded.data(), Some(serde_json::json!({ "customer_id": "cu-1", "points": 100 })));
    assert_eq!(effects.emitted_as::<TierReached>(), [gold()]);
    assert_eq!(effects.emitted_as::<PointsAwarded>()[0].points, 100);
    assert!(awarded.is::<PointsAwarded>() && !awarded.is::<TierReached>());
}

#[test]
fn debug_shows_what_is_done_and_no_values() {
    let effects = award()
        .write(
            Write::update("accounts", [("pk", "secret-pk"), ("sk", "secret-sk")])
                .set("name", "secret-name")
                .remove("old")
                .append("log", "secret-entry")
                .if_equals("status", "secret-status")
                .or_fault(Fault::conflict("the account is closed")),
        )
        .write(Write::last_seen("seen", ("subject", "secret-subject"), 17))
        .write(Write::delete("t", ("id", "secret-id")).if_absent());
    let debug = format!("{effects:#?}");
    assert_eq!(
        debug,
        "\
Effects {
    writes: [
        update things[id] {add balance},
        put pairs[pk, sk] {pk, sk, tier},
        update accounts[pk, sk] {set name, remove old, append log} if status equals or fault (conflict: the account is closed),
        update seen[subject] {set last_seen} if newer than last_seen or skip,
        delete t[id] if absent,
    ],
    emitted: [
        points_awarded v1 of retail.marketing.loyalty,
        tier_reached v2 of retail.marketing.loyalty,
    ],
}"
    );
    assert!(!debug.contains("secret") && !debug.contains("cu-1") && !debug.contains("gold"));
}

#[test]
fn debug_of_what_is_stored_shows_no_values() {
    let secret = PointsAwarded { customer_id: "secret".to_owned(), points: 1 };
    let event = OutgoingEvent::new(sample(secret).envelope()).unwrap();
    let record = Key::of("secret").unwrap();
    let key = OutboxKey::parse("secret#outbox#0").unwrap();
    let entry = OutboxEntry::new(
        key,
        OutboxOwner::new("loyalty", "bus"),
        event,
        FixedClock::default().now(),
    )
    .unwrap();
    let staged = MemoryEffects::new(FixedClock::default()).stage(&entry).unwrap();
    let debug = format!("{entry:?} {staged:?} {record:?}");
    assert!(debug.contains("points_awarded") && !debug.contains("secret"), "{debug}");
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

#[test]
fn an_event_without_a_form_is_kept_as_what_is_wrong_with_it() {
    let effects = Effects::new().emit(Broken { ratio: f64::NAN });
    let emitted = &effects.emitted()[0];
    assert!(emitted.invalid().unwrap().to_string().contains("ratio"));
    assert_eq!((emitted.name(), emitted.data()), ("broken", None));
    assert_eq!(effects, Effects::new().emit(Broken { ratio: f64::INFINITY }));
    assert_ne!(effects, Effects::new().emit(Broken { ratio: 1.0 }));
    assert!(format!("{effects:?}").contains("invalid"));
}

#[test]
fn a_write_tells_its_own_mistakes() {
    let debug = |write: Write| format!("{write:?}");
    let item = HashMap::from([("id", "b")]);
    for (write, mistake) in [
        (Write::update("", ("id", "a")).set("a", 1), "is empty"),
        (Write::update("t", ("", "a")).set("a", 1), "is empty"),
        (Write::update("t", ("id", "")).set("a", 1), "is empty"),
        (
            Write::update("t", ItemKey::from(("a", 1)).and("b", 2).and("c", 3)).set("x", 1),
            "is empty",
        ),
        (Write::update("t", ("id", "a")).set("id", "b"), "`id` is part of the key"),
        (Write::put("t", ("id", "a"), &item), "`id` is part of the key"),
        (Write::put("t", ("id", "a"), &17), "not an item"),
        (Write::update("t", ("id", "a")).set("a", 1).set("a", 2), "`a` is changed twice"),
        (Write::update("t", ("id", "a")).set("a", f64::NAN), "`a` has a value"),
        (Write::update("t", ("id", "a")).add("a", "text"), "`a` has a value"),
        (Write::update("t", ("id", "a")).if_less_than("a", true), "`a` has a value"),
        (Write::delete("t", ("id", "a")).set("a", 1), "only an update"),
        (
            Write::update("t", ("id", "a"))
                .add("a", serde_dynamo::string_set::StringSet(Vec::<String>::new())),
            "`a` has a value",
        ),
    ] {
        let debug = debug(write);
        assert!(debug.contains(mistake), "{debug}");
    }
}

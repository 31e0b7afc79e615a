//! The stream of the table with the outbox: the relay for processes that never came back.

use setpiece_bus::{OutgoingEvent, Publisher};
use setpiece_handler::{Applier, EffectStore as _, Effects, Unhandled, Write};
use setpiece_idempotency::{Guard, Key, Lease};
use setpiece_policy::{Retry, SeededRandom};
use setpiece_testing::{EntryFault, StreamRecord, sample, stream_event};

use crate::shop::{PointsAwarded, RuntimeSleep, Shop, award_points, failures};

/// Commits and does not publish; says which items were put into the outbox.
async fn abandoned(shop: &Shop) -> Vec<String> {
    shop.bus.fail_entries(EntryFault::code("NotAuthorizedForSourceException").times(2));
    let retry = Retry::new(shop.clock.clone(), SeededRandom::new(1), RuntimeSleep);
    let publisher = Publisher::new(shop.bus.clone(), retry.clone());
    let records = shop.effects.records().clone();
    let guard =
        Guard::builder(records, "a", "b", shop.clock.clone(), SeededRandom::new(1), RuntimeSleep);
    let guard = guard.build().unwrap();
    let applier = Applier::new(shop.effects.clone().into(), publisher, retry);
    let effects = ["c1", "c2"].into_iter().fold(Effects::new(), |effects, customer| {
        effects
            .write(Write::update("points", ("customer", customer)).add("points", 100))
            .emit(PointsAwarded { customer: customer.to_owned(), points: 100 })
    });
    let lease = Lease::until(shop.deadline());
    let cause = setpiece_handler::Cause::other(setpiece_envelope::Correlation::root());
    let key = Key::of("e-1").unwrap();
    let applied =
        applier.apply(&guard, &key, lease, &cause, shop.deadline(), async |_| Ok(effects)).await;
    applied.unwrap_err();
    assert!(shop.awarded().is_empty());
    shop.effects.outbox().iter().map(|key| key.as_str().to_owned()).collect()
}

fn event() -> OutgoingEvent {
    let sample = sample(PointsAwarded { customer: "c".into(), points: 1 });
    OutgoingEvent::new(sample.envelope()).unwrap()
}

/// What the stream shows: all of it, or the keys only.
fn inserted(keys: &[String], whole: bool) -> Vec<u8> {
    let keys = keys.iter().map(|key| serde_json::json!({ "id": { "S": key } }).to_string());
    let keys: Vec<_> = keys.collect();
    let event = serde_json::to_string(&event()).unwrap();
    let new = serde_json::json!({ "outbox_event": { "S": event } }).to_string();
    let records =
        keys.iter().map(|keys| StreamRecord::insert(keys, if whole { &new } else { keys }));
    stream_event(records)
}

#[tokio::test(start_paused = true)]
async fn the_stream_publishes_what_its_process_did_not() {
    for whole in [true, false] {
        let shop = Shop::new();
        let keys = abandoned(&shop).await;
        assert_eq!(keys.len(), 2);
        let app = shop.app();
        for _ in 0..2 {
            let answer = app.invoke(&inserted(&keys, whole), shop.deadline()).await.unwrap();
            assert_eq!(failures(&answer), [""; 0]);
            assert_eq!(shop.awarded(), ["c1", "c2"]);
            assert!(shop.effects.outbox().is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_from_the_outbox_is_done() {
    let shop = Shop::new();
    let keys = r#"{"id":{"S":"a#b#c#outbox#0"}}"#;
    let removed = stream_event([StreamRecord::remove(keys, keys)]);
    let answer = shop.app().invoke(&removed, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
}

/// It would be acknowledged, and nobody would publish it.
#[tokio::test(start_paused = true)]
async fn an_outbox_that_is_not_ours_fails() {
    let shop = Shop::new();
    let handlers = shop.handlers().on(award_points).unhandled(Unhandled::Ignore);
    let app = shop.app_of(handlers).build().unwrap();
    let event = serde_json::to_string(&serde_json::to_string(&event()).unwrap()).unwrap();
    let (keys, new) = (
        r#"{"pk":{"S":"a#b#c#outbox#0"}}"#,
        format!(r#"{{"pk":{{"S":"a#b#c#outbox#0"}},"outbox_event":{{"S":{event}}}}}"#),
    );
    let inserted = stream_event([StreamRecord::insert(keys, &new)]);
    let answer = app.invoke(&inserted, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer).len(), 1);
}

/// The outbox is left as it is until the bus takes its events; what caused them comes again.
#[tokio::test(start_paused = true)]
async fn a_relay_that_fails_comes_again() {
    let shop = Shop::new();
    let keys = abandoned(&shop).await;
    shop.bus.fail_entries(EntryFault::code("NotAuthorizedForSourceException").times(1));
    let answer = shop.app().invoke(&inserted(&keys, true), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer).len(), 1);
    let answer = shop.app().invoke(&inserted(&keys, true), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert!(shop.effects.outbox().is_empty());
}

//! The stream of the table with the outbox: the relay for processes that never came back.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use setpiece_bus::{OutgoingEvent, Publisher};
use setpiece_handler::{
    Allow, App, Applier, Cx, DynamoDbEffects, EffectStore as _, Effects, Handlers, ItemChange,
    Unhandled, Write,
};
use setpiece_idempotency::{Guard, Key, Lease, dynamodb::Table};
use setpiece_policy::{Fault, Retry, SeededRandom};
use setpiece_testing::{
    ACCOUNT, EntryFault, FakeBus, LocalDynamoDb, StreamRecord, sample, stream_event,
};

use crate::shop::{
    LOYALTY, Loyalty, PointsAwarded, RuntimeSleep, Shop, award_points, failures, registered,
};

/// Commits and does not publish; says which items were put into the outbox.
async fn abandoned(shop: &Shop) -> Vec<String> {
    shop.bus.fail_entries(EntryFault::code("NotAuthorizedForSourceException").times(2));
    let retry = Retry::new(shop.clock.clone(), SeededRandom::new(1), RuntimeSleep);
    let publisher = Publisher::new(shop.bus.clone(), retry.clone());
    let records = Arc::clone(shop.effects.records());
    let guard =
        Guard::builder(records, "a", "b", shop.clock.clone(), SeededRandom::new(1), RuntimeSleep);
    let guard = guard.build().unwrap();
    let applier = Applier::new(&LOYALTY.to_string(), shop.effects.clone().into(), publisher, retry);
    let effects = ["c1", "c2"].into_iter().fold(Effects::new(), |effects, customer| {
        effects
            .write(Write::update("points", ("customer", customer)).add("points", 100))
            .emit(PointsAwarded { customer: customer.to_owned(), points: 100 })
    });
    let lease = Lease::until(shop.deadline());
    let cause = setpiece_handler::Cause::other(setpiece_envelope::Correlation::root());
    let key = Key::of("e-1").unwrap();
    let end =
        applier.apply(&guard, &key, lease, &cause, shop.deadline(), async |_| Ok(effects)).await;
    end.unwrap_err();
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

fn keyed(key: &str) -> String {
    serde_json::json!({ "id": { "S": key } }).to_string()
}

/// The item of the outbox with this key.
fn outbox_item(key: &str) -> String {
    let event = serde_json::to_string(&event()).unwrap();
    serde_json::json!({ "id": { "S": key }, "outbox_event": { "S": event } }).to_string()
}

/// It would be looked for in our own, and taken for one that is published.
#[tokio::test(start_paused = true)]
async fn an_outbox_of_another_table_fails() {
    let shop = Shop::new();
    let (keys, new) = (keyed("a#b#c#outbox#0"), outbox_item("a#b#c#outbox#0"));
    for new in [&new, &keys] {
        for (table, failed) in [("records", 0), ("other", 1)] {
            let handlers = shop.handlers().on(award_points).unhandled(Unhandled::Ignore);
            let app = app_in("records", &shop, handlers, Allow::new());
            let inserted = stream_event([StreamRecord::insert(&keys, new).of_table(table)]);
            let answer = app.invoke(&inserted, shop.deadline()).await.unwrap();
            assert_eq!(failures(&answer).len(), failed, "{table}");
            assert!(shop.quarantine.items().is_empty());
        }
    }
}

/// While two versions of a service run, the older one may read what the newer one put there.
#[tokio::test(start_paused = true)]
async fn an_event_of_a_newer_version_waits_for_one_that_can_read_it() {
    let shop = Shop::new();
    let database = database("records", &shop);
    let handlers = shop.handlers().on(award_points);
    let app = app_on(&database, "records", &shop, handlers, Allow::new());
    let keys = keyed("a#b#c#outbox#0");
    let newer = r#"{"id":{"S":"a#b#c#outbox#0"},"outbox_event":{"S":"{\"is\":\"newer\"}"}}"#;
    let put = database.client().put_item().table_name("records");
    let put = put.item("id", AttributeValue::S("a#b#c#outbox#0".to_owned()));
    put.item("outbox_event", AttributeValue::S(r#"{"is":"newer"}"#.to_owned()))
        .send()
        .await
        .unwrap();
    let inserted = stream_event([StreamRecord::insert(&keys, newer).of_table("records")]);
    let answer = app.invoke(&inserted, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer).len(), 1);
    assert!(shop.quarantine.items().is_empty());
    // The newer one has published it.
    let delete = database.client().delete_item().table_name("records");
    delete.key("id", AttributeValue::S("a#b#c#outbox#0".to_owned())).send().await.unwrap();
    let removed = stream_event([
        StreamRecord::insert(&keys, newer).of_table("records"),
        StreamRecord::remove(&keys, newer).of_table("records"),
    ]);
    let answer = app.invoke(&removed, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
}

/// A key can be anything.
#[tokio::test(start_paused = true)]
async fn an_item_with_a_key_like_the_outboxs_reaches_its_handler() {
    let shop = Shop::new();
    let keys = keyed("abc#outbox#7");
    let item = r#"{"id":{"S":"abc#outbox#7"},"customer":{"S":"c0"}}"#;
    // That of the outbox may have items of the business, too.
    for (table, new) in [("orders", item), ("orders", &keys), ("records", item)] {
        let app = app_in("records", &shop, shop.handlers().on_payload(note), Allow::new());
        let change = stream_event([StreamRecord::insert(&keys, new).of_table(table)]);
        let answer = app.invoke(&change, shop.deadline()).await.unwrap();
        assert_eq!(failures(&answer), [""; 0]);
        assert_eq!(std::mem::take(&mut *shop.state.order.lock().unwrap()), ["noted"]);
    }
}

async fn note(cx: &Cx<Loyalty>, _: ItemChange) -> Result<Effects, Fault> {
    cx.state.order.lock().unwrap().push("noted".to_owned());
    Ok(Effects::none())
}

/// Whoever names events chooses what ends the keys of their records.
#[tokio::test(start_paused = true)]
async fn a_record_with_a_key_like_the_outboxs_blocks_nothing() {
    let shop = Shop::new();
    let database = database("records", &shop);
    let handlers = shop.handlers().on(award_points);
    let app = app_on(&database, "records", &shop, handlers, Allow::new());
    let hostile = registered("c1").event_id("x#outbox#1").event_bridge();
    app.invoke(&hostile, shop.deadline()).await.unwrap();
    let [record] = &database.items("records")[..] else { panic!("the record alone is left") };
    let keys = serde_json::json!({ "id": record["id"] }).to_string();
    assert!(keys.contains("#outbox#1"));
    for new in [&keys, &serde_json::to_string(record).unwrap()] {
        let change = stream_event([StreamRecord::insert(&keys, new).of_table("records")]);
        let answer = app.invoke(&change, shop.deadline()).await.unwrap();
        assert_eq!(failures(&answer), [""; 0]);
    }
}

/// The outbox is left as it is until the bus takes its events; what caused them comes again.
#[tokio::test(start_paused = true)]
async fn a_relay_that_fails_comes_again() {
    let shop = Shop::new();
    let keys = abandoned(&shop).await;
    shop.bus.fail_entries(EntryFault::code("NotAuthorizedForSourceException").nth(0));
    let answer = shop.app().invoke(&inserted(&keys, true), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer).len(), 1);
    assert_eq!(shop.bus.events().len(), 1, "events of an outbox do not wait for each other");
    assert!(shop.quarantine.items().is_empty());
    let answer = shop.app().invoke(&inserted(&keys, true), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert!(shop.effects.outbox().is_empty());
}

fn refused(code: &str) -> EntryFault {
    EntryFault::code(code)
        .when(|it| it.detail.as_deref().is_some_and(|it| it.contains("\"c1\"")))
        .always()
}

/// Whatever it is that the bus never takes, what is behind it in the shard is published, in this
/// batch and in the next.
#[tokio::test(start_paused = true)]
async fn an_event_that_the_bus_never_takes_is_put_aside_with_its_bytes() {
    for (code, whole) in [
        ("InvalidArgument", true),
        ("MalformedDetail", false),
        ("NotAuthorizedForDetailTypeException", true),
        ("NotAuthorizedForSourceException", false),
    ] {
        let shop = Shop::new();
        let keys = abandoned(&shop).await;
        shop.bus.fail_entries(refused(code));
        let reports = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = Arc::clone(&reports);
        let app = shop.app_of(shop.handlers());
        let app = app.observer(move |it| heard.lock().unwrap().push(it.ending.name()));
        let app = app.build().unwrap();
        let mut last = String::new();
        for _ in 0..3 {
            last = app.invoke(&inserted(&keys, whole), shop.deadline()).await.unwrap();
            assert_eq!(shop.awarded(), ["c2"], "{code}");
            tokio::time::advance(std::time::Duration::from_secs(30)).await;
        }
        assert_eq!(failures(&last), [""; 0], "{code}");
        let [kept] = &shop.quarantine.items()[..] else { panic!("{code}") };
        assert_eq!(kept.reason, setpiece_handler::Reason::Unpublished);
        assert!(shop.effects.outbox().is_empty(), "it is in one place");
        assert!(reports.lock().unwrap().contains(&"Quarantined"));
        let event: OutgoingEvent = serde_json::from_slice(&kept.bytes).unwrap();
        assert_eq!(Some(event.event_id()), kept.event_id.as_ref());
        assert!(event.detail().contains("\"c1\""));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_quarantine_it_stays_in_the_outbox_and_is_reported() {
    let shop = Shop::new();
    let keys = abandoned(&shop).await;
    shop.bus.fail_entries(refused("InvalidArgument"));
    let reports = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&reports);
    let app = shop.app_without_quarantine(shop.handlers());
    let app = app.observer(move |it| heard.lock().unwrap().push(it.ending.name())).build().unwrap();
    let answer = app.invoke(&inserted(&keys, true), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert_eq!((shop.awarded(), shop.effects.outbox().len()), (vec!["c2".to_owned()], 1));
    assert!(reports.lock().unwrap().contains(&"Unpublished"));
}

#[tokio::test(start_paused = true)]
async fn an_event_stays_in_the_outbox_until_the_quarantine_has_it() {
    let shop = Shop::new();
    let keys = abandoned(&shop).await;
    shop.bus.fail_entries(refused("InvalidArgument"));
    shop.quarantine.set_down(true);
    let answer = shop.app().invoke(&inserted(&keys, true), shop.deadline()).await.unwrap();
    assert_eq!((failures(&answer).len(), shop.effects.outbox().len()), (1, 1));
    assert_eq!(shop.awarded(), ["c2"]);
}

/// Two services have their records in one table, and each reads its stream.
#[tokio::test(start_paused = true)]
async fn the_events_of_another_service_are_left_to_its_relay() {
    const MAILING: setpiece_envelope::ServiceId =
        setpiece_envelope::ServiceId::new("shop", "customers", "mailing");
    for whole in [true, false] {
        let shop = Shop::new();
        let keys = abandoned(&shop).await;
        let reports = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = Arc::clone(&reports);
        let bus = FakeBus::named("mailing");
        let retry = Retry::new(shop.clock.clone(), SeededRandom::new(1), RuntimeSleep);
        for service in [MAILING, LOYALTY] {
            let heard = Arc::clone(&heard);
            let other = App::builder(
                service,
                shop.handlers(),
                shop.effects.clone(),
                Publisher::new(bus.clone(), retry.clone()),
                shop.clock.clone(),
                SeededRandom::new(2),
                RuntimeSleep,
            )
            .observer(move |it| heard.lock().unwrap().push(it.ending.name()))
            .build()
            .unwrap();
            let answer = other.invoke(&inserted(&keys, whole), shop.deadline()).await.unwrap();
            assert_eq!(failures(&answer), [""; 0], "no shard waits for somebody else");
            assert_eq!((bus.events().len(), shop.effects.outbox().len()), (0, 2));
        }
        let foreign = reports.lock().unwrap().iter().filter(|it| **it == "Foreign").count();
        assert_eq!(foreign, 4);
        shop.app().invoke(&inserted(&keys, whole), shop.deadline()).await.unwrap();
        assert_eq!(
            (shop.awarded(), shop.effects.outbox().len()),
            (vec!["c1".into(), "c2".into()], 0)
        );
    }
}

/// The items of a table, of which one cannot be handled now.
async fn watch(cx: &Cx<Loyalty>, change: ItemChange) -> Result<Effects, Fault> {
    let customer: String = change.after::<Customer>()?.unwrap().customer;
    cx.state.order.lock().unwrap().push(customer.clone());
    tokio::task::yield_now().await;
    if customer == "c1" { Err(Fault::transient("not now")) } else { Ok(Effects::none()) }
}

#[derive(serde::Deserialize)]
struct Customer {
    customer: String,
}

#[tokio::test(start_paused = true)]
async fn changes_of_a_table_keep_their_order() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_payload(watch)).build().unwrap();
    let items: Vec<_> = ["c0", "c1", "c2"]
        .map(|customer| serde_json::json!({ "customer": { "S": customer } }).to_string())
        .into();
    let changes = stream_event(items.iter().map(|item| StreamRecord::insert(item, item)));
    let answer = app.invoke(&changes, shop.deadline()).await.unwrap();
    assert_eq!(*shop.state.order.lock().unwrap(), ["c0", "c1"]);
    let json: serde_json::Value = serde_json::from_slice(&changes).unwrap();
    let second = json["Records"][1]["dynamodb"]["SequenceNumber"].as_str().unwrap();
    assert_eq!(failures(&answer), [second]);
}

/// An app whose records and outbox are in one table of DynamoDB.
fn app_in(table: &str, shop: &Shop, handlers: Handlers<Loyalty>, allow: Allow) -> DynamoApp {
    app_on(&database(table, shop), table, shop, handlers, allow)
}

fn database(table: &str, shop: &Shop) -> LocalDynamoDb {
    let database = LocalDynamoDb::new(shop.clock.clone());
    for table in [table, "points"] {
        database.create_table(table, if table == "points" { "customer" } else { "id" });
    }
    database
}

fn app_on(
    database: &LocalDynamoDb,
    table: &str,
    shop: &Shop,
    handlers: Handlers<Loyalty>,
    allow: Allow,
) -> DynamoApp {
    let retry = Retry::new(shop.clock.clone(), SeededRandom::new(1), RuntimeSleep);
    App::builder(
        LOYALTY,
        handlers,
        DynamoDbEffects::new(database.client(), Table::new(table.to_owned())),
        Publisher::new(shop.bus.clone(), retry),
        shop.clock.clone(),
        SeededRandom::new(2),
        RuntimeSleep,
    )
    .quarantine(shop.quarantine.clone())
    .allow(allow)
    .build()
    .unwrap()
}

type DynamoApp = App<Loyalty, DynamoDbEffects, FakeBus>;

/// The records and the outbox are in one table, so the stream of the outbox has the records as
/// well. Nobody asks where they come from, since nobody takes them.
#[tokio::test(start_paused = true)]
async fn the_stream_of_the_records_is_for_nobody() {
    let shop = Shop::new();
    let keys = r#"{"id":{"S":"shop#award#1:a"}}"#;
    let change = stream_event([StreamRecord::insert(keys, keys).of_table("records")]);
    for allow in [Allow::new(), Allow::new().account(ACCOUNT)] {
        let handlers = shop.handlers().on(award_points);
        let app = app_in("records", &shop, handlers, allow);
        let answer = app.invoke(&change, shop.deadline()).await.unwrap();
        assert_eq!(failures(&answer), [""; 0]);
        assert!(shop.quarantine.items().is_empty());
    }
    let app = app_in("other", &shop, shop.handlers().on(award_points), Allow::new());
    let answer = app.invoke(&change, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer).len(), 1);
}

/// Without a quarantine they would block their shard.
#[tokio::test(start_paused = true)]
async fn the_outbox_needs_no_origin() {
    let shop = Shop::new();
    let keys = abandoned(&shop).await;
    let handlers = shop.handlers().on(award_points);
    let app = shop.app_of(handlers).allow(Allow::new().account(ACCOUNT)).build().unwrap();
    let answer = app.invoke(&inserted(&keys, true), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert_eq!(shop.awarded(), ["c1", "c2"]);
}

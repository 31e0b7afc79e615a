//! The suites of all stores on this one.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::put_item::PutItemError,
    primitives::Blob,
    types::{AttributeValue, Put, TransactWriteItem, Update},
};
use dynoxide::Database;
use setpiece_envelope::{FixedClock, Timestamp};
use setpiece_idempotency::{
    Guard, Key, Outcome, Skipped,
    dynamodb::{DynamoDbStore, Table},
    record::{Body, Encoding, Record, Status},
    store::RecordKey,
};
use setpiece_policy::{Deadline, Fault, InstantSleep, Retry, SeededRandom, TokioSleep};

use crate::{
    conformance::conformance,
    support::{Harness, KEY, Powertools, SECOND, World, drive},
};

#[path = "engine.rs"]
mod engine;

const TABLE: &str = "records";

conformance!(run);

#[test]
fn guard_says_what_the_model_says() {
    // Fewer than in memory: a step is some requests, and a request some milliseconds.
    let seeds = crate::model::seeds(120);
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                run(async |world| {
                    crate::model::histories(world, (half..seeds).step_by(2)).await;
                });
            });
        }
    });
}

#[test]
fn result_that_has_no_room_is_not_run_again() {
    run(async |world| {
        let guard = world.guard();
        let work = async |_| Ok::<_, Fault>("x".repeat(6_500_000));
        let error = guard.run(&KEY, world.lease(), work).await.unwrap_err();
        assert_eq!((error.name(), error.may_have_happened()), ("NotKept", true));
        world.clock.advance(40 * SECOND);
        let outcome = guard.run(&KEY, world.lease(), work).await.unwrap();
        assert_eq!(outcome, Outcome::Skipped(Skipped::NotKept));
    });
}

#[test]
fn result_that_has_no_native_form_is_not_run_again() {
    run(async |world| {
        let table = Table::builder(TABLE).native_data().build().unwrap();
        let store = Arc::new(DynamoDbStore::new(world.harness.client.clone(), table));
        let (clock, random) = (world.clock.clone(), SeededRandom::new(1));
        let builder = Guard::builder(store, "tests", "native", clock, random, TokioSleep);
        let guard = builder.build().unwrap();
        let deep = (0..140).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
        for (name, result) in [("large", serde_json::json!(1e200)), ("deep", deep)] {
            let key = Key::of(name).unwrap();
            let work = async |_| Ok::<_, Fault>(result.clone());
            let error = guard.run(&key, world.lease(), work).await.unwrap_err();
            assert_eq!((error.name(), error.may_have_happened()), ("NotKept", true), "{name}");
            let outcome = guard.run(&key, world.lease(), work).await.unwrap();
            assert_eq!(outcome, Outcome::Skipped(Skipped::NotKept));
        }
    });
}

fn run(test: impl AsyncFnOnce(&World<Dynamo>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::<Dynamo>::new().await;
        drive(&world, test(&world)).await;
    });
}

struct Dynamo {
    engine: Database,
    client: Client,
    store: Arc<DynamoDbStore>,
}

impl Harness for Dynamo {
    type Store = DynamoDbStore;

    async fn new(clock: FixedClock) -> Self {
        let (engine, config) = engine::start(&clock).await;
        let plain = aws_smithy_http_client::Builder::new().build_http();
        let client = Client::from_conf(config.http_client(plain).build());
        let table = Table::new(TABLE);
        let sleep = InstantSleep::new(clock.clone());
        let retry = Retry::new(clock.clone(), SeededRandom::new(7), sleep);
        let deadline = Deadline::after(&clock, Duration::from_secs(30));
        table.create(&client, &retry, deadline).await.unwrap();
        let store = Arc::new(DynamoDbStore::new(client.clone(), table));
        Self { engine, client, store }
    }

    fn store(&self) -> Arc<DynamoDbStore> {
        Arc::clone(&self.store)
    }

    fn add(&self, name: &str, number: i64) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(TABLE)
            .key("id", id(name))
            .update_expression("ADD the_number :number")
            .expression_attribute_values(":number", n(number))
            .build()
            .unwrap();
        TransactWriteItem::builder().update(update).build()
    }

    fn put_new(&self, name: &str) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(TABLE)
            .item("id", id(name))
            .item("the_number", n(1))
            .condition_expression("attribute_not_exists(id)")
            .build()
            .unwrap();
        TransactWriteItem::builder().put(put).build()
    }

    async fn number(&self, name: &str) -> i64 {
        let get = self.client.get_item().table_name(TABLE).key("id", id(name));
        let item = get.send().await.unwrap().item;
        item.map_or(0, |item| item["the_number"].as_n().unwrap().parse().unwrap())
    }

    async fn sweep(&self) {
        self.engine.sweep_ttl().unwrap();
    }

    async fn put_record(&self, key: &RecordKey, record: Record) {
        let put = self.client.put_item().table_name(TABLE).set_item(Some(item(key, &record)));
        put.send().await.unwrap();
    }

    async fn lose_spills(&self) {
        let items = self.client.scan().table_name(TABLE).send().await.unwrap().items.unwrap();
        for item in items.iter().filter(|item| item["id"].as_s().unwrap().contains("#R#")) {
            let delete = self.client.delete_item().table_name(TABLE);
            delete.key("id", item["id"].clone()).send().await.unwrap();
        }
    }

    async fn powertools(&self, key: &RecordKey, request: Powertools) -> bool {
        let seconds = |moment: Timestamp| n(moment.unix_millis() / 1000);
        match request {
            Powertools::Put { now, lease_until, expires_at } => {
                let put = self.client.put_item().table_name(TABLE);
                let put = put
                    .item("id", s(key.as_str()))
                    .item("status", s("INPROGRESS"))
                    .item("in_progress_expiration", n(lease_until.unix_millis()))
                    .item("expiration", seconds(expires_at))
                    .condition_expression(
                        "attribute_not_exists(id) OR expiration < :now OR (#status = :inprogress \
                         AND attribute_exists(in_progress_expiration) \
                         AND in_progress_expiration < :now_in_millis)",
                    )
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":inprogress", s("INPROGRESS"))
                    .expression_attribute_values(":now", seconds(now))
                    .expression_attribute_values(":now_in_millis", n(now.unix_millis()));
                let answer = put.send().await.map_err(SdkError::into_service_error);
                let refused = |it: &PutItemError| it.is_conditional_check_failed_exception();
                assert!(answer.as_ref().err().is_none_or(refused), "{answer:?}");
                answer.is_ok()
            }
            Powertools::Complete { result, expires_at } => {
                let update = self.client.update_item().table_name(TABLE);
                let update = update
                    .key("id", s(key.as_str()))
                    .update_expression("SET #data = :data, expiration = :expiry, #status = :status")
                    .expression_attribute_names("#data", "data")
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":data", s(&result.to_string()))
                    .expression_attribute_values(":expiry", seconds(expires_at))
                    .expression_attribute_values(":status", s("COMPLETED"));
                update.send().await.unwrap();
                true
            }
            Powertools::Delete => {
                let delete = self.client.delete_item().table_name(TABLE);
                delete.key("id", s(key.as_str())).send().await.unwrap();
                true
            }
        }
    }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: impl ToString + Copy) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn id(name: &str) -> AttributeValue {
    s(&format!("number#{name}"))
}

/// The record as an item, written by hand.
fn item(key: &RecordKey, record: &Record) -> HashMap<String, AttributeValue> {
    let status = match record.status {
        Status::InProgress | Status::Released => "INPROGRESS",
        Status::Completed => "COMPLETED",
        Status::Failed => "FAILED",
        _ => "SOMETHING_ELSE",
    };
    let mut item =
        HashMap::from([("id".to_owned(), s(key.as_str())), ("status".to_owned(), s(status))]);
    let mut set = |name: &str, value: Option<AttributeValue>| {
        item.extend(value.map(|value| (name.to_owned(), value)));
    };
    let is_released = record.status == Status::Released;
    let millis = |moment: Option<Timestamp>| moment.map(|moment| n(moment.unix_millis()));
    set("record_version", (record.schema > 0).then(|| n(record.schema)));
    set("attempt", (record.attempt > 0).then(|| n(record.attempt)));
    set("try_count", (record.tries > 0).then(|| n(record.tries)));
    set("owner_token", record.owner.as_ref().map(|owner| s(owner.as_str())));
    set("validation", record.fingerprint.as_ref().map(|print| s(print.as_str())));
    set("expiration", record.expires_at.map(|end| n(end.unix_millis() / 1000)));
    set("created_at", millis(record.created_at));
    set("updated_at", millis(record.updated_at));
    let lease = millis(record.lease_until);
    set("in_progress_expiration", if is_released { Some(n(0)) } else { lease });
    set("released_at", is_released.then(|| n(1)));
    if let Some(stored) = &record.result {
        let Body::Inline(bytes) = &stored.body else { panic!("only what is on the record") };
        let text = || s(std::str::from_utf8(bytes).unwrap());
        let is_json = stored.encoding == Encoding::Json;
        let bytes = || AttributeValue::B(Blob::new(bytes.clone()));
        set("data", Some(if is_json { text() } else { bytes() }));
        set("result_encoding", (!is_json).then(|| s(stored.encoding.as_str())));
        set("result_type", stored.type_name.as_deref().map(s));
    }
    item
}

//! Apps on tables: a DynamoDB engine in this process, through the real SDK.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, Config, IdentityCache, Region, StalledStreamProtectionConfig,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    types::AttributeValue,
};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::json;
use setpiece_bus::Publisher;
use setpiece_handler::{App, AppBuilder, Cx, DynamoDbEffects, Effects, Handlers, Received, Write};
use setpiece_idempotency::dynamodb::Table;
use setpiece_policy::{Fault, Retry, SeededRandom};
use setpiece_testing::{CallFault, DynamoDbFault, EntryFault, FakeBus, LocalDynamoDb};

use crate::shop::*;

type TableApp = App<Loyalty, DynamoDbEffects, FakeBus>;
type TableBuilder = AppBuilder<Loyalty, DynamoDbEffects, FakeBus>;

/// The wire to the engine: it can replace the first reason of cancelled transactions, and remembers
/// what was sent.
#[derive(Clone, Debug)]
struct Wire {
    engine: LocalDynamoDb,
    throttles_records: Arc<AtomicBool>,
    transactions: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .endpoint_url("http://dynamodb.invalid")
            .allow_no_auth()
            // As a caller forgets to switch them off: the store makes each request once all the same.
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::ZERO))
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::no_cache())
            .http_client(self.clone());
        Client::from_conf(config.build())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let is_transaction = target.ends_with("TransactWriteItems");
        if is_transaction {
            let body = std::str::from_utf8(request.body().bytes().unwrap()).unwrap().to_owned();
            this.transactions.lock().unwrap().push(body);
        }
        HttpConnectorFuture::new(async move {
            let answer = HttpConnector::call(&this.engine, request).await?;
            if !is_transaction || !this.throttles_records.load(Ordering::SeqCst) {
                return Ok(answer);
            }
            let mut body: serde_json::Value =
                serde_json::from_slice(answer.body().bytes().unwrap()).unwrap();
            if let Some(reasons) = body["CancellationReasons"].as_array_mut() {
                reasons[0] = json!({ "Code": "ThrottlingError", "Message": "Rate exceeded" });
            }
            let status = StatusCode::try_from(answer.status().as_u16()).unwrap();
            let mut replaced = HttpResponse::new(status, SdkBody::from(body.to_string()));
            replaced.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            Ok(replaced)
        })
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The shop on tables.
struct Tables {
    shop: Shop,
    engine: LocalDynamoDb,
    wire: Wire,
}

impl Tables {
    fn new() -> Self {
        let shop = Shop::new();
        let engine = LocalDynamoDb::new(shop.clock.clone());
        engine.create_table("records", "id");
        engine.create_table("points", "customer");
        let wire = Wire {
            engine: engine.clone(),
            throttles_records: Arc::default(),
            transactions: Arc::default(),
        };
        Self { shop, engine, wire }
    }

    fn app_on(&self, bus: &FakeBus, handlers: Handlers<Loyalty>) -> TableBuilder {
        let clock = &self.shop.clock;
        let retry = Retry::new(clock.clone(), SeededRandom::new(1), RuntimeSleep);
        App::builder(
            LOYALTY,
            handlers,
            DynamoDbEffects::new(self.wire.client(), Table::new("records")),
            Publisher::new(bus.clone(), retry),
            clock.clone(),
            SeededRandom::new(2),
            RuntimeSleep,
        )
        .quarantine(self.shop.quarantine.clone())
    }

    fn app(&self, handlers: Handlers<Loyalty>) -> TableApp {
        self.app_on(&self.shop.bus, handlers).build().unwrap()
    }

    fn outbox(&self) -> usize {
        let is_event = |item: &serde_dynamo::Item| item.get(DynamoDbEffects::EVENT).is_some();
        self.engine.items("records").into_iter().filter(is_event).count()
    }
}

fn away() -> FakeBus {
    let away = FakeBus::new();
    away.fail_calls(CallFault::unreachable().always());
    away
}

/// The newest sequence wins, and an older one is skipped.
async fn newest(_: &Cx<Loyalty>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let customer = event.data.customer;
    Ok(Effects::new()
        .write(
            Write::update("points", ("customer", customer.as_str()))
                .set("points", 100)
                .if_newer("sequence", 7),
        )
        .emit(PointsAwarded { customer, points: 100 }))
}

/// A customer is registered once, and a second time is somebody's mistake.
async fn only_once(_: &Cx<Loyalty>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let customer = event.data.customer;
    Ok(Effects::new()
        .write(
            Write::update("points", ("customer", customer.as_str()))
                .set("points", 100)
                .if_absent()
                .or_fault(Fault::permanent("registered already")),
        )
        .emit(PointsAwarded { customer, points: 100 }))
}

/// A process commits and dies before it publishes. When the event comes again, the record cannot be
/// looked at, and the condition of the write fails because of the first time.
#[tokio::test(start_paused = true)]
async fn an_own_success_is_not_stale_or_wrong_because_its_record_is_throttled() {
    for optimistic in [false, true] {
        for is_skipped in [false, true] {
            let tables = Tables::new();
            let shop = &tables.shop;
            let app = |bus: &FakeBus| {
                let handlers = shop.handlers();
                let handlers =
                    if is_skipped { handlers.on(newest) } else { handlers.on(only_once) };
                let builder = tables.app_on(bus, handlers);
                if optimistic { builder.optimistic() } else { builder }.build().unwrap()
            };
            let what = format!("optimistic: {optimistic}, skipped: {is_skipped}");
            let message = queue(false, &[("m1", None, &registered("c1").detail())]);
            let answer = app(&away()).invoke(&message, shop.deadline()).await.unwrap();
            assert_eq!(failures(&answer), ["m1"], "{what}");
            assert_eq!(tables.outbox(), 1, "{what}");

            tables.wire.throttles_records.store(true, Ordering::SeqCst);
            tokio::time::advance(Duration::from_mins(1)).await;
            let again = app(&shop.bus);
            let answer = again.invoke(&message, shop.deadline()).await.unwrap();
            let is_published = shop.awarded() == ["c1"];
            assert!(is_published || failures(&answer) == ["m1"], "{what}: acknowledged, and lost");
            assert!(shop.quarantine.items().is_empty(), "{what}");

            tables.wire.throttles_records.store(false, Ordering::SeqCst);
            tokio::time::advance(Duration::from_mins(1)).await;
            let answer = again.invoke(&message, shop.deadline()).await.unwrap();
            assert_eq!(failures(&answer), [""; 0], "{what}");
            assert_eq!((shop.awarded(), tables.outbox()), (vec!["c1".to_owned()], 0), "{what}");
        }
    }
}

/// Appends to one item for all customers.
async fn log(_: &Cx<Loyalty>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let size = if event.data.customer.starts_with("big") { 300_000 } else { 10 };
    Ok(Effects::new()
        .write(Write::update("points", ("customer", "all")).append("log", "x".repeat(size))))
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_full_does_not_hold_up_a_shard() {
    for optimistic in [false, true] {
        let tables = Tables::new();
        let shop = &tables.shop;
        let builder = tables.app_on(&shop.bus, shop.handlers().on(log));
        let app = if optimistic { builder.optimistic() } else { builder }.build().unwrap();
        let details = ["big1", "big2", "small"].map(|customer| registered(customer).detail());
        let records =
            kinesis(&[("1", "s", &details[0]), ("2", "s", &details[1]), ("3", "s", &details[2])]);
        let answer = app.invoke(&records, shop.deadline()).await.unwrap();
        assert_eq!(failures(&answer), [""; 0]);
        let aside = shop.quarantine.items();
        assert_eq!(aside.len(), 1);
        assert_eq!(aside[0].bytes, details[1], "with its bytes");
        let log = &tables.engine.items("points")[0]["log"];
        assert!(matches!(log, serde_dynamo::AttributeValue::L(all) if all.len() == 2), "1 and 3");
    }
}

async fn add_to_a_text(_: &Cx<Loyalty>, _: Received<ProductRegistered>) -> Result<Effects, Fault> {
    Ok(Effects::new().write(Write::update("points", ("customer", "all")).add("log", 1)))
}

async fn another_key(_: &Cx<Loyalty>, _: Received<ProductRegistered>) -> Result<Effects, Fault> {
    Ok(Effects::new().write(Write::update("points", ("nobody", "all")).set("log", 1)))
}

async fn no_table(_: &Cx<Loyalty>, _: Received<ProductRegistered>) -> Result<Effects, Fault> {
    Ok(Effects::new().write(Write::update("nowhere", ("customer", "all")).set("log", 1)))
}

#[tokio::test(start_paused = true)]
async fn only_writes_that_can_never_be_made_are_put_aside() {
    for optimistic in [false, true] {
        for (what, is_put_aside) in [
            ("add_to_a_text", true),
            ("another_key", true),
            ("no_table", false),
            ("no_permission", false),
            ("no_permission_for_the_record", false),
        ] {
            let tables = Tables::new();
            let shop = &tables.shop;
            let seed = Write::update("points", ("customer", "all")).set("log", "text");
            let seeding = tables.app(shop.handlers().on_named(
                "seed",
                move |_: &Cx<Loyalty>, _: Received<ProductRegistered>| {
                    std::future::ready(Ok(Effects::new().write(seed.clone())))
                },
            ));
            seeding.invoke(&registered("c0").event_bridge(), shop.deadline()).await.unwrap();

            let handlers = match what {
                "add_to_a_text" => shop.handlers().on(add_to_a_text),
                "another_key" => shop.handlers().on(another_key),
                "no_table" => shop.handlers().on(no_table),
                _ => shop.handlers().on(award_points),
            };
            let deny = |operation: &str| {
                tables.engine.fail(DynamoDbFault::denied().of(operation).always());
            };
            match what {
                "no_permission" => deny("TransactWriteItems"),
                "no_permission_for_the_record" => deny("UpdateItem"),
                _ => {}
            }
            let builder = tables.app_on(&shop.bus, handlers);
            let app = if optimistic { builder.optimistic() } else { builder }.build().unwrap();
            let message = queue(false, &[("m1", None, &registered("c1").detail())]);
            let answer = app.invoke(&message, shop.deadline()).await.unwrap();
            let what = format!("{what}, optimistic: {optimistic}");
            let aside = shop.quarantine.items().len();
            if is_put_aside {
                assert_eq!((failures(&answer), aside), (Vec::new(), 1), "{what}");
            } else if failures(&answer).is_empty() {
                // Without a claim there is no request to refuse.
                assert!(optimistic && what.starts_with("no_permission_for"), "{what}");
            } else {
                assert_eq!((failures(&answer), aside), (vec!["m1".to_owned()], 0), "{what}");
            }
        }
    }
}

/// The work was done and committed; then its table got another key, and the event comes again.
#[tokio::test(start_paused = true)]
async fn a_write_that_has_become_impossible_is_no_reason_to_lose_what_was_done() {
    let tables = Tables::new();
    let shop = &tables.shop;
    let app = |bus: &FakeBus, handlers: Handlers<Loyalty>| {
        tables.app_on(bus, handlers).optimistic().build().unwrap()
    };
    let message = queue(false, &[("m1", None, &registered("c1").detail())]);
    let answer = app(&away(), shop.handlers().on_named("it", award_points))
        .invoke(&message, shop.deadline())
        .await
        .unwrap();
    assert_eq!(failures(&answer), ["m1"]);
    let again = app(&shop.bus, shop.handlers().on_named("it", another_key));
    let answer = again.invoke(&message, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert!(shop.quarantine.items().is_empty());
    assert_eq!((shop.awarded(), tables.outbox()), (vec!["c1".to_owned()], 0));
}

/// DynamoDB refuses the token of a transaction when it comes with other parameters.
#[tokio::test(start_paused = true)]
async fn a_commit_that_is_tried_again_has_the_same_bytes() {
    for customer in ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"] {
        let tables = Tables::new();
        let shop = &tables.shop;
        let app = tables.app(shop.handlers().on(award_points));
        tables.engine.fail(DynamoDbFault::answer_lost().of("TransactWriteItems"));
        let message = queue(false, &[("m1", None, &registered(customer).detail())]);
        app.invoke(&message, shop.deadline()).await.unwrap();
        let sent = tables.wire.transactions.lock().unwrap();
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], sent[1]);
    }
}

/// The code says that the entry is wrong, and would have an item put aside if it were the item's.
#[tokio::test(start_paused = true)]
async fn a_fault_of_the_bus_after_the_commit_never_puts_its_cause_aside() {
    let tables = Tables::new();
    let shop = &tables.shop;
    let on_tables = tables.app(shop.handlers().on(award_points));
    let in_memory = shop.app();
    for (at, code) in
        ["InvalidArgument", "MalformedDetail", "RedactionFailure"].into_iter().enumerate()
    {
        assert_eq!(
            Fault::from_put_events_code(code).disposition(),
            setpiece_policy::Disposition::Quarantine,
            "it does not hand back by itself",
        );
        let message = queue(false, &[("m1", None, &registered(&format!("c{at}")).detail())]);
        for _ in 0..2 {
            shop.bus.fail_entries(EntryFault::code(code).nth(0));
            let answer = on_tables.invoke(&message, shop.deadline()).await.unwrap();
            assert_eq!(failures(&answer), ["m1"], "{code}");
            shop.bus.fail_entries(EntryFault::code(code).nth(0));
            let answer = in_memory.invoke(&message, shop.deadline()).await.unwrap();
            assert_eq!(failures(&answer), ["m1"], "{code}");
        }
        assert!(shop.quarantine.items().is_empty(), "{code}");
        for app_answer in [
            on_tables.invoke(&message, shop.deadline()).await.unwrap(),
            in_memory.invoke(&message, shop.deadline()).await.unwrap(),
        ] {
            assert_eq!(failures(&app_answer), [""; 0], "{code}");
        }
    }
    assert_eq!(shop.awarded().len(), 6);
}

/// Whoever can write to the table can say that a decision had any number of events.
#[tokio::test(start_paused = true)]
async fn a_record_that_names_too_many_events_fails_alone() {
    let tables = Tables::new();
    let shop = &tables.shop;
    let app = tables.app(shop.handlers().on(award_points));
    let details = ["c1", "c2"].map(|customer| registered(customer).detail());
    let first = queue(false, &[("m1", None, &details[0])]);
    app.invoke(&first, shop.deadline()).await.unwrap();
    let serde_dynamo::AttributeValue::S(id) = tables.engine.items("records")[0]["id"].clone()
    else {
        panic!("the key is a text")
    };
    let poisoned = r#"{"outbox":100000000}"#.to_owned();
    tables
        .engine
        .client()
        .update_item()
        .table_name("records")
        .key("id", AttributeValue::S(id))
        .update_expression("SET #d = :poisoned")
        .expression_attribute_names("#d", "data")
        .expression_attribute_values(":poisoned", AttributeValue::S(poisoned))
        .send()
        .await
        .unwrap();
    let both = queue(false, &[("m1", None, &details[0]), ("m2", None, &details[1])]);
    let answer = app.invoke(&both, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m1"]);
    assert_eq!(shop.awarded(), ["c1", "c2"]);
    assert!(shop.quarantine.items().is_empty(), "the event is not to blame");
}

//! Trouble on the wire and at the bus, and what the redelivery makes of it.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpClient, SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use serde_json::{Value, json};
use setpiece_envelope::FixedClock;
use setpiece_handler::{Applied, ApplyError, DynamoDbEffects, EffectStore, OutboxKey};
use setpiece_idempotency::{
    dynamodb::Table,
    store::{RecordKey, Store},
};
use setpiece_policy::{Disposition, Fault, FaultKind};
use setpiece_testing::{CallFault, EntryFault};

use crate::{
    engine,
    wire::Trouble,
    world::{Dynamo, PAIRS, Place, RECORDS, World, award, fresh, in_both_places, replayed},
};

async fn until_done<P: Place>(world: &World<P>) -> (usize, Applied) {
    for failed in 0..6 {
        if let Ok(applied) = world.apply("e-1", award()).await {
            return (failed, applied);
        }
        world.clock.advance(Duration::from_mins(1));
    }
    panic!("it is never done");
}

async fn check<P: Place>(world: &World<P>, what: &str) {
    assert_eq!(world.number("points", "balance").await, Some(100), "{what}");
    assert_eq!(world.place.items(PAIRS).await.len(), 1, "{what}");
    assert_eq!(world.place.outbox().await, 0, "{what}");
    let published = world.published();
    assert_eq!(published.len(), 2, "{what}");
    assert!(published.values().all(|ids| ids.len() == 1), "{what}: {published:?}");
}

#[tokio::test]
async fn every_request_may_fail_in_every_way() {
    let troubles = [
        Trouble::AnswerLost,
        Trouble::TimedOut,
        Trouble::Refused,
        Trouble::Garbled,
        Trouble::Error(500, "InternalServerError"),
        Trouble::Error(400, "ThrottlingException"),
        Trouble::Error(400, "ProvisionedThroughputExceededException"),
        Trouble::Error(400, "AccessDeniedException"),
        Trouble::Slow(Duration::from_secs(2)),
    ];
    for operation in ["UpdateItem", "TransactWriteItems", "BatchWriteItem", "BatchGetItem"] {
        for trouble in &troubles {
            for for_long in [false, true] {
                let world = World::<Dynamo>::new().await;
                let what = format!("{operation} with {trouble:?}, for long: {for_long}");
                if operation == "BatchGetItem" {
                    // So that there is something to read.
                    world.gate.die_at(4);
                    assert!(world.gate.life(world.apply("e-1", award())).await.is_none());
                    world.clock.advance(Duration::from_mins(1));
                }
                if for_long {
                    world.wire.storm(Some((operation, trouble.clone())));
                    if let Err(error) = world.apply("e-1", award()).await {
                        let disposition = Fault::from(error).disposition();
                        assert_eq!(disposition, Disposition::FailItem, "{what}");
                    }
                    world.wire.storm(None);
                    world.clock.advance(Duration::from_mins(1));
                } else {
                    world.wire.trouble(operation, trouble.clone());
                }
                until_done(&world).await;
                check(&world, &what).await;
            }
        }
    }
}

in_both_places! {
    async fn an_event_that_the_bus_refuses_stays_in_the_outbox<P>(world: &World<P>) {
        world.bus.fail_entries(EntryFault::code("InvalidArgument").nth(1));
        let error = world.apply("e-1", award()).await.unwrap_err();
        let ApplyError::Publish(error) = error else { panic!("{error:?}") };
        assert_eq!((error.accepted().len(), error.unaccepted().len()), (1, 1));
        assert_eq!(world.place.outbox().await, 1, "what was taken is removed");
        assert_eq!(world.number("points", "balance").await, Some(100));
        // The redelivery publishes what is left, and nothing else.
        assert_eq!(world.apply("e-1", award()).await.unwrap(), replayed(1));
        check(world, "refused").await;
        assert_eq!(world.bus.events().len(), 2);
    }

    async fn a_bus_that_is_down_loses_nothing<P>(world: &World<P>) {
        world.bus.fail_calls(CallFault::unreachable().always());
        let error = world.apply("e-1", award()).await.unwrap_err();
        assert_eq!(error.name(), "NotPublished");
        assert_eq!(Fault::from(error).disposition(), Disposition::FailItem);
        assert_eq!(world.place.outbox().await, 2);
        let error = world.apply("e-1", award()).await.unwrap_err();
        assert_eq!(error.name(), "NotPublished");
    }

    async fn a_lost_answer_of_the_bus_publishes_again_with_the_same_id<P>(world: &World<P>) {
        world.bus.fail_calls(CallFault::answer_lost());
        assert_eq!(world.apply("e-1", award()).await.unwrap(), fresh(2, 2));
        assert_eq!(world.bus.events().len(), 4);
        check(world, "lost").await;
    }

    async fn a_receipt_that_was_not_kept_is_made_up_for<P>(world: &World<P>) {
        let builder = setpiece_idempotency::Guard::builder(
            Arc::clone(world.applier.store().records()),
            "loyalty",
            "award",
            world.clock.clone(),
            setpiece_policy::SeededRandom::new(1),
            world.sleep.clone(),
        );
        let guard = builder.keep(setpiece_idempotency::Keep::nothing()).build().unwrap();
        let key = setpiece_idempotency::Key::of("e-1").unwrap();
        let deliver = async || {
            let (deadline, cause) = (world.deadline(), crate::world::cause("e-1"));
            let lease = setpiece_idempotency::Lease::until(deadline);
            let work = async |_| Ok(award());
            world.applier.apply(&guard, &key, lease, &cause, deadline, work).await
        };
        world.gate.die_at(4);
        assert!(world.gate.life(deliver()).await.is_none());
        assert_eq!(world.place.outbox().await, 2);
        assert_eq!(deliver().await.unwrap(), replayed(2));
        check(world, "not kept").await;
    }

    async fn a_result_of_somebody_else_has_no_outbox<P>(world: &World<P>) {
        let key = setpiece_idempotency::Key::of("e-1").unwrap();
        let lease = setpiece_idempotency::Lease::until(world.deadline());
        let work = async |_| Ok::<_, Fault>("of another program");
        let outcome = world.guard.run(&key, lease, async |held| work(held).await.map(str::to_owned));
        assert!(outcome.await.unwrap().was_run());
        assert_eq!(world.apply("e-1", award()).await.unwrap(), replayed(0));
        assert!(world.bus.events().is_empty());
    }
}

#[tokio::test]
async fn a_contended_transaction_is_made_again() {
    let world = World::<Dynamo>::new().await;
    world.wire.trouble(
        "TransactWriteItems",
        Trouble::Cancelled(&["TransactionConflict", "None", "None", "None", "None"]),
    );
    world.wire.trouble(
        "TransactWriteItems",
        Trouble::Cancelled(&["None", "TransactionConflict", "None", "None", "None"]),
    );
    assert_eq!(world.apply("e-1", award()).await.unwrap(), fresh(2, 2));
    check(&world, "contended").await;
}

#[tokio::test]
async fn what_is_not_processed_is_asked_for_again() {
    for portion in [1, 2, 7] {
        let clock = FixedClock::default();
        let (_, config) = engine::start(&clock).await;
        let portions = Portions {
            inner: aws_smithy_http_client::Builder::new().build_http(),
            portion,
            requests: Arc::default(),
        };
        let client = Client::from_conf(config.http_client(portions.clone()).build());
        let retry = setpiece_policy::Retry::new(
            clock.clone(),
            setpiece_policy::SeededRandom::new(1),
            setpiece_policy::InstantSleep::new(clock.clone()),
        );
        let deadline = setpiece_policy::Deadline::after(&clock, Duration::from_secs(30));
        Table::new(RECORDS).create(&client, &retry, deadline).await.unwrap();
        let store = DynamoDbEffects::new(client, Table::new(RECORDS));
        let keys: Vec<OutboxKey> =
            (0..20).map(|index| OutboxKey::new(&RecordKey::new("r"), index)).collect();
        for (index, key) in keys.iter().enumerate() {
            put(&store, key, index).await;
        }
        let names = |found: Vec<Option<setpiece_handler::OutboxItem>>| -> Vec<Option<String>> {
            found
                .into_iter()
                .map(|item| Some(item?.event().unwrap().event_id().to_string()))
                .collect()
        };
        let all: Vec<Option<String>> = (0..20).map(|index| Some(format!("id-{index}"))).collect();
        portions.requests.store(0, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(names(store.read_outbox(&keys).await.unwrap()), all);
        let requests = portions.requests.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(requests, 20_usize.div_ceil(portion));
        store.remove_outbox(&keys[1..]).await.unwrap();
        let mut left: Vec<Option<String>> = vec![None; 20];
        left[0] = Some("id-0".to_owned());
        assert_eq!(names(store.read_outbox(&keys).await.unwrap()), left);
    }
}

#[tokio::test]
async fn what_is_not_processed_at_all_is_throttled() {
    let world = World::<Dynamo>::new().await;
    let key = OutboxKey::new(&RecordKey::new("r"), 0);
    let clock = FixedClock::default();
    let (_, config) = engine::start(&clock).await;
    let inner = aws_smithy_http_client::Builder::new().build_http();
    let portions = Portions { inner, portion: 0, requests: Arc::default() };
    let client = Client::from_conf(config.http_client(portions).build());
    let store = DynamoDbEffects::new(client, Table::new(RECORDS));
    let fault = store.read_outbox(std::slice::from_ref(&key)).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Throttled);
    let fault = store.remove_outbox(std::slice::from_ref(&key)).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Throttled);
    drop(world);
}

/// Puts an event into the outbox.
async fn put(store: &DynamoDbEffects, key: &OutboxKey, index: usize) {
    let detail = format!(
        r#"{{"metadata":{{"event_id":"id-{index}","name":"tier_reached","version":"2"}},"data":{{}}}}"#
    );
    let event =
        setpiece_bus::OutgoingEvent::from_detail("retail.loyalty", "tier_reached", detail).unwrap();
    let entry = setpiece_handler::OutboxEntry::new(
        key.clone(),
        setpiece_handler::OutboxOwner::new("loyalty", "bus"),
        event,
        store_time(),
    )
    .unwrap();
    let action = store.stage(&entry).unwrap();
    let once = setpiece_idempotency::store::Once::new(
        RecordKey::new(format!("seed-{index}")),
        setpiece_idempotency::record::Owner::new(format!("owner-{index}")),
        store_time(),
        setpiece_idempotency::record::Stored::json("1"),
        store_time(),
    );
    store.records().commit_once(&once, &[action]).await.unwrap();
}

fn store_time() -> setpiece_envelope::Timestamp {
    use setpiece_envelope::Clock as _;
    FixedClock::default().now()
}

/// An HTTP client whose service processes only a portion of each batch.
#[derive(Clone, Debug)]
struct Portions {
    inner: SharedHttpClient,
    portion: usize,
    requests: Arc<std::sync::atomic::AtomicUsize>,
}

impl HttpClient for Portions {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(PortionsConnector { portions: self.clone(), connector })
    }
}

#[derive(Debug)]
struct PortionsConnector {
    portions: Portions,
    connector: SharedHttpConnector,
}

impl HttpConnector for PortionsConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (portions, connector) = (self.portions.clone(), self.connector.clone());
        HttpConnectorFuture::new(portions.exchange(connector, request))
    }
}

impl Portions {
    async fn exchange(
        self,
        connector: SharedHttpConnector,
        mut request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let left_name = match target.rsplit('.').next() {
            Some("BatchGetItem") => "UnprocessedKeys",
            Some("BatchWriteItem") => "UnprocessedItems",
            _ => return connector.call(request).await,
        };
        self.requests.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut sent: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let mut left = sent["RequestItems"].clone();
        let list = |items: &mut Value| -> Vec<Value> {
            let table = &mut items[RECORDS];
            let table = if left_name == "UnprocessedKeys" { &mut table["Keys"] } else { table };
            std::mem::take(table.as_array_mut().unwrap())
        };
        let mut now = list(&mut sent["RequestItems"]);
        let later = now.split_off(now.len().min(self.portion));
        let put = |items: &mut Value, list: Vec<Value>| match left_name {
            "UnprocessedKeys" => items[RECORDS]["Keys"] = list.into(),
            _ => items[RECORDS] = list.into(),
        };
        put(&mut left, later.clone());
        let mut answer = if now.is_empty() {
            json!({})
        } else {
            put(&mut sent["RequestItems"], now);
            let body = serde_json::to_vec(&sent).unwrap();
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body);
            let answered = connector.call(request).await?;
            let body = ByteStream::new(answered.into_body()).collect().await.unwrap().to_vec();
            serde_json::from_slice(&body).unwrap()
        };
        answer[left_name] = if later.is_empty() { json!({}) } else { left };
        let body = SdkBody::from(serde_json::to_vec(&answer).unwrap());
        let mut response = HttpResponse::new(StatusCode::try_from(200).unwrap(), body);
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        Ok(response)
    }
}

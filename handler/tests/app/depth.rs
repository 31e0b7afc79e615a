//! How many round trips follow each other: each of them takes the same time here, and none of the
//! others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use setpiece_bus::{Bus, EntryResult, Limits, OutgoingEvent, Preflight, Publisher};
use setpiece_handler::{App, Cx, DynamoDbEffects, Effects, Handlers, Received, Write};
use setpiece_idempotency::dynamodb::Table;
use setpiece_policy::{Deadline, Fault, Retry, SeededRandom};
use setpiece_testing::{FakeBus, LocalDynamoDb};

use crate::shop::{
    LOYALTY, PointsAwarded, ProductRegistered, RuntimeClock, RuntimeSleep, failures, queue,
    registered,
};

const ROUND_TRIP: Duration = Duration::from_millis(100);

/// The client's way to the database, which takes a round trip.
#[derive(Clone, Debug)]
struct Distant {
    database: LocalDynamoDb,
    requests: Arc<AtomicUsize>,
}

impl HttpConnector for Distant {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let database = self.database.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(ROUND_TRIP).await;
            database.call(request).await
        })
    }
}

impl HttpClient for Distant {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A bus that is as far away.
#[derive(Clone)]
struct DistantBus(FakeBus);

impl Bus for DistantBus {
    fn limits(&self) -> Limits {
        self.0.limits()
    }

    async fn put(&self, entries: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> {
        tokio::time::sleep(ROUND_TRIP).await;
        self.0.put(entries).await
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        self.0.preflight().await
    }
}

async fn write(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let key = ("customer", event.data.customer);
    Ok(Effects::new().write(Write::update("points", key).add("points", 100)))
}

async fn write_and_tell(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let customer = event.data.customer;
    let write = Write::update("points", ("customer", &customer)).add("points", 100);
    Ok(Effects::new().write(write).emit(PointsAwarded { customer, points: 100 }))
}

/// How many round trips a batch of ten takes, one after the other, and how many requests.
async fn depth(handlers: Handlers<()>, optimistic: bool) -> (u32, usize, u64) {
    let clock = RuntimeClock::new();
    let database = LocalDynamoDb::new(clock.clone());
    database.create_table("records", "id");
    database.create_table("points", "customer");
    let requests = Arc::new(AtomicUsize::new(0));
    let distant = Distant { database: database.clone(), requests: Arc::clone(&requests) };
    let config = database.client().config().to_builder().http_client(distant).build();
    let effects = DynamoDbEffects::new(Client::from_conf(config), Table::new("records"));
    let bus = FakeBus::new();
    let retry = Retry::new(clock.clone(), SeededRandom::new(1), RuntimeSleep);
    let publisher = Publisher::new(DistantBus(bus.clone()), retry);
    let random = SeededRandom::new(2);
    let app =
        App::builder(LOYALTY, handlers, effects, publisher, clock.clone(), random, RuntimeSleep);
    let app = if optimistic { app.optimistic() } else { app }.build().unwrap();

    let ids: Vec<_> = (0..10).map(|number| format!("c{number}")).collect();
    let bodies: Vec<_> = ids.iter().map(|id| registered(id).event_bridge()).collect();
    let messages: Vec<_> =
        ids.iter().zip(&bodies).map(|(id, body)| (&id[..], None, &body[..])).collect();
    let deadline = Deadline::after(&clock, Duration::from_secs(30));
    let started = tokio::time::Instant::now();
    let answer = app.invoke(&queue(false, &messages), deadline).await.unwrap();
    let took = started.elapsed();
    assert_eq!(failures(&answer), [""; 0]);
    assert_eq!(database.items("points").len(), 10);
    let trips = took.as_millis().div_ceil(ROUND_TRIP.as_millis());
    (trips.try_into().unwrap(), requests.load(Ordering::Relaxed), bus.tally().requests)
}

/// To claim and to commit.
#[tokio::test(start_paused = true)]
async fn a_batch_that_writes_is_two_round_trips_deep() {
    assert_eq!(depth(Handlers::new(()).on(write), false).await, (2, 20, 0));
    assert_eq!(depth(Handlers::new(()).on(write), true).await, (1, 10, 0));
}

/// To claim, to commit and to clear the outbox; and the bus, in between.
#[tokio::test(start_paused = true)]
async fn a_batch_that_tells_of_it_is_one_more_and_the_bus() {
    assert_eq!(depth(Handlers::new(()).on(write_and_tell), false).await, (3 + 1, 30, 10));
    assert_eq!(depth(Handlers::new(()).on(write_and_tell), true).await, (2 + 1, 20, 10));
}

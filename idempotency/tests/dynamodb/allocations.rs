//! What a guarded call allocates over a pair of conditional requests that somebody wrote by hand.
//!
//! The engine answers once, and what is counted afterwards is answered with the same: so nothing is
//! counted but the client's side, and the same each time.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use allocation_counter::measure;
use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, Config, Credentials, Region, StalledStreamProtectionConfig,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use serde_json::Value;
use setpiece_envelope::SystemIds;
use setpiece_idempotency::{Guard, Key, Lease, dynamodb::DynamoDbStore};
use setpiece_policy::{Deadline, Fault, SeededRandom, TokioSleep};
use tokio::runtime::Runtime;

use crate::{
    by_hand::{by_hand, receipt},
    desk::Desk,
    wire::response,
};

const ORDER: &str = "order-17";

#[test]
fn a_guarded_call_allocates_hardly_more_than_one_by_hand() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let desk = runtime.block_on(Desk::open());
    let ids = SystemIds::new();
    let engine = &desk.cloud.client;
    let hand = recorded(&desk, &|| _ = runtime.block_on(by_hand(engine, &ids, "hand")));
    let guard = guard_on(&desk, engine);
    let ours = recorded(&desk, &|| guarded(&runtime, &desk, &guard));

    let replay = Replay::default();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .endpoint_url("http://localhost")
        .credentials_provider(Credentials::new("x", "x", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(replay.clone())
        .build();
    let client = Client::from_conf(config);
    let guard = guard_on(&desk, &client);
    let count = |answers: &[Value], call: &dyn Fn()| {
        // What is made once, and kept, is made the first time.
        let counts = [(); 3].map(|()| {
            replay.0.lock().unwrap().extend(answers.iter().cloned());
            let allocations = measure(call).count_total;
            assert_eq!(replay.0.lock().unwrap().len(), 0, "each answer was asked for");
            allocations
        });
        assert_eq!(counts[1], counts[2], "they are the same each time");
        counts[2]
    };
    for (name, hand, ours) in [("first call", &hand.0, &ours.0), ("duplicate", &hand.1, &ours.1)] {
        let hand = count(hand, &|| _ = runtime.block_on(by_hand(&client, &ids, "hand")));
        let ours = count(ours, &|| guarded(&runtime, &desk, &guard));
        assert!(ours * 100 <= hand * 105, "{name}: {ours} allocations, by hand {hand}");
    }
}

/// What the engine answers to a first call, and to its duplicate.
fn recorded(desk: &Desk, call: &dyn Fn()) -> (Vec<Value>, Vec<Value>) {
    let answers = || {
        call();
        let exchanges = desk.cloud.wire.take();
        exchanges.into_iter().map(|exchange| exchange.answer).collect::<Vec<_>>()
    };
    let recorded = (answers(), answers());
    assert_eq!((recorded.0.len(), recorded.1.len()), (2, 1));
    recorded
}

fn guard_on(desk: &Desk, client: &Client) -> Guard<DynamoDbStore> {
    let clock = desk.cloud.clock.clone();
    let store = Arc::new(DynamoDbStore::new(client.clone(), desk.store.table().clone()));
    Guard::builder(store, "shop", "charge", clock, SeededRandom::new(1), TokioSleep)
        .build()
        .unwrap()
}

fn guarded(runtime: &Runtime, desk: &Desk, guard: &Guard<DynamoDbStore>) {
    let lease = Lease::until(Deadline::after(&desk.cloud.clock, Duration::from_secs(30)));
    let key = Key::of(ORDER).unwrap();
    let work = async |_| Ok::<_, Fault>(receipt(ORDER));
    _ = runtime.block_on(guard.run(&key, lease, work)).unwrap();
}

/// Answers with what was answered before.
#[derive(Clone, Default)]
struct Replay(Arc<Mutex<VecDeque<Value>>>);

impl HttpClient for Replay {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Replay {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.lock().unwrap().pop_front().unwrap();
        let status = if answer["__type"].is_string() { 400 } else { 200 };
        HttpConnectorFuture::ready(Ok(response(status, &answer)))
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").finish_non_exhaustive()
    }
}

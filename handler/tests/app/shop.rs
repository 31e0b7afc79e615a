//! A small service in a small world, for all tests of this binary.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use setpiece_bus::Publisher;
use setpiece_envelope::{Clock, DomainEvent, FixedClock, ServiceId, Timestamp};
use setpiece_handler::{
    App, AppBuilder, Cx, Effects, Handlers, InMemoryQuarantine, MemoryEffects, Received, Write,
};
use setpiece_policy::{Deadline, Fault, Retry, SeededRandom, Sleep};
use setpiece_testing::{ACCOUNT, FakeBus, REGION, Sample, sample};

pub(crate) const PRODUCTS: ServiceId = ServiceId::new("shop", "catalog", "products");
pub(crate) const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
pub(crate) struct ProductRegistered {
    pub(crate) customer: String,
    #[serde(default)]
    pub(crate) trouble: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 1)]
pub(crate) struct PointsAwarded {
    pub(crate) customer: String,
    pub(crate) points: u32,
}

/// The state of the service.
#[derive(Debug, Default)]
pub(crate) struct Loyalty {
    pub(crate) order: std::sync::Mutex<Vec<String>>,
}

/// Awards points, or gets into the trouble that the event asks for.
pub(crate) async fn award_points(
    cx: &Cx<Loyalty>,
    event: Received<ProductRegistered>,
) -> Result<Effects, Fault> {
    let customer = event.data.customer;
    cx.state.order.lock().unwrap().push(customer.clone());
    match event.data.trouble.as_deref() {
        None => {}
        Some("panic") => panic!("as asked for"),
        Some("permanent") => return Err(Fault::permanent("the customer is unknown")),
        Some("transient") => return Err(Fault::transient("the catalog does not answer")),
        Some("slow") => std::future::pending().await,
        Some("late") => tokio::time::sleep(Duration::from_millis(500)).await,
        Some(other) => panic!("unknown trouble {other}"),
    }
    tokio::task::yield_now().await;
    Ok(Effects::new()
        .write(Write::update("points", ("customer", customer.as_str())).add("points", 100))
        .emit(PointsAwarded { customer, points: 100 }))
}

pub(crate) fn registered(customer: &str) -> Sample<ProductRegistered> {
    sample(ProductRegistered { customer: customer.to_owned(), trouble: None })
        .event_id(&format!("registered-{customer}"))
}

pub(crate) fn troubled(customer: &str, trouble: &str) -> Sample<ProductRegistered> {
    let trouble = Some(trouble.to_owned());
    sample(ProductRegistered { customer: customer.to_owned(), trouble })
        .event_id(&format!("registered-{customer}"))
}

/// The time of the runtime, which is paused in tests.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeClock {
    start: Timestamp,
    since: tokio::time::Instant,
}

impl RuntimeClock {
    pub(crate) fn new() -> Self {
        Self { start: FixedClock::default().now(), since: tokio::time::Instant::now() }
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        self.start.saturating_add(self.since.elapsed())
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RuntimeSleep;

impl Sleep for RuntimeSleep {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

pub(crate) type ShopApp = App<Loyalty, MemoryEffects, FakeBus>;
pub(crate) type ShopBuilder = AppBuilder<Loyalty, MemoryEffects, FakeBus>;

/// Everything around the service.
pub(crate) struct Shop {
    pub(crate) clock: RuntimeClock,
    pub(crate) effects: MemoryEffects,
    pub(crate) bus: FakeBus,
    pub(crate) quarantine: InMemoryQuarantine,
    pub(crate) state: Arc<Loyalty>,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let clock = RuntimeClock::new();
        Self {
            effects: MemoryEffects::new(clock.clone()),
            bus: FakeBus::new().with_max_depth(64),
            quarantine: InMemoryQuarantine::new(),
            state: Arc::default(),
            clock,
        }
    }

    /// No handlers yet.
    pub(crate) fn handlers(&self) -> Handlers<Loyalty> {
        Handlers::new(Arc::clone(&self.state))
    }

    /// The app of these handlers, before it is built.
    pub(crate) fn app_of(&self, handlers: Handlers<Loyalty>) -> ShopBuilder {
        self.app_without_quarantine(handlers).quarantine(self.quarantine.clone())
    }

    pub(crate) fn app_without_quarantine(&self, handlers: Handlers<Loyalty>) -> ShopBuilder {
        let retry = Retry::new(self.clock.clone(), SeededRandom::new(1), RuntimeSleep);
        App::builder(
            LOYALTY,
            handlers,
            self.effects.clone(),
            Publisher::new(self.bus.clone(), retry),
            self.clock.clone(),
            SeededRandom::new(2),
            RuntimeSleep,
        )
    }

    /// The usual app.
    pub(crate) fn app(&self) -> ShopApp {
        self.app_of(self.handlers().on(award_points)).build().unwrap()
    }

    /// An invocation has ten seconds.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(&self.clock, Duration::from_secs(10))
    }

    /// How many points a customer has.
    pub(crate) fn points(&self, customer: &str) -> Option<u64> {
        let item = self.effects.item("points", ("customer", customer))?;
        Some(serde_dynamo::from_attribute_value(item.get("points")?.clone()).unwrap())
    }

    /// Who was awarded points, in the order in which it was published.
    pub(crate) fn awarded(&self) -> Vec<String> {
        let published = self.bus.published::<PointsAwarded>();
        published.into_iter().map(|envelope| envelope.data.customer).collect()
    }
}

/// Records of a queue around bodies: the id of a message, its group, and its body.
pub(crate) fn queue(fifo: bool, messages: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let records: Vec<_> = messages
        .iter()
        .map(|(id, group, body)| {
            let mut attributes = serde_json::json!({
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1545082650636",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": "1545082650649",
            });
            if let Some(group) = group {
                attributes["MessageGroupId"] = (*group).into();
                attributes["SequenceNumber"] = "18849496460467696128".into();
                attributes["MessageDeduplicationId"] = (*id).into();
            }
            let suffix = if fifo { ".fifo" } else { "" };
            serde_json::json!({
                "messageId": id,
                "receiptHandle": "MessageReceiptHandle",
                "body": std::str::from_utf8(body).unwrap(),
                "attributes": attributes,
                "messageAttributes": {},
                "md5OfBody": "7b270e59b47ff90a553787216d55d91d",
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:loyalty{suffix}"),
                "awsRegion": REGION,
            })
        })
        .collect();
    serde_json::to_vec(&serde_json::json!({ "Records": records })).unwrap()
}

/// Records of a Kinesis stream around data: the sequence number, the shard and the data.
pub(crate) fn kinesis(records: &[(&str, &str, &[u8])]) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let records: Vec<_> = records
        .iter()
        .map(|(sequence, shard, data)| {
            serde_json::json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": sequence,
                    "data": STANDARD.encode(data),
                    "approximateArrivalTimestamp": 1_545_084_650.987,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": format!("{shard}:{sequence}"),
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": format!("arn:aws:iam::{ACCOUNT}:role/lambda-role"),
                "awsRegion": REGION,
                "eventSourceARN": format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/lambda-stream"),
            })
        })
        .collect();
    serde_json::to_vec(&serde_json::json!({ "Records": records })).unwrap()
}

/// The identifiers that an answer names.
pub(crate) fn failures(answer: &str) -> Vec<String> {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let failures = answer["batchItemFailures"].as_array().expect("a partial batch").clone();
    failures.iter().map(|it| it["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

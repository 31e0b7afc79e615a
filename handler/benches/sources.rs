//! What it costs to take a batch of a queue apart, over the types of `aws_lambda_events` and
//! `serde_json` on the same bytes: ratios, in one run.
//!
//! The batch has ten messages, each with an event of EventBridge of about 1 KB, and both sides
//! decode the same data of each. The other side has a metadata struct with the same members. It
//! checks less: members that appear twice, integers and nesting. Samples of both sides alternate, so
//! that whatever else the machine does falls on both; the ratio is that of the fastest samples.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is not production code")]

use std::{hint::black_box, time::Instant};

use aws_lambda_events::event::{eventbridge::EventBridgeEvent, sqs::SqsEvent};
use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, Envelope, ServiceId};
use setpiece_handler::{Content, Invocation};
use setpiece_testing::{sample, sqs_event};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
const SAMPLES: usize = 400;
const ROUNDS: usize = 20;
const RECORDS: usize = 10;

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted {
    order_number: String,
    total: f64,
    currency: String,
    customer_id: String,
    gift: Option<String>,
    items: Vec<Item>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: u32,
    price_cents: i64,
}

/// A `detail`, as one would write it with serde alone.
#[derive(Debug, Serialize, Deserialize)]
struct Plain {
    metadata: PlainMetadata,
    data: OrderSubmitted,
}

#[derive(Debug, Serialize, Deserialize)]
struct PlainMetadata {
    version: String,
    event_id: String,
    domain: Option<String>,
    subdomain: Option<String>,
    service: Option<String>,
    category: Option<String>,
    r#type: Option<String>,
    name: String,
    occurred_at: Option<String>,
    correlation_id: Option<String>,
    causation_id: Option<String>,
    depth: Option<u32>,
    traceparent: Option<String>,
    subject: Option<String>,
    tenant: Option<String>,
}

fn batch() -> Vec<u8> {
    let bodies = (0..RECORDS).map(|record| {
        let item = |item: i64| Item {
            sku: format!("SKU-{record:03}-{item:03}"),
            quantity: 3,
            price_cents: 129_900 + item,
        };
        let order = OrderSubmitted {
            order_number: format!("123-456x-{record}"),
            total: 29.99,
            currency: "USD".to_owned(),
            customer_id: "cu-101".to_owned(),
            gift: None,
            items: (0..3).map(item).collect(),
        };
        sample(order)
            .tenant("acme")
            .trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .with_metadata(|metadata| metadata.subject = Some("order/123-456x".to_owned()))
            .event_bridge()
    });
    sqs_event(bodies)
}

/// The queue's facts and each message, whatever is in it.
fn theirs_outside(batch: &[u8]) -> SqsEvent {
    serde_json::from_slice(batch).unwrap()
}

fn theirs(batch: &[u8]) -> Vec<EventBridgeEvent<Plain>> {
    let event = theirs_outside(batch);
    let body = |body: &Option<String>| serde_json::from_str(body.as_ref().unwrap()).unwrap();
    // As a handler would, it keeps the facts until the batch is done.
    let events = event.records.iter().map(|record| body(&record.body));
    events.collect()
}

fn ours(batch: &[u8]) -> Vec<Envelope<OrderSubmitted>> {
    let invocation = Invocation::read(batch).unwrap();
    let event = |opened: Content<'_>| {
        let Content::Event(event) = opened else { unreachable!("all are events") };
        event.decode().unwrap()
    };
    invocation.deliveries.iter().map(|delivery| event(delivery.open().unwrap().content)).collect()
}

fn main() {
    let batch = batch();
    let (their_events, our_events) = (theirs(&batch), ours(&batch));
    assert_eq!(their_events.len(), our_events.len());
    for (theirs, ours) in their_events.iter().zip(&our_events) {
        assert_eq!(theirs.detail.data, ours.data);
    }
    println!("{} bytes, {RECORDS} records", batch.len());
    compare("batch", &|| keep(theirs_outside(&batch)), &|| keep(Invocation::read(&batch)));
    compare("batch and events", &|| keep(theirs(&batch)), &|| keep(ours(&batch)));
}

fn compare(what: &str, theirs: &dyn Fn(), ours: &dyn Fn()) {
    let allocations = |run: &dyn Fn()| {
        let counted = allocation_counter::measure(run);
        (counted.count_total, counted.bytes_max)
    };
    let ((their_count, their_bytes), (our_count, our_bytes)) =
        (allocations(theirs), allocations(ours));
    let (theirs, ours) = fastest(theirs, ours);
    println!(
        "{what}: aws_lambda_events {theirs:.1} µs, {their_count} allocations, at most {their_bytes} \
         bytes; setpiece {ours:.1} µs, {our_count} allocations, at most {our_bytes} bytes; ratio \
         {:.2}",
        ours / theirs,
    );
}

/// Keeps the compiler from leaving out what made `value`.
fn keep<T>(value: T) {
    drop(black_box(value));
}

/// Microseconds that one call of each takes, in the fastest of many alternating samples.
fn fastest(theirs: &dyn Fn(), ours: &dyn Fn()) -> (f64, f64) {
    let mut best = (f64::INFINITY, f64::INFINITY);
    for _ in 0..SAMPLES {
        best.0 = best.0.min(time(theirs));
        best.1 = best.1.min(time(ours));
    }
    best
}

fn time(run: &dyn Fn()) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    for _ in 0..ROUNDS {
        run();
    }
    #[expect(clippy::cast_precision_loss, reason = "rounds are few")]
    let rounds = ROUNDS as f64;
    start.elapsed().as_secs_f64() * 1e6 / rounds
}

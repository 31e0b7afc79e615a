//! What those who listen are told, and where.
//!
//! It is alone in its process: with a single listener, whoever else comes first to a place where
//! something is said, in a thread without one, turns it off for all.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod lines;

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use setpiece_bus::Publisher;
use setpiece_envelope::{DomainEvent, FixedClock, ServiceId};
use setpiece_handler::{
    App, Cx, Effects, Handlers, InMemoryQuarantine, MemoryEffects, Received, Write,
};
use setpiece_policy::{Deadline, Fault, InstantSleep, Retry, SeededRandom};
use setpiece_testing::{FakeBus, sample, sqs_event};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

const PRODUCTS: ServiceId = ServiceId::new("shop", "catalog", "products");
const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
struct ProductRegistered {
    customer: String,
    is_known: bool,
}

async fn award_points(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    if !event.data.is_known {
        return Err(Fault::transient("the catalog does not answer"));
    }
    let customer = ("customer", event.data.customer);
    Ok(Effects::new().write(Write::update("points", customer).add("points", 100)))
}

/// A span: its name, the span that it is in, and its fields.
#[derive(Clone, Debug, Default)]
struct Span {
    name: &'static str,
    parent: Option<u64>,
    fields: Vec<(&'static str, String)>,
}

/// What was said: in which span, and with which fields.
type Said = (Option<u64>, Vec<(&'static str, String)>);

/// Writes down all spans of a thread, and what is said in them.
#[derive(Clone, Default)]
struct Recording {
    spans: Arc<Mutex<Vec<Span>>>,
    entered: Arc<Mutex<Vec<u64>>>,
    said: Arc<Mutex<Vec<Said>>>,
    next: Arc<AtomicU64>,
}

struct Fields<'a>(&'a mut Vec<(&'static str, String)>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }
}

impl Recording {
    fn inside(&self) -> Option<u64> {
        self.entered.lock().unwrap().last().copied()
    }

    fn of(&self, name: &str) -> Vec<(usize, Span)> {
        let spans = self.spans.lock().unwrap().clone();
        spans.into_iter().enumerate().filter(|(_, span)| span.name == name).collect()
    }
}

impl Span {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter().rev();
        fields.find(|(of, _)| *of == name).map(|(_, value)| value.as_str())
    }
}

impl Subscriber for Recording {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("setpiece_handler")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut span =
            Span { name: attributes.metadata().name(), parent: self.inside(), fields: Vec::new() };
        attributes.record(&mut Fields(&mut span.fields));
        self.spans.lock().unwrap().push(span);
        // From 1, as ids are.
        Id::from_u64(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, id: &Id, record: &Record<'_>) {
        let mut spans = self.spans.lock().unwrap();
        let index = usize::try_from(id.into_u64() - 1).unwrap();
        record.record(&mut Fields(&mut spans[index].fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Vec::new();
        event.record(&mut Fields(&mut fields));
        self.said.lock().unwrap().push((self.inside(), fields));
    }

    fn enter(&self, id: &Id) {
        self.entered.lock().unwrap().push(id.into_u64());
    }

    fn exit(&self, id: &Id) {
        let mut entered = self.entered.lock().unwrap();
        let last = entered.iter().rposition(|entered| *entered == id.into_u64()).unwrap();
        entered.remove(last);
    }
}

#[tokio::test]
async fn spans_of_deliveries_and_handlers_carry_ids() {
    let recording = Recording::default();
    let _listening = tracing::subscriber::set_default(recording.clone());
    let clock = FixedClock::default();
    let sleep = InstantSleep::new(clock.clone());
    let retry = Retry::new(clock.clone(), SeededRandom::new(1), sleep.clone());
    let app = App::builder(
        LOYALTY,
        Handlers::new(()).on(award_points),
        MemoryEffects::new(clock.clone()),
        Publisher::new(FakeBus::new(), retry),
        clock.clone(),
        SeededRandom::new(1),
        sleep,
    )
    .quarantine(InMemoryQuarantine::new())
    .build()
    .unwrap();

    let registered = |is_known| sample(ProductRegistered { customer: "secret".into(), is_known });
    let cause = registered(true).event_id("e-0");
    let good = registered(true).event_id("e-1").caused_by(cause.metadata());
    let bodies = [
        good.detail(),
        registered(false).event_id("e-2").detail(),
        b"not JSON but secret".to_vec(),
    ];
    let batch = sqs_event(&bodies);
    let json: serde_json::Value = serde_json::from_slice(&batch).unwrap();
    let id = |index: usize| json["Records"][index]["messageId"].as_str().unwrap().to_owned();
    let deadline = Deadline::after(&clock, Duration::from_secs(10));
    let answer = app.invoke(&batch, deadline).await.unwrap();
    assert_eq!(answer, format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{}"}}]}}"#, id(1)));

    let deliveries = recording.of("delivery");
    let delivery = |item: &str| {
        let mut found = deliveries.iter().filter(|(_, it)| it.field("item_id") == Some(item));
        let (index, span) = found.next().expect("a span of it");
        assert!(found.next().is_none() && span.parent.is_none());
        (u64::try_from(*index).unwrap() + 1, span)
    };
    let span = delivery(&id(0)).1;
    let correlation = &good.metadata().correlation;
    for (field, expected) in [
        ("event_id", "e-1"),
        ("event_name", "product_registered"),
        ("event_version", "1"),
        ("correlation_id", correlation.correlation_id.as_ref().unwrap().as_str()),
        ("causation_id", "e-0"),
        ("depth", "1"),
    ] {
        assert_eq!(span.field(field), Some(expected), "{field}");
    }
    // What cannot be read has no ids but that of its message.
    assert_eq!(delivery(&id(2)).1.fields, [("item_id", id(2))]);

    // Each run is in the span of its delivery, and knows which attempt it is.
    let handlers = recording.of("handler");
    assert_eq!(handlers.len(), 2);
    for index in [0, 1] {
        let parent = Some(delivery(&id(index)).0);
        let mut within = handlers.iter().filter(|(_, span)| span.parent == parent);
        let (_, span) = within.next().expect("a run of it");
        let fields = (span.field("handler"), span.field("attempt"));
        assert_eq!(fields, (Some("award_points"), Some("1")));
    }

    // How each ended is said in its span.
    let said = recording.said.lock().unwrap().clone();
    for (index, ending) in [(0, "Acknowledged"), (1, "Failed"), (2, "Quarantined")] {
        let own = Some(delivery(&id(index)).0);
        let mut within = said.iter().filter(|(inside, _)| *inside == own);
        assert!(within.any(|(_, fields)| fields.contains(&("ending", ending.to_owned()))));
    }
    let all = format!("{:?} {said:?}", recording.spans.lock().unwrap());
    assert!(!all.contains("secret"), "{all}");
}

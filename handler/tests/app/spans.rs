//! What those who listen are told, and where.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::shop::{Shop, failures, queue, registered, troubled};

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

#[tokio::test(start_paused = true)]
async fn spans_of_deliveries_and_handlers_carry_ids() {
    let recording = Recording::default();
    let _listening = tracing::subscriber::set_default(recording.clone());
    let shop = Shop::new();
    let cause = registered("c-cause");
    let event = registered("secret").event_id("e-1").caused_by(cause.metadata());
    let bad = troubled("secret", "transient").event_id("e-2");
    let bodies = [event.detail(), bad.detail(), b"not JSON but secret".to_vec()];
    let messages: Vec<_> =
        ["m1", "m2", "m3"].iter().zip(&bodies).map(|(id, body)| (*id, None, &body[..])).collect();
    let app = shop.app();
    let answer = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m2"]);

    let deliveries = recording.of("delivery");
    let delivery = |id: &str| {
        let mut found = deliveries.iter().filter(|(_, it)| it.field("item_id") == Some(id));
        let (index, span) = found.next().expect("a span of it");
        assert!(found.next().is_none() && span.parent.is_none());
        (u64::try_from(*index).unwrap() + 1, span)
    };
    let (own, span) = delivery("m1");
    let metadata = event.metadata();
    for (field, expected) in [
        ("event_id", "e-1"),
        ("event_name", "product_registered"),
        ("event_version", "1"),
        ("correlation_id", metadata.correlation.correlation_id.as_ref().unwrap().as_str()),
        ("causation_id", "registered-c-cause"),
        ("depth", "1"),
    ] {
        assert_eq!(span.field(field), Some(expected), "{field}");
    }
    // What cannot be read has no ids but that of its message.
    assert_eq!(delivery("m3").1.fields, [("item_id", "m3".to_owned())]);

    // Each run is in the span of its delivery, and knows which attempt it is.
    let handlers = recording.of("handler");
    assert_eq!(handlers.len(), 2);
    let handler_in = |parent| {
        handlers.iter().map(|(_, span)| span).find(|span| span.parent == Some(parent)).unwrap()
    };
    for parent in [own, delivery("m2").0] {
        let span = handler_in(parent);
        assert_eq!(
            (span.field("handler"), span.field("attempt")),
            (Some("award_points"), Some("1"))
        );
    }

    // How each ended is said in its span.
    let said = recording.said.lock().unwrap().clone();
    for (id, ending) in [("m1", "Acknowledged"), ("m2", "Failed"), ("m3", "Quarantined")] {
        let own = Some(delivery(id).0);
        let is_ending = |(inside, fields): &&Said| {
            *inside == own && fields.contains(&("ending", ending.to_owned()))
        };
        assert!(said.iter().any(|it| is_ending(&it)), "{id}: {said:?}");
    }
    let all = format!("{:?} {said:?}", recording.spans.lock().unwrap());
    assert!(!all.contains("secret"), "{all}");
}

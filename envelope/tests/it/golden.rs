//! Events of other producers and of every released form of ours. Files are added, never changed.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use setpiece_envelope::{
    Category, CloudEvent, Correlation, DomainEvent, Envelope, EventBridgeEvent, EventType,
    RawEnvelope, ServiceId, TraceParent, TraceState,
};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted {
    order_number: String,
    total: f64,
    currency: String,
    customer_id: String,
    items: BTreeMap<String, u32>,
}

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn file(folder: &str, name: &str) -> Vec<u8> {
    files(folder).into_iter().find(|(file, _)| file == name).unwrap().1
}

fn order() -> OrderSubmitted {
    OrderSubmitted {
        order_number: "123-456x".to_owned(),
        total: 29.99,
        currency: "USD".to_owned(),
        customer_id: "cu-101".to_owned(),
        items: BTreeMap::new(),
    }
}

#[test]
fn every_form_of_the_community_event_arrives_as_the_same_event() {
    let files = files("event-bridge");
    assert_eq!(files.len(), 5);
    for (name, bytes) in files {
        let event = EventBridgeEvent::parse(&bytes).unwrap();
        assert_eq!(event.source, "checkout", "{name}");
        assert_eq!(event.detail_type, "order-submission", "{name}");
        assert_eq!(event.id.as_deref(), Some("12a345b6-78c9-01d2-34e5-6789fg012h3i"), "{name}");
        assert_eq!(event.account.as_deref(), Some("123456789012"), "{name}");
        assert_eq!(event.region.as_deref(), Some("eu-central-1"), "{name}");
        assert_eq!(event.time.unwrap().to_string(), "2023-08-29T12:10:21Z", "{name}");
        assert!(event.resources.is_empty(), "{name}");
        let envelope = event.envelope.decode::<OrderSubmitted>().unwrap();
        assert_eq!(envelope.data, order(), "{name}");
        let metadata = envelope.metadata;
        assert_eq!(metadata.event_id.as_str(), "abcd-123-efg-456", "{name}");
        assert_eq!(metadata.version.get(), 1, "{name}");
        assert_eq!(metadata.domain.as_deref(), Some("retail"), "{name}");
        assert_eq!(metadata.subdomain.as_deref(), Some("checkout"), "{name}");
        assert_eq!(metadata.service.as_deref(), Some("orders"), "{name}");
        assert_eq!(metadata.category, Some(Category::DomainEvent), "{name}");
        assert_eq!(metadata.event_type, Some(EventType::Data), "{name}");
        assert_eq!(metadata.occurred_at, None, "{name}");
        assert_eq!(metadata.correlation.correlation_id, None, "{name}");
        assert!(metadata.extensions.is_empty(), "{name}");
    }
}

#[test]
fn a_replay_is_known_by_its_name() {
    let live = file("event-bridge", "community");
    assert_eq!(EventBridgeEvent::parse(&live).unwrap().replay_name, None);
    let replayed = file("event-bridge", "community_replayed");
    let replayed = EventBridgeEvent::parse(&replayed).unwrap();
    assert_eq!(replayed.replay_name.as_deref(), Some("replay-2023-09"));
}

#[test]
fn every_detail_is_read_and_written_back_with_the_same_members() {
    let files = files("detail");
    assert_eq!(files.len(), 6);
    for (name, bytes) in files {
        let raw = RawEnvelope::parse(&bytes).unwrap();
        let written: Value = serde_json::from_slice(&raw.to_detail().unwrap()).unwrap();
        let original: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(written["data"], original["data"], "{name}");
        let mut metadata = original["metadata"].as_object().unwrap().clone();
        // A member without a value says as much as no member, and so does a depth of 0.
        metadata.retain(|member, value| !(value.is_null() || member == "depth" && value == 0));
        assert_eq!(written["metadata"], Value::Object(metadata), "{name}");
    }
}

#[test]
fn three_members_are_enough() {
    let bytes = file("detail", "required_only");
    let envelope = Envelope::<OrderSubmitted>::from_detail(&bytes).unwrap();
    assert_eq!(envelope.data, order());
    assert_eq!(envelope.metadata.domain, None);
    assert_eq!(envelope.metadata.correlation.depth, 0);
}

#[test]
fn unknown_members_keep_their_very_text() {
    let bytes = file("detail", "unknown_members");
    let envelope = Envelope::<OrderSubmitted>::from_detail(&bytes).unwrap();
    let extensions = &envelope.metadata.extensions;
    assert_eq!(extensions.len(), 3);
    assert_eq!(extensions.get("retries").unwrap().get(), "3");
    let written = envelope.to_detail().unwrap();
    let again = Envelope::<OrderSubmitted>::from_detail(&written).unwrap();
    assert_eq!(again, envelope);
    assert_eq!(again.metadata.extensions.get("note").unwrap().get(), r#""caf\u00e9 \"quoted\"""#);
}

#[test]
fn a_broken_trace_does_not_break_the_event_and_is_passed_on() {
    let bytes = file("detail", "broken_trace");
    let metadata = RawEnvelope::parse(&bytes).unwrap().metadata;
    assert_eq!(metadata.correlation.traceparent, None);
    assert_eq!(metadata.extensions.get("traceparent").unwrap().get(), r#""00-nonsense""#);
}

#[test]
fn a_sound_trace_takes_the_place_of_a_broken_one() {
    let bytes = file("detail", "broken_trace");
    let mut raw = RawEnvelope::parse(&bytes).unwrap();
    let sound = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    raw.metadata.correlation.traceparent = TraceParent::parse(sound).ok();
    raw.metadata.correlation.tracestate = TraceState::parse("rojo=1").ok();
    let written = raw.to_detail().unwrap();
    let correlation = RawEnvelope::parse(&written).unwrap().metadata.correlation;
    assert_eq!(correlation.traceparent.unwrap().as_str(), sound);
    assert_eq!(correlation.tracestate.unwrap().as_str(), "rojo=1");
    let json = CloudEvent::new("shop", raw).to_json().unwrap();
    assert!(CloudEvent::parse(&json).is_ok());
}

#[test]
fn an_event_without_a_flow_begins_one_when_it_causes_another() {
    let bytes = file("detail", "required_only");
    let metadata = RawEnvelope::parse(&bytes).unwrap().metadata;
    assert_eq!(metadata.correlation.correlation_id, None);
    let next = Correlation::caused_by(&metadata);
    assert_eq!(next.correlation_id.unwrap().as_str(), "abcd-123-efg-456");
    assert_eq!(next.causation_id.unwrap().as_str(), "abcd-123-efg-456");
}

#[test]
fn outer_members_may_be_null() {
    let event = r#"{"source":"a","detail-type":"b","id":null,"time":null,"account":null,"resources":null,
        "detail":{"metadata":{"event_id":"e","name":"n","version":1},"data":null}}"#;
    let event = EventBridgeEvent::parse(event.as_bytes()).unwrap();
    assert_eq!((event.id, event.time, event.account), (None, None, None));
}

#[test]
fn every_member_has_its_place() {
    let bytes = file("detail", "every_member");
    let metadata = RawEnvelope::parse(&bytes).unwrap().metadata;
    assert!(metadata.extensions.is_empty());
    let correlation = metadata.correlation;
    assert_eq!(correlation.correlation_id.unwrap().as_str(), "01JD4QZ3N8E4V5W6X7Y8Z9ABCD");
    assert_eq!(correlation.causation_id.unwrap().as_str(), "01JD4PZ3N8E4V5W6X7Y8Z9ABCD");
    assert_eq!(correlation.depth, 1);
    assert!(correlation.traceparent.unwrap().is_sampled());
    assert_eq!(correlation.tracestate.unwrap().as_str(), "rojo=00f067aa0ba902b7");
    assert_eq!(correlation.sampled, Some(true));
    assert_eq!(correlation.tenant.as_deref(), Some("acme"));
    assert_eq!(metadata.occurred_at.unwrap().to_string(), "2026-11-20T12:10:21.123Z");
    assert_eq!(metadata.subject.as_deref(), Some("order/123-456x"));
    assert_eq!(metadata.partition_key.as_deref(), Some("order/123-456x"));
}

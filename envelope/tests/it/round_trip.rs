//! What is written is read back as it was, whatever it is.

use proptest::{collection::vec, option, prelude::*};
use serde_json::Value;
use setpiece_envelope::{
    Category, CloudEvent, Correlation, CorrelationId, DomainEvent, Envelope, EventId, EventType,
    EventVersion, First, Metadata, RawEnvelope, ServiceId, Timestamp, TraceParent, TraceState,
};

/// An event with any JSON for its data.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct ProbeSent(Value);

impl DomainEvent for ProbeSent {
    type Previous = First;
    const SERVICE: ServiceId = ServiceId::new("retail", "lab", "probes");
    const NAME: &'static str = "probe_sent";
    const VERSION: EventVersion = EventVersion::FIRST;
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 20, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::from),
            vec((any::<String>(), inner), 0..20)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// 1 to 128 printable characters.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{1,128}", "[ -~äß€😀]{1,128}"]
}

prop_compose! {
    fn correlation()(
        correlation_id in option::of(text()),
        causation_id in option::of(text()),
        depth in 0..=Correlation::MAX_DEPTH,
        trace in option::of("00-[1-9a-f][0-9a-f]{31}-[1-9a-f][0-9a-f]{15}-0[0-3]"),
        state in option::of("[a-z][a-z0-9]{0,9}=[!-+]{1,9}"),
        sampled in option::of(any::<bool>()),
        tenant in option::of(text()),
    ) -> Correlation {
        let mut correlation = Correlation::root();
        correlation.correlation_id = correlation_id.map(|id| CorrelationId::parse(id).unwrap());
        correlation.causation_id = causation_id.map(|id| EventId::parse(id).unwrap());
        correlation.depth = depth;
        correlation.traceparent = trace.map(|trace| TraceParent::parse(trace).unwrap());
        correlation.tracestate = state.map(|state| TraceState::parse(state).unwrap());
        correlation.sampled = sampled;
        correlation.tenant = tenant;
        correlation
    }
}

prop_compose! {
    fn metadata()(
        (event_id, version) in (text(), 1_u32..),
        (domain, subdomain, service) in (option::of(text()), option::of(text()), option::of(text())),
        (category, event_type) in (option::of(text()), option::of(text())),
        // The years 0 to 9999, to the millisecond.
        occurred_at in option::of(-62_167_219_200_000_i64..253_402_207_200_000),
        correlation in correlation(),
        (subject, partition_key) in (option::of(text()), option::of(text())),
        extensions in vec((prop_oneof![text(), "[a-z0-9]{1,20}"], json()), 0..4),
    ) -> Metadata {
        let event_id = EventId::parse(event_id).unwrap();
        let mut metadata = Metadata::new(event_id, ProbeSent::NAME, EventVersion::new(version));
        metadata.domain = domain;
        metadata.subdomain = subdomain;
        metadata.service = service;
        metadata.category = category.map(|category| Category::from(category.as_str()));
        metadata.event_type = event_type.map(|event_type| EventType::from(event_type.as_str()));
        metadata.occurred_at = occurred_at.and_then(Timestamp::from_unix_millis);
        metadata.correlation = correlation;
        metadata.subject = subject;
        metadata.partition_key = partition_key;
        for (name, value) in extensions {
            // A name that is taken, or a number that EventBridge refuses, stays out.
            _ = metadata.extensions.insert(&name, &value);
        }
        metadata
    }
}

/// Only the values count where numbers and members were arbitrary JSON.
fn data(detail: &[u8]) -> Value {
    serde_json::from_str(RawEnvelope::parse(detail).unwrap().data()).unwrap()
}

proptest! {
    #[test]
    fn a_written_event_is_read_back(metadata in metadata(), json in json()) {
        let envelope = Envelope::new(metadata, ProbeSent(json));
        let detail = envelope.to_detail().unwrap();
        prop_assert_eq!(Envelope::<ProbeSent>::from_detail(&detail).unwrap(), envelope);
    }

    #[test]
    fn an_event_passed_on_unread_stays_the_same(metadata in metadata(), json in json()) {
        let detail = Envelope::new(metadata, ProbeSent(json)).to_detail().unwrap();
        prop_assert_eq!(RawEnvelope::parse(&detail).unwrap().to_detail().unwrap(), detail);
    }

    #[test]
    fn nothing_is_lost_by_way_of_cloud_events(
        metadata in metadata(), version in 1_u32.., json in json(), source in text()
    ) {
        let mut metadata = metadata;
        let detail = Envelope::new(metadata.clone(), ProbeSent(json)).to_detail().unwrap();
        // An envelope has its type's version, an event of another producer any.
        metadata.version = EventVersion::new(version);
        let mut raw = RawEnvelope::parse(&detail).unwrap();
        raw.metadata = metadata;

        let first = CloudEvent::new(source.as_str(), raw.clone()).to_json().unwrap();
        let there = CloudEvent::parse(&first).unwrap();
        prop_assert_eq!(&*there.source, source.as_str());
        prop_assert_eq!(&there.envelope.metadata, &raw.metadata);
        prop_assert_eq!(there.envelope.data(), raw.data());
        prop_assert_eq!(&there.to_json().unwrap(), &first);

        let attributes: serde_json::Map<String, Value> = serde_json::from_slice(&first).unwrap();
        for (name, value) in attributes {
            let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            prop_assert!(name.chars().all(lower), "{}", name);
            let is_integer = value.as_i64().is_some_and(|value| i32::try_from(value).is_ok());
            let is_attribute = value.is_string() || value.is_boolean() || is_integer;
            prop_assert!(name == "data" || is_attribute, "{}: {}", name, value);
        }
    }

    #[test]
    fn a_float_is_the_same_to_its_last_bit(float in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
        let text = serde_json::to_string(&float).unwrap();
        let read = setpiece_envelope::from_json::<f64>(text.as_bytes()).unwrap();
        prop_assert_eq!(read.to_bits(), float.to_bits());
    }

    #[test]
    fn bytes_of_any_kind_do_not_panic(bytes in vec(any::<u8>(), 0..200)) {
        _ = RawEnvelope::parse(&bytes);
        _ = setpiece_envelope::EventBridgeEvent::parse(&bytes);
        _ = CloudEvent::parse(&bytes);
    }

    #[test]
    fn damaged_events_do_not_panic_and_stay_events_or_errors(
        metadata in metadata(), json in json(), at: prop::sample::Index, byte: u8
    ) {
        let mut detail = Envelope::new(metadata, ProbeSent(json)).to_detail().unwrap();
        let at = at.index(detail.len());
        detail[at] = byte;
        if let Ok(raw) = RawEnvelope::parse(&detail) {
            let again = raw.to_detail().unwrap();
            prop_assert_eq!(RawEnvelope::parse(&again).unwrap().metadata, raw.metadata);
            prop_assert_eq!(data(&again), data(&detail));
        }
    }

    #[test]
    fn the_scanner_agrees_with_serde_json_on_what_is_json(text in "[\\[\\]{}\",:0-9.eE+\\-tfnul\\\\ a]{0,30}") {
        let detail = format!(r#"{{"metadata":{{"event_id":"e","name":"n","version":"1"}},"data":{text}}}"#);
        let ours = RawEnvelope::parse(detail.as_bytes());
        let ours = ours.map(|raw| serde_json::from_str::<Value>(raw.data()).unwrap());
        let theirs = serde_json::from_str::<Value>(&text);
        match ours {
            Ok(value) => prop_assert_eq!(value, theirs.unwrap()),
            // Ours refuses more, for reasons of its own.
            Err(error) => {
                let reason = error.violation().unwrap().reason().clone();
                let not_json = matches!(reason, setpiece_envelope::Reason::NotJson { .. });
                prop_assert!(!not_json || theirs.is_err(), "{}", text);
            }
        }
    }
}

//! Whatever is wrong with an event, what it says does not end up in a log.

use std::error::Error;

use serde::{Deserialize, Serialize};
use setpiece_envelope::{
    Correlation, DomainEvent, Envelope, EventBridgeEvent, FixedClock, RawEnvelope, SequentialIds,
    ServiceId, Stamp,
};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted {
    #[event(subject, pii = "email")]
    email: String,
    kind: Kind,
    #[serde(deserialize_with = "never")]
    age: u8,
}

#[derive(Debug, Serialize, Deserialize)]
enum Kind {
    Private,
    Business,
}

fn never<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let age = u8::deserialize(deserializer)?;
    Err(serde::de::Error::custom(format!("{age} is SECRET")))
}

#[test]
fn errors_quote_no_values() {
    let metadata = r#"{"event_id":"e-1","name":"order_submitted","version":"1"}"#;
    for data in [
        r#""SECRET""#,
        r#"{"email":["SECRET"]}"#,
        r#"{"email":"a","kind":"SECRET","age":1}"#,
        r#"{"email":"a","kind":{"SECRET":1},"age":1}"#,
        r#"{"email":"a","kind":"Private","age":"SECRET"}"#,
        r#"{"email":"a","kind":"Private","age":1}"#,
        r#"{"email":"a","kind":"Private","SECRET@example.com":18446744073709551616}"#,
        r#"{"email":"a","kind":"Private","SECRET@example.com":1,"SECRET@example.com":1}"#,
        r#"{"email":"SECRET"#,
    ] {
        let detail = format!(r#"{{"metadata":{metadata},"data":{data}}}"#);
        let error = Envelope::<OrderSubmitted>::from_detail(detail.as_bytes()).unwrap_err();
        let mut texts = vec![error.to_string(), format!("{error:?}"), format!("{error:#?}")];
        let mut source = error.source();
        while let Some(error) = source {
            texts.push(error.to_string());
            source = error.source();
        }
        for text in texts {
            assert!(!text.contains("SECRET"), "{text}");
        }
    }
}

#[test]
fn what_refused_a_value_is_named_without_it() {
    let detail = r#"{"metadata":{"event_id":"e-1","name":"order_submitted","version":"1"},
        "data":{"email":"a","kind":"Private","age":1}}"#;
    let error = Envelope::<OrderSubmitted>::from_detail(detail.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "`data.age` was refused by its type");
}

#[test]
fn debug_texts_show_ids_and_no_data() {
    let stamp = Stamp::new(FixedClock::default(), SequentialIds::new());
    let event =
        OrderSubmitted { email: "SECRET@example.com".to_owned(), kind: Kind::Business, age: 7 };
    let mut envelope = stamp.envelope(event, &Correlation::root());
    envelope.metadata.extensions.insert("note", &"SECRET").unwrap();
    let detail = envelope.to_detail().unwrap();
    let raw = RawEnvelope::parse(&detail).unwrap();
    let text = String::from_utf8(detail.clone()).unwrap();
    let event = format!(r#"{{"source":"a","detail-type":"b","detail":{text}}}"#);
    let event = EventBridgeEvent::parse(event.as_bytes()).unwrap();
    assert_eq!(envelope.metadata.subject.as_deref(), Some("SECRET@example.com"));
    for text in [
        format!("{envelope:?}"),
        format!("{raw:?}"),
        format!("{event:?}"),
        format!("{:#?}", envelope.metadata),
    ] {
        assert!(!text.contains("SECRET"), "{text}");
        assert!(text.contains("EventId(00000000000000000000000001)"), "{text}");
        assert!(text.contains("note"), "{text}");
    }
}

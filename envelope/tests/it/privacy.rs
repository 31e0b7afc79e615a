//! Whatever is wrong with an event, what it says does not end up in a log.

use std::{collections::BTreeMap, error::Error};

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
    #[serde(default)]
    scores: BTreeMap<String, u8>,
    #[serde(default)]
    other: Option<Other>,
}

/// A type that puts what it found into what it expected.
#[derive(Debug, Serialize)]
struct Other(String);

impl<'de> Deserialize<'de> for Other {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::{Error, Unexpected};
        let text = String::deserialize(deserializer)?;
        let expected = format!("something else than {text}");
        Err(D::Error::invalid_value(Unexpected::Str(&text), &expected.as_str()))
    }
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
        r#"{"scores":{"SECRET":"x"}}"#,
        r#"{"other":"SECRET"}"#,
        r#"{"other":"SE \"SECRET\" CRET"}"#,
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
fn keys_of_maps_are_data_when_written_too() {
    let stamp = Stamp::new(FixedClock::default(), SequentialIds::new());
    let event = Scored { scores: BTreeMap::from([("SECRET".to_owned(), f64::NAN)]) };
    let error = stamp.envelope(event, &Correlation::root()).to_detail().unwrap_err();
    assert_eq!(error.to_string(), "`data.scores.*` is not a finite number");
    assert!(!format!("{error:?}").contains("SECRET"));
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_scored", version = 1)]
struct Scored {
    scores: BTreeMap<String, f64>,
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
    let event = OrderSubmitted {
        email: "SECRET@example.com".to_owned(),
        kind: Kind::Business,
        age: 7,
        scores: BTreeMap::new(),
        other: None,
    };
    let mut envelope = stamp.envelope(event, &Correlation::root());
    envelope.metadata.extensions.insert("note", &"SECRET").unwrap();
    envelope.metadata.extensions.insert("SECRET@example.com", &1).unwrap();
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

/// A type whose own code puts what it found wherever an error has room for a text or a number.
#[derive(Serialize)]
struct Talkative(#[serde(skip)] ());

impl<'de> Deserialize<'de> for Talkative {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::{Error, Unexpected};
        let pair: (u32, serde_json::Value) = Deserialize::deserialize(deserializer)?;
        let (how, value) = pair;
        let text = match &value {
            serde_json::Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let number = value.as_u64().unwrap_or_default();
        let length = usize::try_from(number).unwrap_or_default();
        let expected =
            |text: String| D::Error::invalid_value(Unexpected::Unsigned(number), &&*text);
        Err(match how {
            0 => expected(format!("another card than {text}")),
            1 => expected(text),
            2 => expected(format!("struct {text}")),
            3 => expected(format!("enum {text}")),
            4 => expected(format!("an array of length {text}")),
            5 => expected(format!("a tuple of size {text}")),
            6 => expected(format!("tuple struct Event with {text} elements")),
            7 => expected(format!("tuple variant Event::{text}")),
            8 => expected(format!("field index 0 <= i < {text}")),
            9 => expected(format!("{text} elements in sequence")),
            10 => D::Error::invalid_length(length, &"fewer"),
            11 => D::Error::invalid_length(3, &&*format!("fewer than {text}")),
            12 => D::Error::invalid_type(Unexpected::Other(&text), &&*format!("no {text:?}")),
            13 => D::Error::invalid_type(Unexpected::Str(&text), &&*text.to_lowercase()),
            _ => D::Error::custom(format!("invalid type: {text}, expected {text}")),
        })
    }
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_told", version = 1)]
struct Told {
    talk: Talkative,
}

#[test]
fn text_of_a_types_own_code_is_in_no_error() {
    let metadata = r#"{"event_id":"e-1","name":"order_told","version":"1"}"#;
    for how in 0..15 {
        for value in
            ["4111111111111111", r#""SECRET""#, r#""SECRET \"quoted\"""#, r#"{"SECRET":7}"#]
        {
            let detail = format!(r#"{{"metadata":{metadata},"data":{{"talk":[{how},{value}]}}}}"#);
            let error = Envelope::<Told>::from_detail(detail.as_bytes()).err().unwrap();
            for text in [error.to_string(), format!("{error:?}")] {
                let is_told = text.to_lowercase().contains("secret") || text.contains("4111");
                assert!(!is_told, "{how}: {text}");
                assert!(text.contains("data.talk"), "{text}");
            }
        }
    }
}

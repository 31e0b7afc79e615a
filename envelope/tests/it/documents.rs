//! Documents of somebody else: the type that reads them judges, and what it says has a path.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use setpiece_envelope::{MAX_DOCUMENT_BYTES, MAX_NESTING, RawEnvelope, from_json};

#[derive(Debug, PartialEq, Deserialize)]
struct Account {
    id: u64,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    total: Option<f64>,
    #[serde(default)]
    large: Option<u128>,
}

/// Bytes as text would hold them, and more.
#[derive(Debug, PartialEq)]
struct AsBytes(Vec<u8>);

impl<'de> Deserialize<'de> for AsBytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = AsBytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a byte array")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<AsBytes, E> {
                Ok(AsBytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

fn account(json: &str) -> Account {
    from_json(json.as_bytes()).unwrap()
}

#[test]
fn what_the_type_can_hold_is_read() {
    assert_eq!(account(r#"{"id":18446744073709551615}"#).id, u64::MAX);
    let large = account(r#"{"id":1,"large":340282366920938463463374607431768211455}"#);
    assert_eq!(large.large, Some(u128::MAX));
    let half: AsBytes = from_json(br#""a\ud800b""#).unwrap();
    assert_eq!(half.0, [b'a', 0xed, 0xa0, 0x80, b'b']);
    let last: BTreeMap<String, u8> = from_json(br#"{"a":1,"a":2}"#).unwrap();
    assert_eq!(last["a"], 2);
}

#[test]
fn what_the_type_does_not_read_is_passed_over() {
    for unread in [
        "18446744073709551616",
        "1e400",
        "-1e400",
        r#""\ud800""#,
        r#""\udc00\ud800x""#,
        r#"{"a":1,"a":2,"\u0061":3}"#,
        r#"{"\ud800":[1e400,{"b":1,"b":"\udfff"}]}"#,
    ] {
        let json = format!(r#"{{"unread":{unread},"id":1,"unread":{unread}}}"#);
        assert_eq!(account(&json).id, 1, "{unread}");
        from_json::<IgnoredAny>(json.as_bytes()).unwrap();
        let raw: BTreeMap<String, Box<RawValue>> = from_json(json.as_bytes()).unwrap();
        assert_eq!(raw["unread"].get(), unread);
        // With us, none of it is an event.
        let detail =
            format!(r#"{{"metadata":{{"event_id":"e","name":"n","version":"1"}},"data":{json}}}"#);
        RawEnvelope::parse(detail.as_bytes()).unwrap_err();
    }
}

#[test]
fn what_the_type_refuses_has_a_path_and_a_reason_and_no_value() {
    for (json, expected) in [
        (r#"{"id":18446744073709551616}"#, "`id` expected u64, found a number"),
        (r#"{"id":-4111}"#, "`id` expected u64, found a number that does not fit"),
        (r#"{"id":-0}"#, "`id` expected u64, found a number"),
        (r#"{"id":"4111"}"#, "`id` expected u64, found a string"),
        (r#"{"id":4111,"id":4111}"#, "`id` appears more than once"),
        (r#"{"id":1,"total":1e400}"#, "`total` is not a finite number"),
        (r#"{"id":1,"name":"4111\ud800"}"#, "`name` does not have the form of Unicode text"),
        (r#"{"\ud800":1,"id":4111}"#, "`$` does not have the form of Unicode text"),
        // What is passed over is not blamed for what is wrong.
        (
            r#"{"unread":[1e400,"\ud800",{"a":1,"a":4111}],"id":"x"}"#,
            "`id` expected u64, found a string",
        ),
        (
            r#"{"large":340282366920938463463374607431768211455,"id":"x"}"#,
            "`id` expected u64, found a string",
        ),
        (r#"{"id":4111"#, "`$` is not JSON at byte 10: expected a comma or the end of the object"),
        (r#"[{"id":4111}]"#, "`$` expected struct Account, found an array"),
        (r#""4111""#, "`$` expected struct Account, found a string"),
    ] {
        let error = from_json::<Account>(json.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{json}");
        let shown = format!("{error:?}");
        assert!(!shown.contains("4111"), "{shown}");
    }
    let error = from_json::<BTreeMap<String, String>>(br#"{"+49 30 1234":4111}"#).unwrap_err();
    assert_eq!(error.to_string(), "`*` expected a string, found a number");
    let error = from_json::<serde_json::Value>(br#"{"a":[0,1e400]}"#).unwrap_err();
    assert_eq!(error.to_string(), "`*[1]` is not a finite number");
}

#[test]
fn a_document_is_as_large_as_lambda_takes() {
    let text = |len: usize| format!("\"{}\"", "x".repeat(len - 2));
    let read: String = from_json(text(MAX_DOCUMENT_BYTES).as_bytes()).unwrap();
    assert_eq!(read.len(), MAX_DOCUMENT_BYTES - 2);
    let error = from_json::<String>(text(MAX_DOCUMENT_BYTES + 1).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "`$` has 6291557 bytes, more than the 6291556 that are allowed");
}

/// What a type skips, serde would follow without end.
#[test]
fn a_document_is_nested_as_deep_as_readers_follow() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    from_json::<serde_json::Value>(nested(MAX_NESTING - 1).as_bytes()).unwrap();
    for levels in [MAX_NESTING, 1_000_000] {
        for json in [nested(levels), format!(r#"{{"id":1,"unread":{}}}"#, nested(levels))] {
            let error = from_json::<IgnoredAny>(json.as_bytes()).unwrap_err();
            assert!(error.to_string().ends_with("is nested deeper than 128 levels"), "{error}");
            from_json::<Box<RawValue>>(json.as_bytes()).unwrap_err();
        }
    }
}

/// JSON by its grammar, with all that readers disagree on, a few levels deep.
fn json() -> impl Strategy<Value = String> {
    let text = r#"([ -!#-\[\]-~äß]|\\["\\/bfnrt]|\\u00[0-9a-f]{2}|\\ud[89a-f][0-9a-f]{2}){0,6}"#;
    let text = text.prop_map(|text| format!("\"{text}\"")).boxed();
    let number = r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?";
    let leaf = prop_oneof!["null|true|false", number, text.clone()];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        let name = prop_oneof![r#""[a-c]""#, text.clone()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec((name, inner), 0..5).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name} : {value}")).collect();
                format!("{{ {} }}", members.join(", "))
            }),
        ]
    })
}

/// A type of our own, for which a document may be right or wrong.
#[derive(Debug, PartialEq, Deserialize)]
struct Some3 {
    a: Option<i64>,
    b: Option<Box<Self>>,
    #[serde(default)]
    c: Vec<String>,
}

fn agree<T: serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
    json: &str,
) -> Result<(), TestCaseError> {
    match (from_json::<T>(json.as_bytes()), serde_json::from_str::<T>(json)) {
        (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
        (Err(error), Err(_)) => {
            // The reason is found; that the type refused it is no reason.
            prop_assert_ne!(error.to_string(), "`$` was refused by its type");
        }
        // The one thing on which we differ.
        (Err(_), Ok(_)) if json.trim_start().starts_with('[') => {}
        (ours, theirs) => prop_assert!(false, "{json}: {ours:?} {theirs:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_document_is_read_as_serde_json_reads_it(json in json()) {
        agree::<serde_json::Value>(&json)?;
        agree::<BTreeMap<String, serde_json::Value>>(&json)?;
        agree::<Vec<Option<f64>>>(&json)?;
        agree::<Some3>(&json)?;
    }

    #[test]
    fn any_text_is_read_as_serde_json_reads_it(json in r#"[\[\]{}",:0-9.eE+\-tfnul\\ adu8]{0,30}"#) {
        let ours = from_json::<serde_json::Value>(json.as_bytes());
        prop_assert_eq!(ours.ok(), serde_json::from_str(&json).ok());
    }
}

//! What is wrong with an event is said with its path and its reason, and nothing panics.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{
    DomainEvent, Envelope, EventBridgeEvent, MAX_EVENT_BYTES, MAX_NESTING, RawEnvelope, ServiceId,
    from_json,
};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted {
    order_number: String,
    quantity: u8,
    #[serde(default)]
    lines: Vec<Line>,
    #[serde(default)]
    payment: Option<Payment>,
    #[serde(default)]
    total: f64,
    #[serde(default)]
    size: (u8, u8),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sku: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Payment {
    Cash,
    Card { last_digits: String },
}

const METADATA: &str = r#"{"event_id":"e-1","name":"order_submitted","version":"1"}"#;

fn with_metadata(metadata: &str) -> String {
    format!(r#"{{"metadata":{metadata},"data":{{"order_number":"1","quantity":1}}}}"#)
}

fn with_data(data: &str) -> String {
    format!(r#"{{"metadata":{METADATA},"data":{data}}}"#)
}

#[track_caller]
fn check(detail: impl AsRef<[u8]>, expected: &str) {
    let error = Envelope::<OrderSubmitted>::from_detail(detail.as_ref()).unwrap_err();
    assert!(error.violation().is_some(), "{error:?}");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_detail_is_an_object_with_metadata_and_data() {
    check("", "`$` is not JSON at byte 0: expected a value");
    check("nonsense", "`$` is not JSON at byte 0: expected a value");
    check("{", "`$` is not JSON at byte 1: expected a member's name");
    check("{} {}", "`metadata` is missing");
    check(
        format!("{} {{}}", with_data("{}")),
        &format!("`$` is not JSON at byte {}: expected the end", with_data("{}").len() + 1),
    );
    check("[]", "`$` expected an object, found an array");
    check("7", "`$` expected an object, found a number");
    check("null", "`$` expected an object, found null");
    check("{}", "`metadata` is missing");
    check(format!(r#"{{"metadata":{METADATA}}}"#), "`data` is missing");
    check(r#"{"metadata":[],"data":{}}"#, "`metadata` expected an object, found an array");
}

#[test]
fn a_detail_that_was_encoded_twice_is_called_so() {
    let twice = serde_json::to_string(&with_data("{}")).unwrap();
    let message =
        "is a text that holds JSON, expected the JSON object itself: it was encoded twice";
    check(&twice, &format!("`$` {message}"));
    check(r#""hello""#, "`$` expected an object, found a string");
    let event = format!(r#"{{"source":"a","detail-type":"b","detail":{twice}}}"#);
    let error = EventBridgeEvent::parse(event.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), format!("`detail` {message}"));
}

#[test]
fn ids_and_texts_of_the_metadata_are_checked() {
    let long = "x".repeat(129);
    let umlauts = "ü".repeat(128);
    for (member, value, expected) in [
        ("event_id", r#""""#, "is empty"),
        ("event_id", &format!(r#""{long}""#), "is longer than 128 characters"),
        ("event_id", "\"a\\u0000b\"", "has characters that cannot be printed"),
        ("event_id", "7", "expected a string, found a number"),
        ("event_id", "null", "expected a string, found null"),
        ("name", r#""""#, "is empty"),
        ("name", "[]", "expected a string, found an array"),
        ("correlation_id", r#""""#, "is empty"),
        ("correlation_id", &format!(r#""{long}""#), "is longer than 128 characters"),
        ("causation_id", r#""""#, "is empty"),
        ("causation_id", "true", "expected a string, found a boolean"),
        ("tenant", &format!(r#""{long}""#), "is longer than 128 characters"),
        ("domain", "{}", "expected a string, found an object"),
        ("occurred_at", r#""yesterday""#, "is not a timestamp of RFC 3339"),
        ("occurred_at", "1700000000", "expected a string, found a number"),
        ("depth", "-1", "expected a whole number from 0 to 2147483647, found another number"),
        ("depth", "1.5", "expected a whole number from 0 to 2147483647, found another number"),
        (
            "depth",
            "2147483648",
            "expected a whole number from 0 to 2147483647, found another number",
        ),
        ("depth", r#""1""#, "expected a number, found a string"),
        ("sampled", r#""true""#, "expected a boolean, found a string"),
    ] {
        let mut metadata: serde_json::Map<String, _> = serde_json::from_str(METADATA).unwrap();
        metadata.remove(member);
        let metadata = serde_json::to_string(&metadata).unwrap();
        let metadata = metadata.replacen('{', &format!(r#"{{"{member}":{value},"#), 1);
        check(with_metadata(&metadata), &format!("`metadata.{member}` {expected}"));
    }
    let metadata = METADATA.replace("e-1", &umlauts);
    assert!(RawEnvelope::parse(with_metadata(&metadata).as_bytes()).is_ok());
    for member in ["event_id", "name", "version"] {
        let mut metadata: serde_json::Map<String, _> = serde_json::from_str(METADATA).unwrap();
        metadata.remove(member);
        let metadata = serde_json::to_string(&metadata).unwrap();
        check(with_metadata(&metadata), &format!("`metadata.{member}` is missing"));
    }
}

#[test]
fn versions_are_whole_numbers_from_1() {
    let expected = "expected an event version from 1 to 4294967295, found";
    for (version, found) in [
        ("0", "zero"),
        (r#""0""#, "zero"),
        (r#""0.9""#, "zero"),
        ("-1", "a negative number"),
        (r#""-1""#, "a negative number"),
        (r#""two""#, "another text"),
        (r#""1.x""#, "another text"),
        (r#"" 1""#, "another text"),
        (r#""+1""#, "another text"),
        ("1e0", "another text"),
        ("4294967296", "a larger number"),
        (r#""4294967296""#, "a larger number"),
    ] {
        let metadata = METADATA.replace(r#""version":"1""#, &format!(r#""version":{version}"#));
        check(with_metadata(&metadata), &format!("`metadata.version` {expected} {found}"));
    }
    for (version, message) in [
        (r#""""#, "is empty"),
        ("null", "expected an event version, found null"),
        ("true", "expected an event version, found a boolean"),
        ("[1]", "expected an event version, found an array"),
        ("99999999999999999999", "is a number that does not fit in a signed 64-bit integer"),
    ] {
        let metadata = METADATA.replace(r#""version":"1""#, &format!(r#""version":{version}"#));
        check(with_metadata(&metadata), &format!("`metadata.version` {message}"));
    }
    for version in ["1", "\"1\"", "\"1.0\"", "\"1.7.2\"", "1.0", "\"01\""] {
        let metadata = METADATA.replace(r#""version":"1""#, &format!(r#""version":{version}"#));
        let detail = with_metadata(&metadata);
        assert_eq!(RawEnvelope::parse(detail.as_bytes()).unwrap().metadata.version.get(), 1);
    }
}

#[test]
fn data_of_another_type_is_named_by_path_and_kinds() {
    for (data, expected) in [
        ("{}", "`data.order_number` is missing"),
        ("7", "`data` expected struct OrderSubmitted, found a number"),
        (r#"["1",1]"#, "`data` expected struct OrderSubmitted, found an array"),
        (
            r#"{"order_number":7,"quantity":1}"#,
            "`data.order_number` expected a string, found a number",
        ),
        (
            r#"{"order_number":"1","quantity":300}"#,
            "`data.quantity` expected u8, found a number that does not fit",
        ),
        (
            r#"{"order_number":"1","quantity":1,"lines":[{"sku":"a"},{"sku":null}]}"#,
            "`data.lines[1].sku` expected a string, found null",
        ),
        (
            r#"{"order_number":"1","quantity":1,"lines":[{"sku":"a","colour":"red"}]}"#,
            "`data.lines[0]` has a member that its type does not know, expected `sku`",
        ),
        (
            r#"{"order_number":"1","quantity":1,"size":[1,2,3]}"#,
            "`data.size` expected an array of length 2, found a length of 3",
        ),
        (
            r#"{"order_number":"1","quantity":1,"payment":"bitcoin"}"#,
            "`data.payment` is an unknown variant, expected one of `cash`, `card`",
        ),
        (
            r#"{"order_number":"1","quantity":1,"payment":{"card":{"last_digits":1234}}}"#,
            "`data.payment.card.last_digits` expected a string, found a number",
        ),
        (
            r#"{"order_number":"1","quantity":1,"payment":{"card":{},"cash":null}}"#,
            "`data.payment` expected an object with a single member, found an object that does not fit",
        ),
    ] {
        check(with_data(data), expected);
    }
}

#[test]
fn arrays_are_read_by_types_that_are_arrays() {
    type Bytes = serde_json::value::RawValue;
    let read = br#" ["a", 1]"#;
    assert_eq!(from_json::<(String, u8)>(read).unwrap(), ("a".to_owned(), 1));
    assert_eq!(from_json::<Option<(String, u8)>>(read).unwrap(), Some(("a".to_owned(), 1)));
    assert_eq!(from_json::<Box<Bytes>>(read).unwrap().get(), r#"["a", 1]"#);
    assert!(from_json::<serde_json::Value>(read).unwrap().is_array());
    assert_eq!(from_json::<Vec<u8>>(b"[1,2]").unwrap(), [1, 2]);
    assert_eq!(
        from_json::<Line>(br#"["a"]"#).unwrap_err().to_string(),
        "`$` expected struct Line, found an array"
    );
}

/// Types whose members the search for the reason must pass by before it finds the wrong one.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only the way into it is looked at")]
struct Passed {
    raw: Box<serde_json::value::RawValue>,
    by_number: std::collections::BTreeMap<u16, bool>,
    by_flag: std::collections::HashMap<bool, Option<Payment>>,
    by_variant: std::collections::HashMap<Side, (i8, f32)>,
    letter: char,
    nothing: (),
    wrong: u8,
}

#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
enum Side {
    Left,
}

#[test]
fn what_is_right_is_not_blamed_for_what_is_wrong() {
    let json = r#"{"raw":{"any":[1]},"by_number":{"7":true},"by_flag":{"true":"cash"},
        "by_variant":{"Left":[-1,0.5]},"letter":"x","nothing":null,"wrong":"a"}"#;
    assert_eq!(
        from_json::<Passed>(json.as_bytes()).unwrap_err().to_string(),
        "`wrong` expected u8, found a string"
    );
    for (from, to, expected) in [
        (r#""7""#, r#""70000""#, "`by_number` expected u16, found a string"),
        (r#""7""#, r#""07""#, "`by_number` expected u16, found a string"),
        (r#""7""#, r#""+7""#, "`by_number` expected u16, found a string"),
        (r#""7""#, r#""a""#, "`by_number` expected u16, found a string"),
        (r#""Left""#, r#""Right""#, "`by_variant` is an unknown variant, expected `Left`"),
        ("0.5", "\"0.5\"", "`by_variant.*[1]` expected f32, found a string"),
        (r#""x""#, r#""xy""#, "`letter` expected a character, found a string that does not fit"),
        ("null", "0", "`nothing` expected unit, found a number"),
    ] {
        let json = json.replace(from, to).replace(r#""wrong":"a""#, r#""wrong":1"#);
        assert_eq!(from_json::<Passed>(json.as_bytes()).unwrap_err().to_string(), expected);
    }
}

/// A struct with flattened members is read as a map is.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only the way into it is looked at")]
struct Flat {
    id: u8,
    #[serde(flatten)]
    line: Line,
}

#[test]
fn members_beside_flattened_ones_have_names() {
    assert_eq!(
        from_json::<Flat>(br#"{"id":"a","sku":"b"}"#).unwrap_err().to_string(),
        "`id` expected u8, found a string"
    );
}

#[test]
fn a_long_path_is_cut() {
    let name = "x".repeat(60);
    let json = (0..100).fold("1e999".to_owned(), |json, _| format!(r#"{{"{name}":{json}}}"#));
    let error = RawEnvelope::parse(with_data(&json).as_bytes()).unwrap_err();
    let path = error.violation().unwrap().path().to_owned();
    assert!(path.len() < 600 && path.ends_with('…'), "{path}");
}

#[test]
fn paths_show_names_and_no_data() {
    let long = "x".repeat(65);
    for (key, shown) in [
        ("order_number", "order_number"),
        ("detail-type", "detail-type"),
        ("_1", "_1"),
        ("a@example.com", "*"),
        ("+49 30 1234", "*"),
        ("4111111111111111", "*"),
        ("Ada Brook", "*"),
        ("größe", "*"),
        ("", "*"),
        (&long, "*"),
    ] {
        let json = with_data(&format!(r#"{{"{key}":1e999}}"#));
        let error = RawEnvelope::parse(json.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), format!("`data.{shown}` is not a finite number"));
    }
}

#[test]
fn members_appear_once_at_every_level() {
    for (detail, path) in [
        (format!(r#"{{"metadata":{METADATA},"metadata":{METADATA},"data":{{}}}}"#), "metadata"),
        (format!(r#"{{"metadata":{METADATA},"data":1,"data":2}}"#), "data"),
        (with_metadata(r#"{"event_id":"a","event_id":"b"}"#), "metadata.event_id"),
        (with_metadata(r#"{"event_id":"a","event\u005fid":"b"}"#), "metadata.event_id"),
        (with_metadata(r#"{"x":{"y":1,"y":2}}"#), "metadata.x.y"),
        (with_data(r#"{"a":[{"b":1,"b":1}]}"#), "data.a[0].b"),
        (with_data(r#"{"unknown":1,"unknown":1}"#), "data.unknown"),
    ] {
        check(detail, &format!("`{path}` appears more than once"));
    }
    let many: Vec<_> = (0..40).chain([39]).map(|n| format!(r#""k{n}":0"#)).collect();
    check(with_data(&format!("{{{}}}", many.join(","))), "`data.k39` appears more than once");
}

#[test]
fn integers_fit_64_bits_wherever_they_stand() {
    for value in ["9223372036854775808", "-9223372036854775809", "123456789012345678901234567890"] {
        let message = "is a number that does not fit in a signed 64-bit integer";
        check(with_data(&format!(r#"{{"total":{value}}}"#)), &format!("`data.total` {message}"));
        check(with_data(&format!(r#"{{"x":[0,{value}]}}"#)), &format!("`data.x[1]` {message}"));
    }
    for value in ["1e400", "-1.5E999", &format!("{}.5", "9".repeat(400))] {
        check(with_data(&format!(r#"{{"total":{value}}}"#)), "`data.total` is not a finite number");
    }
    for value in ["9223372036854775807", "-9223372036854775808", "1e30", "0.1", "-0"] {
        let data = format!(r#"{{"order_number":"1","quantity":1,"total":{value}}}"#);
        let detail = with_data(&data);
        assert!(Envelope::<OrderSubmitted>::from_detail(detail.as_bytes()).is_ok(), "{value}");
    }
}

#[test]
fn nesting_ends_at_128_levels() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    // The detail itself is the first level.
    let deepest = with_data(&nested(MAX_NESTING - 1));
    assert!(RawEnvelope::parse(deepest.as_bytes()).is_ok());
    let event = |detail: &str| format!(r#"{{"source":"a","detail-type":"b","detail":{detail}}}"#);
    assert!(EventBridgeEvent::parse(event(&deepest).as_bytes()).is_ok());

    let too_deep = with_data(&nested(MAX_NESTING));
    let error = RawEnvelope::parse(too_deep.as_bytes()).unwrap_err();
    assert!(error.to_string().ends_with("is nested deeper than 128 levels"), "{error}");
    assert!(error.to_string().starts_with("`data[0][0]"), "{error}");
    assert!(EventBridgeEvent::parse(event(&too_deep).as_bytes()).is_err());
    // Hostile nesting ends there, too, long before it could fill the stack.
    assert!(RawEnvelope::parse("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn events_end_at_a_mebibyte_by_the_bus_s_own_count() {
    let detail = |size: usize| {
        let empty = with_data("\"\"").len();
        with_data(&format!("\"{}\"", "x".repeat(size - empty)))
    };
    assert!(RawEnvelope::parse(detail(MAX_EVENT_BYTES).as_bytes()).is_ok());
    check(
        detail(MAX_EVENT_BYTES + 1),
        "`$` has 1048577 bytes, more than the 1048576 that are allowed",
    );
    // Source, detail-type and resources count their bytes, and nothing else counts.
    let event = |size: usize| {
        format!(
            r#"{{"source":"shop","detail-type":"sold","time":"2026-11-20T12:10:21Z","id":"not counted",
                "resources":["arn:1","arn:2"],"detail":{}}}"#,
            detail(size - 4 - 4 - 10)
        )
    };
    assert!(EventBridgeEvent::parse(event(MAX_EVENT_BYTES).as_bytes()).is_ok());
    let error = EventBridgeEvent::parse(event(MAX_EVENT_BYTES + 1).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "`$` has 1048577 bytes, more than the 1048576 that are allowed");
}

#[test]
fn events_are_utf_8() {
    let mut detail = with_data("{\"order_number\":\"?\"}").into_bytes();
    let at = detail.iter().position(|byte| *byte == b'?').unwrap();
    detail[at] = 0xff;
    check(&detail, &format!("`$` is not UTF-8 at byte {at}"));
    let half_pair = with_metadata(&METADATA.replace("e-1", r"\ud800"));
    let error = RawEnvelope::parse(half_pair.as_bytes()).unwrap_err().to_string();
    assert!(error.ends_with("expected the other half of a surrogate pair"), "{error}");
}

#[test]
fn events_of_the_bus_name_the_outer_path() {
    for (event, expected) in [
        ("{}", "`source` is missing"),
        (r#"{"source":"a"}"#, "`detail-type` is missing"),
        (r#"{"source":"a","detail-type":"b"}"#, "`detail` is missing"),
        (r#"{"source":1}"#, "`source` expected a string, found a number"),
        (r#"{"resources":["a",1]}"#, "`resources[1]` expected a string, found a number"),
        (r#"{"time":"noon"}"#, "`time` is not a timestamp of RFC 3339"),
        (r#"{"detail":[]}"#, "`detail` expected an object, found an array"),
        (r#"{"detail":{"metadata":{"event_id":""}}}"#, "`detail.metadata.event_id` is empty"),
    ] {
        assert_eq!(EventBridgeEvent::parse(event.as_bytes()).unwrap_err().to_string(), expected);
    }
    let event = format!(r#"{{"source":"a","detail-type":"b","detail":{}}}"#, with_data("{}"));
    let event = EventBridgeEvent::parse(event.as_bytes()).unwrap();
    let error = event.envelope.decode::<OrderSubmitted>().unwrap_err();
    assert_eq!(error.to_string(), "`detail.data.order_number` is missing");
}

#[test]
fn other_documents_have_the_same_errors() {
    for (json, expected) in [
        ("", "`$` is not JSON at byte 0: expected a value"),
        ("[1]", "`[0]` expected a string, found a number"),
        ("[\"a\", \"a]", "`[1]` is not JSON at byte 9: expected a closing quote"),
    ] {
        assert_eq!(from_json::<Vec<String>>(json.as_bytes()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn other_data_is_held_to_the_same_bounds_as_data_that_came_with_the_event() {
    let detail = format!(r#"{{"metadata":{METADATA},"data":null}}"#);
    let event = RawEnvelope::parse(detail.as_bytes()).unwrap();
    let check = |data: &str, limit: usize, expected: Result<&str, &str>| {
        let found = event.clone().with_data(data.as_bytes(), limit);
        let found = found.map(|event| event.data().to_owned()).map_err(|it| it.to_string());
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
    };
    check(r#" {"a":1} "#, 9, Ok(r#"{"a":1}"#));
    check(r#" {"a":1} "#, 8, Err("`$` has 9 bytes, more than the 8 that are allowed"));
    check(r#"{"a":1,"a":2}"#, 99, Err("`a` appears more than once"));
    check(
        r#"{"a":9223372036854775808}"#,
        99,
        Err("`a` is a number that does not fit in a signed 64-bit integer"),
    );
    check(r"{} {}", 99, Err("`$` is not JSON at byte 3: expected the end"));
    // The detail is one of the levels.
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    check(&nested(MAX_NESTING - 1), 999, Ok(&nested(MAX_NESTING - 1)));
    assert!(event.clone().with_data(nested(MAX_NESTING).as_bytes(), 999).is_err());
}

#[test]
fn a_detail_that_no_bus_takes_is_read_only_when_asked_to() {
    let text = "x".repeat(2 * MAX_EVENT_BYTES);
    let detail = format!(r#"{{"metadata":{METADATA},"data":"{text}"}}"#);
    assert!(RawEnvelope::parse(detail.as_bytes()).is_err());
    let event = RawEnvelope::parse_within(detail.as_bytes(), detail.len()).unwrap();
    assert_eq!(event.data().len(), text.len() + 2);
    assert!(RawEnvelope::parse_within(detail.as_bytes(), detail.len() - 1).is_err());
}

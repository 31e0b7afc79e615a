use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::EventSchema;
use crate::{DomainEvent, EventVersion, First, ServiceId};

/// An event with `T` for its data.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Event<T>(T);

impl<T> DomainEvent for Event<T> {
    type Previous = First;
    const SERVICE: ServiceId = ServiceId::new("retail", "lab", "probes");
    const NAME: &'static str = "probe_sent";
    const VERSION: EventVersion = EventVersion::FIRST;
}

fn written<T: JsonSchema + DeserializeOwned + 'static>(data: &Value) -> bool {
    let data = serde_json::to_vec(data).unwrap();
    EventSchema::of::<Event<T>>().written().validate(&data).is_ok()
}

/// Whether the schema for reading takes the data, which is to be what the type does.
#[track_caller]
fn read<T: JsonSchema + DeserializeOwned + 'static>(data: &Value) -> bool {
    let bytes = serde_json::to_vec(data).unwrap();
    let schema = EventSchema::of::<Event<T>>();
    let takes = schema.read().validate(&bytes).is_ok();
    let reads = serde_json::from_value::<T>(data.clone()).is_ok();
    assert_eq!(takes, reads, "{data}: {:#}", schema.read().as_json());
    takes
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    number: String,
    quantity: u8,
    note: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    lines: Vec<Line>,
    by_colour: BTreeMap<String, Line>,
    anything: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gift: Option<Line>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Line {
    sku: String,
}

fn order() -> Value {
    json!({
        "number": "1", "quantity": 1, "note": null, "tags": [], "lines": [{ "sku": "a" }],
        "by_colour": { "red": { "sku": "b" } }, "anything": { "goes": true },
    })
}

fn changed(order: &Value, pointer: &str, value: Value) -> Value {
    let mut order = order.clone();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    order.pointer_mut(parent).unwrap()[member] = value;
    order
}

#[test]
fn what_is_written_has_all_members_and_no_others() {
    assert!(written::<Order>(&order()));
    assert!(written::<Order>(&changed(&order(), "/gift", json!({ "sku": "c" }))));
    assert!(!written::<Order>(&changed(&order(), "/colour", json!("red"))));
    assert!(!written::<Order>(&changed(&order(), "/lines/0/colour", json!("red"))));
    assert!(!written::<Order>(&changed(&order(), "/by_colour/red/colour", json!("red"))));
    let gift = json!({ "sku": "c", "colour": "red" });
    assert!(!written::<Order>(&changed(&order(), "/gift", gift)));
    let mut short = order();
    short.as_object_mut().unwrap().remove("note");
    assert!(!written::<Order>(&short));
}

#[test]
fn what_is_read_may_have_other_members_and_lack_some() {
    assert!(read::<Order>(&order()));
    assert!(read::<Order>(&changed(&order(), "/colour", json!("red"))));
    assert!(read::<Order>(&changed(&order(), "/lines/0/colour", json!("red"))));
    for (member, required) in [("note", false), ("tags", false), ("number", true), ("lines", true)]
    {
        let mut short = order();
        short.as_object_mut().unwrap().remove(member);
        assert_eq!(read::<Order>(&short), !required, "{member}");
    }
}

#[test]
fn integers_end_where_their_types_do() {
    for (quantity, expected) in [(0, true), (255, true), (256, false), (-1, false)] {
        let order = changed(&order(), "/quantity", quantity.into());
        assert_eq!(read::<Order>(&order), expected, "{quantity}");
        assert_eq!(written::<Order>(&order), expected, "{quantity}");
    }
    assert!(read::<i32>(&json!(i32::MIN)));
    assert!(!read::<i32>(&json!(i64::from(i32::MAX) + 1)));
    assert!(read::<i64>(&json!(i64::MAX)));
}

/// Every shape in which an enum travels, with and without a catch-all.
macro_rules! shapes {
    ($name:ident $(, $other:ident)?) => {
        mod $name {
            use super::*;

            #[derive(Serialize, Deserialize, JsonSchema)]
            pub(super) enum External {
                One,
                #[allow(dead_code, reason = "only its schema is looked at")]
                Two(Line),
                $(#[serde(other)] $other,)?
            }

            #[derive(Serialize, Deserialize, JsonSchema)]
            pub(super) enum Text {
                One,
                /// A described variant gets a schema of its own.
                Two,
                $(#[serde(other)] $other,)?
            }

            #[derive(Serialize, Deserialize, JsonSchema)]
            #[serde(rename_all = "snake_case")]
            pub(super) enum Plain {
                One,
                Two,
                $(#[serde(other)] $other,)?
            }

            #[derive(Serialize, Deserialize, JsonSchema)]
            #[serde(tag = "kind")]
            pub(super) enum Internal {
                One { size: u8 },
                Two(Line),
                $(#[serde(other)] $other,)?
            }

            #[derive(Serialize, Deserialize, JsonSchema)]
            #[serde(tag = "kind", content = "value")]
            pub(super) enum Adjacent {
                One(u8),
                Two { size: u8 },
                $(#[serde(other)] $other,)?
            }

            #[derive(Serialize, Deserialize, JsonSchema)]
            pub(super) struct All {
                pub(super) required: String,
                pub(super) external: Option<External>,
                pub(super) text: Vec<Text>,
                pub(super) plain: BTreeMap<String, Option<Plain>>,
                pub(super) internal: (u8, Internal),
                pub(super) adjacent: Option<Box<Adjacent>>,
            }
        }
    };
}

shapes!(known);
shapes!(with_other, Unknown);

fn all() -> Value {
    json!({
        "required": "x",
        "external": "One",
        "text": ["Two"],
        "plain": { "a": "one", "b": null },
        "internal": [1, { "kind": "Two", "sku": "a" }],
        "adjacent": { "kind": "One", "value": 1 },
    })
}

/// Places of [`all`] and what a newer producer may put there.
fn newer() -> Vec<(&'static str, Value)> {
    vec![
        ("/external", json!("Three")),
        ("/text", json!(["One", "Three"])),
        ("/plain", json!({ "a": "three" })),
        ("/internal", json!([1, { "kind": "Three", "size": 7 }])),
        ("/adjacent", json!({ "kind": "Three" })),
    ]
}

#[test]
fn an_enum_with_a_catch_all_reads_variants_that_it_does_not_know() {
    assert_eq!(EventSchema::of::<Event<with_other::All>>().undecided(), [""; 0]);
    assert!(read::<with_other::All>(&all()));
    assert!(written::<with_other::All>(&all()));
    for (pointer, value) in newer() {
        let newer = changed(&all(), pointer, value);
        assert!(read::<with_other::All>(&newer), "{pointer}");
        assert!(!written::<with_other::All>(&newer), "{pointer}");
    }
    for (place, value) in [
        ("/external", json!(7)),
        ("/internal", json!([1, { "kind": "One", "size": "large" }])),
        ("/adjacent", json!({ "value": 1 })),
        // serde takes an unknown tag, but nothing beside it, where content has a member of its own.
        ("/adjacent", json!({ "kind": "Three", "value": 7 })),
    ] {
        assert!(!read::<with_other::All>(&changed(&all(), place, value)), "{place}");
    }
}

#[test]
fn an_enum_without_a_catch_all_reads_the_variants_that_it_knows() {
    assert_eq!(EventSchema::of::<Event<known::All>>().undecided(), [""; 0]);
    assert!(read::<known::All>(&all()));
    for (pointer, value) in newer() {
        assert!(!read::<known::All>(&changed(&all(), pointer, value)), "{pointer}");
    }
}

#[test]
fn an_event_can_be_an_enum_with_a_catch_all() {
    assert!(read::<with_other::Internal>(&json!({ "kind": "Three" })));
    assert!(!read::<known::Internal>(&json!({ "kind": "Three" })));
    assert!(read::<with_other::Plain>(&json!("three")));
    assert!(!read::<known::Plain>(&json!("three")));
}

/// A text that checks itself, as a well-made domain type does.
#[derive(Serialize, JsonSchema)]
struct Isbn(String);

impl<'de> Deserialize<'de> for Isbn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() == 13 { Ok(Self(text)) } else { Err(serde::de::Error::custom("no ISBN")) }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Opaque {
    isbn: Isbn,
    plain: with_other::Plain,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Helped {
    #[schemars(example = "9783161484100")]
    isbn: Isbn,
    plain: with_other::Plain,
}

/// An event of which an example is given as a whole.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(example = json!({ "isbn": "9783161484100", "plain": "one", "closed": ["one"] }))]
struct WholeExample {
    isbn: Isbn,
    plain: with_other::Plain,
    closed: Vec<known::Plain>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct ByNumber {
    lines: BTreeMap<u32, Labelled>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Labelled {
    plain: with_other::Plain,
}

#[derive(Serialize, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
    #[serde(other)]
    Unknown,
}

#[derive(Serialize, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord)]
enum KnownSide {
    Left,
    Right,
}

#[test]
fn maps_by_numbers_and_by_enums_are_opened_and_closed_as_others_are() {
    assert!(read::<ByNumber>(&json!({ "lines": { "5": { "plain": "three" } } })));
    let line = json!({ "lines": { "5": { "plain": "one", "colour": "red" } } });
    assert!(read::<ByNumber>(&line));
    assert!(!written::<ByNumber>(&line));
    assert!(read::<BTreeMap<Side, u8>>(&json!({ "Left": 1, "Right": 2 })));
    assert!(!read::<BTreeMap<KnownSide, u8>>(&json!({ "Left": 1, "Up": 2 })));
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Mixed {
    #[serde(deserialize_with = "lenient")]
    lenient: known::Plain,
    strict: known::Plain,
}

fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<known::Plain, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or(known::Plain::One))
}

#[test]
fn an_enum_that_is_read_in_one_place_and_not_in_another_is_said() {
    let schema = EventSchema::of::<Event<Mixed>>();
    assert_eq!(schema.undecided(), ["/$defs/Plain"]);
    let lenient = json!({ "lenient": "three", "strict": "one" });
    assert!(read::<Mixed>(&lenient));
}

#[test]
fn where_nothing_can_be_found_out_that_is_said() {
    let schema = EventSchema::of::<Event<Opaque>>();
    assert_eq!(schema.undecided().len(), 1);
    assert!(schema.read().as_json().pointer(&schema.undecided()[0]).is_some());
    assert!(read::<Opaque>(&json!({ "isbn": "9783161484100", "plain": "three" })));
    assert_eq!(EventSchema::of::<Event<WholeExample>>().undecided(), [""; 0]);
    let closed = json!({ "isbn": "9783161484100", "plain": "one", "closed": ["three"] });
    assert!(!read::<WholeExample>(&closed));
    assert_eq!(EventSchema::of::<Event<Helped>>().undecided(), [""; 0]);
    assert!(read::<Helped>(&json!({ "isbn": "9783161484100", "plain": "three" })));
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Folder {
    name: String,
    folders: Vec<Self>,
    parent: Option<Box<Self>>,
    kind: with_other::Plain,
}

#[test]
fn types_may_be_recursive() {
    let leaf = |kind: &str| json!({ "name": "b", "folders": [], "parent": null, "kind": kind });
    let root =
        json!({ "name": "a", "folders": [leaf("one")], "parent": leaf("two"), "kind": "one" });
    assert!(written::<Folder>(&root));
    assert!(!written::<Folder>(&changed(&root, "/folders/0/size", json!(1))));
    assert!(!written::<Folder>(&changed(&root, "/parent/size", json!(1))));
    assert!(read::<Folder>(&changed(&root, "/folders/0/kind", json!("three"))));
    assert!(!read::<Folder>(&changed(&root, "/folders/0/name", json!(1))));
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Flattened {
    id: u8,
    #[serde(flatten)]
    line: Line,
    #[serde(flatten)]
    outcome: Outcome,
    again: Outcome,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome")]
enum Outcome {
    Sold { price: u8 },
    Returned(Line2),
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Line2 {
    reason: String,
}

#[test]
fn members_that_several_schemas_name_together_are_closed_together() {
    let sold = json!({
        "id": 1, "sku": "a", "outcome": "Sold", "price": 1,
        "again": { "outcome": "Returned", "reason": "r" },
    });
    assert!(written::<Flattened>(&sold));
    assert!(!written::<Flattened>(&changed(&sold, "/colour", json!("red"))));
    assert!(!written::<Flattened>(&changed(&sold, "/again/colour", json!("red"))));
    assert!(read::<Flattened>(&changed(&sold, "/colour", json!("red"))));
    let mut short = sold;
    short.as_object_mut().unwrap().remove("price");
    assert!(!read::<Flattened>(&short));
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Open {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Strict {
    id: u8,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Untagged {
    Line(Line),
    Number(i64),
    Pair(u8, String),
}

#[test]
fn types_that_say_what_else_they_take_are_believed() {
    assert!(written::<Open>(&json!({ "id": 1, "any": "thing" })));
    assert!(read::<Open>(&json!({ "id": 1, "any": "thing" })));
    assert!(!read::<Strict>(&json!({ "id": 1, "any": "thing" })));
    for (data, expected) in [
        (json!({ "sku": "a" }), true),
        (json!(7), true),
        (json!([1, "a"]), true),
        (json!({ "sku": 1 }), false),
        (json!([1]), false),
    ] {
        assert_eq!(read::<Untagged>(&data), expected, "{data}");
    }
    assert!(!written::<Untagged>(&json!({ "sku": "a", "colour": "red" })));
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Metered {
    #[serde(with = "crate::AsString")]
    nanoseconds: u64,
    #[serde(default, with = "crate::AsOptionalString")]
    more: Option<u64>,
    #[schemars(range(min = 1, max = 5), required)]
    stars: Option<u8>,
    #[schemars(length(min = 2), regex(pattern = "^[a-z]+$"))]
    word: String,
}

#[test]
fn all_violations_are_told_with_their_paths_and_without_values() {
    let data = json!({
        "nanoseconds": 7, "more": null, "stars": 9, "word": "SECRET-1", "other": [],
    });
    let schema = EventSchema::of::<Event<Metered>>();
    let violations = schema.written().validate(&serde_json::to_vec(&data).unwrap()).unwrap_err();
    let mut texts: Vec<_> = violations.iter().map(ToString::to_string).collect();
    texts.sort();
    assert_eq!(
        texts,
        [
            "`nanoseconds` expected string, found number",
            "`other` breaks the rule `additionalProperties` of its schema",
            "`stars` breaks the rule `maximum` of its schema: expected 5",
            "`word` breaks the rule `pattern` of its schema: expected ^[a-z]+$",
        ]
    );
    assert!(!format!("{violations:?}").contains("SECRET"));
    let by_phone = EventSchema::of::<Event<BTreeMap<String, u8>>>();
    let violations = by_phone.read().validate(br#"{"491701234567":"x"}"#).unwrap_err();
    assert_eq!(violations.to_string(), "`*` expected integer, found string");
    let nested = EventSchema::of::<Event<Order>>();
    let data = changed(&order(), "/lines", json!([{ "sku": "a" }, { "sku": 7 }, {}]));
    let violations = nested.read().validate(&serde_json::to_vec(&data).unwrap()).unwrap_err();
    assert_eq!(
        violations.to_string(),
        "`lines[1].sku` expected string, found number; `lines[2].sku` is missing"
    );
}

#[test]
fn what_no_event_may_be_is_told_before_the_schema_is_asked() {
    let schema = EventSchema::of::<Event<Order>>();
    for (data, expected) in [
        ("{", "`$` is not JSON at byte 1: expected a member's name"),
        ("{\"a\":1,\"a\":2}", "`a` appears more than once"),
        ("[9223372036854775808]", "`[0]` is a number that does not fit in a signed 64-bit integer"),
        ("\"\\ud800\"", "`$` is not JSON at byte 7: expected the other half of a surrogate pair"),
    ] {
        let violations = schema.read().validate(data.as_bytes()).unwrap_err();
        assert_eq!(violations.to_string(), expected);
    }
}

#[test]
fn the_schemas_of_a_type_are_made_once() {
    let one = EventSchema::of::<Event<Order>>();
    assert!(std::sync::Arc::ptr_eq(&one, &EventSchema::of::<Event<Order>>()));
    assert!(!std::ptr::eq(&raw const *one, &raw const *EventSchema::of::<Event<Line>>()));
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Addresses {
    any: std::net::IpAddr,
    four: std::net::Ipv4Addr,
    six: Option<std::net::Ipv6Addr>,
}

#[test]
fn an_address_is_what_its_type_reads() {
    let addresses = json!({ "any": "192.0.2.1", "four": "192.0.2.1", "six": "2001:db8::1" });
    assert!(read::<Addresses>(&addresses));
    assert!(written::<Addresses>(&addresses));
    for (pointer, text, expected) in [
        ("/any", "2001:db8::1", true),
        ("/any", "x", false),
        ("/any", "", false),
        ("/any", "192.0.2.256", false),
        ("/any", "192.0.2.01", false),
        ("/four", "2001:db8::1", false),
        ("/four", "192.0.2", false),
        ("/six", "192.0.2.1", false),
        ("/six", "::ffff:192.0.2.1", true),
        ("/six", "fe80::1%eth0", false),
        ("/six", "::1::", false),
    ] {
        let changed = changed(&addresses, pointer, text.into());
        assert_eq!(read::<Addresses>(&changed), expected, "{pointer} {text}");
        assert_eq!(written::<Addresses>(&changed), expected, "{pointer} {text}");
    }
}

/// The formats that schemars gives to types of other crates.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Formats {
    #[schemars(extend("format" = "uuid"))]
    uuid: String,
    #[schemars(extend("format" = "date-time"))]
    time: String,
    #[schemars(extend("format" = "date"))]
    date: String,
    #[schemars(extend("format" = "uri"))]
    uri: String,
    #[schemars(extend("format" = "duration"))]
    duration: String,
    #[schemars(email)]
    email: String,
    #[schemars(extend("format" = "of-somebody"))]
    unknown: String,
}

#[test]
fn a_format_is_asserted_and_takes_what_types_read() {
    let good = json!({
        "uuid": "67e55044-10b1-426f-9247-bb680e5fe0c8", "time": "2026-01-01T00:00:00Z",
        "date": "2026-01-01", "uri": "https://example.com/", "duration": "PT1H",
        "email": "a@example.com", "unknown": "x",
    });
    let takes = |pointer: &str, text: &str| {
        let data = serde_json::to_vec(&changed(&good, pointer, text.into())).unwrap();
        EventSchema::of::<Event<Formats>>().read().validate(&data).is_ok()
    };
    for (pointer, text) in [
        ("/uuid", "67e5504410b1426f9247bb680e5fe0c8"),
        ("/uuid", "{67E55044-10B1-426F-9247-BB680E5FE0C8}"),
        ("/uuid", "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8"),
        ("/time", "2026-01-01 00:00:00.5+01:00"),
        ("/time", "+012026-01-01t00:00:00z"),
        ("/uri", "urn:isbn:1"),
        ("/uri", " https://example.com/ä "),
        ("/duration", "1h 2m"),
        ("/unknown", ""),
    ] {
        assert!(takes(pointer, text), "{pointer} {text}");
    }
    for (pointer, text) in [
        ("/uuid", "x"),
        ("/uuid", "67e55044-10b1-426f-9247-bb680e5fe0cg"),
        ("/uuid", "67e55044010b1-426f-9247-bb680e5fe0c8"),
        ("/uuid", "{67e55044-10b1-426f-9247-bb680e5fe0c8"),
        ("/time", "x"),
        ("/time", "yesterday"),
        ("/date", ""),
        ("/uri", "x"),
        ("/uri", "/orders/7"),
        ("/uri", "1a:b"),
        ("/duration", "long"),
        ("/email", "x"),
    ] {
        assert!(!takes(pointer, text), "{pointer} {text}");
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Sets {
    ordered: std::collections::BTreeSet<u32>,
    nested: Vec<std::collections::HashSet<String>>,
}

#[test]
fn a_set_reads_what_is_there_twice_and_writes_it_once() {
    let once = json!({ "ordered": [1], "nested": [["a"]] });
    assert!(read::<Sets>(&once) && written::<Sets>(&once));
    for (pointer, twice) in [("/ordered", json!([1, 1])), ("/nested", json!([["a", "a"]]))] {
        let twice = changed(&once, pointer, twice);
        assert!(read::<Sets>(&twice), "{pointer}");
        assert!(!written::<Sets>(&twice), "{pointer}");
    }
}

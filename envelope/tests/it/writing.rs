//! What would not survive the way is refused before it is sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json, value::RawValue};
use setpiece_envelope::{
    Category, Clock, Correlation, DomainEvent, Envelope, EventVersion, First, FixedClock, IdSource,
    MAX_NESTING, RawEnvelope, SequentialIds, ServiceId, Stamp, SystemIds, Timestamp, TraceParent,
};

/// An event of any content.
#[derive(Debug, Serialize, Deserialize)]
struct ProbeSent<T>(T);

impl<T> DomainEvent for ProbeSent<T> {
    type Previous = First;
    const SERVICE: ServiceId = ServiceId::new("retail", "lab", "probes");
    const NAME: &'static str = "probe_sent";
    const MAX_NESTING: usize = 127;
    const VERSION: EventVersion = EventVersion::FIRST;
}

fn envelope<T>(content: T) -> Envelope<ProbeSent<T>> {
    let stamp = Stamp::new(FixedClock::default(), SequentialIds::new());
    stamp.envelope(ProbeSent(content), &Correlation::root())
}

#[track_caller]
fn refused(content: impl Serialize, expected: &str) {
    assert_eq!(envelope(content).to_detail().unwrap_err().to_string(), expected);
}

#[track_caller]
fn written(content: impl Serialize) -> Value {
    let detail = envelope(&content).to_detail().unwrap();
    assert!(RawEnvelope::parse(&detail).is_ok());
    let written: Value = serde_json::from_slice(&detail).unwrap();
    assert_eq!(written["data"], serde_json::to_value(&content).unwrap());
    written["data"].clone()
}

#[derive(Serialize)]
enum Shape<T> {
    Unit,
    Newtype(T),
    Tuple(u8, T),
    Struct { inner: T },
}

#[derive(Serialize)]
struct Flat<T> {
    id: u8,
    #[serde(flatten)]
    rest: T,
}

struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("SECRET"))
    }
}

#[test]
fn floats_are_finite() {
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        refused(float, "`data` is not a finite number");
        refused([0.0, float], "`data[1]` is not a finite number");
        refused(BTreeMap::from([("total", float)]), "`data.*` is not a finite number");
        refused(Some(float), "`data` is not a finite number");
        refused(Shape::Newtype(float), "`data.Newtype` is not a finite number");
        refused(Shape::Tuple(1, float), "`data.Tuple[1]` is not a finite number");
        refused(
            Shape::Struct { inner: (1, float) },
            "`data.Struct.inner[1]` is not a finite number",
        );
        let rest = BTreeMap::from([("a", vec![float])]);
        refused(Flat { id: 1, rest }, "`data.*[0]` is not a finite number");
        refused(Flat { id: 1, rest: Named { a: float } }, "`data.a` is not a finite number");
    }
    refused(f32::NAN, "`data` is not a finite number");
}

#[test]
fn integers_fit_64_bits_with_a_sign() {
    let message = "is a number that does not fit in a signed 64-bit integer";
    refused(u64::MAX, &format!("`data` {message}"));
    refused(vec![i128::MIN], &format!("`data[0]` {message}"));
    refused(json!({ "a": { "b": u64::MAX } }), &format!("`data.*.*` {message}"));
    refused(u128::from(u64::MAX), &format!("`data` {message}"));
    written((i64::MAX, i64::MIN, 9_223_372_036_854_775_807_u64));
    assert_eq!(written(7_i128), 7);
    assert_eq!(written(7_u128), 7);
}

#[test]
fn nesting_is_no_deeper_than_readers_follow() {
    let nested = |levels: usize| (0..levels).fold(json!(0), |value, _| json!([value]));
    // The detail itself is the first level.
    let deepest = envelope(nested(MAX_NESTING - 1)).to_detail().unwrap();
    assert!(Envelope::<ProbeSent<Value>>::from_detail(&deepest).is_ok());
    let error = envelope(nested(MAX_NESTING)).to_detail().unwrap_err().to_string();
    assert!(error.ends_with("is nested deeper than 127 levels"), "{error}");
    let variants = (0..MAX_NESTING / 2).fold(json!(0), |value, _| json!({ "a": { "b": value } }));
    let error = envelope(variants).to_detail().unwrap_err().to_string();
    assert!(error.ends_with("is nested deeper than 127 levels"), "{error}");
}

#[derive(Serialize)]
struct Inner {
    kind: u8,
}

#[derive(Serialize)]
#[serde(tag = "kind")]
enum Tagged {
    Inner(Inner),
}

#[derive(Serialize)]
struct Twice {
    kind: u8,
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Serialize)]
struct Named<T> {
    a: T,
}

#[derive(Serialize)]
#[serde(tag = "outer")]
enum TaggedTwice {
    Tagged(Tagged),
}

struct SameKeys;

impl Serialize for SameKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("a", 1), ("b", 2), ("a", 3)])
    }
}

#[derive(Serialize)]
enum Chain {
    Next(Box<Self>),
    End(u8),
}

struct Bytes;

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&[1, 2])
    }
}

#[test]
fn what_is_written_can_be_read() {
    let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
    refused(Tagged::Inner(Inner { kind: 1 }), "`data.kind` appears more than once");
    let twice = TaggedTwice::Tagged(Tagged::Inner(Inner { kind: 1 }));
    refused(twice, "`data.kind` appears more than once");
    refused(
        vec![Twice { kind: 1, inner: Inner { kind: 2 } }],
        "`data[0].*` appears more than once",
    );
    refused(SameKeys, "`data.*` appears more than once");
    refused(raw(r#"{"a":1,"a":2}"#), "`data.*` appears more than once");
    refused(
        vec![raw("9223372036854775808")],
        "`data[0]` is a number that does not fit in a signed 64-bit integer",
    );
    let deep = format!("{}{}", "[".repeat(MAX_NESTING), "]".repeat(MAX_NESTING));
    assert!(envelope(raw(&deep)).to_detail().is_err());
    let chain = |levels| (0..levels).fold(Chain::End(1), |chain, _| Chain::Next(Box::new(chain)));
    let deepest = envelope(chain(MAX_NESTING - 2)).to_detail().unwrap();
    assert!(RawEnvelope::parse(&deepest).is_ok());
    let error = envelope(chain(MAX_NESTING - 1)).to_detail().unwrap_err().to_string();
    assert!(error.ends_with("is nested deeper than 127 levels"), "{error}");
    let nested = |levels: usize| (0..levels).fold(json!([1, 2]), |value, _| json!([value]));
    assert_eq!(written(Bytes), nested(0));
}

#[test]
fn everything_else_is_written_as_serde_json_writes_it() {
    written(());
    written("quotes \" and \u{1f600} and \u{0}");
    written([Some(1.5), None]);
    written((1_u8, -1_i8, 'x', true, "text", b"bytes"));
    written([Shape::Unit, Shape::Newtype(1), Shape::Tuple(1, 2), Shape::Struct { inner: 3 }]);
    written(Flat { id: 1, rest: BTreeMap::from([("a", 1)]) });
    written(BTreeMap::from([(1_u64, "numbers are keys, too")]));
    written(RawValue::from_string("{\"a\":[1,2]}".to_owned()).unwrap());
}

#[test]
fn a_type_that_cannot_be_written_is_named_by_its_path() {
    refused(BTreeMap::from([("a", vec![Stubborn])]), "`data.*[0]` was refused by its type");
    refused(BTreeMap::from([((1, 2), 3)]), "`data.*` was refused by its type");
}

#[test]
fn metadata_that_readers_refuse_is_not_written() {
    let with = |change: fn(&mut Envelope<ProbeSent<u8>>)| {
        let mut envelope = envelope(1);
        change(&mut envelope);
        envelope.to_detail().unwrap_err().to_string()
    };
    let long = "x".repeat(129);
    assert_eq!(
        with(|envelope| envelope.metadata.subject = Some("a\nb".to_owned())),
        "`metadata.subject` has characters that cannot be printed"
    );
    assert_eq!(
        with(|envelope| envelope.metadata.correlation.tenant = Some(String::new())),
        "`metadata.tenant` is empty"
    );
    assert_eq!(
        with(|envelope| envelope.metadata.category = Some(Category::from(&*"x".repeat(129)))),
        "`metadata.category` is longer than 128 characters"
    );
    assert_eq!(
        with(|envelope| envelope.metadata.correlation.depth = u32::MAX),
        "`metadata.depth` expected a whole number from 0 to 2147483647, found another number"
    );
    let mut extensions = envelope(1).metadata.extensions;
    assert_eq!(
        extensions.insert("event_id", &1).unwrap_err().to_string(),
        "`event_id` does not have the form of an unknown member's name"
    );
    assert!(extensions.insert(&long, &1).is_err());
    assert!(extensions.insert("a", &f64::NAN).is_err());
    let too_large = RawValue::from_string("99999999999999999999".to_owned()).unwrap();
    assert!(extensions.insert("a", &too_large).is_err());
    assert!(extensions.insert("a", &SameKeys).is_err());
    assert!(extensions.insert("a", &1.5).is_ok());
}

#[test]
fn a_new_event_carries_its_place_in_the_flow() {
    let stamp = Stamp::new(FixedClock::default(), SequentialIds::new());
    let parent = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let root = Correlation::root().with_tenant("acme").with_trace(parent.unwrap(), None);
    let first = stamp.envelope(ProbeSent(1), &root).metadata;
    let second = stamp.envelope(ProbeSent(2), &Correlation::caused_by(&first)).metadata;
    let third = stamp.envelope(ProbeSent(3), &Correlation::caused_by(&second)).metadata;

    let flow = first.event_id.as_str();
    for (metadata, cause, depth) in
        [(&first, None, 0), (&second, Some(&first), 1), (&third, Some(&second), 2)]
    {
        let correlation = &metadata.correlation;
        assert_eq!(correlation.correlation_id.as_ref().unwrap().as_str(), flow);
        assert_eq!(correlation.causation_id, cause.map(|cause| cause.event_id.clone()));
        assert_eq!(correlation.depth, depth);
        assert_eq!(correlation.tenant.as_deref(), Some("acme"));
        assert_eq!(correlation.traceparent, root.traceparent);
    }
}

/// An event whose subject is what it holds.
#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = PROBES, name = "probe_named", version = 1)]
struct ProbeNamed(#[event(subject)] String);

const PROBES: ServiceId = ServiceId::new("retail", "lab", "probes");

#[test]
fn an_event_about_nothing_has_no_subject() {
    let stamp = Stamp::new(FixedClock::default(), SequentialIds::new());
    for (name, subject) in [("p-1", Some("p-1")), ("", None)] {
        let envelope = stamp.envelope(ProbeNamed(name.to_owned()), &Correlation::root());
        assert_eq!(envelope.metadata.subject.as_deref(), subject);
        assert!(envelope.to_detail().is_ok());
    }
}

/// A clock as fine as those of machines are.
struct FineClock;

impl Clock for FineClock {
    fn now(&self) -> Timestamp {
        "2026-11-20T12:10:21.123456789Z".parse().unwrap()
    }
}

#[test]
fn times_and_ids_show_the_same_millisecond() {
    let stamp = Stamp::new(FineClock, SystemIds::new());
    let metadata = stamp.envelope(ProbeSent(1), &Correlation::root()).metadata;
    let occurred_at = metadata.occurred_at.unwrap();
    assert_eq!(occurred_at.to_string(), "2026-11-20T12:10:21.123Z");
    let expected = SystemIds::new().next_id(occurred_at);
    assert_eq!(metadata.event_id.as_str()[..10], expected.as_str()[..10]);
}

#[test]
fn a_new_event_has_all_that_is_known_about_it() {
    let detail = envelope(1).to_detail().unwrap();
    expect_test::expect![[
        r#"{"metadata":{"version":"1","event_id":"00000000000000000000000001","domain":"retail","subdomain":"lab","service":"probes","category":"domain-event","type":"data","name":"probe_sent","occurred_at":"2026-01-01T00:00:00.000Z","correlation_id":"00000000000000000000000001"},"data":1}"#
    ]]
    .assert_eq(std::str::from_utf8(&detail).unwrap());
}

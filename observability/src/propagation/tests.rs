use std::sync::atomic::{AtomicU64, Ordering};

use setpiece_envelope::{Correlation, CorrelationId, EventId, Metadata, RawEnvelope, TraceParent};
use setpiece_policy::Random;

use super::{
    Carrier, Carriers, Refused, TraceIds, Trust, attributes_from_json, context_text, http_headers,
    message_attributes,
};

mod w3c;

/// Counts up.
#[derive(Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

const METADATA_TRACE: &str = "00-11111111111111111111111111111111-1111111111111111-01";
const MESSAGE_TRACE: &str = "00-22222222222222222222222222222222-2222222222222222-01";
const TRANSPORT: &str =
    "Root=1-33333333-333333333333333333333333;Parent=3333333333333333;Sampled=1;Lineage=1:a:0";
const PUBLIC: Trust = Trust::Public { correlation_id: true, trace: true };

fn metadata(members: &str) -> Metadata {
    let detail = format!(
        r#"{{"metadata":{{"event_id":"e-1","name":"a","version":"1"{members}}},"data":{{}}}}"#
    );
    RawEnvelope::parse(detail.as_bytes()).unwrap().metadata
}

fn id(correlation: &Correlation) -> Option<&str> {
    correlation.correlation_id.as_ref().map(CorrelationId::as_str)
}

fn trace(correlation: &Correlation) -> Option<&str> {
    correlation.traceparent.as_ref().map(TraceParent::as_str)
}

#[test]
fn the_nearest_to_the_producer_wins() {
    let own = metadata(&format!(
        r#","correlation_id":"own","causation_id":"c-1","depth":1,"traceparent":"{METADATA_TRACE}""#
    ));
    let attributes = [
        ("setpiece-context", r#"{"correlation_id":"message","causation_id":"c-2","depth":2}"#),
        ("traceparent", MESSAGE_TRACE),
    ];
    let message = || Carriers::new().with_attributes(attributes).with_transport_header(TRANSPORT);

    let all = message().with_metadata(&own).extract(Trust::Internal);
    assert_eq!(all.correlation, own.correlation);
    assert_eq!(all.x_ray.unwrap().as_str(), TRANSPORT, "it still passes through");

    let found = message().extract(Trust::Internal).correlation;
    assert_eq!((id(&found), found.depth), (Some("message"), 2));
    assert_eq!(found.causation_id.as_ref().map(EventId::as_str), Some("c-2"));
    assert_eq!(trace(&found), Some(MESSAGE_TRACE));

    let transport = Carriers::new().with_transport_header(TRANSPORT).extract(Trust::Internal);
    assert_eq!(id(&transport.correlation), None, "a trace is no flow");
    assert_eq!(
        trace(&transport.correlation),
        Some("00-33333333333333333333333333333333-3333333333333333-01"),
    );
}

#[test]
fn parts_of_two_flows_are_never_mixed() {
    // The event of another team names no flow; its queue does, and so does its trace.
    let own = metadata(&format!(r#","depth":7,"tenant":"t","traceparent":"{METADATA_TRACE}""#));
    let attributes = [("setpiece-context", r#"{"correlation_id":"message","depth":2}"#)];
    let found = Carriers::new().with_metadata(&own).with_attributes(attributes);
    let found = found.extract(Trust::Internal).correlation;
    assert_eq!((id(&found), found.depth, &found.tenant), (Some("message"), 2, &None));
    assert_eq!(trace(&found), Some(METADATA_TRACE));
}

#[test]
fn a_stranger_sets_ids_at_most() {
    let own = metadata(r#","correlation_id":"own","sampled":true"#);
    let headers = [
        ("X-Correlation-ID", "order-17"),
        ("TraceParent", MESSAGE_TRACE),
        ("tracestate", "1a=b"),
        ("setpiece-context", r#"{"correlation_id":"x","sampled":true,"depth":9,"tenant":"t"}"#),
        ("debug-log-enabled", "true"),
    ];
    let found = |trust| {
        let carriers = Carriers::new().with_metadata(&own).with_headers(headers);
        let found = carriers.extract(trust);
        assert!(found.refused.is_empty());
        found.correlation
    };
    let both = found(PUBLIC);
    assert_eq!((id(&both), trace(&both)), (Some("order-17"), Some(MESSAGE_TRACE)));
    assert_eq!(both.tracestate.as_ref().unwrap().as_str(), "1a=b");
    assert_eq!((both.sampled, both.depth, both.tenant, both.causation_id), (None, 0, None, None));

    let trace_only = found(Trust::Public { correlation_id: false, trace: true });
    assert_eq!((id(&trace_only), trace(&trace_only)), (None, Some(MESSAGE_TRACE)));
    let id_only = found(Trust::Public { correlation_id: true, trace: false });
    assert_eq!((id(&id_only), trace(&id_only)), (Some("order-17"), None));
    let neither = found(Trust::Public { correlation_id: false, trace: false });
    assert_eq!(neither, Correlation::root());
}

#[test]
fn broken_and_ambiguous_ids_are_as_good_as_none() {
    let long = "x".repeat(129);
    let huge = format!(r#"{{"correlation_id":"a","x":"{}"}}"#, "x".repeat(5000));
    for (name, value) in [
        ("x-correlation-id", ""),
        ("x-correlation-id", "a b"),
        ("x-correlation-id", "a\"b"),
        ("x-correlation-id", "größe"),
        ("x-correlation-id", "a\r\nb"),
        ("x-correlation-id", &*long),
        ("traceparent", "00-0-0-00"),
        ("setpiece-context", ""),
        ("setpiece-context", "[]"),
        ("setpiece-context", r#"{"correlation_id":"a b"}"#),
        ("setpiece-context", r#"{"correlation_id":7}"#),
        ("setpiece-context", r#"{"correlation_id":"a","depth":-1}"#),
        ("setpiece-context", r#"{"correlation_id":"a","depth":2147483648}"#),
        ("setpiece-context", r#"{"correlation_id":"a","causation_id":""}"#),
        ("setpiece-context", r#"{"correlation_id":"a","tenant":"a\nb"}"#),
        ("setpiece-context", r#"{"correlation_id":"a","sampled":"true"}"#),
        ("setpiece-context", &*huge),
        ("x-amzn-trace-id", "Root=2-1-1"),
    ] {
        let found = Carriers::new().with_attributes([(name, value)]).extract(Trust::Internal);
        assert_eq!(found.correlation, Correlation::root(), "{name}: {value}");
        assert_eq!(found.x_ray, None, "{name}: {value}");
        let refused: Vec<_> = found.refused.iter().map(|refused| refused.name).collect();
        assert_eq!(refused, [name], "{value}");
    }
    for (name, values) in [
        ("x-correlation-id", ["a", "b"]),
        ("setpiece-context", [r#"{"correlation_id":"a"}"#, r#"{"correlation_id":"b"}"#]),
        ("traceparent", [METADATA_TRACE, MESSAGE_TRACE]),
    ] {
        let twice = Carriers::new().with_headers(values.map(|value| (name, value)));
        let found = twice.extract(Trust::Internal);
        assert_eq!(found.correlation, Correlation::root(), "{name}");
        assert_eq!(found.refused, [Refused { carrier: Carrier::Message, name }]);
        // A proxy that repeats a header has not changed it.
        let same = Carriers::new().with_headers([(name, values[0]); 2]).extract(Trust::Internal);
        assert_ne!(same.correlation, Correlation::root(), "{name}");
    }
    let transport = Carriers::new().with_transport_header("Root=1").extract(Trust::Internal);
    assert_eq!(transport.refused[0].carrier, Carrier::Transport);
    // A flood of headers is looked at in part.
    let flood = Carriers::new().with_headers((0..1_000_000).map(|_| ("x-correlation-id", "a")));
    assert_eq!(id(&flood.extract(Trust::Internal).correlation), Some("a"));
}

#[test]
fn a_flow_survives_a_queue() {
    let mut sent = Correlation::root()
        .with_correlation_id(CorrelationId::parse("flow-1").unwrap())
        .with_sampled(true)
        .with_tenant("größe \"1\"");
    sent.causation_id = Some(EventId::parse("e-1").unwrap());
    sent.depth = 3;
    sent.traceparent = TraceParent::parse(MESSAGE_TRACE).ok();
    sent.tracestate = setpiece_envelope::TraceState::parse("1a=b,c=d").ok();

    let attributes = message_attributes(&sent);
    assert_eq!(
        attributes.iter().map(|it| it.0).collect::<Vec<_>>(),
        ["setpiece-context", "traceparent"]
    );
    // As Lambda, the SDK and SNS spell them.
    for (spelling, kind) in
        [("stringValue", "dataType"), ("StringValue", "DataType"), ("Value", "Type")]
    {
        let json: serde_json::Map<_, _> = attributes
            .iter()
            .map(|(name, text)| {
                ((*name).to_owned(), serde_json::json!({spelling: text, kind: "String"}))
            })
            .collect();
        let json = serde_json::Value::from(json).to_string();
        let read = attributes_from_json(&json).unwrap();
        let read = read.iter().map(|(name, text)| (&**name, &**text));
        assert_eq!(
            Carriers::new().with_attributes(read).extract(Trust::Internal).correlation,
            sent
        );
    }
    // The stream of a table has no attributes, so the item has one.
    let text = context_text(&sent);
    let item = Carriers::new().with_item_context(&text).extract(Trust::Internal);
    assert_eq!(item.correlation, sent);

    // Over HTTP it is the flow and the trace alone.
    let headers = http_headers(&sent);
    let read = headers.iter().map(|(name, value)| (*name, &**value));
    let found = Carriers::new().with_headers(read).extract(PUBLIC).correlation;
    assert_eq!((id(&found), trace(&found)), (Some("flow-1"), Some(MESSAGE_TRACE)));
    assert_eq!((found.tracestate, found.sampled, found.depth), (sent.tracestate, None, 0));
}

#[test]
fn attributes_that_are_none_are_refused() {
    let read = attributes_from_json;
    let mixed = r#"{"a":{"stringValue":"x"},"b":{"binaryValue":"eA=="},"c":{"stringValue":null},
        "d":{"stringValue":7},"e":null,"f":"x","g":{"Type":"String","Value":"y"}}"#;
    let texts = [("a", "x"), ("g", "y")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(read(mixed).unwrap(), texts);
    let many = (0..65).map(|n| format!(r#""a{n}":{{}}"#)).collect::<Vec<_>>().join(",");
    let deep = format!(r#"{{"a":{}"#, "[".repeat(100_000));
    for json in ["", "[]", "null", "{", &format!("{{{many}}}"), &deep, &" ".repeat(2_000_000)] {
        assert!(read(json).is_err());
    }
}

#[test]
fn a_trace_that_names_no_parent_goes_on() {
    let root = "Root=1-33333333-333333333333333333333333";
    let came = Carriers::new().with_headers([("X-Amzn-Trace-Id", root)]).extract(PUBLIC);
    assert_eq!(trace(&came.correlation), None);
    let ids = TraceIds::new(Counting::default());
    let next = ids.next(&came.correlation, came.x_ray.as_ref());
    let expected = "00-33333333333333333333333333333333-0000000000000001-00";
    assert_eq!(trace(&next), Some(expected));
}

#[test]
fn a_new_trace_is_random_and_follows_the_flow() {
    let ids = TraceIds::new(Counting::default());
    let next = ids.next(&Correlation::root().with_sampled(true), None);
    assert_eq!(trace(&next), Some("00-00000000000000020000000000000003-0000000000000001-03"));
    let next = ids.next(&Correlation::root(), None);
    assert_eq!(trace(&next), Some("00-00000000000000050000000000000006-0000000000000004-02"));
}

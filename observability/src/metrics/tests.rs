use proptest::prelude::*;
use serde_json::{Value, json};
use setpiece_envelope::{Correlation, CorrelationId};

use super::{InvalidDimension, Metric, Unit, Unrecorded, record};
use crate::{Config, Invocation, captured::Captured};

const ORDERS: Metric = Metric::new("Orders", Unit::Count);
const LATENCY: Metric = Metric::new("Latency", Unit::Milliseconds).high_resolution();

/// The rules that CloudWatch documents for its format.
fn assert_valid(document: &Value) {
    let text = json!({"type": "string", "minLength": 1, "maxLength": 255});
    let units: Vec<_> = Unit::ALL.iter().map(|unit| unit.as_str()).collect();
    let schema = json!({
        "type": "object",
        "required": ["_aws"],
        "properties": {"_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": false,
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 0},
                "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": {
                    "type": "object",
                    "required": ["Namespace", "Dimensions", "Metrics"],
                    "additionalProperties": false,
                    "properties": {
                        "Namespace": text,
                        "Dimensions": {"type": "array", "minItems": 1, "items": {
                            "type": "array", "minItems": 1, "maxItems": 30, "items": text,
                            "uniqueItems": true
                        }},
                        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": {
                            "type": "object",
                            "required": ["Name"],
                            "additionalProperties": false,
                            "properties": {
                                "Name": text,
                                "Unit": {"enum": units},
                                "StorageResolution": {"enum": [1, 60]}
                            }
                        }}
                    }
                }}
            }
        }}
    });
    let found = jsonschema::validate(&schema, document);
    assert!(found.is_ok(), "{found:?}: {document:#}");
    // Each reference has its target.
    let directive = &document["_aws"]["CloudWatchMetrics"][0];
    for metric in directive["Metrics"].as_array().unwrap() {
        let target = &document[metric["Name"].as_str().unwrap()];
        let values = target.as_array().cloned().unwrap_or_else(|| vec![target.clone()]);
        assert!((1..=100).contains(&values.len()) && values.iter().all(Value::is_number));
    }
    for name in directive["Dimensions"][0].as_array().unwrap() {
        assert!(document[name.as_str().unwrap()].is_string(), "{name}");
    }
}

/// All values of a metric in some documents.
fn values(documents: &[Value], name: &str) -> Vec<f64> {
    let targets = documents.iter().map(|document| &document[name]);
    targets
        .flat_map(|target| match target {
            Value::Array(values) => values.clone(),
            Value::Null => vec![],
            value => vec![value.clone()],
        })
        .map(|value| value.as_f64().unwrap())
        .collect()
}

#[test]
fn a_scope_writes_its_metrics_when_it_ends() {
    let config = Config::new("orders").with_namespace("Shop").unwrap();
    let config = config.with_dimension("stage", "prod").unwrap();
    let (captured, telemetry, _default) = Captured::telemetry(config);
    let flow = Correlation::root().with_correlation_id(CorrelationId::parse("flow-1").unwrap());
    let scope = telemetry.invocation(Invocation::new("8476a536").with_correlation(flow));
    scope.enter(|| {
        record(ORDERS, 1.0).unwrap();
        record(LATENCY, 12.5).unwrap();
        record(LATENCY, 3.0).unwrap();
    });
    assert_eq!(captured.take(), "", "not before");
    drop(scope);
    let text = captured.take();
    assert_eq!(
        text,
        concat!(
            r#"{"_aws":{"Timestamp":1767225600000,"CloudWatchMetrics":[{"Namespace":"Shop","#,
            r#""Dimensions":[["service","stage"]],"Metrics":[{"Name":"Orders","Unit":"Count"},"#,
            r#"{"Name":"Latency","Unit":"Milliseconds","StorageResolution":1}]}]},"#,
            r#""service":"orders","stage":"prod","cold_start":true,"requestId":"8476a536","#,
            r#""correlation_id":"flow-1","Orders":1,"Latency":[12.5,3]}"#,
            "\n"
        ),
    );
    assert_valid(&serde_json::from_str(&text).unwrap());
    // Without metrics there is no document.
    drop(telemetry.invocation(Invocation::new("2")));
    assert_eq!(captured.take(), "");
}

#[test]
fn values_belong_to_the_scope_in_which_they_are_recorded() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let invocation = telemetry.invocation(Invocation::new("1"));
    let flow = |id| Correlation::root().with_correlation_id(CorrelationId::parse(id).unwrap());
    let records = ["a", "b"].map(|id| invocation.flow(flow(id)));
    records[0].enter(|| record(ORDERS, 1.0)).unwrap();
    records[1].enter(|| record(ORDERS, 2.0)).unwrap();
    invocation.enter(|| record(ORDERS, 3.0)).unwrap();
    drop(records);
    drop(invocation);
    let documents = captured.lines();
    let found: Vec<_> =
        documents.iter().map(|it| (it["correlation_id"].as_str(), it["Orders"].as_u64())).collect();
    assert_eq!(found, [(Some("a"), Some(1)), (Some("b"), Some(2)), (None, Some(3))]);
}

#[test]
fn what_does_not_fit_is_split_and_never_dropped() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let scope = telemetry.invocation(Invocation::new("1"));
    let all: Vec<_> = (0..250).map(f64::from).collect();
    for value in &all {
        scope.record_metric(ORDERS, *value).unwrap();
    }
    drop(scope);
    let documents = captured.lines();
    assert_eq!(documents.len(), 3);
    documents.iter().for_each(assert_valid);
    assert_eq!(values(&documents, "Orders"), all);

    let scope = telemetry.invocation(Invocation::new("1"));
    let names: Vec<&'static str> =
        (0..201).map(|n| &*Box::leak(format!("{n:0>250}").into_boxed_str())).collect();
    for _ in 0..90 {
        for name in &names[..90] {
            scope.record_metric(Metric::new(name, Unit::None), -1.0 / 3.0).unwrap();
        }
    }
    for name in &names {
        scope.record_metric(Metric::new(name, Unit::None), 1.0).unwrap();
    }
    drop(scope);
    let text = captured.take();
    assert!(text.lines().all(|line| line.len() < crate::log::MAX_LINE_BYTES));
    let documents: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    documents.iter().for_each(assert_valid);
    for (n, name) in names.iter().enumerate() {
        assert_eq!(values(&documents, name).len(), if n < 90 { 91 } else { 1 });
    }
}

#[test]
fn what_cloudwatch_would_drop_is_refused() {
    let config = Config::new("orders").with_dimension("stage", "prod").unwrap();
    let (captured, telemetry, _default) = Captured::telemetry(config);
    assert_eq!(record(ORDERS, 1.0), Err(Unrecorded::NoScope));
    let scope = telemetry.invocation(Invocation::new("1"));
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 2.4e108] {
        assert_eq!(scope.record_metric(ORDERS, value), Err(Unrecorded::NotANumber));
    }
    for value in [0.0, -0.0, -2.3e108, 2.3e108, 1e-300, 9_007_199_254_740_993.0] {
        scope.record_metric(ORDERS, value).unwrap();
    }
    for other in [Metric::new("Orders", Unit::None), ORDERS.high_resolution()] {
        assert_eq!(scope.record_metric(other, 1.0), Err(Unrecorded::OtherMetric));
    }
    let stage = Metric::new("stage", Unit::Count);
    assert_eq!(scope.record_metric(stage, 1.0), Err(Unrecorded::Dimension));
    drop(scope);
    let documents = captured.lines();
    assert_valid(&documents[0]);
    assert_eq!(values(&documents, "Orders").len(), 6);
}

#[test]
fn names_that_cloudwatch_does_not_take_are_refused() {
    let new = |name: &'static str| std::panic::catch_unwind(|| Metric::new(name, Unit::Count));
    let long: &str = Box::leak("x".repeat(256).into_boxed_str());
    for name in ["", " ", ":a", "größe", "a\n", "requestId", "correlation_id", "_aws", long] {
        assert!(new(name).is_err(), "{name}");
    }
    for name in ["a", "a b", "a:b", &long[..255], "requestIds"] {
        assert!(new(name).is_ok(), "{name}");
    }
    let config = || Config::new("a");
    for name in ["", "AWS/Lambda", ":a", "a b", "größe", long] {
        assert_eq!(config().with_namespace(name).unwrap_err(), InvalidDimension::Namespace);
    }
    for (name, value, expected) in [
        ("", "a", InvalidDimension::Name),
        (":a", "a", InvalidDimension::Name),
        ("requestId", "a", InvalidDimension::Member),
        ("correlation_id", "a", InvalidDimension::Member),
        ("service", "a", InvalidDimension::Member),
        ("a", "", InvalidDimension::Value),
        ("a", " ", InvalidDimension::Value),
        ("a", "größe", InvalidDimension::Value),
    ] {
        assert_eq!(config().with_dimension(name, value).unwrap_err(), expected, "{name}={value}");
    }
    let mut many = config();
    for n in 0..29 {
        many = many.with_dimension(format!("d{n}"), "v").unwrap();
    }
    many = many.with_dimension("d1", "again").unwrap();
    assert_eq!(many.clone().with_dimension("d29", "v").unwrap_err(), InvalidDimension::TooMany);
    let (captured, telemetry, _default) = Captured::telemetry(many);
    telemetry.invocation(Invocation::new("1")).record_metric(ORDERS, 1.0).unwrap();
    assert_valid(&captured.line());
    // A name of a service that is no namespace does not stop its metrics.
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("größe"));
    telemetry.invocation(Invocation::new("1")).record_metric(ORDERS, 1.0).unwrap();
    let document = captured.line();
    assert_valid(&document);
    assert_eq!(document["_aws"]["CloudWatchMetrics"][0]["Namespace"], "setpiece");
}

proptest! {
    #[test]
    fn any_values_make_valid_documents(
        recorded in proptest::collection::vec((0..3_usize, any::<f64>()), 1..300),
    ) {
        const METRICS: [Metric; 3] = [ORDERS, LATENCY, Metric::new("Other", Unit::None)];
        let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
        let scope = telemetry.invocation(Invocation::new("1"));
        let mut taken = [const { Vec::new() }; 3];
        for (place, value) in recorded {
            if scope.record_metric(METRICS[place], value).is_ok() {
                taken[place].push(value);
            }
        }
        drop(scope);
        let documents = captured.lines();
        documents.iter().for_each(assert_valid);
        for (metric, taken) in METRICS.iter().zip(taken) {
            prop_assert_eq!(values(&documents, metric.name()), taken);
        }
    }
}

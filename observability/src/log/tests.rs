use std::{error::Error, fmt};

use proptest::prelude::*;
use serde_json::json;
use setpiece_envelope::{Correlation, CorrelationId, EventId};
use tracing::{Level, debug, error, field, info, info_span, trace, warn};
use tracing_core::LevelFilter;

use crate::{
    Config, Format, Invocation, SampleRate, Scope, XRayHeader,
    captured::{Captured, parse},
};

fn flow(id: &str) -> Correlation {
    Correlation::root().with_correlation_id(CorrelationId::parse(id).unwrap())
}

#[derive(Debug)]
struct Failed(&'static str, Option<Box<Self>>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|source| source as _)
    }
}

#[test]
fn a_line_has_the_members_of_powertools_and_ours() {
    let config = Config::new("orders")
        .with_function("f", "128")
        .with_function_members()
        .with_sample_rate(SampleRate::new(0.25).unwrap());
    let (captured, telemetry, _default) = Captured::telemetry(config);
    let mut correlation = flow("flow-1");
    correlation.causation_id = Some(EventId::parse("e-1").unwrap());
    correlation.depth = 2;
    let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let invocation = Invocation::new("8476a536")
        .with_function_arn("arn:aws:lambda:eu-west-1:123456789012:function:f")
        .with_tenant_id("t-1")
        .with_x_ray(XRayHeader::parse(header).unwrap())
        .with_correlation(correlation);
    telemetry.invocation(invocation).enter(|| info!(order_id = "o-1", a = 1, "hello"));
    assert_eq!(
        captured.take(),
        concat!(
            r#"{"level":"INFO","message":"hello","timestamp":"2026-01-01T00:00:00.000Z","#,
            r#""service":"orders","function_name":"f","function_memory_size":"128","sampling_rate":0.25,"cold_start":true,"#,
            r#""function_arn":"arn:aws:lambda:eu-west-1:123456789012:function:f","#,
            r#""requestId":"8476a536","tenantId":"t-1","#,
            r#""xray_trace_id":"1-5759e988-bd862e3fe1be46a994272793","#,
            r#""correlation_id":"flow-1","causation_id":"e-1","depth":2,"order_id":"o-1","a":1}"#,
            "\n"
        ),
    );
    telemetry.invocation(Invocation::new("2")).enter(|| info!("warm"));
    assert_eq!(captured.line()["cold_start"], false, "true once");
}

#[test]
fn without_a_scope_a_line_is_still_one() {
    let (captured, _, _default) = Captured::telemetry(Config::new("orders"));
    info!("hello");
    let expected = json!({"level": "INFO", "message": "hello", "service": "orders",
        "timestamp": "2026-01-01T00:00:00.000Z"});
    assert_eq!(captured.line(), expected);
    info!(a = 1);
    assert_eq!(captured.line()["message"], "");
    info!(message = 7);
    assert_eq!(captured.line()["message"], "7");
}

#[test]
fn each_kind_of_value_is_one_of_json() {
    let (captured, _, _default) = Captured::telemetry(Config::new("orders"));
    info!(
        max = u64::MAX,
        min = i64::MIN,
        large = u128::MAX,
        wide = i128::MIN,
        small = 7_i128,
        nan = f64::NAN,
        infinite = f64::NEG_INFINITY,
        huge = 1e300,
        tenth = 0.1,
        yes = true,
        none = None::<u8>,
        debug = ?Some("a\"b"),
        display = %"c\u{1}\u{7f}\u{85}\u{2028}\u{2029}\n\t\\",
        r#type = "t",
        "odd \"name\"" = 1,
        "größe 😀"
    );
    let text = captured.take();
    assert!(text.contains(r#""display":"c\u0001\u007f\u0085\u2028\u2029\n\t\\""#), "{text}");
    let line = parse(text.trim_end());
    for (name, expected) in [
        ("max", json!(u64::MAX)),
        ("min", json!(i64::MIN)),
        ("large", json!(u128::MAX.to_string())),
        ("wide", json!(i128::MIN.to_string())),
        ("small", json!(7)),
        ("nan", json!("NaN")),
        ("infinite", json!("-inf")),
        ("huge", json!(1e300)),
        ("tenth", json!(0.1)),
        ("yes", json!(true)),
        ("debug", json!(r#"Some("a\"b")"#)),
        ("type", json!("t")),
        ("odd \"name\"", json!(1)),
        ("message", json!("größe 😀")),
    ] {
        assert_eq!(line[name], expected, "{name}");
    }
    assert_eq!(line.get("none"), None);
}

#[test]
fn fields_of_spans_are_there_once_and_as_they_were_recorded_last() {
    let (captured, _, _default) = Captured::telemetry(Config::new("orders"));
    let outer = info_span!("outer", order = 1, place = "outer", late = field::Empty).entered();
    let inner = info_span!("inner", place = "inner", attempt = field::Empty).entered();
    info!("before");
    let line = captured.line();
    assert_eq!((&line["order"], &line["place"]), (&json!(1), &json!("inner")));
    assert_eq!((line.get("attempt"), line.get("late")), (None, None));
    inner.record("attempt", 1);
    inner.record("attempt", 2);
    outer.record("late", "\"quoted\"");
    outer.record("order", 9);
    info!(place = "event", "after");
    let line = captured.line();
    assert_eq!((&line["attempt"], &line["late"]), (&json!(2), &json!("\"quoted\"")));
    assert_eq!((&line["order"], &line["place"]), (&json!(9), &json!("event")));
}

#[test]
fn reserved_members_are_protected() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let scope = telemetry.invocation(Invocation::new("1").with_correlation(flow("flow-1")));
    scope.enter(|| {
        let _span = info_span!("odd", service = "span", timestamp = 0, level = "x").entered();
        info!(level = "ALL", level_ = "mine", requestId = "2", correlation_id = "3", _aws = 4, "a");
    });
    let line = captured.line();
    for (name, expected) in [
        ("level", json!("INFO")),
        ("level_", json!("ALL")),
        ("requestId", json!("1")),
        ("requestId_", json!("2")),
        ("correlation_id", json!("flow-1")),
        ("correlation_id_", json!("3")),
        ("service", json!("orders")),
        ("service_", json!("span")),
        ("timestamp_", json!(0)),
        ("_aws_", json!(4)),
    ] {
        assert_eq!(line[name], expected, "{name}");
    }
    assert_eq!(line.get("_aws"), None, "a line is no metric");
}

#[test]
fn a_span_stands_for_the_event_that_is_handled_in_it() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    telemetry.invocation(Invocation::new("1").with_correlation(flow("of-all"))).enter(|| {
        let _delivery =
            info_span!("delivery", event_id = "e-7", correlation_id = "flow-7").entered();
        info!("a");
    });
    let line = captured.line();
    assert_eq!((&line["correlation_id"], &line["event_id"]), (&json!("flow-7"), &json!("e-7")));
}

#[test]
fn what_the_runtime_says_of_an_invocation_is_there_once() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    telemetry.invocation(Invocation::new("1")).enter(|| {
        let target = "lambda_runtime::layers::trace";
        let _span =
            info_span!(target: "lambda_runtime::layers::trace", "i", requestId = "1").entered();
        info!(target, "a");
    });
    let text = captured.take();
    assert_eq!(text.matches("requestId").count(), 1, "{text}");
}

#[test]
fn an_error_is_an_object_with_its_causes() {
    let (captured, _, _default) = Captured::telemetry(Config::new("orders"));
    let root = Failed("no \"route\"", None);
    let failed = Failed("outer", Some(Box::new(Failed("inner", Some(Box::new(root))))));
    error!(error = &failed as &(dyn Error + 'static), "it failed");
    let expected = json!({"message": "outer",
        "cause": {"message": "inner", "cause": {"message": "no \"route\""}}});
    assert_eq!(captured.line()["error"], expected);

    let endless = (0..100).fold(Failed("e", None), |cause, _| Failed("e", Some(Box::new(cause))));
    error!(error = &endless as &(dyn Error + 'static));
    assert_eq!(captured.take().matches("message").count(), 1 + 16);
}

/// Writes without end.
struct Endless;

impl fmt::Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        loop {
            f.write_str("é\n")?;
        }
    }
}

/// Fails in the middle.
struct Broken;

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a\"part")?;
        Err(fmt::Error)
    }
}

/// Logs while it is logged.
struct Chatty;

impl fmt::Debug for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(within = 1, "inner");
        f.write_str("outer")
    }
}

#[test]
fn a_value_cannot_break_its_line() {
    let (captured, _, _default) = Captured::telemetry(Config::new("orders"));
    info!(value = ?Endless, next = 1, "a");
    let line = captured.line();
    assert!(line["value"].as_str().unwrap().ends_with("é…"));
    assert!(line["value"].as_str().unwrap().len() < 9000);
    assert_eq!(line["next"], 1);

    info!(value = "x".repeat(1_000_000), "{}", "y".repeat(1_000_000));
    assert!(captured.take().len() < 20_000);

    info!(value = ?Broken, next = 1, "a");
    let line = captured.line();
    assert_eq!((&line["value"], &line["next"]), (&json!("a\"part"), &json!(1)));

    info!(value = ?Chatty, "a");
    assert_eq!(captured.lines().pop().unwrap()["value"], "outer");
}

#[test]
fn many_long_fields_are_still_a_line() {
    let (captured, _, _default) = Captured::telemetry(Config::new("orders"));
    let long = "\u{1}".repeat(9000);
    let spans: Vec<_> = (0..30)
        .map(|_| info_span!("s", a = &*long, b = &*long, c = &*long, d = &*long).entered())
        .collect();
    info!(e = &*long, f = &*long, g = &*long, h = &*long, "{long}");
    let text = captured.take();
    assert!(text.len() < super::MAX_LINE_BYTES, "{}", text.len());
    parse(text.trim_end());
    // Spans end in the order in which they were entered last.
    spans.into_iter().rev().for_each(drop);
}

#[test]
fn a_line_costs_no_allocation_and_few_bytes() {
    let config = Config::new("product-registration");
    let (captured, telemetry, _default) = Captured::telemetry(config);
    let mut correlation = flow("01JD4QZ3V5X8Y2N7K9M4T6W1R0");
    correlation.causation_id = Some(EventId::parse("01JD4QZ3V5X8Y2N7K9M4T6W1R1").unwrap());
    correlation.depth = 2;
    let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let invocation = Invocation::new("8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        .with_x_ray(XRayHeader::parse(header).unwrap())
        .with_correlation(correlation);
    let _span = info_span!("delivery", event_id = "01JD4QZ3V5X8Y2N7K9M4T6W1R2").entered();
    telemetry.invocation(invocation).enter(|| {
        let write = || info!(points = 100, "awarded");
        write();
        let bytes = captured.take().len();
        assert!(bytes <= 400, "{bytes} bytes");
        captured.reserve(1000);
        let allocations = allocation_counter::measure(write).count_total;
        assert!(allocations <= 3, "{allocations} allocations");
    });
}

#[test]
fn kept_lines_are_written_when_the_scope_fails() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let scope = || telemetry.invocation(Invocation::new("1"));
    scope().enter(|| {
        debug!("kept");
        info!("written");
    });
    assert_eq!(captured.messages(), ["written"], "it ended well");

    let failing = scope();
    failing.enter(|| {
        debug!("before");
        trace!("too fine to be kept");
        info!("written");
        error!("failed");
        debug!("after");
    });
    drop(failing);
    assert_eq!(captured.messages(), ["written", "before", "failed"]);

    let failing = scope();
    failing.enter(|| debug!(a = 1, "before"));
    failing.fail();
    failing.fail();
    let line = captured.line();
    assert_eq!((&line["message"], &line["a"]), (&json!("before"), &json!(1)), "once");
    assert_eq!(line["timestamp"], "2026-01-01T00:00:00.000Z");

    // Outside of a scope nobody can fail.
    debug!("gone");
    assert_eq!(captured.take(), "");
}

#[test]
fn a_record_that_fails_writes_its_own_lines_and_those_of_its_invocation() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let invocation = telemetry.invocation(Invocation::new("1"));
    invocation.enter(|| debug!("of the invocation"));
    let [good, bad] = ["good", "bad"].map(|id| invocation.flow(flow(id)));
    good.enter(|| debug!("of the good one"));
    bad.enter(|| {
        debug!("of the bad one");
        error!("failed");
    });
    let lines = captured.lines();
    let ids: Vec<_> =
        lines.iter().map(|line| (&line["message"], &line["correlation_id"])).collect();
    let expected = [
        (&json!("of the invocation"), &json!(null)),
        (&json!("of the bad one"), &json!("bad")),
        (&json!("failed"), &json!("bad")),
    ];
    assert_eq!(ids, expected);
}

#[test]
fn what_is_kept_is_bounded_and_what_is_lost_is_counted() {
    let config = Config::new("orders").with_buffer_bytes(1000);
    let (captured, telemetry, _default) = Captured::telemetry(config.clone());
    let scope = telemetry.invocation(Invocation::new("1"));
    scope.enter(|| {
        for n in 0..100 {
            debug!("line {n}");
        }
        debug!("{}", "x".repeat(2000));
    });
    let direct = captured.line();
    assert_eq!(direct["level"], "DEBUG", "there is no room for it, so it is written");
    scope.fail();
    let lines = captured.lines();
    let (notice, kept) = lines.split_first().unwrap();
    assert_eq!((&notice["level"], &notice["lost"]), (&json!("WARN"), &json!(100 - kept.len())));
    assert_eq!(notice["requestId"], "1");
    assert_eq!(kept.last().unwrap()["message"], "line 99");
    assert!(kept.len() > 3);

    // Lambda's filter lets errors pass.
    let (captured, telemetry, _default) = Captured::telemetry(config.with_bundles());
    let scope = telemetry.invocation(Invocation::new("1"));
    scope.enter(|| (0..100).for_each(|n| debug!("line {n}")));
    scope.fail();
    let bundle = captured.line();
    assert_eq!((&bundle["level"], &bundle["requestId"]), (&json!("ERROR"), &json!("1")));
    let kept = bundle["buffered"].as_array().unwrap();
    assert_eq!(kept.last().unwrap()["message"], "line 99");
    assert_eq!(bundle["lost"], 100 - kept.len());
}

#[test]
fn levels_are_those_of_the_settings() {
    let levels = |config| {
        let (captured, telemetry, _default) = Captured::telemetry(config);
        let write = || {
            error!("error");
            warn!("warn");
            info!("info");
            debug!("debug");
            trace!("trace");
        };
        write();
        let without = captured.messages();
        telemetry.invocation(Invocation::new("1").with_correlation(flow("a"))).enter(write);
        (without, captured.messages())
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let none = Config::new("a").with_buffer_level(LevelFilter::OFF);
    let two = texts(&["error", "warn"]);
    assert_eq!(levels(none.clone().with_level(LevelFilter::WARN)), (two.clone(), two));
    let all = texts(&["error", "warn", "info", "debug", "trace"]);
    assert_eq!(levels(none.clone().with_level(LevelFilter::TRACE)), (all.clone(), all.clone()));
    assert_eq!(levels(none.with_level(LevelFilter::OFF)), (vec![], vec![]));
    // A sampled flow has more.
    let sampled = Config::new("a").with_sample_rate(SampleRate::ALL);
    assert_eq!(levels(sampled), (all[..3].to_vec(), all[..4].to_vec()));
    // Ids of a span are there whatever the level is.
    let (captured, _, _default) =
        Captured::telemetry(Config::new("a").with_level(LevelFilter::ERROR));
    let _span = info_span!("delivery", event_id = "e-1").entered();
    error!("a");
    assert_eq!(captured.line()["event_id"], "e-1");
}

#[test]
fn a_panic_is_one_line_with_its_ids() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let scope = telemetry.invocation(Invocation::new("1").with_correlation(flow("flow-1")));
    Captured::catch(&telemetry, || {
        scope.enter(|| {
            debug!("kept");
            panic!("no \"{}\"\nat all", "reason");
        });
    });
    assert!(Scope::current().is_none(), "the scope ended with the panic");
    let lines = captured.lines();
    let [kept, line] = &*lines else { panic!("{lines:#?}") };
    assert_eq!(kept["message"], "kept");
    assert_eq!((&line["level"], &line["error.type"]), (&json!("ERROR"), &json!("panic")));
    assert_eq!(line["message"], "no \"reason\"\nat all");
    assert_eq!((&line["requestId"], &line["correlation_id"]), (&json!("1"), &json!("flow-1")));
    assert!(line["location"].as_str().unwrap().contains("log/tests.rs:"));
}

#[test]
fn on_a_terminal_a_line_is_for_people() {
    let config = Config::new("orders").with_format(Format::Text { color: false });
    let (captured, telemetry, _default) = Captured::telemetry(config.clone());
    let scope = telemetry.invocation(Invocation::new("1"));
    scope.enter(|| {
        let _span = info_span!("span", item = "i\n1").entered();
        debug!("kept");
        warn!(order = 7, text = "a b", "it is\n\u{1b}[31mlate");
    });
    scope.fail();
    assert_eq!(
        captured.take(),
        concat!(
            "00:00:00.000  WARN setpiece_observability::log::tests: it is\\n\\u001b[31mlate ",
            "order=7 text=\"a b\" item=\"i\\n1\"\n",
            "00:00:00.000 DEBUG setpiece_observability::log::tests: kept item=\"i\\n1\"\n",
        ),
    );
    let (captured, _, _default) =
        Captured::telemetry(config.with_format(Format::Text { color: true }));
    info!("a");
    assert!(captured.take().contains("\u{1b}[32m INFO\u{1b}[0m"));
}

proptest! {
    #[test]
    fn any_values_are_one_line_of_json(
        text in any::<String>(),
        other in "[\"\\\\\u{2028}\n\u{0}-\u{9f}é]*",
        float in any::<f64>(),
        wide in any::<i128>(),
        number in any::<u64>(),
        chars in proptest::collection::vec(any::<char>(), 0..20),
    ) {
        let (captured, telemetry, _default) = Captured::telemetry(Config::new(text.clone()));
        telemetry.invocation(Invocation::new(other.clone()).with_tenant_id(text.clone())).enter(|| {
            let span = tracing::span!(Level::INFO, "s", span = &*other, late = field::Empty);
            let _entered = span.enter();
            span.record("late", &*text);
            info!(text = &*text, float, wide, number, debugged = ?chars, shown = %other, "{text}");
        });
        let lines = captured.take();
        prop_assert_eq!(lines.matches('\n').count(), 1);
        let line = parse(lines.trim_end());
        for name in ["message", "text", "service", "tenantId", "late"] {
            prop_assert_eq!(line[name].as_str(), Some(&*text), "{}", name);
        }
        for name in ["requestId", "span", "shown"] {
            prop_assert_eq!(line[name].as_str(), Some(&*other), "{}", name);
        }
        prop_assert_eq!(&line["number"], &json!(number));
        if float.is_finite() {
            prop_assert_eq!(line["float"].as_f64(), Some(float));
        }
        prop_assert_eq!(line["debugged"].as_str(), Some(&*format!("{chars:?}")));
    }
}

#[test]
fn two_telemetries_do_not_mix() {
    let (first, telemetry, _default) = Captured::telemetry(Config::new("a"));
    {
        let (second, _, _default) = Captured::telemetry(Config::new("b"));
        info!("second");
        assert_eq!(second.line()["service"], "b");
    }
    telemetry.invocation(Invocation::new("1")).enter(|| info!("first"));
    assert_eq!(first.line()["service"], "a");
}

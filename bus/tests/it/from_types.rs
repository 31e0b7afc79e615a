//! Patterns that are built from types.

use setpiece_bus::{EventPattern, Filter, PatternReason};
use setpiece_envelope::{Category, DomainEvent as _, EventVersion};

use crate::events::{CounterSet, OrderSubmitted, PaymentSettled};

#[track_caller]
fn check(filter: impl Into<Filter>, expected: &str) {
    let pattern = EventPattern::of::<OrderSubmitted>().field("x", filter).build().unwrap();
    let expected = format!(
        r#"{{"detail-type":["order_submitted"],"detail":{{"data":{{"x":{expected}}}}},"source":["retail.checkout.orders"]}}"#
    );
    assert_eq!(pattern.to_json(), expected);
    assert_eq!(EventPattern::parse(&expected).unwrap(), pattern);
}

#[test]
fn filters_are_written_as_aws_reads_them() {
    check("EUR", r#"["EUR"]"#);
    check("EUR".to_owned(), r#"["EUR"]"#);
    check(3, "[3]");
    check(i64::MIN, "[-9223372036854775808]");
    check(29.99, "[29.99]");
    check(true, "[true]");
    check(Filter::null(), "[null]");
    check(Filter::one_of(["b", "a"]), r#"["a","b"]"#);
    check(Filter::from("a").or(1).or(Filter::null()), r#"["a",1,null]"#);
    check(Filter::prefix("a"), r#"[{"prefix":"a"}]"#);
    check(Filter::suffix("a"), r#"[{"suffix":"a"}]"#);
    check(Filter::equals_ignore_case("a"), r#"[{"equals-ignore-case":"a"}]"#);
    check(Filter::wildcard(r"a*\*"), r#"[{"wildcard":"a*\\*"}]"#);
    check(Filter::cidr("10.0.0.0/24"), r#"[{"cidr":"10.0.0.0/24"}]"#);
    check(Filter::exists(), r#"[{"exists":true}]"#);
    check(Filter::absent(), r#"[{"exists":false}]"#);
    check(Filter::numeric(100.0..), r#"[{"numeric":[">=",100]}]"#);
    check(Filter::numeric(..100.0), r#"[{"numeric":["<",100]}]"#);
    check(Filter::numeric(..=1e300), r#"[{"numeric":["<=",1e300]}]"#);
    check(Filter::numeric(-0.5..=5.0), r#"[{"numeric":[">=",-0.5,"<=",5]}]"#);
    check(Filter::numeric(5.0..=5.0), "[5]");
    check(Filter::anything_but("a"), r#"[{"anything-but":"a"}]"#);
    check(Filter::anything_but(Filter::one_of(["a", "b"])), r#"[{"anything-but":["a","b"]}]"#);
    check(Filter::anything_but(Filter::one_of([1, 2])), r#"[{"anything-but":[1,2]}]"#);
    check(
        Filter::anything_but(Filter::prefix("a").or(Filter::prefix("b"))),
        r#"[{"anything-but":{"prefix":["a","b"]}}]"#,
    );
    check(Filter::anything_but(Filter::wildcard("*a")), r#"[{"anything-but":{"wildcard":"*a"}}]"#);
}

#[test]
fn texts_mean_themselves() {
    check("a\"b\\c\n\u{1}é😀", r#"["a\"b\\c\n\u0001é😀"]"#);
    check(Filter::prefix("\"}"), r#"[{"prefix":"\"}"}]"#);
    // In a pattern, the text of an address stands for all its forms.
    check("10.0.0.7", r#"[{"exactly":"10.0.0.7"}]"#);
    check(Filter::anything_but("10.0.0.7"), r#"[{"anything-but":"10.0.0.7"}]"#);
}

#[track_caller]
fn check_refused(filter: impl Into<Filter>, reason: &str, path: &str) {
    let error = EventPattern::of::<OrderSubmitted>().field("x", filter).build().unwrap_err();
    assert_eq!((error.reason().to_string().as_str(), error.path()), (reason, path));
}

#[test]
fn what_aws_refuses_is_not_built() {
    check_refused(Filter::one_of([""; 0]), "Empty arrays are not allowed", "detail.data.x");
    check_refused(
        Filter::from(1).or(Filter::wildcard("a**")),
        "Consecutive wildcard characters at pos 2",
        "detail.data.x[1].wildcard",
    );
    check_refused(
        Filter::cidr("10.0.0.7"),
        "Malformed CIDR, one '/' required",
        "detail.data.x[0].cidr",
    );
    check_refused(
        Filter::numeric(5.0..1.0),
        "Bottom must be less than top",
        "detail.data.x[0].numeric",
    );
    check_refused(
        Filter::numeric(..),
        "Invalid member in numeric match: ]",
        "detail.data.x[0].numeric",
    );
    check_refused(Filter::numeric(f64::NAN..), "Cannot compare number : NaN", "detail.data.x[0]");
    check_refused(f64::INFINITY, "Cannot compare number : inf", "detail.data.x[0]");
    check_refused(
        Filter::anything_but(Filter::from("a").or(1)),
        "Inside anything but list, either all values are number or string, mixed type is not supported",
        "detail.data.x[0].anything-but",
    );
    check_refused(
        Filter::anything_but(Filter::exists()),
        "Unsupported anything-but pattern: exists",
        "detail.data.x[0].anything-but.exists",
    );
    check_refused(
        Filter::anything_but(Filter::numeric(1.0..)),
        "Unsupported anything-but pattern: numeric",
        "detail.data.x[0].anything-but.numeric",
    );
    let mixed = Filter::prefix("a").or(Filter::suffix("b"));
    check_refused(
        Filter::anything_but(mixed),
        "Inside anything but list, start|null|boolean is not supported.",
        "detail.data.x[0].anything-but[0]",
    );
    check_refused(
        Filter::anything_but(true),
        "Value of anything-but must be an array or single string/number value.",
        "detail.data.x[0].anything-but",
    );
}

#[test]
fn a_field_has_one_filter() {
    let twice = EventPattern::of::<OrderSubmitted>()
        .field("total", Filter::numeric(100.0..))
        .field("total", Filter::numeric(..200.0));
    let error = twice.build().unwrap_err();
    assert_eq!(error.reason(), &PatternReason::RepeatedField);
    assert_eq!(error.path(), "detail.data.total");
    assert!(EventPattern::of::<OrderSubmitted>().tenant("a").tenant("b").build().is_err());
}

#[test]
fn a_pattern_is_no_longer_than_aws_takes() {
    let long = Filter::one_of(["x".repeat(4096)]);
    let error = EventPattern::of::<OrderSubmitted>().field("x", long).build().unwrap_err();
    assert_eq!(error.reason(), &PatternReason::TooLong { limit: 4096 });
}

#[test]
fn fields_are_paths_and_never_operators() {
    let pattern = EventPattern::of::<CounterSet>()
        .field("", 1)
        .field("$or", Filter::prefix("a").or(Filter::wildcard("*b")))
        .field("a.prefix", "x")
        .build()
        .unwrap();
    let event = |or: &str| {
        format!(
            r#"{{"source":"retail.checkout.orders","detail-type":"counter_set",
                "detail":{{"data":[1,{{"$or":"{or}","a":{{"prefix":"x"}}}}]}}}}"#
        )
    };
    assert!(pattern.matches_json(event("ac")).unwrap());
    assert!(pattern.matches_json(event("cb")).unwrap());
    assert!(!pattern.matches_json(event("cd")).unwrap());
}

fn event(source: &str, detail_type: &str, metadata: &str) -> String {
    format!(
        r#"{{"source":"{source}","detail-type":"{detail_type}","detail":{{"metadata":{metadata},"data":{{}}}}}}"#
    )
}

#[test]
fn other_events_do_not_match() {
    let pattern = EventPattern::of::<OrderSubmitted>().build().unwrap();
    let matches =
        |source, detail_type| pattern.matches_json(event(source, detail_type, "{}")).unwrap();
    assert!(matches("retail.checkout.orders", "order_submitted"));
    assert!(!matches("retail.checkout.orders", "order_cancelled"));
    assert!(!matches("retail.checkout", "order_submitted"));
}

#[test]
fn events_that_share_a_detail_type_are_told_apart_by_name() {
    let pattern = EventPattern::of::<PaymentSettled>().build().unwrap();
    let matches = |name: &str| {
        let metadata = format!(r#"{{"name":"{name}"}}"#);
        pattern.matches_json(event("retail.checkout.orders", "payment", &metadata)).unwrap()
    };
    assert!(matches("payment_settled"));
    assert!(!matches("payment_refused"));
}

#[test]
fn a_version_is_found_in_every_form_that_readers_take() {
    let pattern = EventPattern::of::<OrderSubmitted>()
        .versions([EventVersion::FIRST, OrderSubmitted::VERSION])
        .build()
        .unwrap();
    for (version, expected) in [
        (r#""2""#, true),
        (r#""2.0""#, true),
        (r#""2.17.3""#, true),
        ("2", true),
        ("2.0", true),
        ("2.7", true),
        (r#""1""#, true),
        ("1", true),
        (r#""3""#, false),
        (r#""20""#, false),
        ("3", false),
        ("0.9", false),
        ("null", false),
    ] {
        let metadata = format!(r#"{{"version":{version}}}"#);
        let event = event("retail.checkout.orders", "order_submitted", &metadata);
        assert_eq!(pattern.matches_json(event).unwrap(), expected, "{version}");
    }
    assert!(EventPattern::of::<OrderSubmitted>().versions([]).build().is_err());
}

#[test]
fn metadata_is_filtered_by_tenant_category_and_member() {
    let pattern = EventPattern::of::<OrderSubmitted>()
        .tenant("acme")
        .category(&Category::DomainEvent)
        .metadata("depth", Filter::absent().or(Filter::numeric(..10.0)))
        .build()
        .unwrap();
    for (metadata, expected) in [
        (r#"{"tenant":"acme","category":"domain-event"}"#, true),
        (r#"{"tenant":"acme","category":"domain-event","depth":9}"#, true),
        (r#"{"tenant":"acme","category":"domain-event","depth":10}"#, false),
        (r#"{"tenant":"acme","category":"service-event"}"#, false),
        (r#"{"tenant":"other","category":"domain-event"}"#, false),
        (r#"{"category":"domain-event"}"#, false),
    ] {
        let event = event("retail.checkout.orders", "order_submitted", metadata);
        assert_eq!(pattern.matches_json(event).unwrap(), expected, "{metadata}");
    }
}

#[test]
fn any_of_several_patterns_mixes_nothing() {
    let patterns = [("a", "x"), ("b", "y")].map(|(source, detail_type)| {
        let json = format!(r#"{{"source":["{source}"],"detail-type":["{detail_type}"]}}"#);
        EventPattern::parse(json).unwrap()
    });
    let any = EventPattern::any_of(&patterns).unwrap();
    for (source, detail_type, expected) in
        [("a", "x", true), ("b", "y", true), ("a", "y", false), ("b", "x", false)]
    {
        assert_eq!(any.matches_json(event(source, detail_type, "{}")).unwrap(), expected);
    }
    assert_eq!(EventPattern::any_of(&patterns[..1]).unwrap(), patterns[0]);
    let twice = EventPattern::any_of([&any, &patterns[0]]).unwrap();
    assert_eq!(twice, any);
    assert!(EventPattern::any_of([]).is_err());
    // AWS would take such a field for an operator, and the whole for a field of the name `$or`.
    let reserved = EventPattern::parse(r#"{"numeric":["=",5]}"#).unwrap();
    assert!(EventPattern::any_of([&reserved, &reserved]).is_err());
}

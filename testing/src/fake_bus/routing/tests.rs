use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};
use setpiece_bus::{EventPattern, OutgoingEvent, Publisher};
use setpiece_envelope::{
    Clock as _, Correlation, DomainEvent, EventBridgeEvent, EventVersion, First, ReadError,
    ServiceId, Stamp,
};
use setpiece_policy::{Deadline, InstantSleep, Retry, SeededRandom};

use crate::{
    CallError, Delivery, Exhausted, FakeBus, Faults, Input, PutEventsEntry, Replay, RetryPolicy,
    Rule, SequentialIds, Target, assert_caused_by, assert_published,
    fake_bus::block_on,
    fixtures::{InvoiceIssued, OrderSubmitted, OrderTotal, WrongOrderTotal, order},
    sqs_event,
};

const EVERYTHING: &str = r#"{ "version": ["0"] }"#;

fn entry(detail: &str) -> PutEventsEntry {
    PutEventsEntry::new("retail.orders", "order_submitted", detail)
}

fn put(bus: &FakeBus, detail: &str) {
    _ = bus.put_events(vec![entry(detail)]);
}

/// A bus with one rule for everything and these targets.
fn bus_to(targets: impl IntoIterator<Item = Target>) -> FakeBus {
    let bus = FakeBus::new();
    bus.put_rule(Rule::parse("all", EVERYTHING).unwrap()).unwrap();
    bus.put_targets("all", targets).unwrap();
    bus
}

/// Takes all deliveries that there are, one after the other.
fn take_all<T>(bus: &FakeBus, mut take: impl FnMut(Delivery) -> T) -> Vec<T> {
    std::iter::from_fn(|| bus.next_delivery()).map(&mut take).collect()
}

/// Where a delivery goes.
fn place(delivery: Delivery) -> String {
    let place = format!("{} {}", delivery.rule(), delivery.target());
    delivery.succeed();
    place
}

fn publisher(bus: &FakeBus) -> Publisher<FakeBus> {
    let clock = bus.clock();
    let retry = Retry::new(clock.clone(), SeededRandom::new(7), InstantSleep::new(clock.clone()));
    Publisher::new(bus.clone(), retry).with_stamp(Stamp::new(clock, SequentialIds::new()))
}

fn publish<E>(publisher: &Publisher<FakeBus>, event: E, correlation: &Correlation) -> bool
where
    E: DomainEvent + serde::Serialize + Send + Sync + 'static,
{
    let deadline = Deadline::after(&publisher.bus().clock(), Duration::from_secs(30));
    block_on(publisher.publish(event, correlation, deadline)).is_ok()
}

#[test]
fn an_event_goes_to_all_targets_of_all_rules_that_match() {
    let bus = FakeBus::new();
    let large = r#"{ "detail": { "total": [{ "numeric": [">", 100] }] } }"#;
    bus.put_rule(Rule::parse("large", large).unwrap()).unwrap();
    bus.put_rule(Rule::parse("all", EVERYTHING).unwrap()).unwrap();
    bus.put_rule(Rule::parse("none", r#"{ "source": ["retail"] }"#).unwrap()).unwrap();
    bus.put_targets("large", [Target::new("loyalty"), Target::new("fraud")]).unwrap();
    bus.put_targets("all", [Target::new("audit")]).unwrap();
    bus.put_targets("none", [Target::new("nobody")]).unwrap();

    put(&bus, r#"{ "total": 101 }"#);
    assert_eq!(take_all(&bus, place), ["large loyalty", "large fraud", "all audit"]);
    put(&bus, r#"{ "total": 100 }"#);
    assert_eq!(take_all(&bus, place), ["all audit"]);
    // What was put on another bus or refused goes nowhere.
    _ = bus.put_events(vec![
        PutEventsEntry { event_bus_name: Some("other".to_owned()), ..entry("{}") },
        entry("[]"),
    ]);
    assert_eq!(take_all(&bus, place).len(), 0);
    assert_eq!(bus.tally().deliveries, 4);
}

#[test]
fn an_event_is_delivered_in_the_form_of_aws() {
    let bus = bus_to([Target::new("t")]);
    let detail = r#"{ "b":1.0,"a" : "é\u00e9", "n": 12345678901234567 }"#;
    let time = "2026-03-01T12:10:21.987Z".parse().unwrap();
    let resources = vec!["arn:a".to_owned(), "arn:\"b\"".to_owned()];
    _ = bus.put_events(vec![PutEventsEntry {
        time: Some(time),
        resources,
        trace_header: Some("Root=1".to_owned()),
        ..entry(detail)
    }]);
    let delivery = bus.next_delivery().unwrap();
    let id = bus.events()[0].bus_event_id().to_owned();
    assert_eq!(delivery.bus_event_id(), id);
    assert_eq!(delivery.trace_header(), Some("Root=1"));
    let head = format!(
        r#"{{"version":"0","id":"{id}","detail-type":"order_submitted","source":"retail.orders","account":"123456789012","time":"2026-03-01T12:10:21Z","region":"us-east-1","resources":["arn:a","arn:\"b\""],"detail":"#
    );
    assert_eq!(delivery.text(), format!("{head}{detail}}}"));
    assert_eq!(delivery.bytes(), delivery.text().as_bytes());
    delivery.succeed();

    // Without a time of its own, it has that of the bus.
    put(&bus, "{}");
    assert!(bus.next_delivery().unwrap().text().contains(r#""time":"2026-01-01T00:00:00Z""#));
}

#[test]
fn rules_are_changed_disabled_and_enabled() {
    let bus = bus_to([Target::new("t")]);
    let deliveries = |bus: &FakeBus| {
        put(bus, "{}");
        take_all(bus, place).len()
    };
    bus.disable_rule("all").unwrap();
    assert_eq!(deliveries(&bus), 0);
    bus.enable_rule("all").unwrap();
    assert_eq!(deliveries(&bus), 1);
    // The rule is another one, its targets stay.
    bus.put_rule(Rule::parse("all", r#"{ "source": ["x"] }"#).unwrap()).unwrap();
    assert_eq!(deliveries(&bus), 0);
    bus.put_rule(Rule::parse("all", EVERYTHING).unwrap().disabled()).unwrap();
    assert_eq!(deliveries(&bus), 0);
    bus.enable_rule("all").unwrap();
    assert_eq!(deliveries(&bus), 1);
}

#[test]
fn what_no_rule_can_be_is_refused() {
    let bus = FakeBus::named("orders");
    let code = |result: Result<(), CallError>| result.unwrap_err().code;
    let error = Rule::parse("r", r#"{ "source": "x" }"#).unwrap_err();
    let expected = "InvalidEventPatternException: Event pattern is not valid. Reason: \"source\" \
                    must be an object or an array";
    assert_eq!(error.to_string(), expected);
    for name in ["", "a b", "a/b", &"x".repeat(65)] {
        let rule = Rule::parse(name, EVERYTHING).unwrap();
        assert_eq!(code(bus.put_rule(rule)), "ValidationException", "{name}");
    }
    let error = bus.put_targets("r", [Target::new("t")]).unwrap_err();
    let expected = "ResourceNotFoundException: Rule r does not exist on EventBus orders.";
    assert_eq!(error.to_string(), expected);
    assert_eq!(code(bus.enable_rule("r")), "ResourceNotFoundException");
    assert_eq!(code(bus.disable_rule("r")), "ResourceNotFoundException");
}

#[test]
fn a_rule_has_five_targets_at_most() {
    let target = |n: usize| Target::new(&format!("t-{n}"));
    let bus = bus_to((0..4).map(target));
    let error = bus.put_targets("all", [target(4), target(5)]).unwrap_err();
    assert_eq!(error.code, "LimitExceededException");
    bus.put_targets("all", [target(4)]).unwrap();
    // One that is there already is changed.
    bus.put_targets("all", [target(3).with_input(Input::path("$.detail"))]).unwrap();
    put(&bus, "{}");
    let texts = take_all(&bus, |it| (it.target().to_owned(), it.text() == "{}").0);
    assert_eq!(texts.len() % 5, 0);

    for (target, part) in [
        (Target::new("a b"), "targets.1.member.id"),
        (target(0).with_input(Input::path("x")), "InputPath"),
        (target(0).with_retry_policy(RetryPolicy::retries(186)), "maximumRetryAttempts"),
        (
            target(0).with_retry_policy(RetryPolicy::retries(1).within(Duration::from_secs(59))),
            "maximumEventAgeInSeconds",
        ),
        (
            target(0).with_retry_policy(RetryPolicy::retries(1).within(Duration::from_hours(25))),
            "maximumEventAgeInSeconds",
        ),
    ] {
        let error = bus.put_targets("all", [target]).unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "ValidationException"));
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn all_constraints_that_targets_violate_are_listed_with_their_places() {
    let bus = bus_to([]);
    let error = |targets: Vec<Target>| bus.put_targets("all", targets).unwrap_err().message;
    let form = "Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+";
    let long = "!".repeat(70);
    assert_eq!(
        error(vec![Target::new("ok"), Target::new("!bad")]),
        format!(
            "1 validation error detected: Value '!bad' at 'targets.2.member.id' failed to satisfy \
             constraint: {form}"
        )
    );
    assert_eq!(
        error(vec![Target::new(&long)]),
        format!(
            "2 validation errors detected: Value '{long}' at 'targets.1.member.id' failed to \
             satisfy constraint: {form}; Value '{long}' at 'targets.1.member.id' failed to satisfy \
             constraint: Member must have length less than or equal to 64"
        )
    );
    let retries = RetryPolicy::retries(186).within(Duration::from_secs(59));
    let third = Target::new("").with_retry_policy(retries).with_input(Input::path("x"));
    let message = error(vec![Target::new("a"), Target::new("!b"), third]);
    assert!(message.starts_with("5 validation errors detected: "), "{message}");
    let places: Vec<_> =
        message.split(" at '").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
    assert_eq!(
        places,
        [
            "targets.2.member.id",
            "targets.3.member.id",
            "targets.3.member.id",
            "targets.3.member.retryPolicy.maximumRetryAttempts",
            "targets.3.member.retryPolicy.maximumEventAgeInSeconds",
        ]
    );
}

#[test]
fn names_are_as_long_as_the_service_allows() {
    let bus = bus_to([]);
    let name = |length: usize| "a".repeat(length);
    let too_long = |result: Result<(), CallError>, at: &str, limit: usize| {
        let expected = format!(
            "1 validation error detected: Value '{}' at '{at}' failed to satisfy constraint: \
             Member must have length less than or equal to {limit}",
            name(limit + 1)
        );
        assert_eq!(result.unwrap_err().message, expected);
    };
    bus.create_archive(&name(48), None).unwrap();
    too_long(bus.create_archive(&name(49), None), "archiveName", 48);
    bus.start_replay(&Replay::new(&name(64), &name(48))).unwrap();
    too_long(bus.start_replay(&Replay::new(&name(65), &name(48))), "replayName", 64);
    bus.put_rule(Rule::parse(&name(64), EVERYTHING).unwrap()).unwrap();
    too_long(bus.put_rule(Rule::parse(&name(65), EVERYTHING).unwrap()), "name", 64);
    too_long(bus.put_targets("all", [Target::new(&name(65))]), "targets.1.member.id", 64);
    let empty = bus.create_archive("", None).unwrap_err().message;
    assert!(
        empty.starts_with("2 validation errors detected: Value '' at 'archiveName'"),
        "{empty}"
    );
}

#[test]
fn a_template_that_gives_no_json_delivers_nothing_and_is_named() {
    let quoted = |id: &str, template: &str| {
        Target::new(id).with_input(Input::template([("it", "$.detail.item")], template))
    };
    let bus = bus_to([quoted("quoted", r#"{"x":"<it>"}"#), quoted("bare", r#"{"x":<it>}"#)]);
    put(&bus, r#"{"item":{"k":"v"}}"#);
    assert_eq!(take_all(&bus, place), ["all bare"]);
    let [given_up] = &bus.undelivered()[..] else { panic!() };
    assert_eq!((given_up.target.as_str(), given_up.exhausted), ("quoted", None));
    assert_eq!(given_up.error, "The input template gave no JSON for the event.");
    assert_eq!(bus.tally().undelivered, 1);
    put(&bus, r#"{"item":"v"}"#);
    assert_eq!(take_all(&bus, place), ["all quoted", "all bare"]);
}

#[test]
fn an_event_that_no_pattern_could_decide_about_is_named_and_archived() {
    let lists: Vec<_> = (0..8)
        .map(|list| {
            let object = format!(r#"{{"f{list}":1,"z":0}}"#);
            format!(r#""a":[{{"z":1}},{}]"#, vec![object; 30].join(","))
        })
        .collect();
    let fields: Vec<_> = (0..8).map(|list| format!(r#""f{list}":[1]"#)).collect();
    let pattern = format!(r#"{{"detail":{{"a":{{{},"z":[1]}}}}}}"#, fields.join(","));
    let bus = bus_to([Target::new("t")]);
    bus.create_archive("kept", Some(EventPattern::parse(&pattern).unwrap())).unwrap();
    bus.put_rule(Rule::parse("ways", &pattern).unwrap()).unwrap();
    bus.put_targets("ways", [Target::new("lost")]).unwrap();
    put(&bus, &format!("{{{}}}", lists.join(",")));
    assert_eq!(take_all(&bus, place), ["all t"]);
    let [given_up] = &bus.undelivered()[..] else { panic!() };
    assert_eq!((given_up.rule.as_str(), given_up.target.as_str()), ("ways", "lost"));
    assert!(given_up.error.contains("may match or not"), "{}", given_up.error);
    bus.start_replay(&Replay::new("again", "kept").to_rules(["all"])).unwrap();
    assert_eq!(take_all(&bus, place), ["all t"]);
}

#[test]
fn a_target_gets_the_input_that_it_asked_for() {
    let template = r#""<aws.events.rule-arn> says <total>""#;
    let bus = FakeBus::named("orders");
    bus.put_rule(Rule::parse("all", EVERYTHING).unwrap()).unwrap();
    let targets = [
        Target::new("a").with_input(Input::path("$.detail.total")),
        Target::new("b").with_input(Input::Constant("7".to_owned())),
        Target::new("c").with_input(Input::template([("total", "$.detail.total")], template)),
    ];
    bus.put_targets("all", targets).unwrap();
    let event =
        PutEventsEntry { event_bus_name: Some("orders".to_owned()), ..entry(r#"{"total":1.50}"#) };
    _ = bus.put_events(vec![event]);
    let arn = "arn:aws:events:us-east-1:123456789012:rule/orders/all";
    let expected = ["1.50".to_owned(), "7".to_owned(), format!("\"{arn} says 1.50\"")];
    let texts = take_all(&bus, |delivery| {
        let text = delivery.text().to_owned();
        delivery.succeed();
        text
    });
    assert_eq!(texts, expected);
}

#[test]
fn each_consumer_gets_the_event_as_its_own_view() {
    let bus = FakeBus::new();
    bus.subscribe::<OrderTotal>("billing");
    bus.subscribe::<OrderSubmitted>("kitchen");
    bus.subscribe::<WrongOrderTotal>("museum");
    bus.subscribe::<InvoiceIssued>("nobody");
    assert!(publish(&publisher(&bus), order(), &Correlation::root()));

    let billing = bus.next_delivery().unwrap();
    assert_eq!((billing.rule(), billing.target()), ("billing.order_submitted", "billing"));
    assert_eq!(billing.decode::<OrderTotal>().unwrap().data, OrderTotal { total: 29.99 });
    let kitchen = bus.next_delivery().unwrap();
    assert_eq!(kitchen.decode::<OrderSubmitted>().unwrap().data, order());
    // A view that does not fit fails its consumer and nobody else.
    let museum = bus.next_delivery().unwrap();
    let error = museum.decode::<WrongOrderTotal>().unwrap_err();
    assert_eq!(error.to_string(), "`detail.data.total` expected a string, found a number");
    for delivery in [billing, kitchen, museum] {
        delivery.succeed();
    }
    assert!(bus.next_delivery().is_none());
}

proptest! {
    /// A rule that is looked up by its type matches what its pattern matches.
    #[test]
    fn a_rule_for_a_type_is_no_other_than_its_pattern(
        source in prop_oneof![Just(OrderTotal::SOURCE.to_owned()), "[a-z.]{1,30}"],
        detail_type in prop_oneof![Just(OrderTotal::DETAIL_TYPE.to_owned()), "[a-z_]{1,30}"],
    ) {
        prop_assume!(!source.starts_with("aws."));
        let rule = Rule::of::<OrderTotal>("by-type");
        let bus = FakeBus::new();
        bus.put_rule(Rule::new("by-pattern", rule.pattern.clone())).unwrap();
        bus.put_rule(rule).unwrap();
        for rule in ["by-type", "by-pattern"] {
            bus.put_targets(rule, [Target::new("t")]).unwrap();
        }
        let is_meant = (source.as_str(), detail_type.as_str())
            == (OrderTotal::SOURCE, OrderTotal::DETAIL_TYPE);
        _ = bus.put_events(vec![PutEventsEntry::new(source, detail_type, "{}")]);
        let expected: &[&str] = if is_meant { &["by-pattern t", "by-type t"] } else { &[] };
        prop_assert_eq!(take_all(&bus, place), expected);
    }
}

/// A view whose author did not know the detail-type of the rule.
#[derive(serde::Deserialize)]
struct Elsewhere {}

impl DomainEvent for Elsewhere {
    type Previous = First;
    const SERVICE: ServiceId = OrderSubmitted::SERVICE;
    const NAME: &'static str = OrderSubmitted::NAME;
    const VERSION: EventVersion = OrderSubmitted::VERSION;
    const DETAIL_TYPE: &'static str = "Order Submitted";
    const VIEW: bool = true;
}

#[test]
fn a_subscription_asks_for_the_source_and_the_detail_type() {
    let bus = FakeBus::new();
    bus.subscribe::<Elsewhere>("elsewhere");
    bus.subscribe::<OrderTotal>("billing");
    bus.subscribe::<OrderTotal>("billing");
    assert!(publish(&publisher(&bus), order(), &Correlation::root()));
    let other = PutEventsEntry::new("retail.other", OrderSubmitted::DETAIL_TYPE, "{}");
    _ = bus.put_events(vec![other]);
    assert_eq!(take_all(&bus, place), ["billing.order_submitted billing"]);
}

#[test]
fn what_a_consumer_publishes_is_caused_by_what_it_consumes() {
    let bus = FakeBus::new();
    bus.subscribe::<OrderTotal>("billing");
    let publisher = publisher(&bus);
    assert!(publish(&publisher, order(), &Correlation::root().with_tenant("acme")));

    let delivery = bus.next_delivery().unwrap();
    let handled = delivery.decode::<OrderTotal>().unwrap();
    let caused = Correlation::caused_by(&handled.metadata);
    assert!(publish(&publisher, InvoiceIssued { total: handled.data.total }, &caused));
    delivery.succeed();

    assert!(bus.next_delivery().is_none());
    assert_published!(bus, InvoiceIssued { total: 29.99 }, once);
    let effect = &bus.published::<InvoiceIssued>()[0].metadata;
    assert_caused_by(effect, &bus.published::<OrderSubmitted>()[0].metadata);
}

#[test]
fn an_event_that_cannot_be_written_is_not_published() {
    let bus = FakeBus::new();
    let publisher = publisher(&bus);
    assert!(!publish(&publisher, InvoiceIssued { total: f64::NAN }, &Correlation::root()));
    assert_eq!((bus.tally().requests, bus.tally().accepted), (0, 0));
}

#[test]
fn services_that_answer_each_other_for_ever_are_stopped() {
    let bus = FakeBus::new().with_max_depth(3);
    bus.subscribe::<OrderSubmitted>("billing");
    bus.subscribe::<InvoiceIssued>("sales");
    let publisher = publisher(&bus);
    assert!(publish(&publisher, order(), &Correlation::root()));

    let mut depths = Vec::new();
    while let Some(delivery) = bus.next_delivery() {
        let metadata = delivery.event().unwrap().envelope.metadata;
        let caused = Correlation::caused_by(&metadata);
        let is_published = match delivery.target() {
            "billing" => publish(&publisher, InvoiceIssued { total: 1.0 }, &caused),
            _ => publish(&publisher, order(), &caused),
        };
        if delivery.attempt() == 1 {
            depths.push((metadata.correlation.depth, is_published));
        }
        if is_published {
            delivery.succeed();
        } else {
            delivery.fail("the bus refused it");
        }
    }
    assert_eq!(depths, [(0, true), (1, true), (2, true), (3, false)]);
    let [given_up] = &bus.undelivered()[..] else { panic!() };
    assert_eq!((given_up.target.as_str(), given_up.exhausted), ("sales", Some(Exhausted::Retries)));
}

#[test]
fn a_delivery_that_fails_or_is_dropped_is_made_again() {
    let bus = bus_to([Target::new("a"), Target::new("b")]);
    put(&bus, "{}");
    let first = bus.next_delivery().unwrap();
    assert_eq!((first.target(), first.attempt()), ("a", 1));
    let text = first.text().to_owned();
    first.fail("no");
    // Nobody else waits for it.
    let other = bus.next_delivery().unwrap();
    assert_eq!((other.target(), other.attempt()), ("b", 1));
    other.succeed();
    let second = bus.next_delivery().unwrap();
    assert_eq!((second.target(), second.attempt(), second.text()), ("a", 2, text.as_str()));
    drop(second);
    let third = bus.next_delivery().unwrap();
    assert_eq!((third.target(), third.attempt()), ("a", 3));
    third.succeed();
    assert!(bus.next_delivery().is_none() && bus.undelivered().is_empty());
    assert_eq!(bus.tally().deliveries, 4);
}

#[test]
fn retries_slow_down_and_fit_into_a_day() {
    let bus = bus_to([Target::new("t")]);
    put(&bus, "{}");
    let start = bus.clock().now();
    let mut times = Vec::new();
    while let Some(delivery) = bus.next_delivery() {
        times.push(bus.clock().now().saturating_duration_since(start).as_secs());
        delivery.fail("never");
    }
    assert_eq!(times[..6], [0, 1, 3, 7, 15, 31]);
    assert_eq!(times.len(), 1 + 185);
    assert!(times[185] < 24 * 60 * 60, "{}", times[185]);
    let [given_up] = &bus.undelivered()[..] else { panic!() };
    assert_eq!((given_up.rule.as_str(), given_up.target.as_str()), ("all", "t"));
    assert_eq!((given_up.error.as_str(), given_up.exhausted), ("never", Some(Exhausted::Retries)));
    assert_eq!(bus.tally().undelivered, 1);
}

/// The attributes of the only message in the queue of dead letters.
fn dead_letter(bus: &FakeBus) -> (BTreeMap<String, String>, String) {
    let [message] = &bus.receive("dead")[..] else { panic!("one message") };
    (message.attributes.clone(), message.body.clone())
}

#[test]
fn what_cannot_be_delivered_goes_to_the_dead_letter_queue() {
    let target = |retry: RetryPolicy| {
        let target = Target::new("t").with_input(Input::path("$.detail"));
        target.with_dead_letter_queue("dead").with_retry_policy(retry)
    };
    let attributes = |extra: &[(&str, &str)]| -> BTreeMap<String, String> {
        let all = [
            ("RULE_ARN", "arn:aws:events:us-east-1:123456789012:rule/all"),
            ("TARGET_ARN", "arn:aws:lambda:us-east-1:123456789012:function:t"),
        ];
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        all.iter().chain(extra).map(owned).collect()
    };

    let bus = bus_to([target(RetryPolicy::retries(2))]);
    put(&bus, r#"{"a":1}"#);
    assert_eq!(take_all(&bus, |delivery| delivery.fail("busy")).len(), 3);
    let (found, body) = dead_letter(&bus);
    let condition = ("EXHAUSTED_RETRY_CONDITION", "MaximumRetryAttempts");
    let error = [("ERROR_CODE", "ERROR_FROM_TARGET"), ("ERROR_MESSAGE", "busy")];
    assert_eq!(found, attributes(&[error[0], error[1], condition, ("RETRY_ATTEMPTS", "2")]));
    // It is the event, not what was made of it for the target.
    assert!(body.starts_with(r#"{"version":"0""#) && body.ends_with(r#""detail":{"a":1}}"#));

    let bus = bus_to([target(RetryPolicy::default().within(Duration::from_mins(1)))]);
    put(&bus, "{}");
    // After 0, 1, 3, 7, 15 and 31 seconds; the next retry would come after 63.
    assert_eq!(take_all(&bus, |delivery| delivery.fail("busy")).len(), 6);
    let (found, _) = dead_letter(&bus);
    let condition = ("EXHAUSTED_RETRY_CONDITION", "MaximumEventAgeInSeconds");
    assert_eq!(found, attributes(&[error[0], error[1], condition, ("RETRY_ATTEMPTS", "5")]));

    put(&bus, "{}");
    bus.next_delivery().unwrap().fail_for_good("NO_PERMISSIONS", "not allowed");
    assert!(bus.next_delivery().is_none());
    let (found, _) = dead_letter(&bus);
    let error = [("ERROR_CODE", "NO_PERMISSIONS"), ("ERROR_MESSAGE", "not allowed")];
    assert_eq!(found, attributes(&[error[0], error[1], ("RETRY_ATTEMPTS", "0")]));
    assert!(bus.undelivered().is_empty());
}

#[test]
fn a_queue_keeps_what_it_gets() {
    let bus = bus_to([Target::queue("audit"), Target::new("t"), Target::queue("other")]);
    put(&bus, r#"{"n":1}"#);
    put(&bus, r#"{"n":2}"#);
    let detail = |text: &str| serde_json::from_str::<Value>(text).unwrap()["detail"]["n"].clone();
    let details =
        |bus: &FakeBus| bus.messages("audit").iter().map(|it| detail(&it.body)).collect::<Vec<_>>();
    // Also when nothing was pulled.
    assert_eq!(details(&bus), [json!(1), json!(2)]);
    assert_eq!(take_all(&bus, place), ["all t", "all t"]);
    assert_eq!(details(&bus), [json!(1), json!(2)]);

    let batch: Value = serde_json::from_slice(&sqs_event(bus.receive("audit"))).unwrap();
    let records = batch["Records"].as_array().unwrap();
    assert_eq!(detail(records[1]["body"].as_str().unwrap()), json!(2));
    assert_eq!((bus.messages("audit").len(), bus.messages("other").len()), (0, 2));
}

#[test]
fn an_archive_gives_back_what_it_kept_and_says_so() {
    let bus = FakeBus::new();
    put(&bus, r#"{"n":0}"#);
    let large = EventPattern::parse(r#"{ "detail": { "n": [{ "numeric": [">", 1] }] } }"#).unwrap();
    bus.create_archive("all", None).unwrap();
    bus.create_archive("large", Some(large)).unwrap();
    for n in 1..=3 {
        put(&bus, &format!(r#"{{"n":{n}}}"#));
        bus.clock().advance(Duration::from_mins(1));
    }
    bus.put_rule(Rule::parse("a", EVERYTHING).unwrap()).unwrap();
    bus.put_rule(Rule::parse("b", EVERYTHING).unwrap()).unwrap();
    let live = r#"{ "replay-name": [{ "exists": false }] }"#;
    bus.put_rule(Rule::parse("live", live).unwrap()).unwrap();
    for rule in ["a", "b", "live"] {
        bus.put_targets(rule, [Target::new("t")]).unwrap();
    }
    let replayed = |bus: &FakeBus, replay: &Replay| {
        bus.start_replay(replay).unwrap();
        take_all(bus, |delivery| {
            let event: Value = serde_json::from_str(delivery.text()).unwrap();
            let place = (delivery.rule().to_owned(), event["detail"]["n"].as_i64().unwrap());
            assert_eq!(event["replay-name"], replay.name.as_str());
            delivery.succeed();
            place
        })
    };
    let places = |of: &[(&str, i64)]| -> Vec<(String, i64)> {
        of.iter().map(|(rule, n)| ((*rule).to_owned(), *n)).collect()
    };

    let all = replayed(&bus, &Replay::new("r-1", "all"));
    assert_eq!(all, places(&[("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)]));
    // A replay is not archived again, and goes only where it was to.
    let some = replayed(&bus, &Replay::new("r-2", "large").to_rules(["b"]));
    assert_eq!(some, places(&[("b", 2), ("b", 3)]));
    let start = "2026-01-01T00:01:00Z".parse().unwrap();
    let end = "2026-01-01T00:02:00Z".parse().unwrap();
    let second = Replay::new("r-3", "all").to_rules(["a"]).between(start, end);
    assert_eq!(replayed(&bus, &second), places(&[("a", 2)]));

    // But for its mark, the event is what it was.
    bus.start_replay(&Replay::new("r-4", "all").to_rules(["a"]).between(start, end)).unwrap();
    let again = bus.next_delivery().unwrap();
    assert_eq!(again.bus_event_id(), bus.events()[2].bus_event_id());
    assert!(again.text().contains(r#""region":"us-east-1","replay-name":"r-4","resources":[]"#));
    assert!(again.text().contains(r#""time":"2026-01-01T00:01:00Z""#));
}

#[test]
fn a_consumer_sees_that_an_event_was_replayed() {
    let bus = FakeBus::new();
    bus.create_archive("all", None).unwrap();
    bus.subscribe::<OrderTotal>("billing");
    assert!(publish(&publisher(&bus), order(), &Correlation::root()));
    bus.start_replay(&Replay::new("december", "all")).unwrap();
    let names = take_all(&bus, |delivery| {
        let name = delivery.event().unwrap().replay_name.map(std::borrow::Cow::into_owned);
        delivery.succeed();
        name
    });
    assert_eq!(names, [None, Some("december".to_owned())]);
}

#[test]
fn replays_that_cannot_be_are_refused() {
    let bus = FakeBus::new();
    bus.create_archive("all", None).unwrap();
    let error = |replay: Replay| bus.start_replay(&replay).unwrap_err().to_string();
    assert_eq!(
        bus.create_archive("all", None).unwrap_err().to_string(),
        "ResourceAlreadyExistsException: Archive all already exists."
    );
    assert_eq!(
        error(Replay::new("r", "none")),
        "ValidationException: Parameter EventSourceArn is not valid. Reason: Archive none does not \
         exist."
    );
    let now = bus.clock().now();
    assert_eq!(
        error(Replay::new("r", "all").between(now, now)),
        "ValidationException: Parameter EventEndTime is not valid. Reason: EventStartTime must be \
         before EventEndTime."
    );
    assert!(error(Replay::new("r", "all").to_rules(["x"])).starts_with("ResourceNotFound"));
    bus.start_replay(&Replay::new("r", "all")).unwrap();
    assert_eq!(
        error(Replay::new("r", "all")),
        "ResourceAlreadyExistsException: Replay r already exists."
    );
}

/// What a consumer sees in a run with this trouble: 20 events, of which every third delivery fails.
fn seen(faults: Faults) -> (Vec<(String, u32, u64)>, FakeBus) {
    let bus = bus_to([Target::new("a"), Target::queue("q")]).with_faults(faults);
    let publisher = publisher(&bus);
    for _ in 0..20 {
        publish(&publisher, order(), &Correlation::root());
    }
    let start = bus.clock().now();
    let mut count = 0;
    let seen = take_all(&bus, |delivery| {
        let event: EventBridgeEvent<'_> = delivery.event().unwrap();
        let time = bus.clock().now().saturating_duration_since(start).as_millis();
        let id = event.envelope.metadata.event_id.to_string();
        let seen = (id, delivery.attempt(), u64::try_from(time).unwrap());
        count += 1;
        if count % 3 == 0 {
            delivery.fail("now and then");
        } else {
            delivery.succeed();
        }
        seen
    });
    (seen, bus)
}

fn ids(of: &[(String, u32, u64)]) -> Vec<&str> {
    let mut ids: Vec<&str> = of.iter().map(|(id, ..)| id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[test]
fn without_trouble_deliveries_are_in_order_and_once() {
    let (seen, bus) = seen(Faults::seeded(1));
    let first: Vec<_> = seen.iter().filter(|(_, attempt, _)| *attempt == 1).collect();
    assert_eq!(first.len(), 20);
    assert!(first.is_sorted(), "{first:?}");
    assert_eq!(bus.messages("q").len(), 20);
}

#[test]
fn late_deliveries_come_within_the_time_that_was_asked_for() {
    let bus = bus_to([Target::new("t")]);
    let bus = bus.with_faults(Faults::seeded(3).delay(Duration::from_mins(1)));
    let start = bus.clock().now();
    for _ in 0..100 {
        put(&bus, "{}");
    }
    let times = take_all(&bus, |delivery| {
        delivery.succeed();
        bus.clock().now().saturating_duration_since(start)
    });
    assert_eq!(times.len(), 100);
    assert!(times.is_sorted());
    assert!(times[0] < Duration::from_secs(10) && times[99] > Duration::from_secs(50));
    assert!(times[99] <= Duration::from_mins(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// With any trouble at all, each event that was accepted reaches each target.
    #[test]
    fn each_event_is_delivered_at_least_once(seed: u64) {
        let faults = Faults::seeded(seed).throttle(0.1).lose_answers(0.1).duplicate(0.3).reorder();
        let (seen, bus) = seen(faults.delay(Duration::from_mins(1)));
        let accepted = bus.events();
        let mut accepted: Vec<_> =
            accepted.iter().map(|it| it.metadata().unwrap().event_id.as_str()).collect();
        accepted.sort_unstable();
        accepted.dedup();
        prop_assert_eq!(ids(&seen), accepted);
        prop_assert!(bus.messages("q").len() >= bus.events().len());
    }

    /// The same seed is the same run, to the moment of each delivery.
    #[test]
    fn a_run_replays_exactly_from_its_seed(seed: u64) {
        let faults = || {
            let faults = Faults::seeded(seed).throttle(0.1).lose_answers(0.1);
            faults.duplicate(0.3).reorder().delay(Duration::from_mins(1))
        };
        let again = faults();
        let (first, first_bus) = seen(faults());
        let (second, second_bus) = seen(again.clone());
        // A clone is the same run, whatever the other one has been through.
        prop_assert_eq!(&first, &seen(again).0);
        prop_assert_eq!(first, second);
        prop_assert_eq!(first_bus.messages("q"), second_bus.messages("q"));
        prop_assert_eq!(first_bus.requests(), second_bus.requests());
    }
}

#[test]
fn seeds_repeat_and_reorder() {
    let runs: Vec<_> = (0..20)
        .map(|seed| seen(Faults::seeded(seed).duplicate(0.3).reorder()).0)
        .map(|seen| seen.into_iter().filter(|(_, attempt, _)| *attempt == 1).collect::<Vec<_>>())
        .collect();
    for run in &runs {
        assert_eq!(ids(run).len(), 20);
        assert!(run.len() > 20, "nothing was delivered twice");
        assert!(!run.is_sorted(), "nothing was out of order");
    }
    assert!(runs.iter().enumerate().all(|(index, run)| !runs[..index].contains(run)));
    // One kind alone is only that.
    let (twice, _) = seen(Faults::seeded(7).duplicate(1.0));
    assert!(twice.len() > 40 && ids(&twice).len() == 20);
}

#[test]
fn without_recording_nothing_is_kept_of_what_was_dealt_with() {
    let bus = bus_to([Target::new("t").with_retry_policy(RetryPolicy::retries(0))]);
    let bus = bus.without_recording();
    for _ in 0..5 {
        put(&bus, "{}");
        bus.next_delivery().unwrap().fail("no");
    }
    assert!(bus.undelivered().is_empty() && bus.events().is_empty());
    assert_eq!((bus.tally().undelivered, bus.tally().deliveries), (5, 5));
}

#[test]
fn a_delivery_that_is_not_a_whole_event_cannot_be_read_as_one() {
    let bus = bus_to([Target::new("t").with_input(Input::path("$.detail"))]);
    _ = bus.put_events(vec![entry("{}")]);
    let delivery = bus.next_delivery().unwrap();
    assert!(matches!(delivery.decode::<OrderTotal>(), Err(ReadError::Malformed(_))));
    let shown = format!("{delivery:?}");
    assert!(shown.contains("rule: \"all\"") && !shown.contains("detail\":"), "{shown}");
}

#[test]
fn events_of_others_are_matched_and_delivered_as_well() {
    let bus = FakeBus::new();
    let pattern = r#"{ "source": [{ "prefix": "retail." }], "detail": { "a": { "b": [null] } } }"#;
    bus.put_rule(Rule::parse("r", pattern).unwrap()).unwrap();
    bus.put_targets("r", [Target::new("t")]).unwrap();
    put(&bus, r#"{"a":{"b":null}}"#);
    put(&bus, r#"{"a":{}}"#);
    let outgoing = OutgoingEvent::new(crate::sample(order()).envelope()).unwrap();
    block_on(setpiece_bus::Bus::put(&bus, &[&outgoing])).unwrap();
    assert_eq!(take_all(&bus, place), ["r t"]);
}

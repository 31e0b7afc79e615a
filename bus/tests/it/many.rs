//! Many patterns at once.

use setpiece_bus::{EventPattern, ParsedEvent, Patterns};

const EVENT: &str =
    r#"{"source":"retail.orders","detail-type":"t7","detail":{"id":7,"list":[{"x":"k7"}]}}"#;

fn rules(count: usize, pattern: impl Fn(usize) -> String) -> Patterns<usize> {
    (0..count).map(|id| (id, EventPattern::parse(pattern(id)).unwrap())).collect()
}

/// Checks that only one of very many rules is evaluated, and that it is the right one.
#[track_caller]
fn check_one_evaluation(pattern: impl Fn(usize) -> String) {
    let event = ParsedEvent::parse(EVENT).unwrap();
    for count in [100, 10_000] {
        let rules = rules(count, &pattern);
        assert_eq!(rules.matches(&event).unwrap(), [&7]);
        assert_eq!(rules.candidates(&event), 1, "of {count}");
    }
}

#[test]
fn rules_that_differ_in_a_text_are_not_evaluated() {
    check_one_evaluation(|id| format!(r#"{{"detail-type":["t{id}"]}}"#));
}

#[test]
fn rules_that_differ_in_a_number_are_not_evaluated() {
    check_one_evaluation(|id| format!(r#"{{"detail":{{"id":[{id}.0]}}}}"#));
}

#[test]
fn rules_that_differ_in_a_value_within_a_list_are_not_evaluated() {
    check_one_evaluation(|id| format!(r#"{{"detail":{{"list":{{"x":["k{id}"]}}}}}}"#));
}

#[test]
fn the_field_that_tells_rules_apart_is_found_among_others() {
    check_one_evaluation(|id| {
        format!(
            r#"{{"source":["retail.orders"],"detail":{{"id":[{{"numeric":[">",0]}}]}},"detail-type":["t{id}"]}}"#
        )
    });
}

#[test]
fn alternatives_that_differ_are_not_evaluated() {
    check_one_evaluation(|id| {
        format!(r#"{{"$or":[{{"detail-type":["t{id}"]}},{{"detail":{{"none":["{id}"]}}}}]}}"#)
    });
}

#[test]
fn rules_for_fields_that_an_event_does_not_have_are_not_evaluated() {
    check_one_evaluation(|id| {
        let field = if id == 7 { "source".to_owned() } else { format!("field-{id}") };
        format!(r#"{{"{field}":[{{"prefix":"retail"}}]}}"#)
    });
}

#[test]
fn a_value_that_an_event_repeats_is_looked_up_once() {
    let values = vec!["\"t\""; 10_000].join(",");
    let event = format!(r#"{{"a":[{values}]}}"#);
    let rules = rules(100, |_| r#"{"a":["t"]}"#.to_owned());
    assert_eq!(rules.candidates(&ParsedEvent::parse(&event).unwrap()), 100);
}

#[test]
fn rules_without_an_exact_value_are_evaluated_and_match_in_their_order() {
    let event = ParsedEvent::parse(EVENT).unwrap();
    let mut rules = Patterns::default();
    assert!(rules.is_empty());
    for (id, pattern) in [
        ("absent", r#"{"replay-name":[{"exists":false}]}"#),
        ("other", r#"{"source":["retail.stock"]}"#),
        ("exact", r#"{"source":["retail.orders"]}"#),
        ("exact", r#"{"source":["retail.orders", {"exists": false}]}"#),
        ("range", r#"{"detail":{"id":[{"numeric":["<",5]}]}}"#),
        ("prefix", r#"{"source":[{"prefix":"retail"}]}"#),
    ] {
        rules.insert(id, EventPattern::parse(pattern).unwrap());
    }
    assert_eq!(rules.matches(&event).unwrap(), [&"absent", &"exact", &"exact", &"prefix"]);
    assert_eq!(rules.candidates(&event), 5);
    assert_eq!(rules.len(), 6);
    assert_eq!(rules.iter().map(|(id, _)| *id).last(), Some("prefix"));
}

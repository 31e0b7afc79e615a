//! Input that is made to cost.

use setpiece_bus::{
    EventPattern, EventReason, ParsedEvent, PatternLimits, PatternReason, Patterns,
};

#[track_caller]
fn check(event: &str, pattern: &str, expected: bool) {
    let pattern = EventPattern::parse(pattern).unwrap();
    assert_eq!(pattern.matches_json(event).unwrap(), expected);
}

/// `{"first":[objects],"second":[objects],…}`
fn lists(names: &[&str], object: &str, count: usize) -> String {
    let list = vec![object; count].join(",");
    let lists: Vec<_> = names.iter().map(|name| format!(r#""{name}":[{list}]"#)).collect();
    format!("{{{}}}", lists.join(","))
}

#[test]
fn lists_side_by_side_do_not_multiply() {
    let event = lists(&["a", "b", "c", "d"], r#"{"x":1,"y":2}"#, 10_000);
    let pattern = |last| {
        format!(
            r#"{{"a":{{"x":[1],"y":[2]}},"b":{{"x":[1],"y":[2]}},"c":{{"x":[1]}},"d":{{"x":[1],"y":[{last}]}}}}"#
        )
    };
    check(&event, &pattern(2), true);
    check(&event, &pattern(3), false);
}

#[test]
fn many_fields_of_many_objects_are_one_pass_for_each_field() {
    let keys = 'a'..='p';
    let object: Vec<_> = keys.clone().map(|key| format!(r#""{key}":1"#)).collect();
    let event = lists(&["list"], &format!("{{{}}}", object.join(",")), 5_000);
    let fields: Vec<_> = keys.map(|key| format!(r#""{key}":[1]"#)).collect();
    check(
        &event,
        &format!(r#"{{"list":{{{},"q":[{{"exists":false}}]}}}}"#, fields.join(",")),
        true,
    );
    check(&event, &format!(r#"{{"list":{{{},"q":[1]}}}}"#, fields.join(",")), false);
}

#[test]
fn lists_under_one_key_that_is_repeated_multiply_only_to_the_bound() {
    // Each list has its own choice, so there are 30 to the 8th ways to the last field, which then
    // asks for an object that none of them has chosen.
    let lists: Vec<_> = (0..8)
        .map(|list| {
            let object = format!(r#"{{"f{list}":1,"z":0}}"#);
            format!(r#""a":[{{"z":1}},{}]"#, vec![object; 30].join(","))
        })
        .collect();
    let event = format!("{{{}}}", lists.join(","));
    let fields: Vec<_> = (0..8).map(|list| format!(r#""f{list}":[1]"#)).collect();
    let pattern = format!(r#"{{"a":{{{},"z":[1]}}}}"#, fields.join(","));
    let pattern = EventPattern::parse(pattern).unwrap();
    // Nobody takes it for one that does not match.
    let error = pattern.matches_json(&event).unwrap_err();
    assert_eq!(error.reason(), EventReason::TooManySteps { limit: 1 << 24 });
    assert_eq!(error.to_string(), "the event may match or not: 16777216 steps did not decide it");
    // Ten thousand rules have no more steps than one.
    let rules: Patterns<_> = (0..10_000).map(|id| (id, pattern.clone())).collect();
    let event = ParsedEvent::parse(&event).unwrap();
    assert_eq!(rules.matches(&event), Err(error));
}

#[test]
fn wildcards_do_not_backtrack() {
    let event = format!(r#"{{"a":"{}"}}"#, "a".repeat(1_000_000));
    let pattern = format!(r#"{{"a":[{{"wildcard":"{}b"}}]}}"#, "*a".repeat(1000));
    let mut limits = PatternLimits::default();
    limits.max_wildcard_complexity = usize::MAX;
    let pattern = EventPattern::parse_within(&pattern, &limits).unwrap();
    assert!(!pattern.matches_json(&event).unwrap());
}

#[test]
fn the_work_of_wildcards_is_measured_once_for_all_alternatives() {
    let mut limits = PatternLimits::default();
    limits.max_wildcard_complexity = usize::MAX;
    let or = |key: &str| {
        let branches: Vec<_> = (0..10).map(|id| format!(r#"{{"{key}":[{id}]}}"#)).collect();
        format!(r#""$or":[{}]"#, branches.join(","))
    };
    let long = "*a".repeat(1500);
    let pattern =
        format!(r#"{{{},{},{},"d":[{{"wildcard":"{long}"}}]}}"#, or("a"), or("b"), or("c"));
    assert!(EventPattern::parse_within(&pattern, &limits).is_ok());
    let error = EventPattern::parse(&pattern).unwrap_err();
    assert_eq!((error.reason(), error.path()), (&PatternReason::TooComplex { limit: 10 }, "d"));
}

#[test]
fn long_numbers_are_read_once() {
    let zeros = "0".repeat(1_000_000);
    check(&format!(r#"{{"a":1{zeros}}}"#), r#"{"a":[{"numeric":[">",1]}]}"#, false);
    check(&format!(r#"{{"a":1.{zeros}}}"#), r#"{"a":[1]}"#, true);
    check(&format!(r#"{{"a":0.{zeros}1}}"#), r#"{"a":[0]}"#, false);
    check(&format!(r#"{{"a":1e{}}}"#, "9".repeat(1000)), r#"{"a":[{"exists":true}]}"#, true);
}

#[test]
fn long_paths_are_not_copied_for_each_value() {
    // As one text for each value, the paths would take gigabytes.
    let depth = 900;
    let key = "k".repeat(500);
    let members: Vec<_> = (0..20_000).map(|id| format!(r#""{id}":1"#)).collect();
    let mut event = format!("{{{}}}", members.join(","));
    for _ in 0..depth {
        event = format!(r#"{{"{key}":{event}}}"#);
    }
    check(&event, r#"{"a":[1]}"#, false);
}

#[test]
fn depth_is_bounded_at_what_eventbridge_takes() {
    let nested = |depth: usize| format!(r#"{{"a":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
    check(&nested(1000), r#"{"a":[1]}"#, true);
    let error = ParsedEvent::parse(&nested(1001)).unwrap_err();
    assert_eq!(error.reason(), EventReason::TooDeep { limit: 1001 });

    let pattern = |depth: usize| format!("{}[1]{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    assert!(EventPattern::parse(pattern(255)).is_ok());
    let error = EventPattern::parse(pattern(256)).unwrap_err();
    assert_eq!(error.reason(), &PatternReason::TooDeep { limit: 256 });
}

#[test]
fn size_is_bounded() {
    let event = vec![b' '; ParsedEvent::MAX_BYTES + 1];
    let error = ParsedEvent::parse(&event).unwrap_err();
    assert_eq!(error.reason(), EventReason::TooLarge { limit: ParsedEvent::MAX_BYTES });
}

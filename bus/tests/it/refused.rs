//! Patterns that are refused: for AWS's reason, and saying where.

use setpiece_bus::{EventPattern, EventReason, ParsedEvent, PatternLimits, PatternReason};

#[test]
fn refusals_give_the_reason_of_aws_the_path_and_the_offset() {
    let table = include_str!("../data/refused.tsv");
    let cases = table.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let [pattern, reason, path, offset] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not a case: {line}");
        };
        let error = EventPattern::parse(pattern).expect_err(pattern);
        assert_eq!(error.reason().to_string(), reason, "{pattern}");
        assert_eq!(error.path(), path, "{pattern}");
        assert_eq!(error.offset().to_string(), offset, "{pattern}");
    });
    assert_eq!(cases.count(), 110);
}

#[track_caller]
fn check_syntax(pattern: &str, expected: &'static str, offset: usize) {
    let error = EventPattern::parse(pattern).unwrap_err();
    assert_eq!((error.reason(), error.offset()), (&PatternReason::NotJson { expected }, offset));
}

#[test]
fn what_is_not_json_is_refused_where_it_ends_to_be() {
    check_syntax("", "a value", 0);
    check_syntax("{", "a member's name", 1);
    check_syntax("{\"a\" [1]}", "a colon", 5);
    check_syntax("{\"a\":[1 2]}", "a comma or the end of the array", 8);
    check_syntax("{\"a\":[1],}", "a member's name", 9);
    check_syntax("{\"a\":[1]", "a comma or the end of the object", 8);
    check_syntax("{\"a\":[01]}", "no digit after a leading zero", 7);
    check_syntax("{\"a\":[1.]}", "a digit", 8);
    check_syntax("{\"a\":[nul]}", "a value", 6);
    check_syntax("{\"a\":[NaN]}", "a value", 6);
    check_syntax("{\"a\":[\"x]}", "a closing quote", 10);
    check_syntax("{\"a\":[\"\\x\"]}", "an escape", 8);
    check_syntax("{\"a\":[\"\\u12g4\"]}", "four hexadecimal digits", 9);
    check_syntax("{\"a\":[\"\\u+123\"]}", "four hexadecimal digits", 9);
    check_syntax("{\"a\":[\"\\ud800\"]}", "the other half of a surrogate pair", 13);
    check_syntax("{\"a\":[\"\n\"]}", "an escape for the control character", 7);
    check_syntax("{\"a\":[1]} x", "the end", 10);
    let error = EventPattern::parse(b"{\"a\":[\"\xff\"]}").unwrap_err();
    assert_eq!((error.reason(), error.offset()), (&PatternReason::NotUtf8, 7));
}

#[test]
fn an_empty_list_of_prefixes_is_refused() {
    // AWS's compiler lets it pass and its machine breaks on it.
    let error = EventPattern::parse(r#"{"a":[{"anything-but":{"prefix":[]}}]}"#).unwrap_err();
    assert_eq!(error.reason(), &PatternReason::EmptyArray);
}

#[test]
fn a_field_named_or_is_read_by_the_rules_of_its_time() {
    // `anything-but` took no lists of prefixes when `$or` was a field as any other, so this is
    // refused for what is wrong with it today.
    let pattern = r#"{"$or":["x"],"a":[{"anything-but":{"prefix":["y"]}}]}"#;
    let error = EventPattern::parse(pattern).unwrap_err();
    assert_eq!(error.reason(), &PatternReason::OrElementNotAnObject);
}

#[test]
fn a_pattern_has_as_many_characters_as_the_limits_say() {
    let pattern = |chars: usize| format!(r#"{{"a":["{}"]}}"#, "é".repeat(chars - 10));
    assert!(EventPattern::parse(pattern(4096)).is_ok());
    let error = EventPattern::parse(pattern(4097)).unwrap_err();
    assert_eq!(error.reason(), &PatternReason::TooLong { limit: 4096 });

    let mut limits = PatternLimits::default();
    limits.max_chars = 2048;
    assert!(EventPattern::parse_within(pattern(2048), &limits).is_ok());
    assert!(EventPattern::parse_within(pattern(2049), &limits).is_err());
}

#[test]
fn alternatives_multiply_up_to_the_limit() {
    let or = |key: &str, branches: usize| {
        let branches: Vec<_> = (0..branches).map(|id| format!(r#"{{"{key}":[{id}]}}"#)).collect();
        format!(r#""$or":[{}]"#, branches.join(","))
    };
    let pattern = |branches| format!("{{{},{},{}}}", or("a", 10), or("b", 10), or("c", branches));
    let thousand = EventPattern::parse(pattern(10)).unwrap();
    assert!(thousand.matches_json(r#"{"a":9,"b":0,"c":5}"#).unwrap());
    let error = EventPattern::parse(pattern(11)).unwrap_err();
    assert_eq!(error.reason(), &PatternReason::TooManyAlternatives { limit: 1000 });
}

#[test]
fn alternatives_that_multiply_without_end_are_refused_early() {
    let mut pattern = r#"{"x":[1]}"#.to_owned();
    for _ in 0..50 {
        pattern = format!(r#"{{"$or":[{{"a":[1]}},{{"b":[1]}}],"d":{pattern}}}"#);
    }
    let error = EventPattern::parse(pattern).unwrap_err();
    assert_eq!(error.reason(), &PatternReason::TooManyAlternatives { limit: 1000 });
}

#[test]
fn a_rule_has_at_most_256_fields() {
    let pattern = |fields: usize| {
        let fields: Vec<_> = (0..fields).map(|id| format!(r#""{id}":[1]"#)).collect();
        format!("{{{}}}", fields.join(","))
    };
    assert!(EventPattern::parse(pattern(256)).is_ok());
    let error = EventPattern::parse(pattern(257)).unwrap_err();
    assert_eq!(error.reason(), &PatternReason::TooManyFields { limit: 256 });
}

#[track_caller]
fn check_complexity(pattern: &str, expected: usize) {
    let mut limits = PatternLimits::default();
    limits.max_wildcard_complexity = expected;
    assert!(EventPattern::parse_within(pattern, &limits).is_ok());
    limits.max_wildcard_complexity = expected - 1;
    let error = EventPattern::parse_within(pattern, &limits).unwrap_err();
    assert_eq!(error.reason(), &PatternReason::TooComplex { limit: expected - 1 });
}

fn wildcards(field: &str, texts: &[&str]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| format!(r#"{{"wildcard":"{text}"}}"#)).collect();
    format!(r#"{{"{field}":[{}]}}"#, texts.join(","))
}

#[test]
fn wildcards_that_are_too_much_work_are_refused() {
    let pattern = wildcards("EventBusArn", &["*:*:*:*:*:event-bus/*"]);
    let error = EventPattern::parse(&pattern).unwrap_err();
    assert_eq!(error.reason(), &PatternReason::TooComplex { limit: 10 });
    assert_eq!(
        error.reason().to_string(),
        "Rule is too complex - try using fewer wildcard characters or fewer repeating character \
         sequences after a wildcard character"
    );
    assert_eq!((error.path(), error.offset()), ("EventBusArn", pattern.len()));
}

#[test]
fn known_answers_of_put_rule_are_on_their_sides_of_the_limit() {
    // What `PutRule` refused.
    check_complexity(&wildcards("a", &["*:*:*:*:*:event-bus/*"]), 11);
    let stacks = ["*:stack/A/*", "*:stack/B/*", "*:stack/C/*", "*:stack/D/*"];
    check_complexity(&wildcards("a", &stacks), 12);
    let images = ["*/datasync/*.bif", "*/datasync/*.tif", "*/datasync/*.tiff", "*/datasync/*.svs"];
    check_complexity(&wildcards("a", &images), 16);
    // What it took.
    check_complexity(&wildcards("a", &stacks[..3]), 9);
    check_complexity(&wildcards("a", &images[..2]), 8);
    check_complexity(&wildcards("a", &["*.bif", "*.tiff", "*.tif", "*.svs"]), 8);
}

#[test]
fn wildcards_of_a_field_add_up_and_fields_do_not() {
    check_complexity(r#"{"a":["x","y"],"b":[{"wildcard":"a*a*a*a*a*a*"}],"c":["z"]}"#, 11);
    check_complexity(r#"{"a":[{"wildcard":"a*a*a*a"}],"b":[{"wildcard":"a*a*a*b"}]}"#, 6);
    // One `anything-but` has its beginnings up to the first `*` only once.
    check_complexity(r#"{"a":[{"wildcard":"x*a"},{"wildcard":"x*b"},{"wildcard":"x*c"}]}"#, 6);
    check_complexity(r#"{"a":[{"anything-but":{"wildcard":["x*a","x*b","x*c"]}}]}"#, 2);
    // In the order of the alphabet, AWS comes to `b` behind each `a` on its own.
    let or = |left, right| {
        let branch = |a, b| format!(r#"{{"b":[{{"wildcard":"{b}"}}],"a":[{a}]}}"#);
        format!(r#"{{"$or":[{},{}]}}"#, branch(1, "*x"), branch(left, right))
    };
    check_complexity(&or(1, "*y"), 4);
    check_complexity(&or(1, "*x"), 2);
    check_complexity(&or(2, "*y"), 2);
    // AWS does not see what it asks for only where a field is absent.
    let hidden = r#"{"a":[{"exists":false}],"b":[{"wildcard":"*a*a*a*a*a*a*a*a"}]}"#;
    assert!(EventPattern::parse(hidden).is_ok());
}

#[test]
fn events_are_refused_without_repeating_what_is_in_them() {
    let reason = |event: &[u8]| {
        let error = ParsedEvent::parse(event).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        (error.reason(), error.offset())
    };
    assert_eq!(reason(b"[\"secret\"]"), (EventReason::NotAnObject, 0));
    assert_eq!(reason(b"\"secret\""), (EventReason::NotAnObject, 0));
    assert_eq!(reason(b"{\"a\":secret}"), (EventReason::NotJson { expected: "a value" }, 5));
    assert_eq!(reason(b"{\"a\":\"secret\xff\"}"), (EventReason::NotUtf8, 12));
}

//! What AWS says of pairs of events and patterns.
//!
//! `verdicts.tsv` and `differential.tsv` hold what AWS's matcher said, the latter of random pairs.
//! `cases.tsv` is a tour of the language, with reasons; it was held against the same matcher.

use setpiece_bus::{EventPattern, ParsedEvent, Patterns};

fn check(event: &str, pattern: &str, expected: &str) {
    let verdict = match EventPattern::parse(pattern) {
        Err(error) => format!("ERR {}", error.reason()),
        Ok(pattern) => {
            let verdict = pattern.matches_json(event).unwrap();
            let event = ParsedEvent::parse(event).unwrap();
            let set = Patterns::from_iter([((), pattern)]);
            assert_eq!(!set.matches(&event).unwrap().is_empty(), verdict, "{set:?} as one of many");
            verdict.to_string()
        }
    };
    assert_eq!(verdict, expected, "event {event}, pattern {pattern}");
}

/// Checks each line and counts them.
fn check_all(table: &str) -> usize {
    let lines = table.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [event, pattern, verdict] | [event, pattern, verdict, _] => {
                check(event, pattern, verdict);
            }
            _ => panic!("not a case: {line}"),
        })
        .count()
}

#[test]
fn recorded_verdicts_agree() {
    assert_eq!(check_all(include_str!("../data/verdicts.tsv")), 63);
}

#[test]
fn the_tour_of_the_language_agrees() {
    assert_eq!(check_all(include_str!("../data/cases.tsv")), 674);
}

#[test]
fn verdicts_on_random_pairs_agree() {
    assert_eq!(check_all(include_str!("../data/differential.tsv")), 566);
}

#[test]
fn a_field_inside_and_beside_a_list_is_free_where_it_is_beside() {
    // AWS has two ways to search, which it says give the same result; here they do not. This is
    // the older one, which follows the rule that only one list's own elements exclude each other.
    check(r#"{"a":[{"b":1},{"c":3}],"a.c":2}"#, r#"{"a.b":[1],"a.c":[2]}"#, "true");
}

#[test]
fn a_wildcard_does_not_change_what_another_test_of_the_field_matches() {
    // AWS's automaton lets any text of one character through here, which no reading explains.
    check(r#"{"a":"z"}"#, r#"{"a":[{"wildcard":"*c"},{"equals-ignore-case":"b"}]}"#, "false");
}

#[test]
fn the_largest_number_is_a_bound_like_any_other() {
    // AWS's compiler runs past the end of its range here.
    let pattern = r#"{"a":[{"numeric":[">=",1.7976931348623157e308]}]}"#;
    check(r#"{"a":1.7976931348623157e308}"#, pattern, "true");
    check(r#"{"a":1.7976931348623155e308}"#, pattern, "false");
}

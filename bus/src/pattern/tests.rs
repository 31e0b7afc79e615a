use super::*;

/// How many steps a pattern takes for an event.
fn effort(pattern: &str, event: &str, expected: bool) -> usize {
    let pattern = EventPattern::parse(pattern).unwrap();
    let mut effort = Effort::default();
    let event = ParsedEvent::parse(event).unwrap();
    assert_eq!(pattern.matches_within(&event, &mut effort), Some(expected));
    effort.spent()
}

/// Three lists of objects, side by side.
fn lists(objects: usize) -> String {
    let list = vec![r#"{"x":1,"y":2,"z":{"w":[{"v":1},{"v":2}]}}"#; objects].join(",");
    format!(r#"{{"a":[{list}],"b":[{list}],"c":[{list}]}}"#)
}

#[test]
fn effort_grows_as_the_lists_do() {
    for pattern in [
        r#"{"a":{"x":[1],"y":[3]}}"#,
        r#"{"a":{"x":[1],"y":[2]},"b":{"x":[1],"y":[2]},"c":{"x":[1],"y":[3]}}"#,
        r#"{"a":{"x":[1]},"b":{"x":[1]},"c":{"x":[3]}}"#,
        r#"{"a":{"x":[1],"z":{"w":{"v":[2]}}},"b":{"y":[{"exists":false}]}}"#,
        r#"{"a":{"x":[1],"z":{"w":{"u":[{"exists":false}],"v":[3]}}}}"#,
    ] {
        let (small, large) =
            (effort(pattern, &lists(100), false), effort(pattern, &lists(1000), false));
        assert!(large <= small * 11, "{small} steps, {large} for ten times as much: {pattern}");
    }
}

#[test]
fn effort_is_not_spent_without_lists_of_objects() {
    let event = r#"{"a":{"x":1},"b":["y","z"],"c":[{"d":1}]}"#;
    // A step for each value that is looked at.
    assert_eq!(effort(r#"{"a":{"x":[1]},"b":["z"],"c":{"d":[1]}}"#, event, true), 4);
}

#[test]
fn effort_is_shared_by_all_patterns_of_a_call() {
    // Each of the patterns takes a hundredth of what there is, or somewhat more.
    let lists: Vec<_> = (0..3)
        .map(|list| {
            let objects = vec![format!(r#"{{"f{list}":1,"z":0}}"#); 12];
            format!(r#""a":[{{"z":1}},{}]"#, objects.join(","))
        })
        .collect();
    let event = format!("{{{}}}", lists.join(","));
    let text = r#"{"a":{"f0":[1],"f1":[1],"f2":[1],"z":[1]}}"#;
    let one = effort(text, &event, false);
    let event = ParsedEvent::parse(&event).unwrap();
    let of = |count: usize| -> Patterns<usize> {
        (0..count).map(|id| (id, EventPattern::parse(text).unwrap())).collect()
    };
    assert!(one > 10_000, "{one}");
    assert_eq!(of(10).matches(&event), Ok(Vec::new()));
    let most = 1 << 24;
    let mut effort = Effort::default();
    assert_eq!(of(most / one + 1).matches_within(&event, &mut effort), None);
    assert_eq!(effort.spent(), most);
}

#[test]
fn forms_of_a_character_do_not_begin_alike() {
    // Else it would matter which of them is tried first.
    for char in '\0'..=char::MAX {
        let (lower, upper) = (char.to_lowercase().next(), char.to_uppercase().next());
        assert!(lower != upper || char.to_lowercase().eq(char.to_uppercase()), "{char:?}");
    }
}

#[test]
fn numbers_order_as_their_values() {
    let numbers = ["-1e308", "-2", "-1.5", "-5e-324", "0", "4.9e-324", "1e-7", "1", "1.5", "1e308"];
    let keys: Vec<_> = numbers.map(number::Comparable::parse).into_iter().flatten().collect();
    assert!(keys.is_sorted_by(|left, right| left < right));
    // The smallest number prints with two digits, and only so it is its own decimal.
    assert_eq!(keys.len(), numbers.len() - 1);
}

//! Properties of random patterns and events.

use proptest::{collection::vec, prelude::*, sample::select};
use setpiece_bus::{EventPattern, ParsedEvent, PatternLimits, Patterns};

/// Few keys and values, so that they meet.
fn key() -> impl Strategy<Value = &'static str> {
    select(&["a", "b", "c", "a.b", "b.c", "", "$or", "prefix"][..])
}

fn scalar() -> impl Strategy<Value = String> {
    let known = select(
        &[
            "1",
            "1.0",
            "2",
            "-0.0",
            "1e400",
            "true",
            "null",
            "\"\"",
            "\"x\"",
            "\"X\"",
            "\"xyx\"",
            "\"10.0.0.7\"",
            "\"::1\"",
            "\"\\ud83d\\ude00\"",
            "\"é\"",
            "10000007",
        ][..],
    );
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => any::<f64>().prop_filter_map("no number", |number| {
        number.is_finite().then(|| format!("{number:?}"))
    })]
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn list(values: &[String]) -> String {
    format!("[{}]", values.join(","))
}

fn event() -> impl Strategy<Value = String> {
    let value = scalar().prop_recursive(4, 32, 4, |value| {
        prop_oneof![
            vec(value.clone(), 0..4).prop_map(|values| list(&values)),
            vec((key(), value), 0..4).prop_map(|members| object(&members)),
        ]
    });
    vec((key(), value), 0..5).prop_map(|members| object(&members))
}

fn test() -> impl Strategy<Value = String> {
    let expression = select(
        &[
            r#"{"exists":true}"#,
            r#"{"exists":false}"#,
            r#"{"prefix":"x"}"#,
            r#"{"suffix":{"equals-ignore-case":"x"}}"#,
            r#"{"equals-ignore-case":"x"}"#,
            r#"{"wildcard":"x*x"}"#,
            r#"{"wildcard":"\\**\\\\"}"#,
            r#"{"numeric":[">",1]}"#,
            r#"{"numeric":[">=",-1.5,"<",2e3]}"#,
            r#"{"cidr":"10.0.0.0/8"}"#,
            r#"{"cidr":"::/1"}"#,
            r#"{"anything-but":"x"}"#,
            r#"{"anything-but":[1,2]}"#,
            r#"{"anything-but":{"prefix":["x","y"]}}"#,
            r#"{"exactly":"10.0.0.7"}"#,
        ][..],
    );
    prop_oneof![expression.prop_map(str::to_owned), scalar()]
}

fn pattern_text() -> impl Strategy<Value = String> {
    let tests = vec(test(), 1..4).prop_map(|tests| list(&tests));
    let fields = vec((key(), tests), 1..4).prop_map(|members| object(&members));
    fields.prop_recursive(3, 16, 4, |fields| {
        let or = vec(fields.clone(), 2..4).prop_map(|branches| ("$or", list(&branches)));
        vec(prop_oneof![3 => (key(), fields), 1 => or], 1..4).prop_map(|members| object(&members))
    })
}

fn pattern() -> impl Strategy<Value = EventPattern> {
    pattern_text().prop_filter_map("refused", |text| EventPattern::parse(text).ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_patterns_match_as_each_of_them_does(
        patterns in vec(pattern(), 0..12),
        event in event(),
    ) {
        let event = ParsedEvent::parse(&event).unwrap();
        let alone: Vec<_> =
            patterns.iter().enumerate().filter(|(_, it)| it.matches(&event).unwrap()).map(|(id, _)| id).collect();
        let set: Patterns<_> = patterns.into_iter().enumerate().collect();
        let together: Vec<_> = set.matches(&event).unwrap().into_iter().copied().collect();
        prop_assert_eq!(together, alone);
        prop_assert!(set.candidates(&event) <= set.len());
    }

    #[test]
    fn the_canonical_form_reads_as_an_equal_pattern_and_is_its_own(
        pattern in pattern(),
        event in event(),
    ) {
        let mut limits = PatternLimits::default();
        limits.max_chars = usize::MAX;
        let json = pattern.to_json();
        let again = EventPattern::parse_within(&json, &limits).unwrap();
        prop_assert_eq!(&again, &pattern);
        prop_assert_eq!(again.to_json(), json);
        prop_assert_eq!(again.matches_json(&event), pattern.matches_json(&event));
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in vec(any::<u8>(), 0..64)) {
        let _ = EventPattern::parse(&bytes);
        let _ = ParsedEvent::parse(&bytes);
    }

    #[test]
    fn no_damage_to_a_pattern_makes_the_reader_panic(
        text in pattern_text(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        event in event(),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(pattern) = EventPattern::parse(&bytes) {
            let _ = pattern.matches_json(&event);
        }
        bytes.truncate(at);
        prop_assert!(EventPattern::parse(&bytes).is_err());
    }
}

//! The space that reading takes, at its peak, for input that is made to cost.

use setpiece_bus::ParsedEvent;

/// About 1 MB of a list of this element.
fn list(element: &str) -> String {
    let count = 1_000_000 / (element.len() + 1);
    format!(r#"{{"a":[{}]}}"#, vec![element; count].join(","))
}

#[track_caller]
fn check(event: &str, most_per_byte: usize) {
    let space = allocation_counter::measure(|| {
        ParsedEvent::parse(event).unwrap();
    });
    let (peak, bytes) = (space.bytes_max, event.len() as u64);
    let shape: String = event.chars().take(40).collect();
    assert!(peak <= bytes * most_per_byte as u64, "{peak} for {bytes} bytes: {shape}");
}

#[test]
fn values_and_lists_take_at_most_ten_bytes_for_each_byte() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for element in ["1", "\"\"", "null", r#""\n""#, "[]", "{}", "[[],[]]", "[1,[]]", r#"{"":1}"#] {
        check(&list(element), 10);
    }
    check(&list(&nested(998)), 10);
    check(&list(&format!("{}1{}", r#"{"a":"#.repeat(998), "}".repeat(998))), 10);
    // One pair within another, so that no list is alone.
    check(&list(&format!("{}[]{}", "[[],".repeat(900), "]".repeat(900))), 10);
    check(&list(&format!("\"{}\"", "\\n".repeat(10_000))), 10);
}

#[test]
fn paths_take_a_bounded_space_for_each_step() {
    let keys: Vec<_> = (0..100_000).map(|key| format!(r#""{key}":1"#)).collect();
    check(&format!("{{{}}}", keys.join(",")), 25);
    check(&format!(r#"{{"{}":1}}"#, ".".repeat(1_000_000)), 180);
}

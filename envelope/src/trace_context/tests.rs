use super::{TraceParent, TraceState};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

#[test]
fn a_traceparent_gives_its_parts() {
    let parent = TraceParent::parse(format!("00-{TRACE}-{PARENT}-01")).unwrap();
    assert_eq!((parent.trace_id(), parent.parent_id()), (TRACE, PARENT));
    assert!(parent.is_sampled());
    assert!(!TraceParent::parse(format!("00-{TRACE}-{PARENT}-02")).unwrap().is_sampled());
}

#[test]
fn traceparents_follow_the_specification() {
    let zero_trace = "0".repeat(32);
    for (header, expected) in [
        (format!("00-{TRACE}-{PARENT}-01"), true),
        (format!("cc-{TRACE}-{PARENT}-01"), true),
        (format!("cc-{TRACE}-{PARENT}-01-what-comes"), true),
        (format!("cc-{TRACE}-{PARENT}-01what"), false),
        (format!("00-{TRACE}-{PARENT}-01-what"), false),
        (format!("ff-{TRACE}-{PARENT}-01"), false),
        (format!("00-{zero_trace}-{PARENT}-01"), false),
        (format!("00-{TRACE}-0000000000000000-01"), false),
        (format!("00-{}-{PARENT}-01", TRACE.to_uppercase()), false),
        (format!("00-{TRACE}-{PARENT}-1"), false),
        (format!("0-{TRACE}-{PARENT}-01"), false),
        (format!("00-{TRACE}{PARENT}--01"), false),
        (format!("00-{TRACE}-{PARENT}-é"), false),
        (String::new(), false),
    ] {
        assert_eq!(TraceParent::parse(header.as_str()).is_ok(), expected, "{header}");
    }
}

#[test]
fn tracestates_follow_the_specification() {
    let many = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    for (header, expected) in [
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".to_owned(), true),
        ("fw529a3039@dt=FfSjuzSqdLt, ,a=b".to_owned(), true),
        ("a=b c".to_owned(), true),
        (many(32), true),
        (many(33), false),
        (format!("a={}", "v".repeat(256)), true),
        (format!("a={}", "v".repeat(257)), false),
        (format!("a={},b={}", "v".repeat(255), "v".repeat(255)), false),
        ("A=b".to_owned(), false),
        ("a".to_owned(), false),
        ("a=".to_owned(), false),
        ("a=b=c".to_owned(), false),
        ("a=é".to_owned(), false),
        (",".to_owned(), false),
        (String::new(), false),
    ] {
        assert_eq!(TraceState::parse(header.as_str()).is_ok(), expected, "{header}");
    }
}

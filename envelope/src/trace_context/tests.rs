use std::num::{NonZeroU64, NonZeroU128};

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
        ("1a=b,9=c".to_owned(), true),
        ("a@=b,a@@b=c,a@b@c=d,9@b=e".to_owned(), true),
        ("@a=b".to_owned(), false),
        ("_a=b".to_owned(), false),
        (format!("{}=b", "k".repeat(256)), true),
        (format!("{}=b", "k".repeat(257)), false),
        (format!("{}@{}=b", "t".repeat(242), "v".repeat(13)), true),
        (format!("{},", many(32)), true),
        ("A=b".to_owned(), false),
        ("a.b=c".to_owned(), false),
        ("a =b".to_owned(), false),
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

#[test]
fn a_trace_goes_on_with_another_parent() {
    let next = NonZeroU64::new(0xabc).unwrap();
    let check = |version: &str, rest: &str| {
        let came = TraceParent::parse(format!("{version}-{TRACE}-{PARENT}-{rest}")).unwrap();
        came.with_parent(next).to_string()
    };
    assert_eq!(check("00", "01"), format!("00-{TRACE}-0000000000000abc-01"));
    // The flag of a random trace id is for the whole trace.
    assert_eq!(check("00", "02"), format!("00-{TRACE}-0000000000000abc-02"));
    assert_eq!(check("00", "ff"), format!("00-{TRACE}-0000000000000abc-03"));
    assert_eq!(check("cc", "01-later"), format!("00-{TRACE}-0000000000000abc-01"));
}

#[test]
fn a_trace_of_our_own_can_be_read() {
    let trace = NonZeroU128::new(0xfe).unwrap();
    let parent = TraceParent::from_ids(trace, NonZeroU64::MIN, 0xff);
    assert_eq!(parent.as_str(), "00-000000000000000000000000000000fe-0000000000000001-03");
    assert_eq!(TraceParent::parse(parent.as_str()), Ok(parent));
}

#[test]
fn several_tracestates_are_one() {
    let join = |headers: &[&str]| {
        TraceState::join(headers.iter().copied()).map(|state| state.map(|state| state.to_string()))
    };
    assert_eq!(join(&["a=1,b=2", "", " c=3 ,\t"]), Ok(Some("a=1,b=2,c=3".to_owned())));
    assert_eq!(join(&["", " , "]), Ok(None));
    assert_eq!(join(&[]), Ok(None));
    assert!(join(&["a=1", "B=2"]).is_err());
    let half = (0..17).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    assert!(join(&[&half]).is_ok());
    assert!(join(&[&half, &half]).is_err());
    let long = format!("a={}", "v".repeat(200));
    assert!(join(&[&*long; 3]).is_err());
    assert!(join(&vec![&*long; 10_000]).is_err());
}

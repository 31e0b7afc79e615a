//! A service of ours in a trace of others, by the Trace Context of the W3C, level 2.

use std::cell::OnceCell;

use setpiece_envelope::{TraceParent, TraceState};

use super::{super::http_headers, Carriers, Counting, PUBLIC, TraceIds};

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "1234567890123456";

thread_local! {
    /// Ids differ between all hops of a test.
    static IDS: OnceCell<TraceIds<Counting>> = const { OnceCell::new() };
}

/// Sends what comes after a request with `headers`.
fn hop(headers: &[(&str, &str)]) -> (TraceParent, Option<TraceState>) {
    let came = Carriers::new().with_headers(headers.iter().copied()).extract(PUBLIC);
    let next = IDS.with(|ids| {
        let ids = ids.get_or_init(TraceIds::default);
        ids.next(&came.correlation, came.x_ray.as_ref())
    });
    let sent = http_headers(&next);
    let value = |name: &str| {
        let mut values = sent.iter().filter(|header| header.0 == name).map(|header| &*header.1);
        let value = values.next();
        assert_eq!(values.next(), None, "one header of a name");
        value
    };
    let parent = TraceParent::parse(value("traceparent").expect("always a trace")).unwrap();
    assert!(parent.as_str().starts_with("00-") && parent.as_str().len() == 55);
    assert_ne!(parent.parent_id(), PARENT, "each hop is a span of its own");
    (parent, value("tracestate").map(|state| TraceState::parse(state).unwrap()))
}

/// The trace that follows a `traceparent`, if it is the same.
fn goes_on(header: &str) -> bool {
    let (parent, _) = hop(&[("traceparent", header)]);
    parent.trace_id() == TRACE
}

/// The state that follows several headers `tracestate`.
fn state(headers: &[&str]) -> Option<String> {
    let parent = format!("00-{TRACE}-{PARENT}-00");
    let states = headers.iter().map(|header| ("tracestate", *header));
    let all: Vec<_> = [("traceparent", &*parent)].into_iter().chain(states).collect();
    let (next, state) = hop(&all);
    assert_eq!(next.trace_id(), TRACE, "a broken state never breaks the trace");
    state.map(|state| state.to_string())
}

#[test]
fn without_a_trace_one_begins() {
    let (first, state) = hop(&[]);
    assert_eq!(state, None);
    assert_ne!(first.parent_id(), hop(&[]).0.parent_id());
    // A state is nothing without its trace.
    for value in ["foo=1", "foo=1,bar=2"] {
        assert_eq!(hop(&[("tracestate", value)]).1, None);
    }
}

#[test]
fn a_sound_trace_goes_on() {
    let parent = format!("00-{TRACE}-{PARENT}-01");
    for header in [
        parent.clone(),
        format!("cc-{TRACE}-{PARENT}-01"),
        format!("cc-{TRACE}-{PARENT}-01-what-the-future-brings"),
        format!(" {parent}"),
        format!("\t{parent}"),
        format!("{parent} "),
        format!("{parent}\t"),
        format!("\t {parent} \t"),
    ] {
        assert!(goes_on(&header), "{header:?}");
    }
    for name in ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
        assert_eq!(hop(&[(name, &parent)]).0.trace_id(), TRACE);
    }
    for name in ["trace-parent", "trace.parent"] {
        assert_ne!(hop(&[(name, &parent)]).0.trace_id(), TRACE);
    }
    let spans = [(); 3].map(|()| hop(&[("traceparent", &parent)]).0);
    assert!(spans.iter().all(|span| span.trace_id() == TRACE && span.is_sampled()));
    assert!(spans[0] != spans[1] && spans[1] != spans[2] && spans[0] != spans[2]);
}

#[test]
fn flags_stay() {
    for (flags, expected) in [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("ff", 3)] {
        let (next, _) = hop(&[("traceparent", &format!("00-{TRACE}-{PARENT}-{flags}"))]);
        assert_eq!(next.flags(), expected, "{flags}");
    }
}

#[test]
fn a_broken_trace_begins_anew() {
    let zeros = "0".repeat(32);
    for header in [
        format!("00-{TRACE}-{PARENT}-01."),
        format!("00-{TRACE}-{PARENT}-01-what-the-future-brings"),
        format!("cc-{TRACE}-{PARENT}-01.what-the-future-brings"),
        format!("ff-{TRACE}-{PARENT}-01"),
        format!(".0-{TRACE}-{PARENT}-01"),
        format!("0.-{TRACE}-{PARENT}-01"),
        format!("000-{TRACE}-{PARENT}-01"),
        format!("0000-{TRACE}-{PARENT}-01"),
        format!("0-{TRACE}-{PARENT}-01"),
        format!("00-{zeros}-{PARENT}-01"),
        format!("00-.{}-{PARENT}-01", &TRACE[1..]),
        format!("00-{}.-{PARENT}-01", &TRACE[1..]),
        format!("00-{TRACE}3-{PARENT}-01"),
        format!("00-{}-{PARENT}-01", &TRACE[1..]),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-{TRACE}-.{}-01", &PARENT[1..]),
        format!("00-{TRACE}-{}.-01", &PARENT[1..]),
        format!("00-{TRACE}-{PARENT}7-01"),
        format!("00-{TRACE}-{}-01", &PARENT[1..]),
        format!("00-{TRACE}-{PARENT}-.0"),
        format!("00-{TRACE}-{PARENT}-0."),
        format!("00-{TRACE}-{PARENT}-001"),
        format!("00-{TRACE}-{PARENT}-1"),
    ] {
        assert!(!goes_on(&header), "{header}");
        assert_ne!(hop(&[("traceparent", &header)]).0, hop(&[("traceparent", &header)]).0);
    }
    let other = format!("00-{}1-{PARENT}-01", &TRACE[1..]);
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let (next, _) = hop(&[("traceparent", &other), ("traceparent", &parent)]);
    assert!(next.trace_id() != TRACE && next.trace_id() != &other[3..35]);
}

#[test]
fn states_stay_and_are_joined() {
    for (headers, expected) in [
        (&["foo=1,bar=2"][..], "foo=1,bar=2"),
        (&["foo=1", ""], "foo=1"),
        (&["", "foo=1"], "foo=1"),
        (&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        (&["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        (&["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3"),
        (&[" foo=1"], "foo=1"),
        (&["\tfoo=1"], "foo=1"),
        (&["foo=1 "], "foo=1"),
        (&["foo=1\t"], "foo=1"),
        (&["\t foo=1 \t"], "foo=1"),
        (&["foo=1,foo=1"], "foo=1,foo=1"),
        (&["foo=1", "foo=2"], "foo=1,foo=2"),
        (&["foo@=1,bar=2"], "foo@=1,bar=2"),
        (&["foo@@bar=1,bar=2"], "foo@@bar=1,bar=2"),
        (&["foo@bar@baz=1,bar=2"], "foo@bar@baz=1,bar=2"),
        (&["0foo=1,7=2"], "0foo=1,7=2"),
    ] {
        assert_eq!(state(headers).as_deref(), Some(expected), "{headers:?}");
    }
    let parent = format!("00-{TRACE}-{PARENT}-00");
    for (name, expected) in
        [("TraceState", true), ("TRACESTATE", true), ("trace-state", false), ("trace.state", false)]
    {
        let (_, state) = hop(&[("traceparent", &parent), (name, "foo=1")]);
        assert_eq!(state.is_some(), expected, "{name}");
    }
    let value: String = (b' '..=b'~').map(char::from).filter(|c| !",=".contains(*c)).collect();
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    for key in [key.to_owned(), format!("{key}@a-z0-9_-*/")] {
        let member = format!("{key}={value}");
        assert_eq!(state(&[&member]), Some(member));
    }
}

#[test]
fn a_broken_state_is_dropped() {
    let members = |range: std::ops::RangeInclusive<u32>| {
        range.map(|n| format!("bar{n:02}={n:02}")).collect::<Vec<_>>().join(",")
    };
    let [ten, twenty, rest] = [1..=10, 11..=20, 21..=32].map(members);
    assert!(state(&[&ten, &twenty, &rest]).is_some());
    let longest = |key: String| format!("{key}=1");
    for key in [
        "z".repeat(256),
        format!("{}@{}", "t".repeat(241), "v".repeat(14)),
        format!("{}@v", "t".repeat(242)),
        format!("t@{}", "v".repeat(15)),
    ] {
        let expected = format!("foo=1,{key}=1");
        assert_eq!(state(&["foo=1", &longest(key)]), Some(expected));
    }
    for headers in [
        &["foo =1"][..],
        &["FOO=1"],
        &["foo.bar=1"],
        &["@foo=1,bar=2"],
        &["foo=bar=baz"],
        &["foo=,bar=3"],
        &[""],
        &["foo=1", &longest("z".repeat(257))],
        &[&ten, &twenty, &members(21..=33)],
    ] {
        assert_eq!(state(headers), None, "{headers:?}");
    }
}

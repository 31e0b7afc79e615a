use std::num::NonZeroU64;

use setpiece_envelope::TraceParent;

use super::{XRayHeader, XRaySampling};

const ROOT: &str = "1-67891233-abcdef012345678912345678";
const TRACE: &str = "67891233abcdef012345678912345678";
const PARENT: &str = "463ac35c9f6413ad";
const LINEAGE: &str = "2:a87bd80c:1|68fd508a:5|c512fbe3:2";

fn parse(header: &str) -> XRayHeader {
    let parsed = XRayHeader::parse(header).unwrap();
    assert_eq!(parsed.as_str(), header, "it passes through byte for byte");
    assert_eq!((parsed.trace_id(), parsed.root()), (TRACE, ROOT.to_owned()));
    parsed
}

#[test]
fn members_come_in_any_order_and_with_blanks() {
    for header in [
        format!("Root={ROOT};Parent={PARENT};Sampled=1;Lineage={LINEAGE}"),
        format!("Lineage={LINEAGE};Sampled=1;Parent={PARENT};Root={ROOT}"),
        format!("Root={ROOT}; Parent={PARENT} ;\tSampled = 1; Lineage={LINEAGE}\t;"),
        format!(" ;;Parent= {PARENT};Root={ROOT};Other=a=b;Sampled=1;Lineage={LINEAGE}"),
    ] {
        let parsed = parse(&header);
        assert_eq!(parsed.parent_id(), Some(PARENT), "{header}");
        assert_eq!(parsed.lineage(), Some(LINEAGE), "{header}");
        assert_eq!(parsed.sampling(), Some(XRaySampling::Sampled), "{header}");
    }
}

#[test]
fn a_load_balancer_names_no_parent() {
    let own = "Self=1-67891234-12456789abcdef0123456789";
    for header in
        [format!("Root={ROOT}"), format!("{own};Root={ROOT}"), format!("Root={ROOT};{own}")]
    {
        let parsed = parse(&header);
        assert_eq!((parsed.parent_id(), parsed.lineage(), parsed.sampling()), (None, None, None));
        let next = parsed.to_trace_parent(NonZeroU64::new(0xabc).unwrap());
        assert_eq!(next.as_str(), format!("00-{TRACE}-0000000000000abc-00"));
    }
}

#[test]
fn decisions_on_sampling_are_three() {
    let check = |value: &str, expected, flags: &str| {
        let parsed = parse(&format!("Root={ROOT};Parent={PARENT};Sampled={value}"));
        assert_eq!(parsed.sampling(), Some(expected));
        // A deferred decision is no flag of the W3C, neither sampled nor random.
        let w3c = parsed.to_trace_parent(NonZeroU64::MIN);
        assert_eq!(w3c.as_str(), format!("00-{TRACE}-{PARENT}-{flags}"));
    };
    check("1", XRaySampling::Sampled, "01");
    check("0", XRaySampling::NotSampled, "00");
    check("?", XRaySampling::Deferred, "00");
}

#[test]
fn a_w3c_trace_is_written_and_read() {
    let check = |flags, decided, expected: u8| {
        let parent = TraceParent::parse(format!("00-{TRACE}-{PARENT}-{flags}")).unwrap();
        let header = XRayHeader::from_trace_parent(&parent, decided);
        assert_eq!(header.as_str(), format!("Root={ROOT};Parent={PARENT};Sampled={expected}"));
        assert_eq!(XRayHeader::parse(header.as_str()), Ok(header.clone()));
        assert_eq!(header.to_trace_parent(NonZeroU64::MIN).trace_id(), TRACE);
    };
    check("01", None, 1);
    check("00", None, 0);
    // The flag of a random trace id never becomes a deferred decision.
    check("02", None, 0);
    check("03", None, 1);
    check("00", Some(true), 1);
    check("01", Some(false), 0);
}

#[test]
fn other_headers_are_refused() {
    let long = format!("Root={ROOT};Other={}", "x".repeat(XRayHeader::MAX_BYTES));
    for header in [
        "",
        ";",
        "Root",
        "Root=",
        "Root=1-1-1",
        "Root=2-67891233-abcdef012345678912345678",
        "Root=1-00000000-000000000000000000000000",
        "Root=1-67891233-ABCDEF012345678912345678",
        "Root=1-6789123-3abcdef012345678912345678",
        "Root=1-67891233abcdef012345678912345678",
        "Root=1-67891233-abcdef01234567891234567-",
        "root=1-67891233-abcdef012345678912345678",
        "Parent=463ac35c9f6413ad;Sampled=1",
        "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413a",
        "Root=1-67891233-abcdef012345678912345678;Parent=0000000000000000",
        "Root=1-67891233-abcdef012345678912345678;Parent=",
        "Root=1-67891233-abcdef012345678912345678;Sampled=2",
        "Root=1-67891233-abcdef012345678912345678;Sampled=",
        "Root=1-67891233-abcdef012345678912345678;Self=1-2-3",
        "Root=1-67891233-abcdef012345678912345678;Lineage=",
        "Root=1-67891233-abcdef012345678912345678;=1",
        "Root=1-67891233-abcdef012345678912345678;Sampled",
        "Root=1-67891233-abcdef012345678912345678;Root=1-67891233-abcdef012345678912345678",
        "Root=1-67891233-abcdef012345678912345678;Sampled=1;Sampled=1",
        "Root=1-67891233-abcdef012345678912345678\r\nOther: header",
        "Root=1-67891233-abcdef01234567891234567é",
        &long,
    ] {
        assert!(XRayHeader::parse(header).is_err(), "{header}");
    }
}

//! Nesting is bounded for readers and writers alike, so that a producer cannot choose how much a
//! recursive type costs.

use allocation_counter::measure;
use serde::{Deserialize, Serialize};
use setpiece_envelope::{
    Correlation, DomainEvent, Envelope, FixedClock, MAX_EVENT_BYTES, ReadError, Reason,
    SequentialIds, ServiceId, Stamp, from_json,
};

const PLANS: ServiceId = ServiceId::new("retail", "planning", "plans");

/// A tree that serde buffers anew at each of its levels.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Tree {
    Leaf(u8),
    Node(Vec<Self>),
    Pair { left: Box<Self>, right: Box<Self> },
}

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = PLANS, name = "plan_drawn", version = 1)]
struct PlanDrawn {
    tree: Tree,
}

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = PLANS, name = "plan_drawn", version = 1, nesting = 127)]
struct DeepPlanDrawn {
    tree: Tree,
}

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = PLANS, name = "plan_drawn", version = 1, nesting = 1)]
struct FlatPlanDrawn {
    steps: Option<Vec<u8>>,
}

/// So many arrays within each other, with `width` leaves in the innermost.
fn nested(levels: usize, width: usize) -> Tree {
    let innermost = Tree::Node(vec![Tree::Leaf(0); width]);
    (1..levels).fold(innermost, |tree, _| Tree::Node(vec![tree]))
}

fn json(levels: usize, width: usize) -> String {
    let leaves = vec!["0"; width].join(",");
    format!("{}{leaves}{}", "[".repeat(levels), "]".repeat(levels))
}

fn detail(data: &str) -> String {
    let metadata = r#"{"event_id":"e-1","name":"plan_drawn","version":"1"}"#;
    format!(r#"{{"metadata":{metadata},"data":{data}}}"#)
}

fn read<E: DomainEvent + serde::de::DeserializeOwned>(data: &str) -> Result<E, ReadError> {
    Envelope::<E>::from_detail(detail(data).as_bytes()).map(|envelope| envelope.data)
}

fn write<E: DomainEvent + Serialize>(event: E) -> Result<Vec<u8>, String> {
    let stamp = Stamp::new(FixedClock::default(), SequentialIds::new());
    let envelope = stamp.envelope(event, &Correlation::root());
    let detail = envelope.to_detail().map_err(|error| error.to_string());
    let cloud_event = envelope.to_cloud_event().map_err(|error| error.to_string());
    assert_eq!(detail.as_ref().err(), cloud_event.as_ref().err());
    detail
}

#[track_caller]
fn reason<T>(read: Result<T, ReadError>) -> String {
    let error = read.err().unwrap();
    error.violation().unwrap().reason().to_string()
}

#[test]
fn data_may_have_32_levels_unless_its_type_says_otherwise() {
    let data = |levels| format!(r#"{{"tree":{}}}"#, json(levels, 1));
    // The object around the tree is a level as well.
    assert!(read::<PlanDrawn>(&data(31)).is_ok());
    assert_eq!(reason(read::<PlanDrawn>(&data(32))), "is nested deeper than 32 levels");
    assert!(write(PlanDrawn { tree: nested(31, 1) }).is_ok());
    assert!(write(PlanDrawn { tree: nested(32, 1) }).unwrap_err().contains("than 32 levels"));

    assert!(read::<DeepPlanDrawn>(&data(126)).is_ok());
    assert!(read::<DeepPlanDrawn>(&data(127)).is_err());
    assert!(write(DeepPlanDrawn { tree: nested(126, 1) }).is_ok());
    assert!(write(DeepPlanDrawn { tree: nested(127, 1) }).is_err());

    assert!(read::<FlatPlanDrawn>(r#"{"steps":null}"#).is_ok());
    assert_eq!(reason(read::<FlatPlanDrawn>(r#"{"steps":[]}"#)), "is nested deeper than 1 levels");
    assert!(write(FlatPlanDrawn { steps: None }).is_ok());
    assert!(write(FlatPlanDrawn { steps: Some(vec![]) }).is_err());
}

#[test]
fn levels_that_nobody_decodes_count_too() {
    let data = format!(r#"{{"tree":0,"unknown":{}}}"#, json(32, 0));
    assert_eq!(reason(read::<PlanDrawn>(&data)), "is nested deeper than 32 levels");
}

#[test]
fn what_is_written_is_within_the_bounds_of_its_reader() {
    for (levels, width) in [(1, 9), (20, 200_000), (24, 200_000), (30, 200_000), (8, 500_000)] {
        let tree = nested(levels, width);
        let text = serde_json::to_string(&PlanDrawn { tree: tree.clone() }).unwrap();
        let read = read::<PlanDrawn>(&text).map(drop).is_ok();
        assert_eq!(write(PlanDrawn { tree }).is_ok(), read, "{levels} levels, {width} leaves");
    }
}

#[test]
fn many_values_at_great_depth_are_refused_before_they_are_copied() {
    let data = format!(r#"{{"tree":{}}}"#, json(31, 500_000));
    assert!(data.len() < MAX_EVENT_BYTES);
    let mut refused = String::new();
    let cost = measure(|| refused = reason(read::<PlanDrawn>(&data)));
    assert!(refused.contains("too many values nested too deep"), "{refused}");
    // The text of the event, that of its detail in this test, and nothing beside them.
    assert!(cost.bytes_max < 3 * MAX_EVENT_BYTES as u64, "{} bytes", cost.bytes_max);
    let error = from_json::<Tree>(json(31, 500_000).as_bytes());
    assert!(matches!(error, Err(ReadError::Malformed(_))));
}

#[test]
fn what_a_recursive_type_may_buffer_is_bounded() {
    // As much as the bounds let through, right and wrong.
    for (levels, width) in [(29, 125_000), (14, 240_000), (7, 410_000)] {
        for leaf in ["0", "300"] {
            let tree = json(levels, width);
            let data = format!(r#"{{"tree":[{tree},{leaf}]}}"#);
            let mut read = None;
            let cost = measure(|| read = Some(self::read::<PlanDrawn>(&data).is_ok()));
            assert_eq!(read, Some(leaf == "0"), "{levels} levels");
            assert!(cost.bytes_max < 220 << 20, "{levels} levels: {} bytes", cost.bytes_max);
        }
    }
}

#[test]
fn what_was_expensive_to_decode_is_not_decoded_again_for_its_reason() {
    let data = |width| format!(r#"{{"tree":[{},300]}}"#, json(25, width));
    assert_eq!(
        reason(read::<PlanDrawn>(&data(100_000))),
        "is not of the type it should be; it is too large to look for the place"
    );
    let mut once = None;
    let good = data(100_000).replace("300", "200");
    let decoded = measure(|| once = read::<PlanDrawn>(&good).ok());
    let failed = measure(|| drop(read::<PlanDrawn>(&data(100_000))));
    assert!(once.is_some());
    let (decoded, failed) = (decoded.bytes_total, failed.bytes_total);
    assert!(failed < decoded + decoded / 8, "{failed} bytes, {decoded} for the good one");
    // A smaller one is looked at.
    let error = read::<PlanDrawn>(&data(10)).err().unwrap();
    assert!(!matches!(error.violation().unwrap().reason(), Reason::NotOfItsType));
}

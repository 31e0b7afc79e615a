use serde::{Deserialize, Serialize};
use setpiece_bus::{InvalidEvent, OutgoingEvent};
use setpiece_envelope::{Correlation, DomainEvent, Reason, ServiceId, TraceParent};
use setpiece_policy::{Disposition, FaultKind};

use super::{bus::ScriptedBus, event, world};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted {
    #[event(subject)]
    order_number: String,
    #[schemars(range(min = 0.0))]
    total: f64,
}

fn order(total: f64) -> OrderSubmitted {
    OrderSubmitted { order_number: "7".to_owned(), total }
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_wire_form_comes_back_as_it_was_and_stops_no_other() {
    let world = world(ScriptedBus::willing());
    let events = [order(1.0), order(f64::NAN), order(3.0)];

    let publication = world.publisher.publish_all(events, &Correlation::root(), world.generous());
    let error = publication.await.unwrap_err();

    assert_eq!(world.bus.taken().len(), 2);
    let accepted: Vec<usize> = error.accepted().iter().map(|(index, _)| *index).collect();
    assert_eq!(accepted, [0, 2]);
    let [unaccepted] = <[_; 1]>::try_from(error.into_unaccepted()).unwrap();
    assert_eq!((unaccepted.index(), unaccepted.name()), (1, "order_submitted"));
    assert_eq!(unaccepted.fault().kind(), FaultKind::Contract);
    assert!(unaccepted.outgoing().is_none());
    let unaccepted = unaccepted.into_outgoing().unwrap_err();
    let unaccepted = unaccepted.into_typed::<String>().unwrap_err();
    assert!(unaccepted.into_typed::<OrderSubmitted>().unwrap().total.is_nan());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_too_large_is_refused_before_any_request() {
    let world = world(ScriptedBus::willing());
    let limit = world.bus_limit();

    let error = world.publisher.send_all([large(limit + 1)], world.generous()).await;

    assert!(world.bus.calls().is_empty());
    let [unaccepted] = <[_; 1]>::try_from(error.unwrap_err().into_unaccepted()).unwrap();
    assert_eq!(unaccepted.fault().kind(), FaultKind::Permanent);
    assert_eq!(unaccepted.fault().disposition(), Disposition::Quarantine);
    let source = std::error::Error::source(unaccepted.fault()).unwrap();
    let invalid = source.downcast_ref::<InvalidEvent>().unwrap();
    assert_eq!(
        invalid.to_string(),
        "the event has 1048576 bytes, more than the 1048575 that the bus takes"
    );
    assert_eq!(unaccepted.into_outgoing().unwrap(), large(limit + 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_just_fits_is_sent() {
    let world = world(ScriptedBus::willing());
    let event = large(world.bus_limit());
    world.publisher.send_all([event], world.generous()).await.unwrap();
    assert_eq!(world.bus.calls()[0].sizes, [world.bus_limit()]);
}

impl super::World {
    fn bus_limit(&self) -> usize {
        use setpiece_bus::Bus as _;
        self.bus.limits().max_bytes
    }
}

/// An event of this size by the formula.
fn large(size: usize) -> OutgoingEvent {
    event("e-large", size - "a.b.c".len() - "stored".len())
}

#[tokio::test(start_paused = true)]
async fn an_event_that_breaks_its_schema_is_refused() {
    let mut world = world(ScriptedBus::willing());
    world.publisher = world.publisher.with_schema::<OrderSubmitted>();
    let events = [order(1.0), order(-1.0)];

    let publication = world.publisher.publish_all(events, &Correlation::root(), world.generous());
    let error = publication.await.unwrap_err();

    let [unaccepted] = <[_; 1]>::try_from(error.into_unaccepted()).unwrap();
    assert_eq!(unaccepted.fault().kind(), FaultKind::Contract);
    let source = std::error::Error::source(unaccepted.fault()).unwrap();
    assert_eq!(source.to_string(), "`total` breaks the rule `minimum` of its schema: expected 0.0");
    assert_eq!(unaccepted.into_typed::<OrderSubmitted>().unwrap(), order(-1.0));
    assert_eq!(world.bus.taken().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_published_as_its_service_would() {
    let world = world(ScriptedBus::willing());
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let correlation = Correlation::root().with_trace(TraceParent::parse(trace).unwrap(), None);

    let outgoing = world.publisher.prepare(order(1.0), &correlation).unwrap();

    assert_eq!(outgoing.source(), "retail.checkout.orders");
    assert_eq!(outgoing.detail_type(), "order_submitted");
    assert_eq!(outgoing.time().unwrap().to_string(), "2026-01-01T00:00:00.000Z");
    let header = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1";
    assert_eq!(outgoing.trace_header(), Some(header));
    // What was stored is read back as the same event.
    let (source, detail_type) = (outgoing.source().to_owned(), outgoing.detail_type().to_owned());
    let again = OutgoingEvent::from_detail(source, detail_type, outgoing.detail()).unwrap();
    assert_eq!(again, outgoing);
}

#[test]
fn an_event_that_is_stored_and_read_is_the_same() {
    let event = event("e-1", 300)
        .with_resources(["arn:x", "arn:y"])
        .and_then(|event| event.with_group_id("g"))
        .and_then(|event| event.with_trace_header("Root=1"))
        .unwrap()
        .with_time("2026-01-01T00:00:00.123Z".parse().unwrap());
    let json = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<OutgoingEvent>(&json).unwrap(), event);
    // What was changed in between is found out, without showing it.
    let refuse = |from: &str, to: &str| {
        assert!(json.contains(from), "{json}");
        let changed = json.replace(from, to);
        serde_json::from_str::<OutgoingEvent>(&changed).unwrap_err().to_string()
    };
    assert!(refuse(r#""a.b.c""#, r#""aws.x""#).starts_with("`source` does not have the form"));
    assert!(refuse(r#""arn:x""#, r#""""#).starts_with("`resources` is empty"));
    assert!(refuse(r#"\"name\""#, r#"\"nom\""#).starts_with("`metadata.name` is missing"));
}

#[test]
fn fields_that_put_events_refuses_are_refused_by_name() {
    let detail = event("e-1", 200).detail().to_owned();
    let new = |source: &str, detail_type: &str| {
        OutgoingEvent::from_detail(source.to_owned(), detail_type.to_owned(), detail.clone())
    };
    let good = || new("a.b", "c").unwrap();
    let check = |result: Result<OutgoingEvent, InvalidEvent>, expected: Option<&str>| {
        let found = result.err().map(|error| error.to_string());
        assert_eq!(found.as_deref(), expected);
    };
    check(new("", "c"), Some("`source` is empty"));
    check(new(&"s".repeat(256), "c"), None);
    check(new(&"s".repeat(257), "c"), Some("`source` is longer than 256 characters"));
    check(
        new("aws.events", "c"),
        Some(
            "`source` does not have the form of a source that is not kept for AWS, as those with \
             `aws.` are",
        ),
    );
    check(new("aws", "c"), None);
    check(new("a", ""), Some("`detail-type` is empty"));
    check(new("a", &"é".repeat(128)), None);
    check(new("a", &"é".repeat(129)), Some("`detail-type` is longer than 128 characters"));
    check(good().with_resources(["arn:a", ""]), Some("`resources` is empty"));
    check(
        good().with_resources(["r".repeat(2049)]),
        Some("`resources` is longer than 2048 characters"),
    );
    check(good().with_trace_header(""), Some("`trace header` is empty"));
    check(good().with_trace_header("t".repeat(500)), None);
    check(
        good().with_trace_header("t".repeat(501)),
        Some("`trace header` is longer than 500 characters"),
    );
    check(good().with_group_id("g".repeat(129)), Some("`group id` is longer than 128 characters"));
    let no_event = OutgoingEvent::from_detail("a", "b", r#"{"total":18446744073709551616}"#);
    assert!(matches!(no_event, Err(InvalidEvent::Read(_))));
    let field = InvalidEvent::Field { field: "source", reason: Reason::Empty };
    assert_eq!(field.to_string(), "`source` is empty");
}

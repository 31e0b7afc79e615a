use std::error::Error as _;

use setpiece_envelope::{
    Correlation, DomainEvent, EventVersion, First, Metadata, ServiceId, Stamp,
};

use super::{Dispatch, InMemoryBus, Tally};
use crate::{
    DeliveryError, FixedClock, SequentialIds, assert_caused_by,
    fixtures::{InvoiceIssued, OrderSubmitted, OrderTotal, WrongOrderTotal, order},
};

fn bus<'h>() -> InMemoryBus<'h, &'static str> {
    InMemoryBus::new(Stamp::new(FixedClock::default(), SequentialIds::new()))
}

/// One line for each event and each of its deliveries.
fn trace(lines: &mut Vec<String>, dispatch: &Dispatch<'_, &'static str>) {
    lines.push(dispatch.event.name.clone());
    for delivery in dispatch.deliveries {
        let outcome = match &delivery.outcome {
            Ok(done) => (*done).to_owned(),
            Err(error) => format!("! {error}"),
        };
        lines.push(format!("  {}: {outcome}", delivery.consumer));
    }
}

#[test]
fn each_consumer_gets_the_event_as_its_own_view() {
    let mut seen = Vec::new();
    let mut bus = bus();
    bus.subscribe::<OrderTotal>("billing", |event, _| {
        seen.push(event.data.clone());
        Ok("invoiced")
    });
    bus.subscribe::<OrderSubmitted>("kitchen", |event, _| {
        assert_eq!(event.data, order());
        Ok("boiled")
    });
    bus.subscribe::<InvoiceIssued>("nobody", |_, _| panic!("that is another event"));
    bus.publish(order(), &Correlation::root()).unwrap();

    let mut lines = Vec::new();
    let tally = bus.run_until_quiet(|dispatch| trace(&mut lines, dispatch)).unwrap();

    assert_eq!(lines, ["order_submitted", "  billing: invoiced", "  kitchen: boiled"]);
    assert_eq!(tally, Tally { events: 1, deliveries: 2, failed: 0, unrouted: 0 });
    drop(bus);
    assert_eq!(seen, [OrderTotal { total: 29.99 }]);
}

#[test]
fn what_a_handler_emits_is_caused_by_what_it_handles() {
    let mut bus = bus();
    bus.subscribe::<OrderTotal>("billing", |event, outbox| {
        outbox.emit(InvoiceIssued { total: event.data.total });
        Ok("invoiced")
    });
    let root = Correlation::root().with_tenant("acme");
    let submitted = bus.publish(order(), &root).unwrap();

    let mut events: Vec<Metadata> = Vec::new();
    let tally = bus.run_until_quiet(|dispatch| events.push(dispatch.event.clone())).unwrap();

    assert_eq!(tally, Tally { events: 2, deliveries: 1, failed: 0, unrouted: 1 });
    assert_eq!(events[0], submitted);
    assert_eq!(events[1].name, "invoice_issued");
    assert_caused_by(&events[1], &submitted);
}

#[test]
fn a_failing_handler_publishes_nothing_and_stops_nobody() {
    let mut bus = bus();
    bus.subscribe::<OrderTotal>("billing", |event, outbox| {
        outbox.emit(InvoiceIssued { total: event.data.total });
        Err("the printer is on fire".into())
    });
    bus.subscribe::<OrderSubmitted>("kitchen", |_, _| Ok("boiled"));
    bus.publish(order(), &Correlation::root()).unwrap();

    let mut lines = Vec::new();
    let error = bus.run_until_quiet(|dispatch| trace(&mut lines, dispatch)).unwrap_err();

    let expected = ["order_submitted", "  billing: ! the handler failed", "  kitchen: boiled"];
    assert_eq!(lines, expected);
    assert_eq!(error.tally(), Tally { events: 1, deliveries: 2, failed: 1, unrouted: 0 });
    assert_eq!(
        error.to_string(),
        "`billing` failed on `order_submitted` 00000000000000000000000001"
    );
    let cause = error.source().unwrap().source().unwrap();
    assert_eq!(cause.to_string(), "the printer is on fire");
    // Nothing is left of it.
    assert_eq!(bus.run_until_quiet(|_| ()).unwrap(), Tally::default());
}

#[test]
fn a_view_that_does_not_fit_the_event_fails_its_consumer() {
    let mut bus = bus();
    bus.subscribe::<WrongOrderTotal>("billing", |_, _| Ok("invoiced"));
    bus.publish(order(), &Correlation::root()).unwrap();

    let error = bus.run_until_quiet(|_| ()).unwrap_err();

    assert!(matches!(error.error(), DeliveryError::Read(_)), "{error:?}");
    assert_eq!(
        error.error().source().unwrap().to_string(),
        "`detail.data.total` expected a string, found a number"
    );
}

#[test]
fn an_event_that_cannot_be_written_fails_its_producer() {
    let mut bus = bus();
    assert!(bus.publish(InvoiceIssued { total: f64::NAN }, &Correlation::root()).is_err());
    bus.subscribe::<OrderTotal>("billing", |_, outbox| {
        outbox.emit(InvoiceIssued { total: f64::INFINITY });
        outbox.emit(InvoiceIssued { total: 1.0 });
        Ok("invoiced")
    });
    bus.publish(order(), &Correlation::root()).unwrap();

    let error = bus.run_until_quiet(|_| ()).unwrap_err();

    assert!(matches!(error.error(), DeliveryError::Write(_)), "{error:?}");
    assert_eq!(error.tally(), Tally { events: 1, deliveries: 1, failed: 1, unrouted: 0 });
}

#[test]
fn services_that_answer_each_other_for_ever_are_stopped() {
    let mut bus = bus().with_max_depth(3);
    bus.subscribe::<OrderSubmitted>("billing", |_, outbox| {
        outbox.emit(InvoiceIssued { total: 1.0 });
        Ok("invoiced")
    });
    bus.subscribe::<InvoiceIssued>("sales", |_, outbox| {
        outbox.emit(order());
        Ok("ordered again")
    });
    bus.publish(order(), &Correlation::root()).unwrap();

    let mut depths = Vec::new();
    let error =
        bus.run_until_quiet(|dispatch| depths.push(dispatch.event.correlation.depth)).unwrap_err();

    assert_eq!(depths, [0, 1, 2, 3]);
    assert_eq!(
        error.error().to_string(),
        "emitted `order_submitted` deeper than 3 events below the flow's first"
    );
}

#[test]
fn several_failures_are_counted_in_the_error() {
    let mut bus = bus();
    for consumer in ["a", "b", "c"] {
        bus.subscribe::<OrderTotal>(consumer, |_, _| Err("no".into()));
    }
    bus.publish(order(), &Correlation::root()).unwrap();
    let error = bus.run_until_quiet(|_| ()).unwrap_err();
    assert_eq!((error.consumer(), error.tally().failed), ("a", 3));
    assert!(error.to_string().ends_with("01, and 2 other deliveries failed"), "{error}");
}

/// A view whose author did not know the detail-type of the rule.
#[derive(serde::Deserialize)]
struct Elsewhere {}

impl DomainEvent for Elsewhere {
    type Previous = First;
    const SERVICE: ServiceId = OrderSubmitted::SERVICE;
    const NAME: &'static str = OrderSubmitted::NAME;
    const VERSION: EventVersion = OrderSubmitted::VERSION;
    const DETAIL_TYPE: &'static str = "Order Submitted";
    const VIEW: bool = true;
}

#[test]
fn a_consumer_gets_what_a_rule_for_its_detail_type_would_match() {
    let mut bus = bus();
    bus.subscribe::<Elsewhere>("billing", |_, _| Ok("invoiced"));
    bus.publish(order(), &Correlation::root()).unwrap();
    let tally = bus.run_until_quiet(|_| ()).unwrap();
    assert_eq!((tally.deliveries, tally.unrouted), (0, 1));
}

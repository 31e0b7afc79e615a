use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;
use setpiece_bus::{Bus as _, OutgoingEvent, Preflight, Proof, Publisher};
use setpiece_envelope::{Correlation, DomainEvent, EventId};
use setpiece_policy::{Deadline, Fault, FaultKind, InstantSleep, Retry, SeededRandom};

use super::FakeBus;
use crate::{
    CallFault, EntryFault, Faults, PutEventsAnswer, PutEventsEntry, PutEventsResult,
    RequestOutcome,
    fixtures::{InvoiceIssued, OrderSubmitted, OrderTotal, WrongOrderTotal, order, panic_of},
    sample,
};

/// Runs a future that waits for nothing but to be polled again.
pub(crate) fn block_on<T>(future: impl IntoFuture<Output = T>) -> T {
    let mut future = pin!(future.into_future());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn entry() -> PutEventsEntry {
    PutEventsEntry::new("retail.orders", "order_submitted", "{}")
}

fn outgoing(id: &str) -> OutgoingEvent {
    OutgoingEvent::new(sample(order()).event_id(id).envelope()).unwrap()
}

/// One word for each result: its id is `ok`.
fn words(answer: &PutEventsAnswer) -> Vec<&str> {
    let PutEventsAnswer::Results(results) = answer else { panic!("{answer:?}") };
    results
        .iter()
        .map(|result| match result {
            PutEventsResult::Accepted { .. } => "ok",
            PutEventsResult::Failed { code, .. } => code,
        })
        .collect()
}

fn publisher(bus: &FakeBus) -> Publisher<FakeBus> {
    let clock = bus.clock();
    let sleep = InstantSleep::new(clock.clone());
    Publisher::new(bus.clone(), Retry::new(clock, SeededRandom::new(7), sleep))
}

fn ids(bus: &FakeBus) -> Vec<String> {
    let id = |event: &crate::RecordedEvent| event.metadata().unwrap().event_id.to_string();
    bus.events().iter().map(id).collect()
}

#[test]
fn the_bus_is_shared_by_all_that_publish_to_it() {
    fn check<T: Send + Sync + 'static>() {}
    check::<FakeBus>();
    check::<crate::Delivery>();

    let bus = FakeBus::new();
    let other = bus.clone();
    _ = other.put_events(vec![entry()]);
    assert_eq!((bus.events().len(), other.events().len()), (1, 1));
}

#[test]
fn each_entry_is_taken_or_refused_for_itself() {
    let bus = FakeBus::new();
    let entries = vec![
        entry(),
        PutEventsEntry { source: None, ..entry() },
        PutEventsEntry { detail: Some("[]".to_owned()), ..entry() },
        PutEventsEntry { source: Some("aws.s3".to_owned()), ..entry() },
        entry(),
    ];
    let answer = bus.put_events(entries);
    let refused = ["InvalidArgument", "MalformedDetail", "NotAuthorizedForSourceException"];
    assert_eq!(words(&answer), ["ok", refused[0], refused[1], refused[2], "ok"]);
    assert_eq!(bus.events().len(), 2);
    let [request] = bus.requests()[..] else { panic!() };
    assert_eq!((request.entries, request.accepted), (5, 2));
    assert_eq!(request.outcome, RequestOutcome::Answered);
}

#[test]
fn a_request_without_any_good_entry_is_still_answered() {
    let answer = FakeBus::new().put_events(vec![PutEventsEntry::default(); 2]);
    assert_eq!(words(&answer), ["InvalidArgument"; 2]);
}

#[test]
fn a_request_that_is_refused_leaves_nothing() {
    let bus = FakeBus::new();
    let PutEventsAnswer::Refused(error) = bus.put_events(vec![entry(); 11]) else { panic!() };
    assert_eq!((error.status, error.code.as_str()), (400, "ValidationException"));
    assert_eq!(bus.events().len(), 0);
    assert_eq!(bus.requests()[0].outcome, RequestOutcome::Refused);
}

#[test]
fn ids_are_uuids_of_their_own_and_the_same_in_each_run() {
    let ids = || {
        let bus = FakeBus::new();
        _ = bus.put_events(vec![entry(); 10]);
        bus.events().iter().map(|event| event.bus_event_id().to_owned()).collect::<Vec<_>>()
    };
    let mut first = ids();
    assert_eq!(first, ids());
    first.sort();
    first.dedup();
    assert_eq!(first.len(), 10);
    assert!(first.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4'), "{first:?}");
}

#[test]
fn a_bus_that_does_not_exist_takes_events_and_drops_them() {
    let bus = FakeBus::named("orders");
    let wrong = bus.at("order");
    for handle in [&wrong, &bus.at("arn:aws:events:eu-west-1:123456789012:event-bus/orders")] {
        let accepted = block_on(handle.put(&[&outgoing("e-1")])).unwrap();
        assert!(accepted[0].as_ref().unwrap().bus_event_id.is_some());
    }
    // An entry that names no bus is for that of the account.
    assert_eq!(words(&bus.put_events(vec![entry()])), ["ok"]);
    assert_eq!((bus.events().len(), bus.dropped().len()), (0, 3));
    assert_eq!((bus.tally().accepted, bus.tally().dropped), (3, 3));

    let arn = bus.arn();
    for handle in [&bus, &wrong.at("orders"), &wrong.at(&arn)] {
        block_on(handle.put(&[&outgoing("e-2")])).unwrap();
    }
    assert_eq!((bus.events().len(), bus.dropped().len()), (3, 3));
}

#[test]
fn a_preflight_finds_out_what_an_event_does_not() {
    let bus = FakeBus::named("orders");
    assert_eq!(block_on(bus.preflight()).unwrap(), Preflight::PROVEN);
    assert_eq!(block_on(bus.at(&bus.arn()).preflight()).unwrap(), Preflight::PROVEN);

    let fault = block_on(bus.at("order").preflight()).unwrap_err();
    assert_eq!(
        (fault.kind(), fault.code()),
        (FaultKind::Permanent, Some("ResourceNotFoundException"))
    );

    bus.deny_describe();
    let unseen = Preflight::new(Proof::Unseen, Proof::Proven);
    assert_eq!(block_on(bus.at("order").preflight()).unwrap(), unseen);

    bus.deny_put_events();
    let fault = block_on(bus.preflight()).unwrap_err();
    assert_eq!(fault.code(), Some("AccessDeniedException"));
    let fault = block_on(bus.put(&[&outgoing("e-1")])).unwrap_err();
    assert_eq!(fault.code(), Some("AccessDeniedException"));
    assert_eq!(bus.events().len(), 0);
}

#[test]
fn a_bus_is_described_by_name_and_arn() {
    let bus = FakeBus::named("orders");
    let arn = "arn:aws:events:us-east-1:123456789012:event-bus/orders";
    assert_eq!(bus.describe_event_bus(Some("orders")).unwrap(), arn);
    assert_eq!(bus.describe_event_bus(Some(arn)).unwrap(), arn);
    assert!(bus.describe_event_bus(None).unwrap().ends_with("/default"));
    let error = bus.describe_event_bus(Some("x")).unwrap_err();
    assert_eq!(error.to_string(), "ResourceNotFoundException: Event bus x does not exist.");
    assert_eq!(error.status, 400);
}

#[test]
fn what_was_published_is_read_as_the_consumers_type() {
    let bus = FakeBus::new();
    let publisher = publisher(&bus);
    let deadline = Deadline::after(&bus.clock(), Duration::from_secs(3));
    let root = Correlation::root();
    block_on(publisher.publish(order(), &root, deadline)).unwrap();
    let issued =
        block_on(publisher.publish(InvoiceIssued { total: 2.5 }, &root, deadline)).unwrap();

    assert_eq!(bus.published::<OrderSubmitted>()[0].data, order());
    assert_eq!(bus.published::<OrderTotal>()[0].data, OrderTotal { total: 29.99 });
    let [invoice] = &bus.published::<InvoiceIssued>()[..] else { panic!() };
    assert_eq!(invoice.metadata.event_id, issued.event_id);
    assert_eq!(invoice.data.total.to_bits(), 2.5_f64.to_bits());

    let message = panic_of(move || drop(bus.published::<WrongOrderTotal>()));
    let id = &message[message.find('`').unwrap()..message.find(" cannot").unwrap()];
    let rest = "cannot be read as a `order_submitted`: `data.total` expected a string, found a \
                number";
    assert_eq!(message, format!("the published event {id} {rest}"));
}

#[test]
fn without_recording_events_are_counted_and_forgotten() {
    let bus = FakeBus::new().without_recording();
    for _ in 0..10 {
        _ = bus.put_events(vec![entry(); 3]);
    }
    _ = bus.put_events(Vec::new());
    assert!(bus.events().is_empty() && bus.requests().is_empty());
    assert_eq!((bus.tally().accepted, bus.tally().requests), (30, 11));
}

#[test]
fn without_details_it_is_still_known_which_events_there_were() {
    let bus = FakeBus::new().without_details();
    bus.subscribe::<OrderTotal>("billing");
    block_on(bus.put(&[&outgoing("e-1")])).unwrap();
    block_on(bus.at("other").put(&[&outgoing("e-2")])).unwrap();
    assert_eq!(ids(&bus), ["e-1"]);
    for event in [&bus.events()[0], &bus.dropped()[0]] {
        assert_eq!(event.entry().detail, None);
        assert!(event.is::<OrderSubmitted>());
        assert!(event.decode::<OrderSubmitted>().is_err());
    }
    // Those to whom it is delivered get all of it.
    assert!(bus.next_delivery().unwrap().decode::<OrderTotal>().is_ok());
}

#[test]
fn an_event_that_is_too_deep_in_its_flow_is_refused() {
    let bus = FakeBus::new().with_max_depth(1);
    let root = sample(order()).event_id("e-0");
    let child = sample(order()).event_id("e-1").caused_by(root.metadata());
    let grandchild = sample(order()).event_id("e-2").caused_by(child.metadata());
    let events = [&root, &child, &grandchild].map(|it| OutgoingEvent::new(it.envelope()).unwrap());

    let results = block_on(bus.put(&events.each_ref())).unwrap();

    assert_eq!(ids(&bus), ["e-0", "e-1"]);
    let fault = results[2].as_ref().unwrap_err();
    assert_eq!(fault.to_string(), "permanent: the flow is deeper than the test allows");
    let source = std::error::Error::source(fault).unwrap().to_string();
    let expected = "`order_submitted` is more than 1 events below its flow's first: do services \
                    answer each other for ever?";
    assert_eq!(source, expected);
}

#[test]
fn an_entry_of_the_next_call_fails_once() {
    let bus = FakeBus::new();
    bus.fail_entries(EntryFault::throttled().in_next_call(1));
    // It does not wait for a call that is long enough.
    bus.fail_entries(EntryFault::throttled().in_next_call(5));
    assert_eq!(words(&bus.put_events(vec![entry(); 3])), ["ok", "ThrottlingException", "ok"]);
    assert_eq!(words(&bus.put_events(vec![entry(); 7])), ["ok"; 7]);
}

#[test]
fn the_nth_entry_fails_in_whichever_call_it_is() {
    let bus = FakeBus::new();
    bus.fail_entries(EntryFault::code("InternalFailure").nth(3));
    bus.fail_entries(EntryFault::throttled().nth(4));
    assert_eq!(words(&bus.put_events(vec![entry(); 3])), ["ok"; 3]);
    let expected = ["InternalFailure", "ThrottlingException", "ok"];
    assert_eq!(words(&bus.put_events(vec![entry(); 3])), expected);
    assert_eq!(words(&bus.put_events(vec![entry(); 3])), ["ok"; 3]);
}

#[test]
fn entries_fail_by_name_or_by_what_they_are() {
    let bus = FakeBus::new();
    bus.fail_entries(EntryFault::throttled().named(InvoiceIssued::NAME).times(2));
    let has_resources = |entry: &PutEventsEntry| !entry.resources.is_empty();
    bus.fail_entries(EntryFault::code("InvalidAccountIdException").when(has_resources).always());

    let detail = |detail| Some(String::from_utf8(detail).unwrap());
    let invoice = sample(InvoiceIssued { total: 1.0 }).detail();
    let invoice = PutEventsEntry { detail: detail(invoice), ..entry() };
    let order = PutEventsEntry { detail: detail(sample(order()).detail()), ..entry() };
    let resource = PutEventsEntry { resources: vec!["arn".to_owned()], ..entry() };
    let all = vec![invoice.clone(), order, resource, invoice.clone(), invoice];
    let throttled = "ThrottlingException";
    let expected = [throttled, "ok", "InvalidAccountIdException", throttled, "ok"];
    assert_eq!(words(&bus.put_events(all.clone())), expected);
    let expected = ["ok", "ok", "InvalidAccountIdException", "ok", "ok"];
    assert_eq!(words(&bus.put_events(all)), expected);
}

#[test]
fn a_lost_answer_is_about_events_that_were_taken() {
    let bus = FakeBus::new();
    bus.fail_calls(CallFault::answer_lost().after(1));
    bus.fail_calls(CallFault::unreachable().times(2));
    let put = |id| block_on(bus.put(&[&outgoing(id)]));

    assert!(put("e-1").is_ok());
    let lost: Fault = put("e-2").unwrap_err();
    assert_eq!((lost.kind(), lost.may_have_happened()), (FaultKind::Transient, true));
    for _ in 0..2 {
        let unreachable = put("e-3").unwrap_err();
        assert_eq!(unreachable.kind(), FaultKind::Transient);
        assert!(!unreachable.may_have_happened());
    }
    assert!(put("e-4").is_ok());

    assert_eq!(ids(&bus), ["e-1", "e-2", "e-4"]);
    let outcomes: Vec<_> = bus.requests().iter().map(|it| it.outcome).collect();
    let (answered, unreachable) = (RequestOutcome::Answered, RequestOutcome::Unreachable);
    assert_eq!(outcomes, [answered, RequestOutcome::Lost, unreachable, unreachable, answered]);
}

#[test]
fn an_answer_can_be_lost_that_was_a_refusal() {
    let bus = FakeBus::new();
    bus.fail_calls(CallFault::answer_lost());
    assert_eq!(bus.put_events(Vec::new()), PutEventsAnswer::Lost);
    assert!(matches!(bus.put_events(Vec::new()), PutEventsAnswer::Refused(_)));
}

#[test]
fn calls_fail_as_a_whole_with_any_error() {
    let bus = FakeBus::new();
    bus.fail_calls(CallFault::refused(400, "ThrottlingException", "Rate exceeded"));
    bus.fail_calls(CallFault::refused(500, "InternalException", "").always());
    let put = || block_on(bus.put(&[&outgoing("e-1")])).unwrap_err();
    assert_eq!(put().kind(), FaultKind::Throttled);
    for _ in 0..3 {
        assert_eq!(put().code(), Some("InternalException"));
    }
    assert_eq!(bus.tally().accepted, 0);
}

#[test]
fn a_put_can_be_dropped_before_and_after_its_entries_are_taken() {
    for (polls, taken) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
        let bus = FakeBus::new().with_pauses(2, 2);
        let event = outgoing("e-1");
        let events = [&event];
        {
            let mut put = pin!(bus.put(&events));
            for _ in 0..polls {
                let polled = put.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
            }
        }
        assert_eq!(bus.events().len(), taken, "after {polls} polls");
    }
    let bus = FakeBus::new().with_pauses(2, 2);
    assert!(block_on(bus.put(&[&outgoing("e-1")])).is_ok());
}

#[test]
fn a_publisher_gets_through_trouble() {
    let bus = FakeBus::new();
    for entry in [2, 7] {
        bus.fail_entries(EntryFault::throttled().nth(entry));
    }
    let publisher = publisher(&bus);
    let events = (0..10).map(|n| outgoing(&format!("e-{n}")));
    let deadline = Deadline::after(&bus.clock(), Duration::from_secs(30));
    block_on(publisher.send_all(events, deadline)).unwrap();
    let expected = [0, 1, 3, 4, 5, 6, 8, 9, 2, 7].map(|n| format!("e-{n}"));
    assert_eq!(ids(&bus), expected);
    let entries: Vec<_> = bus.requests().iter().map(|it| (it.entries, it.accepted)).collect();
    assert_eq!(entries, [(10, 8), (2, 2)]);
}

/// All that a run with trouble of this seed shows.
fn run(faults: Faults, calls: usize) -> (Vec<PutEventsAnswer>, usize) {
    let bus = FakeBus::new().with_faults(faults);
    let answers = (0..calls).map(|_| bus.put_events(vec![entry(); 5])).collect();
    (answers, bus.events().len())
}

#[test]
fn trouble_comes_as_often_as_was_asked_for() {
    let faults = Faults::seeded(11).throttle(0.05).lose_answers(0.1).refuse_connections(0.02);
    let (answers, taken) = run(faults, 2_000);
    let count = |is: fn(&PutEventsAnswer) -> bool| answers.iter().filter(|it| is(it)).count();
    let lost = count(|it| *it == PutEventsAnswer::Lost);
    let unreachable = count(|it| *it == PutEventsAnswer::Unreachable);
    assert!((150..250).contains(&lost), "{lost} of 2000 answers were lost");
    assert!((20..60).contains(&unreachable), "{unreachable} of 2000 calls did not arrive");
    let throttled = 5 * (2_000 - unreachable) - taken;
    assert!((400..600).contains(&throttled), "{throttled} of 10000 entries were throttled");
}

proptest! {
    #[test]
    fn the_same_seed_is_the_same_trouble(seed: u64) {
        let faults = || Faults::seeded(seed).throttle(0.2).fail(0.1).lose_answers(0.2);
        prop_assert_eq!(run(faults(), 30), run(faults(), 30));
    }

    /// One kind of trouble does not move the other.
    #[test]
    fn trouble_that_is_added_leaves_other_trouble_where_it_is(seed: u64) {
        let lost = |faults| {
            let is_lost = |answer: &PutEventsAnswer| *answer == PutEventsAnswer::Lost;
            run(faults, 30).0.iter().map(is_lost).collect::<Vec<_>>()
        };
        let alone = lost(Faults::seeded(seed).lose_answers(0.2));
        prop_assert_eq!(alone, lost(Faults::seeded(seed).lose_answers(0.2).throttle(0.5)));
    }

    /// Whatever happens on the way, each event arrives under its own id.
    #[test]
    fn nothing_is_lost_in_trouble(seed: u64) {
        let faults = Faults::seeded(seed).throttle(0.1).lose_answers(0.1).refuse_connections(0.1);
        let bus = FakeBus::new().with_faults(faults).with_pauses(1, 1);
        let events: Vec<_> = (0..40).map(|n| outgoing(&format!("e-{n:02}"))).collect();
        let given: Vec<EventId> = events.iter().map(|it| it.event_id().clone()).collect();
        let deadline = Deadline::after(&bus.clock(), Duration::from_hours(1));
        let published = block_on(publisher(&bus).send_all(events, deadline));
        let (accepted, unaccepted): (Vec<EventId>, usize) = match published {
            Ok(published) => (published.into_iter().map(|it| it.event_id).collect(), 0),
            Err(error) => (
                error.accepted().iter().map(|(_, it)| it.event_id.clone()).collect(),
                error.unaccepted().len(),
            ),
        };
        prop_assert_eq!(accepted.len() + unaccepted, given.len());
        // What is said to be accepted is there.
        let there = ids(&bus);
        prop_assert!(accepted.iter().all(|id| there.iter().any(|there| there == id.as_str())));
    }
}

#[test]
fn a_preflight_uses_up_no_trouble() {
    let bus = FakeBus::new();
    bus.fail_entries(EntryFault::throttled());
    let publisher = publisher(&bus);
    let deadline = Deadline::after(&bus.clock(), Duration::from_secs(30));
    block_on(publisher.preflight(deadline)).unwrap();

    block_on(publisher.publish(order(), &Correlation::root(), deadline)).unwrap();

    assert_eq!(bus.requests().len(), 3, "the probe, the throttled one and the next one");
}

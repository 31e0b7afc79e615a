//! What a publisher makes of the answers.

use std::time::Duration;

use setpiece_bus::Publisher;
use setpiece_policy::FaultKind;
use setpiece_testing::{CallFault, EntryFault, FakeBus, PutEventsEntry};

use crate::{
    events::{event, events, taken},
    worlds::{ORDERS, OverHttp, World, runtime},
};

on_each_bus! {
    two_that_are_throttled_and_one_that_is_refused_hold_up_nobody,
    nor_do_they_among_several_requests,
    only_what_failed_is_sent_again_and_keeps_its_id,
    a_call_that_is_throttled_is_made_again,
    a_lost_answer_repeats_events_and_loses_none,
    a_call_that_is_refused_for_its_content_is_made_again_event_by_event,
    a_call_that_is_refused_for_its_sender_is_not_made_again,
    without_a_bus_all_events_come_back,
    a_preflight_finds_out_that_there_is_no_bus,
}

const A_MINUTE: Duration = Duration::from_mins(1);

/// Whether it is the entry of one of [`events`].
fn is_event(index: usize) -> impl Fn(&PutEventsEntry) -> bool + Send + Sync + 'static {
    let id = format!(r#""event_id":"event-{index}""#);
    move |entry| entry.detail.as_deref().is_some_and(|detail| detail.contains(&id))
}

async fn two_that_are_throttled_and_one_that_is_refused_hold_up_nobody<W: World>(world: W) {
    hold_up_nobody(world, 10, 1).await;
}

async fn nor_do_they_among_several_requests<W: World>(world: W) {
    hold_up_nobody(world, 25, 3).await;
}

/// Publishes `count` events, for which `fewest` requests are needed without trouble.
async fn hold_up_nobody<W: World>(world: W, count: usize, fewest: usize) {
    let fake = world.fake();
    fake.fail_entries(EntryFault::throttled().when(is_event(2)));
    fake.fail_entries(EntryFault::throttled().when(is_event(7)));
    fake.fail_entries(EntryFault::code("MalformedDetail").when(is_event(4)).always());
    let sent = events(count);

    let publication = world.publisher().send_all(sent.clone(), world.deadline(A_MINUTE)).await;
    let error = publication.unwrap_err();

    // It names one event, and holds it.
    let [unaccepted] = error.unaccepted() else { panic!("{error:?}") };
    assert_eq!(unaccepted.index(), 4);
    assert_eq!(unaccepted.event_id(), sent[4].event_id());
    assert_eq!(unaccepted.outgoing(), Some(&sent[4]));
    assert_eq!(unaccepted.fault().code(), Some("MalformedDetail"));
    // All others are accepted, and arrive once.
    let others = || (0..count).filter(|index| *index != 4);
    let accepted: Vec<_> = error.accepted().iter().map(|(index, _)| *index).collect();
    assert_eq!(accepted, others().collect::<Vec<_>>());
    let mut arrived = taken(fake);
    arrived.sort_unstable();
    let mut expected: Vec<_> = others().map(|index| format!("event-{index}")).collect();
    expected.sort_unstable();
    assert_eq!(arrived, expected);

    let requests = fake.requests().len();
    assert!(requests <= fewest + 2, "{requests} requests");
}

async fn only_what_failed_is_sent_again_and_keeps_its_id<W: World>(world: W) {
    let fake = world.fake();
    fake.fail_entries(EntryFault::throttled().when(is_event(1)).times(2));
    fake.fail_entries(EntryFault::code("InternalFailure").when(is_event(3)));

    let publication = world.publisher().send_all(events(5), world.deadline(A_MINUTE)).await;

    let published: Vec<_> = publication.unwrap().iter().map(|it| it.event_id.to_string()).collect();
    assert_eq!(published, ["event-0", "event-1", "event-2", "event-3", "event-4"]);
    assert_eq!(taken(fake), ["event-0", "event-2", "event-4", "event-3", "event-1"]);
    let entries: Vec<_> = fake.requests().iter().map(|request| request.entries).collect();
    assert_eq!(entries, [5, 2, 1]);
}

async fn a_call_that_is_throttled_is_made_again<W: World>(world: W) {
    let throttled = CallFault::refused(400, "ThrottlingException", "Rate exceeded");
    world.fake().fail_calls(throttled.times(2));

    let publication = world.publisher().send_all(events(3), world.deadline(A_MINUTE)).await;

    assert_eq!(publication.unwrap().len(), 3);
    assert_eq!(taken(world.fake()), ["event-0", "event-1", "event-2"]);
    assert_eq!(world.fake().requests().len(), 3);
}

async fn a_lost_answer_repeats_events_and_loses_none<W: World>(world: W) {
    world.fake().fail_calls(CallFault::answer_lost());

    let publication = world.publisher().send_all(events(2), world.deadline(A_MINUTE)).await;

    assert_eq!(publication.unwrap().len(), 2);
    assert_eq!(taken(world.fake()), ["event-0", "event-1", "event-0", "event-1"]);
}

async fn a_call_that_is_refused_for_its_content_is_made_again_event_by_event<W: World>(world: W) {
    let fake = world.fake();
    fake.fail_calls(CallFault::refused(400, "ValidationException", "one of them is wrong"));
    fake.fail_calls(CallFault::refused(400, "ValidationException", "this one"));

    let publication = world.publisher().with_max_in_flight(1);
    let publication = publication.send_all(events(3), world.deadline(A_MINUTE)).await;

    let error = publication.unwrap_err();
    let [unaccepted] = error.unaccepted() else { panic!("{error:?}") };
    assert_eq!(unaccepted.index(), 0);
    assert_eq!(taken(fake), ["event-1", "event-2"]);
    assert_eq!(fake.requests().len(), 4);
}

async fn a_call_that_is_refused_for_its_sender_is_not_made_again<W: World>(world: W) {
    world.fake().deny_put_events();

    let publication = world.publisher().send_all(events(3), world.deadline(A_MINUTE)).await;

    let error = publication.unwrap_err();
    assert_eq!(error.unaccepted().len(), 3);
    assert_eq!(world.fake().requests().len(), 1);
    for unaccepted in error.into_unaccepted() {
        assert_eq!(unaccepted.fault().kind(), FaultKind::Permanent);
        assert!(!unaccepted.fault().may_have_happened());
        assert!(unaccepted.into_outgoing().is_ok());
    }
}

async fn without_a_bus_all_events_come_back<W: World>(world: W) {
    let publisher = Publisher::new(world.nowhere(), world.retry());
    let deadline = world.deadline(Duration::from_millis(300));

    let error = publisher.send_all([event("1"), event("2")], deadline).await.unwrap_err();

    assert!(error.accepted().is_empty());
    assert_eq!(error.unaccepted().len(), 2);
    for unaccepted in error.unaccepted() {
        assert!(!unaccepted.fault().may_have_happened(), "{unaccepted:?}");
    }
}

async fn a_preflight_finds_out_that_there_is_no_bus<W: World>(world: W) {
    let publisher = Publisher::new(world.bus_at("oders"), world.retry());
    let fault = publisher.preflight(world.deadline(A_MINUTE)).await.unwrap_err();
    assert_eq!(fault.code(), Some("ResourceNotFoundException"));
    // What would have happened without it.
    publisher.send_all(events(1), world.deadline(A_MINUTE)).await.unwrap();
    assert_eq!(world.fake().dropped().len(), 1);
}

#[test]
fn an_answer_that_takes_longer_than_there_is_time_is_not_waited_for() {
    runtime().block_on(async {
        let world = OverHttp::with_latency(FakeBus::named(ORDERS), A_MINUTE).await;
        let publisher = world.publisher().with_max_in_flight(1);
        let deadline = world.deadline(Duration::from_millis(50));

        let error = publisher.send_all(events(11), deadline).await.unwrap_err();

        assert_eq!(error.unaccepted().len(), 11);
        // Ten of them were in the request that was sent.
        let may_have = error.unaccepted().iter().filter(|it| it.fault().may_have_happened());
        assert_eq!(may_have.count(), 10);
        assert_eq!(world.server.requests(), 1);
    });
}

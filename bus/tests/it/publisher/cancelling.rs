use std::{
    collections::BTreeSet,
    pin::{Pin, pin},
    task::Poll,
};

use setpiece_policy::Fault;

use super::{
    World,
    bus::{Answer, ScriptedBus},
    events, world,
};

/// A bus with all kinds of trouble, each of which passes.
fn troubled() -> ScriptedBus {
    ScriptedBus::new(|call| match call.number {
        1 => Answer::Fault(Fault::transient("the answer was lost"), true),
        number => Answer::Entries(
            (0..call.ids.len())
                .map(|index| {
                    let is_throttled = number < 3 && index % 4 == 1;
                    is_throttled.then(|| Fault::from_put_events_code("ThrottlingException"))
                })
                .collect(),
        ),
    })
    .with_yields(2)
}

fn troubled_world() -> World {
    let mut world = world(troubled());
    world.publisher = world.publisher.with_max_in_flight(2);
    world
}

const EVENTS: usize = 24;

fn ids() -> BTreeSet<String> {
    (0..EVENTS).map(|index| format!("e-{index}")).collect()
}

/// Polls `future` so often at most, and says how often it was until it was done.
pub(super) async fn poll_at_most(
    mut future: Pin<&mut impl Future<Output = ()>>,
    most: usize,
) -> usize {
    let mut polls = 0;
    std::future::poll_fn(|context| {
        if polls == most {
            return Poll::Ready(());
        }
        polls += 1;
        future.as_mut().poll(context)
    })
    .await;
    polls
}

/// How often it is polled until it is done.
async fn polls() -> usize {
    let world = troubled_world();
    let mut publication = world.publisher.send_all(events(EVENTS), world.generous());
    let polls = poll_at_most(pin!(publication.run()), usize::MAX).await;
    assert!(polls > 8, "there are several points: {polls}");
    polls
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_it_loses_no_event_silently() {
    for dropped_after in 0..polls().await {
        let world = troubled_world();
        let mut publication = world.publisher.send_all(events(EVENTS), world.generous());
        poll_at_most(pin!(publication.run()), dropped_after).await;
        let error = publication.finish().unwrap_err();

        let taken: BTreeSet<String> = world.bus.taken().into_keys().collect();
        let accepted: BTreeSet<String> =
            error.accepted().iter().map(|(_, it)| it.event_id.as_str().to_owned()).collect();
        assert!(accepted.is_subset(&taken));
        let held: BTreeSet<String> =
            error.unaccepted().iter().map(|it| it.event_id().as_str().to_owned()).collect();
        assert!(accepted.is_disjoint(&held));
        assert_eq!(&accepted | &held, ids());
        // What the bus has without the caller's knowledge is marked.
        for unaccepted in error.unaccepted() {
            assert!(
                unaccepted.fault().may_have_happened()
                    || !taken.contains(unaccepted.event_id().as_str()),
                "after {dropped_after} polls: {unaccepted:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_it_can_go_on() {
    for dropped_after in 0..polls().await {
        let world = troubled_world();
        let mut publication = world.publisher.send_all(events(EVENTS), world.generous());
        poll_at_most(pin!(publication.run()), dropped_after).await;

        let published = publication.await.unwrap();

        assert_eq!(published.len(), EVENTS);
        assert_eq!(world.bus.taken().into_keys().collect::<BTreeSet<_>>(), ids());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_known_not_to_be() {
    let world = troubled_world();
    let publication = world.publisher.send_all(events(2), world.generous());
    let error = publication.finish().unwrap_err();
    assert!(error.unaccepted().iter().all(|it| !it.fault().may_have_happened()));
    assert!(world.bus.calls().is_empty());
    assert_eq!(
        error.to_string(),
        "2 of 2 events were not accepted; `stored` e-0 was not accepted: \
         deadline: publishing was abandoned"
    );
}

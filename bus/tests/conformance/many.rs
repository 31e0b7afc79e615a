//! Ten thousand events of all sizes.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use setpiece_bus::{Bus as _, OutgoingEvent, Unaccepted};
use setpiece_policy::{Random as _, SeededRandom};
use setpiece_testing::Faults;

use crate::{
    events::{of_size, size, taken},
    worlds::World,
};

on_each_bus! {
    without_trouble_each_arrives_once_in_the_fewest_requests,
    with_trouble_and_time_each_arrives_and_none_is_reported_lost,
    with_too_little_time_each_is_accepted_or_comes_back,
}

const COUNT: usize = 10_000;
const SMALLEST: f64 = 100.0;
const LARGEST: f64 = 900_000.0;

/// Events of 100 B to 900 KB, in no order. The larger, the fewer there are of them.
fn mixed<W: World>() -> Vec<OutgoingEvent> {
    let random = SeededRandom::new(3);
    let event = |index: usize| {
        #[expect(clippy::cast_precision_loss, reason = "a size by chance")]
        let chance = random.next_u64() as f64 / u64::MAX as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "no more than it may be"
        )]
        let bytes = match index {
            0 | 4_567 | 9_999 => LARGEST,
            _ => SMALLEST * (LARGEST / SMALLEST).powf(chance.powi(W::SKEW)),
        } as usize;
        of_size(&format!("e{index:04}"), bytes)
    };
    (0..COUNT).map(event).collect()
}

fn ids(events: &[OutgoingEvent]) -> Vec<String> {
    events.iter().map(|event| event.event_id().to_string()).collect()
}

/// How many requests it takes to send them in order.
fn fewest_requests<W: World>(world: &W, events: &[OutgoingEvent]) -> usize {
    let limits = world.bus().limits();
    let (mut requests, mut entries, mut bytes) = (0, limits.max_entries, 0);
    for event in events {
        let size = size(event);
        if entries == limits.max_entries || bytes + size > limits.max_bytes {
            requests += 1;
            (entries, bytes) = (0, 0);
        }
        entries += 1;
        bytes += size;
    }
    requests
}

async fn without_trouble_each_arrives_once_in_the_fewest_requests<W: World>(world: W) {
    let sent = mixed::<W>();
    let (ids, fewest) = (ids(&sent), fewest_requests(&world, &sent));
    let sizes = sent.iter().map(size);
    assert_eq!((sizes.clone().min(), sizes.max()), (Some(100), Some(900_000)));

    let (publisher, deadline) = (world.publisher(), world.deadline(Duration::from_mins(5)));
    let accepted = publisher.send_all(sent, deadline).await.unwrap();

    let accepted: Vec<_> = accepted.iter().map(|it| it.event_id.to_string()).collect();
    assert_eq!(accepted, ids);
    let mut taken = taken(world.fake());
    // Several requests are in flight, and none waits for another.
    taken.sort_unstable();
    assert_eq!(taken, ids);
    assert_eq!(world.fake().requests().len(), fewest);
}

async fn with_trouble_and_time_each_arrives_and_none_is_reported_lost<W: World>(world: W) {
    let sent = mixed::<W>();
    let ids = ids(&sent);
    _ = world.fake().clone().with_faults(trouble());

    let (publisher, deadline) = (world.publisher(), world.deadline(Duration::from_mins(5)));
    let accepted = publisher.send_all(sent, deadline).await.unwrap();

    let accepted: Vec<_> = accepted.iter().map(|it| it.event_id.to_string()).collect();
    assert_eq!(accepted, ids);
    let mut times: HashMap<String, u32> = HashMap::new();
    for id in taken(world.fake()) {
        *times.entry(id).or_default() += 1;
    }
    assert!(ids.iter().all(|id| times.contains_key(id)));
    assert_eq!(times.len(), COUNT);
    // There was trouble: some came twice.
    assert!(times.values().any(|times| *times > 1));
}

async fn with_too_little_time_each_is_accepted_or_comes_back<W: World>(world: W) {
    let sent = mixed::<W>();
    _ = world.fake().clone().with_faults(trouble());

    let deadline = world.deadline(Duration::from_millis(150));
    let error = world.publisher().send_all(sent.clone(), deadline).await.unwrap_err();

    let accepted: HashSet<usize> = error.accepted().iter().map(|(index, _)| *index).collect();
    let returned: HashSet<usize> = error.unaccepted().iter().map(Unaccepted::index).collect();
    assert_eq!(error.accepted().len() + error.unaccepted().len(), COUNT);
    assert!(accepted.is_disjoint(&returned));
    assert_eq!(accepted.len() + returned.len(), COUNT);

    // What it says about each of them is true.
    let taken: HashSet<String> = taken(world.fake()).into_iter().collect();
    for (index, published) in error.accepted() {
        assert_eq!(published.event_id, *sent[*index].event_id());
        assert!(taken.contains(published.event_id.as_str()));
    }
    for unaccepted in error.into_unaccepted() {
        let fault = unaccepted.fault().clone();
        let event = unaccepted.into_outgoing().unwrap();
        if taken.contains(event.event_id().as_str()) {
            assert!(fault.may_have_happened(), "{fault:?}");
        }
    }
}

fn trouble() -> Faults {
    Faults::seeded(7).throttle(0.05).lose_answers(0.01)
}

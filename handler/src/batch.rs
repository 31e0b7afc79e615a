//! Order of the deliveries of an invocation: some may run at the same time, others wait for each
//! other.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Content, Delivery, Opened, Source, Unreadable, answer::Ended};
use futures_util::{StreamExt as _, future::select, stream};

/// Deliveries that are handled one after the other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    /// Indexes of the deliveries in the invocation.
    deliveries: Vec<usize>,
    /// True if none may overtake one that has failed.
    ordered: bool,
}

/// Reason that a delivery was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The time was up, before it began or while it was handled.
    Late,
    /// One before it in the same order has failed.
    Behind,
}

/// Puts deliveries into lanes: by message group or shard where the source keeps an order, and by
/// event where it does not, so that two copies of an event are not in each other's way.
///
/// What `is_relayed` has come from an outbox, whose events have no order, and is in a lane of its own.
pub(crate) fn lanes(
    source: Source,
    deliveries: &[Delivery<'_>],
    opened: &[Result<Opened<'_>, Unreadable>],
    is_relayed: impl Fn(&Delivery<'_>, &Content<'_>) -> bool,
) -> Vec<Lane> {
    let ordered = source.is_ordered();
    let mut lanes: Vec<Lane> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (index, (delivery, opened)) in deliveries.iter().zip(opened).enumerate() {
        let waits = |opened: &Opened<'_>| is_relayed(delivery, &opened.content);
        if ordered && opened.as_ref().is_ok_and(waits) {
            lanes.push(Lane { deliveries: vec![index], ordered });
            continue;
        }
        let name = if ordered {
            let facts = &delivery.facts;
            // Without a group or a shard the order is that of the whole invocation.
            Some(facts.message_group.as_deref().or(facts.shard.as_deref()).unwrap_or(""))
        } else {
            match opened {
                Ok(Opened { content: Content::Event(raw), .. }) => {
                    Some(raw.metadata.event_id.as_str())
                }
                _ => None,
            }
        };
        let place = name.and_then(|name| places.get(name).copied());
        if let Some(lane) = place.and_then(|place| lanes.get_mut(place)) {
            lane.deliveries.push(index);
            continue;
        }
        if let Some(name) = name {
            places.insert(name, lanes.len());
        }
        lanes.push(Lane { deliveries: vec![index], ordered });
    }
    lanes
}

/// Runs `deliver` for all deliveries, at most `concurrency` at the same time, until `last` is over;
/// says how each has ended, in the order of the invocation.
pub(crate) async fn run<'f, Fut>(
    lanes: Vec<Lane>,
    concurrency: usize,
    last: impl Future<Output = ()>,
    deliver: impl Fn(usize) -> Fut + Sync,
) -> Vec<Result<Ended, Left>>
where
    Fut: Future<Output = Ended> + Send + 'f,
{
    let count = lanes.iter().map(|lane| lane.deliveries.len()).sum();
    // What has not ended when the time is up, has failed.
    let ends: Vec<Result<Ended, Left>> = (0..count).map(|_| Err(Left::Late)).collect();
    let ends = Mutex::new(ends);
    let (ended, deliver) = (&ends, &deliver);
    let running = stream::iter(lanes).for_each_concurrent(
        concurrency,
        move |Lane { deliveries, ordered }| async move {
            let mut broken = false;
            for index in deliveries {
                let end =
                    if broken && ordered { Err(Left::Behind) } else { Ok(deliver(index).await) };
                broken |= matches!(end, Ok(Ended::Failed(_)));
                // It is known even if its lane does not end.
                if let Some(place) = lock(ended).get_mut(index) {
                    *place = end;
                }
            }
        },
    );
    select(pin!(running), pin!(last)).await;
    ends.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

use std::{collections::HashSet, sync::Arc, time::Duration};

use setpiece_bus::{Bus, OutgoingEvent, PublishError};
use setpiece_envelope::Timestamp;
use setpiece_policy::{Deadline, Disposition, Fault, FaultKind};

use super::{Applier, ApplyError, Receipt, RefusedEvent, Relayed};
use crate::{EffectStore, OutboxItem, OutboxKey};

/// The time for which a refused permission is taken for one that is still spreading.
const SETTLING: Duration = Duration::from_mins(1);

/// Publishable items at these keys.
#[derive(Default)]
struct Found {
    ours: Vec<(OutboxKey, OutboxItem, OutgoingEvent)>,
    foreign: usize,
    gone: usize,
    unreadable: Option<Fault>,
}

impl<X: EffectStore, B: Bus> Applier<X, B> {
    /// Publishes and removes what of these is still in the outbox and belongs to its
    /// [owner](Self::owner).
    ///
    /// It is for the side of the stream, which sees items arrive in the outbox whose process may
    /// never come back. Whoever reads the stream asks [`EffectStore::has_outbox_in`] whether it is
    /// that of the outbox, and [`EffectStore::outbox_key`] for the keys of what may be events: one
    /// that is in another outbox would be looked for in this one, and count as gone. What is no
    /// event, or somebody else's, is left as it is.
    ///
    /// An event that the bus refuses for good holds up no other: it is among the
    /// [`refused`](Relayed::refused) and stays in the outbox. A permission that is missing counts
    /// only after a minute, and where the bus is [seen to take](Bus::preflight) other events of this
    /// caller: before that it may still spread, and without that it is no matter of one event.
    ///
    /// It and [`apply`](Self::apply) may do the same at the same time: then an event is published
    /// twice, with the same id.
    ///
    /// # Errors
    ///
    /// [`ApplyError::Publish`] and [`ApplyError::Outbox`]. What was published is removed.
    pub async fn relay(
        &self,
        keys: &[OutboxKey],
        deadline: Deadline,
    ) -> Result<Relayed, ApplyError> {
        let mut relayed = Relayed::default();
        let mut unreadable = None;
        for keys in distinct(keys).chunks(Receipt::MOST) {
            let found = self.find(keys, deadline).await?;
            relayed.gone += found.gone;
            relayed.foreign += found.foreign;
            unreadable = unreadable.or(found.unreadable);
            let count = found.ours.len();
            let (items, outbox): (Vec<_>, Vec<_>) = found
                .ours
                .into_iter()
                .map(|(key, item, event)| ((key.clone(), item), (key, event)))
                .unzip();
            let Err(error) = self.dispatch(outbox, deadline).await else {
                relayed.published += count;
                continue;
            };
            let ApplyError::Publish(error) = error else { return Err(error) };
            relayed.published += error.accepted().len();
            let refused = self.refused(&items, &error, deadline).await;
            relayed.refused.extend(refused.ok_or(ApplyError::Publish(error))?);
        }
        match unreadable {
            Some(fault) => Err(ApplyError::Outbox(fault)),
            None => Ok(relayed),
        }
    }

    /// Publishes all that is at these keys, and says how many events that were.
    pub(super) async fn relay_all(
        &self,
        keys: &[OutboxKey],
        deadline: Deadline,
    ) -> Result<usize, ApplyError> {
        let (mut events, mut foreign) = (0, 0);
        for keys in keys.chunks(Receipt::MOST) {
            let found = self.find(keys, deadline).await?;
            foreign += found.foreign;
            let outbox = found.ours.into_iter().map(|(key, _, event)| (key, event));
            let outbox: Vec<_> = outbox.collect();
            events += outbox.len();
            self.dispatch(outbox, deadline).await?;
            if let Some(fault) = found.unreadable {
                return Err(ApplyError::Outbox(fault));
            }
        }
        if foreign > 0 { Err(ApplyError::Foreign { events: foreign }) } else { Ok(events) }
    }

    /// Reads what is at these keys. One item that cannot be read is in nobody's way.
    async fn find(&self, keys: &[OutboxKey], deadline: Deadline) -> Result<Found, ApplyError> {
        let read = self.retry.run(deadline, |_| self.store.read_outbox(keys));
        let items = read.await.map_err(ApplyError::Outbox)?;
        let mut found = Found::default();
        for (key, item) in keys.iter().zip(items) {
            let Some(item) = item else {
                found.gone += 1;
                continue;
            };
            match &item.owner {
                Some(owner) if *owner == self.owner => match item.event() {
                    Ok(event) => found.ours.push((key.clone(), item, event)),
                    Err(fault) => found.unreadable = Some(fault),
                },
                Some(_) => found.foreign += 1,
                None => {
                    let fault = Fault::contract("an event in the outbox belongs to nobody");
                    found.unreadable = Some(fault.hand_back());
                }
            }
        }
        Ok(found)
    }

    /// The events that were refused for good, unless there is another that was not published.
    async fn refused(
        &self,
        items: &[(OutboxKey, OutboxItem)],
        error: &PublishError,
        deadline: Deadline,
    ) -> Option<Vec<RefusedEvent>> {
        let mut refused = Vec::with_capacity(error.unaccepted().len());
        let mut asks_bus = false;
        for unaccepted in error.unaccepted() {
            let (key, item) = items.get(unaccepted.index())?;
            let fault = unaccepted.fault();
            if !matches!(fault.kind(), FaultKind::Permanent | FaultKind::Contract) {
                return None;
            }
            if fault.disposition() != Disposition::Quarantine {
                // A permission, not the event.
                let waited = item.created_at.is_none_or(|at| self.is_settled(at));
                if !waited {
                    return None;
                }
                asks_bus = true;
            }
            refused.push(RefusedEvent {
                key: key.clone(),
                event_id: unaccepted.event_id().clone(),
                json: Arc::clone(item.json.as_ref()?),
                fault: fault.clone(),
            });
        }
        if asks_bus && self.publisher.preflight(deadline).await.is_err() {
            return None;
        }
        Some(refused)
    }

    fn is_settled(&self, created_at: Timestamp) -> bool {
        created_at.saturating_add(SETTLING) <= self.now()
    }

    /// Publishes what is in the outbox and removes what the bus has taken.
    pub(super) async fn dispatch(
        &self,
        outbox: Vec<(OutboxKey, OutgoingEvent)>,
        deadline: Deadline,
    ) -> Result<(), ApplyError> {
        if outbox.is_empty() {
            return Ok(());
        }
        let (keys, events): (Vec<_>, Vec<_>) = outbox.into_iter().unzip();
        match self.publisher.send_all(events, deadline).await {
            Ok(_) => self.remove(&keys, deadline).await,
            Err(error) => {
                let accepted = error.accepted().iter();
                let taken: Vec<OutboxKey> =
                    accepted.filter_map(|(index, _)| keys.get(*index).cloned()).collect();
                if !taken.is_empty() {
                    // What was not published is the worse news, and what stays here is only
                    // published again.
                    _ = self.remove(&taken, deadline).await;
                }
                Err(ApplyError::Publish(error))
            }
        }
    }

    /// Removes these from the outbox, whatever they are.
    pub(crate) async fn remove(
        &self,
        keys: &[OutboxKey],
        deadline: Deadline,
    ) -> Result<(), ApplyError> {
        let remove = self.retry.run(deadline, |_| self.store.remove_outbox(keys));
        remove.await.map_err(ApplyError::Outbox)
    }
}

/// Each key once: a request with one key twice is refused.
fn distinct(keys: &[OutboxKey]) -> Vec<OutboxKey> {
    let mut seen = HashSet::with_capacity(keys.len());
    keys.iter().filter(|key| seen.insert(*key)).cloned().collect()
}

use std::collections::HashSet;

use setpiece_bus::{Bus, OutgoingEvent};
use setpiece_policy::Deadline;

use super::{Applier, ApplyError, Relayed};
use crate::{EffectStore, OutboxKey};

impl<X: EffectStore, B: Bus> Applier<X, B> {
    /// Publishes and removes what of these is still in the outbox.
    ///
    /// It is for the side of the stream, which sees items arrive in the outbox whose process may
    /// never come back. Whoever reads the stream asks [`EffectStore::has_outbox_in`] whether it is
    /// that of the outbox, and [`EffectStore::outbox_key`] for the keys of what may be events: one
    /// that is in another outbox would be looked for in this one, and count as gone. What is no
    /// event is left as it is.
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
        // A request with one key twice is refused.
        let mut seen = HashSet::with_capacity(keys.len());
        let keys: Vec<OutboxKey> = keys.iter().filter(|key| seen.insert(*key)).cloned().collect();
        for keys in keys.chunks(Self::MOST) {
            let read = self.retry.run(deadline, |_| self.store.read_outbox(keys));
            let found = read.await.map_err(ApplyError::Outbox)?;
            let present = keys.iter().zip(found);
            let outbox: Vec<(OutboxKey, OutgoingEvent)> =
                present.filter_map(|(key, event)| Some((key.clone(), event?))).collect();
            relayed.gone += keys.len() - outbox.len();
            relayed.published += outbox.len();
            self.dispatch(outbox, deadline).await?;
        }
        Ok(relayed)
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

    async fn remove(&self, keys: &[OutboxKey], deadline: Deadline) -> Result<(), ApplyError> {
        let remove = self.retry.run(deadline, |_| self.store.remove_outbox(keys));
        remove.await.map_err(ApplyError::Outbox)
    }
}

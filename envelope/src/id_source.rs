use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use ulid::Ulid;

use crate::{EventId, Timestamp};

/// Makes the ids of new events.
pub trait IdSource: Send + Sync + 'static {
    /// An id that no other event has, for an event of the moment `now`.
    fn next_id(&self, now: Timestamp) -> EventId;
}

impl<I: IdSource + ?Sized> IdSource for Arc<I> {
    fn next_id(&self, now: Timestamp) -> EventId {
        (**self).next_id(now)
    }
}

/// ULIDs with randomness from the operating system. Clones share one order.
///
/// The ids of one source rise strictly, within a millisecond too, and also when the clock goes
/// back. Each id draws fresh randomness when it is made: an id that follows another in the same
/// millisecond is that id plus a random step of up to 2⁶⁴, so that two sandboxes which were
/// restored from one snapshot do not make the same ids. A clock that once was far ahead holds the
/// ids at that time until it comes, or until the process ends.
///
/// The form is that of <https://github.com/ulid/spec>.
#[derive(Clone, Debug, Default)]
pub struct SystemIds {
    last: Arc<Mutex<Option<Ulid>>>,
}

impl SystemIds {
    /// A source of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl IdSource for SystemIds {
    /// # Panics
    ///
    /// When the operating system has no randomness to give, which Linux never says after boot.
    fn next_id(&self, now: Timestamp) -> EventId {
        let mut entropy = [0; 16];
        #[expect(
            clippy::expect_used,
            reason = "an id that may repeat would break every promise made with ids"
        )]
        getrandom::fill(&mut entropy).expect("the operating system gives randomness");
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let next = successor(*last, now, u128::from_le_bytes(entropy));
        *last = Some(next);
        EventId::from_ulid(next)
    }
}

/// The id after `last`: of the moment `now` if that is later, else a random step above `last`.
fn successor(last: Option<Ulid>, now: Timestamp, entropy: u128) -> Ulid {
    let now = u64::try_from(now.unix_millis()).unwrap_or(0);
    match last {
        Some(last) if now <= last.timestamp_ms() => {
            let step = (entropy & u128::from(u64::MAX)) + 1;
            // The carry out of the random part goes into the milliseconds, which keeps the order.
            Ulid::from(u128::from(last).saturating_add(step))
        }
        Some(_) | None => Ulid::from_parts(now, entropy),
    }
}

/// Ids that count from 1, for tests. Clones share one count.
///
/// They have the form of ULIDs: `00000000000000000000000001`, `…02` and so on.
#[derive(Clone, Debug, Default)]
pub struct SequentialIds {
    last: Arc<AtomicU64>,
}

impl SequentialIds {
    /// A count of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl IdSource for SequentialIds {
    fn next_id(&self, _: Timestamp) -> EventId {
        let count = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        EventId::from_ulid(Ulid::from(u128::from(count)))
    }
}

#[cfg(test)]
mod tests;

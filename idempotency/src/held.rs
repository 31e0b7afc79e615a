use std::{fmt, sync::Arc, time::Duration};

use setpiece_envelope::Timestamp;
use setpiece_policy::Deadline;

use crate::{digest, record::Owner, store::RecordKey};

/// What work is told about the claim that it runs under.
///
/// It can be cloned and passed on; it does not hold the claim.
#[derive(Clone)]
pub struct Held(Arc<HeldInner>);

struct HeldInner {
    key: RecordKey,
    owner: Owner,
    attempt: u64,
    deadline: Deadline,
}

impl Held {
    pub(crate) fn new(key: RecordKey, owner: Owner, attempt: u64, deadline: Deadline) -> Self {
        Self(Arc::new(HeldInner { key, owner, attempt, deadline }))
    }

    /// What work is told outside of any claim, for its unit tests: the first attempt, with all the
    /// time in the world.
    #[must_use]
    pub fn detached() -> Self {
        let deadline = Deadline::at(Timestamp::UNIX_EPOCH.saturating_add(Duration::MAX));
        Self::unclaimed(RecordKey::new("detached"), deadline)
    }

    /// What work is told that needs no claim, since it changes nothing: the first attempt, of what
    /// `key` names.
    #[must_use]
    pub fn unclaimed(key: RecordKey, deadline: Deadline) -> Self {
        Self::new(key, Owner::new("nobody"), 1, deadline)
    }

    /// Which attempt this is: 1 the first time, and more in each claim on the same record. It is 0
    /// where the work runs without a claim.
    ///
    /// It is a fence. Whoever writes it beside what the work writes, on the condition that no
    /// larger number is there, keeps an earlier attempt that comes late from writing over a later
    /// one.
    #[must_use]
    pub fn attempt(&self) -> u64 {
        self.0.attempt
    }

    /// Who holds the claim.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.0.owner
    }

    /// The key of the record.
    #[must_use]
    pub fn record_key(&self) -> &RecordKey {
        &self.0.key
    }

    /// Until when the work must have ended.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.0.deadline
    }

    /// An idempotency key for a service that the work calls: 64 hexadecimal digits.
    ///
    /// It is the same in every attempt, so that the other side recognises a call that was made
    /// before, and another one for each `label`.
    #[must_use]
    pub fn downstream_key(&self, label: &str) -> String {
        let key = self.0.key.as_str();
        let text = format!("{}:{key}{}:{label}", key.len(), label.len());
        digest::hex(&digest::sha256(text.as_bytes()))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HeldInner { key, owner, attempt, deadline: _ } = &*self.0;
        f.debug_struct("Held")
            .field("key", key)
            .field("owner", owner)
            .field("attempt", attempt)
            .finish_non_exhaustive()
    }
}

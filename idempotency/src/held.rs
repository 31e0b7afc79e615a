use std::{fmt, sync::Arc, time::Duration};

use setpiece_envelope::Timestamp;
use setpiece_policy::Deadline;

use crate::{
    digest,
    record::{Owner, Salt},
    store::RecordKey,
};

/// Description of a claim for the work that runs under it.
///
/// It can be cloned and passed on; it does not hold the claim.
#[derive(Clone)]
pub struct Held(Arc<HeldInner>);

struct HeldInner {
    key: RecordKey,
    owner: Owner,
    attempt: u64,
    deadline: Deadline,
    /// That of the record; work without a claim has none.
    salt: Option<Salt>,
    /// Salt of this run, where there is no claim.
    run: Option<Salt>,
}

impl Held {
    pub(crate) fn new(key: RecordKey, owner: Owner, attempt: u64, deadline: Deadline) -> Self {
        Self::salted(key, owner, attempt, deadline, None)
    }

    /// A claim on a record with that salt.
    pub(crate) fn salted(
        key: RecordKey,
        owner: Owner,
        attempt: u64,
        deadline: Deadline,
        salt: Option<Salt>,
    ) -> Self {
        Self(Arc::new(HeldInner { key, owner, attempt, deadline, salt, run: None }))
    }

    /// Converts it to that of one run without a claim.
    pub(crate) fn of_run(self, salt: Salt) -> Self {
        let HeldInner { key, owner, attempt, deadline, .. } = &*self.0;
        let (key, owner, attempt, deadline) = (key.clone(), owner.clone(), *attempt, *deadline);
        Self(Arc::new(HeldInner { key, owner, attempt, deadline, salt: None, run: Some(salt) }))
    }

    /// Returns the description for work outside of any claim, for its unit tests: the first
    /// attempt, with all the time in the world.
    #[must_use]
    pub fn detached() -> Self {
        let deadline = Deadline::at(Timestamp::UNIX_EPOCH.saturating_add(Duration::MAX));
        Self::unclaimed(RecordKey::new("detached"), deadline)
    }

    /// Returns the description for work that needs no claim, since it changes nothing: the first
    /// attempt, on `key`.
    #[must_use]
    pub fn unclaimed(key: RecordKey, deadline: Deadline) -> Self {
        Self::new(key, Owner::new("nobody"), 1, deadline)
    }

    /// Returns the number of the attempt: 1 the first time, and more in each claim on the same
    /// record. It is 0 where the work runs without a claim.
    ///
    /// It is a fence. Whoever writes it beside what the work writes, on the condition that no
    /// larger number is there, keeps an earlier attempt that comes late from writing over a later
    /// one.
    #[must_use]
    pub fn attempt(&self) -> u64 {
        self.0.attempt
    }

    /// Returns the owner of the claim.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.0.owner
    }

    /// The key of the record.
    #[must_use]
    pub fn record_key(&self) -> &RecordKey {
        &self.0.key
    }

    /// Returns the deadline of the work.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.0.deadline
    }

    /// An idempotency key for a service that the work calls: 64 hexadecimal digits.
    ///
    /// It is the same in every attempt, so that the other side recognises a call that was made
    /// before, and another one for each `label`. It is salted with what the first claim has drawn and
    /// the record keeps, so that nobody who knows the key can name it in advance; once the record is
    /// deleted, it is another one.
    ///
    /// Work without a claim, whose [attempt](Self::attempt) is 0, has nothing to keep a salt in.
    /// Its keys follow from the record's key alone, and whoever knows that can compute them.
    #[must_use]
    pub fn downstream_key(&self, label: &str) -> String {
        self.salted_key(label, self.0.salt.as_ref())
    }

    /// A name for what this run alone does: as [`downstream_key`](Self::downstream_key) under a
    /// claim, and without one another name in each run, which nobody can compute either.
    ///
    /// It is for what becomes visible only together with the result of this run, such as the ids of
    /// events that one transaction puts into an outbox.
    #[must_use]
    pub fn run_key(&self, label: &str) -> String {
        self.salted_key(label, self.0.run.as_ref().or(self.0.salt.as_ref()))
    }

    fn salted_key(&self, label: &str, salt: Option<&Salt>) -> String {
        let key = self.0.key.as_str();
        let mut text = format!("{}:{key}{}:{label}", key.len(), label.len());
        if let Some(salt) = salt {
            text.push_str(salt.as_str());
        }
        digest::hex(&digest::sha256(text.as_bytes()))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HeldInner { key, owner, attempt, deadline: _, salt: _, run: _ } = &*self.0;
        f.debug_struct("Held")
            .field("key", key)
            .field("owner", owner)
            .field("attempt", attempt)
            .finish_non_exhaustive()
    }
}

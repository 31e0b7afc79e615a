use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use setpiece_idempotency::store::{CommitReply, RecordKey};
use setpiece_policy::Fault;

/// Ledger of requests to the records of guards, by those who keep them and not by those who ask.
#[derive(Default)]
pub(super) struct Ledger(Mutex<BTreeMap<RecordKey, u64>>);

impl Ledger {
    pub(super) fn claimed(&self, key: &RecordKey) {
        self.lock().entry(key.clone()).or_default();
    }

    /// Counts a commit that was applied.
    pub(super) fn replied(&self, key: &RecordKey, reply: &Result<CommitReply, Fault>) {
        if let Ok(CommitReply::Applied) = reply {
            *self.lock().entry(key.clone()).or_default() += 1;
        }
    }

    /// Returns the number of commits of effects for each key that was claimed.
    pub(super) fn commits(&self) -> BTreeMap<RecordKey, u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RecordKey, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

mod batch;
mod builder;
mod commit;
mod enter;
mod operations;
mod run;

use std::{fmt, sync::Arc, time::Duration};

pub use self::{
    batch::{Batch, BatchReport},
    builder::{ConfigError, GuardBuilder},
    commit::Sighting,
    enter::Claimed,
    operations::Amended,
};
use crate::{
    BySemantics, Key,
    core::Core,
    store::{RecordKey, Store},
};

/// Runs work at most once for each key, as far as the work allows it, and answers every later call
/// with the result of the first.
///
/// A guard is for one operation of one service, such as `payments` and `charge`. It does not change
/// after it is built, and a clone is the same guard, so one of them serves all calls of a process,
/// one after another or at the same time.
///
/// # How a call goes
///
/// 1. The key is claimed with one conditional write, until the [lease](crate::Lease) is over.
/// 2. The work is run.
/// 3. The result is kept with another conditional write.
///
/// A call that finds the key claimed, or the work done, has made one request.
///
/// # What is promised
///
/// Two calls never hold a key at the same time, as long as clocks differ by no more than [the
/// guard allows](GuardBuilder::skew) for. A call that has lost its claim changes nothing: neither
/// the record, nor what it [commits](crate::Claim::commit) with the record. An effect outside of the store
/// can still happen twice when a function dies between the effect and the second write; for that
/// there are [`Held::downstream_key`](crate::Held::downstream_key) and
/// [`Semantics::AtMostOnce`](crate::Semantics::AtMostOnce). The promises hold within the retention:
/// what the store has forgotten is run again.
pub struct Guard<S: Store + ?Sized, C = BySemantics> {
    core: Arc<Core<S>>,
    classify: C,
}

/// Reaction to a key that somebody else works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnBusy {
    /// Fail with [`GuardError::Busy`](crate::GuardError::Busy).
    #[default]
    Fail,
    /// Wait for so long, then fail. Within one process that costs no requests; the work of another
    /// one is looked at every now and then.
    Wait(Duration),
    /// Go on without a result. The other one may still fail, so this is for work that may be lost.
    Skip,
}

/// Reaction to a store that does not answer, so that nobody knows whether the work was done.
///
/// It is not down when it did answer once in a call, and what it said was that the record is held or
/// changes all the time. Then somebody is at work on it, and the call fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnStoreDown {
    /// Do not run the work.
    #[default]
    Fail,
    /// Run it without protection: for work that may rather be done twice than not at all.
    RunUnguarded,
}

impl<S: Store + ?Sized, C> Guard<S, C> {
    /// The key of the record that `key` has in the store, for tools.
    #[must_use]
    pub fn record_key(&self, key: &Key) -> RecordKey {
        key.in_scope(&self.core.settings.scope)
    }

    /// Returns the store of the records.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.core.store
    }
}

impl<S: Store + ?Sized, C: Clone> Clone for Guard<S, C> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), classify: self.classify.clone() }
    }
}

impl<S: Store + ?Sized, C> fmt::Debug for Guard<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

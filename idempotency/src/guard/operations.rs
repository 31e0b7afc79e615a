use serde::Serialize;
use setpiece_policy::Deadline;

use super::Guard;
use crate::{
    Key, RecordedError,
    core::{Answer, Claimant, Core, Judged, Step},
    error::{GuardError, Inspected, Phase},
    keep::Kept,
    record::{Encoding, Status},
    store::{Amend, Change, End, Reply, Seen, Store},
    verdict::{self, Unamended},
};

/// Outcome of a change by somebody on call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the record may have changed in between"]
pub enum Amended {
    /// It was made.
    Done,
    /// It was not made, since somebody holds a lease on the key, and may be at work.
    Live,
    /// The record is not what was seen any more. This is what it is now, if it is there.
    Changed(Option<Box<Inspected>>),
}

/// For people on call. Each change is made only if the record is still what they have seen.
impl<S: Store + ?Sized, C> Guard<S, C> {
    /// Reads the record of a key.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub async fn inspect(
        &self,
        key: &Key,
        deadline: Deadline,
    ) -> Result<Option<Inspected>, GuardError> {
        let key = self.record_key(key);
        let core = &self.core;
        let read = core.insist(&core.retry, deadline.instant(), || async {
            core.store.read(&key).await.map(Step::Done)
        });
        match read.await {
            Ok(record) => Ok(record.map(|record| Inspected { key: key.clone(), record: *record })),
            Err(fault) => Err(Core::<S>::store_failed(Phase::Read, fault, false)),
        }
    }

    /// Gives a key back, so that the next call runs the work, whatever its payload.
    ///
    /// It is for work that was interrupted, or has failed for good, and whose effect did not
    /// happen. What is completed stays so; it can be [forgotten](Self::forget). So does what
    /// somebody holds a lease on, or else there would be two at work; where it is known that nobody
    /// is, the key can be [taken away](Self::release_live).
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub async fn release(
        &self,
        seen: &Inspected,
        deadline: Deadline,
    ) -> Result<Amended, GuardError> {
        if self.is_live(seen) {
            return Ok(Amended::Live);
        }
        self.release_live(seen, deadline).await
    }

    /// Releases a key that somebody holds a lease on, of whom it is known that nobody is there: the
    /// function was killed, and its lease is long.
    ///
    /// If somebody is at work all the same, the work may be run by two at the same time. The one
    /// who is overtaken commits nothing, and learns of it with the next heartbeat or at the end.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub async fn release_live(
        &self,
        seen: &Inspected,
        deadline: Deadline,
    ) -> Result<Amended, GuardError> {
        if seen.record.status == Status::Completed {
            return Ok(Amended::Changed(Some(Box::new(seen.clone()))));
        }
        let expires_at = self.core.expiry(self.core.clock.now());
        self.amend(seen, Change::Release { expires_at }, deadline).await
    }

    /// Says what the work returned, so that the next call returns it.
    ///
    /// It is for work that was interrupted and whose effect did happen.
    ///
    /// # Errors
    ///
    /// The store did not answer, or the result cannot be written as JSON.
    pub async fn resolve<T: Serialize>(
        &self,
        seen: &Inspected,
        result: &T,
        deadline: Deadline,
    ) -> Result<Amended, GuardError> {
        let type_name = std::any::type_name::<T>();
        let kept = match self.core.settings.keep.encode(result) {
            Ok(kept) => kept,
            Err(why) => return Err(why.into_error(type_name, false)),
        };
        self.settle_as(seen, End::Completed, kept, type_name, deadline).await
    }

    /// Says that the work has failed for good, so that the next call fails alike.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub async fn resolve_as_failed(
        &self,
        seen: &Inspected,
        error: &RecordedError,
        deadline: Deadline,
    ) -> Result<Amended, GuardError> {
        let type_name = std::any::type_name::<RecordedError>();
        let kept =
            serde_json::to_vec(error).ok().map(|bytes| Kept { bytes, encoding: Encoding::Json });
        self.settle_as(seen, End::Failed, kept, type_name, deadline).await
    }

    /// Deletes the record of a key, so that the next call is the first one.
    ///
    /// Attempts are counted anew then, so what an earlier attempt may still write is not fenced
    /// any more. To [release](Self::release) it is better where that is possible. What somebody
    /// holds a lease on stays; where it is known that nobody is at work, it can be [deleted all the
    /// same](Self::forget_live).
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub async fn forget(
        &self,
        seen: &Inspected,
        deadline: Deadline,
    ) -> Result<Amended, GuardError> {
        if self.is_live(seen) {
            return Ok(Amended::Live);
        }
        self.forget_live(seen, deadline).await
    }

    /// Forgets a key that somebody holds a lease on, of whom it is known that nobody is there.
    ///
    /// If somebody is at work all the same, the work may be run by two at the same time, and their
    /// attempts have the same numbers. To [release](Self::release_live) it fences the first one.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub async fn forget_live(
        &self,
        seen: &Inspected,
        deadline: Deadline,
    ) -> Result<Amended, GuardError> {
        self.amend(seen, Change::Forget, deadline).await
    }

    /// Returns true if somebody may be at work, by the lease on the record that was seen.
    fn is_live(&self, seen: &Inspected) -> bool {
        let stale_before = self.core.stale_before(self.core.clock.now());
        seen.record.status == Status::InProgress
            && seen.record.lease_until.is_some_and(|until| until >= stale_before)
    }

    async fn settle_as(
        &self,
        seen: &Inspected,
        end: End,
        kept: Option<Kept>,
        type_name: &str,
        deadline: Deadline,
    ) -> Result<Amended, GuardError> {
        let now = self.core.clock.now();
        let expires_at = self.core.expiry(now);
        let owner = self.core.new_owner(now);
        let claimant = Claimant { key: &seen.key, owner: &owner, until: deadline.instant() };
        let result = self
            .core
            .place(claimant, kept, type_name, expires_at)
            .await
            .map_err(|fault| Core::<S>::store_failed(Phase::Amend, fault, false))?;
        self.amend(seen, Change::Resolve { owner, end, result, expires_at }, deadline).await
    }

    async fn amend(
        &self,
        seen: &Inspected,
        change: Change,
        deadline: Deadline,
    ) -> Result<Amended, GuardError> {
        let core = &self.core;
        let now = core.clock.now();
        let request = Amend::new(seen.key.clone(), Seen::of(&seen.record), now, change);
        let answer = core.write(&core.retry, deadline.instant(), || async {
            Ok(match core.store.amend(&request).await? {
                Reply::Applied(()) => Judged::Applied(()),
                Reply::Refused(found) => match verdict::amend(&request, found) {
                    Unamended::Own => Judged::Applied(()),
                    Unamended::Changed(found) => Judged::Refused(found),
                },
                Reply::Contended => Judged::Contended,
            })
        });
        match answer.await {
            Ok(Answer::Applied(())) => Ok(Amended::Done),
            Ok(Answer::Refused(found)) => {
                Ok(Amended::Changed(found.map(|record| Core::<S>::inspected(&seen.key, record))))
            }
            Ok(Answer::Contended) => {
                Err(Core::<S>::store_failed(Phase::Amend, self.core.contended(), false))
            }
            Err(fault) => {
                let may_have_happened = fault.may_have_happened();
                Err(Core::<S>::store_failed(Phase::Amend, fault, may_have_happened))
            }
        }
    }
}

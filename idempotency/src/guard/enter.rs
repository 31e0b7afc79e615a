use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use setpiece_envelope::Timestamp;
use setpiece_policy::Fault;

use super::{Guard, OnBusy};
use crate::{
    Key, Lease, Skipped,
    claim::{Claim, Done},
    core::{Answer, Core, Judged, Step},
    error::{Busy, Exhausted, GuardError, Phase},
    flights::{Follower, Landed, Leader, Place},
    held::Held,
    race::{First, race},
    record::{Owner, Record},
    report::Event,
    store::{Acquire, Acquired, RecordKey, Release, Reply, Semantics, Store},
    verdict::{self, Refusal},
};

/// State of a key, as found by a call that asks to do its work.
#[must_use = "a claim that is dropped locks its key until the lease is over"]
pub enum Claimed<S: Store + ?Sized> {
    /// The work is to be done, and the claim is ours.
    Owned(Claim<S>),
    /// The work is done, or has failed for good.
    Done(Done<S>),
}

impl<S: Store + ?Sized> fmt::Debug for Claimed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owned(claim) => claim.fmt(f),
            Self::Done(done) => done.fmt(f),
        }
    }
}

/// State of a key, with the cases that only the convenience methods can go on with.
pub(super) enum Entered<S: Store + ?Sized> {
    Owned(Claim<S>),
    Done(Done<S>),
    Skipped,
    Unguarded(Held),
}

impl<S: Store + ?Sized, C> Guard<S, C> {
    /// Claims a key, for those who want to end the claim themselves.
    ///
    /// # Errors
    ///
    /// Why the work must not be run. A guard that [skips](OnBusy::Skip) what is busy, or [runs
    /// unguarded](crate::OnStoreDown::RunUnguarded), fails here: there is no claim to hand out.
    pub async fn claim(&self, key: &Key, lease: Lease) -> Result<Claimed<S>, GuardError> {
        match self.core.enter(key, lease, false).await? {
            Entered::Owned(claim) => Ok(Claimed::Owned(claim)),
            Entered::Done(done) => Ok(Claimed::Done(done)),
            Entered::Skipped => Err(GuardError::Skipped(Skipped::Busy)),
            Entered::Unguarded(_) => unreachable!("it was not asked for"),
        }
    }
}

/// A claim that is being asked for.
struct Entry<'a> {
    key: RecordKey,
    fingerprint: Option<crate::record::Fingerprint>,
    owner: Owner,
    lease: &'a Lease,
    /// End of the wait for others.
    wait_until: Timestamp,
}

/// Result of one round of requests.
enum Found<S: Store + ?Sized> {
    Entered(Entered<S>),
    Busy(Option<Box<Record>>),
    Raced,
}

impl<S: Store + ?Sized> Core<S> {
    pub(super) async fn enter(
        self: &Arc<Self>,
        key: &Key,
        lease: Lease,
        open: bool,
    ) -> Result<Entered<S>, GuardError> {
        let lease = lease.for_skew(self.settings.skew);
        let now = self.clock.now();
        let entry = Entry {
            key: key.in_scope(&self.settings.scope),
            fingerprint: key.fingerprint().cloned(),
            owner: self.new_owner(now),
            lease: &lease,
            wait_until: self.wait_until(now, &lease),
        };
        if !self.has_time(&lease) {
            self.report(Event::NoTime, &entry.key, 0);
            return Err(GuardError::NoTime);
        }
        let mut leader = None;
        if let OnBusy::Wait(_) = self.settings.on_busy {
            // One after another, until the work is done or the time to wait is over.
            leader = loop {
                match self.flights.join(&entry.key) {
                    Place::Leader(leader) => break Some(leader),
                    Place::Follower(follower) => match self.follow(&entry, follower).await {
                        Some(Landed::Open) => {}
                        Some(Landed::Exhausted) => {
                            self.report(Event::Exhausted, &entry.key, 0);
                            return Err(self.exhausted(&entry));
                        }
                        Some(Landed::Done) | None => break None,
                    },
                }
            };
        }
        if self.settings.probe_first {
            let probe = self.probe(lease.deadline(), async |until| self.look(&entry, until).await);
            let refusal = probe.await.ok().flatten();
            if let Some(Refusal::Completed(record) | Refusal::Failed(record)) = refusal {
                if let Some(leader) = &mut leader {
                    leader.land(Landed::Done);
                }
                return Ok(Entered::Done(self.done(&entry, record)));
            }
        }
        self.ask_until_certain(entry, leader, open).await
    }

    async fn ask_until_certain(
        self: &Arc<Self>,
        entry: Entry<'_>,
        mut leader: Option<Leader>,
        open: bool,
    ) -> Result<Entered<S>, GuardError> {
        let mut pause = FIRST_LOOK;
        loop {
            // Whatever was waited for so far has taken some of it.
            if !self.has_time(entry.lease) {
                self.report(Event::NoTime, &entry.key, 0);
                return Err(GuardError::NoTime);
            }
            let mut found = match self.ask(&entry, &mut leader, open).await? {
                Found::Entered(entered) => return Ok(entered),
                found @ (Found::Busy(_) | Found::Raced) => found,
            };
            // Somebody works on it. Reading is cheaper than asking, and does not disturb.
            while let Found::Busy(record) = found {
                match self.settings.on_busy {
                    OnBusy::Fail => return Err(self.busy(&entry, record)),
                    OnBusy::Skip => {
                        self.report(Event::Skipped, &entry.key, 0);
                        return Ok(Entered::Skipped);
                    }
                    OnBusy::Wait(_) => {}
                }
                let left = entry.wait_until.saturating_duration_since(self.clock.now());
                if left.is_zero() {
                    return Err(self.busy(&entry, record));
                }
                self.report(Event::Waiting, &entry.key, 0);
                self.sleep.sleep_boxed(pause.min(left)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                found = match self.look(&entry, entry.wait_until).await {
                    Ok(Some(refusal)) => self.refused(&entry, refusal)?,
                    Ok(None) => Found::Raced,
                    // It will be asked in the end.
                    Err(_) => Found::Busy(record),
                };
            }
            if let Found::Entered(entered) = found {
                return Ok(entered);
            }
        }
    }

    /// Asks for the claim once, with the retries that it takes to be answered.
    async fn ask(
        self: &Arc<Self>,
        entry: &Entry<'_>,
        leader: &mut Option<Leader>,
        open: bool,
    ) -> Result<Found<S>, GuardError> {
        let now = self.clock.now();
        let lease_until = entry.lease.end(now);
        let mut request = Acquire::new(
            entry.key.clone(),
            entry.owner.clone(),
            now,
            lease_until,
            // Whoever finds it in progress must not find it expired.
            self.expiry(lease_until.max(now)),
        );
        request.fingerprint.clone_from(&entry.fingerprint);
        request.salt = Some(self.new_salt());
        request.stale_before = self.stale_before(now);
        request.semantics = self.settings.semantics;
        let until = entry.lease.deadline().instant();
        let answered = AtomicBool::new(false);
        let answer = self.write(&self.retry, until, || async {
            let reply = self.store.acquire(&request).await?;
            answered.store(true, Ordering::Relaxed);
            Ok(match reply {
                Reply::Applied(acquired) => Judged::Applied((acquired, lease_until)),
                Reply::Refused(found) => match verdict::acquire(&request, found) {
                    // It may have been a try that was given up long ago, with the lease of then.
                    Refusal::Own { attempt, tries, lease_until: found, salt } => {
                        self.report(Event::OwnWrite, &entry.key, attempt);
                        let acquired = Acquired::new(attempt, tries).with_salt(salt);
                        Judged::Applied((acquired, found.unwrap_or(lease_until)))
                    }
                    Refusal::Raced => Judged::Raced,
                    refusal => Judged::Refused(refusal),
                },
                Reply::Contended => Judged::Contended,
            })
        });
        match answer.await {
            Ok(Answer::Applied((acquired, lease_until))) => {
                let held = Held::salted(
                    entry.key.clone(),
                    entry.owner.clone(),
                    acquired.attempt,
                    entry.lease.deadline(),
                    acquired.salt,
                );
                let claim =
                    Claim::new(Arc::clone(self), held, *entry.lease, lease_until, leader.take());
                self.bounded(entry, claim, acquired.tries).await
            }
            Ok(Answer::Refused(refusal)) => {
                // What everybody is told who asks.
                if !matches!(refusal, Refusal::Busy(_) | Refusal::Mismatch(_))
                    && let Some(leader) = leader
                {
                    leader.land(Landed::Done);
                }
                self.refused(entry, refusal)
            }
            Ok(Answer::Contended) => Ok(Found::Busy(None)),
            // A store that says whose the record is, or that it changes, is not down.
            Err(fault) => self.store_down(entry, fault, open && !answered.into_inner()).await,
        }
    }

    /// Gives a claim back that comes too late, or is one too many.
    async fn bounded(
        &self,
        entry: &Entry<'_>,
        mut claim: Claim<S>,
        tries: u64,
    ) -> Result<Found<S>, GuardError> {
        // The answer may have taken longer than the lease.
        if self.clock.now() >= claim.work_until() {
            claim.free_after(Event::NoTime).await;
            return Err(GuardError::NoTime);
        }
        if tries <= self.settings.max_attempts {
            return Ok(Found::Entered(Entered::Owned(claim)));
        }
        claim.free_after(Event::Exhausted).await;
        Err(self.exhausted(entry))
    }

    fn exhausted(&self, entry: &Entry<'_>) -> GuardError {
        let max_attempts = self.settings.max_attempts;
        GuardError::Exhausted(Exhausted { key: entry.key.clone(), max_attempts })
    }

    fn refused(
        self: &Arc<Self>,
        entry: &Entry<'_>,
        refusal: Refusal,
    ) -> Result<Found<S>, GuardError> {
        let inspected = |record| Self::inspected(&entry.key, record);
        let (event, error) = match refusal {
            Refusal::Completed(record) | Refusal::Failed(record) => {
                return Ok(Found::Entered(Entered::Done(self.done(entry, record))));
            }
            Refusal::Busy(record) => return Ok(Found::Busy(Some(record))),
            Refusal::Own { .. } | Refusal::Raced => return Ok(Found::Raced),
            Refusal::Newer(record) => (Event::Unreadable, GuardError::Newer(inspected(record))),
            Refusal::Unreadable(record, why) => {
                (Event::Unreadable, GuardError::Corrupt(inspected(record), why))
            }
            Refusal::Mismatch(record) => (Event::Mismatch, GuardError::Mismatch(inspected(record))),
            Refusal::Interrupted(record) => {
                (Event::Interrupted, GuardError::Interrupted(inspected(record)))
            }
        };
        self.report(event, &entry.key, 0);
        Err(error)
    }

    async fn store_down(
        &self,
        entry: &Entry<'_>,
        fault: Fault,
        open: bool,
    ) -> Result<Found<S>, GuardError> {
        if open && self.settings.on_store_down == super::OnStoreDown::RunUnguarded {
            let deadline = entry.lease.deadline();
            let held = Held::new(entry.key.clone(), entry.owner.clone(), 0, deadline);
            return Ok(Found::Entered(Entered::Unguarded(held)));
        }
        if fault.may_have_happened() && self.settings.semantics == Semantics::AtMostOnce {
            self.take_back(entry).await;
        }
        self.report(Event::StoreFailed, &entry.key, 0);
        // The key may be claimed, and is free again when the lease is over. The work was not run.
        Err(Self::store_failed(Phase::Acquire, fault, false))
    }

    /// Tries once to give back what may have been claimed. Where work must not be run twice, a key
    /// that is left would be interrupted work that was never begun.
    async fn take_back(&self, entry: &Entry<'_>) {
        let now = self.clock.now();
        let (key, owner) = (entry.key.clone(), entry.owner.clone());
        let request = Release::new(key, owner, now, self.expiry(now));
        let until = entry.lease.deadline().instant();
        // Whatever becomes of it, the call fails.
        _ = self.within(until, self.store.release(&request)).await;
    }

    fn done(self: &Arc<Self>, entry: &Entry<'_>, record: Box<Record>) -> Done<S> {
        let found = Self::inspected(&entry.key, record);
        Done::new(Arc::clone(self), found, entry.lease.deadline())
    }

    fn busy(&self, entry: &Entry<'_>, record: Option<Box<Record>>) -> GuardError {
        let attempt = record.as_ref().map_or(0, |record| record.attempt);
        self.report(Event::Busy, &entry.key, attempt);
        let until = record.and_then(|record| record.lease_until.or(record.expires_at));
        let now = self.clock.now();
        let retry_after = until
            .map(|until| until.saturating_add(self.settings.skew).saturating_duration_since(now));
        GuardError::Busy(Busy { key: entry.key.clone(), attempt, until, retry_after })
    }

    /// Waits for another call of this process, and says what it has left; `None` if there is no time
    /// left to wait.
    async fn follow(&self, entry: &Entry<'_>, follower: Follower) -> Option<Landed> {
        self.report(Event::Waiting, &entry.key, 0);
        let timer = || {
            let left = entry.wait_until.saturating_duration_since(self.clock.now());
            self.sleep.sleep_boxed(left)
        };
        match race(follower.landed(), timer, || true).await {
            First::Work(landed) => Some(landed),
            First::Other(()) | First::Late => None,
        }
    }

    /// Reads the record and judges it as if it had refused a claim: `None` if it would not.
    async fn look(&self, entry: &Entry<'_>, until: Timestamp) -> Result<Option<Refusal>, Fault> {
        let found = self
            .insist(&self.retry, until, || async {
                self.store.read(&entry.key).await.map(Step::Done)
            })
            .await?;
        let now = self.clock.now();
        let expires_at = self.expiry(now);
        let mut request =
            Acquire::new(entry.key.clone(), entry.owner.clone(), now, now, expires_at);
        request.fingerprint.clone_from(&entry.fingerprint);
        request.stale_before = self.stale_before(now);
        request.semantics = self.settings.semantics;
        if request.may_take(found.as_deref()) {
            return Ok(None);
        }
        Ok(match verdict::acquire(&request, found) {
            Refusal::Raced | Refusal::Own { .. } => None,
            refusal => Some(refusal),
        })
    }

    pub(super) fn has_time(&self, lease: &Lease) -> bool {
        self.time_left(lease) >= self.settings.min_time
    }

    /// Returns the longest time for which work that began now could go on.
    fn time_left(&self, lease: &Lease) -> Duration {
        let last = lease.last_work(self.settings.skew);
        let left = last.saturating_duration_since(self.clock.now());
        left.min(lease.deadline().remaining(&*self.clock))
    }

    fn wait_until(&self, now: Timestamp, lease: &Lease) -> Timestamp {
        match self.settings.on_busy {
            OnBusy::Wait(longest) => {
                let kept = self.time_left(lease).saturating_sub(self.settings.min_time);
                now.saturating_add(longest.min(kept))
            }
            OnBusy::Fail | OnBusy::Skip => now,
        }
    }
}

const FIRST_LOOK: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

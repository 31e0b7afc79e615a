use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use serde::{Serialize, de::DeserializeOwned};
use setpiece_envelope::Timestamp;
use setpiece_policy::{Deadline, Disposition, Fault};

use crate::{
    Lease, RecordedError,
    core::{Answer, Claimant, Core, Judged, Unanswered},
    digest,
    error::{After, GuardError, Inspected, LeaseLost, LostHow, NotKept, Phase, Unreadable},
    flights::{Landed, Leader},
    held::Held,
    keep::{self, UnreadableWhy},
    record::{Body, Encoding, Record, Status},
    report::Event,
    store::{
        CommitReply, End, Extend, RecordKey, Release, Reply, Semantics, Settle, Store, Unwritten,
    },
    verdict,
};

/// The exclusive right to do the work of one key, until its lease is over.
///
/// It cannot be cloned, and each way to end it takes it away, so nobody ends it twice. Every end is
/// conditional on still being the owner: a claim that was lost changes nothing.
///
/// # Dropping it
///
/// A claim that is dropped is not given back. Giving it back takes a request, and a sandbox that is
/// frozen or killed makes none; so the key is locked until the lease is over, as it is after a
/// crash. The same holds for the future of a guarded call.
#[must_use = "a claim that is dropped locks its key until the lease is over"]
pub struct Claim<S: Store + ?Sized> {
    core: Arc<Core<S>>,
    held: Held,
    lease: Lease,
    lease_until: Timestamp,
    ended: bool,
    /// Lets others in this process go on when the claim ends.
    leader: Option<Leader>,
}

/// A result on its way to the store, or that it cannot be written.
pub(crate) struct Encoded {
    kept: Result<Option<keep::Kept>, keep::Unkept>,
    type_name: &'static str,
}

/// End of a claim that was completed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "another result may stand in its place"]
pub enum Completed {
    /// The given result is kept.
    Kept,
    /// Another result is there, of a later claim or of somebody on call. It stands, and this one is
    /// not kept.
    Superseded(Box<Inspected>),
    /// The record was gone: its retention was over, or somebody deleted it. Nothing is kept.
    Vanished,
}

impl<S: Store + ?Sized> Claim<S> {
    pub(crate) fn new(
        core: Arc<Core<S>>,
        held: Held,
        lease: Lease,
        lease_until: Timestamp,
        leader: Option<Leader>,
    ) -> Self {
        Self { core, held, lease, lease_until, ended: false, leader }
    }

    /// Returns the description of the claim for the work.
    #[must_use]
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// Returns the number of the attempt; see [`Held::attempt`].
    #[must_use]
    pub fn attempt(&self) -> u64 {
        self.held.attempt()
    }

    /// An idempotency key for a service that the work calls; see [`Held::downstream_key`].
    #[must_use]
    pub fn downstream_key(&self, label: &str) -> String {
        self.held.downstream_key(label)
    }

    /// When the lease ends.
    #[must_use]
    pub fn lease_until(&self) -> Timestamp {
        self.lease_until
    }

    /// Returns the end of the work: the permitted difference between clocks before the lease ends,
    /// and no later than the deadline.
    #[must_use]
    pub fn work_until(&self) -> Timestamp {
        self.lease.work_until(self.lease_until, self.core.settings.skew)
    }

    /// Returns the end of waits for the store.
    fn wait_until(&self) -> Timestamp {
        self.lease.wait_until(self.lease_until)
    }

    /// Ends it with a result, which later calls replay.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`](GuardError::LeaseLost): the key is somebody else's by now.
    /// [`Store`](GuardError::Store): it was not kept, and the work is done.
    /// [`NotKept`](GuardError::NotKept): it cannot be written as JSON, or the store cannot keep
    /// it.
    pub async fn complete<T: Serialize>(mut self, result: &T) -> Result<Completed, GuardError> {
        let encoded = self.encode(result);
        self.finish(encoded).await
    }

    /// Ends it with an error, which later calls replay.
    ///
    /// # Errors
    ///
    /// As [`complete`](Self::complete).
    pub async fn fail(mut self, error: &RecordedError) -> Result<Completed, GuardError> {
        self.record_error(error).await
    }

    /// Gives it back, so that the next call runs the work, also with another
    /// [payload](crate::Key::with_fingerprint).
    ///
    /// # Errors
    ///
    /// [`LeaseLost`](GuardError::LeaseLost): the key is somebody else's by now.
    /// [`Store`](GuardError::Store): it is locked until the lease is over.
    pub async fn release(mut self) -> Result<(), GuardError> {
        match self.free().await {
            Ok(verdict::Unreleased::Free | verdict::Unreleased::Vanished) => {
                self.end(Event::Released);
                Ok(())
            }
            Ok(verdict::Unreleased::Settled(_) | verdict::Unreleased::Lost(_)) => {
                Err(self.lost(LostHow::Taken, true))
            }
            Err(fault) => {
                self.end(Event::StoreFailed);
                Err(Core::<S>::store_failed(Phase::Release, fault, true))
            }
        }
    }

    /// Leaves it as it is, because nobody knows whether the effect happened. The key is locked
    /// until the lease is over.
    pub fn hold(mut self) {
        self.end(Event::Held);
    }

    /// Ends it with a result and writes `writes`, all together or not at all.
    ///
    /// The effect is in the writes here. When the store's answer is lost for good, the claim is
    /// given back: either that succeeds, and nothing was written nor ever will be, or it finds that
    /// everything was written. Where work [must not be run twice](Semantics::AtMostOnce) it is only
    /// looked at: it may be written later, and if it is not, the key says that it was interrupted.
    ///
    /// # Errors
    ///
    /// [`WriteRefused`](GuardError::WriteRefused): the condition of one of the writes does not
    /// hold, and nothing was written. [`LeaseLost`](GuardError::LeaseLost): the key is somebody
    /// else's by now. [`Store`](GuardError::Store): there was no answer. Both say whether the
    /// writes may have been written by a try that was not answered.
    pub async fn commit<T: Serialize>(
        mut self,
        result: &T,
        writes: &[S::Write],
    ) -> Result<Completed, GuardError> {
        let encoded = self.encode(result);
        self.finish_with(encoded, writes).await
    }

    /// Makes the lease longer: as long as it would be if it were taken now.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`](GuardError::LeaseLost): the key is somebody else's by now, so stop.
    /// [`Store`](GuardError::Store): it is as long as it was.
    pub async fn extend(&mut self) -> Result<(), GuardError> {
        match self.beat().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.lost(LostHow::Taken, true)),
            Err(fault) => Err(Core::<S>::store_failed(Phase::Extend, fault, true)),
        }
    }
    /// Encodes the part of a result that is to be kept.
    ///
    /// It is made before anything is sent, so that nobody holds a result by reference meanwhile.
    pub(crate) fn encode<T: Serialize>(&self, result: &T) -> Encoded {
        let type_name = std::any::type_name::<T>();
        Encoded { kept: self.core.settings.keep.encode(result), type_name }
    }

    pub(crate) async fn finish(&mut self, result: Encoded) -> Result<Completed, GuardError> {
        let type_name = result.type_name;
        // What cannot be written is done all the same, and must not be done again.
        let (kept, unkept, event) = match result.kept {
            Ok(kept) => (kept, None, Event::Fresh),
            Err(unkept) => (None, Some(unkept), Event::CompletionLost),
        };
        let settled = self.settle(End::Completed, event, kept, type_name).await;
        match (settled, unkept) {
            (_, Some(unkept @ keep::Unkept::Panicked(_))) => {
                Err(unkept.into_error(type_name, true))
            }
            (Err(error), _) => Err(error),
            (Ok((completed @ Completed::Superseded(_), _)), _) | (Ok((completed, true)), None) => {
                Ok(completed)
            }
            (Ok(_), _) => Err(GuardError::NotKept(NotKept { type_name, may_have_happened: true })),
        }
    }

    pub(crate) async fn record_error(
        &mut self,
        error: &RecordedError,
    ) -> Result<Completed, GuardError> {
        let kept = serde_json::to_vec(error)
            .ok()
            .map(|bytes| keep::Kept { bytes, encoding: Encoding::Json });
        let type_name = std::any::type_name::<RecordedError>();
        let (completed, _) = self.settle(End::Failed, Event::Recorded, kept, type_name).await?;
        Ok(completed)
    }

    /// Ends it with what is to be kept, and with `event`, or without it if the store cannot keep
    /// that; and says whether it is kept.
    async fn settle(
        &mut self,
        end: End,
        event: Event,
        kept: Option<keep::Kept>,
        type_name: &str,
    ) -> Result<(Completed, bool), GuardError> {
        let fault = match self.settlement(end, kept, type_name).await {
            Ok(request) => match self.core.settle(&request, self.wait_until()).await {
                Err(fault) => fault,
                answer => return Ok((self.settled(event, answer)?, true)),
            },
            Err(fault) => fault,
        };
        if !concerns_result(&fault) {
            return Err(self.completion_lost(fault));
        }
        let answer = match self.settlement(end, None, type_name).await {
            Ok(request) => self.core.settle(&request, self.wait_until()).await,
            Err(fault) => Err(fault),
        };
        let event = match end {
            End::Completed => Event::CompletionLost,
            End::Failed => Event::Recorded,
        };
        Ok((self.settled(event, answer)?, false))
    }

    async fn settlement(
        &self,
        end: End,
        kept: Option<keep::Kept>,
        type_name: &str,
    ) -> Result<Settle, Fault> {
        let now = self.core.clock.now();
        let expires_at = self.core.expiry(now);
        let claimant = Claimant {
            key: self.held.record_key(),
            owner: self.held.owner(),
            until: self.wait_until(),
        };
        let result = self.core.place(claimant, kept, type_name, expires_at).await?;
        let (key, owner) = (claimant.key.clone(), claimant.owner.clone());
        Ok(Settle::new(key, owner, now, end, result, expires_at))
    }

    fn settled(
        &mut self,
        event: Event,
        answer: Result<Answer<(), verdict::Unsettled>, Fault>,
    ) -> Result<Completed, GuardError> {
        match answer {
            Ok(Answer::Applied(())) => {
                self.end(event);
                Ok(Completed::Kept)
            }
            Ok(Answer::Refused(unsettled)) => self.unsettled(unsettled),
            Ok(Answer::Contended) => Err(self.completion_lost(self.core.contended())),
            Err(fault) => Err(self.completion_lost(fault)),
        }
    }

    fn unsettled(&mut self, unsettled: verdict::Unsettled) -> Result<Completed, GuardError> {
        match unsettled {
            verdict::Unsettled::Own => Ok(Completed::Kept),
            verdict::Unsettled::Superseded(record) => {
                self.end(Event::Superseded);
                let key = self.held.record_key();
                Ok(Completed::Superseded(Core::<S>::inspected(key, record)))
            }
            verdict::Unsettled::Vanished => {
                self.end(Event::Vanished);
                Ok(Completed::Vanished)
            }
            verdict::Unsettled::Lost(_) => Err(self.lost(LostHow::Taken, true)),
        }
    }

    fn completion_lost(&mut self, fault: Fault) -> GuardError {
        self.end(Event::CompletionLost);
        Core::<S>::store_failed(Phase::Complete, fault, true)
    }

    pub(crate) async fn finish_with(
        &mut self,
        result: Encoded,
        writes: &[S::Write],
    ) -> Result<Completed, GuardError> {
        let type_name = result.type_name;
        let kept = match result.kept {
            Ok(kept) => kept,
            Err(unkept) => {
                // Nothing has been written yet.
                self.back_out(Event::Released).await;
                return Err(unkept.into_error(type_name, false));
            }
        };
        let request = match self.settlement(End::Completed, kept, type_name).await {
            Ok(request) => Settle { attempt: Some(self.held.attempt()), ..request },
            // Only the result was to be put beside the record.
            Err(fault) => return self.undecided(None, fault.with_may_have_happened(false)).await,
        };
        let core = Arc::clone(&self.core);
        let unanswered = Unanswered::default();
        let answer = core.write(&core.patient, self.wait_until(), || async {
            Ok(match unanswered.watch(core.store.commit(&request, writes)).await? {
                CommitReply::Applied => Judged::Applied(Ok(())),
                CommitReply::WriteRefused(index) => Judged::Applied(Err(Unwritten::Refused(index))),
                CommitReply::WriteImpossible(write) => {
                    Judged::Applied(Err(Unwritten::Impossible(write)))
                }
                CommitReply::Contended => Judged::Contended,
                CommitReply::Refused(found) => match verdict::settle(&request, found) {
                    verdict::Unsettled::Own => {
                        core.report(Event::OwnWrite, &request.key, self.held.attempt());
                        Judged::Applied(Ok(()))
                    }
                    other => Judged::Refused(other),
                },
            })
        });
        let answer = answer.await;
        let unanswered = unanswered.any();
        match answer {
            Ok(Answer::Applied(Ok(()))) => {
                self.end(Event::Fresh);
                Ok(Completed::Kept)
            }
            Ok(Answer::Applied(Err(unwritten))) if unanswered => {
                let refused = Fault::conflict("the writes were refused after a try without answer");
                let refused = refused.with_may_have_happened(true);
                match self.undecided(Some(&request), refused).await {
                    Err(GuardError::Store(failed)) if !failed.may_have_happened => {
                        Err(GuardError::unwritten(unwritten, After::Released))
                    }
                    decided => decided,
                }
            }
            Ok(Answer::Applied(Err(unwritten))) => {
                let after = self.back_out(unwritten.into()).await;
                Err(GuardError::unwritten(unwritten, after))
            }
            Ok(Answer::Refused(verdict::Unsettled::Superseded(record))) => {
                self.unsettled(verdict::Unsettled::Superseded(record))
            }
            // Without its record, the transaction wrote nothing; but an earlier one may have, and
            // been forgotten since.
            Ok(Answer::Refused(unsettled)) => {
                let released = matches!(
                    &unsettled,
                    verdict::Unsettled::Lost(record) if self.is_released(record)
                );
                Err(self.lost(LostHow::Taken, unanswered && !released))
            }
            Ok(Answer::Contended) => {
                let fault = self.core.contended();
                self.undecided(Some(&request), fault.with_may_have_happened(unanswered)).await
            }
            Err(fault) => {
                let may_have_happened = unanswered || fault.may_have_happened();
                let fault = fault.with_may_have_happened(may_have_happened);
                self.undecided(Some(&request), fault).await
            }
        }
    }

    /// Finds out what became of a commit without an answer, by giving the claim back: one of the
    /// two is refused. Work that must not be run again is not given back, so there it is only known
    /// whether the commit has been applied by now.
    ///
    /// Without a `request`, none was sent, and what is there is somebody else's.
    async fn undecided(
        &mut self,
        request: Option<&Settle>,
        fault: Fault,
    ) -> Result<Completed, GuardError> {
        let may_have_happened = fault.may_have_happened();
        let found = match self.core.settings.semantics {
            Semantics::AtLeastOnce => self.free().await,
            Semantics::AtMostOnce => self.look().await,
        };
        match found {
            Ok(verdict::Unreleased::Free) => {
                self.end(Event::Released);
                let fault = fault.with_may_have_happened(false);
                Err(Core::<S>::store_failed(Phase::Commit, fault, false))
            }
            Ok(verdict::Unreleased::Settled(record)) => {
                let unsettled = match request {
                    Some(request) => verdict::settle(request, Some(record)),
                    None => verdict::Unsettled::Superseded(record),
                };
                if unsettled == verdict::Unsettled::Own {
                    self.end(Event::Fresh);
                }
                self.unsettled(unsettled)
            }
            Ok(verdict::Unreleased::Lost(record)) => match record.status {
                Status::Completed | Status::Failed => {
                    self.unsettled(verdict::Unsettled::Superseded(record))
                }
                // It may still arrive, and is done then.
                Status::InProgress if self.is_owner(&record) => {
                    self.end(Event::StoreFailed);
                    Err(Core::<S>::store_failed(Phase::Commit, fault, may_have_happened))
                }
                Status::InProgress | Status::Released | Status::Unreadable(_) => {
                    Err(self.lost(LostHow::Taken, may_have_happened))
                }
            },
            // What it said, and whether that was the commit, nobody knows any more.
            Ok(verdict::Unreleased::Vanished) | Err(_) => {
                self.end(Event::StoreFailed);
                Err(Core::<S>::store_failed(Phase::Commit, fault, may_have_happened))
            }
        }
    }

    /// Returns true if a record is still this claim's, and was given back: then it was never
    /// settled.
    fn is_released(&self, record: &Record) -> bool {
        record.status == Status::Released && self.is_owner(record)
    }

    fn is_owner(&self, record: &Record) -> bool {
        record.owner.as_ref() == Some(self.held.owner())
    }

    /// Ends it with `event` after work of which nothing was written, and gives it back if it may be
    /// run again.
    pub(crate) async fn back_out(&mut self, event: Event) -> After {
        match self.core.settings.semantics {
            Semantics::AtLeastOnce => self.free_after(event).await,
            Semantics::AtMostOnce => {
                self.end(if event == Event::Released { Event::Held } else { event });
                After::Held
            }
        }
    }

    /// Gives the claim back and ends it with `event`.
    pub(crate) async fn free_after(&mut self, event: Event) -> After {
        let freed = self.free().await;
        self.end(event);
        match freed {
            Ok(verdict::Unreleased::Free | verdict::Unreleased::Vanished) => After::Released,
            Ok(verdict::Unreleased::Settled(_) | verdict::Unreleased::Lost(_)) => After::Lost,
            Err(_) => After::Stuck,
        }
    }

    /// Gives the record back; what the claim makes of it is the caller's affair.
    async fn free(&self) -> Result<verdict::Unreleased, Fault> {
        let core = &self.core;
        let now = core.clock.now();
        let (key, owner) = (self.held.record_key().clone(), self.held.owner().clone());
        let request = Release::new(key, owner, now, core.expiry(now));
        let answer = core.write(&core.patient, self.wait_until(), || async {
            Ok(match core.store.release(&request).await? {
                Reply::Applied(()) => Judged::Applied(()),
                Reply::Refused(found) => Judged::Refused(verdict::release(&request, found)),
                Reply::Contended => Judged::Contended,
            })
        });
        match answer.await? {
            Answer::Applied(()) => Ok(verdict::Unreleased::Free),
            Answer::Refused(verdict) => Ok(verdict),
            Answer::Contended => Err(self.core.contended()),
        }
    }

    /// Finds the answer to a release, without a release.
    ///
    /// It asks for the lease that there is, which is refused, and so it needs no permission to read.
    async fn look(&self) -> Result<verdict::Unreleased, Fault> {
        let core = &self.core;
        let now = core.clock.now();
        let (key, owner) = (self.held.record_key().clone(), self.held.owner().clone());
        let release = Release::new(key.clone(), owner.clone(), now, core.expiry(now));
        let until = self.lease_until;
        let request = Extend::new(key, owner, now, until, core.expiry(until));
        let answer = core.write(&core.patient, self.wait_until(), || async {
            Ok(match core.store.extend(&request).await? {
                Reply::Applied(()) => Judged::Raced,
                Reply::Refused(found) => Judged::Applied(verdict::release(&release, found)),
                Reply::Contended => Judged::Contended,
            })
        });
        match answer.await? {
            Answer::Applied(found) => Ok(found),
            Answer::Refused(()) | Answer::Contended => Err(self.core.contended()),
        }
    }

    /// One heartbeat: whether the claim is still ours.
    async fn beat(&mut self) -> Result<bool, Fault> {
        let core = Arc::clone(&self.core);
        let now = core.clock.now();
        let until = self.lease.end(now).max(self.lease_until);
        let (key, owner) = (self.held.record_key().clone(), self.held.owner().clone());
        let request = Extend::new(key, owner, now, until, core.expiry(until));
        let answer = core.write(&core.retry, self.work_until(), || async {
            Ok(match core.store.extend(&request).await? {
                Reply::Applied(()) => Judged::Applied(until),
                Reply::Refused(found) => match verdict::extend(&request, found) {
                    verdict::Unextended::Longer(until) => Judged::Applied(until),
                    verdict::Unextended::Lost(_) => Judged::Refused(()),
                },
                Reply::Contended => Judged::Contended,
            })
        });
        match answer.await? {
            Answer::Applied(until) => {
                self.lease_until = until;
                Ok(true)
            }
            Answer::Refused(()) => Ok(false),
            Answer::Contended => Err(self.core.contended()),
        }
    }

    /// Keeps the lease for as long as it can be kept, and says why it cannot any longer.
    ///
    /// It runs beside the work and ends with it, so that no task is left behind in a sandbox that
    /// is frozen.
    /// `until` is told until when the work may go on, in milliseconds.
    pub(crate) async fn keep_alive(&mut self, until: &AtomicI64) -> LostHow {
        let core = Arc::clone(&self.core);
        let mut silent = false;
        loop {
            let remaining = self.work_until().saturating_duration_since(core.clock.now());
            if remaining.is_zero() {
                return if silent { LostHow::StoreSilent } else { LostHow::TimeUp };
            }
            // What the deadline allows is all there is, so nothing is to be made longer.
            let beat = self.lease.beat().filter(|_| self.lease.can_grow(self.lease_until));
            core.sleep.sleep_boxed(beat.map_or(remaining, |beat| beat.min(remaining))).await;
            if beat.is_none() {
                // Slept through all of it, it is over, whatever the clock says.
                return if silent { LostHow::StoreSilent } else { LostHow::TimeUp };
            }
            if core.clock.now() >= self.work_until() {
                // It stood still, and somebody else may have the key by now.
                continue;
            }
            match self.beat().await {
                Ok(true) => {
                    silent = false;
                    until.store(self.work_until().unix_millis(), Ordering::Relaxed);
                }
                Ok(false) => return LostHow::Taken,
                Err(_) => silent = true,
            }
        }
    }

    pub(crate) fn lost(&mut self, why: LostHow, may_have_happened: bool) -> GuardError {
        self.end(Event::LeaseLost);
        GuardError::LeaseLost(LeaseLost {
            key: self.held.record_key().clone(),
            attempt: self.attempt(),
            why,
            may_have_happened,
        })
    }

    /// Says how it ended, once.
    pub(crate) fn end(&mut self, event: Event) {
        if !self.ended {
            self.ended = true;
            let landed = match event {
                Event::Fresh | Event::Recorded | Event::Superseded => Landed::Done,
                Event::Exhausted => Landed::Exhausted,
                _ => Landed::Open,
            };
            if let Some(leader) = &mut self.leader {
                leader.land(landed);
            }
            self.core.report(event, self.held.record_key(), self.held.attempt());
        }
    }
}

/// Returns true if the store refuses the result itself, and would refuse it each time; false if it
/// refuses the caller or the place.
fn concerns_result(fault: &Fault) -> bool {
    fault.disposition() == Disposition::Quarantine
}

impl<S: Store + ?Sized> Drop for Claim<S> {
    fn drop(&mut self) {
        self.end(Event::Dropped);
    }
}

impl<S: Store + ?Sized> fmt::Debug for Claim<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("held", &self.held)
            .field("lease_until", &self.lease_until)
            .finish_non_exhaustive()
    }
}

/// Result of work that was done before, found in place of a claim.
#[must_use = "it holds the result of the work"]
pub struct Done<S: Store + ?Sized> {
    untold: Untold<S>,
    found: Box<Inspected>,
    deadline: Deadline,
}

/// Says that a call has ended when nobody has asked for the result.
struct Untold<S: Store + ?Sized> {
    core: Arc<Core<S>>,
    key: RecordKey,
    attempt: u64,
    told: bool,
}

impl<S: Store + ?Sized> Drop for Untold<S> {
    fn drop(&mut self) {
        if !self.told {
            self.core.report(Event::Duplicate, &self.key, self.attempt);
        }
    }
}

impl<S: Store + ?Sized> Done<S> {
    pub(crate) fn new(core: Arc<Core<S>>, found: Box<Inspected>, deadline: Deadline) -> Self {
        let (key, attempt) = (found.key.clone(), found.record.attempt);
        Self { untold: Untold { core, key, attempt, told: false }, found, deadline }
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &Inspected {
        &self.found
    }

    /// Returns the result of the work, or `None` if it was not kept.
    ///
    /// # Errors
    ///
    /// [`Unreadable`](GuardError::Unreadable): it is not a `T`, or not there any more.
    /// [`Recorded`](GuardError::Recorded): the work failed.
    /// [`Store`](GuardError::Store): it is beside the record, and the store did not answer.
    pub async fn result<T: DeserializeOwned>(mut self) -> Result<Option<T>, GuardError> {
        let result = self.untold.core.replay(self.found, self.deadline.instant(), true).await;
        self.untold.told = true;
        result
    }
}

impl<S: Store + ?Sized> fmt::Debug for Done<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done").field("found", &self.found).finish_non_exhaustive()
    }
}

impl<S: Store + ?Sized> Core<S> {
    /// Answers with what is on a record; `last` says whether the call ends with that, or has said
    /// already how it ended.
    pub(crate) async fn replay<T: DeserializeOwned>(
        &self,
        found: Box<Inspected>,
        until: Timestamp,
        last: bool,
    ) -> Result<Option<T>, GuardError> {
        let report = |event, found: &Inspected| {
            if last {
                let Record { attempt, expires_at, .. } = found.record;
                self.report_with(event, &found.key, attempt, expires_at);
            }
        };
        let unread = |_: &GuardError| report(Event::StoreFailed, &found);
        if found.record.status == Status::Failed {
            let stored = self.stored::<RecordedError>(&found, until).await.inspect_err(unread)?;
            let error = match stored {
                Ok(error) => error.unwrap_or_else(|| RecordedError::new("", "")),
                Err(why) => {
                    report(Event::Unreadable, &found);
                    return Err(self.unreadable::<RecordedError>(found, why));
                }
            };
            report(Event::ReplayedError, &found);
            return Err(GuardError::Recorded(error));
        }
        match self.stored(&found, until).await.inspect_err(unread)? {
            Ok(Some(result)) => {
                report(Event::Replayed, &found);
                Ok(Some(result))
            }
            Ok(None) => {
                report(Event::Duplicate, &found);
                Ok(None)
            }
            Err(why) => {
                report(Event::Unreadable, &found);
                Err(self.unreadable::<T>(found, why))
            }
        }
    }

    fn unreadable<T>(&self, found: Box<Inspected>, why: UnreadableWhy) -> GuardError {
        let expected = match &self.settings.result_name {
            Some(name) => name.clone(),
            None => std::any::type_name::<T>().into(),
        };
        GuardError::Unreadable(Unreadable { found, why, expected, may_have_happened: false })
    }

    async fn stored<T: DeserializeOwned>(
        &self,
        found: &Inspected,
        until: Timestamp,
    ) -> Result<Result<Option<T>, UnreadableWhy>, GuardError> {
        let Some(stored) = &found.record.result else {
            // Another program that has no value for nothing leaves it out.
            return Ok(Ok(keep::decode(b"null", Encoding::Json).ok()));
        };
        let failed = found.record.status == Status::Failed;
        if let (Some(name), Some(stored), false) =
            (&self.settings.result_name, &stored.type_name, failed)
            && name != stored
        {
            return Ok(Err(UnreadableWhy::AnotherType));
        }
        Ok(match &stored.body {
            Body::Omitted => Ok(None),
            Body::Inline(bytes) => keep::decode(bytes, stored.encoding).map(Some),
            Body::Spilled(spill) => {
                let bytes = self
                    .insist(&self.retry, until, || async {
                        self.store.get_spill(&found.key, spill).await.map(crate::core::Step::Done)
                    })
                    .await
                    .map_err(|fault| Self::store_failed(Phase::Read, fault, false))?;
                match bytes {
                    Some(bytes) if digest::hex(&digest::sha256(&bytes)) == *spill.sha256 => {
                        keep::decode(&bytes, stored.encoding).map(Some)
                    }
                    Some(_) | None => Err(UnreadableWhy::Missing),
                }
            }
        })
    }
}

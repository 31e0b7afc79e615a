use std::panic::resume_unwind;

use serde::{Serialize, de::DeserializeOwned};
use setpiece_policy::{Deadline, Fault};

use super::Guard;
use crate::{
    Key, Outcome, Skipped,
    core::{Answer, Claimant, Core, Judged, Step, Unanswered},
    error::{After, Busy, GuardError, HandlerFailed, LeaseLost, LostHow, Phase},
    held::Held,
    keep::Kept,
    race::{First, catch, race},
    record::{Owner, Status},
    report::Event,
    store::{CommitReply, Once, Store, Unwritten},
    verdict::{self, Refusal},
};

/// Sighting of a key: the first, or a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "it says whether to go on"]
pub enum Sighting {
    /// This is the first time.
    First,
    /// It was seen before.
    Again,
}

impl<S: Store + ?Sized, C> Guard<S, C> {
    /// Marks a key as seen, with one request, and says whether it was before.
    ///
    /// There is no claim and no result: what follows is done at most once, and not at all if the
    /// caller dies first. It is for what may rather be lost than done twice, such as a
    /// notification.
    ///
    /// # Errors
    ///
    /// Why it is not known. The key may be marked all the same if the store did not answer.
    pub async fn seen(&self, key: &Key, deadline: Deadline) -> Result<Sighting, GuardError> {
        self.check_time(key, deadline)?;
        let owner = self.core.new_owner(self.core.clock.now());
        let request = self.once(key, deadline, owner, None, "").await?;
        match self.send_once(&request, &[], deadline).await {
            Ok(Answer::Applied(Ok(()))) => {
                self.core.report(Event::Fresh, &request.key, 1);
                Ok(Sighting::First)
            }
            Ok(Answer::Refused(Refusal::Completed(record) | Refusal::Failed(record))) => {
                self.core.report(Event::Duplicate, &request.key, record.attempt);
                Ok(Sighting::Again)
            }
            Ok(Answer::Refused(refusal)) => Err(self.refused_once(&request, refusal)),
            // There are no writes whose conditions could not hold.
            Ok(Answer::Applied(Err(_)) | Answer::Contended) => Err(self.busy_once(&request)),
            Err(fault) => {
                self.core.report(Event::StoreFailed, &request.key, 0);
                let may_have_happened = fault.may_have_happened();
                Err(Core::<S>::store_failed(Phase::Acquire, fault, may_have_happened))
            }
        }
    }

    /// Runs `work`, and writes its result and what it wants to have written in a single request,
    /// unless it has been done.
    ///
    /// Nothing is claimed, so calls at the same time all run the work; one of them is written, and
    /// the others return its result. The effect of the work must be in its writes. It takes one
    /// round trip where [`commit`](Self::commit) takes two, and a duplicate runs the work for
    /// nothing, unless the guard [probes first](crate::GuardBuilder::probe_first).
    ///
    /// # Panics
    ///
    /// A panic of the work goes on, and so does one in [what is kept](crate::Keep) of its result.
    /// Nothing is written.
    ///
    /// # Errors
    ///
    /// As in [`commit`](Self::commit). Without a claim, an error of the work changes nothing. Work
    /// that goes on until the deadline is cancelled, and the error is that of a claim that was lost,
    /// by the attempt 0.
    pub async fn commit_once<T, E, F, Fut>(
        &self,
        key: &Key,
        deadline: Deadline,
        work: F,
    ) -> Result<Outcome<T>, GuardError<E>>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce(Held) -> Fut,
        Fut: Future<Output = Result<(T, Vec<S::Write>), E>>,
    {
        self.check_time(key, deadline).map_err(GuardError::into_any)?;
        if self.core.settings.probe_first {
            if let Some(outcome) = self.probe(key, deadline).await.map_err(GuardError::into_any)? {
                return Ok(outcome);
            }
            self.check_time(key, deadline).map_err(GuardError::into_any)?;
        }
        let owner = self.core.new_owner(self.core.clock.now());
        let held = Held::new(self.record_key(key), owner.clone(), 0, deadline)
            .of_run(self.core.new_salt());
        let unwritten = || self.core.report(Event::Released, &self.record_key(key), 0);
        let clock = &*self.core.clock;
        let timer = || self.core.sleep.sleep_boxed(deadline.remaining(clock));
        let in_time = || !deadline.has_passed(clock);
        let (value, writes) = match race(catch(|| work(held)), timer, in_time).await {
            First::Work(Ok(Ok(decision))) => decision,
            First::Work(Ok(Err(error))) => {
                unwritten();
                let after = After::Unclaimed;
                return Err(GuardError::Handler(HandlerFailed { error, after }));
            }
            First::Work(Err(panic)) => {
                unwritten();
                resume_unwind(panic)
            }
            First::Other(()) | First::Late => {
                let key = self.record_key(key);
                self.core.report(Event::LeaseLost, &key, 0);
                return Err(GuardError::LeaseLost(LeaseLost {
                    key,
                    attempt: 0,
                    why: LostHow::TimeUp,
                    may_have_happened: false,
                }));
            }
        };
        self.write_once(key, deadline, owner, value, writes).await.map_err(GuardError::into_any)
    }

    async fn write_once<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        deadline: Deadline,
        owner: Owner,
        value: T,
        writes: Vec<S::Write>,
    ) -> Result<Outcome<T>, GuardError> {
        let type_name = std::any::type_name::<T>();
        let kept = match self.core.settings.keep.encode(&value) {
            Ok(kept) => kept,
            Err(unkept) => {
                // Nothing has been written yet, so there is nothing to keep it for.
                self.core.report(Event::Released, &self.record_key(key), 0);
                return Err(unkept.into_error(type_name, false));
            }
        };
        let request = self.once(key, deadline, owner, kept, type_name).await?;
        let answer = match self.send_once(&request, &writes, deadline).await {
            Err(fault) if fault.may_have_happened() => {
                self.look_once(&request, fault, deadline).await
            }
            answer => answer,
        };
        match answer {
            Ok(Answer::Applied(Ok(()))) => {
                self.core.report(Event::Fresh, &request.key, 1);
                Ok(Outcome::Fresh(value))
            }
            Ok(Answer::Applied(Err(unwritten))) => {
                self.core.report(unwritten.into(), &request.key, 0);
                Err(GuardError::unwritten(unwritten, After::Unclaimed))
            }
            Ok(Answer::Refused(Refusal::Completed(record) | Refusal::Failed(record))) => {
                let found = Core::<S>::inspected(&request.key, record);
                Ok(match self.core.replay(found, deadline.instant(), true).await? {
                    Some(value) => Outcome::Replayed(value),
                    None => Outcome::Skipped(Skipped::NotKept),
                })
            }
            Ok(Answer::Refused(refusal)) => Err(self.refused_once(&request, refusal)),
            Ok(Answer::Contended) => Err(self.busy_once(&request)),
            Err(fault) => {
                self.core.report(Event::StoreFailed, &request.key, 0);
                let may_have_happened = fault.may_have_happened();
                Err(Core::<S>::store_failed(Phase::Commit, fault, may_have_happened))
            }
        }
    }

    fn check_time(&self, key: &Key, deadline: Deadline) -> Result<(), GuardError> {
        if deadline.remaining(&*self.core.clock) >= self.core.settings.min_time {
            return Ok(());
        }
        self.core.report(Event::NoTime, &self.record_key(key), 0);
        Err(GuardError::NoTime)
    }

    async fn once(
        &self,
        key: &Key,
        deadline: Deadline,
        owner: Owner,
        kept: Option<Kept>,
        type_name: &str,
    ) -> Result<Once, GuardError> {
        let now = self.core.clock.now();
        let (key, fingerprint) = (self.record_key(key), key.fingerprint().cloned());
        let expires_at = self.core.expiry(now);
        let claimant = Claimant { key: &key, owner: &owner, until: deadline.instant() };
        let result =
            self.core.place(claimant, kept, type_name, expires_at).await.map_err(|fault| {
                self.core.report(Event::StoreFailed, &key, 0);
                Core::<S>::store_failed(Phase::Commit, fault, false)
            })?;
        let mut request = Once::new(key, owner, now, result, expires_at);
        request.fingerprint = fingerprint;
        request.stale_before = self.core.stale_before(now);
        request.semantics = self.core.settings.semantics;
        Ok(request)
    }

    async fn send_once(
        &self,
        request: &Once,
        writes: &[S::Write],
        deadline: Deadline,
    ) -> Result<Answer<Result<(), Unwritten>, Refusal>, Fault> {
        let core = &self.core;
        let unanswered = Unanswered::default();
        let answer = core.write(&core.retry, deadline.instant(), || async {
            Ok(match unanswered.watch(core.store.commit_once(request, writes)).await? {
                CommitReply::Applied => Judged::Applied(Ok(())),
                CommitReply::WriteRefused(index) => Judged::Applied(Err(Unwritten::Refused(index))),
                CommitReply::WriteImpossible(write) => {
                    Judged::Applied(Err(Unwritten::Impossible(write)))
                }
                CommitReply::Contended => Judged::Contended,
                CommitReply::Refused(found) => match verdict::once(request, found) {
                    Refusal::Own { attempt, .. } => {
                        core.report(Event::OwnWrite, &request.key, attempt);
                        Judged::Applied(Ok(()))
                    }
                    Refusal::Raced => Judged::Raced,
                    refusal => Judged::Refused(refusal),
                },
            })
        });
        let answer = answer.await;
        // What holds a try off now will pass, and an earlier one may arrive after that. So does
        // another payload that somebody works on, since it is forgotten when it is given back.
        let passes = match &answer {
            Ok(Answer::Refused(Refusal::Mismatch(record))) => record.status == Status::InProgress,
            Ok(
                Answer::Refused(Refusal::Busy(_) | Refusal::Interrupted(_))
                | Answer::Applied(Err(_))
                | Answer::Contended,
            ) => true,
            Ok(_) | Err(_) => false,
        };
        match answer {
            Ok(_) if passes && unanswered.any() => {
                let fault = Fault::conflict("it was refused after a try without an answer");
                Err(fault.with_may_have_happened(true))
            }
            answer => answer,
        }
    }

    /// Looks whether a request without an answer was applied. If it is not there, it may still
    /// come.
    async fn look_once(
        &self,
        request: &Once,
        fault: Fault,
        deadline: Deadline,
    ) -> Result<Answer<Result<(), Unwritten>, Refusal>, Fault> {
        let core = &self.core;
        match core.within(deadline.instant(), core.store.read(&request.key)).await {
            Ok(Some(record))
                if record.status == Status::Completed
                    && record.owner.as_ref() == Some(&request.owner) =>
            {
                Ok(Answer::Applied(Ok(())))
            }
            Ok(_) | Err(_) => Err(fault),
        }
    }

    async fn probe<T: DeserializeOwned>(
        &self,
        key: &Key,
        deadline: Deadline,
    ) -> Result<Option<Outcome<T>>, GuardError> {
        let core = &self.core;
        let key_of_record = self.record_key(key);
        let read = core.probe(deadline, async |until| {
            core.insist(&core.retry, until, || async {
                core.store.read(&key_of_record).await.map(Step::Done)
            })
            .await
        });
        // What cannot be read is asked for with the write.
        let Ok(Some(record)) = read.await else { return Ok(None) };
        let owner = self.core.new_owner(self.core.clock.now());
        let request = self.once(key, deadline, owner, None, "").await?;
        if request.may_take(Some(&record)) {
            return Ok(None);
        }
        match verdict::once(&request, Some(record)) {
            Refusal::Completed(record) | Refusal::Failed(record) => {
                let found = Core::<S>::inspected(&request.key, record);
                Ok(Some(match core.replay(found, deadline.instant(), true).await? {
                    Some(value) => Outcome::Replayed(value),
                    None => Outcome::Skipped(Skipped::NotKept),
                }))
            }
            Refusal::Raced | Refusal::Own { .. } | Refusal::Busy(_) => Ok(None),
            refusal => Err(self.refused_once(&request, refusal)),
        }
    }

    fn refused_once(&self, request: &Once, refusal: Refusal) -> GuardError {
        let inspected = |record| Core::<S>::inspected(&request.key, record);
        let (event, error) = match refusal {
            Refusal::Newer(record) => (Event::Unreadable, GuardError::Newer(inspected(record))),
            Refusal::Unreadable(record, why) => {
                (Event::Unreadable, GuardError::Corrupt(inspected(record), why))
            }
            Refusal::Mismatch(record) => (Event::Mismatch, GuardError::Mismatch(inspected(record))),
            Refusal::Interrupted(record) => {
                (Event::Interrupted, GuardError::Interrupted(inspected(record)))
            }
            Refusal::Busy(_)
            | Refusal::Completed(_)
            | Refusal::Failed(_)
            | Refusal::Own { .. }
            | Refusal::Raced => return self.busy_once(request),
        };
        self.core.report(event, &request.key, 0);
        error
    }

    fn busy_once(&self, request: &Once) -> GuardError {
        self.core.report(Event::Busy, &request.key, 0);
        let key = request.key.clone();
        GuardError::Busy(Busy { key, attempt: 0, until: None, retry_after: None })
    }
}

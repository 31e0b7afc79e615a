use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicI64, Ordering},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{Guard, enter::Entered};
use crate::{
    AfterError, Classify, Key, Lease, Outcome, Skipped,
    claim::{Claim, Completed},
    error::{After, GuardError, HandlerFailed, LostHow},
    held::Held,
    race::{First, Panic, catch, race},
    report::Event,
    store::Store,
};

impl<S: Store + ?Sized, C> Guard<S, C> {
    /// Runs `work` unless it has been done, and keeps what it returns.
    ///
    /// ```
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
    /// #         Poll::Ready(output) => output,
    /// #         Poll::Pending => unreachable!("nothing here waits"),
    /// #     }
    /// # }
    /// # use std::{sync::Arc, time::Duration};
    /// # use setpiece_envelope::FixedClock;
    /// # use setpiece_policy::{Deadline, Fault, InstantSleep, SeededRandom};
    /// use setpiece_idempotency::{Guard, Key, Lease, MemoryStore, Outcome};
    ///
    /// # let clock = FixedClock::default();
    /// # let sleep = InstantSleep::new(clock.clone());
    /// # let deadline = Deadline::after(&clock, Duration::from_secs(3));
    /// let store = Arc::new(MemoryStore::new(clock.clone()));
    /// let guard = Guard::builder(store, "payments", "charge", clock, SeededRandom::new(1), sleep)
    ///     .build()?;
    ///
    /// # let outcome: Result<(), Box<dyn std::error::Error>> = block_on(async {
    /// let key = Key::of("order-17")?;
    /// for expected in [Outcome::Fresh(29), Outcome::Replayed(29)] {
    ///     let outcome = guard
    ///         .run(&key, Lease::until(deadline), |held| async move {
    ///             let _card_key = held.downstream_key("card");
    ///             Ok::<_, Fault>(29)
    ///         })
    ///         .await?;
    ///     assert_eq!(outcome, expected);
    /// }
    /// # Ok(())
    /// # });
    /// # outcome?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// A panic of the work goes on, after the key was given back; or held, where the work must not
    /// be run twice. One in [what is kept](crate::Keep) of its result goes on, too. The work is done
    /// then, and so is the key, without a result; but where the effect is in
    /// [writes](Self::commit), there is none yet.
    ///
    /// # Dropping the future
    ///
    /// The work is cancelled, and the key is locked until the lease is over. See [`Claim`].
    ///
    /// # Errors
    ///
    /// Why there is no result. [`GuardError::may_have_happened`] says whether the work may have
    /// had its effect all the same.
    pub async fn run<T, E, F, Fut>(
        &self,
        key: &Key,
        lease: Lease,
        work: F,
    ) -> Result<Outcome<T>, GuardError<E>>
    where
        T: Serialize + DeserializeOwned,
        C: Classify<E>,
        F: FnOnce(Held) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut claim = match self.begin(key, lease).await.map_err(GuardError::into_any)? {
            Begun::Answer(outcome) => return Ok(outcome),
            Begun::Unguarded(held) => return self.unguarded(held, work).await,
            Begun::Owned(claim) => claim,
        };
        let value = self.work(&mut claim, true, work).await?;
        let encoded = claim.encode(&value);
        let completed = claim.finish(encoded).await.map_err(GuardError::into_any)?;
        self.answer(completed, value, lease).await.map_err(GuardError::into_any)
    }

    /// Runs `work` unless it has been done; keeps what it returns and writes what it wants to have
    /// written, together or not at all.
    ///
    /// The work returns its result and the writes. It may be begun more than once, and its writes
    /// are written once.
    ///
    /// # Panics
    ///
    /// As in [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// As in [`run`](Self::run), and those of [`Claim::commit`].
    pub async fn commit<T, E, F, Fut>(
        &self,
        key: &Key,
        lease: Lease,
        work: F,
    ) -> Result<Outcome<T>, GuardError<E>>
    where
        T: Serialize + DeserializeOwned,
        C: Classify<E>,
        F: FnOnce(Held) -> Fut,
        Fut: Future<Output = Result<(T, Vec<S::Write>), E>>,
    {
        // Without the store there are no writes, so there is no running without protection.
        let entered = self.core.enter(key, lease, false).await.map_err(GuardError::into_any)?;
        let mut claim = match self.entered(entered).await.map_err(GuardError::into_any)? {
            Begun::Answer(outcome) => return Ok(outcome),
            Begun::Unguarded(_) => unreachable!("it was not asked for"),
            Begun::Owned(claim) => claim,
        };
        let (value, writes) = self.work(&mut claim, false, work).await?;
        let encoded = claim.encode(&value);
        let completed = claim.finish_with(encoded, &writes).await.map_err(GuardError::into_any)?;
        self.answer(completed, value, lease).await.map_err(GuardError::into_any)
    }

    async fn begin<T: DeserializeOwned>(
        &self,
        key: &Key,
        lease: Lease,
    ) -> Result<Begun<S, T>, GuardError> {
        self.entered(self.core.enter(key, lease, true).await?).await
    }

    async fn entered<T: DeserializeOwned>(
        &self,
        entered: Entered<S>,
    ) -> Result<Begun<S, T>, GuardError> {
        Ok(match entered {
            Entered::Owned(claim) => Begun::Owned(claim),
            Entered::Unguarded(held) => Begun::Unguarded(held),
            Entered::Skipped => Begun::Answer(Outcome::Skipped(Skipped::Busy)),
            Entered::Done(done) => Begun::Answer(replayed(done.result().await?)),
        })
    }

    /// Runs the work under its claim, and sees to the claim if there is no value.
    ///
    /// `has_effect` says whether that is in the work, and not in the writes that it returns.
    async fn work<V, E, F, Fut>(
        &self,
        claim: &mut Claim<S>,
        has_effect: bool,
        work: F,
    ) -> Result<V, GuardError<E>>
    where
        C: Classify<E>,
        F: FnOnce(Held) -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let held = claim.held().clone();
        let until = AtomicI64::new(claim.work_until().unix_millis());
        let in_time = || self.core.clock.now().unix_millis() < until.load(Ordering::Relaxed);
        let ended = race(catch(move || work(held)), || claim.keep_alive(&until), in_time).await;
        match ended {
            First::Work(Ok(Ok(value))) => Ok(value),
            First::Work(Ok(Err(error))) => Err(self.failed(claim, error).await),
            First::Work(Err(panic)) => self.panicked(claim, panic).await,
            First::Other(why) => Err(claim.lost(why, has_effect).into_any()),
            First::Late => Err(claim.lost(LostHow::TimeUp, has_effect).into_any()),
        }
    }

    async fn failed<E>(&self, claim: &mut Claim<S>, error: E) -> GuardError<E>
    where
        C: Classify<E>,
    {
        let semantics = self.core.settings.semantics;
        // It only looks at the error, and a panic goes on.
        let classify = || self.classify.classify(&error, semantics);
        let next = match catch_unwind(AssertUnwindSafe(classify)) {
            Ok(next) => next,
            Err(panic) => return self.panicked(claim, panic).await,
        };
        let after = match next {
            AfterError::Release => claim.free_after(Event::Released).await,
            AfterError::Hold => {
                claim.end(Event::Held);
                After::Held
            }
            AfterError::Record(recorded) => match claim.record_error(&recorded).await {
                Ok(Completed::Kept) => After::Recorded,
                Ok(Completed::Superseded(_) | Completed::Vanished)
                | Err(GuardError::LeaseLost(_)) => After::Lost,
                Err(_) => After::Stuck,
            },
        };
        GuardError::Handler(HandlerFailed { error, after })
    }

    async fn panicked<V>(&self, claim: &mut Claim<S>, panic: Panic) -> V {
        claim.back_out(Event::Released).await;
        resume_unwind(panic)
    }

    /// The store is down, and it was decided to go on all the same.
    async fn unguarded<T, E, F, Fut>(
        &self,
        held: Held,
        work: F,
    ) -> Result<Outcome<T>, GuardError<E>>
    where
        F: FnOnce(Held) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.core.report(Event::Unguarded, held.record_key(), 0);
        match work(held).await {
            Ok(value) => Ok(Outcome::Unguarded(value)),
            Err(error) => {
                Err(GuardError::Handler(HandlerFailed { error, after: After::Unguarded }))
            }
        }
    }

    /// All callers get one answer: where another result stands, it is that one.
    async fn answer<T: DeserializeOwned>(
        &self,
        completed: Completed,
        value: T,
        lease: Lease,
    ) -> Result<Outcome<T>, GuardError> {
        match completed {
            Completed::Kept | Completed::Vanished => Ok(Outcome::Fresh(value)),
            Completed::Superseded(found) => {
                let until = lease.deadline().instant();
                let result = self.core.replay(found, until, false).await;
                Ok(replayed(result.map_err(GuardError::after_run)?))
            }
        }
    }
}

enum Begun<S: Store + ?Sized, T> {
    Owned(Claim<S>),
    Unguarded(Held),
    Answer(Outcome<T>),
}

fn replayed<T>(result: Option<T>) -> Outcome<T> {
    match result {
        Some(value) => Outcome::Replayed(value),
        None => Outcome::Skipped(Skipped::NotKept),
    }
}

mod error;
mod plan;
mod receipt;
mod relay;

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use setpiece_bus::{Bus, OutgoingEvent, Publisher};
use setpiece_envelope::{Correlation, EventId, Metadata, Timestamp};
use setpiece_idempotency::{
    After, BySemantics, Classify, Guard, GuardError, Held, Key, Lease, Outcome, Skipped,
    WriteImpossible, WriteRefused,
    store::{Impossible, RecordKey},
};
use setpiece_policy::{Deadline, Fault, Retry};

pub use self::error::{ApplyError, Refused};
pub(crate) use self::plan::flow;
use self::{
    plan::{Ids, Plan},
    receipt::Receipt,
};
use crate::{
    EffectStore, Effects, InvalidEffects, InvalidWrite, OutboxKey, OutboxOwner, WriteOf,
    handlers::Decision, write::Otherwise,
};

/// Applies effects: all of them or none, once for each key.
///
/// It is what stands between a handler that returned [`Effects`] and the acknowledgement of its
/// event. In one transaction it completes the guard's record, makes the writes, and puts the
/// events into the outbox; then it publishes what is in the outbox, and removes it there. Only
/// then has the event been handled.
///
/// A crash before the transaction changes nothing, and the redelivery decides anew. A crash after
/// it leaves events in the outbox: the redelivery finds the record completed, and publishes and
/// removes those that are left. So each write is made once, and each event is published at least
/// once, always with the same id.
///
/// Where the store is [`EventsOnly`](crate::EventsOnly) there is neither a transaction nor an
/// outbox: events are published while the claim is held, and then the record is completed.
///
/// # Ids
///
/// The id of an event follows from the record's key, the event's place among the effects, its name,
/// and a salt that the first claim draws and the record keeps: nobody outside can compute an id and
/// claim it in advance. Each run of one decision comes to the same ids, since an event that is
/// published by two runs is one event to those who hear of it; without an outbox, every crash after
/// publishing is such a case. Once the record is deleted, a new run has other ids.
///
/// An [optimistic](Self::optimistic) run claims nothing, so its ids are of this run alone. The
/// outbox has those of the run that was written, and no others are ever sent.
pub struct Applier<X, B> {
    owner: OutboxOwner,
    store: Arc<X>,
    publisher: Publisher<B>,
    retry: Retry,
    optimistic: bool,
}

/// Cause of effects: the place of their events in the flow, and the time since when there is a
/// cause.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    correlation: Correlation,
    since: Option<Timestamp>,
}

impl Cause {
    /// The handling of an event.
    #[must_use]
    pub fn handled(metadata: &Metadata) -> Self {
        Self { correlation: Correlation::caused_by(metadata), since: metadata.occurred_at }
    }

    /// Something else, such as a request or a schedule, that stands there in a flow.
    #[must_use]
    pub fn other(correlation: Correlation) -> Self {
        Self { correlation, since: None }
    }

    /// Returns the cause with another place in the flow.
    #[must_use]
    pub fn with_correlation(self, correlation: Correlation) -> Self {
        Self { correlation, ..self }
    }
}

/// Success of applying effects. The delivery is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Applied {
    /// The decision was made and applied.
    Fresh {
        /// Number of writes that were made.
        writes: usize,
        /// Number of events that were published.
        events: usize,
    },
    /// It had been applied before.
    Replayed {
        /// Number of events of the first run that were still to be published, and were published
        /// now.
        events: usize,
    },
    /// A write said that the event [is stale](crate::Write::or_skip), so nothing was applied.
    Stale {
        /// Index of the write, from 0.
        index: usize,
    },
}

/// Success, and the answer of the handler as JSON, where it has one: that of now or that of the
/// first time.
pub(crate) type Answered = (Applied, Option<String>);

/// The outcome of a relay.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Relayed {
    /// The number of events that were published and removed.
    pub published: usize,
    /// The number of those that were not there: they had been relayed before, or were never events.
    pub gone: usize,
    /// The number of those that belong to [somebody else](OutboxOwner). They were left alone.
    pub foreign: usize,
    /// The events that the bus refuses for good. They are still in the outbox.
    pub refused: Vec<RefusedEvent>,
}

/// Event in the outbox that the bus refuses, however often it is sent.
#[derive(Clone)]
#[non_exhaustive]
pub struct RefusedEvent {
    /// The place in the outbox, where it still is.
    pub key: OutboxKey,
    /// The event's id.
    pub event_id: EventId,
    /// The event as JSON: an [`OutgoingEvent`] to serde, so that it can be sent again.
    pub json: Arc<str>,
    /// The reason.
    pub fault: Fault,
}

impl fmt::Debug for RefusedEvent {
    /// Leaves out the JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedEvent")
            .field("key", &self.key)
            .field("event_id", &self.event_id)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// Work to apply, with its key and lease.
pub(crate) struct Call<'a, X: EffectStore, C = BySemantics> {
    pub(crate) guard: &'a Guard<X::Records, C>,
    pub(crate) key: &'a Key,
    pub(crate) lease: Lease,
    pub(crate) cause: &'a Cause,
    pub(crate) deadline: Deadline,
}

/// Work that decides.
pub(crate) type Work<'a> =
    Box<dyn FnOnce(Held) -> BoxFuture<'a, Result<Decision, Fault>> + Send + 'a>;

/// A way to apply what work decides.
pub(crate) type Answering<X, B> = for<'a> fn(
    &'a Applier<X, B>,
    Call<'a, X>,
    Work<'a>,
) -> BoxFuture<'a, Result<Answered, ApplyError>>;

impl<X: EffectStore, B: Bus> Applier<X, B> {
    /// Applies effects of `service` in `store` and publishes through `publisher`. What reads and
    /// removes in the outbox is tried as `retry` says.
    ///
    /// What it puts into the outbox belongs to the service and the bus, and it touches nothing
    /// there that belongs to others.
    #[must_use]
    pub fn new(service: &str, store: Arc<X>, publisher: Publisher<B>, retry: Retry) -> Self {
        let owner = OutboxOwner::new(service, publisher.bus().name());
        Self { owner, store, publisher, retry, optimistic: false }
    }

    /// The owner of what it puts into the outbox.
    #[must_use]
    pub fn owner(&self) -> &OutboxOwner {
        &self.owner
    }

    /// Runs work without claiming its key first: whatever runs at the same time is told apart when
    /// it is written. Without transactions there is always a claim.
    #[must_use]
    pub fn optimistic(self) -> Self {
        Self { optimistic: true, ..self }
    }

    /// Returns the store of the effects.
    #[must_use]
    pub fn store(&self) -> &Arc<X> {
        &self.store
    }

    /// Runs `work` under the guard's claim unless its effects were applied before, and applies
    /// them. When it returns, the outbox of this key is empty.
    ///
    /// The `guard`'s store is the [records](EffectStore::records) of this one's. Events are
    /// published until `deadline`.
    ///
    /// # Panics
    ///
    /// A panic of the work goes on, after the key was given back; see
    /// [`Guard::commit`].
    ///
    /// # Errors
    ///
    /// Why the delivery is not done. Delivered again, it continues where this one ended.
    pub async fn apply<C, F, Fut>(
        &self,
        guard: &Guard<X::Records, C>,
        key: &Key,
        lease: Lease,
        cause: &Cause,
        deadline: Deadline,
        work: F,
    ) -> Result<Applied, ApplyError>
    where
        C: Classify<Fault>,
        F: FnOnce(Held) -> Fut,
        Fut: Future<Output = Result<Effects, Fault>>,
    {
        let call = Call { guard, key, lease, cause, deadline };
        let work = async |held| Ok(Decision { effects: work(held).await?, response: None });
        let answered = if !self.store.is_transactional() {
            self.publish_first(call, work).await
        } else if self.optimistic {
            self.commit_once(call, work).await
        } else {
            self.commit(call, work).await
        };
        Ok(answered?.0)
    }

    /// Does what [`apply`](Self::apply) does with a claim, for work that has an answer as well.
    ///
    /// Each of the ways is behind a pointer, so that a function has only those in it that its store
    /// and its app ask for.
    pub(crate) fn claimed<'a>(
        &'a self,
        call: Call<'a, X>,
        work: Work<'a>,
    ) -> BoxFuture<'a, Result<Answered, ApplyError>> {
        if self.store.is_transactional() {
            Box::pin(self.commit(call, work))
        } else {
            Box::pin(self.publish_first(call, work))
        }
    }

    /// Applies effects without a claim, where there are transactions.
    pub(crate) fn unclaimed<'a>(
        &'a self,
        call: Call<'a, X>,
        work: Work<'a>,
    ) -> BoxFuture<'a, Result<Answered, ApplyError>> {
        if self.store.is_transactional() {
            Box::pin(self.commit_once(call, work))
        } else {
            Box::pin(self.publish_first(call, work))
        }
    }

    async fn commit<C, F, Fut>(&self, call: Call<'_, X, C>, work: F) -> Result<Answered, ApplyError>
    where
        C: Classify<Fault>,
        F: FnOnce(Held) -> Fut,
        Fut: Future<Output = Result<Decision, Fault>>,
    {
        let mut decided = Decided::default();
        let decide = async |held: Held| {
            let decision = work(held.clone()).await?;
            self.decide(&held, call.cause, decision, &mut decided)
        };
        let outcome = call.guard.commit(call.key, call.lease, decide).await;
        self.conclude(call, decided, outcome).await
    }

    async fn commit_once<C, F, Fut>(
        &self,
        call: Call<'_, X, C>,
        work: F,
    ) -> Result<Answered, ApplyError>
    where
        F: FnOnce(Held) -> Fut,
        Fut: Future<Output = Result<Decision, Fault>>,
    {
        let mut decided = Decided::default();
        let decide = async |held: Held| {
            let decision = work(held.clone()).await?;
            self.decide(&held, call.cause, decision, &mut decided)
        };
        let outcome = call.guard.commit_once(call.key, call.lease.deadline(), decide).await;
        self.conclude(call, decided, outcome).await
    }

    /// Returns the receipt of a decision, and the writes that make it durable.
    fn decide(
        &self,
        held: &Held,
        cause: &Cause,
        Decision { effects, response }: Decision,
        decided: &mut Decided,
    ) -> Result<(Receipt, Vec<WriteOf<X>>), Fault> {
        let events = plan::events(held, &effects, cause, Ids::OfThisRun, self.now())?;
        self.check(&events)?;
        let Plan { writes, keys, events } =
            Plan::new(&*self.store, &self.owner, held, &effects, events, self.now())?;
        let receipt = Receipt { outbox: events.len(), response };
        decided.writes = effects.written().len();
        decided.otherwise =
            effects.written().iter().map(|write| write.otherwise().clone()).collect();
        decided.outbox = keys.into_iter().zip(events).collect();
        Ok((receipt, writes))
    }

    /// Publishes what was put into the outbox, now or earlier.
    async fn conclude<C>(
        &self,
        Call { guard, key, deadline, .. }: Call<'_, X, C>,
        decided: Decided,
        outcome: Result<Outcome<Receipt>, GuardError<Fault>>,
    ) -> Result<Answered, ApplyError> {
        match outcome {
            Ok(Outcome::Fresh(receipt) | Outcome::Unguarded(receipt)) => {
                let events = decided.outbox.len();
                self.dispatch(decided.outbox, deadline).await?;
                Ok((Applied::Fresh { writes: decided.writes, events }, receipt.response))
            }
            Ok(Outcome::Replayed(receipt)) => {
                let record = guard.record_key(key);
                let applied = self.replay(&record, receipt.outbox, deadline).await?;
                Ok((applied, receipt.response))
            }
            // How many there are was not kept, so all that there may be are looked for.
            Ok(Outcome::Skipped(Skipped::NotKept)) => {
                let most = self.store.limits().max_operations.saturating_sub(1).min(Receipt::MOST);
                Ok((self.replay(&guard.record_key(key), most, deadline).await?, None))
            }
            Ok(Outcome::Skipped(why @ Skipped::Busy)) => {
                Err(ApplyError::Guard(GuardError::Skipped(why)))
            }
            // Somebody else has the key, so nobody knows here whether its work was done before. The
            // next delivery finds out.
            Err(
                GuardError::WriteRefused(WriteRefused { after: After::Lost, .. })
                | GuardError::WriteImpossible(WriteImpossible { after: After::Lost, .. }),
            ) => Err(ApplyError::Guard(GuardError::Skipped(Skipped::Busy))),
            Err(GuardError::WriteRefused(refused)) => Ok((decided.refused(refused.index)?, None)),
            Err(GuardError::WriteImpossible(impossible)) => {
                Err(ApplyError::Invalid(decided.impossible(impossible.write)))
            }
            Err(error) => Err(ApplyError::guard(error)),
        }
    }

    /// Without an outbox: the record is completed after the events were published.
    async fn publish_first<C, F, Fut>(
        &self,
        Call { guard, key, lease, cause, deadline }: Call<'_, X, C>,
        work: F,
    ) -> Result<Answered, ApplyError>
    where
        C: Classify<Fault>,
        F: FnOnce(Held) -> Fut,
        Fut: Future<Output = Result<Decision, Fault>>,
    {
        let mut unpublished = None;
        let outcome = guard
            .run(key, lease, async |held| {
                let Decision { effects, response } = work(held.clone()).await?;
                if !effects.written().is_empty() {
                    let problem = InvalidWrite::Unsupported;
                    return Err(InvalidEffects::Write { index: 0, problem }.into());
                }
                let events = plan::events(&held, &effects, cause, Ids::OfEachRun, self.now())?;
                self.check(&events)?;
                let count = events.len();
                if count > 0
                    && let Err(error) = self.publisher.send_all(events, deadline).await
                {
                    let fault = Fault::transient("events were not published");
                    unpublished = Some(error);
                    return Err(fault.hand_back());
                }
                Ok(Receipt { outbox: count, response })
            })
            .await;
        match (outcome, unpublished) {
            (Ok(Outcome::Fresh(receipt) | Outcome::Unguarded(receipt)), _) => {
                Ok((Applied::Fresh { writes: 0, events: receipt.outbox }, receipt.response))
            }
            (Ok(Outcome::Replayed(receipt)), _) => {
                Ok((Applied::Replayed { events: 0 }, receipt.response))
            }
            (Ok(Outcome::Skipped(Skipped::NotKept)), _) => {
                Ok((Applied::Replayed { events: 0 }, None))
            }
            (Ok(Outcome::Skipped(why @ Skipped::Busy)), _) => {
                Err(ApplyError::Guard(GuardError::Skipped(why)))
            }
            (Err(GuardError::Handler(_)), Some(error)) => Err(ApplyError::Publish(error)),
            (Err(error), _) => Err(ApplyError::guard(error)),
        }
    }

    async fn replay(
        &self,
        record: &RecordKey,
        count: usize,
        deadline: Deadline,
    ) -> Result<Applied, ApplyError> {
        if count == 0 {
            return Ok(Applied::Replayed { events: 0 });
        }
        let keys: Vec<OutboxKey> = (0..count).map(|index| OutboxKey::new(record, index)).collect();
        // What is refused here is of the delivery that caused it, which comes again with it.
        let events = self.relay_all(&keys, deadline).await?;
        Ok(Applied::Replayed { events })
    }

    /// Finds an event that the bus will never take.
    fn check(&self, events: &[OutgoingEvent]) -> Result<(), InvalidEffects> {
        for (index, event) in events.iter().enumerate() {
            let checked = self.publisher.check(event);
            checked
                .map_err(|problem| InvalidEffects::Event { index, problem: Arc::new(problem) })?;
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.retry.clock().now()
    }
}

/// Decision that was made under the claim, for use after the commit.
#[derive(Default)]
struct Decided {
    writes: usize,
    otherwise: Vec<Otherwise>,
    outbox: Vec<(OutboxKey, OutgoingEvent)>,
}

impl Decided {
    fn refused(self, index: usize) -> Result<Applied, ApplyError> {
        let fault = match self.otherwise.into_iter().nth(index) {
            Some(Otherwise::Skip) => return Ok(Applied::Stale { index }),
            Some(Otherwise::Fault(fault)) => fault,
            Some(Otherwise::Conflict) | None => {
                Fault::conflict("the condition of a write did not hold")
            }
        };
        Err(ApplyError::Refused(Refused { index, fault }))
    }

    /// Tells a write of the handler from an event that was to be put into the outbox.
    fn impossible(&self, write: Impossible) -> InvalidEffects {
        match write.index {
            Some(index) if index >= self.writes => {
                InvalidEffects::EventImpossible { index: index - self.writes, reason: write.reason }
            }
            index => InvalidEffects::WriteImpossible { index, reason: write.reason },
        }
    }
}

impl<X, B: Clone> Clone for Applier<X, B> {
    fn clone(&self) -> Self {
        Self {
            owner: self.owner.clone(),
            store: Arc::clone(&self.store),
            publisher: self.publisher.clone(),
            retry: self.retry.clone(),
            optimistic: self.optimistic,
        }
    }
}

impl<X, B> fmt::Debug for Applier<X, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applier").field("publisher", &self.publisher).finish_non_exhaustive()
    }
}

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use serde::{Serialize, de::DeserializeOwned};

use super::Guard;
use crate::{
    Classify, Key, KeyError, Lease, Outcome,
    error::GuardError,
    held::Held,
    race::catch,
    record::Fingerprint,
    report::Event,
    store::{RecordKey, Store},
};

/// Settings for guarding a batch of records; see [`Guard::batch`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a batch does nothing until it runs"]
pub struct Batch<'a, S: Store + ?Sized, C> {
    guard: &'a Guard<S, C>,
    lease: Lease,
    concurrency: usize,
    reserve: Duration,
}

impl<S: Store + ?Sized, C> Guard<S, C> {
    /// Guards the records of a batch, each under its own key.
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
    /// # use setpiece_idempotency::{Guard, Key, Lease, MemoryStore};
    /// # let clock = FixedClock::default();
    /// # let sleep = InstantSleep::new(clock.clone());
    /// # let deadline = Deadline::after(&clock, Duration::from_secs(3));
    /// # let store = Arc::new(MemoryStore::new(clock.clone()));
    /// # let guard = Guard::builder(store, "loyalty", "award", clock, SeededRandom::new(1), sleep)
    /// #     .build()?;
    /// let messages = ["m-1", "m-2", "m-1", ""];
    /// let report = block_on(guard.batch(Lease::until(deadline)).concurrency(8).run(
    ///     &messages,
    ///     |message| Key::of(*message),
    ///     |_held, message| async move { Ok::<_, Fault>(message.len()) },
    /// ));
    /// // The third is the first again, and the fourth has no key.
    /// assert_eq!(report.failed().collect::<Vec<_>>(), [3]);
    /// # Ok::<_, setpiece_idempotency::ConfigError>(())
    /// ```
    pub fn batch(&self, lease: Lease) -> Batch<'_, S, C> {
        Batch { guard: self, lease, concurrency: 10, reserve: Duration::ZERO }
    }

    /// Says that a call ended because it had no key.
    pub(crate) fn keyless(&self) {
        self.core.report(Event::Keyless, &RecordKey::new(""), 0);
    }
}

/// Outcome of each record of a batch.
#[derive(Debug)]
#[must_use = "some of the records may have failed"]
pub struct BatchReport<T, E> {
    outcomes: Vec<Result<Outcome<T>, GuardError<E>>>,
    /// For each record, which of the outcomes is its own.
    index: Vec<usize>,
}

impl<T, E> BatchReport<T, E> {
    /// Returns the outcome of the record with that index.
    #[must_use]
    pub fn get(&self, record: usize) -> Option<&Result<Outcome<T>, GuardError<E>>> {
        self.outcomes.get(*self.index.get(record)?)
    }

    /// Returns the outcome of each record, in their order. Records with the same key have the same.
    pub fn iter(&self) -> impl Iterator<Item = &Result<Outcome<T>, GuardError<E>>> {
        self.index.iter().filter_map(|outcome| self.outcomes.get(*outcome))
    }

    /// Returns the indices of the records that have failed: those that their source must deliver
    /// again.
    pub fn failed(&self) -> impl Iterator<Item = usize> {
        self.iter().enumerate().filter(|(_, outcome)| outcome.is_err()).map(|(record, _)| record)
    }

    /// Returns the number of calls: fewer than records, where keys were the same.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.outcomes.len()
    }
}

impl<S: Store + ?Sized, C> Batch<'_, S, C> {
    /// Limits the number of records that are worked on at the same time; the default is 10.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// Sets the time that must be left for a record to be begun, as its work needs. With less, it
    /// fails unclaimed.
    pub fn reserve(mut self, reserve: Duration) -> Self {
        self.reserve = reserve;
        self
    }

    /// Runs `work` for each record unless it has been done.
    ///
    /// Records with the same key and the same payload are one call. A record without a key fails,
    /// and no record fails for another one's sake.
    ///
    /// A panic of the work ends what is done for its record, as in [`Guard::run`], and is
    /// [its error](GuardError::Panicked). It goes no further: the others are not cancelled for it,
    /// so that one bad record does not lock the keys of a whole batch.
    pub async fn run<'r, R, T, E, F, Fut>(
        self,
        records: &'r [R],
        key: impl Fn(&R) -> Result<Key, KeyError>,
        work: F,
    ) -> BatchReport<T, E>
    where
        T: Serialize + DeserializeOwned,
        C: Classify<E>,
        F: Fn(Held, &'r R) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let plan = Plan::new(self.guard, records, key);
        let (chains, work, batch) = (plan.chains, &work, &self);
        let running = stream::iter(chains)
            .map(|chain| async move {
                let mut done = Vec::with_capacity(chain.len());
                // The same key with another payload comes after it, and is told so.
                for call in chain {
                    let ended = catch(|| batch.call(records, &call, work)).await;
                    let answer = ended.unwrap_or(Err(GuardError::Panicked));
                    done.push((call.outcome, answer));
                }
                done
            })
            .buffer_unordered(self.concurrency);
        let mut outcomes: Vec<_> =
            running.collect::<Vec<_>>().await.into_iter().flatten().collect();
        for (outcome, error) in plan.keyless {
            self.guard.keyless();
            outcomes.push((outcome, Err(error.into())));
        }
        outcomes.sort_unstable_by_key(|(outcome, _)| *outcome);
        BatchReport {
            outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
            index: plan.index,
        }
    }

    async fn call<'r, R, T, E, F, Fut>(
        &self,
        records: &'r [R],
        call: &Call,
        work: &F,
    ) -> Result<Outcome<T>, GuardError<E>>
    where
        T: Serialize + DeserializeOwned,
        C: Classify<E>,
        F: Fn(Held, &'r R) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let Some(record) = records.get(call.record) else { return Err(GuardError::NoTime) };
        let remaining = self.lease.deadline().remaining(&*self.guard.core.clock);
        if remaining < self.reserve {
            self.guard.core.report(Event::NoTime, &self.guard.record_key(&call.key), 0);
            return Err(GuardError::NoTime);
        }
        self.guard.run(&call.key, self.lease, |held| work(held, record)).await
    }
}

/// One call for all records that have its key.
struct Call {
    record: usize,
    key: Key,
    outcome: usize,
}

struct Plan {
    /// Calls on one key, which must not run at the same time.
    chains: Vec<Vec<Call>>,
    keyless: Vec<(usize, KeyError)>,
    index: Vec<usize>,
}

impl Plan {
    fn new<S: Store + ?Sized, C, R>(
        guard: &Guard<S, C>,
        records: &[R],
        key: impl Fn(&R) -> Result<Key, KeyError>,
    ) -> Self {
        let mut plan = Self { chains: Vec::new(), keyless: Vec::new(), index: Vec::new() };
        let mut chains: HashMap<RecordKey, usize> = HashMap::new();
        let mut calls: HashMap<(RecordKey, Option<Fingerprint>), usize> = HashMap::new();
        let mut outcomes = 0;
        for (record, value) in records.iter().enumerate() {
            let key = match key(value) {
                Ok(key) => key,
                Err(error) => {
                    plan.keyless.push((outcomes, error));
                    plan.index.push(outcomes);
                    outcomes += 1;
                    continue;
                }
            };
            let name = guard.record_key(&key);
            let call = (name.clone(), key.fingerprint().cloned());
            if let Some(outcome) = calls.get(&call) {
                plan.index.push(*outcome);
                continue;
            }
            let chain = *chains.entry(name).or_insert_with(|| {
                plan.chains.push(Vec::new());
                plan.chains.len() - 1
            });
            if let Some(chain) = plan.chains.get_mut(chain) {
                chain.push(Call { record, key, outcome: outcomes });
            }
            calls.insert(call, outcomes);
            plan.index.push(outcomes);
            outcomes += 1;
        }
        plan
    }
}

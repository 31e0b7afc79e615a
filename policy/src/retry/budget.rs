use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use crate::Fault;

/// Budget of all retries together. Clones share it.
///
/// When a service is down, every caller that tries three times triples the load under which it has
/// to come up again. A budget stops that: a retry takes tokens out of a bucket, success puts some
/// back, and when the bucket is empty there are first tries only. Trouble that hits few calls is
/// retried as ever, since the many others keep the bucket full.
///
/// The numbers are those of the retry quota of the AWS SDKs in their standard mode:
///
/// | | tokens |
/// |---|---|
/// | full, and at the start | 500 |
/// | a retry | −5 |
/// | a retry after an answer was lost, as in a timeout | −10 |
/// | a success on the first try | +1 |
/// | a success on a retry | what that retry cost |
///
/// So in an outage no more than 100 retries are sent by all who share it. See
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>.
///
/// The tokens are counted exactly, whoever takes them at the same time. Nothing is given back by
/// the passing of time: a sandbox that was frozen for an hour has not seen the service recover.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    tokens: Arc<AtomicU32>,
    capacity: u32,
}

impl RetryBudget {
    const DEFAULT_CAPACITY: u32 = 500;
    const RETRY_COST: u32 = 5;
    const LOST_ANSWER_COST: u32 = 10;
    const FIRST_TRY_REWARD: u32 = 1;

    /// A full bucket of `capacity` tokens. One of 0 tokens allows no retry.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        Self { tokens: Arc::new(AtomicU32::new(capacity)), capacity }
    }

    /// Returns the number of tokens in a full budget.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Returns the number of tokens in it at this moment, for metrics.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// Pays for one retry of what failed with `fault`; `None` when there are too few tokens.
    ///
    /// A [`Retry`](crate::Retry) does this by itself. It is for those who try again in a loop of
    /// their own.
    #[must_use = "without tokens there is no retry"]
    pub fn withdraw(&self, fault: &Fault) -> Option<Withdrawal> {
        let cost =
            if fault.may_have_happened() { Self::LOST_ANSWER_COST } else { Self::RETRY_COST };
        self.take(cost).then(|| Withdrawal { budget: self.clone(), cost })
    }

    /// Puts in what a success on the first try is worth.
    pub fn reward(&self) {
        self.put_back(Self::FIRST_TRY_REWARD);
    }

    // The count guards no other memory, so `Relaxed` is enough: all changes of one atomic have one
    // order anyway.

    /// Takes all of `cost`, or nothing.
    pub(crate) fn take(&self, cost: u32) -> bool {
        let taken = |tokens: u32| tokens.checked_sub(cost);
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    fn put_back(&self, tokens: u32) {
        let filled = |present: u32| Some(present.saturating_add(tokens).min(self.capacity));
        _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, filled);
    }
}

impl Default for RetryBudget {
    /// A full bucket of 500 tokens.
    fn default() -> Self {
        Self::new(Self::DEFAULT_CAPACITY)
    }
}

/// Cost of one retry. Dropped, it stays spent.
#[derive(Debug)]
#[must_use = "refund it when the retry succeeds, or when it is not made"]
pub struct Withdrawal {
    budget: RetryBudget,
    cost: u32,
}

impl Withdrawal {
    /// Puts it back.
    pub fn refund(self) {
        self.budget.put_back(self.cost);
    }
}

#[cfg(test)]
mod tests;

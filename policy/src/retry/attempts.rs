use std::{fmt, time::Duration};

use setpiece_envelope::{Clock, Timestamp};

use super::{Retry, budget::Withdrawal};
use crate::{Deadline, Disposition, Fault, FaultKind};

/// One call and its retries under a [`Retry`], without the calling and the waiting.
///
/// For callers with a loop of their own, such as one that sends a batch and then sends again what
/// was refused of it. It has one of these for the batch, since retries are counted and paid for as
/// calls, however many entries are in them. Between two calls it takes out the entries that are not
/// to be [tried again here](Fault::disposition) and those that had as many retries as [their fault
/// allows](Fault::max_retries), and asks about the one of the rest that has to wait longest.
///
/// ```
/// use std::time::Duration;
/// use setpiece_envelope::FixedClock;
/// use setpiece_policy::{Deadline, Fault, GiveUp, InstantSleep, Retry, SeededRandom};
///
/// let clock = FixedClock::default();
/// let retry = Retry::new(clock.clone(), SeededRandom::new(1), InstantSleep::new(clock.clone()))
///     .with_max_attempts(2);
/// let mut attempts = retry.attempts(Deadline::after(&clock, Duration::from_secs(10)));
///
/// assert_eq!(attempts.start(), Ok(1));
/// let refused = Fault::from_put_events_code("ThrottlingException");
/// let delay = attempts.next(&refused)?;
/// clock.advance(delay); // this is where one waits
///
/// assert_eq!(attempts.start(), Ok(2));
/// assert_eq!(attempts.next(&refused), Err(GiveUp::AttemptsSpent));
/// # Ok::<_, GiveUp>(())
/// ```
///
/// Dropped between [`next`](Self::next) and [`start`](Self::start), it puts back what the retry
/// would have cost.
#[derive(Debug)]
pub struct Attempts<'a> {
    retry: &'a Retry,
    began: Timestamp,
    /// The deadline as it stood at the beginning.
    end: Timestamp,
    /// The latest moment that is known to have come. It does not go back with the clock.
    now: Timestamp,
    failures: u32,
    /// Retries of faults that allow only so many.
    capped: u32,
    /// Cost of the latest retry.
    paid: Option<Withdrawal>,
    /// True if that retry is still to come.
    waiting: bool,
    may_have_happened: bool,
}

/// Reasons that a call is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GiveUp {
    /// The fault says that trying again here is of no use.
    NotRetryable,
    /// It was tried as often as the policy allows.
    AttemptsSpent,
    /// It was tried again as often as [the fault allows](Fault::max_retries).
    CapReached,
    /// The [budget](crate::RetryBudget) of all callers is empty: the service is down, or nearly.
    BudgetSpent,
    /// The wait would end after the deadline less the reserve.
    NoTime,
    /// The effect may have happened, and must not happen [twice](Retry::at_most_once).
    MayHaveHappened,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(retry: &'a Retry, deadline: Deadline) -> Self {
        let now = retry.clock.now();
        Self {
            retry,
            began: now,
            end: now.saturating_add(deadline.remaining_at(now)),
            now,
            failures: 0,
            capped: 0,
            paid: None,
            waiting: false,
            may_have_happened: false,
        }
    }

    /// Begins a try and says which one it is, from 1.
    ///
    /// # Errors
    ///
    /// [`GiveUp::NoTime`] when the deadline has passed.
    pub fn start(&mut self) -> Result<u32, GiveUp> {
        self.look_at_the_clock();
        if self.now >= self.end {
            return Err(GiveUp::NoTime);
        }
        self.waiting = false;
        Ok(self.failures.saturating_add(1))
    }

    /// Says how long to wait before the next try, after the present one failed.
    ///
    /// # Errors
    ///
    /// Why there is to be no next try. The fault to pass on is that of [`give_up`](Self::give_up).
    pub fn next(&mut self, fault: &Fault) -> Result<Duration, GiveUp> {
        let settings = self.retry.settings;
        self.waiting = false;
        self.failures = self.failures.saturating_add(1);
        self.may_have_happened |= fault.may_have_happened();
        self.look_at_the_clock();

        let after = match fault.disposition() {
            Disposition::RetryHere { after } => after.unwrap_or_default(),
            Disposition::FailItem | Disposition::Quarantine => return Err(GiveUp::NotRetryable),
        };
        if settings.at_most_once && self.may_have_happened {
            return Err(GiveUp::MayHaveHappened);
        }
        if self.failures >= settings.max_attempts {
            return Err(GiveUp::AttemptsSpent);
        }
        if fault.max_retries().is_some_and(|max| self.capped >= max) {
            return Err(GiveUp::CapReached);
        }
        let delay = self.jitter(fault.kind()).max(whole_millis(after));
        let remaining = self.end.saturating_duration_since(self.now);
        if delay > remaining.saturating_sub(settings.reserve) {
            return Err(GiveUp::NoTime);
        }
        let Some(withdrawal) = self.retry.budget.withdraw(fault) else {
            return Err(GiveUp::BudgetSpent);
        };

        if fault.max_retries().is_some() {
            self.capped += 1;
        }
        self.paid = Some(withdrawal);
        self.waiting = true;
        // Once it has waited, it is at least this late, whatever the clock says.
        self.now = self.now.saturating_add(delay);
        Ok(delay)
    }

    /// Puts into the budget what a success is worth.
    pub fn succeed(mut self) {
        self.waiting = false;
        match self.paid.take() {
            Some(paid) => paid.refund(),
            None => self.retry.budget.reward(),
        }
    }

    /// Turns the fault of the last try into the one to pass on, given why there is no other.
    ///
    /// It says [how often](Fault::tries) and [for how long](Fault::elapsed) it was tried, unless it
    /// says so already: it is that of an inner retry. It [may have
    /// happened](Fault::may_have_happened) if that is so for any of the tries. Unless it was final by
    /// itself, it is [handed back](Fault::hand_back); without time it becomes a
    /// [deadline](FaultKind::Deadline) fault with `fault` as its source.
    #[must_use]
    pub fn give_up(&self, why: GiveUp, fault: Fault) -> Fault {
        let may_have_happened = fault.may_have_happened() || self.may_have_happened;
        let fault = match fault.tries() {
            None if self.failures > 0 => fault.with_tries(self.failures, self.elapsed()),
            _ => fault,
        };
        fault.with_may_have_happened(may_have_happened).given_up(why)
    }

    /// The time since it began, as far as is known: the waits count also when the clock stands still.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(self.began)
    }

    fn look_at_the_clock(&mut self) {
        self.now = self.now.max(self.retry.clock.now());
    }

    /// Any whole number of milliseconds up to the ceiling of this retry, each as likely as another.
    fn jitter(&self, kind: FaultKind) -> Duration {
        let settings = self.retry.settings;
        let base = match kind {
            FaultKind::Throttled => settings.throttled_base,
            FaultKind::Transient
            | FaultKind::Conflict
            | FaultKind::Contract
            | FaultKind::Permanent
            | FaultKind::Deadline => settings.base,
        };
        let doublings = self.failures.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let ceiling = base.saturating_mul(factor).min(settings.max_delay);
        let steps = u128::from(u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX)) + 1;
        // The high half of the product: <https://lemire.me/blog/2016/06/27/>. It favours some
        // delays by less than one in 2⁶⁴ ÷ steps, which no test could ever see.
        let drawn = (u128::from(self.retry.random.next_u64()) * steps) >> 64;
        Duration::from_millis(u64::try_from(drawn).unwrap_or(u64::MAX))
    }
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        if let (true, Some(paid)) = (self.waiting, self.paid.take()) {
            paid.refund();
        }
    }
}

impl fmt::Display for GiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRetryable => "trying again is of no use",
            Self::AttemptsSpent => "all tries are spent",
            Self::CapReached => "all tries of such a fault are spent",
            Self::BudgetSpent => "the retry budget is spent",
            Self::NoTime => "no time is left for another try",
            Self::MayHaveHappened => "the effect may have happened",
        })
    }
}

impl std::error::Error for GiveUp {}

/// No shorter than `duration`, in whole milliseconds.
fn whole_millis(duration: Duration) -> Duration {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

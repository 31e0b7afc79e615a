mod attempts;
pub(crate) mod budget;

use std::{fmt, sync::Arc, time::Duration};

use setpiece_envelope::Clock;

pub use self::attempts::{Attempts, GiveUp};
use crate::{Deadline, Fault, Random, RetryBudget, Sleep, sleep::AnySleep};

/// Retry of a call: how often, after how long, and at whose expense.
///
/// A fault that says [`RetryHere`](crate::Disposition::RetryHere) is tried again after a random
/// delay between zero and `base × 2ⁿ` for the n-th retry from 0, but no more than a maximum: *full
/// jitter*, which of the schemes compared in
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/> costs the fewest
/// calls. The delay is never less than the service [asked for](Fault::retry_after), and counts
/// whole milliseconds, since timers do.
///
/// ```
/// # use std::{pin::pin, task::{Context, Poll, Waker}};
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
/// #         Poll::Ready(output) => output,
/// #         Poll::Pending => unreachable!("nothing here waits"),
/// #     }
/// # }
/// use std::time::Duration;
/// use setpiece_envelope::FixedClock;
/// use setpiece_policy::{Deadline, Fault, InstantSleep, Retry, SeededRandom};
///
/// let clock = FixedClock::default();
/// let sleep = InstantSleep::new(clock.clone());
/// let retry = Retry::new(clock.clone(), SeededRandom::new(1), sleep.clone());
///
/// let deadline = Deadline::after(&clock, Duration::from_secs(3));
/// let answer = block_on(retry.run(deadline, |attempt| async move {
///     if attempt < 3 { Err(Fault::transient("the line is busy")) } else { Ok("hello") }
/// }));
/// assert_eq!(answer.unwrap(), "hello");
/// assert_eq!(sleep.slept().len(), 2);
/// ```
///
/// # One retry, not two
///
/// Clients of the AWS SDK try again by themselves. Under this one, three tries become nine, in a
/// budget that knows of three. Either switch theirs off, where the service's config is built:
///
/// ```text
/// aws_sdk_eventbridge::config::Builder::from(&shared).retry_config(RetryConfig::disabled())
/// ```
///
/// or leave the retries to the SDK and turn its error into a [`Fault`] that nobody tries again with
/// [`Fault::hand_back`]. Retries of ours do not stack: what one gives up on is handed back.
///
/// # Same call, or same effect
///
/// A call whose answer was lost may have had its effect. Trying it again is right for calls that
/// are idempotent, as those with a condition or a token are. For any other, there is
/// [`at_most_once`](Self::at_most_once).
///
/// A [conflict](crate::FaultKind::Conflict) is not tried again: the same call fails again. An
/// operation that reads anew in each try may say that its conflicts are transient.
///
/// # Clones
///
/// A clone shares clock, randomness, sleep and [budget](RetryBudget). Make one for each service
/// that is called, and clone it to all its callers.
#[derive(Clone)]
pub struct Retry {
    settings: Settings,
    budget: RetryBudget,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    sleep: Arc<dyn AnySleep>,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    base: Duration,
    throttled_base: Duration,
    max_delay: Duration,
    max_attempts: u32,
    reserve: Duration,
    at_most_once: bool,
}

impl Retry {
    /// Three tries at most, as the AWS SDK makes them: delays from up to 50 ms, or from up to 1 s
    /// when throttled, to up to 20 s. The reserve is 100 ms, and the budget is one of its own.
    #[must_use]
    pub fn new(clock: impl Clock, random: impl Random, sleep: impl Sleep) -> Self {
        Self {
            settings: Settings {
                base: Duration::from_millis(50),
                throttled_base: Duration::from_secs(1),
                max_delay: Duration::from_secs(20),
                max_attempts: 3,
                reserve: Duration::from_millis(100),
                at_most_once: false,
            },
            budget: RetryBudget::default(),
            clock: Arc::new(clock),
            random: Arc::new(random),
            sleep: Arc::new(sleep),
        }
    }

    /// Takes time and randomness from the operating system, and sleeps on tokio's timer.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    #[must_use]
    pub fn system() -> Self {
        Self::new(setpiece_envelope::SystemClock, crate::SystemRandom, crate::TokioSleep)
    }

    /// The most that is waited before the first retry; it doubles with each one after that.
    #[must_use]
    pub fn with_base_delay(mut self, base: Duration) -> Self {
        self.settings.base = base;
        self
    }

    /// Sets the base delay for calls that were [throttled](crate::FaultKind::Throttled).
    #[must_use]
    pub fn with_throttled_base_delay(mut self, base: Duration) -> Self {
        self.settings.throttled_base = base;
        self
    }

    /// The most that is waited before any retry, unless the service asks for more.
    #[must_use]
    pub fn with_max_delay(mut self, max: Duration) -> Self {
        self.settings.max_delay = max;
        self
    }

    /// Limits the tries, the first one included. There always is a first one.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.settings.max_attempts = attempts;
        self
    }

    /// Pays out of `budget`, so that it can be shared with others, or looked at.
    #[must_use]
    pub fn with_budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Sets the time that must be left to a try after the wait for it; with less, it does not wait.
    ///
    /// What is to be kept for afterwards is taken off the [deadline](Deadline::reserve).
    #[must_use]
    pub fn with_reserve(mut self, reserve: Duration) -> Self {
        self.settings.reserve = reserve;
        self
    }

    /// Does not try again once the effect [may have happened](Fault::may_have_happened): for calls
    /// that are not idempotent.
    #[must_use]
    pub fn at_most_once(mut self) -> Self {
        self.settings.at_most_once = true;
        self
    }

    /// Returns true if it does not try again once the effect may have happened.
    #[must_use]
    pub fn is_at_most_once(&self) -> bool {
        self.settings.at_most_once
    }

    /// The budget that retries are paid out of.
    #[must_use]
    pub fn budget(&self) -> &RetryBudget {
        &self.budget
    }

    /// The clock by which it counts.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Lets time pass as it does between two tries.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep.sleep_boxed(duration).await;
    }

    /// Runs `operation` until it succeeds, or until it is of no use to try again.
    ///
    /// It gets the number of the try, from 1. A try is not interrupted at the deadline: the
    /// operation has timeouts of its own, as an AWS client does.
    ///
    /// The future may be dropped at any time. What it took out of the budget for a try that it
    /// did not begin is put back.
    ///
    /// # Errors
    ///
    /// - The fault of the operation, if it says that trying again here is of no use.
    /// - The last fault, [handed back](Fault::hand_back), with [why](Fault::gave_up) it was given
    ///   up.
    /// - A [deadline](crate::FaultKind::Deadline) fault whose source is the last fault, at once
    ///   when the wait would end after the deadline less the reserve; or without a source, when
    ///   the deadline had passed before the first try.
    pub async fn run<T, E, F, Fut>(&self, deadline: Deadline, mut operation: F) -> Result<T, Fault>
    where
        F: FnMut(u32) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Into<Fault>,
    {
        let mut attempts = self.attempts(deadline);
        let mut last: Option<Fault> = None;
        loop {
            let attempt = match attempts.start() {
                Ok(attempt) => attempt,
                Err(why) => {
                    let fault =
                        last.unwrap_or_else(|| Fault::deadline("there is no time to begin"));
                    return Err(attempts.give_up(why, fault));
                }
            };
            let fault = match operation(attempt).await {
                Ok(output) => {
                    attempts.succeed();
                    return Ok(output);
                }
                Err(error) => error.into(),
            };
            match attempts.next(&fault) {
                Ok(delay) => self.sleep(delay).await,
                Err(why) => return Err(attempts.give_up(why, fault)),
            }
            last = Some(fault);
        }
    }

    /// The decisions of [`run`](Self::run) without the running, for those who wait themselves.
    #[must_use]
    pub fn attempts(&self, deadline: Deadline) -> Attempts<'_> {
        Attempts::new(self, deadline)
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, budget, clock: _, random: _, sleep: _ } = self;
        f.debug_struct("Retry")
            .field("settings", settings)
            .field("budget", budget)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use setpiece_envelope::{Clock, Timestamp};

/// The moment after which nobody waits for an answer any more.
///
/// A Lambda function that is still busy at its deadline is killed in the middle of whatever it
/// does, and what it would have cleaned up stays as it is. So everything in Setpiece that waits or
/// tries again takes a deadline, and keeps a [reserve](Self::reserve) for what must follow.
///
/// It is an instant and not a duration: a duration that is passed on starts anew in each callee,
/// an instant does not.
///
/// ```
/// use std::time::Duration;
/// use setpiece_envelope::FixedClock;
/// use setpiece_policy::Deadline;
///
/// let clock = FixedClock::default();
/// let invocation = Deadline::after(&clock, Duration::from_secs(30));
/// // Half a second stays for reporting what was done.
/// let work = invocation.reserve(Duration::from_millis(500));
/// // One call may take two seconds of it, or what is left.
/// let call = work.child(&clock, Duration::from_secs(2));
///
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(call.remaining(&clock), Duration::from_secs(1));
/// assert_eq!(work.remaining(&clock), Duration::from_millis(28_500));
/// ```
///
/// # Clocks that jump
///
/// The clock is that of the wall, because that is how Lambda says its deadline, and it may be set.
/// Set ahead, time ends too early: work is handed back, and the source delivers it again. Set back,
/// time would seem to grow. A deadline that was made [`after`](Self::after) a duration, or as a
/// [`child`](Self::child), never says that more remains than when it was made; and a
/// [`Retry`](crate::Retry) looks at the deadline once, when it begins, and from then on counts what
/// it has waited itself.
///
/// # No deadline
///
/// There is no deadline that never comes. Lambda ends every function within 15 minutes, so waiting
/// without end is always a mistake there; a program that runs elsewhere says how long it is willing
/// to wait.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    instant: Timestamp,
    /// Most time that can remain, counted from when the deadline was made, whatever a clock says.
    at_most: Duration,
}

impl Deadline {
    /// The deadline `instant`.
    #[must_use]
    pub const fn at(instant: Timestamp) -> Self {
        Self { instant, at_most: Duration::MAX }
    }

    /// The deadline in the context of a Lambda invocation: milliseconds since
    /// 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_unix_millis(millis: u64) -> Self {
        Self::at(Timestamp::UNIX_EPOCH.saturating_add(Duration::from_millis(millis)))
    }

    /// The moment `duration` from now.
    #[must_use]
    pub fn after(clock: &(impl Clock + ?Sized), duration: Duration) -> Self {
        Self { instant: clock.now().saturating_add(duration), at_most: duration }
    }

    /// When it is.
    #[must_use]
    pub fn instant(self) -> Timestamp {
        self.instant
    }

    /// Returns the time until the deadline: zero when it has passed.
    #[must_use]
    pub fn remaining(self, clock: &(impl Clock + ?Sized)) -> Duration {
        self.remaining_at(clock.now())
    }

    /// Returns true if no time remains.
    #[must_use]
    pub fn has_passed(self, clock: &(impl Clock + ?Sized)) -> bool {
        self.remaining(clock).is_zero()
    }

    /// A deadline that is earlier by `duration`, so that so much remains when it has passed.
    #[must_use]
    pub fn reserve(self, duration: Duration) -> Self {
        let earlier = SystemTime::from(self.instant)
            .checked_sub(duration)
            .and_then(|earlier| Timestamp::try_from(earlier).ok());
        Self {
            // Before the beginning of time it has passed in any case.
            instant: earlier.unwrap_or(self.instant.min(Timestamp::UNIX_EPOCH)),
            at_most: self.at_most.saturating_sub(duration),
        }
    }

    /// The moment `duration` from now or this one, whichever is earlier.
    #[must_use]
    pub fn child(self, clock: &(impl Clock + ?Sized), duration: Duration) -> Self {
        let now = clock.now();
        let at_most = self.remaining_at(now).min(duration);
        Self { instant: self.instant.min(now.saturating_add(at_most)), at_most }
    }

    pub(crate) fn remaining_at(self, now: Timestamp) -> Duration {
        self.instant.saturating_duration_since(now).min(self.at_most)
    }
}

#[cfg(test)]
mod tests;

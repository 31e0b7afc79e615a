use std::time::Duration;

use setpiece_envelope::Timestamp;
use setpiece_policy::Deadline;

use crate::time;

/// Time for which a claim keeps others away.
///
/// It is always given: a claim without an end would lock its key until somebody looks, and nobody
/// but the caller knows when the work must have ended.
///
/// ```
/// use std::time::Duration;
/// use setpiece_envelope::FixedClock;
/// use setpiece_idempotency::Lease;
/// use setpiece_policy::Deadline;
///
/// let clock = FixedClock::default();
/// // In a Lambda function: `Deadline::from_unix_millis(context.deadline)`.
/// let deadline = Deadline::after(&clock, Duration::from_secs(900));
/// let whole = Lease::until(deadline);
/// let short = Lease::short(deadline, Duration::from_secs(30));
/// # _ = (whole, short);
/// ```
///
/// # Until the deadline
///
/// [`until`](Self::until) needs no request while the work goes on. Lambda kills a function up to
/// 0.7 s after its deadline, so the lease ends a grace later. A function that crashes leaves its
/// key locked until then.
///
/// # Short, with a heartbeat
///
/// [`short`](Self::short) makes the lease longer every third of its length, for one write each, so
/// that the key of a crashed function is free again soon. When a heartbeat finds that somebody else
/// has the key, or cannot reach the store until the lease is nearly over, the work is cancelled.
///
/// The heartbeat goes beside the work that a guard runs. Whoever [claims](crate::Guard::claim) a
/// key by hand runs the work, too, and has to [extend](crate::Claim::extend) the lease in time.
///
/// The work ends [what clocks may differ by](crate::GuardBuilder::skew) before its lease does, so a
/// guard makes a short lease three times as long as that at least.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    deadline: Deadline,
    grace: Duration,
    length: Option<Duration>,
    beat: Option<Duration>,
}

impl Lease {
    /// The shortest length of a short lease. Under it, what clocks differ by would be all of it.
    pub const SHORTEST: Duration = Duration::from_secs(5);

    /// A lease until the deadline, and a second of grace.
    #[must_use]
    pub fn until(deadline: Deadline) -> Self {
        Self { deadline, grace: Duration::from_secs(1), length: None, beat: None }
    }

    /// A lease of `length` that a heartbeat makes longer while a guard runs the work, until the
    /// deadline at most. It is no shorter than [`SHORTEST`](Self::SHORTEST).
    #[must_use]
    pub fn short(deadline: Deadline, length: Duration) -> Self {
        Self { length: Some(length.max(Self::SHORTEST)), ..Self::until(deadline) }
    }

    /// Sets the time from the deadline to the end of the lease. The work ends at the deadline all
    /// the same, and so does every wait; the grace is for actions of a process that nobody waits
    /// for any more.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the time from one heartbeat to the next, in place of a third of the length.
    #[must_use]
    pub fn with_beat(mut self, beat: Duration) -> Self {
        self.beat = Some(beat);
        self
    }

    /// Returns the deadline of the work.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Makes the lease long enough for clocks that differ by `skew`, which leaves at least as long
    /// for the work, and as long again for a heartbeat.
    pub(crate) fn for_skew(self, skew: Duration) -> Self {
        Self { length: self.length.map(|length| length.max(skew.saturating_mul(3))), ..self }
    }

    /// When a lease ends that is taken or made longer at `now`.
    pub(crate) fn end(&self, now: Timestamp) -> Timestamp {
        // The instant, since other machines compare it with their own clocks.
        let last = self.last();
        match self.length {
            Some(length) => last.min(now.saturating_add(length)),
            None => last,
        }
    }

    /// Returns the end of the work under a lease that ends at `end`, where clocks may differ by
    /// `skew`.
    ///
    /// A long grace keeps others away for longer, but nobody waits for the work after the deadline.
    pub(crate) fn work_until(&self, end: Timestamp, skew: Duration) -> Timestamp {
        time::earlier(end, skew).min(self.deadline.instant())
    }

    /// Returns the end of waits for the store under a lease that ends at `end`.
    pub(crate) fn wait_until(&self, end: Timestamp) -> Timestamp {
        end.min(self.deadline.instant())
    }

    /// Returns the time until the next heartbeat, if there is one.
    pub(crate) fn beat(&self) -> Option<Duration> {
        let length = self.length?;
        Some(self.beat.unwrap_or(length / 3).max(Duration::from_millis(1)))
    }

    /// Returns true if a lease that ends at `end` can be made longer.
    pub(crate) fn can_grow(&self, end: Timestamp) -> bool {
        end < self.last()
    }

    /// Returns the latest end of the work, whenever it begins, where clocks may differ by `skew`.
    pub(crate) fn last_work(&self, skew: Duration) -> Timestamp {
        self.work_until(self.last(), skew)
    }

    /// When the longest lease ends.
    fn last(&self) -> Timestamp {
        self.deadline.instant().saturating_add(self.grace)
    }
}

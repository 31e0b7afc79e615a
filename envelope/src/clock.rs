use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::Timestamp;

/// Tells what time it is. Everything in Setpiece that needs the time asks one of these.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is where the time comes from")]
        let now = SystemTime::now();
        // An operating system that claims a year beyond 9999 is treated as one that lost its time.
        Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// A clock that stands still until it is moved by hand. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use setpiece_envelope::{Clock, FixedClock};
///
/// let clock = FixedClock::at("2026-11-20T12:00:00Z".parse()?);
/// clock.advance(Duration::from_millis(1500));
/// assert_eq!(clock.now().to_string(), "2026-11-20T12:00:01.500Z");
/// # Ok::<_, setpiece_envelope::Reason>(())
/// ```
#[derive(Clone, Debug)]
pub struct FixedClock {
    /// Milliseconds since the epoch.
    millis: Arc<AtomicI64>,
}

impl FixedClock {
    /// A clock that shows `now`, to the millisecond.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { millis: Arc::new(AtomicI64::new(now.unix_millis())) }
    }

    /// Moves the clock ahead, by whole milliseconds.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.update(|now| now.saturating_add(by));
    }

    /// Moves the clock back, as the clocks of real machines do at times.
    pub fn set_back(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.update(|now| now.saturating_sub(by));
    }

    fn update(&self, change: impl Fn(i64) -> i64) {
        let moved = |now| Some(change(now));
        _ = self.millis.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }
}

impl Default for FixedClock {
    /// A clock that shows 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self { millis: Arc::new(AtomicI64::new(1_767_225_600_000)) }
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        // Only moving it beyond the year 9999 leaves the range; the clock then stays at the epoch.
        Timestamp::from_unix_millis(self.millis.load(Ordering::Relaxed))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

use std::{fmt, str::FromStr, time::SystemTime};

use crate::Reason;

/// A moment, written as RFC 3339 in UTC: `2026-11-20T12:10:21.123Z`.
///
/// It keeps nanoseconds, so that what another producer wrote is written back as precisely.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// The moment `millis` milliseconds after 1970-01-01T00:00:00Z, or `None` outside the years
    /// −9999 to 9999.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        jiff::Timestamp::from_millisecond(millis).ok().map(Self)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded towards that moment.
    #[must_use]
    pub fn unix_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The same moment without what is finer than a millisecond.
    #[must_use]
    pub fn truncate_to_millis(self) -> Self {
        Self::from_unix_millis(self.unix_millis()).unwrap_or(self)
    }

    /// The moment `duration` later, or the last one there is.
    #[must_use]
    pub fn saturating_add(self, duration: std::time::Duration) -> Self {
        Self(self.0.checked_add(duration).unwrap_or(jiff::Timestamp::MAX))
    }
}

impl FromStr for Timestamp {
    type Err = Reason;

    /// Reads a timestamp in the form of RFC 3339, with any offset.
    fn from_str(text: &str) -> Result<Self, Reason> {
        text.parse().map(Self).map_err(|_| Reason::NotATimestamp)
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = Reason;

    /// Fails outside the years −9999 to 9999.
    fn try_from(time: SystemTime) -> Result<Self, Reason> {
        time.try_into().map(Self).map_err(|_| Reason::NotATimestamp)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0.into()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

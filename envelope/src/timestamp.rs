use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Reason;

mod rfc3339;
#[cfg(feature = "schema")]
mod schema;

/// A moment, written as RFC 3339 in UTC: `2026-11-20T12:10:21.123Z`.
///
/// It keeps nanoseconds, and writes as many digits of a second as were read, so that what another
/// producer wrote is written back as it was. Moments of our own have three, so that their texts
/// sort as they do. It knows the years 0 to 9999 in UTC, up to the last
/// nanosecond.
#[derive(Clone, Copy)]
pub struct Timestamp {
    /// Since 1970-01-01T00:00:00Z, rounded down.
    seconds: i64,
    /// After `seconds`.
    nanos: u32,
    /// Number of digits of a second that are written; it does not tell moments apart.
    digits: u8,
}

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z.
    pub const UNIX_EPOCH: Self = Self { seconds: 0, nanos: 0, digits: 3 };

    /// The second in which the year 0 begins, before which RFC 3339 has no texts.
    const FIRST_SECOND: i64 = -62_167_219_200;

    /// The last moment that has a text of RFC 3339 in UTC.
    const LAST: Self = Self { seconds: 253_402_300_799, nanos: 999_999_999, digits: 9 };

    /// A moment that is written with `digits`, or more where it needs them.
    fn bounded(seconds: i64, nanos: u32, digits: u8) -> Option<Self> {
        let needed = match nanos {
            0 => 0,
            nanos if nanos % 1_000_000 == 0 => 3,
            nanos if nanos % 1_000 == 0 => 6,
            _ => 9,
        };
        let digits = digits.max(needed);
        let bounds = Self::FIRST_SECOND..=Self::LAST.seconds;
        bounds.contains(&seconds).then_some(Self { seconds, nanos, digits })
    }

    /// The moment `millis` milliseconds after 1970-01-01T00:00:00Z, or `None` where there is none.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        let nanos = u32::try_from(millis.rem_euclid(1000)).ok()? * 1_000_000;
        Self::bounded(millis.div_euclid(1000), nanos, 3)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded towards that moment.
    #[must_use]
    pub fn unix_millis(self) -> i64 {
        let rounds_up = self.seconds < 0 && !self.nanos.is_multiple_of(1_000_000);
        self.seconds * 1000 + i64::from(self.nanos / 1_000_000) + i64::from(rounds_up)
    }

    /// Returns the moment without fractions of a second, and writes it without them.
    #[must_use]
    pub fn truncate_to_seconds(self) -> Self {
        // Towards 1970, as milliseconds are.
        let rounds_up = self.seconds < 0 && self.nanos != 0;
        Self { seconds: self.seconds + i64::from(rounds_up), nanos: 0, digits: 0 }
    }

    /// Returns the moment without fractions of a millisecond.
    #[must_use]
    pub fn truncate_to_millis(self) -> Self {
        Self::from_unix_millis(self.unix_millis()).unwrap_or(self)
    }

    /// The moment `duration` later, or the last one there is.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        // The parts of a second are carried by the durations.
        let sum = Duration::from_nanos(self.nanos.into()).checked_add(duration);
        // Digits that were read say nothing about a moment that was not.
        sum.and_then(|sum| {
            let seconds = self.seconds.checked_add_unsigned(sum.as_secs())?;
            Self::bounded(seconds, sum.subsec_nanos(), 3)
        })
        .unwrap_or(Self::LAST)
    }

    /// Returns the time from `earlier` to this moment, or zero if it is not later.
    #[must_use]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        u64::try_from(self.seconds - earlier.seconds).map_or(Duration::ZERO, |seconds| {
            let whole = Duration::new(seconds, self.nanos);
            whole.saturating_sub(Duration::from_nanos(earlier.nanos.into()))
        })
    }
}

impl FromStr for Timestamp {
    type Err = Reason;

    /// Reads a timestamp in the form of RFC 3339, with any offset.
    ///
    /// What is finer than a nanosecond is cut off.
    fn from_str(text: &str) -> Result<Self, Reason> {
        let ((seconds, nanos), digits) = rfc3339::read(text).ok_or(Reason::NotATimestamp)?;
        // As many digits as were read, also where fewer would do.
        Self::bounded(seconds, nanos, 0)
            .map(|bounded| Self { digits, ..bounded })
            .ok_or(Reason::NotATimestamp)
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = Reason;

    /// Fails where there is no such moment.
    fn try_from(time: SystemTime) -> Result<Self, Reason> {
        let since = |duration: Duration| {
            let seconds = i64::try_from(duration.as_secs()).ok()?;
            Some((seconds, duration.subsec_nanos()))
        };
        let moment = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(later) => since(later),
            Err(earlier) => since(earlier.duration()).map(|(seconds, nanos)| match nanos {
                0 => (-seconds, 0),
                nanos => (-seconds - 1, 1_000_000_000 - nanos),
            }),
        };
        moment
            .and_then(|(seconds, nanos)| Self::bounded(seconds, nanos, 3))
            .ok_or(Reason::NotATimestamp)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        let seconds = Duration::from_secs(timestamp.seconds.unsigned_abs());
        let second = if timestamp.seconds < 0 {
            Self::UNIX_EPOCH - seconds
        } else {
            Self::UNIX_EPOCH + seconds
        };
        second + Duration::from_nanos(timestamp.nanos.into())
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        (self.seconds, self.nanos) == (other.seconds, other.nanos)
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }
}

impl Hash for Timestamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.seconds, self.nanos).hash(state);
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = rfc3339::Text::default();
        let text = rfc3339::write((self.seconds, self.nanos), self.digits, &mut text);
        f.write_str(std::str::from_utf8(text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected = &"a timestamp of RFC 3339";
        text.parse().map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), expected))
    }
}

#[cfg(test)]
mod tests;

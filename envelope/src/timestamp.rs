use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Reason;

/// A moment, written as RFC 3339 in UTC: `2026-11-20T12:10:21.123Z`.
///
/// It keeps nanoseconds, and writes as many digits of a second as were read, so that what another
/// producer wrote is written back as it was. Moments of our own have three, so that their texts
/// sort as they do. It knows the years 0 to 9999, but for the last day.
#[derive(Clone, Copy)]
pub struct Timestamp {
    moment: jiff::Timestamp,
    /// How many digits of a second are written; it does not tell moments apart.
    digits: u8,
}

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z.
    pub const UNIX_EPOCH: Self = Self { moment: jiff::Timestamp::UNIX_EPOCH, digits: 3 };

    /// The second in which the year 0 begins, before which RFC 3339 has no texts.
    const FIRST_SECOND: i64 = -62_167_219_200;

    /// A moment that is written with `digits`, or more where it needs them.
    fn bounded(moment: jiff::Timestamp, digits: u8) -> Option<Self> {
        let needed = match moment.subsec_nanosecond() {
            0 => 0,
            nanos if nanos % 1_000_000 == 0 => 3,
            nanos if nanos % 1_000 == 0 => 6,
            _ => 9,
        };
        let digits = digits.max(needed);
        (moment.as_second() >= Self::FIRST_SECOND).then_some(Self { moment, digits })
    }

    /// The moment `millis` milliseconds after 1970-01-01T00:00:00Z, or `None` where there is none.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        Self::bounded(jiff::Timestamp::from_millisecond(millis).ok()?, 3)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded towards that moment.
    #[must_use]
    pub fn unix_millis(self) -> i64 {
        self.moment.as_millisecond()
    }

    /// The same moment without what is finer than a second, and written without it.
    #[must_use]
    pub fn truncate_to_seconds(self) -> Self {
        let seconds = jiff::Timestamp::from_second(self.moment.as_second());
        Self { moment: seconds.unwrap_or(self.moment), digits: 0 }
    }

    /// The same moment without what is finer than a millisecond.
    #[must_use]
    pub fn truncate_to_millis(self) -> Self {
        Self::from_unix_millis(self.unix_millis()).unwrap_or(self)
    }

    /// The moment `duration` later, or the last one there is.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let moment = self.moment.checked_add(duration).unwrap_or(jiff::Timestamp::MAX);
        // Digits that were read say nothing about a moment that was not.
        Self::bounded(moment, 3).unwrap_or(self)
    }

    /// How long after `earlier` this is, or nothing if it is not later.
    #[must_use]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.moment.duration_since(earlier.moment).try_into().unwrap_or_default()
    }
}

impl FromStr for Timestamp {
    type Err = Reason;

    /// Reads a timestamp in the form of RFC 3339, with any offset.
    ///
    /// What is finer than a nanosecond is cut off.
    fn from_str(text: &str) -> Result<Self, Reason> {
        let (seconds, fraction, offset) = rfc3339_parts(text).ok_or(Reason::NotATimestamp)?;
        let (moment, digits) = match u8::try_from(fraction.len()) {
            Ok(digits @ ..=9) => (text.parse(), digits),
            Ok(_) | Err(_) => (format!("{seconds}.{}{offset}", &fraction[..9]).parse(), 9),
        };
        let moment = moment.map_err(|_| Reason::NotATimestamp)?;
        // As many digits as were read, also where fewer would do.
        Self::bounded(moment, 0)
            .map(|bounded| Self { digits, ..bounded })
            .ok_or(Reason::NotATimestamp)
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = Reason;

    /// Fails where there is no such moment.
    fn try_from(time: SystemTime) -> Result<Self, Reason> {
        let moment = time.try_into().map_err(|_| Reason::NotATimestamp)?;
        Self::bounded(moment, 3).ok_or(Reason::NotATimestamp)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.moment.into()
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.moment == other.moment
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
        self.moment.cmp(&other.moment)
    }
}

impl Hash for Timestamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.moment.hash(state);
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*}", usize::from(self.digits), self.moment)
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

/// The seconds, the digits behind them, and the offset of a timestamp in the form of RFC 3339.
///
/// Parsers of dates take much more than that form, and whoever reads the text after us may not.
fn rfc3339_parts(text: &str) -> Option<(&str, &str, &str)> {
    let has_form = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't'),
                sign => byte == sign,
            })
    };
    let (seconds, rest) = text.split_at_checked(19)?;
    let rest = rest.strip_prefix('.').map_or(Some(("", rest)), |fraction| {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then(|| fraction.split_at(digits))
    });
    let (fraction, offset) = rest?;
    let is_offset = matches!(offset, "Z" | "z")
        || (has_form(offset, "+00:00") || has_form(offset, "-00:00")) && offset[1..3] < *"24";
    (has_form(seconds, "0000-00-00T00:00:00") && is_offset).then_some((seconds, fraction, offset))
}

#[cfg(test)]
mod tests;

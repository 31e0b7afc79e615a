use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap},
    fmt,
};

use serde::Serialize;
use serde_dynamo::AttributeValue;

use crate::InvalidWrite;

/// What is newer than what: a number, or a text that sorts by its bytes, such as a ULID or a time
/// in RFC 3339 with always the same digits.
///
/// All sequences of one subject are of the same kind.
#[derive(Clone, PartialEq)]
pub struct Sequence(AttributeValue);

impl Sequence {
    pub(super) fn into_value(self, attribute: &str) -> Result<AttributeValue, InvalidWrite> {
        checked(self.0).ok_or_else(|| InvalidWrite::Value { attribute: attribute.into() })
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sequence(…)")
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Sequence {
            fn from(number: $number) -> Self {
                Self(AttributeValue::N(number.to_string()))
            }
        }
    )*};
}

numbers!(i32, i64, u32, u64);

impl From<&str> for Sequence {
    fn from(text: &str) -> Self {
        Self(AttributeValue::S(text.to_owned()))
    }
}

impl From<String> for Sequence {
    fn from(text: String) -> Self {
        Self(AttributeValue::S(text))
    }
}

impl From<setpiece_envelope::Timestamp> for Sequence {
    /// The milliseconds since 1970.
    fn from(time: setpiece_envelope::Timestamp) -> Self {
        Self::from(time.unix_millis())
    }
}

/// The value of an attribute, if DynamoDB takes it.
pub(super) fn value(
    attribute: &str,
    value: &(impl Serialize + ?Sized),
) -> Result<AttributeValue, InvalidWrite> {
    let value: Option<AttributeValue> = serde_dynamo::to_attribute_value(value).ok();
    value.and_then(checked).ok_or_else(|| InvalidWrite::Value { attribute: attribute.into() })
}

/// An item, if DynamoDB takes it.
pub(super) fn item(
    item: &(impl Serialize + ?Sized),
) -> Result<HashMap<String, AttributeValue>, InvalidWrite> {
    let Ok(AttributeValue::M(item)) = serde_dynamo::to_attribute_value(item) else {
        return Err(InvalidWrite::NotAnItem);
    };
    item.into_iter()
        .map(|(name, value)| {
            if name.is_empty() {
                return Err(InvalidWrite::Empty);
            }
            match checked(value) {
                Some(value) => Ok((name, value)),
                None => Err(InvalidWrite::Value { attribute: name.into() }),
            }
        })
        .collect()
}

/// The value in its normal form: sets sorted, numbers without leading and trailing zeros.
fn checked(value: AttributeValue) -> Option<AttributeValue> {
    fn set<T: Ord>(all: Vec<T>) -> Option<Vec<T>> {
        // The sort that takes the least code, which is there for each type.
        let mut all = BinaryHeap::from(all).into_sorted_vec();
        let given = all.len();
        all.dedup();
        (!all.is_empty() && all.len() == given).then_some(all)
    }
    let number = |number: String| Number::parse(&number).map(|number| number.to_string());
    Some(match value {
        AttributeValue::N(text) => AttributeValue::N(number(text)?),
        AttributeValue::Ss(texts) => AttributeValue::Ss(set(texts)?),
        AttributeValue::Bs(all) => AttributeValue::Bs(set(all)?),
        AttributeValue::Ns(numbers) => {
            AttributeValue::Ns(set(numbers.into_iter().map(number).collect::<Option<_>>()?)?)
        }
        AttributeValue::L(list) => {
            AttributeValue::L(list.into_iter().map(checked).collect::<Option<_>>()?)
        }
        AttributeValue::M(map) => AttributeValue::M(
            map.into_iter()
                .map(|(name, value)| Some((name, checked(value)?)))
                .collect::<Option<_>>()?,
        ),
        AttributeValue::S(_)
        | AttributeValue::B(_)
        | AttributeValue::Bool(_)
        | AttributeValue::Null(_) => value,
    })
}

/// The normal form of a number's text.
pub(super) fn canonical(number: &str) -> String {
    Number::parse(number).map_or_else(|| number.to_owned(), |number| number.to_string())
}

/// A number of DynamoDB: up to 38 significant digits, between 1E-130 and 9.99E+125.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    /// Without trailing zeros; 0 has the exponent 0.
    digits: i128,
    exponent: i32,
}

impl Number {
    const MAX_DIGITS: u32 = 38;

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let significant = digits.trim_start_matches('0');
        let kept = significant.trim_end_matches('0');
        let zeros = i32::try_from(significant.len() - kept.len()).ok()?;
        if kept.len() > Self::MAX_DIGITS as usize {
            return None;
        }
        let value: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
        Self::new(if negative { -value } else { value }, exponent.checked_add(zeros)?)
    }

    fn new(mut digits: i128, mut exponent: i32) -> Option<Self> {
        if digits == 0 {
            return Some(Self { digits: 0, exponent: 0 });
        }
        while digits % 10 == 0 {
            digits /= 10;
            exponent = exponent.checked_add(1)?;
        }
        let count = digits.unsigned_abs().ilog10() + 1;
        let magnitude = exponent.checked_add(i32::try_from(count).ok()? - 1)?;
        let fits = count <= Self::MAX_DIGITS && (-130..=125).contains(&magnitude);
        fits.then_some(Self { digits, exponent })
    }

    /// The sum, if it is a number.
    pub(crate) fn add(self, other: Self) -> Option<Self> {
        if self.digits == 0 {
            return Some(other);
        }
        if other.digits == 0 {
            return Some(self);
        }
        let exponent = self.exponent.min(other.exponent);
        let at = |it: Self| {
            let more = u32::try_from(it.exponent - exponent).ok()?;
            it.digits.checked_mul(10_i128.checked_pow(more)?)
        };
        Self::new(at(self)?.checked_add(at(other)?)?, exponent)
    }

    fn magnitude(self) -> i32 {
        let count = self.digits.unsigned_abs().checked_ilog10().unwrap_or(0);
        self.exponent.saturating_add_unsigned(count)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.digits.signum().cmp(&other.digits.signum());
        if signs != Ordering::Equal || self.digits == 0 {
            return signs;
        }
        let size = self.magnitude().cmp(&other.magnitude()).then_with(|| {
            // With the same number of digits before the point, the shorter one gets zeros.
            let widen = |it: &Self, other: &Self| {
                let more = u32::try_from((it.exponent - other.exponent).max(0)).unwrap_or(0);
                it.digits.unsigned_abs().saturating_mul(10_u128.saturating_pow(more))
            };
            widen(self, other).cmp(&widen(other, self))
        });
        if self.digits < 0 { size.reverse() } else { size }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digits, exponent } = *self;
        let text = digits.unsigned_abs().to_string();
        if digits < 0 {
            f.write_str("-")?;
        }
        match usize::try_from(exponent) {
            Ok(zeros) if text.len() + zeros <= Self::MAX_DIGITS as usize => {
                write!(f, "{text}{:0<zeros$}", "")
            }
            Ok(_) => write!(f, "{text}E+{exponent}"),
            Err(_) => {
                let places = exponent.unsigned_abs() as usize;
                if places < text.len() {
                    let (whole, fraction) = text.split_at(text.len() - places);
                    write!(f, "{whole}.{fraction}")
                } else if places <= Self::MAX_DIGITS as usize {
                    write!(f, "0.{text:0>places$}")
                } else {
                    write!(f, "{text}E{exponent}")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap},
    fmt,
};

use serde::Serialize;
use serde_dynamo::AttributeValue;

use super::limits::{MAX_LEVELS, MAX_NAME_BYTES, name_problem};
use crate::InvalidWrite;

/// Position of a write among others of its item: a number, or a text that sorts by its bytes, such
/// as a ULID or a time in RFC 3339 with always the same digits.
///
/// All sequences of one subject are of the same kind.
#[derive(Clone, PartialEq)]
pub struct Sequence(AttributeValue);

impl Sequence {
    pub(super) fn into_value(self, attribute: &str) -> Result<AttributeValue, InvalidWrite> {
        checked(self.0, 1).map_err(|flaw| flaw.of(attribute))
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

/// A value of an attribute that DynamoDB does not take.
enum Flaw {
    Value,
    TooDeep,
    EmptyName,
    NameTooLong(usize),
}

impl Flaw {
    fn of(self, attribute: &str) -> InvalidWrite {
        let attribute = attribute.into();
        match self {
            Self::Value => InvalidWrite::Value { attribute },
            Self::TooDeep => InvalidWrite::TooDeep { attribute, limit: MAX_LEVELS },
            Self::EmptyName => InvalidWrite::EmptyName { attribute },
            Self::NameTooLong(bytes) => InvalidWrite::NameTooLong { bytes, limit: MAX_NAME_BYTES },
        }
    }
}

/// The value of an attribute, if DynamoDB takes it. It stands at that level of its attribute, from
/// 1.
pub(super) fn value(
    attribute: &str,
    value: &(impl Serialize + ?Sized),
    level: usize,
) -> Result<AttributeValue, InvalidWrite> {
    let value = serde_dynamo::to_attribute_value(value).map_err(|_| Flaw::Value);
    value.and_then(|value| checked(value, level)).map_err(|flaw| flaw.of(attribute))
}

/// An item, if DynamoDB takes it.
pub(super) fn item(
    item: &(impl Serialize + ?Sized),
) -> Result<HashMap<String, AttributeValue>, InvalidWrite> {
    let Ok(AttributeValue::M(item)) = serde_dynamo::to_attribute_value(item) else {
        return Err(InvalidWrite::NotAnItem);
    };
    checked_item(item)
}

/// The item in its normal form.
pub(crate) fn checked_item(
    item: HashMap<String, AttributeValue>,
) -> Result<HashMap<String, AttributeValue>, InvalidWrite> {
    item.into_iter()
        .map(|(name, value)| match (name_problem(&name), checked(value, 1)) {
            (Some(problem), _) => Err(problem),
            (None, Ok(value)) => Ok((name, value)),
            (None, Err(flaw)) => Err(flaw.of(&name)),
        })
        .collect()
}

/// The value in its normal form: sets sorted, numbers without leading and trailing zeros.
fn checked(value: AttributeValue, level: usize) -> Result<AttributeValue, Flaw> {
    fn set<T: Ord>(all: Vec<T>) -> Result<Vec<T>, Flaw> {
        // The sort that takes the least code, which is there for each type.
        let mut all = BinaryHeap::from(all).into_sorted_vec();
        let given = all.len();
        all.dedup();
        if all.is_empty() || all.len() != given { Err(Flaw::Value) } else { Ok(all) }
    }
    if level > MAX_LEVELS {
        return Err(Flaw::TooDeep);
    }
    let number =
        |number: String| Number::parse(&number).map(|number| number.to_string()).ok_or(Flaw::Value);
    Ok(match value {
        AttributeValue::N(text) => AttributeValue::N(number(text)?),
        AttributeValue::Ss(texts) => AttributeValue::Ss(set(texts)?),
        AttributeValue::Bs(all) => AttributeValue::Bs(set(all)?),
        AttributeValue::Ns(numbers) => {
            AttributeValue::Ns(set(numbers.into_iter().map(number).collect::<Result<_, _>>()?)?)
        }
        AttributeValue::L(list) => {
            let list = list.into_iter().map(|value| checked(value, level + 1));
            AttributeValue::L(list.collect::<Result<_, _>>()?)
        }
        AttributeValue::M(map) => AttributeValue::M(
            map.into_iter()
                .map(|(name, value)| match name.len() {
                    0 => Err(Flaw::EmptyName),
                    bytes if bytes > MAX_NAME_BYTES => Err(Flaw::NameTooLong(bytes)),
                    _ => Ok((name, checked(value, level + 1)?)),
                })
                .collect::<Result<_, _>>()?,
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

use std::fmt;

/// A number that AWS compares by value.
///
/// AWS compares numbers as `f64`, but only those that an `f64` holds without loss: the decimal in
/// the JSON must be the very decimal that the nearest `f64` prints as. A number with more digits,
/// such as 0.12345678901234567890 or an identifier of twenty digits, is no more than its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Comparable(
    /// The bits of the `f64`, changed so that they order as the numbers do.
    u64,
);

/// A number without its sign: `digits` × 10^`exponent`, where `digits` does not end in a zero.
#[derive(Clone, Copy, PartialEq)]
struct Decimal {
    digits: u64,
    exponent: i64,
}

impl Comparable {
    /// Reads a number of JSON.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        let decimal = Decimal::parse(magnitude)?;
        // Numbers are read each time that a pattern looks at them. Below 2⁵³ every integer is held,
        // so the short ones need no print.
        if magnitude.len() <= 9 && magnitude.bytes().all(|byte| byte.is_ascii_digit()) {
            let value = f64::from(magnitude.parse::<u32>().ok()?);
            let negative = magnitude.len() < text.len() && decimal.digits != 0;
            return Some(Self::new(if negative { -value } else { value }));
        }
        let value: f64 = magnitude.parse().ok()?;
        if !value.is_finite() || Decimal::shortest(value) != Some(decimal) {
            return None;
        }
        // There is no negative zero among decimals.
        let negative = magnitude.len() < text.len() && value != 0.0;
        Some(Self::new(if negative { -value } else { value }))
    }

    pub(crate) fn new(value: f64) -> Self {
        let bits = value.to_bits();
        let sign = 1 << 63;
        Self(if bits & sign == 0 { bits | sign } else { !bits })
    }

    pub(crate) fn value(self) -> f64 {
        let sign = 1 << 63;
        f64::from_bits(if self.0 & sign == 0 { !self.0 } else { self.0 ^ sign })
    }
}

/// Writes a number of JSON that reads as the same number.
impl fmt::Display for Comparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value();
        let Some(Decimal { digits, exponent }) = Decimal::shortest(value.abs()) else {
            return write!(f, "{value:e}");
        };
        if value.is_sign_negative() {
            f.write_str("-")?;
        }
        match exponent {
            0..=15 if digits < 1_000_000 => {
                write!(f, "{}", digits * 10_u64.pow(u32::try_from(exponent).unwrap_or(0)))
            }
            0 => write!(f, "{digits}"),
            -15..0 => write!(f, "{}", value.abs()),
            _ => write!(f, "{digits}e{exponent}"),
        }
    }
}

impl Decimal {
    /// The most digits that the shortest decimal of an `f64` has.
    const MOST_DIGITS: u64 = 17;

    /// Reads a number without sign; `None` if it has too many digits to be the decimal of an `f64`.
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (text, 0),
        };
        let mut decimal = Self { digits: 0, exponent };
        let mut fraction = false;
        // Zeros count only once another digit follows.
        let (mut zeros, mut length) = (0, 0);
        for byte in mantissa.bytes() {
            match byte {
                b'.' => {
                    fraction = true;
                    continue;
                }
                b'0' if decimal.digits > 0 => zeros += 1,
                b'0' => {}
                digit => {
                    length += zeros + 1;
                    if length > Self::MOST_DIGITS {
                        return None;
                    }
                    for _ in 0..zeros {
                        decimal.digits *= 10;
                    }
                    zeros = 0;
                    decimal.digits = decimal.digits * 10 + u64::from(digit - b'0');
                }
            }
            decimal.exponent = decimal.exponent.checked_sub(i64::from(fraction))?;
        }
        // Java keeps exponents in 32 bits and refuses others, even those of zero.
        i32::try_from(decimal.exponent).ok()?;
        if decimal.digits == 0 {
            return Some(Self { digits: 0, exponent: 0 });
        }
        decimal.exponent = decimal.exponent.checked_add_unsigned(zeros)?;
        Some(decimal)
    }

    /// The decimal that Java prints for a number without sign: the shortest that reads as the same
    /// number, or the nearest of two digits if one would do.
    fn shortest(value: f64) -> Option<Self> {
        let shortest = Self::parse(&format!("{value:e}"))?;
        if shortest.digits >= 10 || shortest.digits == 0 {
            return Some(shortest);
        }
        let two_digits = format!("{value:.1e}");
        if two_digits.parse() == Ok(value) { Self::parse(&two_digits) } else { Some(shortest) }
    }
}

//! The hashes of Powertools for AWS Lambda, digit by digit as its languages write numbers and
//! texts.

use std::{cmp::Ordering, fmt::Write as _};

use serde_json::Value;

use super::{KeyError, canonical::Known};

/// `md5(json.dumps(value, sort_keys=True)).hexdigest()`.
pub(super) fn python(value: &Value) -> Result<String, KeyError> {
    let mut out = String::new();
    Python.write(value, &mut out)?;
    Ok(crate::digest::hex(&md5::compute(out).0))
}

/// `md5(JSON.stringify(deepSort(value)))` in Base64.
pub(super) fn typescript(value: &Value) -> Result<String, KeyError> {
    let mut out = String::new();
    TypeScript.write(value, &mut out)?;
    Ok(base64(&md5::compute(out).0))
}

/// Form in which a language writes JSON.
trait Dialect {
    const COMMA: &str;
    const COLON: &str;

    /// The members in the order in which they are written, without those that are not.
    fn members(
        members: &serde_json::Map<String, Value>,
    ) -> Result<Vec<(&String, &Value)>, KeyError>;
    fn string(text: &str, out: &mut String);
    fn number(number: Known, out: &mut String) -> Result<(), KeyError>;

    fn write(&self, value: &Value, out: &mut String) -> Result<(), KeyError> {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) => {
                Self::number(Known::of(number).ok_or(KeyError::Inexpressible)?, out)?;
            }
            Value::String(text) => Self::string(text, out),
            Value::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push_str(Self::COMMA);
                    }
                    self.write(element, out)?;
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (index, (name, member)) in Self::members(members)?.into_iter().enumerate() {
                    if index > 0 {
                        out.push_str(Self::COMMA);
                    }
                    Self::string(name, out);
                    out.push_str(Self::COLON);
                    self.write(member, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

struct Python;

impl Dialect for Python {
    const COMMA: &str = ", ";
    const COLON: &str = ": ";

    fn members(
        members: &serde_json::Map<String, Value>,
    ) -> Result<Vec<(&String, &Value)>, KeyError> {
        let mut members: Vec<_> = members.iter().collect();
        // Python compares code points, in whose order their UTF-8 is.
        members.sort_unstable_by_key(|(name, _)| *name);
        Ok(members)
    }

    fn string(text: &str, out: &mut String) {
        out.push('"');
        for char in text.chars() {
            match char {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                ' '..='~' => out.push(char),
                _ => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        // Writing into a `String` does not fail.
                        _ = write!(out, "\\u{unit:04x}");
                    }
                }
            }
        }
        out.push('"');
    }

    fn number(number: Known, out: &mut String) -> Result<(), KeyError> {
        // From these on, `serde_json` can have read an integer as the float.
        const FROM: f64 = 18_446_744_073_709_551_616.0;
        const UP_TO: f64 = -9_223_372_036_854_775_808.0;
        let number = match number {
            Known::Unsigned(number) => {
                out.push_str(&number.to_string());
                return Ok(());
            }
            Known::Signed(number) => {
                out.push_str(&number.to_string());
                return Ok(());
            }
            Known::Float(number) => number,
        };
        if number >= FROM || number <= UP_TO || (number == 0.0 && number.is_sign_negative()) {
            return Err(KeyError::Inexpressible);
        }
        let Decimal { sign, digits, point } = Decimal::of(number);
        out.push_str(sign);
        // The `repr` of a float: with an exponent below 10⁻⁴ and from 10¹⁶ on.
        if (-3..=16).contains(&point) {
            plain(&digits, point, out);
            if is_whole(&digits, point) {
                out.push_str(".0");
            }
        } else {
            scientific(&digits, out);
            let exponent = point - 1;
            let sign = if exponent < 0 { '-' } else { '+' };
            _ = write!(out, "e{sign}{:02}", exponent.abs());
        }
        Ok(())
    }
}

struct TypeScript;

impl Dialect for TypeScript {
    const COMMA: &str = ",";
    const COLON: &str = ":";

    fn members(
        members: &serde_json::Map<String, Value>,
    ) -> Result<Vec<(&String, &Value)>, KeyError> {
        // Setting that member sets no member.
        let members = members.iter().filter(|(name, _)| *name != "__proto__");
        let mut members: Vec<_> =
            members.map(|it| (array_index(it.0), it.0.to_lowercase(), it)).collect();
        // Sorted without their case, they are put into an object, which has array indexes first.
        members.sort_by(|(left, left_text, _), (right, right_text, _)| match (left, right) {
            (Some(left), Some(right)) => left.cmp(right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => left_text.encode_utf16().cmp(right_text.encode_utf16()),
        });
        if members.windows(2).any(|pair| pair[0].1 == pair[1].1) {
            return Err(KeyError::Inexpressible);
        }
        Ok(members.into_iter().map(|(_, _, member)| member).collect())
    }

    fn string(text: &str, out: &mut String) {
        // serde_json escapes what `JSON.stringify` does.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }

    fn number(number: Known, out: &mut String) -> Result<(), KeyError> {
        #[expect(clippy::cast_precision_loss, reason = "JavaScript has no other numbers")]
        let number = match number {
            Known::Unsigned(number) => number as f64,
            Known::Signed(number) => number as f64,
            Known::Float(number) => number,
        };
        let Decimal { sign, digits, point } = Decimal::of(number);
        if digits == "0" {
            out.push('0');
            return Ok(());
        }
        out.push_str(sign);
        // `Number::toString`: with an exponent below 10⁻⁶ and from 10²¹ on.
        if (-5..=21).contains(&point) {
            plain(&digits, point, out);
        } else {
            scientific(&digits, out);
            let exponent = point - 1;
            let sign = if exponent < 0 { '-' } else { '+' };
            _ = write!(out, "e{sign}{}", exponent.abs());
        }
        Ok(())
    }
}

/// The number that a name is, where JavaScript takes it for an index of an array: those come first
/// in every object, by their value.
fn array_index(name: &str) -> Option<u32> {
    let index = name.parse::<u32>().ok().filter(|index| *index < u32::MAX)?;
    (index.to_string() == name).then_some(index)
}

/// The shortest digits that read as a float: `0.{digits} × 10^{point}`.
struct Decimal {
    sign: &'static str,
    digits: String,
    point: i32,
}

impl Decimal {
    fn of(number: f64) -> Self {
        let sign = if number.is_sign_negative() { "-" } else { "" };
        // One digit before the point: `1.25e-7`.
        let text = format!("{:e}", number.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa.replace('.', "");
        let exponent: i32 = exponent.parse().unwrap_or_default();
        Self { sign, digits, point: exponent + 1 }
    }
}

fn is_whole(digits: &str, point: i32) -> bool {
    usize::try_from(point).is_ok_and(|point| digits.len() <= point)
}

fn plain(digits: &str, point: i32, out: &mut String) {
    match usize::try_from(point) {
        Ok(0) | Err(_) => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', usize::try_from(-point).unwrap_or_default()));
            out.push_str(digits);
        }
        Ok(point) if digits.len() <= point => {
            out.push_str(digits);
            out.extend(std::iter::repeat_n('0', point - digits.len()));
        }
        Ok(point) => {
            out.push_str(&digits[..point]);
            out.push('.');
            out.push_str(&digits[point..]);
        }
    }
}

fn scientific(digits: &str, out: &mut String) {
    out.push_str(&digits[..1]);
    if digits.len() > 1 {
        out.push('.');
        out.push_str(&digits[1..]);
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for index in 0..4 {
            out.push(if index <= chunk.len() {
                let sextet = bits >> (18 - 6 * index) & 63;
                char::from(ALPHABET[usize::try_from(sextet).unwrap_or_default()])
            } else {
                '='
            });
        }
    }
    out
}

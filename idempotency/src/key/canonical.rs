use serde::Serialize;
use serde_json::{Number, Value};

use super::KeyError;

/// The JSON of a value, as serde writes it. A float of 32 bits has the digits of its text there, and
/// not those of the float of 64 bits that it can be made into.
///
/// Integers beyond 64 bits are refused, since two of them could become one.
pub(super) fn tree(value: &(impl Serialize + ?Sized)) -> Result<Value, KeyError> {
    let text = written(value)?;
    if has_large_integer(&text) {
        return Err(KeyError::Inexpressible);
    }
    read(&text)
}

/// Reads a value with all numbers as floats of 64 bits, which is what they are in JavaScript.
pub(super) fn tree_of_floats(value: &(impl Serialize + ?Sized)) -> Result<Value, KeyError> {
    read(&written(value)?)
}

fn written(value: &(impl Serialize + ?Sized)) -> Result<String, KeyError> {
    serde_json::to_string(value).map_err(|_| KeyError::NotJson)
}

fn read(text: &str) -> Result<Value, KeyError> {
    serde_json::from_str(text).map_err(|_| KeyError::NotJson)
}

/// Looks for an integer that fits neither `i64` nor `u64` in valid JSON.
fn has_large_integer(json: &str) -> bool {
    let mut rest = json;
    while let Some(at) = rest.find(|it: char| it == '"' || it == '-' || it.is_ascii_digit()) {
        rest = &rest[at..];
        if let Some(string) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = string.find(|it: char| {
                let ends = it == '"' && !escaped;
                escaped = it == '\\' && !escaped;
                ends
            });
            rest = end.map_or("", |end| &string[end + 1..]);
            continue;
        }
        let end = rest.find(|it: char| !it.is_ascii_digit() && !"+-.eE".contains(it));
        let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
        let is_integer = !number.contains(['.', 'e', 'E']);
        if is_integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
            return true;
        }
        rest = after;
    }
    false
}

/// A number as `serde_json` knows it without features that other crates can turn on: those keep the
/// text of a number, and two texts can be one number.
pub(super) enum Known {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl Known {
    pub(super) fn of(number: &Number) -> Option<Self> {
        let unsigned = number.as_u64().map(Self::Unsigned);
        let signed = || number.as_i64().map(Self::Signed);
        let float = || number.as_f64().filter(|float| float.is_finite()).map(Self::Float);
        unsigned.or_else(signed).or_else(float)
    }
}

/// Returns true if there is nothing in the value: null, an empty text, or a list or an object of
/// only such things. `false` and `0` are something.
pub(super) fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(elements) => elements.iter().all(is_void),
        Value::Object(members) => members.values().all(is_void),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Its JSON without white space, with members in the order of their names' bytes and whole numbers
/// without a fraction.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(element, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            // A feature of serde_json that any crate may turn on keeps them in another order.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                string(name, out);
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
        Value::String(text) => string(text, out),
        Value::Number(number) => out.push_str(&plain(number)),
        Value::Null | Value::Bool(_) => out.push_str(&value.to_string()),
    }
}

/// A number as an integer of the same value is written, where there is one.
fn plain(number: &Number) -> String {
    /// No integer of JSON is as large, and all whole numbers below have all of their digits.
    const LARGE: f64 = 1e20;
    match Known::of(number) {
        Some(Known::Unsigned(number)) => number.to_string(),
        Some(Known::Signed(number)) => number.to_string(),
        // Zero has a sign.
        Some(Known::Float(0.0)) => "0".to_owned(),
        Some(Known::Float(float)) if float.fract() == 0.0 && float.abs() < LARGE => {
            format!("{float:.0}")
        }
        Some(Known::Float(float)) => serde_json::to_string(&float).unwrap_or_default(),
        None => number.to_string(),
    }
}

fn string(text: &str, out: &mut String) {
    // serde_json writes every text; there is nothing that could fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

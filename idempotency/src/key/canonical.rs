use serde::Serialize;
use serde_json::{Number, Value};

use super::KeyError;

pub(super) fn tree(value: &(impl Serialize + ?Sized)) -> Result<Value, KeyError> {
    serde_json::to_value(value).map_err(|_| KeyError::NotJson)
}

/// Whether there is nothing in it: null, an empty text, or a list or an object of only such things.
/// `false` and `0` are something.
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
    match number.as_f64() {
        // Zero has a sign.
        Some(0.0) => "0".to_owned(),
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < LARGE => {
            format!("{float:.0}")
        }
        Some(_) | None => number.to_string(),
    }
}

fn string(text: &str, out: &mut String) {
    // serde_json writes every text; there is nothing that could fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

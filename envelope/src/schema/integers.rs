use serde_json::{Value, json};

use super::walk;

/// Gives integers the bounds of their Rust types, which schemars only names as their `format`.
///
/// 64-bit integers end where EventBridge's do. Bounds that are given already stay.
pub(super) fn bound(root: &mut Value) {
    for (pointer, _) in walk::reachable(root) {
        let Some(schema) = root.pointer_mut(&pointer).and_then(Value::as_object_mut) else {
            continue;
        };
        let bounds = match schema.get("format").and_then(Value::as_str) {
            Some("int8") => (i64::from(i8::MIN), i64::from(i8::MAX)),
            Some("int16") => (i64::from(i16::MIN), i64::from(i16::MAX)),
            Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Some("int64" | "int") => (i64::MIN, i64::MAX),
            Some("uint8") => (0, i64::from(u8::MAX)),
            Some("uint16") => (0, i64::from(u16::MAX)),
            Some("uint32") => (0, i64::from(u32::MAX)),
            Some("uint64" | "uint") => (0, i64::MAX),
            Some(_) | None => continue,
        };
        let has = |keyword: &str| schema.contains_key(keyword);
        let has_minimum = has("minimum") || has("exclusiveMinimum");
        let has_maximum = has("maximum") || has("exclusiveMaximum");
        if !has_minimum {
            schema.insert("minimum".to_owned(), json!(bounds.0));
        }
        if !has_maximum {
            schema.insert("maximum".to_owned(), json!(bounds.1));
        }
    }
}

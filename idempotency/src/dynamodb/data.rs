//! Results as DynamoDB has them: JSON text, or maps and lists of its own.

use std::{collections::HashMap, io};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

/// A value of DynamoDB as JSON, with members in order, or `None` where JSON has no such thing.
///
/// Numbers keep all their digits.
pub(super) fn to_json(value: &AttributeValue) -> Option<Vec<u8>> {
    let mut json = Vec::new();
    write(&mut json, value).ok()?;
    Some(json)
}

fn write(json: &mut Vec<u8>, value: &AttributeValue) -> io::Result<()> {
    match value {
        AttributeValue::S(text) => serde_json::to_writer(&mut *json, text)?,
        AttributeValue::N(number) => {
            // What DynamoDB writes is a number of JSON, too; this makes sure of it.
            serde_json::from_str::<serde_json::Number>(number)?;
            json.extend_from_slice(number.as_bytes());
        }
        AttributeValue::Bool(bool) => serde_json::to_writer(&mut *json, bool)?,
        AttributeValue::Null(_) => json.extend_from_slice(b"null"),
        AttributeValue::L(items) => {
            json.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    json.push(b',');
                }
                write(json, item)?;
            }
            json.push(b']');
        }
        AttributeValue::M(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            json.push(b'{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    json.push(b',');
                }
                serde_json::to_writer(&mut *json, name)?;
                json.push(b':');
                write(json, member)?;
            }
            json.push(b'}');
        }
        _ => return Err(io::ErrorKind::InvalidData.into()),
    }
    Ok(())
}

/// JSON as a value of DynamoDB, or `None` if it is no JSON.
pub(super) fn from_json(json: &[u8]) -> Option<AttributeValue> {
    serde_json::from_slice(json).ok().map(native)
}

fn native(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(bool) => AttributeValue::Bool(bool),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(items) => AttributeValue::L(items.into_iter().map(native).collect()),
        Value::Object(members) => AttributeValue::M(
            members
                .into_iter()
                .map(|(name, value)| (name, native(value)))
                .collect::<HashMap<_, _>>(),
        ),
    }
}

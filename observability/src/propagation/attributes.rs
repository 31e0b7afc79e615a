use std::{error::Error, fmt};

use serde_json::{Map, Value};

/// The attributes of a message could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadableAttributes;

impl fmt::Display for UnreadableAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the attributes of a message")
    }
}

impl Error for UnreadableAttributes {}

/// The most bytes that are read: the size of a message.
const MAX_BYTES: usize = 1024 * 1024;
/// The most attributes that are read; a message of SQS has at most ten.
const MAX_ATTRIBUTES: usize = 64;

/// Reads the attributes of a message as AWS writes them in JSON, in each of its spellings.
///
/// Lambda gives the attributes of SQS as `messageAttributes` with `stringValue`, the SDK as
/// `MessageAttributes` with `StringValue`, and SNS as `MessageAttributes` with `Value`, also in the
/// body of a message that a topic sent to a queue. `json` is the object of that name. Attributes
/// that hold no text are passed over.
///
/// # Errors
///
/// When `json` is no object, is larger than a message or has more than 64 attributes.
pub fn attributes_from_json(json: &str) -> Result<Vec<(String, String)>, UnreadableAttributes> {
    if json.len() > MAX_BYTES {
        return Err(UnreadableAttributes);
    }
    let members: Map<String, Value> =
        serde_json::from_str(json).map_err(|_| UnreadableAttributes)?;
    if members.len() > MAX_ATTRIBUTES {
        return Err(UnreadableAttributes);
    }
    let texts = members.into_iter().filter_map(|(name, mut attribute)| {
        let text =
            ["stringValue", "StringValue", "Value"].into_iter().find_map(
                |spelling| match attribute.get_mut(spelling)?.take() {
                    Value::String(text) => Some(text),
                    _ => None,
                },
            )?;
        Some((name, text))
    });
    Ok(texts.collect())
}

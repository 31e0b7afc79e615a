//! Bounds of DynamoDB that a write breaks whatever is in its table, so that no request need be made
//! to find it out: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.

use serde_dynamo::AttributeValue;

use super::{Condition, ItemKey, Operation, Write, expression::Draft, size::value_bytes};
use crate::InvalidWrite;

/// The most levels of lists and maps, that of the innermost value included.
pub(super) const MAX_LEVELS: usize = 32;
/// The most bytes of the name of an attribute, and of a name within a map.
pub(super) const MAX_NAME_BYTES: usize = 65_535;
/// The most bytes of the name of an attribute of a key.
const MAX_KEY_NAME_BYTES: usize = 255;
const MAX_PARTITION_KEY_BYTES: usize = 2048;
const MAX_SORT_KEY_BYTES: usize = 1024;
/// The most bytes of one expression.
pub(crate) const MAX_EXPRESSION_BYTES: usize = 4096;
/// The most bytes of all names and values of the expressions of one write.
pub(crate) const MAX_SUBSTITUTED_BYTES: usize = 2 * 1024 * 1024;
/// The most operators and functions of one expression.
const MAX_OPERATORS: usize = 300;

/// Finds what DynamoDB refuses of a write, whatever is in the table.
pub(super) fn problem(write: &Write) -> Option<InvalidWrite> {
    table_problem(write.table())
        .or_else(|| key_problem(write.key()))
        .or_else(|| expression_problem(write))
}

/// Judges the name of a table, or its ARN.
pub(crate) fn table_problem(table: &str) -> Option<InvalidWrite> {
    let name = match table.strip_prefix("arn:") {
        Some(rest) if table.len() <= 1024 => rest.rsplit_once(":table/").map_or("", |(_, it)| it),
        Some(_) => "",
        None => table,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let fits = (3..=255).contains(&name.len()) && name.bytes().all(is_plain);
    (!fits).then_some(InvalidWrite::TableName)
}

/// Judges the names and the sizes of a key. The partition key comes first.
pub(crate) fn key_problem(key: &ItemKey) -> Option<InvalidWrite> {
    let limits = [MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES];
    key.attributes().iter().zip(limits).find_map(|((name, value), limit)| {
        if name.len() > MAX_KEY_NAME_BYTES {
            let (bytes, limit) = (name.len(), MAX_KEY_NAME_BYTES);
            return Some(InvalidWrite::NameTooLong { bytes, limit });
        }
        let bytes = match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::B(bytes) => bytes.len(),
            // A number has 21 bytes at most.
            _ => 0,
        };
        let attribute = name.as_str().into();
        (bytes > limit).then_some(InvalidWrite::KeyTooLong { attribute, bytes, limit })
    })
}

/// Judges the name of an attribute.
pub(super) fn name_problem(name: &str) -> Option<InvalidWrite> {
    if name.is_empty() {
        return Some(InvalidWrite::Empty);
    }
    let (bytes, limit) = (name.len(), MAX_NAME_BYTES);
    (bytes > limit).then_some(InvalidWrite::NameTooLong { bytes, limit })
}

fn expression_problem(write: &Write) -> Option<InvalidWrite> {
    let changes = match write.operation() {
        Operation::Update(changes) => &changes[..],
        _ => &[],
    };
    // No part of an expression is shorter than four bytes. Names are looked up one by one.
    let parts = changes.len().max(write.conditions().len());
    if parts > MAX_EXPRESSION_BYTES / 4 {
        let (bytes, limit) = (parts.saturating_mul(4), MAX_EXPRESSION_BYTES);
        return Some(InvalidWrite::ExpressionTooLong { bytes, limit });
    }
    let operators: usize = write.conditions().iter().map(operators).sum();
    // One AND between each two.
    let operators = operators + write.conditions().len().saturating_sub(1);
    if operators > MAX_OPERATORS {
        return Some(InvalidWrite::TooManyOperators { operators, limit: MAX_OPERATORS });
    }
    let mut draft = Draft::default();
    let condition = draft.condition(write).map_or(0, |text| text.len());
    let update = draft.update(changes).len();
    let (bytes, limit) = (condition.max(update), MAX_EXPRESSION_BYTES);
    if bytes > limit {
        return Some(InvalidWrite::ExpressionTooLong { bytes, limit });
    }
    let names: usize = draft.names.iter().map(|(key, name)| key.len() + name.len()).sum();
    let values = draft.values.iter().map(|(key, value)| key.len() + value_bytes(value));
    let (bytes, limit) = (names + values.sum::<usize>(), MAX_SUBSTITUTED_BYTES);
    (bytes > limit).then_some(InvalidWrite::ExpressionTooLong { bytes, limit })
}

fn operators(condition: &Condition) -> usize {
    match condition {
        Condition::Absent
        | Condition::Present
        | Condition::Equals(..)
        | Condition::LessThan(..) => 1,
        // A function, OR, and a comparison.
        Condition::Newer(..) => 3,
    }
}

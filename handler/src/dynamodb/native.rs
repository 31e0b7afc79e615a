use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};

use crate::{
    InvalidWrite, ItemKey, Write,
    write::{
        MAX_EXPRESSION_BYTES, MAX_SUBSTITUTED_BYTES, Operation, checked_item, item_bytes,
        key_problem, table_problem,
    },
};

impl From<TransactWriteItem> for Write {
    /// A write for which there is nothing here, such as one with a condition of another form.
    ///
    /// Only [`DynamoDbEffects`](crate::DynamoDbEffects) can make it. It has its conditions already;
    /// what it means that they do not hold can be said as for any other. Of a put it is not known
    /// which attributes are the key, so that a second write on the same item is found by DynamoDB
    /// only.
    fn from(item: TransactWriteItem) -> Self {
        let (table, key) = match &item {
            TransactWriteItem { update: Some(update), .. } => {
                (update.table_name().to_owned(), attributes(update.key()))
            }
            TransactWriteItem { delete: Some(delete), .. } => {
                (delete.table_name().to_owned(), attributes(delete.key()))
            }
            TransactWriteItem { condition_check: Some(check), .. } => {
                (check.table_name().to_owned(), attributes(check.key()))
            }
            TransactWriteItem { put: Some(put), .. } => (put.table_name().to_owned(), Vec::new()),
            _ => (String::new(), Vec::new()),
        };
        Self::native(table, ItemKey::from(key), item)
    }
}

impl Write {
    fn native(table: String, key: ItemKey, item: TransactWriteItem) -> Self {
        Self::foreign(table, key, Operation::Native(Box::new(item)))
    }
}

fn attributes(
    item: &HashMap<String, AttributeValue>,
) -> Vec<(String, serde_dynamo::AttributeValue)> {
    item.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
}

/// The value of an attribute of a write's key. That of a put of the SDK's own is in its item.
pub(super) fn native_key(write: &Write, name: &str) -> Option<serde_dynamo::AttributeValue> {
    if let Operation::Native(item) = write.operation()
        && let Some(put) = &item.put
    {
        return put.item().get(name).map(|value| value.clone().into());
    }
    let mut attributes = write.key().attributes().iter();
    attributes.find(|(own, _)| own == name).map(|(_, value)| value.clone())
}

/// Finds what DynamoDB refuses of a write of the SDK's own, whatever is in the table. Which of the
/// two attributes of its key is the partition key is not known, so both may be that long.
pub(crate) fn native_problem(item: &TransactWriteItem) -> Option<InvalidWrite> {
    let (table, written, update, condition, names, values) = match item {
        TransactWriteItem { put: Some(it), .. } => (
            it.table_name(),
            it.item(),
            None,
            it.condition_expression(),
            it.expression_attribute_names(),
            it.expression_attribute_values(),
        ),
        TransactWriteItem { update: Some(it), .. } => (
            it.table_name(),
            it.key(),
            Some(it.update_expression()),
            it.condition_expression(),
            it.expression_attribute_names(),
            it.expression_attribute_values(),
        ),
        TransactWriteItem { delete: Some(it), .. } => (
            it.table_name(),
            it.key(),
            None,
            it.condition_expression(),
            it.expression_attribute_names(),
            it.expression_attribute_values(),
        ),
        TransactWriteItem { condition_check: Some(it), .. } => (
            it.table_name(),
            it.key(),
            None,
            Some(it.condition_expression()),
            it.expression_attribute_names(),
            it.expression_attribute_values(),
        ),
        _ => return Some(InvalidWrite::Empty),
    };
    if let Some(problem) = table_problem(table) {
        return Some(problem);
    }
    if item.put.is_none() {
        let each = |part| key_problem(&ItemKey::from(vec![part]));
        if let Some(problem) = attributes(written).into_iter().find_map(each) {
            return Some(problem);
        }
    }
    let longest = [update, condition].into_iter().flatten().map(str::len).max();
    if let Some(bytes) = longest.filter(|bytes| *bytes > MAX_EXPRESSION_BYTES) {
        return Some(InvalidWrite::ExpressionTooLong { bytes, limit: MAX_EXPRESSION_BYTES });
    }
    let all = [Some(written), values].into_iter().flatten();
    let flaw = all.map(|all| checked_item(attributes(all).into_iter().collect()).err());
    if let Some(problem) = flaw.flatten().next() {
        return Some(problem);
    }
    let names = names.into_iter().flatten().map(|(key, name)| key.len() + name.len());
    let values =
        values.map_or(0, |all| item_bytes(&attributes(all).into_iter().collect::<HashMap<_, _>>()));
    let (bytes, limit) = (names.sum::<usize>() + values, MAX_SUBSTITUTED_BYTES);
    (bytes > limit).then_some(InvalidWrite::ExpressionTooLong { bytes, limit })
}

/// Returns the known bytes of the item of a write.
pub(crate) fn native_bytes(item: &TransactWriteItem) -> usize {
    let bytes = |item: &HashMap<String, AttributeValue>| {
        let item: HashMap<String, serde_dynamo::AttributeValue> =
            attributes(item).into_iter().collect();
        item_bytes(&item)
    };
    match item {
        TransactWriteItem { put: Some(put), .. } => bytes(put.item()),
        TransactWriteItem { update: Some(update), .. } => {
            bytes(update.key()) + update.expression_attribute_values().map_or(0, bytes)
        }
        TransactWriteItem { delete: Some(delete), .. } => bytes(delete.key()),
        TransactWriteItem { condition_check: Some(check), .. } => bytes(check.key()),
        _ => 0,
    }
}

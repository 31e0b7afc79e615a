use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};

use crate::{
    ItemKey, Write,
    write::{Operation, item_bytes},
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

/// What is known about how many bytes the item of a write has.
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

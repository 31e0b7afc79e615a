use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update,
};

use crate::{
    InvalidWrite, Write,
    write::{Draft, Operation},
};

/// The names and values of a write's expressions, as the SDK takes them.
type Names = Option<HashMap<String, String>>;
type Values = Option<HashMap<String, AttributeValue>>;

fn substitutions(draft: Draft) -> (Names, Values) {
    let names: HashMap<_, _> = draft.names.into_iter().collect();
    let values = draft.values.into_iter().map(|(placeholder, value)| (placeholder, value.into()));
    let values: HashMap<_, _> = values.collect();
    (Some(names).filter(|names| !names.is_empty()), Some(values).filter(|all| !all.is_empty()))
}

/// A write as one action of a transaction.
pub(super) fn transact_item(write: &Write) -> Result<TransactWriteItem, InvalidWrite> {
    let unbuilt = |_| InvalidWrite::Unsupported;
    let mut draft = Draft::default();
    let condition = draft.condition(write);
    let update = match write.operation() {
        Operation::Update(changes) => draft.update(changes),
        _ => String::new(),
    };
    let (names, values) = substitutions(draft);
    let key = || {
        let attributes = write.key().attributes().iter();
        let key = attributes.map(|(name, value)| (name.clone(), value.clone().into()));
        Some(key.collect::<HashMap<String, AttributeValue>>())
    };
    let action = TransactWriteItem::builder();
    Ok(match write.operation() {
        Operation::Put(item) => {
            let item = item.iter().map(|(name, value)| (name.clone(), value.clone().into()));
            let put = Put::builder()
                .table_name(write.table())
                .set_item(Some(item.collect()))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build();
            action.put(put.map_err(unbuilt)?).build()
        }
        Operation::Update(_) => {
            let update = Update::builder()
                .table_name(write.table())
                .set_key(key())
                .update_expression(update)
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build();
            action.update(update.map_err(unbuilt)?).build()
        }
        Operation::Delete => {
            let delete = Delete::builder()
                .table_name(write.table())
                .set_key(key())
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build();
            action.delete(delete.map_err(unbuilt)?).build()
        }
        Operation::Check => {
            let check = ConditionCheck::builder()
                .table_name(write.table())
                .set_key(key())
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build();
            action.condition_check(check.map_err(unbuilt)?).build()
        }
        Operation::Native(item) => (**item).clone(),
    })
}

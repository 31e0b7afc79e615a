use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update,
};

use crate::{
    InvalidWrite, Write,
    write::{Change, Condition, How, Operation},
};

/// Names and values of expressions, which are never written into them: a name may be a reserved
/// word or have a dot in it.
#[derive(Default)]
struct Draft {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Draft {
    fn name(&mut self, name: &str) -> String {
        let known = self.names.iter().find(|(_, known)| *known == name);
        if let Some((placeholder, _)) = known {
            return placeholder.clone();
        }
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: impl Into<AttributeValue>) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value.into());
        placeholder
    }

    fn condition(&mut self, write: &Write) -> Option<String> {
        let mut parts = Vec::new();
        for condition in write.conditions() {
            parts.push(match condition {
                Condition::Absent | Condition::Present => {
                    let function = match condition {
                        Condition::Absent => "attribute_not_exists",
                        _ => "attribute_exists",
                    };
                    let (key, _) = write.key().attributes().first()?;
                    format!("{function}({})", self.name(key))
                }
                Condition::Equals(name, value) => {
                    format!("{} = {}", self.name(name), self.value(value.clone()))
                }
                Condition::LessThan(name, value) => {
                    format!("{} < {}", self.name(name), self.value(value.clone()))
                }
                Condition::Newer(name, value) => {
                    let name = self.name(name);
                    let value = self.value(value.clone());
                    format!("(attribute_not_exists({name}) OR {name} < {value})")
                }
            });
        }
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }

    fn update(&mut self, changes: &[Change]) -> String {
        let (mut set, mut add, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        for Change { attribute, how } in changes {
            let name = self.name(attribute);
            match how {
                How::Set(value) => set.push(format!("{name} = {}", self.value(value.clone()))),
                How::Add(value) => add.push(format!("{name} {}", self.value(value.clone()))),
                How::Remove => remove.push(name),
                How::Append(list) => {
                    let empty = self.value(AttributeValue::L(Vec::new()));
                    let list = self.value(list.clone());
                    set.push(format!(
                        "{name} = list_append(if_not_exists({name}, {empty}), {list})"
                    ));
                }
            }
        }
        let clauses = [("SET", set), ("ADD", add), ("REMOVE", remove)];
        let clauses = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        let clauses = clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", ")));
        clauses.collect::<Vec<_>>().join(" ")
    }

    fn names(&mut self) -> Option<HashMap<String, String>> {
        Some(std::mem::take(&mut self.names)).filter(|names| !names.is_empty())
    }

    fn values(self) -> Option<HashMap<String, AttributeValue>> {
        Some(self.values).filter(|values| !values.is_empty())
    }
}

/// A write as one action of a transaction.
pub(super) fn transact_item(write: &Write) -> Result<TransactWriteItem, InvalidWrite> {
    let unbuilt = |_| InvalidWrite::Unsupported;
    let mut draft = Draft::default();
    let condition = draft.condition(write);
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
                .set_expression_attribute_names(draft.names())
                .set_expression_attribute_values(draft.values())
                .build();
            action.put(put.map_err(unbuilt)?).build()
        }
        Operation::Update(changes) => {
            let update = Update::builder()
                .table_name(write.table())
                .set_key(key())
                .update_expression(draft.update(changes))
                .set_condition_expression(condition)
                .set_expression_attribute_names(draft.names())
                .set_expression_attribute_values(draft.values())
                .build();
            action.update(update.map_err(unbuilt)?).build()
        }
        Operation::Delete => {
            let delete = Delete::builder()
                .table_name(write.table())
                .set_key(key())
                .set_condition_expression(condition)
                .set_expression_attribute_names(draft.names())
                .set_expression_attribute_values(draft.values())
                .build();
            action.delete(delete.map_err(unbuilt)?).build()
        }
        Operation::Check => {
            let check = ConditionCheck::builder()
                .table_name(write.table())
                .set_key(key())
                .set_condition_expression(condition)
                .set_expression_attribute_names(draft.names())
                .set_expression_attribute_values(draft.values())
                .build();
            action.condition_check(check.map_err(unbuilt)?).build()
        }
        Operation::Native(item) => (**item).clone(),
    })
}

//! The expressions of a write as texts: one way to write them, for whoever sends them and for
//! whoever measures them.

use serde_dynamo::AttributeValue;

use super::{Change, Condition, How, Write};

/// Names and values of expressions, which are never written into them: a name may be a reserved
/// word or have a dot in it.
#[derive(Default)]
pub(crate) struct Draft {
    /// Placeholders and names.
    pub(crate) names: Vec<(String, String)>,
    /// Placeholders and values.
    pub(crate) values: Vec<(String, AttributeValue)>,
}

impl Draft {
    fn name(&mut self, name: &str) -> String {
        if let Some((placeholder, _)) = self.names.iter().find(|(_, known)| known == name) {
            return placeholder.clone();
        }
        let placeholder = format!("#n{}", self.names.len());
        self.names.push((placeholder.clone(), name.to_owned()));
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.push((placeholder.clone(), value));
        placeholder
    }

    /// Writes the conditions of a write.
    pub(crate) fn condition(&mut self, write: &Write) -> Option<String> {
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

    /// Writes what an update does.
    pub(crate) fn update(&mut self, changes: &[Change]) -> String {
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
}

use serde_dynamo::AttributeValue;
use serde_json::{Map, Number, Value, json};

use super::{Condition, How, ItemKey, Operation, Otherwise, Write};

impl Write {
    /// All of it as JSON, for tests and tools.
    ///
    /// Unlike `Debug` it shows values, which can be personal: it is not for logs. What JSON has no
    /// form for is written as `DynamoDB` writes it, such as `{"SS": ["a", "b"]}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut shown = Map::new();
        shown.insert("table".to_owned(), self.table().into());
        shown.insert("key".to_owned(), self.key().to_json());
        let (verb, what) = match self.operation() {
            Operation::Put(item) => {
                ("put", item.iter().map(|(name, found)| (name.clone(), value(found))).collect())
            }
            Operation::Update(changes) => {
                let changes = changes.iter().map(|change| {
                    let (verb, what) = match &change.how {
                        How::Set(found) => ("set", value(found)),
                        How::Add(found) => ("add", value(found)),
                        How::Remove => ("remove", Value::Null),
                        How::Append(found) => ("append", value(found)),
                    };
                    (format!("{verb} {}", change.attribute), what)
                });
                ("update", changes.collect())
            }
            Operation::Delete => ("delete", Value::Null),
            Operation::Check => ("check", Value::Null),
            #[cfg(feature = "dynamodb")]
            Operation::Native(item) => ("native", format!("{item:?}").into()),
        };
        shown.insert(verb.to_owned(), what);
        for condition in self.conditions() {
            let (name, what) = match condition {
                Condition::Absent => ("if absent".to_owned(), Value::Null),
                Condition::Present => ("if present".to_owned(), Value::Null),
                Condition::Equals(name, found) => (format!("if {name} equals"), value(found)),
                Condition::LessThan(name, found) => (format!("if {name} less than"), value(found)),
                Condition::Newer(name, found) => (format!("if newer than {name}"), value(found)),
            };
            shown.insert(name, what);
        }
        let otherwise = match self.otherwise() {
            Otherwise::Conflict => None,
            Otherwise::Fault(fault) => Some(format!("{fault} ({:?})", fault.disposition())),
            Otherwise::Skip => Some("skip".to_owned()),
        };
        if let Some(otherwise) = otherwise {
            shown.insert("otherwise".to_owned(), otherwise.into());
        }
        if let Some(problem) = self.problem() {
            shown.insert("invalid".to_owned(), problem.to_string().into());
        }
        shown.into()
    }
}

impl ItemKey {
    fn to_json(&self) -> Value {
        self.attributes().iter().map(|(name, found)| (name.clone(), value(found))).collect()
    }
}

fn value(found: &AttributeValue) -> Value {
    match found {
        AttributeValue::S(text) => text.as_str().into(),
        AttributeValue::N(text) => number(text),
        AttributeValue::Bool(found) => (*found).into(),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::L(list) => list.iter().map(value).collect(),
        AttributeValue::M(map) => {
            map.iter().map(|(name, found)| (name.clone(), value(found))).collect()
        }
        AttributeValue::B(bytes) => json!({ "B": bytes }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::Bs(all) => json!({ "BS": all }),
    }
}

/// A number that JSON would change is shown as it is.
fn number(text: &str) -> Value {
    let json: Option<Number> = serde_json::from_str(text).ok();
    let shown = json.as_ref().map(ToString::to_string);
    match json {
        Some(json) if shown.as_deref() == Some(text) => json.into(),
        _ => json!({ "N": text }),
    }
}

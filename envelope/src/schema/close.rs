use std::collections::HashSet;

use serde_json::{Value, json};

use super::walk::{self, Step};

/// Closes a schema: objects have the members that it names, and no other.
///
/// A plain object is closed by `additionalProperties`. Where several schemas describe one object
/// together (a flattened enum, a tagged variant with the members of another type), none of them
/// knows all members, so the place that joins them is closed by `unevaluatedProperties`.
pub(super) fn close(root: &mut Value) {
    // Definitions that describe an object together with something else must stay open themselves.
    let mut joined = HashSet::new();
    let mut values = vec![String::new()];
    for (pointer, _) in walk::reachable(root) {
        let is_joint = is_joint(root, &pointer);
        for (step, child) in walk::children(root, &pointer) {
            match step {
                Step::Reference | Step::Branch(..) if is_joint => _ = joined.insert(child),
                Step::Reference | Step::Branch(..) => {}
                Step::Member(_)
                | Step::Element
                | Step::Position(_)
                | Step::Entry
                | Step::Matching(_) => values.push(child),
            }
        }
    }
    // What joins is joined all the way down, as far as it is about the same value.
    let mut open: Vec<_> = joined.iter().cloned().collect();
    while let Some(pointer) = open.pop() {
        for (step, child) in walk::children(root, &pointer) {
            let is_same_value = matches!(step, Step::Reference | Step::Branch(..));
            if is_same_value && joined.insert(child.clone()) {
                open.push(child);
            }
        }
    }
    let mut done = HashSet::new();
    for pointer in values {
        close_value(root, &pointer, &joined, &mut done);
    }
}

/// Closes the schema of one value, and those that stand for the same value.
fn close_value(
    root: &mut Value,
    pointer: &str,
    joined: &HashSet<String>,
    done: &mut HashSet<String>,
) {
    if !done.insert(pointer.to_owned()) || !names_members(root, pointer, &mut HashSet::new()) {
        return;
    }
    let same_value: Vec<_> = walk::children(root, pointer)
        .into_iter()
        .filter(|(step, _)| matches!(step, Step::Reference | Step::Branch(..)))
        .map(|(_, child)| child)
        .collect();
    let refers_to_open = same_value.iter().any(|child| joined.contains(child));
    if is_joint(root, pointer) || refers_to_open {
        insert(root, pointer, "unevaluatedProperties");
    } else if same_value.is_empty() {
        insert(root, pointer, "additionalProperties");
    } else {
        for child in same_value {
            close_value(root, &child, joined, done);
        }
    }
}

/// Returns true if the schema describes its object together with others that stand in it.
fn is_joint(root: &Value, pointer: &str) -> bool {
    let Some(schema) = root.pointer(pointer) else { return false };
    let kinds = [
        schema.get("properties").is_some(),
        schema.get("$ref").is_some(),
        schema.get("oneOf").is_some(),
        schema.get("anyOf").is_some(),
    ];
    schema.get("allOf").is_some() || kinds.into_iter().filter(|kind| *kind).count() > 1
}

/// Returns true if the schema is about an object with certain members, and not about any object.
fn names_members(root: &Value, pointer: &str, seen: &mut HashSet<String>) -> bool {
    let Some(schema) = root.pointer(pointer).and_then(Value::as_object) else { return false };
    let is_open_on_purpose = schema.contains_key("additionalProperties")
        || schema.contains_key("unevaluatedProperties")
        || schema.contains_key("patternProperties");
    if is_open_on_purpose || !seen.insert(pointer.to_owned()) {
        return false;
    }
    if schema.contains_key("properties") || schema.get("type") == Some(&json!("object")) {
        return true;
    }
    let mut same_value = walk::children(root, pointer)
        .into_iter()
        .filter(|(step, _)| matches!(step, Step::Reference | Step::Branch(..)));
    same_value.any(|(_, child)| names_members(root, &child, seen))
}

fn insert(root: &mut Value, pointer: &str, keyword: &str) {
    if let Some(schema) = root.pointer_mut(pointer).and_then(Value::as_object_mut) {
        schema.insert(keyword.to_owned(), Value::Bool(false));
    }
}

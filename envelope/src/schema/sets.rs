use serde_json::Value;

use super::walk;

/// Lets arrays repeat their elements: a set reads one that does, and keeps each of them once.
pub(super) fn open(root: &mut Value) {
    for (pointer, _) in walk::reachable(root) {
        if let Some(schema) = root.pointer_mut(&pointer).and_then(Value::as_object_mut) {
            schema.remove("uniqueItems");
        }
    }
}

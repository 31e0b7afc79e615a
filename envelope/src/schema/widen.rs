use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    sample::{sample, smallest},
    walk::{self, Step},
};

/// A variant that no type has.
const UNKNOWN: &str = "setpiece: a variant that nobody has";

/// Opens the enums of a schema whose type takes variants that it does not know.
///
/// schemars passes over `#[serde(other)]`, and an enum deep within an event belongs to a type that
/// no derive of ours has seen. So the event's own code is asked: it `reads` an example with a known
/// variant, and then the same with an unknown one, at every place that refers to the enum.
///
/// An enum for which it does not even take the known one, or which it reads in one place and not in
/// another, is opened as well, since a schema that refuses what the type reads would lose events.
/// Their pointers are given back.
pub(super) fn widen(root: &mut Value, reads: &dyn Fn(&Value) -> bool) -> Vec<String> {
    let mut undecided = Vec::new();
    let original = root.clone();
    let reachable = walk::reachable(&original);
    for (pointer, ways) in walk::ways(&original, &reachable) {
        let Some(schema) = original.pointer(&pointer) else { continue };
        let is_branch = ways.iter().any(|way| matches!(way.last(), Some(Step::Branch("oneOf", _))));
        for choice in choices(&original, schema, is_branch) {
            let reads_along = |way: &[Step], there: Option<&Value>| {
                sample(&original, way, there).is_some_and(|example| reads(&example))
            };
            let unknown = choice.with(UNKNOWN, None);
            let (mut takes, mut refuses) = (false, false);
            for way in ways.iter().take(MAX_WAYS) {
                if reads_along(way, Some(&unknown)) {
                    takes = true;
                } else if reads_along(way, None)
                    || choice.known().iter().any(|known| reads_along(way, Some(known)))
                {
                    refuses = true;
                }
            }
            if !takes && (refuses || matches!(choice, Choice::Keys { .. })) {
                continue;
            }
            let content = choice.with(UNKNOWN, Some(json!([])));
            let reads_content = !takes || ways.iter().any(|way| reads_along(way, Some(&content)));
            if let Some(schema) = root.pointer_mut(&pointer) {
                choice.open(schema, reads_content);
            }
            if takes == refuses {
                undecided.push(pointer.clone());
            }
        }
    }
    undecided
}

/// At how many places an enum is tried.
const MAX_WAYS: usize = 64;

/// Choice that a schema leaves, as enums do.
enum Choice {
    /// One of these texts, in the keyword `enum`.
    Enum(BTreeSet<String>),
    /// One of these texts, in branches of `oneOf` beside which others may stand.
    Texts(BTreeSet<String>),
    /// Objects that have one of these texts as their member `tag`, and nothing else but the member
    /// `content`, if there is one.
    Tagged { tag: String, content: Option<String>, known: BTreeSet<String> },
    /// Objects that have only these texts as their members' names, as maps by an enum have.
    Keys { value: Value, example: Value },
}

fn choices(root: &Value, schema: &Value, is_branch: bool) -> Vec<Choice> {
    let mut choices = Vec::new();
    if schema["additionalProperties"] == Value::Bool(false)
        && let Some(value) = schema["properties"].as_object().and_then(|all| all.values().next())
        && let Some(example) = smallest(root, value)
    {
        choices.push(Choice::Keys { value: value.clone(), example });
    }
    let known = texts(schema);
    // The texts of a branch are among those of the whole choice, and a lone `const` is no choice.
    if !is_branch && schema.get("enum").is_some() && !known.is_empty() {
        choices.push(Choice::Enum(known));
    }
    let Some(branches) = schema["oneOf"].as_array() else { return choices };
    let known: BTreeSet<_> = branches.iter().flat_map(texts).collect();
    if !known.is_empty() {
        choices.push(Choice::Texts(known));
    }
    let tags = branches.first().and_then(|first| first["properties"].as_object());
    for tag in tags.into_iter().flat_map(|members| members.keys()) {
        let known = branches.iter().map(|branch| branch["properties"][tag]["const"].as_str());
        if let Some(known) = known.map(|known| known.map(str::to_owned)).collect() {
            choices.push(Choice::Tagged {
                tag: tag.clone(),
                content: content(branches, tag),
                known,
            });
        }
    }
    choices
}

/// The texts that `schema` takes, if it takes nothing else but null.
fn texts(schema: &Value) -> BTreeSet<String> {
    let values = match schema["enum"].as_array() {
        Some(values) => values.as_slice(),
        None => std::slice::from_ref(&schema["const"]),
    };
    if !values.iter().all(|value| value.is_string() || value.is_null()) {
        return BTreeSet::new();
    }
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Choice {
    /// Examples of what the schema knows, as far as they need nothing else.
    fn known(&self) -> Vec<Value> {
        let known = match self {
            Self::Enum(known) | Self::Texts(known) | Self::Tagged { known, .. } => known,
            Self::Keys { .. } => return Vec::new(),
        };
        known.iter().map(|known| self.with(known, None)).collect()
    }

    fn with(&self, variant: &str, value: Option<Value>) -> Value {
        match (self, value) {
            (Self::Enum(_) | Self::Texts(_), _) => variant.into(),
            (Self::Tagged { tag, content: Some(content), known: _ }, Some(value)) => {
                json!({ tag: variant, content: value })
            }
            (Self::Tagged { tag, .. }, _) => json!({ tag: variant }),
            (Self::Keys { value: _, example }, _) => json!({ variant: example }),
        }
    }

    fn open(&self, schema: &mut Value, reads_content: bool) {
        let other =
            |known: &BTreeSet<String>| json!({ "type": "string", "not": { "enum": known } });
        match self {
            Self::Enum(_) => {
                // The type that stands beside it, with or without null, says the rest.
                if let Some(schema) = schema.as_object_mut() {
                    schema.remove("enum");
                }
            }
            Self::Texts(known) => add_branch(schema, other(known)),
            Self::Keys { value, example: _ } => schema["additionalProperties"] = value.clone(),
            Self::Tagged { tag, content, known } => {
                let mut members = json!({ tag: other(known) });
                if let Some(content) = content.as_ref().filter(|_| !reads_content) {
                    members[content] = json!({ "type": "null" });
                }
                let branch = json!({ "type": "object", "properties": members, "required": [tag] });
                add_branch(schema, branch);
            }
        }
    }
}

/// The only member besides `tag` that any of the branches has.
fn content(branches: &[Value], tag: &str) -> Option<String> {
    let members = branches.iter().filter_map(|branch| branch["properties"].as_object());
    let others: BTreeSet<_> = members.flat_map(|members| members.keys()).collect();
    let mut others = others.into_iter().filter(|member| *member != tag);
    others.next().filter(|_| others.next().is_none()).cloned()
}

fn add_branch(schema: &mut Value, branch: Value) {
    if let Some(branches) = schema["oneOf"].as_array_mut() {
        branches.push(branch);
    }
}

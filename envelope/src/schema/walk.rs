//! The parts of a schema in which other schemas stand.

use serde_json::Value;

/// One step from a schema to a schema within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The value of this member.
    Member(String),
    /// An element of an array.
    Element,
    /// The element at this place of a tuple.
    Position(usize),
    /// The value of a member that has no schema of its own.
    Entry,
    /// The value of a member whose name matches this expression.
    Matching(String),
    /// One of several schemas for the same value: the keyword and the place.
    Branch(&'static str, usize),
    /// Schema of one value at another place.
    Reference,
}

/// The keywords that hold several schemas for the same value.
pub(super) const BRANCHES: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// The schemas right within the one at `pointer`, with the steps that lead to them.
pub(super) fn children(root: &Value, pointer: &str) -> Vec<(Step, String)> {
    let Some(schema) = root.pointer(pointer) else { return Vec::new() };
    let mut children = Vec::new();
    if let Some(target) = reference(schema) {
        children.push((Step::Reference, target));
    }
    if let Some(members) = schema["properties"].as_object() {
        let step = |name: &String| {
            (Step::Member(name.clone()), format!("{pointer}/properties/{}", escape(name)))
        };
        children.extend(members.keys().map(step));
    }
    if schema["items"].is_object() {
        children.push((Step::Element, format!("{pointer}/items")));
    }
    for place in 0..schema["prefixItems"].as_array().map_or(0, Vec::len) {
        children.push((Step::Position(place), format!("{pointer}/prefixItems/{place}")));
    }
    if schema["additionalProperties"].is_object() {
        children.push((Step::Entry, format!("{pointer}/additionalProperties")));
    }
    if let Some(patterns) = schema["patternProperties"].as_object() {
        let step = |pattern: &String| {
            let child = format!("{pointer}/patternProperties/{}", escape(pattern));
            (Step::Matching(pattern.clone()), child)
        };
        children.extend(patterns.keys().map(step));
    }
    for keyword in BRANCHES {
        for place in 0..schema[keyword].as_array().map_or(0, Vec::len) {
            children.push((Step::Branch(keyword, place), format!("{pointer}/{keyword}/{place}")));
        }
    }
    children
}

/// All schemas that can be reached from the root, each with one way there.
pub(super) fn reachable(root: &Value) -> Vec<(String, Vec<Step>)> {
    let mut found = vec![(String::new(), Vec::new())];
    let mut next = 0;
    while let Some((pointer, way)) = found.get(next).cloned() {
        for (step, child) in children(root, &pointer) {
            if found.iter().all(|(known, _)| *known != child) {
                let way = way.iter().cloned().chain([step]).collect();
                found.push((child, way));
            }
        }
        next += 1;
    }
    found
}

/// The ways to each schema in `reachable`, by all the places that refer to the definition that it
/// is part of. What a type does with a value can differ from place to place.
pub(super) fn ways(
    root: &Value,
    reachable: &[(String, Vec<Step>)],
) -> Vec<(String, Vec<Vec<Step>>)> {
    let mut references: Vec<(String, Vec<Step>)> = Vec::new();
    for (pointer, way) in reachable {
        for (step, target) in children(root, pointer) {
            if step == Step::Reference {
                references.push((target, way.iter().cloned().chain([step]).collect()));
            }
        }
    }
    let is_within = |pointer: &str, target: &str| {
        pointer.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let ways_to = |(pointer, way): &(String, Vec<Step>)| {
        let definitions = reachable.iter().filter(|(target, _)| {
            is_within(pointer, target) && references.iter().any(|(known, _)| known == target)
        });
        let Some((definition, first)) = definitions.max_by_key(|(target, _)| target.len()) else {
            return (pointer.clone(), vec![way.clone()]);
        };
        // From the definition on, all ways are the same. The root is a definition, too, to which
        // a recursive type goes back; the shortest way there is none.
        let rest = way.get(first.len()..).unwrap_or_default();
        let mut ways: Vec<_> = references
            .iter()
            .filter(|(target, _)| target == definition)
            .map(|(_, to_definition)| to_definition.iter().chain(rest).cloned().collect())
            .collect();
        if first.is_empty() {
            ways.push(way.clone());
        }
        (pointer.clone(), ways)
    };
    reachable.iter().map(ways_to).collect()
}

/// Returns the pointer to the place that describes the value of `schema`, if it refers to one.
pub(super) fn reference(schema: &Value) -> Option<String> {
    schema["$ref"].as_str()?.strip_prefix('#').map(str::to_owned)
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

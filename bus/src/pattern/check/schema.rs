//! Statements of a schema about the values at a path.
//!
//! All answers err to one side: a value that an event can have is among those that are found, and
//! what is said to be there is there. A keyword that is not understood only makes the answer wider.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::values::{Kinds, Values};

/// Values at a path.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// The values, at the most.
    pub(crate) values: Values,
    /// True if there may be none.
    pub(crate) absent: bool,
    /// True if a list may be on the way.
    pub(crate) listed: bool,
}

/// Looks up paths in a schema.
pub(crate) struct Lookup<'s> {
    /// The schema to which references refer.
    root: &'s Json,
    /// Values found for a schema and the number of steps that are left of the path. `None` while
    /// they are being found, which only a recursive type can ask for.
    known: HashMap<(*const Json, usize), Option<Reach>>,
    /// Schemas that may still be looked at.
    effort: usize,
}

/// A schema that stands in another one for the same value.
enum Part<'s> {
    All(&'s Json),
    Any(&'s [Json]),
    /// Something that is not followed.
    Unknown,
}

/// The longest path that is looked up.
const MAX_STEPS: usize = 64;

/// Limit on the schemas that may refer to one another for the same value.
const MAX_PARTS: usize = 64;

const MAX_EFFORT: usize = 200_000;

impl Reach {
    /// Of a schema that no value satisfies.
    fn impossible() -> Self {
        Self { values: Values::default(), absent: false, listed: false }
    }

    fn missing() -> Self {
        Self { absent: true, ..Self::impossible() }
    }

    fn unknown() -> Self {
        Self { values: Values::all(), absent: true, listed: true }
    }

    fn or(self, other: Self) -> Self {
        Self {
            values: self.values.or(other.values),
            absent: self.absent || other.absent,
            listed: self.listed || other.listed,
        }
    }

    fn and(self, other: &Self) -> Self {
        Self {
            values: self.values.and(&other.values),
            absent: self.absent && other.absent,
            listed: self.listed && other.listed,
        }
    }
}

impl<'s> Lookup<'s> {
    pub(crate) fn new(root: &'s Json) -> Self {
        Self { root, known: HashMap::new(), effort: MAX_EFFORT }
    }

    /// Finds the values that `schema` allows at the path.
    pub(crate) fn find(&mut self, schema: &'s Json, path: &str) -> Reach {
        let steps: Vec<_> = path.split('.').collect();
        // AWS sees what is below an empty key only with certain patterns.
        if steps.len() > MAX_STEPS || steps.contains(&"") {
            return Reach::unknown();
        }
        // Only within one path does the number of steps say which they are.
        self.known.clear();
        self.reach(schema, &steps)
    }

    /// The paths of members below `schema` that have names, a bounded number of them.
    pub(crate) fn paths(&self, schema: &'s Json) -> Vec<String> {
        const MOST: usize = 2000;
        let mut paths = Vec::new();
        let mut open = vec![(schema, String::new(), 0)];
        let mut next = 0;
        while let Some((schema, path, depth)) = open.get(next).cloned() {
            next += 1;
            if open.len() > MOST || depth > MAX_PARTS {
                break;
            }
            let mut add = |schema, path| open.push((schema, path, depth + 1));
            for part in self.parts(schema) {
                match part {
                    Part::All(schema) => add(schema, path.clone()),
                    Part::Any(schemas) => {
                        for schema in schemas {
                            add(schema, path.clone());
                        }
                    }
                    Part::Unknown => {}
                }
            }
            let elements = schema["prefixItems"].as_array().into_iter().flatten();
            elements.chain(schema.get("items")).for_each(|items| add(items, path.clone()));
            for (name, member) in schema["properties"].as_object().into_iter().flatten() {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                paths.push(path.clone());
                add(member, path);
            }
        }
        paths
    }

    fn take(&mut self) -> bool {
        let left = self.effort.checked_sub(1);
        self.effort = left.unwrap_or(0);
        left.is_some()
    }

    fn reach(&mut self, schema: &'s Json, steps: &[&str]) -> Reach {
        let key = (std::ptr::from_ref(schema), steps.len());
        match self.known.get(&key) {
            Some(Some(known)) => return known.clone(),
            Some(None) => return Reach::unknown(),
            None => {}
        }
        self.known.insert(key, None);
        let reach = self.find_out(schema, steps);
        self.known.insert(key, Some(reach.clone()));
        reach
    }

    fn find_out(&mut self, schema: &'s Json, steps: &[&str]) -> Reach {
        let kinds = self.kinds(schema, 0);
        let mut reach = Reach::impossible();
        if kinds.has(Kinds::SCALAR) {
            reach = reach.or(if steps.is_empty() {
                Reach { values: self.scalars(schema, 0), ..Reach::impossible() }
            } else {
                Reach::missing()
            });
        }
        if kinds.has(Kinds::OBJECT) {
            // A member's name may have dots, and then it is several steps.
            let mut always_absent = true;
            let mut object = Reach::impossible();
            let mut begins_as_named = false;
            for count in 1..=steps.len() {
                let name = steps[..count].join(".");
                let is_named = self.any_speaks_of(schema, &name, 0);
                if begins_as_named && !is_named {
                    // Nobody is expected to write `a.b` beside the member `a`.
                    continue;
                }
                begins_as_named |= is_named;
                let member = self.member(schema, &name, &steps[count..], false, 0);
                always_absent &= member.absent;
                object = object.or(member);
            }
            reach = reach.or(Reach { absent: always_absent, ..object });
        }
        if kinds.has(Kinds::ARRAY) {
            // A list may be empty.
            let elements = self.elements(schema, steps, 0);
            reach = reach.or(Reach { absent: true, listed: true, ..elements });
        }
        reach
    }

    /// The kinds of values that satisfy `schema`.
    fn kinds(&mut self, schema: &'s Json, depth: usize) -> Kinds {
        if depth > MAX_PARTS || !self.take() {
            return Kinds::ALL;
        }
        if *schema == Json::Bool(false) {
            return Kinds::NONE;
        }
        let mut kinds = own_kinds(schema);
        for part in self.parts(schema) {
            kinds = kinds.and(match part {
                Part::All(part) => self.kinds(part, depth + 1),
                Part::Any(parts) => {
                    parts.iter().fold(Kinds::NONE, |any, part| any | self.kinds(part, depth + 1))
                }
                Part::Unknown => Kinds::ALL,
            });
        }
        kinds
    }

    /// The scalars that satisfy `schema`.
    fn scalars(&mut self, schema: &'s Json, depth: usize) -> Values {
        if depth > MAX_PARTS || !self.take() {
            return Values::all();
        }
        if *schema == Json::Bool(false) {
            return Values::default();
        }
        let mut values = Values::of_kinds(own_kinds(schema), schema);
        if let Some(list) = schema["enum"].as_array() {
            values = values.and(&Values::one_of(list));
        }
        if let Some(only) = schema.get("const") {
            values = values.and(&Values::one_of([only]));
        }
        for part in self.parts(schema) {
            values = values.and(&match part {
                Part::All(part) => self.scalars(part, depth + 1),
                Part::Any(parts) => parts
                    .iter()
                    .fold(Values::default(), |any, part| any.or(self.scalars(part, depth + 1))),
                Part::Unknown => Values::all(),
            });
        }
        values
    }

    /// Finds the values at `rest` in the elements of the arrays that satisfy `schema`.
    fn elements(&mut self, schema: &'s Json, rest: &[&str], depth: usize) -> Reach {
        if depth > MAX_PARTS || !self.take() {
            return Reach::unknown();
        }
        if !self.kinds(schema, depth).has(Kinds::ARRAY) {
            return Reach::impossible();
        }
        let first = schema["prefixItems"].as_array().map(Vec::as_slice).unwrap_or_default();
        let most = schema["maxItems"].as_u64().and_then(|most| usize::try_from(most).ok());
        let mut reach = match schema.get("items") {
            _ if most.is_some_and(|most| most <= first.len()) => Reach::impossible(),
            Some(items) => self.reach(items, rest),
            None => Reach::unknown(),
        };
        for element in first {
            reach = reach.or(self.reach(element, rest));
        }
        for part in self.parts(schema) {
            reach = reach.and(&match part {
                Part::All(part) => self.elements(part, rest, depth + 1),
                Part::Any(parts) => parts.iter().fold(Reach::impossible(), |any, part| {
                    any.or(self.elements(part, rest, depth + 1))
                }),
                Part::Unknown => Reach::unknown(),
            });
        }
        reach
    }

    /// Finds the values at `rest` in the member `name` of the objects that satisfy `schema`.
    ///
    /// Where the schema is `closed`, an object has no member that neither this schema nor one of
    /// its parts speaks of.
    fn member(
        &mut self,
        schema: &'s Json,
        name: &str,
        rest: &[&str],
        closed: bool,
        depth: usize,
    ) -> Reach {
        if depth > MAX_PARTS || !self.take() {
            return Reach::unknown();
        }
        if !self.kinds(schema, depth).has(Kinds::OBJECT) {
            return Reach::impossible();
        }
        let closed = closed || schema.get("unevaluatedProperties") == Some(&Json::Bool(false));
        let own = speaks_of(schema, name);
        let parts: Vec<_> = self
            .parts(schema)
            .into_iter()
            .map(|part| (self.part_speaks_of(&part, name, depth), part))
            .collect();
        let speakers = parts.iter().filter(|(speaks, _)| *speaks).count() + usize::from(own);
        if closed && speakers == 0 {
            return Reach::missing();
        }
        // Of several that speak of the member, any may be the one that allows it.
        let alone = closed && speakers == 1;
        let mut reach = if own { self.own_member(schema, name, rest) } else { Reach::unknown() };
        for (speaks, part) in parts {
            let closed = alone && speaks;
            reach = reach.and(&match part {
                Part::All(part) => self.member(part, name, rest, closed, depth + 1),
                Part::Any(parts) => parts.iter().fold(Reach::impossible(), |any, part| {
                    any.or(self.member(part, name, rest, closed, depth + 1))
                }),
                Part::Unknown => Reach::unknown(),
            });
        }
        reach
    }

    fn own_member(&mut self, schema: &'s Json, name: &str, rest: &[&str]) -> Reach {
        let required =
            schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
        let member = schema.get("properties").and_then(|members| members.get(name));
        let reach = match (member, schema.get("patternProperties").and_then(Json::as_object)) {
            (Some(member), _) => self.reach(member, rest),
            (None, patterns) => {
                // Which expressions the name matches is not found out.
                let mut reach = match schema.get("additionalProperties") {
                    Some(Json::Bool(false)) => Reach::missing(),
                    Some(member) => self.reach(member, rest),
                    None => Reach::unknown(),
                };
                for member in patterns.into_iter().flatten().map(|(_, member)| member) {
                    reach = reach.or(self.reach(member, rest));
                }
                reach
            }
        };
        Reach { absent: reach.absent || !required, ..reach }
    }

    fn part_speaks_of(&mut self, part: &Part<'s>, name: &str, depth: usize) -> bool {
        match part {
            Part::All(part) => self.any_speaks_of(part, name, depth + 1),
            Part::Any(parts) => parts.iter().any(|part| self.any_speaks_of(part, name, depth + 1)),
            Part::Unknown => true,
        }
    }

    /// Returns true if `schema` or one of its parts has something to say about the member.
    fn any_speaks_of(&mut self, schema: &'s Json, name: &str, depth: usize) -> bool {
        if depth > MAX_PARTS || !self.take() {
            return true;
        }
        speaks_of(schema, name)
            || self.parts(schema).iter().any(|part| self.part_speaks_of(part, name, depth))
    }

    fn parts(&self, schema: &'s Json) -> Vec<Part<'s>> {
        let mut parts = Vec::new();
        if let Some(target) = schema.get("$ref") {
            let target = target.as_str().and_then(|target| target.strip_prefix('#'));
            let target = target.and_then(|target| self.root.pointer(target));
            parts.push(target.map_or(Part::Unknown, Part::All));
        }
        if let Some(all) = schema["allOf"].as_array() {
            parts.extend(all.iter().map(Part::All));
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(any) = schema[keyword].as_array() {
                parts.push(Part::Any(any));
            }
        }
        let others = ["$dynamicRef", "if", "then", "else", "dependentSchemas"];
        if others.iter().any(|keyword| schema.get(keyword).is_some()) {
            parts.push(Part::Unknown);
        }
        parts
    }
}

/// The kinds that `schema` allows by itself.
fn own_kinds(schema: &Json) -> Kinds {
    let mut kinds = match &schema["type"] {
        Json::String(only) => Kinds::named(only),
        Json::Array(several) => several
            .iter()
            .filter_map(Json::as_str)
            .fold(Kinds::NONE, |kinds, name| kinds | Kinds::named(name)),
        _ => Kinds::ALL,
    };
    let of_all =
        |values: &[Json]| values.iter().fold(Kinds::NONE, |kinds, value| kinds | Kinds::of(value));
    if let Some(list) = schema["enum"].as_array() {
        kinds = kinds.and(of_all(list));
    }
    if let Some(only) = schema.get("const") {
        kinds = kinds.and(Kinds::of(only));
    }
    kinds
}

/// Returns true if `schema` has something to say about the member by itself.
fn speaks_of(schema: &Json, name: &str) -> bool {
    let has = |keyword: &str| schema.get(keyword).is_some();
    schema["properties"].get(name).is_some()
        || has("patternProperties")
        || has("additionalProperties")
        || has("unevaluatedProperties") && schema["unevaluatedProperties"] != Json::Bool(false)
}

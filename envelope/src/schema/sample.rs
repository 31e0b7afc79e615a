use serde_json::{Map, Value, json};

use super::walk::{BRANCHES, Step, reference};

/// Limit on the depth of schemas in an example; a type that is recursive without end has none.
const MAX_DEPTH: usize = 32;

/// Makes the smallest example of the root schema that has something at the end of `way`.
///
/// That is `there`, or an example of the schema there. There is no example where a schema only
/// holds for infinite values or is `false`.
pub(super) fn sample(root: &Value, way: &[Step], there: Option<&Value>) -> Option<Value> {
    Sampler { root, there }.along(root, way, None, 0)
}

/// The smallest example of `schema`, which stands somewhere in the root schema.
pub(super) fn smallest(root: &Value, schema: &Value) -> Option<Value> {
    Sampler { root, there: None }.smallest(schema, None, 0)
}

struct Sampler<'a> {
    root: &'a Value,
    there: Option<&'a Value>,
}

impl Sampler<'_> {
    /// An example of `schema` that goes along `way`, made from the one that is `given` for it.
    fn along(
        &self,
        schema: &Value,
        way: &[Step],
        given: Option<&Value>,
        depth: usize,
    ) -> Option<Value> {
        let given = given.or_else(|| example(schema));
        let whole = |without| match given {
            Some(given) => Some(given.clone()),
            None => self.smallest(schema, without, depth),
        };
        let Some((step, rest)) = way.split_first() else {
            let Some(there) = self.there else { return whole(None) };
            // What stands beside the branches belongs to the example all the same.
            return Some(join(self.own(schema, depth)?, there.clone()));
        };
        if depth > MAX_DEPTH {
            return None;
        }
        let below = |schema: &Value, given| self.along(schema, rest, given, depth + 1);
        match step {
            Step::Member(name) => {
                let given = given.and_then(|given| given.get(name));
                let member = below(&schema["properties"][name], given)?;
                Some(join(whole(None)?, json!({ name: member })))
            }
            Step::Element => {
                let given = given.and_then(|given| given.get(0));
                Some(json!([below(&schema["items"], given)?]))
            }
            Step::Position(place) => {
                let given = given.and_then(|given| given.get(place));
                let mut elements = whole(None)?;
                *elements.get_mut(*place)? = below(&schema["prefixItems"][place], given)?;
                Some(elements)
            }
            Step::Entry => {
                let entry = below(&schema["additionalProperties"], None)?;
                Some(join(whole(None)?, json!({ "entry": entry })))
            }
            Step::Matching(pattern) => {
                // The expressions that schemars makes are those of numbers.
                let entry = below(&schema["patternProperties"][pattern], None)?;
                Some(join(whole(None)?, json!({ "0": entry })))
            }
            Step::Branch(keyword, place) => {
                let branch = below(&schema[*keyword][place], given)?;
                let beside = match given {
                    Some(_) => self.own(schema, depth)?,
                    None => self.smallest(schema, Some(keyword), depth)?,
                };
                Some(join(beside, branch))
            }
            Step::Reference => {
                let target = below(self.root.pointer(&reference(schema)?)?, given)?;
                let beside = match given {
                    Some(_) => self.own(schema, depth)?,
                    None => self.smallest(schema, Some("$ref"), depth)?,
                };
                Some(join(beside, target))
            }
        }
    }

    /// The smallest example of `schema`, but for what its keyword `without` asks for.
    fn smallest(&self, schema: &Value, without: Option<&str>, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH || *schema == Value::Bool(false) {
            return None;
        }
        if let Some(example) = example(schema) {
            return Some(example.clone());
        }
        let mut example = self.own(schema, depth)?;
        if without != Some("$ref")
            && let Some(target) = reference(schema)
        {
            example = join(example, self.smallest(self.root.pointer(&target)?, None, depth + 1)?);
        }
        for keyword in BRANCHES.into_iter().filter(|keyword| without != Some(keyword)) {
            let Some(branches) = schema[keyword].as_array() else { continue };
            let mut examples = branches.iter().map(|branch| self.smallest(branch, None, depth + 1));
            if keyword == "allOf" {
                example = examples.try_fold(example, |all, one| Some(join(all, one?)))?;
            } else {
                let mut examples: Vec<_> = examples.flatten().collect();
                // Nothing is smaller than null, where that is a choice.
                let null = examples.iter().position(Value::is_null).unwrap_or(0);
                if examples.is_empty() {
                    return None;
                }
                example = join(example, examples.swap_remove(null));
            }
        }
        Some(example)
    }

    /// An example of what `schema` says itself: null if it says nothing.
    fn own(&self, schema: &Value, depth: usize) -> Option<Value> {
        let of_type = |name: &str| match &schema["type"] {
            Value::String(only) => only == name,
            Value::Array(several) => several.iter().any(|one| one == name),
            _ => false,
        };
        if of_type("null") {
            Some(Value::Null)
        } else if of_type("object") || schema.get("properties").is_some() {
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            let mut members = Map::new();
            for name in required.iter().filter_map(Value::as_str) {
                let member = self.smallest(&schema["properties"][name], None, depth + 1)?;
                members.insert(name.to_owned(), member);
            }
            Some(Value::Object(members))
        } else if of_type("array") {
            let places = schema["prefixItems"].as_array().map(Vec::as_slice).unwrap_or_default();
            let more = schema["minItems"].as_u64().unwrap_or(0);
            let more = usize::try_from(more).ok()?.min(64).saturating_sub(places.len());
            let elements = places.iter().chain(std::iter::repeat_n(&schema["items"], more));
            elements.map(|element| self.smallest(element, None, depth + 1)).collect()
        } else if of_type("string") {
            Some(text(schema).into())
        } else if of_type("integer") || of_type("number") {
            Some(number(schema))
        } else if of_type("boolean") {
            Some(Value::Bool(false))
        } else {
            Some(Value::Null)
        }
    }
}

/// The example that `schema` gives itself.
fn example(schema: &Value) -> Option<&Value> {
    let examples = [&schema["const"], &schema["enum"][0], &schema["examples"][0]];
    examples.into_iter().find(|example| !example.is_null())
}

/// One example that is both: the members of both, or the one that says something.
fn join(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            one.extend(other);
            Value::Object(one)
        }
        (one, Value::Null) => one,
        (_, other) => other,
    }
}

fn number(schema: &Value) -> Value {
    let bound = |keyword: &str| schema[keyword].as_f64();
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|least| least + 1.0));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|most| most - 1.0));
    let number = 0_f64.max(least.unwrap_or(0.0)).min(most.unwrap_or(0.0).max(least.unwrap_or(0.0)));
    #[expect(clippy::cast_possible_truncation, reason = "an example need not be exact")]
    if schema["type"] == "number" { json!(number) } else { json!(number as i64) }
}

fn text(schema: &Value) -> String {
    let text = match schema["format"].as_str() {
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("date") => "2026-01-01",
        Some("time") => "00:00:00Z",
        Some("duration") => "PT1S",
        Some("email") => "a@example.com",
        Some("hostname") => "example.com",
        Some("ipv4" | "ip") => "127.0.0.1",
        Some("ipv6") => "::1",
        Some("uri" | "url") => "https://example.com/",
        Some("uuid") => "00000000-0000-0000-0000-000000000000",
        Some(_) | None => "",
    };
    let least = schema["minLength"].as_u64().and_then(|least| usize::try_from(least).ok());
    let missing = least.unwrap_or(0).min(1024).saturating_sub(text.len());
    text.to_owned() + &"x".repeat(missing)
}

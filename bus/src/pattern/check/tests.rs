use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, json};

use super::{super::ParsedEvent, *};

fn name() -> impl Strategy<Value = &'static str> {
    select(&["a", "b", "c"][..])
}

fn scalar() -> impl Strategy<Value = Json> {
    let scalars = [
        json!(null),
        json!(true),
        json!(0),
        json!(2),
        json!(2.5),
        json!(""),
        json!("x"),
        json!("yy"),
    ];
    select(scalars.to_vec())
}

fn value() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(3, 12, 3, |value| {
        prop_oneof![
            vec(value.clone(), 0..3).prop_map(Json::from),
            vec((name(), value), 0..3).prop_map(object),
        ]
    })
}

fn object(members: Vec<(&'static str, Json)>) -> Json {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// A schema in which all keywords stand beside and within each other.
fn schema() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::Bool),
        scalar().prop_map(|only| json!({ "const": only })),
        vec(scalar(), 1..4).prop_map(|list| json!({ "enum": list })),
        Just(json!({ "type": "string", "minLength": 1, "maxLength": 1 })),
        Just(json!({ "type": ["integer", "null"], "exclusiveMinimum": 0 })),
        Just(json!({ "type": "number", "maximum": 2 })),
        select(&["#/$defs/one", "#/$defs/other"][..]).prop_map(|target| json!({ "$ref": target })),
    ];
    leaf.prop_recursive(4, 24, 4, |schema| {
        let members = vec((name(), schema.clone()), 0..4).prop_map(object);
        let entry = |keyword: &'static str| {
            schema.clone().prop_map(move |schema| (keyword, schema))
        };
        let list = |keyword: &'static str| {
            vec(schema.clone(), 1..4).prop_map(move |list| (keyword, list.into()))
        };
        let keyword = prop_oneof![
            5 => members.prop_map(|members| ("properties", members)),
            2 => vec(name(), 0..2).prop_map(|names| ("required", json!(names))),
            2 => select(&["object", "array"][..]).prop_map(|name| ("type", json!(name))),
            1 => entry("additionalProperties"),
            1 => Just(("additionalProperties", json!(false))),
            3 => Just(("unevaluatedProperties", json!(false))),
            1 => entry("items"),
            1 => list("prefixItems"),
            2 => list("anyOf"),
            2 => list("oneOf"),
            2 => list("allOf"),
            1 => select(&["#/$defs/one", "#/$defs/other"][..]).prop_map(|target| ("$ref", json!(target))),
            1 => schema.clone().prop_map(|schema| ("patternProperties", json!({ "^[bc]": schema }))),
            1 => (0..3).prop_map(|most| ("maxItems", json!(most))),
        ];
        vec(keyword, 1..5).prop_map(object)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_that_a_schema_takes_is_found(
        schema in schema(),
        one in schema(),
        other in option::of(schema()),
        values in vec(value(), 20),
    ) {
        let root = json!({ "type": "object", "properties": { "v": schema }, "required": ["v"],
            "$defs": { "one": one, "other": other.unwrap_or(json!({ "type": "object" })) } });
        let Ok(validator) = jsonschema::draft202012::new(&root) else { return Ok(()) };
        // The validator does not end where a definition refers to itself for the same value.
        if root["$defs"].to_string().contains("$ref") {
            return Ok(());
        }
        for value in values {
            let event = json!({ "v": value });
            if !validator.is_valid(&event) {
                continue;
            }
            let text = event.to_string();
            let event = ParsedEvent::parse(&text).unwrap();
            for path in ["v", "v.a", "v.b", "v.a.b", "v.b.a", "v.c.c"] {
                let reach = Lookup::new(&root).find(&root, path);
                let leaves = event.find(path).map_or(&[][..], |path| event.leaves(path));
                prop_assert!(reach.absent || !leaves.is_empty(), "{path} in {text}: {root:#}");
                prop_assert!(reach.listed || leaves.iter().all(|leaf| leaf.element() == 0));
                let pattern = |tests: &str| {
                    EventPattern::parse(format!(r#"{{"{path}":{tests}}}"#)).unwrap()
                };
                for tests in [
                    "[null]", "[true]", "[0]", "[2]", "[2.5]", r#"[""]"#, r#"["x"]"#, r#"["yy"]"#,
                    r#"[{"numeric":[">",0,"<=",2]}]"#, r#"[{"prefix":"yy"}]"#, r#"[{"exists":true}]"#,
                    r#"[{"anything-but":2}]"#, r#"[{"anything-but":"x"}]"#, r#"[{"exists":false}]"#,
                    r#"[{"numeric":["<=",2]},null]"#, r#"[{"anything-but":["x","yy"]}]"#,
                ] {
                    let pattern = pattern(tests);
                    let field = &pattern.fields[0];
                    let test = &field.tests[0];
                    let matches = pattern.matches(&event).unwrap();
                    if matches && field.tests.len() == 1 && *test != Test::Absent {
                        prop_assert!(reach.values.can_match(test), "{pattern}, {text}: {root:#}");
                    }
                    if is_always(field, &reach) {
                        prop_assert!(matches, "{pattern}, {text}: {root:#}");
                    }
                }
            }
        }
    }
}

#[track_caller]
fn check(schema: &Json, path: &str, expected: &str) {
    let root = json!({ "type": "object", "properties": { "v": schema }, "required": ["v"] });
    let reach = Lookup::new(&root).find(&root, path);
    assert_eq!(reach.values.to_string(), expected);
}

#[test]
fn values_are_told_in_words() {
    check(
        &json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }),
        "v",
        "a number above 0 below 1",
    );
    check(&json!({ "type": ["boolean", "null"] }), "v", "a boolean or null");
    check(&json!({ "type": "string", "minLength": 3 }), "v", "a string of 3 characters or more");
    check(&json!({ "const": 3 }), "v", "3");
    check(
        &json!({ "enum": ["a", "b", "c", "d", "e", "f", "g", "h", "i"] }),
        "v",
        r#""a", "b", "c", "d", "e", "f", "g" or one of 2 more"#,
    );
}

#[test]
fn a_closed_object_has_what_any_of_its_parts_speaks_of() {
    let all = "a boolean, a number, a string or null";
    let named = |value: Json| json!({ "type": "object", "properties": { "a": value } });
    let closed = |keyword: &str, parts: Vec<Json>| json!({ "type": "object", keyword: parts, "unevaluatedProperties": false });
    check(&closed("anyOf", vec![named(json!({ "const": 1 })), json!({})]), "v.a", "1");
    check(&closed("anyOf", vec![json!({ "additionalProperties": { "const": 1 } })]), "v.a", "1");
    let patterns =
        json!({ "patternProperties": { "a": { "const": 1 } }, "additionalProperties": false });
    check(&closed("anyOf", vec![patterns]), "v.a", "1");
    check(&closed("allOf", vec![named(json!({ "const": 1 })), json!({})]), "v.b", "nothing");
    // The first part allows the member, and the second has a branch that does not mind it.
    let branches = json!({ "anyOf": [named(json!({ "const": 1 })), { "required": ["b"] }] });
    check(&closed("allOf", vec![named(json!(true)), branches]), "v.a", all);
}

#[test]
fn a_type_without_end_does_not_hold_up_a_check() {
    let mut schema = json!({ "properties": { "a": { "$ref": "#/properties/v" } } });
    for _ in 0..40 {
        schema = json!({ "anyOf": [schema, schema.clone()] });
        if schema.to_string().len() > 100_000 {
            break;
        }
    }
    check(&schema, &format!("v{}", ".a".repeat(60)), "a boolean, a number, a string or null");
}

//! What a check says is so for all events: real ones, written by their types.

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use setpiece_bus::{EventPattern, Finding, ParsedEvent};
use setpiece_envelope::{
    Correlation, DomainEvent, EventBridgeEvent, EventSchema, FixedClock, SequentialIds, Stamp,
};

use crate::events::{
    CounterSet, CustomerMoved, LabelsSet, NoteTaken, OrderSubmitted, OrderView, ParcelMoved,
    PaymentSettled, ShopOpened, StockChanged, TreeGrown,
};

struct Random(TestRng);

impl Random {
    fn new() -> Self {
        Self(TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.next_u64() % end as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

const WORDS: [&str; 13] = [
    "",
    "a",
    "x",
    "sku",
    "red",
    "x.y",
    "id.x",
    "id",
    "1",
    "10.0.0.7",
    "\"",
    "Größe",
    "abcdefghijklm",
];

/// A value that the schema most often takes.
fn value(root: &Value, schema: &Value, depth: usize, random: &mut Random) -> Value {
    let below = |schema: &Value, random: &mut Random| value(root, schema, depth + 1, random);
    if depth > 24 {
        return Value::Null;
    }
    if let Some(list) = schema["enum"].as_array() {
        return random.pick(list).clone();
    }
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    if *schema == Value::Bool(true) {
        let word = *random.pick(&WORDS);
        let values = [
            json!(null),
            json!(7),
            json!(word),
            json!([1, word]),
            json!({ word: { "deeper": 1 } }),
        ];
        return random.pick(&values).clone();
    }
    let mut parts = Vec::new();
    if let Some(target) = schema["$ref"].as_str() {
        parts.push(below(root.pointer(target.strip_prefix('#').unwrap()).unwrap(), random));
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(branches) = schema[keyword].as_array() {
            // The last is mostly the one that ends a recursion.
            let branch = if depth > 8 { branches.last().unwrap() } else { random.pick(branches) };
            parts.push(below(branch, random));
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        parts.push(below(part, random));
    }
    let own = match &schema["type"] {
        Value::Array(types) => random.pick(types).as_str(),
        only => only.as_str(),
    };
    let own = own.map(|own| match own {
        "null" => Value::Null,
        "boolean" => json!(random.one_in(2)),
        "integer" | "number" => number(schema, own == "integer", random),
        "string" => {
            let least = usize::try_from(schema["minLength"].as_u64().unwrap_or(0)).unwrap();
            let most = schema["maxLength"].as_u64().unwrap_or(64);
            let word = *random.pick(&WORDS);
            let text: String = word.chars().take(usize::try_from(most).unwrap()).collect();
            let missing = least.saturating_sub(text.chars().count());
            json!(text + &"z".repeat(missing))
        }
        "array" => {
            let mut elements: Vec<_> = schema["prefixItems"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|element| below(element, random))
                .collect();
            if elements.is_empty() && depth <= 8 {
                let count = random.below(4);
                elements.extend((0..count).map(|_| below(&schema["items"], random)));
            }
            elements.into()
        }
        _ => object(root, schema, depth, random),
    });
    let own = match own {
        None if schema.get("properties").is_some() => object(root, schema, depth, random),
        own => own.unwrap_or_default(),
    };
    parts.into_iter().fold(own, |all, part| match (all, part) {
        (Value::Object(mut all), Value::Object(part)) => {
            all.extend(part);
            Value::Object(all)
        }
        (all, Value::Null) => all,
        (_, part) => part,
    })
}

fn number(schema: &Value, whole: bool, random: &mut Random) -> Value {
    let least = schema["minimum"].as_f64().unwrap_or(-1e6);
    let most = schema["maximum"].as_f64().unwrap_or(1e6);
    let near = [least, most, 0.0, 1.0, 7.0, 7.5, 1e3, 1e6][random.below(8)].clamp(least, most);
    match (whole, schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        (true, Some(least), Some(most)) => {
            let all = [least, most, 0, 1, 7, 100, 1000, 9_007_199_254_740_993];
            json!(random.pick(&all).clamp(&least, &most))
        }
        _ => json!(near),
    }
}

fn object(root: &Value, schema: &Value, depth: usize, random: &mut Random) -> Value {
    let mut members = Map::new();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        if required.contains(&json!(name)) || random.one_in(2) {
            members.insert(name.clone(), value(root, member, depth + 1, random));
        }
    }
    if schema["additionalProperties"].is_object() {
        for _ in 0..random.below(4) {
            let name = (*random.pick(&WORDS)).to_owned();
            members.insert(name, value(root, &schema["additionalProperties"], depth + 1, random));
        }
    }
    for (_, member) in schema["patternProperties"].as_object().into_iter().flatten() {
        members.insert(random.below(10).to_string(), value(root, member, depth + 1, random));
    }
    Value::Object(members)
}

fn wrapped(source: &str, detail_type: &str, detail: &str) -> String {
    format!(
        r#"{{"version":"0","id":"6a7e8feb","detail-type":"{detail_type}","source":"{source}",
            "account":"123456789012","time":"2026-11-20T12:10:21Z","region":"eu-west-1",
            "resources":[],"detail":{detail}}}"#
    )
}

/// Events that the type itself has written, or others like those that it reads.
fn events<E: DomainEvent + Serialize + DeserializeOwned + JsonSchema + 'static>(
    count: usize,
    random: &mut Random,
) -> Vec<String> {
    let schema = EventSchema::of::<E>();
    let stamp = Stamp::new(FixedClock::default(), SequentialIds::new());
    let mut events = Vec::new();
    let mut tries = 0;
    while events.len() < count {
        tries += 1;
        assert!(tries < count * 20, "too few events of `{}`", E::NAME);
        let schema = if E::VIEW { schema.read() } else { schema.written() };
        let mut data = value(schema.as_json(), schema.as_json(), 0, random);
        if E::VIEW {
            data["unheard"] = json!(*random.pick(&WORDS));
            let (version, label) =
                (random.pick(&[json!("2"), json!(2), json!("2.0")]).clone(), json!(null));
            let metadata = json!({ "event_id": "e-1", "name": E::NAME, "version": version,
                "category": label, "depth": 0, "tenant": *random.pick(&["x", "acme"]) });
            let detail = json!({ "metadata": metadata, "data": data, "more": 1 }).to_string();
            let event = wrapped(E::SOURCE, E::DETAIL_TYPE, &detail);
            let read = EventBridgeEvent::parse(event.as_bytes()).unwrap().envelope;
            if read.decode::<E>().is_ok() {
                events.push(event);
            }
            continue;
        }
        let Ok(event) = serde_json::from_value::<E>(data) else { continue };
        let mut correlation = Correlation::root();
        if random.one_in(2) {
            correlation = correlation.with_tenant("acme").with_sampled(random.one_in(2));
            correlation.depth = u32::try_from(random.below(3)).unwrap();
        }
        let mut envelope = stamp.envelope(event, &correlation);
        if random.one_in(4) {
            let name = *random.pick(&["x", "a.b"]);
            envelope.metadata.extensions.insert(name, &7).unwrap();
            envelope.metadata.category = None;
        }
        let Ok(detail) = envelope.to_detail() else { continue };
        let detail = String::from_utf8(detail).unwrap();
        events.push(wrapped(E::SOURCE, E::DETAIL_TYPE, &detail));
    }
    events
}

/// The paths of an event with their values.
fn leaves(path: &str, value: &Value, all: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(&format!("{path}{dot}{name}"), member, all);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| leaves(path, element, all)),
        scalar => all.push((path.to_owned(), scalar.clone())),
    }
}

fn test(seen: &Value, random: &mut Random) -> Value {
    let text = seen.as_str().unwrap_or("x");
    let number = seen.as_f64().filter(|number| number.abs() < 1e15).unwrap_or(1.0);
    let half = text.chars().take(text.chars().count() / 2).collect::<String>();
    let word = *random.pick(&WORDS);
    let tests = [
        seen.clone(),
        seen.clone(),
        json!(word),
        json!(7),
        json!(null),
        json!(true),
        json!({ "exists": true }),
        json!({ "exists": true }),
        json!({ "exists": false }),
        json!({ "prefix": half }),
        json!({ "prefix": word }),
        json!({ "suffix": format!("{half}\"") }),
        json!({ "equals-ignore-case": text.to_uppercase() }),
        json!({ "wildcard": "*" }),
        json!({ "wildcard": "a*m" }),
        json!({ "numeric": [">=", number] }),
        json!({ "numeric": [">", number] }),
        json!({ "numeric": ["<", number] }),
        json!({ "numeric": [">=", -1e15, "<=", 1e15] }),
        json!({ "cidr": "10.0.0.0/8" }),
        json!({ "anything-but": text }),
        json!({ "anything-but": [number] }),
        json!({ "anything-but": { "prefix": "a" } }),
        json!(seen.as_f64().map_or(json!("EUR"), |_| json!(number + 0.5))),
    ];
    random.pick(&tests).clone()
}

fn fields(leaves: &[(String, Value)], random: &mut Random) -> Map<String, Value> {
    let mut fields = Map::new();
    for _ in 0..=random.below(2) {
        let (path, seen) = random.pick(leaves);
        let mut path = path.clone();
        match random.below(12) {
            0 => _ = path.pop(),
            1 => path.push_str(".x"),
            2 => path = path.replacen(".data", "", 1),
            3 => path = path.rsplit_once('.').map_or(path.clone(), |(above, _)| above.to_owned()),
            4 => path = path.replacen("detail.", "detail.no", 1),
            _ => {}
        }
        let tests: Vec<_> = (0..=random.below(2)).map(|_| test(seen, random)).collect();
        fields.insert(path, tests.into());
    }
    fields
}

fn pattern<E: DomainEvent>(
    leaves: &[(String, Value)],
    random: &mut Random,
) -> Option<EventPattern> {
    let mut pattern = fields(leaves, random);
    if random.one_in(3) {
        let branches: Vec<_> = (0..2).map(|_| fields(leaves, random)).collect();
        pattern.insert("$or".to_owned(), json!(branches));
    }
    if !random.one_in(4) {
        pattern.insert("source".to_owned(), json!([E::SOURCE]));
    }
    if !random.one_in(3) {
        pattern.insert("detail-type".to_owned(), json!([E::DETAIL_TYPE]));
    }
    EventPattern::parse(Value::Object(pattern).to_string()).ok()
}

/// Checks random patterns, and gives back how many were said never to match, to filter nothing, and
/// to match all of the source.
fn run<E: DomainEvent + Serialize + DeserializeOwned + JsonSchema + 'static>(
    others: &[String],
) -> [usize; 3] {
    let mut random = Random::new();
    let events = events::<E>(50, &mut random);
    let mut leaves_of_all = Vec::new();
    for event in &events {
        leaves("", &serde_json::from_str(event).unwrap(), &mut leaves_of_all);
    }
    leaves_of_all.retain(|(path, _)| path.starts_with("detail.") || path == "id");
    let events: Vec<_> = events.iter().map(|event| ParsedEvent::parse(event).unwrap()).collect();
    let others: Vec<_> = others.iter().map(|event| ParsedEvent::parse(event).unwrap()).collect();
    let mut said = [0; 3];
    for _ in 0..150 {
        let Some(pattern) = pattern::<E>(&leaves_of_all, &mut random) else { continue };
        let Err(findings) = pattern.check::<E>() else { continue };
        let matches = |events: &[ParsedEvent<'_>]| {
            events.iter().filter(|event| pattern.matches(event).unwrap()).count()
        };
        if findings.never_matches() {
            said[0] += 1;
            assert_eq!(matches(&events), 0, "{pattern}: {findings}");
        }
        for finding in &findings {
            match finding {
                Finding::FiltersNothing { .. } => {
                    said[1] += 1;
                    assert_eq!(matches(&events), events.len(), "{pattern}: {findings}");
                }
                Finding::MatchesSource { .. } => {
                    said[2] += 1;
                    assert_eq!(matches(&events), events.len(), "{pattern}: {findings}");
                    assert_eq!(matches(&others), others.len(), "{pattern}: {findings}");
                }
                _ => {}
            }
        }
    }
    said
}

#[test]
fn what_a_check_proves_is_so_for_all_events() {
    let mut random = Random::new();
    let mut others = events::<PaymentSettled>(20, &mut random);
    others.extend(events::<OrderSubmitted>(20, &mut random));
    others.extend(events::<LabelsSet>(20, &mut random));
    others.extend(events::<ShopOpened>(20, &mut random));
    let said = [
        run::<OrderSubmitted>(&others),
        run::<PaymentSettled>(&others),
        run::<ParcelMoved>(&others),
        run::<StockChanged>(&others),
        run::<NoteTaken>(&others),
        run::<CustomerMoved>(&others),
        run::<LabelsSet>(&others),
        run::<TreeGrown>(&others),
        run::<CounterSet>(&others),
        run::<ShopOpened>(&others),
        run::<OrderView>(&others),
    ];
    // Silence would be sound, too.
    let total = |index: usize| said.iter().map(|said| said[index]).sum::<usize>();
    assert!(said.iter().all(|[never, ..]| *never > 30), "{said:?}");
    assert!(total(1) > 15 && total(2) > 3, "{said:?}");
}

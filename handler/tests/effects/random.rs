//! Random effects leave the same tables in both places.

use std::collections::{BTreeMap, HashMap};

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    test_runner::{Config, TestRunner},
};
use serde_dynamo::{AttributeValue, string_set::StringSet};
use setpiece_handler::{Applied, Effects, ItemKey, Write};
use setpiece_policy::Fault;

use crate::world::{Dynamo, Item, Memory, PAIRS, Place, THINGS, TierReached, World};

/// One write, chosen so that writes meet each other often.
#[derive(Clone, Debug)]
struct Choice {
    item: u8,
    verb: Verb,
    condition: Option<When>,
    skips: bool,
}

#[derive(Clone, Debug)]
enum Verb {
    Put(i8),
    Delete,
    Check,
    Change(Vec<(u8, Change)>),
}

#[derive(Clone, Debug)]
enum Change {
    SetNumber(f32),
    SetText(String),
    Add(i16),
    AddTag(u8),
    Append(i8),
    Remove,
}

#[derive(Clone, Debug)]
enum When {
    Absent,
    Present,
    Equals(u8, i8),
    LessThan(u8, i8),
    TextLessThan(u8, String),
    Newer(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (-1e6_f32..1e6).prop_map(Change::SetNumber),
        "[a-c]{0,2}".prop_map(Change::SetText),
        any::<i16>().prop_map(Change::Add),
        (0..3_u8).prop_map(Change::AddTag),
        any::<i8>().prop_map(Change::Append),
        Just(Change::Remove),
    ]
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        2 => any::<i8>().prop_map(Verb::Put),
        1 => Just(Verb::Delete),
        1 => Just(Verb::Check),
        5 => vec((0..4_u8, change()), 0..4).prop_map(Verb::Change),
    ]
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        Just(When::Absent),
        Just(When::Present),
        (0..4_u8, -2..3_i8).prop_map(|(name, value)| When::Equals(name, value)),
        (0..4_u8, any::<i8>()).prop_map(|(name, value)| When::LessThan(name, value)),
        (0..4_u8, "[a-c]{1,2}").prop_map(|(name, value)| When::TextLessThan(name, value)),
        (0..6_u8).prop_map(When::Newer),
    ]
}

fn choice() -> impl Strategy<Value = Choice> {
    (0..6_u8, verb(), proptest::option::weighted(0.4, when()), any::<bool>())
        .prop_map(|(item, verb, condition, skips)| Choice { item, verb, condition, skips })
}

impl Choice {
    fn write(&self) -> Write {
        let name = |index: u8| format!("a.{index}");
        let (table, key) = if self.item < 3 {
            (THINGS, ItemKey::from(("id", format!("thing-{}", self.item))))
        } else {
            (PAIRS, ItemKey::from(("pk", "p")).and("sk", i64::from(self.item)))
        };
        let mut write = match &self.verb {
            Verb::Put(number) => Write::put(table, key, &HashMap::from([(name(0), *number)])),
            Verb::Delete => Write::delete(table, key),
            Verb::Check => Write::check(table, key),
            Verb::Change(changes) => {
                changes.iter().fold(Write::update(table, key), |write, change| {
                    let (index, change) = change;
                    let name = name(*index);
                    match change {
                        Change::SetNumber(number) => write.set(name, number),
                        Change::SetText(text) => write.set(name, text),
                        Change::Add(number) => write.add(name, number),
                        Change::AddTag(tag) => write.add(name, StringSet([format!("tag-{tag}")])),
                        Change::Append(number) => write.append(name, number),
                        Change::Remove => write.remove(name),
                    }
                })
            }
        };
        write = match &self.condition {
            None => write,
            Some(When::Absent) => write.if_absent(),
            Some(When::Present) => write.if_present(),
            Some(When::Equals(index, value)) => write.if_equals(name(*index), value),
            Some(When::LessThan(index, value)) => write.if_less_than(name(*index), value),
            Some(When::TextLessThan(index, value)) => write.if_less_than(name(*index), value),
            Some(When::Newer(sequence)) => write.if_newer("sequence", u32::from(*sequence)),
        };
        if self.skips { write.or_skip() } else { write }
    }
}

/// What came of it, without what the two places say differently.
async fn outcome<P: Place>(world: &World<P>, event: usize, choices: &[Choice]) -> String {
    let effects = Effects::new().writes(choices.iter().map(Choice::write));
    let effects = effects.emit(TierReached { tier: event.to_string() });
    match world.apply(&format!("e-{event}"), effects).await {
        Ok(applied @ (Applied::Fresh { .. } | Applied::Stale { .. })) => format!("{applied:?}"),
        Ok(applied) => panic!("{applied:?}"),
        Err(error) => {
            let name = error.name();
            let text = match name {
                "Store" => "the types do not fit".to_owned(),
                _ => error.to_string(),
            };
            let fault = Fault::from(error);
            format!("{name}: {text} {:?} {}", fault.disposition(), fault.may_have_happened())
        }
    }
}

fn normal(items: Vec<Item>) -> Vec<BTreeMap<String, String>> {
    let mut items: Vec<BTreeMap<String, String>> = items
        .into_iter()
        .map(|item| {
            let value = |value| match value {
                AttributeValue::Ss(mut texts) => {
                    texts.sort_unstable();
                    format!("{texts:?}")
                }
                other => format!("{other:?}"),
            };
            item.into_iter().map(|(name, found)| (name, value(found))).collect()
        })
        .collect();
    items.sort_unstable();
    items
}

#[test]
fn the_same_history_leaves_the_same_tables() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let histories = vec(vec(choice(), 1..4), 1..25);
    let ran = runner.run(&histories, |history| {
        runtime.block_on(Box::pin(async {
            let (memory, dynamo) = (World::<Memory>::new().await, World::<Dynamo>::new().await);
            for (event, choices) in history.iter().enumerate() {
                let expected = outcome(&memory, event, choices).await;
                assert_eq!(outcome(&dynamo, event, choices).await, expected, "{choices:?}");
            }
            for table in [THINGS, PAIRS] {
                let expected = normal(memory.place.items(table).await);
                assert_eq!(normal(dynamo.place.items(table).await), expected);
            }
            assert_eq!(memory.bus.events().len(), dynamo.bus.events().len());
            assert_eq!(dynamo.place.outbox().await, 0);
        }));
        Ok(())
    });
    ran.unwrap();
}

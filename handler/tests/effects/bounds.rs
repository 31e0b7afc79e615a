//! Writes that DynamoDB never makes, whatever is in the table: refused before any request.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use serde_json::{Value, json};
use setpiece_handler::{ApplyError, Effects, InvalidEffects, InvalidWrite, ItemKey, Write};

use crate::{
    limits::invalid,
    world::{Dynamo, LINES, PAIRS, Place, RECORDS, THINGS, World, fresh, in_both_places},
};

fn thing(id: &str) -> Write {
    Write::update(THINGS, ("id", id))
}

fn line(pk: String, sk: String) -> ItemKey {
    ItemKey::from([("pk", pk), ("sk", sk)])
}

fn lists(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

fn maps(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }))
}

/// An update of so many attributes.
fn wide(attributes: usize) -> Write {
    (0..attributes).fold(thing("a"), |write, n| write.set(format!("a{n}"), n))
}

/// A check of so many conditions.
fn choosy(conditions: usize) -> Write {
    let check = Write::check(THINGS, ("id", "a"));
    (0..conditions).fold(check, |write, n| write.if_equals(format!("a{n}"), n))
}

async fn refused<P: Place>(world: &World<P>, write: Write, expected: &str) {
    // Behind one that is fine, which is not made either.
    let effects = Effects::new().write(thing("fine").set("n", 1)).write(write);
    match invalid(world, effects).await {
        InvalidEffects::Write { index: 1, problem } => assert_eq!(problem.to_string(), expected),
        other => panic!("{expected}: {other:?}"),
    }
    assert_eq!(world.thing("fine").await, None);
}

async fn taken<P: Place>(world: &World<P>, write: Write) {
    let name = format!("taken-{}", world.gate.passed());
    let shown = format!("{write:?}");
    let applied = world.apply(&name, Effects::new().write(write)).await;
    assert_eq!(applied.unwrap_or_else(|error| panic!("{shown:.200}: {error:?}")), fresh(1, 0));
}

in_both_places! {
    async fn values_have_32_levels<P>(world: &World<P>) {
        let expected = "`a` has more than 32 levels";
        for nested in [lists, maps] {
            taken(world, Write::put(THINGS, ("id", "a"), &json!({ "a": nested(31) }))).await;
            taken(world, thing("b").set("a", nested(31))).await;
            taken(world, thing("c").append("a", nested(30))).await;
            for write in [
                Write::put(THINGS, ("id", "a"), &json!({ "a": nested(32) })),
                thing("a").set("a", nested(32)),
                thing("a").append("a", nested(31)),
                thing("a").set("b", 1).if_equals("a", nested(32)),
                thing("a").set("a", nested(100)),
            ] {
                refused(world, write, expected).await;
            }
        }
    }

    async fn keys_have_2048_and_1024_bytes<P>(world: &World<P>) {
        let k = |bytes: usize| "k".repeat(bytes);
        taken(world, thing(&k(2048)).set("a", 1)).await;
        taken(world, Write::update(LINES, line(k(2048), k(1024))).set("a", 1)).await;
        let too_long = "the key's `id` has 2049 bytes, more than 2048";
        refused(world, thing(&k(2049)).set("a", 1), too_long).await;
        // Bytes, not characters.
        refused(world, thing(&format!("{}é", k(2047))).set("a", 1), too_long).await;
        for write in [
            Write::put(THINGS, ("id", k(2049)), &json!({ "a": 1 })),
            Write::delete(THINGS, ("id", k(2049))),
            Write::check(THINGS, ("id", k(2049))).if_absent(),
        ] {
            refused(world, write, too_long).await;
        }
        let too_long = "the key's `sk` has 1025 bytes, more than 1024";
        refused(world, Write::update(LINES, line(k(1), k(1025))).set("a", 1), too_long).await;
        refused(world, Write::delete(LINES, line(k(1), k(1025))), too_long).await;
        let name = "a name has 256 bytes, more than 255";
        refused(world, Write::delete(THINGS, (k(256), "a")), name).await;
        let empty = "a key, its name or the table's name is empty";
        for key in [line(String::new(), k(1)), line(k(1), String::new())] {
            refused(world, Write::delete(LINES, key), empty).await;
        }
        for key in [ItemKey::from(("id", "")), ItemKey::from(("id", vec![])), ("", "a").into()] {
            refused(world, Write::delete(THINGS, key), empty).await;
        }
    }

    async fn names_within_values_are_not_empty<P>(world: &World<P>) {
        let expected = "`a` has a member without a name";
        for value in [json!({ "": 1 }), json!([{ "b": { "": [] } }])] {
            refused(world, thing("a").set("a", &value), expected).await;
            refused(world, thing("a").append("a", &value), expected).await;
            refused(world, thing("a").set("b", 1).if_equals("a", &value), expected).await;
            refused(world, Write::put(THINGS, ("id", "a"), &json!({ "a": value })), expected).await;
        }
        let empty = "a key, its name or the table's name is empty";
        refused(world, thing("a").set("", 1), empty).await;
        refused(world, thing("a").set("b", 1).if_equals("", 1), empty).await;
        refused(world, thing("a").set("b", 1).if_less_than("", 1), empty).await;
        refused(world, Write::put(THINGS, ("id", "a"), &json!({ "": 1 })), empty).await;
        let long = "n".repeat(65_536);
        let expected = "a name has 65536 bytes, more than 65535";
        refused(world, thing("a").set(long.clone(), 1), expected).await;
        refused(world, thing("a").set("a", BTreeMap::from([(long, 1)])), expected).await;
    }

    async fn expressions_have_4096_bytes_and_300_operators<P>(world: &World<P>) {
        let most = (1..400).rev().find(|n| {
            let texts = (0..*n).map(|n| format!("#n{n} = :v{n}").len() + 2);
            "SET ".len() + texts.sum::<usize>() - 2 <= 4096
        });
        let most = most.unwrap();
        taken(world, wide(most)).await;
        match invalid(world, Effects::new().write(wide(most + 1))).await {
            InvalidEffects::Write {
                index: 0,
                problem: InvalidWrite::ExpressionTooLong { bytes, limit: 4096 },
            } => assert!((4097..4120).contains(&bytes), "{bytes}"),
            other => panic!("{other:?}"),
        }
        // Found without writing it.
        let InvalidEffects::Write { .. } = invalid(world, Effects::new().write(wide(20_000))).await
        else { panic!() };
        // A put has no expression.
        let item: HashMap<_, _> = (0..1000).map(|n| (format!("a{n}"), n)).collect();
        taken(world, Write::put(THINGS, ("id", "b"), &item)).await;
        let expected = "its conditions have 301 operators, more than 300";
        refused(world, choosy(151), expected).await;
    }

    async fn tables_have_names<P>(world: &World<P>) {
        let long = "t".repeat(256);
        let expected = "the table's name is none";
        for table in ["th", "my table", "tablé", long.as_str(), "things/x", "arn:aws:s3:::things"] {
            refused(world, Write::update(table, ("id", "a")).set("a", 1), expected).await;
            refused(world, Write::delete(table, ("id", "a")), expected).await;
        }
    }

    async fn numbers_have_38_digits<P>(world: &World<P>) {
        taken(world, thing("a").set("a", u64::MAX).set("b", i64::MIN).set("c", 1e125)).await;
        for number in [1e126, 1e-131, f64::NAN, f64::INFINITY] {
            let expected = "`a` has a value that is none";
            refused(world, thing("a").set("a", number), expected).await;
            refused(world, thing("a").set("a", vec![number]), expected).await;
            refused(world, thing("a").add("a", number), expected).await;
            refused(world, thing("a").set("b", 1).if_less_than("a", number), expected).await;
        }
        refused(world, thing("a").set("a", u128::MAX), "`a` has a value that is none").await;
    }

    async fn records_and_the_outbox_are_not_written<P>(world: &World<P>) {
        let writes: [fn(&str) -> Write; 4] = [
            |key| Write::update(RECORDS, ("id", key)).set("a", 1),
            |key| Write::put(RECORDS, ("id", key), &json!({ "a": 1 })),
            |key| Write::delete(RECORDS, ("id", key)),
            |key| Write::check(RECORDS, ("id", key)).if_present(),
        ];
        for write in writes {
            for suffix in ["", "#outbox#0", "#outbox#99"] {
                let before = world.gate.passed();
                let error = world.deliver("e-1", async |held| {
                    let key = format!("{}{suffix}", held.record_key().as_str());
                    Ok(Effects::new().write(write(&key)))
                }).await.unwrap_err();
                // The claim and its release.
                assert_eq!(world.gate.passed() - before, 4);
                let ApplyError::Invalid(InvalidEffects::Write {
                    index: 0,
                    problem: InvalidWrite::Reserved,
                }) = error else { panic!("{error:?}") };
            }
        }
        // The table can be used for the business as well, and such a key in another one.
        taken(world, Write::update(RECORDS, ("id", "customer-1")).set("a", 1)).await;
        taken(world, thing("customer-1#outbox#0").set("a", 1)).await;
        taken(world, Write::delete(PAIRS, ItemKey::from(("pk", "a")).and("sk", 1))).await;
    }
}

#[tokio::test]
async fn writes_of_the_sdk_are_checked_as_well() {
    let world = World::<Dynamo>::new().await;
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let put = |name: &str, value: AttributeValue| {
        let put = Put::builder().table_name(THINGS).item("id", s("a")).item(name, value);
        Write::from(TransactWriteItem::builder().put(put.build().unwrap()).build())
    };
    let delete = |table: &str, id: &str| {
        let delete = Delete::builder().table_name(table).key("id", s(id)).build().unwrap();
        Write::from(TransactWriteItem::builder().delete(delete).build())
    };
    let update = |expression: &str| {
        let update = Update::builder().table_name(THINGS).key("id", s("a"));
        let update = update.update_expression(expression).build().unwrap();
        Write::from(TransactWriteItem::builder().update(update).build())
    };
    let nested = (0..32).fold(s("x"), |inner, _| AttributeValue::L(vec![inner]));
    let unnamed = AttributeValue::M(HashMap::from([(String::new(), s("x"))]));
    for (write, expected) in [
        (put("a", nested), "`a` has more than 32 levels"),
        (put("a", unnamed), "`a` has a member without a name"),
        (put("a", AttributeValue::N("1e400".to_owned())), "`a` has a value that is none"),
        (delete("th", "a"), "the table's name is none"),
        (delete(THINGS, &"k".repeat(2049)), "the key's `id` has 2049 bytes, more than 2048"),
        (
            update(&format!("REMOVE {}", "a".repeat(4090))),
            "its expression has 4097 bytes, more than 4096",
        ),
        (delete(RECORDS, "x#outbox#3"), "it is on the guard's record or on an item of the outbox"),
    ] {
        refused(&world, write, expected).await;
    }
    taken(&world, put("a", s("x"))).await;
}

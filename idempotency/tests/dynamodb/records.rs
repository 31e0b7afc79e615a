//! What the table holds, as others wrote it and as we do.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use setpiece_envelope::Timestamp;
use setpiece_idempotency::{
    dynamodb::Table,
    record::{Body, Encoding, Fingerprint, Owner, Record, SpillRef, Status, Stored},
    store::{Amend, Change, CommitReply, End, Reply, Seen, Semantics, Store},
    verdict::{self, Refusal, Unsettled},
};
use setpiece_policy::{FaultKind, Random, SeededRandom};

use crate::desk::{Desk, KEY, LEASE, RETENTION, key};

type Item = HashMap<String, AttributeValue>;

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: impl ToString + Copy) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    let key = std::iter::once(("id".to_owned(), s(KEY)));
    key.chain(attributes.map(|(name, value)| (name.to_owned(), value))).collect()
}

impl Desk {
    async fn put(&self, item: Item) {
        let name = self.store.table().name();
        self.cloud.client.put_item().table_name(name).set_item(Some(item)).send().await.unwrap();
    }

    async fn item(&self) -> Option<Item> {
        let name = self.store.table().name();
        let request = self.cloud.client.get_item().table_name(name).key("id", s(KEY));
        request.send().await.unwrap().item
    }

    async fn record(&self) -> Record {
        *self.store.read(&key()).await.unwrap().unwrap()
    }

    /// What is replayed from `item`.
    async fn replayed(&self, item: Item) -> Stored {
        self.put(item).await;
        let acquire = self.acquire("me");
        let Reply::Refused(found) = self.store.acquire(&acquire).await.unwrap() else {
            panic!("claimed");
        };
        match verdict::acquire(&acquire, found) {
            Refusal::Completed(record) => record.result.unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

/// Any item that could be in the table, a bit of everything.
fn any_item(random: &SeededRandom, now: Timestamp) -> Item {
    let pick = |choices: &[Option<AttributeValue>]| {
        let count = u64::try_from(choices.len()).unwrap();
        choices[usize::try_from(random.next_u64() % count).unwrap()].clone()
    };
    let millis = now.unix_millis();
    let seconds = millis / 1000;
    let mut item = item([]);
    let mut add = |name: &str, choices: &[Option<AttributeValue>]| {
        if let Some(value) = pick(choices) {
            item.insert(name.to_owned(), value);
        }
    };
    add(
        "status",
        &[
            Some(s("INPROGRESS")),
            Some(s("INPROGRESS")),
            Some(s("INPROGRESS")),
            Some(s("COMPLETED")),
            Some(s("COMPLETED_OPAQUE")),
            Some(s("FAILED")),
            Some(s("EXPIRED")),
            Some(n(1)),
            None,
        ],
    );
    add(
        "in_progress_expiration",
        &[
            None,
            Some(n(0)),
            Some(n(millis - 5000)),
            Some(n(millis - 1001)),
            Some(n(millis - 1000)),
            Some(n(millis - 999)),
            Some(n(millis)),
            Some(n(millis + 5000)),
            // A time of another unit, which is in no year that can be written.
            Some(n(millis * 1000)),
            Some(s("soon")),
        ],
    );
    add(
        "expiration",
        &[
            None,
            Some(n(seconds - 1)),
            Some(n(seconds)),
            Some(n(&*format!("{}.5", seconds - 1))),
            Some(n(&*format!("{seconds}.25"))),
            Some(n(seconds + 100)),
            Some(n(seconds + 100)),
            Some(s("never")),
        ],
    );
    add("record_version", &[None, Some(n(1)), Some(n(1)), Some(n(2)), Some(s("1"))]);
    add("validation", &[None, Some(s("f")), Some(s("f")), Some(s("g")), Some(n(1))]);
    add("released_at", &[None, None, Some(n(millis - 100))]);
    add("owner_token", &[None, Some(s("me")), Some(s("you")), Some(s("new"))]);
    add("attempt", &[None, None, Some(n(3)), Some(n(3)), Some(n(3)), Some(n(-1)), Some(s("3"))]);
    add("try_count", &[None, None, None, Some(n(1)), Some(n(1)), Some(AttributeValue::Null(true))]);
    add("data", &[None, Some(s("1")), Some(AttributeValue::Null(true))]);
    item
}

#[tokio::test]
async fn the_condition_says_what_the_port_says() {
    let desk = Desk::open().await;
    let random = SeededRandom::new(1);
    // Half past a second, so that whole seconds are told from the moment.
    desk.cloud.clock.advance(std::time::Duration::from_millis(500));
    let mut granted = 0;
    for round in 0..800 {
        let item = any_item(&random, desk.now());
        desk.put(item.clone()).await;
        let found = desk.record().await;
        let fingerprint = (round % 3 > 0).then(|| Fingerprint::new("f"));
        let semantics =
            [Semantics::AtLeastOnce, Semantics::AtMostOnce][usize::from(round % 2 == 0)];
        let stale_before = Timestamp::from_unix_millis(desk.now().unix_millis() - 1000).unwrap();
        // The same condition stands in two kinds of request.
        let (expected, applied) = if round % 5 == 0 {
            let mut once = desk.once("new", "1");
            once.fingerprint = fingerprint;
            once.semantics = semantics;
            once.stale_before = stale_before;
            let reply = desk.store.commit_once(&once, &[]).await.unwrap();
            (once.may_take(Some(&found)), reply == CommitReply::Applied)
        } else {
            let mut acquire = desk.acquire("new");
            acquire.fingerprint = fingerprint;
            acquire.semantics = semantics;
            acquire.stale_before = stale_before;
            let reply = desk.store.acquire(&acquire).await.unwrap();
            if let Reply::Refused(refused) = &reply {
                assert_eq!(refused.as_deref(), Some(&found));
                let refusal = verdict::acquire(&acquire, refused.clone());
                let own = found.owner.as_ref() == Some(&acquire.owner);
                assert!(own || refusal != Refusal::Raced, "nobody came in between: {item:?}");
            }
            (acquire.may_take(Some(&found)), matches!(reply, Reply::Applied(_)))
        };
        // The condition does not look at all of a record: where it is corrupt in a place that does
        // not matter, it may be taken after its lease, and never before.
        if let Status::Unreadable(_) = found.status {
            let is_leased = !found.has_expired(desk.now())
                && found.lease_until.is_none_or(|until| until >= stale_before);
            assert!(!(applied && is_leased), "{item:?}");
            continue;
        }
        assert_eq!(applied, expected, "{item:?}");
        granted += u32::from(applied);
    }
    // Both answers were seen often.
    assert!((25..200).contains(&granted), "{granted}");
}

#[tokio::test]
async fn a_record_is_amended_only_as_it_was_seen() {
    let desk = Desk::open().await;
    let random = SeededRandom::new(2);
    for round in 0..90 {
        let item = any_item(&random, desk.now());
        desk.put(item.clone()).await;
        let found = desk.record().await;
        if found.schema > Record::SCHEMA {
            continue;
        }
        let change = match round % 3 {
            0 => Change::Release { expires_at: desk.release("").expires_at },
            1 => Change::Resolve {
                owner: Owner::new("desk"),
                end: End::Completed,
                result: Stored::json("7"),
                expires_at: desk.release("").expires_at,
            },
            _ => Change::Forget,
        };
        let mut others = vec![];
        let mut other = |spoil: fn(&mut Seen)| {
            let mut seen = Seen::of(&found);
            spoil(&mut seen);
            others.push(seen);
        };
        other(|seen| seen.attempt += 1);
        other(|seen| seen.owner = Some(Owner::new("nobody")));
        other(|seen| seen.expires_at = Some(Timestamp::UNIX_EPOCH));
        if !matches!(found.status, Status::Unreadable(_)) {
            other(|seen| {
                seen.status = match seen.status {
                    Status::Completed => Status::Failed,
                    Status::InProgress => Status::Released,
                    Status::Released => Status::InProgress,
                    _ => Status::Completed,
                };
            });
        }
        for seen in others {
            let amend = Amend::new(key(), seen, desk.now(), change.clone());
            let reply = desk.store.amend(&amend).await.unwrap();
            assert_eq!(reply, Reply::Refused(Some(Box::new(found.clone()))), "{item:?}");
        }
        let amend = Amend::new(key(), Seen::of(&found), desk.now(), change.clone());
        assert_eq!(desk.store.amend(&amend).await.unwrap(), Reply::Applied(()), "{item:?}");
        let after = desk.store.read(&key()).await.unwrap();
        match change {
            Change::Forget => assert_eq!(after, None),
            Change::Resolve { .. } => {
                let after = after.unwrap();
                assert_eq!(after.result, Some(Stored::json("7")));
                assert_eq!(after.owner, Some(Owner::new("desk")));
            }
            _ if matches!(found.status, Status::Unreadable(_)) => {}
            _ => assert_eq!(after.unwrap().status, Status::Released),
        }
    }
}

#[tokio::test]
async fn a_claim_writes_what_powertools_reads() {
    let desk = Desk::open().await;
    desk.claim("me").await;
    let now = desk.now().unix_millis();
    let claimed = item([
        ("status", s("INPROGRESS")),
        ("in_progress_expiration", n(now + 30_000)),
        ("expiration", n(now / 1000 + 3600)),
        ("validation", s("f")),
        ("owner_token", s("me")),
        ("attempt", n(1)),
        ("try_count", n(1)),
        ("record_version", n(1)),
        ("created_at", n(now)),
        ("updated_at", n(now)),
    ]);
    assert_eq!(desk.item().await.unwrap(), claimed);

    let settle = desk.settle("me", r#"{"charged":true}"#);
    desk.store.settle(&settle).await.unwrap();
    let mut completed = claimed;
    completed.remove("in_progress_expiration");
    completed.remove("try_count");
    completed.insert("status".to_owned(), s("COMPLETED"));
    completed.insert("data".to_owned(), s(r#"{"charged":true}"#));
    assert_eq!(desk.item().await.unwrap(), completed);
}

#[tokio::test]
async fn a_released_record_reads_to_powertools_as_a_lapsed_lease() {
    let desk = Desk::open().await;
    desk.claim("me").await;
    desk.store.release(&desk.release("me")).await.unwrap();
    let item = desk.item().await.unwrap();
    assert_eq!(item["status"], s("INPROGRESS"));
    assert_eq!(item["in_progress_expiration"], n(0));
    assert_eq!(desk.claim("you").await, 2);
    assert!(!desk.item().await.unwrap().contains_key("released_at"));
}

#[tokio::test]
async fn attributes_of_others_stay() {
    let desk = Desk::open().await;
    let check = async |what: &str| {
        assert_eq!(desk.item().await.unwrap()["color"], s("red"), "{what}");
    };
    desk.put(item([("color", s("red")), ("expiration", n(1))])).await;
    desk.claim("me").await;
    check("claimed").await;
    desk.store.extend(&desk.extend("me")).await.unwrap();
    check("extended").await;
    desk.store.release(&desk.release("me")).await.unwrap();
    check("released").await;
    desk.claim("you").await;
    desk.store.commit(&desk.settle("you", "1"), &desk.business()).await.unwrap();
    check("committed").await;
    let change = Change::Release { expires_at: desk.release("").expires_at };
    desk.store.amend(&desk.amend(change).await).await.unwrap();
    check("amended").await;
    desk.store.commit_once(&desk.once("her", "1"), &[]).await.unwrap();
    check("committed at once").await;
}

#[tokio::test]
async fn both_forms_of_data_are_read() {
    let desk = Desk::open().await;
    let completed = |data: Option<AttributeValue>| {
        let mut item = item([("status", s("COMPLETED")), ("expiration", n(4_000_000_000_u64))]);
        item.extend(data.map(|data| ("data".to_owned(), data)));
        item
    };
    let map = AttributeValue::M(HashMap::from([
        ("b".to_owned(), AttributeValue::L(vec![n("-1.5"), AttributeValue::Bool(false)])),
        ("a".to_owned(), AttributeValue::Null(true)),
        ("\"".to_owned(), s("é\n")),
        ("n".to_owned(), n("12345678901234567890123456789012345678")),
    ]));
    for (data, json) in [
        (Some(s(r#"{"a": 1}"#)), r#"{"a": 1}"#),
        (Some(s("null")), "null"),
        (Some(n("3.25")), "3.25"),
        (Some(AttributeValue::Bool(true)), "true"),
        (Some(AttributeValue::M(HashMap::new())), "{}"),
        (Some(AttributeValue::L(vec![])), "[]"),
        (
            Some(map),
            r#"{"\"":"é\n","a":null,"b":[-1.5,false],"n":12345678901234567890123456789012345678}"#,
        ),
        // A function in TypeScript that returns nothing writes nothing.
        (None, "null"),
    ] {
        assert_eq!(desk.replayed(completed(data)).await, Stored::json(json));
    }
    let set = AttributeValue::Ss(vec!["a".to_owned()]);
    assert_eq!(desk.replayed(completed(Some(set))).await.encoding, Encoding::Unknown);
}

#[tokio::test]
async fn native_data_is_written_and_recognised() {
    let desk = Desk::of(Table::builder("records").native_data().build().unwrap()).await;
    desk.claim("me").await;
    let settle = desk.settle("me", r#"{ "b": [1.5, "x"], "a": null }"#);
    assert_eq!(desk.store.settle(&settle).await.unwrap(), Reply::Applied(()));
    let data = AttributeValue::M(HashMap::from([
        ("b".to_owned(), AttributeValue::L(vec![n("1.5"), s("x")])),
        ("a".to_owned(), AttributeValue::Null(true)),
    ]));
    assert_eq!(desk.item().await.unwrap()["data"], data);

    // The same request again is its own, though the bytes are others by now.
    let Reply::Refused(found) = desk.store.settle(&settle).await.unwrap() else { panic!() };
    assert_eq!(verdict::settle(&settle, found), Unsettled::Own);

    // A text is the result, and not JSON that has to be read.
    let text = item([("status", s("COMPLETED")), ("data", s("12"))]);
    assert_eq!(desk.replayed(text).await, Stored::json(r#""12""#));
}

#[tokio::test]
async fn results_of_every_kind_come_back() {
    let desk = Desk::open().await;
    let spill = SpillRef::new(Owner::new("a:b"), "ab12", 99);
    let deflate = Body::Inline(vec![0, 159, 146, 150]);
    for (result, status) in [
        (Stored::json("1"), "COMPLETED"),
        (Stored::json("\"\"").with_type_name("Receipt"), "COMPLETED"),
        (Stored::new(Body::Omitted, Encoding::Json), "COMPLETED"),
        (Stored::new(deflate, Encoding::JsonDeflate).with_type_name("T"), "COMPLETED_OPAQUE"),
        (Stored::new(Body::Spilled(spill), Encoding::JsonDeflate), "COMPLETED_OPAQUE"),
    ] {
        desk.put(item([("status", s("INPROGRESS")), ("owner_token", s("me"))])).await;
        desk.put(item([])).await;
        let change = Change::Forget;
        desk.store.amend(&desk.amend(change).await).await.unwrap();

        desk.claim("me").await;
        let mut settle = desk.settle("me", "");
        settle.result = result.clone();
        desk.store.settle(&settle).await.unwrap();
        assert_eq!(desk.record().await.result, Some(result.clone()));
        assert_eq!(desk.item().await.unwrap()["status"], s(status));
        let Reply::Refused(found) = desk.store.settle(&settle).await.unwrap() else { panic!() };
        assert_eq!(verdict::settle(&settle, found), Unsettled::Own);

        // The next claim leaves nothing of it, and neither does a result in one step.
        desk.cloud.clock.advance(2 * RETENTION);
        let once = desk.once("you", "7");
        assert_eq!(desk.store.commit_once(&once, &[]).await.unwrap(), CommitReply::Applied);
        assert_eq!(desk.record().await.result, Some(Stored::json("7")));
        desk.cloud.clock.advance(2 * RETENTION);
        desk.claim("me").await;
        let item = desk.item().await.unwrap();
        assert!(!item.keys().any(|name| name.starts_with("result") || name == "data"), "{item:?}");
    }
}

#[tokio::test]
async fn an_error_is_replayed_and_no_status_of_powertools() {
    let desk = Desk::open().await;
    desk.claim("me").await;
    let mut settle = desk.settle("me", r#""declined""#);
    settle.end = End::Failed;
    desk.store.settle(&settle).await.unwrap();
    assert_eq!(desk.item().await.unwrap()["status"], s("FAILED"));
    let record = desk.record().await;
    assert_eq!(record.status, Status::Failed);
    assert_eq!(record.result, Some(Stored::json(r#""declined""#)));
}

#[tokio::test]
async fn corrupted_and_newer_records_are_told_apart() {
    let desk = Desk::open().await;
    let far = || n(4_000_000_000_u64);
    for (corrupt, why) in [
        (item([("expiration", far())]), "there is no status"),
        (item([("status", s("DONE"))]), "the status is none that is known"),
        (item([("status", n(1))]), "the status is not a text"),
        (
            item([("status", s("INPROGRESS")), ("in_progress_expiration", s("soon"))]),
            "the lease is not a number",
        ),
        (item([("status", s("COMPLETED")), ("expiration", s("x"))]), "the expiry is not a number"),
        (item([("status", s("COMPLETED")), ("attempt", n("1.5"))]), "the attempt is not a count"),
        (
            item([("status", s("COMPLETED")), ("result_spill", s("x"))]),
            "the place of the result cannot be read",
        ),
    ] {
        desk.put(corrupt).await;
        let acquire = desk.acquire("me");
        let reply = desk.store.acquire(&acquire).await.unwrap();
        let Reply::Refused(found) = reply else { panic!("{why}: claimed") };
        match verdict::acquire(&acquire, found) {
            Refusal::Unreadable(_, said) => assert_eq!(said, why),
            other => panic!("{why}: {other:?}"),
        }
    }
    // A newer version may have a status that is not known yet.
    desk.put(item([("status", s("PAUSED")), ("record_version", n(2))])).await;
    let acquire = desk.acquire("me");
    let Reply::Refused(found) = desk.store.acquire(&acquire).await.unwrap() else { panic!() };
    assert!(matches!(verdict::acquire(&acquire, found), Refusal::Newer(_)));
}

#[tokio::test]
async fn a_count_that_is_none_is_corrupt_and_no_claim() {
    let desk = Desk::open().await;
    desk.put(item([("expiration", n(1)), ("attempt", s("many"))])).await;
    let acquire = desk.acquire("me");
    let Reply::Refused(found) = desk.store.acquire(&acquire).await.unwrap() else { panic!() };
    let refusal = verdict::acquire(&acquire, found);
    assert!(matches!(refusal, Refusal::Unreadable(_, "the attempt is not a count")), "{refusal:?}");
}

#[tokio::test]
async fn a_zombie_of_powertools_does_not_pass_for_us() {
    let desk = Desk::open().await;
    desk.claim("me").await;
    // It completes without a condition, which leaves our owner on the record.
    let name = desk.store.table().name();
    let update = desk.cloud.client.update_item().table_name(name).key("id", s(KEY));
    update
        .update_expression("SET #d = :d, #s = :s, expiration = :x")
        .expression_attribute_names("#d", "data")
        .expression_attribute_names("#s", "status")
        .expression_attribute_values(":d", s("\"theirs\""))
        .expression_attribute_values(":s", s("COMPLETED"))
        .expression_attribute_values(":x", n(4_000_000_000_u64))
        .send()
        .await
        .unwrap();
    // It is not ours even where it says the same, in the same millisecond.
    for ours in ["\"ours\"", "\"theirs\""] {
        let settle = desk.settle("me", ours);
        let Reply::Refused(found) = desk.store.settle(&settle).await.unwrap() else { panic!() };
        match verdict::settle(&settle, found) {
            Unsettled::Superseded(record) => {
                assert_eq!(record.result, Some(Stored::json("\"theirs\"")));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_has_expired_is_swept_and_claimed_anew() {
    let desk = Desk::open().await;
    desk.claim("me").await;
    desk.store.settle(&desk.settle("me", "1")).await.unwrap();
    desk.store.put_spill(&desk.spill("me", vec![1; 10])).await.unwrap();
    desk.cloud.engine.sweep_ttl().unwrap();
    assert!(desk.item().await.is_some());

    // Expired, but not swept: it counts as gone, and the attempts go on.
    desk.cloud.clock.advance(RETENTION + LEASE);
    assert_eq!(desk.claim("you").await, 2);
    desk.cloud.clock.advance(RETENTION + LEASE);
    assert_eq!(desk.cloud.engine.sweep_ttl().unwrap(), 2);
    assert_eq!(desk.item().await, None);
    // Swept in the middle of the work: the owner learns of it.
    let settle = desk.settle("you", "1");
    let Reply::Refused(found) = desk.store.settle(&settle).await.unwrap() else { panic!() };
    assert_eq!(verdict::settle(&settle, found), Unsettled::Vanished);
    assert_eq!(desk.claim("her").await, 1);
}

#[tokio::test]
async fn all_names_can_be_chosen() {
    for builder in [
        Table::builder("records").key("pk").composite_key("sk", "idempotency#orders"),
        Table::builder("records").key("PK").constant_sort_key("SK", "IDEMPOTENCY"),
    ] {
        let table = builder
            .status("state")
            .expiry("time-to-live")
            .in_progress_expiry("lease.until")
            .data("result")
            .validation("check sum");
        let desk = Desk::of(table.build().unwrap()).await;
        desk.claim("me").await;
        desk.store.extend(&desk.extend("me")).await.unwrap();
        desk.store.release(&desk.release("me")).await.unwrap();
        assert_eq!(desk.claim("you").await, 2);
        desk.store.settle(&desk.settle("you", "1")).await.unwrap();
        let spill = desk.spill("you", vec![3; 500_000]);
        desk.store.put_spill(&spill).await.unwrap();
        let bytes = desk.store.get_spill(&key(), &spill.spill).await.unwrap();
        assert_eq!(bytes, Some(spill.bytes));

        let acquire = desk.acquire("her");
        let Reply::Refused(found) = desk.store.acquire(&acquire).await.unwrap() else { panic!() };
        assert!(matches!(verdict::acquire(&acquire, found), Refusal::Completed(_)));
        desk.store.amend(&desk.amend(Change::Forget).await).await.unwrap();
        let once = desk.once("him", "1");
        assert_eq!(desk.store.commit_once(&once, &[]).await.unwrap(), CommitReply::Applied);
    }
}

#[tokio::test]
async fn large_results_are_kept_in_parts() {
    let desk = Desk::open().await;
    for (len, parts) in [(1, 1), (400_000, 1), (400_001, 2), (5_000_000, 13)] {
        let bytes: Vec<u8> = (0..len).map(|index: u32| (index % 251) as u8).collect();
        let spill = desk.spill(&format!("owner-{len}"), bytes);
        desk.store.put_spill(&spill).await.unwrap();
        assert_eq!(desk.cloud.wire.take().len(), parts);
        let found = desk.store.get_spill(&key(), &spill.spill).await.unwrap();
        assert_eq!(found, Some(spill.bytes));
        assert_eq!(desk.cloud.wire.take().len(), parts);
    }
}

#[tokio::test]
async fn a_large_result_that_is_not_all_there_is_none() {
    let desk = Desk::open().await;
    let spill = desk.spill("me", vec![1; 450_000]);
    assert_eq!(desk.store.get_spill(&key(), &spill.spill).await.unwrap(), None);
    desk.store.put_spill(&spill).await.unwrap();
    let part = format!("{KEY}#R#me#1");
    let delete = desk.cloud.client.delete_item().table_name("records").key("id", s(&part));
    delete.send().await.unwrap();
    assert_eq!(desk.store.get_spill(&key(), &spill.spill).await.unwrap(), None);
}

#[tokio::test]
async fn a_result_that_is_too_large_is_refused_before_anything_is_written() {
    let desk = Desk::open().await;
    let store = desk.store.clone().with_max_spill(1000);
    let fault = store.put_spill(&desk.spill("me", vec![1; 1001])).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Permanent);
    assert!(!fault.may_have_happened());
    assert!(desk.cloud.wire.take().is_empty());
}

use std::time::Duration;

use setpiece_envelope::EventVersion;
use setpiece_handler::{
    BoxFuture, Cx, Effects, InvokeError, ItemChange, Poison, Quarantine, Reason, Write,
};
use setpiece_policy::Deadline;
use setpiece_policy::Fault;
use setpiece_testing::{EntryFault, StreamRecord, event_array, stream_event};

use crate::shop::{
    Loyalty, PointsAwarded, Shop, award_points, failures, kinesis, queue, registered, troubled,
};

/// Ten messages, of which half are bad, each in another way.
fn mixed() -> [(&'static str, Vec<u8>); 10] {
    let contract = br#"{"metadata":{"event_id":"c","name":"product_registered","version":"1",
        "domain":"shop","subdomain":"catalog","service":"products"},"data":{"customer":7}}"#;
    [
        ("m0", registered("c0").detail()),
        ("m1", b"not JSON".to_vec()),
        ("m2", troubled("c2", "panic").detail()),
        ("m3", registered("c3").event_bridge()),
        ("m4", contract.to_vec()),
        ("m5", troubled("c5", "permanent").detail()),
        ("m6", troubled("c6", "slow").detail()),
        ("m7", registered("c7").detail()),
        ("m8", registered("c8").event_bridge()),
        ("m9", troubled("c9", "transient").detail()),
    ]
}

#[tokio::test(start_paused = true)]
async fn one_bad_message_fails_alone() {
    let shop = Shop::new();
    let mixed = mixed();
    let messages: Vec<_> = mixed.iter().map(|(id, body)| (*id, None, &body[..])).collect();

    let answer = shop.app().invoke(&queue(false, &messages), shop.deadline()).await.unwrap();

    // The panic, the slow one and what may pass come again; poison is put aside with its bytes.
    assert_eq!(failures(&answer), ["m2", "m6", "m9"]);
    let mut poison: Vec<_> =
        shop.quarantine.items().into_iter().map(|it| (it.item_id.unwrap(), it.reason)).collect();
    poison.sort_by(|(one, _), (other, _)| one.cmp(other));
    let expected = [
        ("m1".to_owned(), Reason::Unreadable),
        ("m4".to_owned(), Reason::Contract),
        ("m5".to_owned(), Reason::Permanent),
    ];
    assert_eq!(poison, expected);
    for poison in shop.quarantine.items() {
        let id = poison.item_id.unwrap();
        let (_, body) = mixed.iter().find(|(of, _)| *of == id).unwrap();
        assert_eq!(poison.bytes, *body);
    }
    let mut awarded = shop.awarded();
    awarded.sort();
    assert_eq!(awarded, ["c0", "c3", "c7", "c8"]);
    assert_eq!(shop.points("c0"), Some(100));
    assert_eq!(shop.points("c6"), None);
}

#[tokio::test(start_paused = true)]
async fn a_slow_message_is_cancelled_in_time_to_answer() {
    for optimistic in [false, true] {
        let shop = Shop::new();
        let app = shop.app_of(shop.handlers().on(award_points));
        let app = if optimistic { app.optimistic() } else { app }.build().unwrap();
        let slow = troubled("c1", "slow").detail();
        let started = tokio::time::Instant::now();
        let answer = app.invoke(&queue(false, &[("m1", None, &slow)]), shop.deadline()).await;
        assert_eq!(failures(&answer.unwrap()), ["m1"]);
        // A second is kept for what follows.
        assert_eq!(started.elapsed(), Duration::from_secs(9), "{optimistic}");
        // It was cancelled, so nobody has to wait for its claim to lapse.
        let error = app.invoke(&troubled("c1", "slow").event_bridge(), shop.deadline()).await;
        assert_eq!(error.unwrap_err().error_type(), "Setpiece.Deadline");
        assert_eq!(shop.state.order.lock().unwrap().len(), 2);
    }
}

/// What hangs outside of handlers is cut off as well, a little later.
#[tokio::test(start_paused = true)]
async fn an_answer_does_not_wait_for_what_hangs() {
    struct Hangs;
    impl Quarantine for Hangs {
        fn put<'a>(&'a self, _: &'a Poison<'a>) -> BoxFuture<'a, Result<(), Fault>> {
            Box::pin(std::future::pending())
        }
    }
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on(award_points)).quarantine(Hangs).build().unwrap();
    let good = registered("c1").detail();
    let messages = [("m0", None, &b"not JSON"[..]), ("m1", None, &good[..])];
    let started = tokio::time::Instant::now();
    let answer = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m0"]);
    assert_eq!(started.elapsed(), Duration::from_millis(9625));
    assert_eq!(shop.points("c1"), Some(100));
}

/// The writes are made, so the event must come again until its events are on the bus.
#[tokio::test(start_paused = true)]
async fn what_the_bus_refuses_after_the_commit_is_not_put_aside() {
    let shop = Shop::new();
    let app = shop.app();
    let refusal = EntryFault::code("NotAuthorizedForSourceException");
    shop.bus.fail_entries(refusal.times(2));
    let body = registered("c1").detail();
    for _ in 0..2 {
        let answer = app.invoke(&queue(false, &[("m0", None, &body)]), shop.deadline()).await;
        assert_eq!(failures(&answer.unwrap()), ["m0"]);
    }
    let answer = app.invoke(&queue(false, &[("m0", None, &body)]), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert!(shop.quarantine.items().is_empty());
    assert_eq!((shop.points("c1"), shop.awarded()), (Some(100), vec!["c1".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_again_is_done_once() {
    let shop = Shop::new();
    let app = shop.app();
    let body = registered("c1").detail();
    for id in ["m1", "m2", "m3"] {
        let answer = app.invoke(&queue(false, &[(id, None, &body)]), shop.deadline()).await;
        assert_eq!(failures(&answer.unwrap()), [""; 0]);
    }
    assert_eq!(shop.points("c1"), Some(100));
    assert_eq!(shop.awarded(), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn two_copies_in_one_batch_are_not_in_each_others_way() {
    let shop = Shop::new();
    // It takes longer than the other one would wait.
    let body = troubled("c1", "late").detail();
    let messages = [("m1", None, &body[..]), ("m2", None, &body[..])];
    let answer = shop.app().invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert_eq!(shop.points("c1"), Some(100));
    assert_eq!(shop.awarded(), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_stops_at_its_first_failure() {
    let shop = Shop::new();
    let bodies = [
        ("m0", "a", registered("a0").detail()),
        ("m1", "b", registered("b0").detail()),
        ("m2", "a", troubled("a1", "transient").detail()),
        ("m3", "b", registered("b1").detail()),
        ("m4", "a", registered("a2").detail()),
        // Poison that is put aside stops nothing.
        ("m5", "b", b"not JSON".to_vec()),
        ("m6", "b", registered("b2").detail()),
        ("m7", "a", registered("a3").detail()),
    ];
    let messages: Vec<_> =
        bodies.iter().map(|(id, group, body)| (*id, Some(*group), &body[..])).collect();
    let answer = shop.app().invoke(&queue(true, &messages), shop.deadline()).await.unwrap();

    assert_eq!(failures(&answer), ["m2", "m4", "m7"]);
    let order = shop.state.order.lock().unwrap().clone();
    let of =
        |group: &str| order.iter().filter(|it| it.starts_with(group)).cloned().collect::<Vec<_>>();
    assert_eq!(of("a"), ["a0", "a1"]);
    assert_eq!(of("b"), ["b0", "b1", "b2"]);
    assert_eq!(shop.quarantine.items().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_delivered_again_from_its_first_failure_on() {
    let shop = Shop::new();
    let data = [
        ("101", registered("c0").detail()),
        ("102", b"not JSON".to_vec()),
        ("103", troubled("c2", "panic").detail()),
        ("104", registered("c3").detail()),
        ("105", troubled("c4", "transient").detail()),
    ];
    let records: Vec<_> = data
        .iter()
        .map(|(sequence, data)| (*sequence, "shardId-000000000000", &data[..]))
        .collect();
    let answer = shop.app().invoke(&kinesis(&records), shop.deadline()).await.unwrap();

    assert_eq!(failures(&answer), ["103"]);
    assert_eq!(*shop.state.order.lock().unwrap(), ["c0", "c2"]);
    assert_eq!(shop.quarantine.items().len(), 1);
    assert_eq!(shop.quarantine.items()[0].bytes, b"not JSON");
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_when_too_little_time_is_left() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on(award_points)).concurrency(1).build();
    let bodies =
        [registered("c0").detail(), troubled("c1", "slow").detail(), registered("c2").detail()];
    let messages =
        [("m0", None, &bodies[0][..]), ("m1", None, &bodies[1]), ("m2", None, &bodies[2])];
    let answer = app.unwrap().invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m1", "m2"]);
    assert_eq!(*shop.state.order.lock().unwrap(), ["c0", "c1"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_partial_answers_fails_as_a_whole() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on(award_points)).whole_batches().build();
    let app = app.unwrap();
    let (good, bad) = (registered("c0").detail(), troubled("c1", "transient").detail());
    let messages = [("m0", None, &good[..]), ("m1", None, &bad[..])];
    let error = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap_err();
    assert!(matches!(error, InvokeError::Failed { failed: 1, of: 2, .. }), "{error:?}");
    assert_eq!(error.error_type(), "Setpiece.Transient");
    assert_eq!(shop.points("c0"), Some(100));
}

#[tokio::test(start_paused = true)]
async fn a_single_event_that_fails_fails_its_invocation() {
    let shop = Shop::new();
    let app = shop.app();
    let bytes = troubled("c1", "transient").event_bridge();
    let error = app.invoke(&bytes, shop.deadline()).await.unwrap_err();
    assert!(matches!(error, InvokeError::Failed { failed: 1, of: 1, .. }), "{error:?}");
    let answer = app.invoke(&registered("c2").event_bridge(), shop.deadline()).await.unwrap();
    assert_eq!(answer, "null");
}

#[tokio::test(start_paused = true)]
async fn unknown_bytes_are_an_error_and_nothing_else() {
    let shop = Shop::new();
    let error = shop.app().invoke(b"not JSON", shop.deadline()).await.unwrap_err();
    assert!(matches!(error, InvokeError::UnknownShape(_)), "{error:?}");
    assert_eq!(error.error_type(), "Setpiece.UnknownShape");
}

#[tokio::test(start_paused = true)]
async fn invocations_at_the_same_time_do_not_mix() {
    let shop = Shop::new();
    many_at_once(&shop, shop.deadline()).await;
}

/// Where they also run at the very same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn invocations_on_several_threads_do_not_mix() {
    let shop = Shop::new();
    // None is cancelled on a slow machine.
    many_at_once(&shop, Deadline::after(&shop.clock, Duration::from_mins(10))).await;
}

/// One app value serves all invocations of a process.
async fn many_at_once(shop: &Shop, deadline: Deadline) {
    let app = shop.app();
    let invocations = (0..64).map(|number| {
        let app = app.clone();
        tokio::spawn(async move {
            let own = format!("c{number}");
            // Each has a failure of its own in the middle.
            let bodies = [
                registered(&own).detail(),
                troubled(&format!("x{number}"), "transient").detail(),
                registered(&format!("d{number}")).detail(),
            ];
            let ids = [format!("a{number}"), format!("b{number}"), format!("c{number}")];
            let messages: Vec<_> =
                ids.iter().zip(&bodies).map(|(id, body)| (&id[..], None, &body[..])).collect();
            let answer = app.invoke(&queue(false, &messages), deadline).await.unwrap();
            assert_eq!(failures(&answer), [ids[1].clone()]);
        })
    });
    for invocation in invocations.collect::<Vec<_>>() {
        invocation.await.unwrap();
    }
    for number in 0..64 {
        assert_eq!(shop.points(&format!("c{number}")), Some(100));
        assert_eq!(shop.points(&format!("x{number}")), None);
    }
    assert_eq!(shop.awarded().len(), 128);
}

/// A queue keeps a message for 14 days.
#[tokio::test(start_paused = true)]
async fn it_is_remembered_for_longer_than_a_queue_keeps_a_message() {
    let shop = Shop::new();
    let app = shop.app();
    let body = registered("c1").detail();
    for _ in 0..2 {
        app.invoke(&queue(false, &[("m0", None, &body)]), shop.deadline()).await.unwrap();
        tokio::time::advance(Duration::from_hours(14 * 24)).await;
    }
    assert_eq!(shop.points("c1"), Some(100));
}

/// The same ten in groups of their own, each with one behind it.
#[tokio::test(start_paused = true)]
async fn one_bad_message_fails_its_group_alone() {
    let shop = Shop::new();
    let mixed = mixed();
    let behind: Vec<_> = (0..10)
        .map(|number| (format!("b{number}"), registered(&format!("d{number}")).detail()))
        .collect();
    let first = mixed.iter().map(|(id, body)| (*id, Some(*id), &body[..]));
    let second = mixed
        .iter()
        .zip(&behind)
        .map(|((group, _), (id, body))| (&id[..], Some(*group), &body[..]));
    let messages: Vec<_> = first.chain(second).collect();
    let app = shop.app_of(shop.handlers().on(award_points)).concurrency(20).build().unwrap();
    let answer = app.invoke(&queue(true, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m2", "m6", "m9", "b2", "b6", "b9"]);
    assert_eq!(shop.quarantine.items().len(), 3);
    let mut awarded = shop.awarded();
    awarded.sort();
    let expected = ["c0", "c3", "c7", "c8", "d0", "d1", "d3", "d4", "d5", "d7", "d8"];
    assert_eq!(awarded, expected);
}

/// The same ten in one shard: the first that fails is where it begins again, and poison before it
/// is in quarantine.
#[tokio::test(start_paused = true)]
async fn a_stream_with_ten_bad_records_goes_on_from_one_failure_to_the_next() {
    let shop = Shop::new();
    let app = shop.app();
    let mixed = mixed();
    let shard = "shardId-000000000000";
    let numbers: Vec<_> = (0..10).map(|number| format!("{}", 100 + number)).collect();
    let records: Vec<_> = numbers
        .iter()
        .zip(&mixed)
        .map(|(number, (_, data))| (&number[..], shard, &data[..]))
        .collect();
    let mut begin = 0;
    // The panic, the slow one and the one that may pass; somebody skips each.
    for (failed, quarantined) in [(2, 1), (6, 3), (9, 3)] {
        let answer = app.invoke(&kinesis(&records[begin..]), shop.deadline()).await.unwrap();
        assert_eq!(failures(&answer), [numbers[failed].as_str()]);
        assert_eq!(shop.quarantine.items().len(), quarantined);
        begin = failed + 1;
    }
    assert_eq!(shop.awarded(), ["c0", "c3", "c7", "c8"]);
}

#[derive(serde::Deserialize)]
struct Customer {
    customer: String,
    trouble: Option<String>,
}

/// Gets into the trouble that the item asks for.
async fn watch(cx: &Cx<Loyalty>, change: ItemChange) -> Result<Effects, Fault> {
    let Customer { customer, trouble } =
        change.after::<Customer>()?.expect("an item that is there");
    cx.state.order.lock().unwrap().push(customer.clone());
    match trouble.as_deref() {
        None => {}
        Some("panic") => panic!("as asked for"),
        Some("permanent") => return Err(Fault::permanent("the customer is unknown")),
        Some("transient") => return Err(Fault::transient("the catalog does not answer")),
        Some(_) => std::future::pending().await,
    }
    Ok(Effects::new()
        .write(Write::update("points", ("customer", customer.as_str())).add("points", 100))
        .emit(PointsAwarded { customer, points: 100 }))
}

/// The same of a table: what is bad is put aside or holds up its shard, and each good item counts
/// once.
#[tokio::test(start_paused = true)]
async fn a_table_with_ten_bad_changes_goes_on_from_one_failure_to_the_next() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_payload(watch)).build().unwrap();
    let item = |customer: &str, trouble: &str| {
        format!(r#"{{"customer":{{"S":"{customer}"}},"trouble":{{"S":"{trouble}"}}}}"#)
    };
    let good = |customer: &str| format!(r#"{{"customer":{{"S":"{customer}"}}}}"#);
    let items = [
        good("c0"),
        // In no form of an item.
        r#"{"customer":{"S":7}}"#.to_owned(),
        item("c2", "panic"),
        good("c3"),
        // An item, and not the one that was agreed on.
        r#"{"name":{"S":"c4"}}"#.to_owned(),
        item("c5", "permanent"),
        item("c6", "slow"),
        good("c7"),
        good("c8"),
        item("c9", "transient"),
    ];
    let keys: Vec<_> = (0..10).map(|number| format!(r#"{{"id":{{"N":"{number}"}}}}"#)).collect();
    let records = keys.iter().zip(&items).map(|(keys, new)| StreamRecord::insert(keys, new));
    let all: serde_json::Value = serde_json::from_slice(&stream_event(records)).unwrap();
    let all = all["Records"].as_array().unwrap();
    let mut begin = 0;
    for (failed, quarantined) in [(2, 1), (6, 3), (9, 3)] {
        // Somebody delivers the batch again before the next one goes on behind it.
        for _ in 0..2 {
            let batch = serde_json::json!({ "Records": all[begin..] }).to_string();
            let answer = app.invoke(batch.as_bytes(), shop.deadline()).await.unwrap();
            let number = all[failed]["dynamodb"]["SequenceNumber"].as_str().unwrap();
            assert_eq!(failures(&answer), [number]);
        }
        let mut reasons: Vec<_> = shop.quarantine.items().iter().map(|it| it.reason).collect();
        reasons.dedup();
        let expected = [Reason::Unreadable, Reason::Contract, Reason::Permanent];
        assert_eq!(reasons[..quarantined], expected[..quarantined]);
        begin = failed + 1;
    }
    for poison in shop.quarantine.items() {
        assert!(all.iter().any(|record| record.to_string().as_bytes() == poison.bytes));
    }
    assert_eq!(shop.awarded(), ["c0", "c3", "c7", "c8"]);
    for customer in ["c0", "c3", "c7", "c8"] {
        assert_eq!(shop.points(customer), Some(100));
    }
}

/// The producer was deployed first: the event waits for the consumer, and is not put aside.
#[tokio::test(start_paused = true)]
async fn a_version_that_is_newer_than_the_reader_is_held() {
    let shop = Shop::new();
    let app = shop.app();
    let newer = registered("c1").with_metadata(|metadata| metadata.version = EventVersion::new(2));
    let (newer, good) = (newer.detail(), registered("c0").detail());
    let messages = [("m0", None, &good[..]), ("m1", None, &newer[..])];
    let answer = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m1"]);
    assert!(shop.quarantine.items().is_empty());
    assert_eq!(*shop.state.order.lock().unwrap(), ["c0"]);
}

/// The newer bus delivers arrays, and cannot be told which of the events has failed.
#[tokio::test(start_paused = true)]
async fn an_array_with_one_failure_is_delivered_again_and_done_once() {
    let shop = Shop::new();
    let app = shop.app();
    let events = [registered("c0").event_bridge(), troubled("c1", "transient").event_bridge()];
    for _ in 0..2 {
        let error = app.invoke(&event_array(&events), shop.deadline()).await.unwrap_err();
        assert!(matches!(error, InvokeError::Failed { failed: 1, of: 2, .. }), "{error:?}");
    }
    assert_eq!((shop.points("c0"), shop.awarded()), (Some(100), vec!["c0".to_owned()]));
}

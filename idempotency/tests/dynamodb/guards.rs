//! Guarded calls on the store: what they do and cost, and what the caller is told in trouble.

use std::{
    collections::HashMap,
    fmt::Debug,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde::{Serialize, de::DeserializeOwned};
use setpiece_idempotency::{
    Amended, Guard, GuardBuilder, GuardError, Key, Lease, LostHow, OnBusy, Outcome, Semantics,
    Sighting, dynamodb::DynamoDbStore, record::Status, store::RecordKey,
};
use setpiece_policy::{Deadline, Fault, SeededRandom, Sleep};

use crate::{
    desk::{Desk, RETENTION},
    patience::Patience,
    wire::{Exchange, Trouble},
};

const TIME: Duration = Duration::from_secs(30);

impl Desk {
    fn guard(&self) -> GuardBuilder<DynamoDbStore> {
        self.guard_with(self.patience())
    }

    fn patience(&self) -> Patience {
        Patience::new(self.cloud.clock.clone(), self.cloud.wire.clone())
    }

    /// A guard that waits with others: time passes when all of them do.
    fn guard_with(&self, sleep: Patience) -> GuardBuilder<DynamoDbStore> {
        let clock = self.cloud.clock.clone();
        let store = Arc::new(self.store.clone());
        Guard::builder(store, "shop", "charge", clock, SeededRandom::new(7), sleep)
            .retention(RETENTION)
            .retry(self.cloud.retry())
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(&self.cloud.clock, TIME)
    }

    fn lease(&self) -> Lease {
        Lease::until(self.deadline())
    }

    /// Operations and write units since the last time.
    fn spent(&self) -> (Vec<String>, f64) {
        let exchanges = self.cloud.wire.take();
        let units = exchanges.iter().map(Exchange::write_units).sum();
        (exchanges.into_iter().map(|exchange| exchange.operation).collect(), units)
    }

    /// Ends the trouble, which somebody must have had.
    fn calm(&self, what: &str) {
        assert_eq!(self.cloud.wire.pending_troubles(), 0, "{what}: nobody had it");
        self.cloud.wire.storm(None);
    }

    /// Lets transactions have the troubles that are left, where they come to nothing.
    async fn drain(&self) {
        while self.cloud.wire.pending_troubles() > 0 {
            let put = Put::builder().table_name("nowhere").set_item(Some(HashMap::new()));
            let item = TransactWriteItem::builder().put(put.build().unwrap()).build();
            let transact = self.cloud.client.transact_write_items().transact_items(item);
            transact.send().await.unwrap_err();
        }
    }

    async fn put_record(&self, key: &RecordKey, attributes: &[(&str, AttributeValue)]) {
        let mut item: HashMap<_, _> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        item.insert("id".to_owned(), AttributeValue::S(key.as_str().to_owned()));
        let put = self.cloud.client.put_item().table_name("records").set_item(Some(item));
        put.send().await.unwrap();
        self.cloud.wire.take();
    }
}

fn order() -> Key {
    Key::of("order-1").unwrap()
}

fn operations(expected: &[&str]) -> Vec<String> {
    expected.iter().map(|&operation| operation.to_owned()).collect()
}

/// Runs work that returns `value`, fresh and again.
async fn check<T>(desk: &Desk, value: T) -> [(Vec<String>, f64); 2]
where
    T: Serialize + DeserializeOwned + Clone + PartialEq + Debug,
{
    let guard = desk.guard().build().unwrap();
    let run = async || {
        let work = |_| async { Ok::<_, Fault>(value.clone()) };
        let outcome = guard.run(&order(), desk.lease(), work).await.unwrap();
        (outcome, desk.spent())
    };
    let (first, first_cost) = run().await;
    assert!(first == Outcome::Fresh(value.clone()));
    let (again, again_cost) = run().await;
    assert!(again == Outcome::Replayed(value.clone()));
    desk.cloud.clock.advance(2 * RETENTION);
    [first_cost, again_cost]
}

#[tokio::test]
async fn small_results_cost_two_writes_and_then_one() {
    let desk = Desk::open().await;
    let expected =
        [(operations(&["UpdateItem", "UpdateItem"]), 2.0), (operations(&["UpdateItem"]), 1.0)];
    assert_eq!(check(&desk, ()).await, expected);
    assert_eq!(check(&desk, None::<u32>).await, expected);
    assert_eq!(check(&desk, Some(7)).await, expected);
    assert_eq!(check(&desk, false).await, expected);
    assert_eq!(check(&desk, 0).await, expected);
    assert_eq!(check(&desk, String::new()).await, expected);
    assert_eq!(check(&desk, Vec::<u32>::new()).await, expected);
    assert_eq!(check(&desk, "é\n\u{0}".to_owned()).await, expected);
    // One byte, and as many as are kept on a record with the two quotation marks.
    assert_eq!(check(&desk, 1).await, expected);
    assert_eq!(check(&desk, "x".repeat(398)).await, expected);
}

#[tokio::test]
async fn the_largest_record_without_a_spill_costs_one_unit() {
    let desk = Desk::open().await;
    let guard = desk.guard().build().unwrap();
    // 400 bytes of JSON, of a type whose name is longer than what is kept of it.
    let value = vec![vec![vec![vec![vec![vec![vec![vec!["x".repeat(382)]]]]]]]];
    assert_eq!(serde_json::to_string(&value).unwrap().len(), 400);
    let key = Key::of(&"k".repeat(124)).unwrap().with_fingerprint(&value).unwrap();
    assert!(guard.record_key(&key).as_str().contains("kkk"), "it is kept as it is");
    for spent in
        [(operations(&["UpdateItem", "UpdateItem"]), 2.0), (operations(&["UpdateItem"]), 1.0)]
    {
        let work = |_| async { Ok::<_, Fault>(value.clone()) };
        _ = guard.run(&key, desk.lease(), work).await.unwrap();
        assert_eq!(desk.spent(), spent);
    }
}

#[tokio::test]
async fn the_record_of_a_large_result_is_small() {
    let desk = Desk::open().await;
    for (len, parts, units) in [(10_000, 1, 12.0), (399 * 1024, 2, 402.0), (5_000_000, 13, 4890.0)]
    {
        let first = [vec!["UpdateItem"], vec!["UpdateItem"; parts], vec!["UpdateItem"]].concat();
        let again = [vec!["UpdateItem"], vec!["GetItem"; parts]].concat();
        let expected = [(operations(&first), units), (operations(&again), 1.0)];
        assert_eq!(check(&desk, "x".repeat(len)).await, expected);
    }
}

#[tokio::test]
async fn a_result_that_is_too_large_is_an_error_after_the_work() {
    let mut desk = Desk::open().await;
    desk.store = desk.store.with_max_spill(1000);
    let guard = desk.guard().build().unwrap();
    let error = guard
        .run(&order(), desk.lease(), |_| async { Ok::<_, Fault>("x".repeat(2000)) })
        .await
        .unwrap_err();
    assert!(matches!(error, GuardError::NotKept(_)), "{error:?}");
    assert!(error.may_have_happened());
}

#[tokio::test]
async fn a_commit_is_two_requests_and_in_one_step_one() {
    let desk = Desk::open().await;
    let guard = desk.guard().build().unwrap();
    let work = |_| async { Ok::<_, Fault>((7, desk.business().to_vec())) };
    for (outcome, spent) in [
        (Outcome::Fresh(7), (operations(&["UpdateItem", "TransactWriteItems"]), 5.0)),
        (Outcome::Replayed(7), (operations(&["UpdateItem"]), 1.0)),
    ] {
        assert_eq!(guard.commit(&order(), desk.lease(), work).await.unwrap(), outcome);
        assert_eq!(desk.spent(), spent);
    }
    assert_eq!(desk.count().await, 1);

    let other = Key::of("order-2").unwrap();
    for outcome in [Outcome::Fresh(7), Outcome::Replayed(7)] {
        assert_eq!(guard.commit_once(&other, desk.deadline(), work).await.unwrap(), outcome);
        assert_eq!(desk.cloud.wire.take_operations(), ["TransactWriteItems"]);
    }
    assert_eq!(desk.count().await, 2);
}

#[tokio::test]
async fn deduplication_is_one_request() {
    let desk = Desk::open().await;
    let guard = desk.guard().build().unwrap();
    for sighting in [Sighting::First, Sighting::Again, Sighting::Again] {
        assert_eq!(guard.seen(&order(), desk.deadline()).await.unwrap(), sighting);
        assert_eq!(desk.spent(), (operations(&["UpdateItem"]), 1.0));
    }
}

/// What makes work end, and with which request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Run,
    Fail,
    Commit,
    CommitOnce,
    /// With a result that is too large for the record.
    Large,
}

/// One call in some way, whose effects are counted: by `runs` or in the table.
async fn call(
    desk: &Desk,
    guard: &Guard<DynamoDbStore>,
    way: Way,
    runs: &AtomicU32,
) -> Result<Outcome<u32>, GuardError<Fault>> {
    let key = order();
    let count = || runs.fetch_add(1, Ordering::Relaxed) + 1;
    match way {
        Way::Run => guard.run(&key, desk.lease(), |_| async { Ok(count()) }).await,
        Way::Fail => guard.run(&key, desk.lease(), |_| async { Err(Fault::conflict("no")) }).await,
        Way::Commit => {
            let work = |_| async { Ok((1, desk.business().to_vec())) };
            guard.commit(&key, desk.lease(), work).await
        }
        Way::CommitOnce => {
            let work = |_| async { Ok((1, desk.business().to_vec())) };
            guard.commit_once(&key, desk.deadline(), work).await
        }
        Way::Large => {
            let work = |_| async { Ok((count(), "x".repeat(5000))) };
            Ok(guard.run(&key, desk.lease(), work).await?.map(|(run, _)| run))
        }
    }
}

/// All that can happen to a request.
fn troubles(operation: &str) -> Vec<Trouble> {
    let mut troubles = vec![
        Trouble::AnswerLost,
        Trouble::TimedOut,
        Trouble::Garbled,
        Trouble::Refused,
        Trouble::Error(400, "ProvisionedThroughputExceededException"),
        Trouble::Error(500, "InternalServerError"),
        Trouble::Slow(Duration::from_mins(1)),
        Trouble::Late(Duration::from_mins(1)),
    ];
    match operation {
        "GetItem" => {}
        "TransactWriteItems" => troubles.extend([
            Trouble::Error(400, "TransactionInProgressException"),
            Trouble::Cancelled(&["TransactionConflict", "None"]),
            Trouble::Cancelled(&["None", "TransactionConflict"]),
            Trouble::Cancelled(&["ThrottlingError", "None"]),
        ]),
        _ => troubles.push(Trouble::Error(400, "TransactionConflictException")),
    }
    troubles
}

/// Makes trouble for the requests for an operation after the first `skip`: for one or for many.
fn make_trouble(
    desk: &Desk,
    skip: usize,
    operation: &'static str,
    trouble: &Trouble,
    lasting: bool,
) {
    for _ in 0..skip {
        desk.cloud.wire.trouble(operation, Trouble::Pass);
    }
    if lasting {
        desk.cloud.wire.storm(Some((operation, trouble.clone())));
    } else {
        desk.cloud.wire.trouble(operation, trouble.clone());
    }
}

/// Whether time is lost that a call does not have.
fn is_late(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Late(_) | Trouble::Slow(_))
}

/// One call in trouble and others after it, until there is an answer.
async fn survive(way: Way, skip: usize, operation: &'static str, trouble: &Trouble, lasting: bool) {
    let what = format!("{way:?}, {operation} {skip} {trouble:?}, lasting: {lasting}");
    let desk = Desk::open().await;
    // A lease that has lapsed is not run again, so an effect that may have happened stays one.
    let guard = desk.guard().semantics(Semantics::AtLeastOnce).build().unwrap();
    let runs = AtomicU32::new(0);
    make_trouble(&desk, skip, operation, trouble, lasting);
    let answer = call(&desk, &guard, way, &runs).await;
    desk.cloud.wire.storm(None);
    let effects = effects(&desk, way, &runs).await;
    match &answer {
        Ok(outcome) => {
            assert_eq!(*outcome, Outcome::Fresh(1), "{what}");
            assert_eq!(effects, 1, "{what}");
        }
        Err(GuardError::Handler(_)) if way == Way::Fail => {}
        Err(error) => {
            // The truth: who says that nothing happened is right.
            assert!(error.may_have_happened() || effects == 0, "{what}: {error:?}");
            assert!(lasting || !matches!(error, GuardError::Busy(_)), "{what}: {error:?}");
        }
    }
    if !lasting && !is_late(trouble) && way != Way::Fail {
        assert!(answer.is_ok(), "{what}: {answer:?}");
    }

    // Nothing is stuck beyond its lease.
    desk.cloud.clock.advance(TIME + Duration::from_secs(5));
    let again = call(&desk, &guard, way, &runs).await;
    match way {
        Way::Fail => assert!(matches!(again, Err(GuardError::Handler(_))), "{what}: {again:?}"),
        Way::Run | Way::Large => assert!(again.is_ok(), "{what}: {again:?}"),
        Way::Commit | Way::CommitOnce => {
            assert!(again.is_ok(), "{what}: {again:?}");
            assert_eq!(effects_now(&desk).await, 1, "{what}: written more than once");
        }
    }
    if matches!(way, Way::Run | Way::Large) && answer.is_ok() {
        assert_eq!(runs.load(Ordering::Relaxed), 1, "{what}: run twice");
    }
}

async fn effects(desk: &Desk, way: Way, runs: &AtomicU32) -> u32 {
    match way {
        Way::Run | Way::Large | Way::Fail => runs.load(Ordering::Relaxed),
        Way::Commit | Way::CommitOnce => effects_now(desk).await,
    }
}

async fn effects_now(desk: &Desk) -> u32 {
    desk.count().await
}

#[tokio::test]
async fn every_trouble_on_every_request_is_survived() {
    let places = [
        (Way::Run, 0, "UpdateItem"),
        (Way::Run, 1, "UpdateItem"),
        (Way::Fail, 1, "UpdateItem"),
        (Way::Commit, 0, "UpdateItem"),
        (Way::Commit, 0, "TransactWriteItems"),
        (Way::CommitOnce, 0, "TransactWriteItems"),
        // The result is put beside the record, and then the record is settled.
        (Way::Large, 1, "UpdateItem"),
        (Way::Large, 2, "UpdateItem"),
    ];
    for (way, skip, operation) in places {
        for trouble in troubles(operation) {
            for lasting in [false, true] {
                survive(way, skip, operation, &trouble, lasting).await;
            }
        }
    }
}

#[tokio::test]
async fn every_trouble_on_a_heartbeat_is_survived() {
    const LENGTH: Duration = Duration::from_secs(9);
    for trouble in troubles("UpdateItem") {
        for lasting in [false, true] {
            let what = format!("{trouble:?}, lasting: {lasting}");
            let desk = Desk::open().await;
            let sleep = desk.patience();
            let guard = desk.guard_with(sleep.clone()).build().unwrap();
            let runs = AtomicU32::new(0);
            // The first claims, and the others keep the lease until the trouble is over.
            make_trouble(&desk, 1, "UpdateItem", &trouble, lasting);
            let lease = Lease::short(desk.deadline(), LENGTH);
            let work = |_| async {
                sleep.sleep(2 * LENGTH).await;
                Ok::<_, Fault>(runs.fetch_add(1, Ordering::Relaxed) + 1)
            };
            let answer = guard.run(&order(), lease, work).await;
            desk.calm(&what);
            match &answer {
                Ok(outcome) => assert_eq!(*outcome, Outcome::Fresh(1), "{what}"),
                Err(GuardError::LeaseLost(lost)) => {
                    assert!(lasting || is_late(&trouble), "{what}: {answer:?}");
                    assert_ne!(lost.why, LostHow::Taken, "{what}");
                    assert!(lost.may_have_happened, "{what}");
                    assert_eq!(runs.load(Ordering::Relaxed), 0, "{what}: it was cancelled");
                }
                Err(error) => panic!("{what}: {error:?}"),
            }
            // The key is free when the lease is over that was the last to be heard of.
            desk.cloud.clock.advance(LENGTH + Duration::from_secs(2));
            let again = call(&desk, &guard, Way::Run, &runs).await.unwrap();
            assert_eq!(again.is_replay(), answer.is_ok(), "{what}");
            assert_eq!(runs.load(Ordering::Relaxed), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn every_trouble_on_the_replay_of_a_large_result_is_survived() {
    for trouble in troubles("GetItem") {
        for lasting in [false, true] {
            let what = format!("{trouble:?}, lasting: {lasting}");
            let desk = Desk::open().await;
            let guard = desk.guard().build().unwrap();
            let runs = AtomicU32::new(0);
            assert!(call(&desk, &guard, Way::Large, &runs).await.unwrap().was_run());
            make_trouble(&desk, 0, "GetItem", &trouble, lasting);
            match call(&desk, &guard, Way::Large, &runs).await {
                Ok(outcome) => assert_eq!(outcome, Outcome::Replayed(1), "{what}"),
                Err(error) => {
                    assert!(lasting || is_late(&trouble), "{what}: {error:?}");
                    assert!(matches!(error, GuardError::Store(_)), "{what}: {error:?}");
                    assert!(!error.may_have_happened(), "{what}: this call ran nothing");
                }
            }
            desk.calm(&what);
            let again = call(&desk, &guard, Way::Large, &runs).await.unwrap();
            assert_eq!(again, Outcome::Replayed(1), "{what}");
            assert_eq!(runs.load(Ordering::Relaxed), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn every_trouble_on_a_look_is_survived() {
    for trouble in troubles("GetItem") {
        for lasting in [false, true] {
            let what = format!("{trouble:?}, lasting: {lasting}");
            let desk = Desk::open().await;
            let guard = desk.guard().probe_first().build().unwrap();
            let runs = AtomicU32::new(0);
            for (way, fresh) in [(Way::Run, true), (Way::Run, false)] {
                make_trouble(&desk, 0, "GetItem", &trouble, lasting);
                match call(&desk, &guard, way, &runs).await {
                    // What cannot be read is asked for with the write.
                    Ok(outcome) => assert_eq!(outcome.was_run(), fresh, "{what}"),
                    Err(error) => {
                        assert!(is_late(&trouble), "{what}: {error:?}");
                        assert!(!error.may_have_happened(), "{what}: {error:?}");
                        let runs = runs.load(Ordering::Relaxed);
                        assert_eq!(runs, u32::from(!fresh), "{what}");
                    }
                }
                desk.calm(&what);
                desk.cloud.clock.advance(TIME + Duration::from_secs(5));
                _ = call(&desk, &guard, way, &runs).await.unwrap();
                assert_eq!(runs.load(Ordering::Relaxed), 1, "{what}");
            }

            make_trouble(&desk, 0, "GetItem", &trouble, lasting);
            match guard.inspect(&order(), desk.deadline()).await {
                Ok(found) => assert_eq!(found.unwrap().record.status, Status::Completed, "{what}"),
                Err(error) => {
                    assert!(lasting || is_late(&trouble), "{what}: {error:?}");
                    assert!(!error.may_have_happened(), "{what}: {error:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_trouble_on_deduplication_is_survived() {
    for trouble in troubles("UpdateItem") {
        for lasting in [false, true] {
            let what = format!("{trouble:?}, lasting: {lasting}");
            let desk = Desk::open().await;
            let guard = desk.guard().build().unwrap();
            make_trouble(&desk, 0, "UpdateItem", &trouble, lasting);
            let answer = guard.seen(&order(), desk.deadline()).await;
            desk.calm(&what);
            let again = guard.seen(&order(), desk.deadline()).await.unwrap();
            match answer {
                Ok(sighting) => {
                    assert_eq!((sighting, again), (Sighting::First, Sighting::Again), "{what}");
                }
                Err(error) => {
                    assert!(lasting || is_late(&trouble), "{what}: {error:?}");
                    let marked = again == Sighting::Again;
                    assert!(error.may_have_happened() || !marked, "{what}: {error:?}");
                }
            }
        }
    }
}

/// What somebody on call does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Release,
    Resolve,
    Forget,
}

#[tokio::test]
async fn every_trouble_on_a_change_by_hand_is_survived() {
    for change in [Change::Release, Change::Resolve, Change::Forget] {
        let operation = if change == Change::Forget { "DeleteItem" } else { "UpdateItem" };
        for trouble in troubles(operation) {
            for lasting in [false, true] {
                let what = format!("{change:?}, {trouble:?}, lasting: {lasting}");
                let desk = Desk::open().await;
                let guard = desk.guard().build().unwrap();
                drop(guard.claim(&order(), desk.lease()).await.unwrap());
                desk.cloud.clock.advance(TIME + Duration::from_secs(5));
                let look = async || guard.inspect(&order(), desk.deadline()).await.unwrap();
                let seen = look().await.unwrap();
                make_trouble(&desk, 0, operation, &trouble, lasting);
                let answer = match change {
                    Change::Release => guard.release(&seen, desk.deadline()).await,
                    Change::Resolve => guard.resolve(&seen, &7, desk.deadline()).await,
                    Change::Forget => guard.forget(&seen, desk.deadline()).await,
                };
                desk.calm(&what);
                let now = look().await;
                let status = now.as_ref().map(|now| now.record.status);
                let done = match change {
                    Change::Release => status == Some(Status::Released),
                    Change::Resolve => status == Some(Status::Completed),
                    Change::Forget => now.is_none(),
                };
                assert!(done || now.as_ref() == Some(&seen), "{what}: {now:?}");
                match answer {
                    Ok(Amended::Done) => assert!(done, "{what}"),
                    // It is as it is, whoever made it so.
                    Ok(Amended::Changed(found)) => {
                        assert!(done && found.as_deref() == now.as_ref(), "{what}: {found:?}");
                    }
                    Ok(Amended::Live) => panic!("{what}: its lease is over"),
                    Err(error) => {
                        assert!(lasting || is_late(&trouble), "{what}: {error:?}");
                        assert!(error.may_have_happened() || !done, "{what}: {error:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn every_trouble_on_the_release_after_a_commit_without_an_answer_is_survived() {
    /// More than the guard makes.
    const TRIES: usize = 30;
    // The commit is applied or not, and nobody is told.
    for silence in [
        Trouble::AnswerLost,
        Trouble::Error(500, "InternalServerError"),
        Trouble::Cancelled(&["None", "TransactionConflict"]),
    ] {
        for trouble in troubles("UpdateItem") {
            for lasting in [false, true] {
                let what = format!("{silence:?}, {trouble:?}, lasting: {lasting}");
                let desk = Desk::open().await;
                let guard = desk.guard().build().unwrap();
                let runs = AtomicU32::new(0);
                for _ in 0..TRIES {
                    desk.cloud.wire.trouble("TransactWriteItems", silence.clone());
                }
                make_trouble(&desk, 1, "UpdateItem", &trouble, lasting);
                let answer = call(&desk, &guard, Way::Commit, &runs).await;
                desk.cloud.wire.storm(None);
                let operations = desk.cloud.wire.take_operations();
                let writes = operations.iter().filter(|it| *it == "UpdateItem").count();
                assert!(writes >= 2, "{what}: it was not released: {operations:?}");
                desk.drain().await;
                let written = desk.count().await;
                assert!(written <= 1, "{what}");
                match &answer {
                    Ok(outcome) => {
                        assert_eq!((outcome, written), (&Outcome::Fresh(1), 1), "{what}");
                    }
                    Err(error) => {
                        assert!(error.may_have_happened() || written == 0, "{what}: {error:?}");
                    }
                }
                desk.cloud.clock.advance(TIME + Duration::from_secs(5));
                let again = call(&desk, &guard, Way::Commit, &runs).await.unwrap();
                assert_eq!(again.is_replay(), written == 1, "{what}");
                assert_eq!(desk.count().await, 1, "{what}: written more than once");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_that_is_final_is_not_tried_again() {
    let desk = Desk::open().await;
    let guard = desk.guard().build().unwrap();
    desk.cloud.wire.trouble("UpdateItem", Trouble::Error(400, "AccessDeniedException"));
    let runs = AtomicU32::new(0);
    let error = call(&desk, &guard, Way::Run, &runs).await.unwrap_err();
    assert!(matches!(error, GuardError::Store(_)), "{error:?}");
    assert!(!error.may_have_happened());
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    assert_eq!(desk.cloud.wire.take_operations(), ["UpdateItem"]);
}

#[tokio::test]
async fn a_call_that_is_dropped_holds_its_key_until_the_lease_is_over() {
    for trouble in [Trouble::Silence, Trouble::Void] {
        for skip in [0, 1] {
            let desk = Desk::open().await;
            let guard = desk.guard().build().unwrap();
            let runs = AtomicU32::new(0);
            for _ in 0..skip {
                desk.cloud.wire.trouble("UpdateItem", Trouble::Pass);
            }
            desk.cloud.wire.trouble("UpdateItem", trouble.clone());
            {
                let mut doomed = pin!(call(&desk, &guard, Way::Run, &runs));
                // It gets as far as it can: until nobody answers any more.
                while desk.cloud.wire.seen() <= skip {
                    let context = &mut Context::from_waker(Waker::noop());
                    assert!(matches!(doomed.as_mut().poll(context), Poll::Pending));
                    tokio::task::yield_now().await;
                }
            }
            let claimed = matches!((&trouble, skip), (Trouble::Silence, _) | (_, 1));
            let completed = matches!((&trouble, skip), (Trouble::Silence, 1));
            let next = call(&desk, &guard, Way::Run, &runs).await;
            match next {
                Ok(Outcome::Replayed(1)) => assert!(completed),
                Ok(Outcome::Fresh(1)) => assert!(!claimed),
                Err(GuardError::Busy(_)) => {
                    assert!(claimed && !completed);
                    desk.cloud.clock.advance(TIME + Duration::from_secs(5));
                    let after = call(&desk, &guard, Way::Run, &runs).await.unwrap();
                    assert!(after.was_run());
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_result_of_another_type_is_a_typed_error() {
    let desk = Desk::open().await;
    let guard = desk.guard().build().unwrap();
    let text = |_| async { Ok::<_, Fault>("text".to_owned()) };
    assert!(guard.run(&order(), desk.lease(), text).await.unwrap().was_run());
    let error =
        guard.run(&order(), desk.lease(), |_| async { Ok::<u32, Fault>(1) }).await.unwrap_err();
    assert!(matches!(error, GuardError::Unreadable(_)), "{error:?}");
}

#[tokio::test]
async fn records_that_are_corrupt_or_newer_are_typed_errors() {
    let desk = Desk::open().await;
    let guard = desk.guard().build().unwrap();
    let key = guard.record_key(&order());
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let n = |number: &str| AttributeValue::N(number.to_owned());
    let runs = AtomicU32::new(0);

    desk.put_record(&key, &[("status", s("DONE")), ("expiration", n("4000000000"))]).await;
    let error = call(&desk, &guard, Way::Run, &runs).await.unwrap_err();
    assert!(matches!(error, GuardError::Corrupt(..)), "{error:?}");

    // It could be claimed, but not be counted up.
    let lapsed = [("status", s("INPROGRESS")), ("in_progress_expiration", n("0"))];
    for count in ["attempt", "try_count"] {
        desk.put_record(&key, &[&lapsed[..], &[(count, s("3"))]].concat()).await;
        for way in [Way::Run, Way::CommitOnce] {
            let error = call(&desk, &guard, way, &runs).await.unwrap_err();
            assert!(matches!(error, GuardError::Corrupt(..)), "{count}, {way:?}: {error:?}");
        }
    }

    desk.put_record(&key, &[("status", s("PAUSED")), ("record_version", n("2"))]).await;
    let error = call(&desk, &guard, Way::Run, &runs).await.unwrap_err();
    assert!(matches!(error, GuardError::Newer(_)), "{error:?}");

    desk.put_record(&key, &[("status", s("COMPLETED")), ("data", s("{"))]).await;
    let error = call(&desk, &guard, Way::Run, &runs).await.unwrap_err();
    assert!(matches!(error, GuardError::Unreadable(_)), "{error:?}");
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_large_result_that_is_gone_is_a_typed_error() {
    let desk = Desk::open().await;
    let guard = desk.guard().build().unwrap();
    let large = |_| async { Ok::<_, Fault>("x".repeat(5000)) };
    let run = async || guard.run(&order(), desk.lease(), large).await;
    assert!(run().await.unwrap().was_run());
    let scan = desk.cloud.client.scan().table_name("records").send().await.unwrap();
    let items = scan.items.unwrap();
    let part = items.iter().find(|item| !item.contains_key("status")).unwrap();
    let delete = desk.cloud.client.delete_item().table_name("records");
    delete.key("id", part["id"].clone()).send().await.unwrap();
    let error = run().await.unwrap_err();
    assert!(matches!(error, GuardError::Unreadable(_)), "{error:?}");
}

#[tokio::test]
async fn of_a_thousand_calls_at_once_one_is_run() {
    for on_busy in [OnBusy::Fail, OnBusy::Wait(Duration::from_secs(20))] {
        let desk = Arc::new(Desk::open().await);
        let guard = desk.guard().on_busy(on_busy).build().unwrap();
        let runs = Arc::new(AtomicU32::new(0));
        let calls: Vec<_> = (0..1000)
            .map(|_| {
                let (desk, guard, runs) = (Arc::clone(&desk), guard.clone(), Arc::clone(&runs));
                tokio::spawn(async move { call(&desk, &guard, Way::Run, &runs).await })
            })
            .collect();
        let mut answers = [0; 3];
        for call in calls {
            answers[match call.await.unwrap() {
                Ok(Outcome::Fresh(1)) => 0,
                Ok(Outcome::Replayed(1)) => 1,
                Err(GuardError::Busy(_)) => 2,
                other => panic!("{other:?}"),
            }] += 1;
        }
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert_eq!(answers[0], 1);
        if on_busy != OnBusy::Fail {
            assert_eq!(answers, [1, 999, 0]);
        }
        // One each, one to complete, and no more than one extra each.
        let requests = desk.cloud.wire.take().len();
        assert!((1001..=2001).contains(&requests), "{on_busy:?}: {requests}");
    }
}

//! First calls and what follows them, keys in use, payloads and errors.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::Poll,
};

use serde::{Serialize, de::DeserializeOwned};
use setpiece_idempotency::{
    After, AfterError, Amended, ByFault, Claimed, Event, GuardError, Held, Keep, Key, OnStoreDown,
    Outcome, RecordedError, Semantics, Skipped, record::Status,
};
use setpiece_policy::{Disposition, Fault, FaultKind};

use super::batches::catch;
use crate::support::{HOUR, Harness, KEY, Op, SECOND, Trouble, World, join, key};

pub(crate) async fn first_call_runs_the_work_with_two_requests<H: Harness>(world: &World<H>) {
    let outcome = world.guard().run(&KEY, world.lease(), async |_| Ok::<_, Fault>(29)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(29));
    assert_eq!(world.probe.asked(), [Op::Acquire, Op::Settle]);
    assert_eq!(world.events(), [Event::Fresh]);
}

pub(crate) async fn finished_call_is_replayed_with_one_request<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    _ = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(29)).await.unwrap();
    world.probe.asked();
    let outcome = guard.run(&KEY, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(29));
    assert_eq!(world.probe.asked(), [Op::Acquire]);
    assert_eq!(world.events(), [Event::Fresh, Event::Replayed]);
}

pub(crate) async fn expired_result_is_run_again_and_overwritten<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    _ = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap();
    world.clock.advance(HOUR + 2 * SECOND);
    let outcome = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(2)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(2));
    let outcome = guard.run(&KEY, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(2));
}

pub(crate) async fn result_is_replayed_until_its_last_second<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    _ = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap();
    world.clock.advance(HOUR);
    let outcome = guard.run(&KEY, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(1));
}

pub(crate) async fn small_values_replay_as_themselves<H: Harness>(world: &World<H>) {
    async fn check<H: Harness, T>(world: &World<H>, name: &str, value: T)
    where
        T: Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug,
    {
        let (guard, key) = (world.guard(), Key::of(name).unwrap());
        let work = async |_| Ok::<_, Fault>(value.clone());
        let outcome = guard.run(&key, world.lease(), work).await.unwrap();
        assert_eq!(outcome, Outcome::Fresh(value.clone()));
        let outcome = guard.run(&key, world.lease(), never_run::<T>).await.unwrap();
        assert_eq!(outcome, Outcome::Replayed(value));
    }
    check(world, "unit", ()).await;
    check(world, "none", None::<String>).await;
    check(world, "some", Some("x".to_owned())).await;
    check(world, "false", false).await;
    check(world, "zero", 0).await;
    check(world, "float zero", 0.0).await;
    check(world, "empty text", String::new()).await;
    check(world, "text that is JSON", "{\"a\":1}".to_owned()).await;
    check(world, "empty list", Vec::<u8>::new()).await;
    check(world, "empty object", std::collections::BTreeMap::<String, u8>::new()).await;
}

pub(crate) async fn live_claim_answers_busy<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    world.probe.asked();
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    let GuardError::Busy(busy) = &error else { panic!("{error:?}") };
    assert_eq!((busy.attempt, busy.until), (1, Some(claim.lease_until())));
    assert_eq!(busy.key, guard.record_key(&KEY));
    assert_eq!(busy.retry_after, Some(32 * SECOND));
    assert!(!error.to_string().contains("order-17"), "the key is not shown");
    assert!(!error.may_have_happened());
    assert_eq!(world.probe.asked(), [Op::Acquire]);
    let fault = Fault::from(error);
    assert_eq!(fault.disposition(), Disposition::FailItem);
    assert_eq!(fault.retry_after(), Some(32 * SECOND));
    claim.release().await.unwrap();
}

pub(crate) async fn refused_calls_leave_the_record_as_it_is<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let key = key().with_fingerprint(&1).unwrap();
    let other = key.clone().with_fingerprint(&2).unwrap();
    let claim = owned(guard.claim(&key, world.lease()).await);
    let before = world.record(&key).await;
    guard.run(&key, world.lease(), never_run::<i32>).await.unwrap_err();
    guard.run(&other, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(world.record(&key).await, before);
    _ = claim.complete(&1).await.unwrap();
    let before = world.record(&key).await;
    _ = guard.run(&key, world.lease(), never_run::<i32>).await.unwrap();
    guard.run(&other, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(world.record(&key).await, before);
}

pub(crate) async fn one_of_two_calls_at_the_same_time_runs<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let runs = Cell::new(0);
    let call = || {
        guard.run(&KEY, world.lease(), async |_| {
            runs.set(runs.get() + 1);
            world.sleep_for(SECOND).await;
            Ok::<_, Fault>(runs.get())
        })
    };
    let outcomes = join(vec![Box::pin(call()), Box::pin(call())]).await;
    assert_eq!(runs.get(), 1);
    let names: Vec<_> = outcomes.iter().map(|it| it.as_ref().err().map(GuardError::name)).collect();
    assert_eq!(names.iter().filter(|name| **name == Some("InProgress")).count(), 1);
    assert_eq!(names.iter().filter(|name| name.is_none()).count(), 1);
}

pub(crate) async fn calls_on_different_keys_do_not_mix<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let call = |number: u64| {
        let lease = setpiece_idempotency::Lease::until(
            world.deadline_in(std::time::Duration::from_secs(number)),
        );
        let guard = &guard;
        async move {
            let key = Key::of(&number).unwrap();
            let work = async |held: Held| {
                // All of them have begun by the end of it, each with a lease of its own.
                world.sleep_for(SECOND).await;
                let end = lease.deadline().instant();
                assert_eq!(held.deadline().instant(), end);
                let seen = guard.inspect(&key, lease.deadline()).await.unwrap().unwrap();
                let record = seen.record;
                assert_eq!(record.lease_until, Some(end.saturating_add(SECOND)));
                assert_eq!(record.owner.as_ref(), Some(held.owner()));
                Ok::<_, Fault>(number)
            };
            let outcome = guard.run(&key, lease, work).await.unwrap();
            assert_eq!(outcome, Outcome::Fresh(number));
        }
    };
    join(
        (10..30)
            .map(|number| {
                Box::pin(call(number)) as std::pin::Pin<Box<dyn Future<Output = ()> + '_>>
            })
            .collect(),
    )
    .await;
    for number in 10..30_u64 {
        let outcome = guard.run(&Key::of(&number).unwrap(), world.lease(), never_run::<u64>).await;
        assert_eq!(outcome.unwrap(), Outcome::Replayed(number));
    }
}

pub(crate) async fn error_of_the_work_releases_the_key<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let error = guard.run(&KEY, world.lease(), async |_| Err::<i32, _>("no")).await.unwrap_err();
    let GuardError::Handler(failed) = error else { panic!("{error:?}") };
    assert_eq!((failed.error, failed.after), ("no", After::Released));
    assert_eq!(world.probe.asked(), [Op::Acquire, Op::Release]);
    let outcome = guard.run(&KEY, world.lease(), async |held| Ok::<_, Fault>(held.attempt()));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(2));
}

pub(crate) async fn error_of_the_work_survives_a_failed_release<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    world.probe.always(Some(Op::Release), Trouble::NoTable);
    let error = guard.run(&KEY, world.lease(), async |_| Err::<i32, _>("no")).await.unwrap_err();
    let GuardError::Handler(failed) = error else { panic!("{error:?}") };
    assert_eq!((failed.error, failed.after), ("no", After::Stuck));
    world.probe.calm();
    // Not for longer than its lease.
    world.clock.advance(33 * SECOND);
    _ = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap();
}

pub(crate) async fn permanent_error_is_recorded_and_replayed<H: Harness>(world: &World<H>) {
    let guard = world
        .builder()
        .classify(|error: &&str| AfterError::Record(RecordedError::new("Declined", *error)))
        .build()
        .unwrap();
    let error = guard.run(&KEY, world.lease(), async |_| Err::<i32, _>("no")).await.unwrap_err();
    let GuardError::Handler(failed) = error else { panic!("{error:?}") };
    assert_eq!(failed.after, After::Recorded);
    world.probe.asked();
    let error = guard.run(&KEY, world.lease(), async |_| Ok::<i32, &str>(1)).await.unwrap_err();
    let GuardError::Recorded(recorded) = error else { panic!("{error:?}") };
    assert_eq!(recorded, RecordedError::new("Declined", "no"));
    assert_eq!(world.probe.asked(), [Op::Acquire]);
    assert_eq!(world.events(), [Event::Recorded, Event::ReplayedError]);
}

pub(crate) async fn faults_decide_by_themselves_what_becomes_of_the_key<H: Harness>(
    world: &World<H>,
) {
    let guard = world.builder().classify(ByFault).build().unwrap();
    let once = world.builder().semantics(Semantics::AtMostOnce).classify(ByFault).build().unwrap();
    for (name, guard, fault, status) in [
        ("a", &guard, Fault::permanent("p"), Status::Failed),
        ("b", &guard, Fault::transient("t"), Status::Released),
        ("c", &once, Fault::transient("t"), Status::InProgress),
        ("d", &once, Fault::throttled("t"), Status::Released),
    ] {
        let key = Key::of(name).unwrap();
        let work = async |_| Err::<i32, _>(fault);
        guard.run(&key, world.lease(), work).await.unwrap_err();
        assert_eq!(world.record(&key).await.unwrap().status, status, "{name}");
    }
    let error = guard.run(&Key::of("a").unwrap(), world.lease(), never_run::<i32>).await;
    assert_eq!(Fault::from(error.unwrap_err()).kind(), FaultKind::Permanent);
}

pub(crate) async fn held_key_is_busy_until_its_lease_is_over<H: Harness>(world: &World<H>) {
    let guard = world.builder().classify(|_: &&str| AfterError::Hold).build().unwrap();
    let error = guard.run(&KEY, world.lease(), async |_| Err::<i32, _>("?")).await.unwrap_err();
    let GuardError::Handler(failed) = error else { panic!("{error:?}") };
    assert_eq!(failed.after, After::Held);
    let error = guard.run(&KEY, world.lease(), async |_| Ok::<_, &str>(1)).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    world.clock.advance(33 * SECOND);
    let outcome = guard.run(&KEY, world.lease(), async |_| Ok::<_, &str>(1)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
}

pub(crate) async fn another_payload_is_a_mismatch<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let first = key().with_fingerprint(&serde_json::json!({"a": {"b": [1, 2]}})).unwrap();
    let other = key().with_fingerprint(&serde_json::json!({"a": {"b": [1, 3]}})).unwrap();
    let claim = owned(guard.claim(&first, world.lease()).await);
    let mismatch = async || {
        world.probe.asked();
        let error = guard.run(&other, world.lease(), never_run::<i32>).await.unwrap_err();
        assert_eq!(world.probe.asked(), [Op::Acquire]);
        let GuardError::Mismatch(found) = error else { panic!("{error:?}") };
        *found
    };
    // The fingerprint is there from the beginning, and stays.
    assert_eq!(mismatch().await.record.status, Status::InProgress);
    _ = claim.complete(&1).await.unwrap();
    let found = mismatch().await;
    assert_eq!(found.record.status, Status::Completed);
    assert!(found.record.expires_at.is_some());
    assert_eq!(world.events(), [Event::Mismatch, Event::Fresh, Event::Mismatch]);
    // One who does not say what the payload is gets the result.
    let outcome = guard.run(&KEY, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(1));
}

pub(crate) async fn another_payload_does_not_take_over_a_lapsed_claim<H: Harness>(
    world: &World<H>,
) {
    let guard = world.guard();
    let first = key().with_fingerprint(&1).unwrap();
    let other = key().with_fingerprint(&2).unwrap();
    drop(owned(guard.claim(&first, world.lease()).await));
    world.clock.advance(40 * SECOND);
    let error = guard.run(&other, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "Mismatch");
    drop(owned(guard.claim(&first, world.lease()).await));
    let error = guard.run(&other, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "Mismatch");
    // Only when it is forgotten, it is free for all.
    world.clock.advance(2 * HOUR);
    _ = guard.run(&other, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap();
}

/// Each way to give a key back after nothing happened forgets the payload that it was used with.
pub(crate) async fn corrected_payload_runs_after_one_that_was_given_back<H: Harness>(
    world: &World<H>,
) {
    let guard = world.guard();
    let payload = |name: &str, payload: i32| Key::of(name).unwrap().with_fingerprint(&payload);
    let wrong = |name| payload(name, 1).unwrap();
    let fails = async |_| Err::<i32, _>("no");
    guard.run(&wrong("failed"), world.lease(), fails).await.unwrap_err();
    owned(guard.claim(&wrong("released"), world.lease()).await).release().await.unwrap();
    let refused = [world.harness.put_new("taken"), world.harness.put_new("taken")];
    let put = async |_| Ok::<_, Fault>((1, vec![world.harness.put_new("taken")]));
    _ = guard.commit_once(&Key::of("taker").unwrap(), world.deadline(), put).await.unwrap();
    let claim = owned(guard.claim(&wrong("refused"), world.lease()).await);
    let error = claim.commit(&1, &refused[..1]).await.unwrap_err();
    assert_eq!(error.name(), "WriteRefused");
    // Somebody on call gives back what has failed for good, and what was interrupted.
    let strict =
        world.builder().classify(|_: &&str| AfterError::Record(RecordedError::new("", "")));
    let strict = strict.build().unwrap();
    strict.run(&wrong("recorded"), world.lease(), fails).await.unwrap_err();
    let error = guard.run(&payload("recorded", 2).unwrap(), world.lease(), never_run::<i32>).await;
    assert_eq!(error.unwrap_err().name(), "Mismatch", "what failed for good is remembered");
    let seen = guard.inspect(&wrong("recorded"), world.deadline()).await.unwrap().unwrap();
    assert_eq!(guard.release(&seen, world.deadline()).await.unwrap(), Amended::Done);

    for name in ["failed", "released", "refused", "recorded"] {
        let found = world.record(&wrong(name)).await.unwrap();
        assert_eq!((found.status, found.fingerprint), (Status::Released, None), "{name}");
        let right = payload(name, 2).unwrap();
        let outcome = guard.run(&right, world.lease(), async |_| Ok::<_, Fault>(2)).await;
        assert_eq!(outcome.unwrap(), Outcome::Fresh(2), "{name}");
        // From then on it is the key of that payload.
        let error = guard.run(&wrong(name), world.lease(), never_run::<i32>).await.unwrap_err();
        assert_eq!(error.name(), "Mismatch", "{name}");
    }
}

pub(crate) async fn fingerprint_outlives_a_call_without_one<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let bare = key();
    let paid = key().with_fingerprint(&29).unwrap();
    let other = key().with_fingerprint(&31).unwrap();
    drop(owned(guard.claim(&paid, world.lease()).await));
    world.clock.advance(40 * SECOND);
    drop(owned(guard.claim(&bare, world.lease()).await));
    world.clock.advance(40 * SECOND);
    let error = guard.run(&other, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "Mismatch");
    // The same in one request.
    let work = async |_| Ok::<_, Fault>((29, vec![]));
    let outcome = guard.commit_once(&bare, world.deadline(), work).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(29));
    let error = guard.run(&other, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "Mismatch");
    let outcome = guard.run(&paid, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(29));
    // Whoever comes after it has expired is not bound by it.
    world.clock.advance(24 * HOUR);
    let outcome = guard.run(&other, world.lease(), async |_| Ok::<_, Fault>(31)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(31));
}

pub(crate) async fn missing_key_runs_nothing_and_asks_nothing<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let records = [None, Some("a"), Some("")];
    let report = guard
        .batch(world.lease())
        .run(&records, Key::of, async |_, record| {
            assert_eq!(*record, Some("a"));
            Ok::<_, Fault>(1)
        })
        .await;
    assert_eq!(report.failed().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(world.probe.asked(), [Op::Acquire, Op::Settle]);
    assert_eq!(world.events(), [Event::Fresh, Event::Keyless, Event::Keyless]);
}

pub(crate) async fn operations_do_not_meet<H: Harness>(world: &World<H>) {
    let outer = world.guard();
    let inner = setpiece_idempotency::Guard::builder(
        std::sync::Arc::clone(&world.probe),
        "tests",
        "inner",
        world.clock.clone(),
        setpiece_policy::SeededRandom::new(1),
        world.sleep.clone(),
    )
    .build()
    .unwrap();
    for _ in 0..2 {
        let outcome = outer
            .run(&KEY, world.lease(), async |_| {
                let outcome =
                    inner.run(&KEY, world.lease(), async |_| Ok::<_, Fault>("inner".to_owned()));
                assert_eq!(outcome.await?, Outcome::Fresh("inner".to_owned()));
                Ok::<_, Fault>("outer".to_owned())
            })
            .await;
        assert_eq!(outcome.unwrap().value().unwrap(), "outer");
    }
    let outcome = inner.run(&KEY, world.lease(), never_run::<String>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed("inner".to_owned()));
}

pub(crate) async fn store_that_is_down_fails_closed<H: Harness>(world: &World<H>) {
    world.probe.always(None, Trouble::NoTable);
    let error = world.guard().run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    let GuardError::Store(failed) = &error else { panic!("{error:?}") };
    assert!(!failed.may_have_happened);
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(world.events(), [Event::StoreFailed]);
    let fault = Fault::from(error);
    assert_eq!((fault.kind(), fault.may_have_happened()), (FaultKind::Permanent, false));
    assert_eq!(fault.disposition(), Disposition::FailItem, "the item is not to blame");
}

pub(crate) async fn store_that_is_down_can_fail_open<H: Harness>(world: &World<H>) {
    let guard = world.builder().on_store_down(OnStoreDown::RunUnguarded).build().unwrap();
    world.probe.always(None, Trouble::NoTable);
    let outcome = guard.run(&KEY, world.lease(), async |held| Ok::<_, Fault>(held.attempt()));
    assert_eq!(outcome.await.unwrap(), Outcome::Unguarded(0));
    let error = guard.commit(&KEY, world.lease(), |_| async { Ok::<_, Fault>((1, vec![])) });
    assert_eq!(error.await.unwrap_err().name(), "Store", "there is nothing to write to");
}

pub(crate) async fn store_that_answers_is_not_down<H: Harness>(world: &World<H>) {
    let open = || world.builder().on_store_down(OnStoreDown::RunUnguarded).build().unwrap();
    for (first, then) in [
        (Trouble::Raced, Trouble::Raced),
        (Trouble::RequestLost, Trouble::Contended),
        (Trouble::Contended, Trouble::RequestLost),
    ] {
        world.probe.next(Op::Acquire, first);
        world.probe.always(Some(Op::Acquire), then);
        let error = open().run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
        assert_eq!((error.name(), error.may_have_happened()), ("Store", false), "{first:?}");
        world.probe.calm();
    }
    for silence in [Trouble::RequestLost, Trouble::Stalled, Trouble::Throttled] {
        world.probe.always(Some(Op::Acquire), silence);
        let outcome = open().run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await;
        assert_eq!(outcome.unwrap(), Outcome::Unguarded(1), "{silence:?}");
        world.probe.calm();
    }
}

pub(crate) async fn nothing_is_kept_where_nothing_is_to_be<H: Harness>(world: &World<H>) {
    let guard = world.builder().keep(Keep::nothing()).build().unwrap();
    let outcome = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>("secret".to_owned()));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh("secret".to_owned()));
    let outcome = guard.run(&KEY, world.lease(), never_run::<String>).await;
    assert_eq!(outcome.unwrap(), Outcome::Skipped(Skipped::NotKept));
    assert_eq!(world.events(), [Event::Fresh, Event::Duplicate]);
}

pub(crate) async fn receipt_is_replayed_in_place_of_the_result<H: Harness>(world: &World<H>) {
    let guard = world.builder().keep(Keep::receipt(|_| serde_json::json!("4…2"))).build().unwrap();
    let outcome = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>("4242".to_owned()));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh("4242".to_owned()));
    let outcome = guard.run(&KEY, world.lease(), never_run::<String>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed("4…2".to_owned()));
}

pub(crate) async fn result_that_is_no_json_is_not_run_again<H: Harness>(world: &World<H>) {
    type Odd = std::collections::BTreeMap<(u8, u8), u8>;
    let guard = world.guard();
    let odd = || async { Ok::<Odd, Fault>(Odd::from([((1, 2), 3)])) };
    let error = guard.run(&KEY, world.lease(), |_| odd()).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("NotKept", true));
    let outcome = guard.run(&KEY, world.lease(), never_run::<Odd>).await;
    assert_eq!(outcome.unwrap(), Outcome::Skipped(Skipped::NotKept));
}

pub(crate) async fn panic_in_a_receipt_is_one_of_the_work<H: Harness>(world: &World<H>) {
    let mistaken = || world.builder().keep(Keep::receipt(|_| panic!("a mistake")));
    let guard = mistaken().build().unwrap();
    let panic = catch(guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1))).await;
    assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"a mistake"));
    // The work is done, so it is not run again.
    let outcome = guard.run(&KEY, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Skipped(Skipped::NotKept));
    // Where the effect is in the writes, there is none yet.
    let other = Key::of("other").unwrap();
    let decide = async |_| Ok::<_, Fault>((1, vec![world.harness.add("sum", 1)]));
    catch(guard.commit(&other, world.lease(), decide)).await.unwrap_err();
    assert_eq!(world.record(&other).await.unwrap().status, Status::Released);
    catch(guard.commit_once(&other, world.deadline(), decide)).await.unwrap_err();
    let guard = mistaken().semantics(Semantics::AtMostOnce).build().unwrap();
    catch(guard.commit(&other, world.lease(), decide)).await.unwrap_err();
    assert_eq!(world.record(&other).await.unwrap().status, Status::InProgress);
    assert_eq!(world.harness.number("sum").await, 0);
}

pub(crate) async fn what_json_does_not_carry_back_is_not_run_again<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let nested =
        |depth| (0..depth).fold(serde_json::json!(1), |value, _| serde_json::json!([value]));
    let number = Key::of("number").unwrap();
    let outcome = guard.run(&number, world.lease(), async |_| Ok::<_, Fault>(f64::NAN)).await;
    assert!(outcome.unwrap().was_run());
    let error = guard.run(&number, world.lease(), never_run::<f64>).await.unwrap_err();
    assert_eq!(error.name(), "Unreadable");
    for (depth, replay) in [(127, None), (128, Some("Unreadable"))] {
        let key = Key::of(&depth).unwrap();
        let outcome = guard.run(&key, world.lease(), async |_| Ok::<_, Fault>(nested(depth))).await;
        assert!(outcome.unwrap().was_run());
        let again = guard.run(&key, world.lease(), never_run::<serde_json::Value>).await;
        assert_eq!(again.err().map(|error| error.name()), replay, "{depth}");
    }
}

pub(crate) async fn work_may_change_what_its_key_was_made_of<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let order = RefCell::new(serde_json::json!({ "number": 17, "state": "new" }));
    let key = Key::json(&*order.borrow()).unwrap();
    let outcome = guard.run(&key, world.lease(), async |_| {
        order.borrow_mut()["state"] = "charged".into();
        Ok::<_, Fault>(1)
    });
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(1));
    let again = Key::json(&serde_json::json!({ "state": "new", "number": 17.0 })).unwrap();
    let outcome = guard.run(&again, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(1));
    let changed = Key::json(&*order.borrow()).unwrap();
    let outcome = guard.run(&changed, world.lease(), async |_| Ok::<_, Fault>(2)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(2));
}

pub(crate) async fn dropped_call_locks_its_key_until_the_lease_is_over<H: Harness>(
    world: &World<H>,
) {
    let guard = world.guard();
    let has_begun = Cell::new(false);
    let mut call = Box::pin(guard.run(&KEY, world.lease(), async |_| {
        has_begun.set(true);
        std::future::pending::<Result<i32, Fault>>().await
    }));
    poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        if has_begun.get() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(call);
    assert_eq!(world.events(), [Event::Dropped]);
    assert_eq!(world.probe.asked(), [Op::Acquire], "nobody is there to give it back");
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    world.clock.advance(33 * SECOND);
    let outcome = guard.run(&KEY, world.lease(), async |held| Ok::<_, Fault>(held.attempt()));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(2));
}

pub(crate) async fn replays_say_when_they_will_be_forgotten<H: Harness>(world: &World<H>) {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let guard = {
        let seen = std::sync::Arc::clone(&seen);
        let builder = world.builder().observer(move |report| {
            seen.lock().unwrap().push((report.event, report.expires_at));
        });
        builder.build().unwrap()
    };
    let expires_at = world.now().saturating_add(HOUR);
    for (name, value) in [("some", Some(1)), ("none", None)] {
        let key = Key::of(name).unwrap();
        let first = guard.run(&key, world.lease(), async |_| Ok::<_, Fault>(value)).await;
        assert_eq!(first.unwrap(), Outcome::Fresh(value));
        // The response is the caller's, and an observer is told of the record.
        let again = guard.run(&key, world.lease(), never_run::<Option<i32>>).await;
        assert_eq!(again.unwrap(), Outcome::Replayed(value));
        let expected = [(Event::Fresh, None), (Event::Replayed, Some(expires_at))];
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
    }
}

/// Work that must not be run.
pub(crate) async fn never_run<T>(_: Held) -> Result<T, Fault> {
    panic!("it was run")
}

#[track_caller]
pub(crate) fn owned<S: setpiece_idempotency::Store>(
    claimed: Result<Claimed<S>, GuardError>,
) -> setpiece_idempotency::Claim<S> {
    match claimed {
        Ok(Claimed::Owned(claim)) => claim,
        other => panic!("{other:?}"),
    }
}

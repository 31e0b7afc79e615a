//! Results of all sizes, and what is found in their place.

use setpiece_idempotency::{
    GuardError, Keep, Key, Outcome, Phase, UnreadableWhy,
    record::{Body, Encoding, Record, Status, Stored},
};
use setpiece_policy::{Disposition, Fault, FaultKind};

use super::calls::{never_run, owned};
use crate::support::{HOUR, Harness, KEY, Op, Trouble, World};

pub(crate) async fn results_of_any_size_are_replayed<H: Harness>(world: &World<H>) {
    for size in [1, 398, 399, 10 << 10, 399 << 10, 5 << 20] {
        let key = Key::of(&size).unwrap();
        let text = "x".repeat(size);
        let work = async |_| Ok::<_, Fault>(text.clone());
        _ = world.guard().run(&key, world.lease(), work).await.unwrap();
        let first = world.probe.asked();
        let outcome = world.guard().run(&key, world.lease(), never_run::<String>).await.unwrap();
        assert!(outcome == Outcome::Replayed(text), "{size}");
        let again = world.probe.asked();
        if size <= 398 {
            assert_eq!((first.len(), again.len()), (2, 1), "{size}");
        } else {
            assert_eq!(first, [Op::Acquire, Op::PutSpill, Op::Settle], "{size}");
            assert_eq!(again, [Op::Acquire, Op::GetSpill], "{size}");
        }
    }
}

pub(crate) async fn larger_results_are_kept_on_the_record_on_demand<H: Harness>(world: &World<H>) {
    let guard = world.builder().keep(Keep::result().inline_up_to(usize::MAX)).build().unwrap();
    for (size, requests) in [(10 << 10, 2), (100 << 10, 2), (1 << 20, 3)] {
        let key = Key::of(&size).unwrap();
        let work = async |_| Ok::<_, Fault>("x".repeat(size));
        _ = guard.run(&key, world.lease(), work).await.unwrap();
        assert_eq!(world.probe.asked().len(), requests);
        let outcome = guard.run(&key, world.lease(), never_run::<String>).await.unwrap();
        assert_eq!(outcome.value().unwrap().len(), size);
        world.probe.asked();
    }
}

pub(crate) async fn result_that_the_store_cannot_keep_is_not_run_again<H: Harness>(
    world: &World<H>,
) {
    let guard = world.guard();
    for (op, size) in [(Op::PutSpill, 10_000), (Op::Settle, 1)] {
        let key = Key::of(&size).unwrap();
        world.probe.next(op, Trouble::Unfit);
        let work = async |_| Ok::<_, Fault>("x".repeat(size));
        let error = guard.run(&key, world.lease(), work).await.unwrap_err();
        assert_eq!((error.name(), error.may_have_happened()), ("NotKept", true));
        world.clock.advance(40 * crate::support::SECOND);
        let outcome = guard.run(&key, world.lease(), never_run::<String>).await.unwrap();
        assert_eq!(outcome, Outcome::Skipped(setpiece_idempotency::Skipped::NotKept));
    }
    // So is an error that is to be replayed.
    let key = Key::of("error").unwrap();
    let claim = owned(guard.claim(&key, world.lease()).await);
    world.probe.next(Op::Settle, Trouble::Unfit);
    let error = setpiece_idempotency::RecordedError::new("Declined", "at length");
    _ = claim.fail(&error).await.unwrap();
    let error = guard.run(&key, world.lease(), never_run::<String>).await.unwrap_err();
    assert_eq!(error.name(), "Recorded");
    // Who asks, or where, is another matter: it may be set right before the lease is over.
    let key = Key::of("table").unwrap();
    world.probe.always(Some(Op::Settle), Trouble::NoTable);
    let error = guard.run(&key, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Store", true));
    assert_eq!(world.record(&key).await.unwrap().status, Status::InProgress);
}

#[cfg(feature = "compress")]
pub(crate) async fn compressed_results_are_replayed<H: Harness>(world: &World<H>) {
    let guard = world.builder().keep(Keep::result().compressed()).build().unwrap();
    let text = "all work and no play ".repeat(100);
    let work = async |_| Ok::<_, Fault>(text.clone());
    _ = guard.run(&KEY, world.lease(), work).await.unwrap();
    assert_eq!(world.probe.asked().len(), 2, "compressed, it has room on the record");
    // Whoever does not compress can still read it.
    let outcome = world.guard().run(&KEY, world.lease(), never_run::<String>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(text));
}

pub(crate) async fn missing_spill_is_an_error<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let work = async |_| Ok::<_, Fault>("x".repeat(10_000));
    _ = guard.run(&KEY, world.lease(), work).await.unwrap();
    world.harness.lose_spills().await;
    let error = guard.run(&KEY, world.lease(), never_run::<String>).await.unwrap_err();
    assert_eq!(unreadable(&error), UnreadableWhy::Missing);
    assert!(!error.may_have_happened());
}

pub(crate) async fn result_of_another_type_is_an_error<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    _ = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(vec![1])).await.unwrap();
    let error = guard.run(&KEY, world.lease(), never_run::<bool>).await.unwrap_err();
    assert_eq!(unreadable(&error), UnreadableWhy::AnotherType);
    let text = error.to_string();
    assert!(text.contains("Vec<i32>") && text.contains("bool"), "{text}");
    let fault = Fault::from(error);
    assert_eq!(fault.kind(), FaultKind::Contract);
    assert_eq!(fault.disposition(), Disposition::FailItem, "the record is to blame");
}

pub(crate) async fn named_results_are_not_read_under_another_name<H: Harness>(world: &World<H>) {
    let one = world.builder().result_name("receipt/1").build().unwrap();
    let two = world.builder().result_name("receipt/2").build().unwrap();
    _ = one.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap();
    let error = two.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(unreadable(&error), UnreadableWhy::AnotherType);
    let outcome = one.run(&KEY, world.lease(), never_run::<i32>).await.unwrap();
    assert_eq!(outcome, Outcome::Replayed(1));
}

pub(crate) async fn corrupt_result_is_an_error<H: Harness>(world: &World<H>) {
    world.put_record(&KEY, completed(world, Stored::json(*b"{\"a\":"))).await;
    let error = world.guard().run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(unreadable(&error), UnreadableWhy::Corrupt);
    let stored = Stored::new(Body::Inline(b"?".to_vec()), Encoding::Unknown);
    world.put_record(&KEY, completed(world, stored)).await;
    let error = world.guard().run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(unreadable(&error), UnreadableWhy::UnknownEncoding);
}

pub(crate) async fn record_of_a_newer_schema_is_an_error<H: Harness>(world: &World<H>) {
    for status in [Status::InProgress, Status::Completed, Status::Released] {
        let mut record = completed(world, Stored::json(*b"1"));
        record.schema = Record::SCHEMA + 1;
        record.status = status;
        record.lease_until = (status == Status::InProgress).then(|| world.now());
        world.put_record(&KEY, record).await;
        world.clock.advance(crate::support::SECOND * 60);
        let error = world.guard().run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
        let GuardError::Newer(found) = &error else { panic!("{error:?}") };
        assert_eq!(found.record.schema, Record::SCHEMA + 1);
        assert_eq!(Fault::from(error).disposition(), Disposition::FailItem);
    }
}

pub(crate) async fn unreadable_record_is_an_error<H: Harness>(world: &World<H>) {
    let mut record = completed(world, Stored::json(*b"1"));
    record.status = Status::Unreadable("its status is not known");
    world.put_record(&KEY, record).await;
    let error = world.guard().run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "Corrupt");
}

pub(crate) async fn in_progress_without_a_lease_is_locked_until_it_expires<H: Harness>(
    world: &World<H>,
) {
    // As Powertools writes it where it does not know how much time is left.
    let mut record = Record::new(Status::InProgress);
    record.schema = 0;
    record.expires_at = Some(world.now().saturating_add(HOUR));
    world.put_record(&KEY, record).await;
    world.clock.advance(HOUR);
    let error = world.guard().run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    world.clock.advance(crate::support::SECOND);
    _ = world.guard().run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap();
}

pub(crate) async fn completion_that_is_lost_says_so<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    world.probe.always(Some(Op::Settle), Trouble::NoTable);
    let error = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap_err();
    let GuardError::Store(failed) = &error else { panic!("{error:?}") };
    assert_eq!((failed.phase, failed.may_have_happened), (Phase::Complete, true));
    assert!(Fault::from(error).may_have_happened());
}

pub(crate) async fn replay_that_cannot_be_read_says_so<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let work = async |_| Ok::<_, Fault>("x".repeat(10_000));
    _ = guard.run(&KEY, world.lease(), work).await.unwrap();
    world.probe.always(Some(Op::GetSpill), Trouble::NoTable);
    let error = guard.run(&KEY, world.lease(), work).await.unwrap_err();
    let GuardError::Store(failed) = &error else { panic!("{error:?}") };
    assert_eq!((failed.phase, failed.may_have_happened), (Phase::Read, false));
    world.probe.calm();
    // A result that cannot be put beside the record is done all the same.
    let key = Key::of("other").unwrap();
    world.probe.always(Some(Op::PutSpill), Trouble::NoTable);
    let error = guard.run(&key, world.lease(), work).await.unwrap_err();
    assert!(error.may_have_happened());
    assert!(
        world.record(&key).await.unwrap().expires_at.unwrap() > world.now().saturating_add(HOUR)
    );
}

fn completed<H: Harness>(world: &World<H>, stored: Stored) -> Record {
    let mut record = Record::new(Status::Completed);
    record.attempt = 1;
    record.owner = Some(setpiece_idempotency::record::Owner::new("somebody"));
    record.expires_at = Some(world.now().saturating_add(HOUR));
    record.result = Some(stored);
    record
}

#[track_caller]
fn unreadable(error: &GuardError<Fault>) -> UnreadableWhy {
    match error {
        GuardError::Unreadable(unreadable) => unreadable.why,
        other => panic!("{other:?}"),
    }
}

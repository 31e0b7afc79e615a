//! Results together with the caller's own writes, in one request, or without any result.

use std::cell::Cell;

use setpiece_idempotency::{
    After, Completed, Event, GuardError, OnBusy, Outcome, Sighting, record::Status,
};
use setpiece_policy::{Disposition, Fault};

use super::calls::{never_run, owned};
use crate::support::{Harness, KEY, Op, SECOND, Trouble, World, join, key};

pub(crate) async fn writes_are_committed_with_the_result<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    for expected in [Outcome::Fresh(29), Outcome::Replayed(29)] {
        let outcome = guard
            .commit(&KEY, world.lease(), async |_| {
                Ok::<_, Fault>((
                    29,
                    vec![world.harness.add("sum", 29), world.harness.put_new("new")],
                ))
            })
            .await;
        assert_eq!(outcome.unwrap(), expected);
    }
    assert_eq!(world.harness.number("sum").await, 29);
    assert_eq!(world.probe.asked(), [Op::Acquire, Op::Commit, Op::Acquire]);
}

pub(crate) async fn lost_answer_to_a_commit_is_recognised<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    for lost in 1..4 {
        let key = setpiece_idempotency::Key::of(&lost).unwrap();
        for _ in 0..lost {
            world.probe.next(Op::Commit, Trouble::AnswerLost);
        }
        let claim = owned(guard.claim(&key, world.lease()).await);
        let writes = [world.harness.add("sum", 1)];
        assert_eq!(claim.commit(&1, &writes).await.unwrap(), Completed::Kept);
        assert_eq!(world.harness.number("sum").await, lost);
    }
}

pub(crate) async fn commit_without_any_answer_is_cleared_up<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let writes = [world.harness.add("sum", 1)];
    // Applied, and nobody says so: giving the claim back finds it out.
    world.probe.always(Some(Op::Commit), Trouble::AnswerLost);
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    assert_eq!(claim.commit(&1, &writes).await.unwrap(), Completed::Kept);
    assert_eq!(world.harness.number("sum").await, 1);
    // Not applied: then it never will be, and the key is free.
    let key = setpiece_idempotency::Key::of("other").unwrap();
    world.probe.always(Some(Op::Commit), Trouble::RequestLost);
    let claim = owned(guard.claim(&key, world.lease()).await);
    let error = claim.commit(&1, &writes).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Store", false));
    assert_eq!(world.record(&key).await.unwrap().status, Status::Released);
    // Neither can be found out.
    world.probe.always(None, Trouble::RequestLost);
    world.probe.next(Op::Acquire, Trouble::AnswerLost);
    world.probe.calm();
    let claim = owned(guard.claim(&key, world.lease()).await);
    world.probe.always(None, Trouble::RequestLost);
    let error = claim.commit(&1, &writes).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Store", true));
    world.probe.calm();
    assert_eq!(world.harness.number("sum").await, 1);
}

pub(crate) async fn refused_write_commits_nothing_and_frees_the_key<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    let writes = [world.harness.add("sum", 1), world.harness.put_new("taken")];
    assert_eq!(claim.commit(&1, &[world.harness.put_new("taken")]).await.unwrap(), Completed::Kept);
    let other = setpiece_idempotency::Key::of("other").unwrap();
    let claim = owned(guard.claim(&other, world.lease()).await);
    let error = claim.commit(&1, &writes).await.unwrap_err();
    let GuardError::WriteRefused(refused) = &error else { panic!("{error:?}") };
    assert_eq!((refused.index, refused.after), (1, After::Released));
    assert!(!error.may_have_happened());
    assert_eq!(world.harness.number("sum").await, 0);
    owned(guard.claim(&other, world.lease()).await).release().await.unwrap();
}

pub(crate) async fn writes_of_work_that_must_not_be_run_twice_do_not_free_it<H: Harness>(
    world: &World<H>,
) {
    let guard = world.at_most_once();
    let writes = || vec![world.harness.put_new("taken")];
    let work = async |_| Ok::<_, Fault>((1, writes()));
    assert_eq!(guard.commit(&KEY, world.lease(), work).await.unwrap(), Outcome::Fresh(1));
    // Refused, the work was run all the same.
    let other = setpiece_idempotency::Key::of("other").unwrap();
    let error = guard.commit(&other, world.lease(), work).await.unwrap_err();
    let GuardError::WriteRefused(refused) = &error else { panic!("{error:?}") };
    assert_eq!((refused.index, refused.after), (0, After::Held));
    // Trying it here would only find the key held.
    assert_eq!(Fault::from(error).disposition(), Disposition::FailItem);
    // So it was where nobody answers: what was not written may be written yet.
    let late = setpiece_idempotency::Key::of("late").unwrap();
    world.probe.always(Some(Op::Commit), Trouble::RequestLost);
    let add = async |_| Ok::<_, Fault>((1, vec![world.harness.add("sum", 1)]));
    let error = guard.commit(&late, world.lease(), add).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Store", true));
    world.probe.calm();
    world.clock.advance(40 * SECOND);
    for key in [&other, &late] {
        let again = guard.commit(key, world.lease(), never_run::<(i32, Vec<_>)>).await;
        assert_eq!(again.unwrap_err().name(), "Interrupted");
    }
    // What was written is found.
    let written = setpiece_idempotency::Key::of("written").unwrap();
    world.probe.always(Some(Op::Commit), Trouble::AnswerLost);
    let outcome = guard.commit(&written, world.lease(), add).await.unwrap();
    assert_eq!(outcome, Outcome::Fresh(1));
    assert_eq!(world.harness.number("sum").await, 1);
}

pub(crate) async fn commit_that_was_given_up_is_not_written_by_late_requests<H: Harness>(
    world: &World<H>,
) {
    let guard = world.guard();
    world.probe.next(Op::Acquire, Trouble::Late);
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    let claiming = world.probe.late().unwrap();
    world.probe.always(Some(Op::Commit), Trouble::Late);
    let error = claim.commit(&1, &[world.harness.add("sum", 1)]).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Store", false));
    let committing = world.probe.late().unwrap();
    world.probe.calm();
    // Somebody else has it in between, and so the first request to claim takes it once more.
    owned(guard.claim(&KEY, world.lease()).await).release().await.unwrap();
    world.probe.deliver(&claiming).await;
    assert_eq!(world.record(&KEY).await.unwrap().attempt, 3);
    world.probe.deliver(&committing).await;
    assert_eq!(world.harness.number("sum").await, 0);
}

pub(crate) async fn commit_does_not_take_the_result_of_somebody_else_for_its_own<H: Harness>(
    world: &World<H>,
) {
    let guard = world.guard();
    // The same value, at the same moment; and another value, which only the release finds.
    for (theirs, trouble) in [(29, None), (77, Some(Trouble::RequestLost))] {
        let key = setpiece_idempotency::Key::of(&theirs).unwrap();
        let claim = owned(guard.claim(&key, world.lease()).await);
        let seen = guard.inspect(&key, world.deadline()).await.unwrap().unwrap();
        _ = guard.resolve(&seen, &theirs, world.deadline()).await.unwrap();
        if let Some(trouble) = trouble {
            world.probe.always(Some(Op::Commit), trouble);
        }
        let completed = claim.commit(&29, &[world.harness.add("sum", 1)]).await.unwrap();
        world.probe.calm();
        assert!(matches!(completed, Completed::Superseded(_)), "{completed:?}");
        assert_eq!(world.harness.number("sum").await, 0);
    }
}

pub(crate) async fn commit_that_cannot_be_found_any_more_may_have_happened<H: Harness>(
    world: &World<H>,
) {
    let guard = world.guard();
    let writes = [world.harness.add("sum", 1)];
    // Its answers are lost, and the record is gone when it is to be given back.
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    world.probe.always(Some(Op::Commit), Trouble::AnswerLost);
    world.probe.next(Op::Release, Trouble::Raced);
    let error = claim.commit(&1, &writes).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Store", true));
    world.probe.calm();
    // One answer is lost, and the record is gone with the next try.
    let key = setpiece_idempotency::Key::of("other").unwrap();
    let claim = owned(guard.claim(&key, world.lease()).await);
    world.probe.next(Op::Commit, Trouble::AnswerLost);
    world.probe.next(Op::Commit, Trouble::Raced);
    let error = claim.commit(&1, &writes).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("LeaseLost", true));
    assert_eq!(world.harness.number("sum").await, 2);
    // Without a lost answer it is certain.
    let key = setpiece_idempotency::Key::of("third").unwrap();
    let claim = owned(guard.claim(&key, world.lease()).await);
    world.probe.next(Op::Commit, Trouble::Raced);
    let error = claim.commit(&1, &writes).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("LeaseLost", false));
}

pub(crate) async fn nothing_has_happened_before_writes_are_sent<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    // The time is up before the work knows what to write.
    let slow = async |_| {
        world.sleep_for(100 * SECOND).await;
        Ok::<_, Fault>((1, vec![world.harness.add("sum", 1)]))
    };
    let error = guard.commit(&KEY, world.lease(), slow).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("LeaseLost", false));
    // Or it decides that there is nothing to write.
    let key = setpiece_idempotency::Key::of("other").unwrap();
    let work = async |_| Err::<(i32, Vec<_>), _>(Fault::permanent("it is none"));
    let error = guard.commit_once(&key, world.deadline(), work).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Handler", false));
}

pub(crate) async fn contended_commit_waits<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    world.probe.next(Op::Commit, Trouble::Contended);
    world.probe.next(Op::Commit, Trouble::Throttled);
    let writes = [world.harness.add("sum", 1)];
    assert_eq!(claim.commit(&1, &writes).await.unwrap(), Completed::Kept);
    assert_eq!(world.harness.number("sum").await, 1);
}

pub(crate) async fn one_request_commits_once<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let runs = Cell::new(0);
    for expected in [Outcome::Fresh(1), Outcome::Replayed(1)] {
        let outcome = guard
            .commit_once(&KEY, world.deadline(), async |_| {
                runs.set(runs.get() + 1);
                Ok::<_, Fault>((runs.get(), vec![world.harness.add("sum", 1)]))
            })
            .await;
        assert_eq!(outcome.unwrap(), expected);
        assert_eq!(world.probe.asked(), [Op::CommitOnce]);
    }
    assert_eq!(world.harness.number("sum").await, 1);
    // What was committed once is done for all ways to ask.
    let outcome = guard.run(&KEY, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(1));
}

pub(crate) async fn one_of_many_commits_once<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let key = key();
    let call = |number: i32| {
        let (guard, key) = (&guard, &key);
        async move {
            let work = async |_| {
                world.sleep_for(SECOND).await;
                Ok::<_, Fault>((number, vec![world.harness.add("sum", 1)]))
            };
            guard.commit_once(key, world.deadline(), work).await.unwrap().value().unwrap()
        }
    };
    let results = join(vec![Box::pin(call(1)), Box::pin(call(2)), Box::pin(call(3))]).await;
    assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
    assert_eq!(world.harness.number("sum").await, 1);
}

pub(crate) async fn lost_answer_to_a_single_request_is_recognised<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let work = async |_| Ok::<_, Fault>((1, vec![world.harness.add("sum", 1)]));
    world.probe.next(Op::CommitOnce, Trouble::AnswerLost);
    let outcome = guard.commit_once(&KEY, world.deadline(), work).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
    // Without any answer, the record still tells.
    let key = setpiece_idempotency::Key::of("other").unwrap();
    world.probe.always(Some(Op::CommitOnce), Trouble::AnswerLost);
    let outcome = guard.commit_once(&key, world.deadline(), work).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
    // And where it does not, it may still come.
    let key = setpiece_idempotency::Key::of("third").unwrap();
    world.probe.always(Some(Op::CommitOnce), Trouble::RequestLost);
    let error = guard.commit_once(&key, world.deadline(), work).await.unwrap_err();
    assert!(error.may_have_happened());
    assert_eq!(world.harness.number("sum").await, 2);
}

pub(crate) async fn probing_first_does_not_run_what_is_done<H: Harness>(world: &World<H>) {
    let guard = world.builder().probe_first().build().unwrap();
    let work = async |_| Ok::<_, Fault>((1, vec![]));
    let outcome = guard.commit_once(&KEY, world.deadline(), work).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
    assert_eq!(world.probe.asked(), [Op::Read, Op::CommitOnce]);
    let outcome = guard.commit_once(&KEY, world.deadline(), never_run::<(i32, Vec<_>)>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(1));
    let outcome = guard.run(&KEY, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(1));
    assert_eq!(world.probe.asked(), [Op::Read, Op::Read]);
}

pub(crate) async fn probe_without_an_answer_leaves_time_to_work<H: Harness>(world: &World<H>) {
    let work = async |_| Ok::<_, Fault>((1, vec![world.harness.add("sum", 1)]));
    let patient = world.builder().probe_first().build().unwrap();
    // It begins only with so much time, and half of it is gone when nothing was heard.
    let hasty = world.builder().probe_first().min_time(20 * SECOND).build().unwrap();
    for (guard, expected) in [(&patient, None), (&hasty, Some("NoTime"))] {
        for once in [false, true] {
            let key = setpiece_idempotency::Key::of(&format!("{once} {expected:?}")).unwrap();
            let half = world.now().saturating_add(15 * SECOND);
            world.probe.next(Op::Read, Trouble::Stalled);
            world.probe.asked();
            let answer = if once {
                guard.commit_once(&key, world.deadline(), work).await
            } else {
                guard.commit(&key, world.lease(), work).await
            };
            let name = answer.as_ref().err().map(GuardError::name);
            assert_eq!((name, world.now()), (expected, half), "{once}");
            let asked = world.probe.asked();
            assert!(expected.is_none() || asked == [Op::Read], "{once}: {asked:?}");
        }
    }
    assert_eq!(world.harness.number("sum").await, 2);
}

pub(crate) async fn reading_while_waiting_ends_with_the_wait<H: Harness>(world: &World<H>) {
    let guard = world.builder().on_busy(OnBusy::Wait(5 * SECOND)).build().unwrap();
    let claim = owned(world.guard().claim(&KEY, world.lease()).await);
    let end = world.now().saturating_add(5 * SECOND);
    world.probe.always(Some(Op::Read), Trouble::Stalled);
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!((error.name(), world.now()), ("InProgress", end));
    drop(claim);
}

pub(crate) async fn refused_single_request_writes_nothing<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    let work = async |_| Ok::<_, Fault>((1, vec![world.harness.add("sum", 1)]));
    let error = guard.commit_once(&KEY, world.deadline(), work).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    _ = claim.commit(&1, &[world.harness.put_new("taken")]).await.unwrap();
    let other = setpiece_idempotency::Key::of("other").unwrap();
    let work = async |_| {
        Ok::<_, Fault>((1, vec![world.harness.add("sum", 1), world.harness.put_new("taken")]))
    };
    let error = guard.commit_once(&other, world.deadline(), work).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("WriteRefused", false));
    assert_eq!(world.record(&other).await, None);
    assert_eq!(world.harness.number("sum").await, 0);
}

pub(crate) async fn key_is_seen_for_the_first_time_once<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    world.probe.next(Op::CommitOnce, Trouble::AnswerLost);
    assert_eq!(guard.seen(&KEY, world.deadline()).await.unwrap(), Sighting::First);
    world.probe.asked();
    assert_eq!(guard.seen(&KEY, world.deadline()).await.unwrap(), Sighting::Again);
    assert_eq!(world.probe.asked(), [Op::CommitOnce]);
    assert_eq!(world.events(), [Event::OwnWrite, Event::Fresh, Event::Duplicate]);
    world.clock.advance(2 * crate::support::HOUR);
    assert_eq!(guard.seen(&KEY, world.deadline()).await.unwrap(), Sighting::First);
}

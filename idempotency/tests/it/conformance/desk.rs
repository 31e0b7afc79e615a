//! What people on call do.

use setpiece_idempotency::{
    Amended, Completed, GuardError, Inspected, Outcome, RecordedError, record::Status,
};
use setpiece_policy::Fault;

use super::calls::{never_run, owned};
use crate::support::{Harness, KEY, Op, SECOND, Trouble, World};

async fn inspect<H: Harness>(world: &World<H>) -> Inspected {
    world.guard().inspect(&KEY, world.deadline()).await.unwrap().unwrap()
}

/// Work that was begun, must not be run again, and did not come back.
async fn interrupted<H: Harness>(world: &World<H>) -> Inspected {
    drop(owned(world.at_most_once().claim(&KEY, world.lease()).await));
    world.clock.advance(40 * SECOND);
    inspect(world).await
}

pub(crate) async fn what_is_not_there_is_not_shown<H: Harness>(world: &World<H>) {
    assert_eq!(world.guard().inspect(&KEY, world.deadline()).await.unwrap(), None);
}

pub(crate) async fn released_work_is_run_again<H: Harness>(world: &World<H>) {
    let guard = world.at_most_once();
    let seen = interrupted(world).await;
    assert_eq!((seen.record.status, seen.record.attempt), (Status::InProgress, 1));
    assert_eq!(guard.release(&seen, world.deadline()).await.unwrap(), Amended::Done);
    let outcome = guard.run(&KEY, world.lease(), async |held| Ok::<_, Fault>(held.attempt()));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(2));
}

pub(crate) async fn resolved_work_is_replayed<H: Harness>(world: &World<H>) {
    let guard = world.at_most_once();
    let seen = interrupted(world).await;
    assert_eq!(guard.resolve(&seen, &29, world.deadline()).await.unwrap(), Amended::Done);
    let outcome = guard.run(&KEY, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(29));
}

pub(crate) async fn lost_answer_to_a_resolution_is_recognised<H: Harness>(world: &World<H>) {
    let guard = world.at_most_once();
    let seen = interrupted(world).await;
    world.probe.next(Op::Amend, Trouble::AnswerLost);
    assert_eq!(guard.resolve(&seen, &29, world.deadline()).await.unwrap(), Amended::Done);
    // Another one who has seen the same comes too late.
    let amended = guard.resolve(&seen, &29, world.deadline()).await.unwrap();
    assert!(matches!(amended, Amended::Changed(Some(_))), "{amended:?}");
}

pub(crate) async fn work_that_is_resolved_as_failed_fails_alike<H: Harness>(world: &World<H>) {
    let guard = world.at_most_once();
    let seen = interrupted(world).await;
    let error = RecordedError::new("Refunded", "by hand");
    let amended = guard.resolve_as_failed(&seen, &error, world.deadline()).await.unwrap();
    assert_eq!(amended, Amended::Done);
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert!(matches!(error, GuardError::Recorded(recorded) if recorded.code == "Refunded"));
}

pub(crate) async fn forgotten_work_is_run_anew<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    _ = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap();
    let seen = inspect(world).await;
    assert_eq!(guard.forget(&seen, world.deadline()).await.unwrap(), Amended::Done);
    assert_eq!(world.record(&KEY).await, None);
    let outcome = guard.run(&KEY, world.lease(), async |held| Ok::<_, Fault>(held.attempt()));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(1));
}

pub(crate) async fn completed_work_is_not_released<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    _ = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap();
    let seen = inspect(world).await;
    let amended = guard.release(&seen, world.deadline()).await.unwrap();
    assert_eq!(amended, Amended::Changed(Some(Box::new(seen))));
}

pub(crate) async fn live_work_is_not_released_by_mistake<H: Harness>(world: &World<H>) {
    let guard = world.at_most_once();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    let seen = inspect(world).await;
    assert_eq!(guard.release(&seen, world.deadline()).await.unwrap(), Amended::Live);
    assert_eq!(inspect(world).await, seen);
    let released = guard.release_live(&seen, world.deadline()).await.unwrap();
    assert_eq!(released, Amended::Done);
    let error = claim.complete(&1).await.unwrap_err();
    assert_eq!(error.name(), "LeaseLost");
}

pub(crate) async fn live_work_is_not_forgotten_by_mistake<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    let seen = inspect(world).await;
    assert_eq!(guard.forget(&seen, world.deadline()).await.unwrap(), Amended::Live);
    assert_eq!(inspect(world).await, seen);
    let forgotten = guard.forget_live(&seen, world.deadline()).await.unwrap();
    assert_eq!(forgotten, Amended::Done);
    assert_eq!(claim.complete(&1).await.unwrap(), Completed::Vanished);
    // Nor does a lease that is over protect it.
    world.clock.advance(40 * SECOND);
    let again = owned(guard.claim(&KEY, world.lease()).await);
    drop(again);
    world.clock.advance(40 * SECOND);
    let seen = inspect(world).await;
    assert_eq!(guard.forget(&seen, world.deadline()).await.unwrap(), Amended::Done);
}

pub(crate) async fn what_has_changed_is_not_amended<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let deadline = world.deadline();
    let mut claim = owned(guard.claim(&KEY, world.lease()).await);
    let claimed = inspect(world).await;
    world.clock.advance(SECOND);
    // A heartbeat says that somebody is alive.
    let lease = setpiece_idempotency::Lease::short(world.deadline_in(600 * SECOND), 60 * SECOND);
    claim.release().await.unwrap();
    claim = owned(guard.claim(&KEY, lease).await);
    let reclaimed = inspect(world).await;
    world.clock.advance(SECOND);
    claim.extend().await.unwrap();
    let extended = inspect(world).await;
    for seen in [&claimed, &reclaimed] {
        let unchanged = Amended::Changed(Some(Box::new(extended.clone())));
        assert_eq!(guard.release_live(seen, deadline).await.unwrap(), unchanged);
        assert_eq!(guard.resolve(seen, &1, deadline).await.unwrap(), unchanged);
        assert_eq!(guard.forget_live(seen, deadline).await.unwrap(), unchanged);
    }
    assert_eq!(guard.forget_live(&extended, deadline).await.unwrap(), Amended::Done);
    assert_eq!(guard.forget_live(&extended, deadline).await.unwrap(), Amended::Changed(None));
    drop(claim);
}

pub(crate) async fn result_of_somebody_on_call_stands<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    let seen = inspect(world).await;
    _ = guard.resolve(&seen, &"theirs", world.deadline()).await.unwrap();
    let completed = claim.complete(&"ours").await.unwrap();
    assert!(matches!(completed, Completed::Superseded(_)), "{completed:?}");
    let outcome = guard.run(&KEY, world.lease(), never_run::<String>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed("theirs".to_owned()));
}

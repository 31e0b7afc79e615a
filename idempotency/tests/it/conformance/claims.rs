//! Leases, takeovers, lost answers, attempts, clocks and waiting.

use std::{
    cell::Cell,
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use setpiece_idempotency::{
    Amended, Completed, Event, GuardError, Key, Lease, LostHow, OnBusy, Outcome, RecordedError,
    Semantics, Store as _,
    record::{Owner, Status, Stored},
    store::{Acquire, Acquired, CommitReply, Extend, Once, RecordKey, Release, Reply},
    verdict::{self, Refusal},
};
use setpiece_policy::Fault;

use super::calls::{never_run, owned};
use crate::{
    faults::TROUBLES,
    support::{HOUR, Harness, KEY, Op, SECOND, Trouble, World, join, key},
};

const MILLI: Duration = Duration::from_millis(1);

pub(crate) async fn lapsed_claim_is_taken_over_and_not_before<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    drop(owned(guard.claim(&KEY, world.lease()).await));
    // 30 s, a second of grace, and a second that clocks may differ by.
    world.clock.advance(32 * SECOND);
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    world.clock.advance(MILLI);
    let outcome = guard.run(&KEY, world.lease(), async |held| Ok::<_, Fault>(held.attempt()));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(2));
    let outcome = guard.run(&KEY, world.lease(), never_run::<u64>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(2));
}

pub(crate) async fn one_of_two_takes_over<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    drop(owned(guard.claim(&KEY, world.lease()).await));
    world.clock.advance(33 * SECOND);
    let first = owned(guard.claim(&KEY, world.lease()).await);
    let error = guard.claim(&KEY, world.lease()).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    assert_eq!(first.attempt(), 2);
    first.release().await.unwrap();
}

pub(crate) async fn late_completion_counts_while_nobody_took_over<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    world.clock.advance(10 * 60 * SECOND);
    assert_eq!(claim.complete(&1).await.unwrap(), Completed::Kept);
    let outcome = guard.run(&KEY, world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(1));
}

pub(crate) async fn zombie_neither_completes_nor_releases<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let mut zombies = Vec::new();
    for _ in 0..4 {
        zombies.push(owned(guard.claim(&KEY, world.lease()).await));
        world.clock.advance(33 * SECOND);
    }
    let live = owned(guard.claim(&KEY, world.lease()).await);
    let before = world.record(&KEY).await;
    let lost = |error: GuardError| {
        let GuardError::LeaseLost(lost) = error else { panic!("{error:?}") };
        assert_eq!(lost.why, LostHow::Taken);
    };
    lost(zombies.remove(0).complete(&"zombie").await.unwrap_err());
    lost(zombies.remove(0).release().await.unwrap_err());
    let mut zombie = zombies.remove(0);
    lost(zombie.extend().await.unwrap_err());
    drop(zombie);
    let writes = [world.harness.add("zombie", 1)];
    lost(zombies.remove(0).commit(&"zombie", &writes).await.unwrap_err());
    assert_eq!(world.record(&KEY).await, before);
    assert_eq!(world.harness.number("zombie").await, 0);
    assert_eq!(live.complete(&"live").await.unwrap(), Completed::Kept);
    let outcome = guard.run(&KEY, world.lease(), never_run::<String>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed("live".to_owned()));
}

pub(crate) async fn zombie_answers_with_the_result_that_stands<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    // A lease that its holder overstays: it sleeps through it on a clock that stands still.
    let zombie = owned(guard.claim(&KEY, world.lease()).await);
    world.clock.advance(33 * SECOND);
    _ = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap();
    let Completed::Superseded(found) = zombie.complete(&"zombie").await.unwrap() else {
        panic!("it was kept")
    };
    assert_eq!(found.record.attempt, 2);
    assert_eq!(world.events(), [Event::Fresh, Event::Superseded]);
    // And so does a call that was overtaken while it ran.
    let key = Key::of("other").unwrap();
    let outcome = guard
        .run(&key, world.lease(), async |_| {
            let seen = guard.inspect(&key, world.deadline()).await.unwrap().unwrap();
            _ = guard.resolve(&seen, &2, world.deadline()).await.unwrap();
            Ok::<_, Fault>(1)
        })
        .await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(2));
    assert_eq!(world.events(), [Event::Superseded]);
}

pub(crate) async fn overtaken_call_tells_that_its_work_was_run<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    // What stands in place of its result is an error.
    let error = guard
        .run(&KEY, world.lease(), async |_| {
            let seen = guard.inspect(&KEY, world.deadline()).await.unwrap().unwrap();
            let declined = RecordedError::new("Declined", "no");
            _ = guard.resolve_as_failed(&seen, &declined, world.deadline()).await.unwrap();
            Ok::<_, Fault>(1)
        })
        .await
        .unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Recorded", true));
    assert!(Fault::from(error).may_have_happened());
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Recorded", false));
    // Or it cannot be read, for one reason or another.
    for (number, name) in [(1, "Store"), (2, "Unreadable")] {
        let key = Key::of(&number).unwrap();
        let error = guard
            .run(&key, world.lease(), async |_| {
                let seen = guard.inspect(&key, world.deadline()).await.unwrap().unwrap();
                world.probe.next(Op::GetSpill, Trouble::NoTable);
                _ = match number {
                    1 => guard.resolve(&seen, &"x".repeat(10_000), world.deadline()).await,
                    _ => guard.resolve(&seen, &29, world.deadline()).await,
                };
                Ok::<_, Fault>("mine".to_owned())
            })
            .await
            .unwrap_err();
        assert_eq!((error.name(), error.may_have_happened()), (name, true));
    }
    // And an error of the work does not tell that nothing happened, though the key is free.
    let key = Key::of("failed").unwrap();
    let work = async |_| Err::<i32, _>(Fault::transient("no answer"));
    let error = guard.run(&key, world.lease(), work).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Handler", true));
}

pub(crate) async fn attempts_rise_over_release_takeover_and_expiry<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let mut attempts = Vec::new();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    attempts.push(claim.attempt());
    claim.release().await.unwrap();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    attempts.push(claim.attempt());
    drop(claim);
    world.clock.advance(33 * SECOND);
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    attempts.push(claim.attempt());
    _ = claim.complete(&1).await.unwrap();
    world.clock.advance(2 * HOUR);
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    attempts.push(claim.attempt());
    claim.release().await.unwrap();
    assert_eq!(attempts, [1, 2, 3, 4]);
}

pub(crate) async fn downstream_keys_are_stable_over_attempts<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let first = owned(guard.claim(&KEY, world.lease()).await);
    let (card, mail) = (first.downstream_key("card"), first.downstream_key("mail"));
    first.release().await.unwrap();
    let second = owned(guard.claim(&KEY, world.lease()).await);
    assert_eq!(second.downstream_key("card"), card);
    assert_ne!(card, mail);
    second.release().await.unwrap();
    let other = owned(guard.claim(&Key::of("order-18").unwrap(), world.lease()).await);
    assert_ne!(other.downstream_key("card"), card);
    other.release().await.unwrap();
}

pub(crate) async fn lost_answer_to_a_claim_is_recognised<H: Harness>(world: &World<H>) {
    world.probe.next(Op::Acquire, Trouble::AnswerLost);
    let guard = world.guard();
    let outcome = guard.run(&KEY, world.lease(), async |held| Ok::<_, Fault>(held.attempt()));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(1));
    assert_eq!(world.probe.asked(), [Op::Acquire, Op::Acquire, Op::Settle]);
    assert_eq!(world.events(), [Event::OwnWrite, Event::Fresh]);
}

pub(crate) async fn lost_answer_to_a_completion_is_recognised<H: Harness>(world: &World<H>) {
    world.probe.next(Op::Settle, Trouble::AnswerLost);
    let outcome = world.guard().run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
    assert_eq!(world.events(), [Event::OwnWrite, Event::Fresh]);
}

pub(crate) async fn lost_answers_to_releases_and_heartbeats_are_recognised<H: Harness>(
    world: &World<H>,
) {
    let guard = world.guard();
    let mut claim = owned(guard.claim(&KEY, world.lease()).await);
    world.probe.next(Op::Extend, Trouble::AnswerLost);
    claim.extend().await.unwrap();
    world.probe.next(Op::Release, Trouble::AnswerLost);
    claim.release().await.unwrap();
    assert_eq!(world.record(&KEY).await.unwrap().status, Status::Released);
}

pub(crate) async fn at_most_once_never_runs_again<H: Harness>(world: &World<H>) {
    let guard = world.at_most_once();
    drop(owned(guard.claim(&KEY, world.lease()).await));
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    world.clock.advance(40 * SECOND);
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert!(error.may_have_happened());
    let GuardError::Interrupted(found) = error else { panic!("{error:?}") };
    assert_eq!(found.record.status, Status::InProgress);
    // An error alone does not tell that nothing happened.
    let key = Key::of("order-18").unwrap();
    guard.run(&key, world.lease(), async |_| Err::<i32, _>("?")).await.unwrap_err();
    world.clock.advance(40 * SECOND);
    let error = guard.run(&key, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "Interrupted");
}

pub(crate) async fn claim_without_an_answer_is_no_interrupted_work<H: Harness>(world: &World<H>) {
    let guard = world.at_most_once();
    world.probe.always(Some(Op::Acquire), Trouble::AnswerLost);
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Store", false));
    world.probe.calm();
    let outcome = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
}

pub(crate) async fn heartbeat_keeps_a_short_lease<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let lease = Lease::short(world.deadline_in(600 * SECOND), 9 * SECOND);
    let other = world.guard();
    let outcome = guard
        .run(&KEY, lease, async |_| {
            for _ in 0..10 {
                world.sleep_for(10 * SECOND).await;
                let error = other.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
                assert_eq!(error.name(), "InProgress");
            }
            Ok::<_, Fault>(1)
        })
        .await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
    let beats = world.probe.asked().iter().filter(|op| **op == Op::Extend).count();
    assert!((30..=34).contains(&beats), "{beats} in 100 s, one in 3 s");
}

pub(crate) async fn crash_frees_a_short_lease_soon<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let lease = Lease::short(world.deadline_in(600 * SECOND), 9 * SECOND);
    drop(owned(guard.claim(&KEY, lease).await));
    world.clock.advance(10 * SECOND + MILLI);
    _ = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await.unwrap();
}

pub(crate) async fn heartbeat_that_lost_its_lease_cancels_the_work<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let lease = Lease::short(world.deadline_in(600 * SECOND), 9 * SECOND);
    let error = guard
        .run(&KEY, lease, async |_| {
            world.sleep_for(SECOND).await;
            let seen = guard.inspect(&KEY, world.deadline()).await.unwrap().unwrap();
            _ = guard.release_live(&seen, world.deadline()).await.unwrap();
            world.sleep_for(3 * SECOND).await;
            panic!("it was not cancelled");
            #[expect(unreachable_code, reason = "it says what the work would return")]
            Ok::<i32, Fault>(1)
        })
        .await
        .unwrap_err();
    let GuardError::LeaseLost(lost) = error else { panic!("{error:?}") };
    assert_eq!((lost.why, lost.may_have_happened), (LostHow::Taken, true));
}

pub(crate) async fn heartbeat_without_answers_cancels_the_work_in_time<H: Harness>(
    world: &World<H>,
) {
    let guard = world.guard();
    let lease = Lease::short(world.deadline_in(600 * SECOND), 9 * SECOND);
    let start = world.now();
    world.probe.always(Some(Op::Extend), Trouble::RequestLost);
    let error = guard
        .run(&KEY, lease, async |_| {
            world.sleep_for(60 * SECOND).await;
            Ok::<_, Fault>(1)
        })
        .await
        .unwrap_err();
    let GuardError::LeaseLost(lost) = error else { panic!("{error:?}") };
    assert_eq!(lost.why, LostHow::StoreSilent);
    // A second before the lease is over, which is what clocks may differ by.
    assert!(world.now() <= start.saturating_add(8 * SECOND));
}

pub(crate) async fn trouble_with_a_heartbeat_is_survived<H: Harness>(world: &World<H>) {
    for trouble in TROUBLES {
        for always in [false, true] {
            let name = format!("{trouble:?} {always}");
            let (guard, key) = (world.guard(), Key::of(name.as_str()).unwrap());
            if always {
                world.probe.always(Some(Op::Extend), trouble);
            } else {
                world.probe.next(Op::Extend, trouble);
            }
            let lease = Lease::short(world.deadline_in(600 * SECOND), 9 * SECOND);
            let start = world.now();
            let work = async |_| {
                world.sleep_for(20 * SECOND).await;
                Ok::<_, Fault>(1)
            };
            let first = guard.run(&key, lease, work).await;
            world.probe.calm();
            // An answer that never comes is waited for until the work has to end.
            if always || matches!(trouble, Trouble::Stalled | Trouble::AnswerStalled) {
                let Err(GuardError::LeaseLost(lost)) = &first else { panic!("{name}: {first:?}") };
                assert_eq!((lost.why, lost.may_have_happened), (LostHow::StoreSilent, true));
                assert!(world.now() <= start.saturating_add(9 * SECOND), "{name}");
            } else {
                assert_eq!(first.unwrap(), Outcome::Fresh(1), "{name}");
            }
            // The last heartbeat of which nobody heard may have made it longer by so much.
            world.clock.advance(19 * SECOND);
            let second = guard.run(&key, world.lease(), work).await;
            assert_eq!(second.unwrap().value(), Some(1), "{name}");
        }
    }
}

pub(crate) async fn work_is_cancelled_before_its_lease_is_over<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let start = world.now();
    let error = guard
        .run(&KEY, world.lease(), async |_| {
            world.sleep_for(60 * SECOND).await;
            Ok::<_, Fault>(1)
        })
        .await
        .unwrap_err();
    let GuardError::LeaseLost(lost) = error else { panic!("{error:?}") };
    assert_eq!(lost.why, LostHow::TimeUp);
    assert_eq!(world.now(), start.saturating_add(30 * SECOND));
    // Without a claim it is cancelled at the deadline.
    let (start, key) = (world.now(), Key::of("once").unwrap());
    let never = |_| std::future::pending::<Result<(i32, Vec<_>), Fault>>();
    let once = guard.commit_once(&key, world.deadline_in(30 * SECOND), never);
    let GuardError::LeaseLost(lost) = once.await.unwrap_err() else { panic!("it ended") };
    assert_eq!((lost.why, lost.may_have_happened), (LostHow::TimeUp, false));
    assert_eq!(world.now(), start.saturating_add(30 * SECOND));
    assert_eq!(world.record(&key).await, None);
}

pub(crate) async fn nothing_goes_on_after_the_deadline<H: Harness>(world: &World<H>) {
    // A lease that ends long after it, by more than clocks differ.
    let lease = || world.lease().with_grace(HOUR);
    let deadline = world.deadline().instant();
    let slow = async |_| {
        world.sleep_for(HOUR).await;
        Ok::<_, Fault>(1)
    };
    let error = world.guard().run(&KEY, lease(), slow).await.unwrap_err();
    let GuardError::LeaseLost(lost) = error else { panic!("{error:?}") };
    assert_eq!((lost.why, world.now()), (LostHow::TimeUp, deadline));

    for semantics in [Semantics::AtLeastOnce, Semantics::AtMostOnce] {
        for op in [Op::Settle, Op::PutSpill, Op::Commit, Op::Release, Op::Extend] {
            let name = format!("{semantics:?} {op:?}");
            let guard = world.builder().semantics(semantics).build().unwrap();
            let key = Key::of(name.as_str()).unwrap();
            world.probe.always(Some(op), Trouble::Stalled);
            if let Op::Settle | Op::PutSpill = op {
                let size = if op == Op::Settle { 1 } else { 10_000 };
                let work = async |_| Ok::<_, Fault>("x".repeat(size));
                in_time(world, &name, guard.run(&key, lease(), work)).await.unwrap_err();
            } else {
                world.probe.next(Op::Commit, Trouble::Stalled);
                let work = async |_| Ok::<_, Fault>((1, vec![world.harness.add("sum", 1)]));
                in_time(world, &name, guard.commit(&key, lease(), work)).await.unwrap_err();
                let fails = async |_| Err::<i32, _>(Fault::throttled("no"));
                let other = Key::of(&format!("{name}, fails")).unwrap();
                in_time(world, &name, guard.run(&other, lease(), fails)).await.unwrap_err();
            }
            world.probe.calm();
        }
    }
}

/// Makes a call, which must not go on for longer than it may.
async fn in_time<H: Harness, T>(world: &World<H>, name: &str, call: impl Future<Output = T>) -> T {
    // What must be said at the end is given a moment: a commit, and what became of it.
    let end = world.deadline().instant().saturating_add(400 * MILLI);
    let ended = call.await;
    assert!(world.now() <= end, "{name}: it ended at {:?}", world.now());
    ended
}

pub(crate) async fn process_that_stood_still_does_not_go_on<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let deadline = world.deadline_in(600 * SECOND);
    for (name, lease) in [("until", world.lease()), ("short", Lease::short(deadline, 30 * SECOND))]
    {
        let (stood_still, key) = (Cell::new(false), Key::of(name).unwrap());
        let work = || {
            poll_fn(
                |_| if stood_still.get() { Poll::Ready(Ok::<_, Fault>(1)) } else { Poll::Pending },
            )
        };
        let call = async { guard.run(&key, lease, |_| work()).await.map(drop) };
        // Whatever wakes it, before its own timer has a say.
        let freeze = async {
            world.sleep_for(5 * SECOND).await;
            world.clock.advance(60 * SECOND);
            stood_still.set(true);
            Ok(())
        };
        let ended = join(vec![Box::pin(freeze), Box::pin(call)]).await;
        let Err(GuardError::LeaseLost(lost)) = &ended[1] else { panic!("{name}: {ended:?}") };
        assert_eq!((lost.why, lost.may_have_happened), (LostHow::TimeUp, true), "{name}");
        assert!(!world.probe.asked().contains(&Op::Extend), "{name}");
    }
}

pub(crate) async fn answer_that_outlasts_the_lease_begins_nothing<H: Harness>(world: &World<H>) {
    let clock = world.clock.clone();
    // The process stands still while the answer is on its way.
    let late = move |report: &setpiece_idempotency::Report<'_>| {
        if report.event == Event::OwnWrite {
            clock.advance(60 * SECOND);
        }
    };
    let guard = world.builder().observer(late).build().unwrap();
    world.probe.next(Op::Acquire, Trouble::AnswerLost);
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("NoTime", false));
    assert_eq!(world.record(&KEY).await.unwrap().status, Status::Released);
}

pub(crate) async fn late_heartbeat_makes_no_lease_shorter<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let lease = Lease::short(world.deadline_in(900 * SECOND), 30 * SECOND);
    let mut claim = owned(guard.claim(&KEY, lease).await);
    world.clock.advance(10 * SECOND);
    let now = world.now();
    let (key, owner) = (claim.held().record_key().clone(), claim.held().owner().clone());
    let until = now.saturating_add(30 * SECOND);
    let late = Extend::new(key, owner, now, until, now.saturating_add(2 * HOUR));
    world.clock.advance(10 * SECOND);
    claim.extend().await.unwrap();
    let Reply::Refused(found) = world.harness.store().extend(&late).await.unwrap() else {
        panic!("it was applied")
    };
    let longer = verdict::extend(&late, found);
    assert_eq!(longer, verdict::Unextended::Longer(claim.lease_until()));
    assert_eq!(world.record(&KEY).await.unwrap().lease_until, Some(claim.lease_until()));
    // After it, a claim that is sure of its lease still has the key for itself.
    world.clock.advance(22 * SECOND);
    assert!(world.now() < claim.work_until());
    assert_eq!(guard.claim(&KEY, world.lease()).await.unwrap_err().name(), "InProgress");
    claim.release().await.unwrap();
}

pub(crate) async fn late_claim_has_the_lease_that_is_on_the_record<H: Harness>(world: &World<H>) {
    let ids = Ids(setpiece_envelope::SystemIds::new(), Arc::default());
    let drawn = Arc::clone(&ids.1);
    let waiting = world.builder().ids(ids).on_busy(OnBusy::Wait(20 * SECOND)).build().unwrap();
    let guard = world.guard();
    let holder = owned(guard.claim(&KEY, world.lease()).await);
    let begin = world.now();
    // The first try is on its way for two seconds, and its sender tries again meanwhile.
    world.probe.next(Op::Acquire, Trouble::RequestLost);
    let lease = Lease::short(world.deadline_in(900 * SECOND), 5 * SECOND);
    let key = key();
    let claims = join::<Option<_>>(vec![
        Box::pin(async { Some(owned(waiting.claim(&key, lease).await)) }),
        Box::pin(async {
            world.sleep_for(2 * SECOND).await;
            holder.release().await.unwrap();
            let owner = Owner::new(drawn.lock().unwrap()[0].as_str());
            let (until, expires) =
                (begin.saturating_add(5 * SECOND), begin.saturating_add(2 * HOUR));
            let late = Acquire::new(guard.record_key(&key), owner, begin, until, expires);
            let reply = world.harness.store().acquire(&late).await.unwrap();
            assert!(matches!(reply, Reply::Applied(_)), "{reply:?}");
            None
        }),
    ])
    .await;
    let claim = claims.into_iter().flatten().next().unwrap();
    assert_eq!(world.record(&KEY).await.unwrap().lease_until, Some(claim.lease_until()));
    assert_eq!(claim.lease_until(), begin.saturating_add(5 * SECOND));
    claim.release().await.unwrap();
}

/// Ids as they are drawn everywhere, which can be seen.
struct Ids(setpiece_envelope::SystemIds, Arc<Mutex<Vec<setpiece_envelope::EventId>>>);

impl setpiece_envelope::IdSource for Ids {
    fn next_id(&self, now: setpiece_envelope::Timestamp) -> setpiece_envelope::EventId {
        let id = self.0.next_id(now);
        self.1.lock().unwrap().push(id.clone());
        id
    }
}

pub(crate) async fn too_little_time_claims_nothing<H: Harness>(world: &World<H>) {
    for left in [Duration::ZERO, 50 * MILLI] {
        let lease = Lease::until(world.deadline_in(left));
        let error = world.guard().run(&KEY, lease, never_run::<i32>).await.unwrap_err();
        assert_eq!(error.name(), "NoTime");
    }
    assert_eq!(world.probe.asked(), []);
    let (guard, lease) = (world.guard(), Lease::until(world.deadline_in(100 * MILLI)));
    let outcome = guard.run(&KEY, lease, async |_| Ok::<_, Fault>(1));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(1));
}

pub(crate) async fn time_that_clocks_may_differ_by_is_no_time_to_begin<H: Harness>(
    world: &World<H>,
) {
    let guard = world.builder().skew(10 * SECOND).max_attempts(1).build().unwrap();
    // Until nine seconds from now, so that the work would have to end a second ago.
    for _ in 0..3 {
        let lease = Lease::until(world.deadline_in(8 * SECOND));
        let error = guard.run(&KEY, lease, never_run::<i32>).await.unwrap_err();
        assert_eq!(error.name(), "NoTime");
        assert_eq!(world.probe.asked(), []);
    }
    let outcome = guard.run(&KEY, world.lease(), async |held| Ok::<_, Fault>(held.attempt()));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(1));
}

pub(crate) async fn contended_record_is_busy_and_no_fault<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    world.probe.next(Op::Acquire, Trouble::Contended);
    let outcome = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
    world.probe.always(Some(Op::Acquire), Trouble::Contended);
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    let GuardError::Busy(busy) = error else { panic!("{error:?}") };
    assert_eq!(busy.until, None);
}

pub(crate) async fn record_that_keeps_changing_is_given_up<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    world.probe.next(Op::Acquire, Trouble::Raced);
    let outcome = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
    world.probe.asked();
    world.probe.always(Some(Op::Acquire), Trouble::Raced);
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Store", false));
    assert_eq!(world.probe.asked().len(), 3);
}

pub(crate) async fn attempts_are_bounded<H: Harness>(world: &World<H>) {
    let guard = world.builder().max_attempts(2).build().unwrap();
    for _ in 0..2 {
        guard.run(&KEY, world.lease(), async |_| Err::<i32, _>("no")).await.unwrap_err();
    }
    for _ in 0..2 {
        let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
        let GuardError::Exhausted(exhausted) = error else { panic!("{error:?}") };
        assert_eq!(exhausted.max_attempts, 2);
    }
}

pub(crate) async fn attempts_are_bounded_until_the_work_is_done<H: Harness>(world: &World<H>) {
    let guard = world.builder().max_attempts(2).build().unwrap();
    for retention in 0..3 {
        let failed = guard.run(&KEY, world.lease(), async |_| Err::<u64, _>("no")).await;
        assert_eq!(failed.unwrap_err().name(), "Handler");
        let work = async |held: setpiece_idempotency::Held| Ok::<_, Fault>(held.attempt());
        let outcome = guard.run(&KEY, world.lease(), work).await;
        assert_eq!(outcome.unwrap(), Outcome::Fresh(2 * retention + 2), "the fence goes on");
        world.clock.advance(24 * HOUR);
    }
    // Who gives it back wants it to be run.
    for _ in 0..2 {
        guard.run(&KEY, world.lease(), async |_| Err::<i32, _>("no")).await.unwrap_err();
    }
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "Exhausted");
    let seen = guard.inspect(&KEY, world.deadline()).await.unwrap().unwrap();
    _ = guard.release(&seen, world.deadline()).await.unwrap();
    let outcome = guard.run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
}

pub(crate) async fn attempts_are_bounded_until_the_record_is_deleted<H: Harness>(world: &World<H>) {
    let guard = world.builder().max_attempts(2).build().unwrap();
    for _ in 0..2 {
        guard.run(&KEY, world.lease(), async |_| Err::<i32, _>("no")).await.unwrap_err();
        world.clock.advance(24 * HOUR);
    }
    // It has expired each time, and the attempts are counted on.
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "Exhausted");
    assert_eq!(world.record(&KEY).await.unwrap().attempt, 3);
    world.clock.advance(24 * HOUR);
    world.harness.sweep().await;
    let work = async |held: setpiece_idempotency::Held| Ok::<_, Fault>(held.attempt());
    let outcome = guard.run(&KEY, world.lease(), work).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
}

pub(crate) async fn claim_that_is_over_is_not_claimed_again_by_a_late_request<H: Harness>(
    world: &World<H>,
) {
    let store = world.harness.store();
    let (key, owner, now) = (world.guard().record_key(&KEY), Owner::new("me"), world.now());
    let (until, expiry) = (now.saturating_add(30 * SECOND), now.saturating_add(HOUR));
    let acquire = Acquire::new(key.clone(), owner.clone(), now, until, expiry);
    let reply = store.acquire(&acquire).await.unwrap();
    assert_eq!(reply, Reply::Applied(Acquired::new(1, 1)));
    let release = Release::new(key.clone(), owner.clone(), now, expiry);
    assert_eq!(store.release(&release).await.unwrap(), Reply::Applied(()));
    // The same request as before, which was held up on the way.
    let reply = store.acquire(&acquire).await.unwrap();
    let Reply::Refused(Some(found)) = reply else { panic!("{reply:?}") };
    assert_eq!(verdict::acquire(&acquire, Some(found)), Refusal::Raced);
    let outcome = world.guard().run(&KEY, world.lease(), async |_| Ok::<_, Fault>(1)).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));

    // One that commits is applied once, also when what it has left has expired.
    let key = RecordKey::new("tests#work#once");
    let once = Once::new(key, owner, now, Stored::json("1"), expiry);
    let writes = [world.harness.add("sum", 1)];
    assert_eq!(store.commit_once(&once, &writes).await.unwrap(), CommitReply::Applied);
    let mut late = once.clone();
    late.now = now.saturating_add(24 * HOUR);
    late.stale_before = late.now;
    // Another transaction, so that no token stands in for the condition.
    let writes = [world.harness.add("sum", 1), world.harness.put_new("new")];
    let reply = store.commit_once(&late, &writes).await;
    assert!(!matches!(reply, Ok(CommitReply::Applied)), "{reply:?}");
    assert_eq!(world.harness.number("sum").await, 1);
}

pub(crate) async fn salt_is_drawn_once_for_each_record<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let label = |held: &setpiece_idempotency::Held| held.downstream_key("charge");
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    let first = label(claim.held());
    claim.release().await.unwrap();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    assert_eq!(label(claim.held()), first, "it was given back");
    drop(claim);
    world.clock.advance(40 * SECOND);
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    assert_eq!(label(claim.held()), first, "it was taken over");
    let seen = guard.inspect(&KEY, world.deadline()).await.unwrap().unwrap();
    assert_eq!(guard.release_live(&seen, world.deadline()).await.unwrap(), Amended::Done);
    drop(claim);
    // The answer to a claim is lost, and the next try finds that it was made.
    world.probe.next(Op::Acquire, Trouble::AnswerLost);
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    assert_eq!(label(claim.held()), first, "somebody on call gave it back");
    _ = claim.complete(&1).await.unwrap();
    world.clock.advance(24 * HOUR);
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    assert_eq!(label(claim.held()), first, "it has expired");
    claim.release().await.unwrap();
    let record = world.record(&KEY).await.unwrap();
    let salt = record.salt.clone().unwrap();
    assert!(!format!("{record:?}").contains(salt.as_str()), "it is nobody's to log");

    let seen = guard.inspect(&KEY, world.deadline()).await.unwrap().unwrap();
    assert_eq!(guard.forget(&seen, world.deadline()).await.unwrap(), Amended::Done);
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    assert_ne!(label(claim.held()), first, "the key alone does not tell it");
    // Work that claims nothing has no salt.
    let other = Key::of("other").unwrap();
    let mut unsalted = Vec::new();
    for _ in 0..2 {
        let work = async |held: setpiece_idempotency::Held| {
            unsalted.push(held.downstream_key("charge"));
            Err::<(i32, Vec<_>), _>("no")
        };
        guard.commit_once(&other, world.deadline(), work).await.unwrap_err();
    }
    assert_eq!(unsalted[0], unsalted[1]);
}

pub(crate) async fn busy_call_waits_for_the_result_of_the_other<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    // Of another process, so that only the store tells.
    let waiting = world.builder().on_busy(OnBusy::Wait(10 * SECOND)).build().unwrap();
    let work = async |_| {
        world.sleep_for(2 * SECOND).await;
        Ok::<_, Fault>(1)
    };
    let key = key();
    let outcomes = join(vec![
        Box::pin(guard.run(&key, world.lease(), work)),
        Box::pin(async {
            world.sleep_for(SECOND).await;
            waiting.run(&key, world.lease(), never_run::<i32>).await
        }),
    ])
    .await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes, [Outcome::Fresh(1), Outcome::Replayed(1)]);
    let asked = world.probe.asked();
    assert_eq!(asked.iter().filter(|op| **op == Op::Acquire).count(), 2, "waiting only reads");
}

pub(crate) async fn waiting_call_takes_over_what_was_released<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let waiting = world.builder().on_busy(OnBusy::Wait(10 * SECOND)).build().unwrap();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    let key = key();
    let outcomes = join::<u64>(vec![
        Box::pin(async {
            world.sleep_for(SECOND).await;
            claim.release().await.unwrap();
            0
        }),
        Box::pin(async {
            let work = async |held: setpiece_idempotency::Held| Ok::<_, Fault>(held.attempt());
            waiting.run(&key, world.lease(), work).await.unwrap().value().unwrap()
        }),
    ])
    .await;
    assert_eq!(outcomes, [0, 2]);
}

pub(crate) async fn waiting_ends<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    let start = world.now();
    let waiting = world.builder().on_busy(OnBusy::Wait(2 * SECOND)).build().unwrap();
    let error = waiting.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    assert_eq!(world.now(), start.saturating_add(2 * SECOND));
    // And never later than there is time for an answer.
    let lease = Lease::until(world.deadline_in(SECOND));
    let error = waiting.run(&KEY, lease, never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    assert_eq!(world.now(), start.saturating_add(2900 * MILLI));
    claim.release().await.unwrap();
}

pub(crate) async fn busy_call_can_be_skipped<H: Harness>(world: &World<H>) {
    let guard = world.builder().on_busy(OnBusy::Skip).build().unwrap();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    let outcome = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap();
    assert_eq!(outcome, Outcome::Skipped(setpiece_idempotency::Skipped::Busy));
    claim.release().await.unwrap();
}

pub(crate) async fn record_that_vanishes_does_not_take_the_result_along<H: Harness>(
    world: &World<H>,
) {
    let guard = world.guard();
    let outcome = guard
        .run(&KEY, Lease::until(world.deadline_in(4 * HOUR)), async |_| {
            let seen = guard.inspect(&KEY, world.deadline()).await.unwrap().unwrap();
            _ = guard.forget_live(&seen, world.deadline()).await.unwrap();
            Ok::<_, Fault>(1)
        })
        .await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
    assert!(world.events().contains(&Event::Vanished));
}

pub(crate) async fn record_in_progress_outlives_its_lease<H: Harness>(world: &World<H>) {
    // A retention that is shorter than the work.
    let guard = world.builder().retention(SECOND).build().unwrap();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    world.clock.advance(20 * SECOND);
    world.harness.sweep().await;
    let error = guard.run(&KEY, world.lease(), never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    assert_eq!(claim.complete(&1).await.unwrap(), Completed::Kept);
}

pub(crate) async fn clocks_may_differ_by_a_second<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let ahead = world.builder_at(Ahead(world.clock.clone(), SECOND)).build().unwrap();
    let claim = owned(guard.claim(&KEY, world.lease()).await);
    // At the end of the lease by the holder's clock.
    world.clock.advance(31 * SECOND);
    let lease = Lease::until(world.deadline_in(60 * SECOND));
    let error = ahead.run(&KEY, lease, never_run::<i32>).await.unwrap_err();
    assert_eq!(error.name(), "InProgress");
    assert_eq!(claim.complete(&1).await.unwrap(), Completed::Kept);
}

/// A clock that is ahead of another.
pub(crate) struct Ahead(pub(crate) setpiece_envelope::FixedClock, pub(crate) Duration);

impl setpiece_envelope::Clock for Ahead {
    fn now(&self) -> setpiece_envelope::Timestamp {
        self.0.now().saturating_add(self.1)
    }
}

pub(crate) async fn calls_of_one_process_wait_without_requests<H: Harness>(world: &World<H>) {
    let guard = world.builder().on_busy(OnBusy::Wait(20 * SECOND)).build().unwrap();
    let key = key();
    let call = || {
        guard.run(&key, world.lease(), async |_| {
            world.sleep_for(5 * SECOND).await;
            Ok::<_, Fault>(1)
        })
    };
    let outcomes = join(vec![Box::pin(call()), Box::pin(call()), Box::pin(call())]).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes, [Outcome::Fresh(1), Outcome::Replayed(1), Outcome::Replayed(1)]);
    assert_eq!(world.probe.asked().len(), 4, "two for the first, and one for each other");
}

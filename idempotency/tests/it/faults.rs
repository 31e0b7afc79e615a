//! Trouble with every kind of request that a call without a heartbeat makes: no effect happens
//! twice, no key is locked for longer than its lease, and the caller is told the truth.

use std::cell::Cell;

use setpiece_idempotency::{Amended, Completed, GuardError, Key, Outcome, Semantics};
use setpiece_policy::Fault;

use crate::conformance::calls::owned;
use crate::support::{Harness, Op, SECOND, Trouble, World, run};

pub(crate) const TROUBLES: [Trouble; 7] = [
    Trouble::AnswerLost,
    Trouble::RequestLost,
    Trouble::Throttled,
    Trouble::Unconnected,
    Trouble::Contended,
    Trouble::AnswerStalled,
    Trouble::Stalled,
];

/// Calls with trouble in one kind of request, once or all the time, until one succeeds.
async fn trouble_is_survived<H: Harness>(world: &World<H>) {
    for semantics in [Semantics::AtLeastOnce, Semantics::AtMostOnce] {
        for op in [Op::Acquire, Op::Settle, Op::Release] {
            for trouble in TROUBLES {
                for always in [false, true] {
                    let name = format!("{semantics:?} {op:?} {trouble:?} {always}");
                    let key = Key::of(name.as_str()).unwrap();
                    if always {
                        world.probe.always(Some(op), trouble);
                    } else {
                        world.probe.next(op, trouble);
                    }
                    call_until_done(world, &key, semantics, op == Op::Release, &name).await;
                }
            }
        }
    }
}

async fn call_until_done<H: Harness>(
    world: &World<H>,
    key: &Key,
    semantics: Semantics,
    fails: bool,
    name: &str,
) {
    // A guard for each, since what they spend on retries is shared.
    let guard = world.builder().semantics(semantics).build().unwrap();
    let effects = Cell::new(0);
    let begin = world.now();
    let work = async |held: setpiece_idempotency::Held| {
        if fails && held.attempt() == 1 {
            return Err("not yet");
        }
        world.sleep_for(SECOND).await;
        effects.set(effects.get() + 1);
        Ok(29)
    };
    let first = guard.run(key, world.lease(), work).await;
    world.probe.calm();
    match &first {
        Ok(outcome) => assert_eq!(*outcome, Outcome::Fresh(29), "{name}"),
        Err(GuardError::Handler(_)) => assert_eq!(effects.get(), 0, "{name}"),
        Err(error) => assert_eq!(error.may_have_happened(), effects.get() > 0, "{name}: {error}"),
    }
    // Whoever comes when the lease must be over is answered.
    let over = begin.saturating_add(34 * SECOND);
    world.clock.advance(over.saturating_duration_since(world.now()));
    let second = guard.run(key, world.lease(), work).await;
    match &second {
        Ok(_) => {}
        Err(GuardError::Interrupted(_)) => assert_eq!(semantics, Semantics::AtMostOnce, "{name}"),
        Err(error) => panic!("{name}: {error:?}"),
    }
    if first.is_ok() || semantics == Semantics::AtMostOnce {
        assert!(effects.get() <= 1, "{name}: {} effects", effects.get());
    }
}

/// The requests in which effects are committed; the last one is all there is.
const OPS: [(Op, bool); 4] =
    [(Op::Acquire, false), (Op::Commit, false), (Op::Release, false), (Op::CommitOnce, true)];

/// The same with the effect in writes beside the record: then it happens once in any case.
async fn committed_effects_happen_once<H: Harness>(world: &World<H>) {
    for (op, once) in OPS {
        for trouble in TROUBLES {
            for always in [false, true] {
                let name = format!("{op:?} {trouble:?} {always}");
                let key = Key::of(name.as_str()).unwrap();
                let guard = world.guard();
                if always {
                    world.probe.always(Some(op), trouble);
                } else {
                    world.probe.next(op, trouble);
                }
                let work = async |_| Ok::<_, Fault>((29, vec![world.harness.add(&name, 1)]));
                let begin = world.now();
                let call = async || {
                    if once {
                        guard.commit_once(&key, world.deadline(), work).await
                    } else {
                        guard.commit(&key, world.lease(), work).await
                    }
                };
                let first = call().await;
                world.probe.calm();
                let written = world.harness.number(&name).await;
                match &first {
                    Ok(_) => assert_eq!(written, 1, "{name}"),
                    Err(error) if !error.may_have_happened() => {
                        assert_eq!(written, 0, "{name}");
                    }
                    Err(_) => {}
                }
                let over = begin.saturating_add(34 * SECOND);
                world.clock.advance(over.saturating_duration_since(world.now()));
                assert_eq!(call().await.unwrap().value(), Some(29), "{name}");
                assert_eq!(world.harness.number(&name).await, 1, "{name}");
            }
        }
    }
}

/// Trouble with looking what became of a request that was not answered, or with probing first: what
/// cannot be read is not known, and nobody waits for it for ever.
async fn trouble_with_reading_is_survived<H: Harness>(world: &World<H>) {
    for trouble in TROUBLES {
        for lost in [Trouble::RequestLost, Trouble::AnswerLost] {
            let name = format!("{trouble:?} {lost:?}");
            let key = Key::of(name.as_str()).unwrap();
            let guard = world.guard();
            let work = async |_| Ok::<_, Fault>((29, vec![world.harness.add(&name, 1)]));
            world.probe.always(Some(Op::CommitOnce), lost);
            world.probe.next(Op::Read, trouble);
            let begin = world.now();
            let first = guard.commit_once(&key, world.deadline(), work).await;
            world.probe.calm();
            match &first {
                Ok(_) => assert_eq!(lost, Trouble::AnswerLost, "{name}"),
                Err(error) => assert!(error.may_have_happened(), "{name}: {error}"),
            }
            let end = begin.saturating_add(31 * SECOND);
            assert!(world.now() <= end, "{name}: it ended at {:?}", world.now());
            assert_eq!(
                guard.commit_once(&key, world.deadline(), work).await.unwrap().value(),
                Some(29),
                "{name}"
            );
            assert_eq!(world.harness.number(&name).await, 1, "{name}");
        }
    }
}

/// More often than anything is tried.
const ALL: usize = 30;

/// Trouble with finding out what a commit has become that was not answered: by giving the claim
/// back, or by looking at it where the work must not be run twice.
async fn trouble_after_a_silent_commit_is_survived<H: Harness>(world: &World<H>) {
    for (semantics, op) in
        [(Semantics::AtLeastOnce, Op::Release), (Semantics::AtMostOnce, Op::Extend)]
    {
        for silence in [Trouble::AnswerLost, Trouble::RequestLost] {
            for trouble in TROUBLES {
                for times in [1, ALL] {
                    let name = format!("{semantics:?} {silence:?} {trouble:?} {times}");
                    let key = Key::of(name.as_str()).unwrap();
                    let guard = world.builder().semantics(semantics).build().unwrap();
                    for _ in 0..ALL {
                        world.probe.next(Op::Commit, silence);
                    }
                    for _ in 0..times {
                        world.probe.next(op, trouble);
                    }
                    let work = async |_| Ok::<_, Fault>((29, vec![world.harness.add(&name, 1)]));
                    let begin = world.now();
                    let first = guard.commit(&key, world.lease(), work).await;
                    world.probe.calm();
                    assert!(world.probe.asked().contains(&op), "{name}");
                    let end = begin.saturating_add(31 * SECOND);
                    assert!(world.now() <= end, "{name}: it ended at {:?}", world.now());
                    let written = world.harness.number(&name).await;
                    match &first {
                        Ok(_) => assert_eq!(written, 1, "{name}"),
                        Err(error) => {
                            assert!(error.may_have_happened() || written == 0, "{name}");
                        }
                    }
                    let over = begin.saturating_add(34 * SECOND);
                    world.clock.advance(over.saturating_duration_since(world.now()));
                    let second = guard.commit(&key, world.lease(), work).await;
                    let is_interrupted = matches!(second, Err(GuardError::Interrupted(_)));
                    let may_be = semantics == Semantics::AtMostOnce && written == 0;
                    assert!(second.is_ok() || (is_interrupted && may_be), "{name}: {second:?}");
                    let expected = i64::from(!is_interrupted);
                    assert_eq!(world.harness.number(&name).await, expected, "{name}");
                    world.probe.asked();
                }
            }
        }
    }
}

/// Trouble with taking back a claim that was not answered. The work was not begun, and only where
/// the claim has arrived and could not be taken back somebody has to look at it.
async fn trouble_with_taking_back_is_survived<H: Harness>(world: &World<H>) {
    for silence in [Trouble::AnswerLost, Trouble::RequestLost] {
        for trouble in [None].into_iter().chain(TROUBLES.map(Some)) {
            let name = format!("{silence:?} {trouble:?}");
            let key = Key::of(name.as_str()).unwrap();
            let guard = world.at_most_once();
            world.probe.always(Some(Op::Acquire), silence);
            if let Some(trouble) = trouble {
                world.probe.next(Op::Release, trouble);
            }
            let begin = world.now();
            let effects = Cell::new(0);
            let work = async |_| {
                effects.set(effects.get() + 1);
                Ok::<_, Fault>(29)
            };
            let first = guard.run(&key, world.lease(), work).await.unwrap_err();
            world.probe.calm();
            assert_eq!((first.name(), first.may_have_happened()), ("Store", false), "{name}");
            assert_eq!(effects.get(), 0, "{name}");
            assert!(world.probe.asked().contains(&Op::Release), "{name}");
            let end = begin.saturating_add(31 * SECOND);
            assert!(world.now() <= end, "{name}: it ended at {:?}", world.now());
            let over = begin.saturating_add(34 * SECOND);
            world.clock.advance(over.saturating_duration_since(world.now()));
            match guard.run(&key, world.lease(), work).await {
                Ok(outcome) => assert_eq!(outcome, Outcome::Fresh(29), "{name}"),
                Err(GuardError::Interrupted(_)) => {
                    assert_eq!(silence, Trouble::AnswerLost, "{name}: it was never claimed");
                    assert!(trouble.is_some(), "{name}: it was taken back");
                }
                Err(error) => panic!("{name}: {error:?}"),
            }
        }
    }
}

/// Trouble with taking a key away from somebody who holds a lease on it.
async fn trouble_with_taking_away_is_survived<H: Harness>(world: &World<H>) {
    for forget in [false, true] {
        for trouble in TROUBLES {
            for always in [false, true] {
                let name = format!("{forget} {trouble:?} {always}");
                let key = Key::of(name.as_str()).unwrap();
                let guard = world.guard();
                let claim = owned(guard.claim(&key, world.lease()).await);
                let seen = guard.inspect(&key, world.deadline()).await.unwrap().unwrap();
                if always {
                    world.probe.always(Some(Op::Amend), trouble);
                } else {
                    world.probe.next(Op::Amend, trouble);
                }
                let answer = if forget {
                    guard.forget_live(&seen, world.deadline()).await
                } else {
                    guard.release_live(&seen, world.deadline()).await
                };
                world.probe.calm();
                let now = world.record(&key).await;
                let is_done = now.as_ref() != Some(&seen.record);
                match answer {
                    Ok(Amended::Done | Amended::Changed(_)) => assert!(is_done, "{name}"),
                    Ok(Amended::Live) => panic!("{name}: it is not asked whether it is"),
                    Err(error) => assert!(error.may_have_happened() || !is_done, "{name}"),
                }
                // Who has lost it learns of that, and who has not keeps it.
                let ended = claim.complete(&1).await;
                match ended {
                    Ok(Completed::Kept) => assert!(!is_done, "{name}"),
                    Ok(Completed::Vanished) => assert!(is_done && forget, "{name}"),
                    Err(GuardError::LeaseLost(_)) => assert!(is_done && !forget, "{name}"),
                    ended => panic!("{name}: {ended:?}"),
                }
            }
        }
    }
}

#[test]
fn no_trouble_after_a_silent_commit_hides_what_it_has_become() {
    run(trouble_after_a_silent_commit_is_survived);
}

#[test]
fn no_trouble_with_taking_back_begins_work() {
    run(trouble_with_taking_back_is_survived);
}

#[test]
fn no_trouble_with_taking_away_leaves_two_owners() {
    run(trouble_with_taking_away_is_survived);
}

#[test]
fn no_trouble_with_reading_keeps_a_call_for_ever() {
    run(trouble_with_reading_is_survived);
}

#[test]
fn no_trouble_makes_an_effect_happen_twice_or_locks_a_key_for_ever() {
    run(trouble_is_survived);
}

#[test]
fn no_trouble_makes_a_committed_effect_happen_twice() {
    run(committed_effects_happen_once);
}

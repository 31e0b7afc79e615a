//! A thousand calls on one key at the same time.

use std::{cell::Cell, pin::Pin};

use setpiece_idempotency::{Event, GuardError, OnBusy, Outcome};
use setpiece_policy::Fault;

use crate::conformance::calls::{never_run, owned};
use crate::support::{Harness, KEY, Op, SECOND, TestGuard, World, join, run};

const CALLS: usize = 1000;

type Answer = Result<Outcome<i32>, GuardError<Fault>>;

async fn crowd<H: Harness>(world: &World<H>, guard: &TestGuard<H>) -> Vec<Answer> {
    let runs = Cell::new(0);
    let call = || {
        guard.run(&KEY, world.lease(), async |_| {
            runs.set(runs.get() + 1);
            world.sleep_for(SECOND).await;
            Ok::<_, Fault>(29)
        })
    };
    let calls = (0..CALLS).map(|_| Box::pin(call()) as Pin<Box<dyn Future<Output = Answer>>>);
    let answers = join(calls.collect()).await;
    assert_eq!(runs.get(), 1);
    answers
}

pub(crate) async fn one_runs_and_the_others_are_busy<H: Harness>(world: &World<H>) {
    let answers = crowd(world, &world.guard()).await;
    let fresh = answers.iter().filter(|it| matches!(it, Ok(Outcome::Fresh(29)))).count();
    let busy = answers.iter().filter(|it| matches!(it, Err(GuardError::Busy(_)))).count();
    assert_eq!((fresh, busy), (1, CALLS - 1));
    assert_eq!(world.probe.asked().len(), CALLS + 1, "one for each, and one more for the first");
}

pub(crate) async fn one_runs_and_the_others_get_its_result<H: Harness>(world: &World<H>) {
    let guard = world.builder().on_busy(OnBusy::Wait(10 * SECOND)).build().unwrap();
    let answers = crowd(world, &guard).await;
    let fresh = answers.iter().filter(|it| matches!(it, Ok(Outcome::Fresh(29)))).count();
    let replayed = answers.iter().filter(|it| matches!(it, Ok(Outcome::Replayed(29)))).count();
    assert_eq!((fresh, replayed), (1, CALLS - 1));
    let asked = world.probe.asked();
    assert_eq!(asked.len(), CALLS + 1, "one for each, and one more for the first");
    assert_eq!(asked.iter().filter(|op| **op == Op::Settle).count(), 1);
}

pub(crate) async fn all_share_the_verdict_on_an_exhausted_key<H: Harness>(world: &World<H>) {
    let guard = world.builder().max_attempts(1).on_busy(OnBusy::Wait(20 * SECOND)).build().unwrap();
    let claim = owned(world.guard().claim(&KEY, world.lease()).await);
    world.probe.asked();
    let release = async {
        world.sleep_for(SECOND).await;
        claim.release().await.unwrap();
        Err(GuardError::NoTime)
    };
    let mut calls: Vec<Pin<Box<dyn Future<Output = Answer> + '_>>> = vec![Box::pin(release)];
    for _ in 0..CALLS {
        calls.push(Box::pin(guard.run(&KEY, world.lease(), never_run::<i32>)));
    }
    let answers = join(calls).await;
    let exhausted = answers.iter().filter(|it| matches!(it, Err(GuardError::Exhausted(_))));
    assert_eq!(exhausted.count(), CALLS);
    let events = world.events();
    assert_eq!(events.iter().filter(|event| **event == Event::Exhausted).count(), CALLS);
    let asked = world.probe.asked();
    assert_eq!(asked.iter().filter(|op| **op == Op::Acquire).count(), 2, "busy, and exhausted");
}

#[test]
fn of_a_thousand_calls_on_an_exhausted_key_one_asks() {
    run(all_share_the_verdict_on_an_exhausted_key);
}

#[test]
fn of_a_thousand_calls_one_runs_and_the_others_are_busy() {
    run(one_runs_and_the_others_are_busy);
}

#[test]
fn of_a_thousand_calls_one_runs_and_the_others_get_its_result() {
    run(one_runs_and_the_others_get_its_result);
}

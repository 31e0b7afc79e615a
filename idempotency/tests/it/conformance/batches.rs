//! Batches, and work that panics.

use std::{cell::Cell, panic::AssertUnwindSafe, pin::Pin, time::Duration};

use setpiece_idempotency::{
    AfterError, Event, GuardError, Key, Lease, OnBusy, Outcome, record::Status,
};
use setpiece_policy::Fault;

use super::calls::never_run;
use crate::support::{Harness, KEY, Op, SECOND, World, join};

pub(crate) async fn equal_keys_of_a_batch_are_one_call<H: Harness>(world: &World<H>) {
    let runs = Cell::new(0);
    let records = ["a", "b", "a", "a"];
    let report = world
        .guard()
        .batch(world.lease())
        .run(
            &records,
            |record| Key::of(*record),
            |_, record| {
                runs.set(runs.get() + 1);
                let record = (*record).to_owned();
                async move { Ok::<_, Fault>(record) }
            },
        )
        .await;
    assert_eq!(runs.get(), 2);
    let values: Vec<_> =
        report.iter().map(|it| it.as_ref().unwrap().clone().value().unwrap()).collect();
    assert_eq!(values, records);
    assert_eq!((report.calls(), report.failed().count()), (2, 0));
    assert_eq!(world.probe.asked().len(), 4);
}

pub(crate) async fn one_bad_record_does_not_fail_its_batch<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let busy = super::calls::owned(guard.claim(&Key::of("busy").unwrap(), world.lease()).await);
    let records = ["good", "bad", "busy", "better"];
    let report = guard
        .batch(world.lease())
        .run(
            &records,
            |record| Key::of(*record),
            |_, record| {
                let result = if *record == "bad" { Err(Fault::permanent("bad")) } else { Ok(1) };
                async move { result }
            },
        )
        .await;
    assert_eq!(report.failed().collect::<Vec<_>>(), [1, 2]);
    busy.release().await.unwrap();
}

pub(crate) async fn equal_keys_with_other_payloads_are_mismatches<H: Harness>(world: &World<H>) {
    let records = [("a", 1), ("a", 2), ("a", 1)];
    let report = world
        .guard()
        .batch(world.lease())
        .run(
            &records,
            |(key, payload)| Key::of(*key)?.with_fingerprint(payload),
            |_, _| async {
                world.sleep_for(SECOND).await;
                Ok::<_, Fault>(1)
            },
        )
        .await;
    assert_eq!(report.failed().collect::<Vec<_>>(), [1]);
    assert_eq!(report.get(1).unwrap().as_ref().unwrap_err().name(), "Mismatch");
}

pub(crate) async fn batch_is_worked_on_side_by_side_within_bounds<H: Harness>(world: &World<H>) {
    let (now, most) = (Cell::new(0), Cell::new(0));
    let records: Vec<u32> = (0..20).collect();
    let start = world.now();
    let report = world
        .guard()
        .batch(world.lease())
        .concurrency(4)
        .run(&records, Key::of, |_, _| async {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            world.sleep_for(SECOND).await;
            now.set(now.get() - 1);
            Ok::<_, Fault>(1)
        })
        .await;
    assert_eq!(report.failed().count(), 0);
    assert_eq!(most.get(), 4);
    assert_eq!(world.now(), start.saturating_add(5 * SECOND));
}

pub(crate) async fn batch_begins_nothing_when_time_is_short<H: Harness>(world: &World<H>) {
    let records: Vec<u32> = (0..10).collect();
    let lease = Lease::until(world.deadline_in(Duration::from_millis(4500)));
    let report = world
        .guard()
        .batch(lease)
        .concurrency(2)
        .reserve(2 * SECOND)
        .run(&records, Key::of, |_, _| async {
            world.sleep_for(SECOND).await;
            Ok::<_, Fault>(1)
        })
        .await;
    assert_eq!(report.failed().collect::<Vec<_>>(), [6, 7, 8, 9]);
    let asked = world.probe.asked();
    assert_eq!(asked.iter().filter(|op| **op == Op::Acquire).count(), 6, "the rest is unclaimed");
}

pub(crate) async fn panic_of_one_record_leaves_the_others_done<H: Harness>(world: &World<H>) {
    let guard = world.at_most_once();
    let records = ["a", "poison", "b", "c"];
    let batch = guard.batch(world.lease()).concurrency(2).run(&records, |it| Key::of(*it), {
        async |_, record| {
            world.sleep_for(SECOND).await;
            assert_ne!(*record, "poison");
            world.sleep_for(SECOND).await;
            Ok::<_, Fault>(1)
        }
    });
    let report = batch.await;
    assert_eq!(report.failed().collect::<Vec<_>>(), [1]);
    let error = report.get(1).unwrap().as_ref().unwrap_err();
    assert_eq!((error.name(), error.may_have_happened()), ("Panicked", true));
    assert_eq!(world.events(), [Event::Held, Event::Fresh, Event::Fresh, Event::Fresh]);
    world.clock.advance(40 * SECOND);
    for record in records {
        let again = guard.run(&Key::of(record).unwrap(), world.lease(), never_run::<i32>).await;
        match again {
            Ok(outcome) => assert_eq!(outcome, Outcome::Replayed(1), "{record}"),
            Err(error) => assert_eq!((record, error.name()), ("poison", "Interrupted")),
        }
    }
}

type Answer = Result<Outcome<i32>, GuardError<Fault>>;

pub(crate) async fn calls_that_wait_take_turns_after_an_error<H: Harness>(world: &World<H>) {
    const CALLS: usize = 100;
    let guard = world.builder().on_busy(OnBusy::Wait(20 * SECOND)).build().unwrap();
    let runs = Cell::new(0);
    let call = || {
        guard.run(&KEY, world.lease(), async |_| {
            runs.set(runs.get() + 1);
            let is_first = runs.get() == 1;
            world.sleep_for(SECOND).await;
            if is_first { Err(Fault::transient("no")) } else { Ok(29) }
        })
    };
    let calls = (0..CALLS).map(|_| Box::pin(call()) as Pin<Box<dyn Future<Output = Answer>>>);
    let answers = join(calls.collect()).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
    assert_eq!(runs.get(), 2);
    // One for each, and one more for each that ran it.
    assert_eq!(world.probe.asked().len(), CALLS + 2);
}

pub(crate) async fn short_lease_leaves_time_to_work<H: Harness>(world: &World<H>) {
    let guard = world.builder().skew(10 * SECOND).build().unwrap();
    let lease = Lease::short(world.deadline_in(600 * SECOND), 5 * SECOND);
    let outcome = guard.run(&KEY, lease, async |_| {
        world.sleep_for(100 * SECOND).await;
        Ok::<_, Fault>(1)
    });
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(1));
}

pub(crate) async fn panic_of_a_classifier_is_one_of_the_work<H: Harness>(world: &World<H>) {
    let classify = |_: &Fault| -> AfterError { panic!("a mistake") };
    let guard = world.builder().classify(classify).build().unwrap();
    let fails = async |_| Err::<i32, _>(Fault::transient("no"));
    catch(guard.run(&KEY, world.lease(), fails)).await.unwrap_err();
    assert_eq!(world.record(&KEY).await.unwrap().status, Status::Released);
    assert_eq!(world.events(), [Event::Released]);
}

pub(crate) async fn panic_releases_the_key_and_goes_on<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    for early in [true, false] {
        let work = |_| {
            assert!(!early, "early");
            async { panic!("late") }
        };
        let call = guard.run::<(), Fault, _, _>(&KEY, world.lease(), work);
        let panic = catch(call).await.unwrap_err();
        let text = panic.downcast_ref::<&str>().unwrap();
        assert_eq!(*text, if early { "early" } else { "late" });
        assert_eq!(world.record(&KEY).await.unwrap().status, Status::Released);
    }
    let outcome = guard.run(&KEY, world.lease(), async |held| Ok::<_, Fault>(held.attempt()));
    assert_eq!(outcome.await.unwrap(), Outcome::Fresh(3));
}

pub(crate) async fn panic_of_work_that_must_not_be_run_twice_holds_the_key<H: Harness>(
    world: &World<H>,
) {
    let guard = world.at_most_once();
    let work = |_| async { panic!("late") };
    catch(guard.run::<(), Fault, _, _>(&KEY, world.lease(), work)).await.unwrap_err();
    world.clock.advance(40 * SECOND);
    let error = guard.run(&KEY, world.lease(), never_run::<()>).await.unwrap_err();
    assert_eq!(error.name(), "Interrupted");
}

pub(super) async fn catch<F: Future>(future: F) -> std::thread::Result<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    })
    .await
}

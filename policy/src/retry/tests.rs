use std::{
    cell::{Cell, RefCell},
    error::Error as StdError,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;
use setpiece_envelope::{Clock, FixedClock};

use super::{GiveUp, Retry};
use crate::{
    Deadline, Disposition, Fault, FaultKind, InstantSleep, Random, RetryBudget, SeededRandom, Sleep,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Nothing in these tests really waits, so one poll is all.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

struct World {
    clock: FixedClock,
    sleep: InstantSleep,
    retry: Retry,
}

fn world(seed: u64) -> World {
    let clock = FixedClock::default();
    let sleep = InstantSleep::new(clock.clone());
    let retry = Retry::new(clock.clone(), SeededRandom::new(seed), sleep.clone());
    World { clock, sleep, retry }
}

/// Draws the longest delays.
struct Longest;

impl Random for Longest {
    fn next_u64(&self) -> u64 {
        u64::MAX
    }
}

fn longest(clock: &FixedClock) -> Retry {
    Retry::new(clock.clone(), Longest, InstantSleep::new(clock.clone()))
}

fn busy() -> Fault {
    Fault::transient("the line is busy").with_may_have_happened(false)
}

fn lost() -> Fault {
    Fault::transient("the answer was lost")
}

/// Runs an operation that fails with these faults, one after another, and then succeeds.
fn run(world: &World, deadline: Deadline, faults: Vec<Fault>) -> (Result<u32, Fault>, u32) {
    let tries = Cell::new(0);
    let faults = RefCell::new(faults.into_iter());
    let result = block_on(world.retry.run(deadline, |attempt| {
        tries.set(tries.get() + 1);
        assert_eq!(attempt, tries.get());
        let fault = faults.borrow_mut().next();
        async move { fault.map_or(Ok(attempt), Err) }
    }));
    (result, tries.get())
}

#[test]
fn success_needs_no_wait() {
    let world = world(1);
    let (result, tries) = run(&world, Deadline::after(&world.clock, SECOND), vec![]);
    assert_eq!((result.unwrap(), tries), (1, 1));
    assert!(world.sleep.slept().is_empty());
}

#[test]
fn what_is_worth_it_is_tried_again_until_it_succeeds() {
    let world = world(1);
    let (result, _) = run(&world, Deadline::after(&world.clock, HOUR), vec![busy(), lost()]);
    assert_eq!(result.unwrap(), 3);
    assert_eq!(world.sleep.slept().len(), 2);
}

#[test]
fn what_is_final_is_not_tried_again_and_stays_as_it_is() {
    for (fault, disposition) in [
        (Fault::conflict("c"), Disposition::FailItem),
        (Fault::contract("c"), Disposition::Quarantine),
        (Fault::permanent("p"), Disposition::Quarantine),
        (Fault::deadline("d"), Disposition::FailItem),
        (busy().hand_back(), Disposition::FailItem),
    ] {
        let world = world(1);
        let kind = fault.kind();
        let (result, tries) = run(&world, Deadline::after(&world.clock, HOUR), vec![fault]);
        let fault = result.unwrap_err();
        assert_eq!((fault.kind(), fault.disposition(), tries), (kind, disposition, 1));
        assert_eq!(fault.gave_up(), None);
        assert_eq!(world.retry.budget().available(), 500);
    }
}

#[test]
fn what_is_given_up_is_handed_back_so_retries_do_not_multiply() {
    let world = world(1);
    let deadline = Deadline::after(&world.clock, HOUR);
    let calls = &Cell::new(0);
    let inner = &world.retry;
    let fault = block_on(world.retry.run(deadline, |_| {
        inner.run(deadline, move |_| {
            calls.set(calls.get() + 1);
            async { Err::<(), _>(busy()) }
        })
    }))
    .unwrap_err();
    assert_eq!(calls.get(), 3);
    assert_eq!(fault.gave_up(), Some(GiveUp::AttemptsSpent));
    assert_eq!((fault.kind(), fault.disposition()), (FaultKind::Transient, Disposition::FailItem));
}

#[test]
fn there_is_always_a_first_try_and_sometimes_no_other() {
    for attempts in [0, 1] {
        let mut world = world(1);
        world.retry = world.retry.with_max_attempts(attempts);
        let (result, tries) = run(&world, Deadline::after(&world.clock, HOUR), vec![busy()]);
        assert_eq!((result.unwrap_err().gave_up(), tries), (Some(GiveUp::AttemptsSpent), 1));
    }
}

#[test]
fn the_ceiling_doubles_up_to_the_maximum() {
    let clock = FixedClock::default();
    let retry = longest(&clock)
        .with_base_delay(millis(50))
        .with_throttled_base_delay(millis(300))
        .with_max_delay(SECOND)
        .with_max_attempts(u32::MAX);
    let delays = |fault: &Fault| {
        let mut attempts = retry.attempts(Deadline::after(&clock, HOUR));
        [(); 6].map(|()| attempts.next(fault).unwrap().as_millis())
    };
    assert_eq!(delays(&busy()), [50, 100, 200, 400, 800, 1000]);
    assert_eq!(delays(&Fault::throttled("t")), [300, 600, 1000, 1000, 1000, 1000]);
}

#[test]
fn numbers_without_end_do_no_harm() {
    let clock = FixedClock::default();
    let retry = longest(&clock)
        .with_base_delay(Duration::MAX)
        .with_max_delay(Duration::MAX)
        .with_budget(RetryBudget::new(u32::MAX))
        .with_max_attempts(u32::MAX);
    let mut attempts = retry.attempts(Deadline::from_unix_millis(u64::MAX));
    assert_eq!(attempts.next(&busy()), Err(GiveUp::NoTime));

    let retry = retry.clone().with_base_delay(millis(1)).with_max_delay(millis(1));
    let mut attempts = retry.attempts(Deadline::after(&clock, HOUR));
    for _ in 0..100 {
        assert_eq!(attempts.next(&busy()), Ok(millis(1)));
    }
    let forever = busy().with_retry_after(Duration::MAX);
    assert_eq!(attempts.next(&forever), Err(GiveUp::NoTime));
}

#[test]
fn a_service_is_not_asked_again_before_it_wants_to_be() {
    let clock = FixedClock::default();
    let retry = longest(&clock).with_throttled_base_delay(SECOND).with_max_attempts(9);
    let mut attempts = retry.attempts(Deadline::after(&clock, HOUR));
    let asks = |after| Fault::throttled("t").with_retry_after(after);
    assert_eq!(attempts.next(&asks(millis(1))), Ok(SECOND));
    // More than the policy's own maximum, and never less than asked for.
    assert_eq!(attempts.next(&asks(Duration::from_secs(30))), Ok(Duration::from_secs(30)));
    assert_eq!(attempts.next(&asks(Duration::new(40, 1))), Ok(millis(40_001)));
}

#[test]
fn without_time_for_the_wait_it_gives_up_at_once() {
    let world = world(1);
    let deadline = Deadline::after(&world.clock, SECOND);
    let late = lost().with_retry_after(millis(901)).with_source(std::io::Error::other("reset"));
    let (result, tries) = run(&world, deadline, vec![late]);
    let fault = result.unwrap_err();
    assert_eq!((fault.kind(), fault.disposition()), (FaultKind::Deadline, Disposition::FailItem));
    assert_eq!((fault.gave_up(), tries), (Some(GiveUp::NoTime), 1));
    assert!(fault.may_have_happened());
    let last = fault.source().unwrap().downcast_ref::<Fault>().unwrap();
    assert_eq!(last.kind(), FaultKind::Transient);
    assert_eq!(last.source().unwrap().to_string(), "reset");
    assert_eq!(deadline.remaining(&world.clock), SECOND);
    assert_eq!(world.retry.budget().available(), 500);

    // With the default reserve of 100 ms, this just fits.
    let fits = busy().with_retry_after(millis(900));
    let (result, _) = run(&world, deadline, vec![fits]);
    assert_eq!(result.unwrap(), 2);
}

#[test]
fn after_the_deadline_nothing_begins() {
    let world = world(1);
    let deadline = Deadline::after(&world.clock, SECOND);
    world.clock.advance(SECOND);
    let (result, tries) = run(&world, deadline, vec![]);
    let fault = result.unwrap_err();
    assert_eq!(
        (fault.kind(), fault.gave_up(), tries),
        (FaultKind::Deadline, Some(GiveUp::NoTime), 0)
    );
    assert!(fault.source().is_none() && !fault.may_have_happened());
}

/// Sleeps much longer than it should.
struct Oversleep(FixedClock);

impl Sleep for Oversleep {
    async fn sleep(&self, _: Duration) {
        self.0.advance(HOUR);
    }
}

#[test]
fn a_sandbox_that_was_frozen_while_it_slept_begins_nothing() {
    let clock = FixedClock::default();
    let retry = Retry::new(clock.clone(), SeededRandom::new(1), Oversleep(clock.clone()));
    let tries = Cell::new(0);
    let fault = block_on(retry.run(Deadline::after(&clock, SECOND), |_| {
        tries.set(tries.get() + 1);
        async { Err::<(), _>(busy()) }
    }))
    .unwrap_err();
    assert_eq!((fault.kind(), tries.get()), (FaultKind::Deadline, 1));
    assert!(fault.source().unwrap().is::<Fault>());
    assert_eq!(retry.budget().available(), 500, "the retry was not sent");
}

#[test]
fn unknown_trouble_is_tried_again_once_among_others() {
    let mut world = world(1);
    world.retry = world.retry.with_max_attempts(10);
    let unknown = || Fault::from_code("TeapotException", Some(418));
    let deadline = Deadline::after(&world.clock, HOUR);
    let (result, tries) = run(&world, deadline, vec![unknown(), unknown(), unknown()]);
    let fault = result.unwrap_err();
    assert_eq!((fault.gave_up(), tries), (Some(GiveUp::CapReached), 2));
    assert_eq!(fault.disposition(), Disposition::FailItem);

    // What is known does not use up the retry of what is not.
    let (result, _) = run(&world, deadline, vec![busy(), unknown(), busy()]);
    assert_eq!(result.unwrap(), 4);
}

#[test]
fn an_effect_that_may_have_happened_is_remembered_over_all_tries() {
    let world = world(1);
    let deadline = Deadline::after(&world.clock, HOUR);
    let faults = vec![lost(), Fault::from_code("ConditionalCheckFailedException", Some(400))];
    let fault = run(&world, deadline, faults).0.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Conflict);
    assert!(fault.may_have_happened(), "our own first try may be what broke the condition");
}

#[test]
fn what_must_not_happen_twice_is_not_tried_again_once_it_may_have_happened() {
    let mut world = world(1);
    world.retry = world.retry.at_most_once();
    let deadline = Deadline::after(&world.clock, HOUR);
    let (result, tries) = run(&world, deadline, vec![busy(), lost()]);
    let fault = result.unwrap_err();
    assert_eq!((fault.gave_up(), tries), (Some(GiveUp::MayHaveHappened), 2));
    assert!(fault.may_have_happened());
}

#[test]
fn the_budget_is_charged_and_refunded_as_in_the_aws_sdk() {
    let world = world(1);
    let deadline = Deadline::after(&world.clock, HOUR);
    let budget = world.retry.budget();
    assert!(budget.take(100));

    run(&world, deadline, vec![]).0.unwrap();
    assert_eq!(budget.available(), 401, "a first try gives 1");
    run(&world, deadline, vec![busy()]).0.unwrap();
    assert_eq!(budget.available(), 401, "a retry gives back what it cost");
    run(&world, deadline, vec![lost(), busy()]).0.unwrap();
    assert_eq!(budget.available(), 391, "but only the last one");
    run(&world, deadline, vec![busy(), busy(), busy()]).0.unwrap_err();
    assert_eq!(budget.available(), 381, "failure gives nothing back");
}

#[test]
fn a_loop_that_does_not_say_when_it_begins_gets_nothing_twice() {
    let world = world(1);
    let budget = world.retry.budget();
    assert!(budget.take(100));
    let mut attempts = world.retry.attempts(Deadline::after(&world.clock, HOUR));
    attempts.next(&busy()).unwrap();
    attempts.next(&busy()).unwrap();
    assert_eq!(budget.available(), 390);
    attempts.succeed();
    assert_eq!(budget.available(), 395);
}

/// Sleeps for ever.
struct Stuck;

impl Sleep for Stuck {
    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

#[test]
fn a_future_that_is_dropped_while_it_waits_puts_back_what_it_took() {
    let clock = FixedClock::default();
    let retry = Retry::new(clock.clone(), SeededRandom::new(1), Stuck);
    {
        let deadline = Deadline::after(&clock, HOUR);
        let mut waiting = pin!(retry.run(deadline, |_| async { Err::<(), _>(busy()) }));
        let polled = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert_eq!(retry.budget().available(), 495);
    }
    assert_eq!(retry.budget().available(), 500);
}

#[test]
fn a_future_that_is_dropped_in_a_retry_has_spent_it() {
    let world = world(1);
    {
        let deadline = Deadline::after(&world.clock, HOUR);
        let mut running = pin!(world.retry.run(deadline, |attempt| async move {
            if attempt > 1 {
                std::future::pending::<()>().await;
            }
            Err::<(), _>(busy())
        }));
        let polled = running.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    assert_eq!(world.retry.budget().available(), 495);
}

#[test]
fn the_future_can_be_sent() {
    fn sent<F: Future + Send>(future: F) -> F {
        future
    }
    let world = world(1);
    let deadline = Deadline::after(&world.clock, SECOND);
    block_on(sent(world.retry.run(deadline, |_| async { Ok::<_, Fault>(()) }))).unwrap();
}

#[test]
fn in_an_outage_a_thousand_callers_send_hardly_more_than_a_thousand_calls() {
    let clock = FixedClock::default();
    let retry = longest(&clock).with_max_attempts(5);
    let calls = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (retry, clock, calls) = (retry.clone(), clock.clone(), &calls);
            scope.spawn(move || {
                for _ in 0..250 {
                    let deadline = Deadline::after(&clock, HOUR);
                    let mut attempts = retry.attempts(deadline);
                    loop {
                        attempts.start().unwrap();
                        calls.fetch_add(1, Ordering::Relaxed);
                        if attempts.next(&busy()).is_err() {
                            break;
                        }
                    }
                }
            });
        }
    });
    assert_eq!(calls.into_inner(), 1000 + 500 / 5);
    assert_eq!(retry.budget().available(), 0);
}

/// A clock that somebody moves about while others wait.
#[derive(Clone)]
struct Jumping {
    clock: FixedClock,
    slept: Arc<std::sync::Mutex<Duration>>,
    back: Duration,
}

impl Sleep for Jumping {
    async fn sleep(&self, duration: Duration) {
        *self.slept.lock().unwrap() += duration;
        self.clock.advance(duration);
        self.clock.set_back(self.back);
    }
}

fn any_fault() -> impl Strategy<Value = (u8, Option<u64>)> {
    (0_u8..6, prop::option::weighted(0.2, 0_u64..5_000))
}

fn fault((kind, after): (u8, Option<u64>)) -> Fault {
    let fault = match kind {
        0 | 1 => busy(),
        2 => lost(),
        3 | 4 => Fault::throttled("t"),
        _ => Fault::from_code("TeapotException", None),
    };
    match after {
        Some(after) => fault.with_retry_after(millis(after)),
        None => fault,
    }
}

proptest! {
    #[test]
    fn delays_stay_between_floor_and_ceiling(
        seed: u64, base in 0_u64..2_000, max in 0_u64..10_000,
        faults in prop::collection::vec(any_fault(), 1..20)
    ) {
        let clock = FixedClock::default();
        let retry = Retry::new(clock.clone(), SeededRandom::new(seed), Stuck)
            .with_base_delay(millis(base))
            .with_throttled_base_delay(millis(2 * base))
            .with_max_delay(millis(max))
            .with_max_attempts(u32::MAX);
        let mut attempts = retry.attempts(Deadline::after(&clock, 1000 * HOUR));
        for (n, fault) in faults.into_iter().map(fault).enumerate() {
            let Ok(delay) = attempts.next(&fault) else {
                prop_assert!(fault.max_retries().is_some());
                continue;
            };
            let floor = fault.retry_after().unwrap_or_default();
            let base = if fault.kind() == FaultKind::Throttled { 2 * base } else { base };
            let ceiling = millis((base << n).min(max)).max(floor);
            prop_assert!((floor..=ceiling).contains(&delay), "{delay:?} of {floor:?}..={ceiling:?}");
            prop_assert_eq!(delay.subsec_nanos() % 1_000_000, 0);
        }
    }

    #[test]
    fn it_never_waits_past_the_deadline_less_the_reserve(
        seed: u64, given in 0_u64..20_000, reserve in 0_u64..3_000, attempts in 0_u32..12,
        back in prop_oneof![Just(0), 0_u64..100_000],
        faults in prop::collection::vec(any_fault(), 0..20)
    ) {
        let clock = FixedClock::default();
        let slept = Arc::default();
        let sleep = Jumping { clock: clock.clone(), slept: Arc::clone(&slept), back: millis(back) };
        let retry = Retry::new(clock.clone(), SeededRandom::new(seed), sleep)
            .with_reserve(millis(reserve))
            .with_max_attempts(attempts);
        let deadline = Deadline::at(clock.now().saturating_add(millis(given)));
        let capped = Cell::new(0);
        let tries = Cell::new(0);
        let source = RefCell::new(faults.into_iter().map(fault));
        let result = block_on(retry.run(deadline, |attempt| {
            tries.set(attempt);
            let fault = source.borrow_mut().next();
            let is_capped = fault.as_ref().is_some_and(|fault| fault.max_retries().is_some());
            capped.set(capped.get() + u32::from(is_capped));
            async move { fault.map_or(Ok(()), Err) }
        }));
        let slept = *slept.lock().unwrap();
        prop_assert!(slept <= millis(given).saturating_sub(millis(reserve)), "{slept:?}");
        prop_assert!(tries.get() <= attempts.max(1));
        prop_assert!(capped.get() <= 2, "one try and one retry");
        prop_assert!(retry.budget().available() <= retry.budget().capacity());
        if let Err(fault) = result {
            prop_assert_eq!(fault.disposition(), Disposition::FailItem);
            prop_assert!(fault.gave_up().is_some());
        }
    }

    #[test]
    fn a_seed_decides_everything(seed: u64, faults in prop::collection::vec(any_fault(), 0..6)) {
        let tell = || {
            let world = world(seed);
            let faults = faults.iter().copied().map(fault).collect();
            let (result, tries) = run(&world, Deadline::after(&world.clock, 10 * SECOND), faults);
            (result.map_err(|fault| fault.to_string()), tries, world.sleep.slept())
        };
        prop_assert_eq!(tell(), tell());
    }

    #[test]
    fn calls_are_bounded_by_first_tries_budget_and_refunds(
        seed: u64, capacity in 0_u32..200, max_attempts in 1_u32..6,
        callers in prop::collection::vec((0_u32..8, any::<bool>()), 1..200)
    ) {
        let clock = FixedClock::default();
        let retry = Retry::new(clock.clone(), SeededRandom::new(seed), InstantSleep::new(clock.clone()))
            .with_budget(RetryBudget::new(capacity))
            .with_max_attempts(max_attempts);
        let (mut calls, mut paid, mut refunds) = (0, 0, 0);
        for (failures, answer_lost) in &callers {
            let retry = retry.clone();
            let fault = || if *answer_lost { lost() } else { busy() };
            let mut attempts = retry.attempts(Deadline::after(&clock, HOUR));
            while let Ok(attempt) = attempts.start() {
                calls += 1;
                let before = retry.budget().available();
                if attempt > *failures {
                    attempts.succeed();
                    refunds += retry.budget().available() - before;
                    break;
                }
                if attempts.next(&fault()).is_err() {
                    break;
                }
                paid += before - retry.budget().available();
            }
        }
        let first_tries = u32::try_from(callers.len()).unwrap();
        prop_assert!(calls <= first_tries + (capacity + refunds) / 5);
        prop_assert_eq!(capacity + refunds - paid, retry.budget().available());
        prop_assert!(retry.budget().available() <= capacity);
    }
}

#[test]
fn full_jitter_uses_the_whole_range_evenly() {
    let clock = FixedClock::default();
    let retry = Retry::new(clock.clone(), SeededRandom::new(5), Stuck)
        .with_base_delay(millis(9))
        .with_budget(RetryBudget::new(u32::MAX));
    let mut counts = [0; 10];
    for _ in 0..10_000 {
        let mut attempts = retry.attempts(Deadline::after(&clock, HOUR));
        let delay = attempts.next(&busy()).unwrap();
        counts[usize::try_from(delay.as_millis()).unwrap()] += 1;
    }
    assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
}

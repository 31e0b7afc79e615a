use std::{
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use super::{Core, Percentiles, WorldFaults, kernel::Question};

fn strikes(core: &Core, about: u64) -> Vec<bool> {
    (0..50).map(|_| core.strikes(Question::Throttle, about, 0.5, "")).collect()
}

#[test]
fn what_happens_elsewhere_changes_no_answer_of_chance() {
    let (alone, beside) = (Core::new(7), Core::new(7));
    let first: Vec<bool> = strikes(&alone, 1);
    assert_eq!(strikes(&beside, 2).len(), 50);
    assert_eq!(strikes(&beside, 1), first);
    assert_ne!(strikes(&Core::new(8), 1), first);
    let count = first.iter().filter(|it| **it).count();
    assert!((10..40).contains(&count), "{count}");
}

#[test]
fn nothing_strikes_when_the_faults_are_over() {
    let core = Core::new(7);
    core.set_faults(WorldFaults::none().until(Duration::from_secs(1)));
    assert!(core.strikes(Question::Crash, 1, 1.0, ""));
    core.clock.advance(Duration::from_secs(1));
    assert!(!core.strikes(Question::Crash, 1, 1.0, ""));
}

#[test]
fn a_wait_that_is_dropped_leaves_nothing_behind() {
    let core = Arc::new(Core::new(7));
    let mut wait = Box::pin(core.wait(Duration::from_secs(1)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(&mut context).is_pending());
    drop(wait);
    assert!(core.next().is_none());
    assert_eq!(core.age(), Duration::ZERO);
}

#[test]
fn percentiles_are_those_that_so_many_do_not_exceed() {
    let of = |count: u64| Percentiles::of((1..=count).map(Duration::from_secs).rev().collect());
    let Percentiles { flows, p50, p90, p99, p100 } = of(200);
    assert_eq!(flows, 200);
    assert_eq!([p50, p90, p99, p100].map(|it| it.as_secs()), [100, 180, 198, 200]);
    assert_eq!(of(1).p50, of(1).p100);
    assert_eq!(of(0), Percentiles::default());
}

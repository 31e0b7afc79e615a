use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use setpiece_envelope::{Clock, FixedClock, Timestamp};

use super::Deadline;

const SECOND: Duration = Duration::from_secs(1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn time_runs_out() {
    let clock = FixedClock::default();
    let deadline = Deadline::after(&clock, 3 * SECOND);
    clock.advance(SECOND);
    assert_eq!(deadline.remaining(&clock), 2 * SECOND);
    assert!(!deadline.has_passed(&clock));
    clock.advance(2 * SECOND);
    assert!(deadline.has_passed(&clock));
    clock.advance(SECOND);
    assert_eq!(deadline.remaining(&clock), Duration::ZERO);
}

#[test]
fn the_deadline_of_a_lambda_context_is_in_milliseconds_since_the_epoch() {
    let deadline = Deadline::from_unix_millis(1_767_225_600_250);
    assert_eq!(deadline.instant().unix_millis(), 1_767_225_600_250);
    assert_eq!(deadline.remaining(&FixedClock::default()), millis(250));
}

#[test]
fn a_moment_beyond_all_others_is_the_last_one() {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::default());
    for deadline in [Deadline::from_unix_millis(u64::MAX), Deadline::after(&clock, Duration::MAX)] {
        assert!(deadline.remaining(&clock) > 1_000_000 * SECOND);
    }
}

#[test]
fn a_reserve_larger_than_everything_leaves_nothing() {
    let clock = FixedClock::default();
    let deadline = Deadline::after(&clock, SECOND);
    assert!(deadline.reserve(2 * SECOND).has_passed(&clock));
    assert!(deadline.reserve(Duration::MAX).has_passed(&clock));
    assert!(Deadline::at(clock.now()).reserve(Duration::MAX).has_passed(&clock));
}

#[test]
fn what_is_finer_than_a_millisecond_is_kept() {
    let clock = FixedClock::at(Timestamp::UNIX_EPOCH);
    let deadline = Deadline::at("1970-01-01T00:00:00.0000005Z".parse().unwrap());
    assert_eq!(deadline.remaining(&clock), Duration::from_nanos(500));
}

#[test]
fn a_clock_that_is_set_back_does_not_give_more_than_there_was() {
    let clock = FixedClock::default();
    let deadline = Deadline::after(&clock, SECOND);
    let child = deadline.child(&clock, millis(300));
    clock.set_back(Duration::from_hours(1));
    assert_eq!(deadline.remaining(&clock), SECOND);
    assert_eq!(deadline.reserve(millis(400)).remaining(&clock), millis(600));
    assert_eq!(child.remaining(&clock), millis(300));
    assert_eq!(deadline.child(&clock, 5 * SECOND).remaining(&clock), SECOND);
}

proptest! {
    #[test]
    fn a_child_is_never_later_than_its_parent(own: u32, parent: u32, later: u32, reserve: u32) {
        let clock = FixedClock::default();
        let parent = Deadline::after(&clock, millis(parent.into())).reserve(millis(reserve.into()));
        clock.advance(millis(later.into()));
        let child = parent.child(&clock, millis(own.into()));
        prop_assert_eq!(
            child.remaining(&clock),
            parent.remaining(&clock).min(millis(own.into()))
        );
        prop_assert!(child.instant() <= parent.instant() || parent.has_passed(&clock));
    }

    #[test]
    fn a_reserve_is_what_remains_when_the_earlier_one_has_passed(whole: u32, reserve: u32) {
        let clock = FixedClock::default();
        let whole = Deadline::after(&clock, millis(whole.into()));
        let reserve = millis(reserve.into());
        prop_assert_eq!(
            whole.reserve(reserve).remaining(&clock),
            whole.remaining(&clock).saturating_sub(reserve)
        );
    }
}

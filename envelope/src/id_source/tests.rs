use std::collections::HashSet;

use proptest::prelude::*;
use ulid::Ulid;

use super::{IdSource, SequentialIds, SystemIds, successor};
use crate::Timestamp;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis).unwrap()
}

proptest! {
    #[test]
    fn ids_rise_strictly_whatever_the_clock_does(
        steps in prop::collection::vec((0_i64..253_402_207_200_000, any::<u128>()), 1..200)
    ) {
        let mut last = None;
        for (millis, entropy) in steps {
            let next = successor(last, at(millis), entropy);
            prop_assert!(last.is_none_or(|last| last < next));
            last = Some(next);
        }
    }

    #[test]
    fn an_id_of_a_new_millisecond_carries_that_millisecond(
        last in 0_u64..253_402_207_199_000, later in 1_i64..1000, entropy: u128
    ) {
        let now = i64::try_from(last).unwrap() + later;
        let next = successor(Some(Ulid::from_parts(last, entropy)), at(now), entropy);
        prop_assert_eq!(i64::try_from(next.timestamp_ms()).unwrap(), now);
    }
}

#[test]
fn restored_copies_of_one_sandbox_make_different_ids() {
    let frozen = Some(Ulid::from_parts(5, 7));
    let one = successor(frozen, at(5), 11);
    let other = successor(frozen, at(5), 12);
    assert_ne!(one, other);
}

#[test]
fn a_full_millisecond_runs_over_into_the_next() {
    let full = Some(Ulid::from_parts(5, (1 << 80) - 1));
    let next = successor(full, at(5), 0);
    assert_eq!((next.timestamp_ms(), next.random()), (6, 0));
}

#[test]
fn concurrent_callers_get_different_ids() {
    let ids = SystemIds::new();
    let all: HashSet<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..500).map(|_| ids.next_id(at(5))).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(all.len(), 2000);
}

#[test]
fn sequential_ids_count() {
    let ids = SequentialIds::new();
    let same = ids.clone();
    assert_eq!(ids.next_id(at(0)).as_str(), "00000000000000000000000001");
    assert_eq!(same.next_id(at(0)).as_str(), "00000000000000000000000002");
}

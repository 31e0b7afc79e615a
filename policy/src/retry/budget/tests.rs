use proptest::prelude::*;

use super::RetryBudget;

#[test]
fn it_begins_full_and_gives_all_or_nothing() {
    let budget = RetryBudget::new(12);
    assert!(budget.take(5) && budget.take(5));
    assert!(!budget.take(5));
    assert_eq!(budget.available(), 2);
    assert!(budget.take(2) && budget.take(0) && !budget.take(1));
}

#[test]
fn clones_are_one_bucket_and_it_does_not_run_over() {
    let budget = RetryBudget::default();
    let other = budget.clone();
    assert!(other.take(300));
    assert_eq!(budget.available(), 200);
    other.put_back(u32::MAX);
    assert_eq!((budget.available(), budget.capacity()), (500, 500));
}

#[test]
fn concurrent_callers_take_exactly_what_there_is() {
    let budget = RetryBudget::new(5_000);
    let taken: usize = std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| (0..1_000).filter(|_| budget.take(5)).count())).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert_eq!((taken, budget.available()), (1_000, 0));
}

#[test]
fn concurrent_callers_never_see_it_overfull() {
    let budget = RetryBudget::new(50);
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let budget = &budget;
            scope.spawn(move || {
                for turn in 0..2_000 {
                    if (turn + caller) % 3 == 0 {
                        _ = budget.take(7);
                    } else {
                        budget.put_back(5);
                    }
                    assert!(budget.available() <= 50);
                }
            });
        }
    });
}

proptest! {
    #[test]
    fn it_counts_like_a_number_between_zero_and_its_capacity(
        capacity in 0_u32..1000, steps in prop::collection::vec((any::<bool>(), 0_u32..40), 0..200)
    ) {
        let budget = RetryBudget::new(capacity);
        let mut model = i64::from(capacity);
        for (take, tokens) in steps {
            if take {
                let fits = model >= i64::from(tokens);
                prop_assert_eq!(budget.take(tokens), fits);
                model -= if fits { i64::from(tokens) } else { 0 };
            } else {
                budget.put_back(tokens);
                model = (model + i64::from(tokens)).min(i64::from(capacity));
            }
            prop_assert_eq!(i64::from(budget.available()), model);
        }
    }
}

//! How many allocations a guarded call makes over the store's own: counted.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use setpiece_envelope::FixedClock;
use setpiece_idempotency::{Guard, Key, Lease, MemoryStore};
use setpiece_policy::{Deadline, Fault, InstantSleep, SeededRandom};

const FIRST_CALL: u64 = 18;
const DUPLICATE: u64 = 12;

#[test]
fn guarded_calls_allocate_little() {
    let clock = FixedClock::default();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let (random, sleep) = (SeededRandom::new(1), InstantSleep::new(clock.clone()));
    let guard =
        Guard::builder(store, "tests", "work", clock.clone(), random, sleep).build().unwrap();
    let lease = Lease::until(Deadline::after(&clock, Duration::from_secs(30)));
    let call = |key: &Key| {
        let future = pin!(guard.run(key, lease, async |_| Ok::<_, Fault>(29)));
        match { future }.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => drop(outcome.unwrap()),
            Poll::Pending => panic!("nothing here waits"),
        }
    };
    call(&Key::of("warm").unwrap());
    let key = Key::of("order-17").unwrap();
    let first = measure(|| call(&key)).count_total;
    let duplicate = measure(|| call(&key)).count_total;
    assert!(first <= FIRST_CALL, "first call: {first} allocations");
    assert!(duplicate <= DUPLICATE, "duplicate: {duplicate} allocations");
}

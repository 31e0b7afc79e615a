//! The store in memory.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
};

use setpiece_envelope::FixedClock;
use setpiece_idempotency::{
    Guard, Key, Lease, MemoryStore, MemoryWrite, Store, record::Body, store::Spill,
};
use setpiece_policy::{Deadline, Fault, InstantSleep, SeededRandom};

use crate::{
    conformance::conformance,
    support::{KEY, SECOND, run},
};

conformance!(run);

#[cfg(feature = "compress")]
#[test]
fn compressed_results_are_replayed() {
    run(crate::conformance::results::compressed_results_are_replayed);
}

#[test]
fn guards_and_their_calls_move_between_threads() {
    fn moves<T: Send>(value: T) {
        drop(value);
    }
    fn is_shared<T: Clone + Send + Sync + 'static>(value: &T) {
        _ = value;
    }
    let clock = FixedClock::default();
    let deadline = Deadline::after(&clock, SECOND);
    let store: Arc<dyn Store<Write = MemoryWrite>> = Arc::new(MemoryStore::new(clock.clone()));
    let (random, sleep) = (SeededRandom::new(1), InstantSleep::new(clock.clone()));
    // A store behind `dyn` will do as well.
    let guard = Guard::builder(store, "tests", "work", clock, random, sleep).build().unwrap();
    is_shared(&guard);
    let lease = Lease::until(deadline);
    moves(guard.run(&KEY, lease, |_| async { Ok::<_, Fault>(1) }));
    moves(guard.commit(&KEY, lease, |_| async { Ok::<_, Fault>((1, vec![])) }));
    moves(guard.commit_once(&KEY, deadline, |_| async { Ok::<_, Fault>((1, vec![])) }));
    moves(guard.seen(&KEY, deadline));
    moves(guard.claim(&KEY, lease));
    let records = ["a"];
    let key = |record: &&str| Key::of(*record);
    moves(guard.batch(lease).run(&records, key, |_, _| async { Ok::<_, Fault>(1) }));
}

#[test]
fn other_bytes_are_not_taken_for_a_spilled_result() {
    run(async |world| {
        let guard = world.guard();
        let work = async |_| Ok::<_, Fault>("x".repeat(1000));
        _ = guard.run(&KEY, world.lease(), work).await.unwrap();
        let record = world.record(&KEY).await.unwrap();
        let Some(Body::Spilled(spill)) = record.result.map(|stored| stored.body) else {
            panic!("it is on the record")
        };
        let bytes = b"\"forged\"".to_vec();
        let expires_at = record.expires_at.unwrap();
        let forged = Spill::new(guard.record_key(&KEY), spill, bytes, expires_at);
        guard.store().put_spill(&forged).await.unwrap();
        let error = guard.run(&KEY, world.lease(), work).await.unwrap_err();
        assert_eq!(error.name(), "Unreadable");
    });
}

#[test]
fn threads_do_not_mix() {
    const KEYS: u32 = 20;
    let clock = FixedClock::default();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let sleep = InstantSleep::new(clock.clone());
    let lease = Lease::until(Deadline::after(&clock, 30 * SECOND));
    let builder = Guard::builder(store, "tests", "work", clock, SeededRandom::new(1), sleep);
    let guard = builder.build().unwrap();
    let runs: Vec<_> = (0..KEYS).map(|_| AtomicU32::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (guard, runs) = (&guard, &runs);
            scope.spawn(move || {
                for index in 0..KEYS {
                    // Each in another order, and half of them in the same.
                    let number = (index + (thread / 2) * 5) % KEYS;
                    let key = Key::of(&number).unwrap();
                    let work = async |_| {
                        runs[number as usize].fetch_add(1, Ordering::Relaxed);
                        Ok::<_, Fault>(number)
                    };
                    let call = pin!(guard.run(&key, lease, work));
                    match call.poll(&mut Context::from_waker(Waker::noop())) {
                        Poll::Ready(Ok(outcome)) => assert_eq!(outcome.value(), Some(number)),
                        Poll::Ready(Err(error)) => assert_eq!(error.name(), "InProgress"),
                        Poll::Pending => panic!("nothing here waits"),
                    }
                }
            });
        }
    });
    assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1), "{runs:?}");
}

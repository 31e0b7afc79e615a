//! The store in memory.

use std::sync::Arc;

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

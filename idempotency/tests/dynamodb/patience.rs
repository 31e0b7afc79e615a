//! Waiting in a time that only passes while nobody works.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use setpiece_envelope::{Clock, FixedClock, Timestamp};
use setpiece_policy::Sleep;

use crate::wire::Wire;

/// How often all others are let go first before it counts that nobody has anything to do.
const QUIET: u32 = 20;

/// Sleeps until every request has its answer, and then moves the clock to when the first sleeper
/// wakes. So a timeout strikes when an answer never comes, and not when one is on its way.
#[derive(Clone)]
pub(crate) struct Patience {
    clock: FixedClock,
    wire: Wire,
    sleepers: Arc<Mutex<BTreeSet<Sleeper>>>,
    next: Arc<AtomicU64>,
}

type Sleeper = (Timestamp, u64);

impl Patience {
    pub(crate) fn new(clock: FixedClock, wire: Wire) -> Self {
        Self { clock, wire, sleepers: Arc::default(), next: Arc::default() }
    }
}

impl Sleep for Patience {
    async fn sleep(&self, duration: Duration) {
        let wakes = self.clock.now().saturating_add(duration);
        let sleeper = (wakes, self.next.fetch_add(1, Ordering::Relaxed));
        self.sleepers.lock().unwrap().insert(sleeper);
        let _bed = Bed { patience: self, sleeper };
        let (mut quiet, mut activity) = (0, self.wire.activity());
        while self.clock.now() < wakes {
            tokio::task::yield_now().await;
            let seen = self.wire.activity();
            quiet = if self.wire.is_idle() && seen == activity { quiet + 1 } else { 0 };
            activity = seen;
            let is_first = || self.sleepers.lock().unwrap().first() == Some(&sleeper);
            if quiet > QUIET && is_first() {
                self.clock.advance(wakes.saturating_duration_since(self.clock.now()));
            }
        }
    }
}

struct Bed<'a> {
    patience: &'a Patience,
    sleeper: Sleeper,
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        self.patience.sleepers.lock().unwrap().remove(&self.sleeper);
    }
}

//! What a guarded call costs over bare calls of the store: ratios in one run, allocations, and
//! instructions where valgrind is installed.
//!
//! The store is the one in memory, so that what is counted is the guard's own work: its key, its
//! owner, its records, its JSON. The bare side makes the same two requests by hand, with a key and
//! an owner that are there already.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is not production code")]

use std::{
    hint::black_box,
    pin::pin,
    process::Command,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use allocation_counter::measure;
use setpiece_envelope::{Clock, FixedClock, IdSource, SystemIds};
use setpiece_idempotency::{
    Guard, Key, Lease, MemoryStore, Outcome, Store,
    record::{Owner, Stored},
    store::{Acquire, End, RecordKey, Settle},
};
use setpiece_policy::{Deadline, Fault, InstantSleep, SeededRandom};

const SAMPLES: usize = 200;
const ROUNDS: usize = 100;
/// How many calls are run under valgrind, beside none.
const COUNTED: usize = 1000;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, side, calls] = &arguments[..]
        && let Ok(calls) = calls.parse()
    {
        return counted(side, calls);
    }
    let bench = Bench::new();
    for (what, bare, guarded) in [
        ("first call", &Bench::bare_first as &dyn Fn(&Bench), &Bench::first as &dyn Fn(&Bench)),
        ("duplicate", &Bench::bare_duplicate, &Bench::duplicate),
    ] {
        let (ours, theirs) = fastest(&|| guarded(&bench), &|| bare(&bench));
        let ours_allocated = measure(|| guarded(&bench)).count_total;
        let theirs_allocated = measure(|| bare(&bench)).count_total;
        println!(
            "{what}: bare {theirs:.2} µs, guarded {ours:.2} µs, ratio {:.2}; \
             allocations {theirs_allocated} and {ours_allocated}",
            ours / theirs,
        );
    }
    for side in ["bare-first", "first", "bare-duplicate", "duplicate"] {
        match instructions(&arguments[0], side) {
            Some(count) => println!("{side}: {count} instructions"),
            None => return println!("without valgrind, instructions are not counted"),
        }
    }
}

/// Keys that are new in each call, and one that is done.
struct Bench {
    guard: Guard<MemoryStore>,
    store: Arc<MemoryStore>,
    clock: FixedClock,
    ids: SystemIds,
    lease: Lease,
    done: Key,
}

impl Bench {
    fn new() -> Self {
        let clock = FixedClock::default();
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let (random, sleep) = (SeededRandom::new(1), InstantSleep::new(clock.clone()));
        let guard =
            Guard::builder(Arc::clone(&store), "bench", "work", clock.clone(), random, sleep)
                // What was done is forgotten, so that the store does not grow.
                .retention(Duration::from_secs(1))
                .build()
                .unwrap();
        let lease = Lease::until(Deadline::at(clock.now().saturating_add(Duration::from_hours(1))));
        let done = Key::of("done").unwrap();
        let bench = Self { guard, store, clock, ids: SystemIds::new(), lease, done };
        bench.run(&bench.done, true);
        bench
    }

    fn run(&self, key: &Key, fresh: bool) {
        let work = async |_| Ok::<_, Fault>(black_box(29_u64));
        let outcome = block_on(self.guard.run(key, self.lease, work)).unwrap();
        assert_eq!(matches!(outcome, Outcome::Fresh(29)), fresh);
    }

    fn first(&self) {
        let id = self.ids.next_id(self.clock.now());
        let key = Key::of(&id).unwrap();
        self.run(&key, true);
    }

    fn duplicate(&self) {
        self.run(&self.done, false);
    }

    fn bare_first(&self) {
        let id = self.ids.next_id(self.clock.now());
        let (request, now) = self.request(RecordKey::new(id.as_str()));
        block_on(self.store.acquire(&request)).unwrap();
        let Acquire { key, owner, expires_at, .. } = request;
        let result = Stored::json(serde_json::to_vec(&black_box(29_u64)).unwrap());
        let settle = Settle::new(key, owner, now, End::Completed, result, expires_at);
        block_on(self.store.settle(&settle)).unwrap();
    }

    fn bare_duplicate(&self) {
        let (request, _) = self.request(self.guard.record_key(&self.done));
        black_box(block_on(self.store.acquire(&request)).unwrap());
    }

    fn request(&self, key: RecordKey) -> (Acquire, setpiece_envelope::Timestamp) {
        let now = self.clock.now();
        let owner = Owner::new(self.ids.next_id(now).as_str());
        let until = now.saturating_add(Duration::from_secs(30));
        (Acquire::new(key, owner, now, until, until), now)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

/// Microseconds of one call of each, in the fastest of many alternating samples.
fn fastest(ours: &dyn Fn(), theirs: &dyn Fn()) -> (f64, f64) {
    let mut best = (f64::INFINITY, f64::INFINITY);
    for _ in 0..SAMPLES {
        best.0 = best.0.min(sample(ours));
        best.1 = best.1.min(sample(theirs));
    }
    best
}

fn sample(run: &dyn Fn()) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    for _ in 0..ROUNDS {
        run();
    }
    #[expect(clippy::cast_precision_loss, reason = "rounds are few")]
    let rounds = ROUNDS as f64;
    start.elapsed().as_secs_f64() * 1e6 / rounds
}

/// What a run under valgrind does.
fn counted(side: &str, calls: usize) {
    let bench = Bench::new();
    for _ in 0..calls {
        match side {
            "first" => bench.first(),
            "duplicate" => bench.duplicate(),
            "bare-first" => bench.bare_first(),
            _ => bench.bare_duplicate(),
        }
    }
}

/// Instructions of one call.
fn instructions(program: &str, side: &str) -> Option<u64> {
    let count = |calls: usize| {
        let run = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", program, side])
            .arg(calls.to_string())
            .output()
            .ok()?;
        let said = String::from_utf8(run.stderr).ok()?;
        let line = said.lines().find(|line| line.contains("Collected :"))?;
        line.rsplit(' ').next()?.parse::<u64>().ok()
    };
    let (some, none) = (count(COUNTED)?, count(0)?);
    Some(some.saturating_sub(none) / COUNTED as u64)
}

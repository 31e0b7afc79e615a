//! Many worlds, and what to say of the one that fails.

use std::{
    any::Any,
    cell::Cell,
    collections::BTreeSet,
    fmt,
    num::NonZero,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    Core, World,
    kernel::{Simpler, Strike},
};
use crate::must::must;

/// The environment variable that says which seeds to run instead of those of the test.
const SEEDS: &str = "SETPIECE_SEEDS";

/// Limit on the runs of a failing world that find out which faults it takes.
const MOST_RUNS: usize = 400;

impl World {
    /// Runs `test` in a world of each seed, on all cores, until one fails.
    ///
    /// What fails is run again with fewer and fewer faults, as long as it still fails. The message
    /// says which faults are left, what happened then, step for step, and how to run it again.
    ///
    /// Panics of worlds are not printed but for that message.
    ///
    /// The environment variable `SETPIECE_SEEDS`, such as `77` or `0..10000`, replaces the seeds.
    ///
    /// # Panics
    ///
    /// When `test` does for a seed.
    #[track_caller]
    pub fn check(seeds: impl IntoIterator<Item = u64>, test: impl Fn(&mut Self) + Sync) {
        let seeds: Vec<u64> = match demanded() {
            Some(demanded) => demanded,
            None => seeds.into_iter().collect(),
        };
        if let Some(failure) = Self::find_failure(seeds, test) {
            let again = rerun(failure.seed);
            must("a world fails", Err::<(), _>(format!("{failure}\nTo run it again:\n{again}\n")));
        }
    }

    /// Checks worlds for programs that are no tests: a failure is returned, and no variable of the
    /// environment has a say.
    pub fn find_failure(
        seeds: impl IntoIterator<Item = u64>,
        test: impl Fn(&mut Self) + Sync,
    ) -> Option<WorldFailure> {
        let seeds: Vec<u64> = seeds.into_iter().collect();
        first_failure(&seeds, &test).map(|seed| explain(seed, &test))
    }
}

/// A world in which a test failed, with no more faults than that takes.
///
/// As a text it is the report for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorldFailure {
    /// The seed of the world.
    pub seed: u64,
    /// Message of the test.
    pub message: String,
    /// Number of faults that struck in all.
    pub struck: usize,
    /// Those without which it does not fail, one text for each, in the order in which they struck.
    pub faults: Vec<String>,
    /// Story with these faults alone, as [`World::trace`] tells it.
    pub trace: String,
}

impl fmt::Display for WorldFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, message, struck, faults, trace } = self;
        write!(f, "seed {seed}\n{message}\n\nIt takes {} of its {struck} faults:\n", faults.len())?;
        for fault in faults {
            writeln!(f, "{fault}")?;
        }
        write!(f, "\nWhat happens then:\n{trace}")
    }
}

/// The first seed, in their order, that is known to fail.
fn first_failure(seeds: &[u64], test: &(impl Fn(&mut World) + Sync)) -> Option<u64> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let failures = Mutex::new(BTreeSet::new());
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(seed) = seeds.get(place) else { break };
            if attempt(*seed, Simpler::default(), false, test).is_some() {
                failed.store(true, Ordering::Relaxed);
                failures.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(seeds.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.first().and_then(|place| seeds.get(*place)).copied()
}

/// Failure of a world.
struct Failure {
    message: String,
    struck: Vec<(Strike, String)>,
    trace: String,
}

/// Runs one world, or a simpler one.
fn attempt(
    seed: u64,
    simpler: Simpler,
    traced: bool,
    test: &impl Fn(&mut World),
) -> Option<Failure> {
    let core = Arc::new(Core::new(seed));
    core.simplify(simpler);
    if !traced {
        core.stop_tracing();
    }
    let of_world = Arc::clone(&core);
    let ended = quietly(|| test(&mut World::with_core(of_world)));
    let message = ended.err()?;
    Some(Failure { message, struck: core.struck(), trace: core.trace() })
}

/// Takes away as many faults as can be without its ceasing to fail, and tells what is left.
fn explain(seed: u64, test: &impl Fn(&mut World)) -> WorldFailure {
    let unsteady = || WorldFailure {
        seed,
        message: "it fails, and not always: it depends on more than its world".to_owned(),
        struck: 0,
        faults: Vec::new(),
        trace: String::new(),
    };
    let Some(first) = attempt(seed, Simpler::default(), false, test) else { return unsteady() };
    let all = first.struck.len();
    let mut simpler = Simpler { only: Some(strikes(&first)), in_order: true };
    let in_order = attempt(seed, simpler.clone(), false, test);
    simpler.in_order = in_order.is_some();
    let mut last = in_order.unwrap_or(first);
    let (mut runs, mut size) = (0, all.div_ceil(2).max(1));
    while !last.struck.is_empty() && runs < MOST_RUNS {
        let (mut shrunk, mut place) = (false, 0);
        while place < last.struck.len() && runs < MOST_RUNS {
            let kept = strikes(&last).into_iter().enumerate();
            let kept = kept.filter(|(at, _)| !(place..place + size).contains(at));
            simpler.only = Some(kept.map(|(_, strike)| strike).collect());
            runs += 1;
            // Some of those that are left may not come about any more.
            match attempt(seed, simpler.clone(), false, test) {
                Some(failure) => (last, shrunk) = (failure, true),
                None => place += size,
            }
        }
        if size == 1 && !shrunk {
            break;
        }
        size = (size / 2).max(1);
    }
    simpler.only = Some(strikes(&last));
    let Some(Failure { message, struck, trace }) = attempt(seed, simpler, true, test) else {
        return unsteady();
    };
    let faults = struck.into_iter().map(|(_, what)| what).collect();
    WorldFailure { seed, message, struck: all, faults, trace }
}

fn strikes(failure: &Failure) -> BTreeSet<Strike> {
    failure.struck.iter().map(|(strike, _)| *strike).collect()
}

fn rerun(seed: u64) -> String {
    let package = env("CARGO_PKG_NAME").map_or_else(String::new, |name| format!(" -p {name}"));
    // Tests are threads of their own name.
    let test = thread::current().name().filter(|name| *name != "main").map(str::to_owned);
    let test = test.map_or_else(String::new, |name| format!(" {name} -- --exact"));
    format!("{SEEDS}={seed} cargo test{package}{test}")
}

/// The seeds that the environment asks for.
#[track_caller]
fn demanded() -> Option<Vec<u64>> {
    let text = env(SEEDS)?;
    let number = |text: &str| {
        let number = text.trim().parse::<u64>();
        must(SEEDS, number.map_err(|_| format!("`{text}` is no number")))
    };
    Some(match text.split_once("..") {
        Some((from, to)) => (number(from)..number(to)).collect(),
        None => text.split(',').map(number).collect(),
    })
}

#[expect(clippy::disallowed_methods, reason = "whoever runs a test says so to no other place")]
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

thread_local! {
    /// True if nothing is said of panics of this thread.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test that may fail, and says how it did.
fn quietly(test: impl FnOnce()) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let was_quiet = QUIET.replace(true);
    let ended = panic::catch_unwind(AssertUnwindSafe(test));
    QUIET.set(was_quiet);
    ended.map_err(|panic| said(&*panic))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

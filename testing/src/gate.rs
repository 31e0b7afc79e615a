use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// Gate that everything that leaves a process goes through, and that a test can shut: the points at
/// which a process dies or freezes.
///
/// Whatever has a gate passes it before each request, and again before it has the answer. So a test
/// can let a process go on for as many points as it likes, without knowing which there are:
///
/// ```
/// # use setpiece_testing::Gate;
/// let process = Gate::new();
/// process.shut_after(3);
/// // Give it to a bus and a database, run the process, and stop when it `is_stuck`. What is dropped
/// // then is dead; after `open`, what was kept goes on as if it had been frozen.
/// # process.open();
/// assert_eq!(process.passed(), 0);
/// ```
///
/// Clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    passed: usize,
    /// Number of requests that may pass in all; without it, everything may.
    limit: Option<usize>,
    waiting: Vec<Waker>,
    is_stuck: bool,
}

impl Gate {
    /// An open gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets so many pass, counted from the beginning, and stops what comes after them.
    pub fn shut_after(&self, passes: usize) {
        self.state().limit = Some(passes);
    }

    /// Lets everything pass, and whatever waits.
    pub fn open(&self) {
        let waiting = {
            let state = &mut *self.state();
            state.limit = None;
            state.is_stuck = false;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Returns the number of requests that have passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.state().passed
    }

    /// Returns true if something waits to pass.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.state().is_stuck
    }

    /// Passes it, when it is open.
    pub async fn pass(&self) {
        poll_fn(|context| {
            let state = &mut *self.state();
            if state.limit.is_none_or(|limit| state.passed < limit) {
                state.passed += 1;
                return Poll::Ready(());
            }
            state.is_stuck = true;
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Gate")
            .field("passed", &state.passed)
            .field("limit", &state.limit)
            .field("is_stuck", &state.is_stuck)
            .finish_non_exhaustive()
    }
}

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use setpiece_envelope::{Clock, Timestamp};

use crate::scope::WeakScope;

/// Time before its deadline at which an invocation is spoken for.
const MARGIN: Duration = Duration::from_millis(50);

/// A thread that says what an invocation has kept when it is about to be killed.
///
/// It is no task: a handler that blocks its executor would block it as well.
pub(crate) struct Watchdog {
    core: Arc<Core>,
}

struct Core {
    armed: Mutex<Armed>,
    changed: Condvar,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Armed {
    scopes: Vec<(Timestamp, WeakScope)>,
    has_thread: bool,
    is_closed: bool,
}

impl Watchdog {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let core = Core { armed: Mutex::default(), changed: Condvar::new(), clock };
        Self { core: Arc::new(core) }
    }

    /// Watches an invocation, unless its time is over.
    pub(crate) fn arm(&self, deadline: Timestamp, scope: WeakScope) {
        let left = deadline.saturating_duration_since(self.core.clock.now());
        let Some(left) = left.checked_sub(MARGIN).filter(|left| !left.is_zero()) else { return };
        let mut armed = self.core.lock();
        if armed.scopes.len().is_power_of_two() {
            armed.scopes.retain(|(_, scope)| scope.is_open());
        }
        armed.scopes.push((self.core.clock.now().saturating_add(left), scope));
        if !armed.has_thread {
            let core = Arc::clone(&self.core);
            // Without a thread, lines are lost at a timeout; that is no reason to do nothing.
            let thread = thread::Builder::new().name("setpiece-watchdog".to_owned());
            armed.has_thread = thread.spawn(move || core.watch()).is_ok();
        }
        drop(armed);
        self.core.changed.notify_one();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.core.lock().is_closed = true;
        self.core.changed.notify_one();
    }
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let mut armed = self.lock();
        while !armed.is_closed {
            let now = self.clock.now();
            let due = armed.take_due(now);
            let next = armed.scopes.iter().map(|(at, _)| *at).min();
            armed = match next {
                _ if !due.is_empty() => {
                    drop(armed);
                    for scope in due {
                        scope.time_out();
                    }
                    self.lock()
                }
                Some(next) => {
                    let left = next.saturating_duration_since(now).max(Duration::from_millis(1));
                    let woken = self.changed.wait_timeout(armed, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(armed).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Armed {
    fn take_due(&mut self, now: Timestamp) -> Vec<WeakScope> {
        let (due, scopes) =
            std::mem::take(&mut self.scopes).into_iter().partition(|it| it.0 <= now);
        self.scopes = scopes;
        let due: Vec<(Timestamp, WeakScope)> = due;
        due.into_iter().map(|(_, scope)| scope).collect()
    }
}

#[cfg(test)]
mod tests;

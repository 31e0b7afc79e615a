use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use setpiece_envelope::FixedClock;

/// Lets time pass. Everything in Setpiece that waits does it through one of these.
pub trait Sleep: Send + Sync + 'static {
    /// Is ready once `duration` has passed. Dropped before, it just ends.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

impl<S: Sleep> Sleep for Arc<S> {
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        (**self).sleep(duration)
    }
}

/// Any [`Sleep`], behind one type. Its allocation is paid only by those who wait anyway.
pub(crate) trait AnySleep: Send + Sync {
    fn sleep_boxed(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

impl<S: Sleep> AnySleep for S {
    fn sleep_boxed(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.sleep(duration))
    }
}

/// Sleeps on the timer of the tokio runtime, which counts whole milliseconds.
///
/// # Panics
///
/// Sleeping panics outside of a tokio runtime whose timer is enabled.
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioSleep;

#[cfg(feature = "tokio")]
impl Sleep for TokioSleep {
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }
}

/// Sleeps in no time by moving a clock ahead, and remembers it, for tests. Clones are the same.
///
/// ```
/// use std::time::Duration;
/// use setpiece_envelope::{Clock, FixedClock};
/// use setpiece_policy::{InstantSleep, Sleep};
///
/// # use std::{pin::pin, task::{Context, Waker}};
/// # let example = async {
/// let clock = FixedClock::default();
/// let start = clock.now();
/// let sleep = InstantSleep::new(clock.clone());
/// sleep.sleep(Duration::from_secs(2)).await;
/// assert_eq!(clock.now(), start.saturating_add(Duration::from_secs(2)));
/// assert_eq!(sleep.slept(), [Duration::from_secs(2)]);
/// # };
/// # assert!(pin!(example).poll(&mut Context::from_waker(Waker::noop())).is_ready());
/// ```
///
/// The clock counts whole milliseconds, and so do the delays of a [`Retry`](crate::Retry).
///
/// It is for what is ready at once. What is given a time, such as a publication that has a deadline,
/// is out of time as soon as it has to wait for anything else: for a socket, or for another task.
/// For such tests there is the paused time of a tokio runtime.
#[derive(Clone, Debug)]
pub struct InstantSleep {
    clock: FixedClock,
    slept: Arc<Mutex<Vec<Duration>>>,
}

impl InstantSleep {
    /// Moves `clock` whenever it sleeps.
    #[must_use]
    pub fn new(clock: FixedClock) -> Self {
        Self { clock, slept: Arc::default() }
    }

    /// Returns the times that it has slept, in order.
    #[must_use]
    pub fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sleep for InstantSleep {
    async fn sleep(&self, duration: Duration) {
        self.clock.advance(duration);
        self.slept.lock().unwrap_or_else(PoisonError::into_inner).push(duration);
    }
}

#[cfg(test)]
#[cfg(feature = "tokio")]
mod tests;

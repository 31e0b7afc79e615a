use std::{fmt, sync::Arc, time::Duration};

use setpiece_envelope::{Clock, IdSource, SystemIds};
use setpiece_policy::{Random, Retry, Sleep};

use super::{Guard, OnBusy, OnStoreDown};
use crate::{
    BySemantics, Keep,
    core::{AnySleep, Core, Observer, Settings},
    flights::Flights,
    report::Report,
    store::{Semantics, Store},
};

/// Makes a [`Guard`].
#[must_use = "a builder does nothing until it builds"]
pub struct GuardBuilder<S: Store + ?Sized, C = BySemantics> {
    settings: Settings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    sleep: Arc<dyn AnySleep>,
    ids: Arc<dyn IdSource>,
    retry: Retry,
    observer: Option<Arc<Observer>>,
    store: Arc<S>,
    classify: C,
}

/// Error of a guard's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigError {
    /// Namespace or operation is empty, or has a `#`, which separates them.
    Name,
    /// The retention is shorter than a second. What is forgotten at once protects nothing.
    Retention,
    /// No attempt is allowed.
    Attempts,
    /// Work that must not be run twice cannot be run without protection.
    Unguarded,
}

impl<S: Store + ?Sized> Guard<S> {
    /// Begins a guard for the operation `operation` of `namespace`, which is the service or the
    /// domain, with records in `store`.
    ///
    /// Time, randomness and waiting come from the other three. In a Lambda function they are
    /// `SystemClock`, `SystemRandom` and `TokioSleep`; feature `tokio` has `Guard::system` for it.
    ///
    /// The sleep bounds whatever waits for the outside: the store's answers, and the work, which is
    /// cancelled before its lease is over. One that takes no time, such as `InstantSleep`, is for
    /// tests in which nothing does.
    pub fn builder(
        store: Arc<S>,
        namespace: &str,
        operation: &str,
        clock: impl Clock,
        random: impl Random,
        sleep: impl Sleep,
    ) -> GuardBuilder<S> {
        let (clock, random, sleep) = (Arc::new(clock), Arc::new(random), Arc::new(sleep));
        GuardBuilder {
            settings: Settings {
                namespace: namespace.into(),
                operation: operation.into(),
                scope: format!("{namespace}#{operation}#").into(),
                retention: Duration::from_hours(24),
                semantics: Semantics::default(),
                on_busy: OnBusy::default(),
                on_store_down: OnStoreDown::default(),
                max_attempts: u64::MAX,
                keep: Keep::default(),
                result_name: None,
                skew: Duration::from_secs(1),
                min_time: Duration::from_millis(100),
                probe_first: false,
            },
            retry: Retry::new(Arc::clone(&clock), Arc::clone(&random), Arc::clone(&sleep)),
            clock,
            random,
            sleep,
            ids: Arc::new(SystemIds::new()),
            observer: None,
            store,
            classify: BySemantics,
        }
    }

    /// Begins a guard that takes time and randomness from the operating system, and waits on
    /// tokio's timer.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub fn system(store: Arc<S>, namespace: &str, operation: &str) -> GuardBuilder<S> {
        Self::builder(
            store,
            namespace,
            operation,
            setpiece_envelope::SystemClock,
            setpiece_policy::SystemRandom,
            setpiece_policy::TokioSleep,
        )
    }
}

impl<S: Store + ?Sized, C> GuardBuilder<S, C> {
    /// Sets the time for which results are replayed; the default is a day. It should be longer than
    /// anybody keeps on delivering the same request.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.retention = retention;
        self
    }

    /// Sets whether work is run again after its lease has lapsed; by default it is.
    pub fn semantics(mut self, semantics: Semantics) -> Self {
        self.settings.semantics = semantics;
        self
    }

    /// Sets the reaction to a key that somebody else works on; the default is to fail.
    pub fn on_busy(mut self, on_busy: OnBusy) -> Self {
        self.settings.on_busy = on_busy;
        self
    }

    /// Sets the reaction to a store that does not answer; the default is to fail.
    pub fn on_store_down(mut self, on_store_down: OnStoreDown) -> Self {
        self.settings.on_store_down = on_store_down;
        self
    }

    /// Limits the number of times that the work may be begun until it is done; by default there is
    /// no limit.
    ///
    /// It is counted anew when the work is done, when somebody on call gives the key back, and
    /// when the store has deleted the expired record. That it has expired is not enough: when it is
    /// deleted is up to the store, and until then the attempts go on as well.
    ///
    /// A claim counts also when it was given back before the work began: it was one too many, or the
    /// answer to it came when there was no time left to begin. A call that [has no
    /// time](Self::min_time) from the start claims nothing.
    pub fn max_attempts(mut self, attempts: u64) -> Self {
        self.settings.max_attempts = attempts;
        self
    }

    /// Sets the part of a result that is kept; the default is [all of it](Keep::result).
    pub fn keep(mut self, keep: Keep) -> Self {
        self.settings.keep = keep;
        self
    }

    /// A name for the form of the result, such as `receipt/2`. A stored result with another name is
    /// not read, also where it could be.
    ///
    /// By default results have the names of their Rust types, which tell what was stored when it
    /// cannot be read, but are not compared, since moving a type does not change its JSON.
    pub fn result_name(mut self, name: impl Into<Box<str>>) -> Self {
        self.settings.result_name = Some(name.into());
        self
    }

    /// Sets the permitted difference between clocks; the default is a second.
    ///
    /// Work is cancelled so long before its lease ends, and others wait so long after it. A [short
    /// lease](crate::Lease::short) is made three times as long at least.
    pub fn skew(mut self, skew: Duration) -> Self {
        self.settings.skew = skew;
        self
    }

    /// Sets the time that must be left for the work when a key is claimed; the default is 100 ms.
    /// With less than the store needs for an answer, the key would only be locked.
    pub fn min_time(mut self, min_time: Duration) -> Self {
        self.settings.min_time = min_time;
        self
    }

    /// Reads the record before it is claimed.
    ///
    /// A duplicate then costs a read unit in place of a write unit, which costs five times as much,
    /// and a first call a read unit more: worth it where one call in five is a duplicate. A read that
    /// is not answered is waited for half of the time, and then the key is claimed without it.
    pub fn probe_first(mut self) -> Self {
        self.settings.probe_first = true;
        self
    }

    /// Sets the retries of requests to the store; the default is that of [`Retry::new`]. Writes
    /// that must be made because the work is done are tried more often.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the source of the owners' tokens; the default is the operating system's randomness.
    ///
    /// A source that repeats itself lets one claim pass for another.
    pub fn ids(mut self, ids: impl IdSource) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// Calls `observer` with whatever there is to say about calls, for metrics and logs.
    ///
    /// It is called in the middle of calls, so it should be quick. A panic in it is caught, and
    /// changes nothing.
    pub fn observer(mut self, observer: impl Fn(&Report<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Decides what becomes of a key when the work on it returned an error.
    pub fn classify<D>(self, classify: D) -> GuardBuilder<S, D> {
        let Self { settings, clock, random, sleep, ids, retry, observer, store, classify: _ } =
            self;
        GuardBuilder { settings, clock, random, sleep, ids, retry, observer, store, classify }
    }

    /// Makes the guard.
    ///
    /// # Errors
    ///
    /// What was asked for makes no sense.
    pub fn build(self) -> Result<Guard<S, C>, ConfigError> {
        let settings = &self.settings;
        let named = |name: &str| !name.trim().is_empty() && !name.contains('#');
        if !named(&settings.namespace) || !named(&settings.operation) {
            return Err(ConfigError::Name);
        }
        if settings.retention < Duration::from_secs(1) {
            return Err(ConfigError::Retention);
        }
        if settings.max_attempts == 0 {
            return Err(ConfigError::Attempts);
        }
        if settings.semantics == Semantics::AtMostOnce
            && settings.on_store_down == OnStoreDown::RunUnguarded
        {
            return Err(ConfigError::Unguarded);
        }
        let patient = self
            .retry
            .clone()
            .with_max_attempts(PATIENT_ATTEMPTS)
            .with_max_delay(Duration::from_secs(1))
            .with_reserve(Duration::ZERO);
        Ok(Guard {
            core: Arc::new(Core {
                settings: self.settings,
                clock: self.clock,
                random: self.random,
                sleep: self.sleep,
                ids: self.ids,
                retry: self.retry,
                patient,
                observer: self.observer,
                flights: Flights::default(),
                store: self.store,
            }),
            classify: self.classify,
        })
    }
}

/// Limit on the tries to tell a store that work is done, within the deadline. The budget of all
/// retries ends them earlier when the store is down.
const PATIENT_ATTEMPTS: u32 = 20;

impl<S: Store + ?Sized, C> fmt::Debug for GuardBuilder<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardBuilder").field("scope", &self.settings.scope).finish_non_exhaustive()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "namespace and operation must not be empty, nor have a `#`",
            Self::Retention => "the retention must be at least a second",
            Self::Attempts => "at least one attempt must be allowed",
            Self::Unguarded => "work that must not be run twice cannot be run unguarded",
        })
    }
}

impl std::error::Error for ConfigError {}

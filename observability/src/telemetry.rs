use std::{
    error::Error,
    fmt,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use setpiece_envelope::{Clock, SystemClock};
use tracing_core::{Dispatch, Subscriber, dispatcher};
use tracing_subscriber::{Layer, Registry, layer::SubscriberExt as _, registry::LookupSpan};

use crate::{Config, Invocation, Scope, json, log::LogLayer, watchdog::Watchdog};

/// Takes lines, each of them whole.
pub trait Lines: Send + Sync + 'static {
    /// Writes one line or several, each with its end.
    ///
    /// Nobody is told of a line that cannot be written.
    fn write(&self, lines: &str);
}

impl<L: Lines + ?Sized> Lines for Arc<L> {
    fn write(&self, lines: &str) {
        (**self).write(lines);
    }
}

/// The standard output, which Lambda sends to CloudWatch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stdout;

impl Lines for Stdout {
    fn write(&self, lines: &str) {
        // One call for all, so that threads do not get between.
        let mut stdout = std::io::stdout().lock();
        _ = stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush());
    }
}

/// The telemetry of a process. Clones are the same.
///
/// ```
/// use setpiece_envelope::{Correlation, CorrelationId, SystemClock};
/// use setpiece_observability::{Config, Invocation, Stdout, Telemetry};
///
/// let telemetry = Telemetry::new(Config::new("orders"), SystemClock, Stdout);
/// // The scope of an invocation; Lambda gives the id.
/// let flow = Correlation::root().with_correlation_id(CorrelationId::parse("order-17")?);
/// let scope = telemetry.invocation(Invocation::new("8476a536").with_correlation(flow));
/// scope.enter(|| { /* lines written here carry both ids */ });
/// # Ok::<_, setpiece_envelope::Reason>(())
/// ```
#[derive(Clone)]
pub struct Telemetry(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lines: Box<dyn Lines>,
    /// The members that all lines of the process have, each after a comma.
    pub(crate) members: String,
    is_cold: AtomicBool,
    pub(crate) watchdog: Watchdog,
}

impl Shared {
    /// Tells if this is the first invocation of the process.
    pub(crate) fn takes_cold_start(&self) -> bool {
        self.is_cold.swap(false, Ordering::Relaxed)
    }
}

impl Telemetry {
    /// Telemetry that writes to `lines`.
    #[must_use]
    pub fn new(config: Config, clock: impl Clock, lines: impl Lines) -> Self {
        let mut members = String::new();
        json::push_member(&mut members, "service", &config.service);
        if config.function_members {
            for (name, value) in [
                ("function_name", &config.function_name),
                ("function_memory_size", &config.function_memory_size),
            ] {
                if let Some(value) = value {
                    json::push_member(&mut members, name, value);
                }
            }
        }
        if config.sample_rate.get() > 0.0 {
            json::push_name(&mut members, "sampling_rate");
            json::push_f64(&mut members, config.sample_rate.get());
        }
        let is_cold = AtomicBool::new(config.on_demand);
        let (clock, lines): (Arc<dyn Clock>, _) = (Arc::new(clock), Box::new(lines));
        let watchdog = Watchdog::new(Arc::clone(&clock));
        Self(Arc::new(Shared { config, clock, lines, members, is_cold, watchdog }))
    }

    /// Becomes the telemetry of the whole process: of all that is logged by `tracing`, and of
    /// panics.
    ///
    /// # Errors
    ///
    /// When the process has a subscriber already.
    pub fn init(config: Config) -> Result<Self, AlreadyInitialized> {
        let telemetry = Self::new(config, SystemClock, Stdout);
        let subscriber = Registry::default().with(telemetry.layer());
        dispatcher::set_global_default(Dispatch::new(subscriber))
            .map_err(|_| AlreadyInitialized)?;
        telemetry.write_panics();
        Ok(telemetry)
    }

    /// A layer that writes lines, for a subscriber of one's own.
    ///
    /// It has its own filter, so that other layers get what they want.
    #[must_use]
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let layer = LogLayer::new(Arc::clone(&self.0));
        let filter = layer.filter();
        layer.with_filter(filter)
    }

    /// Writes each panic of the process as one line, in place of what Rust prints.
    ///
    /// The text of a panic passes the same scrubber as that of lines.
    pub fn write_panics(&self) {
        let shared = Arc::clone(&self.0);
        std::panic::set_hook(Box::new(move |panic| crate::log::write_panic(&shared, panic)));
    }

    /// The scope of an invocation.
    #[must_use]
    pub fn invocation(&self, invocation: Invocation) -> Scope {
        Scope::of_invocation(&self.0, invocation)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// The process has a `tracing` subscriber already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyInitialized;

impl fmt::Display for AlreadyInitialized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process has a subscriber already")
    }
}

impl Error for AlreadyInitialized {}

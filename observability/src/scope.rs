use std::{
    cell::RefCell,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use setpiece_envelope::{Correlation, CorrelationId, EventId, Metadata};
use setpiece_policy::Deadline;

use crate::{
    XRayHeader, json,
    log::{self, Ring},
    metrics::{Metric, Recorded, Unrecorded},
    telemetry::Shared,
};

thread_local! {
    static CURRENT: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// One invocation, or one record of it, and what is known about it.
///
/// Within a scope each line carries its ids. It goes with a future over all its awaits and from
/// thread to thread, so many invocations can run at the same time and no line gets the ids of
/// another. There is no current request of a process.
///
/// A batch has one scope for the invocation and in it one for each [`record`](Self::record), since
/// records of a batch belong to different flows.
///
/// Lines below the level that is written are kept by the scope, as far as there is room, and are
/// written when it logs an error, [fails](Self::fail), panics or is about to be killed at its
/// deadline, even while it blocks its thread. When it ends well they are gone.
#[derive(Clone)]
pub struct Scope(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    parent: Option<Scope>,
    correlation: Correlation,
    /// The members that are the same for the whole invocation, each after a comma.
    invocation: Arc<str>,
    /// Ids as members, each after a comma.
    ids: Vec<(&'static str, String)>,
    sampled: bool,
    ring: Mutex<Ring>,
    metrics: Mutex<Recorded>,
    children: Mutex<Vec<WeakScope>>,
    has_ended: AtomicBool,
}

/// Facts about an invocation that its lines carry.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Invocation {
    /// The request id of Lambda: `requestId` in lines.
    pub request_id: String,
    /// The tenant of a function that isolates tenants: `tenantId` in lines.
    pub tenant_id: Option<String>,
    /// The ARN that was invoked, with its alias; lines have it only where they
    /// are [configured](crate::Config::with_function_members) so.
    pub function_arn: Option<String>,
    /// The trace header of the invocation; its root is `xray_trace_id` in lines.
    pub x_ray: Option<XRayHeader>,
    /// The flow, where the whole invocation belongs to one.
    pub correlation: Correlation,
    /// When Lambda kills the function. Shortly before, the scope fails by itself.
    pub deadline: Option<Deadline>,
}

impl Invocation {
    /// An invocation of which nothing else is known.
    #[must_use]
    pub fn new(request_id: impl Into<String>) -> Self {
        Self { request_id: request_id.into(), ..Self::default() }
    }

    /// Adds the flow that the whole invocation belongs to.
    #[must_use]
    pub fn with_correlation(self, correlation: Correlation) -> Self {
        Self { correlation, ..self }
    }

    /// Adds the trace header of the invocation.
    #[must_use]
    pub fn with_x_ray(self, header: XRayHeader) -> Self {
        Self { x_ray: Some(header), ..self }
    }

    /// Adds the time at which Lambda kills the function.
    #[must_use]
    pub fn with_deadline(self, deadline: Deadline) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// Adds the tenant that Lambda isolates.
    #[must_use]
    pub fn with_tenant_id(self, tenant_id: impl Into<String>) -> Self {
        Self { tenant_id: Some(tenant_id.into()), ..self }
    }

    /// Adds the ARN that was invoked.
    #[must_use]
    pub fn with_function_arn(self, arn: impl Into<String>) -> Self {
        Self { function_arn: Some(arn.into()), ..self }
    }
}

impl Scope {
    pub(crate) fn of_invocation(shared: &Arc<Shared>, invocation: Invocation) -> Self {
        let Invocation { request_id, tenant_id, function_arn, x_ray, correlation, deadline } =
            invocation;
        let mut members = String::new();
        let cold = shared.takes_cold_start();
        members.push_str(if cold { ",\"cold_start\":true" } else { ",\"cold_start\":false" });
        if let Some(arn) = function_arn.filter(|_| shared.config.function_members) {
            json::push_member(&mut members, "function_arn", &arn);
        }
        json::push_member(&mut members, "requestId", &request_id);
        if let Some(tenant_id) = tenant_id {
            json::push_member(&mut members, "tenantId", &tenant_id);
        }
        if let Some(x_ray) = x_ray {
            json::push_member(&mut members, "xray_trace_id", &x_ray.root());
        }
        let scope = Self::new(Arc::clone(shared), None, members.into(), correlation, None);
        if let Some(deadline) = deadline {
            shared.watchdog.arm(deadline.instant(), WeakScope(Arc::downgrade(&scope.0)));
        }
        scope
    }

    fn new(
        shared: Arc<Shared>,
        parent: Option<Self>,
        invocation: Arc<str>,
        correlation: Correlation,
        event_id: Option<&EventId>,
    ) -> Self {
        let mut ids = Vec::new();
        let mut add = |name, value: Option<&str>| {
            if let Some(value) = value {
                let mut member = String::new();
                json::push_member(&mut member, name, value);
                ids.push((name, member));
            }
        };
        let flow = correlation.correlation_id.as_ref().map(CorrelationId::as_str);
        add("correlation_id", flow.or(event_id.map(EventId::as_str)));
        add("causation_id", correlation.causation_id.as_ref().map(EventId::as_str));
        add("event_id", event_id.map(EventId::as_str));
        if correlation.depth > 0 {
            ids.push(("depth", format!(",\"depth\":{}", correlation.depth)));
        }
        let sampled = shared.config.sample_rate.decide(&correlation);
        let ring = Mutex::new(Ring::new(shared.config.buffer_bytes));
        let metrics = Mutex::default();
        let (children, has_ended) = (Mutex::default(), AtomicBool::new(false));
        let inner = Inner {
            shared,
            parent,
            correlation,
            invocation,
            ids,
            sampled,
            ring,
            metrics,
            children,
            has_ended,
        };
        Self(Arc::new(inner))
    }

    /// The scope of one event of the invocation.
    ///
    /// Its flow is that of the event, and an event that names none begins one.
    #[must_use]
    pub fn record(&self, event: &Metadata) -> Self {
        let mut correlation = event.correlation.clone();
        if correlation.correlation_id.is_none() {
            correlation.correlation_id = Some((&event.event_id).into());
        }
        self.child(correlation, Some(&event.event_id))
    }

    /// The scope of one message of the invocation that is no event.
    #[must_use]
    pub fn flow(&self, correlation: Correlation) -> Self {
        self.child(correlation, None)
    }

    fn child(&self, correlation: Correlation, event_id: Option<&EventId>) -> Self {
        let Inner { shared, invocation, .. } = &*self.0;
        let (shared, invocation) = (Arc::clone(shared), Arc::clone(invocation));
        let child = Self::new(shared, Some(self.clone()), invocation, correlation, event_id);
        let mut children = self.children();
        // Those that have ended go now and then.
        if children.len().is_power_of_two() {
            children.retain(WeakScope::is_open);
        }
        children.push(WeakScope(Arc::downgrade(&child.0)));
        drop(children);
        child
    }

    fn children(&self) -> MutexGuard<'_, Vec<WeakScope>> {
        self.0.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scope that the code that asks runs in.
    #[must_use]
    pub fn current() -> Option<Self> {
        // A line can be written while a thread ends.
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Lends the current scope, which is cheaper than [`current`](Self::current).
    pub(crate) fn with_current<T>(use_it: impl FnOnce(Option<&Self>) -> T) -> T {
        // Nobody changes it while it is lent: what is called formats values and writes lines.
        let current = Self::current();
        use_it(current.as_ref())
    }

    /// Returns the place of the scope in its flow.
    #[must_use]
    pub fn correlation(&self) -> &Correlation {
        &self.0.correlation
    }

    /// Tells if the flow was chosen for detailed telemetry.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.0.sampled
    }

    /// Calls `work` in the scope.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = Entered::new(self.clone());
        work()
    }

    /// Runs `future` in the scope.
    pub fn in_scope<F: Future>(&self, future: F) -> InScope<F> {
        InScope { future: Some(future), scope: self.clone() }
    }

    /// Runs `work` in the scope, which fails with it.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub async fn run<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let result = self.in_scope(work).await;
        if result.is_err() {
            self.fail();
        }
        result
    }

    /// Says that the work of the scope has failed: the lines that were kept are written.
    pub fn fail(&self) {
        if let Some(parent) = &self.0.parent {
            parent.fail();
        }
        let taken = mem::replace(&mut *self.ring(), Ring::new(self.0.shared.config.buffer_bytes));
        log::write_kept(&self.0.shared, self, taken);
    }

    /// Says that the work of the scope is over, also where a task still holds it: metrics are
    /// written, and its deadline is nothing any more.
    pub fn end(&self) {
        self.0.has_ended.store(true, Ordering::Relaxed);
        self.write_metrics();
    }

    /// Writes everything that is kept in the scope and in those within it.
    fn time_out(&self) {
        let message = "the invocation is about to time out";
        log::write_line(
            &self.0.shared,
            Some(self),
            "ERROR",
            message,
            ",\"error.type\":\"timeout\"",
        );
        self.fail();
        let children = mem::take(&mut *self.children());
        for child in children.iter().filter_map(WeakScope::open) {
            child.fail();
            child.write_metrics();
        }
        self.write_metrics();
    }

    /// Records a value of a metric.
    ///
    /// # Errors
    ///
    /// [`Unrecorded`], which is no reason to fail.
    pub fn record_metric(&self, metric: Metric, value: f64) -> Result<(), Unrecorded> {
        let shared = &self.0.shared;
        let mut recorded = self.0.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let full = recorded.add(shared, metric, value)?;
        drop(recorded);
        if let Some(full) = full {
            full.write(&self.0.members(), shared);
        }
        Ok(())
    }

    /// Writes the metrics so far, which are written at the end of the scope otherwise.
    pub fn write_metrics(&self) {
        let mut recorded = self.0.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = mem::take(&mut *recorded);
        drop(recorded);
        taken.write(&self.0.members(), &self.0.shared);
    }

    pub(crate) fn keep(&self, line: &str) -> Kept {
        self.ring().push(line)
    }

    #[cfg(feature = "pseudonym")]
    pub(crate) fn pseudonym_key(&self) -> Option<&crate::redact::PseudonymKey> {
        self.0.shared.config.pseudonym_key.as_ref()
    }

    pub(crate) fn invocation_members(&self) -> &str {
        &self.0.invocation
    }

    /// Names of ids, with the members.
    pub(crate) fn ids(&self) -> &[(&'static str, String)] {
        &self.0.ids
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A scope that may have ended.
pub(crate) struct WeakScope(Weak<Inner>);

impl WeakScope {
    fn open(&self) -> Option<Scope> {
        self.0.upgrade().filter(|inner| !inner.has_ended.load(Ordering::Relaxed)).map(Scope)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open().is_some()
    }

    /// Speaks for a scope that is about to be killed.
    pub(crate) fn time_out(self) {
        if let Some(scope) = self.open() {
            scope.time_out();
        }
    }
}

impl Inner {
    fn members(&self) -> Vec<&str> {
        let ids = self.ids.iter().map(|(_, member)| &**member);
        [&*self.invocation].into_iter().chain(ids).collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let recorded = self.metrics.get_mut().unwrap_or_else(PoisonError::into_inner);
        mem::take(recorded).write(&self.members(), &self.shared);
    }
}

/// Says what became of a line that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Yes,
    /// There is no room for it, also where nothing else is kept.
    TooLong,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("correlation", &self.0.correlation).finish_non_exhaustive()
    }
}

/// Puts the scope before back when it is dropped, also by a panic.
struct Entered {
    before: Option<Scope>,
}

impl Entered {
    fn new(scope: Scope) -> Self {
        let before = CURRENT.try_with(|current| current.replace(Some(scope))).ok().flatten();
        Self { before }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before.take();
        // What is replaced is dropped after the borrow.
        _ = CURRENT.try_with(|current| current.replace(before));
    }
}

pin_project_lite::pin_project! {
    /// A future in a [`Scope`].
    #[must_use = "futures do nothing unless they are polled"]
    pub struct InScope<F> {
        // Is dropped in the scope, too.
        #[pin]
        future: Option<F>,
        scope: Scope,
    }

    impl<F> PinnedDrop for InScope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = Entered::new(this.scope.clone());
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _entered = Entered::new(this.scope.clone());
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            // Polled after its end, which futures need not survive.
            return Poll::Pending;
        };
        let polled = future.poll(cx);
        if polled.is_ready() {
            this.future.set(None);
        }
        polled
    }
}

impl<F> fmt::Debug for InScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InScope").field("scope", &self.scope).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

use std::fmt;

use crate::{CorrelationId, EventId, Metadata, TraceParent, TraceState};

/// Place of an event in its flow: its cause, and the trace and tenant it belongs to.
///
/// The flow's first event has [`Correlation::root`]. An event that is published while another one
/// is handled has [`Correlation::caused_by`] that one.
///
/// ```
/// use setpiece_envelope::Correlation;
/// # use setpiece_envelope::RawEnvelope;
/// # let detail = br#"{"metadata":{"event_id":"e-1","name":"a","version":"1"},"data":{}}"#;
/// # let handled = RawEnvelope::parse(detail)?;
/// let next = Correlation::caused_by(&handled.metadata);
///
/// assert_eq!(next.correlation_id.as_ref().unwrap().as_str(), "e-1");
/// assert_eq!(next.causation_id.as_ref().unwrap().as_str(), "e-1");
/// assert_eq!(next.depth, 1);
/// # Ok::<_, setpiece_envelope::ReadError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Correlation {
    /// The flow. An event that begins a flow gets its own id here when it is made.
    pub correlation_id: Option<CorrelationId>,
    /// The event that caused this one.
    pub causation_id: Option<EventId>,
    /// Number of events between the flow's first event and this one; that one has 0.
    ///
    /// Readers take values up to [`Correlation::MAX_DEPTH`].
    pub depth: u32,
    /// The context in which the event was made, set once by its producer. It links a consumer's
    /// trace to the producer's.
    pub traceparent: Option<TraceParent>,
    /// State that tracing systems added to [`traceparent`](Self::traceparent).
    pub tracestate: Option<TraceState>,
    /// Decision on detailed telemetry of this flow. Made once, where the flow begins, so that all
    /// its services answer alike; `None` where nobody decided.
    pub sampled: Option<bool>,
    /// The tenant for whom the flow runs: 1 to 128 printable characters.
    pub tenant: Option<String>,
}

impl Correlation {
    /// The deepest [`depth`](Self::depth) that is read: 2³¹−1, the largest CloudEvents integer.
    pub const MAX_DEPTH: u32 = i32::MAX as u32;

    /// For an event that begins a flow.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// For an event that is published while `handled` is being handled.
    ///
    /// The flow, the trace, the sampling decision and the tenant are those of `handled`, which
    /// becomes the cause. A `handled` without a flow of its own begins one.
    #[must_use]
    pub fn caused_by(handled: &Metadata) -> Self {
        let Self {
            correlation_id,
            causation_id: _,
            depth,
            traceparent,
            tracestate,
            sampled,
            tenant,
        } = handled.correlation.clone();
        Self {
            correlation_id: correlation_id.or_else(|| Some((&handled.event_id).into())),
            causation_id: Some(handled.event_id.clone()),
            depth: depth.saturating_add(1).min(Self::MAX_DEPTH),
            traceparent,
            tracestate,
            sampled,
            tenant,
        }
    }

    /// Continues a flow that began elsewhere, such as with a request.
    #[must_use]
    pub fn with_correlation_id(self, id: CorrelationId) -> Self {
        Self { correlation_id: Some(id), ..self }
    }

    /// Sets the tenant.
    #[must_use]
    pub fn with_tenant(self, tenant: impl Into<String>) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }

    /// Sets the decision on detailed telemetry.
    #[must_use]
    pub fn with_sampled(self, sampled: bool) -> Self {
        Self { sampled: Some(sampled), ..self }
    }

    /// Puts the flow into another trace.
    #[must_use]
    pub fn with_trace(self, parent: TraceParent, state: Option<TraceState>) -> Self {
        Self { traceparent: Some(parent), tracestate: state, ..self }
    }
}

impl fmt::Debug for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            correlation_id,
            causation_id,
            depth,
            traceparent,
            tracestate: _,
            sampled,
            tenant,
        } = self;
        f.debug_struct("Correlation")
            .field("correlation_id", correlation_id)
            .field("causation_id", causation_id)
            .field("depth", depth)
            .field("traceparent", traceparent)
            .field("sampled", sampled)
            .field("tenant", tenant)
            .finish_non_exhaustive()
    }
}

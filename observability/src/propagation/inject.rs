use std::num::{NonZeroU64, NonZeroU128};

use setpiece_envelope::{Correlation, TraceParent};
use setpiece_policy::Random;

use super::{
    CONTEXT_ATTRIBUTE, CORRELATION_HEADER, TRACEPARENT, TRACESTATE, X_RAY_HEADER, context,
};
use crate::XRayHeader;

/// Headers of a request to another service in the same flow.
///
/// They name the flow and the trace; cause, depth and tenant stay within one's own services.
/// `x-amzn-trace-id` has the same trace as `traceparent`.
#[must_use]
pub fn http_headers(correlation: &Correlation) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let Some(id) = &correlation.correlation_id
        && let Some(id) = context::flow_id(id.as_str())
    {
        headers.push((CORRELATION_HEADER, id.into()));
    }
    if let Some(parent) = &correlation.traceparent {
        headers.push((TRACEPARENT, parent.to_string()));
        if let Some(state) = &correlation.tracestate {
            headers.push((TRACESTATE, state.to_string()));
        }
        let header = XRayHeader::from_trace_parent(parent, correlation.sampled);
        headers.push((X_RAY_HEADER, header.to_string()));
    }
    headers
}

/// Attributes of a message of SQS or SNS in the same flow: at most two, all of type `String`.
#[must_use]
pub fn message_attributes(correlation: &Correlation) -> Vec<(&'static str, String)> {
    let traceparent = correlation.traceparent.as_ref();
    let traceparent = traceparent.map(|parent| (TRACEPARENT, parent.to_string()));
    // The state of a trace has no attribute of its own, so the whole trace is in the context too.
    [(CONTEXT_ATTRIBUTE, context::write(correlation))].into_iter().chain(traceparent).collect()
}

/// The text of the attribute [`_ctx`](super::CONTEXT_ITEM_ATTRIBUTE) of an item.
#[must_use]
pub fn context_text(correlation: &Correlation) -> String {
    context::write(correlation)
}

/// Ids of traces and spans, drawn from randomness when they are needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceIds<R> {
    random: R,
}

impl<R: Random> TraceIds<R> {
    /// Draws from `random`.
    #[must_use]
    pub fn new(random: R) -> Self {
        Self { random }
    }

    /// The id of a span.
    #[must_use]
    pub fn span_id(&self) -> NonZeroU64 {
        NonZeroU64::new(self.random.next_u64()).unwrap_or(NonZeroU64::MAX)
    }

    /// Goes on in the trace of `correlation` with a span of its own.
    ///
    /// The state of the trace and its flags stay. Without a trace there it goes on in that of
    /// `x_ray`, which may have no parent, and else begins one.
    #[must_use]
    pub fn next(&self, correlation: &Correlation, x_ray: Option<&XRayHeader>) -> Correlation {
        let span = self.span_id();
        let parent = correlation.traceparent.as_ref().map(|parent| parent.with_parent(span));
        let state = correlation.tracestate.clone().filter(|_| parent.is_some());
        let parent = parent
            .or_else(|| Some(x_ray?.to_trace_parent(span).with_parent(span)))
            .unwrap_or_else(|| self.begin(span, correlation.sampled));
        correlation.clone().with_trace(parent, state)
    }

    fn begin(&self, span: NonZeroU64, sampled: Option<bool>) -> TraceParent {
        let sampled = if sampled == Some(true) { TraceParent::SAMPLED } else { 0 };
        let halves = [self.random.next_u64(), self.random.next_u64()].map(u128::from);
        let trace = NonZeroU128::new(halves[0] << 64 | halves[1]).unwrap_or(NonZeroU128::MAX);
        TraceParent::from_ids(trace, span, sampled | TraceParent::RANDOM)
    }
}

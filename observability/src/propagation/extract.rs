use setpiece_envelope::{Correlation, CorrelationId, Metadata, TraceParent, TraceState};

use super::{
    CONTEXT_ATTRIBUTE, CORRELATION_HEADER, TRACEPARENT, TRACESTATE, X_RAY_HEADER, context,
};
use crate::XRayHeader;

/// Things that came with a message or a request and may name its flow.
///
/// ```
/// use setpiece_observability::propagation::{Carriers, Trust};
///
/// // A record of a queue, with plain JSON in its body.
/// let attributes = [
///     ("setpiece-context", r#"{"correlation_id":"flow-1","depth":2}"#),
///     ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
/// ];
/// let found = Carriers::new().with_attributes(attributes).extract(Trust::Internal);
///
/// assert_eq!(found.correlation.correlation_id.unwrap().as_str(), "flow-1");
/// assert_eq!(found.correlation.depth, 2);
/// assert!(found.correlation.traceparent.is_some());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Carriers<'a> {
    metadata: Option<&'a Metadata>,
    pairs: Vec<(&'a str, &'a str)>,
    context: Option<&'a str>,
    transport: Option<&'a str>,
}

/// A carrier of ids, as a refusal names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carrier {
    /// The attributes of a message, the headers of a request, or the attribute of an item.
    Message,
    /// The transport's trace header.
    Transport,
}

/// Rights of a sender to say which flow it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A bus, queue, stream or service of one's own: everything is taken.
    Internal,
    /// Anybody on the internet. Cause, depth, tenant and the decision on sampling are never taken,
    /// since they steer what is done, and what it costs.
    Public {
        /// Takes the id of the flow.
        correlation_id: bool,
        /// Takes the trace.
        trace: bool,
    },
}

/// An id that was there and was not taken, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The carrier that had it.
    pub carrier: Carrier,
    /// The name of the header, attribute or member.
    pub name: &'static str,
}

/// The flow that a message or a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extracted {
    /// The flow and the trace. Without a correlation id it begins a flow, whose id is that of the
    /// event or request itself.
    pub correlation: Correlation,
    /// The header of X-Ray, as it came, to be passed on: the transport's, or that of the request.
    pub x_ray: Option<XRayHeader>,
    /// Broken ids, at most one for each name and carrier.
    pub refused: Vec<Refused>,
}

impl<'a> Carriers<'a> {
    /// The most headers or attributes that are looked at; the rest is passed over.
    pub const MAX_PAIRS: usize = 256;

    /// Nothing at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the metadata of the event that was delivered.
    #[must_use]
    pub fn with_metadata(self, metadata: &'a Metadata) -> Self {
        Self { metadata: Some(metadata), ..self }
    }

    /// Adds attributes of a message.
    #[must_use]
    pub fn with_attributes(
        mut self,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let room = Self::MAX_PAIRS.saturating_sub(self.pairs.len());
        self.pairs.extend(attributes.into_iter().take(room));
        self
    }

    /// Adds headers of a request, or `ClientContext.custom` of a direct invocation. A header with
    /// several values is there several times.
    #[must_use]
    pub fn with_headers(self, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.with_attributes(headers)
    }

    /// Adds the text of an item's attribute [`_ctx`](super::CONTEXT_ITEM_ATTRIBUTE).
    ///
    /// It says who wrote the new image of the item. A removed item has only its old image, which
    /// names an earlier writer: it is never to be added.
    #[must_use]
    pub fn with_item_context(self, context: &'a str) -> Self {
        Self { context: Some(context), ..self }
    }

    /// Adds the transport's trace header: the attribute `AWSTraceHeader` of a message, or what
    /// Lambda says about the invocation.
    #[must_use]
    pub fn with_transport_header(self, header: &'a str) -> Self {
        Self { transport: Some(header), ..self }
    }

    /// Finds the flow, by the precedence that the [module](super) describes.
    ///
    /// Never fails: an id that is broken or ambiguous is as good as none, and is among
    /// [`refused`](Extracted::refused).
    #[must_use]
    pub fn extract(&self, trust: Trust) -> Extracted {
        let mut refused = Vec::new();
        let message = self.message(trust, &mut refused);
        let of_message = self.message_header(trust, &mut refused);
        let of_transport = self.transport_header(&mut refused);
        let metadata = self.metadata.filter(|_| trust == Trust::Internal);
        let metadata = metadata.map(|metadata| &metadata.correlation);

        let mut flows = metadata.into_iter().chain([&message]);
        let mut correlation =
            flows.find(|flow| flow.correlation_id.is_some()).cloned().unwrap_or_default();
        let mut traces = metadata.into_iter().chain([&message]);
        let (traceparent, tracestate) = traces
            .find_map(|from| Some((from.traceparent.clone()?, from.tracestate.clone())))
            .or_else(|| Some((trace_of(of_message.as_ref()?)?, None)))
            .or_else(|| Some((trace_of(of_transport.as_ref()?)?, None)))
            .unzip();
        correlation.traceparent = traceparent;
        correlation.tracestate = tracestate.flatten();
        Extracted { correlation, x_ray: of_transport.or(of_message), refused }
    }

    /// Reads attributes or headers, and the attribute of an item.
    fn message(&self, trust: Trust, refused: &mut Vec<Refused>) -> Correlation {
        let mut refuse = |name| refused.push(Refused { carrier: Carrier::Message, name });
        let mut found = Correlation::root();
        if trust == Trust::Internal {
            let named = self.values(CONTEXT_ATTRIBUTE).chain(self.context);
            match only(named).map(|text| text.map(context::read)) {
                Ok(Some(Ok(correlation))) => found = correlation,
                Ok(None) => {}
                Ok(Some(Err(_))) | Err(Ambiguous) => refuse(CONTEXT_ATTRIBUTE),
            }
        }
        let takes_correlation_id =
            matches!(trust, Trust::Internal | Trust::Public { correlation_id: true, .. });
        if takes_correlation_id && found.correlation_id.is_none() {
            match self.correlation_id() {
                Ok(id) => found.correlation_id = id,
                Err(Ambiguous) => refuse(CORRELATION_HEADER),
            }
        }
        if takes_trace(trust) {
            match only(self.values(TRACEPARENT)).map(|text| text.map(TraceParent::parse)) {
                Ok(Some(Ok(parent))) => {
                    let state = TraceState::join(self.values(TRACESTATE));
                    if state.is_err() {
                        refuse(TRACESTATE);
                    }
                    // The context of a message has the same trace with its state.
                    if found.traceparent.as_ref() != Some(&parent) {
                        found.tracestate = None;
                    }
                    let state = state.unwrap_or_default().or(found.tracestate.take());
                    found = found.with_trace(parent, state);
                }
                Ok(None) => {}
                Ok(Some(Err(_))) | Err(Ambiguous) => refuse(TRACEPARENT),
            }
        }
        found
    }

    fn correlation_id(&self) -> Result<Option<CorrelationId>, Ambiguous> {
        match only(self.values(CORRELATION_HEADER))? {
            None => Ok(None),
            Some(text) => context::flow_id(text).map(Some).ok_or(Ambiguous),
        }
    }

    /// Reads X-Ray's header among those of a request.
    fn message_header(&self, trust: Trust, refused: &mut Vec<Refused>) -> Option<XRayHeader> {
        if !takes_trace(trust) {
            return None;
        }
        match only(self.values(X_RAY_HEADER)).map(|text| text.map(XRayHeader::parse)) {
            Ok(found) if found.as_ref().is_none_or(Result::is_ok) => found?.ok(),
            _ => {
                refused.push(Refused { carrier: Carrier::Message, name: X_RAY_HEADER });
                None
            }
        }
    }

    /// Reads the transport's header, which comes from AWS whoever the sender is.
    fn transport_header(&self, refused: &mut Vec<Refused>) -> Option<XRayHeader> {
        let header = XRayHeader::parse(self.transport?).ok();
        if header.is_none() {
            refused.push(Refused { carrier: Carrier::Transport, name: X_RAY_HEADER });
        }
        header
    }

    /// The values of `name`, in any case, without the blanks around them.
    fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.pairs.iter().filter(move |pair| pair.0.eq_ignore_ascii_case(name));
        named.map(|pair| pair.1.trim_matches([' ', '\t']))
    }
}

/// Several values where one is expected.
#[derive(Clone, Copy)]
struct Ambiguous;

/// The value, if there is one; the same value twice is still one.
fn only<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Option<&'a str>, Ambiguous> {
    let mut values = values.into_iter();
    let first = values.next();
    if values.any(|value| Some(value) != first) { Err(Ambiguous) } else { Ok(first) }
}

fn takes_trace(trust: Trust) -> bool {
    matches!(trust, Trust::Internal | Trust::Public { trace: true, .. })
}

/// The trace of a header that names a parent. Without one there is no span to go on from, and
/// whoever begins a span takes the trace from the header itself.
fn trace_of(header: &XRayHeader) -> Option<TraceParent> {
    header.parent_id()?;
    Some(header.to_trace_parent(std::num::NonZeroU64::MIN))
}

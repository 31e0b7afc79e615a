//! The ids of a flow on their way from one service to the next, over any transport.
//!
//! # Reading
//!
//! [`Carriers`] names what came with a message or a request, and [`Carriers::extract`] says which
//! flow it belongs to. Several carriers can be there at the same time and disagree: an event that
//! was published to a bus lies in a queue, whose message has attributes and a header of X-Ray.
//! The nearest to the producer wins:
//!
//! 1. the event's own [`Metadata`](setpiece_envelope::Metadata),
//! 2. the message's attributes or the request's headers,
//! 3. the transport's trace header: `AWSTraceHeader` of a message, or what Lambda says about the
//!    invocation.
//!
//! Who began the flow (correlation id, cause, depth, sampling, tenant) is taken from the first
//! carrier that names the flow, and the trace from the first that has a sound one; parts of two are
//! never mixed.
//!
//! # Writing
//!
//! An event carries its flow in its metadata, which outlives archives and replays. For messages
//! that are no events, [`message_attributes`] are two of the ten attributes that SQS allows; and
//! [`http_headers`] go to another service over HTTP.
//!
//! # Names
//!
//! | transport | names |
//! |---|---|
//! | HTTP headers | `traceparent`, `tracestate`, `x-correlation-id`, `x-amzn-trace-id`; case does not matter |
//! | attributes of SQS and SNS | `traceparent`, `tracestate`, [`setpiece-context`](CONTEXT_ATTRIBUTE); `x-correlation-id` is read |
//! | item of a table, for its stream | the string attribute [`_ctx`](CONTEXT_ITEM_ATTRIBUTE), in the form of `setpiece-context` |

mod attributes;
mod context;
mod extract;
mod inject;

pub use self::{
    attributes::{UnreadableAttributes, attributes_from_json},
    context::UnreadableContext,
    extract::{Carrier, Carriers, Extracted, Refused, Trust},
    inject::{TraceIds, context_text, http_headers, message_attributes},
};

/// The header of the W3C that names a trace and the span that is the parent in it.
pub const TRACEPARENT: &str = "traceparent";
/// The header of the W3C with what tracing systems add to a trace.
pub const TRACESTATE: &str = "tracestate";
/// The header of a request or a response with the id of its flow.
pub const CORRELATION_HEADER: &str = "x-correlation-id";
/// The header by which AWS joins its own hops to a trace.
pub const X_RAY_HEADER: &str = "x-amzn-trace-id";
/// The attribute of a message with the ids of its flow: a JSON object with the members that
/// metadata has for them.
pub const CONTEXT_ATTRIBUTE: &str = "setpiece-context";
/// The attribute of an item with the ids of the flow that wrote it, for who reads the table's
/// stream.
pub const CONTEXT_ITEM_ATTRIBUTE: &str = "_ctx";

#[cfg(test)]
mod tests;

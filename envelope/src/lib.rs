//! Typed, versioned events, and the JSON in which they travel.
//!
//! Services that talk through events share a form and little else: the producer was deployed on
//! Monday, the consumer in spring, a third was written in another language, and an archive replays
//! what all of them said last year. This crate is that form. It makes an event out of a type,
//! stamps it with an id and its place in the flow, writes it as the `detail` of an EventBridge
//! event, and reads what any producer of the form has written, in any version, within bounds that
//! hostile input cannot leave.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use setpiece_envelope::{Correlation, DomainEvent, Envelope, ServiceId, Stamp};
//!
//! const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
//!
//! #[derive(Serialize, Deserialize, DomainEvent)]
//! #[event(service = ORDERS, name = "order_submitted", version = 1)]
//! struct OrderSubmitted {
//!     #[event(subject)]
//!     order_number: String,
//!     total: f64,
//! }
//!
//! // The producer:
//! let stamp = Stamp::system();
//! let event = OrderSubmitted { order_number: "123-456x".to_owned(), total: 29.99 };
//! let envelope = stamp.envelope(event, &Correlation::root());
//! let detail: Vec<u8> = envelope.to_detail()?;
//!
//! // A consumer:
//! let received = Envelope::<OrderSubmitted>::from_detail(&detail)?;
//! assert_eq!(received.data.order_number, "123-456x");
//! assert_eq!(received.metadata.event_id, envelope.metadata.event_id);
//!
//! // What the consumer publishes in turn belongs to the same flow:
//! let next = Correlation::caused_by(&received.metadata);
//! assert_eq!(next.causation_id, Some(envelope.metadata.event_id));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # The wire form
//!
//! The `detail` of an EventBridge event is `{ "metadata": …, "data": … }`, as the serverless
//! community teaches it. Of the metadata, only `event_id`, `name` and `version` are required, and
//! members that are not known survive being read and written back. Neighbours that speak
//! CloudEvents get and give [`CloudEvent`]s.
//!
//! | member of `metadata` | field of [`Metadata`] |
//! |---|---|
//! | `version` | `version`: written as `"2"`, read as `"2"`, `"2.0"` or `2` |
//! | `event_id` | `event_id`: a ULID when we write it |
//! | `domain`, `subdomain`, `service` | the same: the parts of a [`ServiceId`] |
//! | `category`, `type` | `category`, `event_type` |
//! | `name`, `occurred_at`, `subject`, `partition_key` | the same |
//! | `correlation_id`, `causation_id`, `depth`, `traceparent`, `tracestate`, `sampled`, `tenant` | the same, of `correlation` |
//! | any other | `extensions` |
//!
//! # Features
//!
//! None is on by default, and none removes anything.
//!
//! | feature | adds |
//! |---|---|
//! | `derive` | `#[derive(DomainEvent)]` |
//! | `schema` | `EventSchema`: what an event's type writes and reads as JSON Schema, and validation by it |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod as_string;
mod category;
mod clock;
mod cloud_event;
mod correlation;
mod envelope;
mod error;
mod event;
mod extensions;
mod id;
mod id_source;
mod metadata;
#[cfg(feature = "schema")]
mod schema;
mod service;
mod text;
mod timestamp;
mod trace_context;
mod version;
mod wire;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub mod json {
    //! Scanner over JSON from outside, for adapters that read a form of their own around events.
    //!
    //! A service needs none of this: it reads events, or its own types by
    //! [`from_json`](crate::from_json).

    pub use crate::wire::{
        event_bridge::{AnyEvent, EventDraft},
        scan::Scanner,
    };

    /// Checks that a text is JSON by its grammar, and nested no deeper than
    /// [`from_json`](crate::from_json) reads. Its values are up to the type that reads them.
    ///
    /// # Errors
    ///
    /// A violation of the first thing that is no JSON, or that is too deep.
    pub fn check(text: &str) -> Result<(), crate::Violation> {
        crate::wire::check_document(text).map(drop)
    }

    /// A member's name as errors may show it: `None` unless it has the form of an identifier, since
    /// the keys of maps are data.
    #[must_use]
    pub fn shown(name: &str) -> Option<&str> {
        (crate::error::shown(name) == name).then_some(name)
    }
}

pub use crate::{
    as_string::{AsOptionalString, AsString},
    category::{Category, EventType},
    clock::{Clock, FixedClock, SystemClock},
    cloud_event::CloudEvent,
    correlation::Correlation,
    envelope::{Envelope, Stamp},
    error::{
        AnotherEvent, ReadError, Reason, UnsupportedVersion, UpcastFailed, Violation, WriteError,
    },
    event::{DomainEvent, Pii},
    extensions::Extensions,
    id::{CorrelationId, EventId},
    id_source::{IdSource, SequentialIds, SystemIds},
    metadata::Metadata,
    service::ServiceId,
    timestamp::Timestamp,
    trace_context::{TraceParent, TraceState},
    version::{EventVersion, First, Lineage, Upcast, UpcastError},
    wire::{
        MAX_DOCUMENT_BYTES, MAX_EVENT_BYTES, MAX_NESTING, event_bridge::EventBridgeEvent,
        from_json, raw::RawEnvelope,
    },
};

#[cfg(feature = "schema")]
#[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
pub use crate::schema::{DataSchema, EventSchema, Violations};

#[cfg(feature = "derive")]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
#[doc = include_str!("derive.md")]
pub use setpiece_macros::DomainEvent;

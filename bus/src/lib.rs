//! EventBridge event patterns, matched as AWS matches them.
//!
//! A rule that misses its event fails in silence: nothing is refused, nothing is logged, and the
//! consumer that waits for the event does not know that there was one. Whether a pattern matches is
//! found out in the cloud, event by event, and its language is full of corners: numbers by value,
//! lists of objects, absent fields, names with dots. This crate finds it out in a test. It reads
//! [event patterns](EventPattern) as AWS does, refuses those that AWS refuses, for the same reason,
//! and matches as AWS's own matcher does; and [many at once](Patterns), as a bus with thousands of
//! rules has to.
//!
//! ```
//! use setpiece_bus::{EventPattern, ParsedEvent, Patterns};
//!
//! let rules = Patterns::from_iter([
//!     ("loyalty", EventPattern::parse(r#"{
//!         "source": [{ "prefix": "retail." }],
//!         "detail-type": ["order_submitted"],
//!         "detail": { "data": { "total": [{ "numeric": [">=", 100] }] } }
//!     }"#)?),
//!     ("support", EventPattern::parse(r#"{
//!         "detail-type": [{ "suffix": "_cancelled" }, { "suffix": "_failed" }]
//!     }"#)?),
//! ]);
//!
//! let event = ParsedEvent::parse(r#"{
//!     "source": "retail.checkout.orders",
//!     "detail-type": "order_submitted",
//!     "detail": { "metadata": { "version": "2" }, "data": { "total": 1.0e2 } }
//! }"#)?;
//! assert_eq!(rules.matches(&event), [&"loyalty"]);
//!
//! // What AWS refuses, it refuses for the same reason.
//! let error = EventPattern::parse(r#"{ "detail-type": "order_submitted" }"#).unwrap_err();
//! assert_eq!(error.to_string(), r#""detail-type" must be an object or an array (at `detail-type`, byte 17)"#);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Hostile input
//!
//! Events come from outside. Reading one is linear in its bytes, and its size and depth are bounded;
//! matching one is bounded by [`EventPattern::matches`]. Errors about events repeat nothing of what
//! is in them. Errors about patterns do: patterns are code.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod claim_check;
mod json;
mod outgoing;
mod pattern;
mod port;
mod publisher;
mod trace_header;
#[cfg(feature = "schema")]
mod written_schemas;

pub use crate::{
    claim_check::{ClaimCheck, ClaimCheckError, InMemoryPayloads, PayloadStore},
    outgoing::{InvalidEvent, OutgoingEvent},
    pattern::{
        EventError, EventPattern, EventReason, ParsedEvent, PatternError, PatternLimits,
        PatternReason, Patterns,
    },
    port::{Acceptance, Accepted, Bus, EntryResult, Limits, Preflight, Proof},
    publisher::{Publication, PublicationOutput, PublishError, Published, Publisher, Unaccepted},
};

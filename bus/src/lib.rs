//! Publish events without losing one, and know which rules they match.
//!
//! `PutEvents` takes ten events and may refuse any of them, in an answer that says success. It may
//! take all of them and lose the answer. It answers with success and drops everything when there is
//! no bus of that name. And what a rule's pattern does not match is gone without a word. Most code
//! around it handles none of this. This crate does:
//!
//! - [`Publisher`] stamps, packs and sends events, and sends again those entries, and only those,
//!   for which it is worth it, until the deadline. What was not accepted is [in the
//!   error](PublishError), event by event. [`Publisher::preflight`] finds the bus that is not there.
//! - [`ClaimCheck`] sends large data by reference, and verifies it when it is read.
//! - [`Bus`] is the port to a bus. `EventBridge` is EventBridge through the AWS SDK (feature
//!   `eventbridge`), and `setpiece_testing::FakeBus` is one for tests.
//! - [`EventPattern`] is the pattern of a rule. It refuses what AWS refuses, for the same reason, and
//!   matches what AWS's own matcher matches; [`Patterns`] matches many at once.
//!
//! ```
//! # use std::{pin::pin, task::{Context, Poll, Waker}};
//! # fn block_on<T>(future: impl IntoFuture<Output = T>) -> T {
//! #     let mut future = pin!(future.into_future());
//! #     match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
//! #         Poll::Ready(output) => output,
//! #         Poll::Pending => unreachable!("nothing here waits"),
//! #     }
//! # }
//! # use serde::{Deserialize, Serialize};
//! # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
//! # #[derive(Clone, Serialize, Deserialize)]
//! # struct OrderSubmitted { order_number: String }
//! # impl DomainEvent for OrderSubmitted {
//! #     type Previous = First;
//! #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
//! #     const NAME: &'static str = "order_submitted";
//! #     const VERSION: EventVersion = EventVersion::new(1);
//! # }
//! # let order = |number: &str| OrderSubmitted { order_number: number.to_owned() };
//! use std::time::Duration;
//! use setpiece_bus::Publisher;
//! use setpiece_envelope::Correlation;
//! use setpiece_policy::{Deadline, InstantSleep, Retry, SeededRandom};
//! use setpiece_testing::{EntryFault, FakeBus};
//!
//! let bus = FakeBus::named("orders");
//! # let clock = bus.clock();
//! # let retry = Retry::new(clock.clone(), SeededRandom::new(7), InstantSleep::new(clock.clone()));
//! // In a Lambda function: `Publisher::system(EventBridge::new(client, "orders"))`.
//! let publisher = Publisher::new(bus.clone(), retry);
//! // And `Deadline::from_unix_millis(context.deadline)`.
//! let deadline = Deadline::after(&clock, Duration::from_secs(3));
//!
//! // The bus has trouble with one event for a moment, and with another one for good.
//! bus.fail_entries(EntryFault::throttled().nth(0));
//! bus.fail_entries(EntryFault::code("InvalidArgument").nth(1));
//! let orders = [order("7"), order("8"), order("9")];
//! let publication = publisher.publish_all(orders, &Correlation::root(), deadline);
//! let error = block_on(publication).unwrap_err();
//!
//! assert_eq!(bus.published::<OrderSubmitted>().len(), 2);
//! assert_eq!(error.unaccepted().len(), 1);
//! assert_eq!(error.unaccepted()[0].fault().code(), Some("InvalidArgument"));
//! // It is still there, to be stored or corrected.
//! let order = error.into_unaccepted().remove(0).into_outgoing().unwrap();
//! assert_eq!(order.name(), "order_submitted");
//! ```
//!
//! # Patterns
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
//! assert_eq!(rules.matches(&event)?, [&"loyalty"]);
//!
//! // What AWS refuses, it refuses for the same reason.
//! let error = EventPattern::parse(r#"{ "detail-type": "order_submitted" }"#).unwrap_err();
//! assert_eq!(error.to_string(), r#""detail-type" must be an object or an array (at `detail-type`, byte 17)"#);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Patterns from types
//!
//! [`EventPattern::of`] builds the pattern that a consumer of an event needs from the event's type,
//! so that neither the source nor the detail-type is forgotten or misspelt. `EventPattern::check`
//! (feature `schema`) proves from the type that a pattern can never match, or that it matches more
//! than it seems to.
//!
//! # Hostile input
//!
//! Events come from outside. Reading one is linear in its bytes, and its size and depth are bounded;
//! matching one is bounded by [`EventPattern::matches`]. Errors about events repeat nothing of what
//! is in them. Errors about patterns do: patterns are code.
//!
//! # Features
//!
//! None is on by default, and none removes anything.
//!
//! | feature | adds |
//! |---|---|
//! | `eventbridge` | `EventBridge`, through the AWS SDK and a client that the caller builds; brings `tokio` |
//! | `schema` | `Publisher::with_schema`, for refusing events that break the schema of their type, and checks of patterns against schemas |
//! | `tokio` | `Publisher::system`, which waits on tokio's timer |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod claim_check;
#[cfg(feature = "eventbridge")]
mod event_bridge;
mod json;
mod outgoing;
mod pattern;
mod port;
mod publisher;
mod trace_header;
#[cfg(feature = "schema")]
mod written_schemas;

#[cfg(feature = "eventbridge")]
pub use crate::event_bridge::EventBridge;
pub use crate::{
    claim_check::{ClaimCheck, ClaimCheckError, InMemoryPayloads, PayloadStore},
    outgoing::{InvalidEvent, OutgoingEvent},
    pattern::{
        EventError, EventPattern, EventReason, Filter, ParsedEvent, PatternBuilder, PatternError,
        PatternLimits, PatternReason, Patterns,
    },
    port::{Acceptance, Accepted, Bus, EntryResult, Limits, Preflight, Proof},
    publisher::{Publication, PublicationOutput, PublishError, Published, Publisher, Unaccepted},
};

#[cfg(feature = "schema")]
#[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
pub use crate::pattern::{Finding, Findings, Mismatch};

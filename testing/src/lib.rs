//! A service that lives on events is hard to test from outside: its input arrives wrapped in two or
//! three AWS envelopes, its output goes to a bus that is not there, and what matters most, who
//! caused what, is in members that nobody wants to type. This crate types them.
//!
//! - [`sample`] makes a complete and deterministic event of any [`DomainEvent`], typed or as the
//!   bytes that Lambda gets from EventBridge, SQS or SNS.
//! - [`assert_same_event`], [`assert_same_envelope`], [`assert_same_json`] and [`assert_caused_by`]
//!   fail with a line diff that can be read.
//! - [`InMemoryBus`] runs several services against each other in one thread, through the real
//!   wire form.
//! - [`FixedClock`] and [`SequentialIds`] make the stamps of new events predictable.
//!
//! There is no AWS in it and no async runtime.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use setpiece_envelope::{Correlation, Envelope, ServiceId, Stamp};
//! # use setpiece_envelope::{DomainEvent, EventVersion, First};
//! use setpiece_testing::{
//!     FixedClock, InMemoryBus, SequentialIds, assert_caused_by, assert_same_event, sample,
//! };
//!
//! const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
//! const BILLING: ServiceId = ServiceId::new("retail", "finance", "billing");
//!
//! // In a service, `#[derive(DomainEvent)]` writes the implementations.
//! #[derive(Debug, Serialize, Deserialize)]
//! struct OrderSubmitted {
//!     order_number: String,
//!     cents: i64,
//! }
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct InvoiceIssued {
//!     order_number: String,
//!     cents: i64,
//! }
//! # impl DomainEvent for OrderSubmitted {
//! #     type Previous = First;
//! #     const SERVICE: ServiceId = ORDERS;
//! #     const NAME: &'static str = "order_submitted";
//! #     const VERSION: EventVersion = EventVersion::new(1);
//! # }
//! # impl DomainEvent for InvoiceIssued {
//! #     type Previous = First;
//! #     const SERVICE: ServiceId = BILLING;
//! #     const NAME: &'static str = "invoice_issued";
//! #     const VERSION: EventVersion = EventVersion::new(1);
//! # }
//!
//! fn issue_invoice(order: &Envelope<OrderSubmitted>) -> InvoiceIssued {
//!     InvoiceIssued { order_number: order.data.order_number.clone(), cents: order.data.cents }
//! }
//!
//! // A decision alone.
//! let order = sample(OrderSubmitted { order_number: "7".to_owned(), cents: 2999 });
//! assert_same_event(
//!     &issue_invoice(order.envelope()),
//!     &InvoiceIssued { order_number: "7".to_owned(), cents: 2999 },
//! );
//!
//! // The same event as a Lambda function behind a queue gets it.
//! let invocation: Vec<u8> = order.sqs();
//! # assert!(invocation.starts_with(br#"{"Records":[{"messageId":"#));
//!
//! // The decision among its neighbours.
//! let mut bus = InMemoryBus::new(Stamp::new(FixedClock::default(), SequentialIds::new()));
//! bus.subscribe::<OrderSubmitted>("billing", |order, outbox| {
//!     outbox.emit(issue_invoice(order));
//!     Ok(())
//! });
//! let order = OrderSubmitted { order_number: "7".to_owned(), cents: 2999 };
//! let submitted = bus.publish(order, &Correlation::root())?;
//! bus.run_until_quiet(|dispatch| {
//!     if dispatch.event.name == "invoice_issued" {
//!         assert_caused_by(dispatch.event, &submitted);
//!     }
//! })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Panics are the contract
//!
//! The assertions panic when they do not hold, and [`Sample`] panics when it is told something that
//! no event can have, such as an empty id. Both name the line of the test, not one of this crate.
//! What an assertion prints includes the data of events: give them invented people.

mod assertions;
mod bus;
mod fake_bus;
mod fingerprint;
mod json_lines;
mod must;
mod sample;
mod wrap;

pub use crate::{
    assertions::{assert_caused_by, assert_same_envelope, assert_same_event, assert_same_json},
    bus::{
        Delivery, Dispatch, InMemoryBus, Outbox, Tally as InMemoryTally,
        error::{DeliveryError, HandlerError, RunError},
    },
    fake_bus::{
        CallError, CallFault, EntryFault, FakeBus, Faults, PutEventsAnswer, PutEventsEntry,
        PutEventsRequest, PutEventsResult, RecordedEvent, RequestOutcome, Tally,
    },
    sample::{Sample, sample},
    wrap::{ACCOUNT, REGION, sqs_event},
};

#[doc(inline)]
pub use setpiece_envelope::{FixedClock, SequentialIds};

#[cfg(doc)]
use setpiece_envelope::DomainEvent;

#[cfg(test)]
mod fixtures;

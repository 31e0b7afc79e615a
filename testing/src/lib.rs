//! A service that lives on events is hard to test from outside: its input arrives wrapped in two or
//! three AWS envelopes, its output goes to a bus that is not there, and what matters most, who
//! caused what, is in members that nobody wants to type. This crate types them.
//!
//! - [`sample`] makes a complete and deterministic event of any [`DomainEvent`], typed or as the
//!   bytes that Lambda gets from EventBridge, SQS, SNS or Kinesis.
//! - [`sqs_event`], [`sns_event`], [`kinesis_event`] and [`HttpEvent`] wrap what is no event: text,
//!   bytes, or somebody else's JSON.
//! - [`assert_same_event`], [`assert_same_envelope`], [`assert_same_json`] and [`assert_caused_by`]
//!   fail with a line diff that can be read.
//! - [`assert_same_effects`] and [`assert_emitted!`] do the same for what a handler decided.
//! - [`decide`] calls a handler with an event and returns what it decided.
//! - [`FakeBus`] is EventBridge in memory: what it refuses and drops, rules, targets, archives and
//!   dead letters, at-least-once delivery, and trouble on demand or from a seed.
//!   [`assert_published!`] says what was published on it.
//! - [`World`] runs whole services on it: functions, queues and their processes, in a time of their
//!   own and with all that goes wrong in a cloud. What fails is played again from its seed.
//! - [`FixedClock`] and [`SequentialIds`] make the stamps of new events predictable.
//!
//! There is no AWS in it and no async runtime.
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
//! use std::time::Duration;
//!
//! use serde::{Deserialize, Serialize};
//! use setpiece_bus::Publisher;
//! use setpiece_envelope::{Correlation, Envelope, ServiceId, Stamp};
//! # use setpiece_envelope::{DomainEvent, EventVersion, First};
//! use setpiece_policy::{Deadline, InstantSleep, Retry, SeededRandom};
//! use setpiece_testing::{
//!     FakeBus, Faults, SequentialIds, assert_caused_by, assert_published, assert_same_event, sample,
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
//! // The decision among its neighbours, on a bus that is throttled at times.
//! let bus = FakeBus::new().with_faults(Faults::seeded(7).throttle(0.3));
//! bus.subscribe::<OrderSubmitted>("billing");
//! let clock = bus.clock();
//! let retry = Retry::new(clock.clone(), SeededRandom::new(7), InstantSleep::new(clock.clone()));
//! let publisher = Publisher::new(bus.clone(), retry)
//!     .with_stamp(Stamp::new(clock.clone(), SequentialIds::new()));
//! let deadline = || Deadline::after(&clock, Duration::from_secs(30));
//!
//! block_on(async {
//!     let order = OrderSubmitted { order_number: "7".to_owned(), cents: 2999 };
//!     publisher.publish(order, &Correlation::root(), deadline()).await?;
//!     while let Some(delivery) = bus.next_delivery() {
//!         let order = delivery.decode::<OrderSubmitted>()?;
//!         let caused = Correlation::caused_by(&order.metadata);
//!         publisher.publish(issue_invoice(&order), &caused, deadline()).await?;
//!         delivery.succeed();
//!     }
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! })?;
//!
//! assert_published!(bus, InvoiceIssued { order_number: "7", .. }, once);
//! let submitted = &bus.published::<OrderSubmitted>()[0];
//! assert_caused_by(&bus.published::<InvoiceIssued>()[0].metadata, &submitted.metadata);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Panics are the contract
//!
//! The assertions panic when they do not hold, and [`Sample`] panics when it is told something that
//! no event can have, such as an empty id. Both name the line of the test, not one of this crate.
//! What an assertion prints includes the data of events: give them invented people.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod assertions;
mod chance;
mod decide;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod fake_bus;
mod fingerprint;
mod gate;
mod json_lines;
mod must;
mod pauses;
mod sample;
#[cfg(feature = "http")]
mod server;
mod world;
mod wrap;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "dynamodb")]
pub use crate::dynamodb::{DynamoDbFault, DynamoDbFaults, DynamoDbRequest, LocalDynamoDb};
#[cfg(feature = "http")]
pub use crate::server::FakeBusServer;
pub use crate::{
    assertions::{
        assert_caused_by, assert_same_envelope, assert_same_event, assert_same_json,
        effects::assert_same_effects,
    },
    decide::{HandlerInput, decide, decide_fault},
    fake_bus::{
        CallError, CallFault, Delivery, EntryFault, Exhausted, FakeBus, Faults, Input,
        PutEventsAnswer, PutEventsEntry, PutEventsRequest, PutEventsResult, QueueMessage,
        RecordedEvent, Replay, RequestOutcome, RetryPolicy, Rule, Tally, Target, Undelivered,
    },
    gate::Gate,
    sample::{Sample, sample},
    world::{
        FunctionTally, Outcome, Percentiles, Queue, RequestFault, Sandbox, World, WorldBus,
        WorldCalls, WorldClock, WorldDelivery, WorldEffects, WorldEnding, WorldFailure,
        WorldFaults, WorldFunction, WorldQuarantine, WorldRecords, WorldResource, WorldSleep,
    },
    wrap::{
        ACCOUNT, HttpEvent, REGION, StreamRecord, event_array, kinesis_event, kinesis_event_of,
        sns_event, sns_event_of, sns_notification_of, sqs_event, sqs_event_of, sqs_fifo_event,
        stream_event,
    },
};

#[doc(inline)]
pub use setpiece_envelope::{FixedClock, SequentialIds};

#[cfg(doc)]
use setpiece_envelope::DomainEvent;

#[cfg(test)]
mod fixtures;

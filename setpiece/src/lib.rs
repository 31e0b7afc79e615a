//! Event-driven serverless services on AWS: no event lost, no effect twice, no hop untraceable.
//!
//! A service on Lambda hears of events, decides, writes and publishes. Everything around it delivers
//! at least once and dies at any moment, so between hearing and publishing an event is lost or an
//! effect happens twice, unless each function is written with great care. With Setpiece a function
//! is a decision: it takes an event and returns its effects, which are applied once.
//!
//! This crate is where a team begins: it re-exports the crates of Setpiece as modules and starts
//! Lambda functions. Who wants only one of them depends on that one.
//!
//! ```
//! # #[cfg(feature = "derive")] {
//! use serde::{Deserialize, Serialize};
//! use setpiece::prelude::*;
//!
//! const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");
//! const ORDERS: ServiceId = ServiceId::new("shop", "checkout", "orders");
//!
//! /// The members of another service's event that this one reads.
//! #[derive(Serialize, Deserialize, DomainEvent)]
//! #[event(service = ORDERS, name = "order_submitted", version = 1, view)]
//! struct OrderSubmitted {
//!     customer: String,
//!     total_cents: u32,
//! }
//!
//! #[derive(Serialize, Deserialize, DomainEvent)]
//! #[event(service = LOYALTY, name = "points_awarded", version = 1)]
//! struct PointsAwarded {
//!     points: u32,
//! }
//!
//! async fn award_points(_: &Cx<()>, event: Received<OrderSubmitted>) -> Result<Effects, Fault> {
//!     let points = event.data.total_cents / 100;
//!     Ok(Effects::new()
//!         .write(Write::update("points", ("customer", event.data.customer)).add("points", points))
//!         .emit(PointsAwarded { points }))
//! }
//! # let _ = Handlers::new(()).on(award_points);
//! # }
//! ```
//!
//! The function's `main` is in [`lambda`]. Tests are written with the crate `setpiece-testing`.
//!
//! # Features
//!
//! None is on by default, and none removes anything.
//!
//! | feature | adds |
//! |---|---|
//! | `aws` | `derive`, `dynamodb`, `eventbridge`, `lambda` and `sqs`: all that a function on DynamoDB and EventBridge needs |
//! | `compress` | [`Keep::compressed`](idempotency::Keep) |
//! | `derive` | `#[derive(DomainEvent)]` |
//! | `dynamodb` | records and effects in DynamoDB |
//! | `eventbridge` | publishing to EventBridge |
//! | `lambda` | Lambda's runtime; with `dynamodb` and `eventbridge` the module `lambda` |
//! | `observability` | logs and metrics that carry the ids of their flow; with `lambda` a scope for each invocation |
//! | `schema` | JSON Schemas of events |
//! | `shutdown` | waiting for what is handled when a sandbox is shut down |
//! | `sqs` | a quarantine in a queue |
//! | `tokio` | waiting on tokio's timer; comes with `lambda` and `eventbridge` |
//! | `tower` | layers around handlers and guards |
//!
//! # Under another name
//!
//! A crate that renames this one says so to the derive:
//! `#[event(crate = ::other_name::envelope, …)]`.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(feature = "lambda", feature = "dynamodb", feature = "eventbridge"))]
#[cfg_attr(
    docsrs,
    doc(cfg(all(feature = "lambda", feature = "dynamodb", feature = "eventbridge")))
)]
pub mod lambda;
pub mod prelude;

pub mod envelope {
    //! Events as types, their metadata, ids, versions, and the JSON in which they travel.
    //!
    //! All of `setpiece-envelope`.

    #[doc(inline)]
    pub use setpiece_envelope::*;
    #[cfg(feature = "derive")]
    #[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
    pub use setpiece_macros::DomainEventOfFacade as DomainEvent;
}

#[doc(inline)]
pub use setpiece_bus as bus;
#[doc(inline)]
pub use setpiece_handler as handler;
#[doc(inline)]
pub use setpiece_idempotency as idempotency;
#[cfg(feature = "observability")]
#[cfg_attr(docsrs, doc(cfg(feature = "observability")))]
#[doc(inline)]
pub use setpiece_observability as observability;
#[doc(inline)]
pub use setpiece_policy as policy;

#[cfg(feature = "dynamodb")]
#[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
pub use aws_sdk_dynamodb;
#[cfg(feature = "eventbridge")]
#[cfg_attr(docsrs, doc(cfg(feature = "eventbridge")))]
pub use aws_sdk_eventbridge;
#[cfg(feature = "sqs")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqs")))]
pub use aws_sdk_sqs;
#[cfg(feature = "lambda")]
#[cfg_attr(docsrs, doc(cfg(feature = "lambda")))]
pub use lambda_runtime;
pub use serde_dynamo;

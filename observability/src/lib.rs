//! Logs, metrics and traces of event-driven services on Lambda, joined by the flow that they
//! belong to.
//!
//! A flow passes through many functions, queues and buses, and each of them writes about its own
//! part under its own id. Whoever asks what became of one order has to know all of these ids. With
//! this crate every line, metric and message of a flow carries the same correlation id, over every
//! transport, and says what caused it.
//!
//! ```
//! use setpiece_envelope::{Correlation, CorrelationId, FixedClock};
//! use setpiece_observability::{Config, Invocation, Lines, Telemetry};
//!
//! struct Print;
//!
//! impl Lines for Print {
//!     fn write(&self, lines: &str) {
//!         print!("{lines}");
//!     }
//! }
//!
//! // `Telemetry::init(Config::from_env())` in a function.
//! let telemetry = Telemetry::new(Config::new("orders"), FixedClock::default(), Print);
//! let flow = Correlation::root().with_correlation_id(CorrelationId::parse("order-17")?);
//! let scope = telemetry.invocation(Invocation::new("8476a536").with_correlation(flow));
//! # use tracing_subscriber::layer::SubscriberExt as _;
//! # let subscriber = tracing_subscriber::Registry::default().with(telemetry.layer());
//! # let _default = tracing::subscriber::set_default(subscriber);
//!
//! // {"level":"INFO","message":"taken","timestamp":"2026-01-01T00:00:00.000Z","service":"orders",
//! //  "cold_start":true,"requestId":"8476a536","correlation_id":"order-17","items":2}
//! scope.enter(|| tracing::info!(items = 2, "taken"));
//! # Ok::<_, setpiece_envelope::Reason>(())
//! ```
//!
//! - [`Telemetry`] writes what `tracing` hears of as JSON, one object a line, and panics too.
//! - [`Scope`] is an invocation or one record of it. Its lines carry its ids, and what is below the
//!   level is kept until it fails.
//! - [`metrics`] belong to a scope, too, and are lines.
//! - [`SampleRate`] chooses flows, the same ones in each service.
//! - [`redact`] keeps personal data and credentials out of all of it.
//! - [`propagation`] is the way of the ids from one service to the next.
//!
//! # Lines
//!
//! The members are those of Powertools for AWS in TypeScript, and Lambda's own where they differ:
//! `level`, `message`, `timestamp`, `service`, `sampling_rate`, `cold_start`, `requestId`,
//! `tenantId`, `xray_trace_id`, and if configured `function_name`, `function_memory_size` and
//! `function_arn`. Ours are `correlation_id`,
//! `causation_id`, `event_id` and `depth`. Fields of the event follow, then those of its spans, the
//! nearest first; of a name there is one. A field with a name from this list gets an underscore:
//! `level_`. But a span may name ids, which then stand for what runs in it.
//!
//! An error is an object: `{"message":"…","cause":{"message":"…"}}`. Numbers that do not fit 64 bits
//! and that are none are texts. A text has at most 8 KiB, after which it is cut.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(test)]
mod captured;
mod config;
mod json;
#[cfg(feature = "lambda")]
mod lambda;
mod log;
pub mod metrics;
pub mod propagation;
pub mod redact;
mod sampling;
mod scope;
mod telemetry;
mod watchdog;
mod x_ray;

#[cfg(feature = "lambda")]
#[cfg_attr(docsrs, doc(cfg(feature = "lambda")))]
pub use crate::lambda::{InInvocation, InvocationLayer, InvocationService};
pub use crate::{
    config::{Config, Format},
    sampling::SampleRate,
    scope::{InScope, Invocation, Scope},
    telemetry::{AlreadyInitialized, Lines, Stdout, Telemetry},
    x_ray::{XRayHeader, XRaySampling},
};
